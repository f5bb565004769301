//! Networks that keep devices apart: walls with a keeper outside, and links
//! that carry one way only.

use super::lan::{Host, Lan, Ports, in_namespaces};
use super::{House, PATIENCE, RECOVERY_MAX, UNAWARE_MAX};
use crate::common::{digest, init, run_json};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// Time for every try to punch a hole.
const PUNCHING_MAX: Duration = Duration::from_secs(45);

/// Returns how a device sees another one of this name.
#[track_caller]
fn row(home: &Path, name: &str) -> Value {
    let rows = run_json(home, &["devices", "list"]).lines();
    rows.into_iter().find(|row| row["name"] == name).unwrap_or_default()
}

/// Waits until a device is connected with another one in this way; says how
/// long that took.
#[track_caller]
fn connected(what: &str, home: &Path, name: &str, relayed: bool, limit: Duration) {
    let begin = Instant::now();
    loop {
        let row = row(home, name);
        if row["online"] == true && row["relayed"] == relayed {
            break;
        }
        assert!(begin.elapsed() < limit, "in vain: {what}: {row}");
        std::thread::sleep(Duration::from_millis(50));
    }
    eprintln!("{what}: {} ms", begin.elapsed().as_millis());
}

/// Returns what a device counts of its connection with another one.
#[track_caller]
fn traffic(home: &Path, name: &str) -> Value {
    let id = row(home, name)["id"].clone();
    let status = run_json(home, &["status"]).json();
    let peers = status["network"]["peers"].as_array().cloned().unwrap_or_default();
    peers.into_iter().find(|peer| peer["device_id"] == id).unwrap_or_default()
}

/// Waits until there is one connection between two devices, on both sides.
#[track_caller]
fn one_connection(house: &House) {
    let begin = Instant::now();
    let (one, other) = (house.path("one"), house.path("other"));
    while [traffic(&one, "other"), traffic(&other, "one")].iter().any(|it| it["connections"] != 1) {
        assert!(
            begin.elapsed() < RECOVERY_MAX,
            "{} {}",
            traffic(&one, "other"),
            traffic(&other, "one")
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A keeper that everybody reaches, and two devices that nobody does.
fn walled(lan: &Lan, ports: Ports) -> (Host, Host, Host) {
    let keeper = lan.host("box", "198.51.100.1/24");
    let phone = lan.walled("phone", "gate1", "198.51.100.2/24", ports);
    let laptop = lan.walled("laptop", "gate2", "198.51.100.3/24", ports);
    (keeper, phone, laptop)
}

#[test]
fn two_devices_behind_two_walls_meet_at_the_keeper_and_go_on_without_it() {
    let test = "walls::two_devices_behind_two_walls_meet_at_the_keeper_and_go_on_without_it";
    in_namespaces(test, |lan| {
        let house = House::new();
        let (keeper, phone, laptop) = walled(lan, Ports::Kept);
        let (keeper_up, _phone_up, _laptop_up) = house.with_keeper(keeper, phone, laptop);
        let (one, other) = (house.path("one"), house.path("other"));
        connected("a hole is punched", &one, "other", false, PUNCHING_MAX);
        connected("for the other, too", &other, "one", false, RECOVERY_MAX);
        one_connection(&house);
        keeper_up.kill();
        // Nobody is left but the two.
        house.travels("without the keeper", &one, &other, RECOVERY_MAX);
        house.travels("and back", &other, &one, RECOVERY_MAX);
        one_connection(&house);
    });
}

#[test]
fn where_no_hole_can_be_punched_the_keeper_goes_on_relaying() {
    let test = "walls::where_no_hole_can_be_punched_the_keeper_goes_on_relaying";
    in_namespaces(test, |lan| {
        let house = House::new();
        let (keeper, phone, laptop) = walled(lan, Ports::Random);
        let (keeper_up, _phone_up, _laptop_up) = house.with_keeper(keeper, phone, laptop);
        let (one, other) = (house.path("one"), house.path("other"));
        let (rented, blind) = (lan.host("rented", "198.51.100.9/24"), house.path("blind"));
        let link = keeper_up.invite("blind-keeper");
        let join = ["--keeper", "--blind", "--join", &link, "--device", "rented"];
        let rented_up = rented.up(&blind, &join);
        connected("a circuit", &one, "other", true, RECOVERY_MAX);
        connected("for the other, too", &other, "one", true, RECOVERY_MAX);
        // Time itself is the case here: every try to punch a hole is over.
        std::thread::sleep(PUNCHING_MAX);
        one_connection(&house);
        assert_eq!(row(&one, "other")["relayed"], true);
        let sent =
            || traffic(&one, "other")["protocols"]["/heirloom/sync/1"]["sent_bytes"].as_u64();
        let before = sent();
        house.travels("over a circuit or the keeper", &one, &other, RECOVERY_MAX);
        assert!(sent() > before, "the circuit carries nothing");
        keeper_up.kill();
        house.travels("by a keeper that is blind", &other, &one, RECOVERY_MAX);
        connected("a circuit through it", &one, "other", true, UNAWARE_MAX);
        connected("for the other, too", &other, "one", true, UNAWARE_MAX);
        one_connection(&house);
        rented_up.kill();
        let _rented_up = rented.up(&blind, &["--keeper", "--blind"]);
        connected("it was away", &one, "other", true, UNAWARE_MAX);
        house.travels("after that", &other, &one, RECOVERY_MAX);
        one_connection(&house);
    });
}

#[test]
fn a_link_that_carries_one_way_only_is_gone_round_by_the_keeper() {
    let test = "walls::a_link_that_carries_one_way_only_is_gone_round_by_the_keeper";
    in_namespaces(test, |lan| {
        let house = House::new();
        let (keeper, desk) = (lan.host("box", "10.0.0.1/24"), lan.host("desk", "10.0.0.2/24"));
        let laptop = lan.host("laptop", "10.0.0.3/24");
        let (_keeper_up, _desk_up, _laptop_up) = house.with_keeper(keeper, desk, laptop);
        let (one, other) = (house.path("one"), house.path("other"));
        connected("on one network", &one, "other", false, RECOVERY_MAX);
        desk.mute("10.0.0.3", true);
        house.travels("by the keeper", &one, &other, RECOVERY_MAX);
        house.travels("and back", &other, &one, RECOVERY_MAX);
        connected("the link is found dead", &one, "other", true, UNAWARE_MAX);
        connected("by the other, too", &other, "one", true, UNAWARE_MAX);
        house.travels("over a circuit", &one, &other, PATIENCE);
        desk.mute("10.0.0.3", false);
        connected("the link is back", &one, "other", false, UNAWARE_MAX);
        one_connection(&house);
        house.travels("as before", &other, &one, RECOVERY_MAX);
    });
}

#[test]
fn a_slow_link_that_loses_packets_pairs_devices_and_carries_their_records() {
    let test = "walls::a_slow_link_that_loses_packets_pairs_devices_and_carries_their_records";
    in_namespaces(test, |lan| {
        let house = House::new();
        let (_link, [desk, laptop]) = lan.far_apart(["desk", "laptop"], 20.5, 10);
        let (one, other) = (house.path("one"), house.path("other"));
        init(&one, "one");
        let desk_up = desk.up(&one, &[]);
        let cards = house.path("cards.vcf");
        let card =
            |number| format!("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann {number}\r\nEND:VCARD\r\n");
        std::fs::write(&cards, (0..300).map(card).collect::<String>()).unwrap();
        run_json(&one, &["import", cards.to_str().unwrap()]).expect(0);
        let link = desk_up.invite("member");
        let begin = Instant::now();
        let _laptop_up = laptop.up(&other, &["--join", &link, "--device", "other"]);
        eprintln!("paired: {} ms", begin.elapsed().as_millis());
        while digest(&one) != digest(&other) {
            assert!(begin.elapsed() < UNAWARE_MAX, "300 records never arrived");
            std::thread::sleep(Duration::from_millis(50));
        }
        eprintln!("300 records: {} ms", begin.elapsed().as_millis());
        for _ in 0..5 {
            house.travels("an edit", &one, &other, RECOVERY_MAX);
            house.travels("and back", &other, &one, RECOVERY_MAX);
        }
        one_connection(&house);
    });
}
