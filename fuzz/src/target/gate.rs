//! Changes of a record, as a log brings them.
//!
//! Input: a byte (1: the record is there already), then changes in blocks
//! whose tag is the log.

use super::blocks::{self, Block};
use super::{Outcome, Seeds, Target, words};
use crate::change;
use heirloom_base::{Hlc, LogId, RecordId};
use heirloom_doc::{Admission, Document, Heads, Offered, RawChange, actor_for, admit, birth};
use heirloom_schema::{Content, Value};
use heirloom_sim::rng::Rng;
use std::sync::LazyLock;

pub(super) const TARGET: Target = Target {
    name: "gate",
    body,
    seeds,
    mend,
    words: &["title", "body", "\u{1}\u{7f}", "!deleted"],
    is_lines: false,
    mends_alone: false,
    bytes_max: 4 * 1024,
};

const RECORD: RecordId = RecordId([4; 16]);
/// Logs that write the record; tags beyond are foreign.
const LOGS: u8 = 4;

/// A record that was written to by two logs.
struct Fixture {
    births: Vec<RawChange>,
    edits: Vec<(u8, RawChange)>,
    saved: Vec<u8>,
    heads: Heads,
    content: Content,
    /// Per log, the front half of the change that would follow.
    fronts: Vec<Vec<u8>>,
    /// Per log, a sound change that follows.
    next: Vec<Vec<RawChange>>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(Fixture::new);

fn log(tag: u8) -> LogId {
    LogId([tag; 16])
}

fn edit(document: &mut Document, tag: u8, key: &str, value: Option<Value>) -> Vec<RawChange> {
    let hlc = Hlc(1_000 + u64::from(tag));
    let edited = document.edit(actor_for(log(tag), RECORD), hlc, &[(key.to_owned(), value)]);
    edited.expect("a sound edit is made")
}

fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.to_owned()))
}

fn string(text: &str) -> Option<Value> {
    Some(Value::Str(text.to_owned()))
}

impl Fixture {
    fn new() -> Self {
        let content = Content::from([
            ("body".to_owned(), Value::Text("one two three".to_owned())),
            ("count".to_owned(), Value::Int(7)),
            ("raw".to_owned(), Value::Bytes(vec![1, 2, 3])),
            ("title".to_owned(), Value::Str("list".to_owned())),
        ]);
        let births = birth(RECORD, &content).expect("a small content is born");
        let mut document = Document::from_birth(&births).expect("a birth is a document");
        let mut edits = Vec::new();
        for (tag, key, value) in [
            (1, "title", string("first")),
            (2, "body", text("one 2 three")),
            (1, "count", None),
            (2, "title", string("second")),
        ] {
            let made = edit(&mut document, tag, key, value);
            edits.extend(made.into_iter().map(|change| (tag, change)));
        }
        let next: Vec<Vec<RawChange>> = (0..LOGS)
            .map(|tag| {
                let mut one = document.clone();
                let mut made = edit(&mut one, tag, "title", string("next"));
                made.extend(edit(&mut one, tag, "body", text("two three four \u{1f382}")));
                made
            })
            .collect();
        let front = |made: &Vec<RawChange>| {
            let body = change::body(&made.first().expect("an edit is a change").0);
            change::halves(body).expect("a sound change has halves").0.to_vec()
        };
        let fronts = next.iter().map(front).collect();
        let (saved, heads, content) = (document.save(), document.heads(), document.content());
        Self { births, edits, saved, heads, content, fronts, next }
    }
}

fn body(bytes: &[u8]) -> Outcome {
    let Some((flags, rest)) = bytes.split_first() else { return Outcome::refused(&"empty") };
    let offered: Vec<Offered> = blocks::read(rest)
        .into_iter()
        .map(|block| Offered { log: log(block.tag), change: RawChange(block.bytes) })
        .collect();
    let saved = (flags & 1 == 1).then_some(FIXTURE.saved.as_slice());
    let admission = admit(saved, RECORD, &offered);
    check(&admission, offered.len(), saved.is_some());
    let refused: String =
        admission.refused.iter().map(|(_, error)| words(&format!("{error:?}"))).collect();
    let label = format!(
        "{}+{}={}w{}{}",
        offered.len().min(3),
        admission.applied.len().min(3),
        admission.duplicates.len().min(2),
        admission.waiting.len().min(2),
        words(&refused)
    );
    Outcome { is_accepted: !admission.applied.is_empty(), label }
}

/// Everything that was offered is accounted for, what was let in loads, shows
/// and takes an edit, and what was there before is still there.
fn check(admission: &Admission, offered: usize, had_document: bool) {
    let Admission { applied, duplicates, waiting, refused, .. } = admission;
    let accounted = applied.len() + duplicates.len() + waiting.len() + refused.len();
    assert_eq!(accounted, offered, "a change is lost: {admission:?}");
    assert!(admission.damaged.is_none(), "a sound document is called damaged");
    assert_eq!(admission.document.is_some(), !applied.is_empty());
    let Some((document, saved)) = &admission.document else { return };
    let mut again = Document::load(saved).expect("an admitted document loads");
    assert_eq!(again.heads(), document.heads());
    assert_eq!(again.content(), document.content());
    for hash in applied {
        let past = again.at(&Heads(vec![*hash]));
        assert!(past.is_ok(), "the state after an applied change is lost: {past:?}");
    }
    let told = again.history();
    let heads = document.heads();
    assert!(heads.iter().all(|head| told.iter().any(|one| one.hash == *head)));
    drop((again.conflicts(), again.authorship(), again.contested_deletion(), again.uid()));
    if had_document {
        let before = again.at(&FIXTURE.heads).expect("the earlier state is still known");
        assert_eq!(before.content(), FIXTURE.content, "an earlier value is gone");
    }
    let edits = [
        ("body".to_owned(), Some(Value::Text("after all".to_owned()))),
        ("title".to_owned(), Some(Value::Str("after all".to_owned()))),
    ];
    let edited = again.edit(actor_for(log(99), RECORD), Hlc(5_000), &edits);
    edited.expect("an admitted document takes an edit");
    let last = Document::load(&again.save()).expect("an edited document loads");
    let title = Value::Str("after all".to_owned());
    assert_eq!(last.content().get("title"), Some(&title));
}

fn mend(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let Some((flags, rest)) = bytes.split_first() else { return bytes };
    let mut blocks = blocks::read(rest);
    for block in &mut blocks {
        if rng.chance(10) {
            continue;
        }
        let body = change::body(&block.bytes);
        let front = FIXTURE.fronts.get(usize::from(block.tag));
        let grafted = match (front, change::halves(body)) {
            (Some(front), Some((_, back))) if rng.chance(60) => [front.as_slice(), back].concat(),
            _ => body.to_vec(),
        };
        block.bytes = change::chunk(change::kind(&block.bytes), &grafted);
    }
    [vec![*flags], blocks::write(&blocks)].concat()
}

fn input(flags: u8, changes: impl IntoIterator<Item = (u8, Vec<u8>)>) -> Vec<u8> {
    let blocks: Vec<Block> = changes.into_iter().map(|(tag, bytes)| Block { tag, bytes }).collect();
    [vec![flags], blocks::write(&blocks)].concat()
}

fn seeds() -> Seeds {
    let fixture = &*FIXTURE;
    let births = || fixture.births.iter().map(|change| (1, change.0.clone()));
    let edits = || fixture.edits.iter().map(|(tag, change)| (*tag, change.0.clone()));
    let next = |tag: u8| {
        let made = fixture.next.get(usize::from(tag)).into_iter().flatten();
        made.map(move |change| (tag, change.0.clone()))
    };
    let first = |tag: u8| next(tag).take(1);
    let mut seeds = vec![
        ("nothing", input(0, [])),
        ("birth", input(0, births())),
        ("birth-and-edits", input(0, births().chain(edits()))),
        ("edits-before-the-birth", input(0, edits().chain(births()))),
        ("edits-without-the-birth", input(0, edits())),
        ("duplicates", input(1, births().chain(edits()))),
        ("concurrent", input(1, next(1).chain(next(2)).chain(next(3)))),
        ("by-a-foreign-log", input(1, first(1).map(|(_, bytes)| (2, bytes)))),
        ("the-second-without-the-first", input(1, next(1).skip(1))),
        ("new-log", input(1, next(3))),
        ("text-only", input(1, next(0))),
    ];
    seeds.extend(evil().into_iter().map(|(name, change)| (name, input(1, [(1, change)]))));
    seeds
}

/// A key of the root set to a short string, as columns.
const PUT: &[(u64, &[u8])] = &[
    (21, &[0x7f, 3, b'n', b'e', b'w']),
    (52, &[1]),
    (66, &[0x7f, 1]),
    (86, &[0x7f, 0x16]),
    (87, b"x"),
    (112, &[0x7f, 0]),
];

/// Changes that broke automerge, or would.
fn evil() -> Seeds {
    let front = FIXTURE.fronts.get(1).map(Vec::as_slice).unwrap_or_default();
    let with =
        |columns: &[(u64, &[u8])]| change::chunk(1, &[front, &change::columns(columns)].concat());
    let heads: Vec<[u8; 32]> = FIXTURE.heads.iter().map(|hash| hash.0).collect();
    let actor = actor_for(log(1), RECORD).0;
    let numbered = |numbers: [u64; 2], time: &[u8]| {
        let front = change::front(&heads, &actor, numbers, time);
        change::chunk(1, &[front, change::columns(PUT)].concat())
    };
    let bomb = {
        // One put, repeated 10^8 times by its run lengths.
        let run = |value: u8| [&[0x80, 0xc2, 0xd7, 0x2f][..], &[value]].concat();
        let (key, one, zero) = (run(1), run(1), run(0));
        with(&[(21, &key), (52, &[1]), (66, &one), (86, &zero), (112, &zero)])
    };
    let min_time = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f];
    let insert: &[(u64, &[u8])] = &[
        (1, &[0x7f, 0]),
        (2, &[0x7f, 0xe7, 0x07]),
        (19, &[0x7f, 0]),
        (52, &[0, 1]),
        (66, &[0x7f, 1]),
        (86, &[0x7f, 0x16]),
        (87, b"x"),
        (112, &[0x7f, 0]),
    ];
    let orphan = [0x7f, 1];
    let predecessor: Vec<(u64, &[u8])> = PUT
        .iter()
        .map(|column| if column.0 == 112 { (112, &orphan[..]) } else { *column })
        .chain([(113, &[0x7f, 0][..]), (115, &[0x7f, 0x3f][..])])
        .collect();
    let sound = change::body(&with(PUT)).to_vec();
    vec![
        ("sound-by-hand", with(PUT)),
        ("run-length-bomb", bomb),
        ("unknown-object", with(insert)),
        ("missing-predecessor", with(&predecessor)),
        ("start-op-too-low", numbered([3, 1], &[1])),
        ("start-op-greatest", numbered([3, u64::from(u32::MAX)], &[1])),
        ("start-op-beyond", numbered([3, u64::MAX], &[1])),
        ("sequence-gap", numbered([9, 40], &[1])),
        ("sequence-zero", numbered([0, 40], &[1])),
        ("time-lowest", numbered([3, 40], &min_time)),
        ("compressed", change::chunk(2, &sound)),
        ("a-document", change::chunk(0, &sound)),
        ("no-columns", with(&[])),
        ("a-column-twice", with(&[(66, &[0x7f, 1]), (66, &[0x7f, 1])])),
        ("a-compressed-column", with(&[(74, &[0x78, 0x9c, 3, 0])])),
        ("a-thousand-dependencies", {
            let front = change::front(&[[7; 32]; 1_000], &actor, [3, 40], &[1]);
            change::chunk(1, &[front, change::columns(PUT)].concat())
        }),
    ]
}
