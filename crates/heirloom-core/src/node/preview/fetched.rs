//! The chunks of packs that come, and that a disk loses before they are shown.

use crate::node::Node;
use heirloom_base::{ChunkId, Now};
use std::collections::BTreeSet;

impl Node {
    /// Notes chunks that have arrived.
    pub(in crate::node) fn preview_fetched(&mut self, now: Now, chunks: &[ChunkId]) {
        if let Some(preview) = &mut self.preview {
            let before = preview.lacks.len();
            preview.lacks.retain(|chunk| !chunks.contains(chunk));
            if preview.lacks.len() < before {
                preview.due_ms = Some(now.mono_ms);
            }
            if preview.lacks.is_empty() {
                self.replication.end_way(now);
            }
        }
    }

    /// Notes chunks that were here and are not any more: what is not shown yet
    /// is fetched again.
    pub(in crate::node) fn preview_lost(&mut self, lost: &BTreeSet<ChunkId>) {
        let Some(preview) = &mut self.preview else { return };
        let packs = preview.open.iter().filter_map(|number| preview.checkpoint.packs.get(*number));
        let chunks = packs.flat_map(|pack| pack.blob.chunks.iter().map(|chunk| chunk.id));
        let again: Vec<ChunkId> = chunks.filter(|id| lost.contains(id)).collect();
        preview.lacks.extend(again);
    }
}
