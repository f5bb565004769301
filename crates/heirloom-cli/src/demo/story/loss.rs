//! The phone is lost, and a new one gets everything back from the phrase.

use super::{Story, spent, verify_field, wait_level};
use crate::demo::device::{Device, Holding, text_of};
use crate::demo::process::problem;
use crate::demo::step::Figures;
use crate::exit::{self, Trouble};
use heirloom_core::command::Failure;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

impl Story<'_> {
    /// Restores a new phone once from the laptop alone and once from the keeper alone.
    pub(super) fn lose_and_restore(&mut self) -> Result<(), Trouble> {
        let held = self.lose_phone()?;
        let first = Device::new("new-phone", &self.program, &self.scene, &self.pulse);
        let text = "A new phone restored everything from the laptop, the keeper being off";
        let Self { laptop, keeper, teller, phrase, .. } = self;
        teller.step("restore-from-laptop", text, |_| {
            keeper.stop()?;
            let mut first = first;
            let figures = restore(&mut first, laptop, phrase, &held)?;
            remove(&first)?;
            Ok((figures, ()))
        })?;
        let mut second = Device::new("newer-phone", &self.program, &self.scene, &self.pulse);
        let text = "Another new phone restored everything from the keeper, the laptop being off";
        teller.step("restore-from-keeper", text, |_| {
            laptop.stop()?;
            keeper.up(&[], &[])?;
            Ok((restore(&mut second, keeper, phrase, &held)?, ()))
        })?;
        let text = "The household goes on: an edit on the new phone reached laptop and keeper";
        teller.step("together-again", text, |progress| {
            laptop.up(&[], &[keeper])?;
            second.up(&[], &[keeper, laptop])?;
            let add = ["contacts", "add", "name=Written on the new phone"];
            let saved = second.call(&add)?.object()?;
            let all = [&second, &*laptop, &*keeper];
            let holding = wait_level(&all, progress)?;
            verify_field(&all, text_of(&saved, "id")?, "name", "Written on the new phone")?;
            Ok((Figures::default().with("records", holding.records).with("devices", 3), ()))
        })?;
        let text = "All nodes ended cleanly";
        teller.step("end", text, |_| {
            second.stop()?;
            laptop.stop()?;
            keeper.stop()?;
            Ok((Figures::default().with("nodes", 3), ()))
        })
    }

    /// The phone breaks without warning; returns what the household held.
    fn lose_phone(&mut self) -> Result<Held, Trouble> {
        let Self { phone, laptop, keeper, teller, scene, .. } = self;
        teller.step("lose-phone", "The phone broke, and its folder is gone", |progress| {
            let holding = wait_level(&[phone, laptop, keeper], progress)?;
            let files = phone.export(&scene.join("export-before"))?;
            phone.kill();
            remove(phone)?;
            let figures = Figures::default()
                .with("records", holding.records)
                .with("exported_files", files.len() as u64);
            Ok((figures, Held { holding, files }))
        })
    }
}

/// What the household held when the phone was lost.
#[derive(Debug)]
struct Held {
    holding: Holding,
    files: BTreeMap<String, Vec<u8>>,
}

fn remove(device: &Device) -> Result<(), Failure> {
    fs::remove_dir_all(&device.home)
        .map_err(|error| exit::system("cannot remove a folder of the demo", &error))
}

/// Restores a device from one peer and verifies that it holds everything: the
/// digest covers the records, the exported files cover their photos too.
fn restore(
    device: &mut Device,
    from: &Device,
    phrase: &str,
    held: &Held,
) -> Result<Figures, Failure> {
    let wire_before = from.wire_bytes();
    let begun = Instant::now();
    let answer = device.recover(phrase, from)?;
    let recover_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let wire = spent(wire_before, from.wire_bytes());
    let sources = answer["restored_from"].as_array();
    if !sources.into_iter().flatten().any(|id| id == from.id.as_str()) {
        return Err(problem(format!("it was not restored from the {}: {answer}", from.name)));
    }
    if answer["complete"] != Value::Bool(true) {
        return Err(problem(format!("the restored records are incomplete: {answer}")));
    }
    let holding = device.holding()?;
    if holding != held.holding {
        return Err(problem(format!("restored {holding:?}, but {:?} were held", held.holding)));
    }
    let folder = device.home.with_file_name(format!("export-{}", device.name));
    let files = device.export(&folder)?;
    if let Some(path) = first_difference(&held.files, &files) {
        return Err(problem(format!("the exported file {path} differs after the restore")));
    }
    Ok(Figures::default()
        .with("records", holding.records)
        .with("exported_files", files.len() as u64)
        .with_known("wire_bytes", wire)
        .with("recover_ms", recover_ms))
}

/// Returns the first path whose bytes are not the same on both sides.
fn first_difference<'a>(
    before: &'a BTreeMap<String, Vec<u8>>,
    after: &'a BTreeMap<String, Vec<u8>>,
) -> Option<&'a str> {
    let paths = before.keys().chain(after.keys());
    paths.map(String::as_str).find(|path| before.get(*path) != after.get(*path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(named: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        named.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_changed_a_missing_and_an_added_file_differ() {
        let before = files(&[("a", "1"), ("b", "2")]);
        assert_eq!(first_difference(&before, &before), None);
        assert_eq!(first_difference(&before, &files(&[("a", "1"), ("b", "3")])), Some("b"));
        assert_eq!(first_difference(&before, &files(&[("b", "2")])), Some("a"));
        let more = files(&[("a", "1"), ("b", "2"), ("c", "")]);
        assert_eq!(first_difference(&before, &more), Some("c"));
    }
}
