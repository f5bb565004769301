use super::*;
use heirloom_base::{AccountId, id::to_hex};
use heirloom_identity::DeviceKeys;
use proptest::prelude::*;

const ACCOUNT: AccountId = AccountId([3; 32]);
const SPACE: SpaceId = SpaceId([1; 16]);
const KEY: [u8; 32] = [8; 32];

fn keys() -> DeviceKeys {
    DeviceKeys::from_seed([7; 32])
}

fn plan(parts: Vec<Part>) -> EntryPlan {
    let origin = Origin { device: keys().id(), incarnation: Incarnation([2; 16]) };
    let header = Header {
        kind: kind::CHANGES,
        space: SPACE,
        log: origin.log(SPACE),
        seq: 1,
        previous: EntryId([0; 32]),
        origin: Some(origin),
        roster_heads: vec![OpId([5; 32])],
        hlc: Hlc(99),
        epoch: EpochId([6; 32]),
        seen: vec![(LogId([9; 16]), 4)],
        chunks: vec![ChunkId([4; 32])],
    };
    EntryPlan { header, body: Body { parts } }
}

fn part(size: usize) -> Part {
    Part { record: RecordId([1; 16]), change: vec![b'x'; size] }
}

fn entry(parts: Vec<Part>) -> Entry {
    Entry::author(ACCOUNT, &keys(), &KEY, &plan(parts))
}

#[test]
fn an_entry_is_read_back_verified_and_opened() {
    let written = entry(vec![part(300), part(5)]);
    let read = Entry::parse(written.bytes().to_vec()).unwrap();
    assert_eq!(read, written);
    assert_eq!(read.header(), &plan(Vec::new()).header);
    assert_eq!(read.verify(ACCOUNT, keys().id()), Ok(()));
    assert_eq!(read.open(&KEY).unwrap().parts, vec![part(300), part(5)]);
}

#[test]
fn an_entry_opens_and_verifies_only_for_whom_it_is() {
    let entry = entry(vec![part(30)]);
    assert_eq!(entry.open(&[9; 32]), Err(EntryError::Sealed(EpochId([6; 32]))));
    assert!(entry.verify(AccountId([4; 32]), keys().id()).is_err());
    assert!(entry.verify(ACCOUNT, DeviceKeys::from_seed([1; 32]).id()).is_err());
}

#[test]
fn the_content_is_not_in_the_bytes_and_equal_plans_are_equal_entries() {
    let one = entry(vec![part(400)]);
    assert!(!one.bytes().windows(20).any(|window| window == [b'x'; 20]));
    assert_eq!(one, entry(vec![part(400)]));
    assert_ne!(one.id(), entry(vec![part(401)]).id());
}

#[test]
fn the_fixed_part_of_an_entry_is_small() {
    let empty = entry(Vec::new());
    assert!(empty.bytes().len() <= 480, "{}", empty.bytes().len());
}

#[test]
fn the_header_is_frozen() {
    let bytes = entry(vec![part(1)]);
    let golden = "48450101010101010101010101010101010101010101";
    assert_eq!(to_hex(&bytes.bytes()[..22]), golden[..44].to_owned());
}

#[test]
fn a_log_begins_with_its_origin_and_only_there() {
    let refused = |change: &dyn Fn(&mut Header)| {
        let mut plan = plan(Vec::new());
        change(&mut plan.header);
        Entry::parse(Entry::author(ACCOUNT, &keys(), &KEY, &plan).into_bytes()).is_err()
    };
    assert!(!refused(&|_| {}));
    assert!(refused(&|header| header.origin = None));
    assert!(refused(&|header| header.seq = 2));
    assert!(refused(&|header| header.seq = 0));
    assert!(refused(&|header| header.log = LogId([1; 16])));
    assert!(refused(&|header| header.previous = EntryId([1; 32])));
    assert!(refused(&|header| header.roster_heads.clear()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_altered_entry_is_never_believed(position in 0usize..400, flip in 1u8..=255) {
        let mut bytes = entry(vec![part(50)]).into_bytes();
        let position = position % bytes.len();
        bytes[position] ^= flip;
        if let Ok(entry) = Entry::parse(bytes) {
            prop_assert!(entry.verify(ACCOUNT, keys().id()).is_err());
        }
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(Entry::parse(bytes));
    }
}
