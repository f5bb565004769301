//! Code that fails in every way: what shows that a soak would find it.

use super::{Outcome, Seeds, Target, unmended};

pub(super) static TARGET: Target = Target {
    name: "broken",
    body,
    seeds,
    mend: unmended,
    words: &[],
    is_lines: false,
    mends_alone: false,
    bytes_max: 16,
};

fn body(bytes: &[u8]) -> Outcome {
    match bytes.first() {
        Some(b'p') => panic!("a broken assertion"),
        Some(b'a') => std::process::abort(),
        Some(b'm') => {
            let greedy = vec![1_u8; crate::trial::MEMORY_BYTES_MAX + 1];
            Outcome::accepted(format!("{}", greedy.len()))
        }
        Some(b't') => Outcome::accepted(format!("{}", long())),
        Some(b's') => Outcome::accepted(format!("{}", deep(1))),
        Some(_) | None => Outcome::accepted("sound"),
    }
}

/// Works for a tenth of a second of this thread's time.
fn long() -> u64 {
    let mut steps = 0_u64;
    let begun = crate::trial::worked();
    while crate::trial::worked().saturating_sub(begun).as_millis() < 100 {
        steps = std::hint::black_box(steps + 1);
    }
    steps
}

#[expect(unconditional_recursion, reason = "a stack that overflows is what is wanted")]
fn deep(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    std::hint::black_box(deep(depth + 1)) + frame.iter().sum::<u64>()
}

fn seeds() -> Seeds {
    let all = ["fine", "panics", "aborts", "memory", "stack"];
    all.into_iter().map(|name| (name, name.as_bytes().to_vec())).collect()
}
