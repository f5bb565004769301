//! Identifiers as newtypes: fixed-size byte strings, printed as lower-case hex.

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use std::fmt;
use std::str::FromStr;

/// A text that is not the lower-case hex form of an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of {expected} hex digits: {text:?}")]
pub struct ParseIdError {
    /// The number of hex digits that was expected.
    pub expected: usize,
    /// The refused text.
    pub text: String,
}

/// Returns the lower-case hex form of `bytes`.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// Returns the bytes of a hex text, or `None` when it is not hex.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    // Parsing alone would take a sign for a digit: `+f`.
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $size:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $size]);

        impl $name {
            /// Size in bytes.
            pub const SIZE: usize = $size;

            /// Returns the bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }

            /// Returns the first eight hex digits, for people and logs.
            #[must_use]
            pub fn short(&self) -> String {
                to_hex(&self.0).chars().take(8).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&to_hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                from_hex(text)
                    .and_then(|bytes| <[u8; $size]>::try_from(bytes).ok())
                    .map(Self)
                    .ok_or_else(|| ParseIdError { expected: $size * 2, text: text.to_owned() })
            }
        }

        impl Encode for $name {
            fn encode(&self, writer: &mut Writer) {
                writer.array(&self.0);
            }
        }

        impl Decode for $name {
            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self(reader.array()?))
            }
        }
    };
}

id!(
    /// An account: BLAKE3 over its root and recovery public keys.
    AccountId, 32
);
id!(
    /// A device: its ed25519 public key, which is also its libp2p identity.
    DeviceId, 32
);
id!(
    /// The unit of replication, encryption and membership.
    SpaceId, 16
);
id!(
    /// One life of a device in one space; a new one begins after a restore.
    Incarnation, 16
);
id!(
    /// The log of one incarnation of a device in one space.
    LogId, 16
);
id!(
    /// An entry: BLAKE3 over its header and ciphertext.
    EntryId, 32
);
id!(
    /// A roster operation: BLAKE3 over its signed bytes.
    OpId, 32
);
id!(
    /// An epoch of the content key: the id of the operation that made it.
    EpochId, 32
);
id!(
    /// A record: keyed BLAKE3 over its category and uid.
    RecordId, 16
);
id!(
    /// An automerge actor, derived from a log and a record.
    ActorId, 16
);
id!(
    /// An automerge change: SHA-256 over its bytes.
    ChangeHash, 32
);
id!(
    /// A sealed chunk: BLAKE3 over its ciphertext.
    ChunkId, 32
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_survives_its_text_form() {
        let id = RecordId([0xab; 16]);
        assert_eq!(id.to_string().parse::<RecordId>(), Ok(id));
        assert_eq!(id.short(), "abababab");
    }

    #[test]
    fn a_wrong_text_is_no_id() {
        for text in ["", "ab", "zz".repeat(16).as_str(), "é".repeat(16).as_str()] {
            assert!(text.parse::<RecordId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_sign_is_no_hex_digit() {
        for text in ["+f", "-f", "0+", " f", "0x"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
        assert!("+a".repeat(16).parse::<RecordId>().is_err());
    }

    #[test]
    fn hex_is_as_others_write_it() {
        for (bytes, text) in [(&[][..], ""), (&[0][..], "00"), (&[0x0f, 0xf0, 0xff][..], "0ff0ff")]
        {
            assert_eq!(to_hex(bytes), text);
            assert_eq!(from_hex(text).as_deref(), Some(bytes));
        }
        for text in ["0", "abc", "gg", "é", "aé0"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn a_refusal_names_the_text_and_the_length_it_wanted() {
        let refused = "xyz".parse::<DeviceId>().unwrap_err();
        assert_eq!(refused, ParseIdError { expected: 64, text: "xyz".into() });
        assert_eq!(refused.to_string(), "not an identifier of 64 hex digits: \"xyz\"");
    }

    #[test]
    fn an_id_shows_its_kind_and_its_beginning_only() {
        assert_eq!(format!("{:?}", ChunkId([0xcd; 32])), "ChunkId(cdcdcdcd)");
        assert_eq!(ChunkId([0xcd; 32]).to_string(), "cd".repeat(32));
    }

    #[test]
    fn ids_have_no_length_on_the_wire_and_order_as_their_bytes() {
        let (small, large) = (SpaceId([1; 16]), SpaceId([2; 16]));
        assert_eq!(small.to_bytes(), [1; 16]);
        assert!(small < large && small.to_string() < large.to_string());
        assert_eq!(small.as_bytes(), &[1; 16]);
    }

    #[test]
    fn sizes_are_frozen() {
        let long = [
            AccountId::SIZE,
            DeviceId::SIZE,
            EntryId::SIZE,
            OpId::SIZE,
            EpochId::SIZE,
            ChangeHash::SIZE,
            ChunkId::SIZE,
        ];
        let short = [SpaceId::SIZE, Incarnation::SIZE, LogId::SIZE, RecordId::SIZE, ActorId::SIZE];
        assert_eq!((long, short), ([32; 7], [16; 5]));
    }

    proptest! {
        #[test]
        fn any_id_survives_text_and_bytes(bytes in any::<[u8; 32]>()) {
            let id = EntryId(bytes);
            prop_assert_eq!(id.to_string().parse::<EntryId>(), Ok(id));
            prop_assert_eq!(EntryId::from_bytes(&id.to_bytes()), Ok(id));
            prop_assert!(id.to_string().starts_with(&id.short()));
        }

        #[test]
        fn what_is_read_as_hex_is_written_so(text in "[0-9a-fA-F+ -]{0,8}") {
            if let Some(bytes) = from_hex(&text) {
                prop_assert_eq!(to_hex(&bytes), text.to_ascii_lowercase());
            }
        }
    }
}
