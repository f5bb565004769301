//! A hole in the middle of a log that is whole otherwise.

use super::*;
use crate::message::Hole;

const LAST: u64 = 700;

/// A writer of so many entries, and a reader that holds nine of them and has
/// those behind the eleventh.
fn peers() -> ([Peer; 2], Hole) {
    let (mut writer, mut reader) = (Peer::new(1), Peer::new(2));
    writer.write(LAST);
    for seq in 1..10 {
        reader.store(&Entry::parse(writer.entries[&(writer.log, seq)].clone()).unwrap());
    }
    let hole = Hole { log: writer.log, first: 10, last: 11 };
    let (first, second) = (writer.id(), reader.id());
    writer.replication.peer_up(at(0), second, Vec::new(), Vec::new(), Vec::new());
    reader.replication.peer_up(at(0), first, Vec::new(), Vec::new(), vec![hole]);
    ([writer, reader], hole)
}

fn entries_sent(messages: &[Message]) -> usize {
    let count = |message: &Message| match message {
        Message::Entries { entries, .. } | Message::Packed { entries, .. } => entries.len(),
        Message::Hello(_)
        | Message::Want { .. }
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
        | Message::Unknown(_) => 0,
    };
    messages.iter().map(count).sum()
}

#[test]
fn only_a_hole_travels_and_then_what_is_new() {
    let (mut peers, hole) = peers();
    assert_eq!(entries_sent(&run(&mut peers, at(0))), 2);
    let [writer, reader] = &mut peers;
    assert_eq!(reader.replication.vector().seq(hole.log), hole.last);
    // They are on its disk, and it counts them again by itself.
    for seq in hole.last + 1..=LAST {
        reader.store(&Entry::parse(writer.entries[&(writer.log, seq)].clone()).unwrap());
    }
    reader.replication.filled(hole.log);
    reader.replication.filled(hole.log);
    let messages = run(&mut peers, at(1));
    assert_eq!(entries_sent(&messages), 0);
    let is_want = |message: &&Message| matches!(message, Message::Want { .. });
    assert_eq!(messages.iter().filter(is_want).count(), 1);
    peers[0].write(1);
    assert_eq!(entries_sent(&run(&mut peers, at(2))), 1);
    assert_eq!(peers[1].replication.vector().seq(hole.log), LAST + 1);
}

#[test]
fn what_is_behind_a_hole_travels_where_it_does_not_follow_after_all() {
    let (mut peers, hole) = peers();
    run(&mut peers, at(0));
    peers[1].replication.filled(hole.log);
    run(&mut peers, at(1));
    assert_eq!(peers[1].replication.vector().seq(hole.log), LAST);
}

#[test]
fn a_device_that_passes_holes_over_sends_everything_and_does_no_harm() {
    let (mut peers, hole) = peers();
    for (_, message) in peers[1].turn(at(0)) {
        let Message::Hello(hello) = message else { continue };
        let (reader, hello) = (peers[1].id(), Hello { holes: Vec::new(), ..hello });
        peers[0].receive(at(0), reader, &Message::Hello(hello));
    }
    run(&mut peers, at(0));
    assert_eq!(peers[1].replication.vector().seq(hole.log), LAST);
    let quiet = |one: &Output| matches!(one, Output::Receipt(..) | Output::Lives(..));
    assert!(peers.iter().all(|peer| peer.seen.iter().all(quiet)));
}
