//! Words of a text that were written anew apart.
//!
//! Whoever writes words anew takes letters away and puts others there. Where
//! two did so apart with the same letters, or both wrote into one word, the text
//! holds what both wrote side by side, which neither meant. Such a place, as far
//! as both wrote in that sentence, is contested for as long as what both wrote
//! stands there, and settled by whoever writes it anew knowing both.

use super::lineage::Lineage;
use super::read::Attributed;
use crate::change::{own_actor, own_hash};
use crate::text::Splice;
use automerge::{Automerge, ChangeHash, ObjId, ReadDoc, ScalarValueRef, ValueRef};
use heirloom_schema::Value;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;
use unicode_segmentation::UnicodeSegmentation;

/// Pairs of changes made apart whose letters meet in one text that are looked at,
/// the newest first: each costs three readings of the text.
const PAIRS_MAX: usize = 8;

/// The author of a letter by its place, and the author's operation.
type LetterId = (usize, u64);

/// A letter that shows.
struct Letter {
    id: LetterId,
    /// The change that wrote it, by its place.
    change: usize,
    text: String,
}

/// Where letters that two changes wrote apart meet.
struct Meeting {
    place: Range<usize>,
    sides: (usize, usize),
    in_word: bool,
}

/// Where words stand among the letters of a text, and where sentences begin.
struct Lines {
    words: Vec<Range<usize>>,
    ends: BTreeSet<usize>,
    text: String,
    /// By byte, the letter that begins there.
    places: BTreeMap<usize, usize>,
}

impl Lines {
    fn of(letters: &[Letter]) -> Self {
        let text: String = letters.iter().map(|letter| letter.text.as_str()).collect();
        let mut bytes = 0;
        let begins = letters.iter().enumerate().map(|(place, letter)| {
            let begin = bytes;
            bytes += letter.text.len();
            (begin, place)
        });
        let mut places: BTreeMap<usize, usize> = begins.collect();
        places.insert(text.len(), letters.len());
        let words = text.unicode_word_indices().filter_map(|(start, word)| {
            Some(*places.get(&start)?..*places.get(&(start + word.len()))?)
        });
        let words = words.collect();
        Self { words, ends: BTreeSet::new(), text, places }
    }

    fn find_ends(&mut self) {
        let sentences = self.text.split_sentence_bound_indices();
        self.ends = sentences.filter_map(|(start, _)| self.places.get(&start).copied()).collect();
    }

    /// Returns the word that a place cuts.
    fn cut(&self, at: usize) -> Option<&Range<usize>> {
        let word = self.words.partition_point(|word| word.end <= at);
        self.words.get(word).filter(|word| word.start < at)
    }
}

/// How a text reads where the words of one side count at every contested place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    text: String,
    /// The side's last change, and its author.
    side: Attributed,
    /// What stands at each contested place.
    places: Vec<String>,
}

/// A text with contested places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contested {
    /// How it reads with what all sides wrote.
    text: String,
    /// The contested places, in characters, from front to back.
    places: Vec<Range<usize>>,
    /// How it reads by each side, the strongest first, each reading once.
    versions: Vec<Version>,
}

impl Contested {
    /// Returns how the text reads by each side, the strongest first.
    pub(super) fn rivals(&self) -> Vec<Attributed> {
        let read = |version: &Version| Attributed {
            value: Some(Value::Text(version.text.clone())),
            ..version.side.clone()
        };
        self.versions.iter().map(read).collect()
    }

    /// Returns what settles every place as `wanted` has it: one of the versions,
    /// or what all sides wrote together. Nothing where it is none of them.
    pub(super) fn settled_as(&self, wanted: &str) -> Option<Vec<Splice>> {
        let version = self.versions.iter().find(|version| version.text == wanted);
        if version.is_none() && self.text != wanted {
            return None;
        }
        let text: Vec<char> = self.text.chars().collect();
        let (mut splices, mut come, mut gone) = (Vec::new(), 0, 0);
        for (number, place) in self.places.iter().enumerate() {
            let insert: String = match version {
                Some(version) => version.places.get(number)?.clone(),
                None => text.get(place.clone())?.iter().collect(),
            };
            let at = place.start + come - gone;
            come += insert.chars().count();
            gone += place.len();
            splices.push(Splice { at, delete: place.len(), insert });
        }
        Some(splices)
    }
}

/// Returns the contested places of a text at some heads; nothing where there are
/// none.
pub(super) fn contested(
    document: &Automerge,
    text: &ObjId,
    heads: Option<&[ChangeHash]>,
) -> Option<Contested> {
    let lineage = Lineage::of(document)?;
    let text = Text { document, text, lineage: &lineage, read: RefCell::default() };
    text.contested(heads)
}

/// A text of a document of which some changes were made apart.
struct Text<'a> {
    document: &'a Automerge,
    text: &'a ObjId,
    lineage: &'a Lineage<'a>,
    /// What showed at some heads: several places have the same sides.
    read: RefCell<BTreeMap<Vec<ChangeHash>, Rc<Showing>>>,
}

/// The letters that show at some heads.
struct Showing {
    letters: Vec<Letter>,
    places: BTreeMap<LetterId, usize>,
}

impl Showing {
    fn of(letters: Vec<Letter>) -> Self {
        let places = letters.iter().enumerate().map(|(place, letter)| (letter.id, place));
        Self { places: places.collect(), letters }
    }

    /// Returns the letters between two; all up to an end where there is none.
    fn between(&self, (before, behind): (Option<LetterId>, Option<LetterId>)) -> &[Letter] {
        let place = |id: Option<LetterId>| self.places.get(&id?).copied();
        let start = place(before).map_or(0, |place| place + 1);
        let end = place(behind).unwrap_or(self.letters.len());
        self.letters.get(start..end).unwrap_or_default()
    }

    fn shows(&self, letter: &Letter) -> bool {
        self.places.contains_key(&letter.id)
    }
}

impl Text<'_> {
    fn contested(&self, heads: Option<&[ChangeHash]>) -> Option<Contested> {
        let showing = Showing::of(self.letters(heads));
        let letters = &showing.letters;
        let places = self.places(letters);
        if places.is_empty() {
            return None;
        }
        let read = |letters: &[Letter]| letters.iter().map(|one| one.text.as_str()).collect();
        let text: String = read(letters);
        let versions = self.versions(&showing, &places, &text);
        // By letter, the characters before it.
        let mut widths = vec![0];
        for letter in letters {
            widths.push(widths.last().copied().unwrap_or_default() + letter.text.chars().count());
        }
        let width = |place: usize| widths.get(place).copied().unwrap_or_default();
        let places = places.iter().map(|place| width(place.start)..width(place.end)).collect();
        (!versions.is_empty()).then_some(Contested { text, places, versions })
    }

    /// Returns what showed at some heads.
    fn showing_at(&self, heads: Vec<ChangeHash>) -> Rc<Showing> {
        if let Some(showing) = self.read.borrow().get(&heads) {
            return Rc::clone(showing);
        }
        let showing = Rc::new(Showing::of(self.letters(Some(&heads))));
        self.read.borrow_mut().insert(heads, Rc::clone(&showing));
        showing
    }

    fn letters(&self, heads: Option<&[ChangeHash]>) -> Vec<Letter> {
        let items = match heads {
            Some(heads) => self.document.list_range_at(self.text, .., heads),
            None => self.document.list_range(self.text, ..),
        };
        let letters = items.filter_map(|item| {
            let ObjId::Id(operation, actor, _) = item.id() else { return None };
            let (actor, change) = self.lineage.maker(own_actor(&actor), operation)?;
            let ValueRef::Scalar(ScalarValueRef::Str(text)) = item.value else { return None };
            Some(Letter { id: (actor, operation), change, text: text.into_owned() })
        });
        letters.collect()
    }

    /// Returns the contested places, by letters, from front to back.
    fn places(&self, letters: &[Letter]) -> Vec<Range<usize>> {
        let (mut meetings, lines) = self.meetings(letters);
        let time = |change: usize| self.lineage.hlc(change);
        meetings.sort_by_key(|meeting| {
            let (one, other) = meeting.sides;
            (Reverse(time(one).max(time(other))), meeting.place.start, meeting.place.end)
        });
        let mut places: Vec<Range<usize>> = Vec::new();
        let mut pairs: BTreeSet<(usize, usize)> = BTreeSet::new();
        for meeting in meetings {
            let (one, other) = meeting.sides;
            let pair = (one.min(other), one.max(other));
            let is_in = |place: &Range<usize>| {
                place.start <= meeting.place.start && meeting.place.end <= place.end
            };
            if pairs.len() == PAIRS_MAX && !pairs.contains(&pair) || places.iter().any(is_in) {
                continue;
            }
            pairs.insert(pair);
            let place = match meeting.in_word {
                true => Some(meeting.place),
                false => self.rewritten(letters, &meeting.place, meeting.sides),
            };
            places.extend(place.map(|place| self.reach(letters, &lines, &place, meeting.sides)));
        }
        places.sort_by_key(|place| (place.start, place.end));
        places.dedup_by(|later, earlier| {
            let overlap = later.start < earlier.end;
            if overlap {
                earlier.end = earlier.end.max(later.end);
            }
            overlap
        });
        places
    }

    /// Returns where letters that were written apart meet: in one word, or side
    /// by side; and the words and sentences, where there are such.
    fn meetings(&self, letters: &[Letter]) -> (Vec<Meeting>, Lines) {
        let mut meetings = Vec::new();
        let mut lines = Lines::of(letters);
        for word in &lines.words {
            let own = letters.get(word.clone()).unwrap_or_default();
            let last = self.lineage.last_of(own.iter().map(|letter| letter.change));
            if let [one, other, ..] = last[..] {
                meetings.push(Meeting { place: word.clone(), sides: (one, other), in_word: true });
            }
        }
        for (at, pair) in letters.windows(2).enumerate() {
            if let [one, other] = pair
                && self.lineage.are_apart(one.change, other.change)
            {
                let sides = (one.change, other.change);
                meetings.push(Meeting { place: at..at + 2, sides, in_word: false });
            }
        }
        if !meetings.is_empty() {
            lines.find_ends();
        }
        (meetings, lines)
    }

    /// Returns the place around two letters that were written apart side by
    /// side; nothing where their changes took no letter away there that was the
    /// same.
    fn rewritten(
        &self,
        letters: &[Letter],
        meeting: &Range<usize>,
        (one, other): (usize, usize),
    ) -> Option<Range<usize>> {
        let is_base = |letter: &Letter| self.knows_it(letter, one) && self.knows_it(letter, other);
        let is_around = |letter: &Letter| is_base(letter) || self.is_later(letter, (one, other));
        let (before, behind) = letters.split_at_checked(meeting.start + 1)?;
        let start = before.iter().rposition(is_around).map_or(0, |place| place + 1);
        let end = behind.iter().position(is_around);
        let end = end.map_or(letters.len(), |place| before.len() + place);
        let base = self.showing_at(self.lineage.common(one, other));
        let base = base.between(around(letters, &(start..end), is_base));
        if base.is_empty() {
            return None;
        }
        let after = |change| Some(self.showing_at(vec![self.lineage.meta(change)?.hash]));
        let (one, other) = (after(one)?, after(other)?);
        let is_gone = |letter: &Letter| !one.shows(letter) && !other.shows(letter);
        base.iter().any(is_gone).then_some(start..end)
    }

    /// Returns a place as far as something that not both know was written in the
    /// same sentence, in whole words.
    fn reach(
        &self,
        letters: &[Letter],
        lines: &Lines,
        place: &Range<usize>,
        sides: (usize, usize),
    ) -> Range<usize> {
        let is_own =
            |letter: &Letter| !(self.knows_it(letter, sides.0) && self.knows_it(letter, sides.1));
        let is_in = |at: &usize| letters.get(*at).is_some_and(|one| !self.is_later(one, sides));
        let wrote = |at: &usize| letters.get(*at).is_some_and(is_own);
        let before = (0..place.start).rev();
        let before = before.take_while(|at| !lines.ends.contains(&(at + 1)) && is_in(at));
        let start = before.filter(wrote).last().unwrap_or(place.start);
        let behind =
            (place.end..letters.len()).take_while(|at| !lines.ends.contains(at) && is_in(at));
        let end = behind.filter(wrote).last().map_or(place.end, |at| at + 1);
        lines.cut(start).map_or(start, |word| word.start)
            ..lines.cut(end).map_or(end, |word| word.end)
    }

    fn knows_it(&self, letter: &Letter, change: usize) -> bool {
        self.lineage.knows(change, letter.change)
    }

    /// Returns whether a letter was written by somebody who knew both.
    fn is_later(&self, letter: &Letter, (one, other): (usize, usize)) -> bool {
        self.lineage.knows(letter.change, one) && self.lineage.knows(letter.change, other)
    }

    /// Returns how the text reads by each side that wrote at contested places.
    fn versions(&self, showing: &Showing, places: &[Range<usize>], text: &str) -> Vec<Version> {
        let letters = &showing.letters;
        let writers = |place: &Range<usize>| {
            letters.get(place.clone()).unwrap_or_default().iter().map(|letter| letter.change)
        };
        let mut sides = self.lineage.last_of(places.iter().flat_map(writers));
        sides.sort_by_key(|side| {
            let actor = self.lineage.meta(*side).map(|meta| own_actor(&meta.actor));
            Reverse((self.lineage.hlc(*side), actor))
        });
        let mut versions: Vec<Version> = Vec::new();
        for version in sides.into_iter().filter_map(|side| self.version(showing, places, side)) {
            if version.text != text && versions.iter().all(|other| other.text != version.text) {
                versions.push(version);
            }
        }
        versions
    }

    fn version(&self, showing: &Showing, places: &[Range<usize>], side: usize) -> Option<Version> {
        let letters = &showing.letters;
        let meta = self.lineage.meta(side)?;
        let (actor, change) = (own_actor(&meta.actor), own_hash(meta.hash));
        let hlc = self.lineage.hlc(side);
        let mut version = Version {
            text: String::new(),
            side: Attributed { value: None, removed: false, actor, hlc, change },
            places: Vec::new(),
        };
        let knows = |letter: &Letter| self.lineage.knows(side, letter.change);
        let own = self.showing_at(vec![meta.hash]);
        let mut at = 0;
        let all = |range: Range<usize>| letters.get(range).unwrap_or_default();
        let read = |letters: &[Letter]| letters.iter().map(|one| one.text.as_str()).collect();
        for place in places {
            let unchanged: String = read(all(at..place.start));
            version.text.push_str(&unchanged);
            let kept = if all(place.clone()).iter().any(knows) {
                let is_here = |letter: &&Letter| {
                    let at = showing.places.get(&letter.id);
                    at.is_none_or(|at| place.contains(at))
                };
                let here = own.between(around(letters, place, knows)).iter().filter(is_here);
                here.map(|letter| letter.text.as_str()).collect()
            } else {
                // A side that wrote elsewhere only leaves a place as it is.
                read(all(place.clone()))
            };
            version.text.push_str(&kept);
            version.places.push(kept);
            at = place.end;
        }
        let unchanged: String = read(all(at..letters.len()));
        version.text.push_str(&unchanged);
        Some(version)
    }
}

/// Returns the nearest letters on both sides of a place that are as wanted.
fn around(
    letters: &[Letter],
    place: &Range<usize>,
    is_wanted: impl Fn(&Letter) -> bool,
) -> (Option<LetterId>, Option<LetterId>) {
    let wanted = |letter: &&Letter| is_wanted(letter);
    let before = letters.get(..place.start).unwrap_or_default().iter().rfind(wanted);
    let behind = letters.get(place.end..).unwrap_or_default().iter().find(wanted);
    (before.map(|letter| letter.id), behind.map(|letter| letter.id))
}
