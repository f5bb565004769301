//! What a member sends on the sync stream.
//!
//! Input: a byte, then 0: one message; 1: frames of device 2, each behind its
//! length as on the wire, given to the whole node of device 1.

use super::{Outcome, Seeds, Target, words};
use crate::house::{House, Running, keys};
use heirloom_base::{Decode, Encode, limits};
use heirloom_core::command::{Command, Wait};
use heirloom_core::input::Input;
use heirloom_core::storage::MemoryStorage;
use heirloom_sim::rng::Rng;
use heirloom_sync::Message;
use std::sync::LazyLock;

pub(super) const TARGET: Target = Target {
    name: "frame",
    body,
    seeds,
    mend,
    words: &["HROP", "HE\u{1}\u{1}"],
    is_lines: false,
    mends_alone: false,
    bytes_max: 8 * 1024,
};

const MESSAGE: u8 = 0;
const NODE: u8 = 1;
/// The tag of packed entries.
const PACKED: u8 = 13;
const PACKED_BYTES: usize = 512 * 1024;
const FRAMES_MAX: usize = 16;
const SIGNATURE_BYTES: usize = 64;

/// What device 1 holds before anybody speaks.
static HELD: LazyLock<MemoryStorage> = LazyLock::new(|| Running::first(1, true).storage);

/// What device 2 says to device 1, and a third one's entry that is relayed.
static SAID: LazyLock<Vec<Vec<u8>>> = LazyLock::new(converse);

fn body(bytes: &[u8]) -> Outcome {
    match bytes.split_first() {
        Some((&NODE, rest)) => node(rest),
        Some((_, rest)) => message(rest),
        None => Outcome::refused(&"empty"),
    }
}

fn message(bytes: &[u8]) -> Outcome {
    match Message::from_bytes(bytes) {
        // What a newer version says is passed over and not kept.
        Ok(Message::Unknown(_)) => Outcome::accepted("unknown"),
        // Packed entries may be packed in many ways, and are read as entries.
        Ok(Message::Entries { urgent, entries }) if bytes.first() == Some(&PACKED) => {
            // Near the limit they may not fit again where less of them follows.
            if entries.iter().map(Vec::len).sum::<usize>() < PACKED_BYTES {
                let again = Message::Packed { urgent, entries: entries.clone() }.to_bytes();
                assert_eq!(Message::from_bytes(&again), Ok(Message::Entries { urgent, entries }));
            }
            Outcome::accepted("packed entries")
        }
        Ok(message) => {
            assert_eq!(message.to_bytes(), bytes, "a message has one form");
            let name = format!("{message:?}");
            Outcome::accepted(words(name.split(['(', ' ']).next().unwrap_or_default()))
        }
        Err(error) => Outcome::refused(&error),
    }
}

/// Cuts a stream into frames as a connection does; a frame that is too long ends it.
fn frames(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk()
        && let Some((frame, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)
        && frame.len() <= limits::FRAME_BYTES_MAX
        && frames.len() < FRAMES_MAX
    {
        frames.push(frame);
        stream = rest;
    }
    frames
}

fn stream(frames: &[Vec<u8>]) -> Vec<u8> {
    let length = |frame: &Vec<u8>| u32::try_from(frame.len()).unwrap_or(u32::MAX).to_le_bytes();
    frames.iter().flat_map(|frame| [&length(frame)[..], frame].concat()).collect()
}

fn node(bytes: &[u8]) -> Outcome {
    let mut running = Running::again(1, true, &HELD);
    let device = keys(2).id();
    let before = running.storage.frames.len();
    running.input(Input::PeerUp { device });
    for frame in frames(bytes) {
        running.input(Input::Frame { device, bytes: frame.to_vec() });
    }
    running.wait(3_000);
    let taken = running.storage.frames.len() - before;
    let status = running.ask(Command::Status);
    assert!(matches!(status, Some(Ok(_))), "the node still answers: {status:?}");
    let label = format!("node{}sent{}", taken.min(4), running.sent.len().min(4));
    Outcome { is_accepted: taken > 0, label }
}

/// Lets two nodes talk until they are level; returns what the second said.
fn converse() -> Vec<Vec<u8>> {
    let mut one = Running::again(1, true, &HELD);
    let mut two = Running::first(2, true);
    for name in ["name=Ann Li", "name=Bo"] {
        let assignments = vec![name.to_owned(), "phone=+49 30 1".to_owned()];
        let category = "contacts".to_owned();
        two.ask(Command::Add { category, assignments, wait: Wait::default() });
    }
    one.input(Input::PeerUp { device: keys(2).id() });
    two.input(Input::PeerUp { device: keys(1).id() });
    let mut said = Vec::new();
    for _ in 0..6 {
        for (_, bytes) in std::mem::take(&mut two.sent) {
            said.push(bytes.clone());
            one.input(Input::Frame { device: keys(2).id(), bytes });
        }
        for (_, bytes) in std::mem::take(&mut one.sent) {
            two.input(Input::Frame { device: keys(1).id(), bytes });
        }
        one.wait(1_500);
        two.wait(1_500);
    }
    said
}

fn mend(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    match bytes.split_first() {
        Some((&NODE, rest)) => {
            let mended: Vec<Vec<u8>> =
                frames(rest).into_iter().map(|frame| resigned(frame, rng)).collect();
            [vec![NODE], stream(&mended)].concat()
        }
        // One message of a conversation, damaged, within the others.
        Some((_, rest)) if rng.chance(50) => {
            let mut said = SAID.clone();
            if !said.is_empty() {
                let at = rng.index(said.len());
                said.insert(at, resigned(rest, rng));
            }
            [vec![NODE], stream(&said)].concat()
        }
        _ => bytes,
    }
}

/// Signs what a message carries anew, where it can be read.
fn resigned(frame: &[u8], rng: &mut Rng) -> Vec<u8> {
    let Ok(message) = Message::from_bytes(frame) else { return frame.to_vec() };
    let sign = |kind: &'static str| {
        move |mut bytes: Vec<u8>| {
            let body = bytes.len().saturating_sub(SIGNATURE_BYTES);
            bytes.truncate(body);
            let hash = heirloom_base::hash::plain(&bytes);
            let signed = if kind == "entry" { &hash[..] } else { &bytes[..] };
            let signature = keys(2).sign(kind, House::get().account(), signed);
            bytes.extend_from_slice(&signature);
            bytes
        }
    };
    if rng.chance(20) {
        return frame.to_vec();
    }
    let map = |blocks: Vec<Vec<u8>>, kind| blocks.into_iter().map(sign(kind)).collect();
    match message {
        Message::Entries { urgent, entries } => {
            let entries = map(entries, "entry");
            match frame.first() {
                Some(&PACKED) => Message::Packed { urgent, entries }.to_bytes(),
                Some(_) | None => Message::Entries { urgent, entries }.to_bytes(),
            }
        }
        Message::Checkpoints(entries) => Message::Checkpoints(map(entries, "entry")).to_bytes(),
        Message::Tail { last, entries } => {
            Message::Tail { last, entries: map(entries, "entry") }.to_bytes()
        }
        Message::Receipts(receipts) => Message::Receipts(map(receipts, "receipt")).to_bytes(),
        Message::Roster(ops) => Message::Roster(map(ops, "roster-op")).to_bytes(),
        Message::Hello(_)
        | Message::Credit { .. }
        | Message::Want { .. }
        | Message::AskReceipt
        | Message::Reachable(_)
        | Message::AskTail(_)
        | Message::Fed(_)
        | Message::Packed { .. }
        | Message::Knows(_)
        | Message::Declined(_)
        | Message::Unknown(_) => frame.to_vec(),
    }
}

fn seeds() -> Seeds {
    let form = |form: u8, bytes: &[u8]| [&[form], bytes].concat();
    let names = ["said-0", "said-1", "said-2", "said-3", "said-4", "said-5", "said-6", "said-7"];
    let mut seeds: Seeds =
        names.into_iter().zip(SAID.iter().map(|frame| form(MESSAGE, frame))).collect();
    let roster = Message::Roster(House::get().ops.clone()).to_bytes();
    let want = Message::Want { log: heirloom_base::LogId([9; 16]), after: u64::MAX }.to_bytes();
    let credit = Message::Credit { entries: u32::MAX, bytes: u64::MAX }.to_bytes();
    let held = SAID.iter().filter_map(|frame| match Message::from_bytes(frame) {
        Ok(Message::Entries { entries, .. }) => Some(entries),
        Ok(_) | Err(_) => None,
    });
    let held: Vec<Vec<u8>> = held.flatten().collect();
    let shown = Message::Checkpoints(held.clone()).to_bytes();
    let packed = Message::Packed { urgent: true, entries: held.clone() }.to_bytes();
    let fed = Message::Fed(vec![heirloom_base::LogId([9; 16])]).to_bytes();
    let tail = Message::Tail { last: true, entries: held }.to_bytes();
    let ask = Message::AskTail(heirloom_sync::VersionVector::default()).to_bytes();
    seeds.extend([
        ("checkpoints", form(MESSAGE, &shown)),
        ("tail", form(MESSAGE, &tail)),
        ("ask-tail", form(MESSAGE, &ask)),
        ("packed", form(MESSAGE, &packed)),
        ("fed", form(MESSAGE, &fed)),
        ("packed-said", form(NODE, &stream(&[SAID.concat(), packed, fed]))),
        ("shown", form(NODE, &stream(&[SAID.concat(), shown, tail, ask.clone(), ask]))),
        ("conversation", form(NODE, &stream(&SAID))),
        ("conversation-backwards", {
            let said: Vec<Vec<u8>> = SAID.iter().rev().cloned().collect();
            form(NODE, &stream(&said))
        }),
        ("no-hello", form(NODE, &stream(SAID.get(1..).unwrap_or_default()))),
        ("want-all", form(NODE, &stream(&[SAID.concat(), want.clone(), credit.clone()]))),
        ("roster", form(MESSAGE, &roster)),
        ("want", form(MESSAGE, &want)),
        ("credit", form(MESSAGE, &credit)),
        ("unknown", form(MESSAGE, &[200, 1, 2, 3])),
        ("urgency-of-two", form(MESSAGE, &[3, 2, 0, 0, 0, 0])),
        ("too-many-logs", form(MESSAGE, &[&[1; 21][..], &[0xff; 4]].concat())),
        ("empty-frames", form(NODE, &[0; 400])),
    ]);
    seeds
}
