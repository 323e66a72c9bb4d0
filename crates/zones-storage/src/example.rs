//! A zone for tests. The folder above its zonepath is its own, too, since that is where layers are.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub(crate) struct Zone {
    zonepath: PathBuf,
    _folder: TempDir,
}

impl Zone {
    /// With a root in which file `version` is `1`.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let zonepath = folder.path().join("zone");
        fs::create_dir_all(zonepath.join("root")).unwrap();
        fs::write(zonepath.join("root/version"), "1").unwrap();
        Self {
            zonepath,
            _folder: folder,
        }
    }

    /// The zonepath.
    pub(crate) fn path(&self) -> &Path {
        &self.zonepath
    }
}
