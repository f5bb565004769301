//! How often one device may do something: some times at once, then at a pace.

use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Rest of who waits for its turn: many turns at once cost less than each alone.
const REST: Duration = Duration::from_millis(20);

/// What one device did of a kind.
#[derive(Debug)]
pub(crate) struct Pace {
    at_once: u32,
    each: Duration,
    /// When all that was done is paid for.
    level_at: Option<Instant>,
}

impl Pace {
    /// Returns a pace of so many times at once and one more in each of these times.
    pub(crate) const fn new(at_once: u32, each: Duration) -> Self {
        Self { at_once, each, level_at: None }
    }

    /// Counts one more; returns whether it may be. What may not is not counted.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let from = self.level_at.filter(|at| *at > now).unwrap_or(now);
        let may = from.duration_since(now) <= self.each * self.at_once.saturating_sub(1);
        if may {
            self.level_at = Some(from + self.each);
        }
        may
    }

    /// Waits until one more may be, and counts it.
    pub(crate) async fn wait(&mut self) {
        while !self.take(Instant::now()) {
            sleep(REST).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_taken_at_once_then_one_in_each_time_and_a_rest_is_no_credit_for_more() {
        let (mut pace, now) = (Pace::new(5, Duration::from_millis(100)), Instant::now());
        let later = |ms: u64| now + Duration::from_millis(ms);
        assert_eq!((0..50).filter(|_| pace.take(now)).count(), 5);
        assert!(!pace.take(later(99)) && pace.take(later(100)) && !pace.take(later(100)));
        assert_eq!((0..50).filter(|_| pace.take(later(90_000))).count(), 5);
    }
    #[tokio::test]
    async fn who_does_more_waits_for_its_turn() {
        let (mut pace, begin) = (Pace::new(5, Duration::from_millis(40)), Instant::now());
        for _ in 0..9 {
            pace.wait().await;
        }
        assert!(begin.elapsed() >= Duration::from_millis(4 * 40));
    }
}
