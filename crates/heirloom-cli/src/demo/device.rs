//! A device of the demo's household: a folder, and a node while it runs.

use super::process::{Output, Pulse, RunningNode, call, problem};
use crate::exit;
use crate::walk::Walk;
use heirloom_core::command::Failure;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// A device.
#[derive(Debug)]
pub(super) struct Device {
    /// Its name.
    pub(super) name: &'static str,
    /// Its data folder.
    pub(super) home: PathBuf,
    /// Its id, once it has one.
    pub(super) id: String,
    program: PathBuf,
    log: PathBuf,
    pulse: Pulse,
    node: Option<RunningNode>,
    addresses: Vec<String>,
}

impl Device {
    /// Makes a device without anything in its folder.
    pub(super) fn new(name: &'static str, program: &Path, scene: &Path, pulse: &Pulse) -> Self {
        Self {
            name,
            home: scene.join(name),
            id: String::new(),
            program: program.to_owned(),
            log: scene.join(format!("{name}.log")),
            pulse: pulse.clone(),
            node: None,
            addresses: Vec::new(),
        }
    }

    /// Starts the node on a free port of this machine; returns its first event.
    pub(super) fn up(&mut self, more: &[&str], peers: &[&Device]) -> Result<Value, Failure> {
        let fixed = ["up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];
        let mut arguments: Vec<OsString> = fixed.iter().chain(more).map(OsString::from).collect();
        for address in peers.iter().flat_map(|peer| &peer.addresses) {
            arguments.extend(["--peer".into(), address.into()]);
        }
        let (node, ready) =
            RunningNode::start(&self.program, &self.home, &arguments, &self.log, &self.pulse)?;
        self.node = Some(node);
        text_of(&ready, "device_id")?.clone_into(&mut self.id);
        let addresses = ready["addresses"].as_array();
        self.addresses = addresses
            .into_iter()
            .flatten()
            .filter_map(|address| address.as_str().map(str::to_owned))
            .collect();
        if self.addresses.is_empty() {
            return Err(problem(format!("the node of {} listens nowhere", self.name)));
        }
        Ok(ready)
    }

    /// Stops the node.
    pub(super) fn stop(&mut self) -> Result<(), Failure> {
        self.node.take().map_or(Ok(()), |node| node.stop(&self.pulse))
    }

    /// Ends the node without warning, as a broken device does.
    pub(super) fn kill(&mut self) {
        drop(self.node.take());
    }

    /// Gives one command.
    pub(super) fn call<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Output, Failure> {
        call(&self.program, &self.home, arguments, None, &self.pulse)
    }

    /// Restores the account in this device's folder from one peer.
    pub(super) fn recover(&mut self, phrase: &str, from: &Device) -> Result<Value, Failure> {
        let mut arguments = vec!["recover", "--no-mdns", "--device", self.name];
        for address in &from.addresses {
            arguments.extend(["--peer", address]);
        }
        let output = call(&self.program, &self.home, &arguments, Some(phrase), &self.pulse)?;
        output.object()
    }

    /// Returns what the device holds.
    pub(super) fn holding(&self) -> Result<Holding, Failure> {
        let answer = self.call(&["digest"])?.object()?;
        let records = answer["records"].as_object();
        Ok(Holding {
            digest: text_of(&answer, "digest")?.to_owned(),
            records: records.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum(),
        })
    }

    /// Exports everything; returns the files' bytes by their paths.
    pub(super) fn export(&self, folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        self.call(&[OsStr::new("export"), folder.as_os_str()])?.object()?;
        let mut files = BTreeMap::new();
        for found in Walk::over(&[folder.to_owned()]).found {
            let bytes = fs::read(&found.path)
                .map_err(|error| exit::system("cannot read an exported file", &error))?;
            files.insert(found.name, bytes);
        }
        Ok(files)
    }

    /// Returns one record.
    pub(super) fn record(&self, category: &str, id: &str) -> Result<Value, Failure> {
        self.call(&[category, "show", id])?.object()
    }

    /// Returns the bytes that its node has sent and received since it started,
    /// where the status tells them.
    pub(super) fn wire_bytes(&self) -> Option<u64> {
        let status = self.call(&["status"]).ok()?.object().ok()?;
        let network = status.get("network")?;
        Some(network.get("sent_bytes")?.as_u64()? + network.get("received_bytes")?.as_u64()?)
    }
}

/// What a device holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holding {
    /// Hash over every live record.
    pub(super) digest: String,
    /// Live records.
    pub(super) records: u64,
}

/// Returns a text in an answer.
pub(super) fn text_of<'a>(answer: &'a Value, key: &str) -> Result<&'a str, Failure> {
    answer[key].as_str().ok_or_else(|| problem(format!("an answer lacks `{key}`: {answer}")))
}

/// Returns the texts of a record's field, whether it is repeatable or not.
pub(super) fn field(record: &Value, name: &str) -> Vec<String> {
    let text = |value: &Value| value.get("value").unwrap_or(value).as_str().map(str::to_owned);
    let value = &record["fields"][name];
    match value.as_array() {
        Some(items) => items.iter().filter_map(text).collect(),
        None => text(value).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_is_read_in_both_of_its_forms() {
        let record = json!({"fields": {
            "birthday": "1984-02-29",
            "phone": [{"value": "1", "type": "cell"}, {"value": "2", "type": null}],
        }});
        assert_eq!(field(&record, "birthday"), ["1984-02-29"]);
        assert_eq!(field(&record, "phone"), ["1", "2"]);
        assert!(field(&record, "note").is_empty());
    }

    #[test]
    fn a_missing_text_is_told_with_the_answer() {
        let failure = text_of(&json!({"a": 1}), "id").unwrap_err();
        assert!(failure.text.contains("{\"a\":1}"), "{failure}");
    }
}
