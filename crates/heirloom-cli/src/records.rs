//! The commands on the records of a category.

use crate::access::Access;
use crate::arguments::{RecordCall, RecordVerb};
use crate::exit::{self, Exit, Trouble};
use crate::list::{self, Wish};
use crate::screen::{Form, Screen, lines_of};
use crate::versions;
use heirloom_base::limits;
use heirloom_core::command::{Answer, Command, Failure, RecordRow};
use heirloom_core::failure;
use heirloom_schema::CategorySpec;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

/// Carries out a command on records.
pub(crate) async fn run<W: Write>(
    call: RecordCall,
    home: &Path,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let RecordCall { category, verb, files, from, to } = call;
    if let RecordVerb::List { search, deleted } = verb {
        let wish = Wish { search, deleted, from, to };
        return list::run(category, wish, home, screen).await;
    }
    let command = command(category, verb, files)?;
    let mut access = Access::open(home).await?;
    let answer = access.run(command).await?;
    if let Answer::Record(row) = &answer {
        // JSON has the device's id.
        let by = match screen.form() {
            Form::Human => device_name(&mut access, &row.updated_by).await,
            Form::Json => String::new(),
        };
        return show(category, row, &by, screen);
    }
    print(category, answer, screen)
}

/// Builds a verb's command; of `list`, which needs several, the first.
fn command(
    spec: &CategorySpec,
    verb: RecordVerb,
    files: Vec<(&'static str, PathBuf)>,
) -> Result<Command, Failure> {
    if let (RecordVerb::Add { .. }, Some(failure)) = (&verb, failure::named(spec)) {
        return Err(failure);
    }
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
        RecordVerb::List { search, deleted } => {
            list::command(spec, &Wish { search, deleted, ..Wish::default() }, None)
        }
        RecordVerb::Show { id } => Command::Show { category, id },
        RecordVerb::History { id } => Command::History { category, id },
        RecordVerb::Conflicts { id } => Command::Conflicts { category, id },
        RecordVerb::Resolve { id, field, keep, wait } => {
            Command::Resolve { category, id, field, keep, wait: wait.wait() }
        }
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
        let text = text_of(&path)
            .map_err(|error| exit::system(&format!("cannot read {}", path.display()), &error))?;
        let Some(text) = text else {
            let text = format!("the file {} is larger than 1 MiB", path.display());
            let fix = "Divide it among several records.";
            return Err(exit::failure(Exit::Usage, "too-large", &text, fix));
        };
        given.push(format!("{field}={text}"));
    }
    if given.is_empty() {
        return Err(exit::failure(
            Exit::Usage,
            "no-fields",
            "no field was given",
            &format!("Name at least one, such as {}", example(category)),
        ));
    }
    Ok(given)
}

/// Reads a text that a field can hold; none where it is longer. It may be a
/// pipe or a device that never ends.
fn text_of(path: &Path) -> io::Result<Option<String>> {
    let (limit, mut text) = (limits::CARD_TEXT_BYTES_MAX, Vec::new());
    fs::File::open(path)?.take(limit as u64 + 1).read_to_end(&mut text)?;
    if text.len() > limit {
        return Ok(None);
    }
    String::from_utf8(text).map(Some).map_err(|error| io::Error::other(error.utf8_error()))
}

/// Prints the answer of every verb but `list` and `show`.
fn print<W: Write>(
    category: &CategorySpec,
    answer: Answer,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    if let Answer::Saved { id, reached } = answer {
        return saved(category, &id, reached, screen);
    }
    if let Answer::History { rows } = answer {
        return versions::history(category, &rows, screen);
    }
    let Answer::Conflicts { rows } = answer else {
        return Err(exit::unexpected(&answer).into());
    };
    versions::conflicts(category, &rows, screen)
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

/// Returns the name of a device, or its short id where nobody knows it.
async fn device_name(access: &mut Access, id: &str) -> String {
    let Ok(Answer::Devices { rows }) = access.run(Command::Devices).await else {
        return short(id).to_owned();
    };
    let own = rows.into_iter().find(|row| row.id == id);
    own.map_or_else(|| short(id).to_owned(), |row| row.name)
}

fn show<W: Write>(
    category: &CategorySpec,
    row: &RecordRow,
    by: &str,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    screen.json(row)?;
    screen.line(&row.title)?;
    screen.line(format_args!("{}, changed {} by {by}", row.id, row.updated_at))?;
    if row.deleted {
        screen.line("It is in the trash.")?;
    }
    for (field, value) in &row.fields {
        show_field(field, value, row.authors.get(field), screen)?;
    }
    if let Some(source) = &row.source {
        screen.line("")?;
        screen.lines(source)?;
    }
    screen.line("")?;
    let verb = if row.deleted { "restore" } else { "history" };
    screen.next(&format!("{} {verb} {}", category.id, short(&row.id)))
}

/// Prints a field: a value, or each of several with its type; with whoever
/// set it last, where that is known.
fn show_field<W: Write>(
    field: &str,
    value: &Value,
    authors: Option<&Value>,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let is_item = |item: &Value| item.get("value").is_some();
    let several = value.as_array().filter(|items| !items.is_empty() && items.iter().all(is_item));
    let Some(items) = several else { return show_value(field, value, authors, screen) };
    for (place, item) in items.iter().enumerate() {
        let name = match item.get("type").and_then(Value::as_str) {
            Some(kind) => format!("{field}:{kind}"),
            None => field.to_owned(),
        };
        let author = authors.and_then(|authors| authors.get(place));
        show_value(&name, item.get("value").unwrap_or(&Value::Null), author, screen)?;
    }
    Ok(())
}

fn show_value<W: Write>(
    name: &str,
    value: &Value,
    author: Option<&Value>,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    };
    let part = |key: &str| author.and_then(|author| author.get(key)?.as_str());
    let by = match (part("by_name"), part("at")) {
        (Some(name), Some(at)) => format!("  ({name}, {at})"),
        (_, _) => String::new(),
    };
    let mut lines = lines_of(&text);
    let first = if lines.len() > 1 { "" } else { lines.pop().unwrap_or_default() };
    screen.text(format_args!("  {name}: {first}{by}"))?;
    lines.into_iter().try_for_each(|line| screen.text(format_args!("    {line}")))
}

/// Returns the beginning of an id, which is enough to name it in a household.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// Returns an assignment that makes a record of the category.
pub(crate) fn example(category: &CategorySpec) -> String {
    category.fields.first().map_or("KEY=VALUE".to_owned(), |field| format!("{}=VALUE", field.name))
}
