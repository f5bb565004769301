//! vdirsyncer with Radicale: the contacts of two devices, each a folder of
//! files, over a CardDAV server on the loopback.

use super::spawned::{Deadline, Spawned, free_port, listened, missing_of, run, version_of};
use super::wire::Wire;
use super::{Ground, Peer, Seen, http};
use crate::figure::{Amount, Work};
use crate::files::{self, Counts};
use crate::household::Failure;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Edits whose way is timed; each takes two runs of the program.
const EDITS: usize = 10;

/// The name and password that the devices use.
const AUTHORIZATION: &str = "Authorization: Basic aG91c2Vob2xkOmhvdXNlaG9sZA==";

#[derive(Debug)]
pub(super) struct Dav;

impl Peer for Dav {
    fn name(&self) -> &'static str {
        "vdirsyncer"
    }

    fn version(&self) -> String {
        version_of("vdirsyncer")
    }

    fn remark(&self) -> &'static str {
        "with Radicale, contacts only; an edit is a run on each of two devices; CPU without the \
         server's"
    }

    fn missing(&self) -> Option<String> {
        missing_of(&["vdirsyncer", "radicale"])
    }

    fn edit(&self, ground: &Ground, seen: &mut Seen) -> Result<(), Failure> {
        let server = Server::start(EDITS, ground)?;
        let devices =
            [Device::new("one", server.port, ground)?, Device::new("two", server.port, ground)?];
        for device in &devices {
            device.run("discover", ground)?;
            device.run("sync", ground)?;
        }
        let [one, two] = &devices;
        let mut times = Vec::new();
        for number in 0..EDITS {
            let path = one.path_of(&format!("UID:card-{number}"))?;
            let edited = format!("FN:edit {number}");
            let text = std::fs::read_to_string(&path)?;
            let began = Instant::now();
            std::fs::write(&path, text.replace(&format!("FN:Person {number} Sample"), &edited))?;
            one.run("sync", ground)?;
            two.run("sync", ground)?;
            times.push(began.elapsed());
            two.path_of(&edited)?;
        }
        seen.add(Work::Edit, Amount::percentiles(times));
        Ok(())
    }

    fn many(&self, ground: &Ground, seen: &mut Seen) -> Result<(), Failure> {
        let server = Server::start(ground.records, ground)?;
        // The server reads its files once before, as for any device.
        http::ask(server.port, "GET", "/household/contacts/", AUTHORIZATION)?;
        let wire = Wire::to(server.port)?;
        let device = Device::new("restored", wire.port, ground)?;
        let (found, cpu_of_finding) = device.run("discover", ground)?;
        let (synced, cpu) = device.run("sync", ground)?;
        let came = device.files()?.len();
        if came != ground.records {
            return Err(format!("{came} of {} contacts came", ground.records).into());
        }
        let (wall, cpu) = (Amount::seconds(found + synced), Amount::seconds(cpu_of_finding + cpu));
        seen.add(Work::Restore, vec![wall, cpu, Amount::Bytes(wire.bytes())]);
        Ok(())
    }
}

/// A running Radicale with an address book.
#[derive(Debug)]
struct Server {
    port: u16,
    _spawned: Spawned,
}

impl Server {
    fn start(cards: usize, ground: &Ground) -> Result<Self, Failure> {
        let (store, port) = (ground.made("server")?, free_port()?);
        let book = store.join("collection-root/household/contacts");
        files::write_each(&book, Counts { cards, notes: 0, events: 0 })?;
        std::fs::write(book.join(".Radicale.props"), "{\"tag\": \"VADDRESSBOOK\"}")?;
        let mut command = Command::new("radicale");
        command.args(["--config", "", "--auth-type", "none", "--server-hosts"]);
        command.arg(format!("127.0.0.1:{port}")).arg("--storage-filesystem-folder").arg(store);
        let spawned = Spawned::start(command, &ground.path("server.err"), ground.deadline)?;
        listened(port, Deadline::after(super::START_LIMIT))?;
        Ok(Self { port, _spawned: spawned })
    }
}

/// A folder of contacts that is kept level with the server.
#[derive(Debug)]
struct Device {
    contacts: PathBuf,
    settings: PathBuf,
}

impl Device {
    fn new(name: &str, port: u16, ground: &Ground) -> Result<Self, Failure> {
        let home = ground.made(name)?;
        let contacts = ground.made(&format!("{name}/books/contacts"))?;
        let text = format!(
            "[general]\nstatus_path = \"{home}/status\"\n\
             [pair contacts]\na = \"here\"\nb = \"there\"\ncollections = [\"contacts\"]\n\
             [storage here]\ntype = \"filesystem\"\npath = \"{home}/books\"\nfileext = \".vcf\"\n\
             [storage there]\ntype = \"carddav\"\nurl = \"http://127.0.0.1:{port}/\"\n\
             username = \"household\"\npassword = \"household\"\n",
            home = home.display()
        );
        let settings = home.join("config");
        std::fs::write(&settings, text)?;
        Ok(Self { contacts, settings })
    }

    /// Runs the program once; returns the time and the processor time.
    fn run(&self, order: &str, ground: &Ground) -> Result<(Duration, Duration), Failure> {
        let mut command = Command::new("vdirsyncer");
        command.arg("--config").arg(&self.settings).arg(order);
        let ended = run(command, &self.settings.with_file_name("errors"), ground.deadline)?;
        Ok((ended.after, ended.cpu))
    }

    fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.contacts)? {
            files.push(entry?.path());
        }
        Ok(files)
    }

    /// Returns the file that has a line.
    fn path_of(&self, line: &str) -> Result<PathBuf, Failure> {
        let has = |path: &PathBuf| {
            std::fs::read_to_string(path).is_ok_and(|text| text.lines().any(|own| own == line))
        };
        let found = self.files()?.into_iter().find(has);
        Ok(found.ok_or_else(|| format!("no contact has the line {line}"))?)
    }
}
