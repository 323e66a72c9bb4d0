//! Starting commands in a running zone, from the host's side.

mod relay;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use zones_store::Layout;
use zones_sys::Channel;
use zones_types::ZoneName;

use crate::error::EngineError;
use crate::runtime::{RunState, sessions_path};
use crate::stage::{Ending, Mode as Streams, SessionEvent, SessionRequest, receive, send};

pub use relay::Relay;

/// A new helper is there in moments; this bounds the wait for it.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(2);

/// A command that runs in a zone.
#[derive(Debug)]
pub struct Session(Channel);

impl Session {
    /// Starts what `request` says; `fds` are its three streams, or none for a terminal.
    ///
    /// # Errors
    /// When the zone has nobody who starts commands, that is: does not run.
    pub fn start(
        layout: &Layout,
        zone: &ZoneName,
        request: &SessionRequest,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Self, EngineError> {
        for _ in 0..TRIES {
            match Self::begin(layout, zone, request, fds) {
                Ok(session) => return Ok(session),
                // The helper died, and perhaps its daemon: a daemon gives the zone a new one.
                Err(_) if RunState::exists(layout, zone) => {
                    let _attendance = crate::client::attend(layout, zone)?;
                }
                Err(errno) => return Err(EngineError::kernel("reach the zone")(errno)),
            }
            std::thread::sleep(PAUSE);
        }
        Self::begin(layout, zone, request, fds).map_err(EngineError::kernel("reach the zone"))
    }

    /// A helper that is just killed is reached, and does not answer: nothing was begun then.
    fn begin(
        layout: &Layout,
        zone: &ZoneName,
        request: &SessionRequest,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Self, Errno> {
        let channel = Channel::connect(&sessions_path(layout, zone))?;
        send(&channel, request, fds)?;
        match receive(&channel)? {
            Some((SessionEvent::Begun, _)) => Ok(Self(channel)),
            _ => Err(Errno::CONNRESET),
        }
    }

    /// What happens next, with a descriptor where one belongs to it.
    ///
    /// # Errors
    /// [`EngineError::Gone`] when the zone ends under the session.
    pub fn next(&self) -> Result<(SessionEvent, Option<OwnedFd>), EngineError> {
        match receive(&self.0) {
            Ok(Some((event, mut fds))) => Ok((event, fds.pop())),
            _ => Err(EngineError::Gone),
        }
    }

    /// Waits for the end of the command, copying what there is to copy.
    fn outcome(&self, mut relay: Option<Relay>) -> Result<Ending, EngineError> {
        loop {
            if let Some(relay) = &mut relay {
                let mut fds = vec![PollFd::new(self, PollFlags::IN)];
                fds.extend(relay.poll_fds());
                let _ = rustix::event::poll(&mut fds, None);
                let said = !fds[0].revents().is_empty();
                drop(fds);
                relay.pump();
                if !said {
                    continue;
                }
            }
            match self.next()?.0 {
                SessionEvent::Ended(ending) => {
                    relay.iter_mut().for_each(Relay::drain);
                    return Ok(ending);
                }
                SessionEvent::Failed(text) => return Err(EngineError::Stage(text)),
                _ => {}
            }
        }
    }

    /// Sends a signal to the command and its children in the foreground.
    pub fn signal(&self, number: i32) {
        let _ = send(&self.0, &SessionRequest::Signal(number), &[]);
    }
}

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Runs words in the zone as its root, without a shell; waits for the end.
///
/// # Errors
/// When they cannot be started, with the reason.
pub fn run(
    layout: &Layout,
    zone: &ZoneName,
    words: &[String],
    environ: &[String],
    skip_sync: bool,
    streams: [BorrowedFd<'_>; 3],
) -> Result<Ending, EngineError> {
    let request = SessionRequest::Start {
        user: None,
        command: words.to_vec(),
        direct: true,
        mode: Streams::Pipes,
        environ: environ.to_vec(),
        size: None,
        skip_sync,
    };
    let mut relay = relay_for(layout, zone, streams)?;
    let ends = relay.as_ref().and_then(Relay::far_ends).unwrap_or(streams);
    let session = Session::start(layout, zone, &request, &ends)?;
    if let Some(relay) = &mut relay {
        relay.started();
    }
    session.outcome(relay)
}

/// What stands between a privileged zone and the caller's streams; `None` for all other zones,
/// whose root may do nothing to them.
///
/// # Errors
/// When the kernel has no pipes left.
pub fn relay_for(
    layout: &Layout,
    zone: &ZoneName,
    streams: [BorrowedFd<'_>; 3],
) -> Result<Option<Relay>, EngineError> {
    let privileged = RunState::read(layout, zone).is_some_and(|state| state.privileged);
    let relay = privileged.then(|| Relay::new(streams)).transpose();
    relay.map_err(EngineError::kernel("make pipes"))
}

/// Runs words in the zone with no streams, for the daemon's own errands.
pub(crate) fn spawn_quietly(
    layout: &Layout,
    zone: &ZoneName,
    words: &[&str],
) -> Result<(), EngineError> {
    run_quietly(layout, zone, words).map(drop)
}

/// As [`spawn_quietly`]; tells how they ended.
pub(crate) fn run_quietly(
    layout: &Layout,
    zone: &ZoneName,
    words: &[&str],
) -> Result<Ending, EngineError> {
    let request = SessionRequest::Start {
        user: None,
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        direct: true,
        mode: Streams::Null,
        environ: Vec::new(),
        size: None,
        skip_sync: false,
    };
    Session::start(layout, zone, &request, &[])?.outcome(None)
}
