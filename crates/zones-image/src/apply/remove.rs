//! What goes.

use std::ffi::OsStr;

use rustix::fs::FileType;
use rustix::io::Errno;
use zones_ips::preserve::Removal;
use zones_ips::{ActionKind, ImagePath, ImagePathRef};

use super::ApplyError;
use super::folder::kind;
use super::hand::{Hand, failed};
use crate::plan::collect::is_at_or_below;
use crate::plan::decide::going;
use crate::plan::{Disk, Item, Step};

impl Hand<'_, '_> {
    /// Takes one thing away. A folder goes later, when it is empty.
    pub(super) fn remove(&mut self, step: &Step) -> Result<(), ApplyError> {
        let Some(item) = step.from else { return Ok(()) };
        match self.job.plan.action(item).kind() {
            ActionKind::File => self.remove_file(step, item),
            ActionKind::Link | ActionKind::Hardlink => {
                let path = self.job.path(item)?;
                self.unlink(path)
            }
            ActionKind::License => {
                let Some(path) = self.license_path(item) else {
                    return Ok(());
                };
                self.unlink(path.as_ref())?;
                self.drop_empty(path.as_ref().parent());
                Ok(())
            }
            // Users and groups have their own step, all others are not on disk.
            _ => Ok(()),
        }
    }

    fn remove_file(&mut self, step: &Step, item: Item) -> Result<(), ApplyError> {
        let path = self.job.path(item)?;
        let action = self.job.plan.action(item);
        let is_editable = action.attributes().contains("preserve");
        let removal = match step.removal() {
            // It may have been edited since.
            planned if is_editable => going(action, &self.disk).unwrap_or(planned),
            planned => planned,
        };
        match removal {
            Removal::Leave => Ok(()),
            Removal::Delete => self.unlink(path),
            Removal::Salvage => self.salvage(path),
        }
    }

    /// Removes a folder of the image's own, if nothing is in it any more.
    fn drop_empty(&mut self, path: Option<ImagePathRef<'_>>) {
        let Some(path) = path else { return };
        self.folders.forget();
        if let Ok(folder) = self.folders.folder(path.parent()) {
            let _ = folder.rmdir(OsStr::new(path.name()));
        }
    }

    /// Removes a name that is no folder. What is not there, or only behind a link, is not ours.
    pub(super) fn unlink(&mut self, path: ImagePathRef<'_>) -> Result<(), ApplyError> {
        let folder = match self.parent_found(path) {
            Ok(Some(folder)) => folder,
            Ok(None) => return Ok(()),
            Err(error @ ApplyError::Link { .. }) => {
                self.job.warn(format!("{path} is not removed: {error}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let name = OsStr::new(path.name());
        match folder.lstat(name) {
            Err(Errno::NOENT) => return Ok(()),
            Ok(stat) if kind(&stat) == FileType::Directory => {
                let text = format!("{path} is not removed: somebody made a directory of it");
                self.job.warn(text);
                return Ok(());
            }
            _ => {}
        }
        match folder.unlink(name) {
            Err(Errno::NOENT) => Ok(()),
            other => other.map_err(failed("remove", path)),
        }
    }

    /// Takes an editable file along to its new name, before its old folder goes.
    pub(super) fn carry(&mut self, step: &Step) -> Result<(), ApplyError> {
        let (Some(from), Some(to)) = (step.from, step.to) else {
            return Ok(());
        };
        let kinds = [from, to].map(|item| self.job.plan.action(item).kind());
        if kinds != [ActionKind::File; 2] {
            return Ok(());
        }
        let (old, new) = (self.job.path(from)?, self.job.path(to)?);
        let is_file = |path| self.disk.is_file(path).map_err(failed("look at", path));
        if old == new || is_file(new)? || !is_file(old)? {
            return Ok(());
        }
        let there = self.parent_made(new)?;
        let Some(here) = self.parent_found(old)? else {
            return Ok(());
        };
        here.rename_to(OsStr::new(old.name()), &there, OsStr::new(new.name()))
            .map_err(failed("rename", old))
    }

    /// Removes a folder that nobody delivers any more, with what is left in it to lost+found.
    pub(super) fn remove_folder(&mut self, path: &ImagePath) -> Result<(), ApplyError> {
        let options = self.job.options;
        let own = [&options.salvage, &options.licenses];
        if own.iter().any(|own| is_at_or_below(own, path)) {
            return Ok(());
        }
        let path = path.as_ref();
        let Ok(folder) = self.folders.folder(path.parent()) else {
            return Ok(());
        };
        let name = OsStr::new(path.name());
        match folder.rmdir(name) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {
                self.folders.forget();
                Ok(())
            }
            Err(Errno::BUSY) => {
                let text = format!("{path} is not removed: something is mounted there");
                self.job.warn(text);
                Ok(())
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) => match self.salvage(path) {
                Err(ApplyError::Io { source, .. })
                    if source.raw_os_error() == Some(Errno::BUSY.raw_os_error()) =>
                {
                    let text = format!("{path} is not removed: something is mounted below it");
                    self.job.warn(text);
                    Ok(())
                }
                other => other,
            },
            Err(error) => Err(failed("remove the directory", path)(error)),
        }
    }
}
