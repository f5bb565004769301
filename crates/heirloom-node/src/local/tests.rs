use super::*;
use crate::founding;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heirloom_core::command::{ImportItem, Level, Wait};
use heirloom_store::{Disk, DiskFile, FileSystem, Store, StoreOptions};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A disk whose next sync can be made to fail.
#[derive(Debug, Clone, Default)]
struct Fragile {
    fails: Arc<AtomicBool>,
}

#[derive(Debug)]
struct FragileFile {
    file: Box<dyn DiskFile>,
    fails: Arc<AtomicBool>,
}

impl Fragile {
    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FragileFile { file, fails: Arc::clone(&self.fails) })
    }
}

impl Disk for Fragile {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        FileSystem.create_folder(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        FileSystem.create(path).map(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        FileSystem.open(path).map(|file| self.wrap(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileSystem.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        FileSystem.sync_folder(path)
    }

    fn available(&self, path: &Path) -> io::Result<u64> {
        FileSystem.available(path)
    }
}

impl DiskFile for FragileFile {
    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.allocate(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn begin_write_back(&mut self, offset: u64, bytes: u64) {
        self.file.begin_write_back(offset, bytes);
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.fails.swap(false, Ordering::SeqCst) {
            return Err(io::Error::other("the disk is tired"));
        }
        self.file.sync()
    }
}

fn add(name: &str) -> Command {
    Command::Add {
        category: "contacts".to_owned(),
        assignments: vec![format!("name={name}")],
        wait: Wait::default(),
    }
}

fn contacts(node: &mut LocalNode) -> u64 {
    let Ok(Answer::Digest { records, .. }) = node.run(Command::Digest) else {
        panic!("no digest");
    };
    records["contacts"]
}

fn home() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    founding::init(&home, Some("here")).unwrap();
    (folder, home)
}

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let (_folder, home) = home();
    let mut node = LocalNode::open(&home).unwrap();
    for number in 0..20 {
        let saved = node.run(add(&format!("Person {number}"))).unwrap();
        assert!(matches!(saved, Answer::Saved { reached: true, .. }));
    }
    let digest = node.run(Command::Digest).unwrap();
    drop(node);
    assert_eq!(LocalNode::open(&home).unwrap().run(Command::Digest).unwrap(), digest);
}

#[test]
fn what_needs_others_is_refused_or_answered_at_once() {
    let (_folder, home) = home();
    let mut node = LocalNode::open(&home).unwrap();
    let invite = Command::Invite { role: "member".to_owned(), ttl_ms: None };
    assert_eq!(node.run(invite).unwrap_err().exit, 1);
    let wait = Wait { level: Level::Peer(1), timeout_ms: 60_000 };
    let add = Command::Add {
        category: "notes".to_owned(),
        assignments: vec!["title=Alone".to_owned()],
        wait,
    };
    assert!(matches!(node.run(add), Ok(Answer::Saved { reached: false, .. })));
    assert!(node.run(Command::Sync { timeout_ms: 60_000 }).is_err());
}

#[test]
fn a_folder_without_an_account_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let failure = LocalNode::open(&home).unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (1, "no-account"));
    assert!(!home.exists());
}

#[test]
fn a_failed_write_says_so_and_the_next_one_is_saved() {
    let (_folder, home) = home();
    let disk = Fragile::default();
    let options = StoreOptions { disk: Arc::new(disk.clone()), ..StoreOptions::default() };
    let open = || {
        let store = Store::open(&home, &options).unwrap();
        let seed = zeroize::Zeroizing::new(heirloom_store::keyfile::read(&home).unwrap());
        let engine = Engine::open(&home, store, seed, Reach::Alone).unwrap();
        LocalNode { engine, next_command: 0 }
    };
    let mut node = open();
    node.run(add("Before")).unwrap();
    disk.fails.store(true, Ordering::SeqCst);
    let failure = node.run(add("Lost")).unwrap_err();
    assert_eq!(failure.code, "disk-failed", "{}", failure.text);
    assert_eq!(contacts(&mut node), 1);
    node.run(add("After")).unwrap();
    drop(node);
    assert_eq!(contacts(&mut open()), 2);
}

#[test]
fn an_index_that_fails_is_rebuilt_while_the_node_runs() {
    let (_folder, home) = home();
    let mut node = LocalNode::open(&home).unwrap();
    for name in ["Ada", "Grace"] {
        node.run(add(name)).unwrap();
    }
    let digest = node.run(Command::Digest).unwrap();
    node.rebuild(&StorageError::Index("made up".to_owned())).unwrap();
    assert_eq!(node.run(Command::Digest).unwrap(), digest);
    node.run(add("Barbara")).unwrap();
    assert_eq!(contacts(&mut node), 3);
}

#[test]
fn an_imported_photo_is_kept_as_chunks_and_exported_again() {
    let (_folder, home) = home();
    let photo = "QUJD".repeat(20_000);
    let folded: Vec<&str> =
        photo.as_bytes().chunks(74).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let card = format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:one\r\nFN:Ada\r\nN:;Ada;;;\r\nPHOTO;ENCODING=b;TYPE=JPEG:\r\n {}\r\nEND:VCARD\r\n",
        folded.join("\r\n ")
    );
    let mut node = LocalNode::open(&home).unwrap();
    let item = ImportItem {
        category: "contacts".to_owned(),
        file: "one.vcf".to_owned(),
        line: 1,
        base64: STANDARD.encode(card),
        root: 0,
    };
    let import = Command::Import { items: vec![item], dry_run: false, wait: Wait::default() };
    let Answer::Imported { report, .. } = node.run(import).unwrap() else {
        panic!("another answer");
    };
    assert_eq!((report.accepted, report.skipped.len()), (1, 0), "{report:?}");
    assert!(std::fs::read_dir(home.join("packs")).unwrap().next().is_some());
    let export = Command::Export { category: "contacts".to_owned(), after: None, limit: 10 };
    let Answer::Files { files, .. } = node.run(export).unwrap() else { panic!("another answer") };
    assert_eq!(files.len(), 1);
    assert!(files[0].base64.len() > photo.len());
}
