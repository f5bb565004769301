//! What calls ask of the swarm.

use crate::address::Target;
use crate::error::{DialError, OpenError};
use crate::opened::Opened;
use crate::protocol::Protocol;
use heirloom_base::DeviceId;
use std::collections::BTreeSet;
use tokio::sync::oneshot;

/// What a call asks of the swarm.
pub(crate) enum Command {
    SetMembers {
        devices: BTreeSet<DeviceId>,
        done: oneshot::Sender<()>,
    },
    SetKeepers {
        devices: BTreeSet<DeviceId>,
        done: oneshot::Sender<()>,
    },
    SetPairing {
        open: bool,
        done: oneshot::Sender<()>,
    },
    Dial {
        targets: Vec<Target>,
        reply: oneshot::Sender<Result<DeviceId, DialError>>,
    },
    DialThrough {
        device: DeviceId,
        keepers: Vec<DeviceId>,
        reply: oneshot::Sender<Result<DeviceId, DialError>>,
    },
    OpenSync {
        device: DeviceId,
        reply: oneshot::Sender<Result<(), OpenError>>,
    },
    Open {
        device: DeviceId,
        protocol: Protocol,
        reply: oneshot::Sender<Result<Opened, OpenError>>,
    },
    Disconnect {
        device: DeviceId,
        done: oneshot::Sender<()>,
    },
    Shutdown {
        done: oneshot::Sender<()>,
    },
}
