//! Threads that need not wake up on time.
//!
//! sled keeps seven threads for work that it may be given, and each looks once
//! in a second whether there is some, although it would be woken: two thirds of
//! what an idle device costs. A thread inherits the *timer slack* of the one that
//! begins it, the time by which the kernel may be late with the end of a wait
//! (`PR_SET_TIMERSLACK` in prctl(2)). What wakes a thread before is not late.

/// How late the waits of the threads of the index may end, in nanoseconds.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SLACK_NS: std::num::NonZeroU64 =
    std::num::NonZeroU64::MIN.saturating_add(20 * 1_000_000_000 - 1);

/// Does something of which the threads that it begins are patient.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn lent<T>(work: impl FnOnce() -> T) -> T {
    use rustix::thread::set_current_timer_slack;
    let is_lent = set_current_timer_slack(Some(SLACK_NS)).is_ok();
    let done = work();
    // None stands for what this thread began with.
    if is_lent && let Err(error) = set_current_timer_slack(None) {
        tracing::debug!(%error, "this thread stays patient");
    }
    done
}

/// Does something: threads are as patient as this system has them.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn lent<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::{SLACK_NS, lent};

    /// Reads the timer slack of this thread, in nanoseconds.
    fn slack_ns() -> std::io::Result<u64> {
        // prctl(2) tells no more than 31 bits of it.
        let thread = rustix::thread::gettid().as_raw_nonzero();
        let told = std::fs::read_to_string(format!("/proc/{thread}/timerslack_ns"))?;
        told.trim().parse().map_err(std::io::Error::other)
    }

    #[test]
    fn threads_that_begin_meanwhile_are_patient_and_nobody_else() {
        let before = slack_ns().unwrap();
        let inside = lent(|| std::thread::spawn(slack_ns).join().unwrap()).unwrap();
        assert_eq!(inside, SLACK_NS.get());
        assert_eq!(slack_ns().unwrap(), before);
        assert!(before < SLACK_NS.get());
    }
}
