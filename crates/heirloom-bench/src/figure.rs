//! What was measured, and the lines that tell it.

use std::fmt;
use std::time::Duration;

/// What is measured; a peer's figure stands beside ours of the same work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Disk,
    Edit,
    EditOneNote,
    Import,
    Start,
    Readable,
    Restore,
    Level,
    Changed,
    Idle,
    Throughput,
}

/// One number with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Amount {
    Milliseconds(f64),
    Seconds(f64),
    Bytes(u64),
    Mebibytes(f64),
    PerSecond(f64),
}

impl Amount {
    pub(crate) fn seconds(time: Duration) -> Self {
        Self::Seconds(time.as_secs_f64())
    }

    /// Returns the times that half of all, and all but one of a hundred, keep to.
    pub(crate) fn percentiles(mut times: Vec<Duration>) -> Vec<Self> {
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied();
        let milliseconds =
            |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1_000.0;
        [50, 99].map(|percent| Self::Milliseconds(milliseconds(at(percent)))).to_vec()
    }

    /// Returns the number of an amount of which less is better.
    fn cost(self) -> Option<f64> {
        match self {
            Self::Milliseconds(number) | Self::Seconds(number) | Self::Mebibytes(number) => {
                Some(number)
            }
            Self::Bytes(bytes) => Some(as_f64(bytes)),
            Self::PerSecond(_) => None,
        }
    }

    /// Returns how many times ours a peer's amount is.
    fn times(self, ours: Self) -> Option<f64> {
        let ours = ours.cost().filter(|ours| *ours > 0.0)?;
        Some(self.cost()? / ours)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Milliseconds(number) => write!(formatter, "{number:.2} ms"),
            Self::Seconds(number) => write!(formatter, "{number:.2} s"),
            Self::Bytes(bytes) => write!(formatter, "{:.1} kB", as_f64(*bytes) / 1_000.0),
            Self::Mebibytes(number) => write!(formatter, "{number:.0} MiB"),
            Self::PerSecond(number) => write!(formatter, "{number:.0}/s"),
        }
    }
}

/// What a work cost this program.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) work: Work,
    pub(crate) title: String,
    pub(crate) ours: Vec<Amount>,
    pub(crate) goal: &'static str,
}

impl Figure {
    /// Returns the line of a table without peers.
    pub(crate) fn row(&self) -> String {
        format!("| {} | {} | {} |", self.title, joined(&self.ours), self.goal)
    }

    /// Returns the line for what a peer needed.
    pub(crate) fn row_beside(&self, peer: &str, theirs: &[Amount]) -> String {
        let times = theirs.iter().zip(&self.ours).map(|(theirs, ours)| match theirs.times(*ours) {
            Some(times) if times < 10.0 => format!("{times:.1}"),
            Some(times) => format!("{times:.0}"),
            None => "-".to_owned(),
        });
        let times = times.collect::<Vec<_>>().join(" / ");
        let (ours, theirs) = (joined(&self.ours), joined(theirs));
        format!("| {} | {ours} | {peer} | {theirs} | {times} |", self.title)
    }

    /// Returns the line of a work that no peer did.
    pub(crate) fn row_alone(&self) -> String {
        format!("| {} | {} | - | - | - |", self.title, joined(&self.ours))
    }
}

fn joined(amounts: &[Amount]) -> String {
    amounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" / ")
}

pub(crate) fn as_f64(bytes: u64) -> f64 {
    u32::try_from(bytes).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restore(ours: Vec<Amount>) -> Figure {
        Figure { work: Work::Restore, title: "restore".to_owned(), ours, goal: "1 s" }
    }

    #[test]
    fn a_peer_stands_beside_ours_with_a_ratio_for_each_amount() {
        let figure = restore(vec![Amount::Seconds(0.5), Amount::Bytes(2_000)]);
        let theirs = [Amount::Seconds(2.0), Amount::Bytes(50_000)];
        let row = "| restore | 0.50 s / 2.0 kB | rsync | 2.00 s / 50.0 kB | 4.0 / 25 |";
        assert_eq!(figure.row_beside("rsync", &theirs), row);
        assert_eq!(figure.row(), "| restore | 0.50 s / 2.0 kB | 1 s |");
    }

    #[test]
    fn there_is_no_ratio_to_nothing_and_none_of_which_more_is_better() {
        let figure = restore(vec![Amount::PerSecond(7.0), Amount::Seconds(0.0)]);
        let row = figure.row_beside("radicale", &[Amount::PerSecond(9.0), Amount::Seconds(1.0)]);
        assert_eq!(row, "| restore | 7/s / 0.00 s | radicale | 9/s / 1.00 s | - / - |");
    }

    #[test]
    fn percentiles_are_taken_of_sorted_times() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        let expected = vec![Amount::Milliseconds(51.0), Amount::Milliseconds(100.0)];
        assert_eq!(Amount::percentiles(times), expected);
        assert_eq!(Amount::percentiles(Vec::new()), vec![Amount::Milliseconds(0.0); 2]);
    }
}
