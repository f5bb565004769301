//! The networks of a home, in network namespaces: devices find each other by
//! themselves, and again after whatever happened to addresses and links.

use crate::common::{PATIENCE, Up, eventually, init, log_of, run_json};
use lan::{Host, in_namespaces};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

mod lan;
mod walls;

/// Longest recovery where a host knows that its network changed: no ping
/// interval and no long pause of the dialler may stand in its way.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// Longest recovery where nobody can know: a ping, or the longest pause
/// between two dials, and then the dial.
const UNAWARE_MAX: Duration = Duration::from_secs(120);

struct House {
    folder: TempDir,
    notes: std::cell::Cell<u32>,
}

impl House {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), notes: std::cell::Cell::new(0) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes on one device and waits until another has it; says how long that took.
    #[track_caller]
    fn travels(&self, what: &str, from: &Path, to: &Path, limit: Duration) {
        self.notes.set(self.notes.get() + 1);
        let title = format!("title=note {}", self.notes.get());
        let id = run_json(from, &["notes", "add", &title]).expect(0).json()["id"].clone();
        let begin = Instant::now();
        while run_json(to, &["notes", "show", id.as_str().unwrap()]).code != 0 {
            assert!(begin.elapsed() < limit, "in vain: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
        eprintln!("{what}: {} ms", begin.elapsed().as_millis());
    }

    /// Makes an account on a keeper that everybody can dial, and joins two
    /// other devices with its links.
    #[track_caller]
    fn with_keeper(&self, keeper: Host, one: Host, other: Host) -> (Up, Up, Up) {
        let up = keeper.up(&self.path("keeper"), &["--keeper", "--yes", "--device", "box"]);
        let (first, second) = (self.path("one"), self.path("other"));
        let link = up.invite("member");
        let one = one.up(&first, &["--join", &link, "--device", "one"]);
        let link = up.invite("member");
        let other = other.up(&second, &["--join", &link, "--device", "other"]);
        (up, one, other)
    }

    /// Sets up two devices that know each other from mDNS alone.
    #[track_caller]
    fn pair(&self, one: Host, other: Host) -> (Up, Up) {
        let (first, second) = (self.path("one"), self.path("other"));
        init(&first, "one");
        let up = one.up(&first, &[]);
        let words = up.invite_words("member");
        let joined = other.up(&second, &["--join", &words, "--device", "other"]);
        self.travels("found by mDNS", &first, &second, PATIENCE);
        (up, joined)
    }
}

/// Waits until a device sees the others as its network is now.
#[track_caller]
fn online(home: &Path, count: usize) {
    eventually("the others are online", || {
        let rows = run_json(home, &["devices", "list"]).lines();
        rows.iter().filter(|row| row["online"] == true).count() == count
    });
}

#[test]
fn two_hosts_of_one_lan_find_each_other_and_follow_each_other_to_new_addresses() {
    let test = "two_hosts_of_one_lan_find_each_other_and_follow_each_other_to_new_addresses";
    in_namespaces(test, |lan| {
        let house = House::new();
        let (desk, laptop) = (lan.host("desk", "10.0.0.1/24"), lan.host("laptop", "10.0.0.2/24"));
        let (_desk_up, _laptop_up) = house.pair(desk, laptop);
        let (one, other) = (house.path("one"), house.path("other"));
        laptop.readdress("10.0.0.2/24", "10.0.0.22/24");
        house.travels("one has a new address", &one, &other, RECOVERY_MAX);
        house.travels("and back", &other, &one, RECOVERY_MAX);
        // The router gives everybody an address of another network.
        desk.readdress("10.0.0.1/24", "192.168.7.1/24");
        laptop.readdress("10.0.0.22/24", "192.168.7.2/24");
        house.travels("both have new addresses", &one, &other, RECOVERY_MAX);
        laptop.ip("link set eth0 down");
        laptop.ip("link set eth0 up");
        house.travels("a link was down for a moment", &other, &one, RECOVERY_MAX);
        online(&one, 2);
        online(&other, 2);
    });
}

#[test]
fn two_hosts_of_a_lan_without_ipv4_pair_by_words_and_follow_each_other() {
    in_namespaces("two_hosts_of_a_lan_without_ipv4_pair_by_words_and_follow_each_other", |lan| {
        let house = House::new();
        let (desk, laptop) = (lan.host("desk", "fd00:7::1/64"), lan.host("laptop", "fd00:7::2/64"));
        let (_desk_up, _laptop_up) = house.pair(desk, laptop);
        let (one, other) = (house.path("one"), house.path("other"));
        desk.readdress("fd00:7::1/64", "fd00:8::1/64");
        laptop.readdress("fd00:7::2/64", "fd00:8::2/64");
        house.travels("both have new addresses", &one, &other, RECOVERY_MAX);
        house.travels("and back", &other, &one, RECOVERY_MAX);
    });
}

#[test]
fn a_blocked_multicast_is_said_once_and_in_our_own_words() {
    in_namespaces("a_blocked_multicast_is_said_once_and_in_our_own_words", |lan| {
        let house = House::new();
        let desk = lan.host("desk", "10.0.0.1/24");
        desk.mute("224.0.0.0/4", true);
        let home = house.path("one");
        init(&home, "one");
        let up = desk.up(&home, &[]);
        // Long enough for the queries that a node begins with.
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(up.stop(), 0);
        let log = std::fs::read_to_string(log_of(&home)).unwrap();
        assert_eq!(log.matches("multicast").count(), 1, "{log}");
        assert!(!log.contains("ERROR") && !log.contains("not permitted"), "{log}");
    });
}

#[test]
fn a_laptop_that_slept_while_the_other_moved_wakes_up_connected() {
    in_namespaces("a_laptop_that_slept_while_the_other_moved_wakes_up_connected", |lan| {
        let house = House::new();
        let (desk, laptop) = (lan.host("desk", "10.0.0.1/24"), lan.host("laptop", "10.0.0.2/24"));
        let (_desk_up, laptop_up) = house.pair(desk, laptop);
        let (one, other) = (house.path("one"), house.path("other"));
        let sleeper = Pid::from_child(&laptop_up.child);
        laptop.plug(false);
        kill_process(sleeper, Signal::STOP).unwrap();
        // The end of its connection never reaches the sleeper.
        desk.readdress("10.0.0.1/24", "10.0.0.11/24");
        // Time itself is the case here: the sleeper's longest pause and a half.
        std::thread::sleep(Duration::from_secs(16));
        laptop.plug(true);
        kill_process(sleeper, Signal::CONT).unwrap();
        house.travels("awake", &other, &one, RECOVERY_MAX);
        house.travels("and back", &one, &other, RECOVERY_MAX);
        // It sleeps, and wakes in another network than the one that it left.
        kill_process(sleeper, Signal::STOP).unwrap();
        laptop.readdress("10.0.0.2/24", "172.16.0.2/24");
        desk.readdress("10.0.0.11/24", "172.16.0.1/24");
        kill_process(sleeper, Signal::CONT).unwrap();
        house.travels("awake elsewhere", &one, &other, RECOVERY_MAX);
    });
}

#[test]
fn a_vpn_that_blocks_multicast_or_everything_stops_nobody_for_good() {
    in_namespaces("a_vpn_that_blocks_multicast_or_everything_stops_nobody_for_good", |lan| {
        let house = House::new();
        let (desk, laptop) = (lan.host("desk", "10.0.0.1/24"), lan.host("laptop", "10.0.0.2/24"));
        let (desk_up, laptop_up) = house.pair(desk, laptop);
        let (one, other) = (house.path("one"), house.path("other"));
        let vpn = || {
            laptop.ip("link add vpn type veth peer name far");
            laptop.ip("link set vpn up");
            laptop.ip("address add 10.99.0.2/24 dev vpn");
            laptop.ip("route add default via 10.99.0.1 dev vpn");
        };
        vpn();
        laptop.lose_multicast();
        desk.lose_multicast();
        house.travels("with a VPN", &one, &other, RECOVERY_MAX);
        // Nobody hears anybody's mDNS now; where they met is remembered.
        assert_eq!((desk_up.stop(), laptop_up.stop()), (0, 0));
        let (_desk_up, _laptop_up) = (desk.up(&one, &[]), laptop.up(&other, &[]));
        house.travels("started without multicast", &other, &one, RECOVERY_MAX);
        // A VPN that swallows the home network's addresses, too.
        laptop.ip("route add blackhole 10.0.0.0/25");
        laptop.ip("address add 10.99.0.3/24 dev vpn");
        eventually("the laptop is cut off", || {
            let rows = run_json(&other, &["devices", "list"]).lines();
            rows.iter().any(|row| row["this"] == false && row["online"] == false)
        });
        laptop.ip("route delete blackhole 10.0.0.0/25");
        laptop.ip("link delete vpn");
        house.travels("the VPN is off again", &one, &other, RECOVERY_MAX);
    });
}

#[test]
fn the_keeper_moves_and_is_found_by_those_who_hear_no_multicast() {
    in_namespaces("the_keeper_moves_and_is_found_by_those_who_hear_no_multicast", |lan| {
        let house = House::new();
        let (box_, phone) = (lan.host("box", "10.0.0.1/24"), lan.host("phone", "10.0.0.2/24"));
        phone.lose_multicast();
        box_.lose_multicast();
        let (one, other) = (house.path("keeper"), house.path("phone"));
        let keeper_up = box_.up(&one, &["--keeper", "--yes", "--device", "box"]);
        let link = keeper_up.invite("member");
        let _phone_up = phone.up(&other, &["--join", &link, "--device", "phone"]);
        house.travels("joined by the link", &other, &one, PATIENCE);
        box_.readdress("10.0.0.1/24", "10.0.0.101/24");
        house.travels("the keeper has a new address", &other, &one, RECOVERY_MAX);
        // It is carried elsewhere in the house while it is off.
        assert_eq!(keeper_up.stop(), 0);
        box_.readdress("10.0.0.101/24", "10.0.0.202/24");
        let _keeper_up = box_.up(&one, &["--keeper"]);
        house.travels("the keeper was off and moved", &other, &one, RECOVERY_MAX);
    });
}

#[test]
fn nodes_that_started_before_there_was_a_network_find_each_other() {
    in_namespaces("nodes_that_started_before_there_was_a_network_find_each_other", |lan| {
        let house = House::new();
        let (desk, laptop) = (lan.host("desk", "10.0.0.1/24"), lan.host("laptop", "10.0.0.2/24"));
        let (desk_up, laptop_up) = house.pair(desk, laptop);
        let (one, other) = (house.path("one"), house.path("other"));
        assert_eq!((desk_up.stop(), laptop_up.stop()), (0, 0));
        desk.ip("address delete 10.0.0.1/24 dev eth0");
        laptop.ip("address delete 10.0.0.2/24 dev eth0");
        let (_desk_up, _laptop_up) = (desk.up(&one, &[]), laptop.up(&other, &[]));
        run_json(&one, &["notes", "add", "title=without a network"]).expect(0);
        desk.ip("address add 192.168.9.1/24 dev eth0");
        laptop.ip("address add 192.168.9.2/24 dev eth0");
        house.travels("there is a network now", &one, &other, RECOVERY_MAX);
    });
}

#[test]
fn a_cable_out_of_the_switch_is_noticed_and_forgotten() {
    in_namespaces("a_cable_out_of_the_switch_is_noticed_and_forgotten", |lan| {
        let house = House::new();
        let (desk, laptop) = (lan.host("desk", "10.0.0.1/24"), lan.host("laptop", "10.0.0.2/24"));
        let (_desk_up, _laptop_up) = house.pair(desk, laptop);
        let (one, other) = (house.path("one"), house.path("other"));
        laptop.plug(false);
        // The write waits for nobody, and arrives when the cable is back.
        run_json(&one, &["notes", "add", "title=apart"]).expect(0);
        laptop.plug(true);
        house.travels("the cable is back", &other, &one, UNAWARE_MAX);
        online(&one, 2);
    });
}
