//! Fuzzing: what comes from outside, damaged and forged, against the real code.
//!
//! It is not part of the product, and it finds nothing by itself: a
//! [`Target`] is a plain function over bytes that asserts what must hold, with
//! valid inputs made by the real code and a way to mend a mutated input, so
//! that it passes checksums and signatures and reaches the code behind them.
//!
//! A walk: [`Source::input`] makes input `number` of a seed from the target's
//! seeds and its corpus; [`trial::run`] gives it to the target's body and
//! measures time and memory. `cargo test` replays every corpus and some
//! hundred mutated inputs. [`soak::run`] does the same with millions, each
//! share in a process of its own, so that even an abort is told with its input.

pub mod change;
pub mod corpus;
pub mod house;
pub mod json;
pub mod memory;
pub mod mutate;
pub mod soak;
pub mod source;
pub mod target;
pub mod trial;
pub mod worker;

pub use source::Source;
pub use target::{Outcome, Target};
