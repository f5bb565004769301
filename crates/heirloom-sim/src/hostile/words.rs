//! Words about ends of logs that nobody gave up.

use super::{Attack, Mind};
use crate::rng::Rng;
use heirloom_base::{DeviceId, Encode as _, EntryId, LogId, limits};
use heirloom_sync::entry::kind;
use heirloom_sync::{Disowned, DisownedEnd, Entry, Header, Message};
use std::collections::{BTreeMap, BTreeSet};

impl Mind {
    /// Returns the entries of ends that their authors gave up.
    pub(super) fn given_up(&self) -> BTreeSet<EntryId> {
        let origins = self.entries.iter().filter_map(|entry| {
            let origin = entry.header().origin?;
            Some((entry.header().log, origin.device))
        });
        let devices: BTreeMap<LogId, DeviceId> = origins.collect();
        let mut given_up = BTreeSet::new();
        for entry in &self.entries {
            let author = devices.get(&entry.header().log);
            let ends = Disowned::of(entry).into_iter().flat_map(|said| said.ends);
            let own = ends.filter(|end| author.is_some() && devices.get(&end.log) == author);
            given_up.extend(own.map(|end| end.id));
        }
        let mut in_order: Vec<&Entry> = self.entries.iter().collect();
        in_order.sort_by_key(|entry| entry.header().seq);
        for entry in in_order {
            if given_up.contains(&entry.header().previous) {
                given_up.insert(entry.id());
            }
        }
        given_up
    }

    /// Signs that ends of logs count no more: of others' logs, of its own, and of some
    /// that do not exist.
    pub(super) fn false_words(&self, rng: &mut Rng) -> Attack {
        let mut ends = Vec::new();
        for _ in 0..=rng.index(limits::DISOWNED_MAX - 1) {
            let known = self.entries.get(rng.index(self.entries.len().max(1)));
            ends.extend(known.filter(|_| rng.chance(80)).map(|known| {
                let Header { log, seq, .. } = *known.header();
                DisownedEnd { log, seq, id: known.id() }
            }));
        }
        let (log, seq) = (LogId(rng.array()), 1 + rng.below(9));
        ends.push(DisownedEnd { log, seq, id: EntryId(rng.array()) });
        let held = vec![(log, u64::MAX)];
        let header = Header { kind: kind::DISOWNED, ..self.header(rng) };
        let body = Disowned { ends, held }.to_bytes();
        let word = Entry::author_plain(self.account, &self.keys, &header, &body).into_bytes();
        let next = Header {
            seq: 2,
            previous: Entry::parse(word.clone()).map_or(EntryId([0; 32]), |word| word.id()),
            origin: None,
            ..header
        };
        let nonsense: Vec<u8> = (0..rng.index(90)).map(|_| rng.byte()).collect();
        let nonsense = Entry::author_plain(self.account, &self.keys, &next, &nonsense);
        let entries = vec![word, nonsense.into_bytes()];
        let messages = vec![vec![Message::Entries { urgent: false, entries }]];
        Attack { name: "ends of logs given up for others", messages }
    }
}
