//! The border behind which a library of others may panic over foreign bytes.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

thread_local! {
    /// How many guards stand around what this thread does.
    static GUARDS: Cell<u32> = const { Cell::new(0) };
}

/// Runs `work`; a panic becomes its message. What `work` was changing must be
/// thrown away then.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    GUARDS.set(GUARDS.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDS.set(GUARDS.get() - 1);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panic without a message".to_owned())
    })
}

/// Keeps the words of panics that a guard catches off the terminal: the crash
/// that they tell of is none, and what was refused is said by the node. Every
/// other panic is told as before. A program calls this when it begins.
pub fn silence_caught_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(silencing(std::panic::take_hook())));
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

/// Returns what tells of a panic only where no guard catches it.
fn silencing(loud: Hook) -> Hook {
    Box::new(move |panic| {
        if GUARDS.get() == 0 {
            loud(panic);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static TOLD: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    fn only_a_caught_panic_is_silent() {
        let before = std::panic::take_hook();
        std::panic::set_hook(silencing(Box::new(|_| TOLD.set(TOLD.get() + 1))));
        assert!(guarded(|| guarded(|| panic!("within two"))).unwrap().is_err());
        assert!(guarded(|| panic!("within one")).is_err());
        let silent = TOLD.get();
        let uncaught = catch_unwind(|| panic!("outside of a guard"));
        std::panic::set_hook(before);
        assert!(uncaught.is_err());
        assert_eq!((silent, TOLD.get()), (0, 1));
    }

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(guarded(|| 7), Ok(7));
        assert_eq!(guarded(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
        assert_eq!(guarded(|| panic!("{}", 1)), Err::<(), _>("1".to_owned()));
        let odd = guarded(|| std::panic::panic_any(3_u8));
        assert_eq!(odd, Err("panic without a message".to_owned()));
    }
}
