//! A household of real processes over the loopback.

use crate::common::{
    Up, Wire, contains, digest, eventually, heirloom, init, log_of, run, run_json,
};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::Duration;
use tempfile::TempDir;

const CARD: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:ann-1\r\nFN:Ann Li\r\nN:Li;Ann;;;\r\n\
                    TEL;TYPE=cell:+49 30 1234567\r\nitem1.EMAIL:ann@example.org\r\nX-CUSTOM;X=1:kept\r\nEND:VCARD\r\n";

struct House {
    folder: TempDir,
}

impl House {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn contact(home: &Path, id: &str) -> Value {
    run_json(home, &["contacts", "show", id]).expect(0).json()
}

fn import_card(house: &House, home: &Path, card: &str) -> String {
    let file = house.path("card.vcf");
    std::fs::write(&file, card).unwrap();
    let report = run_json(home, &["import", file.to_str().unwrap()]).expect(0).json();
    assert_eq!(report["skipped"], serde_json::json!([]));
    let rows = run_json(home, &["contacts", "list"]).lines();
    rows[0]["id"].as_str().unwrap().to_owned()
}

/// Waits until two folders hold the same records.
#[track_caller]
fn agree(one: &Path, other: &Path) {
    eventually("both devices hold the same", || digest(one) == digest(other));
}

/// S2, S6, S7, S48, S49, S73, S76.
#[test]
fn a_newcomer_sets_up_a_keeper_and_a_second_device_and_edits_travel() {
    let house = House::new();
    let (keeper, laptop) = (house.path("keeper"), house.path("laptop"));
    let first = Up::start(&keeper, &["--keeper", "--yes", "--device", "kitchen"]);
    assert_eq!(first.ready["phrase"].as_str().unwrap().split(' ').count(), 12);
    let link = first.invite("member");
    let second = Up::start(&laptop, &["--join", &link, "--device", "laptop"]);
    assert_eq!(second.ready["account_id"], first.ready["account_id"]);
    assert!(second.ready.get("phrase").is_none_or(Value::is_null));

    let id = import_card(&house, &laptop, CARD);
    eventually("the card is on the keeper", || {
        run_json(&keeper, &["contacts", "show", &id]).code == 0
    });
    assert_eq!(contact(&keeper, &id)["source"], CARD);
    let saved = run_json(
        &laptop,
        &["contacts", "set", &id, "note=met in Berlin", "--wait", "keeper", "--timeout", "20"],
    );
    assert_eq!(saved.expect(0).json()["id"], id.as_str());
    agree(&keeper, &laptop);

    let rows = run_json(&laptop, &["devices", "list"]).lines();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["online"] == true), "{rows:?}");
    let status = run_json(&laptop, &["status"]).expect(0).json();
    let contacts = status["categories"].as_array().unwrap();
    let contacts = contacts.iter().find(|row| row["name"] == "contacts").unwrap();
    assert_eq!((&contacts["records"], &contacts["keeper"]), (&1.into(), &1.into()));
    let synced = run_json(&laptop, &["sync", "--timeout", "20"]).expect(0).json();
    assert_eq!(synced["level"].as_array().unwrap().len(), 1);
    assert_eq!(first.stop(), 0);
    assert_eq!(second.stop(), 0);
    assert_eq!(digest(&keeper), digest(&laptop), "also with both stopped");
}

/// S64: nothing unsynced is lost by being off.
#[test]
fn offline_edits_of_one_contact_both_survive() {
    let house = House::new();
    let (one, other) = (house.path("one"), house.path("other"));
    init(&one, "phone");
    let first = Up::start(&one, &[]);
    let link = first.invite("member");
    run_json(&other, &["join", &link, "--device", "laptop", "--no-mdns"]).expect(0);
    let id = import_card(&house, &one, CARD);
    let second = Up::start(&other, &[]);
    agree(&one, &other);
    assert_eq!((first.stop(), second.stop()), (0, 0));

    // Both are off: the folders are edited without a node.
    run_json(&one, &["contacts", "set", &id, "phone:cell=+49 30 1", "name=Ann Phone"]).expect(0);
    run_json(&other, &["contacts", "set", &id, "email=laptop@example.org"]).expect(0);
    run_json(&other, &["contacts", "set", &id, "name=Ann Laptop"]).expect(0);
    let first = Up::start(&one, &[]);
    let second = Up::start(&other, &["--peer", &first.address()]);
    agree(&one, &other);

    let (seen, also) = (contact(&one, &id), contact(&other, &id));
    assert_eq!(seen["fields"], also["fields"]);
    assert_eq!(seen["fields"]["phone"][0]["value"], "+49 30 1");
    assert_eq!(seen["fields"]["email"][0]["value"], "laptop@example.org");
    assert_eq!(seen["title"], "Ann Laptop", "the later edit is shown");
    let conflicts = run_json(&one, &["contacts", "conflicts"]).lines();
    let name = conflicts.iter().find(|row| row["field"] == "name").unwrap();
    assert_eq!(name["winner"], "Ann Laptop");
    assert_eq!(name["losers"][0]["value"], "Ann Phone");
    let history = run_json(&other, &["contacts", "history", &id]).lines();
    assert!(history.iter().any(|row| row.to_string().contains("Ann Phone")), "{history:?}");
    drop((first, second));
}

/// Puts a canary into every kind of field; returns a card's id and text.
fn fill_with_canaries(house: &House, phone: &Path) -> (String, String) {
    let photo = "QUJD".repeat(8_000);
    let card = format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:canaryUid\r\nFN:canaryName\r\nNOTE:canaryNote\r\n\
         TEL:canaryPhone\r\nPHOTO;ENCODING=b;TYPE=JPEG:{photo}\r\nEND:VCARD\r\n"
    );
    let id = import_card(house, phone, &card);
    run_json(phone, &["notes", "add", "title=canaryTitle", "body=canaryBody"]).expect(0);
    run_json(phone, &["settings", "set", "canarySpace", "canaryKey=canaryValue"]).expect(0);
    run_json(
        phone,
        &["calendar", "add", "title=canaryEvent", "start=2026-12-24T18:00:00Z", "--wait", "keeper"],
    )
    .expect(0);
    (id, card)
}

/// S1, S8, S20, S78.
#[test]
fn a_device_restored_from_a_blind_keeper_holds_everything_and_the_keeper_knows_nothing() {
    let house = House::new();
    let (phone, blind, new) = (house.path("phone"), house.path("blind"), house.path("new"));
    let phrase = init(&phone, "canaryDeviceName");
    let first = Up::start(&phone, &[]);
    let wire = Wire::to(&first.address());
    let words = first.invite_words("blind-keeper");
    let keeper = Up::start(
        &blind,
        &[
            "--join",
            &words,
            "--peer",
            &wire.address(),
            "--keeper",
            "--blind",
            "--device",
            "canaryKeeper",
        ],
    );

    let (id, card) = fill_with_canaries(&house, &phone);
    let wanted = digest(&phone);
    assert_eq!(run_json(&blind, &["contacts", "list"]).code, 77);
    assert_eq!(run_json(&blind, &["digest"]).code, 77);
    assert!(!contains(&blind, b"canary"), "a blind keeper's folder holds a canary");
    assert!(!contains(&blind, b"QUJDQUJDQUJD"), "a blind keeper's folder holds a photo");
    assert!(contains(&blind, b"HE"), "the search itself works");
    for home in [&phone, &blind] {
        let log = std::fs::read_to_string(log_of(home)).unwrap();
        assert!(!log.is_empty() && !log.contains("canary"), "a log holds a canary");
        assert!(phrase.split(' ').filter(|word| log.contains(*word)).count() < 6);
    }
    let passed = wire.bytes();
    assert!(passed.len() > 1_000, "only {} bytes passed", passed.len());
    let canary = |bytes: &[u8]| bytes.windows(6).any(|window| window == b"canary");
    assert!(!canary(&passed), "the wire shows a canary");

    first.kill();
    std::fs::remove_dir_all(&phone).unwrap();
    let file = house.path("phrase");
    std::fs::write(&file, &phrase).unwrap();
    let recovered = run_json(
        &new,
        &[
            "recover",
            "--phrase-file",
            file.to_str().unwrap(),
            "--peer",
            &keeper.address(),
            "--no-mdns",
        ],
    )
    .expect(0)
    .json();
    assert_eq!(recovered["complete"], true);
    assert_eq!(recovered["records"]["contacts"], 1);
    assert_eq!(digest(&new), wanted);
    assert_eq!(contact(&new, &id)["source"], card.as_str(), "with its photo");
}

#[test]
fn changes_travel_through_the_keeper_between_devices_that_never_meet() {
    let house = House::new();
    let (one, keeper, other) = (house.path("one"), house.path("keeper"), house.path("other"));
    init(&one, "one");
    let first = Up::start(&one, &[]);
    let keeper_link = first.invite("keeper");
    let third = Up::start(&keeper, &["--join", &keeper_link, "--keeper"]);
    let member_link = first.invite("member");
    run_json(&other, &["join", &member_link, "--no-mdns"]).expect(0);
    let id = import_card(&house, &one, CARD);
    run_json(&one, &["contacts", "set", &id, "note=through", "--wait", "keeper"]).expect(0);
    let wanted = digest(&one);
    assert_eq!(first.stop(), 0);
    let second = Up::start(&other, &["--peer", &third.address()]);
    eventually("the change came through the keeper", || digest(&other) == wanted);
    drop((second, third));
}

#[test]
fn a_write_that_reaches_nobody_is_saved_and_says_so() {
    let house = House::new();
    let home = house.path("alone");
    init(&home, "alone");
    let saved = run_json(&home, &["notes", "add", "title=a", "body=b", "--wait", "peer:1"]);
    let id = saved.expect(75).json()["id"].as_str().unwrap().to_owned();
    run_json(&home, &["notes", "show", &id]).expect(0);
    let node = Up::start(&home, &[]);
    let late =
        run_json(&home, &["notes", "set", &id, "title=c", "--wait", "keeper", "--timeout", "1"]);
    assert_eq!(late.expect(75).json()["id"], id.as_str());
    assert_eq!(run_json(&home, &["sync", "--timeout", "1"]).code, 69);
    drop(node);
}

#[test]
fn the_same_file_imported_on_two_offline_devices_gives_one_record() {
    let house = House::new();
    let (one, other) = (house.path("one"), house.path("other"));
    init(&one, "one");
    let first = Up::start(&one, &[]);
    let link = first.invite("member");
    run_json(&other, &["join", &link, "--no-mdns"]).expect(0);
    assert_eq!(first.stop(), 0);
    import_card(&house, &one, CARD);
    import_card(&house, &other, CARD);
    let again = house.path("card.vcf");
    let report = run_json(&one, &["import", again.to_str().unwrap()]).expect(0).json();
    assert_eq!((&report["accepted"], &report["unchanged"]), (&0.into(), &1.into()));
    let first = Up::start(&one, &[]);
    let second = Up::start(&other, &["--peer", &first.address()]);
    agree(&one, &other);
    assert_eq!(run_json(&one, &["contacts", "list"]).lines().len(), 1);
    assert_eq!(run_json(&one, &["contacts", "conflicts"]).lines().len(), 0);
    drop((first, second));
}

#[test]
fn an_export_holds_the_lines_that_were_imported_and_changes_nothing_when_read_again() {
    let house = House::new();
    let home = house.path("home");
    init(&home, "home");
    import_card(&house, &home, CARD);
    let out = house.path("out");
    run_json(&home, &["export", out.to_str().unwrap()]).expect(0);
    let files: Vec<PathBuf> =
        std::fs::read_dir(out.join("contacts")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), CARD);
    let before = digest(&home);
    let report = run_json(&home, &["import", out.to_str().unwrap()]).expect(0).json();
    assert_eq!(report["unchanged"], 1);
    assert_eq!(digest(&home), before);
}

#[test]
fn a_restoration_that_is_asked_to_stop_ends_as_a_node_does_and_goes_on() {
    let house = House::new();
    let (one, other, new) = (house.path("one"), house.path("other"), house.path("new"));
    let phrase = init(&one, "phone");
    let first = Up::start(&one, &[]);
    import_card(&house, &one, CARD);
    // Another member is off: the restoration waits for it.
    run_json(&other, &["join", &first.invite("member"), "--no-mdns"]).expect(0);
    let file = house.path("phrase");
    std::fs::write(&file, &phrase).unwrap();
    let mut command = heirloom(&new);
    command.args(["--json", "recover", "--no-mdns", "--peer", &first.address()]);
    command.arg("--phrase-file").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let mut restoring = command.spawn().unwrap();
    let socket = new.join("control.sock");
    eventually("the first sync begins", || socket.exists());
    let id = rustix::process::Pid::from_child(&restoring);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let code = restoring.wait().unwrap().code();
    assert!([Some(0), Some(75)].contains(&code), "{code:?}");
    assert!(!socket.exists());
    let again = run_json(&new, &["recover", "--phrase-file", file.to_str().unwrap()]).expect(1);
    assert!(again.stderr.contains("`heirloom up`"), "{}", again.stderr);
    let second = Up::start(&new, &["--peer", &first.address()]);
    agree(&one, &new);
    drop((first, second));
}

#[test]
fn every_command_says_what_comes_next() {
    let house = House::new();
    let home = house.path("home");
    init(&home, "home");
    for arguments in [&["status"][..], &[], &["devices", "list"], &["notes", "add", "title=x"]] {
        let shown = run(&home, arguments).expect(0);
        let said = format!("{}{}", shown.stdout, shown.stderr);
        assert!(said.contains("heirloom "), "{arguments:?}: {said}");
    }
}

#[test]
fn a_folder_that_was_put_back_and_written_to_loses_nothing_and_claims_nothing_false() {
    put_back(&|member, old| {
        std::fs::remove_dir_all(member).unwrap();
        copy_folder(old, member);
    });
}

#[test]
fn a_log_that_was_put_back_into_its_folder_loses_nothing_and_claims_nothing_false() {
    put_back(&|member, old| {
        for part in ["log", "index", "packs"] {
            std::fs::remove_dir_all(member.join(part)).unwrap();
            copy_folder(&old.join(part), &member.join(part));
        }
    });
}

fn put_back(put_back: &dyn Fn(&Path, &Path)) {
    let house = House::new();
    let (member, keeper, old) = (house.path("member"), house.path("keeper"), house.path("old"));
    init(&member, "member");
    let first = Up::start(&member, &[]);
    let link = first.invite("keeper");
    let second = Up::start(&keeper, &["--join", &link, "--keeper"]);
    let add = |title: &str| {
        let title = format!("title={title}");
        run_json(&member, &["notes", "add", &title, "--wait", "keeper", "--timeout", "20"])
    };
    add("early").expect(0);
    assert_eq!(first.stop(), 0);
    copy_folder(&member, &old);
    let first = Up::start(&member, &["--peer", &second.address()]);
    add("late one").expect(0);
    add("late two").expect(0);
    assert_eq!(first.stop(), 0);
    put_back(&member, &old);
    run_json(&member, &["notes", "add", "title=on the old folder"]).expect(0);

    let first = Up::start(&member, &["--peer", &second.address()]);
    add("afterwards").expect(0);
    let rows = run_json(&keeper, &["notes", "list", "--search", "afterwards"]).lines();
    assert_eq!(rows.len(), 1, "what is said to be on the keeper is there");
    agree(&member, &keeper);
    let rows = run_json(&member, &["notes", "list"]).lines();
    assert_eq!(rows.len(), 5, "what came before and after the copy is all there: {rows:?}");
    let status = run_json(&member, &["status"]).expect(0).json();
    let notes = status["categories"].as_array().unwrap();
    let notes = notes.iter().find(|row| row["name"] == "notes").unwrap();
    assert_eq!((&notes["keeper"], &notes["pending"]), (&5.into(), &0.into()), "{notes}");
    drop((first, second));
}

#[test]
fn a_folder_and_its_copy_take_turns_and_nothing_is_lost() {
    let house = House::new();
    let (one, other, keeper) = (house.path("one"), house.path("other"), house.path("keeper"));
    init(&one, "phone");
    let first = Up::start(&one, &[]);
    let link = first.invite("keeper");
    let second = Up::start(&keeper, &["--join", &link, "--keeper"]);
    run_json(&one, &["notes", "add", "title=before", "--wait", "keeper"]).expect(0);
    assert_eq!(first.stop(), 0);
    copy_folder(&one, &other);
    let copy = Up::start(&other, &["--peer", &second.address()]);
    assert_eq!(copy.wait_for("warning")["code"], "copied");
    assert_eq!(copy.stop(), 0);
    for (turn, home) in [&one, &other, &one, &other].into_iter().enumerate() {
        let title = format!("title=apart {turn}");
        run_json(home, &["notes", "add", &title]).expect(0);
    }
    for home in [&one, &other, &one] {
        let node = Up::start(home, &["--peer", &second.address()]);
        run_json(home, &["notes", "add", "title=together", "--wait", "keeper"]).expect(0);
        agree(home, &keeper);
        assert_eq!(node.stop(), 0);
    }
    assert_eq!(run_json(&one, &["notes", "list"]).lines().len(), 1 + 4 + 3);
    drop(second);
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else if path.is_file() {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn several_invites_may_be_open_at_once() {
    let house = House::new();
    let (home, keeper, laptop) = (house.path("home"), house.path("keeper"), house.path("laptop"));
    init(&home, "phone");
    let node = Up::start(&home, &[]);
    let (for_keeper, for_laptop) = (node.invite_words("keeper"), node.invite("member"));
    run_json(&laptop, &["join", &for_laptop, "--no-mdns"]).expect(0);
    run_json(&keeper, &["join", &for_keeper, "--no-mdns", "--peer", &node.address()]).expect(0);
    let rows = run_json(&home, &["devices", "list"]).lines();
    let mut roles: Vec<&str> = rows.iter().map(|row| row["role"].as_str().unwrap()).collect();
    roles.sort_unstable();
    assert_eq!(roles, ["keeper", "member", "member"]);
    assert_ne!(run_json(&house.path("late"), &["join", &for_laptop, "--no-mdns"]).code, 0);
}

/// A node that starts holds the folder's lock before it answers: whoever waits
/// for the lock must see when it does.
#[test]
fn a_command_that_waits_for_the_lock_is_answered_by_the_node_that_has_it() {
    let house = House::new();
    let home = house.path("one");
    init(&home, "phone");
    let lock = std::fs::File::open(home.join("LOCK")).unwrap();
    lock.lock().unwrap();
    let command = heirloom(&home).args(["notes", "list"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let node = UnixListener::bind(home.join("control.sock")).unwrap();
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        let mut request = String::new();
        let (stream, _) = node.accept().unwrap();
        BufReader::new(stream).read_line(&mut request).unwrap();
        sender.send(request).unwrap();
    });
    let request = asked.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(request.contains("notes"), "{request}");
    command.wait_with_output().unwrap();
}
