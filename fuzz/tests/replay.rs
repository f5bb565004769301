//! Every committed input, and some hundred mutated ones, in every run of the tests.

use heirloom_fuzz::target::TARGETS;
use heirloom_fuzz::{Source, Target, corpus, trial};

/// Mutated inputs of each target.
const INPUTS: u64 = 200;
const SEED: u64 = 2_026;

fn replay(target: &'static Target) -> usize {
    let mut accepted = 0;
    let mut inputs = corpus::read(target.name);
    for (name, bytes) in (target.seeds)() {
        // A seed is in the corpus as it was made once; today's may differ.
        if inputs.iter().all(|(_, known)| *known != bytes) {
            inputs.push((name.to_owned(), bytes));
        }
    }
    for (name, bytes) in inputs {
        let trial = trial::run(target, &bytes);
        let outcome = trial.result.unwrap_or_else(|why| panic!("{}/{name}: {why}", target.name));
        accepted += usize::from(outcome.is_accepted);
    }
    let source = Source::new(target, SEED);
    for number in 0..INPUTS {
        let trial = trial::run(target, &source.input(number));
        trial
            .result
            .unwrap_or_else(|why| panic!("{}: input {number} of seed {SEED}: {why}", target.name));
    }
    accepted
}

// One test, because the memory of the whole process is measured.
#[test]
fn every_committed_input_and_some_mutated_ones_do_no_harm() {
    for target in TARGETS {
        let accepted = replay(target);
        assert!(accepted > 0, "{}: no committed input is taken in", target.name);
    }
}

#[test]
fn every_target_has_a_corpus_that_stays_small() {
    let mut bytes = 0;
    for target in TARGETS {
        let files = corpus::read(target.name);
        assert!(files.len() >= 7, "{} has {} inputs", target.name, files.len());
        bytes += files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    }
    assert!(bytes < 2_000_000, "the corpora have {bytes} bytes");
    let folders = std::fs::read_dir(corpus::folder("")).unwrap();
    assert_eq!(folders.count(), TARGETS.len(), "every folder belongs to a target");
}

#[test]
fn one_seed_and_number_give_one_input() {
    for target in TARGETS {
        let (one, same, other) =
            (Source::new(target, 1), Source::new(target, 1), Source::new(target, 2));
        assert!((0..50).all(|number| one.input(number) == same.input(number)));
        assert!((0..50).any(|number| one.input(number) != other.input(number)));
    }
}
