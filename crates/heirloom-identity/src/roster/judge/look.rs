//! How devices are described: by whom they were let in, and what they are called.

use super::{Standing, Weight};
use crate::Capabilities;
use crate::roster::graph::Graph;
use crate::roster::op::{AddDevice, OpBody, RootReset};
use crate::roster::state::Member;
use heirloom_base::DeviceId;

impl Standing {
    /// Takes in what an operation says about the look of devices, and returns
    /// these. A counting statement beats a void one; among equals the higher
    /// rank is shown.
    pub(super) fn describe(&mut self, graph: &Graph, place: usize) -> Vec<DeviceId> {
        let vertex = graph.vertex(place);
        let weight: Weight = (self.counting.contains(place), vertex.depth, vertex.id);
        let believed = weight.0 || vertex.op.value().generation < self.generation;
        let writes =
            |capabilities: Capabilities| believed && capabilities.contains(Capabilities::WRITE);
        match vertex.body() {
            OpBody::AddDevice(add) => {
                let AddDevice { encryption_public, sealed_name, capabilities, .. } = add;
                let member = self.mention(add.device, place);
                member.describe(weight, *encryption_public);
                member.rename(weight, sealed_name);
                member.may_ever_write |= writes(*capabilities);
                vec![add.device]
            }
            OpBody::SetCapabilities { device, capabilities } => {
                self.mention(*device, place).may_ever_write |= writes(*capabilities);
                vec![*device]
            }
            OpBody::Name { device, sealed } => {
                self.mention(*device, place).rename(weight, sealed);
                vec![*device]
            }
            OpBody::RootReset(RootReset { members, revoked, .. }) => {
                for (device, stated) in members {
                    let member = self.mention(*device, place);
                    member.describe(weight, stated.encryption_public);
                    member.rename(weight, &stated.sealed_name);
                    member.may_ever_write |= writes(stated.capabilities);
                }
                for device in revoked.keys() {
                    self.mention(*device, place);
                }
                members.keys().chain(revoked.keys()).copied().collect()
            }
            OpBody::Genesis(_)
            | OpBody::Revoke(_)
            | OpBody::Epoch(_)
            | OpBody::Accept { .. }
            | OpBody::Erase { .. }
            | OpBody::EraseReceipt { .. }
            | OpBody::Policy(_)
            | OpBody::Unknown { .. } => Vec::new(),
        }
    }

    fn mention(&mut self, device: DeviceId, place: usize) -> &mut Member {
        self.about.entry(device).or_default().mentioned.push(place);
        self.devices.entry(device).or_default()
    }
}
