//! The packaging data of an image: files below its root, by descriptor.

use std::fs::File;
use std::path::{Path, PathBuf};

use zones_repository::Disk;
use zones_repository::disk::{Temp, parent};
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
/// Bytes that the settings, a list or an entry of the history may have.
pub(crate) const TEXT_LEN_MAX: u64 = 8 << 20;

/// The folder with the data. Paths are relative to it.
#[derive(Debug)]
pub(crate) struct Folder {
    disk: Disk,
    base: PathBuf,
    /// Bytes that a file may have.
    limit: u64,
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
        let limit = STATE_LEN_MAX;
        Ok(Self { disk, base, limit })
    }

    /// The same data where the files are now.
    pub(crate) fn again(&self, tree: RootFd) -> Result<Self> {
        let found = Self::find(self.root(), tree)?;
        let limit = self.limit;
        Ok(Self { limit, ..found })
    }

    /// A place for data in a folder of the host's.
    pub(crate) fn new(root: &Path, base: &str) -> Result<Self> {
        Self::with(Disk::open(root)?, base)
    }

    /// A place for the data of a new image rooted at `root`, of which `tree` are the files.
    pub(crate) fn in_tree(root: &Path, tree: RootFd, base: &str) -> Result<Self> {
        Self::with(Disk::of(tree, root), base)
    }

    fn with(disk: Disk, base: &str) -> Result<Self> {
        let base = PathBuf::from(base);
        disk.make(&base)?;
        let limit = STATE_LEN_MAX;
        Ok(Self { disk, base, limit })
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
        Ok(self.disk.read(&self.at(below), self.limit)?)
    }

    /// From now on, no file may have more bytes than this.
    pub(crate) fn limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The text of a small file; None when it is not there.
    pub(crate) fn text(&self, below: impl AsRef<Path>) -> Result<Option<String>> {
        let path = below.as_ref();
        let limit = self.limit.min(TEXT_LEN_MAX);
        let Some(bytes) = self.disk.read(&self.at(path), limit)? else {
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

    /// Files that get their names together.
    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch {
            folder: self,
            files: Vec::new(),
        }
    }

    /// Writes several files as [`Folder::write`] does; they get their names together.
    pub(crate) fn together(&self, write: impl FnOnce(&mut Batch<'_>) -> Result<()>) -> Result<()> {
        let mut batch = self.batch();
        write(&mut batch)?;
        batch.sync()?;
        batch.keep()
    }

    /// As [`Folder::write`], without waiting for the disk: for what can be fetched again.
    pub(crate) fn write_soon(&self, below: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        let path = self.at(below);
        Ok(self.temp(&path, bytes)?.keep(&path)?)
    }

    fn temp(&self, path: &Path, bytes: &[u8]) -> Result<Temp<'_>> {
        use std::io::Write as _;
        let folder = parent(path);
        self.disk.make(folder)?;
        let mut temp = self.disk.temp(folder)?;
        let written = temp.file.write_all(bytes);
        written.map_err(|error| ImageError::damaged(&self.disk.full(path), error))?;
        Ok(temp)
    }

    /// Removes what a killed process left of a file that is written through [`zones_sys::Dir`].
    pub(crate) fn sweep_temps_of(&self, below: &str) -> Result<()> {
        let path = Path::new(below);
        let (folder, name) = (parent(path), path.file_name().unwrap_or_default());
        let begin = format!(".{}.", name.display());
        for name in self.names(folder)? {
            if name.starts_with(&begin) && name.ends_with(".new") {
                self.remove(folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Removes what a killed process left in a folder. The image is locked.
    pub(crate) fn sweep(&self, below: impl AsRef<Path>) {
        self.disk.sweep(&self.at(below));
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

/// Files that are written under temporary names and get their own together, in the order in which
/// they were added. Dropped before that, they go.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    folder: &'a Folder,
    files: Vec<(PathBuf, Temp<'a>)>,
}

impl<'a> Batch<'a> {
    /// Writes a file, its folders made.
    pub(crate) fn add(&mut self, below: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        let path = self.folder.at(below);
        let temp = self.folder.temp(&path, bytes)?;
        self.files.push((path, temp));
        Ok(())
    }

    /// Waits until the content is on disk, one file after the other.
    fn sync(&self) -> Result<()> {
        for (path, temp) in &self.files {
            let synced = temp.file.sync_all();
            synced.map_err(|error| ImageError::damaged(&self.folder.disk.full(path), error))?;
        }
        Ok(())
    }

    /// Gives all of them their names. Their content is on disk: each is the old or the new one.
    pub(crate) fn keep(self) -> Result<()> {
        let disk = &self.folder.disk;
        let mut folders = std::collections::BTreeSet::new();
        for (path, temp) in self.files {
            temp.keep(&path)?;
            folders.insert(parent(&path).to_owned());
        }
        folders.iter().try_for_each(|it| Ok(disk.sync_folder(it)?))
    }
}
