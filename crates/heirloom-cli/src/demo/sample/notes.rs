//! Notes as Markdown files, with and without front matter.

use super::{Numbers, SampleFile};

/// Diary pages beside the written-out notes.
const PAGES: usize = 34;

/// Notes that are written out here: path and text.
const NOTES: &[(&str, &str)] = &[
    (
        "Shopping.md",
        "# Shopping\n\n- [ ] oat milk\n- [x] bread\n- [ ] 醤油 and ginger\n- [ ] batteries (AA)\n",
    ),
    (
        "recipes/Apfelkuchen.md",
        "---\ntitle: Omas Apfelkuchen\ntags: [cake, autumn]\nid: recipe-apple\n---\n\n\
         1. 250 g Mehl, 125 g Butter, 1 Ei\n2. Äpfel schälen\n3. 45 min bei 180 °C\n",
    ),
    (
        "recipes/Борщ.md",
        "---\ntitle: Борщ\nid: recipe-borsch\n---\nБуряк, капуста, картопля, морква.\n\n\
         > Наступного дня він ще кращий.\n",
    ),
    (
        "house/Boiler.md",
        "# Boiler\r\n\r\nPressure 1.2 - 1.8 bar. Reset: hold the red button for 5 s.\r\n",
    ),
    (
        "house/Meter readings.md",
        "| month | kWh | m³ |\n|---|---|---|\n| 2026-01 | 412 | 61 |\n| 2026-02 | 398 | 55 |\n",
    ),
    ("ideas/ספרים.txt", "ספרים לקרוא בחופש:\nשלושה ספרים מהספרייה\n"),
];

const LINES: &[&str] = &[
    "Rain all morning, then the river path with the dog.",
    "Called the bank about the *old* account; they promise a letter.",
    "夕方、庭でトマトを三つ収穫した。",
    "Der Kleine hat heute zum ersten Mal alleine geschwommen!",
    "Plan for Saturday:\n\n1. market\n2. library\n3. film night 🎬",
    "`router` restarted twice. If it happens again, swap the power supply.",
    "Η γιαγιά ήρθε για φαγητό.",
];

/// Returns the files with notes.
pub(super) fn files() -> Vec<SampleFile> {
    let file = |path: String, text: String| SampleFile {
        path: format!("notes/{path}"),
        bytes: text.into_bytes(),
        records: 1,
    };
    let mut numbers = Numbers::new(11);
    let written = NOTES.iter().map(|(path, text)| file((*path).to_owned(), (*text).to_owned()));
    let diary = (0..PAGES).map(|page| {
        let date = format!("2026-{:02}-{:02}", 1 + page / 3, 3 + 9 * (page % 3));
        let mut text = format!("---\ntitle: Diary, {date}\nid: diary-{date}\n---\n");
        for _ in 0..2 + numbers.below(6) {
            text.push('\n');
            text.push_str(numbers.choose(LINES));
            text.push('\n');
        }
        file(format!("diary/{date}.md"), text)
    });
    written.chain(diary).collect()
}
