//! The command on the recovery phrase: `recovery reset`.

use crate::access::Access;
use crate::arguments::ResetArguments;
use crate::exit::{self, Trouble};
use crate::founding::read_phrase;
use crate::screen::Screen;
use heirloom_core::command::{Answer, Command, Secret};
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// What brings back a device that was taken out.
pub(crate) const RESET: &str = "recovery reset";

/// Carries out `recovery reset`.
pub(crate) async fn reset<W: Write>(
    arguments: ResetArguments,
    home: &Path,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let mut access = Access::open(home).await?;
    let phrase = read_phrase(arguments.phrase_file.as_deref())?;
    let phrase = phrase.split_whitespace().collect::<Vec<_>>().join(" ");
    let command = Command::Reset { phrase: Secret::new(phrase), keep: arguments.keep };
    let answer = access.run(command).await?;
    let Answer::Member { device_id, .. } = answer else {
        return Err(exit::unexpected(&answer).into());
    };
    screen.json(&json!({"device_id": device_id}))?;
    screen.line("The account's devices were stated anew, and this one is an admin.")?;
    screen.line("The others hear of it when they meet a device that has.")?;
    screen.next("devices list")
}
