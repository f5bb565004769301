//! One connection's side of the gate: which conversations it offers, and the
//! streams that were negotiated on it.

use crate::counters::Tally;
use crate::error::OpenError;
use crate::limits;
use crate::meter::Pulse;
use crate::opened::{Closed, Opened};
use crate::protocol::Protocol;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
};
use libp2p::{Stream, StreamProtocol};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// A stream that somebody here waits for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) protocol: Protocol,
    pub(crate) tally: Arc<Tally>,
    pub(crate) closed: Closed,
    pub(crate) pulse: Pulse,
    pub(crate) reply: oneshot::Sender<Result<Opened, OpenError>>,
}

/// What the gate tells a connection.
pub(crate) enum Order {
    /// Offer these conversations from now on.
    Offer(&'static [Protocol]),
    /// Open a stream.
    Open(Wanted),
    /// Close when the last stream has ended.
    Retire,
}

impl fmt::Debug for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Offer(_) => "Offer",
            Self::Open(_) => "Open",
            Self::Retire => "Retire",
        })
    }
}

/// A stream that the other side opened.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) protocol: Protocol,
    pub(crate) stream: Stream,
}

/// One connection's side of the gate.
pub(crate) struct Handler {
    offered: &'static [Protocol],
    retired: bool,
    wanted: VecDeque<Wanted>,
    arrived: VecDeque<Arrived>,
    dropped: Arc<AtomicU64>,
}

impl Handler {
    pub(crate) fn new(offered: &'static [Protocol], dropped: Arc<AtomicU64>) -> Self {
        Self { offered, retired: false, wanted: VecDeque::new(), arrived: VecDeque::new(), dropped }
    }

    fn accept(&mut self, stream: Stream, wire: &StreamProtocol) {
        let Some(protocol) = Protocol::of_wire(wire) else {
            return;
        };
        // What was offered when the negotiation began may be withdrawn by now.
        if !self.offered.contains(&protocol) || self.arrived.len() >= limits::INBOUND_STREAMS_MAX {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(protocol = protocol.name(), "an inbound stream was dropped");
            return;
        }
        self.arrived.push_back(Arrived { protocol, stream });
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Order;
    type ToBehaviour = Arrived;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Wanted;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer, ()> {
        SubstreamProtocol::new(Offer(self.offered.iter().map(|offer| offer.wire()).collect()), ())
    }

    fn connection_keep_alive(&self) -> bool {
        !self.retired
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Offer, Wanted, Arrived>> {
        if let Some(arrived) = self.arrived.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(arrived));
        }
        while let Some(wanted) = self.wanted.pop_front() {
            if wanted.reply.is_closed() {
                continue;
            }
            let protocol = SubstreamProtocol::new(Offer(vec![wanted.protocol.wire()]), wanted);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, order: Order) {
        match order {
            Order::Offer(offered) => self.offered = offered,
            Order::Open(wanted) => self.wanted.push_back(wanted),
            Order::Retire => self.retired = true,
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer, (), Wanted>) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is not exhaustive")]
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, wire),
                info: (),
            }) => self.accept(stream, &wire),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, _),
                info: Wanted { tally, closed, pulse, reply, .. },
            }) => answer(reply, Ok(Opened::new(stream, closed, pulse, tally))),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: wanted, error }) => {
                answer(wanted.reply, Err(reason_of(error)));
            }
            _ => {}
        }
    }
}

/// Answers whoever still waits for the stream.
fn answer(reply: oneshot::Sender<Result<Opened, OpenError>>, result: Result<Opened, OpenError>) {
    if reply.send(result).is_err() {
        tracing::debug!("nobody waits for an opened stream any more");
    }
}

fn reason_of(error: StreamUpgradeError<Infallible>) -> OpenError {
    match error {
        StreamUpgradeError::Timeout => OpenError::Timeout,
        StreamUpgradeError::NegotiationFailed => OpenError::Refused,
        StreamUpgradeError::Io(_) => OpenError::Lost,
        StreamUpgradeError::Apply(never) => match never {},
    }
}

/// Negotiates one of these conversations and hands out the bare stream.
pub(crate) struct Offer(Vec<StreamProtocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, wire: StreamProtocol) -> Self::Future {
        ready(Ok((stream, wire)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, wire: StreamProtocol) -> Self::Future {
        ready(Ok((stream, wire)))
    }
}
