//! A tar stream of a stranger, laid down below a root.

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::FileType;
use tar::{Archive, Entry, EntryType, Header};
use zones_sys::RootFd;

use crate::compress::{Compression, Sums, decoder};
use crate::error::ArchiveError;
use crate::layer::{LayError, Layer, Meta, apply_folders, is_kept_xattr};
use crate::pax::{self, Records};
use crate::pipe::ahead;
use crate::progress::{Phase, Progress};

/// What to do with device nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// Leave them out and count them: the engine makes its own `/dev`.
    Skip,
    /// Stop at the first.
    Refuse,
    /// Make them. Only for archives the administrator made.
    Keep,
}

/// How to unpack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What errors call the archive.
    pub name: String,
    /// Device nodes.
    pub devices: Devices,
    /// Only members below this folder, which becomes the root (`rootfs` in some images).
    pub below: Option<PathBuf>,
    /// Stop beyond so many bytes of content.
    pub max_bytes: u64,
    /// Stop beyond so many members.
    pub max_members: u64,
}

impl Options {
    /// The defaults: devices skipped, 1 TiB and 50 million members at most.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            devices: Devices::Skip,
            below: None,
            max_bytes: 1 << 40,
            max_members: 50_000_000,
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Members laid down.
    pub members: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Device nodes left out.
    pub devices_skipped: u64,
    /// Extended attributes left out, of kinds that belong to the machine.
    pub xattrs_skipped: u64,
}

/// Unpacks the archive file at `path`, which the caller trusts to be the right one.
///
/// # Errors
/// See [`ArchiveError`]; what was laid down until then stays, the caller wipes the root.
pub fn unpack_file(
    path: &Path,
    root: &RootFd,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report, ArchiveError> {
    let open = |source| ArchiveError::Open {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(open)?;
    let size = file.metadata().map_err(open)?.len();
    progress.begin(Phase::Unpack, size);
    let counted = Counted {
        from: file,
        progress,
    };
    let report = unpack(
        BufReader::with_capacity(256 << 10, counted),
        root,
        options,
        progress,
    );
    progress.end(Phase::Unpack);
    report
}

/// Unpacks a stream, plain or compressed; the format is told by its first bytes.
///
/// # Errors
/// See [`ArchiveError`]; what was laid down until then stays, the caller wipes the root.
pub fn unpack<R: BufRead + Send>(
    mut from: R,
    root: &RootFd,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report, ArchiveError> {
    let damaged = |source| ArchiveError::Damaged {
        archive: options.name.clone(),
        after: String::from("(none)"),
        source,
    };
    let how = Compression::sniff(from.fill_buf().map_err(damaged)?);
    let plain = decoder(how, Sums::Check, from).map_err(damaged)?;
    let mut job = Job {
        options,
        layer: Layer::new(root),
        report: Report::default(),
        last: String::from("(none)"),
        records: Records::default(),
        progress,
    };
    std::thread::scope(|scope| job.run(how, ahead(scope, plain)))?;
    apply_folders(root, job.layer.into_folders())?;
    Ok(job.report)
}

/// A reader that reports what goes through it.
struct Counted<'a, R> {
    from: R,
    progress: &'a dyn Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(out)?;
        self.progress.advance(Phase::Unpack, n as u64);
        Ok(n)
    }
}

struct Job<'a> {
    options: &'a Options,
    layer: Layer<'a>,
    report: Report,
    last: String,
    records: Records,
    progress: &'a dyn Progress,
}

impl Job<'_> {
    fn run(&mut self, how: Compression, plain: impl Read) -> Result<(), ArchiveError> {
        let (plain, records) = pax::Reader::new(plain);
        self.records = records;
        let mut archive = Archive::new(plain);
        let entries = archive.entries().map_err(|e| self.damaged(e))?;
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(_) if self.report.members == 0 && how == Compression::None => {
                    return Err(self.no_tar(how));
                }
                Err(e) => return Err(self.damaged(e)),
            };
            if self.progress.cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            self.member(entry)?;
        }
        if self.report == Report::default() {
            Err(self.no_tar(how))
        } else {
            Ok(())
        }
    }

    fn no_tar(&self, how: Compression) -> ArchiveError {
        ArchiveError::NoTar {
            archive: self.options.name.clone(),
            compression: how.name(),
        }
    }

    fn damaged(&self, source: io::Error) -> ArchiveError {
        let (archive, after) = (self.options.name.clone(), self.last.clone());
        ArchiveError::Damaged {
            archive,
            after,
            source,
        }
    }

    /// The name below the root, or nothing if it is not wanted.
    fn place(&self, raw: &[u8]) -> Result<Option<PathBuf>, ArchiveError> {
        let path = member_path(raw).ok_or_else(|| ArchiveError::Escape {
            archive: self.options.name.clone(),
            member: String::from_utf8_lossy(raw).into_owned(),
        })?;
        Ok(match &self.options.below {
            None => Some(path),
            Some(below) => path.strip_prefix(below).ok().map(Path::to_owned),
        })
    }

    fn member<R: Read>(&mut self, mut entry: Entry<'_, R>) -> Result<(), ArchiveError> {
        let raw = entry.path_bytes().into_owned();
        self.last = String::from_utf8_lossy(&raw).into_owned();
        let Some(path) = self.place(&raw)? else {
            return Ok(());
        };
        let meta = self.meta(entry.header())?;
        self.report.members += 1;
        self.check_limit(self.report.members, self.options.max_members, "members")?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Directory => self.layer.folder(&path, meta)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                // Old tar formats mark a folder by a slash at the end.
                if raw.ends_with(b"/") {
                    self.layer.folder(&path, meta)?;
                    return Ok(());
                }
                let size = entry.size();
                self.report.bytes = self.report.bytes.saturating_add(size);
                self.check_limit(self.report.bytes, self.options.max_bytes, "bytes")?;
                let done = self.layer.file(&path, &meta, size, &mut entry, &mut |_| ());
                done.map_err(|error| match error {
                    // The archive is at fault, not the place where its files go.
                    LayError::Content { source, .. } => self.damaged(source),
                    short @ LayError::Short { .. } => {
                        self.damaged(io::Error::new(io::ErrorKind::UnexpectedEof, short))
                    }
                    other => other.into(),
                })?;
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = Path::new(OsStr::from_bytes(&target));
                self.layer.symlink(&path, target, &meta)?;
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                match self.place(&target)? {
                    Some(target) => self.layer.hard_link(&path, &target)?,
                    None => return Err(self.kind("hard link to a member that is left out")),
                }
            }
            EntryType::Fifo => self.layer.node(&path, FileType::Fifo, 0, &meta)?,
            EntryType::Char | EntryType::Block => self.device(&path, &meta, &entry)?,
            other => return Err(self.kind(&format!("type {:?}", char::from(other.as_byte())))),
        }
        Ok(())
    }

    fn kind(&self, kind: &str) -> ArchiveError {
        let (archive, member) = (self.options.name.clone(), self.last.clone());
        ArchiveError::Kind {
            archive,
            member,
            kind: kind.to_owned(),
        }
    }

    fn check_limit(&self, now: u64, limit: u64, what: &'static str) -> Result<(), ArchiveError> {
        if now > limit {
            let archive = self.options.name.clone();
            return Err(ArchiveError::TooBig {
                archive,
                limit,
                what,
            });
        }
        Ok(())
    }

    fn device<R: Read>(
        &mut self,
        path: &Path,
        meta: &Meta,
        entry: &Entry<'_, R>,
    ) -> Result<(), ArchiveError> {
        match self.options.devices {
            Devices::Skip => {
                self.report.devices_skipped += 1;
                self.report.members -= 1;
            }
            Devices::Refuse => {
                let (archive, member) = (self.options.name.clone(), self.last.clone());
                return Err(ArchiveError::Device { archive, member });
            }
            Devices::Keep => {
                let header = entry.header();
                let number = |n: io::Result<Option<u32>>| n.ok().flatten().unwrap_or(0);
                let device = rustix::fs::makedev(
                    number(header.device_major()),
                    number(header.device_minor()),
                );
                let kind = if header.entry_type() == EntryType::Char {
                    FileType::CharacterDevice
                } else {
                    FileType::BlockDevice
                };
                self.layer.node(path, kind, device, meta)?;
            }
        }
        Ok(())
    }

    fn meta(&mut self, header: &Header) -> Result<Meta, ArchiveError> {
        match member_meta(header, &self.records) {
            Ok((meta, skipped)) => {
                self.report.xattrs_skipped += skipped;
                Ok(meta)
            }
            Err(e) if e.kind() == io::ErrorKind::Unsupported => Err(self.kind(&e.to_string())),
            Err(e) => Err(self.damaged(e)),
        }
    }
}

/// Mode, owner, time and attributes of a member, and how many attributes were left out.
///
/// Numbers come from the header, or from records of an extended header where that has no room.
///
/// # Errors
/// When the header is malformed; `Unsupported` for a sparse file in pax format.
pub fn member_meta(header: &Header, records: &Records) -> io::Result<(Meta, u64)> {
    let id = |n: io::Result<u64>| n.map(|n| u32::try_from(n).unwrap_or(u32::MAX - 1));
    let mut meta = Meta {
        mode: header.mode()? & 0o7777,
        uid: id(header.uid())?,
        gid: id(header.gid())?,
        mtime: header.mtime()?.cast_signed(),
        mtime_nanos: 0,
        xattrs: Vec::new(),
    };
    let (mut skipped, mut lists, mut is_sparse) = (0, 0, false);
    let is_whole = records.each(|key, value| {
        let text = std::str::from_utf8(value).unwrap_or_default();
        match key {
            "uid" => meta.uid = text.parse().unwrap_or(meta.uid),
            "gid" => meta.gid = text.parse().unwrap_or(meta.gid),
            "mtime" => {
                let time = time(text).unwrap_or((meta.mtime, 0));
                (meta.mtime, meta.mtime_nanos) = time;
            }
            "GNU.sparse.major" => is_sparse = true,
            // Says more than the mode does.
            "SCHILY.acl.access" if text.contains("mask:") => lists += 1,
            "SCHILY.acl.default" if !text.is_empty() => lists += 1,
            _ => match key.strip_prefix("SCHILY.xattr.") {
                Some(name) if is_kept_xattr(name) => {
                    meta.xattrs.push((name.into(), value.to_vec()));
                }
                Some(_) => skipped += 1,
                None => {}
            },
        }
    });
    if !is_whole {
        let kind = io::ErrorKind::InvalidData;
        return Err(io::Error::new(kind, "malformed extended header"));
    }
    if is_sparse {
        let kind = io::ErrorKind::Unsupported;
        return Err(io::Error::new(kind, "sparse file in pax format"));
    }
    // An access list as text names users of the machine where it was made; the attribute has their
    // numbers.
    let is_list = |name: &str| name.starts_with("system.posix_acl_");
    let attributes = meta.xattrs.iter();
    let known = attributes.filter(|(name, _)| name.to_str().is_some_and(is_list));
    skipped += (lists as u64).saturating_sub(known.count() as u64);
    Ok((meta, skipped))
}

/// Seconds since 1970 and nanoseconds, of a decimal number.
fn time(text: &str) -> Option<(i64, u32)> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok()?;
    let nanos: u32 = format!("{part:0<9}").get(..9)?.parse().ok()?;
    match text.starts_with('-') && nanos > 0 {
        // Before 1970 the part counts away from zero.
        true => Some((whole.checked_sub(1)?, 1_000_000_000 - nanos)),
        false => Some((whole, nanos)),
    }
}

/// The place of a member below the root: a leading `/` or `./` is dropped, `..` gives nothing.
#[must_use]
pub fn member_path(raw: &[u8]) -> Option<PathBuf> {
    if raw.contains(&0) {
        return None;
    }
    let mut path = PathBuf::new();
    for part in Path::new(OsStr::from_bytes(raw)).components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => path.push(name),
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}
