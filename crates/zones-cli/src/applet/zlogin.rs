//! zlogin(1): a command, a shell or the console of a zone.

mod console;
mod escape;
mod options;
mod terminal;

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use zones_brand::Words;
use zones_engine::{Ending, Hooks, Mode as Streams, Relay, Session, SessionEvent, SessionRequest};
use zones_store::{Layout, Store};
use zones_sys::SignalFd;
use zones_types::{ZoneName, ZoneState};

use crate::report::{FAILURE, fail};
use options::Options;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGTERM: i32 = 15;
const SIGWINCH: i32 = 28;

pub(crate) fn run(layout: &Layout, args: &[String]) -> u8 {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let zone = match check(layout, &options) {
        Ok(zone) => zone,
        Err(text) => return fail("zlogin", text),
    };
    if options.console {
        return console::run(layout, &zone, &options);
    }
    let stdin_is_terminal = rustix::termios::isatty(rustix::stdio::stdin());
    let interactive = options.force_terminal
        || (options.command.is_empty() && stdin_is_terminal && !options.no_input);
    if interactive {
        terminal::run(layout, &zone, &options, login(layout, &zone, &options))
    } else {
        pipes(layout, &zone, &options)
    }
}

/// Who may go where.
fn check(layout: &Layout, options: &Options) -> Result<ZoneName, String> {
    if crate::inside::is_inside() {
        return Err("'zlogin' may only be used from the global zone".to_owned());
    }
    if options.zone == "global" {
        return Err("'zlogin' not applicable to the global zone".to_owned());
    }
    let unknown = || format!("zone '{}' unknown", options.zone);
    let zone: ZoneName = options.zone.parse().map_err(|_| unknown())?;
    if !rustix::process::geteuid().is_root() {
        return Err(
            "You lack sufficient privilege to run this command (all privs required)".to_owned(),
        );
    }
    // A running zone is known to the kernel: the index need not be asked.
    let state = match zones_engine::active(layout, &zone) {
        Some((state, _)) => state,
        None => match Store::open(layout.clone()).get(&zone) {
            Ok(Some(entry)) => entry.state,
            Ok(None) => return Err(unknown()),
            Err(error) => return Err(zones_engine::chain(&error)),
        },
    };
    match state {
        ZoneState::Configured | ZoneState::Incomplete => {
            Err(format!("cannot login to a zone which is '{state}'"))
        }
        ZoneState::Running | ZoneState::ShuttingDown => Ok(zone),
        ZoneState::Mounted if options.failsafe => Ok(zone),
        _ if options.console => Ok(zone),
        _ => Err(format!(
            "login allowed only to running zones ({zone} is '{state}')."
        )),
    }
}

/// The environment is built from scratch; nothing of the caller's leaks but the terminal type.
fn request(options: &Options, mode: Streams) -> SessionRequest {
    let environ = crate::env::term()
        .map(|term| format!("TERM={term}"))
        .into_iter()
        .collect();
    SessionRequest::Start {
        user: (!options.failsafe)
            .then(|| options.user.clone().unwrap_or_else(|| "root".to_owned())),
        command: options.command.clone(),
        direct: options.force_terminal && !options.command.is_empty(),
        mode,
        environ,
        size: None,
        skip_sync: false,
    }
}

/// An interactive login: what the brand names for it, else the user's shell. Everybody who comes
/// this far is root here, so it is the command that asks for no password.
fn login(layout: &Layout, zone: &ZoneName, options: &Options) -> SessionRequest {
    let mut request = request(options, Streams::Terminal);
    let brand = || {
        let folder = zones_engine::brand_folder(layout);
        let there = options.command.is_empty() && !options.failsafe && folder.exists();
        there
            .then(|| Hooks::load(layout, zone, false).ok())
            .flatten()
    };
    let Some(hooks) = brand() else { return request };
    let brand = hooks.brand();
    let line = brand.forcedlogin_cmd.as_ref().or(brand.login_cmd.as_ref());
    if let (
        Some(line),
        SessionRequest::Start {
            user,
            command,
            direct,
            ..
        },
    ) = (line, &mut request)
    {
        let words = Words {
            zone: zone.as_str(),
            zonepath: "",
            user: user.as_deref().unwrap_or("root"),
        };
        *command = line.fill(words, &[]);
        // The command asks who it is by itself; it starts as root.
        *user = Some("root".to_owned());
        *direct = true;
    }
    request
}

/// A command with the caller's own streams: they are handed to it, so nothing is copied and every
/// byte arrives as it was written.
fn pipes(layout: &Layout, zone: &ZoneName, options: &Options) -> u8 {
    let input = match input(options) {
        Ok(input) => input,
        Err(error) => return fail("zlogin", format!("cannot open /dev/null: {error}")),
    };
    let stdin = match &input {
        Some(null) => null.as_fd(),
        None => rustix::stdio::stdin(),
    };
    let streams = [stdin, rustix::stdio::stdout(), rustix::stdio::stderr()];
    let Ok(signals) = SignalFd::new(&[SIGINT, SIGQUIT, SIGTERM, SIGHUP]) else {
        return fail("zlogin", "cannot watch signals");
    };
    let started = zones_engine::relay_for(layout, zone, streams).and_then(|mut relay| {
        let ends = relay.as_ref().and_then(Relay::far_ends).unwrap_or(streams);
        let session = Session::start(layout, zone, &request(options, Streams::Pipes), &ends)?;
        relay.iter_mut().for_each(Relay::started);
        Ok((session, relay))
    });
    let (session, mut relay) = match started {
        Ok(started) => started,
        Err(error) => {
            return fail(
                "zlogin",
                format!("could not enter zone {zone}: {}", error.chain()),
            );
        }
    };
    loop {
        let mut fds = vec![
            PollFd::new(&session, PollFlags::IN),
            PollFd::new(&signals, PollFlags::IN),
        ];
        fds.extend(relay.iter().flat_map(Relay::poll_fds));
        if rustix::event::poll(&mut fds, None).is_err() {
            continue;
        }
        let said = !fds[0].revents().is_empty();
        drop(fds);
        relay.iter_mut().for_each(Relay::pump);
        while let Some(signal) = signals.next() {
            session.signal(signal);
        }
        if said && let Some(status) = event(&session, zone) {
            relay.iter_mut().for_each(Relay::drain);
            return status;
        }
    }
}

/// `-n`: nothing to read.
fn input(options: &Options) -> rustix::io::Result<Option<OwnedFd>> {
    if !options.no_input {
        return Ok(None);
    }
    rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map(Some)
}

/// One event of a session without a terminal; `Some` is the exit status.
fn event(session: &Session, zone: &ZoneName) -> Option<u8> {
    match session.next() {
        Ok((SessionEvent::Ended(ending), _)) => Some(status(ending)),
        Ok((SessionEvent::Failed(text), _)) => Some(fail("zlogin", text)),
        Ok((SessionEvent::Warning(text), _)) => {
            eprintln!("zlogin: {text}");
            None
        }
        Ok(_) => None,
        Err(_) => Some(fail(
            "zlogin",
            format!("connection to zone '{zone}' lost: it was halted"),
        )),
    }
}

/// The status of the command; 128 + signal for a killed one, as shells do.
fn status(ending: Ending) -> u8 {
    u8::try_from(ending.shell_status() & 0xff).unwrap_or(FAILURE)
}
