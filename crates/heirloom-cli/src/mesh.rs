//! The commands on devices and what they hold: `invite`, `devices`, `sync`, `digest`.

use crate::access::Access;
use crate::arguments::{DevicesVerb, InviteArguments, SyncArguments};
use crate::exit::{self, Exit, Trouble};
use crate::founding::counted;
use crate::records::short;
use crate::recovery::RESET;
use crate::screen::{self, Form, Screen};
use heirloom_api::Client;
use heirloom_base::count;
use heirloom_core::command::{Answer, BehindRow, Command, DeviceRow, Failure};
use serde_json::json;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

/// Carries out `invite`.
pub(crate) async fn invite<W: Write>(
    arguments: &InviteArguments,
    home: &Path,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let mut client = Access::running(home, Exit::Failed).await?;
    let role = arguments.role.name().to_owned();
    let command = Command::Invite { role, ttl_ms: arguments.ttl.map(|ttl| ttl.ms()) };
    let answer = client.request(command).await.map_err(Failure::from)?;
    let Answer::Invite { link, words, expires_in_s } = answer else {
        return Err(exit::unexpected(&answer).into());
    };
    screen.json(&json!({"link": link, "words": words, "expires_in_s": expires_in_s}))?;
    let seconds = count::of(expires_in_s, "second", "seconds");
    screen.line(format_args!("For {seconds}, one device can join with"))?;
    screen.line("")?;
    screen.line(format_args!("  {link}"))?;
    screen.line("")?;
    screen.line(format_args!("or, in the same network, with the words"))?;
    screen.line("")?;
    screen.line(format_args!("  {words}"))?;
    screen.line("")?;
    let flags = match arguments.role.name() {
        "keeper" => "--keeper ",
        "blind-keeper" => "--keeper --blind ",
        _ => "",
    };
    screen.line(format_args!("Next, on the new device: heirloom up {flags}--join CODE"))
}

/// Carries out `devices`.
pub(crate) async fn devices<W: Write>(
    verb: DevicesVerb,
    home: &Path,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let mut access = Access::open(home).await?;
    match verb {
        DevicesVerb::List => {
            let answer = access.run(Command::Devices).await?;
            let Answer::Devices { mut rows } = answer else {
                return Err(exit::unexpected(&answer).into());
            };
            rows.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
            for row in &rows {
                screen.json(row)?;
                screen.line(device_line(row, widths(&rows)))?;
            }
            screen.next(match rows.as_slice() {
                rows if rows.iter().any(|row| row.this && row.revoked) => RESET,
                [_, _, ..] => "devices rename DEVICE NAME",
                [] | [_] => "invite",
            })
        }
        DevicesVerb::Rename { device, name } => {
            let command = Command::Rename { device: device.clone(), name: name.clone() };
            let answer = access.run(command).await?;
            if answer != Answer::Done {
                return Err(exit::unexpected(&answer).into());
            }
            screen.json(&json!({"device": device, "name": name}))?;
            screen.line(format_args!("{device} is called {name} now."))?;
            screen.next("devices list")
        }
        DevicesVerb::Revoke { device, yes } => {
            if !yes && screen.can_ask() && !agrees(&device)? {
                return screen.line("Nothing was changed.");
            }
            let answer = access.run(Command::Revoke { device: device.clone() }).await?;
            let Answer::Member { device_id, entries } = answer else {
                return Err(exit::unexpected(&answer).into());
            };
            screen.json(&json!({"device_id": device_id, "entries": entries}))?;
            screen.line(format_args!(
                "{device} ({}) is out: it gets nothing new, and nothing that it writes counts.",
                short(&device_id)
            ))?;
            let entries = count::of(entries, "entry", "entries");
            screen.line(format_args!("What is here of it stays: {entries}."))?;
            screen.next("devices list")
        }
    }
}

/// Asks whether a device is really to be taken out.
fn agrees(device: &str) -> Result<bool, Trouble> {
    screen::remark(question(device));
    let mut answer = String::new();
    io::stdin().lock().take(64).read_line(&mut answer).map_err(Trouble::Output)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn question(device: &str) -> String {
    format!(
        "{device} gets nothing new from now on. It comes back only as a new device, or with the \
         recovery phrase by `heirloom recovery reset --keep {}`. Take it out? [y/N]",
        screen::quoted(device)
    )
}

/// Returns the columns that the longest name and the longest role take.
pub(crate) fn widths(rows: &[DeviceRow]) -> (usize, usize) {
    let longest = |text: fn(&DeviceRow) -> &String| {
        rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0)
    };
    (longest(|row| &row.name), longest(|row| &row.role))
}

/// Returns a device in words.
pub(crate) fn device_line(row: &DeviceRow, (names, roles): (usize, usize)) -> String {
    let presence = match (row.this, row.revoked, row.online, &row.last_seen) {
        (true, true, ..) => "this device, revoked".to_owned(),
        (true, ..) => "this device".to_owned(),
        (_, true, ..) => "revoked".to_owned(),
        (_, _, true, _) if row.relayed => "connected through a keeper".to_owned(),
        (_, _, true, _) => "connected".to_owned(),
        (_, _, _, Some(time)) => format!("last seen {time}"),
        (_, _, _, None) => "not seen yet".to_owned(),
    };
    let behind = match row.behind_entries {
        0 => String::new(),
        entries => format!(", lacks {entries} of our changes"),
    };
    let offences = match row.offences {
        0 => String::new(),
        1 => ", broke the rules once".to_owned(),
        times => format!(", broke the rules {times} times"),
    };
    let (name, id, role) = (&row.name, short(&row.id), &row.role);
    format!("{name:names$}  {id}  {role:roles$}  {presence}{behind}{offences}")
}

/// Carries out `sync`.
pub(crate) async fn sync<W: Write>(
    arguments: &SyncArguments,
    home: &Path,
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let mut client = Access::running(home, Exit::Unreachable).await?;
    let command = Command::Sync { timeout_ms: arguments.timeout.ms() };
    let answer = client.request(command).await.map_err(Failure::from)?;
    let Answer::Synced { level, behind } = answer else {
        return Err(exit::unexpected(&answer).into());
    };
    screen.json(&json!({"level": level, "behind": behind}))?;
    let rows = match screen.form() {
        Form::Human => known_devices(&mut client).await?,
        Form::Json => Vec::new(),
    };
    for device in &level {
        screen.line(format_args!("{} is level with this device.", called(&rows, device)))?;
    }
    for BehindRow { device_id, entries, bytes } in &behind {
        let device = called(&rows, device_id);
        let entries = count::of(*entries, "entry", "entries");
        let bytes = count::of(*bytes, "byte", "bytes");
        screen.line(format_args!("{device} is behind: {entries}, {bytes}."))?;
    }
    if screen.form() == Form::Human && !behind.is_empty() {
        tell_stalls(&mut client, &behind, screen).await?;
    }
    match sync_failure(&level, &behind) {
        Some(failure) => Err(failure.into()),
        None => screen.next("status"),
    }
}

/// Says why devices are behind, where that is known.
async fn tell_stalls<W: Write>(
    client: &mut Client,
    behind: &[BehindRow],
    screen: &mut Screen<W>,
) -> Result<(), Trouble> {
    let Answer::Status(status) = client.request(Command::Status).await.map_err(Failure::from)?
    else {
        return Ok(());
    };
    let is_behind = |device: &str| behind.iter().any(|row| row.device_id == device);
    for stall in &status.stalls {
        if stall.device_id.as_deref().is_some_and(is_behind) {
            screen.line(&stall.text)?;
        }
    }
    Ok(())
}

async fn known_devices(client: &mut Client) -> Result<Vec<DeviceRow>, Trouble> {
    let answer = client.request(Command::Devices).await.map_err(Failure::from)?;
    let Answer::Devices { rows } = answer else {
        return Err(exit::unexpected(&answer).into());
    };
    Ok(rows)
}

/// Returns what a device is called.
fn called<'a>(rows: &'a [DeviceRow], device_id: &'a str) -> &'a str {
    let row = rows.iter().find(|row| row.id == device_id);
    row.map_or_else(|| short(device_id), |row| &row.name)
}

/// Returns what `sync` fails with, where it does.
fn sync_failure(level: &[String], behind: &[BehindRow]) -> Option<Failure> {
    if !behind.is_empty() {
        let are = count::word(behind.len() as u64, "is", "are");
        let text = format!("{} of the reachable devices {are} not level yet", behind.len());
        let fix = "It goes on by itself; ask for more time with --timeout S";
        return Some(exit::failure(Exit::NotYet, "not-level", text, fix));
    }
    level.is_empty().then(|| {
        exit::failure(
            Exit::Unreachable,
            "no-peer",
            "no other device of the account was reachable",
            "Start one with `heirloom up`, or invite one with `heirloom invite`",
        )
    })
}

/// Carries out `digest`.
pub(crate) async fn digest<W: Write>(home: &Path, screen: &mut Screen<W>) -> Result<(), Trouble> {
    let answer = Access::open(home).await?.run(Command::Digest).await?;
    let Answer::Digest { digest, records } = answer else {
        return Err(exit::unexpected(&answer).into());
    };
    screen.json(&json!({"digest": digest, "records": records}))?;
    screen.line(&digest)?;
    screen.line(format_args!("over {}", counted(&records)))?;
    screen.line("Two devices with the same digest hold the same records.")?;
    screen.next("sync")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind() -> BehindRow {
        BehindRow { device_id: "ab".to_owned(), entries: 3, bytes: 900 }
    }

    #[test]
    fn sync_tells_level_behind_and_unreachable_apart() {
        assert_eq!(sync_failure(&["ab".to_owned()], &[]), None);
        let failure = sync_failure(&["ab".to_owned()], &[behind()]).unwrap();
        assert_eq!(failure.exit, 75);
        assert_eq!(failure.text, "1 of the reachable devices is not level yet");
        assert_eq!(sync_failure(&[], &[behind()]).unwrap().exit, 75);
        assert_eq!(sync_failure(&[], &[]).unwrap().exit, 69);
    }

    #[test]
    fn whoever_takes_a_device_out_hears_how_it_comes_back() {
        let asked = question("old phone");
        assert!(asked.contains("`heirloom recovery reset --keep 'old phone'`"), "{asked}");
    }

    #[test]
    fn a_device_is_told_in_words() {
        let mut row = DeviceRow {
            id: "0123456789abcdef".to_owned(),
            name: "phone".to_owned(),
            role: "member".to_owned(),
            this: false,
            online: false,
            relayed: false,
            last_seen: None,
            revoked: false,
            behind_entries: 2,
            offences: 0,
        };
        assert_eq!(
            device_line(&row, (6, 6)),
            "phone   01234567  member  not seen yet, lacks 2 of our changes"
        );
        row.online = true;
        row.behind_entries = 0;
        assert!(device_line(&row, (5, 6)).ends_with("connected"));
        row.offences = 1;
        assert!(device_line(&row, (5, 6)).ends_with("connected, broke the rules once"));
        row.offences = 7;
        assert!(device_line(&row, (5, 6)).ends_with("connected, broke the rules 7 times"));
        row.offences = 0;
        row.relayed = true;
        assert!(device_line(&row, (5, 6)).ends_with("connected through a keeper"));
        row.this = true;
        assert!(device_line(&row, (5, 6)).ends_with("this device"));
        row.revoked = true;
        assert!(device_line(&row, (5, 6)).ends_with("member  this device, revoked"));
    }
}
