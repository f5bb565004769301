//! Commands about versions of records: history, conflicts, and the way back.

use super::records::{Edits, Manner, Named, category_of};
use super::writing::Writing;
use super::{Node, Refusal};
use crate::command::{Answer, Author, ConflictRow, Wait};
use crate::dispute::{self, Dispute};
use crate::input::CommandId;
use crate::rows::{RecordIndex, Stamp};
use crate::storage::Storage;
use crate::{births, failure, past, show};
use heirloom_base::{ActorId, Hlc, Now, RecordId, time};
use heirloom_doc::Attributed;
use heirloom_schema::category::CategorySpec;
use heirloom_schema::{Value, key};
use std::collections::BTreeMap;

/// Who is behind the actors of one record.
pub(super) struct Authors {
    /// The device, its name and the time for every birth.
    births: BTreeMap<ActorId, Author>,
    /// The device and its name for every log's actor.
    logs: BTreeMap<ActorId, Author>,
}

impl Authors {
    /// Returns who made a change, and when.
    pub(super) fn at(&self, actor: ActorId, hlc: Hlc) -> Author {
        match (self.logs.get(&actor), self.births.get(&actor)) {
            (None, Some(first)) => first.clone(),
            (known, _) => {
                let at = time::rfc3339(hlc.wall_ms());
                Author { at, ..known.cloned().unwrap_or_default() }
            }
        }
    }

    /// Returns who set a value, and when.
    pub(super) fn of(&self, one: &Attributed) -> Author {
        self.at(one.actor, one.hlc)
    }
}

impl Node {
    /// Returns who is behind the actors of a record.
    pub(super) fn authors(&self, record: RecordId, row: &RecordIndex) -> Authors {
        let named = |log| {
            let device = self.author_of(log);
            let name = |device| self.membership.name(device).unwrap_or_else(|| device.short());
            Author {
                by: device.map(|device| device.to_string()).unwrap_or_default(),
                by_name: device.map(name).unwrap_or_default(),
                at: String::new(),
            }
        };
        let born = |(actor, (wall_ms, log)): (&ActorId, &Stamp)| {
            (*actor, Author { at: time::rfc3339(*wall_ms), ..named(*log) })
        };
        let logs = self.replication.logs().map(|(log, _)| log);
        let shown = self.preview.iter().flat_map(|preview| preview.logs());
        let logs = logs.chain(shown);
        Authors {
            births: row.births.iter().map(born).collect(),
            logs: logs.map(|log| (heirloom_doc::actor_for(log, record), named(log))).collect(),
        }
    }

    pub(super) fn history(
        &self,
        storage: &dyn Storage,
        category: &str,
        name: &str,
    ) -> Result<Answer, Refusal> {
        let spec = category_of(category)?;
        let Named { record, row } = self.find(storage, spec, name)?;
        let authors = self.authors(record, &row);
        let born = |actor| {
            let stamp = row.births.get(&actor);
            stamp.map_or(Hlc(0), |(wall_ms, _)| Hlc::from_wall_ms(*wall_ms))
        };
        let history = self.existing(storage, record)?.history_by(&born);
        let author = |actor, hlc| authors.at(actor, hlc);
        let open = |value: &Value| self.readable(storage, value);
        let rows = show::history_rows(spec, &history, &author, &open);
        Ok(Answer::History { rows })
    }

    pub(super) fn conflicts(
        &self,
        storage: &dyn Storage,
        category: &str,
        name: Option<&str>,
    ) -> Result<Answer, Refusal> {
        self.keyring()?;
        let spec = category_of(category)?;
        let mut rows = Vec::new();
        if let Some(name) = name {
            self.list_conflicts(storage, spec, &self.find(storage, spec, name)?, &mut rows)?;
            return Ok(Answer::Conflicts { rows });
        }
        Self::each_row(storage, spec, None, &mut |record, row| {
            self.list_conflicts(storage, spec, &Named { record, row }, &mut rows)?;
            Ok(true)
        })?;
        Ok(Answer::Conflicts { rows })
    }

    fn list_conflicts(
        &self,
        storage: &dyn Storage,
        spec: &'static CategorySpec,
        named: &Named,
        rows: &mut Vec<ConflictRow>,
    ) -> Result<(), Refusal> {
        let id = named.record.to_string();
        let disputes = self.disputes(storage, spec, named, 0)?;
        rows.extend(disputes.iter().filter_map(|one| one.row(spec.id, &id, &named.row.title)));
        Ok(())
    }

    fn disputes(
        &self,
        storage: &dyn Storage,
        spec: &'static CategorySpec,
        Named { record, row }: &Named,
        now_ms: u64,
    ) -> Result<Vec<Dispute>, Refusal> {
        if row.deleted || !row.conflicted {
            return Ok(Vec::new());
        }
        let authors = self.authors(*record, row);
        let document = self.existing(storage, *record)?;
        let author = |actor, hlc| authors.at(actor, hlc);
        let open = |value: &Value| self.readable(storage, value);
        Ok(dispute::disputes(spec, &document, (&author, &open), now_ms))
    }

    pub(super) fn resolve(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: CommandId,
        (category, name): (&str, &str),
        (field, keep): (Option<&str>, &str),
        wait: Wait,
    ) -> Result<Option<Answer>, Refusal> {
        let spec = category_of(category)?;
        let named = self.find(storage, spec, name)?;
        let disputes = self.disputes(storage, spec, &named, now.wall_ms)?;
        let edits = dispute::settlement(spec.id, &disputes, field, keep)?;
        let mut content = births::content(&self.existing(storage, named.record)?);
        for (key, value) in &edits {
            match value {
                Some(value) => drop(content.insert(key.clone(), value.clone())),
                None => drop(content.remove(key)),
            }
        }
        if heirloom_formats::ends_early(spec, &content) {
            return Err(failure::ends_early(&named.record.short()).into());
        }
        self.rewrite(now, storage, id, named.record, edits, wait)
    }

    pub(super) fn restore(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: CommandId,
        (category, name): (&str, &str),
        at: Option<&str>,
        wait: Wait,
    ) -> Result<Option<Answer>, Refusal> {
        let spec = category_of(category)?;
        let Named { record, row } = self.find(storage, spec, name)?;
        let edits = match at {
            None => vec![(key::DELETED.to_owned(), None)],
            Some(version) => past::back_to(&self.existing(storage, record)?, &row.births, version)?,
        };
        self.rewrite(now, storage, id, record, edits, wait)
    }

    /// Writes values that the record had already.
    fn rewrite(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: CommandId,
        record: RecordId,
        edits: Edits,
        wait: Wait,
    ) -> Result<Option<Answer>, Refusal> {
        let mut blobs = edits.iter().filter_map(|(_, value)| match value {
            Some(Value::Blob(blob)) => Some(blob),
            Some(Value::Text(_) | Value::Str(_) | Value::Int(_) | Value::Bytes(_)) | None => None,
        });
        if !blobs.all(|blob| blob.chunks.iter().all(|chunk| storage.has_chunk(chunk.id))) {
            return Err(failure::lost_chunk().into());
        }
        let mut writing = Writing::default();
        let mut document = self.existing(storage, record)?;
        self.change(now, &mut writing, record, &mut document, edits, Manner::Settle)?;
        let answer = Answer::Saved { id: record.to_string(), reached: false };
        self.write(now, storage, writing, id, answer, wait)
    }
}
