//! Several byte strings in one input: `tag u8 | length u16 | bytes`, lenient,
//! so that every input says something.

/// One byte string with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) tag: u8,
    pub(super) bytes: Vec<u8>,
}

/// Blocks that are read at most.
const BLOCKS_MAX: usize = 64;

/// Reads blocks; the last one may be shorter than it says.
pub(super) fn read(mut bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    while let [tag, low, high, rest @ ..] = bytes
        && blocks.len() < BLOCKS_MAX
    {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (taken, left) = rest.split_at(length);
        blocks.push(Block { tag: *tag, bytes: taken.to_vec() });
        bytes = left;
    }
    blocks
}

/// Writes blocks; a byte string is cut at 65,535 bytes.
pub(super) fn write(blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in blocks {
        let length = u16::try_from(block.bytes.len()).unwrap_or(u16::MAX);
        bytes.push(block.tag);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend(block.bytes.iter().take(length.into()));
    }
    bytes
}

/// Returns blocks of one tag.
pub(super) fn of(tag: u8, strings: impl IntoIterator<Item = Vec<u8>>) -> Vec<Block> {
    strings.into_iter().map(|bytes| Block { tag, bytes }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_survive_and_a_cut_end_is_borne() {
        let blocks = of(7, [vec![1, 2], Vec::new(), vec![3]]);
        let bytes = write(&blocks);
        assert_eq!(read(&bytes), blocks);
        assert_eq!(read(&bytes[..4]), of(7, [vec![1]]));
        assert_eq!(read(&[1]), []);
    }
}
