//! Other programs that do the same works with the same records, where they
//! are installed. Nothing is installed here.
//!
//! All of them run on this machine over the loopback, below one temporary
//! folder, one after the other, each for a limited time.

mod dav;
mod http;
mod node;
mod rsync;
mod spawned;
mod syncthing;
mod wire;

use crate::figure::{Amount, Figure, Work};
use crate::household::Failure;
use spawned::Deadline;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest time for which a peer may be at one work.
const LIMIT: Duration = Duration::from_secs(300);

/// Longest time that a peer may take to listen.
const START_LIMIT: Duration = Duration::from_secs(20);

/// What a peer needed for its works.
#[derive(Debug, Default)]
struct Seen {
    figures: Vec<(Work, Vec<Amount>)>,
    /// What to know of them beside what is true of every run.
    remarks: Vec<String>,
}

impl Seen {
    fn add(&mut self, work: Work, amounts: Vec<Amount>) {
        self.figures.push((work, amounts));
    }
}

/// A program that can do some of the works. Each work adds what it measured,
/// so that what came before a failure is kept.
trait Peer {
    fn name(&self) -> &'static str;

    /// Returns what its own words on its version are.
    fn version(&self) -> String;

    /// Says what a reader of its figures should know.
    fn remark(&self) -> &'static str;

    /// Returns what is not installed of it.
    fn missing(&self) -> Option<String>;

    /// An edit on one device, until it is readable on the other.
    fn edit(&self, _ground: &Ground, _seen: &mut Seen) -> Result<(), Failure> {
        Ok(())
    }

    /// A restore, a start, and a reconnection to nothing new and to changes.
    fn many(&self, ground: &Ground, seen: &mut Seen) -> Result<(), Failure>;

    /// What a pair costs that has nothing to do.
    fn idle(&self, _ground: &Ground, _seen: &mut Seen) -> Result<(), Failure> {
        Ok(())
    }
}

/// Where a peer does one work, how large it is, and until when it may take.
#[derive(Debug)]
struct Ground {
    folder: PathBuf,
    /// Contacts; notes and events are a fifth of them.
    records: usize,
    deadline: Deadline,
}

impl Ground {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes a folder; returns its path.
    fn made(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }
}

/// The peers that were found, and what there is to say of all of them.
pub(crate) struct Peers {
    found: Vec<Box<dyn Peer>>,
    folder: PathBuf,
    records: usize,
    remarks: Vec<String>,
}

impl Peers {
    /// Looks for peers, or for those that are named; those for Node are looked
    /// for in a folder of packages.
    pub(crate) fn new(
        folder: &Path,
        records: usize,
        modules: Option<&Path>,
        names: &[String],
    ) -> Result<Self, Failure> {
        let mut all: Vec<Box<dyn Peer>> =
            vec![Box::new(rsync::Rsync), Box::new(syncthing::Syncthing), Box::new(dav::Dav)];
        all.extend(node::all(modules).map(|peer| Box::new(peer) as Box<dyn Peer>));
        if let Some(name) = names.iter().find(|name| all.iter().all(|peer| peer.name() != **name)) {
            let known = all.iter().map(|peer| peer.name()).collect::<Vec<_>>().join(", ");
            return Err(format!("no peer is named {name:?}, but {known}").into());
        }
        all.retain(|peer| names.is_empty() || names.iter().any(|name| name == peer.name()));
        let (mut found, mut remarks) = (Vec::new(), Vec::new());
        for peer in all {
            match peer.missing() {
                Some(missing) => remarks.push(format!("not found: {} ({missing})", peer.name())),
                None => found.push(peer),
            }
        }
        for peer in &found {
            remarks.push(format!("{}: {}; {}", peer.name(), peer.version(), peer.remark()));
        }
        Ok(Self { found, folder: folder.to_owned(), records, remarks })
    }

    /// Has every peer do a work, one after the other; returns the lines of the
    /// table for our figures and theirs.
    pub(crate) fn beside(&mut self, work: &str, figures: &[Figure]) -> Vec<String> {
        let mut all = Vec::new();
        for peer in &self.found {
            let (name, mut seen) = (peer.name(), Seen::default());
            // The table comes when all have done the work, which may take long.
            drop(writeln!(std::io::stderr(), "{work}: {name}"));
            if let Err(error) = self.done(peer.as_ref(), work, &mut seen) {
                self.remarks.push(format!("{name} failed at {work}: {error}"));
            }
            for remark in seen.remarks {
                if !self.remarks.contains(&remark) {
                    self.remarks.push(remark);
                }
            }
            all.extend(seen.figures.into_iter().map(|figure| (name, figure)));
        }
        let mut rows = Vec::new();
        for figure in figures {
            let same = all.iter().filter(|(_, (work, _))| *work == figure.work);
            let before = rows.len();
            rows.extend(same.map(|(name, (_, amounts))| figure.row_beside(name, amounts)));
            if rows.len() == before {
                rows.push(figure.row_alone());
            }
        }
        rows
    }

    fn done(&self, peer: &dyn Peer, work: &str, seen: &mut Seen) -> Result<(), Failure> {
        let folder = self.folder.join(format!("{}-{work}", peer.name()));
        std::fs::create_dir_all(&folder)?;
        let deadline = Deadline::after(LIMIT);
        let ground = Ground { folder, records: self.records, deadline };
        let done = match work {
            "edit" => peer.edit(&ground, seen),
            "many" => peer.many(&ground, seen),
            "idle" => peer.idle(&ground, seen),
            _ => Ok(()),
        };
        let removed = std::fs::remove_dir_all(&ground.folder);
        done?;
        Ok(removed?)
    }

    /// Returns who was not found, what to know of the others, and what failed.
    pub(crate) fn remarks(&self) -> &[String] {
        &self.remarks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Half;

    impl Peer for Half {
        fn name(&self) -> &'static str {
            "half"
        }

        fn version(&self) -> String {
            "0.5".to_owned()
        }

        fn remark(&self) -> &'static str {
            "it ends in the middle"
        }

        fn missing(&self) -> Option<String> {
            None
        }

        fn many(&self, ground: &Ground, seen: &mut Seen) -> Result<(), Failure> {
            assert!(ground.made("one")?.is_dir());
            seen.add(Work::Start, vec![Amount::Seconds(3.0)]);
            Err("the disk is full".into())
        }
    }

    fn figure(work: Work) -> Figure {
        Figure { work, title: "a work".to_owned(), ours: vec![Amount::Seconds(1.0)], goal: "-" }
    }

    #[test]
    fn what_a_peer_measured_before_it_failed_is_kept_and_the_reason_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut peers = Peers::new(folder.path(), 10, None, &[]).unwrap();
        peers.found = vec![Box::new(Half)];
        let rows = peers.beside("many", &[figure(Work::Start), figure(Work::Restore)]);
        let expected =
            ["| a work | 1.00 s | half | 3.00 s | 3.0 |", "| a work | 1.00 s | - | - | - |"];
        assert_eq!(rows, expected);
        assert!(peers.remarks().contains(&"half failed at many: the disk is full".to_owned()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn a_peer_without_its_packages_is_said_to_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let peers = Peers::new(folder.path(), 10, Some(folder.path()), &[]).unwrap();
        let said = |name: &str| {
            let start = format!("not found: {name} (");
            peers.remarks().iter().any(|remark| remark.starts_with(&start))
        };
        assert!(said("y-websocket") && said("automerge-repo"), "{:?}", peers.remarks());
    }

    #[test]
    fn only_named_peers_are_looked_for_and_a_name_of_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Peers::new(folder.path(), 10, None, &names)
        };
        let peers = named(&["pouchdb", "hocuspocus"]).unwrap();
        assert_eq!(peers.remarks().len(), 2, "{:?}", peers.remarks());
        let error = named(&["pouchdb", "couch"]).err().unwrap().to_string();
        assert!(error.starts_with("no peer is named \"couch\", but rsync, syncthing"), "{error}");
    }
}
