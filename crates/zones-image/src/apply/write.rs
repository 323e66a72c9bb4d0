//! Content on its way from a payload into a file.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek as _, Write};
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use zones_ips::{Action, Fmri};
use zones_repository::payload::{Expected, PayloadError, unpack};
use zones_sys::Dir;

use super::hand::Hand;
use super::{ApplyError, Source};
use crate::plan::Item;

/// Bytes moved at once.
const CHUNK: usize = 128 << 10;

/// A file under a temporary name; goes with it unless it gets another one.
pub(super) struct Temp<'d> {
    folder: &'d Dir,
    pub(super) name: OsString,
    pub(super) file: File,
    is_kept: bool,
}

impl<'d> Temp<'d> {
    /// Creates it; what a killed process left under the name goes.
    pub(super) fn create(folder: &'d Dir, name: OsString, mode: u32) -> rustix::io::Result<Self> {
        let file = match folder.create_with(&name, mode) {
            Err(Errno::EXIST) => {
                folder.remove_all(&name)?;
                folder.create_with(&name, mode)?
            }
            other => other?,
        };
        Ok(Self {
            folder,
            name,
            file,
            is_kept: false,
        })
    }

    /// Renames it over `name`.
    pub(super) fn rename(&mut self, name: &OsStr) -> rustix::io::Result<()> {
        self.folder.rename_to(&self.name, self.folder, name)?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            // The error that led here is the one to report; the next command sweeps.
            let _ = self.folder.unlink(&self.name);
        }
    }
}

/// Names in messages.
struct Named<'a> {
    fmri: &'a Fmri,
    action: &'a Action,
}

impl Named<'_> {
    fn path(&self) -> String {
        self.action.key().unwrap_or_default().to_owned()
    }

    fn unreadable(&self, source: io::Error) -> ApplyError {
        ApplyError::Content {
            path: self.path(),
            fmri: Box::new(self.fmri.clone()),
            source,
        }
    }

    fn unwritable(&self, source: impl Into<io::Error>) -> ApplyError {
        match self.path().parse() {
            Ok(path) => ApplyError::Io {
                what: "write",
                path,
                source: source.into(),
            },
            Err(_) => self.unreadable(source.into()),
        }
    }

    /// The payload is not what the manifest says.
    fn not_expected(&self, expected: &Expected, error: PayloadError) -> ApplyError {
        let size = |found, expected| ApplyError::Size {
            path: self.path(),
            fmri: Box::new(self.fmri.clone()),
            found,
            expected,
        };
        match error {
            PayloadError::Damaged(source) => self.unreadable(source),
            PayloadError::Write(source) => self.unwritable(source),
            PayloadError::Size { found, expected } => size(found, expected),
            // A bomb, or another file: it was not read on.
            PayloadError::Large(limit) if expected.size.is_some() => size(limit + 1, limit),
            PayloadError::Large(_) => self.unreadable(io::ErrorKind::FileTooLarge.into()),
            PayloadError::Mismatch(mismatch) => ApplyError::Digest {
                path: self.path(),
                fmri: Box::new(self.fmri.clone()),
                mismatch,
            },
            PayloadError::Unproved => {
                let why = "the manifest has no digest";
                self.unreadable(io::Error::new(io::ErrorKind::InvalidData, why))
            }
        }
    }

    /// The payload has not the size that the manifest says.
    fn check_size(&self, found: u64) -> Result<(), ApplyError> {
        match self.action.size() {
            Some(expected) if found != expected => Err(ApplyError::Size {
                path: self.path(),
                fmri: Box::new(self.fmri.clone()),
                found,
                expected,
            }),
            _ => Ok(()),
        }
    }
}

impl Hand<'_, '_> {
    /// Writes the payload of an item into `file`.
    pub(super) fn fill(&mut self, item: Item, file: &mut File) -> Result<(), ApplyError> {
        let (fmri, action) = (self.job.plan.fmri(item), self.job.plan.action(item));
        let named = Named { fmri, action };
        let is_damage = |error: &ApplyError| {
            use ApplyError::{Content, Digest, Size};
            matches!(error, Content { .. } | Digest { .. } | Size { .. })
        };
        let bytes = match self.pour(&named, file) {
            // A power loss may have cut short what was kept.
            Err(error) if is_damage(&error) && self.job.content.replace(fmri, action) => {
                let emptied = file.rewind().and_then(|()| file.set_len(0));
                emptied.map_err(|error| named.unwritable(error))?;
                self.pour(&named, file)?
            }
            other => other?,
        };
        self.job.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Once; how many bytes.
    fn pour(&mut self, named: &Named<'_>, file: &mut File) -> Result<u64, ApplyError> {
        let source = self.job.content.open(named.fmri, named.action);
        match source.map_err(|error| named.unreadable(error))? {
            Source::Plain(from) => self.copy(named, &from, file),
            Source::Packed(from) => Self::unpack(named, from, file),
        }
    }

    fn copy(&mut self, named: &Named<'_>, from: &File, to: &mut File) -> Result<u64, ApplyError> {
        let stat = from.metadata().map_err(|error| named.unreadable(error))?;
        named.check_size(stat.len())?;
        if stat.len() == 0 {
            return Ok(0);
        }
        if self.job.can_clone.load(Ordering::Relaxed) {
            match rustix::fs::ioctl_ficlone(&*to, from) {
                Ok(()) => return Ok(stat.len()),
                // The file systems cannot, or are two; then no other file of them can.
                Err(_) => self.job.can_clone.store(false, Ordering::Relaxed),
            }
        }
        let mut left = stat.len();
        while left > 0 {
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(1 << 30);
            match rustix::fs::copy_file_range(from, None, &*to, None, step) {
                Ok(0) => break,
                Ok(copied) => left -= copied as u64,
                Err(Errno::INTR) => {}
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    left -= self.pump(named, from, to, left)?;
                    break;
                }
                Err(error) => return Err(named.unwritable(error)),
            }
        }
        named.check_size(stat.len() - left)?;
        Ok(stat.len() - left)
    }

    /// Copies by hand; how many bytes.
    fn pump(
        &mut self,
        named: &Named<'_>,
        mut from: &File,
        to: &mut File,
        limit: u64,
    ) -> Result<u64, ApplyError> {
        self.buffer.resize(CHUNK, 0);
        let mut total = 0;
        while total < limit {
            let read = read(&mut from, &mut self.buffer).map_err(|it| named.unreadable(it))?;
            if read == 0 {
                break;
            }
            to.write_all(&self.buffer[..read])
                .map_err(|error| named.unwritable(error))?;
            total += read as u64;
        }
        Ok(total)
    }

    /// Unpacks up to the size that the manifest says, and checks the digest.
    fn unpack(
        named: &Named<'_>,
        from: Box<dyn Read + Send>,
        to: &mut File,
    ) -> Result<u64, ApplyError> {
        let expected = Expected::of(named.action);
        unpack(from, &expected, to).map_err(|error| named.not_expected(&expected, error))
    }
}

fn read(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
