//! The new device's side of a pairing by invite.

use super::message::{
    GrantMessage, JoinChallenge, JoinHello, Message, Parts, Prover, Transcript, VERSIONS,
    common_version, role_in,
};
use super::{Grant, PairingError, Step};
use crate::invite::Code;
use crate::keyring::clip;
use crate::seal::SeededRandom;
use crate::{DeviceKeys, Roster, RosterState};
use heirloom_base::{AccountId, DeviceId, Encode};

/// A new device that comes in by an invite.
#[derive(Debug)]
pub struct Joiner {
    code: Code,
    keys: DeviceKeys,
    peer: DeviceId,
    hello: Vec<u8>,
    parts: Parts,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    AwaitChallenge,
    AwaitProof { account: AccountId, challenge: Vec<u8>, binding: Box<[u8; 64]> },
    AwaitGrant { account: AccountId },
    Over,
}

impl Joiner {
    /// Begins a pairing with `peer`, whose id the transport proved; returns the
    /// first frame. `random` must be fresh.
    #[must_use]
    pub fn new(
        code: Code,
        keys: DeviceKeys,
        name: &str,
        peer: DeviceId,
        random: [u8; 32],
    ) -> (Self, Vec<u8>) {
        let hello = Message::JoinHello(JoinHello {
            versions: VERSIONS,
            code: code.kind(),
            nonce: SeededRandom::new(&random, "pair-join").bytes(),
            encryption_public: keys.encryption_public(),
            name: clip(name).to_owned(),
        })
        .to_bytes();
        let stage = Stage::AwaitChallenge;
        let parts = Parts::default();
        (Self { code, keys, peer, hello: hello.clone(), parts, stage }, hello)
    }

    /// Takes in a frame. An empty one means that the other side closed.
    pub fn handle(&mut self, bytes: &[u8]) -> Step {
        self.advance(bytes).unwrap_or_else(|error| {
            self.stage = Stage::Over;
            Step::Failed(error)
        })
    }

    fn advance(&mut self, bytes: &[u8]) -> Result<Step, PairingError> {
        if bytes.is_empty() {
            return Err(PairingError::Closed);
        }
        let message = Message::read(bytes)?;
        match (std::mem::replace(&mut self.stage, Stage::Over), message) {
            (_, Message::Refused(refusal)) => Err(refusal.into()),
            (Stage::AwaitChallenge, Message::JoinChallenge(challenge)) => {
                self.prove(&challenge, bytes)
            }
            (Stage::AwaitProof { account, challenge, binding }, Message::InviterProof { mac }) => {
                let transcript = self.transcript(&challenge, &binding);
                if !transcript.proves(&self.code.mac_key(), Prover::Inviter, &mac) {
                    return Err(PairingError::Impostor);
                }
                self.stage = Stage::AwaitGrant { account };
                Ok(Step::Wait)
            }
            (Stage::AwaitGrant { account }, Message::RosterPart { ops }) => {
                self.parts.add(ops)?;
                self.stage = Stage::AwaitGrant { account };
                Ok(Step::Wait)
            }
            (Stage::AwaitGrant { account }, Message::Grant(mut grant)) => {
                grant.ops = self.parts.end(grant.ops);
                let grant = believe(account, grant, &self.keys)?;
                Ok(Step::Done(Box::new(grant)))
            }
            _ => Err(PairingError::OutOfTurn),
        }
    }

    fn prove(&mut self, challenge: &JoinChallenge, bytes: &[u8]) -> Result<Step, PairingError> {
        if common_version(VERSIONS, challenge.versions) != Some(challenge.version) {
            return Err(PairingError::Version);
        }
        let account = challenge.account;
        if let Code::Link(link) = &self.code {
            if link.account != account {
                return Err(PairingError::WrongAccount);
            }
            if link.device != self.peer {
                let (expected, found) = (link.device, self.peer);
                return Err(PairingError::WrongDevice { expected, found });
            }
        }
        let binding = Box::new(self.keys.bind_encryption_key(account));
        let mac = self.transcript(bytes, &binding).mac(&self.code.mac_key(), Prover::Joiner);
        let proof = Message::JoinProof { mac, binding: *binding };
        self.stage = Stage::AwaitProof { account, challenge: bytes.to_vec(), binding };
        Ok(Step::Send(proof.to_bytes()))
    }

    fn transcript<'a>(&'a self, challenge: &'a [u8], binding: &'a [u8; 64]) -> Transcript<'a> {
        let (joiner, inviter) = (self.keys.id(), self.peer);
        Transcript { joiner, inviter, hello: &self.hello, challenge, binding }
    }
}

/// Refuses to come in with a key that was taken out.
pub(crate) fn refuse_taken_out(state: &RosterState, device: DeviceId) -> Result<(), PairingError> {
    match state.devices.get(&device) {
        Some(member) if member.revoked => Err(PairingError::TakenOut),
        Some(_) | None => Ok(()),
    }
}

/// Believes a grant if its roster holds and lets this device in under its own
/// encryption key.
pub(crate) fn believe(
    account: AccountId,
    message: GrantMessage,
    keys: &DeviceKeys,
) -> Result<Grant, PairingError> {
    let mut roster = Roster::new(account);
    for op in &message.ops {
        roster.restore(op)?;
    }
    let state = roster.state();
    refuse_taken_out(state, keys.id())?;
    let role = role_in(state, keys.id()).ok_or(PairingError::NotGranted)?;
    let stated = state.devices.get(&keys.id()).map(|member| member.encryption_public);
    if stated != Some(keys.encryption_public()) {
        return Err(PairingError::NotGranted);
    }
    Ok(Grant { account, ops: message.ops, role, addresses: message.addresses })
}
