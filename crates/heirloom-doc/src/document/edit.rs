//! Changing a document.

use super::Document;
use super::contest::Contested;
use super::plain::Slot;
use super::read::{Attributed, Candidate, candidates, contested_at, has_several};
use crate::author::{self, Step, Texts};
use crate::birth::steps;
use crate::change::RawChange;
use crate::error::DocError;
use crate::text::{self, Splice};
use crate::value;
use automerge::ROOT;
use heirloom_base::guard::guarded;
use heirloom_base::{ActorId, Hlc, limits};
use heirloom_schema::{Value, key};
use std::collections::BTreeMap;

/// What an edit comes down to.
#[derive(Default)]
struct Plan {
    steps: Vec<Step>,
    texts: Texts,
}

/// A way to give a key a value, or to remove it.
type SetKey = fn(&mut Plan, &str, Option<&Value>, &[Candidate]);

/// Returns what settles the contested places of a text as a value has it.
fn settling(contested: Option<&Contested>, value: Option<&Value>) -> Option<Vec<Splice>> {
    contested?.settled_as(value.filter(|value| matches!(value, Value::Text(_)))?.as_str()?)
}

impl Document {
    /// Sets and removes keys, and returns the changes that do so: none where
    /// nothing differs, several where one would grow too large.
    ///
    /// `actor` is that of the log which carries the changes (see
    /// [`actor_for`](crate::actor_for)), `hlc` later than every reading this
    /// log used before. The last edit of a key counts. A text is changed only
    /// where it differs, so that edits of different places merge. Any edit that
    /// does not itself set [`key::DELETED`] brings a deleted record back.
    ///
    /// A key with concurrent values has one afterwards, except that an edited
    /// text leaves its rivals visible, because what is being typed into them
    /// elsewhere would disappear; setting it to the very text that it has
    /// settles the conflict. So do words that were written anew apart: they are
    /// at odds until one side's are gone, or the text is set to what it reads as.
    ///
    /// # Errors
    /// When something does not fit, or automerge fails; after
    /// [`DocError::Broken`] the document must be thrown away and loaded again.
    pub fn edit(
        &mut self,
        actor: ActorId,
        hlc: Hlc,
        edits: &[(String, Option<Value>)],
    ) -> Result<Vec<RawChange>, DocError> {
        self.write(actor, hlc, edits, Plan::set)
    }

    /// As [`Document::edit`], and settles every conflict of the keys that it
    /// names: a text is replaced as a whole, its rivals disappear, and what is
    /// being typed into any of them elsewhere stays in the history only.
    ///
    /// # Errors
    /// As [`Document::edit`].
    pub fn settle(
        &mut self,
        actor: ActorId,
        hlc: Hlc,
        edits: &[(String, Option<Value>)],
    ) -> Result<Vec<RawChange>, DocError> {
        self.write(actor, hlc, edits, Plan::settle)
    }

    fn write(
        &mut self,
        actor: ActorId,
        hlc: Hlc,
        edits: &[(String, Option<Value>)],
        set: SetKey,
    ) -> Result<Vec<RawChange>, DocError> {
        let time = i64::try_from(hlc.0).map_err(|_| DocError::Clock(hlc.0))?;
        for (key, value) in edits {
            value::check(key, value.as_ref())?;
        }
        // One place among the dependencies is for the author's previous change.
        let (heads, limit) = (self.heads().len(), limits::CHANGE_DEPS_MAX - 1);
        if heads > limit {
            return Err(DocError::Heads { heads, limit });
        }
        if edits.iter().any(|(_, value)| matches!(value, Some(Value::Text(_)))) {
            // Where a text differs, its characters are asked for.
            guarded(|| self.unfold()).map_err(DocError::Broken)?;
        }
        guarded(|| {
            let Plan { steps, texts } = self.plan(edits, set);
            if let Some(changes) = self.write_plainly(actor, time, &steps) {
                return Ok(changes);
            }
            author::write(self.automerge_mut(), actor, time, steps, texts)
        })
        .map_err(DocError::Broken)?
        .map_err(|error| DocError::Broken(error.to_string()))
    }

    /// Writes an edit without a document, where none is needed.
    fn write_plainly(
        &mut self,
        actor: ActorId,
        time: i64,
        steps: &[Step],
    ) -> Option<Vec<RawChange>> {
        let (mut plain, mut changes) = (self.plain()?.clone(), Vec::new());
        if steps.is_empty() {
            return Some(changes);
        }
        for steps in author::bounded(steps.to_vec(), &Texts::new()) {
            let (grown, change) = plain.edited(actor, time, &steps)?;
            plain = grown;
            changes.push(change);
        }
        *self = Self::of_plain(plain);
        Some(changes)
    }

    /// Returns the visible values of a key, the one that is shown first.
    fn candidates(&self, key: &str) -> Vec<Candidate> {
        let Some(plain) = self.plain() else { return candidates(self.automerge(), key, None) };
        // Of a text, no more is asked than what it reads as.
        let candidate = |slot: Slot| {
            let Slot { value, removed, actor, hlc, change, .. } = slot;
            Candidate {
                attributed: Attributed { value, removed, actor, hlc, change },
                object: ROOT,
            }
        };
        plain.slot(key).map(candidate).into_iter().collect()
    }

    fn plan(&self, edits: &[(String, Option<Value>)], set: SetKey) -> Plan {
        let mut wanted: BTreeMap<&str, Option<&Value>> =
            edits.iter().map(|(key, value)| (key.as_str(), value.as_ref())).collect();
        let deletion = wanted.remove(key::DELETED);
        let mut plan = Plan::default();
        // Several births may show what no key holds: see `births`.
        let is_united = self.plain().is_none() && has_several(self.automerge(), key::CATEGORY);
        for (key, value) in wanted {
            let current = self.candidates(key);
            match value {
                None if is_united && current.iter().all(|one| one.attributed.removed) => {
                    plan.remove(key, &current);
                }
                Some(_) | None => {
                    let contested = || contested_at(self.automerge(), &current, None);
                    let contested = if self.is_forked() { contested() } else { None };
                    match settling(contested.as_ref(), value) {
                        Some(splices) => plan.splice(key, splices, &current),
                        None => set(&mut plan, key, value, &current),
                    }
                }
            }
        }
        let marks = self.candidates(key::DELETED);
        match deletion {
            // The last change deletes, so that all others are its ancestors.
            Some(Some(value)) if !self.is_deleted() => {
                plan.steps.extend(steps(key::DELETED, &unlike(value, &marks)));
            }
            Some(Some(value)) => plan.set(key::DELETED, Some(value), &marks),
            Some(None) => plan.revive(&marks),
            None if plan.steps.is_empty() => {}
            None => plan.revive(&marks),
        }
        plan
    }
}

/// Returns a mark like `value` that is none of those which an edit contests:
/// the same one again would be no change.
fn unlike(value: &Value, marks: &[Candidate]) -> Value {
    let mut mark = value.clone();
    while let Value::Int(number) = &mut mark
        && marks.iter().any(|one| one.value() == Some(&Value::Int(*number)))
    {
        *number = number.wrapping_add(1);
    }
    mark
}

impl Plan {
    fn revive(&mut self, marks: &[Candidate]) {
        if !marks.is_empty() {
            self.steps.insert(0, Step::Delete(key::DELETED.to_owned()));
        }
    }

    /// Sets a key so that it has one value afterwards.
    fn settle(&mut self, key: &str, value: Option<&Value>, current: &[Candidate]) {
        let shown = current.first().and_then(Candidate::value);
        // What only a birth said, and is chosen, is said by somebody from now on.
        let is_born = current.first().is_some_and(|one| one.attributed.hlc == Hlc(0))
            && shown == value
            && !matches!(value, Some(Value::Text(_)));
        match value {
            Some(value) if is_born && current.len() == 1 => {
                // The same value again would be no change.
                self.steps.push(Step::Delete(key.to_owned()));
                self.steps.extend(steps(key, value));
            }
            Some(value) if is_born || current.iter().any(|one| one.value() != shown) => {
                self.put(key, value, current);
            }
            Some(_) | None => self.set(key, value, current),
        }
    }

    fn set(&mut self, key: &str, value: Option<&Value>, current: &[Candidate]) {
        let Some(value) = value else {
            if current.iter().any(|one| !one.attributed.removed) {
                self.remove(key, current);
            }
            return;
        };
        let shown = current.first().and_then(Candidate::value);
        if shown == Some(value) && current.iter().all(|one| one.value() == shown) {
            return;
        }
        if let (Value::Text(new), Some(Value::Text(old))) = (value, shown)
            && new != old
        {
            self.splice(key, text::splices(old, new), current);
            return;
        }
        self.put(key, value, current);
    }

    /// Changes the text that is shown, and those that read the same.
    fn splice(&mut self, key: &str, splices: Vec<Splice>, current: &[Candidate]) {
        let shown = current.first().and_then(Candidate::value);
        let twins = current.iter().filter(|one| one.value() == shown);
        self.texts.insert(key.to_owned(), twins.map(|one| one.object.clone()).collect());
        let splices = splices.into_iter();
        self.steps.extend(splices.map(|splice| Step::Splice(key.to_owned(), splice)));
    }

    /// Removes a key. Where somebody has done so already, the same again would
    /// only take its rivals away.
    fn remove(&mut self, key: &str, current: &[Candidate]) {
        if current.iter().any(|one| one.attributed.removed) {
            self.steps.push(Step::Delete(key.to_owned()));
        }
        self.steps.push(Step::Put(key.to_owned(), value::REMOVED));
    }

    /// Gives a key a value of its own. Of several, one that is set again would
    /// only lose its rivals, and somebody else who settles the conflict
    /// otherwise at the same time would overwrite it unseen.
    fn put(&mut self, key: &str, value: &Value, current: &[Candidate]) {
        let is_again = current.iter().any(|one| one.value() == Some(value));
        if current.len() > 1 && is_again && !matches!(value, Value::Text(_)) {
            self.steps.push(Step::Delete(key.to_owned()));
        }
        self.steps.extend(steps(key, value));
    }
}
