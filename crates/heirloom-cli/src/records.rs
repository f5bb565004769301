//! The commands on the records of a category.

use crate::access::Access;
use crate::arguments::{RecordCall, RecordVerb};
use crate::exit::{self, Exit, Trouble};
use crate::list::{self, Wish};
use crate::screen::Screen;
use heirloom_core::command::{Answer, Command, ConcurrentValue, Failure, HistoryRow, RecordRow};
use heirloom_schema::CategorySpec;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How a value reads that one side removed.
const REMOVED: &str = "(removed)";

/// Carries out a command on records.
pub(crate) async fn run<W: Write>(
    call: RecordCall,
    home: &Path,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let RecordCall { category, verb, files, from, to } = call;
    if let RecordVerb::List { search } = verb {
        let wish = Wish { search, from, to };
        return list::run(category, wish, home, screen).await;
    }
    let command = command(category, verb, files)?;
    let answer = Access::open(home).await?.run(command).await?;
    print(category, answer, screen)
}

/// Builds a verb's command; of `list`, which needs several, the first.
fn command(
    spec: &CategorySpec,
    verb: RecordVerb,
    files: Vec<(&'static str, PathBuf)>,
) -> Result<Command, Failure> {
    let category = spec.id.to_owned();
    let complete = |given: Vec<String>| assignments(spec, given, files);
    Ok(match verb {
        RecordVerb::Add { assignments, wait } => {
            Command::Add { category, assignments: complete(assignments)?, wait: wait.wait() }
        }
        RecordVerb::Set { id, assignments, wait } => {
            Command::Set { category, id, assignments: complete(assignments)?, wait: wait.wait() }
        }
        RecordVerb::Delete { id, wait } => Command::Delete { category, id, wait: wait.wait() },
        RecordVerb::List { search } => list::command(spec, search, None),
        RecordVerb::Show { id } => Command::Show { category, id },
        RecordVerb::History { id } => Command::History { category, id },
        RecordVerb::Conflicts => Command::Conflicts { category },
        RecordVerb::Restore { id, at, wait } => {
            Command::Restore { category, id, at, wait: wait.wait() }
        }
    })
}

/// Returns all assignments, those from files as texts too.
fn assignments(
    category: &CategorySpec,
    mut given: Vec<String>,
    files: Vec<(&'static str, PathBuf)>,
) -> Result<Vec<String>, Failure> {
    for (field, path) in files {
        let text = fs::read_to_string(&path)
            .map_err(|error| exit::system(&format!("cannot read {}", path.display()), &error))?;
        given.push(format!("{field}={text}"));
    }
    if given.is_empty() {
        let field = category.fields.first().map_or("FIELD", |field| field.name);
        return Err(exit::failure(
            Exit::Usage,
            "no-fields",
            "no field was given",
            &format!("Name at least one, such as {field}=VALUE"),
        ));
    }
    Ok(given)
}

/// Prints the answer of every verb but `list`.
fn print<W: Write>(
    category: &CategorySpec,
    answer: Answer,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    if let Answer::Saved { id, reached } = answer {
        return saved(category, &id, reached, screen);
    }
    if let Answer::Record(row) = answer {
        return show(category, &row, screen);
    }
    if let Answer::History { rows } = answer {
        return history(category, &rows, screen);
    }
    let Answer::Conflicts { rows } = answer else {
        return Err(exit::unexpected(&answer).into());
    };
    for row in &rows {
        screen.json(row)?;
        screen.line(format_args!("{}  {}", short(&row.id), row.field))?;
        screen.line(format_args!("  shown  {}", row.winner.as_deref().unwrap_or(REMOVED)))?;
        for loser in &row.losers {
            screen.line(format_args!("  kept   {}", described(loser)))?;
        }
    }
    if rows.is_empty() {
        screen.line("No field was edited on two devices at the same time.")?;
        screen.next(&format!("{} list", category.id))
    } else {
        screen.next(&format!("{} set ID FIELD=VALUE", category.id))
    }
}

fn saved<W: Write>(
    category: &CategorySpec,
    id: &str,
    reached: bool,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    screen.json(&json!({"id": id}))?;
    screen.line(id)?;
    if !reached {
        return Err(exit::not_yet().into());
    }
    screen.next(&format!("{} show {}", category.id, short(id)))
}

fn show<W: Write>(
    category: &CategorySpec,
    row: &RecordRow,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    screen.json(row)?;
    screen.line(&row.title)?;
    screen.line(format_args!(
        "{}, changed {} by {}",
        row.id,
        row.updated_at,
        short(&row.updated_by)
    ))?;
    if row.deleted {
        screen.line("It is in the trash.")?;
    }
    for (field, value) in &row.fields {
        show_field(field, value, screen)?;
    }
    if let Some(source) = &row.source {
        screen.line("")?;
        screen.lines(source)?;
    }
    screen.line("")?;
    let verb = if row.deleted { "restore" } else { "history" };
    screen.next(&format!("{} {verb} {}", category.id, short(&row.id)))
}

/// Prints a field: a value, or each of several with its type.
fn show_field<W: Write>(field: &str, value: &Value, screen: &mut Screen<W>) -> Result<(), Trouble> {
    let is_item = |item: &Value| item.get("value").is_some();
    let several = value.as_array().filter(|items| !items.is_empty() && items.iter().all(is_item));
    let Some(items) = several else { return show_value(field, value, screen) };
    for item in items {
        let name = match item.get("type").and_then(Value::as_str) {
            Some(kind) => format!("{field}:{kind}"),
            None => field.to_owned(),
        };
        show_value(&name, item.get("value").unwrap_or(&Value::Null), screen)?;
    }
    Ok(())
}

fn show_value<W: Write>(name: &str, value: &Value, screen: &mut Screen<W>) -> Result<(), Trouble> {
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    };
    let mut lines = text.lines();
    screen.line(format_args!("  {name}: {}", lines.next().unwrap_or_default()))?;
    lines.try_for_each(|line| screen.line(format_args!("    {line}")))
}

fn history<W: Write>(
    category: &CategorySpec,
    rows: &[HistoryRow],
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    for row in rows {
        screen.json(row)?;
        let by = row.by.as_deref().map_or("its first import", |by| short(by));
        screen.line(format_args!("{}  by {by}", row.at.as_deref().unwrap_or("born")))?;
        for edit in &row.edits {
            let text =
                |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
            let (before, after) = (text(&edit.before), text(&edit.after));
            screen.line(format_args!("  {}: {before} -> {after}", edit.field))?;
        }
    }
    screen.next(&format!("{} restore ID --at TIME", category.id))
}

fn described(value: &ConcurrentValue) -> String {
    let text = value.value.as_deref().unwrap_or(REMOVED);
    format!("{text}  (by {} at {})", short(&value.by), value.at)
}

/// Returns the beginning of an id, which is enough to name it in a household.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// Returns an assignment that makes a record of the category.
pub(crate) fn example(category: &CategorySpec) -> String {
    category.fields.first().map_or("KEY=VALUE".to_owned(), |field| format!("{}=VALUE", field.name))
}
