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
//!
//! For an app, [`Client`] has a method for each thing that it can do with
//! records: [`Client::add`], [`Client::set`], [`Client::list`],
//! [`Client::show`], [`Client::delete`], [`Client::history`],
//! [`Client::watch`]. What is the app's own goes into [`category::apps::APPS`]
//! under names that begin with the app's:
//!
//! ```no_run
//! # async fn buy_milk() -> Result<(), Box<dyn std::error::Error>> {
//! use heirloom_api::category::apps::APPS;
//! use heirloom_api::{Client, Fields, home};
//!
//! let home = home::usual().ok_or("name a data folder with HEIRLOOM_HOME")?;
//! let mut node = Client::open(&home).await?;
//! let milk = Fields::new().json("title", "Milk").json("done", false);
//! node.set(&APPS, "org.example.shopping/milk", milk).await?;
//! for record in node.app_records("org.example.shopping").await? {
//!     println!("{} {}", record.thing, record.row.fields["done"]);
//! }
//! # Ok(())
//! # }
//! ```

pub mod client;
pub mod fields;
pub mod home;
pub mod line;
pub mod protocol;
pub mod records;
pub mod server;
pub mod socket;

pub use client::{Client, ClientError, Events};
pub use fields::Fields;
pub use heirloom_core::command;
pub use heirloom_schema::{CATEGORIES, CategorySpec, category};
pub use protocol::{Request, Response};
pub use records::{AppRecord, Saved};
pub use server::{BindError, CommandReply, Server};
