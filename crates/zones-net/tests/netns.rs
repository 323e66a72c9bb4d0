//! Interfaces between network namespaces that only these tests use. Needs root.
//!
//! Each test runs in a thread that has left the namespace of the host; all namespaces die with
//! their descriptors, so nothing is left behind.
#![allow(clippy::print_stderr, clippy::unwrap_used)]

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use zones_net::{
    Birth, DEFAULT_BRIDGE, IfName, Interface, Leftover, Mode, Netlink, NewLink, Settings, apply,
    detach, mac_for, plan, release, remove_idle_bridge,
};
use zones_types::ZoneId;

/// Leaves the namespace of the host; affects this thread only.
fn leave() -> Result<(), rustix::io::Errno> {
    #[expect(deprecated, reason = "the flag used here is one of the safe ones")]
    rustix::thread::unshare(UnshareFlags::NEWNET)
}

fn here() -> File {
    File::open("/proc/thread-self/ns/net").unwrap()
}

fn new_netns() -> File {
    let made = thread::spawn(|| {
        leave().unwrap();
        here()
    });
    made.join().unwrap()
}

/// Runs in a thread of its own, as on a host that nobody else uses.
fn on_a_host(test: &'static str, body: fn()) {
    let done = thread::spawn(move || match leave() {
        Ok(()) => body(),
        Err(errno) => eprintln!("SKIP {test}: no network namespace: {errno}"),
    });
    done.join().unwrap();
}

fn within<T: Send>(netns: &File, body: impl FnOnce() -> T + Send) -> T {
    let run = || {
        move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        body()
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// Whether a packet from `from` reaches `address` in `to`, and the answer comes back.
fn reaches(from: &File, to: &File, address: &str) -> bool {
    let any = if address.contains(':') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let server = within(to, || UdpSocket::bind((address, 0)).unwrap());
    let client = within(from, || UdpSocket::bind(any).unwrap());
    let limit = Some(Duration::from_millis(100));
    for socket in [&server, &client] {
        socket.set_read_timeout(limit).unwrap();
    }
    let port = server.local_addr().unwrap().port();
    let mut buffer = [0; 16];
    // The first packets may go before the other side has heard of the link.
    (0..20).any(|_| {
        if client.send_to(b"ping", (address, port)).is_err() {
            return false;
        }
        let Ok((_, source)) = server.recv_from(&mut buffer) else {
            return false;
        };
        server.send_to(b"pong", source).unwrap();
        client.recv_from(&mut buffer).is_ok()
    })
}

/// Where a host notes its settings, gone with the value.
struct Notes(tempfile::TempDir);

impl Notes {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn settings(&self) -> Settings {
        Settings::noted_in(&self.0.path().join("settings"))
    }
}

fn name(text: &str) -> IfName {
    text.parse().unwrap()
}

fn interface(physical: &str, address: &str) -> Interface {
    Interface {
        name: name(physical),
        mode: Mode::Exclusive {
            physical: name(physical),
            lower: None,
        },
        addresses: vec![address.parse().unwrap()],
        configure: true,
        defrouter: None,
        mac: None,
        own_mac: Some(mac_for(address, &name(physical))),
        vlan: None,
        mtu: None,
        protection: None,
        uplink: true,
    }
}

/// A `NIC` of this host, with the rest of the world at `10.9.0.1` behind it.
fn nic(nic: &str) -> File {
    let outside = new_netns();
    let mut host = Netlink::open().unwrap();
    let peer = name("world");
    let new = NewLink::Veth { peer: &peer };
    let birth = Birth {
        netns: Some(outside.as_fd()),
        ..Birth::default()
    };
    host.add_link(&name(nic), new, &birth).unwrap();
    host.set_up(&name(nic)).unwrap();
    let index = host.index(&name(nic)).unwrap();
    host.add_address(index, "10.9.0.2/24".parse().unwrap())
        .unwrap();
    let mut world = Netlink::open_in(outside.as_fd()).unwrap();
    world.set_up(&peer).unwrap();
    let index = world.index(&peer).unwrap();
    world
        .add_address(index, "10.9.0.1/24".parse().unwrap())
        .unwrap();
    outside
}

#[test]
fn zones_on_the_default_bridge_reach_each_other() {
    on_a_host("zones_on_the_default_bridge_reach_each_other", || {
        let notes = Notes::new();
        let mut host = Netlink::open().unwrap();
        let zones = [new_netns(), new_netns()];
        for (n, zone) in zones.iter().enumerate() {
            let mut wanted = interface("net0", &format!("10.8.0.{}/24", n + 1));
            wanted.defrouter = Some("10.8.0.254".parse().unwrap());
            wanted
                .addresses
                .push(format!("fd08::{}/64", n + 1).parse().unwrap());
            wanted.mac = Some(mac_for("web", &name(&format!("net{n}"))));
            wanted.mtu = Some(1400);
            let start = Instant::now();
            let view = host.view().unwrap();
            let id = ZoneId(u16::try_from(n).unwrap() + 1);
            let steps = plan(&view, id, &[wanted.clone()]).unwrap();
            apply(&steps, zone.as_fd(), &notes.settings()).unwrap();
            eprintln!("  set up: {:.3} ms", start.elapsed().as_secs_f64() * 1e3);

            let mut inside = Netlink::open_in(zone.as_fd()).unwrap();
            let link = inside.link(&name("net0")).unwrap().unwrap();
            assert_eq!((link.up, link.mac, link.mtu), (true, wanted.mac, 1400));
            let has = inside.addresses().unwrap();
            for net in &wanted.addresses {
                assert!(
                    has.iter().any(|a| a.link == link.index && a.net == *net),
                    "{has:?}"
                );
            }
            let routes = inside.routes().unwrap();
            let default = routes.iter().find(|route| route.to.prefix == 0).unwrap();
            assert_eq!(default.via.unwrap().address, wanted.defrouter.unwrap());
            assert!(inside.link(&name("lo")).unwrap().unwrap().up);
        }
        assert!(reaches(&zones[0], &zones[1], "10.8.0.2"));
        assert!(reaches(&zones[1], &zones[0], "fd08::1"));

        let bridge = name(DEFAULT_BRIDGE);
        assert!(
            !remove_idle_bridge(&mut host, &bridge).unwrap(),
            "it has ports"
        );
        for port in ["zv1.0", "zv2.0"] {
            host.delete_link(&name(port)).unwrap();
        }
        assert!(remove_idle_bridge(&mut host, &bridge).unwrap());
        assert_eq!(host.link(&bridge).unwrap(), None);
    });
}

#[test]
fn a_bridge_of_the_administrator_is_never_removed() {
    on_a_host("a_bridge_of_the_administrator_is_never_removed", || {
        let mut host = Netlink::open().unwrap();
        let bridge = name("br0");
        let new = NewLink::Bridge { alias: "uplink" };
        host.add_link(&bridge, new, &Birth::default()).unwrap();
        assert!(!remove_idle_bridge(&mut host, &bridge).unwrap());
        assert!(!remove_idle_bridge(&mut host, &name("none")).unwrap());
    });
}

#[test]
fn a_shared_address_is_routed_and_cannot_be_exchanged() {
    on_a_host("a_shared_address_is_routed_and_cannot_be_exchanged", || {
        let notes = Notes::new();
        let outside = nic("eth0");
        let zone = new_netns();
        let mut wanted = interface("net0", "10.9.0.5/24");
        wanted.mode = Mode::Shared {
            physical: name("eth0"),
        };
        wanted.addresses.push("fd09::5/64".parse().unwrap());
        let mut host = Netlink::open().unwrap();
        let start = Instant::now();
        let steps = plan(&host.view().unwrap(), ZoneId(3), &[wanted]).unwrap();
        let left = apply(&steps, zone.as_fd(), &notes.settings()).unwrap();
        eprintln!("  set up: {:.3} ms", start.elapsed().as_secs_f64() * 1e3);
        assert!(reaches(&outside, &zone, "10.9.0.5"), "from outside");
        assert!(reaches(&here(), &zone, "10.9.0.5"), "from the host");
        assert!(reaches(&here(), &zone, "fd09::5"), "from the host by IPv6");
        assert!(reaches(&zone, &outside, "10.9.0.1"), "to the outside");

        // Root of the zone cannot do this, as the host owns the namespace; the host can, and the
        // foreign address still does not get out.
        let mut inside = Netlink::open_in(zone.as_fd()).unwrap();
        let index = inside.index(&name("net0")).unwrap();
        inside
            .add_address(index, "10.9.0.77/32".parse().unwrap())
            .unwrap();
        let forged = within(&zone, || UdpSocket::bind("10.9.0.77:0").unwrap());
        let server = within(&outside, || UdpSocket::bind("10.9.0.1:0").unwrap());
        let limit = Some(Duration::from_millis(150));
        server.set_read_timeout(limit).unwrap();
        forged
            .send_to(b"forged", server.local_addr().unwrap())
            .unwrap();
        assert!(
            server.recv_from(&mut [0; 16]).is_err(),
            "a foreign address came through"
        );

        detach(&left, ZoneId(3)).unwrap();
        release(
            &left,
            Some(zone.as_fd()),
            Some(&notes.settings()),
            &mut None,
        )
        .unwrap();
        host.delete_link(&name("zv3.0")).unwrap();
        let routes = host.routes().unwrap();
        assert!(
            !routes
                .iter()
                .any(|route| route.to.to_string() == "10.9.0.5/32")
        );
    });
}

#[test]
fn a_nic_moves_into_the_zone_and_back() {
    on_a_host("a_nic_moves_into_the_zone_and_back", || {
        let notes = Notes::new();
        let outside = nic("eth0");
        let zone = new_netns();
        let mut host = Netlink::open().unwrap();
        let mut wanted = interface("eth0", "10.9.0.6/24");
        wanted.name = name("net0");
        wanted.mtu = Some(1300);
        let before = host.link(&name("eth0")).unwrap().unwrap();
        let of_card = |host: &mut Netlink| {
            let mut all = host.addresses().unwrap();
            all.retain(|one| one.net.address.is_ipv4());
            all
        };
        let addresses = of_card(&mut host);
        let steps = plan(&host.view().unwrap(), ZoneId(4), &[wanted]).unwrap();
        let left = apply(&steps, zone.as_fd(), &notes.settings()).unwrap();
        assert_eq!(host.link(&name("eth0")).unwrap(), None);
        assert!(reaches(&outside, &zone, "10.9.0.6"));
        // What root of the zone may do to it, and more.
        let mut inside = Netlink::open_in(zone.as_fd()).unwrap();
        let other = name("lo7");
        inside.set_down(&name("net0")).unwrap();
        inside.rename(&name("net0"), &other).unwrap();
        inside.set_mac(&other, mac_for("zone", &other)).unwrap();
        inside.set_alias(&other, "mine").unwrap();
        let bait = NewLink::Bridge { alias: "bait" };
        inside
            .add_link(&name("net0"), bait, &Birth::default())
            .unwrap();
        inside
            .add_link(&name("eth0"), bait, &Birth::default())
            .unwrap();
        // Whoever comes after a crash has the lines only.
        let lines: Vec<String> = left.iter().map(ToString::to_string).collect();
        let left: Vec<Leftover> = lines.iter().map(|line| line.parse().unwrap()).collect();
        release(&left, Some(zone.as_fd()), None, &mut None).unwrap();
        let after = host.link(&name("eth0")).unwrap().unwrap();
        assert_eq!(
            (after.mac, after.mtu, &after.alias, after.queue),
            (before.mac, before.mtu, &before.alias, before.queue)
        );
        assert_eq!(of_card(&mut host), addresses, "its addresses are back");
        assert!(host.link(&name("eth0")).unwrap().unwrap().up);
    });
}

#[test]
fn links_on_a_nic_live_in_the_zone() {
    on_a_host("links_on_a_nic_live_in_the_zone", || {
        let notes = Notes::new();
        let outside = nic("eth0");
        for (vlan, what) in [(None, "macvlan"), (Some(7), "vlan")] {
            let zone = new_netns();
            let view = Netlink::open().unwrap().view().unwrap();
            let mut wanted = interface("net0", "10.9.0.7/24");
            wanted.vlan = vlan;
            wanted.mode = Mode::Exclusive {
                physical: name("net0"),
                lower: Some(name("eth0")),
            };
            let steps = plan(&view, ZoneId(5), &[wanted]).unwrap();
            let start = Instant::now();
            match apply(&steps, zone.as_fd(), &notes.settings()) {
                Ok(_) => eprintln!("  {what}: {:.3} ms", start.elapsed().as_secs_f64() * 1e3),
                Err(error) if error.source == rustix::io::Errno::OPNOTSUPP => {
                    eprintln!("SKIP links_on_a_nic_live_in_the_zone: no {what}: {error}");
                    continue;
                }
                Err(error) => panic!("{what}: {error}: {}", error.source),
            }
            assert_eq!(
                vlan.is_none(),
                reaches(&outside, &zone, "10.9.0.7"),
                "{what}"
            );
        }
    });
}

#[test]
fn a_plan_that_fails_leaves_nothing() {
    on_a_host("a_plan_that_fails_leaves_nothing", || {
        let notes = Notes::new();
        let zone = new_netns();
        let mut host = Netlink::open().unwrap();
        let before = host.links().unwrap().len();
        let mut wanted = interface("net0", "10.8.0.1/24");
        wanted.defrouter = Some("192.0.2.1".parse().unwrap());
        let steps = plan(&host.view().unwrap(), ZoneId(6), &[wanted]).unwrap();
        let error = apply(&steps, zone.as_fd(), &notes.settings()).unwrap_err();
        assert!(error.to_string().contains("set route"), "{error}");
        assert_eq!(host.links().unwrap().len(), before);
        let mut inside = Netlink::open_in(zone.as_fd()).unwrap();
        assert_eq!(inside.link(&name("net0")).unwrap(), None);
    });
}
