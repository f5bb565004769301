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
fn a_birth_of_several_parts_comes_in_whole_or_waits() {
    let all = parts(&long());
    assert_eq!(all.len(), 3);
    for missing in 0..all.len() {
        let mut some = all.clone();
        let kept = some.remove(missing);
        let admission = admit(None, RECORD, &some);
        check(&admission, 2);
        assert_eq!((admission.waiting.len(), admission.refused.len()), (2, 0), "{missing}");
        some.push(kept);
        let admission = admit(None, RECORD, &some);
        check(&admission, 3);
        assert_eq!(admission.document.unwrap().0.content(), long());
    }
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
    let claim = |seq: u64, dependencies: Vec<ChangeHash>, start_op: u64, title: &str| {
        let forged = Forged::put("title", title);
        let forged =
            Forged { actor: actor.clone(), time: 0, seq, dependencies, start_op, ..forged };
        offer(LOG, forged.bytes())
    };
    let mut offered = vec![
        claim(1, vec![], 1, "forged"),
        claim(2, vec![hashes[0]], heads[1].start_op, "forged"),
        claim(3, vec![hashes[1]], heads[2].start_op, "forged"),
        claim(4, vec![hashes[2]], heads[2].max_op() + 1, "forged"),
        claim(2, vec![ChangeHash([1; 32])], 7, "forged"),
    ];
    offered.extend(all);
    for rotation in [0, 3, 6] {
        let mut turned = offered.clone();
        turned.rotate_left(rotation);
        let admission = admit(None, RECORD, &turned);
        check(&admission, 8);
        assert_eq!((admission.applied.len(), admission.refused.len()), (3, 5));
        let (document, saved) = admission.document.unwrap();
        assert_eq!(document.content(), long());
        let later = admit(Some(&saved), RECORD, &turned);
        assert_eq!((later.duplicates.len(), later.refused.len()), (3, 5));
    }
}

fn hash_of(bytes: &[u8]) -> ChangeHash {
    own_hash(Change::from_bytes(bytes.to_vec()).unwrap().hash())
}

#[test]
fn too_many_claims_of_one_part_wait_until_it_is_decided() {
    let actor = birth_actor_of(&parts(&content())[0]).0.to_vec();
    let claims = (0..20).map(|number| {
        let forged = Forged::put("title", &number.to_string());
        offer(LOG, Forged { actor: actor.clone(), time: 0, ..forged }.bytes())
    });
    let claims: Vec<Offered> = claims.collect();
    let admission = admit(None, RECORD, &claims);
    check(&admission, 20);
    assert_eq!((admission.refused.len(), admission.waiting.len()), (4, 16));
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
    let waiting = admit(None, RECORD, &offered[1..2]);
    assert_eq!((waiting.births, waiting.waiting.len()), (vec![], 1), "it is not held yet");
}
