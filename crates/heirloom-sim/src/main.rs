//! Plays households until a number of seeds is through.

use heirloom_base::planted::Bug;
use heirloom_sim::scenario::Report;
use heirloom_sim::{Tally, crashes, exile, planted, rosters, scenario};
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

const USAGE: &str = "usage: heirloom-sim [--seeds N] [--whole N] [--exiles N] [--from SEED] [--threads N], or \
                     heirloom-sim --planted | --crashes | --rosters N";
/// Stories in which a planted bug must be found.
const PLANTED_STORIES_MAX: u64 = 200;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut seeds, mut whole, mut exiles, mut histories, mut from) = (1_000, 0, 0, 0, 0);
    let mut threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--planted" => return find_planted(),
            "--crashes" => return cut_power(threads),
            _ => {}
        }
        let number = arguments.next().and_then(|text| text.parse::<u64>().ok());
        match (argument.as_str(), number) {
            ("--seeds", Some(number)) => seeds = number,
            ("--whole", Some(number)) => (seeds, whole) = (0, number),
            ("--exiles", Some(number)) => exiles = number,
            ("--rosters", Some(number)) => (seeds, histories) = (0, number),
            ("--from", Some(number)) => from = number,
            ("--threads", Some(number)) => threads = number.max(1),
            _ => {
                say(USAGE);
                return ExitCode::from(2);
            }
        }
    }
    if seeds > 0 {
        play_all(from, seeds, threads, scenario::play);
    }
    if whole > 0 {
        play_all(from, whole, threads, scenario::play_whole);
    }
    if exiles > 0 {
        take_out_all(from, exiles, threads);
    }
    if histories > 0 {
        judge_all(from, histories, threads);
    }
    ExitCode::SUCCESS
}

/// Plays stories, each on one thread, and adds them up in the order of their
/// seeds. A story that breaks a promise ends the program.
fn spread<R: Send>(
    from: u64,
    seeds: u64,
    threads: u64,
    play: impl Fn(u64) -> R + Sync,
    mut add: impl FnMut(R),
) {
    let next = AtomicU64::new(from);
    let (play, next) = (&play, &next);
    let mut reports: Vec<(u64, R)> = std::thread::scope(|scope| {
        let work = || {
            let mut reports = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= from + seeds {
                    return reports;
                }
                reports.push((seed, play(seed)));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(reports) => reports,
            // Its message was printed where it broke.
            Err(_) => std::process::exit(101),
        });
        joined.flatten().collect()
    });
    reports.sort_by_key(|(seed, _)| *seed);
    reports.into_iter().for_each(|(_, report)| add(report));
}

/// Plays households with all their accidents.
fn play_all(from: u64, seeds: u64, threads: u64, play: fn(u64) -> Report) {
    let (mut inputs, mut answered, mut crashes, mut restores, mut simulated_ms) = (0, 0, 0, 0, 0);
    let (mut copies, mut rotten, mut attacks) = (0, 0, BTreeSet::new());
    let (mut checkpoints, mut previews) = (0, 0);
    let (mut last, mut tally) = (String::new(), Tally::default());
    spread(from, seeds, threads, play, |report| {
        tally.add(&report.tally);
        inputs += report.inputs;
        answered += report.answered;
        crashes += report.crashes;
        restores += report.restores;
        simulated_ms += report.simulated_ms;
        copies += report.copies;
        rotten += report.rotten;
        checkpoints += report.checkpoints;
        previews += report.previews;
        attacks.extend(report.attacks);
        last = report.trace;
    });
    let hours = simulated_ms / 3_600_000;
    say(&format!(
        "{seeds} seeds from {from}: {inputs} inputs, {answered} answered writes, {crashes} crashes, \
         {restores} devices restored, {copies} folders put back or exchanged, {rotten} entries \
         rotten, {checkpoints} checkpoints, shown {previews} times, {hours} simulated hours; last trace {last}"
    ));
    say(&format!("{} kinds of attack: {}", attacks.len(), Vec::from_iter(attacks).join(", ")));
    say(&tally.summary());
}

/// Plays households that take devices out.
fn take_out_all(from: u64, seeds: u64, threads: u64) {
    let mut sum = exile::Report::default();
    spread(from, seeds, threads, exile::play, |report| sum.add(report));
    let summary = sum.tally.summary();
    let exile::Report { inputs, answered, out, mutual, accepted, resets, aside, trace, .. } = sum;
    say(&format!(
        "{seeds} seeds of exiles from {from}: {inputs} inputs, {answered} answered writes, {out} \
         devices out, {mutual} pairs that took each other out, {aside} entries kept aside, \
         {accepted} times accepted, {resets} resets by the phrase; last trace {trace}"
    ));
    say(&summary);
}

/// Judges random rosters in every order.
fn judge_all(from: u64, seeds: u64, threads: u64) {
    let (ground, mut sum) = (rosters::Ground::new(), rosters::Report::default());
    spread(from, seeds, threads, |seed| rosters::play(&ground, seed), |report| sum.add(&report));
    let rosters::Report { admitted, refused, returns_refused, mutual, resets, out } = sum;
    say(&format!(
        "{seeds} rosters from {from}: {admitted} operations, {refused} refused, of those \
         {returns_refused} returns under an old key, {mutual} with two that took each other out, \
         {resets} resets by the phrase, {out} devices out"
    ));
}

/// Plays every short story with a power cut at every operation of every disk.
fn cut_power(threads: u64) -> ExitCode {
    let mut sum = 0;
    for story in crashes::STORIES {
        let operations = story.operations();
        let mut played = 0;
        let play =
            |operation| crashes::Story::cuts(operation).map(|cut| story.play(cut)).count() as u64;
        spread(1, operations, threads, play, |count| played += count);
        say(&format!("{}: {operations} operations, {played} power cuts", story.name));
        sum += played;
    }
    say(&format!("{sum} power cuts, nothing that was answered is lost"));
    ExitCode::SUCCESS
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
    let (count, all) = (found.len(), Bug::ALL.len());
    say(&format!("{count} of {all} bugs found; median {median} stories"));
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(text: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stdout(), "{text}"));
}
