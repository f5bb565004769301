//! The first changes of a record, fully determined by its content.

use crate::author::{self, Step, Texts};
use crate::change::RawChange;
use crate::document;
use crate::error::DocError;
use crate::guard::guarded;
use crate::text::Splice;
use crate::value;
use heirloom_base::{ActorId, RecordId, hash};
use heirloom_schema::{Content, Value};

/// Returns the changes with which a record begins. The same record and content
/// give the same bytes on every device, so that one import on two devices is
/// one birth.
///
/// # Errors
/// When there is no content or something in it does not fit.
pub fn birth(record: RecordId, content: &Content) -> Result<Vec<RawChange>, DocError> {
    if content.is_empty() {
        return Err(DocError::Empty);
    }
    for (key, value) in content {
        value::check(key, Some(value))?;
    }
    let actor = birth_actor(record, content);
    let steps = content.iter().flat_map(|(key, value)| steps(key, value)).collect();
    let write = || author::write(&mut document::empty(), actor, 0, steps, Texts::new());
    guarded(write).map_err(DocError::Broken)?.map_err(|error| DocError::Broken(error.to_string()))
}

/// Returns the actor of a birth.
pub(crate) fn birth_actor(record: RecordId, content: &Content) -> ActorId {
    let canonical = value::canonical(content);
    ActorId(hash::truncate(hash::content("birth", &[&record.0, &canonical])))
}

/// Returns the steps that set a key to a value, whatever it was before.
pub(crate) fn steps(key: &str, value: &Value) -> Vec<Step> {
    match value::to_scalar(value) {
        Some(scalar) => vec![Step::Put(key.to_owned(), scalar)],
        None => {
            let insert = value.as_str().unwrap_or_default().to_owned();
            let splice = Splice { at: 0, delete: 0, insert };
            vec![Step::MakeText(key.to_owned()), Step::Splice(key.to_owned(), splice)]
        }
    }
}
