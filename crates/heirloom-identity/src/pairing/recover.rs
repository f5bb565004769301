//! The new device's side of a recovery by the phrase.

use super::join::{believe, refuse_taken_out};
use super::message::{GrantMessage, Message, Parts, VERSIONS, root_statement};
use super::{Grant, PairingError, Step};
use crate::roster::{self, NewDevice, Signer};
use crate::seal::SeededRandom;
use crate::{DeviceKeys, Keyring, Role, RootKeys, Roster, signed};
use heirloom_base::{DeviceId, Encode};
use zeroize::Zeroizing;

/// A new device that comes in by the phrase, through any peer.
#[derive(Debug)]
pub struct Recoverer {
    root: RootKeys,
    keys: DeviceKeys,
    name: String,
    role: Role,
    peer: DeviceId,
    random: Zeroizing<[u8; 32]>,
    hello: Vec<u8>,
    parts: Parts,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    AwaitChallenge,
    AwaitRoster,
    AwaitGrant,
    Over,
}

impl Recoverer {
    /// Begins a recovery with `peer`, whose id the transport proved; returns
    /// the first frame. `random` must be fresh. The device becomes a member.
    #[must_use]
    pub fn new(
        root: RootKeys,
        keys: DeviceKeys,
        name: &str,
        peer: DeviceId,
        random: [u8; 32],
    ) -> (Self, Vec<u8>) {
        let nonce = SeededRandom::new(&random, "pair-root-nonce").bytes();
        let account = root.account_id();
        let hello = Message::RootHello { versions: VERSIONS, account, nonce }.to_bytes();
        let recoverer = Self {
            root,
            keys,
            name: name.to_owned(),
            role: Role::Member,
            peer,
            random: Zeroizing::new(random),
            hello: hello.clone(),
            parts: Parts::default(),
            stage: Stage::AwaitChallenge,
        };
        (recoverer, hello)
    }

    /// Lets the device in with another role than member.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
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
            (Stage::AwaitChallenge, Message::RootChallenge { version, .. }) => {
                if version < VERSIONS.0 || version > VERSIONS.1 {
                    return Err(PairingError::Version);
                }
                let statement = root_statement(self.keys.id(), self.peer, &self.hello, bytes);
                let signature = self.root.sign(signed::ROOT_PROOF, &statement);
                self.stage = Stage::AwaitRoster;
                Ok(Step::Send(Message::RootProof { signature }.to_bytes()))
            }
            (stage @ (Stage::AwaitRoster | Stage::AwaitGrant), Message::RosterPart { ops }) => {
                self.parts.add(ops)?;
                self.stage = stage;
                Ok(Step::Wait)
            }
            (Stage::AwaitRoster, Message::RootRoster { ops }) => {
                let ops = self.parts.end(ops);
                if let Some(grant) = self.found_in(&ops) {
                    return Ok(Step::Done(Box::new(grant)));
                }
                let op = self.let_in(&ops)?;
                self.stage = Stage::AwaitGrant;
                Ok(Step::Send(Message::RootSubmit { op }.to_bytes()))
            }
            (Stage::AwaitGrant, Message::Grant(mut grant)) => {
                grant.ops = self.parts.end(grant.ops);
                self.finish(grant)
            }
            _ => Err(PairingError::OutOfTurn),
        }
    }

    /// Returns what an earlier try was granted whose end this device did not see.
    fn found_in(&self, ops: &[Vec<u8>]) -> Option<Grant> {
        let message = GrantMessage::bounded(ops.to_vec(), Vec::new());
        let grant = believe(self.root.account_id(), message, &self.keys).ok()?;
        (grant.role == self.role).then_some(grant)
    }

    /// Writes the operation that lets this device in.
    fn let_in(&self, ops: &[Vec<u8>]) -> Result<Vec<u8>, PairingError> {
        let account = self.root.account_id();
        let mut roster = Roster::new(account);
        for op in ops {
            roster.restore(op)?;
        }
        refuse_taken_out(roster.state(), self.keys.id())?;
        let keyring = Keyring::open_with_recovery(&roster, &self.root)?;
        let new = NewDevice::of(&self.keys, account, self.role.capabilities(), &self.name);
        let signer = Signer::Root(&self.root);
        let op = roster::add_device(&roster, &keyring, signer, &new, &self.random);
        roster.insert(&op)?;
        Ok(op)
    }

    fn finish(&self, grant: GrantMessage) -> Result<Step, PairingError> {
        let grant = believe(self.root.account_id(), grant, &self.keys)?;
        Ok(Step::Done(Box::new(grant)))
    }
}
