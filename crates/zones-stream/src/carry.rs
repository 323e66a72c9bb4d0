//! A zone from one zonepath to another of the same host: sender and receiver in one process.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use rustix::pipe::{PipeFlags, pipe_with};
use zones_archive::{Progress, Silent};

use crate::error::StreamError;
use crate::export::{Described, Selection, export};
use crate::receive::{Keep, Place, Received, receive};

/// Lays all roots of the zone at `from` down at `to`, an empty folder: snapshots, boot environments
/// and the root, which share there what they share here. The zone is down.
///
/// # Errors
/// What cannot be read, or laid down; nothing of it stays in place.
pub fn carry(from: &Path, to: &Path, progress: &dyn Progress) -> Result<Received, StreamError> {
    let pipe = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| StreamError::Output(errno.into()))?;
    let (read, write) = (File::from(pipe.0), File::from(pipe.1));
    let send = move || -> Result<(), StreamError> {
        let mut out = BufWriter::with_capacity(256 << 10, write);
        export(
            from,
            &Described::default(),
            &Selection::default(),
            None,
            &mut out,
            &Silent,
        )?;
        out.flush().map_err(StreamError::Output)
    };
    let place = Place {
        zonepath: to,
        keep: Keep::Nothing,
    };
    let (sent, received) = std::thread::scope(|scope| {
        let sender = scope.spawn(send);
        let received = receive(read, &place, |_| Ok(None), progress);
        let ended = || StreamError::Output(io::Error::other("the sender died"));
        (sender.join().unwrap_or_else(|_| Err(ended())), received)
    });
    match (sent, received) {
        // A receiver that stops takes the pipe away from its sender.
        (Err(StreamError::Output(_)) | Ok(()), received) => received,
        (Err(error), Ok(received)) => received.discard().and(Err(error)),
        (Err(error), Err(_)) => Err(error),
    }
}
