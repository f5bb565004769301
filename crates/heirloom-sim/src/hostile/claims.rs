//! Checkpoints of records that are not so.

use super::{Attack, Mind};
use crate::rng::Rng;
use heirloom_base::{BlobRef, ChunkId, ChunkRef, EntryId};
use heirloom_sync::entry::kind;
use heirloom_sync::{
    Body, Checkpoint, Cosignature, Entry, EntryPlan, Header, Message, PackRef, Tip, VersionVector,
};

impl Mind {
    /// Signs a checkpoint of nothing, and signs it again as another would; asks
    /// for entries before their turn, and sends some for which nobody asked.
    pub(super) fn false_checkpoint(&self, rng: &mut Rng) -> Attack {
        let vector = match rng.chance(50) {
            true => self.absurd_vector(rng),
            false => self.true_vector(),
        };
        let chunk = ChunkRef { id: ChunkId(rng.array()), plain: rng.array(), length: 9 };
        let blob = BlobRef { size: 9, hash: rng.array(), chunks: vec![chunk] };
        let packs = vec![PackRef { root: rng.array(), records: 3, blob }];
        let checkpoint = Checkpoint {
            devices: vec![self.keys.id(); vector.tips.len()],
            root: Checkpoint::root_of(&packs),
            packs,
            vector: vector.clone(),
        };
        let first = Header { kind: kind::CHECKPOINT, ..self.header(rng) };
        let body = Body::of(&checkpoint);
        let made = self.author(EntryPlan { header: first.clone(), body });
        let id = Entry::parse(made.clone()).map_or(EntryId([0; 32]), |entry| entry.id());
        let next = Header { kind: kind::COSIGNATURE, seq: 2, previous: id, origin: None, ..first };
        let signed = Cosignature { checkpoint: id, root: checkpoint.root };
        let signed = self.author(EntryPlan { header: next, body: Body::of(&signed) });
        let entries = vec![made, signed];
        let known: Vec<Vec<u8>> =
            self.entries.iter().take(9).map(|entry| entry.bytes().to_vec()).collect();
        let messages = vec![
            vec![Message::Checkpoints(entries.clone())],
            vec![Message::Entries { urgent: false, entries }],
            vec![Message::Tail { last: false, entries: known }],
            vec![Message::AskTail(vector.clone())],
            vec![Message::AskTail(vector)],
        ];
        Attack { name: "a checkpoint of nothing", messages }
    }

    /// The ends of all logs as they lie on the disk, which is what others hold.
    fn true_vector(&self) -> VersionVector {
        let mut vector = VersionVector::default();
        for entry in &self.entries {
            let tip = vector.tips.entry(entry.header().log);
            let seq = entry.header().seq;
            let tip = tip.or_insert(Tip::new(seq, entry.id()));
            if tip.seq < seq {
                *tip = Tip::new(seq, entry.id());
            }
        }
        vector
    }
}
