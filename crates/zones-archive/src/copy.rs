//! A folder of the host, copied in with owners, modes, times, links, holes and attributes; blocks
//! are shared where the file system can.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use zones_sys::{Dir, RootFd};

use crate::error::ArchiveError;
use crate::layer::{Layer, Meta, apply_folders, is_kept_xattr};
use crate::progress::{Phase, Progress};
use crate::unpack::Devices;

/// What was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// Files, folders and links.
    pub members: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Of these, bytes whose blocks are shared with the source and cost no room.
    pub shared: u64,
    /// Device nodes left out.
    pub devices_skipped: u64,
    /// Sockets left out; they mean nothing without their process.
    pub sockets_skipped: u64,
    /// Folders of other file systems, which are left empty (`/proc` of a live system).
    pub mounts_skipped: u64,
}

/// Copies all below `from` into `to`. Never leaves the file system of `from`.
///
/// # Errors
/// See [`ArchiveError`]; what was laid down until then stays, the caller wipes the root.
pub fn copy_tree(
    from: &RootFd,
    to: &RootFd,
    devices: Devices,
    progress: &dyn Progress,
) -> Result<CopyReport, ArchiveError> {
    copy_tree_except(from, to, devices, &|_| false, progress)
}

/// As [`copy_tree`]; folders for which `leave_out` says so stay empty.
///
/// # Errors
/// As those of `copy_tree`.
pub fn copy_tree_except(
    from: &RootFd,
    to: &RootFd,
    devices: Devices,
    leave_out: &dyn Fn(&Path) -> bool,
    progress: &dyn Progress,
) -> Result<CopyReport, ArchiveError> {
    let top = Path::new("/");
    let read = |source| ArchiveError::Read {
        path: top.to_owned(),
        source,
    };
    let device = from.lstat(top).map_err(read)?.st_dev;
    progress.begin(Phase::Copy, 0);
    let mut copy = Copy {
        layer: Layer::new(to),
        report: CopyReport::default(),
        links: HashMap::new(),
        device,
        devices,
        leave_out,
        progress,
    };
    let done = copy.folder(&from.dir(top).map_err(read)?, Path::new(""));
    progress.end(Phase::Copy);
    done?;
    apply_folders(to, copy.layer.into_folders())?;
    Ok(copy.report)
}

struct Copy<'a> {
    layer: Layer<'a>,
    report: CopyReport,
    /// Inode to the first name of files with several names.
    links: HashMap<u64, PathBuf>,
    device: u64,
    devices: Devices,
    leave_out: &'a dyn Fn(&Path) -> bool,
    progress: &'a dyn Progress,
}

impl Copy<'_> {
    fn folder(&mut self, dir: &Dir, at: &Path) -> Result<(), ArchiveError> {
        let read = |source| ArchiveError::Read {
            path: at.to_owned(),
            source,
        };
        for item in dir.items().map_err(read)? {
            if self.progress.cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            let path = at.join(&item.name);
            match self.one(dir, &path) {
                // The source may be a live system; what vanished meanwhile is not there.
                Err(ArchiveError::Read {
                    source: Errno::NOENT,
                    ..
                }) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn one(&mut self, dir: &Dir, path: &Path) -> Result<(), ArchiveError> {
        let read = |source| ArchiveError::Read {
            path: path.to_owned(),
            source,
        };
        let name = path.file_name().ok_or_else(|| read(Errno::INVAL))?;
        let stat = dir.lstat(name).map_err(read)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mut meta = meta_of(&stat);
        if kind != FileType::Symlink {
            let all = dir.xattrs(name).map_err(read)?;
            meta.xattrs = all
                .into_iter()
                .filter(|(k, _)| k.to_str().is_some_and(is_kept_xattr))
                .collect();
        }
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&stat.st_ino) {
                self.layer.hard_link(path, first)?;
                self.count(0);
                return Ok(());
            }
            self.links.insert(stat.st_ino, path.to_owned());
        }
        match kind {
            FileType::Directory => {
                self.layer.folder(path, meta)?;
                self.count(0);
                if (self.leave_out)(path) {
                    return Ok(());
                }
                if stat.st_dev == self.device {
                    return self.folder(&dir.dir(name).map_err(read)?, path);
                }
                self.report.mounts_skipped += 1;
            }
            FileType::RegularFile => {
                let file = dir.open_file(name).map_err(read)?;
                // Somebody may have put a fifo of the same name there meanwhile.
                let size = match file.metadata() {
                    Ok(meta) if meta.is_file() => meta.len(),
                    _ => return Err(read(Errno::INVAL)),
                };
                self.report.shared += self.layer.file_from(path, &meta, &file)?;
                self.count(size);
            }
            FileType::Symlink => {
                let target = dir.readlink(name).map_err(read)?;
                self.layer.symlink(path, &target, &meta)?;
                self.count(0);
            }
            FileType::Fifo => {
                self.layer.node(path, kind, 0, &meta)?;
                self.count(0);
            }
            FileType::CharacterDevice | FileType::BlockDevice => match self.devices {
                Devices::Keep => {
                    self.layer.node(path, kind, stat.st_rdev, &meta)?;
                    self.count(0);
                }
                Devices::Skip => self.report.devices_skipped += 1,
                Devices::Refuse => {
                    return Err(ArchiveError::Device {
                        archive: String::from("the source folder"),
                        member: path.display().to_string(),
                    });
                }
            },
            FileType::Socket | FileType::Unknown => self.report.sockets_skipped += 1,
        }
        Ok(())
    }

    fn count(&mut self, bytes: u64) {
        self.report.members += 1;
        self.report.bytes += bytes;
        self.progress.advance(Phase::Copy, 1);
    }
}

fn meta_of(stat: &Stat) -> Meta {
    Meta {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: stat.st_mtime,
        mtime_nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        xattrs: Vec::new(),
    }
}
