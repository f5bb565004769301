//! One item that two devices imported apart, in different versions.

use super::household::House;

const ONE: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:b\r\nFN:Ann\r\nTEL:1\r\nEND:VCARD\r\n";
const OTHER: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:b\r\nN:;Ann;;;\r\nFN:Ann\r\nTEL:2\r\nEMAIL:q@q\r\nTEL:1\r\nEND:VCARD\r\n";

fn apart(one: &str, other: &str) -> House {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    house.import(0, "contacts", "a.vcf", one);
    house.import(1, "contacts", "a.vcf", other);
    house.connect(0, 1);
    house.pass(2_000);
    house
}

fn source(house: &mut House, device: usize) -> String {
    house.show(device, "contacts", "b").source.unwrap()
}

fn lines(source: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = source.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn both_devices_show_every_line_once_in_one_card() {
    let mut house = apart(ONE, OTHER);
    let shown = source(&mut house, 0);
    assert_eq!(shown, source(&mut house, 1));
    assert_eq!(lines(&shown), lines(OTHER));
    assert!(shown.ends_with("\r\nEND:VCARD\r\n"));
    assert!(house.conflicts(0, "contacts").is_empty());
    // Nobody wrote anything for it, and the file of either changes nothing.
    let digest = house.digest(0);
    house.import(0, "contacts", "a.vcf", ONE);
    house.import(0, "contacts", "a.vcf", OTHER);
    let own = source(&mut house, 0);
    house.import(0, "contacts", "a.vcf", &own);
    assert_eq!(house.digest(0), digest);
}

#[test]
fn edits_of_both_devices_leave_every_other_line() {
    let mut house = apart(ONE, OTHER);
    let before = source(&mut house, 0);
    house.cut(0, 1);
    house.set(0, "contacts", "b", &["email=new@q"]);
    house.set(1, "contacts", "b", &["phone-=2"]);
    assert_eq!(source(&mut house, 0), before.replace("q@q", "new@q"));
    assert_eq!(source(&mut house, 1), before.replace("TEL:2\r\n", ""));
    house.connect(0, 1);
    house.pass(2_000);
    let after = before.replace("q@q", "new@q").replace("TEL:2\r\n", "");
    assert_eq!([source(&mut house, 0), source(&mut house, 1)], [after.clone(), after]);
    assert!(house.conflicts(0, "contacts").is_empty());
    assert_eq!(house.digest(0), house.digest(1));
}

#[test]
fn what_a_card_has_once_is_in_conflict_until_somebody_chooses() {
    let other = OTHER.replace("FN:Ann", "FN:Anna").replace("TEL:2\r\n", "BDAY:2000-01-01\r\n");
    let mut house = apart(ONE, &other);
    let rows = house.conflicts(1, "contacts");
    let fields: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
    assert_eq!(fields, ["name"], "{rows:?}");
    let loser = rows[0].losers[0].value.clone().unwrap();
    let text = loser.as_str().unwrap().to_owned();
    house.resolve(1, "contacts", "b", Some("name"), "2").unwrap();
    house.pass(2_000);
    for device in 0..2 {
        assert!(house.conflicts(device, "contacts").is_empty());
        let source = source(&mut house, device);
        assert!(source.contains(&format!("\r\nFN:{text}\r\n")), "{source}");
        assert!(source.contains("BDAY") && source.matches("END:").count() == 1, "{source}");
    }
}

/// Eight cards of which each device has its own version, and an edit of the
/// phone's, made before they met: whichever birth is the first.
fn eight_apart(one: &str, other: &str, edit: &[&str]) -> (House, Vec<String>) {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    let uids: Vec<String> = (0..8).map(|number| format!("b{number}")).collect();
    for uid in &uids {
        let card = |text: &str| text.replace("UID:b", &format!("UID:{uid}"));
        house.import(0, "contacts", "a.vcf", &card(one));
        house.import(1, "contacts", "a.vcf", &card(other));
        house.pass(2_000);
        house.set(0, "contacts", uid, edit);
    }
    house.connect(0, 1);
    house.pass(2_000);
    (house, uids)
}

#[test]
fn a_removal_of_either_birth_loses_against_the_other_and_is_listed() {
    let card = |day: &str| ONE.replace("UID:b", &format!("UID:b\r\nBDAY:{day}"));
    let (mut house, uids) = eight_apart(&card("1984-02-28"), &card("1984-03-01"), &["birthday="]);
    let remover = house.id(0).to_string();
    for (number, uid) in uids.iter().enumerate() {
        let row = house.show(0, "contacts", uid);
        assert_eq!(row.fields["birthday"], "1984-03-01", "{uid}");
        let mut conflicts = house.conflicts(1, "contacts");
        conflicts.retain(|one| one.id == row.id);
        let [conflict] = conflicts.as_slice() else { panic!("{uid}: {conflicts:?}") };
        assert_eq!((conflict.field.as_str(), conflict.losers.len()), ("birthday", 1));
        let loser = &conflict.losers[0];
        assert!(loser.removed && loser.author.by == remover, "{loser:?}");
        let (keep, left) = if number % 2 == 0 { ("1", Some("1984-03-01")) } else { ("2", None) };
        house.resolve(1, "contacts", uid, Some("birthday"), keep).unwrap();
        house.pass(2_000);
        for device in 0..2 {
            let row = house.show(device, "contacts", uid);
            assert_eq!(row.fields.get("birthday").and_then(|day| day.as_str()), left, "{uid}");
            assert!(house.conflicts(device, "contacts").iter().all(|one| one.id != row.id));
        }
    }
    assert_eq!(house.digest(0), house.digest(1));
}

#[test]
fn an_edit_of_either_birth_goes_before_the_other_which_is_listed() {
    let (one, other) = (ONE.replace("FN:Ann", "FN:One"), OTHER.replace("FN:Ann", "FN:Other"));
    let (mut house, uids) = eight_apart(&one, &other, &["name=Edited", "phone=999"]);
    let editor = house.id(0).to_string();
    for uid in &uids {
        let row = house.show(1, "contacts", uid);
        let history = house.history(1, "contacts", uid);
        let at = history.iter().find(|row| row.kind == "edited").unwrap().author.at.clone();
        assert_eq!(row.fields["name"], "Edited");
        let phones = row.fields["phone"].as_array().unwrap().iter();
        let place = phones.clone().position(|phone| phone["value"] == "999").unwrap();
        let told = [&row.authors["name"], &row.authors["phone"][place]];
        assert!(told.iter().all(|one| one["by"] == editor && one["at"] == at), "{told:?} {at}");
        let conflicts = house.conflicts(1, "contacts");
        let names = conflicts.iter().filter(|conflict| conflict.id == row.id);
        let [name] = names.filter(|conflict| conflict.field == "name").collect::<Vec<_>>()[..]
        else {
            panic!("{uid}: {conflicts:?}");
        };
        assert_eq!((name.winner.clone().unwrap(), &name.author.at), ("Edited".into(), &at));
        assert_eq!(name.losers[0].value.clone().unwrap(), "Other");
    }
}

#[test]
fn an_earlier_version_of_a_record_that_was_made_one_is_as_it_was_shown() {
    let mut house = apart(ONE, OTHER);
    let before = source(&mut house, 0);
    house.pass(3_000);
    let at = heirloom_base::time::rfc3339(house.now.wall_ms);
    house.pass(3_000);
    house.set(0, "contacts", "b", &["email=", "phone-=1"]);
    assert_ne!(source(&mut house, 0), before);
    house.restore(0, "contacts", "b", Some(&at));
    assert_eq!(lines(&source(&mut house, 0)), lines(&before));
    house.pass(2_000);
    assert_eq!(house.digest(0), house.digest(1));
}

#[test]
fn what_was_removed_before_they_met_stays_removed() {
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    house.import(0, "contacts", "a.vcf", ONE);
    house.import(1, "contacts", "a.vcf", OTHER);
    house.set(0, "contacts", "b", &["phone="]);
    house.set(1, "contacts", "b", &["email=", "phone+=3"]);
    house.connect(0, 1);
    house.pass(2_000);
    let shown = source(&mut house, 0);
    assert_eq!(shown, source(&mut house, 1));
    let mut expected = lines(OTHER);
    expected.retain(|line| !["EMAIL:q@q", "TEL:1"].contains(line));
    expected.push("TEL:3");
    expected.sort_unstable();
    assert_eq!(lines(&shown), expected);
    assert!(house.conflicts(0, "contacts").is_empty());
}

#[test]
fn a_record_goes_back_to_any_of_its_births() {
    let other = OTHER.replace("FN:Ann", "FN:Anna").replace("TEL:1\r\n", "TEL:4\r\nURL:u\r\n");
    let mut house = apart(ONE, &other);
    let born: Vec<String> = house
        .history(0, "contacts", "b")
        .into_iter()
        .filter(|change| change.kind == "created")
        .map(|change| change.change)
        .collect();
    assert_eq!(born.len(), 2);
    for device in [0, 1, 0] {
        for change in &born {
            house.restore(device, "contacts", "b", Some(change));
            house.pass(2_000);
            let source = source(&mut house, device);
            let file = if source.contains("Anna") { &other } else { ONE };
            assert_eq!(lines(&source), lines(file));
            assert!(source.ends_with("\r\nEND:VCARD\r\n"), "{source}");
        }
    }
    assert_eq!(source(&mut house, 0), source(&mut house, 1));
}

#[test]
fn occurrences_of_a_series_are_each_at_odds_for_themselves() {
    let event = |title: &str, moved: &str, is_first: bool| {
        let series = format!(
            "BEGIN:VEVENT\r\nUID:b\r\nDTSTART:20260101T100000Z\r\nRRULE:FREQ=DAILY;COUNT=3\r\nSUMMARY:{title}\r\nEND:VEVENT\r\n"
        );
        let moved = format!(
            "BEGIN:VEVENT\r\nUID:b\r\nRECURRENCE-ID:20260102T100000Z\r\nDTSTART:20260102T120000Z\r\nSUMMARY:{moved}\r\nEND:VEVENT\r\n"
        );
        let parts = if is_first { [series, moved] } else { [moved, series] };
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}END:VCALENDAR\r\n", parts.concat())
    };
    let mut house = House::of(&["phone", "desk"]);
    house.cut(0, 1);
    house.import(0, "calendar", "a.ics", &event("A", "OA", true));
    house.import(1, "calendar", "a.ics", &event("B", "OB", false));
    house.connect(0, 1);
    house.pass(2_000);
    let rows = house.conflicts(0, "calendar");
    assert_eq!(rows.len(), 2, "{rows:?}");
    let number = rows[0].number.to_string();
    house.resolve(0, "calendar", "b", Some("title"), &number).unwrap();
    house.pass(2_000);
    let left = house.conflicts(1, "calendar");
    assert_eq!(left.len(), 1, "{left:?}");
    house.resolve(1, "calendar", "b", Some("title"), "winner").unwrap();
    house.pass(2_000);
    assert!(house.conflicts(0, "calendar").is_empty());
    let source = house.show(0, "calendar", "b").source.unwrap();
    assert_eq!(source.matches("SUMMARY").count(), 2, "{source}");
}
