//! Pairing conversations that others open: a task each between the stream and the node.

use super::Arrival;
use heirloom_base::{DeviceId, limits};
use heirloom_core::input::{Input, PairingId};
use heirloom_net::{PairingStream, StreamError};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// Conversations at one time: as many as strangers, and a few of members.
const CONVERSATIONS_MAX: usize = limits::STRANGERS_MAX * 2;
/// Frames of the node that wait for the stream: a roster may come in many.
const FRAMES_MAX: usize = 512;

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

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_net::{Network, NetworkConfig, NetworkEvent};

    async fn network(seed: u8) -> (Network, heirloom_net::NetworkEvents) {
        let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        let config = NetworkConfig { listen, mdns: false, ..NetworkConfig::new([seed; 32]) };
        Network::start(config).await.unwrap()
    }

    #[tokio::test]
    async fn frames_go_both_ways_and_the_end_is_told() {
        let (inviter, mut events) = network(2).await;
        let (joiner, mut joiner_events) = network(3).await;
        tokio::spawn(async move { while joiner_events.recv().await.is_some() {} });
        joiner.dial(Some(inviter.device()), inviter.addresses()).await.unwrap();
        let newcomer = joiner.device();
        let guest = tokio::spawn(async move {
            let mut stream = joiner.open_pairing(inviter.device()).await.unwrap();
            stream.send(b"let me in").await.unwrap();
            let answer = stream.receive().await.unwrap();
            let last = stream.receive_grant().await.unwrap();
            stream.finish().await.unwrap();
            (answer, last)
        });
        let (mut conversations, id) = (Conversations::default(), PairingId(7));
        let (arrivals, mut arrived) = mpsc::channel(4);
        loop {
            if let NetworkEvent::Pairing { device, stream } = events.recv().await.unwrap() {
                assert_eq!(device, newcomer);
                let opened = Opened { id, opening: 1, device, stream };
                conversations.begin(opened, arrivals.clone());
                break;
            }
        }
        let Some(Arrival::Input(1, Input::Pairing { bytes, .. })) = arrived.recv().await else {
            panic!("another arrival");
        };
        assert_eq!(bytes, b"let me in");
        conversations.send(id, b"wait".to_vec(), false);
        conversations.send(id, b"granted".to_vec(), true);
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        assert_eq!(guest.await.unwrap(), (b"wait".to_vec(), b"granted".to_vec()));
        let ended = arrived.recv().await;
        assert!(matches!(
            ended,
            Some(Arrival::Input(1, Input::PairingClosed { id: PairingId(7) }))
        ));
    }
}
