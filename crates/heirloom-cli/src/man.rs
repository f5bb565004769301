//! Manual pages, made from the grammar of the command line.

use crate::arguments::{Arguments, ManArguments};
use crate::exit::{self, Trouble};
use crate::screen::{Screen, quoted};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use heirloom_base::count;
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// The day of the version that `Cargo.toml` names: the two change together.
const RELEASED: &str = "2026-11-29";

/// Carries out `man`.
pub(crate) fn run<W: Write>(
    arguments: &ManArguments,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let mut root = Arguments::command();
    root.build();
    let Some(folder) = &arguments.out else {
        let page = whole(&root).map_err(|error| exit::system("cannot write the page", &error))?;
        screen.json(&json!({"name": file_name(&root), "page": page}))?;
        return screen.raw(&page);
    };
    let pages = write_pages(&root, folder).map_err(|error| {
        exit::system(&format!("cannot write pages to {}", folder.display()), &error)
    })?;
    screen.json(&json!({"pages": pages}))?;
    let first = quoted(&folder.join("heirloom.1").to_string_lossy());
    let count = count::of(pages.len() as u64, "page", "pages");
    screen.line(format_args!("Wrote {count} to {}.", folder.display()))?;
    screen.line(format_args!("Next: man -l {first}"))
}

/// Writes one page for each command; returns the names of their files.
fn write_pages(root: &Command, folder: &Path) -> io::Result<Vec<String>> {
    fs::create_dir_all(folder)?;
    let mut names = Vec::new();
    let mut open = vec![root];
    while let Some(command) = open.pop() {
        let name = file_name(command);
        fs::write(folder.join(&name), page(command)?)?;
        names.push(name);
        open.extend(command.get_subcommands());
    }
    names.sort();
    Ok(names)
}

/// Returns the page of one command.
fn page(command: &Command) -> io::Result<String> {
    let man = named(command);
    let mut text = head(&man)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    notes(command, &mut text)?;
    tidied(text)
}

/// Returns one page with all commands in it.
fn whole(root: &Command) -> io::Result<String> {
    let man = named(root);
    let mut text = head(&man)?;
    man.render_options_section(&mut text)?;
    control("SH", "COMMANDS", &mut text)?;
    let mut open = below(root);
    while let Some(command) = open.pop() {
        section(command, &mut text)?;
        open.extend(below(command));
    }
    notes(root, &mut text)?;
    tidied(text)
}

/// Returns the commands below one, the last in its help first.
fn below(command: &Command) -> Vec<&Command> {
    let mut below: Vec<&Command> = command.get_subcommands().collect();
    below.sort_by_key(|command| command.get_display_order());
    below.reverse();
    below
}

/// Writes what one command says for itself, below its own heading.
fn section(command: &Command, text: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    control("SS", name, text)?;
    // What every command takes stands at the beginning, once.
    let own = command.clone().mut_args(|argument| {
        let is_shared = argument.is_global_set() || argument.get_id() == "help";
        argument.hide(is_shared)
    });
    let has_options = own.get_arguments().any(|argument| !argument.is_hide_set());
    let man = Man::new(own.override_usage(usage(command)));
    let mut part = Vec::new();
    man.render_synopsis_section(&mut part)?;
    man.render_description_section(&mut part)?;
    if has_options {
        man.render_options_section(&mut part)?;
    }
    for line in as_text(part)?.lines() {
        match line {
            // What stands below a heading or above a list begins no paragraph.
            ".SH SYNOPSIS" | ".SH OPTIONS" => {}
            line if line.starts_with(".SH ") => control("PP", "", text)?,
            line => writeln!(text, "{line}")?,
        }
    }
    if let Some(notes) = command.get_after_help().filter(|_| command.has_subcommands()) {
        control("PP", "", text)?;
        as_it_stands(&notes.to_string(), text)?;
    }
    Ok(())
}

fn named(command: &Command) -> Man {
    let title = command.get_display_name().unwrap_or(command.get_name()).to_uppercase();
    Man::new(command.clone().override_usage(usage(command)))
        .title(title)
        .date(RELEASED)
        .source(concat!("heirloom ", env!("CARGO_PKG_VERSION")))
        .manual("Heirloom Manual")
}

/// Returns how a command is given, as its help tells it.
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned()
}

/// Returns the name of the file that holds a command's page.
fn file_name(command: &Command) -> String {
    Man::new(command.clone()).get_filename()
}

fn head(man: &Man) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    Ok(text)
}

/// Writes what follows a command's help, such as its fields.
fn notes(command: &Command, text: &mut Vec<u8>) -> io::Result<()> {
    let Some(notes) = command.get_after_help() else { return Ok(()) };
    control("SH", "NOTES", text)?;
    as_it_stands(&notes.to_string(), text)
}

/// Writes a table whose lines must not flow into each other.
fn as_it_stands(table: &str, text: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("nf", []);
    for line in table.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff.to_writer(text)
}

fn control(name: &str, value: &str, text: &mut Vec<u8>) -> io::Result<()> {
    let values = [value].into_iter().filter(|value| !value.is_empty());
    Roff::new().control(name, values).to_writer(text)
}

/// Returns a page of several parts, each of which came with what stands at
/// the beginning of a page, and with breaks around its blank lines.
fn tidied(parts: Vec<u8>) -> io::Result<String> {
    let mut beginning = Vec::new();
    Roff::new().to_writer(&mut beginning)?;
    let beginning = as_text(beginning)?;
    let parts = as_text(parts)?.replace(&beginning, "").replace(".br\n\n.br\n", ".sp\n");
    Ok(beginning + &parts)
}

fn as_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
