//! Our own init, for roots that have none. It is not executed: process 1 simply goes on here, so
//! that no copy of the host's binary is needed inside and its pages stay shared with the daemon.
//!
//! It reaps, keeps a login on the console, runs `/etc/rc.local` once, and ends the zone in order on
//! SIGTERM, SIGINT, SIGPWR and SIGRTMIN+3 (halt) or SIGRTMIN+5 (reboot), as systemd takes them.

use std::ffi::CString;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitOptions};
use zones_sys::{CStrings, Channel, CloneFlags, Fork, SignalFd};

/// Signals that mean something, of this C runtime's numbering (SIGRTMIN is 34).
const SIGRTMIN: i32 = 34;
const HALT: [i32; 5] = [
    libc_signal::TERM,
    libc_signal::INT,
    libc_signal::PWR,
    SIGRTMIN + 3,
    SIGRTMIN + 4,
];
const REBOOT: i32 = SIGRTMIN + 5;

mod libc_signal {
    pub(super) const HUP: i32 = 1;
    pub(super) const INT: i32 = 2;
    pub(super) const TERM: i32 = 15;
    pub(super) const CHLD: i32 = 17;
    pub(super) const PWR: i32 = 30;
}

/// Time between SIGTERM to all and the end, in ms.
const GRACE_MS: i64 = 2_000;

/// What the console offers, the first that the root has. `None` for a login without agetty.
const CONSOLE_LOGINS: [&[&str]; 4] = [
    &[
        "/sbin/agetty",
        "--noclear",
        "--keep-baud",
        "console",
        "115200,38400,9600",
        "linux",
    ],
    &["/sbin/getty", "-L", "115200", "console", "linux"],
    &["/bin/login"],
    &["/bin/sh", "-l"],
];

/// Runs until the zone ends.
pub(super) fn run(environ: &[String], channel: &Channel) -> ! {
    let mut wanted = HALT.to_vec();
    wanted.extend([REBOOT, libc_signal::HUP, libc_signal::CHLD]);
    let Ok(signals) = SignalFd::new(&wanted) else {
        zones_sys::exit_now(1)
    };
    start(&["/etc/rc.local"], environ, false);
    zones_sys::trim_memory();
    let mut login = start_login(environ);
    // Whoever looks at a zone that is booted finds these programs, and no copies of process 1.
    close_channel(channel);
    loop {
        wait(&signals, None);
        while let Some(signal) = signals.next() {
            if signal == REBOOT {
                end(true);
            }
            if HALT.contains(&signal) {
                end(false);
            }
        }
        while let Some(pid) = reap() {
            if login.is_some_and(|(login, _)| login == pid) {
                login = start_login_again(environ, login);
            }
        }
    }
}

/// Reaps and does nothing else: process 1 during maintenance.
pub(super) fn reap_forever() -> ! {
    let Ok(signals) = SignalFd::new(&[libc_signal::CHLD]) else {
        zones_sys::exit_now(1)
    };
    loop {
        wait(&signals, None);
        while signals.next().is_some() {}
        while reap().is_some() {}
    }
}

/// The daemon sees the boot as done when the channel is closed, as an exec would have closed it.
fn close_channel(channel: &Channel) {
    let _ = rustix::net::shutdown(channel, rustix::net::Shutdown::Both);
}

fn wait(signals: &SignalFd, timeout: Option<&Timespec>) {
    let _ = rustix::event::poll(&mut [PollFd::new(signals, PollFlags::IN)], timeout);
}

fn reap() -> Option<Pid> {
    match rustix::process::wait(WaitOptions::NOHANG) {
        Ok(Some((pid, _))) => Some(pid),
        _ => None,
    }
}

/// A login and the second of its start.
type Login = (Pid, i64);

fn start_login(environ: &[String]) -> Option<Login> {
    let command = CONSOLE_LOGINS.iter().find(|command| exists(command[0]))?;
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec;
    start(command, environ, true).map(|pid| (pid, now))
}

/// A login that ended at once is not tried again, so that a broken root does not spin.
fn start_login_again(environ: &[String], last: Option<Login>) -> Option<Login> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec;
    last.filter(|(_, started)| now - started >= 2)
        .and_then(|_| start_login(environ))
}

fn exists(path: &str) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Starts a program of the zone, and returns when it is executed; with a terminal of its own when
/// it is the login.
fn start(command: &[&str], environ: &[String], terminal: bool) -> Option<Pid> {
    if !exists(command[0]) {
        return None;
    }
    let path = CString::new(command[0]).ok()?;
    let args = CStrings::new(command.iter().copied()).ok()?;
    let environ = CStrings::new(environ.iter().cloned()).ok()?;
    match zones_sys::clone_process(CloneFlags::UNTIL_EXEC, None).ok()? {
        Fork::Parent { pid, .. } => Some(pid),
        Fork::Child => {
            zones_sys::reset_signals();
            let _ = rustix::process::setsid();
            if terminal {
                // The console belongs to process 1; root of the zone may take it over.
                let _ = steal_terminal();
            }
            let error = zones_sys::exec(&path, &args, &environ);
            // The console, and with it the zone's console.log.
            let text = format!("init: cannot run {}: {error}\r\n", command[0]);
            let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
            zones_sys::exit_now(127)
        }
    }
}

fn steal_terminal() -> rustix::io::Result<()> {
    use rustix::fs::{Mode, OFlags};
    let console = rustix::fs::open("/dev/console", OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
    super::terminal::take_terminal(console.as_fd())
}

/// SIGTERM to all, a moment of grace, then the end of the zone in the way the kernel reports to the
/// daemon: as SIGHUP for a reboot, as SIGINT for a halt. Source: reboot(2), pid namespaces.
fn end(reboot: bool) -> ! {
    zones_sys::kill_everybody(Signal::TERM);
    let Ok(signals) = SignalFd::new(&[libc_signal::CHLD]) else {
        finish(reboot)
    };
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    };
    let deadline = now() + GRACE_MS;
    loop {
        while reap().is_some() {}
        let alone = matches!(
            rustix::process::wait(WaitOptions::NOHANG),
            Err(rustix::io::Errno::CHILD)
        );
        let left = deadline - now();
        if alone || left <= 0 {
            finish(reboot);
        }
        let timeout = Timespec {
            tv_sec: left / 1000,
            tv_nsec: (left % 1000) * 1_000_000,
        };
        wait(&signals, Some(&timeout));
        while signals.next().is_some() {}
    }
}

fn finish(reboot: bool) -> ! {
    use rustix::system::RebootCommand as R;
    let _ = rustix::system::reboot(if reboot { R::Restart } else { R::PowerOff });
    zones_sys::exit_now(0)
}
