//! Which driver keeps a zone: what was written down when it was made, else what suits the place.

use std::path::Path;

use rustix::fs::XattrFlags;

use crate::driver::{Choice, Driver, DriverKind, StorageError, choose_as};

/// Attribute of a zonepath: the name of the driver, and why it is the one, with a colon between.
const ATTRIBUTE: &str = "trusted.zones.storage";

/// What is written down for the zone that a folder belongs to: its zonepath, or a folder in that.
fn recorded(folder: &Path) -> Option<Choice> {
    let read = |path: &Path| {
        let mut value = [0; 256];
        let len = rustix::fs::lgetxattr(path, ATTRIBUTE, &mut value).ok()?;
        let text = std::str::from_utf8(value.get(..len)?).ok()?;
        let (name, why) = text.split_once(':')?;
        // Files may have come here from another file system, attributes and all.
        let choice = choose_as(path, Some(DriverKind::named(name)?)).ok()?;
        let why = why.to_owned();
        Some(Choice { why, ..choice })
    };
    read(folder).or_else(|| read(folder.parent()?))
}

/// Writes down which driver keeps the zone at a zonepath. Where nobody can, the place decides each
/// time, which comes to the same while nothing else was wished.
///
/// # Errors
/// The zonepath is gone.
pub fn record(zonepath: &Path, choice: &Choice) -> Result<(), StorageError> {
    use rustix::io::Errno;
    let kind = choice.driver.kind().as_str();
    let mut text = format!("{kind}:{}", choice.why);
    text.truncate(250);
    let written = rustix::fs::lsetxattr(zonepath, ATTRIBUTE, text.as_bytes(), XattrFlags::empty());
    match written {
        Ok(()) | Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::NOSPC) => Ok(()),
        Err(source) => Err(StorageError {
            driver: kind,
            verb: "write down the driver of",
            path: zonepath.to_owned(),
            source: source.into(),
        }),
    }
}

/// The driver of the zone that a folder belongs to, or of zones that will be made in it, and why.
///
/// # Errors
/// When the folder cannot be asked.
pub fn choice_of(folder: &Path) -> Result<Choice, StorageError> {
    match recorded(folder) {
        Some(choice) => Ok(choice),
        None => choose_as(folder, None),
    }
}

/// As [`choice_of`], without the reason.
///
/// # Errors
/// As those of `choice_of`.
pub fn choose(folder: &Path) -> Result<Box<dyn Driver>, StorageError> {
    Ok(choice_of(folder)?.driver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_keeps_the_driver_that_was_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let zonepath = folder.path().join("zone");
        std::fs::create_dir_all(zonepath.join("snap")).unwrap();
        let wished = choose_as(&zonepath, Some(DriverKind::Dir)).unwrap();
        record(&zonepath, &wished).unwrap();
        if !rustix::process::geteuid().is_root() {
            return;
        }
        for place in [zonepath.clone(), zonepath.join("snap")] {
            let found = choice_of(&place).unwrap();
            assert_eq!(found.driver.kind(), DriverKind::Dir);
            assert_eq!(found.why, "asked for");
        }
        // A neighbour is none of its business.
        let other = choice_of(folder.path()).unwrap();
        assert_eq!(other.why, choose_as(folder.path(), None).unwrap().why);
    }

    #[test]
    fn names_of_drivers_are_known() {
        for kind in DriverKind::ALL {
            assert_eq!(DriverKind::named(kind.as_str()), Some(kind));
        }
        assert_eq!(DriverKind::named("floppy"), None);
    }
}
