//! The control interface of a running node: JSON lines over a local socket
//! that only the owner of the data folder can open.
//!
//! It is not a network protocol and not a store: it carries the commands and
//! events of `heirloom-core` between two programs of one user, and decides
//! nothing about them.
//!
//! A walk: the node binds a [`Server`] in its data folder. A program calls
//! [`Client::connect`] with the same folder; both compute the socket's place
//! with [`socket::path`]. [`Client::request`] writes one [`Request`] line, the
//! server hands the command to the node with a way to answer, and writes the
//! answer back as one [`Response`] line. After [`Client::watch`] the
//! connection carries nothing but events, one line each.

pub mod client;
pub mod line;
pub mod protocol;
pub mod server;
pub mod socket;

pub use client::{Client, ClientError, Events};
pub use protocol::{Request, Response};
pub use server::{BindError, CommandReply, Server};
