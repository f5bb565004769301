//! The lines of the control socket.

use heirloom_base::count;
use heirloom_core::command::{Answer, Command, Event, Failure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Bytes of one answer: an export page with its photos.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Connections that one node serves at one time.
pub const CONNECTIONS_MAX: usize = 32;

/// Programs that watch at one time: the other connections are for commands.
pub const WATCHERS_MAX: usize = 16;

/// The failure code of an answer that would pass [`RESPONSE_BYTES_MAX`]; a
/// program that pages asks again for less.
pub const ANSWER_TOO_LARGE: &str = "answer-too-large";

/// What a program asks, one line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Carries out a command; answered by [`Response::Answer`] or [`Response::Failed`].
    Command(Command),
    /// Asks for events; answered by [`Response::Watching`], then only [`Event`] lines follow.
    Watch,
}

/// What the node answers, one line each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a connection holds one response at a time")]
pub enum Response {
    /// The command was carried out.
    Answer(Answer),
    /// It was not.
    Failed(Failure),
    /// Events follow.
    Watching,
}

/// A line that is not what was expected.
#[derive(Debug, thiserror::Error)]
#[error("unreadable line on the control socket")]
pub struct LineError(#[from] serde_json::Error);

/// Reads an answer from one line.
///
/// # Errors
/// When the line is not the JSON form of a [`Response`].
pub fn decode_response(line: &[u8]) -> Result<Response, LineError> {
    Ok(serde_json::from_slice(line)?)
}

/// Reads a value from one line.
///
/// The detour over a JSON tree is needed: numbers kept with arbitrary
/// precision cannot be read straight from text into tagged enums.
///
/// # Errors
/// When the line is not the JSON form of a `T`.
pub fn decode<T: DeserializeOwned>(line: &[u8]) -> Result<T, LineError> {
    let tree: serde_json::Value = serde_json::from_slice(line)?;
    Ok(serde_json::from_value(tree)?)
}

/// Writes a value as one line with its line feed.
///
/// # Errors
/// When the value has no JSON form.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, LineError> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// Builds the failure of a request that the control interface itself refuses.
pub(crate) fn refusal(code: &str, text: String, fix: &str) -> Failure {
    Failure { exit: 1, code: code.to_owned(), text, fix: fix.to_owned() }
}

/// Builds the failure of a line that is no request; it names what is wrong.
pub(crate) fn unreadable(LineError(cause): &LineError) -> Failure {
    // What was sent may stand in the cause, and be as long as a request.
    const LETTERS_MAX: usize = 1_000;
    let cause: String = cause.to_string().chars().take(LETTERS_MAX).collect();
    refusal(
        "request-unreadable",
        format!("the request cannot be read: {cause}"),
        "Mend the request as docs/protocol.md of the node's version says, or use the `heirloom` \
         command of that version",
    )
}

/// Says to a watcher that it was too slow and missed events.
pub(crate) fn skipped(events: u64) -> Event {
    Event::Warning {
        code: "events-dropped".to_owned(),
        text: format!(
            "{} dropped because they were read too slowly",
            count::of(events, "event was", "events were")
        ),
        aside: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_core::command::{
        Author, ConcurrentValue, ConflictRow, HistoryEdit, HistoryRow, Level, QuarantineRow,
        RecordRow, Wait,
    };
    use serde_json::json;

    fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
        let line = encode(value).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(&decode::<T>(&line).unwrap(), value);
    }

    fn responds(response: &Response) {
        survives(response);
        assert_eq!(&decode_response(&encode(response).unwrap()).unwrap(), response);
    }

    fn answers(answer: Answer) {
        responds(&Response::Answer(answer));
    }

    #[test]
    fn requests_with_numbers_survive_their_lines() {
        survives(&Request::Watch);
        survives(&Request::Command(Command::Status));
        survives(&Request::Command(Command::Sync { timeout_ms: u64::MAX }));
        survives(&Request::Command(Command::Add {
            category: "contacts".to_owned(),
            assignments: vec!["name=Zeile\nzwei".to_owned()],
            wait: Wait { level: Level::Peer(2), timeout_ms: 1_500 },
        }));
    }

    #[test]
    fn what_was_kept_aside_survives_its_lines() {
        let row = QuarantineRow {
            log: "ab".to_owned(),
            seq: u64::MAX,
            device: "guest".to_owned(),
            ..Default::default()
        };
        let (code, text) = ("quarantined".to_owned(), "A text.".to_owned());
        answers(Answer::Quarantine { rows: vec![row.clone()], next: Some("71".to_owned()) });
        survives(&Command::Quarantine { after: None, limit: 5 });
        for aside in [None, Some(Box::new(row))] {
            survives(&Event::Warning { code: code.clone(), text: text.clone(), aside });
        }
    }

    #[test]
    fn answers_with_every_kind_of_json_survive_their_lines() {
        let fields = json!({"n": 80, "f": 1.50, "s": "x", "l": [{"value": "v", "type": null}]});
        answers(Answer::Record(RecordRow {
            id: "ab".to_owned(),
            category: "settings".to_owned(),
            title: "display".to_owned(),
            fields: fields.as_object().unwrap().clone(),
            authors: serde_json::Map::new(),
            updated_at: "2026-01-01T00:00:00Z".to_owned(),
            updated_by: "cd".to_owned(),
            deleted: false,
            source: None,
        }));
        let author = Author { by: "cd".into(), by_name: "desk".into(), at: "2026".into() };
        let value = |number| ConcurrentValue {
            number,
            value: Some(json!(1.50)),
            author: author.clone(),
            ..ConcurrentValue::default()
        };
        answers(Answer::Conflicts {
            rows: vec![ConflictRow {
                id: "ab".to_owned(),
                category: "settings".to_owned(),
                title: "display".to_owned(),
                field: "brightness".to_owned(),
                number: 1,
                winner: Some(json!(80)),
                author: author.clone(),
                losers: vec![value(2), value(3)],
                ..ConflictRow::default()
            }],
        });
        let edit = HistoryEdit {
            field: "n".to_owned(),
            before: None,
            after: Some(json!([1, 2])),
            structural: true,
            ..Default::default()
        };
        answers(Answer::History {
            rows: vec![HistoryRow {
                change: "ef".to_owned(),
                author,
                kind: "edited".to_owned(),
                edits: vec![edit],
            }],
        });
        responds(&Response::Failed(refusal("x", "y".to_owned(), "z")));
        responds(&Response::Watching);
        answers(Answer::Done);
        survives(&skipped(7));
        survives(&Event::Progress {
            device_id: "d".to_owned(),
            device: "desk".to_owned(),
            receiving: 1,
            sending: 2,
        });
    }

    #[test]
    fn a_line_that_is_no_request_is_told_what_is_wrong_with_it() {
        let told = |line: &str| {
            let failure = unreadable(&decode::<Request>(line.as_bytes()).unwrap_err());
            assert_eq!((failure.exit, failure.code.as_str()), (1, "request-unreadable"));
            failure.text
        };
        let list = |fields: &str| {
            format!("{{\"command\":{{\"command\":\"list\",\"category\":\"notes\"{fields}}}}}")
        };
        for (line, expected) in [
            (list(""), "missing field `limit`"),
            (list(",\"limit\":\"5\""), "invalid type: string \"5\", expected usize"),
            (list(",\"limit\":5,\"serach\":\"x\""), "unknown field `serach`, expected one of"),
            (list("").replace("list", "lists"), "unknown variant `lists`, expected one of"),
            ("hello".to_owned(), "expected value at line 1 column 1"),
        ] {
            let text = told(&line);
            assert!(text.starts_with("the request cannot be read: "), "{text}");
            assert!(text.contains(expected), "{text}");
        }
        let long = list(&format!(",\"limit\":{:?}", "x".repeat(100_000)));
        assert!(told(&long).len() < 2_000);
    }

    #[test]
    fn a_field_that_is_not_known_is_refused_wherever_it_stands() {
        for command in [
            json!({"command": "occurrences", "category": "calendar", "zone": "UTC", "limit": 1, "form": ""}),
            json!({"command": "delete", "category": "notes", "id": "a", "wait": {"level": "local", "timeout_ms": 1, "until": 2}}),
            json!({"command": "import", "dry_run": true, "items": [{"category": "notes", "file": "a", "line": 1, "base64": "", "name": ""}]}),
        ] {
            let line = json!({ "command": command }).to_string();
            let error = decode::<Request>(line.as_bytes()).unwrap_err();
            assert!(unreadable(&error).text.contains("unknown field"), "{line}");
        }
    }

    #[test]
    fn a_foreign_line_is_an_error() {
        for line in ["", "{", "null", "\"stop\"", "{\"command\":{\"command\":\"erase-all\"}}"] {
            assert!(decode::<Request>(line.as_bytes()).is_err(), "{line}");
            assert!(decode_response(line.as_bytes()).is_err(), "{line}");
        }
    }
}
