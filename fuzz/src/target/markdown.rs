//! Notes, with and without front matter.

use super::{Outcome, Seeds, Target, item, unmended};

pub(super) const TARGET: Target = Target {
    name: "markdown",
    body,
    seeds,
    mend: unmended,
    words: &[
        "---",
        "...",
        "id: 1",
        "id: \"\\u0041\"",
        "title: 'a b'",
        "title: |",
        "tags: [a, b]",
        "tags:\n  - a",
        "# heading",
        "## ",
        "    code",
        "[[link]]",
        "![](a.png)",
        "\r",
        "\u{feff}",
        "\u{2028}",
        "\u{0301}",
        ": ",
        "#",
        "\t",
    ],
    is_lines: true,
    mends_alone: false,
    bytes_max: 2 * 1024,
};

fn body(bytes: &[u8]) -> Outcome {
    let texts = ["title=New: \"title\"", "body=one\ntwo", "tags+=x"];
    // The first byte chooses the file's name, which is part of a note.
    let (name, text) = match bytes.split_first() {
        Some((b'/', rest)) => ("a folder/b.c/../\u{fc}.markdown", rest),
        Some((b'~', rest)) => ("note.txt", rest),
        Some(_) | None => ("note.md", bytes),
    };
    item::import(name, text, "notes", &texts)
}

fn seeds() -> Seeds {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("plain", text("# A title\n\nSome text.\n")),
        ("front-matter", text("---\nid: 7\ntitle: \"A: b\"\ntags: [x, y]\n---\n# Other\n\ntext\n")),
        ("dos", text("---\r\ntitle: a\r\n---\r\n\r\ntext\r\n")),
        ("front-matter-without-an-end", text("---\ntitle: a\ntext\n")),
        ("only-fences", text("---\n---\n---\n---\n")),
        ("empty", Vec::new()),
        ("no-line-end", text("x")),
        ("in-a-folder", text("/# A\n")),
        ("text-file", text("~just text")),
        ("not-utf-8", vec![b'#', b' ', 0xff, 0xfe, 0xc3, b'\n', 0x80]),
        ("utf-16", [&[0xff, 0xfe][..], &[b'a', 0, b'\n', 0]].concat()),
        ("many-front-lines", format!("---\n{}---\n", "a: 1\n".repeat(5_000)).into_bytes()),
        ("many-fences", "---\n".repeat(20_000).into_bytes()),
        ("one-long-line", vec![b'x'; 300_000]),
        ("deep-lists", "- ".repeat(50_000).into_bytes()),
        ("combining", format!("# a{}", "\u{301}".repeat(20_000)).into_bytes()),
        ("the-same-id-twice", text("---\nid: 1\nid: 2\nID: 3\n---\n")),
        ("odd-id", text("---\nid: \"../../x\\u0000\"\ntitle: ../..\n---\nCON\n")),
    ]
}
