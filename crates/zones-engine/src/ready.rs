//! When a zone counts as up: `brands/ready.toml`, attrs `ready-command` and `ready-timeout`. Source:
//! beadm(8), "Trial".

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use zones_brand::Brand;
use zones_config::ZoneConfig;
use zones_store::Layout;
use zones_sys::{CloneFlags, Fork};
use zones_types::ZoneName;

use crate::error::EngineError;
use crate::runtime::RunState;
use crate::stage::Ending;
use crate::{host, init_kind};

/// After a mark that was not there yet, milliseconds until it is looked for again.
pub(crate) const AGAIN_MS: i64 = 500;

/// How a zone shows that it is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Process 1 has lived so many milliseconds.
    Alive(i64),
    /// This succeeds in the zone.
    Command(String),
}

/// What a zone that comes up shows, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) mark: Mark,
    /// Seconds; 0 when nobody is to watch.
    pub(crate) timeout_s: i64,
}

impl Readiness {
    pub(crate) fn of(config: &ZoneConfig, brand: &Brand, root: &Path) -> Self {
        let ready = &brand.ready;
        let timeout_s = config
            .attr("ready-timeout")
            .and_then(|it| it.parse().ok())
            .unwrap_or_else(|| i64::from(ready.timeout));
        let command = config.attr("ready-command").map(str::to_owned);
        let is_systemd = || init_kind::of(root, &brand.init) == init_kind::InitKind::Systemd;
        let command = command.or_else(|| match &ready.systemd {
            Some(words) if is_systemd() => Some(words.clone()),
            _ => ready.command.clone(),
        });
        let alive_ms = i64::from(ready.seconds) * 1000;
        Self {
            mark: command.map_or(Mark::Alive(alive_ms), Mark::Command),
            timeout_s,
        }
    }
}

/// Milliseconds of a clock that never goes back.
pub(crate) fn now_ms() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec.saturating_mul(1000) + time.tv_nsec / 1_000_000
}

/// Waits until a zone that was booted is up. A timeout of 0 is none: nobody watches, and the zone
/// counts as up at once.
///
/// # Errors
/// [`EngineError::NotUp`] when its process 1 ends before, or time is up; the zone is left as it is.
pub fn wait_until_up(layout: &Layout, zone: &ZoneName) -> Result<(), EngineError> {
    let config = host::load(layout, zone)?;
    let brand = host::brand_of(layout, &config)?;
    let root = config.zonepath.as_ref().map(zones_types::ZonePath::root);
    let ready = Readiness::of(&config, &brand, &root.unwrap_or_default());
    if ready.timeout_s == 0 {
        return Ok(());
    }
    let ended = || EngineError::NotUp("its init ended before it was up".to_owned());
    let init = RunState::read(layout, zone).and_then(|it| it.init);
    let init = init.and_then(|it| it.open()).ok_or_else(ended)?;
    let deadline_ms = now_ms() + ready.timeout_s * 1000;
    let command = match ready.mark {
        Mark::Alive(alive_ms) => {
            let until = (now_ms() + alive_ms).min(deadline_ms);
            return match wait(&[init.as_fd()], until)? {
                Some(_) => Err(ended()),
                None => Ok(()),
            };
        }
        Mark::Command(command) => command,
    };
    loop {
        let probe = look(layout, zone, &command)?;
        match wait(&[init.as_fd(), probe.as_fd()], deadline_ms)? {
            Some(0) => return Err(ended()),
            Some(_) if has_succeeded(probe) => return Ok(()),
            Some(_) => {}
            None => {
                return Err(EngineError::NotUp(format!(
                    "was not up after {} s; it goes on as it is",
                    ready.timeout_s
                )));
            }
        }
        let again = (now_ms() + AGAIN_MS).min(deadline_ms);
        if wait(&[init.as_fd()], again)?.is_some() {
            return Err(ended());
        }
    }
}

/// The place of the first of these that is readable, until a time of [`now_ms`].
fn wait(fds: &[BorrowedFd<'_>], until_ms: i64) -> Result<Option<usize>, EngineError> {
    loop {
        let left_ms = (until_ms - now_ms()).max(0);
        let left = Timespec {
            tv_sec: left_ms / 1000,
            tv_nsec: left_ms % 1000 * 1_000_000,
        };
        let mut all: Vec<PollFd<'_>> = fds
            .iter()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        match rustix::event::poll(&mut all, Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(EngineError::kernel("wait for the zone")(error)),
            Ok(0) if now_ms() < until_ms => {}
            Ok(_) => return Ok(all.iter().position(|it| !it.revents().is_empty())),
        }
    }
}

/// Whether what [`look`] started succeeded; it has ended.
pub(crate) fn has_succeeded(probe: OwnedFd) -> bool {
    File::from(probe).read_exact(&mut [0]).is_ok()
}

/// Runs a command in the zone, in a process of its own: nobody is to wait for it. What it gives
/// becomes readable with the end, with one byte if it succeeded.
pub(crate) fn look(
    layout: &Layout,
    zone: &ZoneName,
    command: &str,
) -> Result<OwnedFd, EngineError> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(EngineError::kernel("make a pipe"))?;
    match zones_sys::clone_process(CloneFlags::NONE, None) {
        Ok(Fork::Child) => {
            // A daemon's own descriptors: its clients must see when it lets them go.
            zones_sys::close_all_except(&[write.as_fd()]);
            let words = ["/bin/sh", "-c", command];
            let ended = crate::login::run_quietly(layout, zone, &words);
            if matches!(ended, Ok(Ending::Exited(0))) {
                let _ = rustix::io::write(&write, b"1");
            }
            zones_sys::exit_now(0)
        }
        Ok(Fork::Parent { .. }) => Ok(read),
        Err(error) => Err(EngineError::kernel("start a process")(error)),
    }
}
