use super::*;

fn entry(id: &str, title: &str, start: Option<&str>) -> Entry {
    Entry {
        id: id.to_owned(),
        title: title.to_owned(),
        start: start.map(str::to_owned),
        updated_at: String::new(),
        row: None,
    }
}

#[test]
fn what_has_a_start_comes_first_and_in_time() {
    let mut entries = [
        entry("1", "b", None),
        entry("2", "z", Some("2026-01-05")),
        entry("3", "a", None),
        entry("4", "y", Some("2026-01-05T10:00:00")),
        entry("5", "x", Some("2025-01-05T10:00:00Z")),
        entry("6", "a", None),
    ];
    entries.sort_by(|one, other| compare(&Order::CodePoints, one, other));
    let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids.join(""), "524361");
}

#[test]
fn the_id_before_another_is_found_by_counting() {
    assert_eq!(before("0010").as_deref(), Some("000f"));
    assert_eq!(before(&"f".repeat(32)).unwrap(), format!("{}e", "f".repeat(31)));
    assert_eq!((before("0000"), before("")), (None, None));
}
