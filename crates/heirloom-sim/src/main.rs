//! Plays households until a number of seeds is through.

use heirloom_base::planted::Bug;
use heirloom_sim::{exile, planted, scenario::play};
use std::process::ExitCode;

const USAGE: &str =
    "usage: heirloom-sim [--seeds N] [--exiles N] [--from SEED], or heirloom-sim --planted";
/// Stories in which a planted bug must be found.
const PLANTED_STORIES_MAX: u64 = 200;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut seeds, mut exiles, mut from) = (1_000, 0, 0);
    while let Some(argument) = arguments.next() {
        if argument == "--planted" {
            return find_planted();
        }
        let number = arguments.next().and_then(|text| text.parse::<u64>().ok());
        match (argument.as_str(), number) {
            ("--seeds", Some(number)) => seeds = number,
            ("--exiles", Some(number)) => exiles = number,
            ("--from", Some(number)) => from = number,
            _ => {
                say(USAGE);
                return ExitCode::from(2);
            }
        }
    }
    if seeds > 0 {
        play_all(from, seeds);
    }
    if exiles > 0 {
        take_out_all(from, exiles);
    }
    ExitCode::SUCCESS
}

/// Plays households with all their accidents.
fn play_all(from: u64, seeds: u64) {
    let (mut inputs, mut answered, mut crashes, mut restores, mut simulated_ms) = (0, 0, 0, 0, 0);
    let (mut copies, mut rotten, mut attacks) = (0, 0, std::collections::BTreeSet::new());
    let mut last = String::new();
    for seed in from..from + seeds {
        let report = play(seed);
        inputs += report.inputs;
        answered += report.answered;
        crashes += report.crashes;
        restores += report.restores;
        simulated_ms += report.simulated_ms;
        copies += report.copies;
        rotten += report.rotten;
        attacks.extend(report.attacks);
        last = report.trace;
    }
    let hours = simulated_ms / 3_600_000;
    say(&format!(
        "{seeds} seeds from {from}: {inputs} inputs, {answered} answered writes, {crashes} crashes, \
         {restores} devices restored, {copies} folders put back or exchanged, {rotten} entries \
         rotten, {hours} simulated hours; last trace {last}"
    ));
    say(&format!("{} kinds of attack: {}", attacks.len(), Vec::from_iter(attacks).join(", ")));
}

/// Plays households that take devices out.
fn take_out_all(from: u64, seeds: u64) {
    let mut sum = exile::Report::default();
    for seed in from..from + seeds {
        sum.add(exile::play(seed));
    }
    let exile::Report { inputs, answered, out, mutual, accepted, resets, aside, trace, .. } = sum;
    say(&format!(
        "{seeds} seeds of exiles from {from}: {inputs} inputs, {answered} answered writes, {out} \
         devices out, {mutual} pairs that took each other out, {aside} entries kept aside, \
         {accepted} times accepted, {resets} resets by the phrase; last trace {trace}"
    ));
}

/// Finds every planted bug, or fails.
fn find_planted() -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    let (mut found, mut missed) = (Vec::new(), 0);
    for bug in Bug::ALL {
        let finding = planted::find(bug, 0, PLANTED_STORIES_MAX);
        let text: String = finding.text.chars().take(100).collect();
        match finding.stories {
            Some(stories) => say(&format!("{bug:?}: found in story {stories}: {text}")),
            None => say(&format!("{bug:?}: not found in {PLANTED_STORIES_MAX} stories")),
        }
        missed += u64::from(finding.stories.is_none());
        found.extend(finding.stories);
    }
    found.sort_unstable();
    let median = found.get(found.len() / 2).copied().unwrap_or_default();
    say(&format!("{} bugs found, {missed} not; median {median} stories", found.len()));
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(text: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stdout(), "{text}"));
}
