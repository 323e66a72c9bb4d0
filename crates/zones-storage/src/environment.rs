//! Boot environments: several roots of one zone, of which one is active. Source: beadm(8).
//!
//! The active one is ZONEPATH/root, all others are ZONEPATH/be/NAME. `ZONEPATH/be/.record` says
//! which name the active one has and which one becomes active at the next boot. A switch is two
//! renames; what is where tells how far it came, so that whoever comes next completes it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zones_archive::Progress;
use zones_store::{StoreError, atomic, durability};

use crate::driver::{Copied, CopyError, Driver, StorageError};
use crate::leftovers::{self, UNFINISHED};
use crate::name;
use crate::trial::Trial;

/// What the environment of a new zone is called.
const FIRST: &str = "zbe";
const FOLDER: &str = "be";
const RECORD: &str = ".record";

/// The boot environments of a zone. Whoever changes them holds the lock of the zone.
#[derive(Debug)]
pub struct Environments {
    zonepath: PathBuf,
    record: Record,
    is_live: bool,
}

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The name of the root.
    active: String,
    /// What the root becomes at the next boot.
    next: Option<String>,
    known: Vec<Known>,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its name for ever.
    pub uuid: String,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// Why it did not come up when it was booted last; empty if it did, or was not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub failed: String,
}

/// Why a boot environment is not as it was wished.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A name that cannot be one.
    #[error(
        "'{0}' is no name of a boot environment: letters, digits, '-', '_', '.' and ':' make one"
    )]
    Name(String),
    /// No environment of this name.
    #[error("{0} does not exist or appears not to be a BE; see: beadm list")]
    Unknown(String),
    /// There is one of this name.
    #[error("BE {0} already exists; choose another name, or: beadm destroy {0}")]
    Exists(String),
    /// It is in use.
    #[error("BE {0} is active now or on the next boot; activate another one first")]
    Active(String),
    /// It is what a trial goes back to.
    #[error(
        "BE {0} is what the zone goes back to if the active one does not come up; boot it first"
    )]
    Fallback(String),
    /// The roots are not where they should be.
    #[error("`{}`: neither its root nor boot environment {name} is whole", zonepath.display())]
    Lost {
        /// The zone.
        zonepath: PathBuf,
        /// What was to become active.
        name: String,
    },
    /// The storage driver.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A copy failed.
    #[error(transparent)]
    Copy(#[from] CopyError),
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

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EnvironmentError {
    let path = path.to_owned();
    move |source| EnvironmentError::Io { what, path, source }
}

impl Environments {
    /// Those of the zone at `zonepath`. Reads only.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn open(zonepath: &Path) -> Result<Self, EnvironmentError> {
        let path = zonepath.join(FOLDER).join(RECORD);
        let record = match atomic::read(&path)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|error| failed("understand", &path)(io::Error::other(error)))?,
            None => Record {
                active: FIRST.to_owned(),
                next: None,
                known: Vec::new(),
            },
        };
        let mut all = Self {
            zonepath: zonepath.to_owned(),
            record,
            is_live: false,
        };
        all.look();
        Ok(all)
    }

    /// Says whether the zone runs, with the active environment for its root.
    #[must_use]
    pub fn of_running(mut self, is_live: bool) -> Self {
        self.is_live = is_live;
        self
    }

    /// Whether the root is in use, as far as anybody knows.
    pub(crate) fn is_used(&self) -> Result<bool, StorageError> {
        Ok(self.is_live || crate::guard(&self.zonepath.join("root"))?.is_none())
    }

    /// What is there counts, whatever is written down.
    fn look(&mut self) {
        let folder = self.zonepath.join(FOLDER);
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| name::is_fine(name)).collect();
        names.push(self.record.active.clone());
        names.sort();
        names.dedup();
        let half = self.half_switched().map(str::to_owned);
        names.extend(half.filter(|it| !names.contains(it)));
        self.record.known.retain(|it| names.contains(&it.name));
        for name in names {
            if !self.record.known.iter().any(|it| it.name == name) {
                let created = changed(&self.path(&name));
                let uuid = zones_store::random_uuid().unwrap_or_default();
                let known = Known {
                    name,
                    uuid,
                    created,
                    failed: String::new(),
                };
                self.record.known.push(known);
            }
        }
        self.record.known.sort_by_key(|it| it.created);
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn all(&self) -> &[Known] {
        &self.record.known
    }

    /// The name of the one that is the root.
    #[must_use]
    pub fn active(&self) -> &str {
        &self.record.active
    }

    /// The name of the one that is the root after the next boot.
    #[must_use]
    pub fn next(&self) -> &str {
        self.record.next.as_deref().unwrap_or(&self.record.active)
    }

    /// Where the files of one are.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        if name == self.record.active {
            self.zonepath.join("root")
        } else {
            self.zonepath.join(FOLDER).join(name)
        }
    }

    fn has(&self, name: &str) -> bool {
        self.record.known.iter().any(|it| it.name == name)
    }

    fn known(&self, name: &str) -> Result<(), EnvironmentError> {
        match self.has(name) {
            true => Ok(()),
            false => Err(EnvironmentError::Unknown(name.to_owned())),
        }
    }

    /// A name that is free: `BASE-1`, `BASE-2` ...
    #[must_use]
    pub fn free_name(&self, base: &str) -> String {
        let mut numbers = 1_u32..;
        let free = numbers.find_map(|number| {
            let name = format!("{base}-{number}");
            (!self.has(&name)).then_some(name)
        });
        free.unwrap_or_else(|| base.to_owned())
    }

    /// Makes an environment with the files of another one.
    ///
    /// # Errors
    /// The name is taken or the copy fails; nothing is left of it then.
    pub fn create(
        &mut self,
        name: &str,
        from: &str,
        now: i64,
        progress: &dyn Progress,
    ) -> Result<Copied, EnvironmentError> {
        self.complete()?;
        self.known(from)?;
        self.create_of(name, &self.path(from), now, progress)
    }

    /// Makes an environment with the files of a root that may be a snapshot.
    ///
    /// # Errors
    /// As those of [`Environments::create`].
    pub fn create_of(
        &mut self,
        name: &str,
        from: &Path,
        now: i64,
        progress: &dyn Progress,
    ) -> Result<Copied, EnvironmentError> {
        checked(name)?;
        self.complete()?;
        if self.has(name) {
            return Err(EnvironmentError::Exists(name.to_owned()));
        }
        let driver = self.prepare()?;
        let folder = self.zonepath.join(FOLDER);
        let new = folder.join(format!("{}{name}", UNFINISHED[0]));
        let is_live = from == self.path(&self.record.active) && self.is_used()?;
        let copied = driver.copy(from, &new, is_live, progress)?;
        let place = folder.join(name);
        fs::rename(&new, &place).map_err(failed("make", &place))?;
        let uuid = zones_store::random_uuid()?;
        self.record.known.push(Known {
            name: name.to_owned(),
            uuid,
            created: now,
            failed: String::new(),
        });
        if let Err(error) = self.write() {
            // Found without its name, it would count as one all the same.
            self.record.known.pop();
            let _ = driver.destroy(&place);
            return Err(error);
        }
        Ok(copied)
    }

    /// The folder is there then, and nothing that a killed process left in it.
    fn prepare(&self) -> Result<Box<dyn Driver>, EnvironmentError> {
        Ok(leftovers::prepare(&self.zonepath.join(FOLDER))?)
    }

    fn write(&self) -> Result<(), EnvironmentError> {
        let path = self.zonepath.join(FOLDER).join(RECORD);
        let text = serde_json::to_vec_pretty(&self.record)
            .map_err(|error| failed("write", &path)(io::Error::other(error)))?;
        Ok(atomic::write(&path, &text, 0o600)?)
    }

    /// Has an environment be the root from the next boot on; see [`Environments::settle`].
    ///
    /// # Errors
    /// There is none of this name.
    pub fn activate(&mut self, name: &str) -> Result<(), EnvironmentError> {
        self.complete()?;
        self.known(name)?;
        self.prepare()?;
        self.record.next = (name != self.record.active).then(|| name.to_owned());
        // Whoever asks for it again has mended it, or wants to know.
        self.note_failure(name, "");
        self.write()
    }

    fn note_failure(&mut self, name: &str, why: &str) {
        let mut known = self.record.known.iter_mut();
        if let Some(known) = known.find(|it| it.name == name) {
            why.clone_into(&mut known.failed);
        }
    }

    /// The trial of the active environment, if it is on trial.
    #[must_use]
    pub fn trial(&self) -> Option<Trial> {
        let trial = Trial::read(&self.zonepath)?;
        (trial.name == self.record.active).then_some(trial)
    }

    /// Goes back from an environment that did not come up to the one before it, and gives its name;
    /// `None` when there is no trial or nothing to go back to. Only for a zone that is down.
    ///
    /// # Errors
    /// As those of [`Environments::settle`]; call that again to go on.
    pub fn fall_back(&mut self, why: &str) -> Result<Option<String>, EnvironmentError> {
        let Some(trial) = self.trial().filter(|it| self.has(&it.previous)) else {
            return Ok(None);
        };
        self.complete()?;
        self.note_failure(&trial.name, why);
        self.record.next = Some(trial.previous);
        self.write()?;
        self.settle()
    }

    /// Makes the environment that was activated the root, when another one is it, and gives its
    /// name. It is on trial then, see [`Trial`]. Only for a zone that is down.
    ///
    /// # Errors
    /// A rename fails; call again to go on.
    pub fn settle(&mut self) -> Result<Option<String>, EnvironmentError> {
        let Some(next) = self.record.next.clone() else {
            return Ok(None);
        };
        let root = self.zonepath.join("root");
        let folder = self.zonepath.join(FOLDER);
        let (old, new) = (folder.join(&self.record.active), folder.join(&next));
        let is = |path: &Path| fs::symlink_metadata(path).is_ok_and(|it| it.is_dir());
        let trial = Trial::of_switch(&self.zonepath, &self.record.active, &next);
        if let Some(trial) = &trial {
            trial.write(&self.zonepath)?;
        }
        if is(&root) && is(&new) && !is(&old) {
            move_to(&root, &old)?;
        }
        if is(&new) && is(&old) && !is(&root) {
            move_to(&new, &root)?;
        }
        if is(&new) || !is(&old) || !is(&root) {
            let zonepath = self.zonepath.clone();
            return Err(EnvironmentError::Lost {
                zonepath,
                name: next,
            });
        }
        self.record.active.clone_from(&next);
        self.record.next = None;
        self.write()?;
        if trial.is_none() {
            Trial::end(&self.zonepath)?;
        }
        Ok(Some(next))
    }

    /// Completes a switch that somebody began, who died.
    pub(crate) fn complete(&mut self) -> Result<(), EnvironmentError> {
        if self.is_half_switched() {
            self.settle()?;
        }
        Ok(())
    }

    /// Whether somebody began a switch who died in the middle of it.
    pub(crate) fn is_half_switched(&self) -> bool {
        let is_gone = || self.record.next.is_some() && !self.zonepath.join("root").exists();
        self.half_switched().is_some() || is_gone()
    }

    /// The one whose files are the root already, although the record does not say so yet.
    fn half_switched(&self) -> Option<&str> {
        let next = self.record.next.as_deref()?;
        let folder = self.zonepath.join(FOLDER);
        (!folder.join(next).exists() && folder.join(&self.record.active).exists()).then_some(next)
    }

    /// Removes an environment.
    ///
    /// # Errors
    /// It is active now or at the next boot, or cannot be removed.
    pub fn destroy(&mut self, name: &str) -> Result<(), EnvironmentError> {
        self.complete()?;
        self.known(name)?;
        if name == self.record.active || name == self.next() {
            return Err(EnvironmentError::Active(name.to_owned()));
        }
        if self.trial().is_some_and(|trial| trial.previous == name) {
            return Err(EnvironmentError::Fallback(name.to_owned()));
        }
        let driver = self.prepare()?;
        let gone = self
            .zonepath
            .join(FOLDER)
            .join(format!("{}{name}", UNFINISHED[1]));
        let place = self.path(name);
        fs::rename(&place, &gone).map_err(failed("remove", &place))?;
        self.record.known.retain(|it| it.name != name);
        self.write()?;
        Ok(driver.destroy(&gone)?)
    }

    /// Has the root hold the files of `from`, a frozen root in the same file system, as if nothing
    /// had happened since. What the root held is removed, other environments stay. Only for a zone
    /// that is down.
    ///
    /// # Errors
    /// The copy fails; the root is as it was then.
    pub fn replace(
        &mut self,
        from: &Path,
        progress: &dyn Progress,
    ) -> Result<Copied, EnvironmentError> {
        self.complete()?;
        let driver = self.prepare()?;
        let new = self
            .zonepath
            .join(FOLDER)
            .join(format!("{}root", UNFINISHED[0]));
        let copied = driver.copy(from, &new, false, progress)?;
        driver.exchange(&new, &self.zonepath.join("root"))?;
        driver.destroy(&new)?;
        Ok(copied)
    }

    /// Takes the root at `from`, which lies in the same file system, in as an environment.
    ///
    /// # Errors
    /// The name is taken, or the root cannot be moved.
    pub fn adopt(
        &mut self,
        name: &str,
        uuid: &str,
        created: i64,
        from: &Path,
    ) -> Result<(), EnvironmentError> {
        checked(name)?;
        self.complete()?;
        if self.has(name) {
            return Err(EnvironmentError::Exists(name.to_owned()));
        }
        let driver = self.prepare()?;
        driver.rename(from, &self.zonepath.join(FOLDER).join(name))?;
        self.record.known.push(Known {
            name: name.to_owned(),
            uuid: uuid.to_owned(),
            created,
            failed: String::new(),
        });
        self.write()
    }

    /// Gives an environment another name.
    ///
    /// # Errors
    /// The new name is taken.
    pub fn rename(&mut self, name: &str, to: &str) -> Result<(), EnvironmentError> {
        checked(to)?;
        self.complete()?;
        self.known(name)?;
        if self.has(to) {
            return Err(EnvironmentError::Exists(to.to_owned()));
        }
        if self.record.next.is_some() && (name == self.next() || name == self.record.active) {
            return Err(EnvironmentError::Active(name.to_owned()));
        }
        self.prepare()?;
        let trial = self.trial();
        if name == self.record.active {
            self.record.active = to.to_owned();
        } else {
            let place = self.path(name);
            let new = self.zonepath.join(FOLDER).join(to);
            fs::rename(&place, &new).map_err(failed("rename", &place))?;
        }
        let mut known = self.record.known.iter_mut();
        if let Some(known) = known.find(|it| it.name == name) {
            known.name = to.to_owned();
        }
        self.write()?;
        let renamed = |it: String| if it == name { to.to_owned() } else { it };
        trial.map_or(Ok(()), |trial| {
            let renamed = Trial {
                name: renamed(trial.name),
                previous: renamed(trial.previous),
                ..trial
            };
            Ok(renamed.write(&self.zonepath)?)
        })
    }
}

/// A rename that outlives a power loss.
fn move_to(from: &Path, to: &Path) -> Result<(), EnvironmentError> {
    fs::rename(from, to).map_err(failed("move", from))?;
    durability::sync_rename(from, to).map_err(failed("sync the place of", to))
}

fn checked(name: &str) -> Result<(), EnvironmentError> {
    match name::is_fine(name) {
        true => Ok(()),
        false => Err(EnvironmentError::Name(name.to_owned())),
    }
}

/// When a folder changed last, seconds since 1970.
fn changed(path: &Path) -> i64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::symlink_metadata(path).map_or(0, |it| it.ctime())
}

#[cfg(test)]
mod tests {
    use zones_archive::Silent;

    use super::*;
    use crate::example::Zone;

    fn version(zonepath: &Path) -> String {
        let root = crate::look(&zonepath.join("root")).unwrap();
        let text = root.read(Path::new("version"), 9).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn write(zonepath: &Path, text: &str) {
        let root = crate::open(&zonepath.join("root")).unwrap();
        let stamp = zones_sys::Stamp::root(0o644);
        root.write(Path::new("version"), text.as_bytes(), stamp)
            .unwrap();
    }

    #[test]
    fn a_rollback_brings_the_old_files_back() {
        let folder = Zone::new();
        let path = folder.path();
        let mut all = Environments::open(path).unwrap();
        assert_eq!(
            (all.active(), all.next(), all.all().len()),
            ("zbe", "zbe", 1)
        );
        all.create("before", "zbe", 7, &Silent).unwrap();
        write(path, "2");
        all.activate("before").unwrap();
        let mut all = Environments::open(path).unwrap();
        assert_eq!((all.active(), all.next()), ("zbe", "before"));
        assert_eq!(all.settle().unwrap().as_deref(), Some("before"));
        assert_eq!(version(path), "1");
        let mut all = Environments::open(path).unwrap();
        assert_eq!(all.settle().unwrap(), None);
        assert_eq!((all.active(), all.all().len()), ("before", 2));
        assert!(matches!(
            all.destroy("before"),
            Err(EnvironmentError::Active(_))
        ));
        all.rename("zbe", "broken").unwrap();
        let refused = all.destroy("broken");
        assert!(matches!(refused, Err(EnvironmentError::Fallback(_))));
        Trial::end(path).unwrap();
        all.destroy("broken").unwrap();
        assert!(matches!(
            all.activate("broken"),
            Err(EnvironmentError::Unknown(_))
        ));
        assert_eq!(Environments::open(path).unwrap().all().len(), 1);
    }

    /// Whatever of the two renames and the record a killed process left out.
    #[test]
    fn a_switch_that_was_killed_is_completed() {
        for steps in 0..3 {
            let folder = Zone::new();
            let path = folder.path();
            let mut all = Environments::open(path).unwrap();
            all.create("before", "zbe", 7, &Silent).unwrap();
            write(path, "2");
            all.activate("before").unwrap();
            if steps > 0 {
                fs::rename(path.join("root"), path.join("be/zbe")).unwrap();
            }
            if steps > 1 {
                fs::rename(path.join("be/before"), path.join("root")).unwrap();
            }
            let mut all = Environments::open(path).unwrap();
            assert_eq!(all.all().len(), 2, "{steps}");
            all.settle().unwrap();
            assert_eq!(version(path), "1", "{steps}");
            let all = Environments::open(path).unwrap();
            assert_eq!((all.active(), all.next()), ("before", "before"), "{steps}");
            assert_eq!(all.all().len(), 2, "{steps}");
        }
    }

    #[test]
    fn an_environment_that_does_not_come_up_is_left_for_the_one_before() {
        let folder = Zone::new();
        let path = folder.path();
        let mut all = Environments::open(path).unwrap();
        assert_eq!(all.trial(), None);
        for name in ["new", "newer"] {
            all.create(name, "zbe", 7, &Silent).unwrap();
        }
        all.activate("new").unwrap();
        all.settle().unwrap();
        let trial = all.trial().unwrap();
        assert_eq!(
            (trial.name.as_str(), trial.previous.as_str()),
            ("new", "zbe")
        );
        // Another one before the first has come up: the way back leads to what has.
        all.activate("newer").unwrap();
        all.settle().unwrap();
        assert_eq!(all.trial().unwrap().previous, "zbe");
        let back = all.fall_back("init ended").unwrap();
        assert_eq!(back.as_deref(), Some("zbe"));
        let mut all = Environments::open(path).unwrap();
        assert_eq!(
            (all.active(), all.next(), all.trial()),
            ("zbe", "zbe", None)
        );
        let newer = all.all().iter().find(|it| it.name == "newer").unwrap();
        assert_eq!(newer.failed, "init ended");
        assert_eq!(all.fall_back("again").unwrap(), None);
        // Asked for again it gets another chance.
        all.activate("newer").unwrap();
        all.settle().unwrap();
        assert!(all.all().iter().all(|it| it.failed.is_empty()));
        Trial::end(path).unwrap();
        all.activate("zbe").unwrap();
        all.settle().unwrap();
        assert_eq!(all.trial().unwrap().previous, "newer");
    }

    #[test]
    fn what_was_half_made_or_half_removed_is_swept() {
        let folder = Zone::new();
        let path = folder.path();
        fs::create_dir_all(path.join("be/.new-a/deep")).unwrap();
        fs::create_dir_all(path.join("be/.gone-b")).unwrap();
        let mut all = Environments::open(path).unwrap();
        assert_eq!(all.all().len(), 1);
        all.create("c", "zbe", 7, &Silent).unwrap();
        let names: Vec<_> = fs::read_dir(path.join("be")).unwrap().flatten().collect();
        assert_eq!(names.len(), 2, "{names:?}");
        for name in ["", "a/b", ".x", "-x", "a b"] {
            let made = all.create(name, "zbe", 7, &Silent);
            assert!(matches!(made, Err(EnvironmentError::Name(_))), "{name}");
        }
        let made = all.create("c", "zbe", 7, &Silent);
        assert!(matches!(made, Err(EnvironmentError::Exists(_))));
    }
}
