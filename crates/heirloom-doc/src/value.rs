//! Values as automerge holds them.
//!
//! Strings and numbers are the scalars of the same name. Byte strings carry a
//! tag in front: 0 for raw bytes, 1 for the canonical form of a reference to a
//! blob. Null stands for a key that was removed: unlike a deletion it stays
//! visible beside a value that the key is given at the same time. Everything
//! else was written by a newer version: it is kept and not shown.

use crate::KEY_BYTES_MAX;
use crate::error::DocError;
use automerge::{ScalarValue, ScalarValueRef};
use heirloom_base::{BlobRef, Decode, DecodeError, Encode, Reader, Writer, limits};
use heirloom_schema::{Content, Value};

const TAG_RAW: u8 = 0;
const TAG_BLOB: u8 = 1;

/// What a removed key is set to.
pub(crate) const REMOVED: ScalarValue = ScalarValue::Null;

/// Returns the scalar that stands for a value, or `None` for a text, which is
/// an object.
pub(crate) fn to_scalar(value: &Value) -> Option<ScalarValue> {
    match value {
        Value::Text(_) => None,
        Value::Str(text) => Some(ScalarValue::Str(text.as_str().into())),
        Value::Int(number) => Some(ScalarValue::Int(*number)),
        Value::Bytes(bytes) => Some(ScalarValue::Bytes(tagged(TAG_RAW, bytes))),
        Value::Blob(blob) => Some(ScalarValue::Bytes(tagged(TAG_BLOB, &blob.to_bytes()))),
    }
}

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len() + 1);
    result.push(tag);
    result.extend_from_slice(bytes);
    result
}

/// Returns the value that a scalar stands for, or `None` for one that this
/// version does not know.
pub(crate) fn from_scalar(scalar: &ScalarValueRef<'_>) -> Option<Value> {
    match scalar {
        ScalarValueRef::Str(text) => Some(Value::Str(text.to_string())),
        ScalarValueRef::Int(number) => Some(Value::Int(*number)),
        ScalarValueRef::Bytes(bytes) => from_bytes(bytes),
        ScalarValueRef::Uint(_)
        | ScalarValueRef::F64(_)
        | ScalarValueRef::Counter(_)
        | ScalarValueRef::Timestamp(_)
        | ScalarValueRef::Boolean(_)
        | ScalarValueRef::Unknown { .. }
        | ScalarValueRef::Null => None,
    }
}

/// Returns the value that tagged bytes stand for.
pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Value> {
    match bytes.split_first()? {
        (&TAG_RAW, raw) => Some(Value::Bytes(raw.to_vec())),
        (&TAG_BLOB, canonical) => BlobRef::from_bytes(canonical).ok().map(Value::Blob),
        (_, _) => None,
    }
}

/// Checks that a key and its value fit into a document.
pub(crate) fn check(key: &str, value: Option<&Value>) -> Result<(), DocError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(DocError::Key { length: key.len(), limit: KEY_BYTES_MAX });
    }
    let (length, limit) = match value {
        Some(Value::Text(text)) => (text.len(), limits::CARD_TEXT_BYTES_MAX),
        Some(Value::Str(text)) => (text.len(), limits::VALUE_INLINE_BYTES_MAX),
        Some(Value::Bytes(bytes)) => (bytes.len(), limits::VALUE_INLINE_BYTES_MAX),
        Some(Value::Blob(blob)) => (blob.chunks.len(), limits::ENTRY_CHUNKS_MAX),
        Some(Value::Int(_)) | None => (0, 0),
    };
    if length > limit {
        return Err(DocError::Value { key: key.to_owned(), length, limit });
    }
    Ok(())
}

/// Returns the one binary form of a content, from which its birth derives.
pub(crate) fn canonical(content: &Content) -> Vec<u8> {
    let mut writer = Writer::new();
    for (key, value) in content {
        writer.text(key);
        match value {
            Value::Text(text) => {
                writer.u8(1);
                writer.text(text);
            }
            Value::Str(text) => {
                writer.u8(2);
                writer.text(text);
            }
            Value::Int(number) => {
                writer.u8(3);
                writer.array(&number.to_le_bytes());
            }
            Value::Bytes(bytes) => {
                writer.u8(4);
                writer.bytes(bytes);
            }
            Value::Blob(blob) => {
                writer.u8(5);
                blob.encode(&mut writer);
            }
        }
    }
    writer.into_bytes()
}

/// Reads a content in that form, behind the number of its keys.
pub(crate) fn read_canonical(reader: &mut Reader<'_>) -> Result<Content, DecodeError> {
    let mut content = Content::new();
    for _ in 0..reader.u32()? {
        let key = reader.text(KEY_BYTES_MAX)?.to_owned();
        if content.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(DecodeError::NotCanonical("keys out of order"));
        }
        let value = match reader.u8()? {
            1 => Value::Text(reader.text(limits::CARD_TEXT_BYTES_MAX)?.to_owned()),
            2 => Value::Str(reader.text(limits::VALUE_INLINE_BYTES_MAX)?.to_owned()),
            3 => Value::Int(i64::from_le_bytes(reader.array()?)),
            4 => Value::Bytes(reader.bytes(limits::VALUE_INLINE_BYTES_MAX)?.to_vec()),
            5 => Value::Blob(BlobRef::decode(reader)?),
            value => return Err(DecodeError::Unknown { what: "value", value: value.into() }),
        };
        content.insert(key, value);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::{ChunkId, ChunkRef};
    use std::borrow::Cow;

    fn borrowed(scalar: &ScalarValue) -> ScalarValueRef<'_> {
        if let ScalarValue::Str(text) = scalar {
            ScalarValueRef::Str(Cow::Borrowed(text))
        } else if let ScalarValue::Bytes(bytes) = scalar {
            ScalarValueRef::Bytes(Cow::Borrowed(bytes))
        } else {
            ScalarValueRef::Int(scalar.as_i64().unwrap())
        }
    }

    fn blob() -> Value {
        let chunk = ChunkRef { id: ChunkId([1; 32]), plain: [2; 32], length: 3 };
        Value::Blob(BlobRef { size: 3, hash: [4; 32], chunks: vec![chunk] })
    }

    #[test]
    fn every_value_but_a_text_survives_as_a_scalar() {
        let values = [
            Value::Str("a\u{1F600}".into()),
            Value::Int(i64::MIN),
            Value::Bytes(vec![]),
            Value::Bytes(vec![1, 255]),
            blob(),
        ];
        for value in values {
            let scalar = to_scalar(&value).unwrap();
            assert_eq!(from_scalar(&borrowed(&scalar)), Some(value));
        }
        assert_eq!(to_scalar(&Value::Text(String::new())), None);
    }

    #[test]
    fn scalars_of_newer_versions_stand_for_nothing() {
        for scalar in [ScalarValueRef::Null, ScalarValueRef::Boolean(true), ScalarValueRef::Uint(1)]
        {
            assert_eq!(from_scalar(&scalar), None);
        }
        for bytes in [&[][..], &[2], &[1], &[1, 0, 0]] {
            assert_eq!(from_bytes(bytes), None);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_limit() {
        let limit = limits::VALUE_INLINE_BYTES_MAX;
        assert_eq!(check("", None), Err(DocError::Key { length: 0, limit: KEY_BYTES_MAX }));
        assert!(check(&"k".repeat(KEY_BYTES_MAX), None).is_ok());
        assert!(check(&"k".repeat(KEY_BYTES_MAX + 1), None).is_err());
        assert!(check("k", Some(&Value::Str("x".repeat(limit)))).is_ok());
        assert!(check("k", Some(&Value::Str("x".repeat(limit + 1)))).is_err());
        assert!(check("k", Some(&Value::Bytes(vec![0; limit + 1]))).is_err());
        assert!(check("k", Some(&Value::Text("x".repeat(limit + 1)))).is_ok());
        let long = Value::Text("x".repeat(limits::CARD_TEXT_BYTES_MAX + 1));
        assert!(check("k", Some(&long)).is_err());
    }

    #[test]
    fn contents_differ_in_their_canonical_form_when_they_differ_at_all() {
        let forms: std::collections::BTreeSet<Vec<u8>> = [
            vec![("a", Value::Str("b".into()))],
            vec![("a", Value::Text("b".into()))],
            vec![("a", Value::Bytes(b"b".to_vec()))],
            vec![("ab", Value::Str(String::new()))],
            vec![("a", Value::Int(1))],
            vec![("a", blob())],
            vec![("a", Value::Str("b".into())), ("b", Value::Int(1))],
        ]
        .into_iter()
        .map(|pairs| canonical(&pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
        .collect();
        assert_eq!(forms.len(), 7);
    }
}
