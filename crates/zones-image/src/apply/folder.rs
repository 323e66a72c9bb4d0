//! Folders of an image, opened without following a link.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use zones_ips::{ImagePath, ImagePathRef};
use zones_sys::{Dir, RootFd};

/// How the names of temporary files begin; no package delivers such a name.
const TEMP: &str = ".pkg-new.";

/// The folders below a root; the one opened last stays open, as neighbours follow each other.
#[derive(Debug)]
pub(crate) struct Folders<'a> {
    root: &'a RootFd,
    last: Option<(String, Arc<Dir>)>,
}

impl<'a> Folders<'a> {
    pub(crate) fn new(root: &'a RootFd) -> Self {
        Self { root, last: None }
    }

    /// Opens a folder; None is the root.
    ///
    /// # Errors
    /// `LOOP` when a name on the way is a link; `NOTDIR`; `NOENT`.
    pub(crate) fn folder(
        &mut self,
        path: Option<ImagePathRef<'_>>,
    ) -> rustix::io::Result<Arc<Dir>> {
        let path = path.map_or("", ImagePathRef::as_str);
        if let Some((_, dir)) = self.last.as_ref().filter(|(last, _)| last == path) {
            return Ok(Arc::clone(dir));
        }
        let dir = Arc::new(self.root.dir_without_links(Path::new(path))?);
        self.last = Some((path.to_owned(), Arc::clone(&dir)));
        Ok(dir)
    }

    /// Forgets the folder that is open: it may have been moved.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// What lstat(2) says of a path.
    pub(crate) fn lstat(&mut self, path: ImagePathRef<'_>) -> rustix::io::Result<Stat> {
        self.folder(path.parent())?.lstat(OsStr::new(path.name()))
    }
}

/// The kind of what was looked at.
pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Whether nothing has the name.
pub(super) fn is_free(folder: &Dir, name: &OsStr) -> bool {
    matches!(folder.lstat(name), Err(Errno::NOENT))
}

/// Whether it is a regular file.
pub(crate) fn is_regular(stat: &Stat) -> bool {
    kind(stat) == FileType::RegularFile
}

/// The first link on the way to `path`, the last name included, and where it leads.
pub(super) fn first_link(root: &RootFd, path: ImagePathRef<'_>) -> Option<(ImagePath, String)> {
    let mut above: Vec<_> = path.parents().collect();
    above.reverse();
    above.push(path);
    let mut folders = Folders::new(root);
    above.into_iter().find_map(|at| {
        let folder = folders.folder(at.parent()).ok()?;
        let target = folder.readlink(OsStr::new(at.name())).ok()?;
        Some((at.to_owned(), target.display().to_string()))
    })
}

/// The name of the temporary file of the step with this number.
pub(super) fn temp_name(number: usize) -> OsString {
    OsString::from(format!("{TEMP}{number}"))
}

/// Removes the temporary files in these folders, `""` being the root; how many there were. What
/// is no folder, or behind a link, has none.
pub fn sweep<'a>(root: &RootFd, folders: impl Iterator<Item = &'a str>) -> usize {
    let mut count = 0;
    for path in folders {
        let Ok(dir) = root.dir_without_links(Path::new(path)) else {
            continue;
        };
        for item in dir.items().unwrap_or_default() {
            let is_temp = item.name.as_bytes().starts_with(TEMP.as_bytes());
            if is_temp && dir.unlink(&item.name) != Err(Errno::NOENT) {
                count += 1;
            }
        }
    }
    count
}
