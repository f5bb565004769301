//! Reading of numbers at places that may not exist.

/// The order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    /// The least first, `II`.
    Little,
    /// The greatest first, `MM`.
    Big,
}

impl ByteOrder {
    pub(crate) fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        let found = array_at(bytes, at)?;
        Some(match self {
            Self::Little => u16::from_le_bytes(found),
            Self::Big => u16::from_be_bytes(found),
        })
    }

    pub(crate) fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        let found = array_at(bytes, at)?;
        Some(match self {
            Self::Little => u32::from_le_bytes(found),
            Self::Big => u32::from_be_bytes(found),
        })
    }
}

/// The `N` bytes from `at` on, if all are there.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// `length` bytes from `at` on, if all are there.
pub(crate) fn slice_at(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

pub(crate) fn be_u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    ByteOrder::Big.u16_at(bytes, at)
}

pub(crate) fn be_u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    ByteOrder::Big.u32_at(bytes, at)
}

pub(crate) fn be_u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_be_bytes)
}

/// Foreign text as it is shown: without what fills it up, without control
/// characters, and of a bounded length.
pub(crate) fn foreign_text(bytes: &[u8]) -> Option<String> {
    let kept = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let kept = &kept[..kept.len().min(TEXT_BYTES_MAX)];
    let text: String =
        String::from_utf8_lossy(kept).chars().filter(|letter| !letter.is_control()).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Bytes that are read of a camera's name: makers use some thirty.
const TEXT_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_read() {
        assert_eq!(be_u32_at(&[1, 2, 3], 0), None);
        assert_eq!(be_u32_at(&[1, 2, 3, 4], usize::MAX), None);
        assert_eq!(be_u16_at(&[1, 2, 3], 1), Some(0x0203));
        assert_eq!(ByteOrder::Little.u16_at(&[1, 2], 0), Some(0x0201));
        assert_eq!(slice_at(&[1, 2, 3], 1, usize::MAX), None);
    }

    #[test]
    fn foreign_text_is_trimmed_and_bounded() {
        assert_eq!(foreign_text(b"Canon\0\0junk"), Some("Canon".to_owned()));
        assert_eq!(foreign_text(b"  A\x1b[31mB  "), Some("A[31mB".to_owned()));
        assert_eq!(foreign_text(b" \0"), None);
        assert_eq!(foreign_text(&[b'x'; 500]).map(|text| text.len()), Some(TEXT_BYTES_MAX));
    }
}
