//! The media types that are known, each with its one MIME type.

/// What a picture or video is, as far as its bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaType {
    /// JPEG (ISO 10918).
    Jpeg,
    /// PNG, animated or not.
    Png,
    /// GIF, animated or not.
    Gif,
    /// WebP.
    Webp,
    /// HEIF with HEVC inside: what phones call HEIC.
    Heic,
    /// HEIF with anything else inside.
    Heif,
    /// AVIF.
    Avif,
    /// JPEG XL.
    JpegXl,
    /// Windows bitmap.
    Bmp,
    /// TIFF that is no camera's raw file.
    Tiff,
    /// Adobe's and many phones' raw format.
    Dng,
    /// Canon raw, TIFF based.
    Cr2,
    /// Canon raw, in boxes.
    Cr3,
    /// Nikon raw.
    Nef,
    /// Sony raw.
    Arw,
    /// Olympus raw.
    Orf,
    /// Panasonic raw.
    Rw2,
    /// Fujifilm raw.
    Raf,
    /// Pentax raw.
    Pef,
    /// Samsung raw.
    Srw,
    /// MPEG-4 video.
    Mp4,
    /// QuickTime video.
    Mov,
    /// Video of 3GPP phones.
    ThreeGp,
    /// WebM video.
    Webm,
    /// Matroska video.
    Matroska,
    /// AVI video.
    Avi,
    /// MPEG transport stream: camcorders.
    MpegTs,
}

/// Whether something stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A still picture, or one whose motion is decoration.
    Picture,
    /// Moving pictures with a duration.
    Video,
}

/// How the bytes of a media type are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Segments behind markers.
    Jpeg,
    /// Chunks with checksums.
    Png,
    /// Blocks behind a screen descriptor.
    Gif,
    /// RIFF chunks of a picture.
    Webp,
    /// Directories of tags.
    Tiff,
    /// Fujifilm's header with a JPEG inside.
    Raf,
    /// Boxes whose pictures are items.
    Items,
    /// Boxes whose pictures are tracks.
    Movie,
    /// Nothing that is read here.
    Opaque,
}

impl MediaType {
    /// Every media type.
    pub const ALL: &[Self] = &[
        Self::Jpeg,
        Self::Png,
        Self::Gif,
        Self::Webp,
        Self::Heic,
        Self::Heif,
        Self::Avif,
        Self::JpegXl,
        Self::Bmp,
        Self::Tiff,
        Self::Dng,
        Self::Cr2,
        Self::Cr3,
        Self::Nef,
        Self::Arw,
        Self::Orf,
        Self::Rw2,
        Self::Raf,
        Self::Pef,
        Self::Srw,
        Self::Mp4,
        Self::Mov,
        Self::ThreeGp,
        Self::Webm,
        Self::Matroska,
        Self::Avi,
        Self::MpegTs,
    ];

    /// The MIME type, in lower case. Where nothing is registered, the name
    /// that other programs use.
    #[must_use]
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Heic => "image/heic",
            Self::Heif => "image/heif",
            Self::Avif => "image/avif",
            Self::JpegXl => "image/jxl",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
            Self::Dng => "image/x-adobe-dng",
            Self::Cr2 => "image/x-canon-cr2",
            Self::Cr3 => "image/x-canon-cr3",
            Self::Nef => "image/x-nikon-nef",
            Self::Arw => "image/x-sony-arw",
            Self::Orf => "image/x-olympus-orf",
            Self::Rw2 => "image/x-panasonic-rw2",
            Self::Raf => "image/x-fuji-raf",
            Self::Pef => "image/x-pentax-pef",
            Self::Srw => "image/x-samsung-srw",
            Self::Mp4 => "video/mp4",
            Self::Mov => "video/quicktime",
            Self::ThreeGp => "video/3gpp",
            Self::Webm => "video/webm",
            Self::Matroska => "video/x-matroska",
            Self::Avi => "video/x-msvideo",
            Self::MpegTs => "video/mp2t",
        }
    }

    /// The media type of a MIME type that [`Self::mime`] gave.
    #[must_use]
    pub fn from_mime(mime: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|media_type| media_type.mime() == mime)
    }

    /// Whether it is a picture or a video.
    #[must_use]
    pub fn kind(self) -> MediaKind {
        if self.mime().starts_with("video/") { MediaKind::Video } else { MediaKind::Picture }
    }

    pub(crate) const fn layout(self) -> Layout {
        match self {
            Self::Jpeg => Layout::Jpeg,
            Self::Png => Layout::Png,
            Self::Gif => Layout::Gif,
            Self::Webp => Layout::Webp,
            Self::Heic | Self::Heif | Self::Avif => Layout::Items,
            Self::Cr3 | Self::Mp4 | Self::Mov | Self::ThreeGp => Layout::Movie,
            Self::Raf => Layout::Raf,
            Self::Tiff
            | Self::Dng
            | Self::Cr2
            | Self::Nef
            | Self::Arw
            | Self::Orf
            | Self::Rw2
            | Self::Pef
            | Self::Srw => Layout::Tiff,
            Self::JpegXl | Self::Bmp | Self::Webm | Self::Matroska | Self::Avi | Self::MpegTs => {
                Layout::Opaque
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_mime_type_stands_for_one_media_type() {
        let mimes: BTreeSet<&str> = MediaType::ALL.iter().map(|known| known.mime()).collect();
        assert_eq!(mimes.len(), MediaType::ALL.len());
        for known in MediaType::ALL {
            assert_eq!(MediaType::from_mime(known.mime()), Some(*known));
        }
        assert_eq!(MediaType::from_mime("text/plain"), None);
    }

    #[test]
    fn a_raw_file_is_a_picture_and_a_film_is_a_video() {
        assert_eq!(MediaType::Cr3.kind(), MediaKind::Picture);
        assert_eq!(MediaType::Mov.kind(), MediaKind::Video);
    }
}
