//! What killed commands leave at a zonepath: roots that were being made or removed, temporary
//! files, and half a switch between boot environments. Whoever has the lock of the zone removes it.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use zones_store::atomic;

use crate::choice::choose;
use crate::dir::NEW;
use crate::driver::{Driver, StorageError};
use crate::environment::{EnvironmentError, Environments};
use crate::overlay;

/// Begins the names of roots that are being made or removed.
pub(crate) const UNFINISHED: [&str; 2] = [".new-", ".gone-"];
/// Folders of roots at a zonepath.
const FOLDERS: [&str; 2] = ["be", "snap"];

/// Makes a folder of roots, and removes what a killed process left in it.
pub(crate) fn prepare(folder: &Path) -> Result<Box<dyn Driver>, StorageError> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(|error| StorageError {
        driver: "any",
        verb: "make the folder",
        path: folder.to_owned(),
        source: Errno::from_io_error(&error).unwrap_or(Errno::IO).into(),
    })?;
    let driver = choose(folder)?;
    atomic::sweep(folder);
    for root in unfinished(folder) {
        driver.destroy(&root)?;
    }
    Ok(driver)
}

/// Whether a name is one of what is not there for good.
fn is_unfinished(name: &str) -> bool {
    let mut prefixes = UNFINISHED.into_iter().chain([NEW]);
    prefixes.any(|prefix| name.starts_with(prefix))
}

fn names(folder: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|it| (it.file_name().to_string_lossy().into_owned(), it.path()))
}

/// Roots in a folder that were being made or removed.
fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let found = names(folder).filter(|(name, _)| is_unfinished(name));
    found.map(|(_, path)| path).collect()
}

/// Whether killed commands left something at a zonepath, or one is at work there. Reads only.
///
/// A zone that is up has its root where it belongs: half a switch between environments, which only
/// one that is down can be in the middle of, is then left to its daemon.
#[must_use]
pub fn has_leftovers(zonepath: &Path, is_up: bool) -> bool {
    let inner = FOLDERS.map(|folder| zonepath.join(folder));
    let mut folders = inner.iter().map(PathBuf::as_path).chain([zonepath]);
    let is_left = |name: &str| is_unfinished(name) || atomic::is_temporary(name);
    folders.any(|folder| names(folder).any(|(name, _)| is_left(&name)))
        || overlay::has_leftovers(zonepath)
        || !is_up && Environments::open(zonepath).is_ok_and(|it| it.is_half_switched())
}

/// Completes or removes it. Whoever calls has the lock of the zone. What is removed is no root of a
/// zone that is up, nor mounted by it: it never got, or has lost, the name of one.
///
/// # Errors
/// The first thing that cannot be removed; call again to go on.
pub fn repair(zonepath: &Path, is_up: bool) -> Result<(), EnvironmentError> {
    settle_layers(zonepath)?;
    let mut environments = Environments::open(zonepath)?;
    if !is_up && environments.is_half_switched() {
        environments.complete()?;
    }
    for folder in FOLDERS.map(|folder| zonepath.join(folder)) {
        if folder.is_dir() {
            prepare(&folder)?;
        }
    }
    if zonepath.is_dir() {
        atomic::sweep(zonepath);
        let driver = choose(zonepath)?;
        for root in unfinished(zonepath) {
            driver.destroy(&root)?;
        }
    }
    Ok(())
}

/// Completes, or takes back, what a killed command began with the layers of roots at a zonepath. It
/// is found where it was begun alone: this comes before such roots are put aside.
///
/// # Errors
/// The store of layers cannot be read or changed.
pub fn settle_layers(zonepath: &Path) -> Result<(), StorageError> {
    overlay::repair(zonepath).map_err(|source| StorageError {
        driver: "overlay",
        verb: "mend the layers of",
        path: zonepath.to_owned(),
        source: source.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::Zone;

    #[test]
    fn what_is_left_is_found_and_removed() {
        let zone = Zone::new();
        let path = zone.path();
        for folder in ["root", "be/new", "snap/s"] {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        assert!(!has_leftovers(path, false));
        for left in ["snap/.new-a", "snap/.gone-b", "be/.root-1", ".root-2"] {
            fs::create_dir_all(path.join(left).join("deep")).unwrap();
            assert!(has_leftovers(path, false), "{left}");
            repair(path, false).unwrap();
            assert!(!path.join(left).exists(), "{left}");
            assert!(!has_leftovers(path, false), "{left}");
        }
        fs::write(path.join("snap/..record.tmp-77"), "half").unwrap();
        assert!(has_leftovers(path, false));
        repair(path, false).unwrap();
        assert!(!has_leftovers(path, false));
        for folder in ["root", "be/new", "snap/s"] {
            assert!(path.join(folder).is_dir(), "{folder}");
        }
        // Half a switch, which only whoever boots the zone next may complete.
        let record = r#"{"active":"zbe","next":"new","known":[]}"#;
        fs::write(path.join("be/.record"), record).unwrap();
        fs::rename(path.join("root"), path.join("be/zbe")).unwrap();
        assert!(has_leftovers(path, false) && !has_leftovers(path, true));
        fs::create_dir(path.join("snap/.new-b")).unwrap();
        assert!(has_leftovers(path, true));
        repair(path, true).unwrap();
        assert!(!path.join("snap/.new-b").exists() && !path.join("root").exists());
        repair(path, false).unwrap();
        assert!(path.join("root").is_dir() && !has_leftovers(path, false));
        let gone = path.join("none");
        assert!(!has_leftovers(&gone, false));
        repair(&gone, false).unwrap();
        assert!(!gone.exists());
    }
}
