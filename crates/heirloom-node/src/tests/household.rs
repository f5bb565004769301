//! Nodes of one account among themselves.

use super::running::{Node, add, options};
use crate::LocalNode;
use crate::engine::{Engine, Reach};
use crate::options::UpOptions;
use heirloom_core::command::{Answer, Command, Event, Level};
use heirloom_store::{Disk, DiskFile, FileSystem, Store, StoreOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_makes_its_account_once_and_leaves_a_stopped_folder() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let node = Node::start(options(&home)).await.unwrap();
    assert_eq!(node.ready.phrase.as_ref().unwrap().split(' ').count(), 12);
    assert!(node.ready.addresses[0].ends_with(&format!("/p2p/{}", node.ready.peer_id)));
    let (id, reached) = node.add("Ada", Level::Local).await;
    assert!(reached);
    let second = Node::start(options(&home)).await.err().unwrap();
    assert_eq!(second.exit, 1);
    assert!(second.text.contains(&std::process::id().to_string()), "{}", second.text);
    let (digest, account) = (node.digest().await, node.ready.account_id.clone());
    node.stop().await;
    assert!(!home.join("control.sock").exists());

    let mut local = LocalNode::open(&home).unwrap();
    local.run(add("Grace", Level::Local)).unwrap();
    let show = Command::Show { category: "contacts".to_owned(), id };
    assert!(matches!(local.run(show), Ok(Answer::Record(_))));
    drop(local);

    let node = Node::start(options(&home)).await.unwrap();
    assert_eq!(node.ready.phrase, None);
    assert_eq!(node.ready.account_id, account);
    let later = node.digest().await;
    assert_eq!(later.1["contacts"], digest.1["contacts"] + 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_travel_between_running_nodes_and_are_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = UpOptions { keeper: true, ..options(&folder.path().join("keeper")) };
    let mut keeper = Node::start(keeper).await.unwrap();
    let (early, _) = keeper.add("Ada", Level::Local).await;
    let (link, _) = keeper.invite("member").await;
    let phone = UpOptions { join: Some(link), ..options(&folder.path().join("phone")) };
    let mut phone = Node::start(phone).await.unwrap();
    assert_eq!(phone.ready.account_id, keeper.ready.account_id);
    phone.until(|event| matches!(event, Event::RecordsChanged { .. })).await;
    assert_eq!(phone.show(&early).await.title, "Ada");

    assert!(phone.set(&early, "phone=+1 555 0100", Level::Keeper).await);
    keeper.until(|event| matches!(event, Event::RecordsChanged { .. })).await;
    assert!(keeper.show(&early).await.fields.contains_key("phone"));
    let (late, reached) = keeper.add("Grace", Level::Peer(1)).await;
    assert!(reached);
    assert_eq!(phone.show(&late).await.title, "Grace");
    assert_eq!(phone.sync().await, std::slice::from_ref(&keeper.ready.device_id));
    assert_eq!(phone.digest().await, keeper.digest().await);
    phone.stop().await;
    keeper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_find_each_other_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    let first = Node::start(options(&one)).await.unwrap();
    let (link, _) = first.invite("member").await;
    let second = Node::start(UpOptions { join: Some(link), ..options(&two) }).await.unwrap();
    second.sync().await;
    second.stop().await;
    let listen = first.ready.addresses.clone();
    first.stop().await;

    LocalNode::open(&two).unwrap().run(add("Offline", Level::Local)).unwrap();
    let listen = listen.iter().map(|address| crate::host::place(address).to_owned()).collect();
    let first = Node::start(UpOptions { listen, ..options(&one) }).await.unwrap();
    let second = Node::start(options(&two)).await.unwrap();
    assert_eq!(second.sync().await, std::slice::from_ref(&first.ready.device_id));
    assert_eq!(first.digest().await, second.digest().await);
    assert_eq!(first.digest().await.1["contacts"], 1);
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_another_does_not_know_yet_is_introduced() {
    let folder = tempfile::tempdir().unwrap();
    let homes = ["founder", "early", "late"].map(|name| folder.path().join(name));
    let founder = Node::start(options(&homes[0])).await.unwrap();
    let (link, _) = founder.invite("member").await;
    let early = Node::start(UpOptions { join: Some(link), ..options(&homes[1]) }).await.unwrap();
    early.sync().await;
    early.stop().await;
    let (link, _) = founder.invite("member").await;
    let late = Node::start(UpOptions { join: Some(link), ..options(&homes[2]) }).await.unwrap();
    late.sync().await;
    late.stop().await;
    founder.stop().await;

    // The early one was off when the late one was added, and the founder is gone now.
    let early = Node::start(options(&homes[1])).await.unwrap();
    let peers = early.ready.addresses.clone();
    let late = Node::start(UpOptions { peers, ..options(&homes[2]) }).await.unwrap();
    let (id, reached) = late.add("Ada", Level::Peer(1)).await;
    assert!(reached);
    assert_eq!(early.show(&id).await.title, "Ada");
    late.stop().await;
    early.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_index_is_rebuilt_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let node = Node::start(options(&home)).await.unwrap();
    for name in ["Ada", "Grace", "Barbara"] {
        node.add(name, Level::Local).await;
    }
    let digest = node.digest().await;
    node.stop().await;
    std::fs::remove_dir_all(home.join("index")).unwrap();
    let node = Node::start(options(&home)).await.unwrap();
    assert_eq!(node.digest().await, digest);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_listens_on_the_port_of_the_last_time() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    // Any free port, instead of the usual one.
    crate::home::remember_port(&home, 0);
    let everywhere = UpOptions { listen: Vec::new(), ..options(&home) };
    let node = Node::start(everywhere.clone()).await.unwrap();
    let port = crate::home::port(&home).unwrap();
    assert!(port > 0);
    node.stop().await;
    let node = Node::start(everywhere).await.unwrap();
    assert!(node.ready.addresses.iter().any(|address| address.contains(&format!("/tcp/{port}/"))));
    node.stop().await;
}

/// A disk that refuses every sync for a while.
#[derive(Debug, Default)]
struct Moody {
    refuses: Arc<AtomicBool>,
}

#[derive(Debug)]
struct MoodyFile {
    file: Box<dyn DiskFile>,
    refuses: Arc<AtomicBool>,
}

fn mood(refuses: &AtomicBool) -> io::Result<()> {
    if refuses.load(Ordering::SeqCst) { Err(io::Error::other("a bad day")) } else { Ok(()) }
}

impl Moody {
    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(MoodyFile { file, refuses: Arc::clone(&self.refuses) })
    }
}

impl Disk for Moody {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        FileSystem.create_folder(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        FileSystem.create(path).map(|file| self.file(file))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        FileSystem.open(path).map(|file| self.file(file))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileSystem.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        mood(&self.refuses)?;
        FileSystem.sync_folder(path)
    }
    fn available(&self, path: &Path) -> io::Result<u64> {
        FileSystem.available(path)
    }
}

impl DiskFile for MoodyFile {
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
        mood(&self.refuses)?;
        self.file.sync()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_goes_on_when_its_disk_does() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let seed = crate::founding::found(&home, None).unwrap().seed;
    let disk = Moody::default();
    let refuses = Arc::clone(&disk.refuses);
    let store = StoreOptions { disk: Arc::new(disk), ..StoreOptions::default() };
    let store = Store::open(&home, &store).unwrap();
    let engine = Engine::open(&home, store, seed.clone(), Reach::Networked).unwrap();
    let (network, events) = crate::up::listen(&options(&home), &seed, false).await.unwrap();
    let (running, _told) = crate::host::start(engine, network, events, Vec::new()).unwrap();
    running.request(add("before", Level::Local)).await.unwrap();
    refuses.store(true, Ordering::SeqCst);
    for name in ["refused", "refused again"] {
        assert!(running.request(add(name, Level::Local)).await.is_err());
    }
    // It reads while the log is closed, and says why nothing is written.
    let Ok(Answer::Status(status)) = running.request(Command::Status).await else { panic!() };
    assert!(status.problems.iter().any(|problem| problem.code == "log-closed"));
    refuses.store(false, Ordering::SeqCst);
    let goes_on = async {
        while running.request(add("after", Level::Local)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), goes_on).await.unwrap();
    let Ok(Answer::Digest { records, .. }) = running.request(Command::Digest).await else {
        panic!()
    };
    assert_eq!(records["contacts"], 2);
    running.stop().await.unwrap();
}
