//! Everything that a command prints.

use crate::exit::{self, Exit, Trouble};
use heirloom_base::escape;
use heirloom_base::wording::capitalized;
pub(crate) use heirloom_base::wording::shell_word as quoted;
use heirloom_core::command::Failure;
use serde::Serialize;
use serde_json::json;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Bytes of a list that are written together.
const HELD_BYTES_MAX: usize = 64 * 1024;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Sentences and columns.
    Human,
    /// One JSON object, or one a line.
    Json,
}

/// The output of one command: results to stdout, everything else to stderr.
#[derive(Debug)]
pub(crate) struct Screen<W: Write = io::Stdout> {
    form: Form,
    /// The folder that was named on the command line, for the suggested commands.
    home: Option<PathBuf>,
    out: W,
    /// Lines of a list that are written together.
    held: Option<Vec<u8>>,
}

impl Screen {
    /// Makes the screen of this program.
    pub(crate) fn new(form: Form, home: Option<&Path>) -> Self {
        Self { form, home: home.map(Path::to_owned), out: io::stdout(), held: None }
    }
}

impl<W: Write> Screen<W> {
    /// Returns how results are printed.
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Returns whether a person can be asked something.
    pub(crate) fn can_ask(&self) -> bool {
        self.form == Form::Human && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Returns whether progress may be drawn.
    pub(crate) fn draws_progress(&self) -> bool {
        self.form == Form::Human && io::stderr().is_terminal()
    }

    /// Prints a result as one line of JSON, in that form only.
    pub(crate) fn json(&mut self, result: &impl Serialize) -> Result<(), Trouble> {
        if self.form == Form::Human {
            return Ok(());
        }
        let text = serde_json::to_string(result)
            .map_err(|error| exit::failure(Exit::Failed, "output", error.to_string(), ""))?;
        self.write(&escape::json(&text))
    }

    /// Prints a line of a result for people, in that form only; foreign text
    /// in it is escaped.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Trouble> {
        if self.form == Form::Json {
            return Ok(());
        }
        self.write(&escape::line(&text.to_string()))
    }

    /// As [`Screen::line`], of a text that somebody laid out: its tabs stay.
    pub(crate) fn text(&mut self, text: impl Display) -> Result<(), Trouble> {
        if self.form == Form::Json {
            return Ok(());
        }
        let text = text.to_string();
        let parts: Vec<_> = text.split('\t').map(escape::line).collect();
        self.write(&parts.join("\t"))
    }

    /// Prints a text of several lines for people, each escaped.
    pub(crate) fn lines(&mut self, text: &str) -> Result<(), Trouble> {
        lines_of(text).into_iter().try_for_each(|line| self.text(line))
    }

    /// Ends a result for people with the next useful command.
    pub(crate) fn next(&mut self, verb: &str) -> Result<(), Trouble> {
        let command = self.command(verb);
        self.line(format_args!("Next: {command}"))
    }

    /// Returns a command for the folder in use, to be copied.
    pub(crate) fn command(&self, verb: &str) -> String {
        match &self.home {
            None => format!("heirloom {verb}"),
            Some(home) => format!("heirloom --home {} {verb}", quoted(&home.to_string_lossy())),
        }
    }

    /// Prints a text of our own as it is, without a line end, in the form for
    /// people only.
    pub(crate) fn raw(&mut self, text: &str) -> Result<(), Trouble> {
        if self.form == Form::Json {
            return Ok(());
        }
        self.out.write_all(text.as_bytes()).map_err(Trouble::Output)
    }

    /// Prints a list: its lines are written together, as far as there is room.
    pub(crate) fn list(
        &mut self,
        print: impl FnOnce(&mut Self) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.held = Some(Vec::new());
        let printed = print(self);
        let rest = self.held.take().unwrap_or_default();
        self.out.write_all(&rest).and_then(|()| self.out.flush()).map_err(Trouble::Output)?;
        printed
    }

    fn write(&mut self, line: &str) -> Result<(), Trouble> {
        let Some(held) = &mut self.held else {
            let written = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
            return written.map_err(Trouble::Output);
        };
        held.extend_from_slice(line.as_bytes());
        held.push(b'\n');
        if held.len() < HELD_BYTES_MAX {
            return Ok(());
        }
        let full = std::mem::take(held);
        self.out.write_all(&full).map_err(Trouble::Output)
    }
}

/// Returns the lines of a text. A lone carriage return ends one where there is
/// no line feed.
pub(crate) fn lines_of(text: &str) -> Vec<&str> {
    match text.contains('\n') {
        true => text.lines().collect(),
        false => text.split_terminator('\r').collect(),
    }
}

/// Prints a remark to stderr; a closed stderr is not worth failing for.
pub(crate) fn remark(text: impl Display) {
    drop(writeln!(io::stderr(), "{}", escape::line(&text.to_string())));
}

/// Prints to stderr what a result lacks, though the command did not fail.
pub(crate) fn warn(form: Form, code: &str, text: &str) {
    match form {
        Form::Json => {
            let warning = json!({"warning": {"code": code, "text": text}}).to_string();
            drop(writeln!(io::stderr(), "{}", escape::json(&warning)));
        }
        Form::Human => remark(format_args!("Note: {}", sentence(text))),
    }
}

/// Prints why a command failed to stderr.
pub(crate) fn complain(form: Form, failure: &Failure) {
    let Failure { code, text, fix, .. } = failure;
    match form {
        Form::Json => {
            let error = json!({"error": {"code": code, "text": text, "fix": fix}}).to_string();
            drop(writeln!(io::stderr(), "{}", escape::json(&error)));
        }
        Form::Human => {
            remark(format_args!("Error: {}", sentence(text)));
            if !fix.is_empty() {
                remark(format_args!("{}", sentence(fix)));
            }
        }
    }
}

/// Returns a text with a capital letter at its beginning and a full stop at its end.
fn sentence(text: &str) -> String {
    let stop = if text.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    format!("{}{stop}", capitalized(text))
}

#[cfg(test)]
impl Screen<Vec<u8>> {
    /// Makes a screen that keeps what is printed.
    pub(crate) fn kept(form: Form) -> Self {
        Self { form, home: None, out: Vec::new(), held: None }
    }

    /// Returns what was printed.
    pub(crate) fn printed(self) -> String {
        String::from_utf8(self.out).expect("only text is printed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(form: Form, print: impl Fn(&mut Screen<Vec<u8>>) -> Result<(), Trouble>) -> String {
        let mut screen = Screen { form, home: Some("/a b".into()), out: Vec::new(), held: None };
        print(&mut screen).unwrap();
        String::from_utf8(screen.out).unwrap()
    }

    #[test]
    fn a_list_is_printed_whole_also_where_it_breaks_off() {
        let mut screen = Screen::kept(Form::Human);
        let broken = screen.list(|screen| {
            (0..9_000).try_for_each(|number| screen.line(number))?;
            Err(exit::failure(Exit::Failed, "x", "y", "z").into())
        });
        assert!(broken.is_err());
        screen.line("last").unwrap();
        let lines: Vec<String> = (0..9_000).map(|number| number.to_string()).collect();
        assert_eq!(screen.printed(), format!("{}\nlast\n", lines.join("\n")));
    }

    #[test]
    fn each_form_prints_only_its_own() {
        let print = |screen: &mut Screen<Vec<u8>>| {
            screen.json(&json!({"n": 1}))?;
            screen.line("one\u{1b}")?;
            screen.next("sync")
        };
        assert_eq!(printed(Form::Json, print), "{\"n\":1}\n");
        assert_eq!(printed(Form::Human, print), "one\\u{1b}\nNext: heirloom --home '/a b' sync\n");
    }

    #[test]
    fn an_empty_text_prints_no_line() {
        assert_eq!(printed(Form::Human, |screen| screen.lines("")), "");
        assert_eq!(printed(Form::Human, |screen| screen.lines("a\r\nb")), "a\nb\n");
        assert_eq!(printed(Form::Human, |screen| screen.lines("a\r\rb\r")), "a\n\nb\n");
        assert_eq!(printed(Form::Human, |screen| screen.lines("a\rb\nc")), "a\\u{d}b\nc\n");
    }

    #[test]
    fn a_text_keeps_its_tabs_and_nothing_else_that_steers() {
        let text = "\ta\tb\u{1b}\u{202e}";
        let shown = "\ta\tb\\u{1b}\\u{202e}\n";
        assert_eq!(printed(Form::Human, |screen| screen.text(text)), shown);
        assert_eq!(printed(Form::Human, |screen| screen.lines(text)), shown);
        assert_eq!(printed(Form::Json, |screen| screen.text(text)), "");
        assert_eq!(printed(Form::Human, |screen| screen.line("a\tb")), "a\\u{9}b\n");
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        assert_eq!(sentence("no such record"), "No such record.");
        assert_eq!(sentence("Which one?"), "Which one?");
        assert_eq!(sentence("./rt1 is full"), "./rt1 is full.");
        assert_eq!(sentence(""), ".");
    }
}
