//! A member that begins logs without end.

use super::*;

/// The first entry of another log of a device.
fn begun(by: &Peer, number: u32) -> Entry {
    let incarnation = Incarnation(number.to_le_bytes().repeat(4).try_into().unwrap());
    let origin = Origin { device: by.id(), incarnation };
    let header = Header {
        kind: kind::CHANGES,
        space: SPACE,
        log: origin.log(SPACE),
        seq: 1,
        previous: EntryId([0; 32]),
        origin: Some(origin),
        roster_heads: vec![OpId([5; 32])],
        hlc: Hlc(1),
        epoch: EpochId([6; 32]),
        seen: Vec::new(),
        chunks: Vec::new(),
    };
    let body = Body { parts: vec![Part { record: RecordId([1; 16]), change: vec![1; 40] }] };
    Entry::author(ACCOUNT, &by.keys, &[8; 32], &EntryPlan { header, body })
}

fn show(peer: &mut Peer, from: &Peer, numbers: impl Iterator<Item = u32>) {
    let device = from.id();
    if peer.replication.conversation(device).is_none() {
        connect(peer, &mut Peer::new(66));
        peer.replication.peer_up(at(0), device, Vec::new(), Vec::new(), Vec::new());
    }
    let entries: Vec<Vec<u8>> =
        numbers.map(|number| begun(from, number).bytes().to_vec()).collect();
    for entries in entries.chunks(100) {
        let entries = Message::Entries { urgent: false, entries: entries.to_vec() };
        peer.receive(at(0), device, &entries);
        peer.turn(at(0));
    }
}

fn logs_of(peer: &Peer, device: DeviceId) -> usize {
    peer.replication.logs().filter(|(_, state)| state.device == device).count()
}

fn named(peer: &Peer) -> BTreeSet<DeviceId> {
    let offences = peer.seen.iter().filter_map(|output| {
        let Output::Offence(device, _) = output else { return None };
        Some(*device)
    });
    offences.collect()
}

#[test]
fn two_that_heard_of_different_logs_of_a_third_are_level_and_blame_only_that_one() {
    let (mut one, mut other, guilty) = (Peer::new(1), Peer::new(2), Peer::new(3));
    one.write(3);
    other.write(2);
    show(&mut one, &guilty, 0..600);
    show(&mut other, &guilty, 300..900);
    one.replication.peer_down(guilty.id());
    other.replication.peer_down(guilty.id());
    for peer in [&one, &other] {
        assert_eq!(logs_of(peer, guilty.id()), limits::LOGS_OF_DEVICE_MAX);
    }
    connect(&mut one, &mut other);
    let mut peers = [one, other];
    run(&mut peers, at(10));
    run(&mut peers, at(5_000));
    let [one, other] = &peers;
    assert_eq!(one.replication.distance(other.id()), (0, 0));
    assert_eq!(other.replication.distance(one.id()), (0, 0));
    assert_eq!(one.replication.log(other.log).map(|state| state.durable), Some(2));
    assert_eq!(other.replication.log(one.log).map(|state| state.durable), Some(3));
    for peer in [one, other] {
        assert_eq!(named(peer), [guilty.id()].into());
    }
}

#[test]
fn logs_that_a_revocation_names_are_taken_in_by_those_who_had_others() {
    let (mut one, mut other, guilty) = (Peer::new(1), Peer::new(2), Peer::new(3));
    one.write(1);
    show(&mut one, &guilty, 0..256);
    show(&mut other, &guilty, 256..512);
    one.replication.peer_down(guilty.id());
    other.replication.peer_down(guilty.id());
    connect(&mut one, &mut other);
    let mut peers = [one, other];
    run(&mut peers, at(10));
    let cut: BTreeSet<LogId> = (0..100).map(|number| begun(&guilty, number).header().log).collect();
    for peer in &mut peers {
        peer.replication.set_named(cut.clone());
    }
    run(&mut peers, at(20));
    let [one, other] = &peers;
    assert!(cut.iter().all(|log| other.replication.log(*log).is_some()));
    assert_eq!(one.replication.distance(other.id()), (0, 0));
}

#[test]
fn a_folder_with_more_logs_than_anybody_reads_tells_of_fewer() {
    let (mut one, guilty) = (Peer::new(1), Peer::new(3));
    one.write(1);
    for number in 0..5_000 {
        let log = begun(&guilty, number).header().log;
        let state = LogState::at(guilty.id(), 1, EntryId([7; 32]));
        one.replication.load_log(log, state);
    }
    one.replication.peer_up(at(0), DeviceId([4; 32]), Vec::new(), Vec::new(), Vec::new());
    let vector = one.replication.vector();
    assert_eq!(vector.tips.len(), limits::LOGS_OF_DEVICE_MAX + 1);
    assert_eq!(vector.seq(one.log), 1);
}
