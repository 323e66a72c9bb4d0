//! Snapshots of a zone: how its root was, under a name.
//!
//! A snapshot is a frozen root at ZONEPATH/snap/NAME; `ZONEPATH/snap/.record` tells when it was
//! taken and of which boot environment. Rolling back copies it into the root and leaves every
//! snapshot where it is, newer ones too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zones_archive::Progress;
use zones_store::{StoreError, atomic};

use crate::driver::{Copied, CopyError, Driver, DriverKind, StorageError};
use crate::environment::{EnvironmentError, Environments};
use crate::leftovers::{self, UNFINISHED};
use crate::name;

const FOLDER: &str = "snap";
const RECORD: &str = ".record";

/// The snapshots of a zone. Whoever changes them holds the lock of the zone.
#[derive(Debug)]
pub struct Snapshots {
    zonepath: PathBuf,
    known: Vec<Snapshot>,
    is_live: bool,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// Its name for ever.
    pub uuid: String,
    /// When it was taken, seconds since 1970.
    pub created: i64,
    /// The boot environment that it was taken of.
    pub environment: String,
    /// Who asked: empty for a person, else the schedule or the operation.
    #[serde(default)]
    pub origin: String,
}

/// Why a snapshot is not as it was wished.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A name that cannot be one.
    #[error("'{0}' is no name of a snapshot: letters, digits, '-', '_', '.' and ':' make one")]
    Name(String),
    /// No snapshot of this name.
    #[error("snapshot '{0}' does not exist; see: zoneadm list-snapshots")]
    Unknown(String),
    /// There is one of this name.
    #[error("snapshot '{0}' already exists; choose another name, or remove it first")]
    Exists(String),
    /// The storage driver.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A copy failed.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The boot environments.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The record.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A folder.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// Verb.
        what: &'static str,
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SnapshotError {
    let path = path.to_owned();
    move |source| SnapshotError::Io { what, path, source }
}

impl Snapshots {
    /// Those of the zone at `zonepath`. Reads only.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn open(zonepath: &Path) -> Result<Self, SnapshotError> {
        let folder = zonepath.join(FOLDER);
        let path = folder.join(RECORD);
        let mut known: Vec<Snapshot> = match atomic::read(&path)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|error| failed("understand", &path)(io::Error::other(error)))?,
            None => Vec::new(),
        };
        // What is there counts, whatever is written down.
        known.retain(|it| fs::symlink_metadata(folder.join(&it.name)).is_ok());
        let zonepath = zonepath.to_owned();
        Ok(Self {
            zonepath,
            known,
            is_live: false,
        })
    }

    /// Says whether the zone runs. Whoever says so keeps its processes from writing while
    /// [`create`](Self::create) is at work.
    #[must_use]
    pub fn of_running(mut self, is_live: bool) -> Self {
        self.is_live = is_live;
        self
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn all(&self) -> &[Snapshot] {
        &self.known
    }

    /// The one of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, name: &str) -> Result<&Snapshot, SnapshotError> {
        let mut known = self.known.iter();
        let found = known.find(|it| it.name == name);
        found.ok_or_else(|| SnapshotError::Unknown(name.to_owned()))
    }

    /// Where its files are: a root to copy from.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.zonepath.join(FOLDER).join(name)
    }

    /// A name that is free: `BASE1`, `BASE2` ...
    #[must_use]
    pub fn free_name(&self, base: &str) -> String {
        let is_taken = |name: &str| self.known.iter().any(|it| it.name == name);
        let mut names = (1_u32..).map(|number| format!("{base}{number}"));
        names
            .find(|it| !is_taken(it))
            .unwrap_or_else(|| base.to_owned())
    }

    /// Whether a new one can have this name.
    ///
    /// # Errors
    /// It cannot be a name, or there is one.
    pub fn check_new(&self, name: &str) -> Result<(), SnapshotError> {
        if !name::is_fine(name) {
            return Err(SnapshotError::Name(name.to_owned()));
        }
        match self.find(name) {
            Ok(_) => Err(SnapshotError::Exists(name.to_owned())),
            Err(_) => Ok(()),
        }
    }

    /// Takes one of the root as it is now. Nobody writes to the root meanwhile.
    ///
    /// # Errors
    /// The name is taken or the copy fails; nothing is left of it then.
    pub fn create(
        &mut self,
        name: &str,
        now: i64,
        origin: &str,
        progress: &dyn Progress,
    ) -> Result<Copied, SnapshotError> {
        self.check_new(name)?;
        let environments = Environments::open(&self.zonepath)?.of_running(self.is_live);
        let is_live = environments.is_used()?;
        let driver = self.prepare()?;
        let new = self.path(&format!("{}{name}", UNFINISHED[0]));
        let active = environments.active();
        let copied = driver.freeze(&environments.path(active), &new, is_live, progress)?;
        self.known.push(Snapshot {
            name: name.to_owned(),
            uuid: zones_store::random_uuid()?,
            created: now,
            environment: active.to_owned(),
            origin: origin.to_owned(),
        });
        // Written first: a name without files is passed over, files without a name are swept.
        let done = self
            .write()
            .and_then(|()| Ok(driver.rename(&new, &self.path(name))?));
        if let Err(error) = done {
            self.known.pop();
            let _ = driver.destroy(&new);
            return Err(error);
        }
        Ok(copied)
    }

    /// Takes the root at `from`, which lies in the same file system, in as a snapshot.
    ///
    /// # Errors
    /// The name is taken, or the root cannot be moved.
    pub fn adopt(
        &mut self,
        snapshot: Snapshot,
        from: &Path,
        progress: &dyn Progress,
    ) -> Result<(), SnapshotError> {
        if !name::is_fine(&snapshot.name) {
            return Err(SnapshotError::Name(snapshot.name));
        }
        if self.find(&snapshot.name).is_ok() {
            return Err(SnapshotError::Exists(snapshot.name));
        }
        let driver = self.prepare()?;
        let mut new = from.to_owned();
        // A plain folder is as good as frozen when nobody writes to it.
        if driver.kind() != DriverKind::Dir {
            new = self.path(&format!("{}{}", UNFINISHED[0], snapshot.name));
            driver.freeze(from, &new, false, progress)?;
        }
        let place = self.path(&snapshot.name);
        self.known.push(snapshot);
        self.write()?;
        driver.rename(&new, &place)?;
        Ok(driver.destroy(from)?)
    }

    /// Removes one.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be removed.
    pub fn destroy(&mut self, name: &str) -> Result<(), SnapshotError> {
        self.find(name)?;
        let driver = self.prepare()?;
        let gone = self.path(&format!("{}{name}", UNFINISHED[1]));
        driver.rename(&self.path(name), &gone)?;
        self.known.retain(|it| it.name != name);
        self.write()?;
        Ok(driver.destroy(&gone)?)
    }

    /// Has the root be as it was then; see [`Environments::replace`]. Every snapshot stays.
    ///
    /// # Errors
    /// There is none of this name, or the copy fails; the root is as it was then.
    pub fn rollback(&self, name: &str, progress: &dyn Progress) -> Result<Copied, SnapshotError> {
        self.find(name)?;
        let mut environments = Environments::open(&self.zonepath)?;
        Ok(environments.replace(&self.path(name), progress)?)
    }

    /// The folder is there then, and nothing that a killed process left in it.
    fn prepare(&self) -> Result<Box<dyn Driver>, SnapshotError> {
        Ok(leftovers::prepare(&self.zonepath.join(FOLDER))?)
    }

    fn write(&self) -> Result<(), SnapshotError> {
        let path = self.zonepath.join(FOLDER).join(RECORD);
        let text = serde_json::to_vec_pretty(&self.known)
            .map_err(|error| failed("write", &path)(io::Error::other(error)))?;
        Ok(atomic::write(&path, &text, 0o600)?)
    }
}

#[cfg(test)]
mod tests {
    use zones_archive::Silent;

    use super::*;
    use crate::example::Zone;

    #[test]
    fn a_rollback_keeps_newer_snapshots() {
        let folder = Zone::new();
        let root = folder.path().join("root");
        let version = Path::new("version");
        let write = |text: &str| {
            let stamp = zones_sys::Stamp::root(0o644);
            let root = crate::open(&root).unwrap();
            root.write(version, text.as_bytes(), stamp).unwrap();
        };
        let mut all = Snapshots::open(folder.path()).unwrap();
        all.create("one", 1, "", &Silent).unwrap();
        write("2");
        all.create("two", 2, "", &Silent).unwrap();
        write("3");
        for (name, text) in [("one", "1"), ("two", "2"), ("one", "1")] {
            let all = Snapshots::open(folder.path()).unwrap();
            all.rollback(name, &Silent).unwrap();
            assert_eq!(
                crate::look(&root).unwrap().read(version, 9).unwrap(),
                text.as_bytes()
            );
            assert_eq!(all.all().len(), 2);
        }
        let mut all = Snapshots::open(folder.path()).unwrap();
        all.destroy("one").unwrap();
        let all = Snapshots::open(folder.path()).unwrap();
        assert!(matches!(
            all.rollback("one", &Silent),
            Err(SnapshotError::Unknown(_))
        ));
        assert_eq!(all.free_name("two"), "two1");
    }

    #[test]
    fn what_was_half_made_is_swept() {
        let folder = Zone::new();
        fs::create_dir_all(folder.path().join("snap/.new-a/deep")).unwrap();
        fs::create_dir_all(folder.path().join("snap/.gone-b")).unwrap();
        let mut all = Snapshots::open(folder.path()).unwrap();
        assert_eq!(all.all(), []);
        all.create("c", 7, "", &Silent).unwrap();
        let made = all.create("c", 7, "", &Silent);
        assert!(matches!(made, Err(SnapshotError::Exists(_))));
        let made = all.create("../c", 7, "", &Silent);
        assert!(matches!(made, Err(SnapshotError::Name(_))));
        let names = fs::read_dir(folder.path().join("snap")).unwrap().count();
        assert_eq!(names, 2);
    }
}
