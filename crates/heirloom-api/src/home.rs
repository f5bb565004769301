//! Which data folder a program works on that was told none.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// Returns the data folder: `HEIRLOOM_HOME`, else the platform's; `None` where
/// the environment names no home at all.
#[must_use]
pub fn usual() -> Option<PathBuf> {
    choose(|name| env::var_os(name).filter(|value| !value.is_empty()))
}

fn choose(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let own = variable("HEIRLOOM_HOME").map(PathBuf::from);
    own.or_else(|| platform_folder(&variable))
}

fn platform_folder(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let home = || variable("HOME").map(PathBuf::from);
    if cfg!(target_os = "macos") {
        return home().map(|home| home.join("Library/Application Support/heirloom"));
    }
    let folder = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    folder
        .or_else(|| home().map(|home| home.join(".local/share")))
        .map(|base| base.join("heirloom"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(set: &[(&str, &str)]) -> Option<PathBuf> {
        choose(|name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn an_own_folder_comes_before_the_platforms() {
        assert_eq!(chosen(&[("HEIRLOOM_HOME", "/own"), ("HOME", "/home/me")]), Some("/own".into()));
    }

    #[test]
    fn the_platform_decides_where_nothing_is_named() {
        let folder = chosen(&[("HOME", "/home/me")]).unwrap();
        assert!(folder.starts_with("/home/me"), "{folder:?}");
        assert_eq!(chosen(&[]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_relative_base_folder_is_ignored() {
        let set = [("HOME", "/home/me"), ("XDG_DATA_HOME", "data")];
        assert_eq!(chosen(&set), Some("/home/me/.local/share/heirloom".into()));
        let set = [("HOME", "/home/me"), ("XDG_DATA_HOME", "/data")];
        assert_eq!(chosen(&set), Some("/data/heirloom".into()));
    }
}
