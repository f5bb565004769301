//! Files that stand beside notes: kept as they are.

use super::place;
use crate::file_name;
use crate::{FieldEdit, FieldError, Projection};
use heirloom_schema::{Content, Value};
use serde_json::Value as Json;

/// The bytes of the file.
pub(super) const BYTES: &str = "bytes";

/// Endings of what often stands beside notes in the folders of note programs,
/// whatever its bytes are.
pub(super) const ENDINGS: &[&str] = &[
    "3gp",
    "7z",
    "aac",
    "avif",
    "base",
    "bib",
    "bin",
    "bmp",
    "canvas",
    "css",
    "csv",
    "doc",
    "docx",
    "drawio",
    "dwg",
    "eml",
    "epub",
    "excalidraw",
    "flac",
    "geojson",
    "gif",
    "gpx",
    "gz",
    "heic",
    "heif",
    "htm",
    "html",
    "ico",
    "ini",
    "jpeg",
    "jpg",
    "js",
    "jxl",
    "key",
    "kml",
    "log",
    "m4a",
    "mht",
    "mhtml",
    "mkv",
    "mm",
    "mov",
    "mp3",
    "mp4",
    "mpeg",
    "mpg",
    "mscz",
    "numbers",
    "odp",
    "ods",
    "odt",
    "ogg",
    "ogv",
    "opml",
    "opus",
    "org",
    "pages",
    "pdf",
    "png",
    "ppt",
    "pptx",
    "psd",
    "py",
    "rst",
    "rtf",
    "sh",
    "sql",
    "srt",
    "stl",
    "svg",
    "svgz",
    "tar",
    "tex",
    "tif",
    "tiff",
    "toml",
    "ts",
    "tsv",
    "ttf",
    "vtt",
    "wav",
    "webm",
    "webp",
    "woff",
    "woff2",
    "xls",
    "xlsx",
    "xml",
    "xopp",
    "yaml",
    "yml",
    "zip",
];

/// Returns the content of an attachment, without its place.
pub(super) fn stored(bytes: &[u8]) -> Content {
    Content::from([(BYTES.to_owned(), Value::Bytes(bytes.to_vec()))])
}

/// Returns whether a content is an attachment's.
pub(super) fn is_in(content: &Content) -> bool {
    content.contains_key(BYTES)
}

/// Returns the bytes of an attachment.
pub(super) fn bytes(content: &Content) -> &[u8] {
    content.get(BYTES).and_then(Value::as_raw).unwrap_or_default()
}

/// Returns what lists and searches show: the file's name and folder.
pub(super) fn project(content: &Content) -> Projection {
    let mut projection = Projection::default();
    let text = |key| content.get(key).and_then(Value::as_str);
    let name = text(place::NAME).map(file_name::kept).unwrap_or_default();
    projection.title = place::with_ending(content, &name);
    projection.push("title", Json::String(projection.title.clone()), None);
    projection.search_for(&projection.title.clone());
    projection.search_for(text(place::FOLDER).unwrap_or_default());
    projection
}

/// Returns why an attachment has no such field.
pub(super) fn refused(edit: &FieldEdit) -> FieldError {
    FieldError::Value {
        field: edit.field.clone(),
        value: edit.values().first().cloned().unwrap_or_default(),
        expected: "kept as it is in an attachment",
    }
}
