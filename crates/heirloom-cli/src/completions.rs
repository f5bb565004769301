//! What a shell offers while a command line is typed.

use crate::arguments::{Arguments, CompletionsArguments};
use crate::exit::{self, Trouble};
use crate::screen::Screen;
use clap::{Command, CommandFactory, ValueEnum, ValueHint};
use clap_complete::Shell;
use serde_json::json;
use std::io::{self, Write};

/// Carries out `completions`.
pub(crate) fn run<W: Write>(
    arguments: &CompletionsArguments,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let shell = arguments.shell;
    let script = script(shell)
        .map_err(|error| exit::system("cannot write the completions", &io::Error::other(error)))?;
    screen.json(&json!({"shell": shell.to_string(), "script": script}))?;
    screen.raw(&script)
}

fn script(shell: Shell) -> Result<String, std::string::FromUtf8Error> {
    let mut script = Vec::new();
    let mut command = with_hints(Arguments::command()).disable_help_subcommand(false);
    clap_complete::generate(shell, &mut command, "heirloom", &mut script);
    let mut script = String::from_utf8(script)?;
    if shell == Shell::Fish {
        // What is generated for fish leaves out the values of arguments without a name.
        let shells: Vec<String> = Shell::value_variants().iter().map(ToString::to_string).collect();
        let condition = "__fish_heirloom_using_subcommand completions";
        let shells = shells.join(" ");
        script.push_str(&format!("complete -c heirloom -n \"{condition}\" -f -a \"{shells}\"\n"));
    }
    Ok(script)
}

/// Has no names of files offered where an option's value is none.
fn with_hints(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let takes_words = argument.get_action().takes_values() && argument.get_long().is_some();
        match takes_words && argument.get_value_hint() == ValueHint::Unknown {
            true => argument.value_hint(ValueHint::Other),
            false => argument,
        }
    });
    command.mut_subcommands(with_hints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Form;
    use serde_json::Value;

    #[test]
    fn a_script_is_one_object_of_json_or_the_script_itself() {
        for &shell in Shell::value_variants() {
            let printed = |form| {
                let mut screen = Screen::kept(form);
                run(&CompletionsArguments { shell }, &mut screen).unwrap();
                screen.printed()
            };
            let (script, json) = (printed(Form::Human), printed(Form::Json));
            let json: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(json, json!({"shell": shell.to_string(), "script": script}));
            assert!(script.contains("heirloom"), "{shell}");
        }
    }
}
