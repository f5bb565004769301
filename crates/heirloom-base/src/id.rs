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
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
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
}
