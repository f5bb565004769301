//! Prints what changes in the household: which record, which field, from what
//! to what, and on whose device.
//!
//! ```console
//! $ watcher
//! contacts: Ann Li, by laptop
//!   phone: nothing -> +49 30 1234567
//! ```
//!
//! One connection carries the events; questions about them go over a second
//! one. It ends when the node stops.

use heirloom_api::command::{Author, Event, HistoryRow};
use heirloom_api::{CATEGORIES, CategorySpec, Client, home};
use heirloom_base::escape;
use heirloom_base::time::rfc3339;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::process::ExitCode;
use std::time::SystemTime;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let home = home::usual().ok_or("name a data folder with HEIRLOOM_HOME")?;
    let node = Client::open(&home).await?;
    let begun = rfc3339(u64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis())?);
    let mut watcher = Watcher { node, begun, names: BTreeMap::new(), known: BTreeMap::new() };
    let mut events = Client::open(&home).await?.watch().await?;
    println!("watching {}", home.display());
    while let Some(event) = events.next().await? {
        match event {
            Event::RecordsChanged { category, ids, by, at, .. } => {
                watcher.changed(&category, &ids, by.as_deref(), at.as_deref()).await?;
            }
            Event::DeviceJoined { device_id, .. } => {
                println!("{} joined", watcher.name_of(&device_id).await?);
            }
            Event::PeerUp { device_id, .. } => {
                println!("{} is here", watcher.name_of(&device_id).await?);
            }
            Event::PeerDown { device_id, .. } => {
                println!("{} is gone", watcher.name_of(&device_id).await?);
            }
            Event::Warning { text, .. } => println!("warning: {}", escape::line(&text)),
            Event::Progress { .. } => {}
        }
    }
    println!("the node has stopped");
    Ok(())
}

struct Watcher {
    node: Client,
    /// When the watching began, in the form that the times of changes have.
    begun: String,
    /// Names of devices by id.
    names: BTreeMap<String, String>,
    /// The changes of each record that are known already. A count would not do: a
    /// change that was made apart comes in before later ones, by its time.
    known: BTreeMap<String, BTreeSet<String>>,
}

impl Watcher {
    async fn changed(
        &mut self,
        category: &str,
        ids: &[String],
        by: Option<&str>,
        at: Option<&str>,
    ) -> Result<(), Box<dyn Error>> {
        // A node of a later version may have categories that this program does not know.
        let Some(category) = CATEGORIES.iter().find(|known| known.id == category) else {
            println!("{category}: {} changed", ids.len());
            return Ok(());
        };
        for id in ids {
            self.record_changed(category, id, by, at).await?;
        }
        Ok(())
    }

    /// Prints the changes of a record that were not known yet. Of a record that is
    /// met for the first time these are all since the watching began and, because
    /// what was made apart is older, those of the device that the event names from
    /// the one on that the event tells of.
    async fn record_changed(
        &mut self,
        category: &CategorySpec,
        id: &str,
        by: Option<&str>,
        at: Option<&str>,
    ) -> Result<(), Box<dyn Error>> {
        let title = self.node.show(category, id).await?.title;
        let history = self.node.history(category, id).await?;
        let all = history.iter().map(|change| change.change.clone()).collect();
        let known = self.known.insert(id.to_owned(), all);
        let is_theirs = |author: &Author| by.is_none_or(|by| author.by == by);
        // The event's time is that of the end of what it tells of.
        let is_told =
            |author: &&Author| is_theirs(author) && at.is_none_or(|at| author.at.as_str() <= at);
        let told = history.iter().map(|change| &change.author).rfind(is_told);
        let is_new = |author: &Author| {
            author.at >= self.begun
                || (is_theirs(author) && told.is_some_and(|told| author.at >= told.at))
        };
        let news = history.iter().filter(|change| match &known {
            Some(known) => !known.contains(&change.change),
            None => is_new(&change.author),
        });
        for change in news {
            let name = escape::line(&change.author.by_name);
            let by = match change.kind.as_str() {
                "created" => "new".to_owned(),
                "deleted" => format!("deleted by {name}"),
                "restored" => format!("restored by {name}"),
                _ => format!("by {name}"),
            };
            println!("{}: {}, {by}", category.id, escape::line(&title));
            print_edits(category, change);
        }
        Ok(())
    }

    /// Returns what the household calls a device.
    async fn name_of(&mut self, device: &str) -> Result<String, Box<dyn Error>> {
        if !self.names.contains_key(device) {
            let rows = self.node.devices().await?;
            self.names.extend(rows.into_iter().map(|row| (row.id, row.name)));
        }
        let name = self.names.get(device).map_or(device, String::as_str);
        Ok(escape::line(name).into_owned())
    }
}

/// Prints what changed in the fields that people know; a card has more lines.
fn print_edits(category: &CategorySpec, change: &HistoryRow) {
    let shown = |value: &Option<Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "nothing".to_owned(),
    };
    for edit in &change.edits {
        if category.open_fields || category.field(&edit.field).is_some() {
            let line = format!("{}: {} -> {}", edit.field, shown(&edit.before), shown(&edit.after));
            // What others wrote must not steer the terminal.
            println!("  {}", escape::line(&line));
        }
    }
}
