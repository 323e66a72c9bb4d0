//! Payloads kept on the host for all images.
//!
//! Where the file system of the cache can share blocks with the image, a payload is kept unpacked,
//! so that each image gets a reflink; elsewhere packed, as it came, and it is unpacked and proved
//! again for each image. No image ever gets a hard link: root of a zone could change the cache.
//!
//! The folder belongs to root alone. A payload is named by the SHA-1 of its content, proved before
//! it gets its name.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};
use zones_ips::Digest;
use zones_repository::payload::{Expected, PayloadError, copy, copy_packed, unpack};

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
        self.forms().into_iter().find_map(|form| {
            let path = self.place(name, form);
            let found = fs::symlink_metadata(&path).ok()?;
            is_right(form, &found, expected).then_some((path, form))
        })
    }

    /// Forms, the likely one first: another image may have kept the other.
    fn forms(&self) -> [Form; 2] {
        match self.form {
            Form::Plain => [Form::Plain, Form::Packed],
            Form::Packed => [Form::Packed, Form::Plain],
        }
    }

    /// Opens a payload that is there.
    pub(crate) fn get(&self, name: &Digest, expected: &Expected) -> io::Result<Source> {
        for form in self.forms() {
            let file = match File::open(self.place(name, form)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            match form {
                Form::Packed => return Ok(Source::Packed(Box::new(file))),
                Form::Plain if is_right(form, &file.metadata()?, expected) => {
                    return Ok(Source::Plain(file));
                }
                Form::Plain => {}
            }
        }
        let path = self.place(name, self.form);
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "`{}` is gone from the content cache; run the command again",
                path.display()
            ),
        ))
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
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temp = folder.join(format!("{}{number}", temp_begin(std::process::id())));
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
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let opened = match options.open(temp) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = temp.parent().unwrap_or(&self.path);
                fs::create_dir_all(folder).and_then(|()| options.open(temp))
            }
            // A dead process of our number left it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(temp).and_then(|()| options.open(temp))
            }
            other => other,
        };
        let mut file = opened.map_err(PayloadError::Write)?;
        match self.form {
            // Not proved again, but for its size: file systems that share blocks write a new
            // length of a file after its data, so that a power loss leaves it short, not wrong.
            Form::Plain => unpack(packed, expected, &mut file),
            // Its content is proved whenever it is laid down.
            Form::Packed if expected.transport.is_some() => {
                copy_packed(packed, expected, &mut file)
            }
            Form::Packed => copy(packed, expected, &mut file),
        }
        .map(drop)
    }

    /// Forgets a payload that is not what it should be.
    pub(crate) fn forget(&self, name: &Digest) {
        for form in [Form::Plain, Form::Packed] {
            // The next operation would fail on it as this one did, and say so.
            let _ = fs::remove_file(self.place(name, form));
        }
    }

    /// Removes what a killed process was writing.
    pub(crate) fn sweep(path: &Path, process: u32) {
        let begin = temp_begin(process);
        let folders = fs::read_dir(path).into_iter().flatten().flatten();
        for folder in folders {
            let files = fs::read_dir(folder.path());
            for file in files.into_iter().flatten().flatten() {
                if file
                    .file_name()
                    .as_encoded_bytes()
                    .starts_with(begin.as_bytes())
                {
                    // It goes with the next prune else.
                    let _ = fs::remove_file(file.path());
                }
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

/// How the names of files begin that a process is writing.
fn temp_begin(process: u32) -> String {
    format!(".new-{process}-")
}

/// Whether what has the name can be this payload.
fn is_right(form: Form, found: &fs::Metadata, expected: &Expected) -> bool {
    let wanted = match form {
        Form::Plain => expected.size,
        // Another repository may have packed it otherwise: unpacking proves it.
        Form::Packed => None,
    };
    found.is_file() && wanted.is_none_or(|it| it == found.len())
}

/// Whether a file here can share its blocks with a file there; tried with files without names.
fn can_share(here: &Path, there: &Path) -> bool {
    let probe = |folder: &Path| {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::openat(rustix::fs::CWD, folder, flags, mode).map(File::from)
    };
    let (Ok(mut from), Ok(to)) = (probe(here), probe(there)) else {
        return false;
    };
    from.write_all(b"shared").is_ok() && rustix::fs::ioctl_ficlone(&to, &from).is_ok()
}
