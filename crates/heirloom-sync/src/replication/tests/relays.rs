//! Passing on what others write.

use super::*;

/// Three devices that all talk to each other.
fn triangle() -> [Peer; 3] {
    let mut peers = [Peer::new(1), Peer::new(2), Peer::new(3)];
    let [one, two, three] = &mut peers;
    connect(one, two);
    connect(two, three);
    connect(one, three);
    run(&mut peers, at(0));
    peers
}

/// Writes on the first device for some seconds; returns how many entries travelled.
fn write_for(peers: &mut [Peer; 3], seconds: std::ops::Range<u64>) -> usize {
    let mut sent = 0;
    for tick in seconds.start * 100..seconds.end * 100 {
        peers[0].write(1);
        for message in run(peers, at(tick * 10)) {
            if let Message::Entries { entries, .. } | Message::Packed { entries, .. } = message {
                sent += entries.len();
            }
        }
    }
    sent
}

#[test]
fn what_the_author_sends_itself_is_not_sent_by_everybody() {
    let mut peers = triangle();
    write_for(&mut peers, 0..5);
    let sent = write_for(&mut peers, 5..15);
    assert!((2_000..2_100).contains(&sent), "{sent} for 1,000 to two others");
    let log = peers[0].log;
    for peer in &peers[1..] {
        assert_eq!(peer.replication.vector().seq(log), 1_500);
    }
}

#[test]
fn where_the_author_is_silent_another_passes_on_what_it_keeps_back() {
    let mut peers = triangle();
    write_for(&mut peers, 0..5);
    // The way between the first and the third is dead, and nobody knows it yet.
    let (first, third, log) = (peers[0].id(), peers[2].id(), peers[0].log);
    let mut arrived = None;
    peers[0].write(5);
    for tick in 500..900 {
        for index in 0..3 {
            let from = peers[index].id();
            for (to, message) in peers[index].turn(at(tick * 10)) {
                if [(first, third), (third, first)].contains(&(from, to)) {
                    continue;
                }
                let peer = peers.iter_mut().find(|peer| peer.id() == to).unwrap();
                peer.receive(at(tick * 10), from, &message);
            }
        }
        if peers[2].replication.vector().seq(log) == 505 {
            arrived = arrived.or(Some(tick * 10 - 5_000));
        }
        if arrived.is_some() && tick % 100 == 0 {
            // From now on there is no pause.
            peers[0].write(1);
        }
    }
    let arrived = arrived.expect("it was passed on");
    // What was kept back before comes first.
    assert!(arrived <= 2 * limits::RELAY_PAUSE_MS as u64, "{arrived} ms");
    assert!(peers[2].replication.vector().seq(log) >= 506);
}

#[test]
fn where_the_author_is_gone_nothing_is_kept_back() {
    let mut peers = triangle();
    write_for(&mut peers, 0..5);
    let (first, third, log) = (peers[0].id(), peers[2].id(), peers[0].log);
    peers[0].replication.peer_down(third);
    peers[2].replication.peer_down(first);
    peers[0].write(3);
    for _ in 0..3 {
        for index in 0..3 {
            let from = peers[index].id();
            for (to, message) in peers[index].turn(at(5_000)) {
                let peer = peers.iter_mut().find(|peer| peer.id() == to).unwrap();
                peer.receive(at(5_000), from, &message);
            }
        }
    }
    let second = peers[1].id();
    peers[0].replication.peer_down(second);
    peers[1].replication.peer_down(first);
    run(&mut peers, at(5_000));
    assert_eq!(peers[2].replication.vector().seq(log), 503);
}
