//! Reading the content of a birth from its changes, without a document.

use crate::author::{Fill, NUMBER_COST};
use crate::chunk::{Action, Chunk, Glimpse, Operation, RawValue};
use crate::error::ChunkError;
use crate::value;
use heirloom_schema::{Content, Value};
use std::collections::BTreeMap;

/// What the parts of a birth hold so far.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) content: Content,
    /// The keys of the texts, by the operations that made them.
    texts: BTreeMap<u64, String>,
    /// How full the latest change is.
    pub(crate) latest: Fill,
}

impl Reading {
    /// Reads one more change.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), ChunkError> {
        let chunk = Chunk::parse(bytes)?;
        self.latest = Fill::default();
        for (number, operation) in (chunk.head.start_op..).zip(&chunk.operations) {
            self.operation(number, operation)?;
        }
        Ok(())
    }

    fn operation(&mut self, number: u64, operation: &Operation<'_>) -> Result<(), ChunkError> {
        let strange = ChunkError::Operation("not of a birth");
        let raw = operation.value;
        match (operation.action, operation.key, operation.object) {
            (Action::Set, Some(key), None) => {
                let value = value_of(raw).ok_or(strange)?;
                let cost = if raw.kind == RawValue::INT { NUMBER_COST } else { raw.bytes.len() };
                self.latest.add(key.len() + cost);
                self.content.insert(key.to_owned(), value);
            }
            (Action::MakeText, Some(key), None) => {
                self.latest.add(key.len());
                self.texts.insert(number, key.to_owned());
                self.content.insert(key.to_owned(), Value::Text(String::new()));
            }
            (Action::Set, None, Some((0, made))) if operation.insert => {
                let key = self.texts.get(&made).ok_or(strange)?;
                let Some(Value::Text(text)) = self.content.get_mut(key) else {
                    return Err(strange);
                };
                text.push_str(std::str::from_utf8(raw.bytes).map_err(|_| strange)?);
                self.latest.add(raw.bytes.len());
            }
            (Action::Set | Action::Delete | Action::MakeText, _, _) => return Err(strange),
        }
        Ok(())
    }
}

/// Returns the content that a glance saw.
pub(crate) fn seen(glimpses: &[Glimpse<'_>]) -> Option<Content> {
    let one = |glimpse: &Glimpse<'_>| match *glimpse {
        Glimpse::Value(key, raw) => Some((key.to_owned(), value_of(raw)?)),
        Glimpse::Text(key, text) => Some((key.to_owned(), Value::Text(text.to_owned()))),
    };
    glimpses.iter().map(one).collect()
}

/// Returns the value that a scalar stands for.
pub(crate) fn value_of(raw: RawValue<'_>) -> Option<Value> {
    match raw.kind {
        RawValue::STR => {
            std::str::from_utf8(raw.bytes).ok().map(|text| Value::Str(text.to_owned()))
        }
        RawValue::INT => raw.as_int().map(Value::Int),
        RawValue::BYTES => value::from_bytes(raw.bytes),
        _ => None,
    }
}
