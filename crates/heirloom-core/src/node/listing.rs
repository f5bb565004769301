//! Commands that read records.

use super::records::{Named, category_of};
use super::{Node, Refusal};
use crate::authors;
use crate::births;
use crate::collection;
use crate::command::{Answer, ExportFile, LeftOut, RecordRow};
use crate::failure;
use crate::rows::{self, Front, RecordIndex, table};
use crate::storage::Storage;
use crate::view::{decode_head, decode_row};
use base64::Engine as _;
use heirloom_base::{RecordId, hash, id, time};
use heirloom_formats::SearchQuery;
use heirloom_schema::Content;
use heirloom_schema::category::{self, CategorySpec};
use serde_json::Value as Json;
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// Rows read from the index at a time.
const PAGE: usize = 512;
/// Looks at a record's row, and says whether to go on.
type Visit<'a> = dyn FnMut(RecordId, &[u8]) -> Result<bool, Refusal> + 'a;
/// Bytes of files in one answer.
const EXPORT_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Node {
    /// Visits the rows of a category in the order of their ids, until told to stop.
    pub(super) fn each_row(
        storage: &dyn Storage,
        spec: &'static CategorySpec,
        after: Option<RecordId>,
        visit: &mut dyn FnMut(RecordId, RecordIndex) -> Result<bool, Refusal>,
    ) -> Result<(), Refusal> {
        Self::each_row_bytes(storage, spec, after, &mut |record, bytes| {
            visit(record, decode_row(bytes)?)
        })
    }

    /// As [`Node::each_row`], of their fronts alone.
    pub(super) fn each_front(
        storage: &dyn Storage,
        spec: &'static CategorySpec,
        visit: &mut dyn FnMut(RecordId, Front) -> Result<bool, Refusal>,
    ) -> Result<(), Refusal> {
        Self::each_row_bytes(storage, spec, None, &mut |record, bytes| {
            visit(record, decode_head(bytes)?)
        })
    }

    /// As [`Node::each_row`], where few of them need to be read.
    pub(super) fn each_row_bytes(
        storage: &dyn Storage,
        spec: &'static CategorySpec,
        after: Option<RecordId>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Refusal> {
        let prefix = rows::category_prefix(spec.number);
        let mut last = after.map(|record| rows::record_key(spec.number, record));
        loop {
            let page = storage.scan(&prefix, last.as_deref(), PAGE)?;
            for (key, bytes) in &page {
                let Some(record) = rows::record_of_key(key) else { continue };
                if !visit(record, bytes)? {
                    return Ok(());
                }
            }
            match page.last() {
                Some((key, _)) if page.len() == PAGE => last = Some(key.clone()),
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn list(
        &self,
        storage: &dyn Storage,
        category: &str,
        (search, deleted): (Option<&str>, bool),
        after: Option<&str>,
        limit: usize,
    ) -> Result<Answer, Refusal> {
        self.keyring()?;
        let spec = category_of(category)?;
        let query = SearchQuery::parse(search.unwrap_or_default());
        let mut rows: Vec<RecordRow> = Vec::new();
        let mut next = None;
        Self::each_row(storage, spec, after_record(after)?, &mut |record, row| {
            let wanted = row.deleted == deleted && query.matches(&row.search);
            if !wanted {
                return Ok(true);
            }
            if rows.len() == limit.max(1) {
                next = rows.last().map(|row| row.id.clone());
                return Ok(false);
            }
            rows.push(self.record_row(spec, record, &row));
            Ok(true)
        })?;
        Ok(Answer::Records { rows, next })
    }

    pub(super) fn record_row(
        &self,
        spec: &'static CategorySpec,
        record: RecordId,
        row: &RecordIndex,
    ) -> RecordRow {
        let by = row.updated_by.and_then(|log| self.author_of(log));
        RecordRow {
            id: record.to_string(),
            category: spec.id.to_owned(),
            title: row.title.clone(),
            fields: serde_json::from_str(&row.fields).unwrap_or_default(),
            authors: serde_json::Map::new(),
            updated_at: time::rfc3339(row.updated_ms),
            updated_by: by.map(|device| device.to_string()).unwrap_or_default(),
            deleted: row.deleted,
            source: None,
        }
    }

    pub(super) fn show(
        &self,
        storage: &dyn Storage,
        category: &str,
        name: &str,
    ) -> Result<Answer, Refusal> {
        let spec = category_of(category)?;
        let named = self.find(&self.shown(storage), spec, name)?;
        // Of what a checkpoint shows it is not known who wrote which part.
        let has_authors = self.preview.is_none() || self.is_here(storage, spec.number, &named)?;
        let storage: &dyn Storage = if has_authors { storage } else { &self.shown(storage) };
        let Named { record, row } = named;
        let mut shown = self.record_row(spec, record, &row);
        let document = self.existing(storage, record)?;
        let content = births::content(&document);
        let resolved = self.resolved(storage, content.clone());
        let names = self.authors(record, &row);
        let authorship = births::authorship(&document);
        let history = OnceCell::new();
        let author = |key: &str, part: Option<(&str, &Json)>| {
            let changed = part.and_then(|part| {
                let history = history.get_or_init(|| document.history());
                authors::last_to_change(spec, history, key, part)
            });
            let changed = changed.map(|(actor, hlc)| names.at(actor, hlc));
            changed.or_else(|| Some(names.of(authorship.get(key)?)))
        };
        let known = resolved.as_ref().unwrap_or(&content);
        if has_authors {
            shown.authors = authors::authors_json(spec, known, &shown.fields, &author);
        }
        if let Ok(content) = resolved {
            let source = heirloom_formats::render(spec, &content, &row.uid);
            let is_text = !heirloom_formats::holds_attachment(spec, &content);
            shown.source = is_text.then(|| String::from_utf8_lossy(&source).into_owned());
        }
        Ok(Answer::Record(shown))
    }

    /// Returns a record's content as it is shown, with its large values.
    pub(super) fn text_of(
        &self,
        storage: &dyn Storage,
        record: RecordId,
    ) -> Result<Content, Refusal> {
        self.resolved(storage, births::content(&self.existing(storage, record)?))
    }

    pub(super) fn export(
        &self,
        storage: &dyn Storage,
        category: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Answer, Refusal> {
        self.keyring()?;
        let spec = category_of(category)?;
        let (mut files, mut left_out): (Vec<ExportFile>, Vec<LeftOut>) = Default::default();
        let (mut size, mut last, mut next) = (0, None, None);
        Self::each_row(storage, spec, after_record(after)?, &mut |record, row| {
            if row.deleted {
                return Ok(true);
            }
            if files.len() + left_out.len() >= limit.max(1) || size > EXPORT_BYTES_MAX {
                next = last.map(|record: RecordId| record.to_string());
                return Ok(false);
            }
            last = Some(record);
            let content = match self.text_of(storage, record) {
                Err(Refusal::Failure(failure)) if failure.code == failure::MISSING_CHUNK => {
                    let (id, category) = (record.to_string(), spec.id.to_owned());
                    let (title, reason) = (row.title.clone(), failure.text);
                    left_out.push(LeftOut { id, category, title, reason });
                    return Ok(true);
                }
                content => content?,
            };
            let bytes = heirloom_formats::render(spec, &content, &row.uid);
            size += bytes.len();
            let unique = heirloom_formats::file_name(spec, &content, &row.uid);
            let unique = format!("{}/{unique}", spec.id);
            let preferred = heirloom_formats::preferred_file_name(spec, &content);
            let preferred = preferred.map(|name| format!("{}/{name}", spec.id));
            files.push(ExportFile {
                fallback: preferred.is_some().then(|| unique.clone()),
                path: preferred.unwrap_or(unique),
                base64: base64::engine::general_purpose::STANDARD.encode(&bytes),
            });
            Ok(true)
        })?;
        Ok(Answer::Files { files, left_out, next })
    }

    pub(super) fn digest(&self, storage: &dyn Storage) -> Result<Answer, Refusal> {
        self.keyring()?;
        let mut live: BTreeMap<RecordId, Vec<u8>> = BTreeMap::new();
        let mut last: Option<Vec<u8>> = None;
        loop {
            let page = storage.scan(&[table::RECORD], last.as_deref(), PAGE)?;
            for (key, bytes) in &page {
                let Some(record) = rows::record_of_key(key) else { continue };
                let row: Front = decode_head(bytes)?;
                if !row.deleted {
                    live.insert(record, collection::heads_bytes(&row.heads));
                }
            }
            match page.into_iter().last() {
                Some((key, _)) => last = Some(key),
                None => break,
            }
        }
        let parts: Vec<&[u8]> = live
            .iter()
            .flat_map(|(record, heads)| [record.0.as_slice(), heads.as_slice()])
            .collect();
        let digest = id::to_hex(&hash::content("digest", &parts));
        Ok(Answer::Digest { digest, records: self.counts(storage)? })
    }

    /// Returns the number of live records by category.
    pub(super) fn counts(&self, storage: &dyn Storage) -> Result<BTreeMap<String, u64>, Refusal> {
        let mut counts = BTreeMap::new();
        for spec in category::CATEGORIES {
            let mut count = 0;
            Self::each_front(storage, spec, &mut |_, row| {
                count += u64::from(!row.deleted);
                Ok(true)
            })?;
            counts.insert(spec.id.to_owned(), count);
        }
        Ok(counts)
    }
}

pub(super) fn after_record(after: Option<&str>) -> Result<Option<RecordId>, Refusal> {
    after.map(str::parse::<RecordId>).transpose().map_err(|error| {
        failure::usage(format!("{error}."), "Continue after an id of a list.").into()
    })
}
