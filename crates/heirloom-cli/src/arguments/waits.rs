//! How far a write must have travelled, and durations in seconds.

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Args, Command};
use heirloom_core::command::{Level, Wait};
use std::ffi::OsStr;
use std::str::FromStr;

/// A duration given in seconds, kept in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds {
    ms: u64,
}

impl Seconds {
    /// The longest duration that is taken: a year.
    const MS_MAX: f64 = 31_536_000_000.0;

    /// Returns the milliseconds.
    pub(crate) fn ms(self) -> u64 {
        self.ms
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ms = text.parse::<f64>().map(|seconds| (seconds * 1000.0).round());
        match ms {
            // The cast is exact: the value is whole and within the range.
            Ok(ms) if (0.0..=Self::MS_MAX).contains(&ms) => Ok(Self { ms: ms as u64 }),
            Ok(_) | Err(_) => Err("expected a number of seconds, such as 10 or 0.5".to_owned()),
        }
    }
}

/// Reads a duration that is longer than nothing.
pub(super) fn some_time(text: &str) -> Result<Seconds, String> {
    match text.parse::<Seconds>()? {
        Seconds { ms: 0 } => Err("expected more than 0 seconds".to_owned()),
        seconds => Ok(seconds),
    }
}

/// Reads a level: `local`, `peer:N` or `keeper`.
fn level(text: &str) -> Result<Level, String> {
    let peers = || text.strip_prefix("peer:")?.parse::<u32>().ok().filter(|count| *count > 0);
    match text {
        "local" => Ok(Level::Local),
        "keeper" => Ok(Level::Keeper),
        _ => peers()
            .map(Level::Peer)
            .ok_or_else(|| "expected local, keeper, or peer:N with N from 1".to_owned()),
    }
}

/// Reads a level; what it offers to be completed is the beginning of each.
#[derive(Debug, Clone)]
struct Levels;

impl TypedValueParser for Levels {
    type Value = Level;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Level, clap::Error> {
        level.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(["local", "keeper", "peer:"].into_iter().map(PossibleValue::new)))
    }
}

/// When a write is answered.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArguments {
    /// Answer when it is durable here (local), on N others (peer:N), or on a keeper
    #[arg(long, value_name = "LEVEL", default_value = "local", value_parser = Levels)]
    #[arg(hide_possible_values = true)]
    pub(crate) wait: Level,
    /// Wait at most this many seconds
    #[arg(long, value_name = "S", default_value = "10")]
    pub(crate) timeout: Seconds,
}

impl WaitArguments {
    /// Returns it as the node takes it.
    pub(crate) fn wait(&self) -> Wait {
        Wait { level: self.wait, timeout_ms: self.timeout.ms() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_as_documented() {
        assert_eq!(level("local"), Ok(Level::Local));
        assert_eq!(level("keeper"), Ok(Level::Keeper));
        assert_eq!(level("peer:2"), Ok(Level::Peer(2)));
        for wrong in ["", "peer", "peer:", "peer:0", "peer:-1", "peer:x", "safe", "LOCAL"] {
            assert!(level(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seconds_may_have_a_fraction_but_no_nonsense() {
        assert_eq!("10".parse(), Ok(Seconds { ms: 10_000 }));
        assert_eq!("0.25".parse(), Ok(Seconds { ms: 250 }));
        assert_eq!("0".parse(), Ok(Seconds { ms: 0 }));
        for wrong in ["", "-1", "nan", "inf", "1e300", "ten"] {
            assert!(wrong.parse::<Seconds>().is_err(), "{wrong}");
        }
    }
}
