//! An index whose program is killed again and again.
//!
//! A kill leaves of the folder what the program had handed to the system: a
//! copy of it, made while the engine holds it open, is what the next start finds.

use super::*;

/// Lives of one index in a usual run; `HEIRLOOM_INDEX_KILLS` sets another number.
const KILLS: usize = 60;
/// Batches of one life, at most.
const BATCHES_MAX: usize = 12;

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for path in entries(from).unwrap() {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// Returns a batch; now and then one that is larger than the engine takes at once.
fn some_batch(numbers: &mut Numbers, life: usize) -> Batch {
    if numbers.below(40) > 0 {
        return batch(numbers);
    }
    let mut batch = Batch::default();
    let rows = INDEX_BATCH_MAX / 2 + numbers.below(INDEX_BATCH_MAX);
    for row in 0..rows {
        let key = [b"large", &row.to_be_bytes()[4..]].concat();
        batch.put(key, vec![u8::try_from(life % 256).unwrap(); 20 + numbers.below(60)]);
    }
    batch
}

#[test]
fn a_killed_index_is_whole_batches_and_at_least_what_was_synced() {
    let kills = std::env::var("HEIRLOOM_INDEX_KILLS").ok();
    let kills = kills.map_or(KILLS, |kills| kills.parse().unwrap());
    let mut numbers = Numbers(0x6b11_1ed5);
    let mut home = tempfile::tempdir().unwrap();
    let mut index = Index::open(home.path(), SETTINGS);
    assert_eq!(index.state(), IndexState::New);
    let mut model = Model::new();
    let (mut lost, mut kept, mut commits) = (0, 0, 0);
    for life in 0..kills {
        // What may be found: the state at the last sync, and every one since.
        let mut states = vec![model.clone()];
        for _ in 0..numbers.below(BATCHES_MAX) {
            let batch = some_batch(&mut numbers, life);
            apply(&mut model, &batch);
            index.backend().commit(batch).unwrap();
            commits += 1;
            states.push(model.clone());
            if numbers.below(6) == 0 {
                index.backend().sync().unwrap();
                states.drain(..states.len() - 1);
            }
        }
        compare(index.backend().as_ref(), &model, &mut numbers, life);
        let left = tempfile::tempdir().unwrap();
        copy_folder(home.path(), left.path());
        drop(index);
        home = left;
        index = Index::open(home.path(), SETTINGS);
        assert_eq!(index.state(), IndexState::Opened, "life {life}");
        let found = rows(index.backend().as_ref());
        let place = states.iter().rposition(|state| *state == found);
        let place = place.unwrap_or_else(|| panic!("life {life}: it is no state since the sync"));
        lost += states.len() - 1 - place;
        kept += place;
        model = found;
    }
    assert!(lost > kills / 4, "the kills took next to nothing: {lost} of {commits} batches");
    println!("{kills} kills, {commits} batches, {lost} lost, {kept} kept without a sync");
}
