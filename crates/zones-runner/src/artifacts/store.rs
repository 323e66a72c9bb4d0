//! The store: one folder for each key, with the files and a manifest that is written last.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use zones_matrix::Key;
use zones_store::atomic;

use super::ArtifactError;
use crate::digest;

/// Version of the manifest, and of how artifacts are built: part of every key.
pub const SCHEMA: u32 = 1;

/// What is known of an artifact that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The key of all that it was built from.
    pub key: Key,
    /// Its name in the matrix file.
    pub artifact: String,
    /// The id of the platform.
    pub platform: String,
    /// Its files, by name.
    pub files: Vec<File>,
}

/// A file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name; artifacts have no folders.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3, 64 hexadecimal digits.
    pub blake3: String,
}

/// The manifest as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    schema: u32,
    key: String,
    artifact: String,
    platform: String,
    files: Vec<File>,
}

/// A lock that is held; dropping it, or dying, lets go.
#[derive(Debug)]
pub(super) struct Hold {
    _file: fs::File,
}

#[derive(Debug, Clone)]
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn open(folder: &Path) -> Result<Self, ArtifactError> {
        let folder = folder.to_owned();
        let store = Self { folder };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o755);
        for path in [store.folder.join("locks"), store.folder.join("logs")] {
            builder
                .create(&path)
                .map_err(ArtifactError::file("create", &path))?;
        }
        Ok(store)
    }

    fn place(&self, key: Key) -> PathBuf {
        self.folder.join(key.to_string())
    }

    /// Where the files of an artifact are.
    pub(super) fn files(&self, key: Key) -> PathBuf {
        self.place(key).join("files")
    }

    fn manifest(&self, key: Key) -> PathBuf {
        self.place(key).join("manifest.json")
    }

    /// What its build says.
    pub(super) fn log(&self, key: Key) -> PathBuf {
        self.folder.join("logs").join(format!("{key}.log"))
    }

    /// Waits until nobody else builds it, and says first that it waits.
    pub(super) fn lock(&self, key: Key, waits: impl FnOnce()) -> Result<Hold, ArtifactError> {
        let path = self.folder.join("locks").join(key.to_string());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let file = options
            .open(&path)
            .map_err(ArtifactError::file("open", &path))?;
        let failed = |errno: Errno| ArtifactError::file("lock", &path)(errno.into());
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Hold { _file: file }),
            Err(Errno::WOULDBLOCK) => waits(),
            Err(errno) => return Err(failed(errno)),
        }
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Hold { _file: file }),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }

    /// The artifact of a key, when it is there, whole, and as it was built.
    pub(super) fn take(&self, key: Key) -> Result<Option<Built>, ArtifactError> {
        let path = self.manifest(key);
        let Some(text) = atomic::read(&path)? else {
            return Ok(None);
        };
        let damaged = |why: String| ArtifactError::Damaged {
            path: path.clone(),
            why,
        };
        let written: Written =
            serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        for file in &written.files {
            let path = self.files(key).join(&file.name);
            let found = digest::file(&path).map_err(|error| damaged(error.to_string()))?;
            if found.to_string() != file.blake3 {
                return Err(damaged(format!("`{}` is not what was built", file.name)));
            }
        }
        Ok(Some(Built {
            key,
            artifact: written.artifact,
            platform: written.platform,
            files: written.files,
        }))
    }

    /// An empty folder for the files of a key; what a build that died had left is removed.
    pub(super) fn begin(&self, key: Key) -> Result<PathBuf, ArtifactError> {
        let place = self.place(key);
        match fs::remove_dir_all(&place) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ArtifactError::file("remove", &place)(error));
            }
            _ => {}
        }
        let files = self.files(key);
        fs::create_dir_all(&files).map_err(ArtifactError::file("create", &files))?;
        Ok(files)
    }

    /// Makes an artifact exist: its files are on disk, then its manifest is.
    pub(super) fn finish(&self, built: &Built) -> Result<(), ArtifactError> {
        for folder in [
            self.files(built.key),
            self.place(built.key),
            self.folder.clone(),
        ] {
            let synced = fs::File::open(&folder).and_then(|folder| folder.sync_all());
            synced.map_err(ArtifactError::file("write", &folder))?;
        }
        let written = Written {
            schema: SCHEMA,
            key: built.key.to_string(),
            artifact: built.artifact.clone(),
            platform: built.platform.clone(),
            files: built.files.clone(),
        };
        let path = self.manifest(built.key);
        let text = serde_json::to_string_pretty(&written);
        let text = text.map_err(|error| ArtifactError::Damaged {
            path: path.clone(),
            why: error.to_string(),
        })?;
        Ok(atomic::write(&path, (text + "\n").as_bytes(), 0o644)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_there_when_its_manifest_is_and_is_not_taken_when_changed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let key = Key::of_bytes(b"x");
        let files = store.begin(key).unwrap();
        fs::write(files.join("a.deb"), "bytes").unwrap();
        assert_eq!(store.take(key).unwrap(), None, "no manifest yet");
        let built = Built {
            key,
            artifact: "new".to_owned(),
            platform: "p".to_owned(),
            files: vec![File {
                name: "a.deb".to_owned(),
                size: 5,
                blake3: Key::of_bytes(b"bytes").to_string(),
            }],
        };
        store.finish(&built).unwrap();
        assert_eq!(store.take(key).unwrap(), Some(built));
        fs::write(files.join("a.deb"), "other").unwrap();
        let error = store.take(key).unwrap_err().to_string();
        assert!(error.contains("`a.deb` is not what was built"), "{error}");
        store.begin(key).unwrap();
        assert_eq!(store.take(key).unwrap(), None, "begun again");
    }

    #[test]
    fn who_has_to_wait_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = Key::of_bytes(b"x");
        let hold = store.lock(key, || panic!("nobody has it")).unwrap();
        let (said, heard) = std::sync::mpsc::channel();
        let other = store.clone();
        let second = std::thread::spawn(move || {
            let said = || said.send(()).unwrap();
            other.lock(key, said).unwrap()
        });
        heard.recv().unwrap();
        drop(hold);
        drop(second.join().unwrap());
    }
}
