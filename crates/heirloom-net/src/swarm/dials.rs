//! The calls that wait for a connection.

use crate::error::DialError;
use crate::limits;
use crate::peer;
use heirloom_base::DeviceId;
use libp2p::PeerId;
use libp2p::swarm::{self, ConnectionId};
use std::collections::BTreeSet;
use tokio::sync::oneshot;

/// The calls that wait for a connection.
#[derive(Debug, Default)]
pub(super) struct Dials {
    waiting: Vec<Waiting>,
    /// Who is being dialled, which way, and on which pending connection.
    running: Vec<(PeerId, Way, ConnectionId)>,
}

/// The way of a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To an address of the device.
    Direct,
    /// Through a keeper.
    Relayed,
}

#[derive(Debug)]
struct Waiting {
    reply: oneshot::Sender<Result<DeviceId, DialError>>,
    connections: BTreeSet<ConnectionId>,
}

impl Dials {
    /// Returns whether one more call may wait.
    pub(super) fn has_room(&mut self) -> bool {
        self.waiting.retain(|waiting| !waiting.reply.is_closed());
        self.waiting.len() < limits::DIALS_MAX
    }

    /// Returns the pending connection by which a peer is being dialled this way.
    pub(super) fn running(&self, peer: &PeerId, way: Way) -> Option<ConnectionId> {
        let is_it = |running: &&(PeerId, Way, ConnectionId)| running.0 == *peer && running.1 == way;
        self.running.iter().find(is_it).map(|(_, _, id)| *id)
    }

    /// Notes that a peer is being dialled.
    pub(super) fn run(&mut self, peer: PeerId, way: Way, connection: ConnectionId) {
        self.running.push((peer, way, connection));
    }

    /// Lets a call wait for any of these pending connections.
    pub(super) fn wait(
        &mut self,
        connections: BTreeSet<ConnectionId>,
        reply: oneshot::Sender<Result<DeviceId, DialError>>,
    ) {
        self.waiting.push(Waiting { reply, connections });
    }

    /// Answers everybody who waited for this connection.
    pub(super) fn established(&mut self, connection: ConnectionId, device: DeviceId) {
        self.running.retain(|(_, _, id)| *id != connection);
        for waiting in
            self.waiting.extract_if(.., |waiting| waiting.connections.contains(&connection))
        {
            answer(waiting.reply, Ok(device));
        }
    }

    /// Answers everybody who waited for nothing but this connection.
    pub(super) fn failed(&mut self, connection: ConnectionId, error: &swarm::DialError) {
        self.running.retain(|(_, _, id)| *id != connection);
        for waiting in &mut self.waiting {
            waiting.connections.remove(&connection);
        }
        for waiting in self.waiting.extract_if(.., |waiting| waiting.connections.is_empty()) {
            answer(waiting.reply, Err(reason_of(error)));
        }
    }
}

/// Answers a call, unless it gave up.
pub(super) fn answer(
    reply: oneshot::Sender<Result<DeviceId, DialError>>,
    result: Result<DeviceId, DialError>,
) {
    if reply.send(result).is_err() {
        tracing::debug!("nobody waits for a dial any more");
    }
}

/// Says why a dial failed in the words of this crate.
pub(super) fn reason_of(error: &swarm::DialError) -> DialError {
    let unreachable = |reason: String| DialError::Unreachable { reason };
    match error {
        swarm::DialError::LocalPeerId { .. } => DialError::Itself,
        swarm::DialError::NoAddresses => DialError::NoAddress,
        swarm::DialError::WrongPeerId { obtained, .. } => match peer::device_of(obtained) {
            Some(obtained) => DialError::WrongDevice { obtained },
            None => unreachable("something that is no device answered".to_owned()),
        },
        swarm::DialError::Transport(errors) => unreachable(
            errors
                .last()
                .map_or_else(String::new, |(address, error)| format!("{address}: {error}")),
        ),
        swarm::DialError::DialPeerConditionFalse(_)
        | swarm::DialError::Aborted
        | swarm::DialError::Denied { .. } => unreachable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(id: usize) -> ConnectionId {
        ConnectionId::new_unchecked(id)
    }

    #[test]
    fn a_call_fails_only_when_its_last_address_has_failed() {
        let mut dials = Dials::default();
        let (reply, mut answer) = oneshot::channel();
        dials.wait(BTreeSet::from([connection(1), connection(2)]), reply);
        dials.failed(connection(1), &swarm::DialError::Aborted);
        assert!(answer.try_recv().is_err());
        dials.failed(connection(2), &swarm::DialError::NoAddresses);
        assert_eq!(answer.try_recv(), Ok(Err(DialError::NoAddress)));
    }

    #[test]
    fn calls_that_gave_up_make_room() {
        let mut dials = Dials::default();
        let mut answers = Vec::new();
        while dials.has_room() {
            let (reply, answer) = oneshot::channel();
            dials.wait(BTreeSet::from([connection(answers.len())]), reply);
            answers.push(answer);
        }
        assert_eq!(answers.len(), limits::DIALS_MAX);
        drop(answers.pop());
        assert!(dials.has_room());
    }
}
