//! Plays households until a number of seeds is through.

use heirloom_sim::scenario::play;
use std::process::ExitCode;

const USAGE: &str = "usage: heirloom-sim [--seeds N] [--from SEED]";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut seeds, mut from) = (1_000, 0);
    while let Some(argument) = arguments.next() {
        let number = arguments.next().and_then(|text| text.parse::<u64>().ok());
        match (argument.as_str(), number) {
            ("--seeds", Some(number)) => seeds = number,
            ("--from", Some(number)) => from = number,
            _ => {
                say(USAGE);
                return ExitCode::from(2);
            }
        }
    }
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
    ExitCode::SUCCESS
}

fn say(text: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stdout(), "{text}"));
}
