//! The targets: one file each, and one list.

use heirloom_sim::rng::Rng;
use std::fmt::Debug;

mod blocks;
mod broken;
mod entry;
mod frame;
mod gate;
mod hello;
mod icalendar;
mod invite;
mod item;
mod markdown;
mod pack;
mod receipt;
mod request;
mod roster_op;
mod segment;
mod settings;
mod vcard;

/// How an input ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the code took the input in, whole or in part.
    pub is_accepted: bool,
    /// What happened, in few words: inputs with equal ones went one way.
    pub label: String,
}

impl Outcome {
    /// The input was taken in.
    #[must_use]
    pub fn accepted(label: impl Into<String>) -> Self {
        Self { is_accepted: true, label: label.into() }
    }

    /// The input was refused; numbers in the reason tell nothing apart.
    #[must_use]
    pub fn refused(reason: &impl Debug) -> Self {
        Self { is_accepted: false, label: words(&format!("{reason:?}")) }
    }
}

/// Returns the letters of a text, at most 60 of them.
#[must_use]
pub fn words(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphabetic()).take(60).collect()
}

/// Inputs with their names.
pub type Seeds = Vec<(&'static str, Vec<u8>)>;

/// One thing that reads foreign bytes.
#[derive(Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Runs one input: a panic is a finding.
    pub body: fn(&[u8]) -> Outcome,
    /// Inputs to begin with: valid ones, made by the real code, and evil ones.
    pub seeds: fn() -> Seeds,
    /// Makes a mutated input pass checksums and signatures.
    pub mend: fn(Vec<u8>, &mut Rng) -> Vec<u8>,
    /// Words that the code looks for.
    pub words: &'static [&'static str],
    /// Whether inputs are made of lines.
    pub is_lines: bool,
    /// Whether mending does damage of its own, so that blind damage is not needed.
    pub mends_alone: bool,
    /// Bytes of a mutated input at most.
    pub bytes_max: usize,
}

/// All targets.
pub static TARGETS: &[Target] = &[
    gate::TARGET,
    entry::TARGET,
    frame::TARGET,
    roster_op::TARGET,
    hello::TARGET,
    receipt::TARGET,
    pack::TARGET,
    invite::TARGET,
    vcard::TARGET,
    icalendar::TARGET,
    markdown::TARGET,
    settings::TARGET,
    request::TARGET,
    segment::TARGET,
];

/// Returns the target of a name; `broken` is one that no list holds.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Target> {
    TARGETS.iter().chain([&broken::TARGET]).find(|target| target.name == name)
}

/// Returns the target that a file or folder belongs to by its name.
#[must_use]
pub fn of_file(name: &str) -> Option<&'static Target> {
    let begins = |target: &&Target| {
        let rest = name.strip_prefix(target.name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    TARGETS.iter().find(begins)
}

/// Mends nothing.
fn unmended(bytes: Vec<u8>, _: &mut Rng) -> Vec<u8> {
    bytes
}
