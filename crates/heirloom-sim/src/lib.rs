//! A household in one thread, on a clock that the test turns.
//!
//! It runs the very node that the daemon runs, over a network that loses,
//! doubles and reorders, and disks that forget what was not synced. It is not
//! a model of the node: the model is what people did and what was answered,
//! and [`scenario`] checks the promises against it.
//!
//! A walk: [`World::command`] gives a node a command; the node's effects
//! become happenings in a queue ordered by time; [`World::step`] lets the next
//! one happen. One seed gives one sequence, and one trace hash.

pub mod crashes;
pub mod disk;
pub mod exile;
pub mod faults;
pub mod hostile;
pub mod planted;
pub mod rng;
pub mod rosters;
pub mod scenario;
pub mod world;

pub use faults::{Fault, Faults, Tally};
pub use world::{INPUTS_MAX, World};
