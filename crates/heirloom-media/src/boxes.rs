//! The boxes of ISO base media files: MP4, QuickTime, HEIF, AVIF, CR3.

use crate::bytes::{array_at, be_u32_at, be_u64_at};

/// Boxes that are looked at inside one: real files have some dozen; a film has
/// a track for each of its languages.
const BOXES_MAX: usize = 4096;

/// The first bytes of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Four letters.
    pub(crate) kind: [u8; 4],
    /// Bytes of the header itself.
    pub(crate) bytes: usize,
    /// Bytes of the whole box; nothing where it goes on to the end of the file.
    pub(crate) size: Option<u64>,
}

/// One box, as far as it is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Box<'a> {
    pub(crate) kind: [u8; 4],
    /// What it holds; less than announced where the bytes end.
    pub(crate) payload: &'a [u8],
}

/// What stands at a place of boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// A header.
    Header(Header),
    /// The bytes end within one.
    Beyond,
    /// Something that is no box.
    Broken,
}

/// Reads the header of a box.
pub(crate) fn header(bytes: &[u8], at: usize) -> At {
    let (Some(size), Some(kind)) = (be_u32_at(bytes, at), array_at(bytes, at.saturating_add(4)))
    else {
        return At::Beyond;
    };
    let header = match size {
        0 => Header { kind, bytes: 8, size: None },
        1 => {
            let Some(size) = be_u64_at(bytes, at + 8) else { return At::Beyond };
            Header { kind, bytes: 16, size: Some(size) }
        }
        size => Header { kind, bytes: 8, size: Some(u64::from(size)) },
    };
    let is_whole = header.size.is_none_or(|size| size >= header.bytes as u64);
    if is_whole { At::Header(header) } else { At::Broken }
}

/// The boxes that stand one after another in `bytes`, up to a bound and to
/// what is no box.
pub(crate) fn boxes(bytes: &[u8]) -> impl Iterator<Item = Box<'_>> {
    let mut at = 0_usize;
    std::iter::from_fn(move || {
        let At::Header(header) = header(bytes, at) else { return None };
        let rest = bytes.get(at..)?;
        let size =
            header.size.map_or(rest.len(), |size| usize::try_from(size).unwrap_or(usize::MAX));
        let whole = &rest[..size.min(rest.len())];
        at = at.saturating_add(size);
        Some(Box { kind: header.kind, payload: whole.get(header.bytes..)? })
    })
    .take(BOXES_MAX)
}

/// The first box of a kind.
pub(crate) fn find<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|inner| inner.kind == *kind).map(|inner| inner.payload)
}

/// The box at the end of a path of kinds, the first of each.
pub(crate) fn find_path<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |inner, kind| find(inner, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len() + 8).unwrap();
        [&size.to_be_bytes(), kind.as_slice(), payload].concat()
    }

    #[test]
    fn boxes_are_found_by_their_path() {
        let inner = named(b"cccc", b"deep");
        let file = [named(b"aaaa", b""), named(b"bbbb", &inner)].concat();
        assert_eq!(find_path(&file, &[b"bbbb", b"cccc"]), Some(b"deep".as_slice()));
        assert_eq!(find_path(&file, &[b"aaaa", b"cccc"]), None);
    }

    #[test]
    fn sizes_of_64_bits_and_to_the_end_are_read() {
        let large = [b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x12xy".as_slice(), b"\0\0\0\0freeend"].concat();
        let found: Vec<_> = boxes(&large).map(|found| (found.kind, found.payload)).collect();
        assert_eq!(found, [(*b"mdat", b"xy".as_slice()), (*b"free", b"end")]);
    }

    #[test]
    fn a_size_below_its_header_ends_the_reading() {
        assert_eq!(header(b"\0\0\0\x07free", 0), At::Broken);
        assert_eq!(header(b"\0\0\0\x01free\0\0\0\0\0\0\0\x08", 0), At::Broken);
        assert_eq!(header(b"\0\0\0\x08fre", 0), At::Beyond);
        assert_eq!(boxes(b"\0\0\0\x07freexxxx").count(), 0);
    }

    #[test]
    fn boxes_without_end_are_bounded() {
        let many = named(b"free", b"").repeat(BOXES_MAX + 5);
        assert_eq!(boxes(&many).count(), BOXES_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(boxes(&bytes).count() <= bytes.len() / 8 + 1);
        }
    }
}
