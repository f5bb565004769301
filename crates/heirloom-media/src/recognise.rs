//! What some bytes are, by their first ones.

use crate::MediaType;
use crate::bytes::{be_u32_at, slice_at};

/// Bytes of a file that are enough to recognise it.
pub const HEAD_BYTES: usize = 4096;

/// Brands that are looked at in a `ftyp` box: real files name at most a dozen.
const BRANDS_MAX: usize = 64;

/// Says what the file with this first part is, or nothing where it is no
/// picture and no video that is known.
///
/// The content decides. The name (any path or file name) only tells apart
/// what the content leaves open: the raw formats that all begin like a TIFF,
/// and QuickTime files of a time before they said so. `head` is best of at
/// least [`HEAD_BYTES`], or the whole of a shorter file.
#[must_use]
pub fn recognise(name: &str, head: &[u8]) -> Option<MediaType> {
    plain(head)
        .or_else(|| tiff(name, head))
        .or_else(|| riff(head))
        .or_else(|| boxes(name, head))
        .or_else(|| matroska(head))
        .or_else(|| transport_stream(head))
}

/// What a fixed beginning tells.
fn plain(head: &[u8]) -> Option<MediaType> {
    const BEGINNINGS: &[(&[u8], MediaType)] = &[
        (b"\xff\xd8\xff", MediaType::Jpeg),
        (b"\x89PNG\r\n\x1a\n", MediaType::Png),
        (b"GIF87a", MediaType::Gif),
        (b"GIF89a", MediaType::Gif),
        (b"\xff\x0a", MediaType::JpegXl),
        (b"\0\0\0\x0cJXL \r\n\x87\n", MediaType::JpegXl),
        (b"FUJIFILMCCD-RAW", MediaType::Raf),
        (b"IIRO", MediaType::Orf),
        (b"IIRS", MediaType::Orf),
        (b"MMOR", MediaType::Orf),
        (b"IIU\0", MediaType::Rw2),
    ];
    let found = BEGINNINGS.iter().find(|(beginning, _)| head.starts_with(beginning));
    // Two letters are too few: the size of the header must be one of those in use.
    let is_bitmap = head.starts_with(b"BM")
        && slice_at(head, 14, 4)
            .is_some_and(|size| matches!(size, [12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]));
    found.map(|(_, media_type)| *media_type).or(is_bitmap.then_some(MediaType::Bmp))
}

/// TIFF, and the raw formats that begin like it and tell themselves apart by
/// what they call themselves only.
fn tiff(name: &str, head: &[u8]) -> Option<MediaType> {
    if !head.starts_with(b"II*\0") && !head.starts_with(b"MM\0*") {
        return None;
    }
    if slice_at(head, 8, 2) == Some(b"CR") {
        return Some(MediaType::Cr2);
    }
    Some(match extension(name).as_str() {
        "dng" => MediaType::Dng,
        "nef" | "nrw" => MediaType::Nef,
        "arw" | "sr2" | "srf" => MediaType::Arw,
        "pef" => MediaType::Pef,
        "srw" => MediaType::Srw,
        _ if crate::tiff::says_dng(head) => MediaType::Dng,
        _ => MediaType::Tiff,
    })
}

fn riff(head: &[u8]) -> Option<MediaType> {
    if !head.starts_with(b"RIFF") {
        return None;
    }
    match slice_at(head, 8, 4)? {
        b"WEBP" => Some(MediaType::Webp),
        b"AVI " => Some(MediaType::Avi),
        _ => None,
    }
}

/// ISO base media: the brands of the `ftyp` box, the main one first.
fn boxes(name: &str, head: &[u8]) -> Option<MediaType> {
    if slice_at(head, 4, 4)? != b"ftyp" {
        return old_quicktime(head);
    }
    let end = (be_u32_at(head, 0)? as usize).min(head.len());
    let brands = head.get(8..end)?.chunks_exact(4);
    let main = brands.clone().next()?;
    // The second field is a version and no brand.
    let compatible = brands.skip(2).take(BRANDS_MAX);
    // Sound alone comes in the same boxes and calls itself compatible with films.
    if matches!(main, b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B ") {
        return None;
    }
    let found = of_brand(main).or_else(|| compatible.clone().find_map(of_brand))?;
    let has = |wanted: &[&[u8; 4]]| {
        compatible.clone().any(|brand| wanted.iter().any(|known| brand == *known))
    };
    let is_film_for_apple = extension(name) == "mov" && has(&[b"qt  "]);
    // `mif1` says only that there are pictures; what is inside says a later brand.
    let is_vague = found == MediaType::Heif;
    Some(if is_vague && has(&[b"avif", b"avis"]) {
        MediaType::Avif
    } else if is_vague && has(&[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"]) {
        MediaType::Heic
    } else if found == MediaType::Mp4 && is_film_for_apple {
        MediaType::Mov
    } else {
        found
    })
}

fn of_brand(brand: &[u8]) -> Option<MediaType> {
    match brand {
        b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"hevm" | b"hevs" => {
            Some(MediaType::Heic)
        }
        b"avif" | b"avis" => Some(MediaType::Avif),
        b"mif1" | b"mif2" | b"msf1" | b"miaf" => Some(MediaType::Heif),
        b"crx " => Some(MediaType::Cr3),
        b"qt  " => Some(MediaType::Mov),
        b"isom" | b"iso2" | b"iso3" | b"iso4" | b"iso5" | b"iso6" | b"mp41" | b"mp42" | b"avc1"
        | b"M4V " | b"M4VH" | b"M4VP" | b"MSNV" | b"dash" | b"XAVC" | b"f4v " | b"mmp4" => {
            Some(MediaType::Mp4)
        }
        [b'3', b'g', b'p' | b'2' | b'r' | b's' | b'g', _] => Some(MediaType::ThreeGp),
        _ => None,
    }
}

/// QuickTime files of a time without `ftyp` begin with one of their boxes.
fn old_quicktime(head: &[u8]) -> Option<MediaType> {
    let size = be_u32_at(head, 0)?;
    let plausible = size == 1 || size >= 8;
    match slice_at(head, 4, 4)? {
        b"moov" | b"mdat" | b"wide" | b"pnot" if plausible => Some(MediaType::Mov),
        _ => None,
    }
}

/// The type that an EBML header names in its first bytes.
fn matroska(head: &[u8]) -> Option<MediaType> {
    if !head.starts_with(b"\x1a\x45\xdf\xa3") {
        return None;
    }
    let begin = &head[..head.len().min(64)];
    let says = |word: &[u8]| begin.windows(word.len()).any(|found| found == word);
    if says(b"webm") {
        return Some(MediaType::Webm);
    }
    says(b"matroska").then_some(MediaType::Matroska)
}

/// Packets of 188 bytes that all begin alike; camcorders put four bytes of
/// time before each.
fn transport_stream(head: &[u8]) -> Option<MediaType> {
    let repeats = |first: usize, step: usize| {
        (0..5).all(|packet| head.get(first + packet * step) == Some(&0x47))
    };
    (repeats(0, 188) || repeats(4, 192)).then_some(MediaType::MpegTs)
}

/// What stands behind the last dot of a name, in lower case.
fn extension(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
