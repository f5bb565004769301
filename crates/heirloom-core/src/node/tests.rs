//! Whole nodes: one alone, and several that are joined in memory.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it wants and refuses the rest"
)]

mod again;
mod agenda;
mod alone;
mod arrears;
mod asking;
mod attacks;
mod births;
mod checkpoints;
mod claims;
mod coming;
mod conduct;
mod copies;
mod disowned;
mod edits;
mod folders;
mod hostile;
mod household;
mod introductions;
mod landed;
mod life;
mod occurrences;
mod packs;
mod pairing;
mod stalls;
mod starts;
mod stranded;
mod together;
mod versions;
