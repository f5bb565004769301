//! The recovery phrase and the account's root keys, which derive from it.

use crate::seal::{self, OpenError, Purpose};
use crate::signed;
use crate::words::{self, UnknownWord};
use bip39::{Language, Mnemonic};
use ed25519_dalek::SigningKey;
use heirloom_base::{AccountId, hash};
use std::fmt;
use zeroize::Zeroizing;

/// The number of words of a phrase.
const WORDS: usize = 12;

/// Why a typed phrase is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// A word is not in the list.
    #[error("word {position} is not in the word list: {word:?}{}", did_you_mean(.suggestion.as_ref()))]
    UnknownWord {
        /// Its place, counted from 1.
        position: usize,
        /// The word as typed, in lower case.
        word: String,
        /// The nearest list word, where one is near.
        suggestion: Option<String>,
    },
    /// The number of words is not 12.
    #[error("a phrase has 12 words, not {0}")]
    WordCount(usize),
    /// Every word is in the list, but they do not belong together.
    #[error("the words do not belong together: one is wrong or two are swapped")]
    Checksum,
}

/// Returns the end of a message about a mistyped word.
pub(crate) fn did_you_mean(suggestion: Option<&String>) -> String {
    suggestion.map(|word| format!(", did you mean {word:?}")).unwrap_or_default()
}

impl From<UnknownWord> for PhraseError {
    fn from(unknown: UnknownWord) -> Self {
        let UnknownWord { position, word, suggestion } = unknown;
        Self::UnknownWord { position, word, suggestion }
    }
}

/// The recovery phrase: 12 BIP39 words (English list), their 128 bits used
/// directly. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Phrase {
    entropy: Zeroizing<[u8; 16]>,
}

impl Phrase {
    /// Makes the phrase of 16 random bytes.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 16]) -> Self {
        Self { entropy: Zeroizing::new(entropy) }
    }

    /// Reads a typed phrase; case and white space do not matter.
    ///
    /// # Errors
    /// Names the wrong word, the wrong count, or that the words do not belong together.
    pub fn parse(text: &str) -> Result<Self, PhraseError> {
        let text = Zeroizing::new(text.to_owned());
        let typed = Zeroizing::new(words::split(&text));
        if typed.len() != WORDS {
            return Err(PhraseError::WordCount(typed.len()));
        }
        let _places = Zeroizing::new(words::indices(&typed)?);
        let normal = Zeroizing::new(typed.join(" "));
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &normal)
            .map_err(|_| PhraseError::Checksum)?;
        let (padded, _) = mnemonic.to_entropy_array();
        let padded = Zeroizing::new(padded);
        let entropy = padded.first_chunk().copied().ok_or(PhraseError::Checksum)?;
        Ok(Self::from_entropy(entropy))
    }

    /// Returns the words, separated by single spaces.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        let mnemonic = Mnemonic::from_entropy_in(Language::English, &*self.entropy)
            .expect("16 bytes always make 12 words");
        Zeroizing::new(mnemonic.to_string())
    }

    /// Derives the account's root keys.
    #[must_use]
    pub fn root_keys(&self) -> RootKeys {
        let sign = seal::derive(&*self.entropy, "root-sign");
        RootKeys {
            signing: SigningKey::from_bytes(&sign),
            recovery: seal::derive(&*self.entropy, "root-recovery"),
        }
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Phrase").finish_non_exhaustive()
    }
}

/// The account's root: an ed25519 key that signs and an X25519 key to which
/// every epoch is wrapped. It lives in memory only to begin, recover or reset
/// an account.
#[derive(Clone)]
pub struct RootKeys {
    signing: SigningKey,
    recovery: Zeroizing<[u8; 32]>,
}

impl RootKeys {
    /// Returns the account of this root.
    #[must_use]
    pub fn account_id(&self) -> AccountId {
        account_id(&self.root_public(), &self.recovery_public())
    }

    /// Returns the public half of the signing key.
    #[must_use]
    pub fn root_public(&self) -> [u8; 32] {
        self.signing.verifying_key().to_bytes()
    }

    /// Returns the public half of the recovery encryption key.
    #[must_use]
    pub fn recovery_public(&self) -> [u8; 32] {
        seal::public_of(&self.recovery)
    }

    /// Signs `bytes` as `kind` for this account; see [`signed`].
    #[must_use]
    pub fn sign(&self, kind: &str, bytes: &[u8]) -> [u8; 64] {
        signed::sign(&self.signing, kind, self.account_id(), bytes)
    }

    pub(crate) fn unwrap(
        &self,
        purpose: &Purpose<'_>,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        seal::unwrap(&self.recovery, purpose, wrapped)
    }
}

impl fmt::Debug for RootKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RootKeys").finish_non_exhaustive()
    }
}

/// Returns the account that a root and a recovery public key make.
#[must_use]
pub fn account_id(root_public: &[u8; 32], recovery_public: &[u8; 32]) -> AccountId {
    AccountId(hash::content("account", &[root_public, recovery_public]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::id::{from_hex, to_hex};
    use proptest::prelude::*;

    #[test]
    fn the_published_vectors_hold() {
        for (entropy, words) in [
            (
                "00000000000000000000000000000000",
                "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
            ),
            (
                "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
                "legal winner thank year wave sausage worth useful legal winner thank yellow",
            ),
            (
                "80808080808080808080808080808080",
                "letter advice cage absurd amount doctor acoustic avoid letter advice cage above",
            ),
            (
                "ffffffffffffffffffffffffffffffff",
                "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
            ),
            (
                "9e885d952ad362caeb4efe34a8e91bd2",
                "ozone drill grab fiber curtain grace pudding thank cruise elder eight picnic",
            ),
            (
                "23db8160a31d3e0dca3688ed941adbf3",
                "cat swing flag economy stadium alone churn speed unique patch report train",
            ),
        ] {
            let bytes = from_hex(entropy).unwrap().try_into().unwrap();
            assert_eq!(*Phrase::from_entropy(bytes).words(), words);
            assert_eq!(*Phrase::parse(words).unwrap().entropy, bytes);
        }
    }

    #[test]
    fn case_and_white_space_do_not_matter() {
        let typed = "  Zoo ZOO zoo\nzoo\tzoo  zoo zoo zoo zoo zoo zoo Wrong\r\n";
        assert_eq!(*Phrase::parse(typed).unwrap().entropy, [255; 16]);
    }

    #[test]
    fn a_wrong_phrase_says_what_is_wrong() {
        let zoos = "zoo ".repeat(10);
        assert_eq!(Phrase::parse("zoo zoo").unwrap_err(), PhraseError::WordCount(2));
        assert_eq!(Phrase::parse("").unwrap_err(), PhraseError::WordCount(0));
        let twelve_zoos = format!("{zoos} zoo zoo");
        assert_eq!(Phrase::parse(&twelve_zoos).unwrap_err(), PhraseError::Checksum);
        let error = Phrase::parse(&format!("{zoos} zoo wronk")).unwrap_err();
        let wanted = PhraseError::UnknownWord {
            position: 12,
            word: "wronk".into(),
            suggestion: Some("wrong".into()),
        };
        assert_eq!(error, wanted);
        assert_eq!(
            error.to_string(),
            "word 12 is not in the word list: \"wronk\", did you mean \"wrong\""
        );
    }

    #[test]
    fn the_keys_of_a_phrase_are_frozen() {
        let keys = Phrase::from_entropy([0x7f; 16]).root_keys();
        assert_eq!(
            to_hex(&keys.root_public()),
            "14ed78371073f6f515b3a225505d78f8f00fdc9697295131ee51c32d922ad685"
        );
        assert_eq!(
            to_hex(&keys.recovery_public()),
            "94570eb2155ba7386c9ffca234653fcf6e8a37e57f5e8a1de6d6c5c1bfa2ba65"
        );
        assert_eq!(
            keys.account_id().to_string(),
            "e48dd3cce34bca6e5adb7988bb09505ef02265f62ca3514aff4e881704a8efd8"
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        let phrase = Phrase::from_entropy([0x7f; 16]);
        assert_eq!(format!("{phrase:?}"), "Phrase { .. }");
        assert_eq!(format!("{:?}", phrase.root_keys()), "RootKeys { .. }");
    }

    proptest! {
        #[test]
        fn every_phrase_is_read_back(entropy in any::<[u8; 16]>()) {
            let phrase = Phrase::from_entropy(entropy);
            prop_assert_eq!(*Phrase::parse(&phrase.words()).unwrap().entropy, entropy);
        }

        #[test]
        fn no_typed_text_panics(text in "\\PC{0,80}") {
            drop(Phrase::parse(&text));
        }
    }
}
