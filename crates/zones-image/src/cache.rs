//! Payloads kept on the host for all images.
//!
//! Where the file system of the cache can share blocks with the image, a payload is kept unpacked,
//! so that each image gets a reflink; elsewhere packed, as it came, and it is unpacked and proved
//! again for each image. No image ever gets a hard link: root of a zone could change the cache.
//!
//! The folder belongs to root alone. A payload is named by the SHA-1 of its content, proved before
//! it gets its name.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use zones_ips::Digest;
use zones_repository::payload::{Expected, PayloadError, copy, unpack};

use crate::apply::Source;
use crate::error::{ImageError, Result};

/// How payloads are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Unpacked.
    Plain,
    /// As a repository stores them.
    Packed,
}

/// A folder with payloads.
#[derive(Debug, Clone)]
pub struct Cache {
    path: PathBuf,
    form: Form,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Cache {
    /// Opens the folder, made when missing. `beside` is the root of an image that will use it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(path: &Path, beside: &Path) -> Result<Self> {
        let failed = |error: io::Error| ImageError::damaged(path, error);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        let mode = fs::metadata(path).map_err(failed)?;
        if mode.uid() != rustix::process::geteuid().as_raw() || mode.mode() & 0o022 != 0 {
            return Err(ImageError::damaged(
                path,
                "others may write into this content cache; make it yours: chmod 700",
            ));
        }
        let form = if can_share(path, beside) {
            Form::Plain
        } else {
            Form::Packed
        };
        Ok(Self {
            path: path.to_owned(),
            form,
        })
    }

    /// How payloads are kept for this image.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    fn place(&self, name: &Digest, form: Form) -> PathBuf {
        let name = name.to_string();
        let end = match form {
            Form::Plain => "",
            Form::Packed => ".gz",
        };
        self.path.join(&name[..2]).join(format!("{name}{end}"))
    }

    /// Whether a payload is there, with the right size.
    pub(crate) fn has(&self, name: &Digest, expected: &Expected) -> bool {
        self.find(name, expected).is_some()
    }

    fn find(&self, name: &Digest, expected: &Expected) -> Option<(PathBuf, Form)> {
        [Form::Plain, Form::Packed].into_iter().find_map(|form| {
            let path = self.place(name, form);
            let found = fs::symlink_metadata(&path).ok()?;
            let wanted = match form {
                Form::Plain => expected.size,
                // Another repository may have packed it otherwise: unpacking proves it.
                Form::Packed => None,
            };
            let is_right = found.is_file() && wanted.is_none_or(|it| it == found.len());
            is_right.then_some((path, form))
        })
    }

    /// Opens a payload that is there.
    pub(crate) fn get(&self, name: &Digest, expected: &Expected) -> io::Result<Source> {
        let Some((path, form)) = self.find(name, expected) else {
            let path = self.place(name, self.form);
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "`{}` is gone from the content cache; run the command again",
                    path.display()
                ),
            ));
        };
        let file = File::open(path)?;
        Ok(match form {
            Form::Plain => Source::Plain(file),
            Form::Packed => Source::Packed(Box::new(file)),
        })
    }

    /// Proves a payload and keeps it.
    pub(crate) fn store(
        &self,
        name: &Digest,
        expected: &Expected,
        packed: impl Read,
    ) -> Result<(), PayloadError> {
        let path = self.place(name, self.form);
        let folder = path.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder).map_err(PayloadError::Write)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temp = folder.join(format!(".new-{}-{number}", std::process::id()));
        let stored = self.write(&temp, expected, packed);
        let stored = stored.and_then(|()| fs::rename(&temp, &path).map_err(PayloadError::Write));
        if stored.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(&temp);
        }
        stored
    }

    fn write(
        &self,
        temp: &Path,
        expected: &Expected,
        packed: impl Read,
    ) -> Result<(), PayloadError> {
        let _ = fs::remove_file(temp);
        let mut options = fs::OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(temp);
        let mut file = opened.map_err(PayloadError::Write)?;
        match self.form {
            Form::Plain => {
                unpack(packed, expected, &mut file)?;
                // A plain payload is not proved again: it must not outlive a power loss half.
                file.sync_data().map_err(PayloadError::Write)
            }
            Form::Packed => {
                let mut to = io::BufWriter::with_capacity(128 * 1024, &mut file);
                keep(packed, expected, &mut to)?;
                to.flush().map_err(PayloadError::Write)
            }
        }
    }

    /// Removes payloads that were not used for this many seconds, and files that writers left;
    /// gives the bytes freed.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn prune(&self, unused_seconds: i64, now: i64) -> Result<u64> {
        let failed = |error: io::Error| ImageError::damaged(&self.path, error);
        let mut freed = 0;
        for folder in fs::read_dir(&self.path).map_err(failed)?.flatten() {
            let Ok(files) = fs::read_dir(folder.path()) else {
                continue;
            };
            for file in files.flatten() {
                let Ok(found) = file.metadata() else { continue };
                let used = found.atime().max(found.mtime());
                if now - used > unused_seconds && fs::remove_file(file.path()).is_ok() {
                    freed += found.len();
                }
            }
        }
        Ok(freed)
    }
}

/// Keeps a payload as it comes: proved by the digest of its packed form when that is known, so
/// that it is unpacked only once, when it is laid down; else by unpacking it aside.
fn keep(packed: impl Read, expected: &Expected, to: &mut dyn Write) -> Result<(), PayloadError> {
    let Some(wanted) = expected.packed else {
        return copy(packed, expected, to).map(drop);
    };
    let limit = expected
        .packed_size
        .unwrap_or(zones_repository::payload::PAYLOAD_LEN_MAX);
    let mut hasher = zones_ips::hash::Hasher::new(wanted.algorithm());
    let mut from = packed.take(limit + 1);
    let mut chunk = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PayloadError::Damaged(error)),
        };
        size += read as u64;
        if size > limit {
            return Err(PayloadError::Large(limit));
        }
        hasher.update(&chunk[..read]);
        to.write_all(&chunk[..read]).map_err(PayloadError::Write)?;
    }
    let found = hasher.finish();
    if found == wanted {
        Ok(())
    } else {
        let expected = wanted;
        Err(zones_ips::hash::Mismatch { found, expected }.into())
    }
}

/// Whether a file here can share its blocks with a file there.
fn can_share(here: &Path, there: &Path) -> bool {
    let probe = |folder: &Path, text: &[u8]| -> io::Result<(File, PathBuf)> {
        let path = folder.join(format!(".probe-{}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(text)?;
        Ok((file, path))
    };
    let Ok((from, from_path)) = probe(here, b"shared") else {
        return false;
    };
    let can = probe(there, b"").is_ok_and(|(to, to_path)| {
        let is_shared = rustix::fs::ioctl_ficlone(&to, &from).is_ok();
        let _ = fs::remove_file(to_path);
        is_shared
    });
    let _ = fs::remove_file(from_path);
    can
}
