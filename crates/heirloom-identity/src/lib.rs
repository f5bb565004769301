//! Who belongs to an account, and how they prove it: the phrase, account and
//! device keys, signatures, sealing, the roster, its keys, and pairing.
//!
//! It is not a network and not a store: every function is pure, random bytes
//! and times come in as arguments, and whatever must be kept goes out as
//! bytes.
//!
//! A walk: [`roster::genesis`] turns a [`Phrase`]'s [`RootKeys`] and the first
//! [`DeviceKeys`] into three signed operations. [`Roster::insert`] checks each
//! one as received ([`Signed`] becomes [`Verified`]), and
//! [`Roster::state`] judges the whole set: who is in, with which
//! [`Capabilities`], and under which epoch entries are sealed. A
//! [`Keyring`] opens the epochs' keys for one device. An [`Invite`] and a
//! [`Responder`] let a [`Joiner`] in; the phrase alone lets a [`Recoverer`] in.

pub mod capability;
pub mod device;
pub mod invite;
pub mod keyring;
mod map;
pub mod pairing;
pub mod phrase;
pub mod roster;
pub mod seal;
pub mod signed;
mod words;

pub use capability::{Capabilities, ParseRoleError, Role};
pub use device::DeviceKeys;
pub use invite::{Code, CodeError, Invite, InvitePlan, InviteState, parse_code};
pub use keyring::{Keyring, KeyringError};
pub use pairing::{Grant, Granting, Joiner, PairingError, Recoverer, Responder, Response, Step};
pub use phrase::{Phrase, PhraseError, RootKeys};
pub use roster::{
    Inserted, Member, NewDevice, ResetPlan, Roster, RosterError, RosterState, Signer, WriteVerdict,
};
pub use seal::OpenError;
pub use signed::{SignatureError, Signed, Verified};
