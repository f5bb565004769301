//! The three-way merge of a re-import: what the file changed since it was
//! last imported is applied to what the record is now, and nothing else.

use crate::Edits;
use crate::births::Slot;
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
    /// Returns what a line is among the others, where two births meet.
    fn slot(&self, unit: &Unit<'_>) -> Slot;
    /// Returns whether a line belongs to a component that stands for itself.
    fn is_apart(&self, unit: &Unit<'_>) -> bool {
        let _ = unit; // Most formats have one sequence of lines.
        false
    }
}

/// What a re-import does to a record.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Replacement {
    /// The keys that change.
    pub(crate) edits: Edits,
    /// Keys that the file changed, but that were edited here too since the last
    /// import: they stay as they are here.
    pub(crate) kept: Vec<String>,
}

/// Returns what brings the changes from `base` to `imported` into `current`.
pub(crate) fn replace(
    lines: &dyn Lines,
    base: &Content,
    current: &Content,
    imported: &Content,
    tie: &str,
) -> Replacement {
    let mut replacement = replace_keys(lines, base, current, imported);
    let units = |content| crate::layout::units(content, |key| lines.cut(key));
    let merge = Merge::of(lines, units(base), units(current), units(imported));
    merge.removed(&mut replacement.edits);
    merge.written(tie, &mut replacement);
    replacement
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

/// Keys that are no lines: the import's change is taken, what it left alone or
/// was edited here stays.
fn replace_keys(
    lines: &dyn Lines,
    base: &Content,
    current: &Content,
    imported: &Content,
) -> Replacement {
    let plain = |key: &&String| lines.cut(key).is_none() && !key::is_reserved(key);
    let gone = base.keys().filter(|key| !imported.contains_key(*key));
    let changed = gone.chain(imported.keys()).filter(plain);
    let mut replacement = Replacement::default();
    for key in changed.filter(|key| base.get(*key) != imported.get(*key)) {
        let sides = (base.get(key), current.get(key), imported.get(key));
        match sides {
            (_, now, then) if now == then => {}
            (Some(Value::Text(was)), Some(Value::Text(now)), Some(Value::Text(then))) => {
                let text = Value::Text(crate::diff::merge(was, now, then));
                if Some(&text) != current.get(key) {
                    replacement.edits.push((key.clone(), Some(text)));
                }
            }
            (was, now, then) if was == now || now.is_none() => {
                replacement.edits.push((key.clone(), then.cloned()));
            }
            (_, _, _) => replacement.kept.push(key.clone()),
        }
    }
    replacement
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
    /// For each line of the import that the base has not, the line of the
    /// record that is the same already.
    here: Vec<Option<usize>>,
}

impl<'a> Merge<'a> {
    /// Matches the lines: what the import left alone, then what it shares with
    /// the record as it is now, and then what it changed.
    fn of(
        lines: &'a dyn Lines,
        base: Vec<Unit<'a>>,
        current: Vec<Unit<'a>>,
        imported: Vec<Unit<'a>>,
    ) -> Self {
        let to_current = matches(&base, &current, vec![None; base.len()], &BTreeSet::new());
        let mut from_import = vec![None; imported.len()];
        matched(&imported, &base, &mut from_import, &BTreeSet::new(), exact);
        let taken = from_import.iter().flatten().filter_map(|was: &usize| {
            let now = to_current.get(*was).copied().flatten()?;
            (current.get(now)?.value == base.get(*was)?.value).then_some(now)
        });
        let taken: BTreeSet<usize> = taken.collect();
        let free = (0..current.len()).filter(|index| !taken.contains(index));
        let mut spare = waiting(&current, free, exact);
        let mut same = |unit: &Unit<'a>| spare.get_mut(&exact(unit)?)?.pop_front();
        let new = imported.iter().zip(&from_import);
        let here: Vec<Option<usize>> =
            new.map(|(unit, from)| if from.is_none() { same(unit) } else { None }).collect();
        let pairs = to_current.iter().enumerate();
        let from_current: BTreeMap<usize, usize> =
            pairs.filter_map(|(was, now)| Some(((*now)?, was))).collect();
        for (from, here) in from_import.iter_mut().zip(&here) {
            *from = from.or_else(|| from_current.get(&(*here)?).copied());
        }
        let known = here.iter().enumerate().filter(|(_, here)| here.is_some());
        let known: BTreeSet<usize> = known.map(|(index, _)| index).collect();
        let from_import = matches(&imported, &base, from_import, &known);
        Self { lines, base, current, imported, to_current, from_import, here }
    }

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

    /// Writes what the import changed or added; what was edited here too stays.
    fn written(&self, tie: &str, replacement: &mut Replacement) {
        let mut places = Places::of(&self.current);
        let known: BTreeSet<&str> =
            self.current.iter().chain(&self.base).map(Unit::sequence).collect();
        let mut last: Option<String> = None;
        for ((unit, was), here) in self.imported.iter().zip(&self.from_import).zip(&self.here) {
            if let Some(here) = here.and_then(|here| self.current.get(here)) {
                last = Some(here.order().to_owned());
                continue;
            }
            let was = was.and_then(|was| Some((was, self.base.get(was)?)));
            let now = was.and_then(|(was, _)| self.to_current.get(was).copied().flatten());
            let now = now.and_then(|now| self.current.get(now));
            last = now.map(|now| now.order().to_owned()).or(last);
            match (was, now) {
                (_, Some(now)) if now.value == unit.value => {}
                (Some((_, was)), _) if was.value == unit.value => {}
                (Some((_, was)), Some(now)) if was.value == now.value => {
                    replacement.edits.push((now.key.to_owned(), Some(unit.value.clone())));
                }
                (Some(_), Some(now)) => replacement.kept.push(now.key.to_owned()),
                // As between two devices, a change outlives a removal.
                (_, None) | (None, _) => {
                    if known.contains(unit.sequence()) && self.lines.is_identity(unit) {
                        continue;
                    }
                    last = Some(added(unit, last.as_deref(), (&mut places, tie), replacement));
                }
            }
        }
    }
}

/// Adds a line; returns its place.
fn added(
    unit: &Unit<'_>,
    last: Option<&str>,
    (places, tie): (&mut Places, &str),
    replacement: &mut Replacement,
) -> String {
    let order = places.of_line(last, unit.value, tie);
    let key = format!("{}{order}", unit.sequence());
    replacement.edits.push((key, Some(unit.value.clone())));
    order
}

/// Lines are the same that have the same bytes in the same sequence.
fn exact<'a>(unit: &Unit<'a>) -> Option<(&'a str, &'a Value)> {
    Some((unit.sequence(), unit.value))
}

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

/// Matches lines of the same sequence that are not matched yet: by exact bytes,
/// then by key and name, then by name and parameters in order. Lines in
/// `known` are left out.
fn matches(
    from: &[Unit<'_>],
    to: &[Unit<'_>],
    mut found: Vec<Option<usize>>,
    known: &BTreeSet<usize>,
) -> Vec<Option<usize>> {
    matched(from, to, &mut found, known, exact);
    matched(from, to, &mut found, known, |unit| Some((unit.key, unit.name()?)));
    matched(from, to, &mut found, known, |unit| Some((unit.sequence(), signature(unit.raw())?)));
    found
}

fn matched<'a, K: Ord>(
    from: &[Unit<'a>],
    to: &[Unit<'a>],
    found: &mut [Option<usize>],
    known: &BTreeSet<usize>,
    key: impl Fn(&Unit<'a>) -> Option<K>,
) {
    let taken: BTreeSet<usize> = found.iter().copied().flatten().collect();
    let free = (0..to.len()).filter(|index| !taken.contains(index));
    let mut waiting = waiting(to, free, &key);
    for (index, (unit, found)) in from.iter().zip(found).enumerate() {
        if found.is_none() && !known.contains(&index) {
            *found = key(unit).and_then(|key| waiting.get_mut(&key)?.pop_front());
        }
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
