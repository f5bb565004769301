//! Trying changes on a copy.

use super::births::Whole;
use super::{Admission, Candidate, Saved};
use crate::birth::Newborn;
use crate::document::Document;
use crate::error::GateError;
use heirloom_base::ChangeHash;
use heirloom_base::guard::guarded;
use std::collections::BTreeSet;

/// How changes are taken into a copy, part by part, that has these heads then.
type Taking =
    fn(Document, &[&[&Candidate]], &BTreeSet<ChangeHash>) -> Result<(Document, Vec<u8>), GateError>;

/// A document that grows by trials.
pub(super) struct Trials {
    document: Document,
    heads: BTreeSet<ChangeHash>,
    saved: Option<Vec<u8>>,
    /// What this device has made of the document itself.
    written: Option<Saved>,
}

impl Trials {
    /// Begins with a document that was loaded.
    pub(super) fn of(document: Document, written: Option<Saved>) -> Self {
        let heads = document.heads().0.into_iter().collect();
        Self { document, heads, saved: None, written }
    }

    /// Returns the document as far as it has grown.
    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    /// Gives the document back, if it has grown.
    pub(super) fn finish(self, admission: &mut Admission) {
        let Self { document, saved, .. } = self;
        admission.document = saved.map(|saved| (document, saved));
    }

    /// Takes in the changes of whole births. What was written anew here is not
    /// expected to fail; where it does, no birth comes in.
    pub(super) fn take_births(
        &mut self,
        mut plan: Vec<Whole>,
        operations_max: usize,
        admission: &mut Admission,
    ) {
        if self.heads.is_empty()
            && plan.len() == 1
            && let Some(newborn) = plan.pop().and_then(Whole::into_newborn)
        {
            return self.begin(newborn, admission);
        }
        let plan: Vec<Candidate> = plan.into_iter().flat_map(|whole| whole.parts).collect();
        let parts: Vec<&Candidate> = plan.iter().collect();
        let how = if self.heads.is_empty() { begun } else { tried };
        if let Err(error) = self.take(&parts, operations_max, how, admission) {
            let refused = plan.iter().map(|part| (part.index, error.clone()));
            admission.refused.extend(refused);
        }
    }

    /// Begins the document with a birth.
    fn begin(&mut self, newborn: Newborn, admission: &mut Admission) {
        self.heads = BTreeSet::from([newborn.hash()]);
        self.saved = Some(newborn.save());
        admission.applied.extend(newborn.parts().iter().map(|part| part.hash));
        self.document = Document::of_newborn(newborn);
    }

    /// Takes in judged changes, each after those that it builds on, in parts
    /// of at most `operations_max`, as far as the first that breaks the merge;
    /// returns its place. It is found by halves, because every trial costs as
    /// much as the whole document.
    pub(super) fn take_longest(
        &mut self,
        plan: &[&Candidate],
        operations_max: usize,
        admission: &mut Admission,
    ) -> Result<(), (usize, GateError)> {
        let (mut from, mut to, mut whole) = (0, plan.len(), true);
        while from < plan.len() {
            let length = if whole { to - from } else { (to - from).div_ceil(2) };
            let part = plan.get(from..from + length).unwrap_or_default();
            match self.take(part, operations_max, tried, admission) {
                Ok(()) => {
                    from += length;
                    if from == to {
                        (to, whole) = (plan.len(), true);
                    }
                }
                Err(error) if length < 2 => return Err((from, error)),
                Err(_) => (to, whole) = (from + length, false),
            }
        }
        Ok(())
    }

    /// Takes in changes in one way; the document is what it was where they fail.
    fn take(
        &mut self,
        plan: &[&Candidate],
        operations_max: usize,
        how: Taking,
        admission: &mut Admission,
    ) -> Result<(), GateError> {
        let mut heads = self.heads.clone();
        for candidate in plan {
            for dependency in &candidate.head.dependencies {
                heads.remove(dependency);
            }
            heads.insert(candidate.hash);
        }
        if plan.is_empty() {
            return Ok(());
        }
        let is_there = |written: &mut Saved| written.0.heads().iter().eq(&heads);
        let (document, saved) = match self.written.take_if(is_there) {
            Some(written) => written,
            None => {
                let (copy, parts) = (self.document.clone(), bounded(plan, operations_max));
                guarded(|| how(copy, &parts, &heads)).map_err(GateError::Panicked)??
            }
        };
        self.document = document;
        self.heads = heads;
        self.saved = Some(saved);
        admission.applied.extend(plan.iter().map(|candidate| candidate.hash));
        Ok(())
    }
}

/// Cuts a plan into parts of at most so many operations, or of one change.
fn bounded<'a, 'b>(plan: &'a [&'b Candidate], operations_max: usize) -> Vec<&'a [&'b Candidate]> {
    let (mut parts, mut rest) = (Vec::new(), plan);
    while let Some(first) = rest.first() {
        let mut operations = first.head.count;
        let fits = |candidate: &&&Candidate| {
            operations += candidate.head.count;
            operations <= operations_max
        };
        let length = 1 + rest.iter().skip(1).take_while(fits).count();
        let (part, later) = rest.split_at(length);
        parts.push(part);
        rest = later;
    }
    parts
}

/// Applies changes to a copy, part by part.
fn applied(
    mut copy: Document,
    parts: &[&[&Candidate]],
    heads: &BTreeSet<ChangeHash>,
) -> Result<Document, GateError> {
    for part in parts {
        let changes = part.iter().map(|one| one.change()).collect::<Result<Vec<_>, _>>()?;
        copy.automerge_mut()
            .apply_changes(changes)
            .map_err(|error| GateError::Apply(error.to_string()))?;
    }
    match copy.heads().iter().eq(heads) {
        true => Ok(copy),
        false => Err(GateError::Apply("other heads than expected".to_owned())),
    }
}

/// Begins a document with births. Their bytes are those that this device
/// writes for the same content, so they are no more tried than its own are.
fn begun(
    empty: Document,
    parts: &[&[&Candidate]],
    heads: &BTreeSet<ChangeHash>,
) -> Result<(Document, Vec<u8>), GateError> {
    let document = applied(empty, parts, heads)?;
    let saved = document.save();
    Ok((document, saved))
}

/// Applies changes to a copy, saves it and loads it again: only what was
/// loaded is given back, after everything in it was read once.
fn tried(
    copy: Document,
    parts: &[&[&Candidate]],
    heads: &BTreeSet<ChangeHash>,
) -> Result<(Document, Vec<u8>), GateError> {
    let copy = applied(copy, parts, heads)?;
    let saved = copy.save();
    let again = Document::load(&saved).map_err(|error| GateError::Reload(error.to_string()))?;
    if !again.heads().iter().eq(heads) {
        return Err(GateError::Reload("other heads than before".to_owned()));
    }
    if again.content() != copy.content() || again.conflicts() != copy.conflicts() {
        return Err(GateError::Reload("another content than before".to_owned()));
    }
    Ok((again, saved))
}
