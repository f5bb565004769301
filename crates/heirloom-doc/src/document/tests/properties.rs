//! Whatever is done on three devices, in whatever order it arrives.

use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

const KEYS: [&str; 4] = ["title", "color", "body", key::DELETED];

/// Something that happens.
#[derive(Debug, Clone)]
enum Event {
    Edit { device: Index, key: Index, value: u8, hlc: u64 },
    Meet { one: Index, other: Index },
}

fn event() -> impl Strategy<Value = Event> {
    let index = any::<Index>();
    prop_oneof![
        3 => (index, any::<Index>(), 0_u8..5, 1_u64..40)
            .prop_map(|(device, key, value, hlc)| Event::Edit { device, key, value, hlc }),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Event::Meet { one, other }),
    ]
}

fn value(key: &str, number: u8) -> Option<Value> {
    match (key, number) {
        (_, 0) => None,
        ("body", 4) => Some(string("no text")),
        ("body", number) => {
            Some(text(["", "buy oat milk", "milk and bread, eggs"][usize::from(number) - 1]))
        }
        (key::DELETED, number) => Some(Value::Int(number.into())),
        (_, number) => Some(string(&number.to_string())),
    }
}

fn play(devices: &mut [Device], events: &[Event]) {
    for event in events {
        match event {
            Event::Edit { device, key, value: number, hlc } => {
                let key = KEYS[key.index(KEYS.len())];
                let device = device.index(devices.len());
                devices[device].edit(*hlc, &[(key, value(key, *number))]);
            }
            Event::Meet { one, other } => {
                let (one, other) = (one.index(devices.len()), other.index(devices.len()));
                let theirs = devices[other].offered.clone();
                devices[one].receive(theirs);
            }
        }
    }
}

/// Shuffles what was offered; within a log the order stays.
fn shuffled(all: &[Offered], seeds: [u64; 8]) -> Vec<Offered> {
    let parts: Vec<u8> = seeds.iter().flat_map(|seed| seed.to_le_bytes()).collect();
    let mut places: Vec<usize> = (0..all.len()).collect();
    places.sort_by_key(|place| {
        heirloom_base::hash::content("shuffle", &[&parts, &place.to_le_bytes()])
    });
    let mut logs: std::collections::BTreeMap<LogId, Vec<Offered>> = Default::default();
    for offer in all.iter().rev() {
        logs.entry(offer.log).or_default().push(offer.clone());
    }
    let next = |place: usize| logs.get_mut(&all[place].log).unwrap().pop().unwrap();
    places.into_iter().map(next).collect()
}

/// Lets a new device receive changes in pieces; what waits is offered again.
fn received(offered: &[Offered], pieces: usize) -> Document {
    let mut saved: Option<Vec<u8>> = None;
    let mut waiting: Vec<Offered> = Vec::new();
    for piece in offered.chunks(offered.len().div_ceil(pieces)) {
        // Within a log, what waits comes before what follows.
        waiting.extend_from_slice(piece);
        let admission = admit(saved.as_deref(), RECORD, &waiting);
        assert_eq!(admission.refused, []);
        let mut places: Vec<usize> = admission.waiting.iter().map(|(index, _)| *index).collect();
        places.sort_unstable();
        waiting = places.into_iter().map(|place| waiting[place].clone()).collect();
        saved = admission.document.map(|(_, saved)| saved).or(saved);
    }
    assert_eq!(waiting, []);
    Document::load(&saved.unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_repetition_and_partition_gives_the_same_record(
        events in prop::collection::vec(event(), 1..14),
        orders in prop::collection::vec((any::<[u64; 8]>(), 1_usize..6), 3),
    ) {
        let born = birth(RECORD, &content()).unwrap();
        let mut other = content();
        other.insert("color".to_owned(), string("3"));
        let mut devices = [
            Device::new(1, &born),
            Device::new(2, &born),
            Device::new(3, &birth(RECORD, &other).unwrap()),
        ];
        play(&mut devices, &events);
        let all: Vec<Offered> = devices.iter().flat_map(|one| one.offered.clone()).collect();
        let wanted = received(&all, 1);
        for (seeds, pieces) in orders {
            let found = received(&shuffled(&all, seeds), pieces);
            prop_assert_eq!(found.heads(), wanted.heads());
            prop_assert_eq!(found.content(), wanted.content());
            prop_assert_eq!(found.conflicts(), wanted.conflicts());
            prop_assert_eq!(found.history(), wanted.history());
            prop_assert_eq!(found.is_deleted(), wanted.is_deleted());
            prop_assert_eq!(found.birth_content(), wanted.birth_content());
        }
    }

    #[test]
    fn a_birth_is_the_same_everywhere_and_shows_its_content(
        texts in prop::collection::btree_map("[a-z]{1,3}", ".{0,20}", 1..5), number in any::<i64>(),
    ) {
        let mut content: Content =
            texts.iter().map(|(key, value)| (key.clone(), string(value))).collect();
        content.insert("!number".to_owned(), Value::Int(number));
        content.insert("!text".to_owned(), text(texts.values().next().unwrap()));
        let changes = birth(RECORD, &content).unwrap();
        prop_assert_eq!(&birth(RECORD, &content).unwrap(), &changes);
        prop_assert_eq!(Document::from_birth(&changes).unwrap().content(), content.clone());
        prop_assert_ne!(&birth(RecordId([8; 16]), &content).unwrap(), &changes);
        let offered: Vec<Offered> =
            changes.into_iter().map(|change| Offered { log: LogId([1; 16]), change }).collect();
        prop_assert_eq!(received(&offered, 1).content(), content);
    }

    #[test]
    fn an_edit_is_shown_as_it_was_made(
        steps in prop::collection::vec((any::<Index>(), 0_u8..5, ".{0,12}"), 1..12),
    ) {
        let (mut phone, _) = pair();
        let mut wanted = content();
        for (hlc, (key, number, body)) in (1..).zip(steps) {
            let key = KEYS[key.index(3)];
            let edit = match value(key, number) {
                Some(Value::Text(_)) => Some(text(&body)),
                other => other,
            };
            let changed = wanted.get(key) != edit.as_ref();
            match edit.clone() {
                Some(edit) => wanted.insert(key.to_owned(), edit),
                None => wanted.remove(key),
            };
            prop_assert_eq!(phone.edit(hlc, &[(key, edit)]), usize::from(changed));
            prop_assert_eq!(phone.document.content(), wanted.clone());
        }
        let loaded = Document::load(&phone.document.save()).unwrap();
        prop_assert_eq!(loaded.content(), wanted);
    }
}
