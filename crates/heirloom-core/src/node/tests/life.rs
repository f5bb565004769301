//! Restarts, replays and what is kept over them.

use super::super::*;
use super::household::House;
use crate::storage::MemoryStorage;
use heirloom_doc::{Document, Heads};

fn dump(storage: &MemoryStorage) -> &BTreeMap<Vec<u8>, Vec<u8>> {
    &storage.index
}

fn replayed(house: &House, device: usize, restart_after: Option<usize>) -> MemoryStorage {
    let machine = &house.devices[device];
    let mut storage = machine.storage.clone();
    storage.index.clear();
    let config = || NodeConfig {
        device: machine.keys.clone(),
        seed: [1; 32],
        networked: false,
        fresh_incarnation: false,
        arrears_from: heirloom_base::limits::ARREARS_FROM,
        checkpoint_from: u64::MAX,
        checkpoint_quiet_ms: 1_000,
        place: None,
        grounds: Vec::new(),
    };
    let account = house.node(device).account();
    let mut node = Node::open_empty(config(), account);
    for (place, (lsn, frame)) in storage.frames.clone().into_iter().enumerate() {
        if restart_after == Some(place) && place > 0 {
            assert_eq!(Node::applied(&storage).unwrap().map(|lsn| lsn.0), Some(place as u64));
            node = Node::open(house.now, config(), &mut storage).unwrap();
        }
        node.replay(house.now, &mut storage, lsn, frame).unwrap();
    }
    node.catch_up(&mut storage).unwrap();
    storage
}

fn busy() -> House {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "contacts", &["name=Ann"]);
    house.set(1, "contacts", &id, &["phone+=1"]);
    house.cut(0, 1);
    house.set(0, "contacts", &id, &["name=A"]);
    house.set(1, "contacts", &id, &["name=B"]);
    house.connect(0, 1);
    house.pass(2_000);
    house
}

#[test]
fn a_log_replayed_in_pieces_gives_the_same_index_as_the_whole() {
    let house = busy();
    let whole = replayed(&house, 1, None);
    for place in 1..house.devices[1].storage.frames.len() {
        let pieces = replayed(&house, 1, Some(place));
        assert_eq!(dump(&pieces), dump(&whole), "restarted after {place} frames");
    }
}

#[test]
fn a_replay_gives_the_rows_that_the_writes_gave() {
    let house = busy();
    for device in 0..2 {
        let whole = replayed(&house, device, None);
        let rows = |storage: &MemoryStorage, tables: &[u8]| -> Vec<(Vec<u8>, Vec<u8>)> {
            let rows = storage.index.iter().filter(|(key, _)| tables.contains(&key[0]));
            rows.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let live = &house.devices[device].storage;
        assert_eq!(rows(&whole, b"elors"), rows(live, b"elors"));
        assert_eq!(rows(&whole, b"wuqi"), rows(live, b"wuqi"));
        // A replay takes in one log after the other, so documents are saved otherwise.
        let documents = |storage: &MemoryStorage| -> Vec<(Vec<u8>, Heads)> {
            let rows = rows(storage, b"d").into_iter();
            rows.map(|(key, saved)| (key, Document::load(&saved).unwrap().heads())).collect()
        };
        assert_eq!(documents(&whole), documents(live));
    }
}

#[test]
fn receipts_survive_a_restart() {
    let mut house = House::of(&["phone", "desk"]);
    house.add(0, "notes", &["title=x"]);
    house.pass(2_000);
    house.boot(0);
    let row = house.status(0).categories.into_iter().find(|row| row.name == "notes").unwrap();
    assert_eq!((row.peer, row.pending), (1, 0));
    assert!(house.status(0).devices.iter().all(|row| row.this || row.last_seen.is_some()));
}

#[test]
fn receipts_after_a_restart_count_over_those_before() {
    let mut house = House::of(&["phone", "desk"]);
    house.boot(1);
    house.connect(0, 1);
    house.add(0, "notes", &["title=x"]);
    house.pass(2_000);
    let row = house.status(0).categories.into_iter().find(|row| row.name == "notes").unwrap();
    assert_eq!(row.pending, 0, "the receipt of the second start is the newer one");
}

#[test]
fn a_restarted_device_goes_on_with_its_log() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=a"]);
    let log = house.node(0).journal.log();
    house.boot(0);
    house.set(0, "notes", &id, &["title=b"]);
    assert_eq!(house.node(0).journal.log(), log);
    house.connect(0, 1);
    assert_eq!(house.show(1, "notes", &id).title, "b");
}

#[test]
fn the_clock_of_a_log_goes_on_where_the_time_was_set_back() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=a"]);
    house.set(0, "notes", &id, &["title=b"]);
    house.now.wall_ms -= 86_400_000;
    house.boot(0);
    house.set(0, "notes", &id, &["title=c"]);
    let times: Vec<String> =
        house.history(0, "notes", &id).into_iter().map(|row| row.author.at).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn a_folder_put_back_goes_on_under_another_log() {
    let mut house = House::of(&["phone", "desk"]);
    let id = house.add(0, "notes", &["title=a"]);
    let old = house.devices[0].storage.clone();
    let log = house.node(0).journal.log();
    house.set(0, "notes", &id, &["title=b"]);
    house.devices[0].storage = old;
    house.boot(0);
    house.devices[0].events.clear();
    house.connect(0, 1);
    let warned =
        |event: &Event| matches!(event, Event::Warning { code, .. } if code == "rolled-back");
    assert!(house.devices[0].events.iter().any(warned));
    assert_eq!(house.show(0, "notes", &id).title, "b", "what it had sent came back");
    house.set(0, "notes", &id, &["title=c"]);
    assert_ne!(house.node(0).journal.log(), log);
    assert_eq!(house.show(1, "notes", &id).title, "c");
}

#[test]
fn a_route_is_kept_only_after_it_worked() {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    let (device, said) = (house.id(1), vec!["/ip4/10.0.0.9/tcp/1".to_owned()]);
    house.input(0, Input::Seen { device, addresses: said.clone() });
    house.pass(10);
    assert!(house.devices[0].dials.iter().any(|(to, at)| *to == device && *at == said));
    house.boot(0);
    house.devices[0].dials.clear();
    house.pass(1_000);
    assert!(house.devices[0].dials.is_empty(), "it was only said");
    house.input(0, Input::Reached { device, addresses: said.clone() });
    house.connect(0, 1);
    house.boot(0);
    house.pass(1_000);
    assert!(house.devices[0].dials.iter().any(|(to, at)| *to == device && *at == said));
}

#[test]
fn a_member_passes_on_where_others_listen() {
    let mut house = House::of(&["phone", "desk", "third"]);
    house.cut(0, 2);
    let address = vec!["/ip4/10.0.0.7/tcp/7".to_owned()];
    house.input(0, Input::Listening { addresses: address.clone() });
    house.cut(1, 2);
    house.connect(1, 2);
    house.pass(2_000);
    let device = house.id(0);
    assert!(house.devices[2].dials.iter().any(|(to, at)| *to == device && *at == address));
}

#[test]
fn a_changed_network_ends_the_long_pause_between_two_dials() {
    let mut house = House::of(&["phone", "desk"]);
    let device = house.id(1);
    let there = vec!["/ip4/10.0.0.7/tcp/7".to_owned()];
    house.input(0, Input::Seen { device, addresses: there });
    house.cut(0, 1);
    // Long enough for the longest pause: the next dial is far away.
    house.pass(600_000);
    house.devices[0].dials.clear();
    let addresses = vec!["/ip4/10.0.0.8/tcp/8".to_owned()];
    house.input(0, Input::NetworkChanged { addresses: addresses.clone() });
    assert!(house.devices[0].dials.iter().any(|(to, _)| *to == device));
    assert_eq!(house.node(0).listening, addresses);
    // Also where no address of its own is another one: the host has slept.
    house.devices[0].dials.clear();
    house.pass(600_000);
    house.devices[0].dials.clear();
    house.input(0, Input::NetworkChanged { addresses });
    assert!(house.devices[0].dials.iter().any(|(to, _)| *to == device));
}

#[test]
fn a_peer_that_does_not_answer_is_given_up() {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    let device = house.id(1);
    let silent = house.node(1).replication.vector();
    house.input(0, Input::PeerUp { device });
    let hello = heirloom_sync::Hello {
        versions: (1, 1),
        space: house.node(0).space,
        roster_heads: house.node(0).membership.roster.heads(),
        vector: silent,
        holes: Vec::new(),
        checkpoints: Vec::new(),
        reachable: Vec::new(),
    };
    house.hear(0, 1, &heirloom_sync::Message::Hello(hello));
    house.add(0, "notes", &["title=x"]);
    house.pass(31_000);
    assert!(house.devices[0].disconnects.contains(&device));
}

#[test]
fn a_device_is_dialled_through_a_connected_keeper_and_said_to_be_relayed() {
    let mut house = House::founded(&["phone", "box", "laptop"]);
    house.join(1, 0, Role::BlindKeeper).unwrap();
    house.join(2, 0, Role::Member).unwrap();
    house.connect(0, 1);
    house.pass(3_000);
    let device = house.id(2);
    let dialled = |house: &House| house.devices[0].dials.iter().any(|(to, _)| *to == device);
    assert!(dialled(&house), "the keeper is the way to a device without an address");
    house.input(0, Input::Way { device, relayed: true, addresses: Vec::new() });
    house.connect(0, 2);
    let row = |house: &mut House| {
        let rows = house.status(0).devices;
        rows.into_iter().find(|row| row.id == device.to_string()).unwrap()
    };
    assert!(row(&mut house).relayed);
    house.input(0, Input::Way { device, relayed: false, addresses: Vec::new() });
    assert!(!row(&mut house).relayed);
}
