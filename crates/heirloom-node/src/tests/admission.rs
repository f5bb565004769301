//! Being let in, and not.

use super::running::{LOOPBACK, Node, options};
use crate::joining::{join_until, recover_until};
use crate::options::{JoinOptions, RecoverOptions, UpOptions};
use crate::{INTERRUPTED, LocalNode, has_account, init, join, recover};
use heirloom_core::command::{Answer, Command, Event, Level};
use std::path::Path;
use std::time::Duration;

fn by_code(home: &Path, code: &str, peers: &[String]) -> JoinOptions {
    JoinOptions {
        home: home.to_owned(),
        code: code.to_owned(),
        device: Some("new".to_owned()),
        listen: vec![LOOPBACK.to_owned()],
        peers: peers.to_vec(),
        mdns: false,
    }
}

fn by_phrase(home: &Path, phrase: &str, peers: &[String]) -> RecoverOptions {
    RecoverOptions {
        home: home.to_owned(),
        phrase: phrase.to_owned(),
        device: Some("new".to_owned()),
        listen: vec![LOOPBACK.to_owned()],
        peers: peers.to_vec(),
        mdns: false,
    }
}

fn local_digest(home: &Path) -> Answer {
    LocalNode::open(home).unwrap().run(Command::Digest).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_joins_by_six_words_and_leaves_a_stopped_folder() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    let first = Node::start(options(&one)).await.unwrap();
    first.add("Ada", Level::Local).await;
    let (_, words) = first.invite("member").await;
    let joined = join(by_code(&two, &words, &first.ready.addresses)).await.unwrap();
    assert_eq!(joined.account_id, first.ready.account_id);
    assert_eq!(joined.records["contacts"], 1);
    let (digest, records) = first.digest().await;
    assert_eq!(local_digest(&two), Answer::Digest { digest, records });
    // The invite was used up.
    let third = folder.path().join("three");
    let failure = join(by_code(&third, &words, &first.ready.addresses)).await.unwrap_err();
    assert_eq!(failure.exit, 77, "{}", failure.text);
    assert!(!third.exists());
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_phrase_restores_from_a_member_and_from_a_blind_keeper() {
    let folder = tempfile::tempdir().unwrap();
    let homes = ["one", "blind", "new", "newer"].map(|name| folder.path().join(name));
    let first = Node::start(options(&homes[0])).await.unwrap();
    let phrase = first.ready.phrase.clone().unwrap();
    for name in ["Ada", "Grace"] {
        first.add(name, Level::Local).await;
    }
    let (link, _) = first.invite("blind-keeper").await;
    let blind = UpOptions { keeper: true, blind: true, join: Some(link), ..options(&homes[1]) };
    let blind = Node::start(blind).await.unwrap();
    assert!(first.set_and_reach_keeper().await);
    let failure = blind.request(Command::Digest).await.unwrap_err();
    assert_eq!(failure.exit, 77);
    let (digest, records) = first.digest().await;
    let expected = Answer::Digest { digest, records };

    let recovered =
        recover(by_phrase(&homes[2], &phrase, &first.ready.addresses), |_, _| {}).await.unwrap();
    assert!(recovered.complete);
    assert_eq!(recovered.account_id, first.ready.account_id);
    assert_eq!(local_digest(&homes[2]), expected);
    assert!(recovered.as_of.is_some());

    first.stop().await;
    let peers = blind.ready.addresses.clone();
    let recovered = recover(by_phrase(&homes[3], &phrase, &peers), |_, _| {}).await.unwrap();
    assert!(recovered.complete);
    assert_eq!(recovered.restored_from, std::slice::from_ref(&blind.ready.device_id));
    assert_eq!(local_digest(&homes[3]), expected);
    blind.stop().await;
}

impl Node {
    /// Adds a contact and waits until a keeper holds everything up to it.
    async fn set_and_reach_keeper(&self) -> bool {
        self.add("Barbara", Level::Keeper).await.1
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stops_a_join_before_anybody_answers_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    let first = Node::start(options(&one)).await.unwrap();
    let (_, words) = first.invite("member").await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let nowhere = [format!("/ip4/127.0.0.1/tcp/{port}")];
    // It is stopped while it waits for the other side's first word.
    let stop = async { drop(silent.accept().await.unwrap()) };
    let failure = join_until(by_code(&two, &words, &nowhere), stop).await.unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (1, INTERRUPTED));
    assert!(!two.exists());
    join(by_code(&two, &words, &first.ready.addresses)).await.unwrap();
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stops_a_first_sync_goes_on_with_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two, three] = ["one", "two", "three"].map(|name| folder.path().join(name));
    let first = Node::start(options(&one)).await.unwrap();
    let phrase = first.ready.phrase.clone().unwrap();
    let (link, _) = first.invite("member").await;
    // Another member is off, so that the restoration waits for it to show up.
    join(by_code(&two, &link, &[])).await.unwrap();
    first.add("Ada", Level::Local).await;
    let socket = three.join("control.sock");
    let begun = async {
        while !socket.exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let options_of_third = by_phrase(&three, &phrase, &first.ready.addresses);
    let recovered = recover_until(options_of_third, |_, _| {}, begun).await.unwrap();
    assert!(recovered.interrupted);
    assert!(!socket.exists(), "its node ended as every node does");
    let third = UpOptions { peers: first.ready.addresses.clone(), ..options(&three) };
    let third = Node::start(third).await.unwrap();
    third.sync().await;
    assert_eq!(third.digest().await, first.digest().await);
    third.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_phrase_and_one_of_no_known_account_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (one, new) = (folder.path().join("one"), folder.path().join("new"));
    let first = Node::start(options(&one)).await.unwrap();
    let peers = &first.ready.addresses;
    let mistyped = first.ready.phrase.clone().unwrap().replacen(' ', " zzzz ", 1);
    let mistyped: Vec<&str> = mistyped.split(' ').take(12).collect();
    let failure =
        recover(by_phrase(&new, &mistyped.join(" "), peers), |_, _| {}).await.unwrap_err();
    assert_eq!(failure.exit, 77);
    assert!(failure.text.contains("zzzz"), "{}", failure.text);

    let elsewhere = init(&folder.path().join("elsewhere"), None).unwrap();
    let failure = recover(by_phrase(&new, &elsewhere.phrase, peers), |_, _| {}).await.unwrap_err();
    assert_eq!((failure.exit, failure.code.as_str()), (77, "phrase-unknown"));
    assert!(!new.exists());
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_in_reach_is_said_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let account = init(&folder.path().join("elsewhere"), None).unwrap();
    let failure = recover(by_phrase(&home, &account.phrase, &[]), |_, _| {}).await.unwrap_err();
    assert_eq!(failure.exit, 69);
    let words = "abandon ability able about above absent";
    let failure = join(by_code(&home, words, &[])).await.unwrap_err();
    assert_eq!(failure.exit, 69);
    assert!(!home.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_an_account_is_never_given_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    let first = Node::start(options(&one)).await.unwrap();
    let (link, _) = first.invite("member").await;
    let account = init(&other, None).unwrap();
    let failure = join(by_code(&other, &link, &[])).await.unwrap_err();
    assert_eq!(failure.exit, 1);
    let failure = recover(by_phrase(&other, &account.phrase, &[]), |_, _| {}).await.unwrap_err();
    assert_eq!(failure.exit, 1);
    let joining = UpOptions { join: Some(link.clone()), ..options(&other) };
    let failure = Node::start(joining).await.err().unwrap();
    assert_eq!(failure.exit, 77);
    first.stop().await;

    // The same account: the invite is not needed.
    let mut first = Node::start(UpOptions { join: Some(link), ..options(&one) }).await.unwrap();
    first
        .until(|event| matches!(event, Event::Warning { code, .. } if code == "already-joined"))
        .await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_that_disagree_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    let first = Node::start(options(&one)).await.unwrap();
    let (link, _) = first.invite("member").await;
    let keeper = UpOptions { keeper: true, join: Some(link), ..options(&two) };
    let failure = Node::start(keeper).await.err().unwrap();
    assert_eq!(failure.exit, 77);
    assert!(!has_account(&two));
    first.stop().await;

    let blind = UpOptions { keeper: true, blind: true, ..options(&one) };
    assert_eq!(Node::start(blind).await.err().unwrap().exit, 77);
    let blind = UpOptions { keeper: true, blind: true, ..options(&two) };
    assert_eq!(Node::start(blind).await.err().unwrap().exit, 2);
    let keeper = Node::start(UpOptions { keeper: true, ..options(&one) }).await.unwrap();
    let Ok(Answer::Devices { rows }) = keeper.request(Command::Devices).await else {
        panic!("no devices")
    };
    assert_eq!(rows[0].role, "keeper");
    keeper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_or_restore_that_was_cut_off_goes_on_in_the_same_folder() {
    let folder = tempfile::tempdir().unwrap();
    let homes = ["one", "joined", "restored"].map(|name| folder.path().join(name));
    let first = Node::start(options(&homes[0])).await.unwrap();
    let peers = &first.ready.addresses;
    let phrase = first.ready.phrase.clone().unwrap();
    let (link, _) = first.invite("member").await;
    // The grant is there and the disk refuses what follows.
    let cut_off = |home: &Path| {
        for part in ["log", "index"] {
            std::fs::remove_dir_all(home.join(part)).unwrap();
        }
        heirloom_store::unfinished::note(home, "admission").unwrap();
        let failure = LocalNode::open(home).unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (1, "unfinished"));
        assert!(!has_account(home));
    };
    for _ in 0..2 {
        join(by_code(&homes[1], &link, peers)).await.unwrap();
        cut_off(&homes[1]);
        recover(by_phrase(&homes[2], &phrase, peers), |_, _| {}).await.unwrap();
        cut_off(&homes[2]);
    }
    join(by_code(&homes[1], &link, peers)).await.unwrap();
    let Ok(Answer::Devices { rows }) = first.request(Command::Devices).await else { panic!() };
    assert_eq!(rows.len(), 3, "no try leaves a device behind");
    first.stop().await;
}
