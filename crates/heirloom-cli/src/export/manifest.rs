//! What an export wrote, so that the next one into the same folder can take
//! away what it does not write any more.
//!
//! The manifest lies in a folder that anybody may have written to. It can name
//! nothing outside of the folder, and nothing goes whose bytes are not those
//! that were written.

use super::{replace, safe_path};
use heirloom_api::protocol::RESPONSE_BYTES_MAX;
use heirloom_base::{hash, id};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where files stand aside that were not as an export had written them.
pub(super) const ASIDE: &str = ".heirloom-replaced";

/// The manifest's name; an import looks at nothing that is hidden.
pub(super) const NAME: &str = ".heirloom-export";

/// Bytes of a manifest that are read: some hundred thousand lines.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The files of an export, each with the hash of its bytes.
#[derive(Debug, Default, Clone)]
pub(super) struct Manifest {
    files: BTreeMap<PathBuf, [u8; 32]>,
}

/// What became of the files of an earlier export.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cleared {
    /// How many were removed.
    pub(super) removed: u64,
    /// Those that were changed since, and stay.
    pub(super) changed: Vec<PathBuf>,
}

impl Manifest {
    /// Reads the manifest of a folder; what is none says nothing.
    pub(super) fn of(folder: &Path) -> Self {
        let path = folder.join(NAME);
        let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        let mut text = String::new();
        let read = |file: fs::File| file.take(BYTES_MAX).read_to_string(&mut text);
        if !is_file || fs::File::open(&path).and_then(read).is_err() {
            return Self::default();
        }
        let line = |line: &str| {
            let (hash, path) = line.split_once(' ')?;
            let hash: [u8; 32] = id::from_hex(hash)?.try_into().ok()?;
            let path = safe_path(path).filter(|path| category(path).is_some())?;
            Some((path, hash))
        };
        Self { files: text.lines().filter_map(line).collect() }
    }

    /// Returns whether a file has these bytes as it was written.
    pub(super) fn wrote(&self, path: &Path, bytes: &[u8]) -> bool {
        self.files.get(path) == Some(&hash::plain(bytes))
    }

    /// Notes a file that was written.
    pub(super) fn note(&mut self, path: PathBuf, bytes: &[u8]) {
        self.files.insert(path, hash::plain(bytes));
    }

    /// Notes that a file made room.
    pub(super) fn moved(&mut self, from: &Path, to: PathBuf) {
        if let Some(hash) = self.files.remove(from) {
            self.files.insert(to, hash);
        }
    }

    /// Adds the files of an earlier export that this one did not write.
    pub(super) fn keep(&mut self, earlier: Self) {
        for (path, hash) in earlier.files {
            self.files.entry(path).or_insert(hash);
        }
    }

    /// Removes the files of an earlier export that this one, of some
    /// categories, did not write, unless they were changed since. What stays is
    /// noted.
    pub(super) fn clear(
        &mut self,
        folder: &Path,
        categories: &BTreeSet<&str>,
        earlier: Self,
    ) -> io::Result<Cleared> {
        let folded: BTreeSet<String> = self.files.keys().map(|path| lower(path)).collect();
        let mut cleared = Cleared::default();
        for (path, hash) in earlier.files {
            if self.files.contains_key(&path) {
                continue;
            }
            let is_exported = category(&path).is_some_and(|id| categories.contains(id));
            match state(folder, &path, hash) {
                State::Gone => continue,
                _ if !is_exported => {}
                State::Changed => cleared.changed.push(path.clone()),
                // Some systems know no other name for what was written just now.
                State::Same
                    if folded.contains(&lower(&path)) && !self.is_apart(folder, &path)? =>
                {
                    continue;
                }
                State::Same => {
                    remove(folder, &path)?;
                    cleared.removed += 1;
                    continue;
                }
            }
            self.files.insert(path, hash);
        }
        Ok(cleared)
    }

    /// Returns whether a file stands beside those that were written under the
    /// same name in other letters.
    fn is_apart(&self, folder: &Path, path: &Path) -> io::Result<bool> {
        let listed = fs::read_dir(folder.join(path.parent().unwrap_or(path)))?;
        let names: BTreeSet<_> =
            listed.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        let is_listed = |path: &Path| path.file_name().is_some_and(|name| names.contains(name));
        let mut others = self.files.keys().filter(|own| lower(own) == lower(path));
        Ok(is_listed(path) && others.all(|own| is_listed(own)))
    }

    /// Writes the manifest into its folder, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = String::new();
        for (path, hash) in &self.files {
            let path = path.to_string_lossy();
            text.push_str(&format!("{} {path}\n", id::to_hex(hash)));
        }
        replace(&folder.join(NAME), text.as_bytes())
    }
}

/// What stands where an earlier export wrote a file.
enum State {
    Gone,
    Changed,
    Same,
}

/// Reads what stands at a path, if that is a file; nothing of one that is larger
/// than any that was ever written.
pub(super) fn present(path: &Path) -> Option<io::Result<Option<Vec<u8>>>> {
    let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    let is_small = usize::try_from(metadata.len()).is_ok_and(|bytes| bytes <= RESPONSE_BYTES_MAX);
    Some(if is_small { fs::read(path).map(Some) } else { Ok(None) })
}

/// Looks at a file without following a link.
fn state(folder: &Path, path: &Path, hash: [u8; 32]) -> State {
    let mut place = folder.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        place.push(part);
        if !fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.is_dir()) {
            return State::Gone;
        }
    }
    let place = folder.join(path);
    match present(&place) {
        None => State::Gone,
        Some(Ok(Some(bytes))) if hash::plain(&bytes) == hash => State::Same,
        Some(_) => State::Changed,
    }
}

/// Removes a file, and the folders that are empty then.
fn remove(folder: &Path, path: &Path) -> io::Result<()> {
    fs::remove_file(folder.join(path))?;
    let above = path.ancestors().skip(1).take_while(|above| !above.as_os_str().is_empty());
    // One that holds anything is not removed.
    for above in above {
        if fs::remove_dir(folder.join(above)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Returns the category in whose folder an exported file stands.
fn category(path: &Path) -> Option<&'static str> {
    let top = path.components().next().filter(|_| path.components().nth(1).is_some())?;
    let top = top.as_os_str().to_str()?;
    heirloom_schema::by_id(top).map(|category| category.id)
}

fn lower(path: &Path) -> String {
    path.to_string_lossy().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(folder: &Path, files: &[(&str, &str)]) -> Manifest {
        let mut manifest = Manifest::default();
        for (path, text) in files {
            fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
            fs::write(folder.join(path), text).unwrap();
            manifest.note(PathBuf::from(path), text.as_bytes());
        }
        manifest
    }

    fn paths(manifest: &Manifest) -> Vec<&str> {
        manifest.files.keys().map(|path| path.to_str().unwrap()).collect()
    }

    fn cleared(folder: &Path, now: &mut Manifest, only: &[&str]) -> Cleared {
        let categories = only.iter().copied().collect();
        now.clear(folder, &categories, Manifest::of(folder)).unwrap()
    }

    #[test]
    fn what_is_not_written_any_more_goes_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let files = [("notes/a/b/old.md", "1"), ("notes/a/x y.md", "2"), ("contacts/c.vcf", "3")];
        wrote(root, &files).write(root).unwrap();
        fs::write(root.join("notes/a/mine.md"), "1").unwrap();
        let mut now = wrote(root, &[("notes/new.md", "1")]);
        assert_eq!(cleared(root, &mut now, &["notes"]), Cleared { removed: 2, changed: vec![] });
        assert!(!root.join("notes/a/b").exists() && root.join("notes/a/mine.md").exists());
        assert_eq!(paths(&now), ["contacts/c.vcf", "notes/new.md"], "of others nothing is said");
        now.write(root).unwrap();
        assert_eq!(cleared(root, &mut Manifest::default(), &["contacts", "notes"]).removed, 2);
        assert!(!root.join("contacts").exists());
    }

    #[test]
    fn what_was_changed_since_stays_and_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        wrote(root, &[("notes/a.md", "1"), ("notes/gone.md", "2")]).write(root).unwrap();
        fs::write(root.join("notes/a.md"), "mine").unwrap();
        fs::remove_file(root.join("notes/gone.md")).unwrap();
        let mut now = Manifest::default();
        let changed = vec![PathBuf::from("notes/a.md")];
        assert_eq!(cleared(root, &mut now, &["notes"]), Cleared { removed: 0, changed });
        assert_eq!(paths(&now), ["notes/a.md"]);
        assert_eq!(fs::read(root.join("notes/a.md")).unwrap(), b"mine");
    }

    #[test]
    fn a_name_in_other_letters_is_another_file_where_both_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        wrote(root, &[("notes/x.md", "1")]).write(root).unwrap();
        let mut now = wrote(root, &[("notes/X.md", "1")]);
        let is_one = fs::read_dir(root.join("notes")).unwrap().count() == 1;
        assert_eq!(cleared(root, &mut now, &["notes"]).removed, u64::from(!is_one));
        assert!(root.join("notes/X.md").exists());
        // As where the two are one: only one of them is listed.
        let mut now = Manifest::default();
        now.note(PathBuf::from("notes/x.md"), b"1");
        wrote(root, &[("notes/X.md", "1")]).write(root).unwrap();
        assert_eq!(cleared(root, &mut now, &["notes"]).removed, 0);
    }

    #[test]
    fn a_hostile_manifest_removes_nothing_outside() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (root, outside) = (folder.path(), other.path().join("victim.md"));
        fs::write(&outside, "x").unwrap();
        fs::create_dir(root.join("notes")).unwrap();
        std::os::unix::fs::symlink(other.path(), root.join("notes/link")).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("notes/victim.md")).unwrap();
        fs::write(root.join("mine.md"), "x").unwrap();
        let hex = id::to_hex(&hash::plain(b"x"));
        let up = format!("notes/../../{}/victim.md", other.path().file_name().unwrap().display());
        let paths = [
            outside.to_str().unwrap(),
            &up,
            "notes/link/victim.md",
            "notes/victim.md",
            "mine.md",
            "notes",
            "notes/./a",
        ];
        let lines = paths.map(|path| format!("{hex} {path}\n")).concat();
        fs::write(root.join(NAME), format!("junk\n{hex}\nff notes/a\n{lines}")).unwrap();
        let found = cleared(root, &mut Manifest::default(), &["notes"]);
        assert_eq!(found, Cleared::default());
        assert!(outside.exists() && root.join("mine.md").exists());
        assert!(fs::symlink_metadata(root.join("notes/victim.md")).is_ok());
        fs::remove_file(root.join(NAME)).unwrap();
        std::os::unix::fs::symlink(&outside, root.join(NAME)).unwrap();
        Manifest::default().write(root).unwrap();
        assert_eq!(fs::read(&outside).unwrap(), b"x");
    }
}
