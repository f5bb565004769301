//! Which data folder a command works on.

use crate::exit::{self, Exit};
use heirloom_core::command::Failure;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// Returns the data folder: the one named, else `HEIRLOOM_HOME`, else the platform's.
pub(crate) fn resolve(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    choose(named, |name| env::var_os(name).filter(|value| !value.is_empty()))
}

fn choose(
    named: Option<PathBuf>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, Failure> {
    let own = || variable("HEIRLOOM_HOME").map(PathBuf::from);
    named.or_else(own).or_else(|| platform_folder(&variable)).ok_or_else(|| {
        exit::failure(
            Exit::Usage,
            "no-home",
            "no data folder is known, because HOME is not set",
            "Name one with --home DIR or HEIRLOOM_HOME",
        )
    })
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

    fn chosen(named: Option<&str>, set: &[(&str, &str)]) -> Option<PathBuf> {
        choose(named.map(PathBuf::from), |name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
        .ok()
    }

    #[test]
    fn the_named_folder_comes_before_the_environment() {
        let all = [("HEIRLOOM_HOME", "/own"), ("HOME", "/home/me")];
        assert_eq!(chosen(Some("here"), &all), Some("here".into()));
        assert_eq!(chosen(None, &all), Some("/own".into()));
    }

    #[test]
    fn the_platform_decides_where_nothing_is_named() {
        let folder = chosen(None, &[("HOME", "/home/me")]).unwrap();
        assert!(folder.starts_with("/home/me"), "{folder:?}");
        assert_eq!(chosen(None, &[]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_relative_base_folder_is_ignored() {
        let set = [("HOME", "/home/me"), ("XDG_DATA_HOME", "data")];
        assert_eq!(chosen(None, &set), Some("/home/me/.local/share/heirloom".into()));
        let set = [("HOME", "/home/me"), ("XDG_DATA_HOME", "/data")];
        assert_eq!(chosen(None, &set), Some("/data/heirloom".into()));
    }
}
