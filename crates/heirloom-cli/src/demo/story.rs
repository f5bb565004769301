//! What happens in the demo's household, step by step.

mod conflict;
mod loss;

use super::device::{Device, Holding, field, text_of};
use super::process::{Pulse, problem};
use super::sample::{self, SampleFile};
use super::step::{Figures, Progress, Teller};
use crate::exit::{self, Trouble};
use heirloom_core::command::Failure;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The category whose records the demo edits; the other kinds only travel.
const CONTACTS: &str = "contacts";

/// Longest wait until two devices hold the same.
const LEVEL_MAX: Duration = Duration::from_secs(180);

/// Seconds that a write waits for other devices.
const WAIT_S: &str = "60";

/// The household and how it is told.
#[derive(Debug)]
pub(super) struct Story<'a> {
    program: PathBuf,
    scene: PathBuf,
    pulse: Pulse,
    teller: Teller<'a>,
    phone: Device,
    laptop: Device,
    keeper: Device,
    phrase: zeroize::Zeroizing<String>,
}

impl<'a> Story<'a> {
    /// Prepares three devices with empty hands.
    pub(super) fn new(program: PathBuf, scene: &Path, pulse: Pulse, teller: Teller<'a>) -> Self {
        let device = |name| Device::new(name, &program, scene, &pulse);
        Self {
            phone: device("phone"),
            laptop: device("laptop"),
            keeper: device("keeper"),
            program: program.clone(),
            scene: scene.to_owned(),
            pulse: pulse.clone(),
            teller,
            phrase: zeroize::Zeroizing::new(String::new()),
        }
    }

    /// Plays everything; every step verifies what it tells.
    pub(super) fn tell(mut self) -> Result<(), Trouble> {
        let begun = Instant::now();
        self.found()?;
        self.invite()?;
        let sample = self.write_sample()?;
        self.import(&sample)?;
        self.edit_live()?;
        self.edit_offline()?;
        self.lose_and_restore()?;
        self.teller.end(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The phone makes the account.
    fn found(&mut self) -> Result<(), Trouble> {
        let phone = &mut self.phone;
        let text = "The phone made an account and a recovery phrase of twelve words";
        let phrase = self.teller.step("account", text, |_| {
            let ready = phone.up(&["--yes", "--device", "phone"], &[])?;
            let phrase = text_of(&ready, "phrase")?.to_owned();
            match phrase.split(' ').count() {
                12 => Ok((Figures::default().with("devices", 1), phrase)),
                count => Err(problem(format!("the phrase has {count} words"))),
            }
        })?;
        self.phrase = zeroize::Zeroizing::new(phrase);
        Ok(())
    }

    /// Laptop and keeper join by invite.
    fn invite(&mut self) -> Result<(), Trouble> {
        let phone = &self.phone;
        let text = "The laptop joined by an invite of the phone";
        let laptop = &mut self.laptop;
        self.teller
            .step("join-laptop", text, |progress| join(phone, laptop, false, 2, progress))?;
        let text = "The keeper, which is always on, joined too";
        let keeper = &mut self.keeper;
        self.teller.step("join-keeper", text, |progress| join(phone, keeper, true, 3, progress))
    }

    /// Writes the sample out as files.
    fn write_sample(&mut self) -> Result<Vec<SampleFile>, Trouble> {
        let folder = self.scene.join("sample");
        let text = "Cards, calendars, notes and settings were written out as files";
        self.teller.step("sample", text, |_| {
            let files = sample::files();
            sample::write(&files, &folder)
                .map_err(|error| exit::system("cannot write the sample", &error))?;
            let bytes = files.iter().map(|file| file.bytes.len() as u64).sum();
            let figures = Figures::default()
                .with("files", files.len() as u64)
                .with("records", records_in(&files))
                .with("bytes", bytes);
            Ok((figures, files))
        })
    }

    /// The phone imports the sample; laptop and keeper get it.
    fn import(&mut self, sample: &[SampleFile]) -> Result<(), Trouble> {
        let folder = self.scene.join("sample").to_string_lossy().into_owned();
        let Self { phone, laptop, keeper, teller, .. } = self;
        let all = records_in(sample);
        let wire_before = keeper.wire_bytes();
        teller.step("import", "The phone imported them all", |_| {
            let report = phone.call(&["import", &folder])?.object()?;
            expect(&report, "accepted", all)?;
            Ok((Figures::default().with("records", all), ()))
        })?;
        let text = "Laptop and keeper hold the same records";
        teller.step("spread", text, |progress| {
            let holding = wait_level(&[phone, laptop, keeper], progress)?;
            if holding.records != all {
                return Err(problem(format!("{} of {all} records arrived", holding.records)));
            }
            let wire = spent(wire_before, keeper.wire_bytes());
            Ok((Figures::default().with("records", all).with_known("keeper_wire_bytes", wire), ()))
        })?;
        teller.step("import-again", "Importing the same files again changed nothing", |_| {
            let before = phone.holding()?;
            let report = phone.call(&["import", &folder])?.object()?;
            expect(&report, "unchanged", all)?;
            match phone.holding()? == before {
                true => Ok((Figures::default().with("unchanged", all), ())),
                false => Err(problem("the second import changed the digest".to_owned())),
            }
        })
    }

    /// Edits travel while all three are on.
    fn edit_live(&mut self) -> Result<(), Trouble> {
        let Self { phone, laptop, keeper, teller, .. } = self;
        let text = "The laptop added a number; phone and keeper confirmed that they stored it";
        teller.step("live-edit", text, |_| {
            let id = find(laptop, sample::SHARED_NAME)?;
            let number = "phone:work+=+46 8 555 99 00";
            let wait = ["--wait", "peer:2", "--timeout", WAIT_S];
            let edit: Vec<&str> = [CONTACTS, "set", &id, number].into_iter().chain(wait).collect();
            laptop.call(&edit)?.object()?;
            verify_field(&[phone, laptop, keeper], &id, "phone", "+46 8 555 99 00")?;
            Ok((Figures::default().with("records", 1).with("devices", 3), ()))
        })?;
        let text = "The phone made a contact; the keeper confirmed that it stored it";
        teller.step("live-add", text, |progress| {
            let wait = ["--wait", "keeper", "--timeout", WAIT_S];
            let add: Vec<&str> =
                [CONTACTS, "add", "name=Sam Newcomer"].into_iter().chain(wait).collect();
            let saved = phone.call(&add)?.object()?;
            let holding = wait_level(&[phone, laptop, keeper], progress)?;
            verify_field(&[laptop, keeper], text_of(&saved, "id")?, "name", "Sam Newcomer")?;
            Ok((Figures::default().with("records", holding.records), ()))
        })
    }
}

/// One device joins by an invite and is told of by the inviter.
fn join(
    inviter: &Device,
    device: &mut Device,
    keeper: bool,
    devices: usize,
    progress: &Progress,
) -> Result<(Figures, ()), Failure> {
    let role = if keeper { "keeper" } else { "member" };
    let invite = inviter.call(&["invite", "--role", role])?.object()?;
    let link = text_of(&invite, "link")?;
    let mut arguments = vec!["--join", link, "--device", device.name];
    if keeper {
        arguments.push("--keeper");
    }
    device.up(&arguments, &[])?;
    wait_level(&[inviter, device], progress)?;
    let rows = inviter.call(&["devices", "list"])?.lines()?;
    if rows.len() != devices {
        return Err(problem(format!("the account has {} devices, not {devices}", rows.len())));
    }
    Ok((Figures::default().with("devices", devices as u64), ()))
}

/// Waits until all devices hold the same.
fn wait_level(devices: &[&Device], progress: &Progress) -> Result<Holding, Failure> {
    let begun = Instant::now();
    loop {
        let holdings: Result<Vec<Holding>, Failure> =
            devices.iter().map(|device| device.holding()).collect();
        let holdings = holdings?;
        let Some((first, others)) = holdings.split_first() else {
            return Err(problem("nobody was asked".to_owned()));
        };
        if others.iter().all(|other| other == first) {
            return Ok(first.clone());
        }
        if begun.elapsed() > LEVEL_MAX {
            return Err(problem(format!("the devices did not become level: {holdings:?}")));
        }
        let least = holdings.iter().map(|holding| holding.records).min().unwrap_or(0);
        let most = holdings.iter().map(|holding| holding.records).max().unwrap_or(0);
        progress.pause(least, most)?;
    }
}

/// Returns the id of the one contact with a name.
fn find(device: &Device, name: &str) -> Result<String, Failure> {
    let rows = device.call(&[CONTACTS, "list", "--search", name])?.lines()?;
    let titled = rows.iter().filter(|row| row["title"] == name).collect::<Vec<&Value>>();
    match titled.as_slice() {
        [row] => Ok(text_of(row, "id")?.to_owned()),
        others => Err(problem(format!("{} contacts are called {name}", others.len()))),
    }
}

/// Checks that a contact's field has a value on every device.
fn verify_field(devices: &[&Device], id: &str, name: &str, value: &str) -> Result<(), Failure> {
    for device in devices {
        let texts = field(&device.record(CONTACTS, id)?, name);
        if !texts.iter().any(|text| text == value) {
            let device = device.name;
            return Err(problem(format!("{name} is {texts:?} on the {device}, not {value}")));
        }
    }
    Ok(())
}

/// Checks a count of a report that must have left nothing out.
fn expect(report: &Value, key: &str, count: u64) -> Result<(), Failure> {
    let nothing_skipped = report["skipped"].as_array().is_some_and(Vec::is_empty);
    if nothing_skipped && report[key].as_u64() == Some(count) {
        Ok(())
    } else {
        Err(problem(format!("expected {count} records as {key}, got {report}")))
    }
}

fn records_in(files: &[SampleFile]) -> u64 {
    files.iter().map(|file| file.records).sum()
}

/// Returns the difference of two counters, where both are known.
fn spent(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    after?.checked_sub(before?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_must_have_the_count_and_leave_nothing_out() {
        let good = json!({"accepted": 3, "skipped": []});
        assert!(expect(&good, "accepted", 3).is_ok());
        assert!(expect(&good, "accepted", 4).is_err());
        assert!(expect(&json!({"accepted": 3, "skipped": [{}]}), "accepted", 3).is_err());
        assert!(expect(&json!({}), "accepted", 0).is_err());
    }

    #[test]
    fn counters_are_compared_only_where_both_are_known() {
        assert_eq!(spent(Some(3), Some(10)), Some(7));
        assert_eq!(spent(None, Some(10)), None);
        assert_eq!(spent(Some(11), Some(10)), None);
    }
}
