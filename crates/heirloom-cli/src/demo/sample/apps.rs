//! Records of an app: a shopping list, one JSON file for each article.

use super::SampleFile;

const ARTICLES: &[(&str, &str)] = &[
    ("milk", "{\n  \"amount\": 2,\n  \"done\": false,\n  \"title\": \"Milk\"\n}\n"),
    ("crème fraîche", "{\"title\":\"Crème fraîche\",\"amount\":1,\"done\":true}"),
    ("tea", "{\n  \"amount\": 1,\n  \"done\": false,\n  \"title\": \"Tea\"\n}\n"),
];

/// Returns the files with app records.
pub(super) fn files() -> Vec<SampleFile> {
    let file = |(name, text): &(&str, &str)| SampleFile {
        path: format!("apps/org.example.shopping%2F{name}.apprecord"),
        bytes: text.as_bytes().to_vec(),
        records: 1,
    };
    ARTICLES.iter().map(file).collect()
}
