//! Networks of zones, on a host that has nothing but what each test makes: the test, its commands
//! and the daemons run in a network namespace of their own.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use support::{Host, err, one_error, refused, tool, until};

/// Runs a test on a host whose only link is its loopback, and checks that no link is left.
fn on_a_host(name: &'static str, body: fn(&Host)) {
    if let Some(reason) = support::missing() {
        println!("SKIP {name}: {reason}");
        return;
    }
    if !support::has_tool("ip") {
        println!("SKIP {name}: needs ip (package iproute2)");
        return;
    }
    let done = support::away(UnshareFlags::NEWNET, move || {
        ip("link set lo up");
        body(&Host::new());
    });
    if let Err(errno) = done {
        println!("SKIP {name}: no network namespace: {errno}");
    }
}

fn ip(line: &str) -> String {
    tool("ip", &line.split(' ').collect::<Vec<_>>())
}

/// Names of the links of this host, without those of the kernel that are everywhere.
fn links() -> Vec<String> {
    let text = ip("-o link");
    let name = |line: &str| Some(line.split(": ").nth(1)?.split('@').next()?.to_owned());
    let mut names: Vec<String> = text.lines().filter_map(name).collect();
    names.retain(|name| {
        let number = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
        name != "lo" && !name.strip_prefix("ifb").is_some_and(number)
    });
    names.sort();
    names
}

/// Another machine: a network namespace that lives as long as this value.
struct World(File);

impl World {
    fn new() -> Self {
        let open = || File::open("/proc/thread-self/ns/net").unwrap();
        Self(support::away(UnshareFlags::NEWNET, open).unwrap())
    }

    fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let run = || {
            move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            body()
        };
        thread::scope(|scope| scope.spawn(run).join().unwrap())
    }
}

/// A bridge of the administrator, 10.77.0.1/24.
fn bridge() {
    ip("link add br0 type bridge");
    ip("addr add 10.77.0.1/24 dev br0");
    ip("link set br0 up");
}

/// A network card `eth7` (10.9.0.2/24), and 10.9.0.1 on the machine at the other end.
fn card() -> World {
    let world = World::new();
    ip("link add eth7 type veth peer name far");
    let file = format!("/proc/{}/fd/{}", std::process::id(), world.0.as_raw_fd());
    ip(&format!("link set far netns {file}"));
    world.run(|| {
        ip("link set lo up");
        ip("addr add 10.9.0.1/24 dev far");
        ip("link set far up");
    });
    ip("addr add 10.9.0.2/24 dev eth7");
    ip("link set eth7 up");
    world
}

/// A server in the zone that says `hello` on this port, once.
fn serve(host: &Host, zone: &str, port: u16) -> Child {
    let line = format!("echo hello | busybox nc -l -p {port}");
    let mut command = host.command("zlogin", &[zone, &line]);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a server says; the first tries may come before it listens.
fn hear(address: &str) -> String {
    let address: SocketAddr = address.parse().unwrap();
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        // Patient: a try that is given up may have used the one answer already.
        if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(10)) {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            return text;
        }
        assert!(Instant::now() < limit, "nobody answers at {address}");
        thread::yield_now();
    }
}

/// Asserts that a server in the zone is heard from here.
fn is_heard(host: &Host, zone: &str, address: &str, port: u16) {
    let mut server = serve(host, zone, port);
    assert_eq!(hear(&format!("{address}:{port}")), "hello\n");
    server.wait().unwrap();
}

/// Asserts that the zone hears a server that listens here.
fn hears(host: &Host, zone: &str, address: &str) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = thread::spawn(move || {
        let (mut stream, from) = listener.accept().unwrap();
        stream.write_all(b"hello\n").unwrap();
        from
    });
    let line = format!("busybox nc -w 20 {address} {port} </dev/null");
    assert_eq!(host.inside(zone, &line), "hello\n");
    answer.join().unwrap();
}

fn boot(host: &Host, zone: &str) {
    host.ok("zoneadm", &["-z", zone, "boot"]);
}

fn halt(host: &Host, zone: &str) {
    host.ok("zoneadm", &["-z", zone, "halt"]);
}

/// Asserts that a halted host is as it was: these links and no more. Ports of a bridge go a moment
/// after their namespace.
fn clean(host: &Host, expected: &[&str]) {
    until(&format!("only {expected:?} is left of the links"), || {
        links() == expected
    });
    assert_eq!(host.leftovers(), Vec::<String>::new());
    assert_eq!(ip("neigh show proxy"), "");
    if support::has_tool("nft") {
        assert_eq!(tool("nft", &["list", "ruleset"]), "");
    }
    for (key, value) in FORWARDING {
        if let Some(now) = setting(key) {
            assert_eq!(now, value, "{key}");
        }
    }
    let noted = zones_store::Layout::network().join("settings");
    assert!(!noted.exists(), "{}", noted.display());
}

/// How a host is that routes for nobody.
const FORWARDING: [(&str, &str); 4] = [
    ("ipv4/ip_forward", "0"),
    ("ipv6/conf/all/forwarding", "0"),
    ("ipv6/conf/all/force_forwarding", "0"),
    ("ipv4/conf/eth7/forwarding", "0"),
];

fn setting(key: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/sys/net/{key}")).ok()?;
    Some(text.trim().to_owned())
}

#[test]
fn a_zone_without_net_has_its_loopback_only() {
    on_a_host("a_zone_without_net_has_its_loopback_only", |host| {
        bridge();
        host.install("z", "");
        boot(host, "z");
        assert_eq!(host.inside("z", "ip -o link | wc -l").trim(), "1");
        assert!(host.inside("z", "ip addr show lo").contains("127.0.0.1/8"));
        assert!(
            !host
                .run("zlogin", &["z", "busybox nc -w 2 10.77.0.1 9 </dev/null"])
                .status
                .success()
        );
        assert_eq!(links(), ["br0"]);
        halt(host, "z");
        clean(host, &["br0"]);
    });
}

#[test]
fn hosts_of_zones_share_what_is_the_kernels() {
    on_a_host("hosts_of_zones_share_what_is_the_kernels", |first| {
        let _world = card();
        let second = &Host::new();
        for (host, address) in [(first, "10.9.0.7"), (second, "10.9.0.8")] {
            let net = format!("add net; set physical=eth7; set address={address}/24; end");
            host.install("z", &net);
            boot(host, "z");
        }
        halt(first, "z");
        // The first one made the host a router; it is one for as long as the second needs it.
        assert_eq!(setting("ipv4/conf/eth7/forwarding").unwrap(), "1");
        hears(second, "z", "10.9.0.2");
        halt(second, "z");
        clean(second, &["eth7"]);
        clean(first, &["eth7"]);
    });
}

/// What root of a shared zone tries with its network; nothing of it may work.
fn cannot_change(host: &Host, zone: &str, link: &str) {
    let before = host.inside(zone, "ip -o addr; ip route");
    for attack in [
        "ip addr add 10.77.0.99/24 dev LINK",
        "ip addr flush dev LINK",
        "ip link set LINK down",
        "ip link set LINK address 02:00:00:00:00:09",
        "ip link set LINK mtu 1000",
        "ip link set lo down",
        "ip link set LINK name other",
        "ip link del LINK",
        "ip link add other type bridge",
        "ip link add a type veth peer name b",
        "ip route add 10.99.0.0/16 dev LINK",
        "ip route del default",
        "ip neigh add 10.77.0.50 lladdr 02:00:00:00:00:09 dev LINK",
        "ip rule add from all table 7",
        "busybox ifconfig LINK 10.77.0.98",
        "busybox ifconfig LINK down",
        "busybox ifconfig LINK promisc",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
    ] {
        let attack = attack.replace("LINK", link);
        let output = host.run("zlogin", &[zone, &attack]);
        assert!(!output.status.success(), "`{attack}` worked");
    }
    assert_eq!(host.inside(zone, "ip -o addr; ip route"), before);
}

#[test]
fn shared_on_a_bridge_is_addressed_from_outside() {
    on_a_host("shared_on_a_bridge_is_addressed_from_outside", |host| {
        bridge();
        host.install(
            "z",
            "add net; set physical=br0; set address=10.77.0.2/24; set defrouter=10.77.0.1; end",
        );
        boot(host, "z");
        let addresses = host.inside("z", "ip addr");
        assert!(addresses.contains("10.77.0.2/24"), "{addresses}");
        let routes = host.inside("z", "ip route");
        assert!(routes.contains("default via 10.77.0.1"), "{routes}");
        assert_eq!(host.inside("z", "ip -o link | wc -l").trim(), "2");
        is_heard(host, "z", "10.77.0.2", 81);
        hears(host, "z", "10.77.0.1");
        cannot_change(host, "z", "br0");
        // Every user may ask for an echo, by sockets that need no right. busybox has raw ones only,
        // so this looks at what the kernel was told.
        let groups = host.inside("z", "cat /proc/sys/net/ipv4/ping_group_range");
        assert_eq!(groups, "0\t65535\n");
        halt(host, "z");
        clean(host, &["br0"]);
    });
}

#[test]
fn shared_on_a_card_is_routed_by_the_host() {
    on_a_host("shared_on_a_card_is_routed_by_the_host", |host| {
        let world = card();
        host.install(
            "z",
            "add net; set physical=eth7; set address=10.9.0.7/24; end",
        );
        boot(host, "z");
        let addresses = host.inside("z", "ip addr");
        assert!(addresses.contains("10.9.0.7/32"), "{addresses}");
        assert!(
            ip("neigh show proxy").contains("10.9.0.7"),
            "the host answers for the zone"
        );
        cannot_change(host, "z", "eth7");
        is_heard(host, "z", "10.9.0.7", 81);
        world.run(|| is_heard(host, "z", "10.9.0.7", 82));
        world.run(|| hears(host, "z", "10.9.0.1"));
        halt(host, "z");
        clean(host, &["eth7"]);
        assert!(!ip("route").contains("10.9.0.7"), "{}", ip("route"));
    });
}

#[test]
fn exclusive_zones_configure_themselves() {
    on_a_host("exclusive_zones_configure_themselves", |host| {
        bridge();
        host.install(
            "z",
            "set ip-type=exclusive; add net; set physical=net0; set global-nic=br0; end",
        );
        boot(host, "z");
        let addresses = host.inside("z", "ip addr show net0");
        assert!(!addresses.contains("10.77"), "{addresses}");
        host.inside(
            "z",
            "ip addr add 10.77.0.3/24 dev net0 && ip link set net0 up && ip route add default via 10.77.0.1",
        );
        is_heard(host, "z", "10.77.0.3", 80);
        hears(host, "z", "10.77.0.1");
        host.inside("z", "ip link add inner type bridge && ip link set inner up");
        halt(host, "z");
        clean(host, &["br0"]);

        // With an address of the configuration, and what else a `net` may say.
        host.ok(
            "zonecfg",
            &[
                "-z",
                "z",
                "select net physical=net0; set allowed-address=10.77.0.4/24; \
                 set defrouter=10.77.0.1; set mac-addr=2:8:20:1:2:3; end",
            ],
        );
        boot(host, "z");
        let addresses = host.inside("z", "ip addr show net0");
        for part in ["10.77.0.4/24", "02:08:20:01:02:03"] {
            assert!(addresses.contains(part), "{addresses}");
        }
        let routes = host.inside("z", "ip route");
        assert!(routes.contains("default via 10.77.0.1"), "{routes}");
        is_heard(host, "z", "10.77.0.4", 80);
        halt(host, "z");
        clean(host, &["br0"]);
    });
}

#[test]
fn the_default_bridge_lives_as_long_as_its_zones() {
    on_a_host("the_default_bridge_lives_as_long_as_its_zones", |host| {
        for (zone, last) in [("a", 1), ("b", 2)] {
            host.install(
                zone,
                &format!(
                    "set ip-type=exclusive; add net; set physical=net0; \
                     set allowed-address=10.78.0.{last}/24; end"
                ),
            );
        }
        assert_eq!(links(), Vec::<String>::new());
        boot(host, "a");
        assert!(links().contains(&"zbr0".to_owned()), "{:?}", links());
        boot(host, "b");
        // The two talk to each other, both ways.
        for (server, client, address) in [("a", "b", "10.78.0.1"), ("b", "a", "10.78.0.2")] {
            let mut child = serve(host, server, 80);
            let line = format!(
                "i=0; until busybox nc -w 1 {address} 80 </dev/null; do i=$((i+1)); test $i -lt 200 || exit 1; done"
            );
            assert_eq!(host.inside(client, &line), "hello\n");
            child.wait().unwrap();
        }
        halt(host, "a");
        assert!(links().contains(&"zbr0".to_owned()), "b uses it still");
        halt(host, "b");
        clean(host, &[]);
    });
}

#[test]
fn a_bridge_of_the_administrator_stays() {
    on_a_host("a_bridge_of_the_administrator_stays", |host| {
        ip("link add zbr0 type bridge");
        host.install(
            "z",
            "set ip-type=exclusive; add net; set physical=net0; end",
        );
        boot(host, "z");
        assert_eq!(links().len(), 2);
        halt(host, "z");
        clean(host, &["zbr0"]);
    });
}

#[test]
fn a_moved_link_comes_back() {
    on_a_host("a_moved_link_comes_back", |host| {
        ip("link add nic7 type veth peer name far7");
        ip("link set nic7 up");
        ip("link set far7 up");
        ip("addr add 10.79.0.1/24 dev far7");
        host.install(
            "z",
            "set ip-type=exclusive; add net; set physical=nic7; set allowed-address=10.79.0.2/24; end",
        );
        boot(host, "z");
        assert_eq!(links(), ["far7"]);
        is_heard(host, "z", "10.79.0.2", 80);
        host.ok("zoneadm", &["-z", "z", "reboot"]);
        assert_eq!(links(), ["far7"]);
        is_heard(host, "z", "10.79.0.2", 80);
        halt(host, "z");
        clean(host, &["far7", "nic7"]);
        assert!(ip("-o link show nic7").contains("UP"), "it was up before");

        boot(host, "z");
        host.kill_daemon("z");
        halt(host, "z");
        clean(host, &["far7", "nic7"]);

        boot(host, "z");
        host.ok("zoneadm", &["-z", "z", "shutdown", "-t", "20"]);
        clean(host, &["far7", "nic7"]);
    });
}

#[test]
fn nothing_is_left_after_the_daemon_was_killed() {
    on_a_host("nothing_is_left_after_the_daemon_was_killed", |host| {
        let _world = card();
        bridge();
        host.install("shared", "add net; set physical=eth7; set address=10.9.0.7; end; add net; set physical=br0; set address=10.77.0.5/24; end");
        host.install("own", "set ip-type=exclusive; add net; set physical=net0; end; add net; set physical=net1; set global-nic=eth7; end");
        for zone in ["shared", "own"] {
            boot(host, zone);
            host.kill_daemon(zone);
        }
        assert!(host.inside("own", "ip -o link").contains("net1"));
        is_heard(host, "shared", "10.77.0.5", 81);
        for zone in ["shared", "own"] {
            halt(host, zone);
            assert_eq!(host.state(zone), "installed");
        }
        clean(host, &["br0", "eth7"]);
        assert!(!ip("route").contains("10.9.0.7"), "{}", ip("route"));
    });
}

#[test]
fn a_missing_link_is_one_clear_error() {
    on_a_host("a_missing_link_is_one_clear_error", |host| {
        host.install(
            "z",
            "add net; set physical=nope0; set address=10.1.2.3/24; end",
        );
        one_error(
            &host.zoneadm(&["-z", "z", "boot"]),
            "the host has no link `nope0`; make it or correct the name",
        );
        assert!(err(&host.zoneadm(&["-z", "z", "verify"])).contains("nope0 is not plumbed"));
        assert_eq!(host.state("z"), "installed");
        clean(host, &[]);
        for (net, words) in [
            (
                "set physical=net0; set global-nic=nope1",
                "the host has no link `nope1`",
            ),
            (
                "set physical=lo",
                "the loopback of the host cannot be given to a zone",
            ),
            // The first interface is made already when the kernel refuses the second.
            ("set physical=net1; set mac-addr=ff:ff:ff:ff:ff:ff", "net1"),
        ] {
            let before = "create -F -b; set brand=lx; set ip-type=exclusive; add net; set physical=first0; end";
            let path = host.zonepath("z");
            let commands = format!(
                "{before}; set zonepath={}; add net; {net}; end",
                path.display()
            );
            let output = host.run("zonecfg", &["-z", "z", &commands]);
            if !output.status.success() {
                println!("zonecfg refuses {net}: {}", err(&output));
                continue;
            }
            refused(&host.zoneadm(&["-z", "z", "boot"]), 1, words);
            assert_eq!(host.state("z"), "installed");
            clean(host, &[]);
        }
    });
}

/// A zone on the default bridge, and what root in it may set up.
const OWN: &str = "set ip-type=exclusive; add net; set physical=net0; \
     set allowed-address=10.78.0.1/24; set defrouter=10.78.0.254; end";

#[test]
fn a_zone_reaches_the_world_behind_the_host() {
    on_a_host("a_zone_reaches_the_world_behind_the_host", |host| {
        let world = card();
        ip("addr add fd09::2/64 dev eth7 nodad");
        world.run(|| ip("addr add fd09::1/64 dev far nodad"));
        host.install("own", OWN);
        host.install(
            "six",
            "add net; set physical=zbr0; set address=fd78::1/64; end",
        );
        host.install(
            "off",
            &format!("{OWN}; add attr; set name=uplink; set type=boolean; set value=false; end"),
        );
        host.ok(
            "zonecfg",
            &[
                "-z",
                "off",
                "select net physical=net0; set allowed-address=10.78.0.9/24; end",
            ],
        );
        for zone in ["own", "six", "off"] {
            boot(host, zone);
        }
        // The world has no route to the zones: answers come to the host's address.
        world.run(|| hears_from(host, "own", "10.9.0.1", "10.9.0.2"));
        world.run(|| hears_from(host, "six", "fd09::1", "fd09::2"));
        hears(host, "own", "10.78.0.254");
        is_heard(host, "own", "10.78.0.1", 81);
        is_heard(host, "six", "[fd78::1]", 81);
        // Not even by a route of its own to the router of others.
        host.inside("off", "ip route replace default via 10.78.0.254 dev net0");
        let line = "busybox nc -w 2 10.9.0.1 9 </dev/null";
        assert!(!host.run("zlogin", &["off", line]).status.success());
        let rules = tool("nft", &["list", "table", "inet", "zones"]);
        assert!(!rules.contains("10.78.0.9"), "{rules}");
        halt(host, "six");
        halt(host, "off");
        world.run(|| hears_from(host, "own", "10.9.0.1", "10.9.0.2"));
        halt(host, "own");
        clean(host, &["eth7"]);
    });
}

/// As `hears`, and whom the other side takes for the sender.
fn hears_from(host: &Host, zone: &str, address: &str, sender: &str) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = thread::spawn(move || {
        let (mut stream, from) = listener.accept().unwrap();
        let mut request = [0; 14];
        stream.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"GET / HTTP/1.0");
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello\n").unwrap();
        from
    });
    let line = format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 20 {address} {port}");
    assert!(host.inside(zone, &line).ends_with("hello\n"));
    assert_eq!(answer.join().unwrap().ip().to_string(), sender);
}

#[test]
fn root_of_an_exclusive_zone_has_its_addresses_only() {
    on_a_host("root_of_an_exclusive_zone_has_its_addresses_only", |host| {
        bridge();
        ip("addr add fd77::1/64 dev br0 nodad");
        for (zone, address) in [("v4", "10.77.0.5/24"), ("v6", "fd77::5/64")] {
            host.install(
                zone,
                &format!(
                    "set ip-type=exclusive; add net; set physical=net0; set global-nic=br0; \
                 set allowed-address={address}; end"
                ),
            );
            boot(host, zone);
        }
        is_heard(host, "v4", "10.77.0.5", 81);
        is_heard(host, "v6", "[fd77::5]", 81);
        let deaf = |zone: &str, address: &str| {
            let line = format!("busybox nc -w 2 {address} 9 </dev/null");
            let text = err(&host.run("zlogin", &[zone, &line]));
            // Who is heard is refused at once: nobody listens at that port.
            assert!(!text.contains("refused"), "{text}");
        };
        let line = "busybox nc -w 2 10.77.0.1 9 </dev/null";
        assert!(err(&host.run("zlogin", &["v4", line])).contains("refused"));
        host.inside(
            "v4",
            "ip addr flush dev net0; ip addr add 10.77.0.66/24 dev net0",
        );
        deaf("v4", "10.77.0.1");
        // Nobody has heard of the foreign address, not even by ARP.
        assert!(!ip("neigh").contains("10.77.0.66"), "{}", ip("neigh"));
        host.inside(
            "v4",
            "ip addr flush dev net0; ip addr add 10.77.0.5/24 dev net0; \
            ip link set net0 down; ip link set net0 address 02:00:00:00:00:66; ip link set net0 up",
        );
        deaf("v4", "10.77.0.1");
        // The ip of the zone knows no `nodad`, and who still waits for the check sends nothing.
        let init = host.pid("v6", "init").unwrap();
        let inside = World(File::open(format!("/proc/{init}/ns/net")).unwrap());
        inside.run(|| {
            ip("-6 addr flush dev net0 scope global");
            ip("addr add fd77::66/64 dev net0 nodad");
        });
        // Its descriptor would keep the network of the zone.
        drop(inside);
        deaf("v6", "fd77::1");
        assert!(!ip("-6 neigh").contains("fd77::66"), "{}", ip("-6 neigh"));
        // A choice of the administrator.
        halt(host, "v4");
        host.ok(
            "zonecfg",
            &[
                "-z",
                "v4",
                "select net physical=net0; \
            add property (name=link-protection,value=none); end",
            ],
        );
        boot(host, "v4");
        host.inside(
            "v4",
            "ip addr flush dev net0; ip addr add 10.77.0.66/24 dev net0",
        );
        is_heard(host, "v4", "10.77.0.66", 81);
        halt(host, "v4");
        halt(host, "v6");
        clean(host, &["br0"]);
    });
}

#[test]
fn routed_zones_reach_the_world_by_both_protocols() {
    on_a_host("routed_zones_reach_the_world_by_both_protocols", |host| {
        let world = card();
        ip("addr add fd09::2/64 dev eth7 nodad");
        world.run(|| ip("addr add fd09::1/64 dev far nodad"));
        host.install(
            "z",
            "add net; set physical=eth7; set address=fd09::7/64; end",
        );
        boot(host, "z");
        world.run(|| is_heard(host, "z", "[fd09::7]", 82));
        world.run(|| hears_from(host, "z", "fd09::1", "fd09::7"));
        host.kill_daemon("z");
        halt(host, "z");
        clean(host, &["eth7"]);
        assert_eq!(setting("ipv6/conf/eth7/proxy_ndp").unwrap(), "0");
        assert_eq!(setting("ipv6/conf/eth7/forwarding").unwrap(), "0");
        assert_eq!(setting("ipv6/conf/eth7/accept_ra").unwrap(), "1");
    });
}

#[test]
fn twenty_zones_share_the_default_bridge_at_once() {
    on_a_host("twenty_zones_share_the_default_bridge_at_once", |host| {
        let names: Vec<String> = (1..=20).map(|n| format!("z{n}")).collect();
        for (n, zone) in names.iter().enumerate() {
            host.install(
                zone,
                &format!(
                    "set ip-type=exclusive; add net; set physical=net0; \
                 set allowed-address=10.78.0.{}/24; end",
                    n + 1
                ),
            );
        }
        // Each boots and halts as it likes, so the bridge comes and goes; one dies in between.
        thread::scope(|scope| {
            for (n, zone) in names.iter().enumerate() {
                scope.spawn(move || {
                    for round in 0..3 {
                        boot(host, zone);
                        if (n + round) % 7 == 0 {
                            host.kill_daemon(zone);
                        }
                        halt(host, zone);
                    }
                });
            }
        });
        clean(host, &[]);
    });
}

#[test]
fn names_are_written_only_into_files_of_ours() {
    on_a_host("names_are_written_only_into_files_of_ours", |host| {
        bridge();
        host.install(
            "z",
            "add net; set physical=br0; set address=10.77.0.2/24; end; \
             add attr; set name=resolvers; set type=string; set value=192.0.2.53,192.0.2.54; end",
        );
        let etc = host.zonepath("z").join("root/etc");
        let read = |name: &str| std::fs::read_to_string(etc.join(name)).unwrap();
        boot(host, "z");
        assert!(read("resolv.conf").ends_with("nameserver 192.0.2.53\nnameserver 192.0.2.54\n"));
        assert!(read("hosts").contains("127.0.1.1\tz\n"));
        halt(host, "z");
        // Changed by the zone: it is the zone's from now on.
        std::fs::write(etc.join("resolv.conf"), "nameserver 192.0.2.99\n").unwrap();
        std::fs::write(etc.join("hosts"), "127.0.0.1 mine\n").unwrap();
        boot(host, "z");
        assert_eq!(read("resolv.conf"), "nameserver 192.0.2.99\n");
        assert_eq!(read("hosts"), "127.0.0.1 mine\n");
        halt(host, "z");
        // Emptied: ours again. A longer text of ours leaves no rest behind.
        std::fs::write(etc.join("resolv.conf"), "").unwrap();
        boot(host, "z");
        halt(host, "z");
        let commands = "remove attr name=resolvers; \
             add attr; set name=resolvers; set type=string; set value=192.0.2.7; end";
        host.ok("zonecfg", &["-z", "z", commands]);
        boot(host, "z");
        assert!(read("resolv.conf").ends_with("\nnameserver 192.0.2.7\n"));
        assert!(!read("resolv.conf").contains("192.0.2.5"));
        assert_eq!(
            host.inside("z", "cat /etc/resolv.conf"),
            read("resolv.conf")
        );
    });
}
