//! The category registry and the shape of a record's content.
//!
//! It is not a parser and not a store: it only names what exists. A record is
//! a flat map from keys to [`Value`]s ([`Content`]); keys that begin with `!`
//! belong to the house (see [`key`]), all others to the category's layout,
//! which `heirloom-formats` reads and writes.
//!
//! A walk: the command line makes one subcommand for each row of
//! [`CATEGORIES`], finds the row again with [`by_id`], and hands it to
//! `heirloom-formats`, which looks up the layout that belongs to it.

pub mod category;
pub mod content;
pub mod key;

pub use category::{CATEGORIES, CategorySpec, FieldKind, FieldSpec, by_id, by_number};
pub use content::{Content, Value};
