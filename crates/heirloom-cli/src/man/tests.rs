//! What the pages hold.

use super::*;
use crate::screen::Form;
use std::process::{Command as Program, Output, Stdio};

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
fn the_page_is_one_object_of_json_or_the_page_itself() {
    let printed = |form| {
        let mut screen = Screen::kept(form);
        run(&ManArguments { out: None }, &mut screen).unwrap();
        screen.printed()
    };
    let json: serde_json::Value = serde_json::from_str(&printed(Form::Json)).unwrap();
    assert_eq!(json, json!({"name": "heirloom.1", "page": printed(Form::Human)}));
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
fn the_synopsis_is_the_usage_that_the_help_shows() {
    let all = plain(&whole(&root()).unwrap());
    each(&root(), &mut |command| {
        let help = command.clone().render_help().to_string();
        let usage = help.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap();
        let own = plain(&page(command).unwrap());
        assert!(own.contains(&format!(".SH SYNOPSIS\n{usage}\n")), "{usage}: {own}");
        assert!(all.contains(&format!("\n{usage}\n")), "{usage}");
    });
    let restored = "heirloom notes resolve [OPTIONS] --keep <CHOICE> <ID> [FIELD]";
    assert!(all.contains(&format!("\n{restored}\n")), "{restored}");
}

#[test]
fn the_heading_of_a_page_has_a_date_its_source_and_its_manual() {
    let heading = |page: String| page.lines().find(|line| line.starts_with(".TH ")).map(plain);
    let version = env!("CARGO_PKG_VERSION");
    let rest = format!("1 {RELEASED} \"heirloom {version}\" \"Heirloom Manual\"");
    let whole = heading(whole(&root()).unwrap());
    assert_eq!(whole, Some(format!(".TH HEIRLOOM {rest}")));
    let join = page(root().find_subcommand("join").unwrap()).unwrap();
    assert_eq!(heading(join), Some(format!(".TH HEIRLOOM-JOIN {rest}")));
}

/// Returns what a typesetter says about a page; none where it is not installed.
fn warnings(program: &[&str], page: &str) -> Option<String> {
    let (name, arguments) = program.split_first()?;
    let mut typesetter = Program::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    typesetter.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let Output { stdout, stderr, .. } = typesetter.wait_with_output().unwrap();
    Some(String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn the_pages_are_set_without_a_warning() {
    let groff: &[&str] = &["groff", "-man", "-ww", "-z", "-Tascii"];
    let mandoc: &[&str] = &["mandoc", "-Tlint", "-Wwarning"];
    for program in [groff, mandoc] {
        let set = |page: &str| warnings(program, page);
        // Where no typesetter is installed there is nothing to ask.
        let Some(told) = set(&whole(&root()).unwrap()) else { continue };
        assert_eq!(told, "");
        each(&root(), &mut |command| assert_eq!(set(&page(command).unwrap()).unwrap(), ""));
        assert_ne!(set(".SH \\f[none]x\n.nosuch\n").unwrap(), "", "it does warn");
    }
}
