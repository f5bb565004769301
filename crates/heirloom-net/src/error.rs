//! What can fail, one enum per family of calls.

use heirloom_base::DeviceId;

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listen address is no TCP multiaddress.
    #[error("not an address to listen on: {address:?}")]
    BadAddress {
        /// The refused text.
        address: String,
    },
    /// A listen address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The encryption cannot be set up.
    #[error("the encryption cannot be set up: {reason}")]
    Encryption {
        /// The cause.
        reason: String,
    },
}

/// Why no connection came about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// A text is neither a multiaddress nor `host:port`.
    #[error("not an address: {address:?}")]
    BadAddress {
        /// The refused text.
        address: String,
    },
    /// A name has no address now.
    #[error("the name in {address:?} cannot be resolved")]
    Unresolved {
        /// The address as given.
        address: String,
    },
    /// There is no address to try.
    #[error("no address is known")]
    NoAddress,
    /// The address leads to this very device.
    #[error("the address leads to this device itself")]
    Itself,
    /// Another device answered.
    #[error("another device answered: {obtained}")]
    WrongDevice {
        /// The device that answered.
        obtained: DeviceId,
    },
    /// Nobody answered in time.
    #[error("nobody answered in time")]
    Timeout,
    /// Every address refused; the text names the last cause.
    #[error("no address could be reached: {reason}")]
    Unreachable {
        /// The last cause.
        reason: String,
    },
    /// Too many dials run already.
    #[error("too many dials run already")]
    Busy,
    /// The network was stopped.
    #[error("the network was stopped")]
    Stopped,
}

/// Why no stream came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no connection with the device.
    #[error("not connected")]
    NotConnected,
    /// The device does not offer this conversation to us.
    #[error("the other side does not offer this conversation")]
    Refused,
    /// The stream was lost twice before the other side took it.
    #[error("the stream was lost")]
    Lost,
    /// The other side did not answer in time.
    #[error("the other side did not answer in time")]
    Timeout,
    /// No slot became free in time.
    #[error("too many streams with this device are open")]
    Busy,
    /// The network was stopped.
    #[error("the network was stopped")]
    Stopped,
}

/// Why a frame was not queued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The queue is full; the frame comes back.
    #[error("the queue is full")]
    Full(Vec<u8>),
    /// No sync stream with the device is up.
    #[error("no sync stream with this device is up")]
    Gone,
    /// The frame is empty or longer than a frame may be.
    #[error("a frame of {length} bytes cannot be sent")]
    BadLength {
        /// The frame's length in bytes.
        length: usize,
    },
}

/// Why a conversation ended early.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The stream could not be opened.
    #[error("the stream could not be opened")]
    Open(#[from] OpenError),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[from] std::io::Error),
    /// The other side ended the conversation.
    #[error("the other side ended the conversation")]
    Ended,
    /// A frame is longer than allowed at this point.
    #[error("a frame of {length} bytes passes the limit of {limit}")]
    TooLong {
        /// The frame's length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The other side did not answer in time.
    #[error("the other side did not answer in time")]
    Timeout,
}

/// A text that is no peer id of an ed25519 device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a peer id of a device: {text:?}")]
pub struct ParsePeerError {
    /// The refused text.
    pub text: String,
}
