//! The `heirloom` command.
//!
//! It reads a command line, has the node carry it out, and prints the answer
//! for people or as JSON. It is not the place for rules about records,
//! devices or replication: those are the core's, so that every other program
//! on the control socket gets the same.
//!
//! A walk: [`arguments`] turns `heirloom contacts add name=Ann` into a call on
//! a category of the registry. [`records`] makes a command of it, [`access`]
//! sends that to the running node or, where none runs, opens the store itself,
//! and [`screen`] prints what came back with the next useful command. Whatever
//! goes wrong arrives here as one [`exit::Trouble`], with its exit code.

mod access;
mod arguments;
mod completions;
mod demo;
mod exit;
mod export;
mod founding;
mod home;
mod import;
mod list;
mod locale;
mod man;
mod mesh;
mod quarantine;
mod records;
mod recovery;
mod screen;
#[cfg(test)]
mod scripted;
mod source;
mod status;
mod up;
mod versions;
mod walk;

use arguments::{Arguments, Fixed, RecoveryVerb, Verb};
use exit::{Exit, Trouble};
use heirloom_base::escape;
use screen::{Form, Screen};
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    let form = if arguments.global.json { Form::Json } else { Form::Human };
    let log = up::log_form(arguments.verb.as_ref());
    if let Err(failure) = up::log(arguments.global.verbose, log) {
        screen::complain(form, &failure);
        return ExitCode::from(failure.exit);
    }
    heirloom_node::quiet_panics();
    match begin(arguments, form) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::Failed(failure)) => {
            screen::complain(form, &failure);
            ExitCode::from(failure.exit)
        }
        Err(Trouble::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(Trouble::Output(error)) => {
            screen::complain(form, &exit::system("cannot write the output", &error));
            ExitCode::from(Exit::Failed.code())
        }
    }
}

/// Prints what is wrong with a command line, or the help that it asked for.
fn misused(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let text = told(&error.render().to_string());
        let failure = exit::failure(Exit::Usage, "usage", text, "Look at `heirloom --help`");
        screen::complain(Form::Json, &failure);
    } else if error.use_stderr() {
        let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        match without_steering(&error.render().to_string(), words) {
            Some(lines) => lines.iter().for_each(screen::remark),
            None => drop(error.print()),
        }
    } else if let Err(error) = error.print() {
        screen::remark(format_args!("cannot print: {error}"));
    }
    if error.use_stderr() { ExitCode::from(Exit::Usage.code()) } else { ExitCode::SUCCESS }
}

/// Returns the lines of a message in which words of the command line would
/// steer the terminal, with these words escaped; none where no word does.
fn without_steering(rendered: &str, words: impl Iterator<Item = String>) -> Option<Vec<String>> {
    let parts = |word: String| {
        let value = word.split_once('=').map(|(_, value)| value.to_owned());
        [Some(word), value].into_iter().flatten()
    };
    let mut steering =
        words.flat_map(parts).filter(|word| *escape::line(word) != **word).peekable();
    steering.peek()?;
    let text =
        steering.fold(rendered.to_owned(), |text, word| text.replace(&word, &escape::line(&word)));
    Some(text.lines().map(str::to_owned).collect())
}

/// Returns what is wrong in one line, without the usage that follows it.
fn told(rendered: &str) -> String {
    let lines = rendered.lines().map(str::trim).take_while(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    text.trim_start_matches("error: ").to_owned()
}

fn begin(arguments: Arguments, form: Form) -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| exit::system("cannot start", &error))?;
    let mut screen = Screen::new(form, arguments.global.home.as_deref());
    let result = runtime.block_on(run(arguments, &mut screen));
    // A thread that still waits for the terminal must not hold the program.
    runtime.shutdown_background();
    result
}

async fn run(arguments: Arguments, screen: &mut Screen) -> Result<(), Trouble> {
    let global = arguments.global;
    let verb = match arguments.verb {
        Some(Verb::Fixed(Fixed::Completions(arguments))) => {
            return completions::run(&arguments, screen);
        }
        Some(Verb::Fixed(Fixed::Man(arguments))) => return man::run(&arguments, screen),
        Some(Verb::Fixed(Fixed::Demo(arguments))) => return demo::run(arguments, screen),
        verb => verb,
    };
    let home = home::resolve(global.home)?;
    match verb {
        None => status::show(&home, screen).await,
        Some(Verb::Records(call)) => records::run(call, &home, screen).await,
        Some(Verb::Fixed(verb)) => fixed(verb, &home, screen).await,
    }
}

async fn fixed(verb: Fixed, home: &std::path::Path, screen: &mut Screen) -> Result<(), Trouble> {
    match verb {
        Fixed::Init(arguments) => founding::init(&arguments, home, screen),
        Fixed::Up(arguments) => up::up(arguments, home, screen).await,
        Fixed::Invite(arguments) => mesh::invite(&arguments, home, screen).await,
        Fixed::Join(arguments) => founding::join(arguments, home, screen).await,
        Fixed::Recover(arguments) => founding::recover(arguments, home, screen).await,
        Fixed::Devices(verb) => mesh::devices(verb, home, screen).await,
        Fixed::Quarantine(verb) => quarantine::run(&verb, home, screen).await,
        Fixed::Recovery(RecoveryVerb::Reset(arguments)) => {
            recovery::reset(arguments, home, screen).await
        }
        Fixed::Sync(arguments) => mesh::sync(&arguments, home, screen).await,
        Fixed::Status(arguments) if arguments.watch => status::watch(home, screen).await,
        Fixed::Status(_) => status::show(home, screen).await,
        Fixed::Digest => mesh::digest(home, screen).await,
        Fixed::Watch => up::watch(home, screen).await,
        Fixed::Import(arguments) => import::run(arguments, home, screen).await,
        Fixed::Export(arguments) => export::run(arguments, home, screen).await,
        Fixed::Demo(arguments) => demo::run(arguments, screen),
        Fixed::Completions(arguments) => completions::run(&arguments, screen),
        Fixed::Man(arguments) => man::run(&arguments, screen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_whole_and_in_one_line() {
        let error = Arguments::read(["heirloom", "up", "--blind"]).unwrap_err();
        let text = told(&error.render().to_string());
        assert!(text.ends_with("were not provided: --keeper"), "{text}");
        let error = Arguments::read(["heirloom", "nonsense"]).unwrap_err();
        assert_eq!(told(&error.render().to_string()), "unrecognized subcommand 'nonsense'");
    }

    #[test]
    fn a_wrong_word_steers_no_terminal() {
        for (word, shown) in [
            ("a\u{202e}b", "'a\\u{202e}b'"),
            ("x\nerror: y", "'x\\u{a}error: y'"),
            ("--json=a\u{200f}", "'a\\u{200f}'"),
        ] {
            let error = Arguments::read(["heirloom", word]).unwrap_err();
            let rendered = error.render().to_string();
            let lines =
                without_steering(&rendered, ["heirloom", word].map(str::to_owned).into_iter());
            let lines = lines.unwrap();
            assert!(lines[0].contains(shown), "{lines:?}");
            assert!(lines.iter().all(|line| escape::line(line) == *line), "{lines:?}");
        }
        let words = ["heirloom", "nonsense"].map(str::to_owned);
        assert_eq!(without_steering("'nonsense'", words.into_iter()), None);
    }
}
