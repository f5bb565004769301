//! What goes into the node and what comes out of it.

use crate::command::{Answer, Command, Failure};
use crate::storage::{Frame, Lsn};
use heirloom_base::{ChunkId, DeviceId};
use std::collections::BTreeSet;

/// Correlates a command with its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// Correlates an effect with its completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub u64);

/// One pairing conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairingId(pub u64);

/// One question of a stranger who presents a roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HelloId(pub u64);

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The disk is full; reads and deletions still work.
    #[error("the disk is full")]
    Full,
    /// The disk refused for another reason; the log was closed.
    #[error("the log cannot be written: {0}")]
    Failed(String),
}

/// What goes into the node.
#[derive(Debug)]
pub enum Input {
    /// A program asks something.
    Command {
        /// Comes back in [`Effect::Reply`].
        id: CommandId,
        /// What is asked.
        command: Command,
    },
    /// The sync stream with a member is open.
    PeerUp {
        /// The member.
        device: DeviceId,
    },
    /// The sync stream with a member is gone.
    PeerDown {
        /// The member.
        device: DeviceId,
    },
    /// A member sent a frame on the sync stream.
    Frame {
        /// The member.
        device: DeviceId,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Chunks that were here are damaged or gone.
    ChunksLost {
        /// Which.
        chunks: BTreeSet<ChunkId>,
    },
    /// A stranger presents roster operations (`/heirloom/hello/1`).
    Hello {
        /// Comes back in [`Effect::HelloReply`].
        id: HelloId,
        /// The stranger's proven identity.
        device: DeviceId,
        /// What it presents.
        bytes: Vec<u8>,
    },
    /// A member answered what this device presented.
    HelloAnswer {
        /// The member.
        device: DeviceId,
        /// Its answer.
        bytes: Vec<u8>,
    },
    /// A frame of a pairing conversation that somebody else opened.
    Pairing {
        /// The conversation.
        id: PairingId,
        /// The other side's proven identity.
        device: DeviceId,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// A pairing conversation ended.
    PairingClosed {
        /// The conversation.
        id: PairingId,
    },
    /// An [`Effect::Append`] ended.
    Appended {
        /// The effect.
        id: EffectId,
        /// The frames' positions, in order.
        result: Result<Vec<Lsn>, AppendError>,
    },
    /// An [`Effect::Fetch`] ended.
    Fetched {
        /// The effect.
        id: EffectId,
        /// The chunks that arrived: they are durable here.
        chunks: Vec<ChunkId>,
        /// The chunks that the member said it lacks.
        lacked: Vec<ChunkId>,
        /// The chunks for which the member sent other bytes.
        wrong: Vec<ChunkId>,
    },
    /// The addresses at which this device can be reached.
    Listening {
        /// Multiaddresses with the peer id.
        addresses: Vec<String>,
    },
    /// The network of this host changed, or this host has slept: who could not
    /// be reached may be now.
    NetworkChanged {
        /// The addresses at which this device can be reached.
        addresses: Vec<String>,
    },
    /// Addresses at which a device was seen by discovery: anybody can claim
    /// to be it.
    Seen {
        /// The device.
        device: DeviceId,
        /// Multiaddresses.
        addresses: Vec<String>,
    },
    /// Addresses at which a device was reached, and proved its key.
    Reached {
        /// The device.
        device: DeviceId,
        /// Multiaddresses.
        addresses: Vec<String>,
    },
    /// A long frame of a peer is on its way.
    Coming {
        /// The peer.
        device: DeviceId,
    },
    /// A member broke the rules of the network.
    Broke {
        /// The member.
        device: DeviceId,
        /// How, as a phrase for the log.
        what: &'static str,
    },
    /// The way by which a device is connected; comes before [`Input::PeerUp`],
    /// when it changes, and when what was relayed has ended.
    Way {
        /// The device.
        device: DeviceId,
        /// Whether a keeper relays.
        relayed: bool,
        /// Where it was reached, as in [`Input::Reached`]; may be empty.
        addresses: Vec<String>,
    },
}

/// What the node wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write chunks, then frames, durably; answered by [`Input::Appended`].
    /// Appends are carried out in the order of their ids.
    Append {
        /// Comes back.
        id: EffectId,
        /// Chunks that must be durable before the frames.
        chunks: Vec<(ChunkId, Vec<u8>)>,
        /// The frames.
        frames: Vec<Frame>,
    },
    /// Send a frame to a member.
    Send {
        /// The member.
        device: DeviceId,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Fetch chunks from a member and store them; answered by [`Input::Fetched`].
    Fetch {
        /// Comes back.
        id: EffectId,
        /// The member.
        device: DeviceId,
        /// The chunks.
        chunks: Vec<ChunkId>,
    },
    /// Speak of these chunks no more, of which [`Input::ChunksLost`] told: no
    /// record needs them.
    ForgetLost {
        /// The chunks.
        chunks: BTreeSet<ChunkId>,
    },
    /// Dial a device; [`Input::PeerUp`] follows when it worked.
    Dial {
        /// The device.
        device: DeviceId,
        /// Multiaddresses, best first; may be empty when there are keepers.
        addresses: Vec<String>,
        /// Keepers that are connected and may relay if the addresses lead nowhere; of a
        /// device that is relayed already, the circuit is then made anew.
        keepers: Vec<DeviceId>,
    },
    /// These devices, and no others, are members.
    SetMembers {
        /// All members but this device.
        devices: BTreeSet<DeviceId>,
        /// Those of them that are keepers.
        keepers: BTreeSet<DeviceId>,
    },
    /// Whether strangers may pair now.
    SetPairing {
        /// True while an invite is open.
        open: bool,
    },
    /// Send a frame in a pairing conversation.
    PairingSend {
        /// The conversation.
        id: PairingId,
        /// The frame.
        bytes: Vec<u8>,
        /// Whether the conversation ends with it.
        last: bool,
    },
    /// Answer a stranger.
    HelloReply {
        /// The question.
        id: HelloId,
        /// The answer.
        bytes: Vec<u8>,
    },
    /// Show a connected device [`Node::presentation`](crate::Node::presentation) again: it
    /// has said what it lacks.
    Introduce {
        /// The device.
        device: DeviceId,
    },
    /// Close every connection with a device.
    Disconnect {
        /// The device.
        device: DeviceId,
    },
    /// Answer a program.
    Reply {
        /// The command.
        id: CommandId,
        /// The answer.
        result: Box<Result<Answer, Failure>>,
    },
}
