//! Commands talk to the daemon of a zone through here; it is started when it does not run.

use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use zones_config::ZoneConfig;
use zones_store::{Layout, Lock, durability, write_document};
use zones_sys::Channel;
use zones_types::ZoneName;

use crate::control::{Request, Response};
use crate::error::EngineError;
use crate::runtime::control_path;
use crate::stage::{receive, send};

/// A daemon that just starts or just ends is met for moments only; this bounds the wait for it.
const TRIES: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(2);

/// Has the daemon of `zone` do something and waits for the answer.
///
/// # Errors
/// When no daemon can be started or it dies meanwhile; what it refuses is in the [`Response`].
pub fn request(
    layout: &Layout,
    zone: &ZoneName,
    request: &Request,
) -> Result<Response, EngineError> {
    exchange(layout, zone, request, &[]).map(|(response, _)| response)
}

/// As [`request`], and the daemon holds the lock of the zone until it is done, whatever becomes of
/// this process: nobody else is at work there then.
///
/// # Errors
/// As [`request`].
pub fn request_locked(
    layout: &Layout,
    zone: &ZoneName,
    request: &Request,
    lock: Option<&Lock>,
) -> Result<Response, EngineError> {
    let fds: Vec<_> = lock.iter().map(|it| it.as_fd()).collect();
    exchange(layout, zone, request, &fds).map(|(response, _)| response)
}

/// Changes the running zone into what `config` says, or into its stored configuration.
///
/// # Errors
/// As [`request`].
pub fn apply(
    layout: &Layout,
    zone: &ZoneName,
    config: Option<&ZoneConfig>,
    check: bool,
    verbose: bool,
) -> Result<Response, EngineError> {
    let request = Request::Apply {
        given: config.is_some(),
        check,
        verbose,
    };
    let Some(config) = config else {
        return self::request(layout, zone, &request);
    };
    // A document may be longer than a message.
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let document = rustix::fs::memfd_create("zone", flags)
        .map_err(EngineError::kernel("make a file in memory"))?;
    let mut document = std::fs::File::from(document);
    document
        .write_all(write_document(config).as_bytes())
        .map_err(EngineError::file("write", Path::new("memfd:zone")))?;
    exchange(layout, zone, &request, &[document.as_fd()]).map(|(response, _)| response)
}

/// As long as this lives, the daemon of a zone stays, even when the zone does not run.
#[derive(Debug)]
pub struct Attendance {
    _channel: Channel,
}

/// Has a daemon of `zone` be there.
///
/// # Errors
/// When no daemon can be started.
pub fn attend(layout: &Layout, zone: &ZoneName) -> Result<Attendance, EngineError> {
    exchange(layout, zone, &Request::Attend, &[])
        .map(|(_, channel)| Attendance { _channel: channel })
}

/// A zone whose processes are stopped. They go on with [`Frozen::thaw`], and when this is dropped
/// or the process dies.
#[derive(Debug)]
pub struct Frozen<'a> {
    layout: &'a Layout,
    zone: &'a ZoneName,
    channel: Channel,
}

/// Stops every process of a zone that is ready or runs.
///
/// # Errors
/// What stands in the way; then the zone goes on.
pub fn freeze<'a>(layout: &'a Layout, zone: &'a ZoneName) -> Result<Frozen<'a>, EngineError> {
    let (response, channel) = exchange(layout, zone, &Request::Freeze, &[])?;
    if !response.done {
        return Err(EngineError::Stage(response.lines.join("\n")));
    }
    Ok(Frozen {
        layout,
        zone,
        channel,
    })
}

impl Frozen<'_> {
    /// Lets the processes go on.
    ///
    /// # Errors
    /// When no daemon can be reached: the next one that starts does it.
    pub fn thaw(self) -> Result<(), EngineError> {
        let told = send(&self.channel, &Request::Thaw, &[]);
        if told.is_ok() && matches!(receive::<Response>(&self.channel), Ok(Some(_))) {
            return Ok(());
        }
        // The daemon died meanwhile; a new one thaws what it finds.
        request(self.layout, self.zone, &Request::Thaw).map(drop)
    }
}

fn exchange(
    layout: &Layout,
    zone: &ZoneName,
    request: &Request,
    fds: &[BorrowedFd<'_>],
) -> Result<(Response, Channel), EngineError> {
    for _ in 0..TRIES {
        let channel = match Channel::connect(&control_path(layout, zone)) {
            Ok(channel) => channel,
            Err(Errno::NOENT | Errno::CONNREFUSED) => start(layout, zone)?,
            Err(error) => return Err(EngineError::kernel("reach zoneadmd")(error)),
        };
        // A daemon that is on its way out closes without a word: the request was not begun.
        if send(&channel, request, fds).is_ok()
            && let Ok(Some((response, _))) = receive(&channel)
        {
            return Ok((response, channel));
        }
        std::thread::sleep(PAUSE);
    }
    Err(EngineError::NoDaemon)
}

/// Starts the daemon: this binary again, with its first connection as standard input.
fn start(layout: &Layout, zone: &ZoneName) -> Result<Channel, EngineError> {
    let (ours, theirs) = Channel::pair().map_err(EngineError::kernel("make a socket pair"))?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("zoneadmd")
        .arg("-z")
        .arg(zone.as_str())
        .env_clear()
        .current_dir("/");
    if !layout.is_host() {
        command.arg("-R").arg(layout.prefix());
    }
    if durability::is_disposable() {
        command.env(durability::DISPOSABLE, "1");
    }
    command
        .stdin(Stdio::from(theirs.into_fd()))
        .stdout(Stdio::null())
        .stderr(log(layout, zone));
    let path = std::path::Path::new("zoneadmd");
    command.spawn().map_err(EngineError::file("start", path))?;
    Ok(ours)
}

/// What a daemon says when it cannot even answer.
fn log(layout: &Layout, zone: &ZoneName) -> Stdio {
    let folder = layout.log_zone(zone);
    let _ = crate::folder::private(&folder);
    let path = folder.join("zoneadmd.log");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    file.map_or_else(|_| Stdio::null(), Stdio::from)
}
