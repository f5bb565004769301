//! What a program asks of this crate, and what it gets.

use heirloom_core::command::Event;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// How [`crate::up`] runs the node of a data folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpOptions {
    /// The data folder.
    pub home: PathBuf,
    /// The name of a device that is made now.
    pub device: Option<String>,
    /// Whether this device is a keeper.
    pub keeper: bool,
    /// Whether this keeper holds no content keys.
    pub blind: bool,
    /// An invite's link or six words, to join an account first.
    pub join: Option<String>,
    /// Multiaddresses to listen on; without any the default port everywhere.
    pub listen: Vec<String>,
    /// Multiaddresses to dial, with or without `/p2p/ID`.
    pub peers: Vec<String>,
    /// Whether to look for peers on the local network.
    pub mdns: bool,
}

/// How [`crate::join`] joins an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JoinOptions {
    /// The data folder, which must hold no account yet.
    pub home: PathBuf,
    /// The invite's link or six words.
    pub code: String,
    /// The name of this device.
    pub device: Option<String>,
    /// Multiaddresses to listen on meanwhile; without any a free port everywhere.
    pub listen: Vec<String>,
    /// Multiaddresses to dial, with or without `/p2p/ID`.
    pub peers: Vec<String>,
    /// Whether to look for peers on the local network.
    pub mdns: bool,
}

/// How [`crate::recover`] restores an account on a new device.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RecoverOptions {
    /// The data folder, which must hold no account yet.
    pub home: PathBuf,
    /// The recovery phrase: twelve words.
    pub phrase: String,
    /// The name of this device.
    pub device: Option<String>,
    /// Multiaddresses to listen on meanwhile; without any a free port everywhere.
    pub listen: Vec<String>,
    /// Multiaddresses to dial, with or without `/p2p/ID`.
    pub peers: Vec<String>,
    /// Whether to look for peers on the local network.
    pub mdns: bool,
}

impl fmt::Debug for RecoverOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RecoverOptions")
            .field("home", &self.home)
            .field("device", &self.device)
            .field("listen", &self.listen)
            .field("peers", &self.peers)
            .field("mdns", &self.mdns)
            .finish_non_exhaustive()
    }
}

/// What happens while [`crate::up`] runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpEvent {
    /// The control socket answers and the listeners are bound: the first event.
    Ready(Ready),
    /// Something happened in the node.
    Node(Event),
}

/// A node that is up.
#[derive(Clone, PartialEq, Eq)]
pub struct Ready {
    /// The account, in hex.
    pub account_id: String,
    /// This device, in hex.
    pub device_id: String,
    /// The device's name on the network, in base58.
    pub peer_id: String,
    /// Multiaddresses with `/p2p/`.
    pub addresses: Vec<String>,
    /// The recovery phrase, only where the account was made just now.
    pub phrase: Option<String>,
    /// Whether this device may let others in.
    pub may_invite: bool,
    /// Whether this device was taken out of the account.
    pub is_out: bool,
}

impl fmt::Debug for Ready {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ready")
            .field("account_id", &self.account_id)
            .field("device_id", &self.device_id)
            .field("peer_id", &self.peer_id)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// An account that was made just now.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The account, in hex.
    pub account_id: String,
    /// This device, in hex.
    pub device_id: String,
    /// The device's name on the network, in base58.
    pub peer_id: String,
    /// The recovery phrase, stored nowhere.
    pub phrase: Zeroizing<String>,
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Account")
            .field("account_id", &self.account_id)
            .field("device_id", &self.device_id)
            .field("peer_id", &self.peer_id)
            .finish_non_exhaustive()
    }
}

/// A device that joined an account and did its first sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The account, in hex.
    pub account_id: String,
    /// This device, in hex.
    pub device_id: String,
    /// The device's name on the network, in base58.
    pub peer_id: String,
    /// Live records by category; empty on a blind keeper.
    pub records: BTreeMap<String, u64>,
}

/// A device on which an account was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The account, in hex.
    pub account_id: String,
    /// This device, in hex.
    pub device_id: String,
    /// The devices that sent something.
    pub restored_from: Vec<String>,
    /// Live records by category.
    pub records: BTreeMap<String, u64>,
    /// Whether everything arrived that the reachable devices hold.
    pub complete: bool,
    /// Whether the disk of this device is full.
    pub disk_full: bool,
    /// Whether it was asked to stop before everything was here.
    pub interrupted: bool,
    /// RFC 3339 time of the newest change that arrived.
    pub as_of: Option<String>,
}
