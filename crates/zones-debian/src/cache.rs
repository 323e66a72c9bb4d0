//! Fetched files by their hash, kept between installs and verified on each use.

mod prune;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FlockOperation, Timespec, Timestamps};

use crate::error::DebianError;
use crate::hash::Hasher;
use crate::release::Want;

/// A folder with `sha256/HASH` for whole files, `partial/HASH` for those under way, and
/// `chosen/KEY` for choices of packages. Whoever has it open keeps others from pruning it.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
    lock: Arc<File>,
}

impl Cache {
    /// Opens the cache; makes its folders, for their owner alone.
    pub(crate) fn open(root: &Path) -> Result<Self, DebianError> {
        for name in ["sha256", "partial", "chosen"] {
            let path = root.join(name);
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path);
            made.map_err(|source| DebianError::Cache { path, source })?;
        }
        let path = root.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path);
        let lock = lock.and_then(|file| {
            rustix::fs::flock(&file, FlockOperation::LockShared)?;
            Ok(Arc::new(file))
        });
        Ok(Self {
            root: root.to_owned(),
            lock: lock.map_err(|source| DebianError::Cache { path, source })?,
        })
    }

    /// Where a whole file is.
    pub(crate) fn path(&self, want: &Want) -> PathBuf {
        self.root.join("sha256").join(&want.sha256)
    }

    /// A file of the cache, verified, at its start; nothing if it is missing. One that is
    /// damaged is removed, so that it is fetched again.
    pub(crate) fn get(&self, want: &Want) -> Result<Option<File>, DebianError> {
        let path = self.path(want);
        let found = verified(&path, want);
        let found = found.map_err(|source| DebianError::Cache {
            path: path.clone(),
            source,
        })?;
        if found.is_none() && path.exists() {
            fs::remove_file(&path).map_err(|source| DebianError::Cache { path, source })?;
        }
        if found.is_some() {
            touch(&self.path(want));
        }
        Ok(found)
    }

    /// Whether a file of the right size is there; [`Cache::get`] verifies it.
    pub(crate) fn has(&self, want: &Want) -> bool {
        fs::metadata(self.path(want)).is_ok_and(|m| m.len() == want.size)
    }

    /// The file under way, locked against other processes that fetch the same.
    pub(crate) fn partial(&self, want: &Want) -> io::Result<(PathBuf, File)> {
        let path = self.root.join("partial").join(&want.sha256);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let file = loop {
            let file = options.open(&path)?;
            rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
            // While this process waited, the one before may have made it a whole file; then the
            // descriptor is of that one and must not be written.
            let here = fs::metadata(&path).map(|m| (m.dev(), m.ino())).ok();
            let meta = file.metadata()?;
            if here == Some((meta.dev(), meta.ino())) {
                break file;
            }
        };
        Ok((path, file))
    }

    /// Makes a file under way a whole one. Another process may have been first.
    pub(crate) fn keep(&self, partial: &Path, want: &Want) -> io::Result<()> {
        match fs::rename(partial, self.path(want)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && self.has(want) => Ok(()),
            other => other,
        }
    }

    /// A choice of packages that was kept.
    pub(crate) fn choice(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.root.join("chosen").join(key);
        let bytes = fs::read(&path).ok()?;
        touch(&path);
        Some(bytes)
    }

    /// Keeps a choice; when that fails, the next installation chooses again.
    pub(crate) fn keep_choice(&self, key: &str, bytes: &[u8]) {
        let temporary = self
            .root
            .join("partial")
            .join(format!("{key}.{}", std::process::id()));
        let kept = fs::write(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, self.root.join("chosen").join(key)));
        if kept.is_err() {
            let _ = fs::remove_file(temporary);
        }
    }

    /// Keeps bytes whose hash was checked.
    pub(crate) fn put(&self, want: &Want, bytes: &[u8]) -> io::Result<()> {
        let (path, file) = self.partial(want)?;
        if self.has(want) {
            return fs::remove_file(path);
        }
        file.set_len(0)?;
        io::Write::write_all(&mut &file, bytes)?;
        self.keep(&path, want)
    }
}

/// The time of a file is that of its last use, by which the cache is pruned.
fn touch(path: &Path) {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    let _ = rustix::fs::utimensat(CWD, path, &times, AtFlags::empty());
}

/// Opens a file if it has the wanted size and hash.
pub(crate) fn verified(path: &Path, want: &Want) -> io::Result<Option<File>> {
    let mut file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if file.metadata()?.len() != want.size {
        return Ok(None);
    }
    let mut hasher = Hasher::default();
    hasher.update_all(&file)?;
    if hasher.finish() != want.sha256 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(Some(file))
}
