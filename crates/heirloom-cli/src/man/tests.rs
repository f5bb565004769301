//! What the pages hold.

use super::*;
use crate::screen::Form;
use std::process::{Command as Program, Stdio};

fn root() -> Command {
    let mut root = Arguments::command();
    root.build();
    root
}

/// Calls back with every command of the grammar.
fn each(command: &Command, visit: &mut impl FnMut(&Command)) {
    visit(command);
    command.get_subcommands().for_each(|command| each(command, visit));
}

/// Returns a page as it reads, without hyphens' and quotes' escapes.
fn plain(page: &str) -> String {
    page.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\fB", "").replace("\\fR", "")
}

#[test]
fn one_page_holds_every_command_every_option_and_every_field() {
    let page = plain(&whole(&root()).unwrap());
    each(&root(), &mut |command| {
        let name = command.get_bin_name().unwrap_or(command.get_name());
        assert!(page.contains(name), "{name}");
        // The help option's text differs with what a command has to show.
        for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
            let long = argument.get_long().map(|long| format!("--{long}"));
            assert!(long.is_none_or(|long| page.contains(&long)), "{name}: {argument}");
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(page.contains(&help), "{name}: {help}");
        }
    });
    for category in heirloom_schema::CATEGORIES {
        let adds = page.contains(&format!("heirloom {} add", category.id));
        assert_eq!(adds, category.naming.is_none(), "{}", category.id);
        for field in category.fields {
            assert!(page.contains(field.about), "{}: {}", category.id, field.name);
        }
    }
    assert!(page.contains("75  saved here"), "the exit codes");
}

#[test]
fn every_command_has_a_page_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let out = Some(folder.path().join("man"));
    let mut screen = Screen::kept(Form::Json);
    run(&ManArguments { out }, &mut screen).unwrap();
    let printed: serde_json::Value = serde_json::from_str(&screen.printed()).unwrap();
    let mut count = 0;
    each(&root(), &mut |_| count += 1);
    assert_eq!(printed["pages"].as_array().unwrap().len(), count);
    let page = fs::read_to_string(folder.path().join("man/heirloom-notes-add.1")).unwrap();
    let page = plain(&page);
    assert!(page.contains("--body-file") && page.contains("Make a record"), "{page}");
}

#[test]
fn the_pages_are_set_without_a_warning() {
    let set = |page: &str| {
        let mut groff = Program::new("groff")
            .args(["-man", "-ww", "-z", "-Tascii"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        groff.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        Some(String::from_utf8(groff.wait_with_output().unwrap().stderr).unwrap())
    };
    // Where no typesetter is installed there is nothing to ask.
    let Some(warnings) = set(&whole(&root()).unwrap()) else { return };
    assert_eq!(warnings, "");
    each(&root(), &mut |command| assert_eq!(set(&page(command).unwrap()).unwrap(), ""));
    assert_ne!(set(".SH \\f[none]x\n.nosuch\n").unwrap(), "", "it does warn");
}
