//! The operations of a change.

use super::column::{Columns, Kind};
use super::cursor::Cursor;
use crate::error::ChunkError;
use heirloom_base::limits;
use std::collections::BTreeSet;

pub(crate) const ACTION_SET: u64 = 1;
pub(crate) const ACTION_DELETE: u64 = 3;
pub(crate) const ACTION_MAKE_TEXT: u64 = 4;
/// Overwritten operations that one change may name, several for each of its own.
const PREDECESSORS_MAX: usize = 4 * limits::CHANGE_OPS_MAX;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Sets a key, or puts a character.
    Set,
    /// Removes a key or a character.
    Delete,
    /// Sets a key to a new text.
    MakeText,
}

/// A value as it stands in a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawValue<'a> {
    /// automerge's number for the type.
    pub(crate) kind: u8,
    /// The value's bytes.
    pub(crate) bytes: &'a [u8],
}

impl RawValue<'_> {
    /// The type of what has no value.
    pub(crate) const NULL: u8 = 0;
    /// The type of signed numbers.
    pub(crate) const INT: u8 = 4;
    /// The type of strings.
    pub(crate) const STR: u8 = 6;
    /// The type of byte strings.
    pub(crate) const BYTES: u8 = 7;

    /// Returns the number that the bytes of a signed number stand for.
    pub(crate) fn as_int(&self) -> Option<i64> {
        Cursor::new(self.bytes).signed().ok()
    }
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation<'a> {
    /// The text that it changes, as the place of an actor and that actor's
    /// operation; `None` for the root.
    pub(crate) object: Option<(usize, u64)>,
    /// The key of the root that it changes; `None` in a text.
    pub(crate) key: Option<&'a str>,
    /// Whether it inserts a character.
    pub(crate) insert: bool,
    /// What it does.
    pub(crate) action: Action,
    /// The value that it sets.
    pub(crate) value: RawValue<'a>,
}

impl Operation<'_> {
    /// Returns whether it sets a key to a new text.
    pub(crate) fn makes_text(&self) -> bool {
        self.action == Action::MakeText
    }
}

/// Reads the operations of a change that names `actors` actors; and for each of
/// these its last operation that they refer to, zero where they do not.
pub(super) fn read<'a>(
    columns: &Columns<'a>,
    actors: usize,
) -> Result<(Vec<Operation<'a>>, Vec<u64>), ChunkError> {
    let actions = columns.runs(Kind::Action, limits::CHANGE_OPS_MAX, Cursor::unsigned)?;
    let count = actions.len();
    if count == 0 {
        return Err(ChunkError::Operation("none at all"));
    }
    let objects = objects(columns, count, actors)?;
    let keys = columns.runs(Kind::KeyString, count, text)?;
    let inserts = columns.flags(Kind::Insert, count)?;
    let values = values(columns, count)?;
    let elements = elements(columns, count, actors)?;
    let mut referred = vec![0; actors];
    let mut refer = |place: usize, counter: u64| {
        if let Some(last) = referred.get_mut(place) {
            *last = counter.max(*last);
        }
    };
    objects.iter().flatten().for_each(|(place, counter)| refer(*place, *counter));
    for element in elements.iter().flatten() {
        element.actor.iter().for_each(|place| refer(*place, element.counter.unsigned_abs()));
    }
    for (place, counter) in predecessors(columns, count, actors)? {
        refer(place, counter);
    }
    let mut operations = Vec::with_capacity(count);
    let mut touched = Touched::default();
    for (place, action) in actions.into_iter().enumerate() {
        let operation = Operation {
            object: objects.get(place).copied().flatten(),
            key: keys.get(place).copied().flatten(),
            insert: inserts.get(place).copied().unwrap_or(false),
            action: known(action)?,
            value: values.get(place).copied().unwrap_or(RawValue { kind: 0, bytes: &[] }),
        };
        check(&operation)?;
        touched.once(&operation, elements.get(place).copied().flatten())?;
        operations.push(operation);
    }
    Ok((operations, referred))
}

/// Counts the operations and those that they overwrite; neither counts where
/// it passes its limit.
pub(super) fn count(columns: &Columns<'_>) -> usize {
    let own = columns.sum(Kind::Action, |_| 1);
    let overwritten = columns.sum(Kind::PredecessorGroup, Option::unwrap_or_default);
    let within = |count: u64, limit| super::limited("operations", count, limit).unwrap_or_default();
    match within(own, limits::CHANGE_OPS_MAX) {
        0 => 0,
        own => own + within(overwritten, PREDECESSORS_MAX),
    }
}

fn known(action: Option<u64>) -> Result<Action, ChunkError> {
    match action {
        Some(ACTION_SET) => Ok(Action::Set),
        Some(ACTION_DELETE) => Ok(Action::Delete),
        Some(ACTION_MAKE_TEXT) => Ok(Action::MakeText),
        Some(_) | None => Err(ChunkError::Operation("unknown action")),
    }
}

/// Checks that an operation is one that changes of ours have.
fn check(operation: &Operation<'_>) -> Result<(), ChunkError> {
    let refused = match (operation.object, operation.key, operation.action) {
        (None, Some(""), _) => "empty key",
        (None, Some(_), _) if operation.insert => "insertion into a map",
        (None, Some(_), _) => return Ok(()),
        (None, None, _) | (Some(_), Some(_), _) => "key of another kind of object",
        (Some(_), None, Action::MakeText) => "text in a text",
        (Some(_), None, Action::Delete) if operation.insert => "deleting insertion",
        (Some(_), None, Action::Delete) => return Ok(()),
        (Some(_), None, Action::Set) if is_letter(&operation.value) => return Ok(()),
        (Some(_), None, Action::Set) => "text of other things than characters",
    };
    Err(ChunkError::Operation(refused))
}

fn is_letter(value: &RawValue<'_>) -> bool {
    let text = std::str::from_utf8(value.bytes).unwrap_or_default();
    value.kind == RawValue::STR && text.chars().count() == 1
}

fn objects(
    columns: &Columns<'_>,
    count: usize,
    actors: usize,
) -> Result<Vec<Option<(usize, u64)>>, ChunkError> {
    let places = columns.runs(Kind::ObjectActor, count, |cursor| place(cursor, actors))?;
    let counters = columns.runs(Kind::ObjectCounter, count, Cursor::unsigned)?;
    if places.len() != counters.len() {
        return Err(ChunkError::Malformed("object"));
    }
    let pairs = places.into_iter().zip(counters).map(|pair| match pair {
        (None, None) => Ok(None),
        (Some(place), Some(counter)) => Ok(Some((place, counter))),
        (Some(_), None) | (None, Some(_)) => Err(ChunkError::Malformed("object")),
    });
    pairs.collect()
}

/// A character of a text, by the operation that inserted it; counter zero is
/// the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Element {
    actor: Option<usize>,
    counter: i64,
}

/// Reads the characters of texts that operations refer to.
fn elements(
    columns: &Columns<'_>,
    count: usize,
    actors: usize,
) -> Result<Vec<Option<Element>>, ChunkError> {
    let places = columns.runs(Kind::KeyActor, count, |cursor| place(cursor, actors))?;
    let counters = columns.deltas(Kind::KeyCounter, count)?;
    positive(&counters)?;
    let element = |(place, counter): (usize, Option<i64>)| {
        Some(Element { actor: places.get(place).copied().flatten(), counter: counter? })
    };
    Ok(counters.into_iter().enumerate().map(element).collect())
}

/// What the operations of one change touched: each key once, and each
/// character once except to insert behind it. Otherwise a run of a few bytes
/// could stand for thousands of operations on one thing.
#[derive(Default)]
struct Touched<'a> {
    keys: BTreeSet<&'a str>,
    characters: BTreeSet<((usize, u64), Element)>,
}

impl<'a> Touched<'a> {
    fn once(
        &mut self,
        operation: &Operation<'a>,
        element: Option<Element>,
    ) -> Result<(), ChunkError> {
        let first = match (operation.key, operation.object, element) {
            (Some(key), _, None) => self.keys.insert(key),
            (None, Some(_), Some(_)) if operation.insert => true,
            (None, Some(object), Some(element)) => self.characters.insert((object, element)),
            (_, _, _) => return Err(ChunkError::Operation("place missing or ambiguous")),
        };
        if first { Ok(()) } else { Err(ChunkError::Operation("one thing touched twice")) }
    }
}

/// Reads the operations that are overwritten.
fn predecessors(
    columns: &Columns<'_>,
    count: usize,
    actors: usize,
) -> Result<Vec<(usize, u64)>, ChunkError> {
    let groups = columns.runs(Kind::PredecessorGroup, count, Cursor::unsigned)?;
    let sum = groups.iter().flatten().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let sum = super::limited("overwritten operations", sum, PREDECESSORS_MAX)?;
    let places = columns.runs(Kind::PredecessorActor, sum, |cursor| place(cursor, actors))?;
    let counters = columns.deltas(Kind::PredecessorCounter, sum)?;
    if places.len() != sum || counters.len() != sum {
        return Err(ChunkError::Malformed("overwritten operations"));
    }
    positive(&counters)?;
    let pairs = places.into_iter().zip(counters);
    Ok(pairs.filter_map(|(place, counter)| Some((place?, counter?.unsigned_abs()))).collect())
}

fn positive(counters: &[Option<i64>]) -> Result<(), ChunkError> {
    match counters.iter().flatten().all(|counter| *counter >= 0) {
        true => Ok(()),
        false => Err(ChunkError::Malformed("counter")),
    }
}

fn values<'a>(columns: &Columns<'a>, count: usize) -> Result<Vec<RawValue<'a>>, ChunkError> {
    let metas = columns.runs(Kind::ValueMeta, count, Cursor::unsigned)?;
    let mut cursor = Cursor::new(columns.bytes(Kind::Value));
    let values = metas
        .into_iter()
        .map(|meta| {
            let meta = meta.unwrap_or_default();
            let kind = (meta & 0x0f).to_le_bytes()[0];
            Ok(RawValue { kind, bytes: cursor.take_counted(meta >> 4)? })
        })
        .collect::<Result<Vec<_>, ChunkError>>()?;
    if cursor.is_done() { Ok(values) } else { Err(ChunkError::Malformed("values")) }
}

/// Reads the place of an actor.
fn place(cursor: &mut Cursor<'_>, actors: usize) -> Result<usize, ChunkError> {
    let place = usize::try_from(cursor.unsigned()?).ok().filter(|place| *place < actors);
    place.ok_or(ChunkError::Malformed("place of an actor"))
}

fn text<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, ChunkError> {
    let length = cursor.unsigned()?;
    let bytes = cursor.take_counted(length)?;
    std::str::from_utf8(bytes).map_err(|_| ChunkError::Malformed("key"))
}
