//! The soak command.

use clap::{Parser, Subcommand};
use heirloom_fuzz::worker::{self, Share};
use heirloom_fuzz::{Target, corpus, soak, target, trial};
use std::path::PathBuf;
use std::process::ExitCode;

/// Gives damaged and forged inputs to everything that reads foreign bytes.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run mutated inputs and measure them
    Soak {
        /// A target; all of them unless one is named.
        #[arg(long)]
        target: Vec<String>,
        /// Inputs of each target.
        #[arg(long, default_value_t = 1_000_000)]
        inputs: u64,
        /// One seed, one sequence of inputs.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Targets at one time.
        #[arg(long, default_value_t = 1)]
        threads: usize,
        /// Where inputs that failed are written to.
        #[arg(long, default_value = "target/fuzz-failures")]
        failures: PathBuf,
    },
    /// Run the input in a file
    Replay {
        /// The file; its folder's or its own name begins with the target's.
        file: PathBuf,
        /// The target, where the names do not tell.
        #[arg(long)]
        target: Option<String>,
    },
    /// Write inputs that end in new ways into the corpus
    Grow {
        /// A target; all of them unless one is named.
        #[arg(long)]
        target: Vec<String>,
        /// Inputs that are tried.
        #[arg(long, default_value_t = 20_000)]
        inputs: u64,
        /// One seed, one sequence of inputs.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Run a share of a soak's inputs
    #[command(hide = true)]
    Work {
        target: String,
        #[arg(long)]
        seed: u64,
        #[arg(long)]
        first: u64,
        #[arg(long)]
        end: u64,
        #[arg(long)]
        place: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("heirloom-fuzz: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> std::io::Result<bool> {
    match verb {
        Verb::Soak { target, inputs, seed, threads, failures } => {
            let targets = named(&target)?;
            println!("{}", soak::HEADING);
            let plan = soak::Plan { targets, inputs, seed, threads, failures };
            let sums = soak::run(&plan, &|sum| {
                println!("{}", sum.line());
                sum.failures.iter().for_each(|failure| println!("{failure}"));
            })?;
            Ok(sums.iter().all(|sum| sum.failures.is_empty()))
        }
        Verb::Replay { file, target } => {
            let names = file.iter().rev().map(|name| name.to_string_lossy().into_owned());
            let found = names.filter_map(|name| target::of_file(&name)).next();
            let target = target.map_or(found, |name| target::by_name(&name)).ok_or_else(unknown)?;
            let trial = trial::run(target, &std::fs::read(&file)?);
            println!("{}: {:?}", target.name, trial);
            Ok(trial.result.is_ok())
        }
        Verb::Grow { target, inputs, seed } => {
            for target in named(&target)? {
                println!("{}: {} new", target.name, corpus::grow(target, seed, inputs)?);
            }
            Ok(true)
        }
        Verb::Work { target, seed, first, end, place } => {
            let target = target::by_name(&target).ok_or_else(unknown)?;
            let report = worker::run(target, Share { seed, first, end }, &place)?;
            println!("{}", serde_json::to_string(&report)?);
            Ok(report.failure.is_none())
        }
    }
}

fn named(names: &[String]) -> std::io::Result<Vec<&'static Target>> {
    if names.is_empty() {
        return Ok(target::TARGETS.iter().collect());
    }
    names.iter().map(|name| target::by_name(name).ok_or_else(unknown)).collect()
}

fn unknown() -> std::io::Error {
    let names: Vec<&str> = target::TARGETS.iter().map(|target| target.name).collect();
    std::io::Error::other(format!("there is no such target; there are {}", names.join(", ")))
}
