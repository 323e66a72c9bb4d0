//! Folders, links and licences.

use std::ffi::OsStr;
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;
use zones_ips::preserve::Removal;
use zones_ips::{ImagePath, quote};
use zones_sys::Stamp;

use super::folder::{kind, temp_name};
use super::hand::{Hand, failed};
use super::write::Temp;
use super::{ApplyError, extra};
use crate::plan::compare::hardlink_target;
use crate::plan::{Item, Step};

impl Hand<'_, '_> {
    /// Makes a folder, or sets owner and mode of the one that is there. Anything else in its
    /// place goes to lost+found, but for a link: somebody wants the content elsewhere.
    pub(super) fn dir(&mut self, item: Item) -> Result<(), ApplyError> {
        let path = self.job.path(item)?;
        let stamp = self.job.stamp(item)?;
        let folder = self.parent_made(path)?;
        let name = OsStr::new(path.name());
        // Until it has its owner, nobody else looks in.
        let first = if self.job.is_own(stamp) {
            stamp.mode
        } else {
            0o700
        };
        let found = folder.lstat(name).map(|stat| kind(&stat));
        match found {
            Ok(FileType::Directory) => {}
            Ok(FileType::Symlink) => {
                let target = folder.readlink(name).unwrap_or_default();
                return Err(ApplyError::Link {
                    path: path.to_owned(),
                    parent: path.to_owned(),
                    target: target.display().to_string(),
                });
            }
            Ok(_) => {
                self.salvage(path)?;
                folder
                    .mkdir(name, first)
                    .map_err(failed("make directory", path))?;
            }
            Err(Errno::NOENT) => folder
                .mkdir(name, first)
                .map_err(failed("make directory", path))?,
            Err(error) => return Err(failed("look at", path)(error)),
        }
        self.restamp(&folder, path, stamp, None)?;
        let action = self.job.plan.action(item);
        for (key, value) in extra::extras(action) {
            if folder.set_xattr(name, OsStr::new(&key), &value).is_err() {
                let text = format!("{path}: the attribute {key} cannot be set here");
                self.job.warn(text);
            }
        }
        for old in action.values("salvage-from") {
            self.take_back(old, path)?;
        }
        Ok(())
    }

    /// Makes a symbolic link, over whatever is in its place.
    pub(super) fn link(
        &mut self,
        step: &Step,
        item: Item,
        number: usize,
    ) -> Result<(), ApplyError> {
        let path = self.job.path(item)?;
        let target = self.job.plan.action(item).target().unwrap_or_default();
        self.clear(step)?;
        let folder = self.parent_made(path)?;
        let name = OsStr::new(path.name());
        match folder.symlink(Path::new(target), name) {
            Err(Errno::EXIST) => {}
            other => return other.map_err(failed("make the link", path)),
        }
        let found = folder.readlink(name);
        if found.is_ok_and(|found| found.as_os_str() == target) {
            return Ok(());
        }
        let temp = temp_name(number);
        let _ = folder.remove_all(&temp);
        folder
            .symlink(Path::new(target), &temp)
            .map_err(failed("make the link", path))?;
        self.place(&folder, path, |name| folder.rename_to(&temp, &folder, name))
    }

    /// Makes a hard link to a file of the image.
    pub(super) fn hardlink(
        &mut self,
        step: &Step,
        item: Item,
        number: usize,
    ) -> Result<(), ApplyError> {
        let path = self.job.path(item)?;
        let action = self.job.plan.action(item);
        let missing = || ApplyError::Target {
            path: path.to_owned(),
            target: action.target().unwrap_or_default().to_owned(),
        };
        let target = hardlink_target(action).ok_or_else(missing)?;
        self.clear(step)?;
        let Some(there) = self.parent_found(target.as_ref())? else {
            return Err(missing());
        };
        let target_name = OsStr::new(target.as_ref().name());
        let folder = self.parent_made(path)?;
        let stat = there.lstat(target_name).map_err(|_| missing())?;
        let inode = (stat.st_dev, stat.st_ino);
        let name = OsStr::new(path.name());
        // rename(2) does nothing when both names are one file already.
        if folder
            .lstat(name)
            .is_ok_and(|own| (own.st_dev, own.st_ino) == inode)
        {
            return Ok(());
        }
        let temp = temp_name(number);
        let _ = folder.remove_all(&temp);
        folder
            .link_from(&there, target_name, &temp)
            .map_err(failed("make the hard link", path))?;
        self.place(&folder, path, |name| folder.rename_to(&temp, &folder, name))
    }

    /// An edited file that a link follows goes to lost+found.
    fn clear(&mut self, step: &Step) -> Result<(), ApplyError> {
        match (step.from, step.removal) {
            (Some(from), Some(Removal::Salvage)) => {
                let path = self.job.path(from)?;
                self.salvage(path)
            }
            _ => Ok(()),
        }
    }

    /// Where a licence lies.
    pub(super) fn license_path(&self, item: Item) -> Option<ImagePath> {
        let stem = self.job.plan.fmri(item).stem().quoted();
        let name = quote::quote(self.job.plan.action(item).get("license")?);
        let top = &self.job.options.licenses;
        format!("{top}/{stem}/license.{name}").parse().ok()
    }

    /// Writes the text of a licence.
    pub(super) fn license(&mut self, item: Item, number: usize) -> Result<(), ApplyError> {
        let Some(path) = self.license_path(item) else {
            return Ok(());
        };
        let path = path.as_ref();
        let folder = self.parent_made(path)?;
        let temp = Temp::create(&folder, temp_name(number), 0o600);
        let mut temp = temp.map_err(failed("create", path))?;
        self.fill(item, &mut temp.file)?;
        let stamp = Stamp::root(0o444);
        self.set_owner(&folder, &temp.name, stamp)
            .and_then(|()| folder.chmod(&temp.name, stamp.mode))
            .map_err(failed("set the mode of", path))?;
        self.place(&folder, path, |name| temp.rename(name))
    }
}
