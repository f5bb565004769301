//! Who is silent, and who withholds.

use super::words::hello;
use super::*;
use crate::session::Shortfall;

const WORD_MS: u64 = limits::WORD_MS as u64;
const HOUR_MS: u64 = 3_600_000;

/// Returns a phone to which a laptop said hello at the beginning.
fn met(ends: u64) -> (Peer, Peer) {
    let (mut phone, laptop) = (Peer::new(1), Peer::new(2));
    phone.replication.peer_up(at(0), laptop.id(), Vec::new(), Vec::new(), Vec::new());
    phone.receive(at(0), laptop.id(), &hello(&[(laptop.log, ends)]));
    phone.turn(at(0));
    (phone, laptop)
}

fn short(phone: &Peer, peer: &Peer) -> Option<Shortfall> {
    phone.replication.shortfall(peer.id())
}

/// Counts the questions for a receipt that the phone asks at a time.
fn asks(phone: &mut Peer, now: u64) -> usize {
    let sent = phone.turn(at(now));
    sent.iter().filter(|(_, message)| *message == Message::AskReceipt).count()
}

#[test]
fn a_peer_that_is_not_heard_withholds_nothing_and_counts_as_stalled() {
    let (mut phone, laptop) = met(3);
    assert_eq!(phone.replication.poll_timeout(), Some(2_500));
    assert_eq!(asks(&mut phone, 2_499), 0);
    assert_eq!(asks(&mut phone, 2_500), 1);
    assert_eq!(asks(&mut phone, 9_000), 0, "one question waits at a time");
    let short = short(&phone, &laptop).unwrap();
    assert_eq!((short.undelivered, short.undelivered_for_ms), (3, 0));
    let waits = phone.replication.conversation(laptop.id()).unwrap();
    assert_eq!(waits.awaited_since_ms, Some(2_500));
    let stalled = 2_500 + limits::STALL_MS_MAX as u64;
    assert_eq!(phone.replication.poll_timeout(), Some(stalled));
    phone.replication.find_stalls(at(stalled));
    assert_eq!(phone.replication.poll_output(), Some(Output::Stalled(laptop.id())));
}

#[test]
fn a_peer_that_answers_other_things_withholds() {
    let (mut phone, laptop) = met(3);
    let mut named_ms = None;
    for now in (0..30_000).step_by(500) {
        if asks(&mut phone, now) > 0 {
            phone.receive(at(now + 100), laptop.id(), &receipt(&laptop, laptop.log, 4, 3));
        }
        let is_named = short(&phone, &laptop).unwrap().undelivered_for_ms >= WORD_MS;
        named_ms = named_ms.or(is_named.then_some(now));
    }
    let named_ms = named_ms.unwrap();
    assert!((WORD_MS..=WORD_MS + 5_000).contains(&named_ms), "{named_ms}");
    assert_eq!(asks(&mut phone, HOUR_MS), 0, "it is named: nothing more is asked");
}

#[test]
fn a_link_that_was_frozen_names_nobody_when_it_goes_on() {
    let (mut phone, mut laptop) = met(3);
    laptop.write(3);
    assert_eq!(asks(&mut phone, 2_500), 1);
    // An answer is the first that comes through, and the entries follow.
    phone.receive(at(60_000), laptop.id(), &receipt(&laptop, laptop.log, 4, 3));
    assert!(short(&phone, &laptop).unwrap().undelivered_for_ms < WORD_MS / 2);
    let entries = (1..=3).map(|seq| laptop.entries[&(laptop.log, seq)].clone()).collect();
    phone.receive(at(60_010), laptop.id(), &Message::Entries { urgent: false, entries });
    assert_eq!(short(&phone, &laptop), None);
}

#[test]
fn what_a_peer_says_for_the_first_time_it_has_time_to_send() {
    let (mut phone, laptop) = met(0);
    phone.receive(at(HOUR_MS), laptop.id(), &receipt(&laptop, laptop.log, 4, 3));
    let found = short(&phone, &laptop).unwrap();
    assert_eq!((found.undelivered, found.delivered_ms), (3, HOUR_MS));
    assert_eq!(found.undelivered_for_ms, 0);
    // Saying more gives it no more time.
    for (second, seq) in (1..=20).zip(4..) {
        let now = at(HOUR_MS + second * 1_000);
        phone.receive(now, laptop.id(), &receipt(&laptop, laptop.log, seq, seq));
    }
    assert_eq!(short(&phone, &laptop).unwrap().undelivered_for_ms, 20_000);
}

#[test]
fn what_the_disk_here_takes_long_to_write_nobody_withholds() {
    let (mut phone, mut laptop) = met(1);
    laptop.write(1);
    let entries = vec![laptop.entries[&(laptop.log, 1)].clone()];
    phone.receive(at(10), laptop.id(), &Message::Entries { urgent: false, entries });
    // It is not durable yet.
    assert_eq!(short(&phone, &laptop), None);
    assert_eq!(phone.replication.lacking(0), 1);
}

#[test]
fn who_is_not_heard_does_not_tell_others_more() {
    let (mut phone, laptop) = met(0);
    let third = Peer::new(3);
    phone.receive(at(0), laptop.id(), &receipt(&laptop, laptop.log, 4, 0));
    phone.receive(at(70), third.id(), &receipt(&laptop, laptop.log, 5, 0));
    assert_eq!(asks(&mut phone, 2_500), 1);
    let found = short(&phone, &laptop).unwrap();
    assert_eq!((found.told_others_since_ms, found.told_others_for_ms), (Some(70), 0));
    for second in 3..20 {
        phone.receive(at(second * 1_000), laptop.id(), &receipt(&laptop, laptop.log, 4, 0));
    }
    assert!(short(&phone, &laptop).unwrap().told_others_for_ms >= WORD_MS);
}
