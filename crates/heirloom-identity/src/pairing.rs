//! `/heirloom/pair/1`: how a device comes in, by an invite or by the phrase.
//!
//! State machines without input or output of their own: bytes of one frame go
//! in, bytes of the next come out. The transport must have proven both device
//! ids; everything else is proven here.
//!
//! By invite: hello, challenge, the newcomer's proof (an HMAC over the whole
//! conversation), the inviter's proof, the grant. By phrase: hello, challenge,
//! a signature by the root key, the roster, the operation that lets the new
//! device in, the grant.

mod join;
mod message;
mod recover;
mod respond;

pub use join::Joiner;
pub use recover::Recoverer;
pub use respond::{Granting, Responder, Response};

use crate::roster::RosterError;
use crate::{KeyringError, Role};
use heirloom_base::{AccountId, DecodeError, DeviceId};
use message::Refusal;

/// Size of every frame but those that carry the roster.
pub const FRAME_BYTES_MAX: usize = 16 * 1024;
/// Size of a frame that carries the roster.
pub const GRANT_BYTES_MAX: usize = heirloom_base::limits::FRAME_BYTES_MAX;

/// What a new device gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The account.
    pub account: AccountId,
    /// The roster: signed operations, parents first.
    pub ops: Vec<Vec<u8>>,
    /// What the new device is.
    pub role: Role,
    /// Where other devices can be reached.
    pub addresses: Vec<(DeviceId, Vec<String>)>,
}

/// What the new device does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this frame, then wait for the next one.
    Send(Vec<u8>),
    /// Wait for the next frame.
    Wait,
    /// The device is in; keep the grant.
    Done(Box<Grant>),
    /// It came to nothing.
    Failed(PairingError),
}

/// Why a pairing came to nothing, as the new device sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// The other side closed the conversation without a reason.
    #[error("the other device ended the pairing")]
    Closed,
    /// The invite's time is over.
    #[error("the invite has expired: open a new one on the other device")]
    Expired,
    /// A device came in by this invite already.
    #[error("the invite was used already: every new device needs its own")]
    UsedUp,
    /// Too many wrong tries.
    #[error("the invite was burned by too many wrong codes: open a new one")]
    Burned,
    /// No invite is open there.
    #[error("the other device has no open invite")]
    NoInvite,
    /// The code is wrong.
    #[error("the code is wrong{}", few_tries(*.tries_left))]
    WrongCode {
        /// Tries that are left before the invite burns; 255 for more.
        tries_left: u8,
    },
    /// The link is for an account to which the other device does not belong.
    #[error("the other device belongs to another account than the link")]
    WrongAccount,
    /// The link was shown by another device.
    #[error("the link is for device {expected:?}, but {found:?} answered")]
    WrongDevice {
        /// The device that showed it.
        expected: DeviceId,
        /// The device that answered.
        found: DeviceId,
    },
    /// The other device belongs to another account than the phrase.
    #[error("the other device belongs to another account than this phrase")]
    NotThisAccount,
    /// The other side did not prove that it knows the code.
    #[error("the other device does not know the code: it is not the one that shows the invite")]
    Impostor,
    /// The two speak no common version.
    #[error("the other device speaks another version: update the older one")]
    Version,
    /// The other side was busy or could not do its part.
    #[error("the other device could not finish the pairing")]
    Unable,
    /// A frame was not understood.
    #[error("the other device sent something that is not part of a pairing")]
    Form(#[from] DecodeError),
    /// A frame came at the wrong time.
    #[error("the other device answered out of turn")]
    OutOfTurn,
    /// The roster that was granted does not hold.
    #[error("the roster from the other device does not hold")]
    Roster(#[from] RosterError),
    /// The roster that was granted does not let this device in as promised.
    #[error("the roster from the other device does not contain this device")]
    NotGranted,
    /// This device's key was let in before, and taken out: it comes back with
    /// another one.
    #[error("this device was taken out of the account: it comes back with a new key")]
    TakenOut,
    /// The phrase opens no key of the account.
    #[error("the phrase opens no key of the account")]
    Keys(#[from] KeyringError),
}

/// Says how many tries are left where somebody who types could use them up.
fn few_tries(left: u8) -> String {
    const FEW: u8 = 10;
    if left > FEW { String::new() } else { format!(": tries left before the invite burns: {left}") }
}

impl From<Refusal> for PairingError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Expired => Self::Expired,
            Refusal::UsedUp => Self::UsedUp,
            Refusal::Burned => Self::Burned,
            Refusal::NoInvite => Self::NoInvite,
            Refusal::WrongCode { tries_left } => Self::WrongCode { tries_left },
            Refusal::NotThisAccount => Self::NotThisAccount,
            Refusal::Version => Self::Version,
            Refusal::Unable => Self::Unable,
        }
    }
}

#[cfg(test)]
mod tests;
