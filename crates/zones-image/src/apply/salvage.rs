//! lost+found: what nobody packaged is moved, never deleted.

use std::ffi::OsStr;
use std::io;

use rustix::fs::{FileType, Gid, Mode, Uid};
use rustix::io::Errno;
use zones_ips::{ImagePath, ImagePathRef};
use zones_sys::Dir;

use super::ApplyError;
use super::folder::{is_free, kind};
use super::hand::{Hand, failed};
use crate::plan::collect::is_at_or_below;

/// Names tried for one thing within one second.
const TRIES: usize = 1000;

impl Hand<'_, '_> {
    /// Moves what is at `path`, if anything is, to lost+found.
    pub(super) fn salvage(&mut self, path: ImagePathRef<'_>) -> Result<(), ApplyError> {
        let Some(folder) = self.parent_found(path)? else {
            return Ok(());
        };
        let name = OsStr::new(path.name());
        match folder.lstat(name) {
            Ok(_) => {}
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(failed("look at", path)(error)),
        }
        let options = self.job.options;
        let base = format!("{}/{path}-{}", options.salvage, options.time);
        for at in 0..TRIES {
            let place = match at {
                0 => base.clone(),
                more => format!("{base}-{more}"),
            };
            let place: ImagePath = place
                .parse()
                .map_err(|_| failed("move to lost+found", path)(Errno::NAMETOOLONG))?;
            let there = self.parent_made(place.as_ref())?;
            let there_name = OsStr::new(place.as_ref().name());
            if !is_free(&there, there_name) {
                continue;
            }
            move_to(&folder, name, &there, there_name)
                .map_err(failed("move to lost+found", path))?;
            self.folders.forget();
            self.job.note_salvage(&path.to_owned(), place);
            return Ok(());
        }
        Err(failed("move to lost+found", path)(Errno::EXIST))
    }

    /// Moves what this operation salvaged from `old` into the folder `new`.
    pub(super) fn take_back(&mut self, old: &str, new: ImagePathRef<'_>) -> Result<(), ApplyError> {
        let old = old.trim_matches('/');
        for (was, is) in self.job.salvaged() {
            if !is_at_or_below(&was, old) {
                continue;
            }
            let rest = was[old.len()..].trim_start_matches('/').to_owned();
            if rest.is_empty() {
                self.take_all(is.as_ref(), new)?;
                continue;
            }
            let Ok(target) = format!("{new}/{rest}").parse::<ImagePath>() else {
                continue;
            };
            self.take_one(is.as_ref(), target.as_ref())?;
        }
        Ok(())
    }

    fn take_all(&mut self, from: ImagePathRef<'_>, to: ImagePathRef<'_>) -> Result<(), ApplyError> {
        let Ok(folder) = self.folders.folder(Some(from)) else {
            return Ok(());
        };
        for item in folder.items().map_err(failed("read", from))? {
            let Some(name) = item.name.to_str() else {
                continue;
            };
            let paths = [from, to].map(|top| format!("{top}/{name}").parse::<ImagePath>());
            if let [Ok(from), Ok(to)] = paths {
                self.take_one(from.as_ref(), to.as_ref())?;
            }
        }
        Ok(())
    }

    /// What is in the way stays, and so does what was salvaged.
    fn take_one(&mut self, from: ImagePathRef<'_>, to: ImagePathRef<'_>) -> Result<(), ApplyError> {
        let there = self.parent_made(to)?;
        let Some(here) = self.parent_found(from)? else {
            return Ok(());
        };
        let (name, new_name) = (OsStr::new(from.name()), OsStr::new(to.name()));
        if is_free(&there, new_name) && here.lstat(name).is_ok() {
            move_to(&here, name, &there, new_name).map_err(failed("move back", to))?;
            self.folders.forget();
        }
        Ok(())
    }
}

/// Moves by renaming; a regular file also to another file system.
fn move_to(from: &Dir, name: &OsStr, to: &Dir, new_name: &OsStr) -> io::Result<()> {
    match from.rename_to(name, to, new_name) {
        Err(Errno::XDEV) if kind(&from.lstat(name)?) == FileType::RegularFile => {}
        other => return Ok(other?),
    }
    let mut source = from.open_file(name)?;
    let stat = rustix::fs::fstat(&source)?;
    let mut copy = to.create(new_name)?;
    io::copy(&mut source, &mut copy)?;
    let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::fchown(&copy, Some(owner.0), Some(owner.1))?;
    rustix::fs::fchmod(&copy, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    copy.sync_all()?;
    Ok(from.unlink(name)?)
}
