//! Writing operations: each function returns signed bytes, ready for
//! [`Roster::insert`].

use super::Roster;
use super::op::{
    AddDevice, Author, CUTS_MAX, EpochKeys, Genesis, Op, OpBody, PREDECESSORS_MAX, ResetMember,
    Revoke, RootReset,
};
use crate::keyring::{self, Keyring, commit_account_key, commit_epoch_key, seal_predecessor};
use crate::seal::{self, SeededRandom};
use crate::{Capabilities, DeviceKeys, RootKeys, signed};
use heirloom_base::{AccountId, DeviceId, Encode, EpochId, LogId, OpId, limits};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// Who signs an operation.
#[derive(Debug, Clone, Copy)]
pub enum Signer<'a> {
    /// A device.
    Device(&'a DeviceKeys),
    /// The root key.
    Root(&'a RootKeys),
}

/// A device that is to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// The device.
    pub id: DeviceId,
    /// Its public encryption key.
    pub encryption_public: [u8; 32],
    /// Its signature over that key: [`DeviceKeys::bind_encryption_key`].
    pub binding: [u8; 64],
    /// What it may do.
    pub capabilities: Capabilities,
    /// Its name.
    pub name: String,
}

impl NewDevice {
    /// Returns what there is to know about a device whose keys are at hand.
    #[must_use]
    pub fn of(
        device: &DeviceKeys,
        account: AccountId,
        capabilities: Capabilities,
        name: &str,
    ) -> Self {
        Self {
            id: device.id(),
            encryption_public: device.encryption_public(),
            binding: device.bind_encryption_key(account),
            capabilities,
            name: name.to_owned(),
        }
    }
}

/// What the root key states in a reset; every other known device is out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResetPlan {
    /// Known devices that stay, with what they may do.
    pub keep: BTreeMap<DeviceId, Capabilities>,
    /// A device that comes in.
    pub add: Option<NewDevice>,
    /// The cuts of the devices that are out: per log the last accepted entry.
    pub cuts: BTreeMap<DeviceId, BTreeMap<LogId, u64>>,
}

/// Begins an account with its first device: returns the three operations and
/// the keys that they hold.
#[must_use]
pub fn genesis(
    root: &RootKeys,
    device: &DeviceKeys,
    name: &str,
    capabilities: Capabilities,
    random: &[u8; 32],
) -> (Vec<Vec<u8>>, Keyring) {
    let account = root.account_id();
    let mut source = SeededRandom::new(random, "genesis");
    let mut keys = Keyring::begin(account, source.bytes());
    let begin = OpBody::Genesis(Genesis {
        root_public: root.root_public(),
        recovery_public: root.recovery_public(),
        account_key_commitment: commit_account_key(keys.account_key()),
    });
    let mut roster = Roster::new(account);
    let mut ops = vec![compose(&roster, Signer::Root(root), begin)];
    take(&mut roster, &ops[0]);
    let new = NewDevice::of(device, account, capabilities, name);
    ops.push(add_device(&roster, &keys, Signer::Root(root), &new, &source.bytes()));
    take(&mut roster, &ops[1]);
    let readers = recipients(&roster);
    let (epoch, key) = make_epoch(&roster, &keys, &readers, &source.bytes());
    ops.push(compose(&roster, Signer::Root(root), OpBody::Epoch(epoch)));
    keys.hold(EpochId(id_of(&ops[2]).0), key);
    (ops, keys)
}

/// Lets a device in. One that may read gets all content keys.
#[must_use]
pub fn add_device(
    roster: &Roster,
    keyring: &Keyring,
    signer: Signer<'_>,
    new: &NewDevice,
    random: &[u8; 32],
) -> Vec<u8> {
    let mut source = SeededRandom::new(random, "add-device");
    let sealed_name = keyring.seal_name(new.id, &new.name, &source.bytes());
    let mut wraps = BTreeMap::new();
    if new.capabilities.contains(Capabilities::READ) {
        for (epoch, keys) in tips(roster, keyring) {
            let purpose = keyring::purpose(roster.account(), &keys.commitment);
            let wrap = keyring.epoch_key(&epoch).and_then(|key| {
                let pair = keyring.pair(key);
                seal::wrap(&new.encryption_public, &purpose, &pair, &source.bytes())
            });
            if let Some(wrap) = wrap {
                wraps.insert(epoch, wrap);
            }
        }
    }
    let NewDevice { id: device, encryption_public, binding, capabilities, .. } = *new;
    let add = AddDevice { device, encryption_public, binding, capabilities, sealed_name, wraps };
    compose(roster, signer, OpBody::AddDevice(add))
}

/// Changes what a device may do. After one was allowed to read, or no longer,
/// a new [`epoch`] is due.
#[must_use]
pub fn set_capabilities(
    roster: &Roster,
    signer: Signer<'_>,
    device: DeviceId,
    capabilities: Capabilities,
) -> Vec<u8> {
    compose(roster, signer, OpBody::SetCapabilities { device, capabilities })
}

/// Names a device.
#[must_use]
pub fn rename(
    roster: &Roster,
    keyring: &Keyring,
    signer: Signer<'_>,
    device: DeviceId,
    name: &str,
    random: &[u8; 32],
) -> Vec<u8> {
    let nonce = SeededRandom::new(random, "rename").bytes();
    let sealed = keyring.seal_name(device, name, &nonce);
    compose(roster, signer, OpBody::Name { device, sealed })
}

/// Takes a device out and makes the next epoch, which it does not get. Of its
/// logs, `cuts` names the last accepted entry; at most [`CUTS_MAX`] count, the
/// longest logs first.
#[must_use]
pub fn revoke(
    roster: &Roster,
    keyring: &Keyring,
    signer: Signer<'_>,
    device: DeviceId,
    cuts: &BTreeMap<LogId, u64>,
    random: &[u8; 32],
) -> Vec<u8> {
    let mut readers = recipients(roster);
    readers.remove(&device);
    let (epoch, _) = make_epoch(roster, keyring, &readers, random);
    let revoke = Revoke { device, cuts: longest(cuts), epoch: Some(epoch) };
    compose(roster, signer, OpBody::Revoke(revoke))
}

/// Makes a new content key for all who may read.
#[must_use]
pub fn epoch(roster: &Roster, keyring: &Keyring, signer: Signer<'_>, random: &[u8; 32]) -> Vec<u8> {
    let (epoch, _) = make_epoch(roster, keyring, &recipients(roster), random);
    compose(roster, signer, OpBody::Epoch(epoch))
}

/// Accepts entries of a revoked device up to the given ones.
#[must_use]
pub fn accept(
    roster: &Roster,
    signer: Signer<'_>,
    device: DeviceId,
    cuts: &BTreeMap<LogId, u64>,
) -> Vec<u8> {
    compose(roster, signer, OpBody::Accept { device, cuts: longest(cuts) })
}

/// States the whole roster anew, whatever any device said.
#[must_use]
pub fn root_reset(
    roster: &Roster,
    keyring: &Keyring,
    root: &RootKeys,
    plan: &ResetPlan,
    random: &[u8; 32],
) -> Vec<u8> {
    let mut source = SeededRandom::new(random, "root-reset");
    let (mut members, mut revoked) = (BTreeMap::new(), BTreeMap::new());
    for (device, known) in &roster.state().devices {
        if let Some(capabilities) = plan.keep.get(device) {
            let (encryption_public, sealed_name) =
                (known.encryption_public, known.sealed_name.clone());
            let capabilities = *capabilities;
            members.insert(*device, ResetMember { encryption_public, capabilities, sealed_name });
        } else {
            let cuts = plan.cuts.get(device).map(longest).unwrap_or_default();
            revoked.insert(*device, cuts);
        }
    }
    if let Some(new) = &plan.add {
        let sealed_name = keyring.seal_name(new.id, &new.name, &source.bytes());
        let NewDevice { encryption_public, capabilities, .. } = *new;
        revoked.remove(&new.id);
        members.insert(new.id, ResetMember { encryption_public, capabilities, sealed_name });
    }
    let readers = members
        .iter()
        .filter(|(_, member)| member.capabilities.contains(Capabilities::READ))
        .map(|(device, member)| (*device, member.encryption_public))
        .collect();
    let (epoch, _) = make_epoch(roster, keyring, &readers, &source.bytes());
    let mut reset = RootReset { members, revoked: BTreeMap::new(), epoch };
    let room = limits::ROSTER_OP_BYTES_MAX - RESET_HEAD_BYTES;
    reset.revoked = those_who_wrote_most(revoked, room.saturating_sub(reset.to_bytes().len()));
    compose(roster, Signer::Root(root), OpBody::RootReset(reset))
}

/// Room for what stands around the body of a reset.
const RESET_HEAD_BYTES: usize = 1_024;

/// Returns of devices that are out those that fit into so many bytes, those
/// that wrote the most first: who is not listed is out as well, and only its
/// entries do not count.
fn those_who_wrote_most(
    revoked: BTreeMap<DeviceId, BTreeMap<LogId, u64>>,
    bytes_max: usize,
) -> BTreeMap<DeviceId, BTreeMap<LogId, u64>> {
    let mut revoked: Vec<_> = revoked.into_iter().collect();
    let written = |cuts: &BTreeMap<LogId, u64>| cuts.values().copied().fold(0, u64::saturating_add);
    revoked.sort_by_key(|(device, cuts)| (std::cmp::Reverse(written(cuts)), *device));
    let mut room = bytes_max;
    revoked.retain(|(_, cuts)| {
        let size = 32 + 4 + cuts.len() * (16 + 8);
        let fits = size <= room;
        room -= if fits { size } else { 0 };
        fits
    });
    revoked.into_iter().collect()
}

fn take(roster: &mut Roster, bytes: &[u8]) {
    roster.insert(bytes).expect("an account's own beginning is well formed");
}

fn id_of(bytes: &[u8]) -> OpId {
    signed::id(bytes)
}

/// Signs an operation on top of all that is known.
pub(crate) fn compose(roster: &Roster, signer: Signer<'_>, body: OpBody) -> Vec<u8> {
    let parents = parents(roster);
    let known = parents.iter().filter_map(|id| roster.op(id)).map(|op| op.generation).max();
    let step = u32::from(matches!(body, OpBody::RootReset(_)));
    let generation = known.unwrap_or(0) + step;
    let author = match signer {
        Signer::Device(device) => Author::Device(device.id()),
        Signer::Root(_) => Author::Root,
    };
    sign(roster.account(), signer, &Op { author, generation, parents, body })
}

/// Signs an operation as it stands.
pub(crate) fn sign(account: AccountId, signer: Signer<'_>, op: &Op) -> Vec<u8> {
    let mut bytes = op.to_bytes();
    let signature = match signer {
        Signer::Device(device) => device.sign(signed::ROSTER_OP, account, &bytes),
        Signer::Root(root) => root.sign(signed::ROSTER_OP, &bytes),
    };
    bytes.extend_from_slice(&signature);
    bytes
}

/// Returns the heads; if there are too many, those that bring the most of what
/// others signed, so that nobody who signs many can keep out anything else.
fn parents(roster: &Roster) -> Vec<OpId> {
    let mut heads = roster.heads();
    if heads.len() > limits::ROSTER_PARENTS_MAX {
        heads = roster.fullest_heads(limits::ROSTER_PARENTS_MAX);
    }
    heads.sort_unstable();
    heads
}

fn recipients(roster: &Roster) -> BTreeMap<DeviceId, [u8; 32]> {
    let state = roster.state();
    let readers: BTreeSet<DeviceId> = state.read_devices();
    let members = state.devices.iter().filter(|(device, _)| readers.contains(device));
    members.map(|(device, member)| (*device, member.encryption_public)).collect()
}

/// Returns the epochs that hand on all others, within what the next operation
/// builds on.
fn tips<'a>(roster: &'a Roster, keyring: &Keyring) -> BTreeMap<EpochId, &'a EpochKeys> {
    let candidates = roster.epochs_within(&parents(roster));
    let tips = keyring.tips(&candidates);
    let mut tips: Vec<(EpochId, &EpochKeys)> =
        candidates.into_iter().filter(|(epoch, _)| tips.contains(epoch)).collect();
    tips.sort_by_key(|(epoch, _)| std::cmp::Reverse(roster.rank(&OpId(epoch.0))));
    tips.truncate(PREDECESSORS_MAX);
    tips.into_iter().collect()
}

fn make_epoch(
    roster: &Roster,
    keyring: &Keyring,
    readers: &BTreeMap<DeviceId, [u8; 32]>,
    random: &[u8; 32],
) -> (EpochKeys, Zeroizing<[u8; 32]>) {
    let mut source = SeededRandom::new(random, "epoch");
    let key = Zeroizing::new(source.bytes::<32>());
    let commitment = commit_epoch_key(&key);
    let purpose = keyring::purpose(roster.account(), &commitment);
    let pair = keyring.pair(&key);
    let mut wraps = BTreeMap::new();
    for (device, public) in readers.iter().take(limits::DEVICES_MAX) {
        if let Some(wrap) = seal::wrap(public, &purpose, &pair, &source.bytes()) {
            wraps.insert(*device, wrap);
        }
    }
    let recovery = roster.state().recovery_public;
    let recovery_wrap =
        recovery.and_then(|public| seal::wrap(&public, &purpose, &pair, &source.bytes()));
    let mut predecessors = BTreeMap::new();
    for epoch in tips(roster, keyring).into_keys() {
        if let Some(earlier) = keyring.epoch_key(&epoch) {
            let sealed = seal_predecessor(roster.account(), &key, epoch, earlier);
            predecessors.insert(epoch, sealed);
        }
    }
    let recovery_wrap = recovery_wrap.unwrap_or_default();
    (EpochKeys { commitment, wraps, recovery_wrap, predecessors }, key)
}

fn longest(cuts: &BTreeMap<LogId, u64>) -> BTreeMap<LogId, u64> {
    let mut longest: Vec<(LogId, u64)> = cuts.iter().map(|(log, seq)| (*log, *seq)).collect();
    longest.sort_by_key(|(log, seq)| (std::cmp::Reverse(*seq), *log));
    longest.truncate(CUTS_MAX);
    longest.into_iter().collect()
}
