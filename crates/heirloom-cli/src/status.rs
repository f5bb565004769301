//! One screen about the account.

use crate::access::Access;
use crate::exit::{self, Trouble};
use crate::mesh::{device_line, widths};
use crate::records::short;
use crate::recovery::RESET;
use crate::screen::{Form, Screen};
use heirloom_core::command::{Answer, CategoryRow, Command, StatusReport};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

/// Pause between two looks of `--watch`.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Clears a terminal and goes to its first line.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Carries out `status`.
pub(crate) async fn show<W: Write>(home: &Path, screen: &mut Screen<W>) -> Result<(), Trouble> {
    let report = ask(home).await?;
    print(&report, screen)
}

/// Carries out `status --watch`: prints the screen whenever it changed.
pub(crate) async fn watch(home: &Path, screen: &mut Screen) -> Result<(), Trouble> {
    let mut shown: Option<StatusReport> = None;
    loop {
        let report = ask(home).await?;
        if shown.as_ref() != Some(&report) {
            if screen.form() == Form::Human && io::stdout().is_terminal() {
                screen.raw(CLEAR)?;
            }
            print(&report, screen)?;
            shown = Some(report);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

async fn ask(home: &Path) -> Result<StatusReport, Trouble> {
    let answer = Access::open(home).await?.run(Command::Status).await?;
    let Answer::Status(report) = answer else {
        return Err(exit::unexpected(&answer).into());
    };
    Ok(report)
}

fn print<W: Write>(report: &StatusReport, screen: &mut Screen<W>) -> Result<(), Trouble> {
    screen.json(report)?;
    let running = if report.running { "its node runs" } else { "its node does not run" };
    let this = report.devices.iter().find(|row| row.this);
    let name = this.map_or_else(|| short(&report.device_id).to_owned(), |row| row.name.clone());
    screen.line(format_args!("Account {} on {name}; {running}.", short(&report.account_id)))?;
    screen.line("")?;
    screen.line("Devices")?;
    let widths = widths(&report.devices);
    for row in &report.devices {
        screen.line(format_args!("  {}", device_line(row, widths)))?;
    }
    if !report.categories.is_empty() {
        screen.line("Records")?;
    }
    let width = report.categories.iter().map(|row| row.name.len()).max().unwrap_or(0);
    for row in &report.categories {
        let copies = copies(row, report.devices.len());
        let line = format!("  {:width$}  {:>6}  {copies}", row.name, row.records);
        screen.line(line.trim_end())?;
    }
    // That a device is away, its own line says.
    for stall in report.stalls.iter().filter(|stall| stall.cause != "offline") {
        screen.line(format_args!("Waiting: {}", stall.text))?;
    }
    for problem in &report.problems {
        screen.line(format_args!("Problem: {} {}", problem.text, problem.fix))?;
    }
    screen.line("")?;
    screen.next(&next(report))
}

/// Says in words how safe a category is: what is not, before what is.
fn copies(row: &CategoryRow, devices: usize) -> String {
    if row.records == 0 {
        return String::new();
    }
    if devices < 2 {
        return "only on this device".to_owned();
    }
    let mut parts = Vec::new();
    if row.pending > 0 {
        parts.push(format!("{} only on this device", row.pending));
    }
    if row.safe < row.records {
        parts.push(format!("{} safe", row.safe));
    } else {
        parts.push("all safe".to_owned());
    }
    if row.keeper > 0 {
        parts.push(format!("{} on a keeper", row.keeper));
    }
    parts.join(", ")
}

/// Returns the command that helps most now.
fn next(report: &StatusReport) -> String {
    let records: u64 = report.categories.iter().map(|row| row.records).sum();
    let is_blind = report.devices.iter().any(|row| row.this && row.role == "blind-keeper");
    let has_keeper = report.devices.iter().any(|row| row.role.contains("keeper"));
    let waiting = report.at_risk.values().any(|count| *count > 0)
        || report.devices.iter().any(|row| row.behind_entries > 0);
    let text = if report.devices.iter().any(|row| row.this && row.revoked) {
        RESET
    } else if !report.running {
        "up"
    } else if report.devices.len() < 2 {
        "invite"
    } else if waiting {
        "sync"
    } else if !has_keeper {
        "invite --role keeper"
    } else if is_blind {
        "status --watch"
    } else if records == 0 {
        "import PATH"
    } else {
        "export DIR"
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_core::command::DeviceRow;
    use std::collections::BTreeMap;

    fn device(name: &str, role: &str) -> DeviceRow {
        DeviceRow {
            id: "ab".repeat(32),
            name: name.to_owned(),
            role: role.to_owned(),
            this: name == "phone",
            online: true,
            relayed: false,
            last_seen: None,
            revoked: false,
            behind_entries: 0,
            offences: 0,
        }
    }

    fn category(records: u64, safe: u64, pending: u64) -> CategoryRow {
        CategoryRow {
            name: "notes".to_owned(),
            records,
            local: records,
            peer: records - pending,
            keeper: 0,
            safe,
            pending,
            newest_at: None,
        }
    }

    fn report() -> StatusReport {
        StatusReport {
            account_id: "cd".repeat(32),
            device_id: "ab".repeat(32),
            running: true,
            devices: vec![device("phone", "member"), device("box", "keeper")],
            categories: vec![category(4, 4, 0)],
            at_risk: BTreeMap::new(),
            quarantined: 0,
            network: None,
            stalls: Vec::new(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn the_next_command_is_the_one_that_helps_most() {
        let mut now = report();
        assert_eq!(next(&now), "export DIR");
        now.categories.clear();
        assert_eq!(next(&now), "import PATH");
        now.devices[0].role = "blind-keeper".to_owned();
        assert_eq!(next(&now), "status --watch", "a blind keeper imports nothing");
        now.devices[0].role = "member".to_owned();
        now.devices[1].role = "member".to_owned();
        assert_eq!(next(&now), "invite --role keeper");
        now.at_risk.insert("notes".to_owned(), 1);
        assert_eq!(next(&now), "sync");
        now.devices.pop();
        assert_eq!(next(&now), "invite");
        now.running = false;
        assert_eq!(next(&now), "up");
        now.devices[0].revoked = true;
        assert_eq!(next(&now), "recovery reset", "a node that is out meets nobody");
    }

    #[test]
    fn nothing_is_called_safe_before_it_is() {
        assert_eq!(copies(&category(4, 4, 0), 2), "all safe");
        assert_eq!(copies(&category(4, 1, 2), 3), "2 only on this device, 1 safe");
        assert_eq!(copies(&category(4, 4, 0), 1), "only on this device");
        assert_eq!(copies(&category(0, 0, 0), 1), "");
    }
}
