//! Settings, and the records of apps: JSON objects.

use super::{Outcome, Seeds, Target, item};
use crate::json;
use heirloom_sim::rng::Rng;

pub(super) const TARGET: Target = Target {
    name: "settings",
    body,
    seeds,
    mend,
    words: &[
        "{\"a\": 1}",
        "\"",
        "\\u0000",
        "\\ud800",
        "1e400",
        "-0",
        "1.10",
        "[[",
        "]]",
        "null",
        "\"$serde_json::private::Number\"",
        "\"namespace\": ",
        "\"settings\": {",
        ",",
        "\u{feff}",
        "!",
    ],
    is_lines: false,
    mends_alone: true,
    bytes_max: 2 * 1024,
};

fn body(bytes: &[u8]) -> Outcome {
    let texts = ["a=1", "brightness=80", "x={\"b\": [1.50]}", "a="];
    match bytes.split_first() {
        Some((b'~', rest)) => item::import("org.example%2Fx.apprecord", rest, "apps", &texts),
        Some(_) | None => item::import("display.json", bytes, "settings", &texts),
    }
}

fn mend(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    match bytes.split_first() {
        Some((b'~', rest)) => [vec![b'~'], json::damage(rest.to_vec(), rng)].concat(),
        Some(_) | None => json::damage(bytes, rng),
    }
}

fn seeds() -> Seeds {
    let text = |text: &str| text.as_bytes().to_vec();
    let deep = |open: &str, close: &str, depth: usize| {
        format!("{{\"a\": {}1{}}}", open.repeat(depth), close.repeat(depth)).into_bytes()
    };
    let many: Vec<String> = (0..3_000).map(|number| format!("\"k{number}\": {number}")).collect();
    vec![
        ("display", text("{\n  \"brightness\": 80,\n  \"dark\": true,\n  \"scale\": 1.50\n}\n")),
        ("compact", text("{\"a\":1,\"b\":[1,2,{\"c\":null}],\"d\":\"\\u00fc\"}")),
        ("empty", text("{}")),
        ("nothing", Vec::new()),
        ("not-an-object", text("[1, 2]")),
        ("app", text("~{\"title\": \"Milk\", \"done\": false}")),
        ("a-key-twice", text("{\"a\": 1, \"a\": 2}")),
        (
            "numbers",
            text("{\"a\": 1e400, \"b\": -0, \"c\": 123456789012345678901234567890, \"d\": 1.10}"),
        ),
        ("the-private-number", text("{\"a\": {\"$serde_json::private::Number\": \"x\"}}")),
        ("half-a-letter", text("{\"a\": \"\\ud800\", \"\\udc00\": 1}")),
        ("a-key-of-the-house", text("{\"!deleted\": 1, \"s:a\": 2, \"\": 3}")),
        ("deep-arrays", deep("[", "]", 50_000)),
        ("deep-objects", deep("{\"a\":", "}", 50_000)),
        ("deep-and-open", "{\"a\":[".repeat(30_000).into_bytes()),
        ("deep-in-an-app", [text("~"), deep("[", "]", 50_000)].concat()),
        ("many-keys", format!("{{{}}}", many.join(",")).into_bytes()),
        ("one-long-text", format!("{{\"a\": \"{}\"}}", "x".repeat(300_000)).into_bytes()),
        ("byte-order-mark", text("\u{feff}{\"a\": 1}")),
        ("carriage-returns", text("{\r\"a\":\r1\r}")),
    ]
}
