//! What is not here yet: what is said of it, and which commands wait for it.

use super::Preview;
use crate::command::{Command, Problem};
use crate::failure;
use crate::node::records::{Named, category_of};
use crate::node::{Node, Refusal};
use crate::rows::{RecordIndex, record_key};
use crate::storage::{Storage, StorageError};
use crate::view::decode_row;
use heirloom_base::{DeviceId, LogId, Now, RecordId, count, limits, time};
use heirloom_schema::category::CategorySpec;
use std::collections::BTreeSet;

/// Time for which somebody is believed who says that it holds more and sends
/// nothing: then it withholds it.
const BELIEVED_MS: u64 = limits::STALL_MS_MAX as u64;

impl Node {
    /// Returns whether what is missing of the checkpoint that is shown comes from
    /// nobody: who is connected has said for long to hold no more of it.
    pub(in crate::node) fn is_left(&mut self, now: Now) -> bool {
        let Some(preview) = &mut self.preview else { return false };
        let held = |log: &LogId| self.replication.log(*log).map_or(0, |state| state.durable);
        let here: u64 = preview.goal.keys().map(held).sum();
        let present: BTreeSet<DeviceId> = self.replication.peers_ready().collect();
        let is_present = |device| present.contains(&device);
        let is_promised = |log: &LogId| self.replication.held_by(*log, &is_present) > held(log);
        let comes =
            present.is_empty() || here != preview.rest.0 || preview.goal.keys().any(is_promised);
        if comes {
            preview.rest = (here, now.mono_ms);
            return false;
        }
        now.mono_ms >= preview.rest.1 + limits::PREVIEW_REST_MS as u64
    }

    /// Refuses what needs all of a record of which not all is here that is
    /// shown, and what would tell of all records as if they were here.
    pub(in crate::node) fn needs_all(
        &self,
        storage: &dyn Storage,
        command: &Command,
    ) -> Result<(), Refusal> {
        if self.preview.is_none() {
            return Ok(());
        }
        if matches!(command, Command::Conflicts { id: None, .. }) {
            return Err(failure::all_still_coming(&self.coming()).into());
        }
        let (Command::Set { category, id, .. }
        | Command::Delete { category, id, .. }
        | Command::Restore { category, id, .. }
        | Command::Resolve { category, id, .. }
        | Command::History { category, id }
        | Command::Conflicts { category, id: Some(id) }) = command
        else {
            return Ok(());
        };
        let spec = category_of(category)?;
        let Ok(found) = self.find(&self.shown(storage), spec, id) else { return Ok(()) };
        self.needs_record(storage, spec, &found)
    }

    /// Refuses to import into a record that is only shown.
    pub(in crate::node) fn needs_imported(
        &self,
        storage: &dyn Storage,
        spec: &'static CategorySpec,
        record: RecordId,
    ) -> Result<(), Refusal> {
        if self.preview.is_none() {
            return Ok(());
        }
        let row = self.shown(storage).get(&record_key(spec.number, record))?;
        match row {
            Some(bytes) => {
                self.needs_record(storage, spec, &Named { record, row: decode_row(&bytes)? })
            }
            None => Ok(()),
        }
    }

    fn needs_record(
        &self,
        storage: &dyn Storage,
        spec: &'static CategorySpec,
        shown: &Named,
    ) -> Result<(), Refusal> {
        match self.is_here(storage, spec.number, shown)? {
            true => Ok(()),
            false => Err(failure::still_coming(&self.coming()).into()),
        }
    }

    /// Returns whether a record that is shown has been made of its entries.
    pub(in crate::node) fn is_here(
        &self,
        storage: &dyn Storage,
        category: i64,
        shown: &Named,
    ) -> Result<bool, StorageError> {
        let here = storage.get(&record_key(category, shown.record))?;
        let row = here.map(|bytes| decode_row::<RecordIndex>(&bytes)).transpose()?;
        Ok(row.is_some_and(|row| row.heads == shown.row.heads))
    }

    /// Says how much is here of what is shown.
    fn coming(&self) -> String {
        let goal: u64 = self.preview.iter().flat_map(|preview| preview.goal.values()).sum();
        let held = |(log, seq): (&LogId, &u64)| {
            self.replication.log(*log).map_or(0, |state| state.durable.min(*seq))
        };
        let held: u64 = self.preview.iter().flat_map(|preview| preview.goal.iter().map(held)).sum();
        format!("{held} of {}", count::of(goal, "entry", "entries"))
    }

    /// Tells that not everything is here, and what is shown meanwhile.
    pub(in crate::node) fn coming_problem(&self, now: Now) -> Option<Problem> {
        let (text, fix) = match &self.preview {
            Some(preview) => {
                let fix = "Leave this device connected; until then a record may not be changed.";
                (preview.told(&self.coming()), fix)
            }
            None => (self.lack(now)?, "Leave this device connected until the rest has come."),
        };
        Some(Problem { code: "still-coming".into(), text, fix: fix.into() })
    }

    /// Says how much those who are connected hold and this device lacks, if it
    /// lacks something. Who says so and sends nothing is not believed for ever.
    fn lack(&self, now: Now) -> Option<String> {
        let since_ms = now.mono_ms.saturating_sub(BELIEVED_MS);
        let lacking = self.replication.lacking(since_ms);
        let logs = self.replication.logs();
        let held = logs.fold(0, |held: u64, (_, state)| held.saturating_add(state.durable));
        let all = count::of(held.saturating_add(lacking), "entry", "entries");
        (lacking > 0).then(|| format!("Not everything is here yet: {held} of {all} are."))
    }
}

impl Preview {
    /// Says what is shown.
    fn told(&self, coming: &str) -> String {
        let (all, made) = (self.checkpoint.packs.len(), time::rfc3339(self.made_ms));
        let shown = all - self.open.len();
        if shown < all {
            let parts = count::of(all as u64, "part", "parts");
            let are = count::word(all as u64, "is", "are");
            return format!(
                "Not everything is here yet, but {coming}. The restore point of {made}, which \
                 shows the rest sooner, is being fetched: {shown} of {parts} {are} shown."
            );
        }
        let behind = if self.shows_tail { " and what followed it" } else { "" };
        format!("What is shown is the restore point of {made}{behind}: {coming} are here.")
    }
}
