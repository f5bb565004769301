//! What an edit may make of a record: nothing that an import would leave out.

use crate::{FieldError, RawItem, file_name, parse, render, uid_of_content};
use heirloom_base::limits;
use heirloom_schema::{CategorySpec, Content, Value, key};

/// A record of which so little is there is far from every limit.
const PART: usize = 2;

/// Checks that a record's own file can be imported again after an edit. One
/// that was beyond a limit before may not grow.
pub(crate) fn verify(
    category: &'static CategorySpec,
    before: Option<&Content>,
    after: &Content,
) -> Result<(), FieldError> {
    if is_small(after) {
        return Ok(());
    }
    let uid = after.get(key::UID).and_then(Value::as_str).map(str::to_owned);
    let uid = uid.unwrap_or_else(|| uid_of_content(category, before.unwrap_or(after)));
    let Err((reason, bytes)) = imported(category, after, &uid) else { return Ok(()) };
    let refused = Err(FieldError::Full { reason });
    let Some(before) = before else { return refused };
    match imported(category, before, &uid) {
        Ok(()) => refused,
        Err((_, had)) if bytes > had && !is_small(before) => refused,
        Err(_) => Ok(()),
    }
}

fn is_small(content: &Content) -> bool {
    let own = || content.iter().filter(|(key, _)| !key::is_reserved(key));
    let bytes: usize =
        own().map(|(key, value)| key.len() + value.as_raw().map_or(0, <[u8]>::len)).sum();
    bytes < limits::CARD_TEXT_BYTES_MAX / PART && own().count() < limits::CARD_PROPERTIES_MAX / PART
}

/// Returns why a record's own file would not be imported, with its bytes.
fn imported(
    category: &'static CategorySpec,
    content: &Content,
    uid: &str,
) -> Result<(), (String, usize)> {
    let bytes = render(category, content, uid);
    let size = bytes.len();
    let raw = RawItem { category, name: file_name(category, content, uid), line: 1, bytes };
    parse(&raw).map(drop).map_err(|error| (error.reason, size))
}
