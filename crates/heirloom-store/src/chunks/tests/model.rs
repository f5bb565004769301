//! Random stories beside a map.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    Batch(Vec<u8>),
    Single(u8),
    Remove(Vec<u8>),
    Reopen,
    Crash(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let marks = || proptest::collection::vec(0_u8..24, 0..12);
    let step = prop_oneof![
        4 => marks().prop_map(Step::Batch),
        1 => (0_u8..24).prop_map(Step::Single),
        3 => marks().prop_map(Step::Remove),
        1 => Just(Step::Reopen),
        1 => any::<u64>().prop_map(Step::Crash),
    ];
    proptest::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_store_holds_what_a_map_would_hold(steps in steps()) {
        let home = Home::new();
        let mut chunks = home.open();
        let mut model: BTreeMap<ChunkId, Vec<u8>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Batch(marks) => {
                    let batch: Vec<_> = marks.into_iter().map(chunk).collect();
                    write(&chunks, &batch).unwrap();
                    model.extend(batch);
                }
                Step::Single(mark) => {
                    let (id, bytes) = chunk(mark);
                    chunks.write(id, &bytes).unwrap();
                    model.insert(id, bytes);
                }
                Step::Remove(marks) => {
                    let gone: BTreeSet<ChunkId> = marks.into_iter().map(|mark| chunk(mark).0).collect();
                    let bytes = gone.iter().filter_map(|id| model.remove(id)).map(|bytes| bytes.len() as u64);
                    let expected: u64 = bytes.sum();
                    prop_assert_eq!(chunks.remove(&gone).unwrap(), expected);
                }
                Step::Reopen => {
                    drop(chunks);
                    chunks = home.open();
                }
                Step::Crash(seed) => {
                    drop(chunks);
                    home.disk.crash(Crash::Torn(seed));
                    chunks = home.open();
                }
            }
            prop_assert_eq!(chunks.list(), model.keys().copied().collect::<Vec<_>>());
            prop_assert_eq!(chunks.bytes_used(), model.values().map(|bytes| bytes.len() as u64).sum::<u64>());
        }
        for (id, bytes) in &model {
            prop_assert!(chunks.read(*id).as_ref() == Ok(bytes));
        }
        prop_assert!(chunks.lost().is_empty());
        // What is removed gives its room back: no sealed pack is less than half full of what is here.
        let sealed = home.pack_names().iter().filter(|name| name.ends_with(".pack")).count();
        prop_assert!(sealed <= 1 + model.len() / 2, "{sealed} packs for {} chunks", model.len());
    }
}
