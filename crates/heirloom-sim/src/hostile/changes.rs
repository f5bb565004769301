//! Changes that are bent so that their checksum still holds, and changes that
//! build on nothing.

use crate::rng::Rng;
use heirloom_base::ActorId;
use sha2::{Digest as _, Sha256};

/// Magic, checksum and kind stand before a chunk's length.
const CHECKSUM: std::ops::Range<usize> = 4..8;
const CONTENT: usize = 8;
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Kind of a chunk that is one change.
const KIND: u8 = 1;
/// Beginning of the names of changes that nobody has.
const NOBODYS: [u8; 8] = *b"nobody's";

/// Changes some bytes of a change and makes its checksum right again.
pub(super) fn bend(rng: &mut Rng, mut change: Vec<u8>) -> Vec<u8> {
    for _ in 0..rng.below(4) {
        let (index, value) = (rng.index(change.len().max(1)), rng.byte());
        if let Some(byte) = change.get_mut(index) {
            *byte = value;
        }
    }
    if rng.chance(10) {
        change.truncate(rng.index(change.len().max(1)));
    }
    recheck(&mut change);
    change
}

fn recheck(change: &mut [u8]) {
    let digest = Sha256::digest(change.get(CONTENT..).unwrap_or_default());
    if let (Some(place), Some(sum)) = (change.get_mut(CHECKSUM), digest.get(..4)) {
        place.copy_from_slice(sum);
    }
}

/// Returns a change of an actor that sets a title and builds on a change that
/// nobody has.
pub(super) fn orphan(actor: ActorId, chance: [u8; 32]) -> Vec<u8> {
    let mut missing = chance;
    missing[..NOBODYS.len()].copy_from_slice(&NOBODYS);
    // One dependency, the actor, its first change, operation 9, time 1, no
    // message, no other actors, and the columns of one operation.
    let columns: &[(u8, &[u8])] = &[
        (21, b"\x7f\x05title"),
        (52, &[1]),
        (66, &[0x7f, 1]),
        (86, &[0x7f, 0x66]),
        (87, b"orphan"),
        (112, &[0x7f, 0]),
    ];
    let size = |bytes: &[u8]| u8::try_from(bytes.len()).expect("columns are short");
    let mut body = [&[1], &missing[..], &[16], &actor.0, &[1, 9, 1, 0, 0, 6]].concat();
    columns.iter().for_each(|(column, bytes)| body.extend([*column, size(bytes)]));
    columns.iter().for_each(|(_, bytes)| body.extend_from_slice(bytes));
    let mut length = Vec::new();
    write_unsigned(&mut length, body.len() as u64);
    let mut change = [&MAGIC[..], &[0; 4], &[KIND], &length, &body].concat();
    recheck(&mut change);
    change
}

/// Returns whether a change builds on one that nobody has.
pub(super) fn is_orphan(change: &[u8]) -> bool {
    change.windows(NOBODYS.len()).any(|window| window == NOBODYS)
}

fn write_unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f).to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::{LogId, RecordId};
    use heirloom_doc::{Awaited, RawChange};

    #[test]
    fn an_orphan_waits_for_what_nobody_has() {
        let (log, record) = (LogId([1; 16]), RecordId([2; 16]));
        let change = RawChange(orphan(heirloom_doc::actor_for(log, record), [7; 32]));
        assert!(is_orphan(&change.0) && heirloom_doc::is_own(&change, log, record));
        let offered = heirloom_doc::Offered { log, change };
        let admission = heirloom_doc::admit(None, record, &[offered]);
        assert!(matches!(admission.waiting[..], [(0, Awaited::Change(_))]), "{admission:?}");
        assert!(!is_orphan(b"nobody"));
    }

    #[test]
    fn a_change_that_was_not_bent_keeps_its_checksum() {
        let content = vec![1, 3, 7, 8, 9];
        let sum = Sha256::digest(&content);
        let change = [vec![0x85, 0x6f, 0x4a, 0x83], sum[..4].to_vec(), content].concat();
        let mut kept = 0;
        for seed in 0..200 {
            let bent = bend(&mut Rng::new(seed), change.clone());
            kept += u64::from(bent == change);
            if bent.len() > CONTENT {
                assert_eq!(bent[CHECKSUM], Sha256::digest(&bent[CONTENT..])[..4]);
            }
        }
        assert!((20..180).contains(&kept), "{kept}");
    }
}
