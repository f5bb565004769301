//! Files in: cut into items, sent in batches, told in one report.

use crate::access::Access;
use crate::arguments::ImportArguments;
use crate::exit::{self, Exit, Trouble};
use crate::screen::{Form, Screen, remark};
use crate::walk::{Found, Walk};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heirloom_base::limits::{API_REQUEST_BYTES_MAX, IMPORT_BATCH_BYTES_MAX};
use heirloom_core::command::{
    Answer, Command, Failure, ImportItem, ImportReport, SkippedItem, Wait,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Bytes of one file that are read into memory at one time.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Bytes of one item, so that its base64 form fits a request with room for the rest.
const ITEM_BYTES_MAX: usize = API_REQUEST_BYTES_MAX / 4 * 3 - 64 * 1024;

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
    result?;
    import
        .report
        .skipped
        .sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
    tell(&import.report, import.reached, arguments.dry_run, screen)
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
}

impl Batch {
    /// Returns whether one more item of this size would make it too large.
    fn is_full_for(&self, bytes: usize) -> bool {
        !self.items.is_empty() && self.bytes + bytes > IMPORT_BATCH_BYTES_MAX
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
            match read(file) {
                Ok(bytes) => self.file(file, &bytes, category).await?,
                Err(reason) => self.skip(&file.name, 1, reason),
            }
            bar.inc(file.bytes);
        }
        Ok(())
    }

    /// Cuts one file into items and sends every batch that is full.
    async fn file(
        &mut self,
        file: &Found,
        bytes: &[u8],
        category: Option<&str>,
    ) -> Result<(), Failure> {
        let split = match heirloom_formats::split(&file.name, bytes, category) {
            Ok(split) => split,
            Err(error) => {
                self.skip(&file.name, 1, error.to_string());
                return Ok(());
            }
        };
        for skipped in split.skipped {
            self.skip(&file.name, skipped.line, skipped.reason);
        }
        for item in split.items {
            let size = item.bytes.len();
            if size > ITEM_BYTES_MAX {
                self.skip(
                    &file.name,
                    item.line,
                    format!("{size} bytes are too large for one item"),
                );
                continue;
            }
            if self.batch.is_full_for(size) {
                self.send(Wait::default()).await?;
            }
            let item = ImportItem {
                category: item.category.id.to_owned(),
                file: file.name.clone(),
                line: item.line,
                base64: STANDARD.encode(&item.bytes),
            };
            self.batch.push(item, size);
        }
        Ok(())
    }

    /// Sends the batch. A level covers everything earlier from this device,
    /// so only the last batch waits for more than this device.
    async fn send(&mut self, wait: Wait) -> Result<(), Failure> {
        let items = std::mem::take(&mut self.batch).items;
        if items.is_empty() {
            return Ok(());
        }
        let command = Command::Import { items, dry_run: self.dry_run, wait };
        let answer = self.access.run(command).await?;
        let Answer::Imported { report, reached } = answer else {
            return Err(exit::unexpected(&answer));
        };
        self.reached = reached;
        merge(&mut self.report, report);
        Ok(())
    }

    fn skip(&mut self, file: &str, line: usize, reason: String) {
        self.report.skipped.push(SkippedItem { file: file.to_owned(), line, reason });
    }
}

fn read(file: &Found) -> Result<Vec<u8>, String> {
    if file.bytes > FILE_BYTES_MAX {
        return Err(format!("{} bytes are too large for one file", file.bytes));
    }
    fs::read(&file.path).map_err(|error| error.to_string())
}

/// Adds the report of one batch to the whole.
fn merge(whole: &mut ImportReport, part: ImportReport) {
    whole.accepted += part.accepted;
    whole.updated += part.updated;
    whole.unchanged += part.unchanged;
    whole.skipped.extend(part.skipped);
}

/// Returns what the import fails with, where it does.
fn shortfall(report: &ImportReport, reached: bool) -> Option<Failure> {
    let taken = report.accepted + report.updated + report.unchanged;
    let skipped = report.skipped.len();
    if taken == 0 {
        let text =
            if skipped == 0 { "nothing to import was found" } else { "nothing was imported" };
        let fix = "Each reason is told above; correct the files and import them again";
        return Some(exit::failure(Exit::NothingImported, "nothing-imported", text, fix));
    }
    if !reached {
        return Some(exit::not_yet());
    }
    (skipped > 0).then(|| {
        let text = format!("{skipped} items were left out, everything else is imported");
        let fix = "Correct what was left out and import it again; what is here stays unchanged";
        exit::failure(Exit::PartlyImported, "imported-in-part", text, fix)
    })
}

fn tell<W: Write>(
    report: &ImportReport,
    reached: bool,
    dry_run: bool,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    screen.json(report)?;
    let ImportReport { accepted, updated, unchanged, skipped } = report;
    let would = if dry_run { "Would be: " } else { "" };
    screen.line(format_args!(
        "{would}{accepted} new, {updated} updated, {unchanged} unchanged, {} left out.",
        skipped.len()
    ))?;
    if screen.form() == Form::Human {
        for item in skipped.iter().take(TOLD_MAX) {
            remark(format_args!("{}:{}: {}", item.file, item.line, item.reason));
        }
        if skipped.len() > TOLD_MAX {
            remark(format_args!("and {} more; --json tells all", skipped.len() - TOLD_MAX));
        }
    }
    match shortfall(report, reached) {
        Some(failure) => Err(failure.into()),
        None => screen.next("status"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(accepted: u64, unchanged: u64, skipped: usize) -> ImportReport {
        let item = SkippedItem { file: "a".to_owned(), line: 1, reason: "bad".to_owned() };
        ImportReport { accepted, updated: 0, unchanged, skipped: vec![item; skipped] }
    }

    fn exit_of(report: &ImportReport, reached: bool) -> u8 {
        shortfall(report, reached).map_or(0, |failure| failure.exit)
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
    fn reports_of_batches_add_up() {
        let mut whole = report(1, 2, 1);
        merge(&mut whole, report(3, 0, 2));
        assert_eq!(whole, report(4, 2, 3));
    }

    #[test]
    fn a_batch_is_full_before_its_limit_but_never_empty() {
        let item = ImportItem {
            category: "notes".to_owned(),
            file: "a.md".to_owned(),
            line: 1,
            base64: String::new(),
        };
        let mut batch = Batch::default();
        assert!(!batch.is_full_for(IMPORT_BATCH_BYTES_MAX + 1));
        batch.push(item, 10);
        assert!(!batch.is_full_for(IMPORT_BATCH_BYTES_MAX - 10));
        assert!(batch.is_full_for(IMPORT_BATCH_BYTES_MAX - 9));
    }

    #[test]
    fn the_largest_item_fits_a_request() {
        const { assert!(ITEM_BYTES_MAX.div_ceil(3) * 4 + 64 * 1024 < API_REQUEST_BYTES_MAX) };
        const { assert!(IMPORT_BATCH_BYTES_MAX < ITEM_BYTES_MAX) };
    }
}
