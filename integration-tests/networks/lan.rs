//! Hosts of one home network, each a network namespace at a bridge.
//!
//! A test that needs them carries itself out again below `unshare`, as root of
//! namespaces of its own: nothing of this machine's network is touched, and
//! what was left running ends with it.

use crate::common::{Up, eventually, heirloom};
use crate::unshared::unshared;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const UNSHARE: &[&str] = &["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork"];

/// Carries out the body in namespaces of its own; `test` is the name of the
/// test that calls. Where the system allows no namespaces it says so and
/// leaves.
#[track_caller]
pub(crate) fn in_namespaces(test: &str, body: fn(&Lan)) {
    let more = ["--kill-child", "--mount-proc"];
    unshared(&format!("networks::{test}"), UNSHARE, &more, "network namespaces", || {
        body(&Lan::new());
    });
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
        eventually("no address is on trial", || {
            let arguments = ["-n", name, "-6", "address", "show", "tentative"];
            Command::new("ip").args(arguments).output().unwrap().stdout.is_empty()
        });
        host
    }
}

/// A link that takes its time, as long as its program runs.
#[derive(Debug)]
pub(crate) struct SlowLink(Child);

impl Drop for SlowLink {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Lan {
    /// Adds two hosts, `10.1.0.1` and `10.1.0.2`, with nothing but a link
    /// between them: `delay_ms` for each way, and so many packets in a
    /// thousand lost.
    #[expect(clippy::unused_self, reason = "without a network there is no host")]
    pub(crate) fn far_apart(
        &self,
        names: [&'static str; 2],
        delay_ms: f32,
        lost: u32,
    ) -> (SlowLink, [Host; 2]) {
        let program = include_str!("slow_link.py");
        let mut link = Command::new("python3")
            .args(["-c", program, "slow0", "slow1", &delay_ms.to_string(), &lost.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(link.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        let mut number = 0;
        let hosts = names.map(|name| {
            run(&format!("ip netns add {name}"));
            run(&format!("ip link set slow{number} netns {name}"));
            let host = Host { name };
            host.ip(&format!("link set slow{number} name eth0"));
            number += 1;
            host.ip(&format!("address add 10.1.0.{number}/24 dev eth0"));
            host.ip("link set lo up");
            host.ip("link set eth0 up");
            host
        });
        (SlowLink(link), hosts)
    }
}

/// How a router picks the port that stands for a host behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ports {
    /// The host's own, whoever is spoken to.
    Kept,
    /// Another one for each conversation.
    Random,
}

impl Lan {
    /// Adds a host behind a router of its own, which is at the bridge with an
    /// address like `198.51.100.2/24`. From there nobody gets in who was not
    /// spoken to.
    pub(crate) fn walled(
        &self,
        name: &'static str,
        router: &'static str,
        outside: &str,
        ports: Ports,
    ) -> Host {
        let gate = self.host(router, outside);
        run(&format!("ip netns add {name}"));
        run(&format!("ip link add in0 netns {router} type veth peer name eth0 netns {name}"));
        gate.ip("link set in0 up");
        gate.ip("address add 192.168.1.1/24 dev in0");
        run(&format!("ip -n {name} link set lo up"));
        run(&format!("ip -n {name} link set eth0 up"));
        let host = Host { name };
        host.ip("address add 192.168.1.2/24 dev eth0");
        host.ip("route add default via 192.168.1.1");
        gate.inside("sysctl -q -w net.ipv4.ip_forward=1");
        let masquerade = match ports {
            Ports::Kept => "masquerade",
            Ports::Random => "masquerade fully-random",
        };
        for rule in [
            "add table ip wall",
            "add chain ip wall out { type nat hook postrouting priority 100; }",
            &format!("add rule ip wall out oifname eth0 {masquerade}"),
            "add chain ip wall here { type filter hook input priority 0; }",
            "add rule ip wall here iifname eth0 ct state new drop",
            "add chain ip wall through { type filter hook forward priority 0; }",
            "add rule ip wall through iifname eth0 ct state new drop",
        ] {
            gate.nft(rule);
        }
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

    /// Runs a program on the host.
    #[track_caller]
    fn inside(self, line: &str) {
        run(&format!("nsenter --net=/run/netns/{} {line}", self.name));
    }

    /// Changes the host's packet filter.
    #[track_caller]
    fn nft(self, rule: &str) {
        self.inside(&format!("nft {rule}"));
    }

    /// Lets nothing from this host reach an address any more, or lets it again.
    #[track_caller]
    pub(crate) fn mute(self, address: &str, muted: bool) {
        if muted {
            self.nft("add table ip mute");
            self.nft("add chain ip mute out { type filter hook output priority 0; }");
            self.nft(&format!("add rule ip mute out ip daddr {address} drop"));
        } else {
            self.nft("delete table ip mute");
        }
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
