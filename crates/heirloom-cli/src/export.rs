//! Records out: open files below one folder.

mod manifest;

use crate::access::Access;
use crate::arguments::ExportArguments;
use crate::exit::{self, Exit, Trouble};
use crate::founding::counted;
use crate::screen::{Form, Screen, quoted, remark, warn};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heirloom_api::protocol::ANSWER_TOO_LARGE;
use heirloom_base::count;
use heirloom_core::command::{Answer, Command, ExportFile, Failure, LeftOut};
use heirloom_schema::CATEGORIES;
use manifest::{ASIDE, Cleared, Manifest};
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// Records that one request exports at most; fewer where they are large.
const PAGE_MAX: usize = 64;
/// Records left out that are named on a terminal.
const TOLD_MAX: usize = 20;

/// Carries out `export`.
pub(crate) async fn run<W: Write>(
    arguments: ExportArguments,
    home: &Path,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let mut access = Access::open(home).await?;
    fs::create_dir_all(&arguments.folder).map_err(|error| {
        exit::system(&format!("cannot make the folder {}", arguments.folder.display()), &error)
    })?;
    let mut target = Target::of(arguments.folder);
    let earlier = Manifest::of(&target.folder);
    target.earlier = earlier.clone();
    let files = match categories(&mut access, &arguments.only, &mut target).await {
        Ok(files) => files,
        Err(failure) => {
            // What was written is known to the next export all the same.
            target.written.keep(earlier);
            drop(target.written.write(&target.folder));
            return Err(failure.into());
        }
    };
    // Of a record that was left out an earlier export may hold the only copy.
    let has_all = |category: &&str| target.left_out.iter().all(|out| out.category != *category);
    let exported = files.keys().map(String::as_str).filter(has_all).collect();
    let cleared = target.written.clear(&target.folder, &exported, earlier);
    let cleared = cleared.and_then(|cleared| {
        target.written.write(&target.folder)?;
        Ok(cleared)
    });
    let cleared = cleared.map_err(|error| {
        exit::system(&format!("cannot tidy up {}", target.folder.display()), &error)
    })?;
    tell(&target, &files, &cleared, screen)
}

fn tell<W: Write>(
    target: &Target,
    files: &BTreeMap<String, u64>,
    Cleared { removed, changed }: &Cleared,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let count: u64 = files.values().sum();
    screen.json(&json!({
        "files": count, "bytes": target.bytes, "categories": files,
        "removed": removed, "changed": changed.len(), "replaced": target.replaced.len(),
        "left_out": target.left_out,
    }))?;
    let folder = target.folder.display();
    let (count, bytes) =
        (count::of(count, "file", "files"), count::of(target.bytes, "byte", "bytes"));
    screen.line(format_args!("Wrote {count}, {bytes}, to {folder}."))?;
    screen.line(format_args!("In them: {}.", counted(files)))?;
    if *removed > 0 {
        let removed = count::of(*removed, "file", "files");
        screen.line(format_args!("Removed {removed} of an earlier export."))?;
    }
    if let Some(first) = changed.first() {
        let stayed = count::of(changed.len() as u64, "file", "files");
        let more = if changed.len() > 1 { " and others" } else { "" };
        let text = format!(
            "{stayed} of an earlier export stayed because of changes since then: {}{more}",
            first.display()
        );
        warn(screen.form(), "changed-since", &text);
    }
    if let Some(first) = target.replaced.first() {
        let moved = count::of(target.replaced.len() as u64, "file", "files");
        let text = format!(
            "{moved} that no export had written so made room: see {} in {folder}",
            first.display()
        );
        warn(screen.form(), "replaced", &text);
    }
    if target.left_out.is_empty() {
        return screen.next(&format!("import {}", quoted(&folder.to_string())));
    }
    Err(left_out(&target.left_out, screen.form()).into())
}

/// Names the records that were left out; returns what the export fails with.
fn left_out(records: &[LeftOut], form: Form) -> Failure {
    if form == Form::Human {
        for record in records.iter().take(TOLD_MAX) {
            let LeftOut { id, category, title, reason } = record;
            remark(format_args!("{category} {title:?} ({id}): {reason}"));
        }
        if let Some(more @ 1..) = records.len().checked_sub(TOLD_MAX) {
            remark(format_args!("and {more} more; --json tells all"));
        }
    }
    let text = format!(
        "{} left out, everything else is exported",
        count::of(records.len() as u64, "record was", "records were")
    );
    let fix =
        "Connect a device that holds what is missing, or import its file again; then export again";
    exit::failure(Exit::PartlyImported, "exported-in-part", text, fix)
}

async fn categories(
    access: &mut Access,
    only: &[String],
    target: &mut Target,
) -> Result<BTreeMap<String, u64>, Failure> {
    let mut files = BTreeMap::new();
    for category in CATEGORIES {
        if only.is_empty() || only.iter().any(|id| id == category.id) {
            let count = pages(access, category.id, target).await?;
            files.insert(category.id.to_owned(), count);
        }
    }
    Ok(files)
}

/// Writes one category page by page; returns the number of its files.
async fn pages(access: &mut Access, category: &str, target: &mut Target) -> Result<u64, Failure> {
    let (mut after, mut limit, mut count) = (None, PAGE_MAX, 0);
    loop {
        let command =
            Command::Export { category: category.to_owned(), after: Clone::clone(&after), limit };
        let answer = match access.run(command).await {
            Err(failure) if failure.code == ANSWER_TOO_LARGE && limit > 1 => {
                limit /= 2;
                continue;
            }
            answer => answer?,
        };
        let Answer::Files { files, left_out, next } = answer else {
            return Err(exit::unexpected(&answer));
        };
        for file in files {
            target.write(&file)?;
            count += 1;
        }
        target.left_out.extend(left_out);
        after = next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

/// The folder that is written to.
struct Target {
    folder: PathBuf,
    bytes: u64,
    /// The files of an earlier export.
    earlier: Manifest,
    /// Files that were not as an export wrote them, and made room.
    replaced: Vec<PathBuf>,
    /// The records that lack something.
    left_out: Vec<LeftOut>,
    /// The files that were written.
    written: Manifest,
    /// The paths that files prefer, in lower case because some systems know
    /// no other: with the first file there, until it made room.
    preferred: BTreeMap<String, Option<Settled>>,
}

/// A file that stands at the path that it prefers.
struct Settled {
    path: PathBuf,
    fallback: PathBuf,
}

impl Target {
    fn of(folder: PathBuf) -> Self {
        Self {
            folder,
            bytes: 0,
            earlier: Manifest::default(),
            replaced: Vec::new(),
            left_out: Vec::new(),
            written: Manifest::default(),
            preferred: BTreeMap::new(),
        }
    }

    /// Writes one file whole or not at all.
    fn write(&mut self, file: &ExportFile) -> Result<(), Failure> {
        let relative = self.place(file)?;
        let bytes = STANDARD.decode(&file.base64).map_err(|error| {
            exit::failure(
                Exit::Failed,
                "export",
                format!("the bytes of {} cannot be read: {error}", file.path),
                "",
            )
        })?;
        let path = self.folder.join(&relative);
        let written = self.prepare(&relative);
        let written = written.and_then(|()| self.set_aside(&relative, &bytes));
        let written = written.and_then(|()| replace(&path, &bytes));
        written
            .map_err(|error| exit::system(&format!("cannot write {}", path.display()), &error))?;
        self.bytes += bytes.len() as u64;
        self.written.note(relative, &bytes);
        Ok(())
    }

    /// Returns where a file goes: to the path that it prefers, unless several
    /// prefer the same one. Then all of them take their fallbacks, so that the
    /// order of the records does not matter.
    fn place(&mut self, file: &ExportFile) -> Result<PathBuf, Failure> {
        let safe = |path: &str| safe_path(path).ok_or_else(|| outside(path));
        let path = safe(&file.path)?;
        let Some(fallback) = &file.fallback else { return Ok(path) };
        let fallback = safe(fallback)?;
        match self.preferred.entry(file.path.to_lowercase()) {
            Entry::Vacant(free) => {
                free.insert(Some(Settled { path: path.clone(), fallback }));
                Ok(path)
            }
            Entry::Occupied(mut first) => {
                if let Some(first) = first.get_mut().take() {
                    let (from, to) =
                        (self.folder.join(&first.path), self.folder.join(&first.fallback));
                    fs::rename(&from, &to).map_err(|error| {
                        exit::system(&format!("cannot rename {}", from.display()), &error)
                    })?;
                    self.written.moved(&first.path, first.fallback);
                }
                Ok(fallback)
            }
        }
    }

    /// Moves a file out of the way that no export wrote as it is.
    fn set_aside(&mut self, relative: &Path, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.join(relative);
        let Some(present) = manifest::present(&path) else { return Ok(()) };
        let known = [&self.earlier, &self.written];
        let is_ours = |present: &Vec<u8>| {
            present == bytes || known.iter().any(|one| one.wrote(relative, present))
        };
        if present?.as_ref().is_some_and(is_ours) {
            return Ok(());
        }
        let aside = Path::new(ASIDE).join(relative);
        self.prepare(&aside)?;
        fs::rename(&path, self.folder.join(&aside))?;
        self.replaced.push(aside);
        Ok(())
    }

    /// Makes the folders of a file; a link in their place would lead outside.
    fn prepare(&self, relative: &Path) -> io::Result<()> {
        let mut folder = self.folder.clone();
        for part in relative.parent().into_iter().flat_map(Path::components) {
            folder.push(part);
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => {}
            }
            if !fs::symlink_metadata(&folder)?.is_dir() {
                let text = format!("{} is not a folder", folder.display());
                return Err(io::Error::other(text));
            }
        }
        Ok(())
    }
}

/// Writes beside the file and renames, unless the file holds the bytes already.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    if is_file && fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let fresh = path.with_file_name(format!(".heirloom-{}.part", std::process::id()));
    let result = write_new(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    if result.is_err() {
        drop(fs::remove_file(&fresh));
    }
    result
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)
}

/// Returns the path of an exported file, if it stays below the folder.
fn safe_path(text: &str) -> Option<PathBuf> {
    let plain = !text.contains(|character: char| character.is_control() || character == '\\');
    let path = Path::new(text);
    let named = path.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && named && path.file_name().is_some()).then(|| path.to_owned())
}

fn outside(path: &str) -> Failure {
    exit::failure(
        Exit::Failed,
        "export-outside",
        format!("a file of the export would lie outside of the folder: {path}"),
        "Nothing was written there; please report it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_export_wrote_makes_room_and_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let write = |text: &str, earlier: &Manifest| {
            let mut target = Target::of(root.to_owned());
            target.earlier = earlier.clone();
            target.write(&file("notes/a.md", text)).unwrap();
            (target.written, target.replaced.len())
        };
        let (first, _) = write("one", &Manifest::default());
        let (second, replaced) = write("two", &first);
        assert_eq!(replaced, 0, "it was as it had been written");
        fs::write(root.join("notes/a.md"), "mine").unwrap();
        assert_eq!(write("three", &second).1, 1);
        assert_eq!(fs::read(root.join("notes/a.md")).unwrap(), b"three");
        assert_eq!(fs::read(root.join(ASIDE).join("notes/a.md")).unwrap(), b"mine");
    }

    fn file(path: &str, text: &str) -> ExportFile {
        ExportFile { path: path.to_owned(), fallback: None, base64: STANDARD.encode(text) }
    }

    #[test]
    fn files_that_want_one_path_all_take_another() {
        let folder = tempfile::tempdir().unwrap();
        let wanting = |path: &str, text: &str| ExportFile {
            fallback: Some(format!("notes/a/x-{text}.md")),
            ..file(path, text)
        };
        for again in 0..2 {
            let mut target = Target::of(folder.path().to_owned());
            for (path, text) in [("x", "1"), ("X", "2"), ("x", "3"), ("y", "4")] {
                target.write(&wanting(&format!("notes/a/{path}.md"), text)).unwrap();
            }
            let names = sorted_names(&folder.path().join("notes/a"));
            assert_eq!(names, ["x-1.md", "x-2.md", "x-3.md", "y.md"], "{again}");
        }
        let text = fs::read_to_string(folder.path().join("notes/a/x-2.md")).unwrap();
        assert_eq!(text, "2");
    }

    fn sorted_names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_paths_below_the_folder_are_safe() {
        for path in ["a.vcf", "contacts/a.vcf", "a/b/c d.md", "notes/日本.md"] {
            assert_eq!(safe_path(path), Some(PathBuf::from(path)));
        }
        for path in ["", "/etc/x", "../x", "a/../../x", "a/..", ".", "./a", "a\\b", "a\0b", "a\nb"]
        {
            assert_eq!(safe_path(path), None, "{path:?}");
        }
    }

    #[test]
    fn files_are_written_and_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut target = Target::of(folder.path().to_owned());
        for text in ["one", "one", "two"] {
            target.write(&file("contacts/a.vcf", text)).unwrap();
            assert_eq!(fs::read_to_string(folder.path().join("contacts/a.vcf")).unwrap(), text);
        }
        assert_eq!(target.bytes, 9);
        assert_eq!(fs::read_dir(folder.path().join("contacts")).unwrap().count(), 1);
    }

    #[test]
    fn a_link_planted_in_the_folder_is_not_followed() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(other.path(), folder.path().join("contacts")).unwrap();
        let victim = other.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("a.md")).unwrap();
        let mut target = Target::of(folder.path().to_owned());
        assert!(target.write(&file("contacts/a.vcf", "x")).is_err());
        target.write(&file("a.md", "x")).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
        assert!(target.write(&file("../x", "x")).is_err());
    }
}
