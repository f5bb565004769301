//! Every known attack of a member, through whole nodes.

use super::super::*;
use super::household::House;
use crate::command::QuarantineRow;
use crate::forged::{Forged, Target};
use heirloom_base::{EntryId, Hlc, Incarnation, LogId, RecordId};
use heirloom_doc::{Document, Offered, RawChange, actor_for};
use heirloom_identity::Role;
use heirloom_sync::entry::kind;
use heirloom_sync::{Body, EntryPlan, Header, Message, Origin, Part};

const GUEST: usize = 2;

/// A log of a hostile member, which grows by what it is told to say.
pub(super) struct Mouth {
    entries: Vec<Vec<u8>>,
    previous: EntryId,
    origin: Origin,
}

impl Mouth {
    pub(super) fn of(house: &House) -> Self {
        let origin = Origin { device: house.id(GUEST), incarnation: Incarnation([7; 16]) };
        Self { entries: Vec::new(), previous: EntryId([0; 32]), origin }
    }

    pub(super) fn log(&self, house: &House) -> LogId {
        self.origin.log(house.node(0).space)
    }

    pub(super) fn say(&mut self, house: &House, parts: Vec<Part>) {
        let node = house.node(GUEST);
        let epoch = node.membership.roster.state().writing_epoch().unwrap();
        let first = self.entries.is_empty();
        let header = Header {
            kind: kind::CHANGES,
            space: node.space,
            log: self.log(house),
            seq: self.entries.len() as u64 + 1,
            previous: self.previous,
            origin: first.then_some(self.origin),
            roster_heads: node.membership.roster.heads(),
            hlc: Hlc::from_wall_ms(1_795_000_000_000),
            epoch,
            seen: Vec::new(),
            chunks: Vec::new(),
        };
        let key = *node.membership.keyring.as_ref().unwrap().epoch_key(&epoch).unwrap();
        let keys = &house.devices[GUEST].keys;
        let entry =
            Entry::author(node.account, keys, &key, &EntryPlan { header, body: Body { parts } });
        self.previous = entry.id();
        self.entries.push(entry.into_bytes());
    }

    pub(super) fn tell(&self, house: &mut House, device: usize) {
        for entries in self.entries.chunks(50) {
            let entries = entries.to_vec();
            house.hear(device, GUEST, &Message::Entries { urgent: false, entries });
        }
    }
}

pub(super) fn saved(house: &House, record: RecordId) -> Vec<u8> {
    house.devices[0].storage.index[&rows::key(rows::table::DOCUMENT, &[&record.0])].clone()
}

/// Returns what a member knows about a record that it attacks.
fn target(house: &House, record: RecordId, log: LogId) -> Target {
    let saved = saved(house, record);
    let heads = Document::load(&saved).unwrap().heads().0;
    let other = house.node(0).journal.log().unwrap();
    let [actor, other] = [log, other].map(|log| actor_for(log, record).0);
    let is_free = |start_op: &u64| {
        let target = Target { heads: heads.clone(), start_op: *start_op, actor, other };
        let change = RawChange(target.next(Forged::put("x", "y")).bytes());
        heirloom_doc::admit(Some(&saved), record, &[Offered { log, change }]).applied.len() == 1
    };
    let start_op = (1..200).find(is_free).unwrap();
    Target { heads, start_op, actor, other }
}

pub(super) fn quarantine(house: &mut House, device: usize) -> Vec<QuarantineRow> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let answer = house.ask(device, Command::Quarantine { after, limit: 7 }).unwrap();
        let Answer::Quarantine { rows, next } = answer else { panic!("{answer:?}") };
        all.extend(rows);
        match next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// Has the guest try everything on a note; returns how much must be kept aside.
fn attack(house: &House, mouth: &mut Mouth, record: RecordId) -> usize {
    let target = target(house, record, mouth.log(house));
    let attacks = target.attacks();
    for (_, change) in &attacks {
        mouth.say(house, vec![Part { record, change: change.clone() }]);
    }
    let all = attacks.iter().map(|(_, change)| Part { record, change: change.clone() });
    mouth.say(house, all.collect());
    // A new record, and nothing but small parts.
    let new = |number: u8| RecordId([number; 16]);
    for (_, change) in &attacks {
        mouth.say(house, vec![Part { record: new(200), change: change.clone() }]);
    }
    let tiny = |number: u32| Part { record: new(number.to_le_bytes()[0]), change: vec![1] };
    mouth.say(house, (0..10_000).map(tiny).collect());
    mouth.say(house, Vec::new());
    attacks.len() + 1
}

#[test]
fn a_member_that_tries_everything_is_named_everywhere_and_harms_nothing() {
    let mut house = House::of(&["phone", "desk", "guest"]);
    let id = house.add(0, "notes", &["title=mine"]);
    let record: RecordId = id.parse().unwrap();
    let (shown, digest) = (house.show(1, "notes", &id), house.digest(0));
    let mut mouth = Mouth::of(&house);
    let expected = attack(&house, &mut mouth, record);
    mouth.tell(&mut house, 0);
    house.pass(3_000);
    let guest = house.id(GUEST).to_string();
    for turn in 0..3 {
        for device in [0, 1] {
            match turn {
                0 => {}
                1 => house.boot(device),
                _ => {
                    house.devices[device].storage.index.clear();
                    house.boot(device);
                }
            }
            assert_eq!(
                (house.show(device, "notes", &id), house.digest(device)),
                (shown.clone(), digest.clone())
            );
            let rows = quarantine(&mut house, device);
            let named = |row: &QuarantineRow| {
                (&row.device, &row.device_id) == (&"guest".to_owned(), &guest)
            };
            assert!(rows.iter().all(named), "{rows:?}");
            let of_note: Vec<&QuarantineRow> =
                rows.iter().filter(|row| row.record.as_deref() == Some(&*id)).collect();
            assert_eq!(of_note.len(), expected, "turn {turn}, device {device}: {of_note:?}");
            assert_eq!(of_note[0].category.as_deref(), Some("notes"));
            assert_eq!(of_note[0].title.as_deref(), Some("mine"));
            let status = house.status(device);
            assert_eq!(status.quarantined, rows.len() as u64);
            let problem =
                status.problems.iter().find(|problem| problem.code == "quarantined").unwrap();
            assert!(problem.text.contains("guest"), "{}", problem.text);
        }
    }
    for (one, other) in [(0, 1), (0, GUEST), (1, GUEST)] {
        house.connect(one, other);
    }
    house.add(1, "notes", &["title=after"]);
    house.pass(3_000);
    assert_eq!(house.titles(0, "notes").len(), 2, "other records go on");
}

#[test]
fn what_is_kept_aside_is_told_with_its_author() {
    let mut house = House::of(&["phone", "desk", "guest"]);
    let id = house.add(0, "notes", &["title=mine"]);
    let mut mouth = Mouth::of(&house);
    let part = Part { record: id.parse().unwrap(), change: vec![9; 50] };
    mouth.say(&house, vec![part.clone(), part]);
    mouth.tell(&mut house, 0);
    let told = house.devices[0].events.iter().find_map(|event| match event {
        Event::Warning { code, text, aside: Some(row) } if code == "quarantined" => {
            Some((text.clone(), row.clone()))
        }
        _ => None,
    });
    let (text, row) = told.unwrap();
    assert!(text.starts_with("A change of \"mine\""), "{text}");
    assert!(text.contains("by device guest (") && text.contains("and 1 more"), "{text}");
    assert_eq!((row.seq, row.record.as_deref(), &*row.device), (1, Some(&*id), "guest"));
    assert_eq!(row.at, "2026-11-18T11:06:40Z");
}

#[test]
fn a_place_in_the_list_that_is_none_is_refused_and_a_blind_keeper_lists_nothing() {
    let mut house = House::with(Role::BlindKeeper);
    let ask =
        |after: Option<&str>| Command::Quarantine { after: after.map(str::to_owned), limit: 5 };
    assert_eq!(house.ask(0, ask(Some("zz"))).unwrap_err().exit, 2);
    assert_eq!(house.ask(0, ask(Some("72"))).unwrap_err().exit, 2);
    assert_eq!(house.ask(1, ask(None)).unwrap_err().exit, 77);
}
