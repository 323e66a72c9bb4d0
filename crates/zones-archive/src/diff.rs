//! What is different between two trees of strangers: which names came, went or changed, in what.

mod candidates;
mod content;
mod links;
mod named;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use zones_sys::{Dir, RootFd};
use zones_types::Shift;

use crate::error::ArchiveError;
use crate::layer::is_kept_xattr;
use crate::progress::{Phase, Progress};
pub use candidates::Candidates;
use content::same_content;
use links::Links;
use named::Named;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Below the root; the empty path is the root itself.
    pub path: PathBuf,
    /// What happened to the name.
    pub kind: ChangeKind,
}

/// What happened to a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only the new tree has it.
    Added(FileType),
    /// Only the old tree has it.
    Removed(FileType),
    /// Both have it. At least one aspect, in the order of [`Aspect`].
    Changed(Vec<Aspect>),
}

/// In what a name differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// It was a file and is a folder, or the like. No other aspect is told then.
    Kind,
    /// The twelve mode bits.
    Mode,
    /// User or group.
    Owner,
    /// The length of a file; its content is another one then, too.
    Size,
    /// The bytes of a file. Holes count as zeros.
    Content,
    /// The text of a symbolic link.
    Target,
    /// The number of a device.
    Device,
    /// Extended attributes, among them access lists and capabilities; see [`is_kept_xattr`].
    Attributes,
    /// With which other names that both trees have it is one file.
    Links,
    /// When it changed last. Told only if [`DiffOptions::times`] asks for it.
    Time,
}

impl Aspect {
    /// The word for it in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Size => "size",
            Self::Content => "content",
            Self::Target => "target",
            Self::Device => "device",
            Self::Attributes => "attributes",
            Self::Links => "links",
            Self::Time => "time",
        }
    }
}

/// How trees are compared. The default reads the content of all files that both have and says
/// nothing of times.
#[derive(Clone, Copy, Default)]
pub struct DiffOptions<'a> {
    /// Tell also of names whose time of change is all that differs.
    pub times: bool,
    /// Take the content of a file for the same, unread, where size, inode number, time of change
    /// and time of status are the same, as they are in a snapshot of the file system.
    pub trust_stamps: bool,
    /// Paths that may differ, as a storage driver may know them: all others are passed over, but
    /// for other names of the files that are named. Nothing: all are looked at.
    pub may_differ: Option<&'a Candidates>,
}

impl std::fmt::Debug for DiffOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiffOptions")
            .field("times", &self.times)
            .field("trust_stamps", &self.trust_stamps)
            .field("may_differ", &self.may_differ.map(Candidates::len))
            .finish()
    }
}

/// What is in `new` and not, or otherwise, in `old`, sorted by path, so that a folder comes before
/// what is in it. Without `old` all of `new` is added. Everything below a folder that came or went
/// is named. Folders of other file systems are not entered. Owners that are shifted on disk, as the
/// owner of the root folder tells ([`Shift`]), are compared as the zone sees them. Memory grows
/// with the differences and with the names of files that have several, not with the trees.
///
/// # Errors
/// [`ArchiveError::Read`] for what cannot be read (also a path longer than the kernel takes),
/// [`ArchiveError::Cancelled`].
pub fn differ(
    old: Option<&RootFd>,
    new: &RootFd,
    options: DiffOptions<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Change>, ArchiveError> {
    let top = Path::new("");
    let stat = |root: &RootFd| root.lstat(top).map_err(|e| read(top, e));
    let (was, is) = (old.map(stat).transpose()?, stat(new)?);
    let mut walk = Walk {
        roots: (old, new),
        devices: (was.map_or(0, |it| it.st_dev), is.st_dev),
        shifts: Shifts {
            old: was.and_then(|it| Shift::off(it.st_uid)),
            new: Shift::off(is.st_uid),
        },
        options,
        changes: Vec::new(),
        links: Links::default(),
        compared: HashMap::new(),
        named: Named::default(),
        folders: Vec::new(),
    };
    progress.begin(Phase::Compare, 0);
    let done = walk
        .top(was.as_ref(), &is)
        .and_then(|()| walk.run(progress))
        .and_then(|()| walk.other_names(progress));
    progress.end(Phase::Compare);
    done?;
    let Walk {
        mut changes, links, ..
    } = walk;
    for path in links.changed() {
        add_links(&mut changes, path);
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(merged(changes))
}

fn read(path: &Path, source: Errno) -> ArchiveError {
    let path = path.to_owned();
    ArchiveError::Read { path, source }
}

fn add_links(changes: &mut Vec<Change>, path: PathBuf) {
    let kind = ChangeKind::Changed(vec![Aspect::Links]);
    changes.push(Change { path, kind });
}

/// One change for each path; they are sorted.
fn merged(changes: Vec<Change>) -> Vec<Change> {
    let mut all: Vec<Change> = Vec::with_capacity(changes.len());
    for change in changes {
        match (all.last_mut(), change) {
            (
                Some(Change {
                    path: before,
                    kind: ChangeKind::Changed(known),
                }),
                Change {
                    path,
                    kind: ChangeKind::Changed(more),
                },
            ) if *before == path => {
                known.extend(more);
                known.sort_unstable();
            }
            (_, change) => all.push(change),
        }
    }
    all
}

/// Which of the trees have a folder that is to be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Old,
    New,
    Both,
}

/// From the numbers on disk to those of the zone, where these are others.
struct Shifts {
    old: Option<Shift>,
    new: Option<Shift>,
}

impl Shifts {
    fn owners(&self, was: &Stat, is: &Stat) -> [(u32, u32); 2] {
        let of = |shift: &Option<Shift>, stat: &Stat| {
            let id = |id| shift.as_ref().map_or(id, |it| it.id(id));
            (id(stat.st_uid), id(stat.st_gid))
        };
        [of(&self.old, was), of(&self.new, is)]
    }
}

struct Walk<'a> {
    roots: (Option<&'a RootFd>, &'a RootFd),
    devices: (u64, u64),
    shifts: Shifts,
    options: DiffOptions<'a>,
    changes: Vec<Change>,
    links: Links,
    /// Whether two files with several names have the same content.
    compared: HashMap<(u64, u64), bool>,
    /// Files with several names of which one is among [`DiffOptions::may_differ`].
    named: Named,
    /// Folders to enter; the last is the next.
    folders: Vec<(PathBuf, Which)>,
}

impl Walk<'_> {
    fn top(&mut self, was: Option<&Stat>, is: &Stat) -> Result<(), ArchiveError> {
        let top = PathBuf::new();
        let Some(was) = was else {
            self.note(&top, ChangeKind::Added(FileType::Directory));
            self.folders.push((top, Which::New));
            return Ok(());
        };
        let mut aspects = self.plain_aspects(was, is);
        if let Some(old) = self.roots.0 {
            let attributes = |root: &RootFd, shift: &Option<Shift>| {
                let dir = root.dir(&top).map_err(|e| read(&top, e))?;
                let all = dir.own_xattrs().map_err(|e| read(&top, e))?;
                Ok::<_, ArchiveError>(kept(all, shift.as_ref()))
            };
            let new = attributes(self.roots.1, &self.shifts.new)?;
            if attributes(old, &self.shifts.old)? != new {
                aspects.push(Aspect::Attributes);
            }
        }
        self.changed(&top, aspects);
        self.folders.push((top, Which::Both));
        Ok(())
    }

    fn run(&mut self, progress: &dyn Progress) -> Result<(), ArchiveError> {
        while let Some((path, which)) = self.folders.pop() {
            if progress.cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            let (old, new) = self.open(&path, which)?;
            let names = names(&path, old.as_ref(), new.as_ref())?;
            progress.advance(Phase::Compare, names.len() as u64);
            let first = self.folders.len();
            for name in names {
                self.name(&path.join(&name), &name, (old.as_ref(), new.as_ref()))?;
            }
            // The first name is entered first: it lies near what was just read.
            self.folders[first..].reverse();
        }
        Ok(())
    }

    /// A folder of the trees that have it.
    fn open(&self, path: &Path, which: Which) -> Result<(Option<Dir>, Option<Dir>), ArchiveError> {
        let open = |root: Option<&RootFd>| match root.map(|it| it.dir_without_links(path)) {
            // A live tree: what vanished meanwhile is not there.
            None | Some(Err(Errno::NOENT)) => Ok(None),
            Some(other) => other.map(Some).map_err(|e| read(path, e)),
        };
        let old = self.roots.0.filter(|_| which != Which::New);
        let new = Some(self.roots.1).filter(|_| which != Which::Old);
        Ok((open(old)?, open(new)?))
    }

    fn name(
        &mut self,
        path: &Path,
        name: &OsStr,
        dirs: (Option<&Dir>, Option<&Dir>),
    ) -> Result<(), ArchiveError> {
        if self
            .options
            .may_differ
            .is_some_and(|it| !it.may_differ(path))
        {
            return Ok(());
        }
        let stat = |dir: Option<&Dir>| match dir.map(|it| it.lstat(name)) {
            None | Some(Err(Errno::NOENT)) => Ok(None),
            Some(other) => other.map(Some).map_err(|e| read(path, e)),
        };
        let (was, is) = (stat(dirs.0)?, stat(dirs.1)?);
        if self.options.may_differ.is_some() {
            self.named.note(was.as_ref(), is.as_ref());
        }
        match (&was, &is) {
            (Some(was), Some(is)) if kind(was) == kind(is) => {
                if let (Some(old), Some(new)) = dirs {
                    let aspects = self.aspects(path, name, (old, new), (was, is))?;
                    self.changed(path, aspects);
                }
            }
            (Some(_), Some(_)) => self.changed(path, vec![Aspect::Kind]),
            (Some(was), None) => self.note(path, ChangeKind::Removed(kind(was))),
            (None, Some(is)) => self.note(path, ChangeKind::Added(kind(is))),
            (None, None) => {}
        }
        let enter = |stat: &Option<Stat>, device: u64| {
            let is_folder = |it: &Stat| kind(it) == FileType::Directory && it.st_dev == device;
            stat.as_ref().is_some_and(is_folder)
        };
        let which = match (enter(&was, self.devices.0), enter(&is, self.devices.1)) {
            (true, true) => Which::Both,
            (true, false) => Which::Old,
            (false, true) => Which::New,
            (false, false) => return Ok(()),
        };
        self.folders.push((path.to_owned(), which));
        Ok(())
    }

    /// In what two names of the same kind differ.
    fn aspects(
        &mut self,
        path: &Path,
        name: &OsStr,
        dirs: (&Dir, &Dir),
        stats: (&Stat, &Stat),
    ) -> Result<Vec<Aspect>, ArchiveError> {
        let (was, is) = stats;
        let mut found = self.plain_aspects(was, is);
        let of_kind = match kind(is) {
            FileType::RegularFile if was.st_size != is.st_size => {
                found.push(Aspect::Size);
                Some(Aspect::Content)
            }
            FileType::RegularFile => {
                let same = self.same_file(path, name, dirs, stats)?;
                (!same).then_some(Aspect::Content)
            }
            FileType::Symlink => {
                let target = |dir: &Dir| dir.readlink(name).map_err(|e| read(path, e));
                (target(dirs.0)? != target(dirs.1)?).then_some(Aspect::Target)
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                (was.st_rdev != is.st_rdev).then_some(Aspect::Device)
            }
            _ => None,
        };
        found.extend(of_kind);
        if kind(is) != FileType::Symlink {
            let attributes = |dir: &Dir, shift: &Option<Shift>| {
                let all = dir.xattrs(name).map_err(|e| read(path, e))?;
                Ok::<_, ArchiveError>(kept(all, shift.as_ref()))
            };
            let new = attributes(dirs.1, &self.shifts.new)?;
            if attributes(dirs.0, &self.shifts.old)? != new {
                found.push(Aspect::Attributes);
            }
        }
        if kind(is) != FileType::Directory && (was.st_nlink > 1 || is.st_nlink > 1) {
            let identity = |it: &Stat| (it.st_dev, it.st_ino);
            self.links.note(path, identity(was), identity(is));
        }
        Ok(found)
    }

    /// Whether two files of the same size have the same bytes.
    fn same_file(
        &mut self,
        path: &Path,
        name: &OsStr,
        dirs: (&Dir, &Dir),
        (was, is): (&Stat, &Stat),
    ) -> Result<bool, ArchiveError> {
        let is_one = (was.st_dev, was.st_ino) == (is.st_dev, is.st_ino);
        if is_one || was.st_size == 0 || (self.options.trust_stamps && same_stamps(was, is)) {
            return Ok(true);
        }
        let has_names = was.st_nlink > 1 && is.st_nlink > 1;
        let key = (was.st_ino, is.st_ino);
        if has_names && let Some(same) = self.compared.get(&key) {
            return Ok(*same);
        }
        let open = |dir: &Dir| dir.open_file(name).map_err(|e| read(path, e));
        let same = same_content(&open(dirs.0)?, &open(dirs.1)?).map_err(|e| read(path, e))?;
        if has_names {
            self.compared.insert(key, same);
        }
        Ok(same)
    }

    /// What stat(2) alone tells of every kind.
    fn plain_aspects(&self, was: &Stat, is: &Stat) -> Vec<Aspect> {
        let time = |it: &Stat| (it.st_mtime, it.st_mtime_nsec);
        let [owner_was, owner_is] = self.shifts.owners(was, is);
        let all = [
            (Aspect::Mode, was.st_mode & 0o7777 != is.st_mode & 0o7777),
            (Aspect::Owner, owner_was != owner_is),
            (Aspect::Time, self.options.times && time(was) != time(is)),
        ];
        let differing = all.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(aspect, _)| aspect).collect()
    }

    fn note(&mut self, path: &Path, kind: ChangeKind) {
        let path = path.to_owned();
        self.changes.push(Change { path, kind });
    }

    fn changed(&mut self, path: &Path, mut aspects: Vec<Aspect>) {
        if !aspects.is_empty() {
            aspects.sort_unstable();
            self.note(path, ChangeKind::Changed(aspects));
        }
    }
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn same_stamps(was: &Stat, is: &Stat) -> bool {
    let stamps = |it: &Stat| {
        let times = (it.st_mtime, it.st_mtime_nsec, it.st_ctime, it.st_ctime_nsec);
        (it.st_ino, it.st_size, times)
    };
    stamps(was) == stamps(is)
}

type Xattrs = Vec<(OsString, Vec<u8>)>;

/// Those that belong to the zone, as it sees them.
fn kept(all: Xattrs, shift: Option<&Shift>) -> Xattrs {
    let is_kept = |key: &OsString| key.to_str().is_some_and(is_kept_xattr);
    let kept = all.into_iter().filter(|(key, _)| is_kept(key));
    let seen = kept.map(|(key, value)| {
        let name = key.to_str().unwrap_or_default();
        let new = shift.and_then(|it| it.attribute(name, &value));
        (key, new.unwrap_or(value))
    });
    seen.collect()
}

/// The names in a folder of either tree, sorted.
fn names(path: &Path, old: Option<&Dir>, new: Option<&Dir>) -> Result<Vec<OsString>, ArchiveError> {
    let mut all = Vec::new();
    for dir in [old, new].into_iter().flatten() {
        let items = dir.items().map_err(|e| read(path, e))?;
        all.extend(items.into_iter().map(|it| it.name));
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}
