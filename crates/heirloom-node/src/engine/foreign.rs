//! Segments in the log that are of another folder: of another account, or of
//! another device. The index, where it is certainly of this device, tells them.

use super::OpenEngineError;
use crate::folder;
use heirloom_base::DeviceId;
use heirloom_core::{Node, Trace};
use heirloom_store::Store;
use std::collections::{BTreeMap, BTreeSet};

/// How many frames of a segment the index tells of, and how many it does not.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    entries: u64,
    entries_known: u64,
    operations: u64,
    operations_known: u64,
}

impl Tally {
    fn note(&mut self, trace: Trace) {
        match trace {
            Trace::Entry(known) => {
                self.entries += 1;
                self.entries_known += u64::from(known);
            }
            Trace::Operation(known) => {
                self.operations += 1;
                self.operations_known += u64::from(known);
            }
            Trace::None => {}
        }
    }

    /// The logs of two devices of one account may begin with the same roster, and
    /// an entry of both may happen to lie at one place.
    fn is_foreign(self) -> bool {
        match self.entries {
            0 => self.operations > 0 && self.operations_known == 0,
            entries => 2 * self.entries_known < entries,
        }
    }
}

/// Returns the segments of which the index does not know most, though it is of
/// this device and was made from what lay there.
///
/// # Errors
/// When the index or the log cannot be read.
pub(super) fn find(store: &Store, device: DeviceId) -> Result<BTreeSet<u32>, OpenEngineError> {
    let Some(applied) = Node::applied(store)? else { return Ok(BTreeSet::new()) };
    if !Node::is_index_of(store, device, folder::place(store.home()))? {
        return Ok(BTreeSet::new());
    }
    let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
    for item in store.frames(None) {
        let (lsn, frame) = item?;
        if lsn > applied {
            break;
        }
        let trace = Node::trace_of(store, lsn, frame)?;
        tallies.entry(Store::segment_of(lsn)).or_default().note(trace);
    }
    let foreign = tallies.into_iter().filter(|(_, tally)| tally.is_foreign());
    Ok(foreign.map(|(number, _)| number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(traces: &[Trace]) -> Tally {
        let mut tally = Tally::default();
        traces.iter().for_each(|trace| tally.note(*trace));
        tally
    }

    #[test]
    fn most_entries_tell_and_a_roster_only_without_entries() {
        let (entry, operation) = (Trace::Entry, Trace::Operation);
        assert!(tally(&[operation(true), entry(false), entry(false)]).is_foreign());
        assert!(!tally(&[operation(false), entry(false), entry(true)]).is_foreign());
        assert!(tally(&[entry(false), entry(true), entry(false)]).is_foreign());
        assert!(tally(&[operation(false), Trace::None]).is_foreign());
        assert!(!tally(&[operation(true), operation(false)]).is_foreign());
        assert!(!tally(&[Trace::None]).is_foreign());
    }
}
