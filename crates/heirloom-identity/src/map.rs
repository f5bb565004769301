//! Maps in their one binary form: a count, then keys in ascending order.

use heirloom_base::{Decode, DecodeError, Encode, Reader, Writer};
use std::collections::BTreeMap;

/// Writes a `u32` count and every key with its value.
pub(crate) fn encode_map<K: Encode, V>(
    writer: &mut Writer,
    map: &BTreeMap<K, V>,
    encode: impl Fn(&mut Writer, &V),
) {
    writer.u32(u32::try_from(map.len()).expect("every map has a limit below 2^32"));
    for (key, value) in map {
        key.encode(writer);
        encode(writer, value);
    }
}

/// Reads what [`encode_map`] wrote, at most `limit` keys.
pub(crate) fn decode_map<K: Decode + Ord, V>(
    reader: &mut Reader<'_>,
    limit: usize,
    decode: impl Fn(&mut Reader<'_>) -> Result<V, DecodeError>,
) -> Result<BTreeMap<K, V>, DecodeError> {
    let length = reader.u32()? as usize;
    if length > limit {
        return Err(DecodeError::TooLong { length, limit });
    }
    let mut map = BTreeMap::new();
    for _ in 0..length {
        let key = K::decode(reader)?;
        if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(DecodeError::NotCanonical("keys ascend"));
        }
        map.insert(key, decode(reader)?);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::RecordId;

    fn read(keys: &[u8], limit: usize) -> Result<BTreeMap<RecordId, u8>, DecodeError> {
        let mut writer = Writer::new();
        writer.u32(u32::try_from(keys.len()).unwrap());
        for key in keys {
            writer.array(&[*key; 16]);
            writer.u8(*key);
        }
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        let map = decode_map(&mut reader, limit, |reader| reader.u8())?;
        reader.finish()?;
        let mut again = Writer::new();
        encode_map(&mut again, &map, |writer, value| writer.u8(*value));
        assert_eq!(again.into_bytes(), bytes);
        Ok(map)
    }

    #[test]
    fn only_ascending_keys_within_the_limit_are_read() {
        assert_eq!(read(&[1, 2, 9], 3).unwrap().len(), 3);
        assert_eq!(read(&[1, 1], 3), Err(DecodeError::NotCanonical("keys ascend")));
        assert_eq!(read(&[2, 1], 3), Err(DecodeError::NotCanonical("keys ascend")));
        assert_eq!(read(&[1, 2], 1), Err(DecodeError::TooLong { length: 2, limit: 1 }));
    }
}
