//! Making an account, and getting into one: `init`, `join`, `recover`.

use crate::access;
use crate::arguments::{InitArguments, JoinArguments, RecoverArguments};
use crate::exit::{self, Exit, Trouble};
use crate::records::short;
use crate::screen::{Screen, remark};
use heirloom_base::count;
use heirloom_core::command::Failure;
use heirloom_node::{Account, JoinOptions, RecoverOptions};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of a phrase that are read at most: twelve words take a tenth of it.
const PHRASE_BYTES_MAX: u64 = 1024;

/// Times that a pair of words is asked for.
const ASKED_MAX: usize = 3;

/// Carries out `init`.
pub(crate) fn init(
    arguments: &InitArguments,
    home: &Path,
    screen: &mut Screen,
) -> Result<(), Trouble> {
    let account = heirloom_node::init(home, arguments.device.as_deref())?;
    screen.json(&json!({
        "account_id": account.account_id,
        "device_id": account.device_id,
        "peer_id": account.peer_id,
        "phrase": &*account.phrase,
    }))?;
    show(&account, screen)?;
    if !arguments.no_verify && screen.can_ask() {
        verify(&account.phrase)?;
    }
    screen.next("up")
}

/// Makes an account on a terminal, before the node comes up.
pub(crate) fn found(device: Option<&str>, home: &Path, screen: &mut Screen) -> Result<(), Trouble> {
    let account = heirloom_node::init(home, device)?;
    show(&account, screen)?;
    verify(&account.phrase).map_err(Trouble::from)
}

fn show(account: &Account, screen: &mut Screen) -> Result<(), Trouble> {
    screen.line(format_args!("Account {} was made on this device.", short(&account.account_id)))?;
    screen.line("")?;
    show_phrase(&account.phrase, screen)
}

/// Prints the recovery phrase with what it is for.
pub(crate) fn show_phrase<W: Write>(phrase: &str, screen: &mut Screen<W>) -> Result<(), Trouble> {
    screen.line("The recovery phrase. It is shown this once and stored nowhere; write it down:")?;
    screen.line("")?;
    let words: Vec<&str> = phrase.split_whitespace().collect();
    for (row, four) in words.chunks(4).enumerate() {
        let numbered =
            |(column, word): (usize, &&str)| format!("{:>2} {word:<10}", row * 4 + column + 1);
        let cells: Vec<String> = four.iter().enumerate().map(numbered).collect();
        screen.line(format_args!("  {}", cells.join("  ").trim_end()))?;
    }
    screen.line("")
}

/// Asks two words of the phrase back.
fn verify(phrase: &str) -> Result<(), Failure> {
    let words: Vec<&str> = phrase.split_whitespace().collect();
    let mut random = [0; 2];
    getrandom::fill(&mut random).map_err(|error| {
        exit::system("cannot choose words to ask for", &io::Error::other(error))
    })?;
    for place in two_places(random, words.len()) {
        let known = ask(place, &words, &mut io::stdin().lock(), &mut |text| remark(text));
        if !known.map_err(|error| exit::system("cannot read the answer", &error))? {
            return Err(exit::failure(
                Exit::Failed,
                "phrase-not-verified",
                "the words do not match; the account is made all the same",
                "Compare what you wrote down with the phrase above, while it is on the screen",
            ));
        }
    }
    Ok(())
}

/// Returns two different places below `count`, in order.
fn two_places(random: [u8; 2], count: usize) -> [usize; 2] {
    let count = count.max(2);
    let first = usize::from(random[0]) % count;
    let second = (first + 1 + usize::from(random[1]) % (count - 1)) % count;
    [first.min(second), first.max(second)]
}

/// Asks for one word until it comes, and a few times at most.
fn ask(
    place: usize,
    words: &[&str],
    input: &mut impl BufRead,
    say: &mut impl FnMut(&str),
) -> io::Result<bool> {
    let number = place + 1;
    say(&format!("To be sure: what is word {number}?"));
    for left in (0..ASKED_MAX).rev() {
        let mut answer = Zeroizing::new(String::new());
        input.take(PHRASE_BYTES_MAX).read_line(&mut answer)?;
        if words.get(place).is_some_and(|word| word.eq_ignore_ascii_case(answer.trim())) {
            return Ok(true);
        }
        if left > 0 {
            say(&format!("That is not word {number} of the phrase above; what is word {number}?"));
        }
    }
    Ok(false)
}

/// Carries out `join`.
pub(crate) async fn join(
    arguments: JoinArguments,
    home: &Path,
    screen: &mut Screen,
) -> Result<(), Trouble> {
    let joined = heirloom_node::join(JoinOptions {
        home: home.to_owned(),
        code: arguments.code.join(" "),
        device: arguments.device,
        listen: Vec::new(),
        peers: arguments.reach.peers,
        mdns: !arguments.reach.no_mdns,
    })
    .await?;
    screen.json(&json!({
        "account_id": joined.account_id,
        "device_id": joined.device_id,
        "peer_id": joined.peer_id,
        "records": joined.records,
    }))?;
    let account = short(&joined.account_id);
    screen.line(format_args!("This device belongs to account {account} now."))?;
    screen.line(format_args!("It holds {}.", counted(&joined.records)))?;
    screen.next("up")
}

/// Carries out `recover`.
pub(crate) async fn recover(
    arguments: RecoverArguments,
    home: &Path,
    screen: &mut Screen,
) -> Result<(), Trouble> {
    heirloom_node::refuse_occupied(home)?;
    let phrase = read_phrase(arguments.phrase_file.as_deref())?;
    let bar = if screen.draws_progress() { progress_bar() } else { ProgressBar::hidden() };
    let options = RecoverOptions {
        home: home.to_owned(),
        phrase: phrase.split_whitespace().collect::<Vec<_>>().join(" "),
        device: arguments.device,
        listen: Vec::new(),
        peers: arguments.reach.peers,
        mdns: !arguments.reach.no_mdns,
    };
    let recovered = heirloom_node::recover(options, |received, total| {
        bar.set_length(total);
        bar.set_position(received);
    })
    .await;
    bar.finish_and_clear();
    let recovered = recovered?;
    screen.json(&json!({
        "account_id": recovered.account_id,
        "device_id": recovered.device_id,
        "restored_from": recovered.restored_from,
        "records": recovered.records,
        "complete": recovered.complete,
        "as_of": recovered.as_of,
    }))?;
    let account = short(&recovered.account_id);
    let from: Vec<&str> = recovered.restored_from.iter().map(|id| short(id)).collect();
    screen.line(format_args!("Account {account} is back on this device."))?;
    screen.line(format_args!("Restored: {}.", counted(&recovered.records)))?;
    screen.line(format_args!(
        "From: {}.",
        if from.is_empty() { "-".into() } else { from.join(", ") }
    ))?;
    if let Some(as_of) = &recovered.as_of {
        screen.line(format_args!("The newest change is of {as_of}."))?;
    }
    if !recovered.complete {
        return Err(incomplete(recovered.disk_full, recovered.interrupted).into());
    }
    screen.next("up")
}

fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:30} {pos}/{len} entries  {per_sec}  {eta} left (safe to interrupt)",
    )
    .expect("the template is fixed and valid");
    ProgressBar::new(0).with_style(style)
}

fn incomplete(disk_full: bool, interrupted: bool) -> Failure {
    if disk_full {
        return exit::failure(
            Exit::NotYet,
            "disk-full",
            "the disk of this device is full, and not everything fitted",
            "Free some space, then run `heirloom up`: the rest follows",
        );
    }
    if interrupted {
        return exit::failure(
            Exit::NotYet,
            "incomplete",
            "the restoration was interrupted; what has come is kept",
            "Go on with `heirloom up`: the rest follows",
        );
    }
    exit::failure(
        Exit::NotYet,
        "incomplete",
        "the devices that were reachable do not hold everything that is known to exist",
        "Run `heirloom up`: the rest arrives when the other devices come online",
    )
}

/// Reads the phrase from a file, or from stdin.
pub(crate) fn read_phrase(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    let mut phrase = Zeroizing::new(String::new());
    let (what, read) = match file {
        Some(path) => (
            format!("cannot read the phrase from {}", path.display()),
            File::open(path)
                .and_then(|file| file.take(PHRASE_BYTES_MAX).read_to_string(&mut phrase)),
        ),
        None => ("cannot read the phrase".to_owned(), read_phrase_from_stdin(&mut phrase)),
    };
    read.map_err(|error| exit::system(&what, &error))?;
    if phrase.trim().is_empty() {
        return Err(exit::failure(
            Exit::Usage,
            "no-phrase",
            "no phrase was given",
            "Give the twelve words on stdin or in a file named with --phrase-file",
        ));
    }
    Ok(phrase)
}

fn read_phrase_from_stdin(phrase: &mut String) -> io::Result<usize> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        remark("Type the twelve words of the recovery phrase, in one line:");
        stdin.lock().take(PHRASE_BYTES_MAX).read_line(phrase)
    } else {
        stdin.lock().take(PHRASE_BYTES_MAX).read_to_string(phrase)
    }
}

/// Returns record counts in words.
pub(crate) fn counted(records: &BTreeMap<String, u64>) -> String {
    let part = |(category, count): (&String, &u64)| match heirloom_schema::by_id(category) {
        Some(spec) => count::of(*count, spec.singular, spec.plural),
        None => format!("{count} {category}"),
    };
    let parts: Vec<String> = records.iter().map(part).collect();
    if parts.is_empty() { "no records yet".to_owned() } else { parts.join(", ") }
}

/// Builds the failure of `up` that may not ask whether to make an account.
pub(crate) fn may_not_ask(home: &Path) -> Failure {
    let absent = access::no_account(home);
    exit::failure(
        Exit::Usage,
        &absent.code,
        absent.text,
        "Make one with `heirloom up --yes`, which prints the recovery phrase once, or join one \
         with --join CODE",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_different_words_are_asked_for() {
        for first in 0..=u8::MAX {
            for second in (0..=u8::MAX).step_by(5) {
                let [low, high] = two_places([first, second], 12);
                assert!(low < high && high < 12);
            }
        }
    }

    #[test]
    fn a_wrong_word_is_said_to_be_wrong_and_asked_for_again() {
        let words = ["legal", "winner", "thank"];
        let asked = |typed: &str| {
            let mut said = Vec::new();
            let known =
                ask(1, &words, &mut typed.as_bytes(), &mut |text| said.push(text.to_owned()));
            (known.unwrap(), said)
        };
        let question = "To be sure: what is word 2?".to_owned();
        let wrong = "That is not word 2 of the phrase above; what is word 2?".to_owned();
        assert_eq!(asked("Winner\n"), (true, vec![question.clone()]));
        assert_eq!(asked("thank\nwinner\n"), (true, vec![question.clone(), wrong.clone()]));
        assert_eq!(asked("a\nb\nc\nwinner\n"), (false, vec![question, wrong.clone(), wrong]));
    }

    #[test]
    fn counts_are_told_in_words() {
        let counts = [("calendar", 2), ("contacts", 3), ("notes", 1), ("unheard", 1)];
        let records = counts.map(|(category, count)| (category.to_owned(), count)).into();
        assert_eq!(counted(&records), "2 events, 3 contacts, 1 note, 1 unheard");
        assert_eq!(counted(&BTreeMap::new()), "no records yet");
    }

    #[test]
    fn a_phrase_comes_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phrase");
        std::fs::write(&path, " \n").unwrap();
        assert_eq!(read_phrase(Some(&path)).unwrap_err().exit, 2);
        std::fs::write(&path, "legal  winner\n").unwrap();
        assert_eq!(&*read_phrase(Some(&path)).unwrap(), "legal  winner\n");
        assert_eq!(read_phrase(Some(folder.path())).unwrap_err().exit, 1);
    }
}
