//! Lists of records, in the order that a user expects.
//!
//! The node answers page by page in the order of ids. Titles are kept to sort
//! them; whole records only as far as [`KEPT_BYTES_MAX`] reaches, and what did
//! not fit is asked for again when its turn to be printed comes.

mod window;

use crate::access::Access;
use crate::exit::{self, Trouble};
use crate::locale::Order;
use crate::records::{example, short};
use crate::screen::{Form, Screen};
use heirloom_core::command::{Answer, Command, RecordRow};
use heirloom_schema::CategorySpec;
use std::cmp::Ordering;
use std::io::Write;
use std::path::Path;

/// Records that one request lists.
const PAGE: usize = 200;
/// Bytes of records that are kept while a list is sorted.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The field that says when something begins.
pub(crate) const START: &str = "start";

/// What is to be listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Only what contains this.
    pub(crate) search: Option<String>,
    /// What is in the trash, and nothing else.
    pub(crate) deleted: bool,
    /// Only what takes place from then on.
    pub(crate) from: Option<String>,
    /// Only what takes place until then.
    pub(crate) to: Option<String>,
}

/// A record as far as it is needed to find its place.
#[derive(Debug)]
struct Entry {
    id: String,
    title: String,
    start: Option<String>,
    updated_at: String,
    /// The whole, where it was kept.
    row: Option<RecordRow>,
}

/// Lists records, or when they take place where a time is named.
pub(crate) async fn run<W: Write>(
    category: &'static CategorySpec,
    wish: Wish,
    home: &Path,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let mut access = Access::open(home).await?;
    let order = Order::of_user();
    if wish.from.is_some() || wish.to.is_some() {
        return window::list(&mut access, category, wish, &order, screen).await;
    }
    list(&mut access, category, &wish, &order, screen).await
}

/// Builds the request for a page.
pub(crate) fn command(category: &CategorySpec, wish: &Wish, after: Option<String>) -> Command {
    let (category, search) = (category.id.to_owned(), wish.search.clone());
    Command::List { category, search, deleted: wish.deleted, after, limit: PAGE }
}

async fn list<W: Write>(
    access: &mut Access,
    category: &CategorySpec,
    wish: &Wish,
    order: &Order,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let budget = if screen.form() == Form::Json { KEPT_BYTES_MAX } else { 0 };
    let mut entries = gathered(access, category, wish, budget).await?;
    entries.sort_by(|one, other| compare(order, one, other));
    let is_empty = entries.is_empty();
    for entry in entries {
        screen.line(format_args!("{}  {}  {}", short(&entry.id), entry.updated_at, entry.title))?;
        if screen.form() == Form::Json
            && let Some(row) = whole(access, category, wish.deleted, entry).await?
        {
            screen.json(&row)?;
        }
    }
    if is_empty && wish.deleted {
        screen.line("The trash is empty.")?;
        screen.next(&format!("{} list", category.id))
    } else if wish.deleted {
        screen.next(&format!("{} restore ID", category.id))
    } else if is_empty {
        let verb = category.naming.map_or("add".to_owned(), |naming| format!("set {naming}"));
        screen.next(&format!("{} {verb} {}", category.id, example(category)))
    } else {
        screen.next(&format!("{} show ID", category.id))
    }
}

/// Gathers all records; the whole of them up to `budget` bytes.
async fn gathered(
    access: &mut Access,
    category: &CategorySpec,
    wish: &Wish,
    budget: usize,
) -> Result<Vec<Entry>, Trouble> {
    let (mut entries, mut after, mut kept) = (Vec::new(), None, 0);
    let has_start = category.field(START).is_some();
    loop {
        let answer = access.run(command(category, wish, after)).await?;
        let Answer::Records { rows, next } = answer else {
            return Err(exit::unexpected(&answer).into());
        };
        for row in rows {
            let start = row.fields.get(START).filter(|_| has_start);
            let start = start.and_then(|start| start.as_str().map(str::to_owned));
            let (id, title) = (row.id.clone(), row.title.clone());
            let updated_at = row.updated_at.clone();
            if kept < budget {
                kept += serde_json::to_string(&row.fields).map_or(0, |text| text.len());
            }
            let row = (kept < budget).then_some(row);
            entries.push(Entry { id, title, start, updated_at, row });
        }
        after = next;
        if after.is_none() {
            return Ok(entries);
        }
    }
}

/// What has a start is in the order of starts, everything else by its title.
fn compare(order: &Order, one: &Entry, other: &Entry) -> Ordering {
    let is_undated = |entry: &Entry| entry.start.is_none();
    is_undated(one)
        .cmp(&is_undated(other))
        .then_with(|| one.start.cmp(&other.start))
        .then_with(|| order.compare(&one.title, &other.title))
        .then_with(|| one.id.cmp(&other.id))
}

/// Returns the whole record; none where it was deleted or restored meanwhile.
async fn whole(
    access: &mut Access,
    category: &CategorySpec,
    deleted: bool,
    entry: Entry,
) -> Result<Option<RecordRow>, Trouble> {
    if entry.row.is_some() {
        return Ok(entry.row);
    }
    let after = before(&entry.id);
    let category = category.id.to_owned();
    let one = Command::List { category, search: None, deleted, after, limit: 1 };
    let answer = access.run(one).await?;
    let Answer::Records { rows, .. } = answer else {
        return Err(exit::unexpected(&answer).into());
    };
    Ok(rows.into_iter().find(|row| row.id == entry.id))
}

/// Returns the id that comes right before another; none before the first.
fn before(id: &str) -> Option<String> {
    let number = u128::from_str_radix(id, 16).ok()?.checked_sub(1)?;
    Some(format!("{number:0width$x}", width = id.len()))
}

#[cfg(test)]
mod tests;
