//! What the author of an operation knew about devices.

use super::Standing;
use super::about::About;
use crate::Capabilities;
use crate::roster::bits::Bits;
use crate::roster::graph::Graph;
use heirloom_base::DeviceId;

/// A standing as it looks to who knows the operations of a part of the graph.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) standing: &'a Standing,
    /// All that is known.
    pub(crate) past: &'a Bits,
}

impl View<'_> {
    /// Returns what a device may do, if it is in.
    pub(crate) fn rights(&self, device: &DeviceId) -> Option<Capabilities> {
        let about = self.standing.about.get(device)?;
        let mut removals = about.removals.iter();
        if removals.any(|removal| self.past.contains(*removal)) {
            return None;
        }
        about.entitled(self.graph, |place| self.past.contains(place))
    }

    /// Returns whether a device was ever mentioned.
    pub(crate) fn knows(&self, device: &DeviceId) -> bool {
        let mentions = |about: &About| about.mentioned.iter().any(|at| self.past.contains(*at));
        self.standing.about.get(device).is_some_and(mentions)
    }

    /// Returns how many devices are in.
    pub(crate) fn members(&self) -> usize {
        self.standing.devices.keys().filter(|device| self.rights(device).is_some()).count()
    }
}

impl Standing {
    /// Returns whether this standing, of the whole graph, can be looked at as
    /// by who knows only a part of it, whose highest generation is given.
    ///
    /// It can where all of that generation counts: what counts in the whole
    /// counts in each part that holds it, since a part holds fewer removals.
    pub(crate) fn speaks_for(&self, generation: u32) -> bool {
        !self.has_void && generation == self.generation
    }
}
