//! Files of a repository, by descriptor: no name or link in it leads out.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use zones_sys::RootFd;

use crate::error::{RepositoryError, Result};

/// How temporary files begin; a sweep with the lock held takes them away.
pub const TEMP: &str = ".new-";

/// Mode of the folders of a repository.
const FOLDER_MODE: u32 = 0o755;
/// Mode of its files.
const FILE_MODE: u32 = 0o644;

/// The folder of a repository. Paths are relative to it.
#[derive(Debug)]
pub struct Disk {
    root: RootFd,
    /// For messages.
    path: PathBuf,
}

/// Numbers the temporary files of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A file that is being written beside its place; dropped, it is removed.
#[derive(Debug)]
pub struct Temp<'a> {
    disk: &'a Disk,
    /// Open for writing.
    pub file: File,
    path: PathBuf,
    is_kept: bool,
}

impl Disk {
    /// Opens the folder.
    ///
    /// # Errors
    ///
    /// It is not there.
    pub fn open(path: &Path) -> Result<Self> {
        let root = RootFd::open(path).map_err(RepositoryError::io("open", path))?;
        Ok(Self {
            root,
            path: path.to_owned(),
        })
    }

    /// The folder, as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `below` as a person would name it.
    pub fn full(&self, below: &Path) -> PathBuf {
        self.path.join(below)
    }

    fn failed(&self, what: &'static str, below: &Path) -> impl FnOnce(Errno) -> RepositoryError {
        RepositoryError::io(what, &self.full(below))
    }

    /// A regular file, opened for reading; None when it is not there.
    pub fn file(&self, below: &Path) -> Result<Option<File>> {
        match self.root.open_regular(below, OFlags::RDONLY) {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::INVAL) => Err(self.no_file(below)),
            other => other
                .map(|fd| Some(File::from(fd)))
                .map_err(self.failed("open", below)),
        }
    }

    fn no_file(&self, below: &Path) -> RepositoryError {
        RepositoryError::NoFile {
            path: self.full(below),
        }
    }

    /// All bytes of a file of at most `limit`; None when it is not there.
    pub fn read(&self, below: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
        match self.root.read(below, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::FBIG) => Err(RepositoryError::Large {
                path: self.full(below),
                limit,
            }),
            Err(Errno::INVAL) => Err(self.no_file(below)),
            Err(errno) => Err(self.failed("read", below)(errno)),
        }
    }

    /// Names in a folder, sorted; none when the folder is not there. What is no UTF-8 is no name
    /// of ours and left out.
    pub fn names(&self, below: &Path) -> Result<Vec<(String, FileType)>> {
        let items = match self.root.read_dir(below) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
            other => other.map_err(self.failed("list", below))?,
        };
        let named = items.into_iter();
        Ok(named
            .filter_map(|item| Some((item.name.into_string().ok()?, item.kind)))
            .collect())
    }

    /// Whether something has the name.
    pub fn has(&self, below: &Path) -> bool {
        self.root.stat(below).is_ok()
    }

    /// Mode bits, owner, and size of what has the name, links followed inside.
    pub fn stat(&self, below: &Path) -> Result<Option<rustix::fs::Stat>> {
        match self.root.stat(below) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(self.failed("read", below)(errno)),
        }
    }

    /// Makes a folder and those above it; one that exists is fine.
    pub fn make(&self, below: &Path) -> Result<()> {
        let made = self.root.mkdir_p(below, FOLDER_MODE);
        made.map(drop).map_err(self.failed("create", below))
    }

    /// Makes a folder in one that exists; false when the name is taken.
    pub fn make_new(&self, below: &Path) -> Result<bool> {
        match self.root.mkdir(below, FOLDER_MODE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(self.failed("create", below)(errno)),
        }
    }

    /// A name that no other writer has.
    pub fn temp_name() -> String {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        format!("{TEMP}{}-{number}", std::process::id())
    }

    /// Gives a folder its name; false when another folder with content has it.
    pub fn claim(&self, old: &Path, new: &Path) -> Result<bool> {
        match self.root.rename(old, new) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(false),
            Err(errno) => Err(self.failed("create", new)(errno)),
        }
    }

    /// Removes temporary files and folders that are older than an hour: their makers, who hold no
    /// lock, are done or dead.
    pub fn sweep_old(&self, folder: &Path) -> Result<()> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        for (name, _) in self
            .names(folder)?
            .iter()
            .filter(|(it, _)| it.starts_with(TEMP))
        {
            let path = folder.join(name);
            let stat = self.stat(&path)?;
            let time = stat.map_or(0, |stat| u64::try_from(stat.st_mtime).unwrap_or_default());
            if now.saturating_sub(time) > 3600 {
                self.remove_all(&path)?;
            }
        }
        Ok(())
    }

    /// A new file in `folder` under a temporary name, mode 0644.
    pub fn temp(&self, folder: &Path) -> Result<Temp<'_>> {
        let path = folder.join(Self::temp_name());
        let failed = |what| self.failed(what, &path);
        // A dead process of our number may have left the name.
        self.remove(&path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let mode = Mode::from_raw_mode(FILE_MODE);
        let opened = self.root.open_beneath(&path, flags, mode);
        let file = File::from(opened.map_err(failed("create"))?);
        // The mode above passes through the umask; this one does not.
        rustix::fs::fchmod(&file, mode).map_err(failed("create"))?;
        Ok(Temp {
            disk: self,
            file,
            path,
            is_kept: false,
        })
    }

    /// Writes a whole file: temporary name, sync, rename, sync of the folder.
    pub fn write(&self, below: &Path, bytes: &[u8]) -> Result<()> {
        let folder = parent(below);
        let mut temp = self.temp(folder)?;
        let written = temp.file.write_all(bytes);
        let written = written.and_then(|()| temp.file.sync_all());
        written.map_err(RepositoryError::io("write", &self.full(below)))?;
        temp.keep(below)?;
        self.sync_folder(folder)
    }

    /// Writes a whole file, to be synced later with all others.
    pub fn write_quickly(&self, below: &Path, bytes: &[u8]) -> Result<()> {
        let mut temp = self.temp(parent(below))?;
        let written = temp.file.write_all(bytes);
        written.map_err(RepositoryError::io("write", &self.full(below)))?;
        temp.keep(below)
    }

    /// Writes a folder's names to disk.
    pub fn sync_folder(&self, below: &Path) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let below = if below.as_os_str().is_empty() {
            Path::new("/")
        } else {
            below
        };
        let folder = self.root.open_beneath(below, flags, Mode::empty());
        let synced = folder.and_then(rustix::fs::fsync);
        synced.map_err(self.failed("sync", below))
    }

    /// Writes the file system to disk: one call for thousands of payloads.
    pub fn sync(&self) -> Result<()> {
        self.root.sync().map_err(self.failed("sync", Path::new("")))
    }

    /// Renames, replacing what has the new name.
    ///
    /// # Errors
    ///
    /// Whatever renameat(2) says.
    pub fn rename(&self, old: &Path, new: &Path) -> Result<()> {
        let renamed = self.root.rename(old, new);
        renamed.map_err(self.failed("replace", new))
    }

    /// Makes `new` another name of `old`; false when `new` is taken or the disk has no links.
    pub fn link(&self, old: &Path, new: &Path) -> bool {
        self.root.link(old, new).is_ok()
    }

    /// Removes a file; a missing one is fine.
    pub fn remove(&self, below: &Path) -> Result<()> {
        match self.root.unlink(below) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(errno) => Err(self.failed("remove", below)(errno)),
        }
    }

    /// Removes a folder that is empty; any other stays.
    pub fn remove_empty(&self, below: &Path) {
        if let Ok((folder, name)) = self.root.parent(below) {
            let _ = rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR);
        }
    }

    /// Removes what has the name with all below it; a missing one is fine.
    pub fn remove_all(&self, below: &Path) -> Result<()> {
        match self.root.remove_all(below) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(errno) => Err(self.failed("remove", below)(errno)),
        }
    }

    /// Sets the time of a file, seconds since 1970 began.
    pub fn set_time(&self, below: &Path, seconds: i64) -> Result<()> {
        let time = rustix::fs::Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let set = self.root.utimens(below, time);
        set.map_err(self.failed("date", below))
    }

    /// Sets mode bits.
    pub fn chmod(&self, below: &Path, mode: u32) -> Result<()> {
        let set = self.root.chmod(below, mode);
        set.map_err(self.failed("change the mode of", below))
    }

    /// A file for locking, made when missing. A link or anything else that is no regular file is
    /// refused.
    pub fn lock_file(&self, below: &Path) -> Result<File> {
        let failed = || self.failed("open", below);
        let known = || {
            let flags = OFlags::RDWR | OFlags::NOFOLLOW;
            self.root.open_regular(below, flags)
        };
        let new = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let opened = match known() {
            Err(Errno::NOENT) => {
                let mode = Mode::from_raw_mode(FILE_MODE);
                match self.root.open_beneath(below, new, mode) {
                    // Another process was faster.
                    Err(Errno::EXIST) => known(),
                    other => other,
                }
            }
            other => other,
        };
        match opened {
            Err(Errno::INVAL) => Err(self.no_file(below)),
            other => other.map(File::from).map_err(failed()),
        }
    }

    /// Opens for appending what must exist.
    pub fn append(&self, below: &Path) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND;
        let opened = self.root.open_beneath(below, flags, Mode::empty());
        opened.map(File::from).map_err(self.failed("open", below))
    }

    /// Removes temporary files of dead writers. The lock of all writers of the folder is held.
    pub fn sweep(&self, folder: &Path) {
        let Ok(names) = self.names(folder) else {
            return;
        };
        for (name, _) in names.iter().filter(|(name, _)| name.starts_with(TEMP)) {
            // What cannot be removed does no harm: nobody reads it.
            let _ = self.remove(&folder.join(name));
        }
    }
}

impl Temp<'_> {
    /// Gives the file its name.
    pub fn keep(mut self, below: &Path) -> Result<()> {
        self.disk.rename(&self.path, below)?;
        self.is_kept = true;
        Ok(())
    }

    /// For messages.
    pub fn full(&self) -> PathBuf {
        self.disk.full(&self.path)
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            // A leftover is swept later.
            let _ = self.disk.remove(&self.path);
        }
    }
}

/// The folder that holds a path.
pub fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new(""))
}
