//! Letting new devices in: invites, recoveries, and strangers who prove
//! that they belong here.

use super::{Node, Refusal, Then};
use crate::command::{Answer, Failure};
use crate::failure;
use crate::input::{Effect, HelloId, PairingId};
use heirloom_base::{Decode, DeviceId, Encode, Now, limits};
use heirloom_identity::{Granting, Invite, InvitePlan, Response, Role, Signer, roster};
use heirloom_sync::Message;

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

    /// Returns what this device shows to a member that does not know it yet.
    #[must_use]
    pub fn presentation(&self) -> Vec<u8> {
        let ops = self.membership.roster.ops_beyond(&[]);
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
            shown.clone_from(&ops);
            self.receive_roster(now, None, ops);
        }
        let known = self.membership.is_peer(device);
        let mut answer = vec![u8::from(known)];
        if !known {
            let news = self.membership.removal_of(device).into_iter();
            let news: Vec<Vec<u8>> = news.filter(|op| !shown.contains(op)).collect();
            let told = Message::Roster(news.clone()).to_bytes();
            if !news.is_empty() && told.len() < limits::HELLO_ANSWER_BYTES_MAX {
                answer.extend(told);
            }
        }
        self.effect(Effect::HelloReply { id, bytes: answer });
    }

    /// Takes in the answer to what this device showed: who was taken out hears
    /// of it, by operations that prove themselves.
    pub(super) fn receive_answer(&mut self, now: Now, device: DeviceId, bytes: &[u8]) {
        let known = bytes.first() == Some(&1);
        tracing::debug!(device = %device.short(), known, "introduced");
        let told = bytes.get(1..).unwrap_or_default();
        if let Ok(Message::Roster(ops)) = Message::from_bytes(told) {
            self.receive_roster(now, None, ops);
        }
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
            return self.end_pairing(id);
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
            self.membership.close(id);
            self.effect(Effect::PairingSend { id, bytes: Vec::new(), last: true });
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
        let mut addresses = vec![(self.device(), self.listening.clone())];
        addresses.extend(self.dialer.known().map(|(device, known)| (device, known.to_vec())));
        let bytes = responder.grant(ops, addresses);
        self.effect(Effect::PairingSend { id, bytes, last: true });
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
