//! What follows from what a device says of itself.

use super::*;
use crate::replication::words::Finding;
use crate::session::Session;

/// Returns a receipt of a keeper in one life of its store for ends of logs.
fn says(keeper: &Peer, life: u8, counter: u64, ends: &[(LogId, u64)]) -> Message {
    let tips = ends.iter().map(|(log, seq)| (*log, Tip { seq: *seq, id: [0; 8] }));
    let receipt = Receipt {
        device: keeper.id(),
        space: SPACE,
        generation: Incarnation([life; 16]),
        counter,
        vector: VersionVector { tips: tips.collect() },
        chunks: Vec::new(),
    };
    Message::Receipts(vec![receipt.sign(ACCOUNT, &keeper.keys)])
}

pub(super) fn hello(ends: &[(LogId, u64)]) -> Message {
    let tips = ends.iter().map(|(log, seq)| (*log, Tip { seq: *seq, id: [0; 8] }));
    Message::Hello(Hello {
        versions: VERSIONS,
        space: SPACE,
        roster_heads: Vec::new(),
        vector: VersionVector { tips: tips.collect() },
        holes: Vec::new(),
        checkpoints: Vec::new(),
        reachable: Vec::new(),
    })
}

/// Has the keeper begin a conversation in which it holds so much.
fn meets(phone: &mut Peer, keeper: &Peer, ends: &[(LogId, u64)]) {
    phone.replication.peer_down(keeper.id());
    phone.replication.peer_up(at(0), keeper.id(), Vec::new(), Vec::new(), Vec::new());
    phone.receive(at(0), keeper.id(), &hello(ends));
}

fn hears(phone: &mut Peer, from: &Peer, message: &Message) {
    phone.receive(at(0), from.id(), message);
    phone.turn(at(0));
}

fn named(phone: &Peer, keeper: &Peer) -> Vec<Finding> {
    phone.replication.findings(keeper.id())
}

/// Returns a phone that wrote ten entries, and a keeper that acknowledged them.
fn acknowledged() -> (Peer, Peer, LogId) {
    let (mut phone, keeper) = (Peer::new(1), Peer::new(3));
    phone.write(10);
    let log = phone.log;
    meets(&mut phone, &keeper, &[(log, 10)]);
    hears(&mut phone, &keeper, &says(&keeper, 1, 5, &[(log, 10)]));
    assert_eq!(named(&phone, &keeper), []);
    (phone, keeper, log)
}

#[test]
fn who_comes_with_less_is_named_at_its_hello_also_where_it_is_refilled_before_its_receipt() {
    let (mut phone, keeper, log) = acknowledged();
    meets(&mut phone, &keeper, &[(log, 3)]);
    assert_eq!(named(&phone, &keeper), [Finding::Lacks(7)]);
    phone.turn(at(0));
    // Its first receipt comes when all of it is there again.
    hears(&mut phone, &keeper, &says(&keeper, 1, 9, &[(log, 10)]));
    assert_eq!(named(&phone, &keeper), [Finding::TookBack(7)]);
    hears(&mut phone, &keeper, &says(&keeper, 1, 10, &[(log, 10)]));
    assert_eq!(named(&phone, &keeper), [Finding::TookBack(7)], "it is not forgotten");
    let told = Output::Found(keeper.id(), Finding::TookBack(7));
    assert_eq!(phone.seen.iter().filter(|output| **output == told).count(), 1);
}

#[test]
fn that_holds_after_a_restart_too() {
    let (mut phone, keeper, log) = acknowledged();
    let signed = phone.replication.ledger().signed().next().unwrap().1.to_vec();
    let mut later = Peer::new(1);
    later.replication.load_receipt(signed);
    later.write(10);
    meets(&mut later, &keeper, &[(log, 3)]);
    hears(&mut later, &keeper, &says(&keeper, 1, 9, &[(log, 10)]));
    assert_eq!(named(&later, &keeper), [Finding::TookBack(7)]);
    phone.turn(at(0));
}

#[test]
fn whose_store_began_anew_is_named_mildly_until_it_holds_all_again() {
    let (mut phone, keeper, log) = acknowledged();
    meets(&mut phone, &keeper, &[(log, 3)]);
    hears(&mut phone, &keeper, &says(&keeper, 2, 1, &[(log, 3)]));
    assert_eq!(named(&phone, &keeper), [Finding::BeganAnew(7)]);
    hears(&mut phone, &keeper, &says(&keeper, 2, 2, &[(log, 10)]));
    assert_eq!(named(&phone, &keeper), []);
}

#[test]
fn a_hello_that_was_made_before_a_receipt_that_others_showed_accuses_nobody() {
    let (mut phone, keeper, log) = acknowledged();
    let laptop = Peer::new(2);
    phone.write(2);
    hears(&mut phone, &laptop, &says(&keeper, 1, 6, &[(log, 12)]));
    meets(&mut phone, &keeper, &[(log, 10)]);
    hears(&mut phone, &keeper, &says(&keeper, 1, 7, &[(log, 12)]));
    assert_eq!(named(&phone, &keeper), []);
}

#[test]
fn whose_receipts_begin_again_below_used_numbers_is_named_and_counts_again() {
    let (mut phone, keeper, log) = acknowledged();
    hears(&mut phone, &keeper, &says(&keeper, 1, 50, &[(log, 10)]));
    meets(&mut phone, &keeper, &[(log, 10)]);
    hears(&mut phone, &keeper, &says(&keeper, 1, 7, &[(log, 10)]));
    assert_eq!(named(&phone, &keeper), [Finding::TookBack(0)]);
    phone.write(1);
    hears(&mut phone, &keeper, &says(&keeper, 1, 8, &[(log, 11)]));
    assert_eq!(phone.replication.holders(log, 11), [keeper.id()]);
    // What others still know of its numbers does not take that away.
    let laptop = Peer::new(2);
    hears(&mut phone, &laptop, &says(&keeper, 1, 50, &[(log, 10)]));
    assert_eq!(phone.replication.holders(log, 11), [keeper.id()]);
}

#[test]
fn an_old_receipt_that_travels_late_accuses_nobody() {
    let (mut phone, keeper, log) = acknowledged();
    let laptop = Peer::new(2);
    hears(&mut phone, &laptop, &says(&keeper, 1, 9, &[(log, 10)]));
    hears(&mut phone, &keeper, &says(&keeper, 1, 8, &[(log, 10)]));
    assert_eq!(named(&phone, &keeper), []);
}

#[test]
fn another_store_that_others_were_shown_is_told_mildly_until_the_device_says_which_it_is() {
    let (mut phone, keeper, log) = acknowledged();
    let laptop = Peer::new(2);
    hears(&mut phone, &laptop, &says(&keeper, 2, 1, &[(log, 4)]));
    assert_eq!(named(&phone, &keeper), [Finding::ShowsOthers(6)]);
    meets(&mut phone, &keeper, &[(log, 10)]);
    hears(&mut phone, &keeper, &says(&keeper, 1, 6, &[(log, 10)]));
    assert_eq!(named(&phone, &keeper), [], "the other one was an earlier one");
}

#[test]
fn who_uses_two_stores_in_turns_is_found_by_what_they_cover() {
    let (mut phone, keeper, log) = acknowledged();
    let laptop = Peer::new(2);
    phone.write(1);
    // Another store acknowledges what was written after the first one was known.
    hears(&mut phone, &laptop, &says(&keeper, 2, 1, &[(log, 11)]));
    assert!(!named(&phone, &keeper).contains(&Finding::Alternates));
    phone.write(1);
    // And the first one what was written after that.
    hears(&mut phone, &laptop, &says(&keeper, 1, 6, &[(log, 12)]));
    assert_eq!(named(&phone, &keeper), [Finding::Alternates]);
}

#[test]
fn who_talks_as_before_while_others_hear_a_newer_store_is_asked_anew_and_found() {
    let (mut phone, keeper, log) = acknowledged();
    let laptop = Peer::new(2);
    phone.write(1);
    hears(&mut phone, &laptop, &says(&keeper, 2, 1, &[(log, 11)]));
    assert!(phone.seen.contains(&Output::AskedOut(keeper.id())));
    meets(&mut phone, &keeper, &[(log, 11)]);
    hears(&mut phone, &keeper, &says(&keeper, 1, 6, &[(log, 11)]));
    assert_eq!(named(&phone, &keeper), [Finding::Alternates]);
}

/// Returns what a phone knows after a restart: the newest receipt and the lives
/// that were kept.
fn restarted(phone: &Peer, keeper: &Peer, log: LogId) -> Peer {
    let mut later = Peer::new(1);
    for (_, signed) in phone.replication.ledger().signed() {
        later.replication.load_receipt(signed.to_vec());
    }
    let kept = phone.seen.iter().rev().find_map(|output| {
        let Output::Lives(device, lives) = output else { return None };
        (*device == keeper.id()).then(|| lives.clone())
    });
    if let Some(kept) = kept {
        later.replication.load_lives(keeper.id(), &kept);
        later.seen.push(Output::Lives(keeper.id(), kept));
    }
    let held = phone.replication.log(log).map_or(0, |state| state.durable);
    later.write(held);
    later
}

#[test]
fn who_goes_back_to_an_earlier_store_is_found_also_where_this_device_restarts_in_between() {
    let (phone, keeper, log) = acknowledged();
    let mut phone = restarted(&phone, &keeper, log);
    meets(&mut phone, &keeper, &[(log, 3)]);
    hears(&mut phone, &keeper, &says(&keeper, 2, 1, &[(log, 3)]));
    assert_eq!(named(&phone, &keeper), [Finding::BeganAnew(7)]);
    let mut phone = restarted(&phone, &keeper, log);
    meets(&mut phone, &keeper, &[(log, 10)]);
    hears(&mut phone, &keeper, &says(&keeper, 1, 9, &[(log, 10)]));
    assert_eq!(named(&phone, &keeper), [Finding::Alternates]);
}

#[test]
fn who_stays_with_its_last_store_is_not_accused_after_restarts() {
    let (mut phone, keeper, log) = acknowledged();
    for life in 2..20 {
        for counter in 1..3 {
            phone = restarted(&phone, &keeper, log);
            meets(&mut phone, &keeper, &[(log, 10)]);
            hears(&mut phone, &keeper, &says(&keeper, life, counter, &[(log, 10)]));
            assert_eq!(named(&phone, &keeper), [], "life {life}");
        }
    }
}

#[test]
fn whose_store_begins_anew_a_third_time_in_a_day_without_what_it_had_is_not_told_mildly() {
    let (mut phone, keeper, log) = acknowledged();
    let mut lose = |life: u8| {
        meets(&mut phone, &keeper, &[(log, 3)]);
        hears(&mut phone, &keeper, &says(&keeper, life, 1, &[(log, 3)]));
        let lost = named(&phone, &keeper);
        hears(&mut phone, &keeper, &says(&keeper, life, 2, &[(log, 10)]));
        lost
    };
    assert_eq!(lose(2), [Finding::BeganAnew(7)]);
    assert_eq!(lose(3), [Finding::BeganAnew(7)]);
    assert_eq!(lose(4), [Finding::BeginsAgain(3), Finding::BeganAnew(7)]);
    assert_eq!(named(&phone, &keeper), [Finding::BeginsAgain(3)]);
}

#[test]
fn two_stores_in_turns_are_found_by_what_others_had_seen_when_they_wrote() {
    for sees in [false, true] {
        let (mut phone, keeper, log) = acknowledged();
        let mut laptop = Peer::new(2);
        phone.write(1);
        // The laptop writes in sight of that, and the other store acknowledges the
        // laptop's entry and nothing of the phone's.
        laptop.sight = sees.then_some((log, 11));
        laptop.write(1);
        let entries = vec![laptop.entries[&(laptop.log, 1)].clone()];
        phone.replication.peer_up(at(0), laptop.id(), Vec::new(), Vec::new(), Vec::new());
        hears(&mut phone, &laptop, &Message::Entries { urgent: false, entries });
        let other = [(log, 10), (laptop.log, 1)];
        hears(&mut phone, &laptop, &says(&keeper, 2, 1, &other));
        assert_eq!(phone.seen.contains(&Output::AskedOut(keeper.id())), sees);
        meets(&mut phone, &keeper, &[(log, 11)]);
        hears(&mut phone, &keeper, &says(&keeper, 1, 6, &[(log, 11)]));
        assert_eq!(named(&phone, &keeper).contains(&Finding::Alternates), sees);
    }
}

#[test]
fn who_began_anew_and_stays_with_it_does_not_alternate() {
    let (mut phone, keeper, log) = acknowledged();
    let laptop = Peer::new(2);
    for turn in 0..4 {
        phone.write(1);
        meets(&mut phone, &keeper, &[(log, 11 + turn)]);
        hears(&mut phone, &keeper, &says(&keeper, 2, turn + 1, &[(log, 11 + turn)]));
        // Who has not met it since still shows what it said before.
        hears(&mut phone, &laptop, &says(&keeper, 1, 5, &[(log, 10)]));
    }
    assert_eq!(named(&phone, &keeper), []);
}

#[test]
fn messages_grow_where_they_arrive_soon_and_shrink_where_they_do_not() {
    let mut session = Session::begun(at(0));
    let first = session.message_bytes;
    let mut now = 0;
    let mut send = |session: &mut Session, takes: u64| {
        let bytes = session.message_bytes as u64;
        session.spend(at(now), LogId([1; 16]), 1, bytes);
        now += takes;
        session.credit(at(now), 1, bytes);
    };
    send(&mut session, 16_000);
    assert_eq!(session.message_bytes, first / 2);
    for _ in 0..9 {
        send(&mut session, 5_000);
    }
    assert_eq!(session.message_bytes, limits::MESSAGE_LEAST_BYTES);
    for _ in 0..9 {
        send(&mut session, 50);
    }
    assert_eq!(session.message_bytes, limits::ENTRY_BYTES_MAX);
}

#[test]
fn of_a_flood_of_receipts_the_last_one_counts_and_the_others_cost_nothing() {
    let (mut phone, keeper, log) = acknowledged();
    let last = limits::RECEIPTS_AT_ONCE_MAX as u64 * 4;
    for counter in 10..=last {
        phone.receive(at(1), keeper.id(), &says(&keeper, 1, counter, &[(log, 10)]));
    }
    let counter = |phone: &Peer| phone.replication.ledger().receipt(keeper.id()).unwrap().counter;
    assert!(counter(&phone) < limits::RECEIPTS_AT_ONCE_MAX as u64 + 10);
    let due = phone.replication.poll_timeout().unwrap();
    phone.replication.receive_waiting(at(due.max(5)), &|_| true);
    assert_eq!(counter(&phone), last);
}

#[test]
fn who_sends_beyond_its_credit_breaks_the_rules() {
    let (mut phone, mut other) = (Peer::new(1), Peer::new(2));
    connect(&mut phone, &mut other);
    phone.receive(at(0), other.id(), &hello(&[]));
    phone.replication.refused(at(0));
    other.write(3);
    let entries: Vec<Vec<u8>> = other.entries.values().cloned().collect();
    let offence = |output: &Output| matches!(output, Output::Offence(..));
    let mut sent = 0;
    while !phone.seen.iter().any(offence) {
        phone.receive(
            at(1),
            other.id(),
            &Message::Entries { urgent: false, entries: entries.clone() },
        );
        phone.turn(at(1));
        sent += entries.len();
        assert!(sent < limits::CREDIT_ENTRIES + 10, "it goes on for ever");
    }
    assert!(sent > limits::CREDIT_ENTRIES, "a whole window may be on its way");
}

#[test]
fn who_asks_for_the_same_again_and_again_takes_nothing_in() {
    let (mut phone, keeper, log) = acknowledged();
    let refuses =
        |phone: &Peer| phone.replication.conversation(keeper.id()).unwrap().refuses_since_ms;
    phone.write(2);
    phone.receive(at(5), keeper.id(), &Message::Want { log, after: 10 });
    assert_eq!(refuses(&phone), None, "once is usual");
    phone.receive(at(10_005), keeper.id(), &Message::Want { log, after: 10 });
    assert_eq!(refuses(&phone), Some(5));
    hears(&mut phone, &keeper, &says(&keeper, 1, 6, &[(log, 12)]));
    assert_eq!(refuses(&phone), None);
}

/// Returns two devices that hold different entries of one author in one place of
/// its log, the second of them so many more.
fn two_ends(more: u64) -> ([Peer; 2], LogId) {
    let (mut one, mut other) = (Peer::new(1), Peer::new(2));
    let author = |change: u8, count: u64, peer: &mut Peer| {
        let mut author = Peer::new(3);
        let log = author.log;
        author.write_one(|author, seq, previous| author.entry_of(seq, previous, vec![change; 9]));
        author.write(count);
        connect(peer, &mut author);
        let mut both = [std::mem::replace(peer, Peer::new(9)), author];
        run(&mut both, at(0));
        let [met, _] = both;
        *peer = met;
        peer.replication.peer_down(Peer::new(3).id());
        log
    };
    let log = author(1, 0, &mut one);
    author(2, more, &mut other);
    ([one, other], log)
}

#[test]
fn two_ends_of_a_log_are_found_by_both_who_hold_one_and_keep_nobody_from_being_level() {
    for more in [0, 1, 3] {
        let (mut peers, log) = two_ends(more);
        let [one, other] = &mut peers;
        connect(one, other);
        run(&mut peers, at(0));
        let now = 2_000;
        for peer in &mut peers {
            peer.replication.ask_receipts();
        }
        run(&mut peers, at(now));
        for index in 0..2 {
            let entries: BTreeMap<_, _> = peers[index].entries.clone();
            let mut compared: Vec<Entry> = Vec::new();
            for output in &peers[index].seen {
                if let Output::Compare(entry) = output {
                    compared.push((**entry).clone());
                }
            }
            for entry in compared {
                let held = entries.get(&(log, entry.header().seq)).cloned().unwrap();
                peers[index].replication.compare_end(&entry, Entry::parse(held).unwrap().id());
            }
            assert!(peers[index].replication.is_forked(log), "{more} more, device {index}");
            let peer = peers[1 - index].id();
            assert_eq!(peers[index].replication.distance(peer), (0, 0), "{more}, device {index}");
        }
    }
}

#[test]
fn two_ends_that_cross_on_their_way_are_found_by_both() {
    let (mut one, mut other, author) = (Peer::new(1), Peer::new(2), Peer::new(3));
    connect(&mut one, &mut other);
    let mut peers = [one, other];
    run(&mut peers, at(0));
    let ends = [1, 2].map(|change| author.entry_of(1, EntryId([0; 32]), vec![change; 9]));
    let message =
        |end: &Entry| Message::Entries { urgent: false, entries: vec![end.bytes().to_vec()] };
    let ids = [peers[0].id(), peers[1].id()];
    // The second hears the other end before its own one is durable.
    peers[0].replication.peer_up(at(1), author.id(), Vec::new(), Vec::new(), Vec::new());
    peers[0].receive(at(1), author.id(), &message(&ends[0]));
    peers[1].replication.peer_up(at(1), author.id(), Vec::new(), Vec::new(), Vec::new());
    peers[1].receive(at(1), author.id(), &message(&ends[1]));
    peers[1].receive(at(1), ids[0], &message(&ends[0]));
    run(&mut peers, at(2));
    for (index, peer) in peers.iter().enumerate() {
        assert!(peer.replication.is_forked(author.log), "device {index}");
    }
}
