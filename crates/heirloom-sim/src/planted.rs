//! How many stories it takes to find a bug that was planted.

use crate::{exile, scenario};
use heirloom_base::planted::{Bug, plant};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What finding a bug took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The bug.
    pub bug: Bug,
    /// Stories until the first that broke a promise; `None` where none did.
    pub stories: Option<u64>,
    /// What broke.
    pub text: String,
}

/// Plays stories of both kinds, beginning with a seed, until the planted bug
/// breaks a promise.
#[must_use]
pub fn find(bug: Bug, from: u64, stories_max: u64) -> Finding {
    for number in 0..stories_max {
        let seed = from + number / 2;
        plant(Some(bug));
        let played = catch_unwind(AssertUnwindSafe(|| match number % 2 {
            0 => drop(exile::play(seed)),
            _ => drop(scenario::play(seed)),
        }));
        plant(None);
        if let Err(error) = played {
            let text = error.downcast_ref::<String>().cloned();
            let text = text.or_else(|| error.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            return Finding { bug, stories: Some(number + 1), text: text.unwrap_or_default() };
        }
    }
    Finding { bug, stories: None, text: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_bugs_are_found_and_hold_for_their_stories_only() {
        for bug in [Bug::AnsweredEarly, Bug::OldEpoch] {
            let finding = find(bug, 0, 20);
            assert!(finding.stories.is_some(), "{finding:?}");
            assert!(!heirloom_base::planted::is_planted(bug));
        }
    }
}
