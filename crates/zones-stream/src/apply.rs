//! Lays records down below a root. What the records say comes from a stranger: no step goes through
//! a symbolic link, so none leaves the root.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid,
    XattrFlags,
};
use rustix::io::Errno;
use zones_archive::is_kept_xattr;
use zones_sys::{Dir, RootFd};
use zones_types::{IdRange, Shift};

use crate::error::StreamError;
use crate::record::{Meta, Record};

/// Bytes of content that one stream may lay down.
const BYTES_MAX: u64 = 1 << 44;
/// Records that it may have.
const RECORDS_MAX: u64 = 200_000_000;

/// What was laid down so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    bytes: u64,
    records: u64,
}

impl Counts {
    fn add(&mut self, bytes: u64) -> Result<(), StreamError> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.records += 1;
        let (limit, what) = match (self.bytes > BYTES_MAX, self.records > RECORDS_MAX) {
            (true, _) => (BYTES_MAX, "bytes"),
            (_, true) => (RECORDS_MAX, "records"),
            _ => return Ok(()),
        };
        Err(StreamError::TooBig { limit, what })
    }
}

/// A root that is being laid down.
#[derive(Debug)]
pub(crate) struct Tree {
    root: RootFd,
    /// From the numbers of the zone to those on disk: what the root is the difference to may be
    /// shifted.
    shift: Option<Shift>,
    /// The folder of the name before: names come folder by folder.
    near: Option<(PathBuf, Dir)>,
    /// The file whose data comes.
    file: Option<(PathBuf, File, u64)>,
}

impl Tree {
    /// Has all of it be on the disk, where that is not the one of `folder`, which is synced anyway.
    pub(crate) fn sync_beside(&self, folder: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::MetadataExt as _;
        let own = rustix::fs::fstat(&self.root)?.st_dev;
        match std::fs::metadata(folder)?.dev() == own {
            true => Ok(()),
            false => Ok(self.root.sync()?),
        }
    }

    pub(crate) fn new(root: RootFd) -> Self {
        let owner = root.lstat(Path::new("")).map_or(0, |it| it.st_uid);
        Self {
            root,
            shift: Shift::onto(owner),
            near: None,
            file: None,
        }
    }

    /// Does one step. Doing it again does no harm.
    pub(crate) fn apply(&mut self, record: Record, counts: &mut Counts) -> Result<(), StreamError> {
        let bytes = match &record {
            Record::Data { bytes, .. } => bytes.len() as u64,
            _ => 0,
        };
        counts.add(bytes)?;
        match record {
            Record::Context { file: None, .. } => self.file = None,
            Record::Context {
                file: Some(path), ..
            } => self.go_on(path)?,
            Record::Remove { path } => {
                self.file = None;
                self.near = None;
                self.within("remove", &path, |dir, name| dir.remove_all(name))?;
            }
            Record::Folder { path } => {
                self.within("make folder", &path, |dir, name| {
                    match dir.mkdir(name, 0o700) {
                        Err(Errno::EXIST) => dir.dir(name).map(drop),
                        other => other,
                    }
                })?;
            }
            Record::File { path, size } => {
                let file = self.within("write", &path, |dir, name| match dir.create(name) {
                    // From an earlier try.
                    Err(Errno::EXIST) => {
                        dir.unlink(name)?;
                        dir.create(name)
                    }
                    other => other,
                })?;
                set_size(&path, &file, size)?;
                self.file = Some((path, file, size));
            }
            Record::Patch { path, size } => {
                let file = self.writable(&path)?;
                set_size(&path, &file, size)?;
                self.file = Some((path, file, size));
            }
            Record::Data { offset, bytes } => {
                let (path, file) = self.piece(offset, bytes.len() as u64)?;
                let done = file.write_all_at(&bytes, offset);
                done.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
                    .map_err(StreamError::lay("write", path))?;
            }
            Record::Hole { offset, length } => {
                let (path, file) = self.piece(offset, length)?;
                punch(file, offset, length).map_err(StreamError::lay("write", path))?;
            }
            Record::Symlink { path, target } => {
                self.make("make link", &path, |dir, name| dir.symlink(&target, name))?;
            }
            Record::Link { path, target } => {
                let (from, from_name) =
                    crate::tree::parent(&self.root, &target).map_err(escape("link to", &target))?;
                self.make("make link", &path, |dir, name| {
                    dir.link_from(&from, from_name, name)
                })?;
            }
            Record::Node { path, mode, device } => {
                let kind = FileType::from_raw_mode(mode);
                let is_node = matches!(
                    kind,
                    FileType::Fifo
                        | FileType::Socket
                        | FileType::CharacterDevice
                        | FileType::BlockDevice
                );
                if !is_node {
                    let why = "a node of no known kind";
                    return Err(StreamError::Hostile { path, why });
                }
                self.make("make node", &path, |dir, name| {
                    dir.mknod(name, kind, 0o600, device)
                })?;
            }
            Record::Meta(meta) => self.meta(meta)?,
            Record::Begin { .. } | Record::Finish { .. } => {}
        }
        Ok(())
    }

    /// Runs `act` in the folder of `path`.
    fn within<T>(
        &mut self,
        what: &'static str,
        path: &Path,
        act: impl FnOnce(&Dir, &std::ffi::OsStr) -> rustix::io::Result<T>,
    ) -> Result<T, StreamError> {
        let fail = escape(what, path);
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Err(fail(Errno::INVAL));
        };
        let known = self.near.as_ref().is_some_and(|(at, _)| at == parent);
        if !known {
            let dir = self.root.dir_without_links(parent);
            self.near = Some((parent.to_owned(), dir.map_err(&fail)?));
        }
        match &self.near {
            Some((_, dir)) => act(dir, name).map_err(fail),
            None => Err(fail(Errno::NOENT)),
        }
    }

    /// Makes a new name; one that an earlier try left goes first.
    fn make(
        &mut self,
        what: &'static str,
        path: &Path,
        act: impl Fn(&Dir, &std::ffi::OsStr) -> rustix::io::Result<()>,
    ) -> Result<(), StreamError> {
        self.file = None;
        self.within(what, path, |dir, name| match act(dir, name) {
            Err(Errno::EXIST) => {
                dir.unlink(name)?;
                act(dir, name)
            }
            other => other,
        })
    }

    fn writable(&mut self, path: &Path) -> Result<File, StreamError> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = self.within("write", path, |dir, name| {
            rustix::fs::openat(dir.as_fd(), name, flags, Mode::empty()).map(File::from)
        })?;
        match file.metadata() {
            Ok(meta) if meta.is_file() => Ok(file),
            _ => Err(StreamError::Hostile {
                path: path.to_owned(),
                why: "it is no file, and data for it comes",
            }),
        }
    }

    /// A frame begins in the middle of a file.
    fn go_on(&mut self, path: PathBuf) -> Result<(), StreamError> {
        if self.file.as_ref().is_some_and(|(at, ..)| *at == path) {
            return Ok(());
        }
        let file = self.writable(&path)?;
        let size = file.metadata().map_or(0, |it| it.len());
        self.file = Some((path, file, size));
        Ok(())
    }

    /// The file at hand, if the piece lies in it.
    fn piece(&self, offset: u64, length: u64) -> Result<(&Path, &File), StreamError> {
        let Some((path, file, size)) = &self.file else {
            let text = "data of no file".to_owned();
            return Err(StreamError::Malformed(text));
        };
        match offset.checked_add(length) {
            Some(end) if end <= *size => Ok((path, file)),
            _ => Err(StreamError::Hostile {
                path: path.clone(),
                why: "data beyond the end of the file",
            }),
        }
    }

    fn meta(&mut self, meta: Meta) -> Result<(), StreamError> {
        self.file = None;
        if meta.path.as_os_str().is_empty() && meta.uid >= IdRange::COUNT {
            // It would say of all the other numbers that they are none of a zone.
            return Err(StreamError::Hostile {
                path: PathBuf::from("/"),
                why: "an owner of the root that no zone has",
            });
        }
        let meta = match &self.shift {
            Some(shift) => &meta.shifted(shift),
            None => &meta,
        };
        let path = &meta.path;
        if path.as_os_str().is_empty() {
            // The dot has the kernel follow the link in /proc, and only that.
            let via = format!("/proc/self/fd/{}/.", self.root.as_fd().as_raw_fd());
            return stamp(Path::new(&via), FileType::Directory, meta)
                .map_err(StreamError::lay("set the mode of", path));
        }
        self.within("set the mode of", path, |dir, name| {
            let kind = FileType::from_raw_mode(dir.lstat(name)?.st_mode);
            let via = format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd());
            stamp(&Path::new(&via).join(name), kind, meta)
        })
    }
}

/// A link where a folder should be is a stranger's way out.
fn escape(act: &'static str, path: &Path) -> impl Fn(Errno) -> StreamError {
    let path = path.to_owned();
    move |errno| match errno {
        Errno::LOOP | Errno::XDEV => StreamError::Hostile {
            path: path.clone(),
            why: "a path that leads through a symbolic link",
        },
        source => StreamError::lay(act, &path)(source),
    }
}

fn set_size(path: &Path, file: &File, size: u64) -> Result<(), StreamError> {
    rustix::fs::ftruncate(file, size).map_err(StreamError::lay("write", path))
}

fn punch(file: &File, offset: u64, length: u64) -> Result<(), Errno> {
    if length == 0 {
        return Ok(());
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(file, flags, offset, length) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        other => return other,
    }
    let zeros = vec![0; 64 << 10];
    let mut at = 0;
    while at < length {
        let now = usize::try_from(length - at)
            .unwrap_or(zeros.len())
            .min(zeros.len());
        let done = file.write_all_at(&zeros[..now], offset + at);
        done.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
        at += now as u64;
    }
    Ok(())
}

/// Owner first, since chown(2) clears set-id bits and capabilities. `via` is a path whose last name
/// is no link that would be followed: `kind` was asked just now, and nobody else writes here.
fn stamp(via: &Path, kind: FileType, meta: &Meta) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
    rustix::fs::chownat(CWD, via, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if kind != FileType::Symlink {
        let mode = Mode::from_raw_mode(meta.mode);
        rustix::fs::chmodat(CWD, via, mode, AtFlags::empty())?;
        if meta.is_old {
            remove_others(via, meta)?;
        }
        for (key, value) in &meta.xattrs {
            rustix::fs::lsetxattr(via, key, value, XattrFlags::empty())?;
        }
    }
    let time = Timespec {
        tv_sec: meta.mtime,
        tv_nsec: i64::from(meta.mtime_nanos.min(999_999_999)),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, via, &times, AtFlags::SYMLINK_NOFOLLOW)
}

/// Removes the attributes that the name has and `meta` has not.
fn remove_others(via: &Path, meta: &Meta) -> rustix::io::Result<()> {
    let mut list = vec![0_u8; 65_536];
    let used = match rustix::fs::llistxattr(via, &mut list) {
        Err(Errno::OPNOTSUPP) => 0,
        other => other?,
    };
    for key in list[..used].split(|it| *it == 0) {
        let Ok(key) = std::str::from_utf8(key) else {
            continue;
        };
        let is_wanted = meta.xattrs.iter().any(|(known, _)| known == key);
        if is_kept_xattr(key) && !is_wanted {
            rustix::fs::lremovexattr(via, key)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    /// A root, and a folder outside of it with a file that nothing may touch.
    fn tree() -> (tempfile::TempDir, Tree) {
        let temp = tempfile::tempdir().unwrap();
        for folder in ["root", "outside"] {
            fs::create_dir(temp.path().join(folder)).unwrap();
        }
        fs::write(temp.path().join("outside/file"), "outside").unwrap();
        symlink("../outside", temp.path().join("root/out")).unwrap();
        symlink("../outside/file", temp.path().join("root/link")).unwrap();
        let root = RootFd::open(&temp.path().join("root")).unwrap();
        (temp, Tree::new(root))
    }

    fn own(path: &str, mode: u32) -> Record {
        Record::Meta(Meta {
            path: PathBuf::from(path),
            mode,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            ..Meta::default()
        })
    }

    fn path(text: &str) -> PathBuf {
        PathBuf::from(text)
    }

    #[test]
    fn no_record_leads_out_of_the_root() {
        let size = 9;
        let hostile = [
            Record::Folder {
                path: path("out/new"),
            },
            Record::File {
                path: path("out/new"),
                size,
            },
            Record::File {
                path: path("out/file"),
                size,
            },
            Record::Patch {
                path: path("out/file"),
                size,
            },
            Record::Patch {
                path: path("link"),
                size,
            },
            Record::Remove {
                path: path("out/file"),
            },
            Record::Symlink {
                path: path("out/new"),
                target: path("x"),
            },
            Record::Link {
                path: path("new"),
                target: path("out/file"),
            },
            Record::Node {
                path: path("out/new"),
                mode: 0o010_644,
                device: 0,
            },
            Record::Node {
                path: path("new"),
                mode: 0o100_644,
                device: 0,
            },
            own("out/file", 0o777),
            Record::Context {
                root: 0,
                file: Some(path("link")),
            },
        ];
        let (temp, mut tree) = tree();
        let file = temp.path().join("outside/file");
        let before = fs::metadata(&file).unwrap();
        for record in hostile {
            let refused = tree.apply(record.clone(), &mut Counts::default());
            assert!(refused.is_err(), "{record:?}");
        }
        // These are about the link itself.
        for record in [
            own("link", 0o777),
            Record::Link {
                path: path("2"),
                target: path("link"),
            },
        ] {
            tree.apply(record, &mut Counts::default()).unwrap();
        }
        let after = fs::metadata(&file).unwrap();
        assert_eq!((after.mode(), after.nlink()), (before.mode(), 1));
        assert_eq!(fs::read_to_string(&file).unwrap(), "outside");
        assert_eq!(
            fs::read_dir(temp.path().join("outside")).unwrap().count(),
            1
        );
    }

    #[test]
    fn data_stays_in_its_file() {
        let (temp, mut tree) = tree();
        let mut counts = Counts::default();
        let data = |offset, bytes: &[u8]| Record::Data {
            offset,
            bytes: bytes.to_vec(),
        };
        assert!(tree.apply(data(0, b"x"), &mut counts).is_err());
        let file = Record::File {
            path: path("f"),
            size: 4,
        };
        tree.apply(file, &mut counts).unwrap();
        tree.apply(data(2, b"xy"), &mut counts).unwrap();
        for (offset, bytes) in [(3, &b"xy"[..]), (u64::MAX, b"x"), (5, b"")] {
            assert!(
                tree.apply(data(offset, bytes), &mut counts).is_err(),
                "{offset}"
            );
        }
        let hole = |offset, length| Record::Hole { offset, length };
        assert!(tree.apply(hole(2, u64::MAX), &mut counts).is_err());
        tree.apply(hole(3, 1), &mut counts).unwrap();
        assert_eq!(fs::read(temp.path().join("root/f")).unwrap(), b"\0\0x\0");
        counts.bytes = BYTES_MAX;
        let full = tree.apply(data(0, b"x"), &mut counts);
        assert!(matches!(full, Err(StreamError::TooBig { .. })));
    }

    /// As after a crash, when a frame comes again.
    #[test]
    fn every_step_may_be_done_again() {
        let (temp, mut tree) = tree();
        let steps = [
            Record::Remove { path: path("out") },
            Record::Folder { path: path("d") },
            Record::File {
                path: path("d/f"),
                size: 3,
            },
            Record::Data {
                offset: 0,
                bytes: b"abc".to_vec(),
            },
            own("d/f", 0o640),
            Record::Link {
                path: path("d/g"),
                target: path("d/f"),
            },
            Record::Symlink {
                path: path("d/s"),
                target: path("f"),
            },
            Record::Node {
                path: path("d/p"),
                mode: 0o010_600,
                device: 0,
            },
            own("d", 0o750),
        ];
        for _ in 0..2 {
            for step in &steps {
                tree.apply(step.clone(), &mut Counts::default()).unwrap();
            }
        }
        let root = temp.path().join("root");
        assert_eq!(fs::read(root.join("d/g")).unwrap(), b"abc");
        assert_eq!(fs::metadata(root.join("d/f")).unwrap().nlink(), 2);
        assert_eq!(fs::metadata(root.join("d")).unwrap().mode() & 0o7777, 0o750);
        assert_eq!(fs::read_link(root.join("d/s")).unwrap(), path("f"));
    }
}
