//! The handle by which a host uses the network.

use crate::address;
use crate::blob::BlobStream;
use crate::command::Command;
use crate::config::{NetworkConfig, Timing};
use crate::counters::Counters;
use crate::error::{DialError, OpenError, SendError, StartError, StreamError};
use crate::event::NetworkEvents;
use crate::framed;
use crate::limits;
use crate::opened::Opener;
use crate::pairing::PairingStream;
use crate::protocol::Protocol;
use crate::shared::Shared;
use crate::swarm;
use futures::AsyncWriteExt;
use heirloom_base::DeviceId;
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

/// The handle by which a host uses the network; clones use the same one.
///
/// The network stops at [`Network::shutdown`], or when the last handle is
/// dropped.
#[derive(Debug, Clone)]
pub struct Network {
    pub(crate) device: DeviceId,
    pub(crate) port: Option<u16>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) opener: Opener,
    pub(crate) shared: Arc<Shared>,
    pub(crate) timing: Timing,
}

impl Network {
    /// Binds the listeners and begins. Works without any network around: what
    /// is missing (discovery, names, IPv6) is missed later, or reported as
    /// [`crate::NetworkEvent::Warning`].
    ///
    /// # Errors
    /// When a listen address is no address or cannot be bound.
    pub async fn start(config: NetworkConfig) -> Result<(Self, NetworkEvents), StartError> {
        swarm::start(config, Timing::default()).await
    }

    /// Returns this device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Returns the TCP port that was bound first.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the multiaddresses at which this device listens now, one per
    /// interface, each ending in its peer id.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.shared.addresses()
    }

    /// Makes these devices, and no others, members. When this returns, who was
    /// removed has lost its connections and who was added is offered
    /// everything, also on a connection that is already up.
    pub async fn set_members(&self, devices: BTreeSet<DeviceId>) {
        self.order(|done| Command::SetMembers { devices, done }).await;
    }

    /// Makes these members, and no others, the keepers: this device reserves at
    /// [`limits::RELAYS_MAX`] of them that it is connected with, so that others
    /// reach it there.
    pub async fn set_keepers(&self, devices: BTreeSet<DeviceId>) {
        self.order(|done| Command::SetKeepers { devices, done }).await;
    }

    /// Lets strangers who pair stay as long as an invite lasts, or no longer.
    pub async fn set_pairing(&self, open: bool) {
        self.order(|done| Command::SetPairing { open, done }).await;
    }

    /// Connects to a device, or to whoever answers at the addresses.
    ///
    /// Addresses are multiaddresses (`/ip4`, `/ip6`, `/dns`, `/dns4`, `/dns6`
    /// with `/tcp`, with or without `/p2p`) or `host:port`; all are tried at
    /// once. Without any, those that discovery found are. A connection that is
    /// up already counts, unless a keeper relays it.
    ///
    /// # Errors
    /// When nobody, or somebody else, answered within
    /// [`limits::DIAL_MS_MAX`].
    pub async fn dial(
        &self,
        device: Option<DeviceId>,
        addresses: Vec<String>,
    ) -> Result<DeviceId, DialError> {
        if device == Some(self.device) {
            return Err(DialError::Itself);
        }
        let work = async {
            let targets = address::targets(device, &addresses).await?;
            let (reply, answer) = oneshot::channel();
            let command = Command::Dial { targets, reply };
            self.commands.send(command).await.map_err(|_| DialError::Stopped)?;
            answer.await.map_err(|_| DialError::Stopped)?
        };
        let limit = Duration::from_millis(limits::DIAL_MS_MAX);
        timeout(limit, work).await.unwrap_or(Err(DialError::Timeout))
    }

    /// Connects to a device directly, or through one of these keepers if that
    /// does not work soon. What was relayed becomes direct by itself where the
    /// networks allow it.
    ///
    /// # Errors
    /// When neither way leads to the device.
    pub async fn reach(
        &self,
        device: DeviceId,
        addresses: Vec<String>,
        keepers: Vec<DeviceId>,
    ) -> Result<DeviceId, DialError> {
        let mut direct = pin!(self.dial(Some(device), addresses));
        if keepers.is_empty() {
            return direct.await;
        }
        let turn = if self.device < device { 0 } else { limits::RELAY_TURN_MS };
        let pause = |ms| sleep(Duration::from_millis(ms));
        let early = timeout(Duration::from_millis(limits::RELAY_AFTER_MS), &mut direct).await;
        match early {
            Ok(Ok(device)) => return Ok(device),
            Ok(Err(_)) => {
                pause(turn).await;
                return self.dial_through(device, keepers).await;
            }
            Err(_) => {}
        }
        let mut relayed = pin!(async {
            pause(turn).await;
            self.dial_through(device, keepers).await
        });
        tokio::select! {
            reached = &mut direct => match reached {
                Ok(device) => Ok(device),
                Err(_) => relayed.await,
            },
            reached = &mut relayed => match reached {
                Ok(device) => Ok(device),
                Err(_) => direct.await,
            },
        }
    }

    /// Connects to a device through one of these keepers, which must be
    /// connected directly.
    pub(crate) async fn dial_through(
        &self,
        device: DeviceId,
        keepers: Vec<DeviceId>,
    ) -> Result<DeviceId, DialError> {
        let work = async {
            let (reply, answer) = oneshot::channel();
            let command = Command::DialThrough { device, keepers, reply };
            self.commands.send(command).await.map_err(|_| DialError::Stopped)?;
            answer.await.map_err(|_| DialError::Stopped)?
        };
        let limit = Duration::from_millis(limits::DIAL_MS_MAX);
        timeout(limit, work).await.unwrap_or(Err(DialError::Timeout))
    }

    /// Opens the sync stream with a connected member now instead of after the
    /// pause that follows a failure. Connected members need no such call.
    ///
    /// # Errors
    /// When the device is not connected, or no member.
    pub async fn open_sync(&self, device: DeviceId) -> Result<(), OpenError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::OpenSync { device, reply };
        self.commands.send(command).await.map_err(|_| OpenError::Stopped)?;
        answer.await.map_err(|_| OpenError::Stopped)?
    }

    /// Queues a frame for the sync stream with a member; never waits.
    ///
    /// # Errors
    /// When the queue is full (the frame comes back), no stream is up, or the
    /// frame is empty or longer than
    /// [`heirloom_base::limits::FRAME_BYTES_MAX`].
    pub fn send(&self, device: DeviceId, frame: Vec<u8>) -> Result<(), SendError> {
        self.shared.links.get(device).ok_or(SendError::Gone)?.try_push(frame)
    }

    /// Queues a frame for the sync stream with a member once there is room.
    ///
    /// # Errors
    /// As [`Network::send`], but never [`SendError::Full`].
    pub async fn send_when_free(&self, device: DeviceId, frame: Vec<u8>) -> Result<(), SendError> {
        let link = self.shared.links.get(device).ok_or(SendError::Gone)?;
        link.push(frame).await
    }

    /// Presents roster operations to a connected device and returns its answer.
    ///
    /// # Errors
    /// When the stream cannot be opened or breaks, what is presented is longer
    /// than [`limits::HELLO_BYTES_MAX`], or no answer comes in time.
    pub async fn open_hello(
        &self,
        device: DeviceId,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, StreamError> {
        let limit = limits::HELLO_BYTES_MAX;
        if bytes.len() > limit {
            return Err(StreamError::TooLong { length: bytes.len(), limit });
        }
        let mut opened = self.opener.open(device, Protocol::Hello).await?;
        let exchange = async {
            let (stream, tally) = (&mut opened.stream, &opened.tally);
            framed::write_frame(stream, &bytes, tally).await?;
            stream.flush().await?;
            framed::read_frame(stream, limit, tally).await?.ok_or(StreamError::Ended)
        };
        let limit = Duration::from_millis(2 * limits::HELLO_MS_MAX);
        timeout(limit, exchange).await.unwrap_or(Err(StreamError::Timeout))
    }

    /// Opens a pairing conversation with a connected device.
    ///
    /// # Errors
    /// When the stream cannot be opened.
    pub async fn open_pairing(&self, device: DeviceId) -> Result<PairingStream, OpenError> {
        let opened = self.opener.open(device, Protocol::Pair).await?;
        Ok(PairingStream::new(opened, Instant::now() + self.timing.pairing))
    }

    /// Opens a stream over which chunks are fetched from a connected member.
    /// At most [`heirloom_base::limits::BLOB_STREAMS_MAX`] are open with one
    /// device; more wait until one is dropped.
    ///
    /// # Errors
    /// When the stream cannot be opened or no slot becomes free in time.
    pub async fn fetch_chunks(&self, device: DeviceId) -> Result<BlobStream, OpenError> {
        let desk = self.shared.known_desk(device).ok_or(OpenError::NotConnected)?;
        let slot = desk.fetching.clone().acquire_owned();
        let slot = timeout(Duration::from_millis(limits::SLOT_MS_MAX), slot).await;
        let slot = slot.map_err(|_| OpenError::Busy)?.map_err(|_| OpenError::Stopped)?;
        let mut opened = self.opener.open(device, Protocol::Blob).await?;
        opened.slot = Some(slot);
        Ok(BlobStream::new(opened))
    }

    /// Asks every member that is connected for a sign of life now. One that
    /// gives none within [`limits::LIFE_MS_MAX`] has lost the connection, and
    /// is let go. A host that has slept calls this; that the interfaces have
    /// changed is noticed without it.
    pub fn ask_for_life(&self) {
        self.shared.ask_for_life();
    }

    /// Closes every connection with a device.
    pub async fn disconnect(&self, device: DeviceId) {
        self.order(|done| Command::Disconnect { device, done }).await;
    }

    /// Sends what is queued, closes every connection and stops; takes at most
    /// about [`limits::SHUTDOWN_MS_MAX`] + [`limits::CLOSE_MS_MAX`].
    pub async fn shutdown(&self) {
        self.order(|done| Command::Shutdown { done }).await;
    }

    /// Reads all counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// Gives an order and waits until it was carried out; a network that has
    /// stopped has nothing left to carry out.
    async fn order(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, carried_out) = oneshot::channel();
        if self.commands.send(command(done)).await.is_ok() && carried_out.await.is_err() {
            tracing::debug!("the network stopped before an order was carried out");
        }
    }
}
