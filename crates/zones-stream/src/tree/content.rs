//! The content of files: without its holes, or only what is other than before.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::Stat;
use rustix::io::Errno;
use zones_archive::next_data;

use super::TreeWriter;
use crate::error::StreamError;
use crate::record::Record;

/// Bytes in one record.
const PIECE: usize = 256 << 10;
/// Bytes that are compared at once.
const BLOCK: usize = 64 << 10;

impl<W: Write> TreeWriter<'_, '_, W> {
    fn open(&self, path: &Path) -> Result<File, StreamError> {
        let (dir, name) = self.parent(path)?;
        dir.open_file(name).map_err(StreamError::read(path))
    }

    pub(super) fn file(&mut self, path: &Path, stat: &Stat) -> Result<(), StreamError> {
        let file = self.open(path)?;
        let size = stat.st_size.cast_unsigned();
        let at = path.to_owned();
        self.out.put(&Record::File { path: at, size })?;
        let mut buffer = vec![0; PIECE];
        let mut at = 0;
        while let Some((start, end)) =
            next_data(&file, at, size).map_err(StreamError::read(path))?
        {
            at = start;
            while at < end {
                let want = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
                let got = fill(&file, &mut buffer[..want], at).map_err(failed(path))?;
                if got < want {
                    return Err(StreamError::read(path)(Errno::STALE));
                }
                let bytes = buffer[..got].to_vec();
                self.out.put(&Record::Data { offset: at, bytes })?;
                at += got as u64;
            }
        }
        Ok(())
    }

    /// The blocks that are other than those of the old tree.
    pub(super) fn patch(&mut self, path: &Path, stat: &Stat) -> Result<(), StreamError> {
        let Some(old) = self.old else {
            return self.file(path, stat);
        };
        let (dir, name) = super::parent(old, path).map_err(StreamError::read(path))?;
        let was = dir.open_file(name).map_err(StreamError::read(path))?;
        let is = self.open(path)?;
        let size = stat.st_size.cast_unsigned();
        let at = path.to_owned();
        self.out.put(&Record::Patch { path: at, size })?;
        let (mut a, mut b) = (vec![0; BLOCK], vec![0; BLOCK]);
        let mut at = 0;
        loop {
            let next = |file: &File| next_data(file, at, size).map_err(StreamError::read(path));
            let (start, end) = match (next(&was)?, next(&is)?) {
                (None, None) => return Ok(()),
                (Some(range), None) | (None, Some(range)) => range,
                (Some(one), Some(other)) => (one.0.min(other.0), one.1.min(other.1)),
            };
            at = start;
            while at < end {
                let want = usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK);
                // What was shorter is zeros once it is longer.
                let got = fill(&was, &mut a[..want], at).map_err(failed(path))?;
                a[got..want].fill(0);
                if fill(&is, &mut b[..want], at).map_err(failed(path))? < want {
                    return Err(StreamError::read(path)(Errno::STALE));
                }
                if a[..want] != b[..want] {
                    self.out.put(&block(at, &b[..want]))?;
                }
                at += want as u64;
            }
        }
    }
}

fn block(offset: u64, bytes: &[u8]) -> Record {
    if bytes.iter().all(|it| *it == 0) {
        let length = bytes.len() as u64;
        return Record::Hole { offset, length };
    }
    let bytes = bytes.to_vec();
    Record::Data { offset, bytes }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StreamError {
    let errno = |e: &io::Error| Errno::from_io_error(e).unwrap_or(Errno::IO);
    move |error| StreamError::read(path)(errno(&error))
}

fn fill(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], at + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}
