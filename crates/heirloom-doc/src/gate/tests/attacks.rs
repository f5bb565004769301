//! Everything that a member could craft, and what one log does to another.

use super::*;
use crate::chunk::tests::forged::Target;
use crate::chunk::tests::repeated;

#[test]
fn every_known_attack_is_refused_alone_and_together_and_harms_nothing() {
    let (mut document, _) = born();
    let max_op = document.automerge().get_changes_meta(&[]).iter().map(|meta| meta.max_op).max();
    let target = Target {
        heads: document.heads().0,
        start_op: max_op.unwrap() + 1,
        actor: actor_for(LogId([6; 16]), RECORD).0,
        other: actor_for(LOG, RECORD).0,
    };
    let saved = document.save();
    let attacks = target.attacks();
    let offers: Vec<Offered> =
        attacks.iter().map(|(_, bytes)| offer(LogId([6; 16]), bytes.clone())).collect();
    for ((name, _), offered) in attacks.iter().zip(&offers) {
        let admission = admit_quietly(Some(&saved), std::slice::from_ref(offered));
        assert_eq!(admission.refused.len(), 1, "{name}: {admission:?}");
        assert!(admission.document.is_none(), "{name}");
    }
    let good = edited(&mut document, LOG, "good");
    let admission = admit_quietly(Some(&saved), &[&offers[..], &[good]].concat());
    check(&admission, offers.len() + 1);
    assert_eq!((admission.refused.len(), admission.applied.len()), (offers.len(), 1));
    let orphan = offer(LogId([6; 16]), target.orphan(1));
    assert_eq!(admit(Some(&saved), RECORD, &[orphan]).waiting.len(), 1);
}

#[test]
fn a_change_that_waits_holds_up_the_later_ones_of_its_log_and_no_others() {
    let (document, _) = born();
    let hostile = LogId([6; 16]);
    let early = next(&document, hostile, Forged::put("new", "early"));
    let absent = next(&document, LogId([5; 16]), Forged::put("new", "absent"));
    let absent_hash = hash_of_forged(&absent);
    let orphan =
        Forged { dependencies: vec![absent_hash], start_op: absent.start_op + 1, ..early.clone() };
    let rival = Forged { start_op: early.start_op, ..early };
    let mut other = document.clone();
    let honest = edited(&mut other, LOG, "honest");
    let offered = [offer(hostile, orphan.bytes()), offer(hostile, rival.bytes()), honest];
    let saved = document.save();
    let admission = admit(Some(&saved), RECORD, &offered);
    check(&admission, 3);
    let waiting = vec![(0, Awaited::Change(absent_hash)), (1, Awaited::Earlier)];
    assert_eq!((admission.applied.len(), admission.waiting), (1, waiting));
    // With what it builds on, the first comes in and its rival is refused:
    // the same as if that had been there before.
    let absent = offer(LogId([5; 16]), absent.bytes());
    let late = admit(Some(&saved), RECORD, &[&offered[..], std::slice::from_ref(&absent)].concat());
    let early = admit(Some(&saved), RECORD, &[&[absent], &offered[..]].concat());
    assert_eq!((late.refused[0].0, early.refused[0].0), (1, 2));
    assert_eq!(late.document.unwrap().0.heads(), early.document.unwrap().0.heads());
}

#[test]
fn a_change_that_breaks_the_merge_closes_its_log_and_no_other() {
    let (mut document, _) = born();
    let (hostile, other) = (LogId([6; 16]), LogId([7; 16]));
    let saved = document.save();
    let early = next(&document, hostile, Forged::put("early", "sound"));
    let broken = Forged {
        dependencies: vec![hash_of_forged(&early)],
        start_op: early.start_op + 1,
        seq: 2,
        ..next(&document, hostile, Forged::insert(999, "x"))
    };
    let late = Forged { columns: Forged::put("late", "sound").columns, ..broken.clone() };
    let beside = next(&document, other, Forged::put("beside", "sound"));
    let honest = edited(&mut document, LOG, "honest");
    let offered = [
        offer(hostile, early.bytes()),
        offer(hostile, broken.bytes()),
        offer(hostile, late.bytes()),
        offer(other, beside.bytes()),
        honest,
    ];
    let admission = admit_quietly(Some(&saved), &offered);
    check(&admission, offered.len());
    assert_eq!(admission.applied.len(), 3);
    assert!(matches!(&admission.refused[..], [(1, _), (2, GateError::Closed)]), "{admission:?}");
    assert_eq!(admission.closed, BTreeSet::from([hostile]));
    // The same where every log comes alone, before or after.
    let first = admit_quietly(Some(&saved), &offered[..2]);
    assert_eq!((first.applied.len(), &first.closed), (1, &admission.closed));
    // Without what is broken, the last comes in.
    assert_eq!(
        admit(Some(&saved), RECORD, &[&offered[..1], &offered[2..]].concat()).applied.len(),
        4
    );
}

#[test]
fn what_refers_to_what_it_does_not_build_on_is_refused_whichever_came_first() {
    let (document, _) = born();
    let (hostile, saved) = (LogId([6; 16]), document.save());
    let mut other = document.clone();
    let honest = edited(&mut other, LOG, "honest");
    let beside = next(&document, hostile, Forged::put("title", "beside"));
    let overwriting = |forged: Forged| {
        let counter = i64::try_from(beside.start_op).unwrap();
        let mut last = vec![0x7f];
        crate::chunk::tests::forged::write_signed(&mut last, counter);
        let forged = forged.replace(112, vec![0x7f, 1]).replace(113, vec![0x7f, 1]);
        Forged { others: vec![actor_for(LOG, RECORD).0.to_vec()], ..forged.replace(115, last) }
    };
    let rival = offer(hostile, overwriting(beside.clone()).bytes());
    let refused = |admission: &Admission, place: usize| {
        let expected =
            GateError::Reference { actor: actor_for(LOG, RECORD), counter: beside.start_op };
        assert_eq!(admission.refused, [(place, expected)]);
        assert!(admission.closed.is_empty());
    };
    refused(&admit(Some(&saved), RECORD, std::slice::from_ref(&rival)), 0);
    refused(&admit(Some(&other.save()), RECORD, std::slice::from_ref(&rival)), 0);
    for (offered, place) in [([honest.clone(), rival.clone()], 1), ([rival, honest], 0)] {
        let admission = admit(Some(&saved), RECORD, &offered);
        refused(&admission, place);
        check(&admission, 2);
    }
    // What builds on it may overwrite it.
    let sound = overwriting(next(&other, hostile, Forged::put("title", "later")));
    let admission = admit(Some(&other.save()), RECORD, &[offer(hostile, sound.bytes())]);
    check(&admission, 1);
    assert_eq!(admission.applied.len(), 1, "{admission:?}");
}

#[test]
fn what_breaks_the_merge_among_many_is_found_wherever_it_stands() {
    let (document, _) = born();
    let (saved, hostile) = (document.save(), LogId([6; 16]));
    let first = next(&document, hostile, Forged::put("k", "v"));
    for bad in [0, 1, 6, 12] {
        let (mut offered, mut previous) = (Vec::new(), document.heads().0);
        for number in 0..13 {
            let forged = if number == bad {
                Forged::insert(999, "x")
            } else {
                Forged::put(&format!("k{number}"), "v")
            };
            let forged = Forged {
                dependencies: std::mem::take(&mut previous),
                actor: first.actor.clone(),
                seq: number + 1,
                start_op: first.start_op + number,
                ..forged
            };
            previous = vec![hash_of_forged(&forged)];
            offered.push(offer(hostile, forged.bytes()));
        }
        let admission = admit_quietly(Some(&saved), &offered);
        let places =
            |refused: &[(usize, GateError)]| refused.iter().map(|one| one.0).collect::<Vec<_>>();
        let bad = usize::try_from(bad).unwrap();
        assert_eq!(admission.applied.len(), bad);
        assert_eq!(places(&admission.refused), (bad..13).collect::<Vec<_>>());
        check(&admission, 13);
    }
}

#[test]
fn a_compressed_change_is_refused_before_it_is_unfolded() {
    let mut automerge = automerge::AutoCommit::new();
    let long = "x".repeat(64 << 20);
    automerge::transaction::Transactable::put(&mut automerge, automerge::ROOT, "k", long).unwrap();
    let mut change = automerge.get_changes(&[]).remove(0);
    let bytes = change.bytes().into_owned();
    assert!(bytes.len() < 128 * 1024 && bytes[8] == 2, "{}", bytes.len());
    assert_eq!(crate::operations(&bytes), 0);
    let admission = admit(None, RECORD, &[offer(LOG, bytes)]);
    assert_eq!(admission.refused, [(0, GateError::Chunk(ChunkError::Kind(2)))]);
}

#[test]
fn operations_are_counted_unread_as_reading_would_unfold_them() {
    for bytes in authored() {
        let own = crate::chunk::Chunk::parse(&bytes).unwrap().head.count;
        let change = Change::from_bytes(bytes.clone()).unwrap();
        let overwritten: usize =
            change.decode().operations.iter().map(|one| one.pred.iter().count()).sum();
        assert_eq!(crate::operations(&bytes), own + overwritten);
    }
    let count = |forged: Forged| crate::operations(&forged.bytes());
    assert_eq!(count(repeated(&Forged::put("k", ""), 8_192)), 8_192);
    assert_eq!(count(repeated(&Forged::put("k", ""), 8_193)), 0, "refused unread");
    let group = |count: &[u8]| Forged::put("k", "v").replace(112, [&[0x7f][..], count].concat());
    assert_eq!(count(group(&[0x80, 0x80, 2])), 32_769);
    assert_eq!(count(group(&[0x81, 0x80, 2])), 1);
    assert_eq!(crate::operations(b"no change"), 0);
}

#[test]
fn a_change_claims_to_be_its_logs_own_a_birth_or_nothing() {
    let (mut document, births) = born();
    let own = edited(&mut document, LOG, "own");
    assert!(is_own(&own.change, LOG, RECORD) && !is_own(&births[0].change, LOG, RECORD));
    assert_eq!(claim(&own.change, LOG, RECORD), Claim::Own);
    assert_eq!(claim(&own.change, LogId([6; 16]), RECORD), Claim::Nothing, "its time is not 0");
    let hash = document.history()[0].hash;
    assert_eq!(claim(&births[0].change, LOG, RECORD), Claim::Birth { hash, after: None });
    for bytes in [Vec::new(), births[0].change.0[..40].to_vec(), vec![0xff; 90]] {
        assert!(!is_own(&RawChange(bytes.clone()), LOG, RECORD));
        assert_eq!(claim(&RawChange(bytes), LOG, RECORD), Claim::Nothing);
    }
}
