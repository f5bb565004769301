//! Who belongs to the account, and how others come in.

use crate::command::Failure;
use crate::failure;
use crate::input::PairingId;
use crate::journal::Desk;
use heirloom_base::{AccountId, DeviceId, EpochId, LogId, Now, OpId, SpaceId, limits};
use heirloom_identity::{
    Capabilities, DeviceKeys, Inserted, Invite, InviteState, Keyring, Responder, Response, Role,
    Roster, RosterError, Signer, roster,
};
use std::collections::{BTreeMap, BTreeSet};

/// Invites at one time; the oldest gives way.
const INVITES_MAX: usize = 8;
/// Pairing conversations at one time.
const CONVERSATIONS_MAX: usize = 8;

/// The roster, the keys it gives this device, and open invites.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) roster: Roster,
    pub(crate) keyring: Option<Keyring>,
    /// The heads of the roster that the records follow: what is newer is on
    /// its way to the disk.
    pub(crate) followed: Vec<OpId>,
    pub(crate) invites: Vec<Invite>,
    pub(crate) conversations: BTreeMap<PairingId, Responder>,
    /// Content keys that this device handed on since its start.
    pub(crate) handed_on: BTreeSet<EpochId>,
    /// What devices know of the roster that do not know this one yet.
    pub(crate) introduced: BTreeMap<DeviceId, Vec<OpId>>,
    known: BTreeSet<DeviceId>,
    routes: BTreeMap<DeviceId, Vec<String>>,
    pairing_open: bool,
}

impl Membership {
    pub(crate) fn new(account: AccountId) -> Self {
        Self {
            roster: Roster::new(account),
            keyring: None,
            followed: Vec::new(),
            invites: Vec::new(),
            conversations: BTreeMap::new(),
            handed_on: BTreeSet::new(),
            introduced: BTreeMap::new(),
            known: BTreeSet::new(),
            routes: BTreeMap::new(),
            pairing_open: false,
        }
    }

    /// Takes in a roster operation; returns the operations that count as new,
    /// parents first: the given one and those that waited for it.
    pub(crate) fn insert(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, RosterError> {
        let inserted = self.roster.insert(bytes)?;
        Ok(self.bytes_of(&inserted))
    }

    /// Takes in what a stranger shows: only what builds on what is here, so that
    /// nobody fills what waits.
    pub(crate) fn insert_shown(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, RosterError> {
        if self.roster.is_ready(bytes) { self.insert(bytes) } else { Ok(Vec::new()) }
    }

    fn bytes_of(&self, inserted: &Inserted) -> Vec<Vec<u8>> {
        match inserted {
            Inserted::New(ops) => {
                ops.iter().filter_map(|id| self.roster.bytes(id)).map(<[u8]>::to_vec).collect()
            }
            Inserted::Known | Inserted::Waiting { .. } => Vec::new(),
        }
    }

    /// Returns the heads of the roster that are told to others.
    pub(crate) fn heads_said(&self) -> Vec<OpId> {
        let mut heads = self.roster.last_of(&self.roster.heads());
        heads.truncate(limits::ROSTER_HEADS_SAID_MAX);
        heads.sort_unstable();
        heads
    }

    /// Returns the logs of which the removal of a device says what counts.
    pub(crate) fn logs_cut(&self) -> BTreeSet<LogId> {
        let devices = self.roster.state().devices.values();
        let out = devices.filter(|member| member.revoked);
        let cuts = out.flat_map(|member| member.cuts.iter());
        cuts.filter(|(_, seq)| **seq > 0).map(|(log, _)| *log).collect()
    }

    /// Returns how many operations of the roster a device has signed.
    pub(crate) fn operations_by(&self, device: DeviceId) -> usize {
        let author = roster::op::Author::Device(device);
        let ids = self.roster.ops().into_iter().map(|(id, _)| id);
        ids.filter(|id| self.roster.op(id).is_some_and(|op| op.author == author)).count()
    }

    /// Returns the content keys that this device knows and a reader does not,
    /// and that it did not hand on yet.
    pub(crate) fn withheld(&self) -> Vec<EpochId> {
        let Some(keyring) = &self.keyring else { return Vec::new() };
        let withheld = self.roster.state().withheld_epochs();
        withheld
            .filter(|epoch| keyring.epoch_key(epoch).is_some() && !self.handed_on.contains(epoch))
            .collect()
    }

    /// Follows a change of the roster; returns the members that are new.
    pub(crate) fn refresh(&mut self, device: &DeviceKeys) -> Vec<DeviceId> {
        match &mut self.keyring {
            // What was opened stays open; only what is new is looked for.
            Some(keyring) => drop(keyring.refresh(&self.roster, device)),
            None => self.keyring = Keyring::open(&self.roster, device).ok(),
        }
        let members: BTreeSet<DeviceId> = self
            .roster
            .state()
            .devices
            .keys()
            .copied()
            .filter(|device| self.roster.state().is_member(*device))
            .collect();
        let news = members.difference(&self.known).copied().collect();
        self.known = members;
        news
    }

    /// Returns all members but `own`.
    pub(crate) fn peers(&self, own: DeviceId) -> BTreeSet<DeviceId> {
        if !self.roster.state().is_member(own) {
            // A device that was taken out has no peers.
            return BTreeSet::new();
        }
        self.others(own)
    }

    /// Returns the members beside this device, whether it is one itself or not.
    pub(crate) fn others(&self, own: DeviceId) -> BTreeSet<DeviceId> {
        let state = self.roster.state();
        let members = state.devices.keys().copied();
        members.filter(|device| *device != own && state.is_member(*device)).collect()
    }

    /// Returns whether a device is the only member.
    pub(crate) fn is_alone(&self, own: DeviceId) -> bool {
        self.is_peer(own) && self.peers(own).is_empty()
    }

    pub(crate) fn is_peer(&self, device: DeviceId) -> bool {
        self.roster.state().is_member(device)
    }

    /// Returns whether a device was taken out.
    pub(crate) fn is_out(&self, device: DeviceId) -> bool {
        let devices = &self.roster.state().devices;
        devices.get(&device).is_some_and(|member| member.revoked)
    }

    pub(crate) fn revoked(&self) -> Vec<DeviceId> {
        let devices = self.roster.state().devices.iter();
        devices.filter(|(_, member)| member.revoked).map(|(device, _)| *device).collect()
    }

    /// Returns the operations that took a device out, and what they build on.
    pub(crate) fn removal_of(&self, device: DeviceId) -> Vec<Vec<u8>> {
        match self.roster.state().devices.get(&device) {
            Some(member) if member.revoked_by.is_empty() => {
                self.roster.ops_within(&self.roster.heads())
            }
            Some(member) => self.roster.ops_within(&member.revoked_by),
            None => Vec::new(),
        }
    }

    pub(crate) fn capabilities(&self, device: DeviceId) -> Capabilities {
        self.roster.state().capabilities(device)
    }

    pub(crate) fn role(&self, device: DeviceId) -> Role {
        Role::of(self.capabilities(device))
    }

    pub(crate) fn may_write(&self, device: DeviceId) -> bool {
        self.is_peer(device) && self.capabilities(device).contains(Capabilities::WRITE)
    }

    pub(crate) fn may_read(&self, device: DeviceId) -> bool {
        self.capabilities(device).contains(Capabilities::READ)
    }

    /// Returns what an entry of this device needs; nothing without a content key.
    pub(crate) fn desk<'a>(&'a self, space: SpaceId, device: &'a DeviceKeys) -> Option<Desk<'a>> {
        Some(Desk {
            account: self.roster.account(),
            space,
            device,
            roster: &self.roster,
            followed: &self.followed,
            keyring: self.keyring.as_ref()?,
        })
    }

    pub(crate) fn is_admin(&self, device: DeviceId) -> bool {
        self.is_peer(device) && self.capabilities(device).contains(Capabilities::ADMIN)
    }

    /// Returns whether a device is an always-on member that stores everything.
    pub(crate) fn is_keeper(&self, device: DeviceId) -> bool {
        self.is_peer(device) && self.capabilities(device).contains(Capabilities::STORE)
    }

    pub(crate) fn name(&self, device: DeviceId) -> Option<String> {
        self.keyring.as_ref()?.name_of(device, self.roster.state())
    }

    /// Keeps where a device was reached; it may be known before the device is.
    pub(crate) fn note_route(&mut self, device: DeviceId, addresses: Vec<String>) {
        self.routes.insert(device, addresses);
    }

    pub(crate) fn route(&self, device: DeviceId) -> Option<&[String]> {
        self.routes.get(&device).map(Vec::as_slice)
    }

    pub(crate) fn routes(&self) -> Vec<(DeviceId, Vec<String>)> {
        self.routes.iter().map(|(device, addresses)| (*device, addresses.clone())).collect()
    }

    /// Begins to answer a conversation, if there is room.
    pub(crate) fn converse(
        &mut self,
        id: PairingId,
        own: DeviceId,
        device: DeviceId,
        random: [u8; 32],
    ) -> Option<Responder> {
        if !self.conversations.contains_key(&id) {
            if self.conversations.len() >= CONVERSATIONS_MAX {
                return None;
            }
            let responder = Responder::new(self.roster.account(), own, device, random);
            self.conversations.insert(id, responder);
        }
        self.conversations.get(&id).cloned()
    }

    pub(crate) fn close(&mut self, id: PairingId) {
        self.conversations.remove(&id);
    }

    /// Keeps an invite, beside those that are open already.
    pub(crate) fn open_invite(&mut self, invite: Invite) {
        if self.invites.len() >= INVITES_MAX {
            self.invites.remove(0);
        }
        self.invites.push(invite);
    }

    /// Takes in a frame of a conversation: whichever invite it proves counts.
    /// A code that proves none costs every open invite a try.
    pub(crate) fn respond(
        &mut self,
        responder: Responder,
        bytes: &[u8],
        now: Now,
    ) -> (Responder, Response) {
        let mut missed = Vec::new();
        let mut refusal = None;
        for place in (0..self.invites.len()).rev() {
            let mut invite = self.invites.get(place).cloned();
            let mut trial = responder.clone();
            let response = trial.handle(bytes, &mut invite, &self.roster, now.mono_ms);
            if !matches!(response, Response::Refuse(_)) {
                if let (Some(kept), Some(invite)) = (self.invites.get_mut(place), invite) {
                    *kept = invite;
                }
                return (trial, response);
            }
            let open = self.invites.get(place).map(|kept| kept.state(now.mono_ms));
            let is_open = matches!(open, Some(InviteState::Open { .. }));
            if refusal.is_none() || is_open {
                refusal = Some((trial, response));
            }
            missed.extend(invite.map(|invite| (place, invite)));
        }
        for (place, invite) in missed {
            if let Some(kept) = self.invites.get_mut(place) {
                *kept = invite;
            }
        }
        refusal.unwrap_or_else(|| {
            let mut alone = responder;
            let response = alone.handle(bytes, &mut None, &self.roster, now.mono_ms);
            (alone, response)
        })
    }

    /// Ends the invites whose time is over.
    pub(crate) fn expire(&mut self, now: Now) {
        self.invites.retain(|invite| invite.expires_ms() + EXPIRED_KEPT_MS > now.mono_ms);
    }

    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        let closes = if self.pairing_open { 0 } else { EXPIRED_KEPT_MS };
        self.invites.iter().map(|invite| invite.expires_ms() + closes).max()
    }

    /// Returns whether strangers may pair, when that changed.
    pub(crate) fn pairing_changed(&mut self, now: Now) -> Option<bool> {
        let is_open =
            |invite: &Invite| matches!(invite.state(now.mono_ms), InviteState::Open { .. });
        let open = self.invites.iter().any(is_open);
        if open == self.pairing_open {
            return None;
        }
        self.pairing_open = open;
        Some(open)
    }

    pub(crate) fn author_rename(
        &self,
        keys: &DeviceKeys,
        device: DeviceId,
        name: &str,
        random: &[u8; 32],
    ) -> Result<Vec<u8>, Failure> {
        let keyring = self.keyring.as_ref().ok_or_else(failure::blind)?;
        if device != keys.id() && !self.is_admin(keys.id()) {
            let fix = "Use a member device of the account.";
            return Err(failure::forbidden("Only an admin device renames another.", fix));
        }
        Ok(roster::rename(&self.roster, keyring, Signer::Device(keys), device, name, random))
    }
}

/// An invite that ran out is kept for a while, so that who comes late hears
/// that it ran out and not that there was none.
const EXPIRED_KEPT_MS: u64 = 600_000;

#[cfg(test)]
mod tests;
