//! One frame of the log as bytes.
//!
//! `length u32 | kind u8 | flags u8 | check u16 | crc32c u32 | payload`, all
//! little-endian, padded with zeroes to a multiple of eight. The checksum
//! covers kind, position and payload, so that a frame is sound only where it
//! was written. The check covers the header and is never zero: it tells a
//! frame from empty space, and lets the search for the next sound frame pass
//! over garbage without reading far.

use heirloom_core::storage::{Frame, Lsn};

/// The longest payload of one frame: more than any entry or roster operation.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Frames begin at multiples of this.
pub(crate) const ALIGNMENT: usize = 8;

const HEADER_BYTES: usize = 12;
const FLAG_BEGINS: u8 = 1;

/// Where in an append a frame stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first frame of an append: everything before it was durable when it was written.
    First,
    /// A later frame of an append.
    Later,
}

/// A sound frame that was found in a segment's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sound<'a> {
    pub(crate) kind: u8,
    pub(crate) place: Place,
    pub(crate) payload: &'a [u8],
    /// Where the next frame begins, from the start of the bytes.
    pub(crate) next: usize,
}

/// Returns the position of a byte of a segment.
pub(crate) fn position(segment: u32, offset: usize) -> Lsn {
    Lsn((u64::from(segment) << 32) | offset as u64)
}

/// Returns the segment and the offset of a position.
pub(crate) fn parts(lsn: Lsn) -> (u32, usize) {
    ((lsn.0 >> 32) as u32, (lsn.0 & 0xffff_ffff) as usize)
}

/// Returns the bytes that a frame with a payload of this length takes.
pub(crate) fn frame_bytes(payload: usize) -> usize {
    (HEADER_BYTES + payload).next_multiple_of(ALIGNMENT)
}

/// Appends the bytes of a frame that will stand at `lsn`.
pub(crate) fn encode(out: &mut Vec<u8>, lsn: Lsn, place: Place, frame: &Frame) {
    let end = out.len() + frame_bytes(frame.payload.len());
    let length = u32::try_from(frame.payload.len()).expect("a payload was measured before");
    let flags = match place {
        Place::First => FLAG_BEGINS,
        Place::Later => 0,
    };
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[frame.kind, flags]);
    out.extend_from_slice(&check(length, frame.kind, flags, lsn).to_le_bytes());
    out.extend_from_slice(&checksum(frame.kind, lsn, &frame.payload).to_le_bytes());
    out.extend_from_slice(&frame.payload);
    out.resize(end, 0);
}

/// Why there is no frame at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsound {
    /// The header is no header of this position.
    Header,
    /// The header is right and the payload, of this many bytes, is not.
    Payload(usize),
}

/// Reads the frame at an offset of a segment's bytes.
pub(crate) fn read(bytes: &[u8], segment: u32, at: usize) -> Result<Sound<'_>, Unsound> {
    let sound = read_at(bytes.get(at..).unwrap_or_default(), position(segment, at))?;
    Ok(Sound { next: at + sound.next, ..sound })
}

/// Reads the frame that begins `bytes` and stands at `lsn`.
pub(crate) fn read_at(bytes: &[u8], lsn: Lsn) -> Result<Sound<'_>, Unsound> {
    let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(Unsound::Header)?;
    let next = measure(header, lsn).ok_or(Unsound::Header)?;
    let [l0, l1, l2, l3, kind, flags, _, _, s0, s1, s2, s3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let payload = bytes.get(HEADER_BYTES..HEADER_BYTES + length).ok_or(Unsound::Header)?;
    if checksum(kind, lsn, payload) != u32::from_le_bytes([s0, s1, s2, s3]) {
        return Err(Unsound::Payload(length));
    }
    let place = if flags & FLAG_BEGINS == 0 { Place::Later } else { Place::First };
    Ok(Sound { kind, place, payload, next })
}

/// Returns how many bytes a frame takes whose first bytes are `header`, read at `lsn`.
pub(crate) fn measure(header: &[u8; HEADER_BYTES], lsn: Lsn) -> Option<usize> {
    let [l0, l1, l2, l3, kind, flags, c0, c1, ..] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let sound = length as usize <= FRAME_PAYLOAD_BYTES_MAX
        && u16::from_le_bytes([c0, c1]) == check(length, kind, flags, lsn);
    sound.then(|| frame_bytes(length as usize))
}

fn check(length: u32, kind: u8, flags: u8, lsn: Lsn) -> u16 {
    let sum = crc32c::crc32c(&length.to_le_bytes());
    let sum = crc32c::crc32c_append(sum, &[kind, flags]);
    let sum = crc32c::crc32c_append(sum, &lsn.0.to_le_bytes());
    ((sum ^ (sum >> 16)) & 0xffff) as u16 | 1
}

fn checksum(kind: u8, lsn: Lsn, payload: &[u8]) -> u32 {
    let sum = crc32c::crc32c_append(crc32c::crc32c(&[kind]), &lsn.0.to_le_bytes());
    crc32c::crc32c_append(sum, payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::id::to_hex;
    use proptest::prelude::*;

    fn encoded(segment: u32, at: usize, place: Place, frame: &Frame) -> Vec<u8> {
        let mut bytes = vec![0; at];
        encode(&mut bytes, position(segment, at), place, frame);
        bytes
    }

    #[test]
    fn the_bytes_are_frozen() {
        let frame = Frame { kind: 3, payload: b"heirloom".to_vec() };
        let bytes = encoded(2, 0, Place::First, &frame);
        assert_eq!(to_hex(&bytes), "08000000030133b1873f4672686569726c6f6f6d00000000");
    }

    #[test]
    fn a_frame_is_sound_only_at_its_own_position() {
        let frame = Frame { kind: 1, payload: vec![9; 100] };
        let bytes = encoded(1, 32, Place::Later, &frame);
        assert!(read(&bytes, 1, 32).is_ok());
        assert_eq!(read(&bytes, 2, 32), Err(Unsound::Header));
        assert_eq!(read(&bytes[8..], 1, 24), Err(Unsound::Header));
    }

    #[test]
    fn empty_space_is_no_frame() {
        let bytes = [0; 64];
        assert!((0..64).all(|at| read(&bytes, 1, at) == Err(Unsound::Header)));
    }

    #[test]
    fn a_header_that_claims_more_than_the_limit_is_refused_before_anything_is_read() {
        let payload = vec![1; FRAME_PAYLOAD_BYTES_MAX + 1];
        let bytes = encoded(1, 0, Place::First, &Frame { kind: 1, payload });
        assert_eq!(read(&bytes, 1, 0), Err(Unsound::Header));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_frame_survives_its_bytes(kind: u8, first: bool, segment: u32, at in 0_usize..9, payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (place, at) = (if first { Place::First } else { Place::Later }, at * ALIGNMENT);
            let frame = Frame { kind, payload };
            let bytes = encoded(segment, at, place, &frame);
            let sound = read(&bytes, segment, at).unwrap();
            prop_assert_eq!(sound.payload, frame.payload.as_slice());
            prop_assert_eq!((sound.kind, sound.place, sound.next), (kind, place, bytes.len()));
            let header = bytes[at..].first_chunk().unwrap();
            prop_assert_eq!(measure(header, position(segment, at)), Some(bytes.len() - at));
        }

        #[test]
        fn a_flipped_bit_is_found(bit in 0_usize..8 * 60, payload in proptest::collection::vec(any::<u8>(), 48)) {
            let mut bytes = encoded(1, 0, Place::First, &Frame { kind: 1, payload });
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(read(&bytes, 1, 0).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), at in 0_usize..120) {
            prop_assert!(read(&bytes, 1, at).is_err());
        }
    }
}
