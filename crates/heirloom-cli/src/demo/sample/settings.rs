//! Settings, one JSON file for each namespace.

use super::SampleFile;

const NAMESPACES: &[(&str, &str)] = &[
    (
        "display",
        "{\n  \"brightness\": 80,\n  \"dark\": true,\n  \"scale\": 1.25,\n  \"wallpaper\": \"Küste.jpg\"\n}\n",
    ),
    (
        "keyboard",
        "{\n  \"layouts\": [\"de\", \"ua\", \"jp\"],\n  \"autocorrect\": false,\n  \"learned\": {\"lg\": \"Liebe Grüße\"}\n}\n",
    ),
    ("sound", "{\"ringtone\":\"Marimba\",\"volume\":7,\"vibrate\":true}"),
    ("privacy", "{\n  \"lock_after_s\": 120,\n  \"previews\": null\n}\n"),
    (
        "clock",
        "{\n  \"alarms\": [{\"at\": \"06:45\", \"days\": \"Mo-Fr\"}],\n  \"zone\": \"Europe/Berlin\"\n}\n",
    ),
];

/// Returns the files with settings.
pub(super) fn files() -> Vec<SampleFile> {
    let file = |(name, text): &(&str, &str)| SampleFile {
        path: format!("settings/{name}.json"),
        bytes: text.as_bytes().to_vec(),
        records: 1,
    };
    NAMESPACES.iter().map(file).collect()
}
