//! Hashes of files that may be large.

use std::io::{self, Read};

use zones_matrix::{Hasher, Key};

/// The hash of all that a reader gives.
pub(super) fn of_reader(mut reader: impl Read) -> io::Result<Key> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
