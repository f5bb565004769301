//! Finding the files of an import.

use heirloom_core::command::SkippedItem;
use heirloom_schema::CATEGORIES;
use heirloom_schema::category::notes::NOTES;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders within folders that are entered.
const DEPTH_MAX: usize = 64;

/// A file to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// How reports call it: its path below the folder as that was named, or the
    /// file as it was named.
    pub(crate) shown: String,
    /// Its path relative to what was named, with `/` between the parts, and
    /// without the folder that an export puts notes into.
    pub(crate) name: String,
    /// The category that the place of the file tells.
    pub(crate) category: Option<&'static str>,
    /// Whether it belongs to notes where nothing else is known about it.
    pub(crate) is_beside_notes: bool,
    /// Whether it was named itself, so that it may be a link.
    pub(crate) is_named: bool,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// Which of the folders that were named it is of; one that was named itself
    /// is of the folder that it stands in.
    pub(crate) root: u32,
}

/// The files to import, in order, and what cannot be one.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The files.
    pub(crate) found: Vec<Found>,
    /// What was left out, with its reason.
    pub(crate) skipped: Vec<SkippedItem>,
}

impl Walk {
    /// Walks files and folders. A path that was named may be a link; links and
    /// hidden files inside of folders are not followed, but for the folders in
    /// which a program keeps the attachments of its notes.
    pub(crate) fn over(paths: &[PathBuf]) -> Self {
        let mut walk = Self::default();
        let mut roots = BTreeMap::new();
        for path in paths {
            let first = walk.found.len();
            let mut folder = path.as_path();
            match fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => {
                    walk.enter(path, "", 0);
                    place(walk.found.get_mut(first..).unwrap_or_default());
                }
                Ok(metadata) => {
                    folder = path.parent().unwrap_or(path);
                    let shown = path.to_string_lossy().into_owned();
                    walk.take(path, shown, own_name(path), &metadata);
                    for file in walk.found.iter_mut().skip(first) {
                        file.is_named = true;
                        file.is_beside_notes = is_bare(&file.name) && holds_notes(folder);
                    }
                }
                Err(error) => walk.skip(path.to_string_lossy().into_owned(), error.to_string()),
            }
            let next = u32::try_from(roots.len()).unwrap_or(u32::MAX);
            let root = *roots.entry(folder).or_insert(next);
            walk.found.iter_mut().skip(first).for_each(|file| file.root = root);
        }
        walk.gather_names();
        walk
    }

    /// Puts files of one name that may be notes behind the first of them: which
    /// notes they are is found for all of them together.
    fn gather_names(&mut self) {
        let mut first = BTreeMap::new();
        let mut places: Vec<usize> = Vec::with_capacity(self.found.len());
        for (place, file) in self.found.iter().enumerate() {
            let is_read = heirloom_formats::is_read(&file.name);
            let known = if is_read { place } else { *first.entry(&file.name).or_insert(place) };
            places.push(known);
        }
        let mut found: Vec<(usize, Found)> =
            places.into_iter().zip(std::mem::take(&mut self.found)).collect();
        found.sort_by_key(|(place, _)| *place);
        self.found = found.into_iter().map(|(_, file)| file).collect();
    }

    /// Walks one folder in the order of its names.
    fn enter(&mut self, folder: &Path, prefix: &str, depth: usize) {
        let names = match sorted_names(folder) {
            Ok(names) => names,
            Err(error) => {
                return self.skip(folder.to_string_lossy().into_owned(), error.to_string());
            }
        };
        for (path, name) in names {
            let name = format!("{prefix}{name}");
            let shown = path.to_string_lossy().into_owned();
            match fs::symlink_metadata(&path) {
                Ok(metadata) if !metadata.is_dir() => {
                    self.take(&path, shown, name, &metadata);
                }
                Ok(_) if depth < DEPTH_MAX => self.enter(&path, &format!("{name}/"), depth + 1),
                Ok(_) => self.skip(shown, format!("more than {DEPTH_MAX} folders deep")),
                Err(error) => self.skip(shown, error.to_string()),
            }
        }
    }

    fn take(&mut self, path: &Path, shown: String, name: String, metadata: &fs::Metadata) {
        if metadata.is_file() {
            let (path, bytes) = (path.to_owned(), metadata.len());
            self.found.push(Found {
                path,
                shown,
                name,
                category: None,
                is_beside_notes: false,
                is_named: false,
                bytes,
                root: 0,
            });
        } else if metadata.is_symlink() {
            self.skip(shown, "a symbolic link is not followed".to_owned());
        } else {
            self.skip(shown, "not a regular file".to_owned());
        }
    }

    fn skip(&mut self, file: String, reason: String) {
        self.skipped.push(SkippedItem { file, line: 1, reason });
    }
}

/// Notes what the other files of a folder tell about each: in an export notes
/// have a folder of their own, and beside notes stand their attachments.
fn place(found: &mut [Found]) {
    let is_category = |name: &str| CATEGORIES.iter().any(|category| category.id == name);
    let is_export =
        found.iter().all(|file| file.name.split_once('/').is_some_and(|(top, _)| is_category(top)));
    let notes = found.iter().filter(|file| is_markdown(&file.name));
    let folders: BTreeSet<PathBuf> =
        notes.filter_map(|file| Some(Path::new(&file.name).parent()?.to_owned())).collect();
    for file in found {
        let inner = file.name.strip_prefix("notes/").filter(|_| is_export);
        let is_among_notes = inner.is_some() || (!is_export && !folders.is_empty());
        file.is_beside_notes = is_among_notes && !heirloom_formats::is_read(&file.name);
        let is_below_notes = inner.is_some()
            || Path::new(&file.name).ancestors().skip(1).any(|folder| folders.contains(folder));
        let mut folders_of_file = Path::new(&file.name).iter().rev().skip(1);
        let is_attached = folders_of_file
            .any(|name| heirloom_formats::is_attachment_folder(&name.to_string_lossy()));
        // What elsewhere would be settings is none of them among notes.
        let is_of_notes = match file.name.to_ascii_lowercase().ends_with(".json") {
            _ if is_attached => true,
            true => is_below_notes,
            false => file.is_beside_notes && heirloom_formats::stands_beside_notes(&file.name),
        };
        if let Some(inner) = inner {
            file.name = inner.to_owned();
        }
        if is_of_notes {
            file.category = Some(NOTES.id);
        }
    }
}

fn is_markdown(name: &str) -> bool {
    let ending = Path::new(name).extension().unwrap_or_default();
    ending.eq_ignore_ascii_case("md") || ending.eq_ignore_ascii_case("markdown")
}

/// Returns whether a name has no ending, so that where a file stands tells what
/// it is. Who names a file of a kind that is not read wants it read, and is told.
fn is_bare(name: &str) -> bool {
    Path::new(name).extension().is_none()
}

/// Returns whether Markdown notes stand in a folder itself.
fn holds_notes(folder: &Path) -> bool {
    let here = Path::new(".");
    let folder = if folder.as_os_str().is_empty() { here } else { folder };
    sorted_names(folder).is_ok_and(|names| names.iter().any(|(_, name)| is_markdown(name)))
}

fn own_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Returns what a folder holds, sorted by name: nothing that is hidden but the
/// folders of attachments.
fn sorted_names(folder: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = own_name(&path);
        let is_folder = || fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        let is_hidden = name.starts_with('.');
        if !is_hidden || (heirloom_formats::is_attachment_folder(&name) && is_folder()) {
            names.push((path, name));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_walked_in_order_without_links_and_hidden_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/c")).unwrap();
        fs::create_dir(root.join(".hidden")).unwrap();
        for name in ["z.vcf", "b/c/a.md", "b/a.md", ".hidden/x.vcf", ".x"] {
            fs::write(root.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink(root.join("z.vcf"), root.join("link.vcf")).unwrap();
        std::os::unix::fs::symlink(root, root.join("b/loop")).unwrap();
        let walk = Walk::over(&[root.to_owned()]);
        let names: Vec<&str> = walk.found.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["b/a.md", "b/c/a.md", "z.vcf"]);
        let skipped: Vec<&str> = walk.skipped.iter().map(|item| item.file.as_str()).collect();
        let below = |name: &str| root.join(name).to_str().unwrap().to_owned();
        assert_eq!(skipped, [below("b/loop"), below("link.vcf")]);
        assert_eq!(walk.found[1].shown, below("b/c/a.md"));
        assert_eq!(walk.found[2].bytes, 5);
    }

    #[test]
    fn a_named_file_goes_by_its_own_name_and_a_missing_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one.vcf");
        fs::write(&file, "").unwrap();
        let walk = Walk::over(&[folder.path().join("none.vcf"), file]);
        assert_eq!(walk.found[0].name, "one.vcf");
        assert!(walk.found[0].shown.ends_with("/one.vcf") && walk.found[0].shown.len() > 8);
        assert_eq!(walk.skipped.len(), 1);
        assert!(walk.skipped[0].file.ends_with("none.vcf"));
    }

    #[test]
    fn a_file_without_an_ending_is_beside_notes_also_where_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let named = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, "text").unwrap();
            Walk::over(&[path]).found.remove(0)
        };
        assert!(!named("README").is_beside_notes);
        fs::write(folder.path().join("a.md"), "").unwrap();
        let found = Walk::over(&[folder.path().to_owned()]).found;
        let mut readme = named("README");
        readme.is_named = false;
        assert_eq!(found.iter().find(|file| file.name == "README"), Some(&readme));
        assert!(!named("cards.abbu").is_beside_notes);
    }

    #[test]
    fn what_is_named_in_one_folder_is_of_one_root() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a", "b"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(&format!("{name}/1.md")), "").unwrap();
            fs::write(path(&format!("{name}/2.md")), "").unwrap();
        }
        let roots = |names: &[&str]| {
            let paths: Vec<PathBuf> = names.iter().map(|name| path(name)).collect();
            Walk::over(&paths).found.iter().map(|file| file.root).collect::<Vec<u32>>()
        };
        assert_eq!(roots(&["a", "b/"]), [0, 1, 0, 1]);
        assert_eq!(roots(&["a/1.md", "b/1.md", "a/2.md"]), [0, 1, 0]);
        assert_eq!(roots(&["none", "a/1.md", "b", "a"]), [1, 2, 1, 2, 1]);
    }

    #[test]
    fn files_of_one_name_that_may_be_notes_stand_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a/1.md", "a/2.md", "a/c.vcf", "b/1.md", "b/c.vcf", "d/2.md", "d/3.md"] {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), "").unwrap();
        }
        let found = Walk::over(&["a", "b", "d"].map(path)).found;
        let told: Vec<(u32, &str)> =
            found.iter().map(|file| (file.root, file.name.as_str())).collect();
        let expected = [
            (0, "1.md"),
            (1, "1.md"),
            (0, "2.md"),
            (2, "2.md"),
            (0, "c.vcf"),
            (1, "c.vcf"),
            (2, "3.md"),
        ];
        assert_eq!(told, expected);
    }

    fn placed(names: &[&str]) -> Vec<(String, Option<&'static str>)> {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let found = Walk::over(&[folder.path().to_owned()]).found;
        let shown = |name: &&str| folder.path().join(name).to_str().unwrap().to_owned();
        let shown: Vec<String> = names.iter().map(shown).collect();
        assert!(found.iter().all(|file| shown.contains(&file.shown)));
        found.into_iter().map(|file| (file.name, file.category)).collect()
    }

    #[test]
    fn files_beside_notes_are_attachments() {
        let notes = Some("notes");
        let expected = [("a.md", None), ("img/b.PNG", notes), ("x.exe", None), ("z.vcf", None)];
        let expected = expected.map(|(name, category)| (name.to_owned(), category));
        assert_eq!(placed(&["a.md", "img/b.PNG", "x.exe", "z.vcf"]), expected);
        assert_eq!(placed(&["a.txt", "b.png"])[1].1, None, "a text is no folder of notes");
    }

    #[test]
    fn hidden_folders_of_attachments_are_entered_and_no_others() {
        let notes = Some("notes");
        let names = [
            ".attachments.12/.hidden",
            ".attachments.12/cards.vcf",
            ".attachments.12/p.png",
            ".attachments/q.png",
            ".trash.12/q.png",
            "a.txt",
            "b/.attachments.7/x.json",
        ];
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in names {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), "x").unwrap();
        }
        fs::write(root.join(".attachments.9"), "a file").unwrap();
        std::os::unix::fs::symlink(root.join("b"), root.join(".attachments.8")).unwrap();
        let walk = Walk::over(&[root.to_owned()]);
        let found: Vec<_> =
            walk.found.iter().map(|file| (file.name.as_str(), file.category)).collect();
        let expected = [
            (".attachments.12/cards.vcf", notes),
            (".attachments.12/p.png", notes),
            ("a.txt", None),
            ("b/.attachments.7/x.json", notes),
        ];
        assert_eq!((found.as_slice(), walk.skipped), (&expected[..], vec![]));
    }

    #[test]
    fn everything_among_notes_belongs_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["a/n.md", "a/Makefile", "a/x.json", "b/y.json", "b/z.ipynb", "b/q.vcf"] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), "x").unwrap();
        }
        let found = Walk::over(&[root.to_owned()]).found;
        let told = |file: &Found| (file.name.clone(), file.category, file.is_beside_notes);
        let expected = [
            ("a/Makefile", None, true),
            ("a/n.md", None, true),
            ("a/x.json", Some("notes"), true),
            ("b/q.vcf", None, false),
            ("b/y.json", None, true),
            ("b/z.ipynb", None, true),
        ];
        let expected = expected.map(|(name, id, is_beside)| (name.to_owned(), id, is_beside));
        assert_eq!(found.iter().map(told).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn notes_of_an_export_lose_the_folder_that_the_export_gave_them() {
        let names =
            |names: &[&str]| placed(names).into_iter().map(|file| file.0).collect::<Vec<_>>();
        assert_eq!(names(&["calendar/a.ics", "notes/x/b.md"]), ["calendar/a.ics", "x/b.md"]);
        assert_eq!(names(&["notes/b.md", "own/c.md"]), ["notes/b.md", "own/c.md"]);
        assert_eq!(names(&["b.md", "notes/b.md"]), ["b.md", "notes/b.md"]);
        assert_eq!(placed(&["notes/x/b.png"]), [("x/b.png".to_owned(), Some("notes"))]);
    }
}
