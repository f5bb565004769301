//! Letting new devices in: invites, recoveries, and strangers who prove
//! that they belong here.

use super::{Node, Refusal, Then};
use crate::command::{Answer, Failure};
use crate::failure;
use crate::input::{Effect, HelloId, PairingId};
use crate::membership::Membership;
use heirloom_base::{Decode, DeviceId, Encode, Now, OpId, limits};
use heirloom_identity::{Granting, Invite, InvitePlan, Response, Role, Roster, Signer, roster};
use heirloom_sync::Message;
use std::collections::BTreeSet;

impl Node {
    pub(super) fn invite(
        &mut self,
        now: Now,
        role: &str,
        ttl_ms: Option<u64>,
    ) -> Result<Answer, Refusal> {
        if !self.config.networked {
            return Err(failure::needs_node().into());
        }
        let role: Role = role.parse().map_err(|_| {
            failure::usage(
                format!("There is no role {role:?}."),
                "Use member, keeper or blind-keeper.",
            )
        })?;
        if !self.may_invite() {
            let fix = "Run `heirloom invite` on a member device.";
            return Err(failure::forbidden("Only a member device invites others.", fix).into());
        }
        let ttl_ms = ttl_ms.unwrap_or(limits::PAIRING_MS_MAX as u64);
        let invite = Invite::new(InvitePlan {
            random: self.random.bytes(),
            account: self.account,
            device: self.device(),
            addresses: worth_linking(&self.listening),
            role,
            ttl_ms,
            now_mono_ms: now.mono_ms,
        });
        let answer = Answer::Invite {
            link: invite.link(),
            words: invite.words(),
            expires_in_s: ttl_ms / 1000,
        };
        self.membership.open_invite(invite);
        Ok(answer)
    }

    /// Returns what this device shows to a member that does not know it yet:
    /// everything, if that fits; else the newest operations, and what that
    /// member lacks once it has said what it knows.
    #[must_use]
    pub fn presentation(&self, device: DeviceId) -> Vec<u8> {
        let roster = &self.membership.roster;
        let known = self.membership.introduced.get(&device).cloned().unwrap_or_default();
        let lacking = if known.is_empty() { Vec::new() } else { roster.ops_beyond(&known) };
        let ops = if lacking.is_empty() {
            let all = roster.ops_beyond(&[]);
            match encoded(&all) <= limits::INTRODUCTION_BYTES {
                true => all,
                false => roster.newest_ops(limits::INTRODUCTION_BYTES, BLOCK_HEAD_BYTES),
            }
        } else {
            // By some of what it knows it sees what it need not tell.
            let shared = known.iter().filter_map(|id| roster.bytes(id)).map(<[u8]>::to_vec);
            let shared = shared.filter(|op| op.len() <= SHARED_OP_BYTES_MAX).take(SHARED_OPS_MAX);
            beginning(shared.chain(lacking).collect())
        };
        Message::Roster(ops).to_bytes()
    }

    /// Takes in what a stranger shows: roster operations prove themselves.
    pub(super) fn receive_presentation(
        &mut self,
        now: Now,
        id: HelloId,
        device: DeviceId,
        bytes: &[u8],
    ) {
        let mut shown = Vec::new();
        if let Ok(Message::Roster(ops)) = Message::from_bytes(bytes) {
            shown = ops.iter().map(|op| Roster::id_of(op)).collect();
            self.receive_roster(now, None, ops);
        }
        let known = self.membership.is_peer(device);
        let mut answer = vec![u8::from(known)];
        if !known {
            answer.extend(self.answer_to(device, &shown));
        }
        self.effect(Effect::HelloReply { id, bytes: answer });
    }

    /// Returns what a device is told that is no member by what is known here:
    /// what took it out, else what is known here, so that it can show the rest.
    fn answer_to(&self, device: DeviceId, shown: &[OpId]) -> Vec<u8> {
        let roster = &self.membership.roster;
        let beyond = roster.ops_beyond(&roster.last_of(shown));
        let beyond: BTreeSet<OpId> = beyond.iter().map(|op| Roster::id_of(op)).collect();
        let removal = self.membership.removal_of(device).into_iter();
        let news: Vec<Vec<u8>> = removal.filter(|op| beyond.contains(&Roster::id_of(op))).collect();
        if !news.is_empty() && self.membership.is_out(device) {
            return Message::Roster(beginning(news)).to_bytes();
        }
        match roster.known_for(shown) {
            known if known.is_empty() => Vec::new(),
            known => Message::Knows(known).to_bytes(),
        }
    }

    /// Takes in the answer to what this device showed: who was taken out hears
    /// of it, by operations that prove themselves, and who does not know enough
    /// says what it knows.
    pub(super) fn receive_answer(&mut self, now: Now, device: DeviceId, bytes: &[u8]) {
        let known = bytes.first() == Some(&1);
        tracing::debug!(device = %device.short(), known, "introduced");
        if known {
            self.membership.introduced.remove(&device);
            return;
        }
        let before = self.membership.roster.len();
        let told = bytes.get(1..).unwrap_or_default();
        let ids = match Message::from_bytes(told) {
            Ok(Message::Roster(ops)) => {
                let ids = ops.iter().map(|op| Roster::id_of(op)).collect();
                self.receive_roster(now, None, ops);
                ids
            }
            Ok(Message::Knows(ids)) => ids,
            Ok(_) | Err(_) => Vec::new(),
        };
        let is_further = self.note_known(device, ids) || self.membership.roster.len() > before;
        if is_further && self.membership.is_peer(device) && !self.is_out() {
            self.effect(Effect::Introduce { device });
        }
    }

    /// Notes what a device knows of the roster; returns whether it is more than
    /// was known of it.
    fn note_known(&mut self, device: DeviceId, ids: Vec<OpId>) -> bool {
        let Membership { introduced, roster, .. } = &mut self.membership;
        let noted = introduced.entry(device).or_default();
        let before = roster.count_within(noted);
        let all: Vec<OpId> = noted.iter().copied().chain(ids).collect();
        *noted = roster.last_of(&all);
        let now = roster.count_within(noted);
        if now == 0 {
            introduced.remove(&device);
        }
        now > before
    }

    pub(super) fn receive_pairing(
        &mut self,
        now: Now,
        id: PairingId,
        device: DeviceId,
        bytes: &[u8],
    ) {
        let (own, random) = (self.device(), self.random.bytes());
        let Some(responder) = self.membership.converse(id, own, device, random) else {
            return self.effect(Effect::PairingSend { id, bytes: Vec::new(), last: true });
        };
        let (responder, response) = self.membership.respond(responder, bytes, now);
        self.membership.conversations.insert(id, responder);
        self.respond(now, id, response);
    }

    fn respond(&mut self, now: Now, id: PairingId, response: Response) {
        match response {
            Response::Send(bytes) => self.effect(Effect::PairingSend { id, bytes, last: false }),
            Response::SendAll(frames) => self.send_frames(id, frames, false),
            Response::Refuse(bytes) => {
                self.membership.close(id);
                self.effect(Effect::PairingSend { id, bytes, last: true });
            }
            Response::SendThenGrant(bytes, granting) => {
                self.effect(Effect::PairingSend { id, bytes, last: false });
                self.grant(now, id, &granting);
            }
            Response::Submitted(op) => self.admit_recovered(now, id, op),
        }
    }

    /// Adds the new device to the roster; the grant follows when that is durable.
    ///
    /// A device that proved the key of one that is in is told so again: the grant
    /// may have come to nothing there.
    fn grant(&mut self, now: Now, id: PairingId, granting: &Granting) {
        if self.is_in(granting) {
            return self.grant_again(now, id, granting);
        }
        if self.membership.is_out(granting.device) {
            // The roster says so: such a device comes back with another key.
            return self.end_pairing(id);
        }
        if let Some(responder) = self.membership.conversations.get(&id) {
            // Nobody is let in who could not be told.
            let ops = self.membership.roster.ops_beyond(&[]);
            if let Err(bytes) = responder.check_grant(ops, self.addresses_granted()) {
                self.membership.close(id);
                return self.effect(Effect::PairingSend { id, bytes, last: true });
            }
        }
        let seed = self.random.bytes();
        let Some(keyring) = self.membership.keyring.as_ref() else {
            return self.membership.close(id);
        };
        let signer = Signer::Device(&self.config.device);
        let new = granting.new_device();
        let op = roster::add_device(&self.membership.roster, keyring, signer, &new, &seed);
        self.publish_for(now, id, op, Then::Grant(id));
    }

    /// Grants once more, in the role of the invite that was shown last. Who reads
    /// goes on reading, and who is blind stays blind.
    fn grant_again(&mut self, now: Now, id: PairingId, granting: &Granting) {
        let (device, role) = (granting.device, granting.role);
        let granted = self.membership.role(device);
        if granted == role || [granted, role].contains(&Role::BlindKeeper) {
            return self.end_pairing(id);
        }
        let signer = Signer::Device(&self.config.device);
        let capabilities = role.capabilities();
        let op = roster::set_capabilities(&self.membership.roster, signer, device, capabilities);
        self.publish_for(now, id, op, Then::Grant(id));
    }

    fn is_in(&self, granting: &Granting) -> bool {
        let member = self.membership.roster.state().devices.get(&granting.device);
        member.is_some_and(|member| member.encryption_public == granting.encryption_public)
            && self.membership.is_peer(granting.device)
    }

    /// Takes in the operation by which the root key adds a recovered device.
    fn admit_recovered(&mut self, now: Now, id: PairingId, op: Vec<u8>) {
        self.publish_for(now, id, op, Then::Acknowledge(id));
    }

    fn publish_for(&mut self, now: Now, id: PairingId, op: Vec<u8>, then: Then) {
        if let Err(Refusal::Failure(failure)) = self.publish(now, op, then) {
            tracing::warn!(text = failure.text, "a pairing came to nothing");
            let responder = self.membership.conversations.remove(&id);
            let bytes = responder.map(|responder| responder.fail()).unwrap_or_default();
            self.effect(Effect::PairingSend { id, bytes, last: true });
        }
    }

    pub(super) fn send_grant(&mut self, id: PairingId) {
        self.end_pairing(id);
    }

    pub(super) fn acknowledge(&mut self, id: PairingId) {
        self.end_pairing(id);
    }

    /// Sends the roster, as the last word of a conversation.
    fn end_pairing(&mut self, id: PairingId) {
        let Some(responder) = self.membership.conversations.remove(&id) else { return };
        let ops = self.membership.roster.ops_beyond(&[]);
        let frames = responder.grant(ops, self.addresses_granted());
        self.send_frames(id, frames, true);
    }

    fn addresses_granted(&self) -> Vec<(DeviceId, Vec<String>)> {
        let mut addresses = vec![(self.device(), self.listening.clone())];
        addresses.extend(self.dialer.known().map(|(device, known)| (device, known.to_vec())));
        addresses
    }

    /// Sends frames of one turn; the last of them may end the conversation.
    fn send_frames(&mut self, id: PairingId, frames: Vec<Vec<u8>>, ends: bool) {
        let count = frames.len();
        for (number, bytes) in frames.into_iter().enumerate() {
            let last = ends && number + 1 == count;
            self.effect(Effect::PairingSend { id, bytes, last });
        }
    }

    /// Gives this admin device another role, as `up --keeper` asks.
    ///
    /// # Errors
    /// When this device may not, or the roster refuses.
    pub fn set_own_role(&mut self, now: Now, role: Role) -> Result<(), Failure> {
        let own = self.device();
        if self.role() == role {
            return Ok(());
        }
        if !self.membership.is_admin(own) || role == Role::BlindKeeper {
            return Err(failure::forbidden(
                "This device's role is another one.",
                "Invite it again with `heirloom invite --role keeper` or `--role blind-keeper`.",
            ));
        }
        let capabilities = self.membership.capabilities(own) | role.capabilities();
        let signer = Signer::Device(&self.config.device);
        let op = roster::set_capabilities(&self.membership.roster, signer, own, capabilities);
        match self.publish(now, op, Then::Rest) {
            Ok(()) => Ok(()),
            Err(Refusal::Failure(failure)) => Err(*failure),
            Err(Refusal::Storage(error)) => Err(failure::storage(&error)),
        }
    }
}

/// What stands before each operation of a message.
const BLOCK_HEAD_BYTES: usize = 4;

/// Operations that both sides know by which one shows where it stands.
const SHARED_OPS_MAX: usize = 16;
/// The largest one of these.
const SHARED_OP_BYTES_MAX: usize = 1_024;

/// Returns the size of operations in a message.
fn encoded(ops: &[Vec<u8>]) -> usize {
    ops.iter().map(|op| op.len() + BLOCK_HEAD_BYTES).sum()
}

/// Returns the first operations that fit one frame of hello, or one that is
/// larger than that.
fn beginning(mut ops: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut size = 0;
    let fits = |op: &&Vec<u8>| {
        size += op.len() + BLOCK_HEAD_BYTES;
        size <= limits::INTRODUCTION_BYTES
    };
    let count = ops.iter().take_while(fits).count().max(1);
    ops.truncate(count);
    ops
}

/// Leaves out the addresses that mean this host alone, unless there are no others.
fn worth_linking(addresses: &[String]) -> Vec<String> {
    let is_own = |address: &&String| {
        ["/ip4/127.", "/ip6/::1/"].iter().any(|beginning| address.starts_with(beginning))
    };
    let far: Vec<String> = addresses.iter().filter(|one| !is_own(one)).cloned().collect();
    if far.is_empty() { addresses.to_vec() } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_tells_of_the_host_alone_only_where_there_is_nothing_else() {
        let texts = |texts: &[&str]| -> Vec<String> {
            texts.iter().map(|text| (*text).to_owned()).collect()
        };
        let own = texts(&["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"]);
        let far = texts(&["/ip4/10.0.0.1/tcp/1", "/ip6/fd00::1/tcp/1"]);
        assert_eq!(worth_linking(&[own.clone(), far.clone()].concat()), far);
        assert_eq!(worth_linking(&own), own);
    }
}
