//! Births at the gate.

use super::*;

fn long() -> Content {
    let mut content = content();
    content.insert("body".to_owned(), Value::Text("ab cd ef gh\n".repeat(1_000)));
    content
}

fn parts(content: &Content) -> Vec<Offered> {
    let changes = birth(RECORD, content).unwrap();
    changes.into_iter().map(|change| Offered { log: LogId([3; 16]), change }).collect()
}

#[test]
fn a_birth_comes_in_from_any_log() {
    for log in [LOG, LogId([9; 16])] {
        let offered: Vec<Offered> =
            parts(&content()).into_iter().map(|part| Offered { log, ..part }).collect();
        let admission = admit(None, RECORD, &offered);
        check(&admission, 1);
        assert_eq!(admission.document.unwrap().0.content(), content());
    }
}

#[test]
fn a_birth_of_several_parts_waits_until_it_is_whole() {
    let all = parts(&long());
    assert_eq!(all.len(), 3);
    let awaited = Awaited::Birth(birth_actor_of(&all[0]));
    for count in 1..all.len() {
        let admission = admit(None, RECORD, &all[..count]);
        check(&admission, count);
        let waiting: Vec<(usize, Awaited)> = (0..count).map(|place| (place, awaited)).collect();
        assert_eq!(admission.waiting, waiting);
    }
    // Parts that come twice, because a write was cut off, are not held against it.
    let again = [&all[..2], &all[..]].concat();
    let admission = admit(None, RECORD, &again);
    check(&admission, 5);
    assert_eq!((admission.duplicates.len(), admission.births.len()), (2, 5));
    assert_eq!(admission.document.unwrap().0.content(), long());
}

#[test]
fn a_part_of_a_birth_without_the_one_before_it_in_its_log_is_refused() {
    let all = parts(&long());
    let error = GateError::Birth(birth_actor_of(&all[0]));
    let admission = admit(None, RECORD, &all[1..]);
    check(&admission, 2);
    assert_eq!(admission.refused, [(0, error.clone()), (1, error.clone())]);
    let gap = [all[0].clone(), all[2].clone()];
    let admission = admit(None, RECORD, &gap);
    check(&admission, 2);
    assert_eq!((admission.waiting.len(), &admission.refused), (1, &vec![(1, error)]));
}

#[test]
fn a_birth_that_exactly_fills_its_last_part_comes_in() {
    for letters in [4_094, 4_095, 4_096] {
        let mut content = content();
        content.insert("body".to_owned(), Value::Text("x".repeat(letters)));
        let offered = parts(&content);
        let admission = admit(None, RECORD, &offered);
        check(&admission, offered.len());
        assert_eq!(admission.applied.len(), offered.len(), "{letters}");
    }
}

#[test]
fn a_birth_for_another_record_or_content_is_refused() {
    let mut other = content();
    other.insert("title".to_owned(), Value::Str("forged".to_owned()));
    let actor = birth_actor_of(&parts(&content())[0]);
    let forged = Forged { actor: actor.0.to_vec(), time: 0, ..Forged::put("title", "forged") };
    let elsewhere = birth(RecordId([5; 16]), &content()).unwrap().remove(0);
    for bytes in [forged.bytes(), elsewhere.0] {
        let actor = Chunk::parse(&bytes).unwrap().head.actor;
        let admission = admit(None, RECORD, &[offer(LOG, bytes)]);
        assert_eq!(admission.refused, [(0, GateError::Birth(actor))]);
        check(&admission, 1);
    }
}

fn birth_actor_of(part: &Offered) -> ActorId {
    Chunk::parse(&part.change.0).unwrap().head.actor
}

#[test]
fn what_claims_to_be_part_of_a_birth_does_not_keep_it_out() {
    let all = parts(&long());
    let heads: Vec<Head> =
        all.iter().map(|part| Chunk::parse(&part.change.0).unwrap().head).collect();
    let hashes: Vec<ChangeHash> = all.iter().map(|part| hash_of(&part.change.0)).collect();
    let actor = heads[0].actor.0.to_vec();
    let claim = |seq: u64, dependencies: Vec<ChangeHash>, start_op: u64| {
        let forged = Forged::put("title", "forged");
        let forged =
            Forged { actor: actor.clone(), time: 0, seq, dependencies, start_op, ..forged };
        offer(LOG, forged.bytes())
    };
    let mut other = long();
    other.insert("body".to_owned(), Value::Text("xy".repeat(4_100)));
    let full = birth(RECORD, &other).unwrap().remove(0).0;
    let full = offer(LOG, renamed(&full, &actor));
    let claims = [
        claim(1, vec![], 1),
        claim(2, vec![hashes[0]], heads[1].start_op),
        claim(3, vec![hashes[1]], heads[2].start_op),
        claim(4, vec![hashes[2]], heads[2].max_op() + 1),
        claim(2, vec![ChangeHash([1; 32])], 7),
        full,
    ];
    for place in 0..=all.len() {
        let (before, after) = all.split_at(place);
        let offered = [before, &claims, after].concat();
        let admission = admit(None, RECORD, &offered);
        check(&admission, 9);
        assert_eq!((admission.applied.len(), admission.refused.len()), (3, 6), "{place}");
        let (document, saved) = admission.document.unwrap();
        assert_eq!(document.content(), long());
        let later = admit(Some(&saved), RECORD, &offered);
        assert_eq!((later.duplicates.len(), later.refused.len()), (3, 6));
    }
    let alone = admit(None, RECORD, &claims);
    assert_eq!((alone.waiting.len(), alone.refused.len()), (1, 5), "it may still become whole");
}

/// Gives a change another author of the same length.
fn renamed(bytes: &[u8], actor: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let own = birth_actor_of(&offer(LOG, bytes.clone()));
    let place = bytes.windows(16).position(|window| window == own.0).unwrap();
    bytes[place..place + 16].copy_from_slice(actor);
    rechecked(bytes)
}

fn hash_of(bytes: &[u8]) -> ChangeHash {
    own_hash(Change::from_bytes(bytes.to_vec()).unwrap().hash())
}

#[test]
fn a_log_that_begins_a_birth_anew_gives_up_the_one_before() {
    let (one, other) = (parts(&long()), parts(&content()));
    let offered = [&one[..2], &other[..], &one[2..]].concat();
    let admission = admit(None, RECORD, &offered);
    check(&admission, 4);
    assert_eq!((admission.applied.len(), admission.refused.len()), (1, 3));
    assert_eq!(admission.document.unwrap().0.content(), content());
}

#[test]
fn the_same_birth_in_another_log_completes_what_waits_in_the_first() {
    let here = parts(&long());
    let there: Vec<Offered> =
        here.iter().map(|part| Offered { log: LOG, ..part.clone() }).collect();
    let offered = [&here[..2], &there[..]].concat();
    let admission = admit(None, RECORD, &offered);
    check(&admission, 5);
    assert_eq!((admission.applied.len(), admission.births.len()), (3, 5));
    // But no birth is put together from several logs.
    let split = [&here[..2], &there[2..]].concat();
    let admission = admit(None, RECORD, &split);
    assert_eq!((admission.waiting.len(), admission.refused.len()), (2, 1));
}

#[test]
fn different_births_of_one_record_stand_side_by_side() {
    let offered = [parts(&content()), parts(&long())].concat();
    let admission = admit(None, RECORD, &offered);
    check(&admission, 4);
    let (document, _) = admission.document.unwrap();
    assert_eq!(document.heads().len(), 2);
    assert_eq!(document.conflicts().len(), 1);
    let birth = document.birth_content();
    assert!(birth == content() || birth == long());
}

#[test]
fn the_bytes_of_a_birth_are_frozen() {
    let changes = birth(RECORD, &content()).unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(
        heirloom_base::id::to_hex(&changes[0].0),
        "856f4a835fcbd72401700010cc4a2c31fba7800d4b6eda4d2d1fda0c01010000000a0106020611061309150f340342045606570b700200010700000100010701000100020600000100017e0002050100017f04626f647900077f057469746c650107017f0408017f0007167f466f6e652074776f6c6973740900"
    );
    let hashes: Vec<String> =
        parts(&long()).iter().map(|part| hash_of(&part.change.0).to_string()).collect();
    let frozen = [
        "fc84c12d75f21f459926994090050098f4dc0f006e347c64c1eefa31423c8106",
        "2b9c56eae6d5ed68b4acf60b86ca8ced8d2b25efbba4181849642bfc9c632a36",
        "f0e9fd1036071847d5a38d57c52f5907616739fdf0d8a93527493b74fae3de69",
    ];
    assert_eq!(hashes, frozen);
}

#[test]
fn every_place_that_carries_a_birth_is_named_however_often_it_comes() {
    let (document, edit) = {
        let mut document = Document::from_birth(&birth(RECORD, &long()).unwrap()).unwrap();
        let title = [("title".to_owned(), Some(Value::Str("new".into())))];
        let edit = document.edit(actor_for(LOG, RECORD), Hlc(5), &title).unwrap();
        (document, offer(LOG, edit[0].0.clone()))
    };
    let parts = parts(&long());
    let actor = birth_actor_of(&parts[0]);
    let offered = [parts.clone(), vec![edit], parts].concat();
    let named: Vec<(usize, ActorId)> = [0, 1, 2, 4, 5, 6].map(|place| (place, actor)).into();
    let first = admit(None, RECORD, &offered);
    assert_eq!((&first.births, first.duplicates.len()), (&named, 3));
    let again = admit(Some(&document.save()), RECORD, &offered);
    assert_eq!((again.births, again.duplicates.len()), (named, 7));
    let waiting = admit(None, RECORD, &offered[..1]);
    assert_eq!((waiting.births, waiting.waiting.len()), (vec![], 1), "it is not held yet");
}
