//! Files in: cut into items, sent in batches, told in one report.

use crate::access::Access;
use crate::arguments::ImportArguments;
use crate::exit::{self, Exit, Trouble};
use crate::screen::{Form, Screen, remark};
use crate::source::Source;
use crate::walk::{Found, Walk};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heirloom_base::limits::{API_REQUEST_BYTES_MAX, IMPORT_BATCH_BYTES_MAX};
use heirloom_base::{count, hash};
use heirloom_core::command::{
    Answer, Command, Failure, ImportItem, ImportReport, SkippedItem, Wait,
};
use heirloom_formats::{CardCutter, Fate, Part, RawItem, Reading, Skipped, Standing};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Bytes of one item, so that its base64 form fits a request with room for the rest.
const ITEM_BYTES_MAX: usize = API_REQUEST_BYTES_MAX / 4 * 3 - 64 * 1024;

/// Bytes of a batch that ends in files of one name, which are told apart
/// together: as many as leave a request its room.
const ONE_NAME_BYTES_MAX: usize = 2 * IMPORT_BATCH_BYTES_MAX;

/// Bytes that are read of a file at one time while it is cut.
const PIECE_BYTES: usize = 1024 * 1024;

/// Left out items that are listed at all, so that junk does not fill the memory.
const LISTED_MAX: usize = 10_000;

/// Left out items that are told one by one to people.
const TOLD_MAX: usize = 20;

/// Carries out `import`.
pub(crate) async fn run<W: Write>(
    arguments: ImportArguments,
    home: &Path,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let walk = Walk::over(&arguments.paths);
    let mut import = Import {
        access: Access::open(home).await?,
        dry_run: arguments.dry_run,
        batch: Batch::default(),
        seen: BTreeMap::new(),
        unlisted: 0,
        report: ImportReport { skipped: walk.skipped, ..ImportReport::default() },
        reached: true,
    };
    let bar = if screen.draws_progress() {
        progress_bar(walk.found.iter().map(|found| found.bytes).sum())
    } else {
        ProgressBar::hidden()
    };
    let result = import.files(&walk.found, arguments.category.as_deref(), &bar).await;
    let result = match result {
        Ok(()) => import.send(arguments.wait.wait()).await,
        Err(failure) => Err(failure),
    };
    bar.finish_and_clear();
    match result {
        Err(failure) if !arguments.dry_run => return Err(in_part(failure, &import.report).into()),
        result => result?,
    }
    import
        .report
        .skipped
        .sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
    note_unlisted(&mut import.report, import.unlisted);
    let result = Told { reached: import.reached, unlisted: import.unlisted };
    tell(&import.report, result, arguments.dry_run, screen)
}

fn progress_bar(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left (safe to interrupt)",
    )
    .expect("the template is fixed and valid");
    ProgressBar::new(bytes).with_style(style)
}

/// Items that travel in one request.
#[derive(Debug, Default)]
struct Batch {
    items: Vec<ImportItem>,
    bytes: usize,
    /// How reports call the files that the items name: what is imported
    /// together is told apart, so files of one name stay in one batch.
    shown: BTreeMap<String, Vec<String>>,
}

impl Batch {
    /// Returns whether one more item of this size, of a file of this name, would
    /// make it too large. What has the name of the last one may go beyond.
    fn is_full_for(&self, name: &str, bytes: usize) -> bool {
        let is_one_name = self.items.last().is_some_and(|last| last.file == name);
        let most = if is_one_name { ONE_NAME_BYTES_MAX } else { IMPORT_BATCH_BYTES_MAX };
        !self.items.is_empty() && self.bytes + bytes > most
    }

    /// Notes how reports call a file.
    fn name(&mut self, file: &Found) {
        let shown = self.shown.entry(file.name.clone()).or_default();
        if shown.last() != Some(&file.shown) {
            shown.push(file.shown.clone());
        }
    }

    fn push(&mut self, item: ImportItem, bytes: usize) {
        self.items.push(item);
        self.bytes += bytes;
    }
}

/// An import on its way.
struct Import {
    access: Access,
    dry_run: bool,
    batch: Batch,
    /// Every item so far: of what it holds of its record and of its bytes, or
    /// of its lines where it has no uid, the hashes, cut short because an import
    /// may have millions.
    seen: BTreeMap<[u8; 16], [u8; 8]>,
    /// Left out items that are not listed any more.
    unlisted: usize,
    report: ImportReport,
    reached: bool,
}

impl Import {
    async fn files(
        &mut self,
        found: &[Found],
        category: Option<&str>,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        for file in found {
            match Source::open(file, category.or(file.category)) {
                Ok(source) => self.file(file, source, bar).await?,
                Err(reason) => self.skip(file, 1, reason),
            }
            bar.inc(file.bytes);
        }
        Ok(())
    }

    /// Cuts one file into items while it is read.
    async fn file(
        &mut self,
        file: &Found,
        mut source: Source,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        let mut cutter = match source.reading {
            Reading::InParts => CardCutter::new(&file.name),
            Reading::Whole(bytes_max) => {
                return match source.whole(bytes_max) {
                    Ok(bytes) => self.whole(file, &source, &bytes).await,
                    Err(reason) => {
                        self.skip(file, 1, reason);
                        Ok(())
                    }
                };
            }
        };
        loop {
            let piece = std::mem::take(&mut source.head);
            let split = match piece.is_empty() {
                true => break,
                false => cutter.push(&piece),
            };
            self.parts(file, split).await?;
            bar.tick();
            match source.more(PIECE_BYTES) {
                Ok(bytes) => source.head = bytes,
                Err(reason) => {
                    self.skip(file, 1, format!("the rest cannot be read: {reason}"));
                    break;
                }
            }
        }
        self.parts(file, cutter.finish()).await
    }

    async fn whole(&mut self, file: &Found, source: &Source, bytes: &[u8]) -> Result<(), Failure> {
        match heirloom_formats::parts(&file.name, bytes, source.category.as_deref()) {
            Ok(parts) => self.parts(file, parts).await,
            Err(error) => {
                self.skip(file, 1, error.to_string());
                Ok(())
            }
        }
    }

    /// Takes the parts of a file and sends every batch that is full.
    async fn parts(
        &mut self,
        file: &Found,
        parts: impl IntoIterator<Item = Part>,
    ) -> Result<(), Failure> {
        for part in parts {
            let raw = match part {
                Ok(raw) => raw,
                Err(Skipped { line, reason, fate }) => {
                    match fate {
                        Fate::LeftOut => self.skip(file, line, reason),
                        Fate::Mended => self.remark(file, line, reason),
                    }
                    continue;
                }
            };
            if !self.is_wanted(file, &raw) {
                continue;
            }
            let size = raw.bytes.len();
            if self.batch.is_full_for(&file.name, size) {
                self.send(Wait::default()).await?;
            }
            self.batch.name(file);
            let item = ImportItem {
                category: raw.category.id.to_owned(),
                file: file.name.clone(),
                line: raw.line,
                base64: STANDARD.encode(&raw.bytes),
                root: file.root,
            };
            self.batch.push(item, size);
        }
        Ok(())
    }

    /// Returns whether an item is to be sent. A record that stands twice in
    /// one import is taken the first time, whatever the files and batches.
    fn is_wanted(&mut self, file: &Found, raw: &RawItem) -> bool {
        let size = raw.bytes.len();
        if size > ITEM_BYTES_MAX {
            self.skip(file, raw.line, format!("{size} bytes are too large for one item"));
            return false;
        }
        let item = match heirloom_formats::parse(raw) {
            Ok(item) => item,
            Err(error) => {
                self.skip(file, error.line, error.reason);
                return false;
            }
        };
        let uid = item.uid.clone().unwrap_or_else(|| heirloom_formats::content_uid(&item));
        // Without a uid, the lines themselves tell that it is the same.
        let told_by = if item.uid.is_some() { raw.bytes.as_slice() } else { uid.as_bytes() };
        let hash: [u8; 8] = hash::truncate(hash::plain(told_by));
        let id = |part: &str| {
            hash::truncate(hash::plain(format!("{}/{part}/{uid}", raw.category.id).as_bytes()))
        };
        match Standing::of(&item, |part| self.seen.get(&id(part)).map(|first| *first == hash)) {
            Standing::New => {
                for part in heirloom_formats::parts_of(&item) {
                    self.seen.entry(id(&part)).or_insert(hash);
                }
                return true;
            }
            Standing::Same => self.report.unchanged += 1,
            Standing::Other => {
                let reason = "another version of this item stands before it in this import";
                self.skip(file, raw.line, reason.to_owned());
            }
        }
        false
    }

    /// Sends the batch. A level covers everything earlier from this device,
    /// so only the last batch waits for more than this device.
    async fn send(&mut self, wait: Wait) -> Result<(), Failure> {
        let Batch { items, shown, .. } = std::mem::take(&mut self.batch);
        if items.is_empty() {
            return Ok(());
        }
        let command = Command::Import { items, dry_run: self.dry_run, wait };
        let answer = self.access.run(command).await?;
        let Answer::Imported { mut report, reached } = answer else {
            return Err(exit::unexpected(&answer));
        };
        for skipped in report.skipped.iter_mut().chain(&mut report.kept) {
            if let Some(shown) = shown.get(&skipped.file) {
                skipped.file = shown.join(" or ");
            }
        }
        self.reached = reached;
        self.unlisted += merge(&mut self.report, report);
        Ok(())
    }

    fn skip(&mut self, file: &Found, line: usize, reason: String) {
        if self.report.skipped.len() >= LISTED_MAX {
            self.unlisted += 1;
            return;
        }
        self.report.skipped.push(SkippedItem { file: file.shown.clone(), line, reason });
    }

    /// Says something of what was taken.
    fn remark(&mut self, file: &Found, line: usize, reason: String) {
        if self.report.kept.len() < LISTED_MAX {
            self.report.kept.push(SkippedItem { file: file.shown.clone(), line, reason });
        }
    }
}

/// What the report of an import does not say.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// Whether the level that was asked for was reached.
    reached: bool,
    /// Left out items that are not listed.
    unlisted: usize,
}

/// Says how much more was left out than is listed.
fn note_unlisted(report: &mut ImportReport, unlisted: usize) {
    if let (Some(last), 1..) = (report.skipped.last_mut(), unlisted) {
        last.reason = format!("{}; and {unlisted} more were left out", last.reason);
    }
}

/// Adds the report of one batch to the whole; returns how much that was left
/// out is not listed any more.
fn merge(whole: &mut ImportReport, part: ImportReport) -> usize {
    whole.accepted += part.accepted;
    whole.updated += part.updated;
    whole.unchanged += part.unchanged;
    let room = LISTED_MAX.saturating_sub(whole.skipped.len());
    let unlisted = part.skipped.len().saturating_sub(room);
    whole.skipped.extend(part.skipped.into_iter().take(room));
    let room = LISTED_MAX.saturating_sub(whole.kept.len());
    whole.kept.extend(part.kept.into_iter().take(room));
    unlisted
}

/// Says of an import that broke off what was saved before.
fn in_part(failure: Failure, report: &ImportReport) -> Failure {
    let saved = report.accepted + report.updated;
    if saved == 0 {
        return failure;
    }
    let items = count::of(saved, "item was", "items were");
    let text = format!("{items} imported, but not the others: {}", failure.text);
    Failure { exit: Exit::PartlyImported.code(), text, ..failure }
}

/// Returns what the import fails with, where it does.
fn shortfall(report: &ImportReport, told: Told) -> Option<Failure> {
    let taken = report.accepted + report.updated + report.unchanged;
    let skipped = report.skipped.len() + told.unlisted;
    if taken == 0 {
        let text =
            if skipped == 0 { "nothing to import was found" } else { "nothing was imported" };
        let fix = if skipped == 0 {
            "Name a file or a folder that holds cards, calendars, notes or settings"
        } else {
            "Each reason is told above; correct the files and import them again"
        };
        return Some(exit::failure(Exit::NothingImported, "nothing-imported", text, fix));
    }
    if !told.reached {
        return Some(exit::not_yet());
    }
    (skipped > 0).then(|| {
        let items = count::of(skipped as u64, "item was", "items were");
        let text = format!("{items} left out, everything else is imported");
        let fix = "Correct what was left out and import it again; what is here stays unchanged";
        exit::failure(Exit::PartlyImported, "imported-in-part", text, fix)
    })
}

fn tell<W: Write>(
    report: &ImportReport,
    told: Told,
    dry_run: bool,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    screen.json(report)?;
    let ImportReport { accepted, updated, unchanged, skipped, kept } = report;
    let would = if dry_run { "Would be: " } else { "" };
    screen.line(format_args!(
        "{would}{accepted} new, {updated} updated, {unchanged} unchanged, {} left out.",
        skipped.len() + told.unlisted
    ))?;
    if screen.form() == Form::Human {
        for (list, unlisted) in [(skipped, told.unlisted), (kept, 0)] {
            for item in list.iter().take(TOLD_MAX) {
                remark(format_args!("{}:{}: {}", item.file, item.line, item.reason));
            }
            let more = (list.len() + unlisted).saturating_sub(TOLD_MAX);
            match (more, unlisted) {
                (0, _) => {}
                (_, 0) => remark(format_args!("and {more} more; --json tells all")),
                (_, _) => remark(format_args!("and {more} more; --json tells {LISTED_MAX}")),
            }
        }
    }
    match shortfall(report, told) {
        Some(failure) => Err(failure.into()),
        None => screen.next("status"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(accepted: u64, unchanged: u64, skipped: usize) -> ImportReport {
        let item = SkippedItem { file: "a".to_owned(), line: 1, reason: "bad".to_owned() };
        let skipped = vec![item; skipped];
        ImportReport { accepted, unchanged, skipped, ..ImportReport::default() }
    }

    fn exit_of(report: &ImportReport, reached: bool) -> u8 {
        shortfall(report, Told { reached, unlisted: 0 }).map_or(0, |failure| failure.exit)
    }

    #[test]
    fn the_exit_code_tells_how_much_was_imported() {
        assert_eq!(exit_of(&report(2, 0, 0), true), 0);
        assert_eq!(exit_of(&report(0, 5, 0), true), 0);
        assert_eq!(exit_of(&report(0, 0, 0), true), 3);
        assert_eq!(exit_of(&report(0, 0, 2), true), 3);
        assert_eq!(exit_of(&report(1, 0, 1), true), 4);
        assert_eq!(exit_of(&report(0, 1, 1), true), 4);
        assert_eq!(exit_of(&report(1, 0, 0), false), 75);
    }

    #[test]
    fn an_import_that_breaks_off_says_what_was_saved_before() {
        let full = || exit::failure(Exit::Failed, "disk-full", "the disk is full", "free some");
        assert_eq!(in_part(full(), &report(0, 3, 0)), full());
        let part = in_part(full(), &report(2, 0, 0));
        assert_eq!((part.exit, part.code.as_str()), (4, "disk-full"));
        assert!(part.text.contains("2 items were imported"), "{}", part.text);
        assert!(in_part(full(), &report(1, 0, 0)).text.starts_with("1 item was imported"));
    }

    #[test]
    fn reports_of_batches_add_up() {
        let mut whole = report(1, 2, 1);
        assert_eq!(merge(&mut whole, report(3, 0, 2)), 0);
        assert_eq!(whole, report(4, 2, 3));
        assert_eq!(merge(&mut whole, report(0, 0, LISTED_MAX)), 3);
        assert_eq!(whole.skipped.len(), LISTED_MAX);
        note_unlisted(&mut whole, 3);
        assert_eq!(whole.skipped[LISTED_MAX - 1].reason, "bad; and 3 more were left out");
        let failure = shortfall(&whole, Told { reached: true, unlisted: 3 }).unwrap();
        assert!(failure.text.starts_with("10003 items were left out"), "{}", failure.text);
    }

    #[test]
    fn a_batch_is_full_before_its_limit_but_never_empty() {
        let item = ImportItem {
            category: "notes".to_owned(),
            file: "a.md".to_owned(),
            line: 1,
            base64: String::new(),
            root: 0,
        };
        let mut batch = Batch::default();
        assert!(!batch.is_full_for("a.md", ONE_NAME_BYTES_MAX + 1));
        batch.push(item, 10);
        assert!(!batch.is_full_for("b.md", IMPORT_BATCH_BYTES_MAX - 10));
        assert!(batch.is_full_for("b.md", IMPORT_BATCH_BYTES_MAX - 9));
        assert!(!batch.is_full_for("a.md", ONE_NAME_BYTES_MAX - 10));
        assert!(batch.is_full_for("a.md", ONE_NAME_BYTES_MAX - 9));
    }

    #[test]
    fn the_largest_item_fits_a_request() {
        const { assert!(ITEM_BYTES_MAX.div_ceil(3) * 4 + 64 * 1024 < API_REQUEST_BYTES_MAX) };
        const { assert!(ONE_NAME_BYTES_MAX < ITEM_BYTES_MAX) };
    }
}
