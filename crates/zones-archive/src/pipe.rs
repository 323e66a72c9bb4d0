//! Reading ahead on a second thread, so that decompression and file creation overlap.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

/// Big enough that the channel costs nothing, small enough for the processor's caches.
const CHUNK: usize = 256 << 10;
/// Chunks that may wait; more only costs memory.
const DEPTH: usize = 16;

/// The reading end of a thread that reads ahead.
struct Ahead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    now: Vec<u8>,
    at: usize,
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.now.len() {
            match self.chunks.recv() {
                Ok(chunk) => {
                    self.now = chunk?;
                    self.at = 0;
                }
                Err(_) => return Ok(0),
            }
        }
        let n = out.len().min(self.now.len() - self.at);
        out[..n].copy_from_slice(&self.now[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// Moves `from` to its own thread of `scope` and hands back a reader of what it reads.
///
/// The thread ends at the end of the stream, at its first error, or when the reader is dropped.
pub fn ahead<'scope, R: Read + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut from: R,
) -> impl Read + Send + use<R> {
    let (send, chunks) = sync_channel(DEPTH);
    scope.spawn(move || {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = from.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
            let last = chunk.is_empty();
            let message = match read {
                Ok(_) if last => return,
                Ok(_) => Ok(chunk),
                Err(e) => Err(e),
            };
            let failed = message.is_err();
            if send.send(message).is_err() || failed {
                return;
            }
        }
    });
    Ahead {
        chunks,
        now: Vec::new(),
        at: 0,
    }
}
