//! zoneadmd(8): started by the other commands, with its first client as standard input.

use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};
use zones_store::Layout;
use zones_sys::Channel;
use zones_types::ZoneName;

use crate::report::{FAILURE, OK, USAGE, fail};

pub(crate) fn run(layout: &Layout, args: &[String]) -> u8 {
    let (zone, layout) = match parse(layout, args) {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if let Err(error) = zones_engine::seal(&layout, &zone) {
        return fail("zoneadmd", format!("zone '{zone}': {}", error.chain()));
    }
    let _ = rustix::process::setsid();
    zones_sys::set_title(&format!("zoneadmd [{zone}]"));
    let first = match first_client() {
        Ok(first) => first,
        Err(error) => return fail("zoneadmd", format!("cannot use standard input: {error}")),
    };
    match zones_engine::run_daemon(&layout, &zone, first) {
        Ok(()) => OK,
        // Another one was faster; its client asks again and finds it.
        Err(zones_engine::EngineError::Busy) => FAILURE,
        Err(error) => fail("zoneadmd", format!("zone '{zone}': {}", error.chain())),
    }
}

fn parse(layout: &Layout, args: &[String]) -> Result<(ZoneName, Layout), u8> {
    let usage = || {
        eprintln!("usage: zoneadmd -z zone [-R root]");
        USAGE
    };
    let (mut zone, mut layout) = (None, layout.clone());
    for pair in args.chunks(2) {
        match pair {
            [flag, name] if flag == "-z" => zone = name.parse().ok(),
            [flag, root] if flag == "-R" => layout = Layout::below(std::path::Path::new(root)),
            _ => return Err(usage()),
        }
    }
    zone.map(|zone| (zone, layout)).ok_or_else(usage)
}

/// Standard input when it is a socket; `/dev/null` takes its place.
fn first_client() -> rustix::io::Result<Option<Channel>> {
    let input = rustix::stdio::stdin();
    let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(input)?.st_mode);
    if kind != rustix::fs::FileType::Socket {
        return Ok(None);
    }
    let client = rustix::io::fcntl_dupfd_cloexec(input, 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(null.as_fd())?;
    Ok(Some(Channel::from_fd(client)))
}
