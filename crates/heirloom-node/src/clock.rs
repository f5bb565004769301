//! The two clocks that the node is shown.

use heirloom_base::Now;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Goes forward also while the machine sleeps, so that invites and waits end then too.
#[cfg(any(target_os = "linux", target_os = "android"))]
const STEADY: ClockId = ClockId::Boottime;
/// Elsewhere this clock is the one that goes on while the machine sleeps.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const STEADY: ClockId = ClockId::Monotonic;

/// Longest pause before the clock is read again: a timer of the runtime may
/// stand still while the machine sleeps.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How much longer than planned a pause lasts when the machine has slept, or
/// the process was stopped. A loaded machine is late too, but not by so much,
/// and to take it for a sleeper costs one ping for each peer.
const SLEEP_MIN: Duration = Duration::from_secs(5);

/// Reads both clocks.
pub(crate) fn now() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let steady = clock_gettime(STEADY);
    let seconds = u64::try_from(steady.tv_sec).unwrap_or(0);
    let milliseconds = u64::try_from(steady.tv_nsec).unwrap_or(0) / 1_000_000;
    Now {
        wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        mono_ms: seconds * 1_000 + milliseconds,
    }
}

/// Returns how long to wait for a deadline, or for the next look at the clock.
pub(crate) fn pause_until(now: Now, deadline_ms: Option<u64>) -> Duration {
    deadline_ms
        .map_or(PAUSE_MAX, |deadline| Duration::from_millis(deadline.saturating_sub(now.mono_ms)))
        .min(PAUSE_MAX)
}

/// Returns whether the host slept during a pause that was to last so long.
pub(crate) fn has_slept(before: Now, planned: Duration, after: Now) -> bool {
    let lasted = Duration::from_millis(after.mono_ms.saturating_sub(before.mono_ms));
    lasted > planned + SLEEP_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_never_goes_back() {
        let readings: Vec<u64> = (0..100).map(|_| now().mono_ms).collect();
        assert!(readings.is_sorted() && readings[0] > 0);
    }

    #[test]
    fn a_pause_that_lasts_far_too_long_was_sleep() {
        let at = |mono_ms| Now { wall_ms: 0, mono_ms };
        let planned = Duration::from_secs(10);
        assert!(!has_slept(at(1_000), planned, at(11_500)));
        assert!(!has_slept(at(1_000), planned, at(500)));
        assert!(has_slept(at(1_000), planned, at(60_000)));
    }

    #[test]
    fn a_passed_deadline_is_not_waited_for_and_a_far_one_not_in_one_go() {
        let now = Now { wall_ms: 0, mono_ms: 1_000 };
        assert_eq!(pause_until(now, Some(900)), Duration::ZERO);
        assert_eq!(pause_until(now, Some(1_250)), Duration::from_millis(250));
        assert_eq!(pause_until(now, Some(u64::MAX)), PAUSE_MAX);
        assert_eq!(pause_until(now, None), PAUSE_MAX);
    }
}
