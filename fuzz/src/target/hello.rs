//! What strangers say: a roster that they present, and the frames of a pairing.
//!
//! Input: a byte for who listens, then frames in blocks. 0: a node to whom a
//! roster is presented; 1: the device that shows an invite; 2: a device on its
//! way in; 3: a device that recovers by the phrase.

use super::blocks;
use super::{Outcome, Seeds, Target, words};
use crate::house::{House, NOW, Running, keys};
use heirloom_base::Encode;
use heirloom_core::command::Command;
use heirloom_core::input::{HelloId, Input};
use heirloom_core::storage::MemoryStorage;
use heirloom_identity::{
    Invite, InvitePlan, Joiner, NewDevice, Recoverer, Responder, Response, Role, Roster, Step,
    parse_code, roster,
};
use heirloom_sim::rng::Rng;
use heirloom_sync::Message;
use std::sync::LazyLock;

pub(super) const TARGET: Target = Target {
    name: "hello",
    body,
    seeds,
    mend,
    words: &["HROP\u{1}\u{1}"],
    is_lines: false,
    mends_alone: false,
    bytes_max: 8 * 1024,
};

const NODE: u8 = 0;
const RESPONDER: u8 = 1;
const JOINER: u8 = 2;
const RECOVERER: u8 = 3;
/// Bytes of one presentation: what a stranger may send.
const HELLO_BYTES_MAX: usize = heirloom_base::limits::STRANGER_BYTES_MAX;

static HELD: LazyLock<MemoryStorage> = LazyLock::new(|| Running::first(1, true).storage);
/// The frames of a whole pairing by link, and of a recovery: what each side said.
static PAIRING: LazyLock<[Vec<Vec<u8>>; 2]> = LazyLock::new(pair);
static RECOVERY: LazyLock<[Vec<Vec<u8>>; 2]> = LazyLock::new(recover);

fn body(bytes: &[u8]) -> Outcome {
    let Some((form, rest)) = bytes.split_first() else { return Outcome::refused(&"empty") };
    let frames: Vec<Vec<u8>> = blocks::read(rest).into_iter().map(|block| block.bytes).collect();
    match *form {
        NODE => node(frames),
        JOINER => steps("joiner", &frames, |frame| {
            static CODE: LazyLock<String> = LazyLock::new(|| invite().link());
            let code = parse_code(&CODE).expect("an own link is read");
            let mut joiner = Joiner::new(code, keys(5), "five", keys(1).id(), [3; 32]).0;
            move_all(frame, |bytes| joiner.handle(bytes))
        }),
        RECOVERER => steps("recoverer", &frames, |frame| {
            let root = House::get().root.clone();
            let mut recoverer = Recoverer::new(root, keys(5), "five", keys(1).id(), [3; 32]).0;
            move_all(frame, |bytes| recoverer.handle(bytes))
        }),
        _ => responder(&frames),
    }
}

fn node(frames: Vec<Vec<u8>>) -> Outcome {
    let mut running = Running::again(1, true, &HELD);
    let before = running.storage.frames.len();
    for (id, bytes) in (1..).zip(frames).take(4) {
        if bytes.len() <= HELLO_BYTES_MAX {
            running.input(Input::Hello { id: HelloId(id), device: keys(6).id(), bytes });
        }
    }
    running.wait(100);
    let taken = running.storage.frames.len() - before;
    let devices = running.ask(Command::Devices);
    assert!(matches!(devices, Some(Ok(_))), "the node still answers: {devices:?}");
    Outcome { is_accepted: taken > 0, label: format!("node{}", taken.min(3)) }
}

fn responder(frames: &[Vec<u8>]) -> Outcome {
    let mut invite = Some(invite());
    let mut responder = Responder::new(House::get().account(), keys(1).id(), keys(5).id(), [6; 32]);
    let mut label = "responder".to_owned();
    let mut is_accepted = false;
    for frame in frames.iter().take(8) {
        let response = responder.handle(frame, &mut invite, &House::get().roster, 1);
        is_accepted |= !matches!(response, Response::Refuse(_));
        label.push_str(&words(&format!("{response:?}")).chars().take(8).collect::<String>());
        if let Response::SendThenGrant(_, granting) = &response {
            assert_eq!(granting.device, keys(5).id(), "only the proven device is let in");
        }
        if matches!(response, Response::SendThenGrant(..) | Response::Submitted(_)) {
            drop(responder.grant(House::get().ops.clone(), Vec::new()));
        }
    }
    Outcome { is_accepted, label }
}

/// Gives frames to a device on its way in, until it is in or has failed.
fn move_all(frames: &[Vec<u8>], mut handle: impl FnMut(&[u8]) -> Step) -> Vec<Step> {
    let mut steps = Vec::new();
    for frame in frames.iter().take(8) {
        let step = handle(frame);
        if let Step::Done(grant) = &step {
            let mut roster = Roster::new(House::get().account());
            grant.ops.iter().for_each(|op| drop(roster.insert(op)));
            assert!(roster.state().is_member(keys(5).id()), "a grant lets the device in");
        }
        steps.push(step);
    }
    steps
}

fn steps(name: &str, frames: &[Vec<u8>], run: impl Fn(&[Vec<u8>]) -> Vec<Step>) -> Outcome {
    let steps = run(frames);
    let is_accepted = steps.iter().any(|step| !matches!(step, Step::Failed(_)));
    let texts = steps.iter().map(|step| words(&format!("{step:?}")).chars().take(16).collect());
    let label: Vec<String> = texts.collect();
    Outcome { is_accepted, label: format!("{name}{}", label.concat()) }
}

fn invite() -> Invite {
    Invite::new(InvitePlan {
        random: [5; 32],
        account: House::get().account(),
        device: keys(1).id(),
        addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
        role: Role::Member,
        ttl_ms: 1_000,
        now_mono_ms: NOW.mono_ms.min(1),
    })
}

/// Lets device 5 in by a link.
fn pair() -> [Vec<Vec<u8>>; 2] {
    let house = House::get();
    let mut invite = Some(invite());
    let link = invite.as_ref().map(Invite::link).unwrap_or_default();
    let code = parse_code(&link).expect("an own link is read");
    let (mut joiner, hello) = Joiner::new(code, keys(5), "five", keys(1).id(), [3; 32]);
    let mut responder = Responder::new(house.account(), keys(1).id(), keys(5).id(), [6; 32]);
    let (mut said, mut heard) = (vec![hello], Vec::new());
    let mut roster = house.roster.clone();
    for _ in 0..4 {
        let Some(frame) = said.last() else { break };
        let response = responder.handle(frame, &mut invite, &roster, 1);
        match response {
            Response::Send(bytes) | Response::Refuse(bytes) => heard.push(bytes),
            Response::SendAll(frames) => heard.extend(frames),
            Response::SendThenGrant(bytes, granting) => {
                heard.push(bytes);
                let new = NewDevice { name: "five".into(), ..granting.new_device() };
                let signer = keys(1);
                let signer = roster::Signer::Device(&signer);
                let op = roster::add_device(&roster, &house.keyring, signer, &new, &[8; 32]);
                roster.insert(&op).expect("a member lets others in");
                let ops = roster.ops().into_iter().map(|(_, bytes)| bytes.to_vec()).collect();
                heard.extend(responder.grant(ops, vec![(keys(1).id(), vec!["/ip4/1".into()])]));
                return [said, heard];
            }
            Response::Submitted(_) => break,
        }
        match joiner.handle(heard.last().map(Vec::as_slice).unwrap_or_default()) {
            Step::Send(bytes) => said.push(bytes),
            Step::Wait | Step::Done(_) | Step::Failed(_) => break,
        }
    }
    [said, heard]
}

/// Lets device 5 in by the phrase.
fn recover() -> [Vec<Vec<u8>>; 2] {
    let house = House::get();
    let (mut recoverer, hello) =
        Recoverer::new(house.root.clone(), keys(5), "five", keys(1).id(), [3; 32]);
    let mut responder = Responder::new(house.account(), keys(1).id(), keys(5).id(), [6; 32]);
    let (mut said, mut heard) = (vec![hello], Vec::new());
    let mut roster = house.roster.clone();
    for _ in 0..4 {
        let Some(frame) = said.last() else { break };
        match responder.handle(frame, &mut None, &roster, 1) {
            Response::Send(bytes) | Response::Refuse(bytes) => heard.push(bytes),
            Response::SendAll(frames) => heard.extend(frames),
            Response::Submitted(op) => {
                roster.insert(&op).expect("the root key lets in");
                let ops = roster.ops().into_iter().map(|(_, bytes)| bytes.to_vec()).collect();
                heard.extend(responder.grant(ops, Vec::new()));
                return [said, heard];
            }
            Response::SendThenGrant(..) => break,
        }
        match recoverer.handle(heard.last().map(Vec::as_slice).unwrap_or_default()) {
            Step::Send(bytes) => said.push(bytes),
            Step::Wait | Step::Done(_) | Step::Failed(_) => break,
        }
    }
    [said, heard]
}

/// Puts one damaged frame into a conversation that is whole otherwise.
fn mend(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let Some((form, rest)) = bytes.split_first() else { return bytes };
    let [joining, inviting] = &*PAIRING;
    let [recovering, answering] = &*RECOVERY;
    let whole = match *form {
        NODE => return bytes,
        JOINER => inviting,
        RECOVERER => answering,
        _ if rng.chance(50) => recovering,
        _ => joining,
    };
    let mut damaged = blocks::read(rest);
    let at = rng.index(whole.len().max(1));
    let mut frames = blocks::of(0, whole.iter().take(at).cloned());
    frames.extend(damaged.drain(..).skip(at).take(1));
    frames.extend(blocks::of(0, whole.iter().skip(at + 1).cloned()));
    [vec![*form], blocks::write(&frames)].concat()
}

fn seeds() -> Seeds {
    let of = |form: u8, frames: &[Vec<u8>]| {
        [vec![form], blocks::write(&blocks::of(0, frames.to_vec()))].concat()
    };
    let house = House::get();
    let presented = |ops: Vec<Vec<u8>>| of(NODE, &[Message::Roster(ops).to_bytes()]);
    let mut more = house.ops.clone();
    let signer = keys(2);
    let new = NewDevice::of(&keys(6), house.account(), Role::Member.capabilities(), "six");
    let signer = roster::Signer::Device(&signer);
    more.push(roster::add_device(&house.roster, &house.keyring, signer, &new, &[6; 32]));
    vec![
        ("presented", presented(house.ops.clone())),
        ("presented-with-itself", presented(more)),
        ("presented-nothing", presented(Vec::new())),
        ("presented-garbage", presented(vec![vec![0; 300]; 200])),
        ("joining", of(RESPONDER, &PAIRING[0])),
        ("inviting", of(JOINER, &PAIRING[1])),
        ("recovering", of(RESPONDER, &RECOVERY[0])),
        ("answering", of(RECOVERER, &RECOVERY[1])),
        ("empty-frames", of(RESPONDER, &[Vec::new(), Vec::new()])),
        ("refusals", of(JOINER, &[vec![6, 5, 2]])),
        ("out-of-turn", of(RECOVERER, &PAIRING[1])),
    ]
}
