//! Phone and laptop edit the same contact while neither hears of the other.

use super::{CONTACTS, Story, find, verify_field, wait_level};
use crate::demo::device::{Device, field};
use crate::demo::process::problem;
use crate::demo::sample;
use crate::demo::step::Figures;
use crate::exit::Trouble;
use heirloom_core::command::Failure;

/// What the phone writes into the field that both edit.
const PHONE_NOTE: &str = "Has our spare key (written on the phone)";

/// What the laptop writes there.
const LAPTOP_NOTE: &str = "Away in August (written on the laptop)";

/// What only the phone edits.
const ORGANIZATION: &str = "Nordlicht Repairs";

/// What only the laptop edits.
const BIRTHDAY: &str = "1984-02-29";

impl Story<'_> {
    /// Plays the offline edits and their meeting.
    pub(super) fn edit_offline(&mut self) -> Result<(), Trouble> {
        let Self { phone, laptop, keeper, teller, .. } = self;
        let text = "Phone and laptop went offline and edited the same contact: \
                    different fields, and the same field";
        let id = teller.step("offline-edits", text, |_| {
            phone.stop()?;
            laptop.stop()?;
            let id = find(phone, sample::SHARED_NAME)?;
            verify_field(&[phone, laptop, keeper], &id, "note", sample::SHARED_NOTE)?;
            edit(phone, &id, &format!("organization={ORGANIZATION}"))?;
            edit(phone, &id, &format!("note={PHONE_NOTE}"))?;
            edit(laptop, &id, &format!("birthday={BIRTHDAY}"))?;
            edit(laptop, &id, &format!("note={LAPTOP_NOTE}"))?;
            if keeper.record(CONTACTS, &id)? == phone.record(CONTACTS, &id)? {
                return Err(problem("an offline edit reached the keeper".to_owned()));
            }
            Ok((Figures::default().with("edits", 4), id))
        })?;
        let text = "Back online, all three agree: both fields survived, one note won \
                    everywhere, the other stays in `conflicts`";
        teller.step("merge", text, |progress| {
            phone.up(&[], &[keeper])?;
            laptop.up(&[], &[keeper, phone])?;
            let all = [&*phone, &*laptop, &*keeper];
            let holding = wait_level(&all, progress)?;
            verify_field(&all, &id, "organization", ORGANIZATION)?;
            verify_field(&all, &id, "birthday", BIRTHDAY)?;
            verify_notes(&all, &id)?;
            Ok((Figures::default().with("records", holding.records).with("devices", 3), ()))
        })
    }
}

fn edit(device: &Device, id: &str, assignment: &str) -> Result<(), Failure> {
    device.call(&[CONTACTS, "set", id, assignment])?.object().map(drop)
}

/// Checks that every device shows the same note and keeps the other.
fn verify_notes(devices: &[&Device], id: &str) -> Result<(), Failure> {
    let mut shown = Vec::new();
    for device in devices {
        let notes = field(&device.record(CONTACTS, id)?, "note");
        let [note] = notes.as_slice() else {
            return Err(problem(format!("the {} shows the notes {notes:?}", device.name)));
        };
        let kept = match note.as_str() {
            PHONE_NOTE => LAPTOP_NOTE,
            LAPTOP_NOTE => PHONE_NOTE,
            other => return Err(problem(format!("the {} shows {other:?}", device.name))),
        };
        verify_kept(device, id, kept)?;
        shown.push(note.clone());
    }
    shown.dedup();
    match shown.len() {
        1 => Ok(()),
        _ => Err(problem(format!("the devices show different notes: {shown:?}"))),
    }
}

/// Checks that a device lists the value that did not win.
fn verify_kept(device: &Device, id: &str, value: &str) -> Result<(), Failure> {
    let rows = device.call(&[CONTACTS, "conflicts"])?.lines()?;
    let is_listed = rows.iter().any(|row| {
        let losers = row["losers"].as_array();
        row["id"] == id
            && row["field"] == "note"
            && losers.into_iter().flatten().any(|loser| loser["value"] == value)
    });
    if is_listed {
        return Ok(());
    }
    let name = device.name;
    Err(problem(format!("`conflicts` on the {name} lacks {value:?}: {rows:?}")))
}
