//! The category registry and the shape of a record's content.
//!
//! It is not a parser and not a store: it only names what exists. A record is
//! a flat map from keys to [`Value`]s ([`Content`]); keys that begin with `!`
//! belong to the house (see [`key`]), all others to the category's layout,
//! which `heirloom-formats` reads and writes.

pub mod content;
pub mod key;

pub use content::{Content, Value};
