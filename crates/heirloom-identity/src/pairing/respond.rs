//! The side of the device that is in already, for both kinds of pairing.

use super::message::{
    GrantMessage, JoinChallenge, JoinHello, Message, Prover, Refusal, Transcript, VERSIONS,
    common_version, frames, root_statement,
};
use crate::invite::{Invite, InviteState};
use crate::roster::op::{Author, Op, OpBody};
use crate::seal::SeededRandom;
use crate::signed::{self, Signed};
use crate::{NewDevice, Role, Roster};
use heirloom_base::{AccountId, DeviceId, Encode};
use zeroize::Zeroizing;

/// What the responding device does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Send this frame, then wait for the next one.
    Send(Vec<u8>),
    /// Send these frames, then wait for the next one.
    SendAll(Vec<Vec<u8>>),
    /// Send this frame and end the conversation.
    Refuse(Vec<u8>),
    /// Send this frame, let the new device in, and when that is durable send
    /// [`Responder::grant`].
    SendThenGrant(Vec<u8>, Granting),
    /// Insert this operation, by which the root key lets the other device in,
    /// and when that is durable send [`Responder::grant`].
    Submitted(Vec<u8>),
}

/// A device that proved that it knows the invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granting {
    /// The device.
    pub device: DeviceId,
    /// Its public encryption key.
    pub encryption_public: [u8; 32],
    /// Its signature over that key.
    pub binding: [u8; 64],
    /// What the invite makes it.
    pub role: Role,
    /// The name that it gives itself.
    pub name: String,
}

impl Granting {
    /// Returns what [`crate::roster::add_device`] needs.
    #[must_use]
    pub fn new_device(&self) -> NewDevice {
        NewDevice {
            id: self.device,
            encryption_public: self.encryption_public,
            binding: self.binding,
            capabilities: self.role.capabilities(),
            name: self.name.clone(),
        }
    }
}

/// One conversation with a device that wants in.
#[derive(Debug, Clone)]
pub struct Responder {
    account: AccountId,
    own: DeviceId,
    peer: DeviceId,
    random: Zeroizing<[u8; 32]>,
    /// The version of the conversation.
    version: u8,
    stage: Stage,
}

#[derive(Debug, Clone)]
enum Stage {
    AwaitHello,
    AwaitJoinProof { hello: JoinHello, hello_bytes: Vec<u8>, challenge: Vec<u8> },
    AwaitRootProof { hello: Vec<u8>, challenge: Vec<u8> },
    AwaitSubmission,
    Over,
}

impl Responder {
    /// Begins to answer `peer`, whose id the transport proved. `random` must be fresh.
    #[must_use]
    pub fn new(account: AccountId, own: DeviceId, peer: DeviceId, random: [u8; 32]) -> Self {
        let random = Zeroizing::new(random);
        Self { account, own, peer, random, version: VERSIONS.0, stage: Stage::AwaitHello }
    }

    /// Takes in a frame.
    pub fn handle(
        &mut self,
        bytes: &[u8],
        invite: &mut Option<Invite>,
        roster: &Roster,
        now_mono_ms: u64,
    ) -> Response {
        self.advance(bytes, invite, roster, now_mono_ms).unwrap_or_else(|refusal| {
            self.stage = Stage::Over;
            Response::Refuse(Message::Refused(refusal).to_bytes())
        })
    }

    /// Returns the last frames: the roster, which lets the new device in by now,
    /// and where the others can be reached. A roster too large for what the
    /// newcomer reads is refused.
    #[must_use]
    pub fn grant(
        &self,
        ops: Vec<Vec<u8>>,
        addresses: Vec<(DeviceId, Vec<String>)>,
    ) -> Vec<Vec<u8>> {
        self.granted(ops, addresses).unwrap_or_else(|| vec![unable()])
    }

    /// Returns whether the newcomer will be able to read a grant, with the
    /// operation that lets it in still to come; else the frame that says so.
    ///
    /// # Errors
    /// With that frame: nobody is to be let in who does not hear of it.
    pub fn check_grant(
        &self,
        mut ops: Vec<Vec<u8>>,
        addresses: Vec<(DeviceId, Vec<String>)>,
    ) -> Result<(), Vec<u8>> {
        ops.push(vec![0; NEW_OP_BYTES]);
        self.granted(ops, addresses).map(drop).ok_or_else(unable)
    }

    /// Returns the frame that says that nothing came of it, for whatever reason.
    #[must_use]
    pub fn fail(&self) -> Vec<u8> {
        unable()
    }

    fn granted(
        &self,
        ops: Vec<Vec<u8>>,
        addresses: Vec<(DeviceId, Vec<String>)>,
    ) -> Option<Vec<Vec<u8>>> {
        let message = |ops| Message::Grant(GrantMessage::bounded(ops, addresses.clone()));
        frames(self.version, ops, message)
    }

    fn advance(
        &mut self,
        bytes: &[u8],
        invite: &mut Option<Invite>,
        roster: &Roster,
        now_mono_ms: u64,
    ) -> Result<Response, Refusal> {
        let message = Message::read(bytes).map_err(|_| Refusal::Unable)?;
        match (std::mem::replace(&mut self.stage, Stage::Over), message) {
            (Stage::AwaitHello, Message::JoinHello(hello)) => {
                usable(invite, self.peer, now_mono_ms)?;
                self.challenge(hello, bytes)
            }
            (
                Stage::AwaitJoinProof { hello, hello_bytes, challenge },
                Message::JoinProof { mac, binding },
            ) => {
                let invite = usable(invite, self.peer, now_mono_ms)?;
                let transcript = Transcript {
                    joiner: self.peer,
                    inviter: self.own,
                    hello: &hello_bytes,
                    challenge: &challenge,
                    binding: &binding,
                };
                let response = self.check_join_proof(invite, hello, &transcript, &mac)?;
                // Who was taken out hears of it, and comes back with another key.
                if !is_out(roster, self.peer) {
                    invite.use_up(self.peer);
                }
                Ok(response)
            }
            (Stage::AwaitHello, Message::RootHello { versions, account, .. }) => {
                self.root_challenge(versions, account, bytes)
            }
            (Stage::AwaitRootProof { hello, challenge }, Message::RootProof { signature }) => {
                self.check_root_proof(&hello, &challenge, &signature, roster)
            }
            (Stage::AwaitSubmission, Message::RootSubmit { op }) => {
                self.check_submission(op, roster)
            }
            _ => Err(Refusal::Unable),
        }
    }

    fn challenge(&mut self, hello: JoinHello, bytes: &[u8]) -> Result<Response, Refusal> {
        let version = common_version(VERSIONS, hello.versions).ok_or(Refusal::Version)?;
        self.version = version;
        let nonce = SeededRandom::new(&self.random, "pair-challenge").bytes();
        let (versions, account) = (VERSIONS, self.account);
        let challenge = JoinChallenge { versions, version, account, nonce };
        let challenge = Message::JoinChallenge(challenge).to_bytes();
        let reply = challenge.clone();
        self.stage = Stage::AwaitJoinProof { hello, hello_bytes: bytes.to_vec(), challenge };
        Ok(Response::Send(reply))
    }

    fn check_join_proof(
        &self,
        invite: &mut Invite,
        hello: JoinHello,
        transcript: &Transcript<'_>,
        mac: &[u8; 32],
    ) -> Result<Response, Refusal> {
        let key = invite.mac_key(hello.code);
        if !transcript.proves(&key, Prover::Joiner, mac) {
            return Err(match invite.count_wrong_try() {
                0 => Refusal::Burned,
                left => Refusal::WrongCode { tries_left: u8::try_from(left).unwrap_or(u8::MAX) },
            });
        }
        let (public, binding) = (&hello.encryption_public, transcript.binding);
        signed::verify(signed::DEVICE_KEY, self.account, &self.peer.0, public, binding)
            .map_err(|_| Refusal::Unable)?;
        let mac = transcript.mac(&key, Prover::Inviter);
        let granting = Granting {
            device: self.peer,
            encryption_public: hello.encryption_public,
            binding: *transcript.binding,
            role: invite.role(),
            name: hello.name,
        };
        Ok(Response::SendThenGrant(Message::InviterProof { mac }.to_bytes(), granting))
    }

    fn root_challenge(
        &mut self,
        versions: (u8, u8),
        account: AccountId,
        bytes: &[u8],
    ) -> Result<Response, Refusal> {
        if account != self.account {
            return Err(Refusal::NotThisAccount);
        }
        let version = common_version(VERSIONS, versions).ok_or(Refusal::Version)?;
        self.version = version;
        let nonce = SeededRandom::new(&self.random, "pair-root-challenge").bytes();
        let challenge = Message::RootChallenge { version, nonce }.to_bytes();
        let reply = challenge.clone();
        self.stage = Stage::AwaitRootProof { hello: bytes.to_vec(), challenge };
        Ok(Response::Send(reply))
    }

    fn check_root_proof(
        &mut self,
        hello: &[u8],
        challenge: &[u8],
        signature: &[u8; 64],
        roster: &Roster,
    ) -> Result<Response, Refusal> {
        let root = roster.state().root_public.ok_or(Refusal::Unable)?;
        let statement = root_statement(self.peer, self.own, hello, challenge);
        signed::verify(signed::ROOT_PROOF, self.account, &root, &statement, signature)
            .map_err(|_| Refusal::NotThisAccount)?;
        let ops = roster.ops_beyond(&[]);
        let frames = frames(self.version, ops, |ops| Message::RootRoster { ops });
        let frames = frames.ok_or(Refusal::Unable)?;
        self.stage = Stage::AwaitSubmission;
        Ok(Response::SendAll(frames))
    }

    /// Passes on only what the root key signed and what lets this peer in.
    fn check_submission(&self, op: Vec<u8>, roster: &Roster) -> Result<Response, Refusal> {
        let root = roster.state().root_public.ok_or(Refusal::Unable)?;
        let signed = Signed::<Op>::parse(&op).map_err(|_| Refusal::Unable)?;
        let verified =
            signed.verify(signed::ROSTER_OP, self.account, &root).map_err(|_| Refusal::Unable)?;
        let Op { body, author, .. } = verified.value();
        let lets_in = *author == Author::Root
            && matches!(body, OpBody::AddDevice(add) if add.device == self.peer);
        if lets_in { Ok(Response::Submitted(op)) } else { Err(Refusal::Unable) }
    }
}

fn is_out(roster: &Roster, device: DeviceId) -> bool {
    roster.state().devices.get(&device).is_some_and(|member| member.revoked)
}

/// Returns the invite if it can be used.
fn usable(
    invite: &mut Option<Invite>,
    peer: DeviceId,
    now_mono_ms: u64,
) -> Result<&mut Invite, Refusal> {
    let invite = invite.as_mut().ok_or(Refusal::NoInvite)?;
    match invite.state_for(peer, now_mono_ms) {
        InviteState::Open { .. } => Ok(invite),
        InviteState::Used => Err(Refusal::UsedUp),
        InviteState::Burned => Err(Refusal::Burned),
        InviteState::Expired => Err(Refusal::Expired),
    }
}

/// Room for the operation that lets a device in, when the rest is measured.
const NEW_OP_BYTES: usize = 16 * 1024;

fn unable() -> Vec<u8> {
    Message::Refused(Refusal::Unable).to_bytes()
}
