//! Orders to the network that must be carried out one after the other.

use heirloom_base::DeviceId;
use heirloom_net::Network;
use std::collections::{BTreeSet, VecDeque};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Orders that the network's task has at one time.
const ORDERS_MAX: usize = 16;

/// One order.
#[derive(Debug)]
pub(super) enum Order {
    /// These are the members.
    SetMembers(BTreeSet<DeviceId>),
    /// These of the members are keepers.
    SetKeepers(BTreeSet<DeviceId>),
    /// Strangers may pair, or not.
    SetPairing(bool),
    /// Close every connection with a device.
    Disconnect(DeviceId),
}

/// The orders that wait, and the task that carries them out: the host must
/// not wait for the network, which may be waiting for the host.
#[derive(Debug)]
pub(super) struct Orders {
    waiting: VecDeque<Order>,
    sender: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Orders {
    pub(super) fn new(network: Network) -> Self {
        let (sender, mut receiver) = mpsc::channel(ORDERS_MAX);
        let task = tokio::spawn(async move {
            while let Some(order) = receiver.recv().await {
                match order {
                    Order::SetMembers(devices) => network.set_members(devices).await,
                    Order::SetKeepers(devices) => network.set_keepers(devices).await,
                    Order::SetPairing(open) => network.set_pairing(open).await,
                    Order::Disconnect(device) => network.disconnect(device).await,
                }
            }
        });
        Self { waiting: VecDeque::new(), sender, task }
    }

    /// Takes an order; one that a later order makes needless is dropped.
    pub(super) fn give(&mut self, order: Order) {
        self.waiting.retain(|earlier| !replaces(&order, earlier));
        self.waiting.push_back(order);
        self.retry();
    }

    /// Hands over what waits, as far as there is room.
    pub(super) fn retry(&mut self) {
        while !self.waiting.is_empty() {
            let Ok(place) = self.sender.try_reserve() else { return };
            if let Some(order) = self.waiting.pop_front() {
                place.send(order);
            }
        }
    }

    /// Returns whether something waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn replaces(later: &Order, earlier: &Order) -> bool {
    match (later, earlier) {
        (Order::SetMembers(_), Order::SetMembers(_))
        | (Order::SetKeepers(_), Order::SetKeepers(_))
        | (Order::SetPairing(_), Order::SetPairing(_)) => true,
        (Order::Disconnect(one), Order::Disconnect(other)) => one == other,
        (
            Order::SetMembers(_)
            | Order::SetKeepers(_)
            | Order::SetPairing(_)
            | Order::Disconnect(_),
            _,
        ) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_state_of_each_kind_waits() {
        let one = DeviceId([1; 32]);
        assert!(replaces(&Order::SetMembers([one].into()), &Order::SetMembers(BTreeSet::new())));
        assert!(replaces(&Order::Disconnect(one), &Order::Disconnect(one)));
        assert!(!replaces(&Order::Disconnect(one), &Order::Disconnect(DeviceId([2; 32]))));
        assert!(!replaces(&Order::SetPairing(true), &Order::SetMembers(BTreeSet::new())));
    }
}
