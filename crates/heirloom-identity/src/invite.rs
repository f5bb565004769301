//! An invite: two independent one-time secrets by which one new device comes in.

use crate::Role;
use crate::phrase::did_you_mean;
use crate::seal::{self, SeededRandom};
use crate::words::{self, UnknownWord};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom_base::{
    AccountId, Decode, DecodeError, DeviceId, Encode, Reader, Writer, hash, limits,
};
use std::fmt;
use zeroize::Zeroizing;

/// What every link begins with.
pub const LINK_PREFIX: &str = "heirloom:";
/// Addresses that one link carries.
pub const ADDRESSES_MAX: usize = 16;
/// Size of one address.
pub const ADDRESS_BYTES_MAX: usize = 512;

const LINK_VERSION: u8 = 1;
const WORDS: usize = 6;
const CHECK_BYTES: usize = 4;

/// Everything an invite is made of.
#[derive(Debug, Clone)]
pub struct InvitePlan {
    /// Fresh random bytes.
    pub random: [u8; 32],
    /// The account.
    pub account: AccountId,
    /// The device that shows the invite.
    pub device: DeviceId,
    /// Where it can be reached; at most [`ADDRESSES_MAX`] go into the link.
    pub addresses: Vec<String>,
    /// What the new device will be.
    pub role: Role,
    /// How long the invite holds, in milliseconds.
    pub ttl_ms: u64,
    /// The time, by a clock that only goes forward.
    pub now_mono_ms: u64,
}

/// How an invite stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteState {
    /// It can be used.
    Open {
        /// Wrong tries until it burns.
        tries_left: usize,
    },
    /// A device came in by it.
    Used,
    /// Too many wrong tries.
    Burned,
    /// Its time is over.
    Expired,
}

/// An open invite, as the inviting device keeps it. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Invite {
    link: LinkCode,
    words: Zeroizing<[u16; WORDS]>,
    expires_ms: u64,
    tries_left: usize,
    /// Who came in by it.
    used_by: Option<DeviceId>,
}

impl Invite {
    /// Opens an invite.
    #[must_use]
    pub fn new(plan: InvitePlan) -> Self {
        let mut source = SeededRandom::new(&plan.random, "invite");
        let secret = Zeroizing::new(source.bytes::<16>());
        // The words come from other bytes of the stream than the link's secret.
        let words =
            Zeroizing::new(std::array::from_fn(|_| u16::from_le_bytes(source.bytes()) % 2048));
        let mut addresses = plan.addresses;
        addresses.retain(|address| address.len() <= ADDRESS_BYTES_MAX);
        addresses.truncate(ADDRESSES_MAX);
        let (account, device, role) = (plan.account, plan.device, plan.role);
        Self {
            link: LinkCode { account, device, role, addresses, secret },
            words,
            expires_ms: plan.now_mono_ms.saturating_add(plan.ttl_ms),
            tries_left: limits::PAIRING_TRIES_MAX,
            used_by: None,
        }
    }

    /// Returns the link, for a QR code or a message.
    #[must_use]
    pub fn link(&self) -> String {
        let mut bytes = vec![LINK_VERSION];
        bytes.extend_from_slice(&self.link.to_bytes());
        bytes.extend_from_slice(&check(&bytes));
        format!("{LINK_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Returns the six words, for people who type.
    #[must_use]
    pub fn words(&self) -> String {
        self.words.map(words::word).join(" ")
    }

    /// Returns what the new device will be.
    #[must_use]
    pub fn role(&self) -> Role {
        self.link.role
    }

    /// Returns when the invite ends, by the clock it was opened with.
    #[must_use]
    pub fn expires_ms(&self) -> u64 {
        self.expires_ms
    }

    /// Returns how the invite stands.
    #[must_use]
    pub fn state(&self, now_mono_ms: u64) -> InviteState {
        if self.used_by.is_some() {
            InviteState::Used
        } else if self.tries_left == 0 {
            InviteState::Burned
        } else if now_mono_ms >= self.expires_ms {
            InviteState::Expired
        } else {
            InviteState::Open { tries_left: self.tries_left }
        }
    }

    pub(crate) fn mac_key(&self, kind: CodeKind) -> Zeroizing<[u8; 32]> {
        match kind {
            CodeKind::Link => link_key(&self.link.secret),
            CodeKind::Words => words_key(&self.words),
        }
    }

    /// Returns whether a device can use it: also the one that came in by it, whose
    /// disk may have lost the grant.
    pub(crate) fn state_for(&self, device: DeviceId, now_mono_ms: u64) -> InviteState {
        if self.used_by == Some(device) && now_mono_ms < self.expires_ms {
            return InviteState::Open { tries_left: self.tries_left };
        }
        self.state(now_mono_ms)
    }

    /// Ends both secrets for all but the device that came in by one.
    pub(crate) fn use_up(&mut self, device: DeviceId) {
        self.used_by = Some(device);
    }

    /// Counts a wrong try; returns how many are left.
    pub(crate) fn count_wrong_try(&mut self) -> usize {
        self.tries_left = self.tries_left.saturating_sub(1);
        self.tries_left
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Invite")
            .field("role", &self.link.role)
            .field("expires_ms", &self.expires_ms)
            .field("tries_left", &self.tries_left)
            .field("used_by", &self.used_by)
            .finish_non_exhaustive()
    }
}

/// Which of an invite's secrets is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeKind {
    Link,
    Words,
}

/// What a person typed, scanned or clicked.
#[derive(Debug, Clone)]
pub enum Code {
    /// A link: it says where to go.
    Link(LinkCode),
    /// Six words: the inviting device has to be found.
    Words(WordsCode),
}

/// What a link carries.
#[derive(Clone)]
pub struct LinkCode {
    /// The account.
    pub account: AccountId,
    /// The device that showed the invite.
    pub device: DeviceId,
    /// What the new device will be.
    pub role: Role,
    /// Where the inviting device can be reached.
    pub addresses: Vec<String>,
    secret: Zeroizing<[u8; 16]>,
}

/// What six words carry.
#[derive(Clone)]
pub struct WordsCode {
    words: Zeroizing<[u16; WORDS]>,
}

/// Why a typed code is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
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
    /// The number of words is not six.
    #[error("an invite has 6 words, not {0}")]
    WordCount(usize),
    /// The link is cut short or mistyped.
    #[error("the link is damaged: copy all of it")]
    DamagedLink,
    /// The link was made by a newer version.
    #[error("the link is of version {0}, which is newer than this program")]
    NewerLink(u8),
}

impl From<UnknownWord> for CodeError {
    fn from(unknown: UnknownWord) -> Self {
        let UnknownWord { position, word, suggestion } = unknown;
        Self::UnknownWord { position, word, suggestion }
    }
}

impl From<DecodeError> for CodeError {
    fn from(_: DecodeError) -> Self {
        Self::DamagedLink
    }
}

/// Reads a link or six words; case (of words) and white space do not matter.
///
/// # Errors
/// Names the wrong word, the wrong count, or what is wrong with the link.
pub fn parse_code(text: &str) -> Result<Code, CodeError> {
    let text = text.trim();
    let beginning = text.get(..LINK_PREFIX.len());
    if beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(LINK_PREFIX)) {
        return parse_link(&text[LINK_PREFIX.len()..]).map(Code::Link);
    }
    let typed = Zeroizing::new(words::split(text));
    if typed.len() != WORDS {
        return Err(CodeError::WordCount(typed.len()));
    }
    let places = Zeroizing::new(words::indices(&typed)?);
    let words = places.as_slice().try_into().map_err(|_| CodeError::WordCount(places.len()))?;
    Ok(Code::Words(WordsCode { words: Zeroizing::new(words) }))
}

fn parse_link(text: &str) -> Result<LinkCode, CodeError> {
    let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CodeError::DamagedLink)?;
    let (body, found) = bytes.split_last_chunk().ok_or(CodeError::DamagedLink)?;
    if *found != check(body) {
        return Err(CodeError::DamagedLink);
    }
    match body.split_first() {
        Some((&LINK_VERSION, link)) => Ok(LinkCode::from_bytes(link)?),
        Some((version, _)) => Err(CodeError::NewerLink(*version)),
        None => Err(CodeError::DamagedLink),
    }
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    hash::truncate(hash::content("invite-link-check", &[bytes]))
}

fn link_key(secret: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    seal::derive(secret, "invite-link")
}

fn words_key(words: &[u16; WORDS]) -> Zeroizing<[u8; 32]> {
    let bytes: Zeroizing<Vec<u8>> =
        Zeroizing::new(words.iter().flat_map(|word| word.to_le_bytes()).collect());
    seal::derive(&bytes, "invite-words")
}

impl Code {
    pub(crate) fn kind(&self) -> CodeKind {
        match self {
            Self::Link(_) => CodeKind::Link,
            Self::Words(_) => CodeKind::Words,
        }
    }

    pub(crate) fn mac_key(&self) -> Zeroizing<[u8; 32]> {
        match self {
            Self::Link(link) => link_key(&link.secret),
            Self::Words(words) => words_key(&words.words),
        }
    }
}

impl Encode for LinkCode {
    fn encode(&self, writer: &mut Writer) {
        self.account.encode(writer);
        self.device.encode(writer);
        self.role.encode(writer);
        writer.array(self.secret.as_slice());
        writer.u8(u8::try_from(self.addresses.len()).expect("a link has at most 16 addresses"));
        for address in &self.addresses {
            writer.u16(u16::try_from(address.len()).expect("an address has at most 512 bytes"));
            writer.array(address.as_bytes());
        }
    }
}

impl Decode for LinkCode {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (account, device) = (AccountId::decode(reader)?, DeviceId::decode(reader)?);
        let (role, secret) = (Role::decode(reader)?, Zeroizing::new(reader.array()?));
        let count = usize::from(reader.u8()?);
        if count > ADDRESSES_MAX {
            return Err(DecodeError::TooLong { length: count, limit: ADDRESSES_MAX });
        }
        let mut addresses = Vec::with_capacity(count);
        for _ in 0..count {
            let length = usize::from(reader.u16()?);
            if length > ADDRESS_BYTES_MAX {
                return Err(DecodeError::TooLong { length, limit: ADDRESS_BYTES_MAX });
            }
            let text = std::str::from_utf8(reader.take(length)?);
            addresses.push(text.map_err(|_| DecodeError::NotText)?.to_owned());
        }
        Ok(Self { account, device, role, addresses, secret })
    }
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LinkCode")
            .field("account", &self.account)
            .field("device", &self.device)
            .field("role", &self.role)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WordsCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WordsCode").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
