//! The packaging data of an image: files below its root, by descriptor.

use std::fs::File;
use std::path::{Path, PathBuf};

use zones_repository::Disk;
use zones_repository::disk::parent;
use zones_sys::RootFd;

use crate::error::{ImageError, Result};

/// Where a full image keeps its data, below its root.
pub(crate) const FULL: &str = "var/pkg";
/// Where the image of a user keeps it.
pub(crate) const USER: &str = ".org.opensolaris,pkg";
/// The settings, by which an image is known.
pub(crate) const SETTINGS: &str = "pkg5.image";

/// Bytes that a file of state may have.
const STATE_LEN_MAX: u64 = 512 << 20;

/// The folder with the data. Paths are relative to it.
#[derive(Debug)]
pub(crate) struct Folder {
    disk: Disk,
    base: PathBuf,
}

impl Folder {
    /// The data of the image rooted at `root`, of which `tree` are the files.
    pub(crate) fn find(root: &Path, tree: RootFd) -> Result<Self> {
        let missing = || ImageError::NoImage(root.to_owned());
        let disk = Disk::of(tree, root);
        let bases = [FULL, USER].map(Path::new);
        let base = bases
            .into_iter()
            .find(|base| disk.has(&base.join(SETTINGS)));
        let base = base.ok_or_else(missing)?.to_owned();
        Ok(Self { disk, base })
    }

    /// A place for the data of a new image.
    pub(crate) fn new(root: &Path, base: &str) -> Result<Self> {
        let disk = Disk::open(root)?;
        let base = PathBuf::from(base);
        disk.make(&base)?;
        Ok(Self { disk, base })
    }

    /// The path of the root, for messages.
    pub(crate) fn root(&self) -> &Path {
        self.disk.path()
    }

    /// A file as a person would name it.
    pub(crate) fn full(&self, below: impl AsRef<Path>) -> PathBuf {
        self.disk.full(&self.base.join(below))
    }

    fn at(&self, below: impl AsRef<Path>) -> PathBuf {
        self.base.join(below)
    }

    /// All bytes of a file; None when it is not there.
    pub(crate) fn read(&self, below: impl AsRef<Path>) -> Result<Option<Vec<u8>>> {
        Ok(self.disk.read(&self.at(below), STATE_LEN_MAX)?)
    }

    /// The text of a file; None when it is not there.
    pub(crate) fn text(&self, below: impl AsRef<Path>) -> Result<Option<String>> {
        let path = below.as_ref();
        let Some(bytes) = self.read(path)? else {
            return Ok(None);
        };
        let text = String::from_utf8(bytes);
        text.map(Some)
            .map_err(|_| ImageError::damaged(&self.full(path), "the text is no UTF-8"))
    }

    /// Writes a whole file, its folders made: the old or the new one is there, never a part.
    pub(crate) fn write(&self, below: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        let path = self.at(below);
        self.disk.make(parent(&path))?;
        Ok(self.disk.write(&path, bytes)?)
    }

    /// As [`Folder::write`], without waiting for the disk: for what can be fetched again.
    pub(crate) fn write_soon(&self, below: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        use std::io::Write as _;
        let path = self.at(below);
        let folder = parent(&path);
        self.disk.make(folder)?;
        let mut temp = self.disk.temp(folder)?;
        let written = temp.file.write_all(bytes);
        written.map_err(|error| ImageError::damaged(&self.disk.full(&path), error))?;
        Ok(temp.keep(&path)?)
    }

    pub(crate) fn names(&self, below: impl AsRef<Path>) -> Result<Vec<String>> {
        let names = self.disk.names(&self.at(below))?;
        Ok(names.into_iter().map(|(name, _)| name).collect())
    }

    pub(crate) fn has(&self, below: impl AsRef<Path>) -> bool {
        self.disk.has(&self.at(below))
    }

    /// When a file changed last, seconds since 1970; None when it is not there.
    pub(crate) fn modified(&self, below: impl AsRef<Path>) -> Result<Option<i64>> {
        let stat = self.disk.stat(&self.at(below))?;
        Ok(stat.map(|stat| stat.st_mtime))
    }

    pub(crate) fn remove(&self, below: impl AsRef<Path>) -> Result<()> {
        Ok(self.disk.remove_all(&self.at(below))?)
    }

    pub(crate) fn make(&self, below: impl AsRef<Path>) -> Result<()> {
        Ok(self.disk.make(&self.at(below))?)
    }

    pub(crate) fn lock_file(&self, below: impl AsRef<Path>) -> Result<File> {
        Ok(self.disk.lock_file(&self.at(below))?)
    }
}
