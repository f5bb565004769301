//! Sealing under a shared key, and wrapping to somebody's public key.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use heirloom_base::AccountId;
use hkdf::Hkdf;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use sha2::Sha256;
use std::convert::Infallible;
use std::fmt;
use zeroize::Zeroizing;

/// What sealing adds to a plaintext, in bytes.
pub const TAG_BYTES: usize = 16;

/// What wrapping adds to a plaintext: the suite, the encapsulated key, the tag.
pub const WRAP_BYTES: usize = 1 + 32 + TAG_BYTES;

/// The suite of a wrap: X25519-HKDF-SHA256, HKDF-SHA256, ChaCha20-Poly1305.
const SUITE_X25519: u8 = 1;

/// The key does not open the bytes, or they were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed bytes do not open under this key")]
pub struct OpenError;

/// Seals `plaintext` with XChaCha20-Poly1305; `aad` is covered but not included.
#[must_use]
pub fn seal(key: &[u8; 32], nonce: &[u8; 24], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    XChaCha20Poly1305::new(&Key::from(*key))
        .encrypt(&XNonce::from(*nonce), Payload { msg: plaintext, aad })
        .expect("no plaintext of ours comes near the cipher's limit of 256 GiB")
}

/// Opens what [`seal`] made.
///
/// # Errors
/// [`OpenError`].
pub fn open(
    key: &[u8; 32],
    nonce: &[u8; 24],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, OpenError> {
    XChaCha20Poly1305::new(&Key::from(*key))
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad })
        .map_err(|_| OpenError)
}

/// What a wrap is for: it opens for the same account, purpose and context only.
#[derive(Debug, Clone, Copy)]
pub struct Purpose<'a> {
    /// The account.
    pub account: AccountId,
    /// The name of the purpose.
    pub name: &'a str,
    /// What the wrapped key belongs to.
    pub context: &'a [u8],
}

impl Purpose<'_> {
    fn hpke_info(&self) -> Vec<u8> {
        [b"heirloom/v1/wrap/", self.name.as_bytes(), b"\0", &self.account.0].concat()
    }
}

/// Wraps `plaintext` to the holder of `public_key` (HPKE, RFC 9180, base mode);
/// `random` must be fresh. Returns `None` for a public key that no honest
/// device has.
#[must_use]
pub fn wrap(
    public_key: &[u8; 32],
    purpose: &Purpose<'_>,
    plaintext: &[u8],
    random: &[u8; 32],
) -> Option<Vec<u8>> {
    let key = <X25519HkdfSha256 as hpke::Kem>::PublicKey::from_bytes(public_key).ok()?;
    let (encapsulated, sealed) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &key,
            &purpose.hpke_info(),
            plaintext,
            purpose.context,
            &mut SeededRandom::new(random, "wrap"),
        )
        .ok()?;
    Some([&[SUITE_X25519], encapsulated.to_bytes().as_slice(), &sealed].concat())
}

/// Opens what [`wrap`] made to the public half of a derived secret.
pub(crate) fn unwrap(
    secret: &[u8; 32],
    purpose: &Purpose<'_>,
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let ([SUITE_X25519], rest) = wrapped.split_first_chunk().ok_or(OpenError)? else {
        return Err(OpenError);
    };
    let (encapsulated, sealed) = rest.split_first_chunk::<32>().ok_or(OpenError)?;
    let encapsulated = <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(encapsulated)
        .map_err(|_| OpenError)?;
    let (private, _) = X25519HkdfSha256::derive_keypair(secret);
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &private,
        &encapsulated,
        &purpose.hpke_info(),
        sealed,
        purpose.context,
    )
    .map(Zeroizing::new)
    .map_err(|_| OpenError)
}

/// Returns the public key to which is wrapped what `secret` shall open.
pub(crate) fn public_of(secret: &[u8; 32]) -> [u8; 32] {
    let (_, public) = X25519HkdfSha256::derive_keypair(secret);
    public.to_bytes().into()
}

/// Derives a secret from another (HKDF-SHA256) under `heirloom/v1/<label>`.
pub(crate) fn derive(secret: &[u8], label: &str) -> Zeroizing<[u8; 32]> {
    let mut derived = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, secret)
        .expand_multi_info(&[b"heirloom/v1/", label.as_bytes()], derived.as_mut())
        .expect("HKDF can expand to 32 bytes");
    derived
}

/// A stream of random bytes that is as unpredictable as its seed.
pub(crate) struct SeededRandom {
    reader: blake3::OutputReader,
}

impl SeededRandom {
    /// Returns the stream of a seed for one use.
    pub(crate) fn new(seed: &[u8; 32], label: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(seed);
        hasher.update(b"heirloom/v1/random/").update(label.as_bytes());
        Self { reader: hasher.finalize_xof() }
    }

    /// Returns the next bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.reader.fill(&mut bytes);
        bytes
    }
}

impl fmt::Debug for SeededRandom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SeededRandom").finish_non_exhaustive()
    }
}

impl TryRng for SeededRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.reader.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for SeededRandom {}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::id::to_hex;
    use proptest::prelude::*;

    fn purpose(context: &[u8]) -> Purpose<'_> {
        Purpose { account: AccountId([7; 32]), name: "test", context }
    }

    #[test]
    fn the_published_vector_of_the_cipher_holds() {
        // draft-irtf-cfrg-xchacha-03, appendix A.3.1
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + u8::try_from(at).unwrap());
        let nonce: [u8; 24] = std::array::from_fn(|at| 0x40 + u8::try_from(at).unwrap());
        let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let sealed = seal(&key, &nonce, &aad, text);
        assert_eq!(to_hex(&sealed[text.len()..]), "c0875924c1c7987947deafd8780acf49");
        assert_eq!(open(&key, &nonce, &aad, &sealed).unwrap(), text);
    }

    #[test]
    fn a_wrap_opens_for_its_recipient_account_purpose_and_context_only() {
        let secret = [3; 32];
        let wrapped = wrap(&public_of(&secret), &purpose(b"one"), b"secret", &[9; 32]).unwrap();
        assert_eq!(wrapped.len(), 6 + WRAP_BYTES);
        assert_eq!(*unwrap(&secret, &purpose(b"one"), &wrapped).unwrap(), b"secret");
        assert!(unwrap(&[4; 32], &purpose(b"one"), &wrapped).is_err());
        assert!(unwrap(&secret, &purpose(b"two"), &wrapped).is_err());
        let other = Purpose { name: "other", ..purpose(b"one") };
        assert!(unwrap(&secret, &other, &wrapped).is_err());
        let other = Purpose { account: AccountId([8; 32]), ..purpose(b"one") };
        assert!(unwrap(&secret, &other, &wrapped).is_err());
    }

    #[test]
    fn a_wrap_of_another_suite_or_a_short_one_does_not_open() {
        let mut wrapped = wrap(&public_of(&[3; 32]), &purpose(b""), b"x", &[9; 32]).unwrap();
        assert!(unwrap(&[3; 32], &purpose(b""), &wrapped[..20]).is_err());
        assert!(unwrap(&[3; 32], &purpose(b""), &[]).is_err());
        wrapped[0] = 2;
        assert!(unwrap(&[3; 32], &purpose(b""), &wrapped).is_err());
    }

    #[test]
    fn nothing_is_wrapped_to_a_weak_public_key() {
        assert_eq!(wrap(&[0; 32], &purpose(b""), b"x", &[9; 32]), None);
    }

    #[test]
    fn a_wrap_is_frozen() {
        let wrapped = wrap(&public_of(&[3; 32]), &purpose(b"one"), b"secret", &[9; 32]).unwrap();
        assert_eq!(
            to_hex(&wrapped),
            "01fa6ae7c91fd5d163d91167825feaa8280dbe8f09c5eb37ae6dfdeb285ff04700f107bd1878179be741d3a9f3156da57de20ba915984b"
        );
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_opens(
            text in prop::collection::vec(any::<u8>(), 0..64), at in any::<prop::sample::Index>(),
        ) {
            let mut sealed = seal(&[1; 32], &[2; 24], b"aad", &text);
            prop_assert_eq!(open(&[1; 32], &[2; 24], b"aad", &sealed), Ok(text));
            let at = at.index(sealed.len());
            sealed[at] ^= 1;
            prop_assert_eq!(open(&[1; 32], &[2; 24], b"aad", &sealed), Err(OpenError));
        }
    }
}
