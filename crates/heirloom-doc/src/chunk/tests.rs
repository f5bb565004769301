use super::*;
use crate::{Document, birth};
use automerge::Change;
use heirloom_base::{Hlc, RecordId};
use heirloom_schema::{Content, Value};
use proptest::prelude::*;
use proptest::sample::Index;

pub(crate) mod forged;

pub(crate) use forged::{Forged, append, rechecked, repeated};

/// Returns changes of every shape that this crate writes.
pub(crate) fn authored() -> Vec<Vec<u8>> {
    let record = RecordId([4; 16]);
    let content = Content::from([
        ("body".to_owned(), Value::Text("one two three".to_owned())),
        ("number".to_owned(), Value::Int(-70_000)),
        ("raw".to_owned(), Value::Bytes(vec![1, 2, 3])),
        ("title".to_owned(), Value::Str("list".to_owned())),
    ]);
    let mut changes = birth(record, &content).unwrap();
    let mut document = Document::from_birth(&changes).unwrap();
    let actor = |number: u8| ActorId([number; 16]);
    for (actor, key, value) in [
        (actor(1), "body", Some(Value::Text("one 2 three four".to_owned()))),
        (actor(2), "body", Some(Value::Text("three four".to_owned()))),
        (actor(1), "title", None),
        (actor(2), "number", Some(Value::Int(5))),
        (actor(3), "body", Some(Value::Text("entirely new".to_owned()))),
    ] {
        let hlc = Hlc(u64::from(actor.0[0]) << 20);
        changes.extend(document.edit(actor, hlc, &[(key.to_owned(), value)]).unwrap());
    }
    changes.into_iter().map(|change| change.0).collect()
}

#[test]
fn a_change_is_read_as_automerge_reads_it() {
    for bytes in authored() {
        let chunk = Chunk::parse(&bytes).unwrap();
        let change = Change::from_bytes(bytes.clone()).unwrap();
        let dependencies: Vec<_> = change.deps().iter().map(|hash| ChangeHash(hash.0)).collect();
        assert_eq!(chunk.head.dependencies, dependencies);
        assert_eq!(chunk.head.actor.0, change.actor_id().to_bytes());
        assert_eq!((chunk.head.seq, chunk.head.time), (change.seq(), change.timestamp()));
        assert_eq!(chunk.head.start_op, change.start_op().get());
        assert_eq!(chunk.head.count, change.len());
        assert_eq!(chunk.head.max_op(), change.max_op());
        assert!(change.hash().0.starts_with(&chunk.head.checksum));
        let expanded = change.decode().operations;
        for (operation, wanted) in chunk.operations.iter().zip(expanded) {
            let key = if let automerge::legacy::Key::Map(key) = &wanted.key {
                Some(key.as_str())
            } else {
                None
            };
            assert_eq!(operation.key, key);
            assert_eq!(operation.insert, wanted.insert);
            assert_eq!(operation.object.is_none(), wanted.obj == automerge::legacy::ObjectId::Root);
        }
    }
}

#[test]
fn what_is_laid_out_by_hand_is_what_automerge_lays_out() {
    let mut document = Document::new();
    let edits = [("title".to_owned(), Some(Value::Str("list".to_owned())))];
    let changes = document.edit(ActorId([1; 16]), Hlc(1), &edits).unwrap();
    assert_eq!(Forged::put("title", "list").bytes(), changes[0].0);
}

#[test]
fn other_kinds_of_chunks_are_refused() {
    let long = "0123456789".repeat(40);
    let mut change = Change::from_bytes(Forged::put("title", &long).bytes()).unwrap();
    let compressed = change.bytes().into_owned();
    assert_eq!(Chunk::parse(&compressed).unwrap_err(), ChunkError::Kind(2));
    let saved = Document::new().save();
    assert_eq!(Chunk::parse(&saved).unwrap_err(), ChunkError::Kind(0));
    let bundle = Forged { kind: 3, ..Forged::put("title", "list") };
    assert_eq!(Chunk::parse(&bundle.bytes()).unwrap_err(), ChunkError::Kind(3));
    let bytes = Forged::put("title", "list").bytes();
    for strange in [&b""[..], b"no chunk at all", &bytes[..20], &[&bytes[..], b"x"].concat()] {
        assert!(matches!(Chunk::parse(strange), Err(ChunkError::Malformed(_))));
    }
}

#[test]
fn messages_extra_bytes_and_foreign_columns_are_refused() {
    let good = || Forged::put("title", "list");
    assert!(Chunk::parse(&good().bytes()).is_ok());
    let column = |specification: u64| good().replace(specification, vec![0x7f, 0]);
    for (bad, error) in [
        (Forged { message: b"hi".to_vec(), ..good() }, ChunkError::Malformed("message")),
        (Forged { extra: b"hi".to_vec(), ..good() }, ChunkError::Malformed("extra bytes")),
        (Forged { actor: vec![1; 15], ..good() }, ChunkError::Malformed("actor")),
        (Forged { others: vec![vec![1; 17]], ..good() }, ChunkError::Malformed("actor")),
        (column(66 | 8), ChunkError::Column(74)),
        (column(148), ChunkError::Column(148)),
        (column(165), ChunkError::Column(165)),
        (column(1 << 40), ChunkError::Column(u32::MAX)),
    ] {
        assert_eq!(Chunk::parse(&bad.bytes()).unwrap_err(), error);
    }
    let mut twice = good();
    twice.columns.insert(1, (21, vec![]));
    assert!(matches!(Chunk::parse(&twice.bytes()), Err(ChunkError::Malformed(_))));
}

#[test]
fn operations_that_no_change_of_ours_has_are_refused() {
    let put = |specification, column: &[u8]| {
        Forged::put("title", "list").replace(specification, column.to_vec())
    };
    let insert = |specification, column: &[u8]| {
        Forged::insert(1, "x").replace(specification, column.to_vec())
    };
    let strange = [
        put(66, &[0x7f, 0]),
        put(66, &[0x7f, 2]),
        put(66, &[0x7f, 5]),
        put(66, &[0, 1]),
        put(52, &[0, 1]),
        Forged::put("", "list"),
        insert(66, &[0x7f, 4]),
        insert(86, &[0x7f, 0x14]),
        Forged::insert(1, "xy"),
        Forged::insert(1, ""),
        insert(21, &[0x7f, 1, b'k']),
        insert(19, &[]),
        Forged::with(vec![]),
    ];
    for forged in strange {
        let bytes = forged.bytes();
        let result = Chunk::parse(&bytes);
        assert!(matches!(result, Err(ChunkError::Operation(_))), "{forged:?}: {result:?}");
    }
    let malformed = [
        put(1, &[0x7f, 0]),
        put(2, &[0x7f, 0]),
        put(87, b"list and more"),
        put(87, b"lis"),
        put(112, &[0x7f, 1]),
        put(113, &[0x7f, 0]),
        insert(1, &[0x7f, 1]),
        insert(19, &[0x7f, 0x7f]),
        put(21, &[0x7f, 1, 0xff]),
    ];
    for forged in malformed {
        let bytes = forged.bytes();
        let result = Chunk::parse(&bytes);
        assert!(result.is_err(), "{forged:?}");
    }
}

#[test]
fn a_few_bytes_that_claim_millions_of_operations_are_refused_unread() {
    let bomb = repeated(&Forged::put("k", ""), 134_000_000).bytes();
    assert!(bomb.len() < 100, "{}", bomb.len());
    let count = 134_000_000;
    let limit = limits::CHANGE_OPS_MAX;
    let refused = ChunkError::TooMany { what: "operations", count, limit };
    assert_eq!(Chunk::parse(&bomb).unwrap_err(), refused);
    let many = repeated(&Forged::put("k", ""), 8_192).bytes();
    assert_eq!(Chunk::parse(&many).unwrap_err(), ChunkError::Operation("one thing touched twice"));
    let group = [[0x7f].as_slice(), &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
    let overwriting = Forged::put("k", "v").replace(112, group).bytes();
    assert!(matches!(Chunk::parse(&overwriting), Err(ChunkError::TooMany { .. })));
    let delete =
        repeated(&Forged::insert(1, "x").replace(66, vec![0x7f, 3]).replace(52, vec![1]), 99);
    let delete = delete.replace(86, vec![0xe3, 0, 0]).bytes();
    assert_eq!(
        Chunk::parse(&delete).unwrap_err(),
        ChunkError::Operation("one thing touched twice")
    );
}

#[test]
fn sizes_and_counts_have_limits() {
    let large = "x".repeat(limits::CHANGE_BYTES_MAX);
    assert!(matches!(
        Chunk::parse(&Forged::put("k", &large).bytes()),
        Err(ChunkError::TooMany { what: "bytes", .. })
    ));
    let dependencies = vec![ChangeHash([1; 32]); limits::CHANGE_DEPS_MAX + 1];
    let many = Forged { dependencies, ..Forged::put("k", "v") };
    assert!(matches!(
        Chunk::parse(&many.bytes()),
        Err(ChunkError::TooMany { what: "dependencies", .. })
    ));
    let others = vec![vec![1; 16]; OTHER_ACTORS_MAX + 1];
    let many = Forged { others, ..Forged::put("k", "v") };
    assert!(matches!(Chunk::parse(&many.bytes()), Err(ChunkError::TooMany { what: "actors", .. })));
}

proptest! {
    #[test]
    fn damaged_changes_are_read_without_a_panic(
        which in any::<Index>(), damage in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        cut in any::<Index>(),
    ) {
        let all = authored();
        let mut bytes = all[which.index(all.len())].clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(chunk) = Chunk::parse(&bytes) {
            prop_assert!(chunk.head.count <= limits::CHANGE_OPS_MAX);
        }
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(Chunk::parse(&bytes).is_err());
    }

    #[test]
    fn foreign_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = [&MAGIC[..], &[0; 4], &[1]].concat();
        append(&mut bytes, &body);
        let read = Chunk::parse(&bytes);
        prop_assert!(read.is_err() || body.len() > 20);
    }
}
