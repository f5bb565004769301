//! The process that runs a share of a soak's inputs.

use crate::source::Source;
use crate::target::Target;
use crate::trial;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Address space of a worker: an input that asks for more ends it, and not the machine.
const ADDRESS_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// A share of the inputs of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The seed.
    pub seed: u64,
    /// The first input.
    pub first: u64,
    /// Behind the last input.
    pub end: u64,
}

/// What a worker measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Inputs that were run.
    pub inputs: u64,
    /// Those that the code took in; the others were refused.
    pub accepted: u64,
    /// Longest time of one input, in microseconds, and its number.
    pub slowest_us: (u64, u64),
    /// Greatest peak of memory, in bytes, and its input's number.
    pub peak_bytes: (u64, u64),
    /// Number of the input that failed, and why; nothing behind it was run.
    pub failure: Option<(u64, String)>,
}

impl Report {
    /// Adds what another worker measured.
    pub fn add(&mut self, other: &Self) {
        self.inputs += other.inputs;
        self.accepted += other.accepted;
        self.slowest_us = self.slowest_us.max(other.slowest_us);
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
    }
}

/// Runs inputs until one fails. The number of the one that runs stands in
/// `place`, for whoever finds this process dead.
///
/// # Errors
/// When `place` cannot be written.
pub fn run(target: &'static Target, share: Share, place: &Path) -> io::Result<Report> {
    let limit = rustix::process::Rlimit {
        current: Some(ADDRESS_BYTES_MAX),
        maximum: Some(ADDRESS_BYTES_MAX),
    };
    rustix::process::setrlimit(rustix::process::Resource::As, limit)?;
    let place = OpenOptions::new().write(true).create(true).truncate(false).open(place)?;
    let source = Source::new(target, share.seed);
    let mut report = Report::default();
    for number in share.first..share.end {
        let bytes = source.input(number);
        place.write_all_at(&number.to_le_bytes(), 0)?;
        let trial = trial::run(target, &bytes);
        report.inputs += 1;
        let time = u64::try_from(trial.time.as_micros()).unwrap_or(u64::MAX);
        report.slowest_us = report.slowest_us.max((time, number));
        report.peak_bytes = report.peak_bytes.max((trial.peak_bytes as u64, number));
        match trial.result {
            Ok(outcome) => report.accepted += u64::from(outcome.is_accepted),
            Err(why) => {
                report.failure = Some((number, why));
                break;
            }
        }
    }
    Ok(report)
}
