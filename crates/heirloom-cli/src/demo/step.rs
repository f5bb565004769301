//! Telling the steps of the demo with their figures.

use super::process::Pulse;
use crate::exit::Trouble;
use crate::screen::Screen;
use heirloom_base::count;
use heirloom_core::command::Failure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// A step that takes longer shows a progress bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Pause between two drawings of the bar.
const TICK: Duration = Duration::from_millis(100);

/// What a step did, in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Figures {
    rows: Vec<(&'static str, u64)>,
}

impl Figures {
    /// Adds a figure.
    pub(super) fn with(mut self, name: &'static str, value: u64) -> Self {
        self.rows.push((name, value));
        self
    }

    /// Adds a figure, if it is known.
    pub(super) fn with_known(self, name: &'static str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Returns them in words.
    fn words(&self) -> String {
        let part = |(name, value): &(&str, u64)| {
            let several = name.replace('_', " ");
            let one = several.strip_suffix('s').filter(|one| !one.ends_with(" m"));
            count::of(*value, one.unwrap_or(&several), &several)
        };
        self.rows.iter().map(part).collect::<Vec<_>>().join(", ")
    }
}

/// Tells steps on the screen.
#[derive(Debug)]
pub(super) struct Teller<'a> {
    screen: &'a mut Screen,
    pulse: Pulse,
    told: usize,
}

impl<'a> Teller<'a> {
    pub(super) fn new(screen: &'a mut Screen, pulse: Pulse) -> Self {
        Self { screen, pulse, told: 0 }
    }

    /// Carries out one step and tells it with its figures and its time.
    pub(super) fn step<T>(
        &mut self,
        name: &str,
        text: &str,
        act: impl FnOnce(&Progress) -> Result<(Figures, T), Failure>,
    ) -> Result<T, Trouble> {
        let progress = Progress::new(text, self.screen.draws_progress(), self.pulse.clone());
        let begun = Instant::now();
        let result = act(&progress);
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        progress.bar.finish_and_clear();
        let (figures, value) = result?;
        self.told += 1;
        let mut line = Map::new();
        line.insert("step".to_owned(), json!(name));
        line.insert("text".to_owned(), json!(text));
        line.extend(figures.rows.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        line.insert("ms".to_owned(), json!(ms));
        self.screen.json(&Value::Object(line))?;
        self.screen.line(format_args!("{:>2}. {text}", self.told))?;
        let words = figures.words();
        let comma = if words.is_empty() { "" } else { ", " };
        self.screen.line(format_args!("      {words}{comma}{ms} ms"))?;
        Ok(value)
    }

    /// Tells that everything was as it should be.
    pub(super) fn end(&mut self, ms: u64) -> Result<(), Trouble> {
        let steps = self.told;
        let text = "Everything was verified";
        self.screen.json(&json!({"step": "verified", "text": text, "steps": steps, "ms": ms}))?;
        self.screen.line(format_args!("{text}: {steps} steps in {ms} ms."))
    }
}

/// How far a step is; drawn once it takes longer than a moment.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    pulse: Pulse,
    /// Dropped at the end of the step, which ends the wait for the moment too.
    _ended: Option<SyncSender<()>>,
}

impl Progress {
    fn new(text: &str, draws: bool, pulse: Pulse) -> Self {
        let style = ProgressStyle::with_template(
            "    {spinner} {msg}  {bar:24} {pos}/{len} records  {elapsed}",
        )
        .expect("the template is fixed and valid");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let bar = bar.with_style(style).with_message(text.to_owned());
        let ended = draws.then(|| show_later(bar.clone()));
        Self { bar, pulse, _ended: ended }
    }

    /// Waits a moment, after telling how much is done.
    pub(super) fn pause(&self, done: u64, total: u64) -> Result<(), Failure> {
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.pulse.pause()
    }
}

/// Shows the bar after a moment, unless the step has ended by then.
fn show_later(bar: ProgressBar) -> SyncSender<()> {
    let (ended, wait) = sync_channel(0);
    thread::spawn(move || {
        if wait.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) && !bar.is_finished() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
        }
    });
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_in_words() {
        let figures = Figures::default().with("records", 3).with_known("wire_bytes", None);
        assert_eq!(figures.words(), "3 records");
        assert_eq!(figures.with_known("wire_bytes", Some(9)).words(), "3 records, 9 wire bytes");
        let single = ["devices", "unchanged", "recover_ms"].into_iter();
        let single = single.fold(Figures::default(), |figures, name| figures.with(name, 1));
        assert_eq!(single.words(), "1 device, 1 unchanged, 1 recover ms");
    }
}
