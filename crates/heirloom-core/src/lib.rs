//! The node: one state machine composed of small ones.

pub mod command;
pub mod input;
pub mod storage;
