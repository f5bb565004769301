//! Trying changes on a copy.

use super::{Admission, Candidate};
use crate::document::Document;
use crate::error::GateError;
use crate::guard::guarded;
use heirloom_base::ChangeHash;
use std::collections::BTreeSet;

/// A document that grows by trials.
struct Trials<'a> {
    document: Document,
    heads: BTreeSet<ChangeHash>,
    saved: Option<Vec<u8>>,
    /// Changes that were planned and did not come in.
    outside: BTreeSet<ChangeHash>,
    admission: &'a mut Admission,
}

/// Applies judged changes, each after those that it builds on: together, or
/// where that fails, one at a time; in parts of at most `operations_max`.
pub(super) fn apply(
    document: Document,
    plan: Vec<Candidate>,
    operations_max: usize,
    admission: &mut Admission,
) {
    let heads = document.heads().0.into_iter().collect();
    let mut trials = Trials { document, heads, saved: None, outside: BTreeSet::new(), admission };
    let mut part = Vec::new();
    let mut operations = 0;
    for candidate in plan {
        operations += candidate.head.count;
        if operations > operations_max && !part.is_empty() {
            trials.take(std::mem::take(&mut part));
            operations = candidate.head.count;
        }
        part.push(candidate);
    }
    trials.take(part);
    let Trials { document, saved, admission, .. } = trials;
    admission.document = saved.map(|saved| (document, saved));
}

impl Trials<'_> {
    fn take(&mut self, part: Vec<Candidate>) {
        let together = self.outside.is_empty() && self.attempt(&part).is_ok();
        if together {
            return;
        }
        for candidate in part {
            let missing: Vec<ChangeHash> = candidate
                .head
                .dependencies
                .iter()
                .copied()
                .filter(|hash| self.outside.contains(hash))
                .collect();
            if missing.is_empty() {
                let (index, hash) = (candidate.index, candidate.hash);
                if let Err(error) = self.attempt(&[candidate]) {
                    self.outside.insert(hash);
                    self.admission.refused.push((index, error));
                }
            } else {
                self.outside.insert(candidate.hash);
                self.admission.waiting.push((candidate.index, missing));
            }
        }
    }

    /// Tries changes; the document is what it was where they fail.
    fn attempt(&mut self, part: &[Candidate]) -> Result<(), GateError> {
        let mut heads = self.heads.clone();
        for candidate in part {
            for dependency in &candidate.head.dependencies {
                heads.remove(dependency);
            }
            heads.insert(candidate.hash);
        }
        let copy = self.document.clone();
        let (document, saved) =
            guarded(|| tried(copy, part, &heads)).map_err(GateError::Panicked)??;
        self.document = document;
        self.heads = heads;
        self.saved = Some(saved);
        self.admission.applied.extend(part.iter().map(|candidate| candidate.hash));
        Ok(())
    }
}

/// Applies changes to a copy, saves it and loads it again: only what was
/// loaded is given back, after everything in it was read once.
fn tried(
    mut copy: Document,
    part: &[Candidate],
    heads: &BTreeSet<ChangeHash>,
) -> Result<(Document, Vec<u8>), GateError> {
    let changes: Vec<automerge::Change> = part.iter().map(|one| one.change.clone()).collect();
    copy.automerge_mut()
        .apply_changes(changes)
        .map_err(|error| GateError::Apply(error.to_string()))?;
    if !copy.heads().iter().eq(heads) {
        return Err(GateError::Apply("other heads than expected".to_owned()));
    }
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
