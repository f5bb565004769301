//! A record's content: a flat map of keys to values.

use heirloom_base::BlobRef;
use std::collections::BTreeMap;

/// The value of one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A text that is edited character by character (a note's body).
    Text(String),
    /// A text that is replaced as a whole (a content line, a title).
    Str(String),
    /// A number.
    Int(i64),
    /// Bytes that are not UTF-8 (a foreign content line).
    Bytes(Vec<u8>),
    /// A large value, stored as sealed chunks beside the record.
    Blob(BlobRef),
}

impl Value {
    /// Returns the text of a [`Value::Text`] or [`Value::Str`].
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Str(text) => Some(text),
            Self::Int(_) | Self::Bytes(_) | Self::Blob(_) => None,
        }
    }

    /// Returns the bytes of a text or byte value as they stand in a file.
    #[must_use]
    pub fn as_raw(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) | Self::Str(text) => Some(text.as_bytes()),
            Self::Bytes(bytes) => Some(bytes),
            Self::Int(_) | Self::Blob(_) => None,
        }
    }
}

/// A record's content.
pub type Content = BTreeMap<String, Value>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_bytes_show_how_they_stand_in_a_file() {
        for value in [Value::Text("ü".into()), Value::Str("ü".into())] {
            assert_eq!(value.as_str(), Some("ü"));
            assert_eq!(value.as_raw(), Some("ü".as_bytes()));
        }
        assert_eq!(Value::Bytes(vec![255]).as_str(), None);
        assert_eq!(Value::Bytes(vec![255]).as_raw(), Some([255].as_slice()));
        assert_eq!(Value::Int(1).as_raw(), None);
    }

    #[test]
    fn a_blob_is_neither_a_text_nor_bytes_of_a_file() {
        let blob = Value::Blob(BlobRef { size: 0, hash: [0; 32], chunks: Vec::new() });
        assert_eq!((blob.as_str(), blob.as_raw()), (None, None));
        assert_eq!(Value::Int(1).as_str(), None);
    }

    #[test]
    fn a_text_edited_by_letters_is_not_the_same_text_replaced_as_a_whole() {
        assert_ne!(Value::Text("a".into()), Value::Str("a".into()));
    }

    #[test]
    fn keys_of_the_house_come_before_the_content_lines() {
        let keys = [crate::key::UID, "l000010", "body", crate::key::CATEGORY];
        let content: Content = keys.map(|key| (key.to_owned(), Value::Int(0))).into();
        let order: Vec<&str> = content.keys().map(String::as_str).collect();
        assert_eq!(order, ["!category", "!uid", "body", "l000010"]);
    }
}
