//! The dataset of a zonepath, which holds those of the zone's roots: what a zone takes is seen,
//! sent and limited by it. Source: zoneadm(8), "install"; zones(7), the layout of datasets.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::command;
use super::dataset::{Census, Place, pool};
use crate::driver::Cause;

const PROPERTIES: [&str; 4] = ["-o", "sharenfs=off", "-o", "sharesmb=off"];

/// The name that the dataset of a zonepath has, if it has one: that of a dataset mounted at the
/// folder above, and of the folder itself.
fn name_for(zonepath: &Path) -> Option<String> {
    let parent = zonepath.parent()?;
    let place = Place::of(parent).ok()?;
    let leaf = zonepath.file_name()?.to_str()?;
    let is_fine = leaf
        .chars()
        .all(|it| it.is_ascii_alphanumeric() || "-_.:".contains(it));
    let is_top = parent == place.mountpoint;
    (is_fine && is_top).then(|| format!("{}/{leaf}", place.holder))
}

/// Whether a folder is the top of this dataset.
fn is_at(zonepath: &Path, dataset: &str) -> bool {
    Place::of(zonepath).is_ok_and(|it| it.holder == dataset && it.mountpoint == zonepath)
}

/// The dataset that is mounted at a zonepath.
pub(super) fn of(zonepath: &Path) -> Option<String> {
    let place = Place::of(zonepath).ok()?;
    (place.mountpoint == zonepath).then_some(place.holder)
}

/// Waits until nobody gives a dataset to a folder beside this one, or takes one away. A command
/// that does so has the lock as well: it may outlive whoever started it, and the next one must not
/// overtake it.
fn lock(zonepath: &Path) -> Result<File, Cause> {
    let parent = zonepath.parent().ok_or(Errno::INVAL)?;
    let lock = File::open(parent);
    let lock = lock.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    Ok(lock)
}

/// Makes a zonepath that is not there yet; where it cannot be a dataset of its own, a folder.
pub(super) fn make(zonepath: &Path) -> Result<(), Cause> {
    if let Some(name) = name_for(zonepath) {
        let lock = lock(zonepath)?;
        match command::run_locked(&lock, "create", &PROPERTIES, &[&name]) {
            Ok(_) if is_at(zonepath, &name) => return Ok(()),
            // Mounted elsewhere, or not at all: not what a zonepath is.
            Ok(_) => drop(command::run("destroy", &[], &name)?),
            Err(error) if error.is_taken() => {
                mount(zonepath, &name)?;
                if is_at(zonepath, &name) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    let made = fs::DirBuilder::new().mode(0o700).create(zonepath);
    made.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO).into())
}

/// Mounts the dataset of a zonepath that has one and is not mounted.
pub(super) fn find(zonepath: &Path) -> Result<(), Cause> {
    let Some(name) = name_for(zonepath).filter(|it| !is_at(zonepath, it)) else {
        return Ok(());
    };
    let _lock = lock(zonepath)?;
    mount(zonepath, &name)
}

/// As [`find`], with the lock held.
fn mount(zonepath: &Path, name: &str) -> Result<(), Cause> {
    if is_at(zonepath, name) {
        return Ok(());
    }
    const ASK: [&str; 4] = ["-H", "-p", "-o", "mountpoint"];
    let place = match command::run("list", &ASK, name) {
        Err(error) if error.is_missing() => return Ok(()),
        other => other?,
    };
    if Path::new(place.trim_end_matches('\n')) == zonepath {
        command::run("mount", &[], name)?;
    }
    Ok(())
}

/// Gives a zonepath another place; `false` when all must be copied. Nothing is at `to`, or an empty
/// folder.
pub(super) fn relocate(from: &Path, to: &Path) -> Result<bool, Cause> {
    let Some(old) = of(from) else {
        return Ok(crate::driver::rename_home(from, to)?);
    };
    let new = name_for(to).filter(|it| pool(it) == pool(&old));
    let Some(new) = new.filter(|_| of(to).is_none()) else {
        return Ok(false);
    };
    // The kernel makes it again.
    let _ = fs::remove_dir(to);
    let lock = lock(from)?;
    command::run_locked::<&str>(&lock, "rename", &[], &[&old, &new])?;
    mount(to, &new)?;
    let _ = fs::remove_dir(from);
    match is_at(to, &new) {
        true => Ok(true),
        false => {
            command::run_locked::<&str>(&lock, "rename", &[], &[&new, &old])?;
            mount(from, &old)?;
            Ok(false)
        }
    }
}

/// Removes an empty zonepath. Of its dataset nothing is removed that zones did not make.
pub(super) fn remove(zonepath: &Path) -> Result<(), Cause> {
    // Else the next zone of this name would find the dataset, and lose it to what goes on.
    let lock = lock(zonepath)?;
    let place = match Place::of(zonepath) {
        // What went on has taken it away.
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let Some(dataset) = of(zonepath) else {
        // Others may have their roots there, too.
        let _ = command::run("destroy", &[], &place.container());
        return remove_folder(zonepath);
    };
    // A pool does not go with a zone.
    if pool(&dataset) == dataset {
        return Ok(());
    }
    let container = place.container();
    if let Some(census) = Census::of(&dataset)? {
        census.without(&container).plan(&dataset)?;
    }
    match command::run_locked::<&str>(&lock, "destroy", &[], &[&container]) {
        Err(error) if !error.is_missing() => return Err(error.into()),
        _ => {}
    }
    super::remove(&dataset, Some(&lock))?;
    remove_folder(zonepath)
}

fn remove_folder(zonepath: &Path) -> Result<(), Cause> {
    match fs::remove_dir(zonepath) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Errno::from_io_error(&error).unwrap_or(Errno::IO).into())
        }
        _ => Ok(()),
    }
}
