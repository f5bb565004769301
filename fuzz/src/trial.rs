//! One input given to one body, measured.

use crate::memory::Measure;
use crate::target::{Outcome, Target};
use rustix::time::{ClockId, clock_gettime};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Duration;

/// Time of the processor that one input may take: a busy machine takes longer by the clock.
pub const TIME_MAX: Duration = Duration::from_secs(5);
/// Memory that one input may take at its peak.
pub const MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What became of one input.
#[derive(Debug, Clone)]
pub struct Trial {
    /// How it ended, or why it counts as a failure.
    pub result: Result<Outcome, String>,
    /// How long it took of the processor.
    pub time: Duration,
    /// Memory at the peak.
    pub peak_bytes: usize,
}

/// Gives an input to a target's body. Panics that the code under test catches
/// itself are not shown.
#[must_use]
pub fn run(target: &Target, bytes: &[u8]) -> Trial {
    run_within(TIME_MAX, target, bytes)
}

fn run_within(time_max: Duration, target: &Target, bytes: &[u8]) -> Trial {
    listen();
    QUIET.set(true);
    let measure = Measure::begin();
    let begun = worked();
    let ended = catch_unwind(AssertUnwindSafe(|| (target.body)(bytes)));
    let time = worked().saturating_sub(begun);
    let peak_bytes = measure.peak_bytes();
    QUIET.set(false);
    let result = match ended {
        Err(_) => Err(LAST.with_borrow(Clone::clone)),
        Ok(_) if time > time_max => Err(format!("it took {} ms", time.as_millis())),
        Ok(_) if peak_bytes > MEMORY_BYTES_MAX => Err(format!("it took {peak_bytes} bytes")),
        Ok(outcome) => Ok(outcome),
    };
    Trial { result, time, peak_bytes }
}

/// Returns how long this thread has worked.
pub(crate) fn worked() -> Duration {
    let clock = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(clock.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(clock.tv_nsec).unwrap_or(0))
}

/// Keeps the words of panics, in place of printing them.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if QUIET.get() {
                LAST.set(format!("it panicked: {info}"));
            } else {
                loud(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_takes_too_long_counts_as_a_failure() {
        let broken = crate::target::by_name("broken").unwrap();
        let slow = run_within(Duration::from_millis(20), broken, b"time");
        assert!(slow.time >= Duration::from_millis(100), "{:?}", slow.time);
        assert_eq!(slow.result.unwrap_err(), format!("it took {} ms", slow.time.as_millis()));
        assert!(run(broken, b"time").result.is_ok(), "it is not too long for a soak");
    }
}
