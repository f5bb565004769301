//! A behaviour of libp2p that strangers cannot reach and that reaches none.

use super::Members;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
    InboundUpgradeSend, ListenUpgradeError, UpgradeInfoSend,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, SubstreamProtocol, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, Stream};
use std::iter::Take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

/// Offers the protocols of a behaviour to members alone, and opens none with
/// anybody else. Who becomes a member, or ceases to be one, needs no new
/// connection for that.
pub(crate) struct MembersOnly<B> {
    pub(crate) inner: B,
    members: Members,
}

impl<B> MembersOnly<B> {
    pub(crate) fn new(inner: B, members: Members) -> Self {
        Self { inner, members }
    }

    fn guard<H>(&self, peer: PeerId, inner: H) -> Handler<H> {
        Handler { inner, peer, members: self.members.clone(), broken: false }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for MembersOnly<B> {
    type ConnectionHandler = Handler<B::ConnectionHandler>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<Self::ConnectionHandler, ConnectionDenied> {
        let inner =
            self.inner.handle_established_inbound_connection(connection, peer, local, remote)?;
        Ok(self.guard(peer, inner))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<Self::ConnectionHandler, ConnectionDenied> {
        let inner = self
            .inner
            .handle_established_outbound_connection(connection, peer, address, role, port)?;
        Ok(self.guard(peer, inner))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(context)
    }
}

/// One connection's side of it.
pub(crate) struct Handler<H> {
    inner: H,
    peer: PeerId,
    members: Members,
    /// Whether it failed over what the other side sent.
    broken: bool,
}

impl<H> Handler<H> {
    fn is_open(&self) -> bool {
        !self.broken && self.members.contains(&self.peer)
    }
}

impl<H: ConnectionHandler> ConnectionHandler for Handler<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = Guarded<H::InboundProtocol>;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = H::InboundOpenInfo;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    /// Is asked anew for every stream that the other side opens.
    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        let open = self.is_open();
        self.inner.listen_protocol().map_upgrade(|inner| Guarded { inner, open })
    }

    fn connection_keep_alive(&self) -> bool {
        !self.broken && self.inner.connection_keep_alive()
    }

    /// Sleeps until the other side is a member: the gate wakes every connection
    /// whose offer changes. libp2p panics where a relay says that a reservation
    /// ends after the end of all clocks: then this part of the connection ends.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<
        ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>,
    > {
        if !self.is_open() {
            return Poll::Pending;
        }
        catch_unwind(AssertUnwindSafe(|| self.inner.poll(context))).unwrap_or_else(|_| {
            tracing::warn!(peer = %self.peer, "a member sent what libp2p fails over");
            self.broken = true;
            Poll::Pending
        })
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.inner.poll_close(context)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        self.inner.on_behaviour_event(event);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        self.inner.on_connection_event(match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info }) => {
                ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info })
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info,
            }) => {
                ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info })
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error })
            }
            ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error }) => {
                ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error })
            }
            ConnectionEvent::AddressChange(change) => ConnectionEvent::AddressChange(change),
            ConnectionEvent::LocalProtocolsChange(change) => {
                ConnectionEvent::LocalProtocolsChange(change)
            }
            ConnectionEvent::RemoteProtocolsChange(change) => {
                ConnectionEvent::RemoteProtocolsChange(change)
            }
            _ => return,
        });
    }
}

/// A negotiation that names no protocol unless it is with a member.
pub(crate) struct Guarded<P> {
    inner: P,
    open: bool,
}

impl<P: UpgradeInfoSend> UpgradeInfo for Guarded<P> {
    type Info = P::Info;
    type InfoIter = Take<P::InfoIter>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.inner.protocol_info().take(if self.open { usize::MAX } else { 0 })
    }
}

impl<P: InboundUpgradeSend> InboundUpgrade<Stream> for Guarded<P> {
    type Output = P::Output;
    type Error = P::Error;
    type Future = P::Future;

    fn upgrade_inbound(self, stream: Stream, protocol: P::Info) -> P::Future {
        self.inner.upgrade_inbound(stream, protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer;
    use libp2p::core::upgrade::DeniedUpgrade;
    use std::convert::Infallible;
    use std::task::Waker;

    /// Fails whenever it is polled, and counts.
    struct Fails(u32);

    impl ConnectionHandler for Fails {
        type FromBehaviour = Infallible;
        type ToBehaviour = Infallible;
        type InboundProtocol = DeniedUpgrade;
        type OutboundProtocol = DeniedUpgrade;
        type InboundOpenInfo = ();
        type OutboundOpenInfo = ();

        fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
            SubstreamProtocol::new(DeniedUpgrade, ())
        }

        fn poll(
            &mut self,
            _: &mut Context<'_>,
        ) -> Poll<ConnectionHandlerEvent<DeniedUpgrade, (), Infallible>> {
            self.0 += 1;
            panic!("over a time that is none");
        }

        fn on_behaviour_event(&mut self, never: Infallible) {
            match never {}
        }

        fn on_connection_event(
            &mut self,
            _: ConnectionEvent<'_, DeniedUpgrade, DeniedUpgrade, (), ()>,
        ) {
        }
    }

    #[test]
    fn a_stranger_is_not_listened_to_and_a_failure_over_a_member_ends_that_part_alone() {
        let peer = peer::peer_of(peer::device_of_seed(&[1; 32])).unwrap();
        let members = Members::default();
        let mut handler = MembersOnly::new((), members.clone()).guard(peer, Fails(0));
        let mut context = Context::from_waker(Waker::noop());
        assert!(handler.poll(&mut context).is_pending());
        assert_eq!(handler.inner.0, 0, "it sleeps");
        members.replace([peer].into());
        for _ in 0..2 {
            assert!(handler.poll(&mut context).is_pending());
        }
        assert_eq!((handler.inner.0, handler.broken), (1, true));
    }
}
