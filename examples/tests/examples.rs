//! The examples as processes, against real nodes over the loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use heirloom_api::category::contacts::CONTACTS;
use heirloom_api::command::{Answer, Command as NodeCommand, Level};
use heirloom_api::{Client, Fields};
use heirloom_node::{Ready, UpEvent, UpOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running node, on a runtime of its own that ends with it.
struct Node {
    home: PathBuf,
    ready: Ready,
    runtime: Option<Runtime>,
}

impl Drop for Node {
    fn drop(&mut self) {
        let runtime = self.runtime.take();
        // A runtime must not be waited for inside another.
        std::thread::spawn(move || drop(runtime)).join().unwrap();
    }
}

impl Node {
    async fn start(home: &Path, device: &str, join: Option<String>) -> Self {
        Self::start_at("/ip4/127.0.0.1/tcp/0", home, device, join).await
    }

    async fn start_at(listen: &str, home: &Path, device: &str, join: Option<String>) -> Self {
        let options = UpOptions {
            home: home.to_owned(),
            device: Some(device.to_owned()),
            join,
            listen: vec![listen.to_owned()],
            ..UpOptions::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (events, mut told) = mpsc::channel(64);
        drop(runtime.spawn(async move { heirloom_node::up(options, events).await.unwrap() }));
        let first = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
        let UpEvent::Ready(ready) = first else { panic!("{first:?}") };
        // Events that nobody reads must not hold the node up.
        drop(runtime.spawn(async move { while told.recv().await.is_some() {} }));
        Self { home: home.to_owned(), ready, runtime: Some(runtime) }
    }

    async fn client(&self) -> Client {
        Client::open(&self.home).await.unwrap()
    }

    async fn invite(&self) -> String {
        let command = NodeCommand::Invite { role: "member".to_owned(), ttl_ms: None };
        let answer = self.client().await.request(command).await.unwrap();
        let Answer::Invite { link, .. } = answer else { panic!("{answer:?}") };
        link
    }
}

fn program(path: &str, home: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("HEIRLOOM_HOME", home).stdin(Stdio::null());
    command
}

/// The example that prints what changes, while it runs.
struct Watcher {
    process: Child,
    printed: mpsc::UnboundedReceiver<String>,
}

impl Watcher {
    fn start(home: &Path) -> Self {
        let mut watcher = program(env!("CARGO_BIN_EXE_watcher"), home);
        let mut process = watcher.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, printed) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            while let Some(Ok(line)) = lines.next() {
                drop(sender.send(line));
            }
        });
        Self { process, printed }
    }

    async fn next(&mut self) -> String {
        tokio::time::timeout(PATIENCE, self.printed.recv()).await.unwrap().unwrap()
    }

    /// Returns the lines up to and with one.
    async fn until(&mut self, last: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|line| line != last) {
            seen.push(self.next().await);
        }
        seen
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Runs an example to its end; returns what it printed.
async fn run(path: &'static str, home: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = program(path, home);
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

async fn shopping(node: &Node, arguments: &[&str]) -> String {
    run(env!("CARGO_BIN_EXE_shopping"), &node.home, arguments).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_shopping_list_is_kept_by_two_devices_that_were_apart() {
    let folder = tempfile::tempdir().unwrap();
    let [phone_home, laptop_home] = ["phone", "laptop"].map(|name| folder.path().join(name));
    let phone = Node::start(&phone_home, "phone", None).await;
    let link = phone.invite().await;
    let laptop = Node::start(&laptop_home, "laptop", Some(link)).await;
    shopping(&phone, &["add", "Milk", "2"]).await;
    shopping(&phone, &["add", "Bread"]).await;
    assert!(phone.client().await.sync(PATIENCE).await.unwrap());
    assert_eq!(shopping(&laptop, &["list"]).await, "[ ] 1 x Bread\n[ ] 2 x Milk\n");

    // The laptop is off; each writes for itself.
    let place = phone.ready.addresses[0].clone();
    drop(laptop);
    shopping(&phone, &["tick", "Milk"]).await;
    shopping(&phone, &["add", "Eggs", "6"]).await;
    drop(phone);
    let laptop = Node::start(&laptop_home, "laptop", None).await;
    shopping(&laptop, &["add", "Tea"]).await;
    let change = Fields::new().json("amount", 3);
    let apps = &heirloom_api::category::apps::APPS;
    laptop.client().await.set(apps, "org.example.shopping/milk", change).await.unwrap();

    // They meet again.
    let listen = place.split("/p2p/").next().unwrap();
    let phone = Node::start_at(listen, &phone_home, "phone", None).await;
    let mut client = laptop.client().await;
    client.wait_for(Level::Peer(1), PATIENCE);
    assert!(
        client
            .set(apps, "org.example.shopping/tea", Fields::new().json("done", false))
            .await
            .unwrap()
            .reached
    );
    assert!(client.sync(PATIENCE).await.unwrap());
    let both = "[ ] 1 x Bread\n[ ] 6 x Eggs\n[ ] 1 x Tea\n[x] 3 x Milk\n";
    assert_eq!(shopping(&phone, &["list"]).await, both);
    assert_eq!(shopping(&laptop, &["list"]).await, both);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_off_the_list_can_be_added_again() {
    let folder = tempfile::tempdir().unwrap();
    let phone = Node::start(&folder.path().join("phone"), "phone", None).await;
    shopping(&phone, &["add", "Milk"]).await;
    shopping(&phone, &["remove", "milk"]).await;
    assert_eq!(shopping(&phone, &["list"]).await, "");
    let program = env!("CARGO_BIN_EXE_shopping");
    let error = run(program, &phone.home, &["tick", "Milk"]).await.unwrap_err();
    assert_eq!(error, "Milk was taken off the list\n");
    let error = run(program, &phone.home, &["tick", "Tea"]).await.unwrap_err();
    assert_eq!(error, "Tea is not on the list\n");
    shopping(&phone, &["add", "Milk"]).await;
    assert_eq!(shopping(&phone, &["list"]).await, "[ ] 1 x Milk\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_title_that_others_wrote_does_not_steer_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let phone = Node::start(&folder.path().join("phone"), "phone", None).await;
    let apps = &heirloom_api::category::apps::APPS;
    let hostile = Fields::new().json("title", "Milk\u{1b}[2J");
    phone.client().await.set(apps, "org.example.shopping/milk", hostile).await.unwrap();
    assert_eq!(shopping(&phone, &["list"]).await, "[ ] 1 x Milk\\u{1b}[2J\n");
}

#[tokio::test]
async fn without_a_node_an_example_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_shopping");
    let error = run(program, folder.path(), &["list"]).await.unwrap_err();
    assert!(error.ends_with("start one with `heirloom up`\n"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watcher_tells_who_changed_what() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&folder.path().join("phone"), "phone", None).await;
    let mut watcher = Watcher::start(&node.home);
    assert!(watcher.next().await.starts_with("watching "));
    let mut client = node.client().await;
    let id = client.add(&CONTACTS, Fields::new().text("name", "Ann Li")).await.unwrap().id;
    assert_eq!(watcher.next().await, "contacts: Ann Li, new");
    assert_eq!(watcher.next().await, "  name: nothing -> Ann Li");
    let phone = Fields::new().typed("phone", "cell", "+49 30 1234567");
    client.set(&CONTACTS, &id, phone).await.unwrap();
    let seen = watcher.until("  phone: nothing -> +49 30 1234567").await;
    assert!(seen.contains(&"contacts: Ann Li, by phone".to_owned()), "{seen:?}");
}

/// Makes a household of two devices that have a contact, and writes on the laptop
/// while the phone is off. Then the phone is on and the laptop off; returns the
/// phone and the contact.
async fn written_apart(
    phone_home: &Path,
    laptop_home: &Path,
    edits: impl IntoIterator<Item = Fields>,
) -> (Node, String) {
    let phone = Node::start(phone_home, "phone", None).await;
    let link = phone.invite().await;
    let laptop = Node::start(laptop_home, "laptop", Some(link)).await;
    let ann = Fields::new().text("name", "Ann Li");
    let id = phone.client().await.add(&CONTACTS, ann).await.unwrap().id;
    assert!(phone.client().await.sync(PATIENCE).await.unwrap());
    let place = phone.ready.addresses[0].split("/p2p/").next().unwrap().to_owned();
    drop(phone);
    for edit in edits {
        laptop.client().await.set(&CONTACTS, &id, edit).await.unwrap();
    }
    drop(laptop);
    (Node::start_at(&place, phone_home, "phone", None).await, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watcher_tells_what_arrived_also_where_it_was_made_before_what_was_known() {
    let folder = tempfile::tempdir().unwrap();
    let [phone_home, laptop_home] = ["phone", "laptop"].map(|name| folder.path().join(name));
    let note = [Fields::new().text("note", "met in Berlin")];
    let (phone, id) = written_apart(&phone_home, &laptop_home, note).await;
    let mut watcher = Watcher::start(&phone.home);
    assert!(watcher.next().await.starts_with("watching "));
    let mill = Fields::new().text("organization", "Mill");
    phone.client().await.set(&CONTACTS, &id, mill).await.unwrap();
    watcher.until("  organization: nothing -> Mill").await;

    let _laptop = Node::start(&laptop_home, "laptop", None).await;
    let seen = watcher.until("  note: nothing -> met in Berlin").await;
    assert!(seen.contains(&"contacts: Ann Li, by laptop".to_owned()), "{seen:?}");
    assert!(!seen.iter().any(|line| line.contains("Mill")), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watcher_tells_all_that_was_made_apart_of_a_record_that_it_meets_for_the_first_time() {
    let folder = tempfile::tempdir().unwrap();
    let [phone_home, laptop_home] = ["phone", "laptop"].map(|name| folder.path().join(name));
    let note = Fields::new().text("note", "met in Berlin");
    let mill = Fields::new().text("organization", "Mill");
    let (phone, _) = written_apart(&phone_home, &laptop_home, [note, mill]).await;
    let mut watcher = Watcher::start(&phone.home);
    assert!(watcher.next().await.starts_with("watching "));

    let _laptop = Node::start(&laptop_home, "laptop", None).await;
    let seen = watcher.until("  organization: nothing -> Mill").await;
    let [by_laptop, note, mill] = [
        "contacts: Ann Li, by laptop",
        "  note: nothing -> met in Berlin",
        "  organization: nothing -> Mill",
    ];
    let mut told = seen.clone();
    told.retain(|line| [by_laptop, note, mill].contains(&line.as_str()));
    assert_eq!(told, [by_laptop, note, by_laptop, mill], "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn birthdays_come_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&folder.path().join("phone"), "phone", None).await;
    let mut client = node.client().await;
    let born =
        [("Ann", "1986-12-24"), ("Bob", "--01-02"), ("Cy", "1990-12-23"), ("Leap", "2000-02-29")];
    for (name, birthday) in born {
        let fields = Fields::new().text("name", name).text("birthday", birthday);
        client.add(&CONTACTS, fields).await.unwrap();
    }
    client.add(&CONTACTS, Fields::new().text("name", "Nobody knows")).await.unwrap();
    let program = env!("CARGO_BIN_EXE_birthdays");
    let printed = run(program, &node.home, &["14", "2026-12-24"]).await.unwrap();
    assert_eq!(printed, "today   Ann (40)\nin 9 d  Bob\n");
    let printed = run(program, &node.home, &["7", "2026-02-25"]).await.unwrap();
    assert_eq!(printed, "in 4 d  Leap (26)\n");
    assert!(run(program, &node.home, &["7", "soon"]).await.is_err());
    run(program, &node.home, &[]).await.unwrap();
}
