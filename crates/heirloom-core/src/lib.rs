//! The node: one state machine composed of small ones.

pub mod storage;
