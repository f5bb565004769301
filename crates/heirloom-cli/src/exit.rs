//! Exit codes, and the sentences that go with them.

use heirloom_core::command::{Answer, Failure};
use std::io;

/// What the exit status of a command says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It failed.
    Failed,
    /// It was called wrongly.
    Usage,
    /// Nothing was imported.
    NothingImported,
    /// Some of it was imported, or exported.
    PartlyImported,
    /// No peer was reachable.
    Unreachable,
    /// Saved here, but not (yet) at the level asked for.
    NotYet,
}

impl Exit {
    /// Returns the number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NothingImported => 3,
            Self::PartlyImported => 4,
            Self::Unreachable => 69,
            Self::NotYet => 75,
        }
    }
}

/// The codes as the help shows them; those that only the node gives stand here too.
pub(crate) const TABLE: &str = "\
Exit codes:
   0  done
   1  failed
   2  called wrongly
   3  nothing imported
   4  imported or exported in part
   5  the store is damaged beyond self-repair
   6  the data is of a newer version
  69  no peer reachable
  75  saved here, but not (yet) at the level asked for
  77  not permitted";

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It could not do what was asked.
    Failed(Failure),
    /// Its output could not be written.
    Output(io::Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Builds a failure of the command line itself.
pub(crate) fn failure(exit: Exit, code: &str, text: impl Into<String>, fix: &str) -> Failure {
    Failure { exit: exit.code(), code: code.to_owned(), text: text.into(), fix: fix.to_owned() }
}

/// Builds the failure of a system call on something with a name.
pub(crate) fn system(what: &str, error: &io::Error) -> Failure {
    failure(
        Exit::Failed,
        "system",
        format!("{what}: {error}"),
        "Correct what the system complains about and try again",
    )
}

/// Builds the failure of an answer that does not fit its command.
pub(crate) fn unexpected(answer: &Answer) -> Failure {
    let tree = serde_json::to_value(answer).unwrap_or_default();
    let named = tree.as_object().and_then(|tree| tree.keys().next().cloned());
    let kind = named.or_else(|| tree.as_str().map(str::to_owned));
    failure(
        Exit::Failed,
        "node-speaks-otherwise",
        format!("the node gave an answer of another kind: {}", kind.unwrap_or_default()),
        "Restart the running node so that it has the version of this command",
    )
}

/// Builds the failure of a write that was saved here but not yet elsewhere.
pub(crate) fn not_yet() -> Failure {
    failure(
        Exit::NotYet,
        "not-yet-there",
        "it is saved on this device, but not yet acknowledged at the level asked for",
        "It travels by itself as soon as devices meet; `heirloom status` shows how far it is",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_stands_in_the_help() {
        let kinds = [
            Exit::Failed,
            Exit::Usage,
            Exit::NothingImported,
            Exit::PartlyImported,
            Exit::Unreachable,
            Exit::NotYet,
        ];
        for kind in kinds {
            let start = format!("{:>4}  ", kind.code());
            assert!(TABLE.lines().any(|line| line.starts_with(&start)), "{kind:?}");
        }
    }

    #[test]
    fn an_unexpected_answer_is_named() {
        let failure = unexpected(&Answer::Done);
        assert!(failure.text.ends_with("done"), "{failure}");
        assert_eq!(failure.exit, 1);
    }
}
