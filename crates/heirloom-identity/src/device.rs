//! A device's keys.

use crate::seal::{self, OpenError, Purpose};
use crate::signed;
use ed25519_dalek::SigningKey;
use heirloom_base::{AccountId, DeviceId};
use std::fmt;
use zeroize::Zeroizing;

/// A device's ed25519 key, which is also its network identity, and the X25519
/// key to which epochs are wrapped for it; both from one seed. Wiped from
/// memory when dropped.
#[derive(Clone)]
pub struct DeviceKeys {
    seed: Zeroizing<[u8; 32]>,
    signing: SigningKey,
    encryption: Zeroizing<[u8; 32]>,
}

impl DeviceKeys {
    /// Returns the keys of 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let encryption = seal::derive(&seed, "device-encryption");
        let signing = SigningKey::from_bytes(&seed);
        Self { seed: Zeroizing::new(seed), signing, encryption }
    }

    /// Returns the device's id: its ed25519 public key.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        DeviceId(self.signing.verifying_key().to_bytes())
    }

    /// Returns the public half of the encryption key.
    #[must_use]
    pub fn encryption_public(&self) -> [u8; 32] {
        seal::public_of(&self.encryption)
    }

    /// Returns the seed: the ed25519 secret key.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Signs `bytes` as `kind` for `account`; see [`signed`].
    #[must_use]
    pub fn sign(&self, kind: &str, account: AccountId, bytes: &[u8]) -> [u8; 64] {
        signed::sign(&self.signing, kind, account, bytes)
    }

    /// Signs that this device's encryption key is its own, so that nobody can
    /// bring it into `account` under another.
    #[must_use]
    pub fn bind_encryption_key(&self, account: AccountId) -> [u8; 64] {
        self.sign(signed::DEVICE_KEY, account, &self.encryption_public())
    }

    pub(crate) fn unwrap(
        &self,
        purpose: &Purpose<'_>,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        seal::unwrap(&self.encryption, purpose, wrapped)
    }
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DeviceKeys").field("id", &self.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::id::to_hex;

    #[test]
    fn the_keys_of_a_seed_are_frozen() {
        let keys = DeviceKeys::from_seed([1; 32]);
        assert_eq!(
            keys.id().to_string(),
            "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
        );
        assert_eq!(
            to_hex(&keys.encryption_public()),
            "a5ac22faaae9f65fd2997f557d92790dce4bd141e5dfb4985dfdcfbbd999cd18"
        );
        assert_eq!(keys.seed(), &[1; 32]);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let keys = DeviceKeys::from_seed([1; 32]);
        assert_eq!(format!("{keys:?}"), format!("DeviceKeys {{ id: {:?}, .. }}", keys.id()));
    }
}
