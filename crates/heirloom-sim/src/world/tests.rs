mod ends;
mod silence;
mod treachery;

use super::*;
use crate::faults::Fault;
use crate::scenario::{card, encode_base64};
use heirloom_core::command::{ImportItem, Level, Wait};
use heirloom_identity::{PairingError, Phrase, Role};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Returns a calm world of so many members that know each other, and the phrase.
fn household(seed: u64, members: usize) -> (World, Phrase) {
    let mut world = World::new(seed, Faults::CALM);
    let first = world.add_device("first");
    let phrase = world.found(first);
    for number in 1..members {
        let device = world.add_device(&format!("device {number}"));
        world.join(device, first, Role::Member);
    }
    world.run(5_000);
    (world, phrase)
}

fn adding(title: &str, level: Level) -> Command {
    let assignments = vec![format!("title={title}"), "body=text".to_owned()];
    Command::Add { category: "notes".into(), assignments, wait: Wait { level, timeout_ms: 3_000 } }
}

/// Adds a note; returns whether the level was reached in time.
fn add(world: &mut World, device: usize, title: &str, level: Level) -> bool {
    match world.ask(device, adding(title, level)) {
        Some(Ok(Answer::Saved { reached, .. })) => reached,
        other => panic!("{title} was not saved: {other:?}"),
    }
}

fn titles(world: &mut World, device: usize) -> Vec<String> {
    let command = Command::List {
        category: "notes".into(),
        search: None,
        deleted: false,
        after: None,
        limit: 1_000,
    };
    let Some(Ok(Answer::Records { rows, .. })) = world.ask(device, command) else {
        panic!("device {device} lists nothing");
    };
    let mut titles: Vec<String> = rows.into_iter().map(|row| row.title).collect();
    titles.sort();
    titles
}

fn digest(world: &mut World, device: usize) -> String {
    match world.ask(device, Command::Digest) {
        Some(Ok(Answer::Digest { digest, .. })) => digest,
        other => panic!("device {device} gives no digest: {other:?}"),
    }
}

fn are_level(world: &mut World) -> bool {
    let digests: BTreeSet<String> =
        (0..world.devices.len()).map(|device| digest(world, device)).collect();
    digests.len() == 1
}

/// Counts the open streams.
fn streams(world: &World) -> usize {
    world.links.len()
}

/// Crashes until the index has the wanted fate; the disk draws it by lot.
fn crash_until(world: &mut World, device: usize, wanted: fn(&SimDisk) -> bool) {
    for _ in 0..100 {
        world.crash(device);
        if world.devices.get(device).is_some_and(|machine| wanted(&machine.disk)) {
            return;
        }
        world.boot(device);
        world.run(1_000);
    }
    panic!("a hundred crashes left the index as it was");
}

#[test]
fn a_partition_stops_messages_and_healing_resumes_them() {
    for (from, to) in [(0, 1), (1, 0)] {
        let (mut world, _) = household(1, 2);
        world.cut(from, to, true);
        assert!(!add(&mut world, 0, "behind the wall", Level::Peer(1)));
        world.run(60_000);
        assert_eq!(titles(&mut world, 1), Vec::<String>::new());
        assert_eq!(streams(&world), 0, "one direction is enough to cut a stream");
        world.heal();
        world.run(60_000);
        assert_eq!(titles(&mut world, 1), ["behind the wall"]);
    }
}

#[test]
fn a_way_that_is_healed_alone_is_dialled_again() {
    let (mut world, _) = household(2, 2);
    world.cut(0, 1, true);
    add(&mut world, 1, "late", Level::Local);
    world.cut(0, 1, false);
    world.run(300_000);
    assert_eq!(titles(&mut world, 0), ["late"]);
}

#[test]
fn a_third_device_carries_what_two_cannot_tell_each_other() {
    let (mut world, _) = household(3, 3);
    world.cut(1, 2, true);
    assert!(add(&mut world, 1, "around the corner", Level::Peer(2)));
    assert_eq!(titles(&mut world, 2), ["around the corner"]);
}

#[test]
fn a_lost_message_breaks_its_stream_which_comes_back() {
    let (mut world, _) = household(4, 2);
    world.set_faults(Faults { loss_percent: 100, ..Faults::CALM });
    let id = world.command(0, adding("lost once", Level::Local));
    while streams(&world) > 0 {
        assert!(world.step(world.now_ms + 60_000), "a lost message breaks no stream");
    }
    assert!(!world.queue.values().any(|next| matches!(next, Happening::Deliver { .. })));
    world.set_faults(Faults::CALM);
    world.run(60_000);
    assert!(matches!(world.reply(0, id), Some(Ok(Answer::Saved { .. }))));
    assert_eq!(streams(&world), 1);
    assert_eq!(titles(&mut world, 1), ["lost once"]);
}

/// Sends twenty messages at once and returns, in this order, when they arrive.
fn arrivals(faults: Faults) -> Vec<(u8, u64)> {
    let (mut world, _) = household(18, 2);
    world.queue.clear();
    world.set_faults(faults);
    let other = world.devices[1].keys.id();
    for number in 0..20 {
        world.send(0, other, vec![number]);
    }
    let mut sent: Vec<(u64, u8, u64)> = world
        .queue
        .iter()
        .filter_map(|((time, ticket), happening)| match happening {
            Happening::Deliver { bytes, .. } => Some((*ticket, bytes[0], *time)),
            Happening::Synced { .. }
            | Happening::Fetched { .. }
            | Happening::Connect { .. }
            | Happening::Break { .. }
            | Happening::Boot { .. }
            | Happening::Handle { .. }
            | Happening::Scrub { .. } => None,
        })
        .collect();
    sent.sort_unstable();
    sent.into_iter().map(|(_, number, time)| (number, time)).collect()
}

#[test]
fn messages_come_once_and_in_order_unless_the_world_is_hard() {
    let in_order = |sent: &[(u8, u64)]| sent.is_sorted_by_key(|(_, time)| *time);
    let slow = Faults { latency_ms_max: 400, ..Faults::CALM };
    let calm = arrivals(slow);
    assert!(calm.len() == 20 && in_order(&calm), "{calm:?}");
    let doubled = arrivals(Faults { duplicate_percent: 100, ..slow });
    assert!(doubled.len() == 40 && doubled.chunks(2).all(|two| two[0].0 == two[1].0));
    assert!(!in_order(&arrivals(Faults { reorder_percent: 100, ..slow })));
    assert_eq!(arrivals(Faults { loss_percent: 100, ..slow }), []);
}

#[test]
fn what_was_on_its_way_dies_with_its_stream_and_no_other() {
    let (mut world, _) = household(19, 3);
    world.queue.clear();
    let ids: Vec<DeviceId> = world.devices.iter().map(|device| device.keys.id()).collect();
    world.send(0, ids[1], vec![1]);
    world.send(0, ids[2], vec![2]);
    world.send(1, ids[0], vec![3]);
    world.break_link(0, 1);
    let survives = |wanted: &[u8]| {
        let on_way =
            |next: &Happening| matches!(next, Happening::Deliver { bytes, .. } if bytes == wanted);
        world.queue.values().any(on_way)
    };
    assert_eq!([[1], [2], [3]].map(|bytes| survives(&bytes)), [false, true, false]);
}

#[test]
fn doubled_and_reordered_messages_change_nothing() {
    for seed in 10..14 {
        let (mut world, _) = household(seed, 3);
        let hard = Faults { duplicate_percent: 60, reorder_percent: 60, ..Faults::CALM };
        world.set_faults(Faults { latency_ms_max: 400, ..hard });
        for number in 0..12 {
            add(&mut world, number % 3, &format!("note {number:02}"), Level::Local);
        }
        world.run(300_000);
        let wanted: Vec<String> = (0..12).map(|number| format!("note {number:02}")).collect();
        for device in 0..3 {
            assert_eq!(titles(&mut world, device), wanted, "seed {seed}");
        }
        assert!(are_level(&mut world), "seed {seed}");
    }
}

#[test]
fn a_crash_before_the_sync_leaves_a_beginning_and_no_answer() {
    let mut kept = 0;
    for seed in 0..12 {
        let (mut world, _) = household(seed, 1);
        let id = world.command(0, adding("unsynced", Level::Local));
        world.crash(0);
        assert_eq!(world.reply(0, id), None);
        world.boot(0);
        world.run(1_000);
        let found = titles(&mut world, 0);
        assert!(found.is_empty() || found == ["unsynced"], "seed {seed}: {found:?}");
        kept += found.len();
    }
    assert!((1..12).contains(&kept), "all crashes end alike: {kept} of 12 writes survived");
}

#[test]
fn a_crash_after_the_answer_keeps_the_write() {
    for seed in 0..12 {
        let (mut world, _) = household(seed, 1);
        add(&mut world, 0, "answered", Level::Local);
        world.crash(0);
        assert!(!world.is_on(0));
        world.boot(0);
        assert_eq!(titles(&mut world, 0), ["answered"], "seed {seed}");
    }
}

#[test]
fn a_lying_disk_loses_an_answered_write_and_an_honest_one_does_not() {
    for lying_disk in [false, true] {
        let (mut world, _) = household(5, 1);
        world.set_faults(Faults { lying_disk, ..Faults::CALM });
        add(&mut world, 0, "answered", Level::Local);
        assert_eq!(titles(&mut world, 0), ["answered"], "the lie shows only after a crash");
        world.crash(0);
        world.boot(0);
        assert_eq!(titles(&mut world, 0).is_empty(), lying_disk);
    }
}

#[test]
fn a_lost_index_is_rebuilt_to_the_same_digest() {
    let (mut world, _) = household(6, 2);
    for number in 0..6 {
        add(&mut world, number % 2, &format!("note {number}"), Level::Peer(1));
    }
    world.run(5_000);
    let wanted = digest(&mut world, 0);
    world.cut(0, 1, true);
    crash_until(&mut world, 0, |disk| Node::applied(disk).unwrap().is_none());
    world.boot(0);
    assert_eq!(digest(&mut world, 0), wanted);
    world.crash(0);
    world.devices[0].disk.discard_index();
    world.boot(0);
    assert_eq!(digest(&mut world, 0), wanted);
}

#[test]
fn a_stale_index_catches_up_to_the_same_digest() {
    let (mut world, _) = household(7, 1);
    add(&mut world, 0, "old", Level::Local);
    let stale = Node::applied(&world.devices[0].disk).unwrap();
    world.devices[0].disk.snapshot_index();
    for number in 0..4 {
        let id = world.command(0, adding(&format!("new {number}"), Level::Local));
        while world.reply(0, id).is_none() {
            assert!(world.step(world.now_ms + 1_000));
        }
        assert!(Node::applied(&world.devices[0].disk).unwrap() > stale);
    }
    let wanted = digest(&mut world, 0);
    let whole = world.devices[0].disk.clone();
    let mut fates = BTreeSet::new();
    for seed in 0..20 {
        world.crash(0);
        world.devices[0].disk = whole.clone();
        world.devices[0].disk.crash(&mut Rng::new(seed));
        fates.insert(Node::applied(&world.devices[0].disk).unwrap());
        world.boot(0);
        assert_eq!(digest(&mut world, 0), wanted, "seed {seed}");
    }
    assert_eq!(fates.len(), 3, "an index is lost, stale or whole: {fates:?}");
}

#[test]
fn a_world_that_never_rests_is_a_finding() {
    let (mut world, _) = household(8, 1);
    world.inputs = INPUTS_MAX - 1;
    world.step(0);
    world.inputs = INPUTS_MAX;
    let finding = catch_unwind(AssertUnwindSafe(|| world.step(0))).unwrap_err();
    assert_eq!(finding.downcast_ref::<&str>(), Some(&"the household never comes to rest"));
}

#[test]
fn a_phrase_restores_a_device_and_a_wrong_one_does_not() {
    let (mut world, phrase) = household(9, 2);
    add(&mut world, 0, "heirloom", Level::Peer(1));
    world.crash(0);
    let thief = world.add_device("thief");
    let wrong = Phrase::from_entropy([7; 16]);
    let refused: Result<(), PairingError> = world.recover(thief, 1, &wrong);
    assert_eq!(refused, Err(PairingError::NotThisAccount));
    assert!(!world.is_on(thief));
    assert!(world.devices[thief].disk.frames_after(None).is_empty());
    let phone = world.add_device("phone");
    world.recover(phone, 1, &phrase).unwrap();
    world.run(30_000);
    assert_eq!(titles(&mut world, phone), ["heirloom"]);
    assert_eq!(digest(&mut world, phone), digest(&mut world, 1));
}

#[test]
fn nobody_recovers_from_a_device_that_is_off() {
    let (mut world, phrase) = household(15, 2);
    world.crash(1);
    let phone = world.add_device("phone");
    assert_eq!(world.recover(phone, 1, &phrase).err(), Some(PairingError::Closed));
}

#[test]
fn a_blind_keeper_restores_what_it_cannot_read() {
    let (mut world, phrase) = household(16, 1);
    let keeper = world.add_device("keeper");
    world.join(keeper, 0, Role::BlindKeeper);
    world.run(5_000);
    assert!(add(&mut world, 0, "unreadable secret", Level::Keeper));
    assert!(world.devices[0].disk.contains(b"unreadable secret"));
    assert!(!world.devices[keeper].disk.contains(b"unreadable secret"));
    let wanted = digest(&mut world, 0);
    world.crash(0);
    let phone = world.add_device("phone");
    world.recover(phone, keeper, &phrase).unwrap();
    world.run(60_000);
    assert_eq!(digest(&mut world, phone), wanted);
    assert!(!world.devices[keeper].disk.contains(b"unreadable secret"));
}

#[test]
fn a_world_of_five_devices_converges() {
    let (mut world, _) = household(17, 5);
    world.set_faults(Faults {
        loss_percent: 5,
        duplicate_percent: 20,
        reorder_percent: 20,
        latency_ms_max: 200,
        ..Faults::CALM
    });
    for number in 0..15 {
        world.cut(number % 5, (number + 2) % 5, number % 3 != 0);
        add(&mut world, number % 5, &format!("note {number:02}"), Level::Local);
        world.run(500);
    }
    world.set_faults(Faults::CALM);
    world.heal();
    world.run(300_000);
    assert!(are_level(&mut world));
    assert_eq!(titles(&mut world, 4).len(), 15);
}

#[test]
fn worlds_of_one_seed_have_one_trace() {
    let trace = |seed| {
        let (mut world, _) = household(seed, 3);
        world.set_faults(Faults { loss_percent: 10, duplicate_percent: 20, ..Faults::CALM });
        add(&mut world, 1, "note", Level::Peer(2));
        world.crash(2);
        world.boot(2);
        world.run(30_000);
        (world.trace(), world.inputs())
    };
    let traces: BTreeSet<_> = (0..4).map(trace).collect();
    assert_eq!(traces, (0..4).map(trace).collect());
    assert_eq!(traces.len(), 4, "different seeds play different stories");
}

#[test]
fn a_frozen_device_hears_everything_when_it_goes_on() {
    let (mut world, _) = household(20, 2);
    world.freeze(1, 20_000);
    assert!(!add(&mut world, 0, "meanwhile", Level::Peer(1)), "nobody answers");
    let id = world.command(1, Command::Digest);
    world.run(5_000);
    assert_eq!(world.reply(1, id), None);
    world.run(60_000);
    assert!(matches!(world.reply(1, id), Some(Ok(_))));
    assert_eq!(titles(&mut world, 1), ["meanwhile"]);
    assert_eq!(world.tally.count(Fault::Frozen), 1);
}

#[test]
fn a_full_disk_refuses_writes_and_takes_what_it_refused_when_there_is_room() {
    let (mut world, _) = household(21, 2);
    world.fill_disk(1, 40_000);
    let refusals = (0..10).filter(|number| {
        let refused = world.ask(1, adding(&format!("own {number}"), Level::Local));
        matches!(refused, Some(Err(failure)) if failure.code == "disk-full")
    });
    assert!(refusals.count() > 3);
    for number in 0..5 {
        add(&mut world, 0, &format!("other {number}"), Level::Local);
    }
    assert!(world.tally.count(Fault::DiskFull) > 3);
    world.run(200_000);
    assert!(are_level(&mut world));
    assert!(titles(&mut world, 1).contains(&"other 4".to_owned()));
}

#[test]
fn a_sync_that_fails_takes_with_it_what_was_under_way_and_nothing_else() {
    let (mut world, _) = household(22, 2);
    add(&mut world, 1, "before", Level::Local);
    world.fail_sync(1);
    let failed = world.ask(1, adding("lost", Level::Local));
    assert!(matches!(failed, Some(Err(_))), "{failed:?}");
    add(&mut world, 1, "after", Level::Local);
    world.run(60_000);
    assert_eq!(titles(&mut world, 1), ["after", "before"]);
    assert!(are_level(&mut world));
    assert_eq!(world.tally.count(Fault::SyncFailed), 1);
}

#[test]
fn a_killed_process_keeps_what_was_answered() {
    for seed in 23..33 {
        let (mut world, _) = household(seed, 1);
        add(&mut world, 0, "answered", Level::Local);
        world.kill(0);
        world.boot(0);
        assert_eq!(titles(&mut world, 0), ["answered"], "seed {seed}");
    }
}

#[test]
fn a_lost_end_comes_back_from_who_holds_it() {
    let (mut world, _) = household(34, 2);
    for number in 0..4 {
        add(&mut world, 0, &format!("note {number}"), Level::Peer(1));
    }
    world.run(5_000);
    let safe = world.devices[1].disk.entries();
    let before = world.devices[0].disk.entries();
    world.cut(0, 1, true);
    world.lose_end(0, &safe);
    assert_eq!(world.tally.count(Fault::EndLost), 1);
    assert!(world.devices[0].disk.entries().is_subset(&before));
    assert_ne!(world.devices[0].disk.entries(), before);
    assert_eq!(titles(&mut world, 0).len(), 4, "the index still shows them");
    world.cut(0, 1, false);
    world.run(60_000);
    assert_eq!(world.devices[0].disk.entries(), before);
    assert!(are_level(&mut world));
}

#[test]
fn a_chunk_that_decayed_comes_back_from_who_has_it() {
    for is_gone in [false, true] {
        let (mut world, _) = household(35, 2);
        let item = ImportItem {
            category: "contacts".into(),
            file: "card.vcf".into(),
            line: 1,
            base64: encode_base64(card(true).as_bytes()),
            root: 0,
        };
        let wait = Wait { level: Level::Peer(1), timeout_ms: 3_000 };
        let command = Command::Import { items: vec![item], dry_run: false, wait };
        assert!(matches!(world.ask(0, command), Some(Ok(_))));
        world.run(10_000);
        let chunk = world.devices[1].disk.sound_chunks().next().unwrap();
        world.decay(1, chunk, is_gone);
        assert_eq!(world.devices[1].disk.sound_chunks().count(), 0);
        world.run(60_000);
        assert_eq!(world.devices[1].disk.sound_chunks().next(), Some(chunk));
    }
}
