//! autopkgtest-virt-zones(1): zones as testbeds for the tests of Debian packages.
//!
//! Source: the virtualisation server interface of autopkgtest(1), README.virtualisation-server.

mod protocol;
mod testbed;

use std::io::Write as _;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags};
use zones_matrix::Network;
use zones_store::Layout;
use zones_sys::SignalFd;
use zones_types::{ZoneName, ZoneState};

use self::protocol::{Reply, Server};
use self::testbed::{Origin, Zones};
use super::zlogin;
use crate::getopt::{Given, Known, value};
use crate::report::{FAILURE, OK, USAGE};

const NAME: &str = "autopkgtest-virt-zones";
const USAGE_LINE: &str =
    "usage: autopkgtest-virt-zones [-s snapshot] [--network=none|local|full] zone";
/// The testbed failed, as the servers of autopkgtest say it.
const BROKEN: u8 = 12;
/// A command could not be run in the testbed, as the caller of one expects it.
const NOT_RUN: u8 = 254;
const SIGNALS: [i32; 3] = [1, 2, 15];

pub(crate) fn run(layout: &Layout, args: &[String]) -> u8 {
    if let [flag, zone, command @ ..] = args
        && flag == "--execute"
    {
        return execute(layout, zone, command);
    }
    match options(args) {
        Ok((origin, network)) => serve(layout, origin, network),
        Err(text) => {
            if !text.is_empty() {
                eprintln!("{NAME}: {text}");
            }
            eprintln!("{USAGE_LINE}");
            USAGE
        }
    }
}

fn options(args: &[String]) -> Result<(Origin, Network), String> {
    const KNOWN: [Known; 2] = [value('s', "snapshot"), value('\0', "network")];
    let given = Given::parse(args, &KNOWN)?;
    let network = match given.get("network") {
        None | Some("full") => Network::Full,
        Some("local") => Network::Local,
        Some("none") => Network::None,
        Some(other) => return Err(format!("no network is called `{other}`")),
    };
    let [zone] = given.words.as_slice() else {
        return Err(String::new());
    };
    let zone = zone.parse();
    let origin = Origin {
        zone: zone.map_err(|error| format!("{error}"))?,
        snapshot: given.get("snapshot").map(str::to_owned),
    };
    Ok((origin, network))
}

/// One command in a testbed: what a caller was told to start. Its words stay words.
fn execute(layout: &Layout, zone: &str, command: &[String]) -> u8 {
    let running = zone.parse::<ZoneName>().ok().is_some_and(|zone| {
        let state = zones_engine::active(layout, &zone).map(|(state, _)| state);
        state == Some(ZoneState::Running)
    });
    if !running || command.is_empty() {
        eprintln!("{NAME}: testbed `{zone}` is not running");
        return NOT_RUN;
    }
    zlogin::run(layout, &[zone.to_owned(), testbed::line(command)])
}

fn serve(layout: &Layout, origin: Origin, network: Network) -> u8 {
    let failed = |text: &str| {
        eprintln!("{NAME}: {text}");
        FAILURE
    };
    let Ok(signals) = SignalFd::new(&SIGNALS) else {
        return failed("cannot watch signals");
    };
    let bed = match Zones::new(layout, origin, network) {
        Ok(bed) => bed,
        Err(text) => return failed(&text),
    };
    let mut server = Server::new(bed);
    let status = converse(&mut server, &signals);
    match server.close() {
        Ok(()) => status,
        Err(text) => {
            eprintln!("{NAME}: failure: {text}");
            BROKEN
        }
    }
}

/// Answers until the caller quits, is gone, or a signal comes.
fn converse(server: &mut Server<Zones>, signals: &SignalFd) -> u8 {
    if !say("ok") {
        return BROKEN;
    }
    let stdin = rustix::stdio::stdin();
    let mut text = Vec::new();
    loop {
        let mut fds = [
            PollFd::new(&stdin, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
        ];
        if rustix::event::poll(&mut fds, None).is_err() {
            continue;
        }
        let said = !fds[0].revents().is_empty();
        if let Some(signal) = signals.next() {
            eprintln!("{NAME}: ended by signal {signal}");
            return u8::try_from(128 + signal).unwrap_or(BROKEN);
        }
        if !said {
            continue;
        }
        if !read(stdin, &mut text) {
            eprintln!("{NAME}: failure: the caller is gone");
            return BROKEN;
        }
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            match server.answer(String::from_utf8_lossy(&line).trim_end()) {
                Ok(Reply::Say(reply)) if say(&reply) => {}
                Ok(Reply::Say(_)) => return BROKEN,
                Ok(Reply::Quit) => {
                    // The caller may be gone already; the testbed is closed after this.
                    let _ = say("ok");
                    return OK;
                }
                Err(text) => {
                    eprintln!("{NAME}: failure: {text}");
                    return BROKEN;
                }
            }
        }
    }
}

/// Reads what is there; whether there is still a caller.
fn read(stdin: BorrowedFd<'_>, text: &mut Vec<u8>) -> bool {
    let mut bytes = [0; 4096];
    match rustix::io::read(stdin, &mut bytes) {
        Ok(0) => false,
        Ok(n) => {
            text.extend_from_slice(&bytes[..n]);
            true
        }
        Err(rustix::io::Errno::INTR) => true,
        Err(_) => false,
    }
}

fn say(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}
