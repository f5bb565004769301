//! Plays households until a number of seeds is through.

use heirloom_sim::{exile, scenario::play};
use std::process::ExitCode;

const USAGE: &str = "usage: heirloom-sim [--seeds N] [--exiles N] [--from SEED]";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut seeds, mut exiles, mut from) = (1_000, 0, 0);
    while let Some(argument) = arguments.next() {
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
        let report = exile::play(seed);
        sum.inputs += report.inputs;
        sum.answered += report.answered;
        sum.out += report.out;
        sum.mutual += report.mutual;
        sum.accepted += report.accepted;
        sum.resets += report.resets;
        sum.aside += report.aside;
        sum.trace = report.trace;
    }
    let exile::Report { inputs, answered, out, mutual, accepted, resets, aside, trace, .. } = sum;
    say(&format!(
        "{seeds} seeds of exiles from {from}: {inputs} inputs, {answered} answered writes, {out} \
         devices out, {mutual} pairs that took each other out, {aside} entries kept aside, \
         {accepted} times accepted, {resets} resets by the phrase; last trace {trace}"
    ));
}

fn say(text: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stdout(), "{text}"));
}
