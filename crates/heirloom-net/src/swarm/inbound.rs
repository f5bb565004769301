//! The conversations that others open.

use super::Driver;
use crate::blob;
use crate::error::StreamError;
use crate::event::{Delivery, NetworkEvent};
use crate::framed;
use crate::gate::Arrived;
use crate::limits;
use crate::opened::Opened;
use crate::pairing::PairingStream;
use crate::protocol::Protocol;
use futures::AsyncWriteExt;
use heirloom_base::DeviceId;
use libp2p::swarm::ConnectionId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// A stream that another device opened, not taken yet.
struct Waiting {
    device: DeviceId,
    opened: Opened,
    slots: Arc<Semaphore>,
    wait: Duration,
    deliveries: mpsc::Sender<Delivery>,
}

impl Driver {
    pub(super) fn on_arrived(&mut self, device: DeviceId, id: ConnectionId, arrived: Arrived) {
        let Arrived { protocol, stream } = arrived;
        let is_pairing = protocol == Protocol::Pair;
        let Some(connection) = self.peers.connection_mut(device, id) else {
            return;
        };
        connection.pairs |= is_pairing;
        let (closed, pulse) = (connection.closed.clone(), connection.pulse.clone());
        let Some(peer) = self.peers.get(device) else {
            return;
        };
        let for_members = !Protocol::FOR_STRANGERS.contains(&protocol);
        if for_members && !self.swarm.behaviour().gate.is_member(&peer.id) {
            return;
        }
        let opened = Opened::new(stream, closed, pulse, peer.desk.tally(protocol));
        let waiting = Waiting {
            device,
            opened,
            slots: peer.desk.slots(protocol),
            wait: self.timing.stream_open,
            deliveries: self.deliveries.clone(),
        };
        match protocol {
            Protocol::Sync => self.take_sync(device, id, waiting.opened),
            Protocol::Hello => self.begin(waiting.logged(protocol, Waiting::hello)),
            Protocol::Blob => self.begin(waiting.logged(protocol, Waiting::serve)),
            Protocol::Pair => {
                let life = self.timing.pairing;
                let pair = move |waiting: Waiting| waiting.pair(life);
                self.begin(waiting.logged(protocol, pair));
            }
        }
    }
}

impl Waiting {
    async fn logged<F>(self, protocol: Protocol, converse: impl FnOnce(Self) -> F + Send)
    where
        F: Future<Output = Result<(), StreamError>> + Send,
    {
        let device = self.device;
        if let Err(error) = converse(self).await {
            tracing::debug!(%device, protocol = protocol.name(), %error, "a conversation ended");
        }
    }

    /// Takes the stream once a slot is free.
    async fn take(&mut self) -> Result<OwnedSemaphorePermit, StreamError> {
        let slot = timeout(self.wait, self.slots.clone().acquire_owned()).await;
        let slot = slot.map_err(|_| StreamError::Timeout)?.map_err(|_| StreamError::Ended)?;
        self.opened.take().await?;
        Ok(slot)
    }

    async fn hello(mut self) -> Result<(), StreamError> {
        let _slot = self.take().await?;
        let exchange = async {
            let (stream, tally) = (&mut self.opened.stream, &self.opened.tally);
            let limit = limits::HELLO_BYTES_MAX;
            let asked = framed::read_frame(stream, limit, tally).await?;
            let bytes = asked.ok_or(StreamError::Ended)?;
            let (reply, answer) = oneshot::channel();
            let hello = NetworkEvent::Hello { device: self.device, bytes, reply };
            let told = self.deliveries.send(Delivery::Event(hello)).await;
            told.map_err(|_| StreamError::Ended)?;
            let answer = answer.await.map_err(|_| StreamError::Ended)?;
            if answer.len() > limit {
                return Err(StreamError::TooLong { length: answer.len(), limit });
            }
            framed::write_frame(stream, &answer, tally).await?;
            Ok(stream.close().await?)
        };
        let limit = Duration::from_millis(2 * limits::HELLO_MS_MAX);
        timeout(limit, exchange).await.unwrap_or(Err(StreamError::Timeout))
    }

    async fn serve(mut self) -> Result<(), StreamError> {
        let _slot = self.take().await?;
        blob::serve(self.opened, self.device, self.deliveries).await
    }

    async fn pair(mut self, life: Duration) -> Result<(), StreamError> {
        self.opened.slot = Some(self.take().await?);
        let stream = PairingStream::new(self.opened, Instant::now() + life);
        let pairing = NetworkEvent::Pairing { device: self.device, stream };
        let told = self.deliveries.send(Delivery::Event(pairing)).await;
        told.map_err(|_| StreamError::Ended)
    }
}
