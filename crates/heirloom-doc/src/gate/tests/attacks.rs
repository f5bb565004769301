//! Everything that a member could craft, and what one log does to another.

use super::*;
use crate::chunk::tests::forged::Target;

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
fn nothing_is_judged_by_a_change_that_breaks_the_merge() {
    let (document, _) = born();
    let log = LogId([6; 16]);
    let broken = next(&document, log, Forged::insert(999, "x"));
    let sound = next(&document, log, Forged::put("new", "sound"));
    let saved = document.save();
    let together = [offer(log, broken.bytes()), offer(log, sound.bytes())];
    let admission = admit_quietly(Some(&saved), &together);
    check(&admission, 2);
    assert_eq!((admission.applied.len(), admission.refused[0].0), (1, 0));
    assert_eq!(admit(Some(&saved), RECORD, &together[1..]).applied, admission.applied);
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
