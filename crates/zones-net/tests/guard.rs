//! What comes through a guard when root of a zone sends whatever it likes: frames byte by byte.
//! Needs root; everything happens in network namespaces of these tests.
#![allow(clippy::print_stderr, clippy::unwrap_used)]

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use rustix::net::{RecvFlags, SendFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use zones_net::{
    Birth, IfName, Interface, Mac, Mode, Netlink, NewLink, Settings, apply, detach, plan, release,
};
use zones_types::ZoneId;

const MAC: [u8; 6] = [2, 8, 0x20, 1, 2, 3];
const OTHER: [u8; 6] = [2, 8, 0x20, 1, 2, 4];
const ALL: [u8; 6] = [0xff; 6];
const OWN: [u8; 4] = [10, 77, 0, 5];
const FOREIGN: [u8; 4] = [10, 77, 0, 66];

fn leave() -> Result<(), rustix::io::Errno> {
    #[expect(deprecated, reason = "the flag used here is one of the safe ones")]
    rustix::thread::unshare(UnshareFlags::NEWNET)
}

fn on_a_host(test: &'static str, body: fn()) {
    let done = thread::spawn(move || match leave() {
        Ok(()) => body(),
        Err(errno) => eprintln!("SKIP {test}: no network namespace: {errno}"),
    });
    done.join().unwrap();
}

fn new_netns() -> File {
    let made = thread::spawn(|| {
        leave().unwrap();
        File::open("/proc/thread-self/ns/net").unwrap()
    });
    made.join().unwrap()
}

fn within<T: Send>(netns: &File, body: impl FnOnce() -> T + Send) -> T {
    let run = || {
        move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        body()
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

fn name(text: &str) -> IfName {
    text.parse().unwrap()
}

/// All frames of the link, in and out.
fn tap(link: &str) -> OwnedFd {
    let index = Netlink::open().unwrap().index(&name(link)).unwrap();
    zones_sys::packet_socket(index).unwrap()
}

fn frame(from: [u8; 6], kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = ALL.to_vec();
    bytes.extend(from);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(body);
    bytes
}

fn arp(operation: u8, mac: [u8; 6], ip: [u8; 4]) -> Vec<u8> {
    let mut body = vec![0, 1, 8, 0, 6, 4, 0, operation];
    body.extend(mac);
    body.extend(ip);
    body.extend([0; 6]);
    body.extend([10, 77, 0, 1]);
    body
}

fn v4(source: [u8; 4], protocol: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + body.len()).unwrap().to_be_bytes();
    let mut bytes = vec![
        0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0,
    ];
    bytes.extend(source);
    bytes.extend([255; 4]);
    let sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes.extend(body);
    bytes
}

fn v6(source: &str, protocol: u8, body: &[u8]) -> Vec<u8> {
    let IpAddr::V6(source) = source.parse().unwrap() else {
        panic!("no IPv6 address");
    };
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x60, 0, 0, 0, length[0], length[1], protocol, 255];
    bytes.extend(source.octets());
    bytes.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    bytes.extend(body);
    bytes
}

fn neighbour(kind: u8, target: &str) -> Vec<u8> {
    let IpAddr::V6(target) = target.parse().unwrap() else {
        panic!("no IPv6 address");
    };
    let mut body = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    body.extend(target.octets());
    body
}

fn udp(from: u16, to: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + body.len()).unwrap().to_be_bytes();
    let mut bytes = from.to_be_bytes().to_vec();
    bytes.extend(to.to_be_bytes());
    bytes.extend(length);
    bytes.extend([0, 0]);
    bytes.extend(body);
    bytes
}

fn dhcp(client: [u8; 6]) -> Vec<u8> {
    let mut body = vec![1, 1, 6, 0];
    body.resize(28, 0);
    body.extend(client);
    body.resize(240, 0);
    body
}

/// A bridge of the host with a zone on it (`link-protection` as given) and a neighbour `spy`.
/// Returns which of the frames that the zone sends come to the neighbour.
fn passes(protection: Option<&str>, frames: &[Vec<u8>]) -> Vec<bool> {
    let notes = tempfile::tempdir().unwrap();
    let settings = Settings::noted_in(&notes.path().join("settings"));
    let mut host = Netlink::open().unwrap();
    let bridge = NewLink::Bridge { alias: "" };
    host.add_link(&name("br0"), bridge, &Birth::default())
        .unwrap();
    let other = new_netns();
    let birth = Birth {
        netns: Some(other.as_fd()),
        ..Birth::default()
    };
    let peer = name("spy");
    host.add_link(&name("spy0"), NewLink::Veth { peer: &peer }, &birth)
        .unwrap();
    let index = host.index(&name("br0")).unwrap();
    host.set_master(&name("spy0"), index).unwrap();
    Netlink::open_in(other.as_fd())
        .unwrap()
        .set_up(&peer)
        .unwrap();
    let zone = new_netns();
    let wanted = Interface {
        name: name("net0"),
        mode: Mode::Exclusive {
            physical: name("net0"),
            lower: Some(name("br0")),
        },
        addresses: vec![
            "10.77.0.5/24".parse().unwrap(),
            "fd77::5/64".parse().unwrap(),
        ],
        configure: true,
        defrouter: None,
        mac: Some(Mac(MAC)),
        own_mac: Some(Mac(OTHER)),
        vlan: None,
        mtu: None,
        protection: protection.map(|text| text.parse().unwrap()),
        uplink: true,
    };
    let steps = plan(&host.view().unwrap(), ZoneId(1), &[wanted]).unwrap();
    let left = apply(&steps, zone.as_fd(), &settings).unwrap();
    let spy = within(&other, || tap("spy"));
    let sender = within(&zone, || tap("net0"));
    let seen = frames
        .iter()
        .map(|frame| {
            // Links are up a moment after they were brought up; what comes after its follower was
            // dropped.
            let mark = frame_mark();
            for _ in 0..20 {
                rustix::net::send(&sender, frame, SendFlags::empty()).unwrap();
                rustix::net::send(&sender, &mark, SendFlags::empty()).unwrap();
                if let Some(seen) = heard(&spy, frame, &mark) {
                    return seen;
                }
            }
            panic!("the zone is not heard at all");
        })
        .collect();
    detach(&left, ZoneId(1)).unwrap();
    release(&left, Some(zone.as_fd()), Some(&settings), &mut None).unwrap();
    for link in ["zv1.0", "spy0", "br0"] {
        host.delete_link(&name(link)).unwrap();
    }
    seen
}

/// A frame that every guard lets through.
fn frame_mark() -> Vec<u8> {
    frame(MAC, 0x0800, &v4(OWN, 253, b"that is all"))
}

/// Whether the frame came before the mark; `None` when neither comes.
fn heard(spy: &OwnedFd, frame: &[u8], mark: &[u8]) -> Option<bool> {
    let mut found = false;
    let limit = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 300_000_000,
    };
    let mut buffer = [0; 2048];
    loop {
        let mut polled = [rustix::event::PollFd::new(
            spy,
            rustix::event::PollFlags::IN,
        )];
        if rustix::event::poll(&mut polled, Some(&limit)).unwrap() == 0 {
            return None;
        }
        let (length, _) = rustix::net::recv(spy, &mut buffer[..], RecvFlags::empty()).unwrap();
        let got = &buffer[..length];
        // A tag comes beside the frame, not in it.
        let bare = frame[12..14] == [0x81, 0] && got[12..] == frame[16..];
        found |= got == frame || bare;
        if got == mark {
            return Some(found);
        }
    }
}

/// Name, frame, and whether it passes with: nothing, `mac-nospoof`, `restricted`, the usual
/// protection of an exclusive zone with addresses, all of them.
fn table() -> Vec<(&'static str, Vec<u8>, [bool; 5])> {
    const Y: bool = true;
    const N: bool = false;
    let ip = |source, body: &[u8]| frame(MAC, 0x0800, &v4(source, 17, body));
    let ip6 = |source, protocol, body: &[u8]| frame(MAC, 0x86dd, &v6(source, protocol, body));
    let data = udp(1000, 2000, b"hello");
    let mine = "fe80::8:20ff:fe01:203";
    vec![
        ("own packet", ip(OWN, &data), [Y, Y, Y, Y, Y]),
        ("foreign address", ip(FOREIGN, &data), [Y, Y, Y, N, N]),
        ("no address", ip([0; 4], &data), [Y, Y, Y, N, N]),
        (
            "foreign hardware",
            frame(OTHER, 0x0800, &v4(OWN, 17, &data)),
            [Y, N, Y, N, N],
        ),
        (
            "own arp",
            frame(MAC, 0x0806, &arp(1, MAC, OWN)),
            [Y, Y, Y, Y, Y],
        ),
        (
            "own arp answer",
            frame(MAC, 0x0806, &arp(2, MAC, OWN)),
            [Y, Y, Y, Y, Y],
        ),
        (
            "arp probe",
            frame(MAC, 0x0806, &arp(1, MAC, [0; 4])),
            [Y, Y, Y, Y, Y],
        ),
        (
            "arp answer of nobody",
            frame(MAC, 0x0806, &arp(2, MAC, [0; 4])),
            [Y, Y, Y, N, N],
        ),
        (
            "arp of the router",
            frame(MAC, 0x0806, &arp(2, MAC, [10, 77, 0, 1])),
            [Y, Y, Y, N, N],
        ),
        (
            "arp with foreign hardware",
            frame(MAC, 0x0806, &arp(2, OTHER, OWN)),
            [Y, N, Y, N, N],
        ),
        (
            "arp of another kind",
            {
                let mut body = arp(2, MAC, OWN);
                body[1] = 6;
                frame(MAC, 0x0806, &body)
            },
            [Y, Y, Y, N, N],
        ),
        (
            "reverse arp",
            frame(MAC, 0x8035, &arp(3, MAC, OWN)),
            [Y, Y, N, N, N],
        ),
        (
            "discovery of neighbours",
            frame(MAC, 0x88cc, &[0; 50]),
            [Y, Y, N, N, N],
        ),
        (
            "spanning tree",
            frame(MAC, 38, &[0x42; 50]),
            [Y, Y, N, N, N],
        ),
        (
            "tag",
            {
                let mut body = vec![0, 7, 8, 0];
                body.extend(v4(OWN, 17, &data));
                frame(MAC, 0x8100, &body)
            },
            [Y, Y, N, N, N],
        ),
        ("own ipv6", ip6("fd77::5", 17, &data), [Y, Y, Y, Y, Y]),
        ("own link-local", ip6(mine, 17, &data), [Y, Y, Y, Y, Y]),
        ("foreign ipv6", ip6("fd77::66", 17, &data), [Y, Y, Y, N, N]),
        (
            "foreign link-local",
            ip6("fe80::1", 17, &data),
            [Y, Y, Y, N, N],
        ),
        ("ipv6 of nobody", ip6("::", 17, &data), [Y, Y, Y, N, N]),
        (
            "own advertisement",
            ip6("fd77::5", 58, &neighbour(136, "fd77::5")),
            [Y, Y, Y, Y, Y],
        ),
        (
            "advertisement of the router",
            ip6(mine, 58, &neighbour(136, "fd77::1")),
            [Y, Y, Y, N, N],
        ),
        (
            "solicitation",
            ip6("fd77::5", 58, &neighbour(135, "fd77::1")),
            [Y, Y, Y, Y, Y],
        ),
        (
            "check for duplicates",
            ip6("::", 58, &neighbour(135, "fd77::5")),
            [Y, Y, Y, Y, Y],
        ),
        (
            "claim without address",
            ip6("::", 58, &neighbour(135, "fd77::1")),
            [Y, Y, Y, N, N],
        ),
        (
            "router advertisement",
            ip6(mine, 58, &neighbour(134, "::")),
            [Y, Y, Y, N, N],
        ),
        (
            "redirect",
            ip6(mine, 58, &neighbour(137, "fd77::1")),
            [Y, Y, Y, N, N],
        ),
        (
            "dhcp request",
            ip([0; 4], &udp(68, 67, &dhcp(MAC))),
            [Y, Y, Y, Y, Y],
        ),
        (
            "dhcp for another",
            ip([0; 4], &udp(68, 67, &dhcp(OTHER))),
            [Y, Y, Y, Y, N],
        ),
        (
            "dhcp answer",
            ip(OWN, &udp(67, 68, &dhcp(MAC))),
            [Y, Y, Y, Y, N],
        ),
        (
            "dhcp answer by ipv6",
            ip6(mine, 17, &udp(547, 546, b"x")),
            [Y, Y, Y, Y, N],
        ),
    ]
}

#[test]
fn guards_drop_what_their_words_say() {
    on_a_host("guards_drop_what_their_words_say", || {
        let table = table();
        let frames: Vec<Vec<u8>> = table.iter().map(|row| row.1.clone()).collect();
        let all = "mac-nospoof,restricted,ip-nospoof,dhcp-nospoof";
        let columns = [
            Some("none"),
            Some("mac-nospoof"),
            Some("restricted"),
            None,
            Some(all),
        ];
        let mut wrong = Vec::new();
        for (at, protection) in columns.into_iter().enumerate() {
            for (row, got) in table.iter().zip(passes(protection, &frames)) {
                if got != row.2[at] {
                    wrong.push(format!("{} with {protection:?}: passes {got}", row.0));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}
