//! Sockets that listen, and rules of the packet filter. Source: proc_pid_net(5), nft(8).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};

use rustix::thread::LinkNameSpaceType;
use zones_matrix::leftovers::shown;

use super::{Living, inside, proc};

/// Numbers that the kernel gives out by itself: a socket on one is somebody's client. Source:
/// ip(7), `ip_local_port_range`.
const CLIENTS: std::ops::RangeInclusive<u16> = 32_768..=60_999;
/// State of a socket that listens, and of one that is connected to nobody.
const LISTENS: &str = "0A";
const UNCONNECTED: &str = "07";
/// Mark of a unix socket that listens.
const ACCEPTS: u32 = 0x1_0000;
/// Where the tool is.
const NFT: [&str; 3] = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"];
/// More rules than this are not told apart.
const RULES: usize = 10_000;

pub(super) fn sockets(pid: i32, living: &mut Living) {
    for (name, state) in [
        ("tcp", LISTENS),
        ("tcp6", LISTENS),
        ("udp", UNCONNECTED),
        ("udp6", UNCONNECTED),
    ] {
        let text = proc(pid, &format!("net/{name}")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (Some(place), Some(own)) = (words.get(1), words.get(3)) else {
                continue;
            };
            let Some((address, port)) = place.split_once(':').filter(|_| *own == state) else {
                continue;
            };
            let port = u16::from_str_radix(port, 16).unwrap_or(0);
            let is_client = name.starts_with("udp") && CLIENTS.contains(&port);
            if !is_client {
                living
                    .sockets
                    .insert(format!("{name} {}:{port}", address_text(address)));
            }
        }
    }
    let text = proc(pid, "net/unix").unwrap_or_default();
    for line in text.split(|byte| *byte == b'\n').skip(1) {
        let words: Vec<&[u8]> = line
            .split(|byte| *byte == b' ')
            .filter(|w| !w.is_empty())
            .collect();
        let (Some(flags), Some(path)) = (words.get(3), words.get(7)) else {
            continue;
        };
        let flags = std::str::from_utf8(flags).unwrap_or_default();
        let flags = u32::from_str_radix(flags, 16).unwrap_or(0);
        if flags & ACCEPTS != 0 {
            living.sockets.insert(format!("unix {}", shown(path)));
        }
    }
}

/// Words of 32 bits in the order of the machine.
fn address_text(hex: &str) -> String {
    let words = (0..hex.len()).step_by(8).map(|at| {
        let word = hex
            .get(at..at + 8)
            .and_then(|word| u32::from_str_radix(word, 16).ok());
        word.unwrap_or(0).to_ne_bytes()
    });
    let bytes: Vec<u8> = words.flatten().collect();
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Ipv4Addr::from(four).to_string();
    }
    match <[u8; 16]>::try_from(bytes.as_slice()) {
        Ok(all) => format!("[{}]", Ipv6Addr::from(all)),
        Err(_) => hex.to_owned(),
    }
}

/// Asks the host's own tool, inside the zone's network.
pub(super) fn rules(pid: i32, living: &mut Living) {
    let Some(tool) = NFT.iter().find(|path| std::path::Path::new(path).exists()) else {
        let note = "the host has no nft; rules of the packet filter were not looked at";
        return living.notes.push(note.to_owned());
    };
    let tool = (*tool).to_owned();
    let ask = move || {
        let mut command = Command::new(tool);
        command.args(["-n", "-s", "list", "ruleset"]);
        command.stdin(Stdio::null()).stderr(Stdio::null()).output()
    };
    match inside(pid, "net", LinkNameSpaceType::Network, ask) {
        Ok(Ok(said)) if said.status.success() => {
            let text = String::from_utf8_lossy(&said.stdout);
            living.rules = flat(&text).take(RULES).collect();
        }
        _ => living
            .notes
            .push("rules of the packet filter could not be read".to_owned()),
    }
}

/// One line for each rule, with the table and chain it is in.
fn flat(text: &str) -> impl Iterator<Item = String> {
    let mut place: Vec<String> = Vec::new();
    text.lines().map(str::trim).filter_map(move |line| {
        if let Some(name) = line.strip_suffix('{') {
            let name = name.trim();
            let name = name
                .strip_prefix("table ")
                .or_else(|| name.strip_prefix("chain "));
            place.push(name.unwrap_or(line).to_owned());
            return (place.len() == 1).then(|| format!("table {}", place[0]));
        }
        if line == "}" {
            place.pop();
            return None;
        }
        let is_rule = !line.is_empty() && place.len() > 1;
        is_rule.then(|| format!("{}: {line}", place.join(" ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_say_where_they_are() {
        let text = "table inet acme {\n\tchain input {\n\t\ttype filter hook input;\n\
                    \t\ttcp dport 7777 accept\n\t}\n}\n";
        let lines: Vec<String> = flat(text).collect();
        assert_eq!(
            lines,
            [
                "table inet acme",
                "inet acme input: type filter hook input;",
                "inet acme input: tcp dport 7777 accept",
            ]
        );
    }

    #[test]
    fn addresses_are_those_of_people() {
        let four = u32::from_ne_bytes([127, 0, 0, 1]);
        assert_eq!(address_text(&format!("{four:08X}")), "127.0.0.1");
        assert_eq!(address_text(&"0".repeat(32)), "[::]");
    }
}
