//! What goes before it has taken effect.

use super::*;

/// Returns two that are level, and the next entry of the first.
fn level() -> (Peer, Peer, Entry) {
    let mut peers = [Peer::new(1), Peer::new(2)];
    peers[0].write(3);
    let [author, reader] = &mut peers;
    connect(author, reader);
    run(&mut peers, at(10));
    let [mut author, reader] = peers;
    let state = author.replication.log(author.log).unwrap();
    let next = author.entry(4, state.durable_id);
    author.replication.stage_own(author.log, 4, next.id());
    (author, reader, next)
}

fn sent(author: &mut Peer) -> Vec<Message> {
    let outputs = std::iter::from_fn(|| author.replication.poll_output());
    outputs
        .filter_map(
            |output| if let Output::Send(_, message) = output { Some(message) } else { None },
        )
        .collect()
}

#[test]
fn what_was_sent_ahead_is_taken_in_and_not_sent_again() {
    let (mut author, mut reader, next) = level();
    author.replication.send_ahead(at(20), author.log, &[&next]);
    let messages = sent(&mut author);
    assert_eq!(
        messages,
        [Message::Entries { urgent: false, entries: vec![next.bytes().to_vec()] }]
    );
    author.store(&next);
    let more = author.turn(at(20));
    let is_entries = |message: &Message| matches!(message, Message::Entries { .. });
    assert!(!more.iter().any(|(_, message)| is_entries(message)), "{more:?}");
    reader.receive(at(20), author.id(), &messages[0]);
    reader.turn(at(20));
    assert_eq!(reader.replication.log(author.log).unwrap().durable, 4);
}

#[test]
fn nothing_is_sent_ahead_to_whom_an_entry_before_is_missing_or_when_it_does_not_follow() {
    let (mut author, reader, next) = level();
    let other = author.entry_of(4, EntryId([9; 32]), vec![1; 40]);
    let after = author.entry(5, next.id());
    for entry in [&other, &after] {
        author.replication.send_ahead(at(20), author.log, &[entry]);
        assert_eq!(sent(&mut author), [], "it does not follow");
    }
    author.replication.send_ahead(at(20), reader.log, &[&next]);
    assert_eq!(sent(&mut author), [], "of another log");
    author.store(&next);
    let fifth = author.entry(5, next.id());
    author.replication.stage_own(author.log, 5, fifth.id());
    author.replication.send_ahead(at(20), author.log, &[&fifth]);
    assert_eq!(sent(&mut author), [], "the fourth was not sent");
    author.store(&fifth);
    let (to, message) = author.turn(at(20)).remove(0);
    assert_eq!(to, reader.id());
    let both = vec![next.bytes().to_vec(), fifth.bytes().to_vec()];
    assert!(
        matches!(message, Message::Packed { entries, .. } if entries == both),
        "both go in their order"
    );
}
