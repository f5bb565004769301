//! Packs go before entries, for a while.

use super::*;

const FIRST_MS: u64 = limits::PACKS_FIRST_MS as u64;

/// Returns two peers, of which the first has much to send, and the bytes
/// that the second has of it.
fn peers() -> [Peer; 2] {
    let mut peers = [Peer::new(1), Peer::new(2)];
    for _ in 0..40 {
        peers[0].write_large(10_000);
    }
    peers
}

fn held(peers: &[Peer; 2]) -> u64 {
    peers[1].replication.log(peers[0].log).map_or(0, |state| state.durable)
}

#[test]
fn little_is_sent_until_the_packs_are_here() {
    let mut peers = peers();
    let [one, other] = &mut peers;
    connect(one, other);
    one.replication.shown_checkpoints(other.id());
    other.replication.give_way(at(0));
    run(&mut peers, at(0));
    let first = held(&peers);
    assert!((1..=7).contains(&first), "{first}");
    run(&mut peers, at(FIRST_MS - 1));
    assert_eq!(held(&peers), first);
    peers[1].replication.end_way(at(FIRST_MS - 1));
    run(&mut peers, at(FIRST_MS - 1));
    assert_eq!(held(&peers), 40);
}

#[test]
fn packs_that_do_not_come_hold_up_entries_for_a_while_and_once() {
    let mut peers = peers();
    let [one, other] = &mut peers;
    connect(one, other);
    one.replication.shown_checkpoints(other.id());
    other.replication.give_way(at(0));
    run(&mut peers, at(0));
    assert!(held(&peers) <= 7);
    assert!(peers[1].replication.poll_timeout().is_some_and(|due| due <= FIRST_MS));
    run(&mut peers, at(FIRST_MS));
    assert_eq!(held(&peers), 40);
    peers[0].write_large(10_000);
    peers[1].replication.give_way(at(FIRST_MS));
    run(&mut peers, at(FIRST_MS));
    assert_eq!(held(&peers), 41);
    assert!(peers[1].replication.sessions.values().all(|session| session.held.is_empty()));
}

#[test]
fn who_does_not_heed_checkpoints_is_sent_everything_at_once() {
    let mut peers = peers();
    let [one, other] = &mut peers;
    connect(one, other);
    one.replication.shown_checkpoints(other.id());
    run(&mut peers, at(0));
    assert_eq!(held(&peers), 40);
}
