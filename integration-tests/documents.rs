//! The documents cannot rot: what `docs/protocol.md`, `docs/threat-model.md`
//! and `docs/glossary.md` say is held against the code.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod control_tables;
mod vectors;

use heirloom_base::{hash, limits};
use heirloom_core::storage::Frame;
use heirloom_identity::{DeviceKeys, Keyring, Roster};
use heirloom_net::{DEFAULT_PORT, Protocol, limits as net};
use heirloom_store::{Store, StoreOptions, keyfile};
use heirloom_sync::{Entry, Origin};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names that say nothing: no identifier of ours contains one as a word.
const EMPTY_WORDS: &[&str] =
    &["manager", "helper", "helpers", "util", "utils", "handler2", "misc", "stuff"];

/// Limits of the outer crates that the protocol quotes beside those of the table.
const OUTER_LIMITS: &[(&str, u64)] = &[
    ("HELLO_BYTES_MAX", net::HELLO_BYTES_MAX as u64),
    ("PAIRING_FRAME_BYTES_MAX", net::PAIRING_FRAME_BYTES_MAX as u64),
    ("PAIRING_GRANT_BYTES_MAX", net::PAIRING_GRANT_BYTES_MAX as u64),
    ("PAIRING_STREAMS_MAX", net::PAIRING_STREAMS_MAX as u64),
    ("SEALED_CHUNK_BYTES_MAX", net::SEALED_CHUNK_BYTES_MAX as u64),
    ("STRANGER_OVERHEAD_BYTES_MAX", net::STRANGER_OVERHEAD_BYTES_MAX as u64),
    ("CONNECTION_STREAMS_MAX", net::CONNECTION_STREAMS_MAX as u64),
    ("CONNECTIONS_MAX", net::CONNECTIONS_MAX as u64),
    ("KEEPER_CONNECTIONS_MAX", net::KEEPER_CONNECTIONS_MAX as u64),
    ("PEER_CONNECTIONS_MAX", net::PEER_CONNECTIONS_MAX as u64),
    ("HANDSHAKES_MAX", net::HANDSHAKES_MAX as u64),
    ("ACCEPTS_MAX", net::ACCEPTS_MAX as u64),
    ("ACCEPT_MS", net::ACCEPT_MS),
    ("FRAMES_AT_ONCE_MAX", net::FRAMES_AT_ONCE_MAX as u64),
    ("FRAME_US", net::FRAME_US),
    ("STREAMS_AT_ONCE_MAX", net::STREAMS_AT_ONCE_MAX as u64),
    ("STREAM_MS", net::STREAM_MS),
    ("VISITS_AT_ONCE_MAX", net::VISITS_AT_ONCE_MAX as u64),
    ("VISIT_MS", net::VISIT_MS),
    ("TALKS_AT_ONCE_MAX", net::TALKS_AT_ONCE_MAX as u64),
    ("TALK_MS", net::TALK_MS),
    ("BACKLOG_MAX", net::BACKLOG_MAX as u64),
    ("DIAL_MS_MAX", net::DIAL_MS_MAX),
    ("RESERVATIONS_MAX", net::RESERVATIONS_MAX as u64),
    ("PEER_RESERVATIONS_MAX", net::PEER_RESERVATIONS_MAX as u64),
    ("RESERVATION_MS_MAX", net::RESERVATION_MS_MAX),
    ("CIRCUITS_MAX", net::CIRCUITS_MAX as u64),
    ("PEER_CIRCUITS_MAX", net::PEER_CIRCUITS_MAX as u64),
    ("CIRCUIT_MS_MAX", net::CIRCUIT_MS_MAX),
    ("RELAY_ASKS_MAX", net::RELAY_ASKS_MAX as u64),
    ("RELAY_ASK_MS", net::RELAY_ASK_MS),
    ("RELAYS_MAX", net::RELAYS_MAX as u64),
    ("RESERVE_RETRY_MS", net::RESERVE_RETRY_MS),
    ("RESERVE_RETRY_MS_MAX", net::RESERVE_RETRY_MS_MAX),
    ("RELAY_AFTER_MS", net::RELAY_AFTER_MS),
    ("RELAY_TURN_MS", net::RELAY_TURN_MS),
    ("IDENTIFY_MS", net::IDENTIFY_MS),
    ("HELLO_MS_MAX", net::HELLO_MS_MAX),
    ("CHUNK_MS_MAX", net::CHUNK_MS_MAX),
    ("CHUNK_IDLE_MS_MAX", net::CHUNK_IDLE_MS_MAX),
    ("SYNC_RETRY_MS", net::SYNC_RETRY_MS),
    ("SYNC_RETRY_MS_MAX", net::SYNC_RETRY_MS_MAX),
    ("KEY_BYTES_MAX", heirloom_doc::KEY_BYTES_MAX as u64),
    ("CUTS_MAX", heirloom_identity::roster::op::CUTS_MAX as u64),
    ("PREDECESSORS_MAX", heirloom_identity::roster::op::PREDECESSORS_MAX as u64),
    ("WRAP_BYTES_MAX", heirloom_identity::roster::op::WRAP_BYTES_MAX as u64),
    ("SEALED_BYTES_MAX", heirloom_identity::roster::op::SEALED_BYTES_MAX as u64),
    ("OPAQUE_BYTES_MAX", heirloom_identity::roster::op::OPAQUE_BYTES_MAX as u64),
    ("NAME_BYTES_MAX", heirloom_identity::keyring::NAME_BYTES_MAX as u64),
    ("ADDRESSES_MAX", heirloom_identity::invite::ADDRESSES_MAX as u64),
    ("ADDRESS_BYTES_MAX", heirloom_identity::invite::ADDRESS_BYTES_MAX as u64),
    ("BLOB_BYTES_MAX", heirloom_blob::BLOB_BYTES_MAX as u64),
    ("FRAME_PAYLOAD_BYTES_MAX", heirloom_store::FRAME_PAYLOAD_BYTES_MAX as u64),
    ("RESPONSE_BYTES_MAX", heirloom_api::protocol::RESPONSE_BYTES_MAX as u64),
];

/// Numbers of the text that are no limit of a table, and how the code says them.
const OTHER_NUMBERS: &[(u64, &str)] = &[
    (4_096, "CHANGE_OPS: usize = 4_096"),
    (40_960, "CHANGE_COST: usize = 40 * 1024"),
    (32_768, "PREDECESSORS_MAX: usize = 4 * limits::CHANGE_OPS_MAX"),
    (65_552, "limits::ROSTER_OP_BYTES_MAX + 16"),
    (262_144, "ROSTER_MESSAGE_BYTES: usize = 256 * 1024"),
    (1_048_575, "LINES_MAX: usize = 1_048_575"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn document(name: &str) -> String {
    let path = root().join("docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

/// Returns every source file of ours, tests included.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["crates", "integration-tests"] {
        files(&root().join(folder), "rs", &mut found);
    }
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// Returns the product code of every crate but the simulator, without comments.
fn product() -> Vec<String> {
    let is_product = |path: &Path| {
        let part = |name: &str| path.components().any(|part| part.as_os_str() == name);
        !(part("integration-tests") || part("tests") || part("heirloom-sim"))
            && path.file_name().is_some_and(|name| name != "tests.rs")
    };
    let code = |text: String| {
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<&str>>().join("\n")
    };
    sources().into_iter().filter(|(path, _)| is_product(path)).map(|(_, text)| code(text)).collect()
}

/// Returns the cells of every row of every table of a document.
fn rows(text: &str) -> Vec<Vec<String>> {
    let rows = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|--"));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()));
    cells.map(Iterator::collect).collect()
}

/// Returns the text between a pair of back ticks, if a cell is that.
fn quoted(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

#[test]
fn every_golden_vector_is_what_the_code_makes() {
    // To add one, copy what is made from the folder that the failure names.
    let made_at = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors");
    std::fs::create_dir_all(&made_at).unwrap();
    let mut names = BTreeSet::new();
    let mut differing = Vec::new();
    for (name, made) in vectors::all() {
        let text = format!("{}\n", serde_json::to_string_pretty(&made).unwrap());
        std::fs::write(made_at.join(format!("{name}.json")), &text).unwrap();
        let frozen = std::fs::read_to_string(root().join(format!("docs/vectors/{name}.json")));
        if frozen.ok().as_deref() != Some(text.as_str()) {
            differing.push(name);
        }
        names.insert(format!("{name}.json"));
    }
    assert!(differing.is_empty(), "{differing:?} differ from {}", made_at.display());
    let listed = std::fs::read_dir(root().join("docs/vectors")).unwrap();
    let listed: BTreeSet<String> =
        listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(listed, names, "a file of vectors that nothing holds");
}

#[test]
fn every_example_of_the_protocol_stands_in_a_vector() {
    let vectors: String = vectors::all().iter().map(|(_, json)| json.to_string()).collect();
    let text = document("protocol.md");
    let mut found = 0;
    for block in text.split("```hex\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for word in block.split_whitespace() {
            let is_hex = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_hex && word.len().is_multiple_of(2) {
                assert!(vectors.contains(word), "no vector contains {word}");
                found += 1;
            }
        }
    }
    assert!(found > 40, "{found} examples");
}

#[test]
fn every_limit_that_the_protocol_quotes_is_the_constant() {
    let mut known: BTreeMap<&str, u64> =
        limits::ALL.iter().map(|limit| (limit.name, limit.value as u64)).collect();
    let shared: BTreeSet<&str> = known.keys().copied().collect();
    known.extend(OUTER_LIMITS.iter().copied());
    let mut told = BTreeSet::new();
    for cells in rows(&document("protocol.md")) {
        let Some(name) = cells.first().and_then(|cell| quoted(cell)) else { continue };
        let is_name = |letter: u8| letter.is_ascii_uppercase() || letter == b'_';
        if !name.bytes().all(is_name) || !name.contains('_') {
            continue;
        }
        let value = known.get(name).unwrap_or_else(|| panic!("no limit is called {name}"));
        assert_eq!(cells[1].replace(',', ""), value.to_string(), "{name}");
        told.insert(name.to_owned());
    }
    let missing: Vec<&&str> = shared.iter().filter(|name| !told.contains(**name)).collect();
    assert!(missing.is_empty(), "docs/protocol.md lacks {missing:?}");
    let outer: Vec<&str> =
        OUTER_LIMITS.iter().map(|(name, _)| *name).filter(|name| !told.contains(*name)).collect();
    assert!(outer.is_empty(), "docs/protocol.md lacks {outer:?}");
}

#[test]
fn every_large_number_in_the_text_is_one_of_the_code() {
    let product = product();
    for (number, code) in OTHER_NUMBERS {
        assert!(product.iter().any(|text| text.contains(code)), "{number} is no longer {code}");
    }
    let limits = limits::ALL.iter().map(|limit| limit.value as u64);
    let others = OUTER_LIMITS.iter().map(|(_, value)| *value);
    let known: BTreeSet<u64> =
        limits.chain(others).chain(OTHER_NUMBERS.iter().map(|(number, _)| *number)).collect();
    let text = document("protocol.md");
    let words = text.split(|letter: char| !letter.is_ascii_digit() && letter != ',');
    let numbers: Vec<&str> = words
        .map(|word| word.trim_matches(','))
        .filter(|word| word.split(',').skip(1).any(|group| group.len() == 3))
        .collect();
    for number in &numbers {
        let value: u64 = number.replace(',', "").parse().unwrap();
        assert!(known.contains(&value), "{number} is no number of the code");
    }
    assert!(numbers.len() > 60, "{} numbers", numbers.len());
}

#[test]
fn the_protocol_names_every_conversation_and_the_port() {
    let text = document("protocol.md");
    let named: BTreeSet<&str> = text
        .split(['`', ' ', '\n'])
        .filter(|word| word.starts_with("/heirloom/"))
        .map(|word| word.trim_end_matches(['.', ',', ':', ';', ')']))
        .collect();
    let known: BTreeSet<&str> = Protocol::ALL.iter().map(|protocol| protocol.name()).collect();
    assert_eq!(named, known);
    assert!(text.contains(&format!("TCP port {DEFAULT_PORT}")), "the port {DEFAULT_PORT}");
}

/// Returns the items of an enum or struct, one indent deep, in snake case.
fn items_of(source: &str, definition: &str, indent: usize) -> Vec<String> {
    let (_, body) = source.split_once(definition).unwrap();
    let body = body.split("\n}").next().unwrap();
    let lines = body.lines().filter(|line| line.len() - line.trim_start().len() == indent);
    let names = lines.map(|line| line.trim_start().trim_start_matches("pub "));
    let names = names.filter(|line| line.starts_with(|first: char| first.is_alphabetic()));
    let words = names.map(|line| line.split(|end: char| !end.is_alphanumeric() && end != '_'));
    words.map(|mut line| words_of(line.next().unwrap()).join("_")).map(trimmed).collect()
}

fn trimmed(name: String) -> String {
    name.trim_matches('_').to_owned()
}

/// Returns the names in back ticks of a cell.
fn names_in(cell: &str) -> Vec<String> {
    cell.split(", ").filter_map(quoted).map(str::to_owned).collect()
}

#[test]
fn the_protocol_lists_every_command_with_its_fields_and_every_answer() {
    let path = root().join("crates/heirloom-core/src/command.rs");
    let source = std::fs::read_to_string(path).unwrap();
    let (_, commands) = source.split_once("pub enum Command {").unwrap();
    let commands = commands.split("\n}").next().unwrap();
    let text = document("protocol.md");
    let table = text.split("| command | fields | answer |").nth(1).unwrap();
    let table = rows(table.split("\n\n").next().unwrap());
    let told: Vec<String> = table.iter().flat_map(|row| names_in(&row[0])).collect();
    assert_eq!(told, items_of(&source, "pub enum Command {", 4));
    for row in &table {
        let mut name: String = row[0].trim_matches('`').to_owned();
        name[..1].make_ascii_uppercase();
        let fields = match commands.split_once(&format!("\n    {name} {{")) {
            Some((_, body)) => {
                items_of(&format!("{{{}", body.split("\n    }").next().unwrap()), "{", 8)
            }
            None if name == "Occurrences" => items_of(&source, "pub struct OccurrenceQuery {", 4),
            None => Vec::new(),
        };
        assert_eq!(names_in(&row[1]), fields, "the fields of {name}");
    }
    let answers: BTreeSet<String> = table.iter().flat_map(|row| names_in(&row[2])).collect();
    let known = items_of(&source, "pub enum Answer {", 4);
    assert_eq!(answers, known.into_iter().collect());
    for event in items_of(&source, "pub enum Event {", 4) {
        assert!(text.contains(&format!("`{event}`")), "the event {event}");
    }
}

/// Returns the first text in quotes among a call's arguments, if there is one.
fn first_literal(arguments: &str) -> Option<&str> {
    let end = arguments.find([';', '{']).unwrap_or(arguments.len());
    let mut parts = arguments[..end].split('"');
    let (_, literal) = (parts.next()?, parts.next()?);
    Some(literal)
}

#[test]
fn every_domain_of_a_hash_or_signature_is_in_the_table_and_the_other_way_round() {
    const CALLS: [(&str, &str); 4] = [
        ("content", "content("),
        ("keyed", "keyed("),
        ("derive", "derive("),
        ("random", "SeededRandom::new("),
    ];
    let product = product();
    let mut used = BTreeSet::new();
    for (kind, call) in CALLS {
        for text in &product {
            for (at, _) in text.match_indices(call) {
                let before = text[..at].chars().next_back().unwrap_or(' ');
                let is_definition = text[..at].ends_with("fn ") || before == '[';
                let is_other_name = before.is_alphanumeric() || matches!(before, '_' | '.');
                if is_definition || is_other_name {
                    continue;
                }
                let arguments = &text[at + call.len()..];
                let arguments = arguments.split("\n\n").next().unwrap_or_default();
                if let Some(literal) = first_literal(arguments) {
                    used.insert((kind.to_owned(), literal.to_owned()));
                }
            }
        }
    }
    let kinds = ["content", "keyed", "derive", "random", "sign", "wrap"];
    let mut told = BTreeSet::new();
    for cells in rows(&document("protocol.md")) {
        let [kind, context, ..] = cells.as_slice() else { continue };
        if let Some(context) = quoted(context).filter(|_| kinds.contains(&kind.as_str())) {
            let literal = format!("\"{context}\"");
            let stands = product.iter().any(|text| text.contains(&literal));
            assert!(stands, "no code uses the domain {context}");
            told.insert((kind.clone(), context.to_owned()));
        }
    }
    let missing: Vec<_> = used.difference(&told).collect();
    assert!(missing.is_empty(), "docs/protocol.md lacks {missing:?}");
    let signed = product.iter().find(|text| text.contains("pub const ROSTER_OP")).unwrap();
    let kinds = signed.lines().filter(|line| line.contains(": &str = \""));
    let kinds: BTreeSet<&str> = kinds.filter_map(|line| line.split('"').nth(1)).collect();
    let listed = told.iter().filter(|(kind, _)| kind == "sign");
    let listed: BTreeSet<&str> = listed.map(|(_, context)| context.as_str()).collect();
    assert_eq!(listed, kinds, "the kinds of signatures");
}

#[test]
fn every_word_of_the_glossary_stands_once_and_its_type_exists() {
    let product = product();
    let exists = |name: &str| {
        ["struct", "enum", "trait", "type"].iter().any(|word| {
            let ends = [' ', '(', '<', ';', '{'];
            let found = |end: &char| format!("{word} {name}{end}");
            product.iter().any(|text| ends.iter().any(|end| text.contains(&found(end))))
        })
    };
    let is_id = |name: &str| {
        let sizes = [16, 32].map(|bytes| format!("    {name}, {bytes}\n"));
        product.iter().any(|text| sizes.iter().any(|id| text.contains(id)))
    };
    let mut words = BTreeSet::new();
    let mut types = 0;
    for cells in rows(&document("glossary.md")) {
        let [word, code, meaning] = cells.as_slice() else { panic!("three cells: {cells:?}") };
        if word == "word" {
            continue;
        }
        assert!(words.insert(word.to_lowercase()), "{word} stands twice");
        assert!(meaning.len() > 20, "{word} has no meaning");
        for name in code.split(", ").filter_map(quoted) {
            assert!(exists(name) || is_id(name), "{word}: there is no type {name}");
            types += 1;
        }
    }
    assert!(words.len() > 60 && types > 40, "{} words, {types} types", words.len());
}

/// Returns the words of an identifier: `snake_case` and `CamelCase` alike.
fn words_of(identifier: &str) -> Vec<String> {
    if !identifier.contains(|letter: char| letter.is_lowercase()) {
        return identifier.to_lowercase().split('_').map(str::to_owned).collect();
    }
    let mut words = vec![String::new()];
    for letter in identifier.chars() {
        if letter == '_' || letter.is_uppercase() {
            words.push(String::new());
        }
        if letter != '_' {
            words.last_mut().unwrap().extend(letter.to_lowercase());
        }
    }
    words
}

#[test]
fn no_name_of_ours_is_an_empty_word() {
    assert_eq!(words_of("BlockManager_util"), ["", "block", "manager", "util"]);
    assert_eq!(words_of("UTIL_MAX"), ["util", "max"]);
    for text in product() {
        let code = text.lines().filter(|line| !line.contains('"'));
        for line in code {
            for name in line.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
                let empty = words_of(name).into_iter().find(|w| EMPTY_WORDS.contains(&w.as_str()));
                assert!(empty.is_none(), "{name} says nothing: {line}");
            }
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let sources: Vec<String> = sources().into_iter().map(|(_, text)| text).collect();
    let text = document("threat-model.md");
    let is_test = |word: &&str| {
        word.matches('_').count() >= 2
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'0'..=b'9'))
    };
    let named: BTreeSet<&str> = text.split('`').skip(1).step_by(2).filter(is_test).collect();
    for name in &named {
        let function = format!("fn {name}(");
        assert!(sources.iter().any(|text| text.contains(&function)), "no test is called {name}");
    }
    assert!(named.len() >= 50, "{} tests are named", named.len());
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut found = Vec::new();
    files(&root().join("docs"), "md", &mut found);
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") || file.contains(' ') {
                continue;
            }
            let target =
                if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            if !anchor.is_empty() {
                let headings = std::fs::read_to_string(&target).unwrap();
                let slug = |line: &str| {
                    let kept = line.trim_start_matches('#').trim().to_lowercase();
                    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
                    kept.collect::<String>().replace(' ', "-")
                };
                let mut headings = headings.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| slug(line) == anchor), "{}: {link}", path.display());
            }
        }
    }
}

fn heirloom(home: &Path, arguments: &[&str]) -> Json {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
    command.env_remove("HEIRLOOM_HOME").env_remove("RUST_LOG").stdin(Stdio::null());
    let output = command.arg("--home").arg(home).arg("--json").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_folder_of_the_program_reads_as_the_protocol_says() {
    let home = tempfile::tempdir().unwrap();
    let made = heirloom(home.path(), &["init", "--no-verify"]);
    let saved = heirloom(home.path(), &["settings", "set", "display", "brightness=80"]);
    let device = DeviceKeys::from_seed(keyfile::read(home.path()).unwrap());
    assert_eq!(device.id().to_string(), made["device_id"]);

    let store = Store::open(home.path(), &StoreOptions::default()).unwrap();
    let frames: Vec<Frame> = store.frames(None).map(|found| found.unwrap().1).collect();
    let of_kind = |kind: u8| frames.iter().filter(move |frame| frame.kind == kind);
    let own = of_kind(3).next().unwrap();
    assert_eq!(own.payload[0], 1, "the first own state is the account");
    let account = heirloom_base::AccountId(own.payload[1..].try_into().unwrap());
    assert_eq!(account.to_string(), made["account_id"]);
    let mut roster = Roster::new(account);
    for frame in of_kind(2) {
        roster.insert(&frame.payload).unwrap();
    }
    let keyring = Keyring::open(&roster, &device).unwrap();

    let entry = Entry::parse(of_kind(1).next().unwrap().payload.clone()).unwrap();
    entry.verify(account, device.id()).unwrap();
    let header = entry.header();
    let space = hash::truncate(hash::content("space", &[&account.0]));
    assert_eq!(header.space.0, space);
    let Origin { device: author, incarnation } = header.origin.unwrap();
    let log = hash::content("log", &[&author.0, &space, &incarnation.0]);
    assert_eq!((author, header.log.0), (device.id(), hash::truncate(log)));
    assert_eq!(Some(header.epoch), roster.state().writing_epoch());
    let body = entry.open(keyring.epoch_key(&header.epoch).unwrap()).unwrap();
    let record = hash::keyed(keyring.account_key(), "record", &[b"settings", b"display"]);
    assert_eq!(body.parts[0].record.0, hash::truncate::<16>(record));
    assert_eq!(body.parts[0].record.to_string(), saved["id"]);
}
