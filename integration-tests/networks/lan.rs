//! Hosts of one home network, each a network namespace at a bridge.
//!
//! A test that needs them carries itself out again below `unshare`, as root of
//! namespaces of its own: nothing of this machine's network is touched, and
//! what was left running ends with it.

use crate::common::{Up, heirloom};
use std::path::Path;
use std::process::{Command, Stdio};

/// Says to the test that it runs inside of its namespaces.
const INSIDE: &str = "HEIRLOOM_TEST_NAMESPACES";
/// Set where such a test must not be skipped.
const REQUIRED: &str = "HEIRLOOM_REQUIRE_NAMESPACES";
const UNSHARE: &[&str] = &["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork"];

/// Carries out the body in namespaces of its own; `test` is the name of the
/// test that calls. Where the system allows no namespaces it says so and
/// leaves.
#[track_caller]
pub(crate) fn in_namespaces(test: &str, body: fn(&Lan)) {
    if std::env::var_os(INSIDE).is_some() {
        return body(&Lan::new());
    }
    let allowed = Command::new("unshare").args(UNSHARE).arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os(REQUIRED).is_none(), "this system allows no network namespaces");
        eprintln!("skipped: this system allows no network namespaces");
        return;
    }
    let ended = Command::new("unshare")
        .args(UNSHARE)
        .args(["--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("networks::{test}"), "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text =
        [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(text[0].contains("1 passed"), "{}\n{}", text[0], text[1]);
    print!("{}", text[1]);
}

/// A bridge and the hosts at it.
#[derive(Debug)]
pub(crate) struct Lan(());

impl Lan {
    fn new() -> Self {
        run("mount -t tmpfs tmpfs /run");
        run("mkdir /run/netns");
        run("ip link add lan type bridge");
        run("ip link set lan up");
        Self(())
    }

    /// Adds a host with an address like `10.0.0.1/24`. It has no way out of
    /// the home network.
    #[expect(clippy::unused_self, reason = "without a network there is no host")]
    pub(crate) fn host(&self, name: &'static str, address: &str) -> Host {
        run(&format!("ip netns add {name}"));
        run(&format!("ip link add port-{name} type veth peer name eth0 netns {name}"));
        run(&format!("ip link set port-{name} master lan up"));
        run(&format!("ip -n {name} link set lo up"));
        run(&format!("ip -n {name} link set eth0 up"));
        let host = Host { name };
        host.ip(&format!("address add {address} dev eth0"));
        host
    }
}

/// A host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    name: &'static str,
}

impl Host {
    /// Runs `ip` on the host.
    #[track_caller]
    pub(crate) fn ip(self, arguments: &str) {
        run(&format!("ip -n {} {arguments}", self.name));
    }

    /// Takes one address from the host and gives it another.
    #[track_caller]
    pub(crate) fn readdress(self, old: &str, new: &str) {
        self.ip(&format!("address delete {old} dev eth0"));
        self.ip(&format!("address add {new} dev eth0"));
    }

    /// Pulls the host's cable out of the switch, or puts it back. The host
    /// itself does not notice.
    #[track_caller]
    pub(crate) fn plug(self, plugged: bool) {
        let how = if plugged { "master lan" } else { "nomaster" };
        run(&format!("ip link set port-{} {how}", self.name));
    }

    /// Lets no multicast of others reach the host any more.
    #[track_caller]
    pub(crate) fn lose_multicast(self) {
        run(&format!("bridge link set dev port-{} mcast_flood off", self.name));
    }

    /// Starts a node on the host.
    #[track_caller]
    pub(crate) fn up(self, home: &Path, arguments: &[&str]) -> Up {
        let program = heirloom(home);
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg(program.get_program());
        command.args(program.get_args()).args(["--json", "-v", "up"]).args(arguments);
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Up::from(home, command.stdin(Stdio::null()))
    }
}

#[track_caller]
fn run(line: &str) {
    let mut words = line.split(' ');
    let ended = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(ended.status.success(), "{line}: {}", String::from_utf8_lossy(&ended.stderr));
}
