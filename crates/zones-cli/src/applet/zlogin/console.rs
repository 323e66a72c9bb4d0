//! `zlogin -C`: the console, from the state installed on, across reboots.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use zones_store::Layout;
use zones_sys::{ShortPath, SignalFd};
use zones_types::ZoneName;

use super::escape::Escape;
use super::options::Options;
use super::terminal::{RawMode, Typed, keyboard, pass_keys, write_all};
use super::{SIGHUP, SIGTERM};
use crate::report::{FAILURE, OK, fail};

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(layout: &Layout, zone: &ZoneName, options: &Options) -> u8 {
    let stream = match connect(layout, zone, options) {
        Ok(stream) => stream,
        Err(text) => return fail("zlogin", text),
    };
    let Ok(signals) = SignalFd::new(&[SIGTERM, SIGHUP]) else {
        return fail("zlogin", "cannot watch signals");
    };
    if !options.quiet {
        println!("[Connected to zone '{zone}' console]");
    }
    let raw = RawMode::enter();
    let status = relay(&stream, &signals, Escape::new(options.escape));
    drop(raw);
    if !options.quiet {
        println!("\n[Connection to zone '{zone}' console closed]");
    }
    status
}

/// The daemon is started where it does not run; it leaves again when the console is closed.
fn connect(layout: &Layout, zone: &ZoneName, options: &Options) -> Result<UnixStream, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let _attendance = zones_engine::attend(layout, zone).map_err(|error| error.chain())?;
        let path = ShortPath::of(&zones_engine::console_path(layout, zone));
        if let Ok(path) = path
            && let Ok(stream) = UnixStream::connect(path.path())
        {
            match introduce(stream, options) {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(pid)) => return Err(format!("Zone is already in use by process ID {pid}.")),
                Err(_) => {}
            }
        }
        if Instant::now() > deadline {
            return Err("unable to connect for 30 seconds".to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn introduce(
    mut stream: UnixStream,
    options: &Options,
) -> std::io::Result<Result<UnixStream, String>> {
    let flags = if options.disconnect_at_halt { "d" } else { "-" };
    stream.write_all(format!("IDENT C {flags}\n").as_bytes())?;
    let mut answer = String::new();
    // One byte at a time: what follows the line belongs to the console.
    BufReader::with_capacity(1, &stream).read_line(&mut answer)?;
    match answer.trim_end() {
        "OK" => Ok(Ok(stream)),
        "" => Err(std::io::ErrorKind::UnexpectedEof.into()),
        pid => Ok(Err(pid.to_owned())),
    }
}

fn relay(stream: &UnixStream, signals: &SignalFd, mut escape: Escape) -> u8 {
    let mut input_open = true;
    let mut bytes = [0; 8192];
    loop {
        let mut fds = [
            PollFd::new(stream, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
            keyboard(input_open),
        ];
        if rustix::event::poll(&mut fds, None).is_err() {
            continue;
        }
        let fired: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if fired[0] {
            match (&*stream).read(&mut bytes) {
                Ok(count) if count > 0 => write_all(rustix::stdio::stdout(), &bytes[..count]),
                _ => return OK,
            }
        }
        if fired[1] {
            return FAILURE;
        }
        if fired[2] && input_open {
            match pass_keys(stream.as_fd(), &mut escape) {
                Typed::Passed => {}
                Typed::Left => return OK,
                // Listen on.
                Typed::Ended => input_open = false,
            }
        }
    }
}
