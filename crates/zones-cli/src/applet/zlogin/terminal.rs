//! A shell or command on a terminal of the zone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::termios::{OptionalActions, Termios};
use zones_engine::{Session, SessionEvent, SessionRequest};
use zones_store::Layout;
use zones_sys::SignalFd;
use zones_types::ZoneName;

use super::escape::{Escape, Key};
use super::options::Options;
use super::{SIGHUP, SIGTERM, SIGWINCH, status};
use crate::report::{FAILURE, OK, fail};

pub(super) fn run(
    layout: &Layout,
    zone: &ZoneName,
    options: &Options,
    request: SessionRequest,
) -> u8 {
    let request = with_size(request);
    let Ok(signals) = SignalFd::new(&[SIGWINCH, SIGTERM, SIGHUP]) else {
        return fail("zlogin", "cannot watch signals");
    };
    let session = match Session::start(layout, zone, &request, &[]) {
        Ok(session) => session,
        Err(error) => {
            return fail(
                "zlogin",
                format!("could not enter zone {zone}: {}", error.chain()),
            );
        }
    };
    let (name, master) = match first(&session) {
        Ok(terminal) => terminal,
        Err(text) => return fail("zlogin", text),
    };
    if !options.quiet {
        println!("[Connected to zone '{zone}' {name}]");
    }
    let raw = RawMode::enter();
    let status = relay(&session, &master, &signals, Escape::new(options.escape));
    drop(raw);
    if !options.quiet {
        eprintln!("\n[Connection to zone '{zone}' {name} closed]");
    }
    status
}

/// The terminal comes first; a warning may come before it.
fn first(session: &Session) -> Result<(String, OwnedFd), String> {
    loop {
        match session.next() {
            Ok((SessionEvent::Terminal(name), Some(master))) => return Ok((name, master)),
            Ok((SessionEvent::Failed(text), _)) => return Err(text),
            Ok((SessionEvent::Warning(text), _)) => eprintln!("zlogin: {text}"),
            Ok(_) => {}
            Err(error) => return Err(error.chain()),
        }
    }
}

fn with_size(request: SessionRequest) -> SessionRequest {
    let SessionRequest::Start {
        user,
        command,
        direct,
        mode,
        environ,
        skip_sync,
        ..
    } = request
    else {
        return request;
    };
    let window = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok();
    let size = window
        .filter(|window| window.ws_row > 0)
        .map(|window| (window.ws_row, window.ws_col));
    SessionRequest::Start {
        user,
        command,
        direct,
        mode,
        environ,
        size,
        skip_sync,
    }
}

/// Bytes both ways until the command ends, the user leaves, or the caller's terminal closes.
fn relay(session: &Session, master: &OwnedFd, signals: &SignalFd, mut escape: Escape) -> u8 {
    let mut input_open = true;
    let mut result = None;
    loop {
        let mut fds = vec![
            PollFd::new(master, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
            PollFd::new(
                session,
                if result.is_none() {
                    PollFlags::IN
                } else {
                    PollFlags::empty()
                },
            ),
            keyboard(input_open),
        ];
        if rustix::event::poll(&mut fds, None).is_err() {
            continue;
        }
        let fired: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if fired[1] {
            while let Some(signal) = signals.next() {
                match signal {
                    SIGWINCH => copy_size(master),
                    _ => return FAILURE,
                }
            }
        }
        // Output before the end: what the command wrote last is still in the terminal.
        if fired[0] && !copy_output(master) {
            if let Some(status) = result {
                return status;
            }
            return wait_end(session);
        }
        if fired[2] && result.is_none() {
            match session.next() {
                Ok((SessionEvent::Ended(ending), _)) => result = Some(status(ending)),
                Ok((SessionEvent::Failed(text), _)) => {
                    eprint!("zlogin: {text}\r\n");
                    result = Some(FAILURE);
                }
                Ok((SessionEvent::Warning(text), _)) => eprint!("zlogin: {text}\r\n"),
                Ok(_) => {}
                Err(_) => return FAILURE,
            }
            if result.is_some() {
                // Children may hold the terminal open; their output until now is shown, not waited
                // for.
                let _ = rustix::io::ioctl_fionbio(master, true);
                while copy_output(master) {}
                return result.unwrap_or(OK);
            }
        }
        if fired[3] && input_open {
            match pass_keys(master.as_fd(), &mut escape) {
                Typed::Passed => {}
                Typed::Left => return OK,
                Typed::Ended => {
                    input_open = false;
                    write_all(master.as_fd(), &[4]);
                }
            }
        }
    }
}

/// What came of a look at the keyboard.
pub(super) enum Typed {
    /// Keys, which are where they belong.
    Passed,
    /// The escape that ends the connection.
    Left,
    /// No terminal, and at its end.
    Ended,
}

/// Passes on what is typed, but for escapes.
pub(super) fn pass_keys(to: BorrowedFd<'_>, escape: &mut Escape) -> Typed {
    let mut bytes = [0; 8192];
    match rustix::io::read(rustix::stdio::stdin(), &mut bytes) {
        Ok(count) if count > 0 => match escape.take(&bytes[..count]) {
            Key::Pass(keys) => {
                write_all(to, &keys);
                Typed::Passed
            }
            Key::Leave(keys) => {
                write_all(to, &keys);
                write_all(rustix::stdio::stdout(), &escape.shown());
                Typed::Left
            }
        },
        _ => Typed::Ended,
    }
}

/// Standard input as a thing to wait for, or not any more.
pub(super) fn keyboard(open: bool) -> PollFd<'static> {
    let events = if open {
        PollFlags::IN
    } else {
        PollFlags::empty()
    };
    PollFd::from_borrowed_fd(rustix::stdio::stdin(), events)
}

fn wait_end(session: &Session) -> u8 {
    loop {
        match session.next() {
            Ok((SessionEvent::Ended(ending), _)) => return status(ending),
            Ok((SessionEvent::Failed(text), _)) => {
                eprint!("zlogin: {text}\r\n");
                return FAILURE;
            }
            Ok(_) => {}
            Err(_) => return FAILURE,
        }
    }
}

/// False when the terminal has nothing more to say.
fn copy_output(master: &OwnedFd) -> bool {
    let mut bytes = [0; 8192];
    match rustix::io::read(master, &mut bytes) {
        Ok(count) if count > 0 => {
            write_all(rustix::stdio::stdout(), &bytes[..count]);
            true
        }
        _ => false,
    }
}

fn copy_size(master: &OwnedFd) {
    if let Ok(size) = rustix::termios::tcgetwinsize(rustix::stdio::stdout()) {
        let _ = rustix::termios::tcsetwinsize(master, size);
    }
}

pub(super) fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::retry_on_intr(|| rustix::io::write(fd, bytes)) {
            Ok(count) => bytes = &bytes[count..],
            Err(_) => return,
        }
    }
}

/// The caller's terminal passes every key on; dropped, it is as it was.
pub(super) struct RawMode(Option<Termios>);

impl RawMode {
    pub(super) fn enter() -> Self {
        let stdin = rustix::stdio::stdin();
        let Ok(before) = rustix::termios::tcgetattr(stdin) else {
            return Self(None);
        };
        let mut raw = before.clone();
        raw.make_raw();
        let set = rustix::termios::tcsetattr(stdin, OptionalActions::Now, &raw);
        Self(set.is_ok().then_some(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ =
                rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}
