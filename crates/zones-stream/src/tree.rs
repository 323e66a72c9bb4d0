//! A tree as records: whole, or as the difference to another tree.

mod content;
mod names;

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use zones_archive::{Aspect, Change, ChangeKind, DiffOptions, Progress, differ, is_kept_xattr};
use zones_sys::RootFd;
use zones_types::Shift;

use crate::error::StreamError;
use crate::frame::{FRAME_MAX, FrameWriter, Kind};
use crate::record::{Meta, Record};
use names::Names;

/// Bytes of records after which a frame is full.
const FRAME_FULL: usize = 1 << 20;

/// Gathers records into frames.
pub(crate) struct RecordWriter<'a, W> {
    frames: FrameWriter<W>,
    buffer: Vec<u8>,
    root: u32,
    file: Option<PathBuf>,
    pub(crate) progress: &'a dyn Progress,
}

impl<'a, W: Write> RecordWriter<'a, W> {
    pub(crate) fn new(frames: FrameWriter<W>, progress: &'a dyn Progress) -> Self {
        Self {
            frames,
            buffer: Vec::with_capacity(FRAME_FULL),
            root: 0,
            file: None,
            progress,
        }
    }

    pub(crate) fn put(&mut self, record: &Record) -> Result<(), StreamError> {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        if !self.buffer.is_empty() && self.buffer.len() + bytes.len() > FRAME_FULL {
            self.flush()?;
        }
        if self.buffer.is_empty() {
            let context = Record::Context {
                root: self.root,
                file: self.file.clone(),
            };
            context.encode(&mut self.buffer);
        }
        if self.buffer.len() + bytes.len() > FRAME_MAX {
            let path = self.file.clone().unwrap_or_default();
            return Err(StreamError::TooMuch(path));
        }
        self.buffer.extend(bytes);
        match record {
            Record::Begin { root } => self.root = *root,
            Record::File { path, .. } | Record::Patch { path, .. } => {
                self.file = Some(path.clone());
            }
            Record::Data { .. } | Record::Hole { .. } => {}
            _ => self.file = None,
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        if self.progress.cancelled() {
            return Err(StreamError::Cancelled);
        }
        let before = self.frames.written();
        if !self.buffer.is_empty() {
            self.frames.frame(Kind::Records, &self.buffer)?;
            self.buffer.clear();
        }
        let more = self.frames.written() - before;
        self.progress.advance(zones_archive::Phase::Stream, more);
        Ok(())
    }

    /// Ends the stream; the bytes that went out.
    pub(crate) fn end(mut self) -> Result<u64, StreamError> {
        self.flush()?;
        self.frames.end()
    }
}

/// Writes what makes `old`, or an empty folder, the tree `new`.
pub(crate) fn write<W: Write>(
    out: &mut RecordWriter<'_, W>,
    old: Option<&RootFd>,
    new: &RootFd,
) -> Result<(), StreamError> {
    let options = DiffOptions {
        times: true,
        trust_stamps: true,
        may_differ: None,
    };
    let changes = differ(old, new, options, out.progress)?;
    let names = Names::of(&changes, old.is_some(), new)?;
    let top = new.lstat(Path::new(""));
    let top = top.map_err(StreamError::read(Path::new("")))?;
    let mut writer = TreeWriter {
        out,
        old,
        new,
        shift: Shift::off(top.st_uid),
        sent: HashMap::new(),
    };
    writer.removals(&changes)?;
    for change in &changes {
        writer.change(change, &names)?;
    }
    writer.relink(&names)?;
    // The last ones first: a folder gets its time when all in it is done.
    for (path, is_old) in touched(&changes, &names).iter().rev() {
        writer.meta(path, *is_old)?;
    }
    Ok(())
}

/// Whether a name of the old tree must go before the new one can be made.
fn is_replaced(change: &Change) -> bool {
    let parts = [Aspect::Kind, Aspect::Links, Aspect::Target, Aspect::Device];
    match &change.kind {
        ChangeKind::Removed(_) => true,
        ChangeKind::Added(_) => false,
        ChangeKind::Changed(aspects) => aspects.iter().any(|it| parts.contains(it)),
    }
}

/// The folders whose owner, mode and time are to be set once all is in them, sorted; `true` for
/// those that the old tree has.
fn touched(changes: &[Change], names: &Names) -> Vec<(PathBuf, bool)> {
    // The root itself always: not every copy of a root takes it over.
    let mut all = HashMap::from([(PathBuf::new(), true)]);
    for change in changes {
        let is_folder = names.folders.contains(&change.path);
        if is_folder {
            let is_old = matches!(change.kind, ChangeKind::Changed(_)) && !is_replaced(change);
            all.insert(change.path.clone(), is_old);
        }
        if let Some(parent) = change.path.parent()
            && !names.gone.contains(parent)
        {
            all.entry(parent.to_owned()).or_insert(true);
        }
    }
    for name in names.relinked() {
        if let Some(parent) = name.parent() {
            all.entry(parent.to_owned()).or_insert(true);
        }
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort();
    all
}

struct TreeWriter<'w, 'a, W> {
    out: &'w mut RecordWriter<'a, W>,
    old: Option<&'w RootFd>,
    new: &'w RootFd,
    /// From the numbers on disk to those of the zone, where these are others.
    shift: Option<Shift>,
    /// The first name, as the receiver has it by now, of files with several.
    sent: HashMap<(u64, u64), PathBuf>,
}

impl<W: Write> TreeWriter<'_, '_, W> {
    fn removals(&mut self, changes: &[Change]) -> Result<(), StreamError> {
        let mut top: Option<&Path> = None;
        for change in changes.iter().filter(|it| is_replaced(it)) {
            if top.is_some_and(|top| change.path.starts_with(top)) {
                continue;
            }
            top = Some(&change.path);
            let path = change.path.clone();
            self.out.put(&Record::Remove { path })?;
        }
        Ok(())
    }

    fn change(&mut self, change: &Change, names: &Names) -> Result<(), StreamError> {
        let path = &change.path;
        if matches!(change.kind, ChangeKind::Removed(_)) || path.as_os_str().is_empty() {
            return Ok(());
        }
        let is_new = matches!(change.kind, ChangeKind::Added(_)) || is_replaced(change);
        let stat = self.stat(path)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            let path = path.clone();
            return match is_new {
                true => self.out.put(&Record::Folder { path }),
                false => Ok(()),
            };
        }
        if stat.st_nlink > 1 {
            let identity = (stat.st_dev, stat.st_ino);
            let known = self.sent.get(&identity).or_else(|| names.anchor(identity));
            if let Some(target) = known.cloned() {
                return self.link(path, target, is_new);
            }
            self.sent.insert(identity, path.clone());
        }
        let has_content = match &change.kind {
            ChangeKind::Changed(aspects) => aspects.contains(&Aspect::Content),
            _ => false,
        };
        match (is_new, kind) {
            (true, _) => self.make(path, &stat, kind)?,
            (false, FileType::RegularFile) if has_content => self.patch(path, &stat)?,
            (false, _) => {}
        }
        self.meta(path, !is_new)
    }

    /// Another name of a file that the receiver has. Where the old tree has the name, it is made
    /// anew: layers may have parted it from the others when those changed.
    fn link(&mut self, path: &Path, target: PathBuf, is_new: bool) -> Result<(), StreamError> {
        let path = path.to_owned();
        if !is_new {
            self.out.put(&Record::Remove { path: path.clone() })?;
        }
        self.out.put(&Record::Link { path, target })
    }

    /// Names that did not change of files that got one more, for the same reason.
    fn relink(&mut self, names: &Names) -> Result<(), StreamError> {
        for (anchor, others) in names.groups() {
            for path in others {
                self.link(path, anchor.clone(), false)?;
            }
        }
        Ok(())
    }

    fn make(&mut self, path: &Path, stat: &Stat, kind: FileType) -> Result<(), StreamError> {
        let at = path.to_owned();
        let record = match kind {
            FileType::RegularFile => return self.file(path, stat),
            FileType::Symlink => {
                let (dir, name) = self.parent(path)?;
                let target = dir.readlink(name).map_err(StreamError::read(path))?;
                Record::Symlink { path: at, target }
            }
            _ => Record::Node {
                path: at,
                mode: stat.st_mode,
                device: stat.st_rdev,
            },
        };
        self.out.put(&record)
    }

    fn parent<'p>(
        &self,
        path: &'p Path,
    ) -> Result<(zones_sys::Dir, &'p std::ffi::OsStr), StreamError> {
        parent(self.new, path).map_err(StreamError::read(path))
    }

    fn stat(&self, path: &Path) -> Result<Stat, StreamError> {
        if path.as_os_str().is_empty() {
            return self.new.lstat(path).map_err(StreamError::read(path));
        }
        let (dir, name) = self.parent(path)?;
        dir.lstat(name).map_err(StreamError::read(path))
    }

    fn meta(&mut self, path: &Path, is_old: bool) -> Result<(), StreamError> {
        let stat = self.stat(path)?;
        let xattrs = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => Vec::new(),
            _ if path.as_os_str().is_empty() => {
                let dir = self.new.dir(path).map_err(StreamError::read(path))?;
                dir.own_xattrs().map_err(StreamError::read(path))?
            }
            _ => {
                let (dir, name) = self.parent(path)?;
                dir.xattrs(name).map_err(StreamError::read(path))?
            }
        };
        let is_kept = |key: &std::ffi::OsStr| key.to_str().is_some_and(is_kept_xattr);
        let meta = Meta {
            path: path.to_owned(),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: stat.st_mtime,
            mtime_nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            is_old,
            xattrs: xattrs.into_iter().filter(|(key, _)| is_kept(key)).collect(),
        };
        let meta = match &self.shift {
            Some(shift) => meta.shifted(shift),
            None => meta,
        };
        self.out.put(&Record::Meta(meta))
    }
}

/// The folder of a path that leads through no link, and its last name.
pub(crate) fn parent<'p>(
    root: &RootFd,
    path: &'p Path,
) -> rustix::io::Result<(zones_sys::Dir, &'p std::ffi::OsStr)> {
    let name = path.file_name().ok_or(rustix::io::Errno::INVAL)?;
    let parent = path.parent().unwrap_or_else(|| Path::new(""));
    Ok((root.dir_without_links(parent)?, name))
}
