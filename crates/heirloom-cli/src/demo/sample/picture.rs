//! Small pictures for the cards: real PNG files, made here.

/// Returns a PNG file: a soft gradient with a ring, different for each seed.
pub(super) fn png(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::with_capacity(13);
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    // Eight bits a channel, RGB, and the only compression, filter and order there are.
    header.extend([8, 2, 0, 0, 0]);
    push_chunk(&mut file, b"IHDR", &header);
    push_chunk(&mut file, b"IDAT", &zlib_stored(&pixels(width, height, seed)));
    push_chunk(&mut file, b"IEND", &[]);
    file
}

/// Returns the rows, each after its filter byte.
fn pixels(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..height {
        rows.push(0);
        for x in 0..width {
            let (across, down) = (x * 255 / width, y * 255 / height);
            let ring = (across.abs_diff(128).pow(2) + down.abs_diff(128).pow(2)) / 64;
            let shades = [across + seed * 37, down + seed * 91, ring + seed * 53];
            rows.extend(shades.map(|shade| shade.to_le_bytes()[0]));
        }
    }
    rows
}

/// Returns a zlib stream of stored blocks.
fn zlib_stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let count = bytes.chunks(usize::from(u16::MAX)).len();
    for (index, block) in bytes.chunks(usize::from(u16::MAX)).enumerate() {
        let length = u16::try_from(block.len()).expect("a block is no longer than a u16 counts");
        stream.push(u8::from(index + 1 == count));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(bytes).to_be_bytes());
    stream
}

fn push_chunk(file: &mut Vec<u8>, kind: &[u8; 4], bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a small picture is below 4 GiB");
    file.extend(length.to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend(bytes);
    let sum = crc32(&file[start..]);
    file.extend(sum.to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_match_their_known_values() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn a_picture_has_the_size_that_was_asked_for() {
        let picture = png(96, 72, 1);
        assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&picture[16..24], [0, 0, 0, 96, 0, 0, 0, 72]);
        assert!(picture.len() > 96 * 72 * 3);
        assert!(picture.ends_with(b"IEND\xae\x42\x60\x82"));
        assert_ne!(picture, png(96, 72, 2));
    }
}
