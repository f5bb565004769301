//! The first frames of a folder: of a new account, or of a device that joined one.

use crate::local::{DamageMark, LocalState, Place};
use crate::node::FRAME_ROSTER;
use crate::storage::Frame;
use heirloom_base::{AccountId, Incarnation, hash};
use heirloom_identity::{DeviceKeys, Grant, Role, RootKeys, roster};

/// Returns the frames of a new account with its first device.
#[must_use]
pub fn found(
    root: &RootKeys,
    device: &DeviceKeys,
    name: &str,
    role: Role,
    random: [u8; 32],
) -> Vec<Frame> {
    let seed = hash::keyed(&random, "founding", &[b"roster"]);
    // The first device always lets others in, also when it is the keeper.
    let capabilities = Role::Member.capabilities() | role.capabilities();
    let (ops, _) = roster::genesis(root, device, name, capabilities, &seed);
    folder(root.account_id(), &random, ops)
}

/// Returns the frames of a device that was granted membership.
#[must_use]
pub fn joined(grant: &Grant, random: [u8; 32]) -> Vec<Frame> {
    let mut frames = folder(grant.account, &random, grant.ops.clone());
    for (device, addresses) in &grant.addresses {
        let route = LocalState::Route { device: *device, addresses: addresses.clone() };
        frames.push(route.to_frame());
    }
    frames
}

fn folder(account: AccountId, random: &[u8; 32], ops: Vec<Vec<u8>>) -> Vec<Frame> {
    let generation = Incarnation(hash::truncate(hash::keyed(random, "founding", &[b"generation"])));
    let own = [LocalState::Account(account), LocalState::Generation(generation)];
    let own = own.iter().map(LocalState::to_frame);
    let ops = ops.into_iter().map(|payload| Frame { kind: FRAME_ROSTER, payload });
    own.chain(ops).collect()
}

/// Returns the frame that states the account of a folder, where it was lost.
#[must_use]
pub fn stated(account: AccountId) -> Frame {
    LocalState::Account(account).to_frame()
}

/// Returns the frame that says where the folder lies: the last of the first frames.
#[must_use]
pub fn placed(place: Place) -> Frame {
    LocalState::Place(place).to_frame()
}

/// Returns the frames that begin another life of a folder's log, because the
/// log has lost something, or may have.
#[must_use]
pub fn reborn(random: [u8; 32], damage: Option<DamageMark>) -> Vec<Frame> {
    let fresh = |what: &[u8]| Incarnation(hash::truncate(hash::keyed(&random, "reborn", &[what])));
    let lives = [
        LocalState::Incarnation(fresh(b"incarnation")),
        LocalState::Generation(fresh(b"generation")),
    ];
    lives.into_iter().chain(damage.map(LocalState::Damage)).map(|state| state.to_frame()).collect()
}
