//! One pass over a tree, by descriptors.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;
use zones_archive::{Candidates, is_kept_xattr};
use zones_matrix::leftovers::{Entry, Kind, Path, shown};
use zones_sys::RootFd;

use super::file::{self, Content};
use super::{EvidenceError, Look, Scene, Stamp};

/// Marks of an inode that statx(2) tells and that only root sets: immutable, append-only, no dump.
const FLAGS: u64 = 0x10 | 0x20 | 0x40;
/// The path is the root of a mount. Source: statx(2), `STATX_ATTR_MOUNT_ROOT`.
const MOUNT_ROOT: u64 = 0x2000;
/// No tree of a system is deeper; one that is, is made to be.
const DEEPEST: usize = 512;
/// More entries than any system has.
const MOST: usize = 8_000_000;

/// Paths that are other than they were.
pub(super) type Touched = BTreeSet<Path>;

pub(super) fn walk(root: &RootFd, look: &Look<'_>) -> Result<(Scene, Touched), EvidenceError> {
    let mut walk = Walk {
        look,
        scene: Scene::default(),
        touched: BTreeSet::new(),
        hashed: BTreeMap::new(),
        via: String::new(),
        names: vec![0; 65_536],
        value: vec![0; 65_536],
    };
    match (look.before, look.only) {
        (Some(before), Some(only)) => walk.some(root, before, only)?,
        _ => walk.all(root)?,
    }
    Ok((walk.scene, walk.touched))
}

struct Walk<'a> {
    look: &'a Look<'a>,
    scene: Scene,
    touched: Touched,
    /// Content of files with several names, by inode number.
    hashed: BTreeMap<u64, Content>,
    via: String,
    names: Vec<u8>,
    value: Vec<u8>,
}

fn read(path: &[u8], source: Errno) -> EvidenceError {
    let path = match path {
        b"" => b"/".to_vec(),
        path => path.to_vec(),
    };
    EvidenceError::Read { path, source }
}

/// A folder or file right in a folder: no link is followed, no mount is entered.
fn open(folder: impl AsFd, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat2(folder, name, flags, Mode::empty(), resolve)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

impl Walk<'_> {
    fn all(&mut self, root: &RootFd) -> Result<(), EvidenceError> {
        let top = open(root, c".", FOLDER).map_err(|error| read(b"", error))?;
        let mut path = Vec::new();
        self.folder(&top, &mut path, 0)?;
        if let Some(before) = self.look.before {
            let files = &self.scene.inventory.files;
            let gone = before.inventory.files.keys();
            let gone = gone.filter(|path| !files.contains_key(*path));
            self.touched.extend(gone.cloned());
        }
        Ok(())
    }

    /// Enters a folder whose path is `path`; it is as it was when this returns.
    fn folder(&mut self, fd: &OwnedFd, path: &mut Path, depth: usize) -> Result<(), EvidenceError> {
        let mut names = names(fd).map_err(|error| read(path, error))?;
        names.sort_unstable();
        for name in names {
            let length = path.len();
            path.push(b'/');
            path.extend_from_slice(name.as_bytes());
            let is_folder = self.name(fd, &name, path)?;
            if is_folder && depth >= DEEPEST {
                let note = format!(
                    "{} is too deep; what is below was not looked at",
                    shown(path)
                );
                self.scene.notes.push(note);
            } else if is_folder {
                match open(fd, &name, FOLDER) {
                    Ok(below) => self.folder(&below, path, depth + 1)?,
                    Err(Errno::XDEV) => self.mount(path),
                    // It went or became something else since it was looked at: a zone that runs.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                    Err(error) => return Err(read(path, error)),
                }
            }
            path.truncate(length);
        }
        Ok(())
    }

    /// Looks at one name; says whether it is a folder to enter.
    fn name(&mut self, folder: &OwnedFd, name: &CStr, path: &[u8]) -> Result<bool, EvidenceError> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let stat = match rustix::fs::statx(folder, name, flags, StatxFlags::BASIC_STATS) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(read(path, error)),
        };
        if self.scene.inventory.files.len() >= MOST {
            return Err(read(path, Errno::TOOBIG));
        }
        let (entry, stamp) = self.entry(folder, name, path, &stat)?;
        let before = self
            .look
            .before
            .and_then(|before| before.inventory.files.get(path));
        if before != Some(&entry) {
            self.touched.insert(path.to_vec());
        }
        let is_folder = entry.kind == Kind::Folder;
        let is_mount = stat.stx_attributes.bits() & MOUNT_ROOT != 0;
        self.scene.inventory.files.insert(path.to_vec(), entry);
        self.scene.stamps.insert(path.to_vec(), stamp);
        if is_folder && is_mount {
            self.mount(path);
        }
        Ok(is_folder && !is_mount)
    }

    fn mount(&mut self, path: &[u8]) {
        self.scene.inventory.mounts.insert(shown(path));
    }

    fn entry(
        &mut self,
        folder: &OwnedFd,
        name: &CStr,
        path: &[u8],
        stat: &Statx,
    ) -> Result<(Entry, Stamp), EvidenceError> {
        let mode = u32::from(stat.stx_mode);
        let kind = kind(FileType::from_raw_mode(mode));
        let mut entry = Entry::new(kind, mode & 0o7777);
        entry.uid = self.look.owners.inside(stat.stx_uid);
        entry.gid = self.look.owners.inside(stat.stx_gid);
        entry.flags = u32::try_from(stat.stx_attributes.bits() & FLAGS).unwrap_or_default();
        if kind != Kind::Folder {
            entry.links = stat.stx_nlink;
        }
        if matches!(kind, Kind::Character | Kind::Block) {
            entry.device = Some((stat.stx_rdev_major, stat.stx_rdev_minor));
        }
        if kind == Kind::Link {
            let target = rustix::fs::readlinkat(folder, name, Vec::new());
            entry.target = match target {
                Ok(target) => Some(target.into_bytes()),
                Err(error) => return Err(read(path, error)),
            };
        }
        entry.xattrs = self.attributes(folder, name, path);
        let nanoseconds = |time: rustix::fs::StatxTimestamp| {
            time.tv_sec
                .wrapping_mul(1_000_000_000)
                .wrapping_add(i64::from(time.tv_nsec))
        };
        let stamp = Stamp {
            inode: stat.stx_ino,
            modified: nanoseconds(stat.stx_mtime),
            changed: nanoseconds(stat.stx_ctime),
        };
        if kind == Kind::File {
            entry.size = stat.stx_size;
            self.content(folder, name, path, (&mut entry, stamp));
        }
        Ok((entry, stamp))
    }

    /// Content is read only where something says that it may be another one.
    fn content(
        &mut self,
        folder: &OwnedFd,
        name: &CStr,
        path: &[u8],
        (entry, stamp): (&mut Entry, Stamp),
    ) {
        if let Some(before) = self.look.before
            && let Some(old) = before.inventory.files.get(path)
            && let Some(was) = before.stamps.get(path)
            && (old.kind, old.size) == (Kind::File, entry.size)
            && (was.modified, was.changed) == (stamp.modified, stamp.changed)
            && old.hash.is_some()
        {
            entry.hash = old.hash;
            if let Some(needs) = before.inventory.needs.get(path) {
                self.scene
                    .inventory
                    .needs
                    .insert(path.to_vec(), needs.clone());
            }
            if let Some(text) = before.inventory.texts.get(path) {
                self.scene
                    .inventory
                    .texts
                    .insert(path.to_vec(), text.clone());
            }
            return;
        }
        if let Some(known) = self.hashed.get(&stamp.inode).filter(|_| entry.links > 1) {
            let known = known.clone();
            return self.keep(path, entry, known);
        }
        let wants_text = self.look.before.is_some() && file::may_be_config(path);
        let opened = open(folder, name, OFlags::RDONLY | OFlags::NONBLOCK);
        match opened.and_then(|fd| file::read(&fd, wants_text)) {
            Ok(content) => {
                if entry.links > 1 {
                    self.hashed.insert(stamp.inode, content.clone());
                }
                self.keep(path, entry, content);
            }
            Err(Errno::NOENT) => {}
            Err(error) => {
                let note = format!("{} could not be read: {error}", shown(path));
                self.scene.notes.push(note);
            }
        }
    }

    fn keep(&mut self, path: &[u8], entry: &mut Entry, content: Content) {
        entry.hash = Some(content.hash);
        let inventory = &mut self.scene.inventory;
        if let Some(needs) = content.needs {
            inventory.needs.insert(path.to_vec(), needs);
        }
        if let Some(text) = content.text {
            inventory.texts.insert(path.to_vec(), text);
        }
        if let Some(note) = content.note {
            self.scene.notes.push(format!("{}: {note}", shown(path)));
        }
    }

    /// The xattr calls take a path: the link in /proc stands for the folder.
    fn attributes(
        &mut self,
        folder: &OwnedFd,
        name: &CStr,
        path: &[u8],
    ) -> BTreeMap<Path, Vec<u8>> {
        let mut found = BTreeMap::new();
        self.via.clear();
        let _ = write!(self.via, "/proc/self/fd/{}/", folder.as_raw_fd());
        let via = [self.via.as_bytes(), name.to_bytes()].concat();
        let Ok(via) = CString::new(via) else {
            return found;
        };
        let used = match rustix::fs::llistxattr(via.as_c_str(), &mut self.names) {
            Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOENT) => return found,
            Ok(used) => used,
            Err(error) => {
                let note = format!("attributes of {} could not be read: {error}", shown(path));
                self.scene.notes.push(note);
                return found;
            }
        };
        for key in self.names[..used].split(|byte| *byte == 0) {
            let text = std::str::from_utf8(key).unwrap_or_default();
            if !is_kept_xattr(text) {
                continue;
            }
            if let Ok(length) = rustix::fs::lgetxattr(via.as_c_str(), text, &mut self.value) {
                found.insert(key.to_vec(), self.value[..length].to_vec());
            }
        }
        found
    }

    /// Looks at some paths, and takes the rest from an earlier look.
    fn some(
        &mut self,
        root: &RootFd,
        before: &Scene,
        only: &Candidates,
    ) -> Result<(), EvidenceError> {
        self.scene.inventory = before.inventory.clone();
        self.scene.stamps = before.stamps.clone();
        let paths = only
            .iter()
            .map(|(path, whole)| (normal(path.as_os_str().as_bytes()), whole));
        let mut wanted: BTreeMap<Path, bool> = paths.collect();
        let root_itself = wanted.remove(b"".as_slice());
        if root_itself == Some(true) {
            self.scene = Scene::default();
            return self.all(root);
        }
        self.siblings(before, &mut wanted);
        let mut whole: Option<Path> = None;
        for (path, is_whole) in &wanted {
            if whole.as_ref().is_some_and(|top| is_below(path, top)) {
                continue;
            }
            whole = self
                .one(root, before, path, *is_whole)?
                .then(|| path.clone());
        }
        Ok(())
    }

    /// A name more or less of a file changes how many its other names say there are.
    fn siblings(&self, before: &Scene, wanted: &mut BTreeMap<Path, bool>) {
        let several = |path: &Path| {
            let entry = before.inventory.files.get(path);
            entry.is_some_and(|entry| entry.links > 1)
        };
        let many = before
            .inventory
            .files
            .iter()
            .filter(|(path, _)| several(path));
        // A file that gets its second name had one before: its path is not known to have several.
        // Whoever made the list names the path at which it was.
        let inodes: BTreeSet<u64> = wanted
            .keys()
            .flat_map(|top| range(&before.stamps, top))
            .map(|(_, stamp)| stamp.inode)
            .collect();
        for (path, _) in many {
            if before
                .stamps
                .get(path)
                .is_some_and(|stamp| inodes.contains(&stamp.inode))
            {
                wanted.entry(path.clone()).or_default();
            }
        }
    }

    /// Looks at one path again. Says whether all below it was looked at, too.
    fn one(
        &mut self,
        root: &RootFd,
        before: &Scene,
        path: &Path,
        is_whole: bool,
    ) -> Result<bool, EvidenceError> {
        let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let parent = std::path::Path::new(std::ffi::OsStr::from_bytes(&path[..slash]));
        let parent = parent.strip_prefix("/").unwrap_or(parent);
        let name = CString::new(&path[slash + 1..]).map_err(|_| read(path, Errno::INVAL))?;
        let was_folder = before
            .inventory
            .files
            .get(path)
            .is_some_and(|e| e.kind == Kind::Folder);
        let inode = before.stamps.get(path).map(|stamp| stamp.inode);
        self.forget(path);
        let folder = match root.dir_without_links(parent) {
            Ok(folder) => folder,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                self.forget_below(path);
                return Ok(true);
            }
            Err(error) => return Err(read(path, error)),
        };
        let folder = open(&folder, c".", FOLDER).map_err(|error| read(path, error))?;
        let is_folder = self.name(&folder, &name, path)?;
        let now = self.scene.stamps.get(path).map(|stamp| stamp.inode);
        let links = self
            .scene
            .inventory
            .files
            .get(path)
            .map_or(0, |entry| entry.links);
        if links > 1 {
            self.same_file(root, path)?;
        }
        if is_folder && was_folder && now == inode && !is_whole {
            return Ok(false);
        }
        self.forget_below(path);
        if is_folder && let Ok(below) = open(&folder, &name, FOLDER) {
            let depth = path.iter().filter(|byte| **byte == b'/').count();
            self.folder(&below, &mut path.clone(), depth)?;
        }
        Ok(true)
    }

    /// Other names of a file say how many there are, too.
    fn same_file(&mut self, root: &RootFd, path: &Path) -> Result<(), EvidenceError> {
        let Some(inode) = self.scene.stamps.get(path).map(|stamp| stamp.inode) else {
            return Ok(());
        };
        let links = self
            .scene
            .inventory
            .files
            .get(path)
            .map_or(1, |entry| entry.links);
        let others: Vec<Path> = self
            .scene
            .stamps
            .iter()
            .filter(|(other, stamp)| stamp.inode == inode && *other != path)
            .map(|(other, _)| other.clone())
            .collect();
        for other in others {
            let is_file = |entry: &&mut Entry| entry.kind != Kind::Folder && entry.links != links;
            let known = root.lstat(std::path::Path::new(std::ffi::OsStr::from_bytes(&other)));
            let is_same = known.is_ok_and(|stat| stat.st_ino == inode);
            if let Some(entry) = self.scene.inventory.files.get_mut(&other).filter(is_file)
                && is_same
            {
                entry.links = links;
                self.touched.insert(other);
            }
        }
        Ok(())
    }

    fn forget(&mut self, path: &Path) {
        let inventory = &mut self.scene.inventory;
        if inventory.files.remove(path).is_some() {
            self.touched.insert(path.clone());
        }
        inventory.needs.remove(path);
        inventory.texts.remove(path);
        inventory.mounts.remove(&shown(path));
        self.scene.stamps.remove(path);
    }

    fn forget_below(&mut self, top: &Path) {
        let below = range(&self.scene.inventory.files, top);
        let below: Vec<Path> = below.map(|(path, _)| path.clone()).collect();
        for path in below.iter().filter(|path| *path != top) {
            self.forget(path);
        }
    }
}

/// A path and all below it.
fn range<'a, V>(
    map: &'a BTreeMap<Path, V>,
    top: &'a Path,
) -> impl Iterator<Item = (&'a Path, &'a V)> {
    // `/a-b` sorts between `/a` and `/a/b`.
    let own = map.get_key_value(top);
    let first = [top.as_slice(), b"/"].concat();
    let end = [top.as_slice(), b"0"].concat();
    own.into_iter().chain(map.range(first..end))
}

fn is_below(path: &[u8], top: &[u8]) -> bool {
    path.strip_prefix(top)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// With one slash in front and none at the end.
fn normal(path: &[u8]) -> Path {
    let parts = path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty());
    parts
        .flat_map(|part| [b"/".as_slice(), part].concat())
        .collect()
}

fn names(folder: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for item in rustix::fs::Dir::read_from(folder)? {
        let name = item?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn kind(kind: FileType) -> Kind {
    match kind {
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        FileType::CharacterDevice => Kind::Character,
        FileType::BlockDevice => Kind::Block,
        FileType::Fifo => Kind::Pipe,
        FileType::Socket => Kind::Socket,
        _ => Kind::File,
    }
}
