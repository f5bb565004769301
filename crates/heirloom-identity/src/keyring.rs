//! The content keys that one device, or the recovery phrase, can open.

use crate::roster::op::{EpochKeys, OpBody};
use crate::roster::{Roster, RosterState};
use crate::seal::{self, OpenError, Purpose};
use crate::{DeviceKeys, RootKeys};
use heirloom_base::{AccountId, DeviceId, EpochId, Reader, Writer, hash};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use zeroize::Zeroizing;

/// The longest device name, in bytes; a longer one is cut.
pub const NAME_BYTES_MAX: usize = 128;

/// Names are padded to a multiple of this, so that their length says little.
const NAME_PADDING_BYTES: usize = 32;

/// Why there are no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The beginning of the account is not known.
    #[error("the account's beginning is not known")]
    NoGenesis,
    /// Nothing that was wrapped for the asker opens, or nothing was.
    #[error("no key was given to this device")]
    NoKey,
}

/// The account key and the epoch keys; wiped from memory when dropped.
#[derive(Clone)]
pub struct Keyring {
    account: AccountId,
    account_key: Zeroizing<[u8; 32]>,
    epochs: BTreeMap<EpochId, Zeroizing<[u8; 32]>>,
}

impl Keyring {
    /// Opens what the roster holds for a device.
    ///
    /// # Errors
    /// [`KeyringError`]; always so for a device that may not read.
    pub fn open(roster: &Roster, device: &DeviceKeys) -> Result<Self, KeyringError> {
        Search::new(roster, Asker::Device(device), BTreeMap::new())?.finish(None)
    }

    /// Opens what the roster holds for the recovery phrase.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn open_with_recovery(roster: &Roster, root: &RootKeys) -> Result<Self, KeyringError> {
        Search::new(roster, Asker::Root(root), BTreeMap::new())?.finish(None)
    }

    /// Opens what is new in the roster for a device.
    ///
    /// # Errors
    /// [`KeyringError::NoGenesis`] for an empty roster; the keys stay as they are.
    pub fn refresh(&mut self, roster: &Roster, device: &DeviceKeys) -> Result<(), KeyringError> {
        let search = Search::new(roster, Asker::Device(device), self.epochs.clone())?;
        *self = search.finish(Some(self.account_key.clone()))?;
        Ok(())
    }

    pub(crate) fn begin(account: AccountId, account_key: [u8; 32]) -> Self {
        let account_key = Zeroizing::new(account_key);
        Self { account, account_key, epochs: BTreeMap::new() }
    }

    pub(crate) fn hold(&mut self, epoch: EpochId, key: Zeroizing<[u8; 32]>) {
        self.epochs.insert(epoch, key);
    }

    /// Returns the key of an epoch.
    #[must_use]
    pub fn epoch_key(&self, epoch: &EpochId) -> Option<&[u8; 32]> {
        self.epochs.get(epoch).map(|key| &**key)
    }

    /// Returns the epochs whose keys are held.
    pub fn epochs(&self) -> impl Iterator<Item = EpochId> + '_ {
        self.epochs.keys().copied()
    }

    /// Returns the key that never changes, from which record ids and chunk
    /// keys derive.
    #[must_use]
    pub fn account_key(&self) -> &[u8; 32] {
        &self.account_key
    }

    /// Returns a device's name.
    #[must_use]
    pub fn name_of(&self, device: DeviceId, state: &RosterState) -> Option<String> {
        self.open_name(device, &state.devices.get(&device)?.sealed_name)
    }

    /// Seals a device's name; `nonce` must be fresh.
    pub(crate) fn seal_name(&self, device: DeviceId, name: &str, nonce: &[u8; 24]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.text(clip(name));
        let mut plaintext = writer.into_bytes();
        plaintext.resize(plaintext.len().next_multiple_of(NAME_PADDING_BYTES), 0);
        let sealed = seal::seal(&self.name_key(), nonce, &device.0, &plaintext);
        [nonce.as_slice(), &sealed].concat()
    }

    fn open_name(&self, device: DeviceId, sealed: &[u8]) -> Option<String> {
        let (nonce, sealed) = sealed.split_first_chunk()?;
        let plaintext = seal::open(&self.name_key(), nonce, &device.0, sealed).ok()?;
        Reader::new(&plaintext).text(NAME_BYTES_MAX).ok().map(str::to_owned)
    }

    fn name_key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(hash::keyed(&self.account_key, "device-name", &[]))
    }

    /// Returns both keys as they are wrapped.
    pub(crate) fn pair(&self, epoch_key: &[u8; 32]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([epoch_key.as_slice(), self.account_key.as_slice()].concat())
    }

    /// Returns the held epochs out of `candidates` whose keys no other of them
    /// hands on: who knows these knows all.
    pub(crate) fn tips(&self, candidates: &BTreeMap<EpochId, &EpochKeys>) -> BTreeSet<EpochId> {
        let held = candidates.keys().filter(|epoch| self.epochs.contains_key(epoch));
        let mut tips: BTreeSet<EpochId> = held.copied().collect();
        for (epoch, keys) in candidates {
            let Some(key) = self.epochs.get(epoch) else { continue };
            for (predecessor, sealed) in &keys.predecessors {
                if open_predecessor(self.account, key, *predecessor, sealed).is_some() {
                    tips.remove(predecessor);
                }
            }
        }
        tips
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epochs: Vec<&EpochId> = self.epochs.keys().collect();
        formatter.debug_struct("Keyring").field("epochs", &epochs).finish_non_exhaustive()
    }
}

/// Returns the name, cut at a letter's border where it is too long.
pub(crate) fn clip(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

/// Returns what an epoch's wraps are for.
pub(crate) fn purpose<'a>(account: AccountId, commitment: &'a [u8; 32]) -> Purpose<'a> {
    Purpose { account, name: "epoch", context: commitment }
}

/// Returns the value that commits to an epoch key.
pub(crate) fn commit_epoch_key(key: &[u8; 32]) -> [u8; 32] {
    hash::content("epoch-key-commitment", &[key])
}

/// Returns the value that commits to the account key.
pub(crate) fn commit_account_key(key: &[u8; 32]) -> [u8; 32] {
    hash::content("account-key-commitment", &[key])
}

/// Seals an earlier epoch's key under a later one. The nonce may follow from
/// the epoch, since each one is sealed once under a key.
pub(crate) fn seal_predecessor(
    account: AccountId,
    later_key: &[u8; 32],
    predecessor: EpochId,
    key: &[u8; 32],
) -> Vec<u8> {
    let sealing = predecessor_key(account, later_key);
    seal::seal(&sealing, &predecessor_nonce(predecessor), &predecessor.0, key)
}

fn open_predecessor(
    account: AccountId,
    later_key: &[u8; 32],
    predecessor: EpochId,
    sealed: &[u8],
) -> Option<Zeroizing<[u8; 32]>> {
    let sealing = predecessor_key(account, later_key);
    let nonce = predecessor_nonce(predecessor);
    let key = Zeroizing::new(seal::open(&sealing, &nonce, &predecessor.0, sealed).ok()?);
    key.as_slice().try_into().ok().map(Zeroizing::new)
}

fn predecessor_key(account: AccountId, later_key: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hash::keyed(later_key, "predecessors", &[&account.0]))
}

fn predecessor_nonce(predecessor: EpochId) -> [u8; 24] {
    hash::truncate(hash::content("predecessor-nonce", &[&predecessor.0]))
}

#[derive(Clone, Copy)]
enum Asker<'a> {
    Device(&'a DeviceKeys),
    Root(&'a RootKeys),
}

impl Asker<'_> {
    fn unwrap(self, purpose: &Purpose<'_>, wrap: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        match self {
            Self::Device(device) => device.unwrap(purpose, wrap),
            Self::Root(root) => root.unwrap(purpose, wrap),
        }
    }
}

/// Goes through the roster, newest first, and opens what opens.
struct Search<'a> {
    roster: &'a Roster,
    asker: Asker<'a>,
    account_key_commitment: [u8; 32],
    account_key: Option<Zeroizing<[u8; 32]>>,
    found: BTreeMap<EpochId, Zeroizing<[u8; 32]>>,
}

impl<'a> Search<'a> {
    fn new(
        roster: &'a Roster,
        asker: Asker<'a>,
        found: BTreeMap<EpochId, Zeroizing<[u8; 32]>>,
    ) -> Result<Self, KeyringError> {
        let account_key_commitment =
            roster.state().account_key_commitment.ok_or(KeyringError::NoGenesis)?;
        Ok(Self { roster, asker, account_key_commitment, account_key: None, found })
    }

    fn finish(mut self, known: Option<Zeroizing<[u8; 32]>>) -> Result<Keyring, KeyringError> {
        self.account_key = known;
        for (id, body) in self.roster.newest_first() {
            if let Some(keys) = body.epoch() {
                let wrap = match self.asker {
                    Asker::Device(device) => keys.wraps.get(&device.id()),
                    Asker::Root(_) => Some(&keys.recovery_wrap),
                };
                if let Some(wrap) = wrap {
                    self.try_wrap(EpochId(id.0), keys, wrap);
                }
            }
            if let (OpBody::AddDevice(add), Asker::Device(device)) = (body, self.asker)
                && add.device == device.id()
            {
                for (epoch, wrap) in &add.wraps {
                    if let Some(keys) = self.roster.epoch_keys(*epoch) {
                        self.try_wrap(*epoch, keys, wrap);
                    }
                }
            }
        }
        let account_key = self.account_key.ok_or(KeyringError::NoKey)?;
        Ok(Keyring { account: self.roster.account(), account_key, epochs: self.found })
    }

    fn try_wrap(&mut self, epoch: EpochId, keys: &EpochKeys, wrap: &[u8]) {
        if self.found.contains_key(&epoch) {
            return;
        }
        let purpose = purpose(self.roster.account(), &keys.commitment);
        let Ok(pair) = self.asker.unwrap(&purpose, wrap) else { return };
        let Some((key, rest)) = pair.split_first_chunk::<32>() else { return };
        let Ok(account_key) = <&[u8; 32]>::try_from(rest) else { return };
        let sound = commit_epoch_key(key) == keys.commitment
            && commit_account_key(account_key) == self.account_key_commitment;
        if sound {
            self.account_key = Some(Zeroizing::new(*account_key));
            self.take_in(epoch, Zeroizing::new(*key));
        }
    }

    /// Takes in a key and all earlier ones that it opens.
    fn take_in(&mut self, epoch: EpochId, key: Zeroizing<[u8; 32]>) {
        let mut opened = vec![(epoch, key)];
        while let Some((epoch, key)) = opened.pop() {
            let Some(keys) = self.roster.epoch_keys(epoch) else { continue };
            if commit_epoch_key(&key) != keys.commitment || self.found.contains_key(&epoch) {
                continue;
            }
            for (predecessor, sealed) in &keys.predecessors {
                let account = self.roster.account();
                if let Some(earlier) = open_predecessor(account, &key, *predecessor, sealed) {
                    opened.push((*predecessor, earlier));
                }
            }
            self.found.insert(epoch, key);
        }
    }
}

#[cfg(test)]
mod tests;
