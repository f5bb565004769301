//! Reading bytes and LEB128 numbers.

use crate::error::ChunkError;

/// Bits of a number that one byte carries.
const BITS: u32 = 7;

/// A place in bytes.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], ChunkError> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(ChunkError::Malformed("end"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes as many bytes as a number that was read says.
    pub(super) fn take_counted(&mut self, length: u64) -> Result<&'a [u8], ChunkError> {
        self.take(usize::try_from(length).map_err(|_| ChunkError::Malformed("length"))?)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ChunkError> {
        self.take(N)?.try_into().map_err(|_| ChunkError::Malformed("end"))
    }

    pub(super) fn byte(&mut self) -> Result<u8, ChunkError> {
        Ok(self.array::<1>()?[0])
    }

    /// Reads an unsigned number.
    pub(super) fn unsigned(&mut self) -> Result<u64, ChunkError> {
        let mut result: u64 = 0;
        for shift in (0..u64::BITS).step_by(BITS as usize) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            result |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(result);
            }
        }
        Err(ChunkError::Malformed("number"))
    }

    /// Reads a signed number.
    pub(super) fn signed(&mut self) -> Result<i64, ChunkError> {
        let mut result: i64 = 0;
        for shift in (0..i64::BITS).step_by(BITS as usize) {
            let byte = self.byte()?;
            if shift == 63 && byte != 0 && byte != 0x7f {
                break;
            }
            result |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let negative = byte & 0x40 != 0 && shift + BITS < i64::BITS;
                return Ok(if negative { result | (-1 << (shift + BITS)) } else { result });
            }
        }
        Err(ChunkError::Malformed("number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::tests::forged::{write_signed, write_unsigned};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_written(unsigned in any::<u64>(), signed in any::<i64>(), shift in 0_u32..64) {
            let (unsigned, signed) = (unsigned >> shift, signed >> shift);
            let mut bytes = Vec::new();
            write_unsigned(&mut bytes, unsigned);
            write_signed(&mut bytes, signed);
            let mut cursor = Cursor::new(&bytes);
            prop_assert_eq!(cursor.unsigned(), Ok(unsigned));
            prop_assert_eq!(cursor.signed(), Ok(signed));
            prop_assert!(cursor.is_done());
        }

        #[test]
        fn foreign_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            let mut cursor = Cursor::new(&bytes);
            while cursor.unsigned().is_ok() && cursor.signed().is_ok() {}
        }
    }

    #[test]
    fn the_ends_of_the_ranges_are_read_and_what_lies_beyond_is_not() {
        for value in [i64::MIN, -65, -64, -1, 0, 63, 64, i64::MAX] {
            let mut bytes = Vec::new();
            write_signed(&mut bytes, value);
            assert_eq!(Cursor::new(&bytes).signed(), Ok(value));
        }
        let refused = Err(ChunkError::Malformed("number"));
        let long = [&[0x80; 9][..], &[2]].concat();
        assert_eq!(Cursor::new(&long).unsigned(), refused);
        assert_eq!(Cursor::new(&[0x80; 20]).unsigned(), refused);
        assert_eq!(Cursor::new(&long).signed(), Err(ChunkError::Malformed("number")));
        assert_eq!(Cursor::new(&[0x80; 20]).signed(), Err(ChunkError::Malformed("number")));
        assert_eq!(Cursor::new(&[0x80]).unsigned(), Err(ChunkError::Malformed("end")));
    }
}
