//! Finding the files of an import.

use heirloom_core::command::SkippedItem;
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
    /// Its path relative to what was named, with `/` between the parts.
    pub(crate) name: String,
    /// Its size in bytes.
    pub(crate) bytes: u64,
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
    /// hidden files inside of folders are not followed.
    pub(crate) fn over(paths: &[PathBuf]) -> Self {
        let mut walk = Self::default();
        for path in paths {
            match fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => walk.enter(path, "", 0),
                Ok(metadata) => walk.take(path, own_name(path), &metadata),
                Err(error) => walk.skip(path.to_string_lossy().into_owned(), error.to_string()),
            }
        }
        walk
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
            match fs::symlink_metadata(&path) {
                Ok(metadata) if !metadata.is_dir() => self.take(&path, name, &metadata),
                Ok(_) if depth < DEPTH_MAX => self.enter(&path, &format!("{name}/"), depth + 1),
                Ok(_) => self.skip(name, format!("more than {DEPTH_MAX} folders deep")),
                Err(error) => self.skip(name, error.to_string()),
            }
        }
    }

    fn take(&mut self, path: &Path, name: String, metadata: &fs::Metadata) {
        if metadata.is_file() {
            self.found.push(Found { path: path.to_owned(), name, bytes: metadata.len() });
        } else if metadata.is_symlink() {
            self.skip(name, "a symbolic link is not followed".to_owned());
        } else {
            self.skip(name, "not a regular file".to_owned());
        }
    }

    fn skip(&mut self, file: String, reason: String) {
        self.skipped.push(SkippedItem { file, line: 1, reason });
    }
}

fn own_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Returns what a folder holds, hidden files excepted, sorted by name.
fn sorted_names(folder: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = own_name(&path);
        if !name.starts_with('.') {
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
        assert_eq!(skipped, ["b/loop", "link.vcf"]);
        assert_eq!(walk.found[2].bytes, 5);
    }

    #[test]
    fn a_named_file_goes_by_its_own_name_and_a_missing_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one.vcf");
        fs::write(&file, "").unwrap();
        let walk = Walk::over(&[folder.path().join("none.vcf"), file]);
        assert_eq!(walk.found[0].name, "one.vcf");
        assert_eq!(walk.skipped.len(), 1);
        assert!(walk.skipped[0].file.ends_with("none.vcf"));
    }
}
