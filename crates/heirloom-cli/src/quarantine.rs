//! The commands on what was kept aside: `quarantine list|accept`.

use crate::access::Access;
use crate::arguments::QuarantineVerb;
use crate::exit::{self, Trouble};
use crate::records::short;
use crate::screen::Screen;
use heirloom_core::command::{Answer, Command, QuarantineRow};
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Rows that one request lists.
const PAGE: usize = 500;

/// Carries out `quarantine`.
pub(crate) async fn run<W: Write>(
    verb: &QuarantineVerb,
    home: &Path,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let mut access = Access::open(home).await?;
    if let QuarantineVerb::Accept { device } = verb {
        let answer = access.run(Command::Accept { device: device.clone() }).await?;
        let Answer::Member { device_id, entries } = answer else {
            return Err(exit::unexpected(&answer).into());
        };
        screen.json(&json!({"device_id": device_id, "entries": entries}))?;
        match entries {
            0 => screen.line(format_args!("Nothing of {device} was kept aside."))?,
            1 => screen.line(format_args!("1 more entry of {device} counts."))?,
            _ => screen.line(format_args!("{entries} more entries of {device} count."))?,
        }
        return screen.next("quarantine list");
    }
    let (mut after, mut count) = (None, 0);
    loop {
        let answer = access.run(Command::Quarantine { after, limit: PAGE }).await?;
        let Answer::Quarantine { rows, next } = answer else {
            return Err(exit::unexpected(&answer).into());
        };
        for row in &rows {
            screen.json(row)?;
            print(row, screen)?;
        }
        count += rows.len();
        let Some(next) = next else { break };
        after = Some(next);
    }
    if count == 0 {
        screen.line("Nothing was kept aside.")?;
    } else {
        screen.line("")?;
        screen.line("All of this stays in the log and counts in no record.")?;
    }
    screen.next("devices list")
}

fn print<W: Write>(row: &QuarantineRow, screen: &mut Screen<W>) -> Result<(), Trouble> {
    let QuarantineRow { device_id, device, reason, at, .. } = row;
    screen.line(format_args!("{at}  {device} ({}): {}", short(device_id), what(row)))?;
    screen.line(format_args!("  {reason}"))
}

/// Says what was kept aside.
fn what(row: &QuarantineRow) -> String {
    let entry = format!("entry {} of log {}", row.seq, short(&row.log));
    match (&row.record, &row.category, &row.title) {
        (None, ..) => entry,
        (Some(record), Some(category), title) => {
            let title = title.as_deref().unwrap_or_default();
            format!("{category} {} {title:?}, {entry}", short(record))
        }
        (Some(record), None, _) => format!("record {}, {entry}", short(record)),
    }
}
