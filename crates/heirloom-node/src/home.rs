//! Small files of the data folder that only the daemon needs.

use std::io;
use std::path::Path;

const PORT_FILE: &str = "port";

/// Returns the port on which this node listened last.
pub(crate) fn port(home: &Path) -> Option<u16> {
    let text = String::from_utf8(heirloom_store::read_file(&home.join(PORT_FILE)).ok()?).ok()?;
    text.trim().parse().ok()
}

/// Remembers the port, so that others find this node there again.
pub(crate) fn remember_port(home: &Path, port: u16) {
    report(PORT_FILE, replace(home, PORT_FILE, &format!("{port}\n")));
}

/// Returns a name for this device where the user gave none: the machine's.
pub(crate) fn machine_name() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy().trim().to_owned();
    if name.is_empty() { "device".to_owned() } else { name }
}

/// Replaces a file at once: a reader sees the old or the new text.
fn replace(home: &Path, name: &str, text: &str) -> io::Result<()> {
    let fresh = home.join(format!("{name}.new"));
    std::fs::write(&fresh, text)?;
    std::fs::rename(fresh, home.join(name))
}

/// What is remembered here is a convenience: without it the node still runs.
fn report(name: &str, outcome: io::Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, name, "a remembered setting could not be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_remembered() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(port(home.path()), None);
        remember_port(home.path(), 4_711);
        assert_eq!(port(home.path()), Some(4_711));
    }

    #[test]
    fn a_device_without_a_name_gets_one() {
        assert!(!machine_name().is_empty());
    }
}
