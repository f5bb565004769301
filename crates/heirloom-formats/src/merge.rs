//! The three-way merge of a re-import: what the file changed since it was
//! last imported is applied to what the record is now, and nothing else.

use crate::Edits;
use crate::encoding;
use crate::layout::{Places, Unit};
use crate::line::{self, Property};
use heirloom_schema::{Content, Value, key};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How a category's content divides into lines and other keys.
pub(crate) trait Lines {
    /// Returns where the order begins in the key of a line.
    fn cut(&self, key: &str) -> Option<usize>;
    /// Returns whether a line only carries the record's own identifier.
    fn is_identity(&self, unit: &Unit<'_>) -> bool;
}

/// Returns the edits that bring what changed from `base` to `imported` into `current`.
pub(crate) fn replace(
    lines: &dyn Lines,
    base: &Content,
    current: &Content,
    imported: &Content,
    tie: &str,
) -> Edits {
    let mut edits = replace_keys(lines, base, current, imported);
    let units = |content| crate::layout::units(content, |key| lines.cut(key));
    let (base, current, imported) = (units(base), units(current), units(imported));
    let merge = Merge {
        to_current: matches(&base, &current),
        from_import: matches(&imported, &base),
        lines,
        base,
        current,
        imported,
    };
    merge.removed(&mut edits);
    merge.written(tie, &mut edits);
    edits
}

/// Returns the last import where it holds exactly the lines of the record, in
/// an order of its own: then that is how the record stands in a file.
pub(crate) fn settled(
    lines: &dyn Lines,
    content: &Content,
    parse: impl FnOnce(&[u8]) -> Option<Content>,
) -> Option<Content> {
    let (bytes, mark) = encoding::plain(content.get(key::IMPORT)?.as_raw()?);
    let mut imported = parse(&bytes)?;
    imported.extend(mark.map(|mark| (encoding::KEY.to_owned(), mark.value())));
    let kept = |key: &str| lines.cut(key).is_none() && !key::is_reserved(key);
    let plain = content.iter().filter(|(key, _)| kept(key));
    let is_same = sorted_lines(lines, content) == sorted_lines(lines, &imported)
        && plain.eq(imported.iter().filter(|(key, _)| kept(key)));
    is_same.then_some(imported)
}

fn sorted_lines<'a>(lines: &dyn Lines, content: &'a Content) -> Vec<(&'a str, &'a Value)> {
    let units = crate::layout::units(content, |key| lines.cut(key));
    let mut all: Vec<_> = units.iter().map(|unit| (unit.sequence(), unit.value)).collect();
    all.sort();
    all
}

/// Keys that are no lines: the import's change wins, what it left alone stays.
fn replace_keys(lines: &dyn Lines, base: &Content, current: &Content, imported: &Content) -> Edits {
    let plain = |key: &&String| lines.cut(key).is_none() && !key::is_reserved(key);
    let gone = base.keys().filter(|key| !imported.contains_key(*key));
    gone.chain(imported.keys())
        .filter(plain)
        .filter(|key| base.get(*key) != imported.get(*key))
        .filter_map(|key| {
            let value = merged(base.get(key), current.get(key), imported.get(key));
            (value.as_ref() != current.get(key)).then(|| (key.clone(), value))
        })
        .collect()
}

fn merged(
    base: Option<&Value>,
    current: Option<&Value>,
    imported: Option<&Value>,
) -> Option<Value> {
    if let (Some(Value::Text(base)), Some(Value::Text(current)), Some(Value::Text(imported))) =
        (base, current, imported)
    {
        return Some(Value::Text(crate::diff::merge(base, current, imported)));
    }
    imported.cloned()
}

struct Merge<'a> {
    lines: &'a dyn Lines,
    base: Vec<Unit<'a>>,
    current: Vec<Unit<'a>>,
    imported: Vec<Unit<'a>>,
    /// For each line of the base, the line that it is now.
    to_current: Vec<Option<usize>>,
    /// For each line of the import, the line that it was in the base.
    from_import: Vec<Option<usize>>,
}

impl<'a> Merge<'a> {
    /// Removes what the import no longer has, unless it was edited here.
    fn removed(&self, edits: &mut Edits) {
        let kept: BTreeSet<usize> = self.from_import.iter().copied().flatten().collect();
        for (index, unit) in self.base.iter().enumerate() {
            let is_gone = !kept.contains(&index);
            let now = self.to_current.get(index).copied().flatten();
            let now = now.and_then(|now| self.current.get(now));
            if let Some(now) = now.filter(|now| is_gone && now.value == unit.value) {
                edits.push((now.key.to_owned(), None));
            }
        }
    }

    /// Writes what the import changed or added.
    fn written(&self, tie: &str, edits: &mut Edits) {
        let mut places = Places::of(&self.current);
        let mut last: Option<String> = None;
        let mut spare = self.spare();
        for (unit, was) in self.imported.iter().zip(&self.from_import) {
            let was = was.and_then(|was| Some((was, self.base.get(was)?)));
            let now = was.and_then(|(was, _)| self.to_current.get(was).copied().flatten());
            let now = now.and_then(|now| self.current.get(now));
            let is_changed = was.is_none_or(|(_, was)| was.value != unit.value);
            if let Some(now) = now {
                last = Some(now.order().to_owned());
                if is_changed && now.value != unit.value {
                    edits.push((now.key.to_owned(), Some(unit.value.clone())));
                }
            } else if is_changed {
                last = Some(self.added(unit, last, &mut spare, (&mut places, tie), edits));
            }
        }
    }

    /// Adds a line, unless the record has it already; returns its place.
    fn added(
        &self,
        unit: &Unit<'a>,
        last: Option<String>,
        spare: &mut Waiting<'a>,
        (places, tie): (&mut Places, &str),
        edits: &mut Edits,
    ) -> String {
        let same = spare.get_mut(&(unit.sequence(), unit.value)).and_then(VecDeque::pop_front);
        if let Some(now) = same.and_then(|same| self.current.get(same)) {
            return now.order().to_owned();
        }
        let mut lines = self.current.iter().chain(&self.base);
        let known = lines.any(|one| one.sequence() == unit.sequence());
        if known && self.lines.is_identity(unit) {
            return last.unwrap_or_default();
        }
        let order = places.after(last.as_deref(), tie);
        edits.push((format!("{}{order}", unit.sequence()), Some(unit.value.clone())));
        order
    }

    /// Lines of the record that the base does not know.
    fn spare(&self) -> Waiting<'a> {
        let known: BTreeSet<usize> = self.to_current.iter().copied().flatten().collect();
        let indexes = (0..self.current.len()).filter(|index| !known.contains(index));
        waiting(&self.current, indexes, |unit| Some((unit.sequence(), unit.value)))
    }
}

/// Lines that wait for a match, by sequence and value.
type Waiting<'a> = BTreeMap<(&'a str, &'a Value), VecDeque<usize>>;

fn waiting<'a, K: Ord>(
    units: &[Unit<'a>],
    indexes: impl Iterator<Item = usize>,
    key: impl Fn(&Unit<'a>) -> Option<K>,
) -> BTreeMap<K, VecDeque<usize>> {
    let mut waiting: BTreeMap<K, VecDeque<usize>> = BTreeMap::new();
    for index in indexes {
        if let Some(key) = units.get(index).and_then(&key) {
            waiting.entry(key).or_default().push_back(index);
        }
    }
    waiting
}

/// Matches lines of the same sequence: by exact bytes, then by key and name,
/// then by name and parameters in order.
fn matches(from: &[Unit<'_>], to: &[Unit<'_>]) -> Vec<Option<usize>> {
    let mut found = vec![None; from.len()];
    matched(from, to, &mut found, |unit| Some((unit.sequence(), unit.value)));
    matched(from, to, &mut found, |unit| Some((unit.key, unit.name()?)));
    matched(from, to, &mut found, |unit| Some((unit.sequence(), signature(unit.raw())?)));
    found
}

fn matched<'a, K: Ord>(
    from: &[Unit<'a>],
    to: &[Unit<'a>],
    found: &mut [Option<usize>],
    key: impl Fn(&Unit<'a>) -> Option<K>,
) {
    let taken: BTreeSet<usize> = found.iter().copied().flatten().collect();
    let free = (0..to.len()).filter(|index| !taken.contains(index));
    let mut waiting = waiting(to, free, &key);
    for (unit, found) in from.iter().zip(found).filter(|(_, found)| found.is_none()) {
        *found = key(unit).and_then(|key| waiting.get_mut(&key)?.pop_front());
    }
}

/// Returns a line's group, name and parameters; of a component its first line.
fn signature(raw: &[u8]) -> Option<String> {
    let first = line::content_lines(raw).next()?.bytes;
    let property = Property::read(first)?;
    Some(match property.name.as_str() {
        "BEGIN" => format!("BEGIN:{}", property.text().to_uppercase()),
        _ => property.prefix.to_uppercase(),
    })
}
