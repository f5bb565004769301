//! What has reached the disk: it goes to the others first, and takes effect here
//! while it is on its way.

use super::{Node, PendingAppend, PendingFrame};
use crate::storage::{Lsn, Storage, StorageError};
use heirloom_base::{LogId, Now};
use heirloom_sync::Entry;

/// Frames that are durable and have not taken effect.
#[derive(Debug)]
pub(super) struct Landed {
    append: PendingAppend,
    lsns: Vec<Lsn>,
}

impl Node {
    /// Notes that frames are durable, and sends what this device wrote in them to
    /// who is here; [`Node::settle_landed`] comes before anything else.
    pub(super) fn land(&mut self, now: Now, append: PendingAppend, lsns: Vec<Lsn>) {
        if append.then.is_waited_for_elsewhere() {
            self.replication.hurry();
        }
        if let Some(log) = self.journal.log() {
            // What stands beside other things may need them to be told first.
            if let Some(entries) =
                append.frames.iter().map(|frame| entry_of(frame, log)).collect::<Option<Vec<_>>>()
            {
                self.replication.send_ahead(now, log, &entries);
            }
        }
        self.landed = Some(Landed { append, lsns });
    }

    /// Lets what has reached the disk take effect.
    pub(super) fn settle_landed(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        match self.landed.take() {
            Some(Landed { append, lsns }) => self.settle(now, storage, append, &lsns),
            None => Ok(()),
        }
    }
}

/// Returns the entry of `log` that a frame is, if it is one.
fn entry_of(frame: &PendingFrame, log: LogId) -> Option<&Entry> {
    match frame {
        PendingFrame::Entry(entry) => (entry.header().log == log).then_some(&**entry),
        PendingFrame::RosterOp(_) | PendingFrame::Local(_) => None,
    }
}
