//! Reading every stored chunk once after each start: one that decayed is found
//! while the others still hold it, and not on the day it is needed.

use heirloom_base::{ChunkId, Now};
use std::collections::VecDeque;

/// Pause between two chunks: they are up to 1 MiB long, and nothing waits for them.
const PAUSE_MS: u64 = 2_000;

/// The chunks that were not read yet since the start.
#[derive(Debug)]
pub(super) struct Scrub {
    rest: VecDeque<ChunkId>,
    due_ms: u64,
    /// Whether what the last one was like is still to be heard.
    is_reading: bool,
}

impl Scrub {
    /// Returns a pass over these chunks.
    pub(super) fn new(now: Now, chunks: Vec<ChunkId>) -> Self {
        Self { rest: chunks.into(), due_ms: now.mono_ms + PAUSE_MS, is_reading: false }
    }

    /// Returns when [`Scrub::due`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        (self.is_reading || !self.rest.is_empty()).then_some(self.due_ms)
    }

    /// Returns the chunk to read now.
    pub(super) fn due(&mut self, now: Now) -> Option<ChunkId> {
        if now.mono_ms < self.due_ms {
            return None;
        }
        self.due_ms = now.mono_ms + PAUSE_MS;
        let next = self.rest.pop_front();
        self.is_reading = next.is_some();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_read_once_with_a_pause_before_each() {
        let ids: Vec<ChunkId> = (0..3).map(|byte| ChunkId([byte; 32])).collect();
        let at = |mono_ms| Now { wall_ms: 0, mono_ms };
        let mut scrub = Scrub::new(at(0), ids.clone());
        let mut read = Vec::new();
        while let Some(due) = scrub.poll_timeout() {
            assert_eq!(scrub.due(at(due - 1)), None);
            read.extend(scrub.due(at(due)));
            assert_eq!(scrub.due(at(due)), None);
        }
        assert_eq!(read, ids);
    }
}
