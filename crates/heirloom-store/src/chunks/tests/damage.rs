//! Packs whose bytes are not what was written.

use super::*;
use crate::frame;
use crate::pack::{Header, Spot, Subject, Tombstone};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The bytes of each pack.
type Packs = BTreeMap<String, Vec<u8>>;

/// Two sealed packs and an open one with a tombstone in its midst.
fn filled() -> (Home, Vec<(ChunkId, Vec<u8>)>, Packs) {
    let home = Home::new();
    let chunks = home.open();
    let batch = several(0..17);
    write(&chunks, &batch[..16]).unwrap();
    chunks.remove(&ids(&several(0..1))).unwrap();
    write(&chunks, &batch[16..]).unwrap();
    drop(chunks);
    let packs = home.saved();
    assert_eq!(
        packs.keys().map(|name| &name[8..]).collect::<Vec<_>>(),
        [".pack", ".pack", ".open"]
    );
    (home, batch[1..].to_vec(), packs)
}

impl Home {
    fn saved(&self) -> Packs {
        let read = |name: String| (name.clone(), std::fs::read(self.packs().join(name)).unwrap());
        self.pack_names().into_iter().map(read).collect()
    }

    /// Puts the packs back, one of them with other bytes.
    fn put(&self, packs: &Packs, name: &str, bytes: &[u8]) {
        for found in self.pack_names() {
            std::fs::remove_file(self.packs().join(found)).unwrap();
        }
        for (other, sound) in packs {
            let bytes = if other == name { bytes } else { sound };
            std::fs::write(self.packs().join(other), bytes).unwrap();
        }
    }
}

/// Where the frame of a chunk lies.
fn frame_of(packs: &Packs, bytes: &[u8]) -> (String, std::ops::Range<usize>) {
    let find = |(name, pack): (&String, &Vec<u8>)| {
        let at = pack.windows(bytes.len()).position(|part| part == bytes)?;
        Some((name.clone(), at - pack::HEADER_BYTES..at + bytes.len()))
    };
    packs.iter().find_map(find).unwrap()
}

#[test]
fn with_any_bit_flipped_each_chunk_reads_right_or_is_reported_lost() {
    let (home, batch, packs) = filled();
    let mut lost = 0;
    for (name, sound) in &packs {
        let is_filler = |at: usize| {
            at > 0
                && at + 1 < sound.len()
                && sound[at - 1] == sound[at]
                && sound[at] == sound[at + 1]
        };
        for at in (0..sound.len()).filter(|at| !is_filler(*at) || at % 97 == 0) {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 8);
            home.put(&packs, name, &bytes);
            let chunks = home.open();
            let mut missing = BTreeSet::new();
            for (id, bytes) in &batch {
                match chunks.read(*id) {
                    Ok(read) => assert_eq!(&read, bytes, "{name} at {at}"),
                    Err(_) => assert!(missing.insert(*id)),
                }
            }
            assert!(missing.len() <= 1, "{name} at {at}: {missing:?}");
            assert_eq!(
                missing.iter().copied().collect::<Vec<_>>(),
                chunks.lost(),
                "{name} at {at}"
            );
            assert_eq!(chunks.take_lost(), missing);
            lost += missing.len();
            write(&chunks, &batch).unwrap();
            drop(chunks);
            let chunks = home.open();
            assert!(batch.iter().all(|(id, bytes)| chunks.read(*id).as_ref() == Ok(bytes)));
            assert!(chunks.lost().is_empty());
        }
    }
    assert!(lost > 100, "{lost}");
}

#[test]
fn a_pack_without_a_sound_footer_is_kept_aside_once_its_chunks_are_elsewhere() {
    let (home, batch, packs) = filled();
    let (name, sound) = packs.first_key_value().unwrap();
    for cut in [1, 40, 100, 5_000] {
        let bytes = &sound[..sound.len() - cut];
        home.put(&packs, name, bytes);
        let chunks = home.open();
        let kept = home.folder.path().join("quarantine").join(format!("{name}.damaged"));
        assert_eq!(std::fs::read(&kept).unwrap(), bytes);
        std::fs::remove_file(kept).unwrap();
        assert!(!home.pack_names().contains(name));
        let is_whole = |chunk: &[u8]| {
            let (pack, range) = frame_of(&packs, chunk);
            pack != *name || range.end <= bytes.len()
        };
        for (id, bytes) in &batch {
            assert_eq!(chunks.read(*id).is_ok(), is_whole(bytes));
        }
    }
}

#[test]
fn a_damaged_pack_stays_where_it_is_while_there_is_no_room_to_save_its_chunks() {
    let (home, batch, packs) = filled();
    let (name, sound) = packs.first_key_value().unwrap();
    home.put(&packs, name, &sound[..sound.len() - 1]);
    home.disk.set_available(10);
    let chunks = home.open();
    assert!(home.pack_names().contains(name));
    assert!(batch.iter().all(|(id, bytes)| chunks.read(*id).as_ref() == Ok(bytes)));
    drop(chunks);
    home.disk.set_available(u64::MAX);
    drop(home.open());
    assert!(!home.pack_names().contains(name));
}

#[test]
fn a_fifo_or_a_folder_in_place_of_a_pack_is_waited_for_by_nobody() {
    let (home, batch, packs) = filled();
    for name in packs.keys() {
        home.put(&packs, name, b"");
        crate::regular::tests::put_fifo(&home.packs().join(name));
        let chunks = home.open();
        let left = batch.iter().filter(|(id, _)| chunks.read(*id).is_ok()).count();
        assert!(left > 5 && left < batch.len());
        write(&chunks, &batch).unwrap();
    }
}

#[test]
fn a_chunk_whose_pack_vanished_is_lost_and_the_copy_in_a_file_is_found() {
    let (home, batch, packs) = filled();
    let chunks = home.open();
    let (id, bytes) = &batch[0];
    std::fs::remove_file(home.packs().join(frame_of(&packs, bytes).0)).unwrap();
    assert_eq!(chunks.read(*id), Err(StorageError::Chunk(*id)));
    assert_eq!(chunks.lost(), [*id]);
    chunks.write(*id, bytes).unwrap();
    assert_eq!(chunks.read(*id).as_ref(), Ok(bytes));
    drop(chunks);
    // Its old place is damaged and the new one is not.
    let (name, range) = frame_of(&packs, bytes);
    let mut damaged = packs[&name].clone();
    damaged[range.end - 1] ^= 1;
    home.put(&packs, &name, &damaged);
    let chunks = home.open();
    assert_eq!(chunks.read(*id).as_ref(), Ok(bytes));
    assert!(chunks.lost().is_empty());
    chunks.remove(&BTreeSet::from([*id])).unwrap();
    drop(chunks);
    assert!(!home.open().has(*id));
}

#[test]
fn a_chunk_that_holds_tombstones_removes_nothing_where_its_own_frame_is_damaged() {
    let home = Home::new();
    let chunks = home.open();
    let victim = chunk(1);
    write(&chunks, std::slice::from_ref(&victim)).unwrap();
    // The sender has guessed where it will stand.
    let begin = pack::HEADER_BYTES + victim.1.len() + pack::HEADER_BYTES;
    let offset = u32::try_from(begin).unwrap();
    let tombstone = Tombstone { id: victim.0, spot: Spot { pack: 1, offset: 0 } };
    let header = Header { place: frame::Place::First, subject: Subject::Tombstone(tombstone) };
    let hostile = header.encode(Spot { pack: 1, offset }).to_vec();
    let id = ChunkId(hash::plain(&hostile));
    write(&chunks, &[(id, hostile), chunk(2)]).unwrap();
    drop(chunks);
    let path = home.packs().join("00000001.open");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[begin - pack::HEADER_BYTES..begin].fill(0xee);
    std::fs::write(path, bytes).unwrap();
    let chunks = home.open();
    assert_eq!(chunks.read(victim.0), Ok(victim.1));
    assert!(chunks.has(chunk(2).0) && !chunks.has(id));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_not_hit_is_read(pick: proptest::sample::Index, at: proptest::sample::Index, garbage in proptest::collection::vec(any::<u8>(), 1..3_000), zeroed: bool) {
        let (home, batch, packs) = filled();
        let (name, sound) = packs.iter().nth(pick.index(packs.len())).unwrap();
        let start = at.index(sound.len());
        let mut bytes = sound.clone();
        let end = bytes.len().min(start + garbage.len());
        bytes[start..end].copy_from_slice(&garbage[..end - start]);
        if zeroed {
            bytes[start..end].fill(0);
        }
        home.put(&packs, name, &bytes);
        let chunks = home.open();
        for (id, bytes) in &batch {
            let (pack, range) = frame_of(&packs, bytes);
            let is_hit = pack == *name && range.start < end && start < range.end;
            let read = chunks.read(*id);
            prop_assert!(read.as_ref() == Ok(bytes) || (is_hit && read.is_err()));
        }
    }

    #[test]
    fn any_bytes_are_opened_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), sealed: bool) {
        let home = Home::new();
        std::fs::write(home.packs().join(pack::name(1, sealed)), bytes).unwrap();
        let chunks = home.open();
        prop_assert!(chunks.list().is_empty());
        write(&chunks, &several(0..2)).unwrap();
    }
}
