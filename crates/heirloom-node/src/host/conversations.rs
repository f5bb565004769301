//! Pairing conversations that others open: a task each between the stream and the node.

use super::Arrival;
use heirloom_base::{DeviceId, limits};
use heirloom_core::input::{Input, PairingId};
use heirloom_net::{PairingStream, StreamError};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// Conversations at one time: as many as strangers, and a few of members.
const CONVERSATIONS_MAX: usize = limits::STRANGERS_MAX * 2;
/// Frames of the node that wait for the stream.
const FRAMES_MAX: usize = 8;

/// A frame for the other side.
#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    last: bool,
}

/// One conversation that begins.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) id: PairingId,
    /// The opening of the node that it belongs to.
    pub(super) opening: u64,
    pub(super) device: DeviceId,
    pub(super) stream: PairingStream,
}

/// The conversations under way.
#[derive(Debug, Default)]
pub(super) struct Conversations {
    open: BTreeMap<PairingId, mpsc::Sender<Outgoing>>,
}

impl Conversations {
    /// Begins to carry frames between a stream and the node.
    pub(super) fn begin(&mut self, opened: Opened, arrivals: mpsc::Sender<Arrival>) {
        let device = opened.device.short();
        if self.open.len() >= CONVERSATIONS_MAX {
            tracing::warn!(device, "too many pairing conversations at one time");
            return;
        }
        let (sender, outgoing) = mpsc::channel(FRAMES_MAX);
        let (id, opening) = (opened.id, opened.opening);
        self.open.insert(id, sender);
        tokio::spawn(async move {
            match carry(opened, outgoing, &arrivals).await {
                Ok(()) | Err(StreamError::Ended) => {}
                Err(error) => tracing::debug!(%error, device, "a pairing conversation broke off"),
            }
            let closed = Arrival::Input(opening, Input::PairingClosed { id });
            if arrivals.send(closed).await.is_err() {
                tracing::debug!("the node stopped during a pairing conversation");
            }
        });
    }

    /// Hands a frame of the node to its conversation.
    pub(super) fn send(&mut self, id: PairingId, bytes: Vec<u8>, last: bool) {
        let Some(sender) = self.open.get(&id) else { return };
        if sender.try_send(Outgoing { bytes, last }).is_err() || last {
            self.open.remove(&id);
        }
    }

    /// Forgets a conversation that ended.
    pub(super) fn close(&mut self, id: PairingId) {
        self.open.remove(&id);
    }

    /// Ends all conversations.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

/// Carries frames both ways until one side ends; the stream itself ends when
/// an invite would have ended.
async fn carry(
    opened: Opened,
    mut outgoing: mpsc::Receiver<Outgoing>,
    arrivals: &mpsc::Sender<Arrival>,
) -> Result<(), StreamError> {
    let Opened { id, opening, device, mut stream } = opened;
    loop {
        // The sides take turns, so a frame of the node never comes in the middle of one of theirs.
        tokio::select! {
            biased;
            frame = outgoing.recv() => {
                let Some(Outgoing { bytes, last }) = frame else { return Ok(()) };
                if !bytes.is_empty() {
                    stream.send(&bytes).await?;
                }
                if last {
                    return stream.finish().await;
                }
            }
            frame = stream.receive() => {
                let input = Input::Pairing { id, device, bytes: frame? };
                if arrivals.send(Arrival::Input(opening, input)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}
