//! The figures, each by a real household on the loopback.

use crate::figure::{Amount, Figure, Work};
use crate::files;
use crate::household::{Failure, Node, Program, measured};
use heirloom_api::Client;
use heirloom_api::command::{Answer, Command, Event, Wait};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Edits whose way is timed.
pub(crate) const EDITS: usize = 300;
/// Longest wait for an edit to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// Changes that the other device has missed.
pub(crate) const CHANGED: usize = 100;
/// Small edits that go to two devices, the notes that they are of, and the
/// connections that give them.
const SMALL_EDITS: usize = 100_000;
const NOTES: usize = 1_280;
const WRITERS: usize = 32;
/// Time after which a pair has nothing more to say.
pub(crate) const SETTLED: Duration = Duration::from_secs(10);
/// Time for which an idle pair is watched.
pub(crate) const IDLE: Duration = Duration::from_secs(60);

fn figure(work: Work, title: &str, ours: Vec<Amount>, goal: &'static str) -> Figure {
    Figure { work, title: title.to_owned(), ours, goal }
}

/// Where the works are done, and how large.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) program: Program,
    pub(crate) folder: TempDir,
    /// Contacts; notes and events are a fifth of them.
    pub(crate) records: usize,
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> Result<String, Failure> {
        let path = self.path(name);
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Makes an account in a folder; returns the phrase.
    fn founded(&self, home: &Path) -> Result<String, Failure> {
        let made = self.program.run(home, &["init", "--device", "first", "--no-verify"])?;
        Ok(made["phrase"].as_str().ok_or("no phrase")?.to_owned())
    }

    /// Lets a new folder join a running node.
    fn joined(&self, node: &Node, home: &Path, name: &str) -> Result<(), Failure> {
        let invite = self.program.run(&node.home, &["invite"])?;
        let link = invite["link"].as_str().ok_or("no link")?;
        self.program.run(home, &["join", link, "--device", name, "--no-mdns"])?;
        Ok(())
    }

    /// Starts a node that dials another.
    fn beside(&self, node: &Node, home: &Path) -> Result<Node, Failure> {
        self.program.up(home, &["--peer", &node.address()?])
    }

    /// What one small write to the disk costs, for comparison.
    pub(crate) fn disk(&self) -> Result<Vec<Figure>, Failure> {
        let mut file = File::create(self.path("disk"))?;
        let mut times = Vec::new();
        for _ in 0..EDITS {
            let began = Instant::now();
            file.write_all(&[7; 512])?;
            file.sync_data()?;
            times.push(began.elapsed());
        }
        let title = "one fdatasync of this disk, p50 / p99";
        Ok(vec![figure(Work::Disk, title, Amount::percentiles(times), "-")])
    }

    /// An edit on one device, until it is durable on the other and said there.
    pub(crate) async fn edit(&self) -> Result<Vec<Figure>, Failure> {
        let (one, other) = (self.path("edit-one"), self.path("edit-other"));
        self.founded(&one)?;
        let first = self.program.up(&one, &[])?;
        self.joined(&first, &other, "other")?;
        let second = self.beside(&first, &other)?;
        let notes = self.notes("edit-notes", EDITS)?;
        self.program.run(&one, &["import", &notes])?;
        let ids = self.ids(&one, "notes")?;
        self.program.run(&one, &["sync", "--timeout", "20"])?;
        let pair = (&first, &second);
        let each = edited(pair, &ids).await?;
        let again = edited(pair, ids.get(..1).unwrap_or_default()).await?;
        let goal = "2 fdatasyncs + 1 ms / 10 ms";
        Ok(vec![
            figure(
                Work::Edit,
                "edit on A readable on B, each of another note, p50 / p99",
                each,
                goal,
            ),
            figure(Work::EditOneNote, "the same, all of one note", again, goal),
        ])
    }

    /// Writes a folder of notes.
    fn notes(&self, name: &str, count: usize) -> Result<String, Failure> {
        let notes = self.path(name);
        std::fs::create_dir(&notes)?;
        for number in 0..count {
            std::fs::write(notes.join(format!("{number}.md")), files::note(number))?;
        }
        Ok(notes.to_string_lossy().into_owned())
    }

    /// Returns the ids of all records of a category.
    fn ids(&self, home: &Path, category: &str) -> Result<Vec<String>, Failure> {
        let list = self.program.command(home, &[category, "list"]).output()?;
        let mut ids = Vec::new();
        for line in String::from_utf8(list.stdout)?.lines() {
            let row: serde_json::Value = serde_json::from_str(line)?;
            ids.push(row["id"].as_str().ok_or("no id")?.to_owned());
        }
        Ok(ids)
    }

    /// An import, a restore, a start and a level reconnection of many records.
    pub(crate) async fn many(&self) -> Result<Vec<Figure>, Failure> {
        let mut figures = Vec::new();
        let (one, count) = (self.path("many-one"), self.records);
        let phrase = self.founded(&one)?;
        let cards = self.file("cards.vcf", &files::cards(count))?;
        let (after, cpu) = measured(self.program.command(&one, &["import", &cards]))?;
        figures.push(figure(
            Work::Import,
            &format!("import of {count} cards, durable: wall / CPU"),
            vec![Amount::seconds(after), Amount::seconds(cpu)],
            "3 s",
        ));
        let events = self.file("events.ics", &files::events(count / 5))?;
        let notes = self.notes("notes", count / 5)?;
        measured(self.program.command(&one, &["import", &events, &notes]))?;

        let first = self.program.up(&one, &[])?;
        figures.push(figure(
            Work::Start,
            &format!("start with {} records: ready / RSS", count + 2 * (count / 5)),
            vec![Amount::seconds(first.after), Amount::Mebibytes(first.memory_mib())],
            "1 s / 150 MiB (100,000)",
        ));
        figures.extend(self.restore(&first, &phrase).await?);
        figures.extend(self.reconnect(&first)?);
        Ok(figures)
    }

    async fn restore(&self, first: &Node, phrase: &str) -> Result<Vec<Figure>, Failure> {
        let (home, file) = (self.path("many-restored"), self.file("phrase", phrase)?);
        let before = first.bytes(&self.program)?;
        let address = first.address()?;
        let arguments =
            ["recover", "--phrase-file", &file, "--peer", &address, "--no-mdns", "--device", "new"];
        let command = self.program.command(&home, &arguments);
        let readable = tokio::spawn(first_readable(home));
        let restored =
            tokio::task::spawn_blocking(|| measured(command).map_err(|error| error.to_string()));
        let (after, cpu) = restored.await??;
        let readable = readable.await?.ok_or("no contact could be read before all were there")?;
        let bytes = first.bytes(&self.program)? - before;
        let first_contact = figure(
            Work::Readable,
            "the first contact that a new device can read, after",
            vec![Amount::seconds(readable)],
            "0.3 s",
        );
        let all = figure(
            Work::Restore,
            "restore of all of them on a new device: wall / CPU / bytes",
            vec![Amount::seconds(after), Amount::seconds(cpu), Amount::Bytes(bytes)],
            "1 s / 1.5 s / 2.2 MB",
        );
        Ok(vec![first_contact, all])
    }

    /// The restored device comes back: to nothing new, then to some changes.
    fn reconnect(&self, first: &Node) -> Result<Vec<Figure>, Failure> {
        let mut figures = Vec::new();
        let home = self.path("many-restored");
        let (_, bytes) = self.level(first, &home)?;
        let title = "both level: a reconnection, bytes";
        figures.push(figure(Work::Level, title, vec![Amount::Bytes(bytes)], "2 kB"));
        for id in self.ids(&first.home, "contacts")?.iter().take(CHANGED) {
            self.program.run(&first.home, &["contacts", "set", id, "note=changed"])?;
        }
        let (after, bytes) = self.level(first, &home)?;
        figures.push(figure(
            Work::Changed,
            &format!("{CHANGED} changed while B was off: after ready / bytes"),
            vec![Amount::seconds(after), Amount::Bytes(bytes)],
            "0.2 s / 25 kB",
        ));
        Ok(figures)
    }

    /// Starts a device and waits until it is level; returns how long that took
    /// after it was ready, and the bytes that travelled.
    fn level(&self, first: &Node, home: &Path) -> Result<(Duration, u64), Failure> {
        let node = self.beside(first, home)?;
        let began = Instant::now();
        self.program.run(home, &["sync", "--timeout", "30"])?;
        let after = began.elapsed();
        let bytes = node.bytes(&self.program)?;
        node.stop()?;
        Ok((after, bytes))
    }

    /// What a pair costs that has nothing to do.
    pub(crate) fn idle(&self) -> Result<Vec<Figure>, Failure> {
        let (one, other) = (self.path("idle-one"), self.path("idle-other"));
        self.founded(&one)?;
        let cards = self.file("idle.vcf", &files::cards(self.records))?;
        self.program.run(&one, &["import", &cards])?;
        let first = self.program.up(&one, &[])?;
        self.joined(&first, &other, "other")?;
        let second = self.beside(&first, &other)?;
        self.program.run(&other, &["sync", "--timeout", "30"])?;
        std::thread::sleep(SETTLED);
        let (bytes, cpu) = (second.bytes(&self.program)?, second.busy());
        std::thread::sleep(IDLE);
        let cpu = second.busy().saturating_sub(cpu);
        let bytes = second.bytes(&self.program)? - bytes;
        Ok(vec![figure(
            Work::Idle,
            &format!("idle with {} records, an hour: bytes / CPU / RSS", self.records),
            hourly(bytes, cpu, second.memory_mib()),
            "30 kB / 1 s / 40 MiB",
        )])
    }

    /// Many small edits, until two other devices have them on their disks.
    pub(crate) async fn throughput(&self) -> Result<Vec<Figure>, Failure> {
        let homes = ["fast-one", "fast-two", "fast-three"].map(|name| self.path(name));
        let [one, two, three] = &homes;
        self.founded(one)?;
        let first = self.program.up(one, &[])?;
        let mut others = Vec::new();
        for (home, name) in [(two, "two"), (three, "three")] {
            self.joined(&first, home, name)?;
            others.push(self.beside(&first, home)?);
        }
        let notes = self.notes("fast-notes", NOTES)?;
        self.program.run(one, &["import", &notes])?;
        let ids = self.ids(one, "notes")?;
        self.program.run(one, &["sync", "--timeout", "20"])?;
        let began = Instant::now();
        let mut writers = tokio::task::JoinSet::new();
        for ids in ids.chunks(NOTES / WRITERS).map(<[String]>::to_vec) {
            let mut client = first.client().await?;
            writers.spawn(async move {
                for (number, id) in (0..SMALL_EDITS / WRITERS).zip(ids.iter().cycle()) {
                    let assignments = vec![format!("title={number}")];
                    let (category, id, wait) = ("notes".to_owned(), id.clone(), Wait::default());
                    let set = Command::Set { category, id, assignments, wait };
                    client.request(set).await.map_err(|error| error.to_string())?;
                }
                Ok::<(), String>(())
            });
        }
        while let Some(written) = writers.join_next().await {
            written??;
        }
        self.program.run(one, &["sync", "--timeout", "120"])?;
        let rate = SMALL_EDITS as f64 / began.elapsed().as_secs_f64();
        let work = format!("{SMALL_EDITS} small edits to two others, each answered when durable");
        Ok(vec![figure(Work::Throughput, &work, vec![Amount::PerSecond(rate)], "5,000/s")])
    }
}

/// Asks a device that is being made for a contact until it has one; returns how
/// long that took, or nothing where it ended before.
async fn first_readable(home: PathBuf) -> Option<Duration> {
    let began = Instant::now();
    let mut has_begun = false;
    while began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let Ok(Some(mut client)) = Client::connect(&home).await else {
            match has_begun {
                true => return None,
                false => continue,
            }
        };
        has_begun = true;
        let (category, limit) = ("contacts".to_owned(), 1);
        let list = Command::List { category, search: None, deleted: false, after: None, limit };
        if let Ok(Answer::Records { rows, .. }) = client.request(list).await
            && !rows.is_empty()
        {
            return Some(began.elapsed());
        }
    }
    None
}

/// Edits notes in turn on one device; returns how long it took until each edit
/// was durable on the other and said there.
async fn edited((first, second): (&Node, &Node), ids: &[String]) -> Result<Vec<Amount>, Failure> {
    let mut client = first.client().await?;
    let mut events = second.client().await?.watch().await?;
    let mut times = Vec::new();
    for (number, id) in ids.iter().cycle().take(EDITS).enumerate() {
        let assignments = vec![format!("title=edit {number} of {}", ids.len())];
        let (category, id, wait) = ("notes".to_owned(), id.clone(), Wait::default());
        let began = Instant::now();
        client.request(Command::Set { category, id, assignments, wait }).await?;
        loop {
            match tokio::time::timeout(PATIENCE, events.next()).await?? {
                Some(Event::RecordsChanged { .. }) => break,
                Some(_) => {}
                None => return Err("the other node has ended".into()),
            }
        }
        times.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(Amount::percentiles(times))
}

/// Returns what an hour costs by what was seen while a pair was watched.
pub(crate) fn hourly(bytes: u64, cpu: Duration, memory_mib: f64) -> Vec<Amount> {
    let hours = 3_600 / IDLE.as_secs();
    let cpu = cpu * u32::try_from(hours).expect("an hour has few minutes");
    vec![Amount::Bytes(bytes * hours), Amount::seconds(cpu), Amount::Mebibytes(memory_mib)]
}
