//! How long the network of a zone takes in process, for `cargo xtask bench`: one line for each
//! case, `MS NAME`, once for every round. Needs root; everything is in network namespaces of its
//! own.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::UnshareFlags;
use zones_net::{
    Interface, Mac, Mode, Netlink, Protection, Settings, apply, detach, plan, release,
};
use zones_types::ZoneId;

/// Name, addresses, protection, and whether the host routes.
const CASES: [(&str, &[&str], Option<Protection>, bool); 4] = [
    ("guarded port, IPv4", &["10.8.0.1/24"], None, false),
    (
        "guarded port, both",
        &["10.8.0.1/24", "fd08::1/64"],
        None,
        false,
    ),
    (
        "guarded port, both, uplinks",
        &["10.8.0.1/24", "fd08::1/64"],
        None,
        true,
    ),
    (
        "port without guard",
        &["10.8.0.1/24"],
        Some(Protection::NONE),
        false,
    ),
];

const PAUSE: Duration = Duration::from_millis(40);

fn leave() -> File {
    #[expect(deprecated, reason = "the flag used here is one of the safe ones")]
    rustix::thread::unshare(UnshareFlags::NEWNET).unwrap();
    File::open("/proc/thread-self/ns/net").unwrap()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds: u16 = arguments.next().unwrap().parse().unwrap();
    let notes = arguments.next().unwrap();
    let _home = leave();
    let settings = Settings::noted_in(Path::new(&notes));
    let mut host = Netlink::open().unwrap();
    // A zone that stays, so that the bridge does: the usual case is that there are others.
    let others = thread::spawn(leave).join().unwrap();
    let first = wanted(&["10.8.0.9/24"], None, true);
    let steps = plan(&host.view().unwrap(), ZoneId(1), &[first]).unwrap();
    apply(&steps, others.as_fd(), &settings).unwrap();
    for round in 0..rounds {
        for (at, (name, addresses, protection, uplink)) in CASES.iter().enumerate() {
            let id = ZoneId(2 + round * 8 + u16::try_from(at).unwrap());
            let zone = thread::spawn(leave).join().unwrap();
            let interface = wanted(addresses, *protection, *uplink);
            let start = Instant::now();
            let steps = plan(&host.view().unwrap(), id, &[interface]).unwrap();
            let left = apply(&steps, zone.as_fd(), &settings).unwrap();
            println!("{} {name}", start.elapsed().as_secs_f64() * 1e3);
            let start = Instant::now();
            detach(&left, id).unwrap();
            let mut filter = None;
            release(&left, Some(zone.as_fd()), None, &mut filter).unwrap();
            if at == 2 {
                println!("{} taken away again", start.elapsed().as_secs_f64() * 1e3);
            }
            host.delete_link(&format!("zv{id}.0").parse().unwrap())
                .unwrap();
            drop((zone, filter));
            // The kernel takes the namespace down by and by, and holds the lock on links for it.
            thread::sleep(PAUSE);
        }
    }
}

fn wanted(addresses: &[&str], protection: Option<Protection>, uplink: bool) -> Interface {
    Interface {
        name: "net0".parse().unwrap(),
        mode: Mode::Exclusive {
            physical: "net0".parse().unwrap(),
            lower: None,
        },
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        configure: true,
        defrouter: None,
        mac: None,
        own_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        vlan: None,
        mtu: None,
        protection,
        uplink,
    }
}
