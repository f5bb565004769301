//! Commands that take devices out of the account, and that undo it.

use super::{Node, Owed, Refusal, Then};
use crate::command::{Answer, Secret, Wait};
use crate::failure;
use crate::input::CommandId;
use heirloom_base::{DeviceId, LogId, Now};
use heirloom_identity::roster::{self, ResetPlan};
use heirloom_identity::{Capabilities, Phrase, Role, Signer};
use std::collections::BTreeMap;

impl Node {
    /// Takes a device out: its entries that are here count, later ones do not,
    /// and the next content key is made in the same operation.
    pub(super) fn revoke(
        &mut self,
        now: Now,
        id: CommandId,
        device: &str,
    ) -> Result<Option<Answer>, Refusal> {
        let device = self.find_device_surely(device)?;
        if device == self.device() {
            let text = "A device cannot take itself out.".to_owned();
            return Err(failure::usage(text, "Give the command on another device.").into());
        }
        self.require_admin()?;
        if !self.membership.is_peer(device) {
            return Err(failure::already_out(&self.name_of(device)).into());
        }
        let cuts = self.durable_of(device);
        let random = self.random.bytes();
        let signer = Signer::Device(&self.config.device);
        let (roster, keyring) = (&self.membership.roster, self.keyring()?);
        let op = roster::revoke(roster, keyring, signer, device, &cuts, &random);
        self.publish_answered(now, id, device, cuts.values().sum(), op)
    }

    /// Accepts what is here of a device that is out.
    pub(super) fn accept(
        &mut self,
        now: Now,
        id: CommandId,
        device: &str,
    ) -> Result<Option<Answer>, Refusal> {
        let device = self.find_device_out(device)?;
        self.require_admin()?;
        if self.membership.is_peer(device) {
            return Err(failure::still_in(&self.name_of(device)).into());
        }
        let state = self.membership.roster.state();
        let mut cuts = self.durable_of(device);
        cuts.retain(|log, seq| *seq > state.counts_until(device, *log));
        let news = |(log, seq): (&LogId, &u64)| seq - state.counts_until(device, *log);
        let entries = cuts.iter().map(news).sum();
        if entries == 0 {
            let device_id = device.to_string();
            return Ok(Some(Answer::Member { device_id, entries }));
        }
        let signer = Signer::Device(&self.config.device);
        let op = roster::accept(&self.membership.roster, signer, device, &cuts);
        self.publish_answered(now, id, device, entries, op)
    }

    /// States the whole roster anew by the phrase: who is in stays in, this
    /// device and those that are named come back.
    pub(super) fn reset(
        &mut self,
        now: Now,
        id: CommandId,
        phrase: &Secret,
        keep: &[String],
    ) -> Result<Option<Answer>, Refusal> {
        let wrong = || {
            let fix = "Give the twelve words that were shown when the account was made.";
            failure::forbidden("This is not the recovery phrase of the account.", fix)
        };
        let phrase = Phrase::parse(phrase.reveal()).map_err(|error| failure::bad_phrase(&error))?;
        let root = phrase.root_keys();
        if root.account_id() != self.account {
            return Err(wrong().into());
        }
        let own = self.device();
        let named =
            keep.iter().map(|name| self.find_device_out(name)).collect::<Result<Vec<_>, _>>()?;
        let state = self.membership.roster.state();
        let mut plan = ResetPlan::default();
        for (device, member) in &state.devices {
            if !member.revoked {
                plan.keep.insert(*device, member.capabilities);
            } else if named.contains(device) {
                plan.keep.insert(*device, Role::Member.capabilities());
            } else {
                plan.cuts.insert(*device, member.cuts.clone());
            }
        }
        let mine = plan.keep.entry(own).or_insert(Capabilities::NONE);
        *mine = *mine | Role::Member.capabilities();
        let random = self.random.bytes();
        let (roster, keyring) = (&self.membership.roster, self.keyring()?);
        let op = roster::root_reset(roster, keyring, &root, &plan, &random);
        self.publish_answered(now, id, own, 0, op)
    }

    fn publish_answered(
        &mut self,
        now: Now,
        id: CommandId,
        device: DeviceId,
        entries: u64,
        op: Vec<u8>,
    ) -> Result<Option<Answer>, Refusal> {
        let answer = Box::new(Answer::Member { device_id: device.to_string(), entries });
        self.publish(now, op, Then::Answer(vec![Owed { id, answer, wait: Wait::default() }]))?;
        Ok(None)
    }

    fn require_admin(&self) -> Result<(), Refusal> {
        self.keyring()?;
        if self.membership.is_admin(self.device()) {
            return Ok(());
        }
        let fix =
            "Give the command on a member device; with the phrase, run `heirloom recovery reset`.";
        Err(failure::forbidden("This device may not say who is in the account.", fix).into())
    }

    /// Returns per log of a device the last entry that is durable here.
    fn durable_of(&self, device: DeviceId) -> BTreeMap<LogId, u64> {
        let logs = self.replication.logs();
        let own = logs.filter(|(_, state)| state.device == device && state.durable > 0);
        own.map(|(log, state)| (log, state.durable)).collect()
    }
}
