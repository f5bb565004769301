//! Command lines and what is read from them.

use super::*;
use clap::error::ErrorKind;
use heirloom_core::command::{Level, Wait};

fn parsed(line: &str) -> Arguments {
    Arguments::read(line.split(' ')).unwrap()
}

fn refused(line: &str) -> ErrorKind {
    Arguments::read(line.split(' ')).unwrap_err().kind()
}

fn records(line: &str) -> RecordCall {
    match parsed(line).verb {
        Some(Verb::Records(call)) => call,
        Some(Verb::Fixed(_)) | None => panic!("no record command: {line}"),
    }
}

#[test]
fn the_grammar_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn no_verb_is_a_command_line_too() {
    assert!(parsed("heirloom").verb.is_none());
    assert!(parsed("heirloom --json").global.json);
}

#[test]
fn global_flags_work_before_and_after_the_verb() {
    for line in [
        "heirloom --home /x --json -v contacts list",
        "heirloom contacts list --home /x --json -v",
        "heirloom contacts --home /x list --json -v",
        "heirloom --home /x --json contacts list --json -v",
    ] {
        let global = parsed(line).global;
        assert_eq!(global.home, Some("/x".into()), "{line}");
        assert!(global.json, "{line}");
        assert_eq!(global.verbose, 1, "{line}");
    }
}

#[test]
fn every_category_has_every_verb() {
    for category in heirloom_schema::CATEGORIES {
        for verb in ["set 1f a=b", "delete 1f", "list", "show 1f"].into_iter().chain([
            "history 1f",
            "conflicts",
            "conflicts 1f",
            "resolve 1f name --keep 2",
            "resolve 1f --keep winner",
            "restore 1f",
            "list --search x",
        ]) {
            let call = records(&format!("heirloom {} {verb}", category.id));
            assert_eq!(call.category.id, category.id);
        }
    }
}

#[test]
fn what_its_user_names_is_not_offered_to_be_added() {
    let command = Arguments::command();
    for category in heirloom_schema::CATEGORIES {
        let own = command.find_subcommand(category.id).unwrap();
        assert_eq!(own.find_subcommand("add").is_some(), category.naming.is_none());
        // Whoever types it all the same hears of the way that there is.
        let call = records(&format!("heirloom {} add a=b", category.id));
        assert!(matches!(call.verb, RecordVerb::Add { .. }));
        let help = Arguments::read(["heirloom", category.id, "--help"]).unwrap_err().to_string();
        assert_eq!(help.contains("\n  add "), category.naming.is_none(), "{help}");
    }
    let help = Arguments::read(["heirloom", "apps", "add", "--help"]).unwrap_err().to_string();
    assert!(help.contains("heirloom apps set APP/THING KEY=VALUE"), "{help}");
    let help = Arguments::read(["heirloom", "settings", "set", "--help"]).unwrap_err().to_string();
    assert!(help.contains("settings set [OPTIONS] <NAME> [KEY=VALUE]..."), "{help}");
}

#[test]
fn the_help_of_a_category_reads_well() {
    let command = Arguments::command();
    let about = |id: &str| command.find_subcommand(id).unwrap().get_about().unwrap().to_string();
    assert_eq!(about("calendar"), "Add, change, list and restore events");
    assert_eq!(about("settings"), "Set, list and restore settings");
    assert_eq!(about("apps"), "Set, list and restore app records");
}

#[test]
fn only_what_has_a_start_is_listed_by_time() {
    let call = records("heirloom calendar list --from 2026-01-01 --to 2026-02-01T10:00Z");
    assert_eq!(call.from.as_deref(), Some("2026-01-01"));
    assert_eq!(call.to.as_deref(), Some("2026-02-01T10:00Z"));
    let call = records("heirloom calendar list --search x");
    assert_eq!((call.from, call.to), (None, None));
    assert!(Arguments::read("heirloom notes list --from 2026-01-01".split(' ')).is_err());
}

#[test]
fn no_category_hides_a_fixed_command() {
    for category in heirloom_schema::CATEGORIES {
        assert!(!Fixed::has_subcommand(category.id), "{}", category.id);
    }
}

#[test]
fn a_long_text_can_come_from_a_file() {
    let call = records("heirloom notes add title=x --body-file text.md");
    assert_eq!(call.files, [("body", PathBuf::from("text.md"))]);
    assert_eq!(refused("heirloom notes list --body-file text.md"), ErrorKind::UnknownArgument);
}

#[test]
fn a_category_lists_its_fields_in_its_help() {
    let error = Arguments::read(["heirloom", "contacts", "--help"]).unwrap_err();
    let help = error.to_string();
    assert!(help.starts_with("Add, change, list and restore contacts\n"), "{help}");
    for field in ["name", "phone", "email", "birthday"] {
        assert!(help.contains(&format!("\n  {field} ")), "{field} in {help}");
    }
}

#[test]
fn help_says_how_a_record_is_named() {
    let help = |category: &str, verb: &str| {
        let root = Arguments::command();
        let command = root.find_subcommand(category).unwrap().find_subcommand(verb).unwrap();
        let id = command.get_arguments().find(|argument| argument.get_id() == "id");
        id.map(|id| id.get_help().unwrap().to_string())
    };
    for category in heirloom_schema::CATEGORIES {
        for verb in ["set", "delete", "show", "history", "conflicts", "resolve", "restore"] {
            let help = help(category.id, verb).unwrap();
            let name = if category.open_fields { "its name" } else { "its uid" };
            assert!(help.contains(name) && help.contains("prefix of its id"), "{help}");
        }
    }
}

#[test]
fn waits_have_a_default_and_a_limit() {
    let RecordVerb::Delete { wait, .. } = records("heirloom notes delete 1f").verb else {
        panic!("not a deletion")
    };
    assert_eq!(wait.wait(), Wait::default());
    let line = "heirloom notes delete 1f --wait peer:2 --timeout 0.5";
    let RecordVerb::Delete { wait, .. } = records(line).verb else { panic!("not a deletion") };
    assert_eq!(wait.wait(), Wait { level: Level::Peer(2), timeout_ms: 500 });
    assert_eq!(refused("heirloom notes delete 1f --wait all"), ErrorKind::ValueValidation);
}

#[test]
fn an_invite_lives_longer_than_nothing() {
    for line in ["heirloom invite --ttl 0", "heirloom invite --ttl 0.0001"] {
        assert_eq!(refused(line), ErrorKind::ValueValidation, "{line}");
    }
    assert!(parsed("heirloom invite --ttl 1").verb.is_some());
}

#[test]
fn a_blind_node_is_a_keeper() {
    assert_eq!(refused("heirloom up --blind"), ErrorKind::MissingRequiredArgument);
    let Some(Verb::Fixed(Fixed::Up(up))) = parsed("heirloom up --keeper --blind").verb else {
        panic!("not up")
    };
    assert!(up.keeper && up.blind && !up.reach.no_mdns);
}

#[test]
fn six_words_need_no_quotes() {
    let Some(Verb::Fixed(Fixed::Join(join))) = parsed("heirloom join a b c d e f").verb else {
        panic!("not join")
    };
    assert_eq!(join.code.join(" "), "a b c d e f");
}

#[test]
fn six_words_need_no_quotes_behind_an_option_either() {
    for (line, code) in [
        ("heirloom up --join a b c d e f --no-mdns", Some("a b c d e f")),
        ("heirloom up --keeper --join heirloom:x", Some("heirloom:x")),
        ("heirloom up --no-mdns", None),
    ] {
        let Some(Verb::Fixed(Fixed::Up(up))) = parsed(line).verb else { panic!("not up") };
        assert_eq!(up.join.map(|words| words.join(" ")).as_deref(), code, "{line}");
    }
    assert_eq!(refused("heirloom up --join a b c d e f g"), ErrorKind::UnknownArgument);
    assert_eq!(refused("heirloom up --join a --join b"), ErrorKind::ArgumentConflict);
}

#[test]
fn help_is_a_command_and_an_option() {
    for verbs in ["", " up", " devices", " devices revoke", " contacts add", " recovery reset"] {
        let help = |line: String| {
            let error = Arguments::read(line.split(' ')).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{line}");
            error.to_string()
        };
        let option = help(format!("heirloom{verbs} --help"));
        assert_eq!(help(format!("heirloom help{verbs}")), option);
    }
    assert_eq!(refused("heirloom help nothing"), ErrorKind::InvalidSubcommand);
}

#[test]
fn what_does_not_exist_is_not_offered() {
    for line in ["heirloom devices erase x", "heirloom photos list"] {
        assert_eq!(refused(line), ErrorKind::InvalidSubcommand, "{line}");
    }
    assert_eq!(refused("heirloom export x --only nothing"), ErrorKind::InvalidValue);
}

#[test]
fn first_lines_of_help_say_what_to_do() {
    const IMPERATIVES: &[&str] = &[
        "Add", "Bring", "Change", "Give", "Import", "Join", "Keep", "Let", "List", "Make", "Open",
        "Print", "Put", "Restore", "Run", "Set", "Settle", "Show", "State", "Take", "Try", "Use",
        "Wait", "Write",
    ];
    fn check(command: &Command) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let first = about.split([' ', ',']).next().unwrap_or_default();
        assert!(IMPERATIVES.contains(&first), "{}: {about}", command.get_name());
        command.get_subcommands().for_each(check);
    }
    check(&Arguments::command());
}

#[test]
fn what_can_be_repeated_says_so() {
    fn check(command: &Command) {
        for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
            let repeats = matches!(argument.get_action(), ArgAction::Append | ArgAction::Count);
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let says = help.contains("(can be repeated)") || help.contains("separated by commas");
            assert_eq!(repeats, says, "{}: {help}", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Arguments::command());
}

#[test]
fn first_lines_of_help_are_short_and_end_without_a_stop() {
    fn check(command: &Command) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let arguments = command.get_arguments().filter_map(|argument| argument.get_help());
        for text in [about].into_iter().chain(arguments.map(ToString::to_string)) {
            assert!(!text.is_empty(), "{}", command.get_name());
            assert!(text.chars().count() <= 79, "{text}");
            assert!(!text.ends_with('.'), "{text}");
        }
        command.get_subcommands().for_each(check);
    }
    check(&Arguments::command());
}
