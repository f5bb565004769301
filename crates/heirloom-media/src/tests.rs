//! Nothing that arrives makes this crate panic, loop or grow.

pub(crate) mod samples;

use crate::{
    Limits, MediaType, Orientation, Start, ThumbnailError, facts, facts_start, recognise,
    scan_start, thumbnail,
};
use proptest::prelude::*;
use samples::{ALL, camera_tags, jpeg, with_tags};

/// Enough for the pictures of tests, and quickly exceeded by damaged ones.
const SMALL: Limits = Limits { pixels_max: 1_000_000, memory_bytes_max: 16 * 1024 * 1024 };

/// Asks everything of some bytes, as whatever they may be taken for.
fn ask_all(bytes: &[u8]) {
    let recognised = recognise("photo", bytes);
    for media_type in MediaType::ALL {
        let known = facts(*media_type, bytes);
        assert!(known.place.is_none_or(|place| place.latitude_e7.abs() <= 900_000_000));
        for ask in [scan_start, facts_start] {
            match ask(*media_type, 0, bytes) {
                Start::At(at) => assert!(at <= bytes.len() as u64, "{media_type:?}"),
                Start::Elsewhere(next) => assert!(next > 0, "{media_type:?}"),
                Start::Nowhere => (),
            }
        }
        if recognised == Some(*media_type) {
            decode(*media_type, bytes);
        }
    }
}

/// Makes thumbnails and checks them. A panic of a decoder is caught, and
/// would still be a finding to report.
fn decode(media_type: MediaType, bytes: &[u8]) {
    match thumbnail(media_type, bytes, Orientation::UPRIGHT, SMALL) {
        Ok(made) => assert!((1..=2).contains(&made.len())),
        Err(ThumbnailError::Panicked(message)) => assert!(!message.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn photo() -> Vec<u8> {
    with_tags(&jpeg(40, 30), &camera_tags())
}

#[test]
fn nothing_is_known_of_no_bytes() {
    assert_eq!(recognise("photo.jpg", b""), None);
    for media_type in MediaType::ALL {
        assert_eq!(facts(*media_type, b""), crate::Facts::default(), "{media_type:?}");
        let made = thumbnail(*media_type, b"", Orientation::UPRIGHT, Limits::default());
        let refused = [ThumbnailError::NoPicture, ThumbnailError::NoDecoder(*media_type)];
        assert!(made.is_err_and(|error| refused.contains(&error)), "{media_type:?}");
    }
}

#[test]
fn a_jpeg_cut_anywhere_is_answered() {
    let whole = photo();
    for end in 0..whole.len() {
        ask_all(&whole[..end]);
    }
}

#[test]
fn a_file_of_others_cut_anywhere_is_answered() {
    for whole in ALL {
        for end in (0..whole.len()).step_by(3) {
            ask_all(&whole[..end]);
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        ask_all(&bytes);
    }

    #[test]
    fn random_bytes_behind_a_true_beginning_are_answered(
        which in 0..ALL.len(),
        kept in 4_usize..200,
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let begin = &ALL[which][..kept.min(ALL[which].len())];
        ask_all(&[begin, &bytes].concat());
    }

    #[test]
    fn changed_files_are_answered(
        which in 0..=ALL.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = ALL.get(which).map_or_else(photo, |sample| sample.to_vec());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        ask_all(&bytes);
        ask_all(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn changed_tags_are_answered(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut block = camera_tags();
        for (at, byte) in changes {
            let at = at.index(block.len());
            block[at] = byte;
        }
        ask_all(&block);
        ask_all(&with_tags(&jpeg(8, 8), &block));
    }
}
