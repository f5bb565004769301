//! Signatures that mean one thing only.
//!
//! Every signature covers `heirloom/v1/<kind>`, a zero byte, the account's id
//! and the bytes as received; nothing is encoded anew before it is checked.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use heirloom_base::{AccountId, Decode, DecodeError, OpId, hash};

/// The kind of a roster operation's signature.
pub const ROSTER_OP: &str = "roster-op";
/// The kind of an entry's signature.
pub const ENTRY: &str = "entry";
/// The kind of a receipt's signature.
pub const RECEIPT: &str = "receipt";
/// The kind of a proof that the signer holds the root key.
pub const ROOT_PROOF: &str = "root-proof";
/// The kind of a device's word that an encryption key is its own.
pub const DEVICE_KEY: &str = "device-key";

/// Size of a signature in bytes.
pub const SIGNATURE_BYTES: usize = 64;

/// A signature is not by the stated key over these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not by the stated key")]
pub struct SignatureError;

pub(crate) fn sign(key: &SigningKey, kind: &str, account: AccountId, bytes: &[u8]) -> [u8; 64] {
    key.sign(&message(kind, account, bytes)).to_bytes()
}

/// Checks that `public_key` signed `bytes` as `kind` for `account`.
///
/// # Errors
/// [`SignatureError`], also for a weak or malformed key.
pub fn verify(
    kind: &str,
    account: AccountId,
    public_key: &[u8; 32],
    bytes: &[u8],
    signature: &[u8; 64],
) -> Result<(), SignatureError> {
    let key = VerifyingKey::from_bytes(public_key).map_err(|_| SignatureError)?;
    key.verify_strict(&message(kind, account, bytes), &Signature::from_bytes(signature))
        .map_err(|_| SignatureError)
}

fn message(kind: &str, account: AccountId, bytes: &[u8]) -> Vec<u8> {
    [b"heirloom/v1/", kind.as_bytes(), b"\0", &account.0, bytes].concat()
}

/// A value with the bytes it was read from and a signature nobody checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    value: T,
    bytes: Vec<u8>,
}

impl<T: Decode> Signed<T> {
    /// Reads a value that is followed by its signature.
    ///
    /// # Errors
    /// When there is no room for a signature or the value is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (body, _) = split(bytes).ok_or(DecodeError::Truncated)?;
        Ok(Self { value: T::from_bytes(body)?, bytes: bytes.to_vec() })
    }
}

impl<T> Signed<T> {
    /// Returns the value, which nobody may believe yet.
    #[must_use]
    pub fn unverified(&self) -> &T {
        &self.value
    }

    /// Returns the hash of the signed bytes, without the signature.
    #[must_use]
    pub fn id(&self) -> OpId {
        id(&self.bytes)
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(
        self,
        kind: &str,
        account: AccountId,
        public_key: &[u8; 32],
    ) -> Result<Verified<T>, SignatureError> {
        let (body, signature) = split(&self.bytes).ok_or(SignatureError)?;
        verify(kind, account, public_key, body, signature)?;
        Ok(Verified { value: self.value, bytes: self.bytes })
    }
}

/// A value whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    bytes: Vec<u8>,
}

impl<T> Verified<T> {
    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Returns the bytes as received, with the signature.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the hash of the signed bytes, without the signature.
    #[must_use]
    pub fn id(&self) -> OpId {
        id(&self.bytes)
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8; SIGNATURE_BYTES])> {
    bytes.split_last_chunk()
}

/// Returns the hash of signed bytes without their signature.
pub(crate) fn id(bytes: &[u8]) -> OpId {
    OpId(hash::plain(split(bytes).map_or(bytes, |(body, _)| body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceKeys;
    use heirloom_base::{Encode, RecordId};

    const ACCOUNT: AccountId = AccountId([7; 32]);

    #[test]
    fn a_signature_holds_for_its_kind_account_key_and_bytes_only() {
        let (keys, other) = (DeviceKeys::from_seed([1; 32]), DeviceKeys::from_seed([2; 32]));
        let signature = keys.sign(ENTRY, ACCOUNT, b"bytes");
        let key = keys.id().0;
        assert_eq!(verify(ENTRY, ACCOUNT, &key, b"bytes", &signature), Ok(()));
        for refused in [
            verify(RECEIPT, ACCOUNT, &key, b"bytes", &signature),
            verify(ENTRY, AccountId([8; 32]), &key, b"bytes", &signature),
            verify(ENTRY, ACCOUNT, &other.id().0, b"bytes", &signature),
            verify(ENTRY, ACCOUNT, &key, b"bytez", &signature),
            verify(ENTRY, ACCOUNT, &key, b"bytes", &[0; 64]),
        ] {
            assert_eq!(refused, Err(SignatureError));
        }
    }

    #[test]
    fn a_weak_key_signs_nothing() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(verify(ENTRY, ACCOUNT, &identity_point, b"any", &signature).is_err());
    }

    #[test]
    fn a_signed_value_becomes_verified_only_under_its_key() {
        let keys = DeviceKeys::from_seed([1; 32]);
        let mut bytes = RecordId([5; 16]).to_bytes();
        let signature = keys.sign(ENTRY, ACCOUNT, &bytes);
        bytes.extend_from_slice(&signature);
        let signed = Signed::<RecordId>::parse(&bytes).unwrap();
        assert!(signed.clone().verify(ENTRY, ACCOUNT, &[3; 32]).is_err());
        let verified = signed.verify(ENTRY, ACCOUNT, &keys.id().0).unwrap();
        assert_eq!(verified.value(), &RecordId([5; 16]));
        assert_eq!(verified.bytes(), bytes);
        assert_eq!(verified.id().0, hash::plain(&[5; 16]));
        assert!(Signed::<RecordId>::parse(&bytes[1..]).is_err());
        assert!(Signed::<RecordId>::parse(&bytes[..63]).is_err());
    }
}
