//! What a picture or video is, from its bytes.
//!
//! It is not a store of pictures and reads no files: bytes come in, values go
//! out. It decodes no more than thumbnails need, and it never changes an
//! original.
//!
//! A walk: [`recognise`] names the [`MediaType`] of a file by its first bytes.
//! [`facts()`] reads size, orientation, time, camera and place from headers
//! and tags; for a video, [`facts_start`] says where to read them.
//! [`thumbnail()`] decodes a picture once, makes it smaller twice, turns it
//! upright and writes JPEG files, or WebP where something shows through.
//! [`scan_start`] says where the first chunk of a file is to be cut, so that
//! edited tags leave all chunks of the pixels as they are.
//!
//! All bytes are foreign. Own code reads headers and tags and follows nothing
//! without a bound. Pixels are decoded by libraries, within [`Limits`] that
//! are checked before anything is allocated, and behind a guard that makes an
//! error of a panic.

mod boxes;
mod bytes;
mod exif;
mod facts;
mod heif;
mod jpeg;
mod media_type;
mod moment;
mod orientation;
mod place;
mod recognise;
mod start;
mod thumbnail;
mod tiff;
mod video;
mod webp;

pub use facts::{Facts, facts};
pub use media_type::{MediaKind, MediaType};
pub use moment::{TakenAt, TimeSource};
pub use orientation::Orientation;
pub use place::Place;
pub use recognise::{HEAD_BYTES, recognise};
pub use start::{Start, facts_start, scan_start};
pub use thumbnail::{LARGE_SIDE_MAX, Limits, SMALL_SIDE_MAX, Thumbnail, ThumbnailError, thumbnail};

#[cfg(test)]
mod tests;
