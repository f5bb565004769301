//! Every disk operation of a story with packs fails, or is the last before a power cut.

use super::*;
use std::collections::BTreeMap;

/// What is known of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Here,
    Gone,
    /// What was asked for failed.
    Either,
}

#[derive(Debug, Clone)]
enum Step {
    Batch(std::ops::Range<u8>),
    Single(u8),
    Remove(Vec<u8>),
    Reopen,
}

/// Packs are begun, sealed, continued, thinned out, rewritten and given up.
fn story() -> Vec<Step> {
    vec![
        Step::Batch(0..3),
        Step::Batch(3..12),
        Step::Single(20),
        Step::Remove(vec![1, 20]),
        Step::Batch(30..32),
        Step::Reopen,
        Step::Remove(vec![0, 2, 3, 4, 5]),
        Step::Batch(1..2),
        Step::Batch(LONG_FROM - 1..LONG_FROM + 2),
        Step::Remove(vec![7, 8, 9, 10, 11, LONG_FROM]),
        Step::Batch(40..49),
    ]
}

struct Play {
    home: Home,
    known: BTreeMap<u8, Known>,
}

fn marks(step: &Step) -> Vec<u8> {
    match step {
        Step::Batch(marks) => marks.clone().collect(),
        Step::Single(mark) => vec![*mark],
        Step::Remove(marks) => marks.clone(),
        Step::Reopen => Vec::new(),
    }
}

fn carry_out(chunks: &Chunks, step: &Step) -> bool {
    match step {
        Step::Batch(marks) => write(chunks, &several(marks.clone())).is_ok(),
        Step::Single(mark) => chunks.write(chunk(*mark).0, &chunk(*mark).1).is_ok(),
        Step::Remove(marks) => {
            chunks.remove(&marks.iter().map(|mark| chunk(*mark).0).collect()).is_ok()
        }
        Step::Reopen => true,
    }
}

impl Play {
    /// Plays the story; where the disk fails for good it ends, else the step is done once more.
    fn new(fault: Option<(u64, Fault)>) -> Self {
        let home = Home::new();
        let mut play = Self { home, known: BTreeMap::new() };
        let mut chunks = play.home.open();
        if let Some((operation, fault)) = fault {
            play.home.disk.fail_at(play.home.disk.operations() + operation, fault);
        }
        for step in story() {
            if matches!(step, Step::Reopen) {
                drop(chunks);
                let mut opened = play.home.try_open();
                if opened.is_none() && !matches!(fault, Some((_, Fault::Lasting))) {
                    play.home.disk.repair();
                    opened = play.home.try_open();
                }
                let Some(opened) = opened else { return play };
                chunks = opened;
                continue;
            }
            let expected = if matches!(step, Step::Remove(_)) { Known::Gone } else { Known::Here };
            let done = carry_out(&chunks, &step);
            let mut known = if done { expected } else { Known::Either };
            if !done && !matches!(fault, Some((_, Fault::Lasting))) {
                play.home.disk.repair();
                assert!(carry_out(&chunks, &step), "{step:?} once more");
                known = expected;
            }
            play.known.extend(marks(&step).into_iter().map(|mark| (mark, known)));
            play.check(&chunks);
            if !done && known == Known::Either {
                break;
            }
        }
        play
    }

    fn check(&self, chunks: &Chunks) {
        for (mark, known) in &self.known {
            let (id, bytes) = chunk(*mark);
            match known {
                Known::Here => assert_eq!(chunks.read(id), Ok(bytes), "{mark}"),
                Known::Gone => assert!(!chunks.has(id), "{mark}"),
                Known::Either => assert!(!chunks.has(id) || chunks.read(id) == Ok(bytes), "{mark}"),
            }
        }
        let either = |id: &ChunkId| {
            self.known.iter().any(|(mark, known)| *known == Known::Either && chunk(*mark).0 == *id)
        };
        assert!(chunks.lost().iter().all(either), "what is known to be here is not lost");
        let known: BTreeSet<ChunkId> = self.known.keys().map(|mark| chunk(*mark).0).collect();
        assert!(chunks.list().iter().all(|id| known.contains(id)));
    }

    /// Cuts the power, or only ends the program, and looks at what the next ones find.
    fn end(&self, crash: Option<Crash>) {
        self.home.disk.repair();
        if let Some(crash) = crash {
            self.home.disk.crash(crash);
        }
        let chunks = self.home.open();
        self.check(&chunks);
        let found = chunks.list();
        drop(chunks);
        self.home.disk.crash(Crash::Dropped);
        let chunks = self.home.open();
        assert_eq!(chunks.list(), found, "what was shown is durable");
        self.check(&chunks);
        write(&chunks, &several(50..60)).unwrap();
        chunks.remove(&ids(&several(50..56))).unwrap();
        drop(chunks);
        self.home.disk.crash(Crash::Dropped);
        let chunks = self.home.open();
        assert!((56..60).all(|mark| chunks.read(chunk(mark).0) == Ok(chunk(mark).1)));
        assert!((50..56).all(|mark| !chunks.has(chunk(mark).0)));
        assert_eq!(chunks.list().len(), found.len() + 4);
        let kept = self.home.folder.path().join("quarantine");
        assert!(std::fs::read_dir(kept).unwrap().next().is_none(), "no crash damages a pack");
    }
}

/// Operations of the story where nothing fails.
fn operations() -> u64 {
    let home = Play::new(None).home;
    let all = home.disk.operations();
    all - { Home::new().opened_operations() }
}

fn every_operation(fault: Fault) {
    let total = operations();
    assert!(total > 60, "{total} operations");
    let crashes = [
        None,
        Some(Crash::Dropped),
        Some(Crash::Torn(1)),
        Some(Crash::Kept),
        Some(Crash::Torn(2)),
        Some(Crash::Torn(3)),
    ];
    // Where the disk goes on, the story goes on as well, and less is left to chance.
    let crashes = if fault == Fault::Lasting { &crashes[..] } else { &crashes[..3] };
    for operation in 0..total {
        for (turn, crash) in crashes.iter().enumerate() {
            let crash = match crash {
                Some(Crash::Torn(_)) => Some(Crash::Torn(operation * 8 + turn as u64)),
                other => *other,
            };
            Play::new(Some((operation, fault))).end(crash);
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_acknowledged() {
    every_operation(Fault::Lasting);
}

#[test]
fn one_failing_operation_loses_nothing_and_the_next_try_works() {
    every_operation(Fault::Once);
}

#[test]
fn one_operation_without_room_loses_nothing_and_the_next_try_works() {
    every_operation(Fault::FullOnce);
}

#[test]
fn a_disk_that_becomes_full_loses_nothing_and_the_next_try_works() {
    every_operation(Fault::Full);
}
