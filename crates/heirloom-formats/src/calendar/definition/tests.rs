use super::*;
use crate::calendar::occurrences::zone::own_zone;

fn local(text: &str) -> Moment {
    Moment::parse(text).unwrap()
}

fn defined(name: &str, start: &str) -> String {
    String::from_utf8(definition(name, local(start), "\n").unwrap()).unwrap()
}

#[test]
fn a_zone_with_rules_is_two_rules_since_they_hold() {
    let expected = "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:DAYLIGHT\nDTSTART:19960331T020000\n\
        TZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nTZNAME:CEST\n\
        RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nEND:DAYLIGHT\nBEGIN:STANDARD\n\
        DTSTART:19961027T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nTZNAME:CET\n\
        RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nEND:STANDARD\nEND:VTIMEZONE\n";
    for start in ["2026-12-24T18:00", "1999-01-01T00:00", "2050-07-01T00:00"] {
        assert_eq!(defined("Europe/Berlin", start), expected);
    }
    assert!(defined("America/New_York", "2026-01-01").contains("BYMONTH=3;BYDAY=2SU"));
    let jerusalem = defined("Asia/Jerusalem", "2026-01-01");
    assert!(jerusalem.contains("BYDAY=FR;BYMONTHDAY=23,24,25,26,27,28,29"), "{jerusalem}");
}

#[test]
fn an_early_event_has_the_single_changes_before_the_rules() {
    let berlin = defined("Europe/Berlin", "1995-01-01T12:00");
    assert!(berlin.contains("DTSTART:19940925T030000\n"), "{berlin}");
    assert!(berlin.contains("RDATE:19950924T030000\n") && berlin.contains("19960331T020000"));
}

#[test]
fn a_zone_without_changes_is_one_component() {
    let expected = "BEGIN:VTIMEZONE\nTZID:UTC\nBEGIN:STANDARD\nDTSTART:19700101T000000\n\
        TZOFFSETFROM:+0000\nTZOFFSETTO:+0000\nTZNAME:UTC\nEND:STANDARD\nEND:VTIMEZONE\n";
    assert_eq!(defined("UTC", "2026-01-01T00:00"), expected);
    assert_eq!(defined("Asia/Kolkata", "2026-01-01T00:00").matches("BEGIN:S").count(), 1);
    assert_eq!(definition("Mars/Olympus", local("2026-01-01"), "\n"), None);
}

#[test]
fn every_zone_of_the_database_reads_as_it_is_defined() {
    const DAYS: i64 = 45 * 366;
    let names: Vec<String> =
        TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    assert!(names.len() > 400, "{}", names.len());
    for (index, name) in names.iter().enumerate() {
        // Every zone from a date of its own, some from long ago.
        let year = 1950 + i64::try_from(index * 7 % 90).unwrap();
        let start = days_from_civil(year, 1 + i64::try_from(index % 12).unwrap(), 3) * DAY;
        let moment = Moment::from_seconds(start, MomentKind::Local);
        let definition = definition(name, moment, "\r\n").unwrap();
        let own = own_zone(&definition, start + (DAYS + 400) * DAY).unwrap();
        let database = Zone::Named(named(&TimeZoneDatabase::bundled(), name).unwrap());
        for day in (0..DAYS).step_by(29) {
            let time = start + day * DAY + 12 * 3_600;
            let day = Moment::from_seconds(time, MomentKind::Local).to_extended();
            assert_eq!(own.instant(time), database.instant(time), "{name} from {year}: {day}");
        }
    }
}
