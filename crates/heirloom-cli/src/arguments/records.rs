//! The commands that the category registry makes.

use super::WaitArguments;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command, FromArgMatches, Subcommand, value_parser};
use heirloom_core::command::Failure;
use heirloom_core::failure;
use heirloom_schema::{CATEGORIES, CategorySpec, FieldKind, FieldSpec};
use std::fmt::Write as _;
use std::path::PathBuf;

/// The verbs that take fields.
const ADD: &str = "add";
const SET: &str = "set";

/// The options that name a part of time.
const FROM: &str = "from";
const TO: &str = "to";

/// How a record is named that people call by a name.
const NAME_OR_ID: &str = "The record: its name, or a prefix of its id";

/// A command on the records of one category.
#[derive(Debug)]
pub(crate) struct RecordCall {
    /// The category.
    pub(crate) category: &'static CategorySpec,
    /// What is to be done.
    pub(crate) verb: RecordVerb,
    /// Fields whose value is read from a file.
    pub(crate) files: Vec<(&'static str, PathBuf)>,
    /// The begin of the time to list, as given.
    pub(crate) from: Option<String>,
    /// Its end, as given.
    pub(crate) to: Option<String>,
}

/// What is done with the records of a category.
#[derive(Debug, Subcommand)]
pub(crate) enum RecordVerb {
    /// Make a record
    Add {
        /// A field and its value (can be repeated)
        #[arg(value_name = "FIELD=VALUE")]
        assignments: Vec<String>,
        #[command(flatten)]
        wait: WaitArguments,
    },
    /// Change fields of a record: FIELD=VALUE, FIELD+=VALUE, FIELD-=VALUE
    Set {
        /// The record: a prefix of its id, or its uid
        id: String,
        /// A field and its new value; an empty value removes it (can be repeated)
        #[arg(value_name = "FIELD=VALUE")]
        assignments: Vec<String>,
        #[command(flatten)]
        wait: WaitArguments,
    },
    /// Put a record into the trash, on every device
    Delete {
        /// The record: a prefix of its id, or its uid
        id: String,
        #[command(flatten)]
        wait: WaitArguments,
    },
    /// List the records
    List {
        /// Only those that contain this text
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// List those in the trash instead
        #[arg(long)]
        deleted: bool,
    },
    /// Show one record with its original text
    Show {
        /// The record: a prefix of its id, or its uid
        id: String,
    },
    /// List the changes of one record
    History {
        /// The record: a prefix of its id, or its uid
        id: String,
    },
    /// List the fields that were edited on two devices at the same time
    Conflicts {
        /// Only those of this record: a prefix of its id, or its uid
        id: Option<String>,
    },
    /// Settle a conflict, on every device, by choosing one of its values
    Resolve {
        /// The record: a prefix of its id, or its uid
        id: String,
        /// The field [needed where several are in conflict]
        field: Option<String>,
        /// Keep this value: its number in `conflicts`, `winner`, or the value itself
        #[arg(long, value_name = "CHOICE")]
        keep: String,
        #[command(flatten)]
        wait: WaitArguments,
    },
    /// Bring a record back from the trash or to an earlier state
    Restore {
        /// The record: a prefix of its id, or its uid
        id: String,
        /// A time (RFC 3339; a date is midnight UTC) or a change [else undelete]
        #[arg(long, value_name = "TIME|CHANGE")]
        at: Option<String>,
        #[command(flatten)]
        wait: WaitArguments,
    },
}

impl RecordCall {
    /// Reads the call from the matches of the whole command line; `None` when
    /// its subcommand is not a category.
    pub(super) fn from_subcommand(matches: &ArgMatches) -> Result<Option<Self>, clap::Error> {
        let Some((name, matches)) = matches.subcommand() else { return Ok(None) };
        let Some(category) = heirloom_schema::by_id(name) else { return Ok(None) };
        let verb = RecordVerb::from_arg_matches(matches)?;
        let files = match matches.subcommand() {
            Some((ADD | SET, matches)) => long_fields(category)
                .filter_map(|field| {
                    let path = matches.get_one::<PathBuf>(field.name)?;
                    Some((field.name, path.clone()))
                })
                .collect(),
            Some(_) | None => Vec::new(),
        };
        let bound = |name: &str| match matches.subcommand() {
            Some((_, matches)) => matches.try_get_one::<String>(name).ok().flatten().cloned(),
            None => None,
        };
        let (from, to) = (bound(FROM), bound(TO));
        Ok(Some(Self { category, verb, files, from, to }))
    }
}

/// Returns one command for each category.
pub(super) fn commands() -> impl Iterator<Item = Command> {
    CATEGORIES.iter().map(|category| {
        let about = match category.naming {
            None => format!("Add, change, list and restore {}", category.plural),
            Some(_) => format!("Set, list and restore {}", category.title.to_lowercase()),
        };
        let command = Command::new(category.id)
            .about(about)
            .after_help(field_list(category))
            .subcommand_required(true)
            .arg_required_else_help(true);
        let all = RecordVerb::augment_subcommands(Command::new(category.id));
        let offered = all.get_subcommands().filter(|verb| is_offered(category, verb.get_name()));
        let command = command.subcommands(offered.map(|verb| fitted(verb.clone(), category)));
        if category.open_fields { with_names(command) } else { command }
    })
}

/// Lets a command line understand what is not offered, so that its user hears
/// of the way that there is.
pub(super) fn with_all(command: Command) -> Command {
    CATEGORIES.iter().fold(command, |command, category| {
        let all = RecordVerb::augment_subcommands(Command::new(category.id));
        let others = all.get_subcommands().filter(|verb| !is_offered(category, verb.get_name()));
        let way = failure::named(category).map(|Failure { text, fix, .. }| format!("{text} {fix}"));
        let hidden =
            |verb: &Command| verb.clone().hide(true).override_help(way.clone().unwrap_or_default());
        let others: Vec<Command> = others.map(hidden).collect();
        command.mut_subcommand(category.id, |own| own.subcommands(others))
    })
}

/// Returns whether a verb is one of the category's.
fn is_offered(category: &CategorySpec, verb: &str) -> bool {
    verb != ADD || category.naming.is_none()
}

/// Returns a verb as it is for one category.
fn fitted(verb: Command, category: &'static CategorySpec) -> Command {
    match (verb.get_name(), category.naming) {
        (SET, Some(naming)) => making(verb, naming).after_help(field_list(category)),
        (ADD | SET, _) => with_files(verb, category).after_help(field_list(category)),
        ("list", _) => with_window(verb, category),
        (_, _) => verb,
    }
}

/// Returns `set` as it is where it also makes the record that is named.
fn making(set: Command, naming: &'static str) -> Command {
    set.about("Set values of a record, which is made where there is none: KEY=VALUE")
        .mut_arg("id", |id| id.value_name(naming))
        .mut_arg("assignments", |assignments| {
            let help = "A key and its new value; an empty value removes it (can be repeated)";
            assignments.value_name("KEY=VALUE").help(help)
        })
}

/// Returns the parser of a category's name.
pub(super) fn category_names() -> PossibleValuesParser {
    PossibleValuesParser::new(CATEGORIES.iter().map(|category| category.id))
}

/// Gives each long text field of the category an option that reads it from a file.
fn with_files(verb: Command, category: &'static CategorySpec) -> Command {
    verb.args(long_fields(category).map(|field| {
        Arg::new(field.name)
            .long(format!("{}-file", field.name))
            .value_name("F")
            .value_parser(value_parser!(PathBuf))
            .help(format!("Read the {} from this file", field.name))
    }))
}

/// Gives the list of what has a start the options that name a part of time.
fn with_window(list: Command, category: &'static CategorySpec) -> Command {
    if category.field(crate::list::START).is_none() {
        return list;
    }
    let bound = |name, help| {
        Arg::new(name).long(name).value_name("TIME").help(help).conflicts_with("deleted")
    };
    list.arg(bound(FROM, "List what takes place from this date or time on, repetitions too"))
        .arg(bound(TO, "List what takes place before this date or time [else for a year]"))
}

/// Says of records that are called by a name that they are.
fn with_names(command: Command) -> Command {
    let ids = [
        ("set", "The record: its name, or a prefix of its id; made where there is none"),
        ("delete", NAME_OR_ID),
        ("show", NAME_OR_ID),
        ("history", NAME_OR_ID),
        ("conflicts", "Only those of this record: its name, or a prefix of its id"),
        ("resolve", NAME_OR_ID),
        ("restore", NAME_OR_ID),
    ];
    ids.into_iter().fold(command, |command, (verb, help)| {
        // One argument that is changed alone would lose its place.
        command.mut_subcommand(verb, |verb| {
            verb.mut_args(|one| if one.get_id() == "id" { one.help(help) } else { one })
        })
    })
}

fn long_fields(category: &'static CategorySpec) -> impl Iterator<Item = &'static FieldSpec> {
    category.fields.iter().filter(|field| matches!(field.kind, FieldKind::LongText))
}

/// Returns the category's fields as its help shows them.
fn field_list(category: &CategorySpec) -> String {
    let width = category.fields.iter().map(|field| field.name.len()).max().unwrap_or(0);
    let mut text = format!("{}: {}.\n\nFields:", category.title, category.about);
    for field in category.fields {
        let repeatable = if field.repeatable { " (repeatable)" } else { "" };
        write!(text, "\n  {:width$}  {}{repeatable}", field.name, field.about)
            .expect("a string takes every text");
    }
    if category.open_fields {
        text.push_str("\n  Any other name is a field too.");
    }
    text
}
