//! What a disk that refuses writes does to a conversation.

use super::*;

const PAUSE_MS: u64 = limits::REFUSED_PAUSE_MS as u64;
/// Three hours of a full disk.
const PAUSES: u64 = 1_080;

fn is_offence(output: &Output) -> bool {
    matches!(output, Output::Offence(..))
}

/// Ends the conversation of two devices and begins another one, if one of them
/// wants that; returns whether it did.
fn begin_anew(peers: &mut [Peer; 2], now: Now) -> bool {
    let is_asked_out = |output: &Output| matches!(output, Output::AskedOut(_));
    let is_anew = peers.iter().any(|peer| peer.seen.iter().any(is_asked_out));
    if is_anew {
        let [one, other] = peers;
        one.seen.retain(|output| !is_asked_out(output));
        other.seen.retain(|output| !is_asked_out(output));
        one.replication.peer_down(other.id());
        other.replication.peer_down(one.id());
        connect_at(now, one, other);
    }
    is_anew
}

/// Lets the second of two devices refuse every write for so many pauses, while
/// the first one writes; returns how often a conversation began anew.
fn fill_for(peers: &mut [Peer; 2], pauses: u64) -> usize {
    peers[1].replication.refused(at(0));
    let mut begun = 0;
    for pause in 1..=pauses {
        let now = at(pause * PAUSE_MS);
        if pause % 10 == 0 {
            peers[0].write(1);
        }
        peers[1].replication.resume(now);
        // What is asked for comes, and the disk does not take it.
        peers[1].is_full = true;
        run(peers, now);
        if begin_anew(peers, now) {
            begun += 1;
            run(peers, now);
        }
        peers[0].replication.find_stalls(now);
    }
    begun
}

#[test]
fn who_has_a_full_disk_for_hours_breaks_no_rule_and_gets_everything_afterwards() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    peers[0].write_large(200_000);
    let [writer, reader] = &mut peers;
    connect(writer, reader);
    let begun = fill_for(&mut peers, PAUSES);
    let least = usize::try_from(PAUSES).unwrap() / limits::WANTS_MAX;
    assert!(begun > least && begun < 4 * least, "a conversation lasts long: {begun}");
    let log = peers[0].log;
    assert_eq!(peers[1].replication.log(log), None, "nothing fitted");
    assert!(!peers[0].seen.iter().any(is_offence), "nobody broke the rules");
    assert!(!peers[0].seen.contains(&Output::Stalled(peers[1].id())), "nor is anybody silent");
    peers[1].is_full = false;
    let end = at((PAUSES + 1) * PAUSE_MS);
    peers[1].replication.resume(end);
    run(&mut peers, end);
    begin_anew(&mut peers, end);
    run(&mut peers, end);
    let held = peers[1].replication.log(log).map(|state| state.durable);
    assert_eq!(held, Some(1 + PAUSES / 10));
}

#[test]
fn more_logs_than_may_be_asked_for_are_asked_for_by_a_hello() {
    let (mut keeper, mut phone) = (Peer::new(1), Peer::new(2));
    let writers = 3..3 + u8::try_from(limits::WANTS_SENT_MAX).unwrap();
    for number in writers.chain([255]) {
        let writer = Peer::new(number);
        keeper.store(&writer.entry(1, EntryId([0; 32])));
    }
    connect(&mut keeper, &mut phone);
    phone.replication.refused(at(0));
    let mut peers = [keeper, phone];
    run(&mut peers, at(0));
    peers[1].replication.resume(at(PAUSE_MS));
    run(&mut peers, at(PAUSE_MS));
    assert_eq!(peers[1].replication.vector().tips.len(), 0);
    assert!(begin_anew(&mut peers, at(PAUSE_MS)));
    run(&mut peers, at(PAUSE_MS));
    assert_eq!(peers[1].replication.vector().tips.len(), 1 + limits::WANTS_SENT_MAX);
    assert!(!peers[0].seen.iter().any(is_offence));
}

#[test]
fn gaps_are_not_asked_for_without_end_either() {
    let (writer, mut reader) = (Peer::new(1), Peer::new(2));
    reader.replication.peer_up(at(0), writer.id(), Vec::new(), Vec::new(), Vec::new());
    let from = writer.id();
    // Each is of another unknown log, in its middle.
    let count = u8::try_from(limits::WANTS_SENT_MAX).unwrap() + 9;
    for number in 0..count {
        let entry = Peer::new(number).entry(2, EntryId([9; 32])).into_bytes();
        reader.replication.receive_entries(at(0), from, false, vec![entry], &|_| true);
    }
    let sent = reader.turn(at(0));
    let wants = sent.iter().filter(|(_, message)| matches!(message, Message::Want { .. }));
    assert_eq!(wants.count(), limits::WANTS_SENT_MAX);
    assert_eq!(reader.seen, [Output::AskedOut(from)], "it is said once");
}

#[test]
fn what_could_not_be_stored_is_asked_for_again() {
    let (mut writer, mut reader) = (Peer::new(1), Peer::new(2));
    connect(&mut writer, &mut reader);
    writer.write(2);
    let entries: Vec<Vec<u8>> = writer.entries.values().cloned().collect();
    reader.replication.receive_entries(at(0), writer.id(), false, entries, &|_| true);
    while reader.replication.poll_output().is_some() {}
    assert_eq!(reader.replication.log(writer.log).map(|state| state.staged), Some(2));
    reader.replication.refused(at(0));
    assert_eq!(reader.replication.log(writer.log), None);
}

#[test]
fn after_a_refused_write_nothing_is_taken_in_for_a_while_and_then_all_of_it() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    let [writer, reader] = &mut peers;
    connect(writer, reader);
    run(&mut peers, at(0));
    let log = peers[0].log;
    peers[1].replication.refused(at(1));
    // More than a window: the rest of it is not even sent.
    peers[0].write(2 * limits::CREDIT_ENTRIES as u64);
    let messages = run(&mut peers, at(2));
    let count = |message: &Message| match message {
        Message::Entries { entries, .. } | Message::Packed { entries, .. } => Some(entries.len()),
        Message::Want { .. } => panic!("nothing is asked for yet"),
        Message::Hello(_)
        | Message::Roster(_)
        | Message::Credit { .. }
        | Message::Receipts(_)
        | Message::AskReceipt
        | Message::Checkpoints(_)
        | Message::AskTail(_)
        | Message::Tail { .. }
        | Message::Fed(_)
        | Message::Reachable(_)
        | Message::Knows(_)
        | Message::Declined(_)
        | Message::Unknown(_) => None,
    };
    let sent: usize = messages.iter().filter_map(count).sum();
    assert_eq!(sent, limits::CREDIT_ENTRIES);
    assert_eq!(peers[1].replication.log(log), None);
    assert_eq!(peers[1].replication.poll_timeout(), Some(1 + PAUSE_MS));
    peers[1].replication.resume(at(PAUSE_MS));
    assert_eq!(run(&mut peers, at(PAUSE_MS)).len(), 0, "the pause is not over");
    peers[1].replication.resume(at(1 + PAUSE_MS));
    run(&mut peers, at(1 + PAUSE_MS));
    let held = peers[1].replication.log(log).map(|state| state.durable);
    assert_eq!(held, Some(2 * limits::CREDIT_ENTRIES as u64));
}

#[test]
fn what_a_pause_kept_back_of_a_whole_window_is_no_false_credit() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    let [writer, reader] = &mut peers;
    for _ in 0..6 {
        writer.write_large(200_000);
    }
    connect(writer, reader);
    reader.replication.refused(at(0));
    run(&mut peers, at(0));
    peers[1].replication.resume(at(PAUSE_MS));
    run(&mut peers, at(PAUSE_MS));
    assert!(!peers[0].seen.iter().any(is_offence), "nobody broke the rules");
    let log = peers[0].log;
    assert_eq!(peers[1].replication.log(log).map(|state| state.durable), Some(6));
}

#[test]
fn nobody_withholds_what_a_full_disk_does_not_take_in() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    let [writer, reader] = &mut peers;
    writer.write(3);
    connect(writer, reader);
    reader.replication.refused(at(0));
    run(&mut peers, at(0));
    let (log, writer) = (peers[0].log, peers[0].id());
    assert_eq!(peers[1].replication.shortfall(writer), None);
    peers[1].replication.resume(at(PAUSE_MS));
    let short = peers[1].replication.shortfall(writer).unwrap();
    assert_eq!((short.undelivered, short.delivered_ms), (3, PAUSE_MS), "it is given time again");
    run(&mut peers, at(PAUSE_MS));
    assert_eq!(peers[1].replication.log(log).map(|state| state.durable), Some(3));
}

#[test]
fn what_could_not_be_stored_is_asked_for_again_of_who_showed_it() {
    let mut peers = [Peer::new(1), Peer::new(2), Peer::new(3)];
    let [one, other, third] = &mut peers;
    connect(one, other);
    connect(other, third);
    run(&mut peers, at(0));
    peers[0].write(1);
    let [writer, reader, _] = &mut peers;
    let entries = vec![writer.entries[&(writer.log, 1)].clone()];
    let (log, id) = (writer.log, writer.id());
    reader.replication.receive_entries(at(0), id, false, entries, &|_| true);
    while reader.replication.poll_output().is_some() {}
    reader.replication.refused(at(5));
    let again_ms = 5 + PAUSE_MS;
    assert_eq!(reader.replication.poll_timeout(), Some(again_ms));
    reader.replication.resume(at(again_ms - 1));
    assert_eq!(reader.replication.poll_output(), None);
    reader.replication.resume(at(again_ms));
    let want = Message::Want { log, after: 0 };
    assert_eq!(reader.replication.poll_output(), Some(Output::Send(id, want)));
    assert_eq!(reader.replication.poll_output(), None, "the third never showed it");
}
