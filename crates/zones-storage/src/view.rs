//! How the files of a root are put together: a plain folder, a dataset, or layers under an overlay.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount as mnt;
use zones_store::durability;
use zones_sys::{MountAttr, RootFd, mount_setattr};

use crate::driver::StorageError;
use crate::overlay;
use crate::project::Room;
use crate::zfs::{self, Dataset};

/// What must be put together to see the files of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// They are here.
    Plain(PathBuf),
    /// They are in several folders.
    Layers(Layers),
    /// They are in a file system of their own.
    Dataset(Dataset),
}

/// Folders that one lies over the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// The root, by which a mount of it is known.
    pub root: PathBuf,
    /// Folder with `upper`, which takes what is written, and `work`; a frozen root has none.
    pub top: Option<PathBuf>,
    /// Folders that stay as they are, the topmost first.
    pub lower: Vec<PathBuf>,
}

/// Shows owners through the user namespace of a zone.
#[derive(Debug, Clone, Copy)]
pub struct Mapping<'a> {
    /// The user namespace.
    pub users: BorrowedFd<'a>,
    /// What its root is called outside.
    pub base: u32,
}

/// Folder of a layered root that takes what is written.
pub(crate) const UPPER: &str = "upper";
/// Folder that overlayfs needs beside it.
pub(crate) const WORK: &str = "work";

/// How layers are mounted, whatever the module was told.
///
/// `index` off: with it, files of several names would be kept together by a folder that belongs to
/// one upper folder and one stack; an upper folder that becomes a layer would lose the other
/// names. So writing to one name of a file that lies in a layer parts it from the others.
/// `metacopy` off: a file in the upper folder is the whole file, so that folder alone is what a
/// live copy takes. `redirect_dir` on: renaming a folder of a layer works, as on any file system;
/// layers carry the redirections along. `xino` off: all layers are of one file system, so numbers
/// are single already. Source: kernel documentation, filesystems/overlayfs.
const OPTIONS: [(&str, &str); 4] = [
    ("index", "off"),
    ("metacopy", "off"),
    ("redirect_dir", "on"),
    ("xino", "off"),
];

/// Has overlayfs not wait for the disk, neither for programs that ask for that nor at its end.
/// Source: kernel documentation, filesystems/overlayfs, "Volatile mount".
const VOLATILE: &str = "volatile";
/// Where such a mount leaves its mark, in the folder for work; the next mount would be refused.
const INCOMPATIBLE: &str = "work/incompat";

/// How the files of a root are put together, whatever driver made it.
///
/// # Errors
/// What says so cannot be read, or layers are missing.
pub fn view(root: &Path) -> Result<View, StorageError> {
    let view = zfs::view(root).and_then(|it| it.map_or_else(|| overlay::view(root), Ok));
    view.map_err(|source| StorageError {
        driver: "any",
        verb: "look at",
        path: root.to_owned(),
        source: source.into(),
    })
}

/// Opens the files of a root that is not in use; see [`View::open`].
///
/// # Errors
/// As those of [`view`].
pub fn open(root: &Path) -> Result<RootFd, StorageError> {
    let opened = view(root)?.open();
    opened.map_err(|source| failed(root, source))
}

/// Opens the files of a root, in use or not, for reading; a plain folder is just opened.
///
/// # Errors
/// As those of [`view`].
pub fn look(root: &Path) -> Result<RootFd, StorageError> {
    let view = view(root)?;
    let opened = match &view {
        View::Plain(_) => view.open(),
        View::Layers(_) | View::Dataset(_) => view.open_read_only(),
    };
    opened.map_err(|source| failed(root, source))
}

/// Keeps others away who take this, too, for as long as it is held: two mounts of the same layers
/// know nothing of each other's locks. `None` when somebody else has it.
///
/// # Errors
/// The root cannot be opened.
pub fn guard(root: &Path) -> Result<Option<File>, StorageError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(root, flags, Mode::empty());
    let folder = File::from(opened.map_err(|source| failed(root, source))?);
    match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(folder)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(source) => Err(failed(root, source)),
    }
}

fn failed(root: &Path, source: Errno) -> StorageError {
    StorageError {
        driver: "any",
        verb: "open",
        path: root.to_owned(),
        source: source.into(),
    }
}

/// How often, and how long, a thread that ended is waited for.
const MOMENTS: u32 = 100;
const MOMENT: Duration = Duration::from_micros(200);

impl View {
    /// The files, under a mount that nobody else sees and that goes with the descriptor; a plain
    /// folder is just opened.
    ///
    /// # Errors
    /// A folder is missing, or the kernel has no overlayfs.
    pub fn open(&self) -> Result<RootFd, Errno> {
        match self {
            Self::Plain(path) => RootFd::open(path),
            Self::Layers(_) | Self::Dataset(_) => Ok(RootFd::from_folder(self.mount(None)?)),
        }
    }

    /// As [`open`](Self::open), where nothing can be written; the root may be in use.
    ///
    /// # Errors
    /// As those of `open`.
    pub fn open_read_only(&self) -> Result<RootFd, Errno> {
        let tree = match self {
            Self::Plain(path) => clone_of(path)?,
            Self::Layers(layers) => layers.frozen().mount(None)?,
            Self::Dataset(dataset) => dataset.mount()?,
        };
        let attr = MountAttr {
            set: MountAttr::RDONLY,
            ..MountAttr::default()
        };
        mount_setattr(tree.as_fd(), attr)?;
        Ok(RootFd::from_folder(tree))
    }

    /// A mount of the files that is not attached yet, owners shown through `mapping`.
    ///
    /// # Errors
    /// As those of `open`; `INVAL` where the file system knows no such mapping.
    pub fn mount(&self, mapping: Option<Mapping<'_>>) -> Result<OwnedFd, Errno> {
        match self {
            Self::Plain(path) => mapped(path, mapping),
            Self::Layers(layers) => layers.mount(mapping),
            Self::Dataset(dataset) => map(dataset.mount()?, mapping),
        }
    }

    /// Mounts the files at `place`. Meant for a mount namespace of the caller's own.
    ///
    /// # Errors
    /// As those of `open`.
    pub fn mount_at(&self, place: &Path) -> Result<(), Errno> {
        let flags = mnt::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        mnt::move_mount(self.mount(None)?, "", CWD, place, flags)
    }

    /// Whether the files are in several folders.
    #[must_use]
    pub fn is_layered(&self) -> bool {
        matches!(self, Self::Layers(_))
    }
}

impl Layers {
    /// The same files, where nothing is written.
    pub(crate) fn frozen(&self) -> Self {
        let upper = self.top.iter().map(|top| top.join(UPPER));
        Self {
            root: self.root.clone(),
            top: None,
            lower: upper.chain(self.lower.iter().cloned()).collect(),
        }
    }

    fn mount(&self, mapping: Option<Mapping<'_>>) -> Result<OwnedFd, Errno> {
        // One layer with nothing above is no overlay to the kernel, and holds everything.
        if let (None, [only]) = (&self.top, self.lower.as_slice()) {
            let tree = mapped(only, mapping)?;
            let attr = MountAttr {
                set: MountAttr::RDONLY,
                ..MountAttr::default()
            };
            mount_setattr(tree.as_fd(), attr)?;
            return Ok(tree);
        }
        let _room = self.top.as_deref().and_then(Room::of);
        match self.compose(mapping) {
            // Kernels before 6.15 take neither descriptors nor mounts that are not attached.
            Err(Errno::INVAL | Errno::BADF | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let threads = zones_sys::thread_count();
                let attached = std::thread::scope(|scope| {
                    let attached = scope.spawn(|| self.compose_attached(mapping)).join();
                    attached.unwrap_or(Err(Errno::IO))
                });
                // The caller may be about to fork, which only one thread alone may do; the kernel
                // counts the other for a moment longer.
                for _ in 0..MOMENTS {
                    if zones_sys::thread_count() <= threads {
                        break;
                    }
                    std::thread::sleep(MOMENT);
                }
                attached
            }
            other => other,
        }
    }

    /// By descriptors, and attached nowhere.
    fn compose(&self, mapping: Option<Mapping<'_>>) -> Result<OwnedFd, Errno> {
        let overlay = mnt::fsopen("overlay", mnt::FsOpenFlags::FSOPEN_CLOEXEC)?;
        // A string may have 255 bytes.
        let source = self.root.to_str().filter(|it| it.len() < 256);
        mnt::fsconfig_set_string(&overlay, "source", source.unwrap_or("zone"))?;
        // Kept open until all is mounted: such a tree goes with its descriptor.
        let (mut trees, lower) = self.open_lower(mapping)?;
        for folder in &lower {
            mnt::fsconfig_set_fd(&overlay, "lowerdir+", folder)?;
        }
        trees.extend(lower);
        if let Some(top) = &self.top {
            // One mount for both: overlayfs moves files from one to the other.
            let top = mapped(top, mapping)?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            for (option, name) in [("upperdir", UPPER), ("workdir", WORK)] {
                let folder = rustix::fs::openat(&top, name, flags, Mode::empty())?;
                mnt::fsconfig_set_fd(&overlay, option, folder)?;
            }
            if self.forget_volatile()? {
                mnt::fsconfig_set_flag(&overlay, VOLATILE)?;
            }
            trees.push(top);
        }
        for (option, value) in OPTIONS {
            mnt::fsconfig_set_string(&overlay, option, value)?;
        }
        as_root_of(mapping, || mnt::fsconfig_create(&overlay))?;
        drop(trees);
        let attributes = mnt::MountAttrFlags::empty();
        mnt::fsmount(&overlay, mnt::FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    }

    /// Removes the mark of a mount that waited for no disk: it is for those who want their files
    /// after a power failure, and says that they cannot know. Whether the next mount is such a one.
    fn forget_volatile(&self) -> Result<bool, Errno> {
        let Some(top) = &self.top else {
            return Ok(false);
        };
        let mark = top.join(WORK).join(INCOMPATIBLE);
        match std::fs::remove_dir_all(&mark) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
            }
            _ => {}
        }
        Ok(durability::is_disposable())
    }

    /// The lower folders, and the trees that they are in. They are in one store, so one tree does:
    /// each that goes costs as much as mounting all of them.
    fn open_lower(
        &self,
        mapping: Option<Mapping<'_>>,
    ) -> Result<(Vec<OwnedFd>, Vec<OwnedFd>), Errno> {
        let first = self.lower.first().ok_or(Errno::INVAL)?;
        let has_all = |folder: &&Path| self.lower.iter().all(|it| it.starts_with(folder));
        let store = first.ancestors().find(has_all).ok_or(Errno::INVAL)?;
        let tree = mapped(store, mapping)?;
        let open = |folder: &PathBuf| {
            let name = folder.strip_prefix(store).map_err(|_| Errno::INVAL)?;
            let name = match name.as_os_str().is_empty() {
                true => Path::new("."),
                false => name,
            };
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let stay = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
            rustix::fs::openat2(&tree, name, flags, Mode::empty(), stay)
        };
        match self.lower.iter().map(open).collect() {
            Ok(folders) => Ok((vec![tree], folders)),
            // Not of one mount after all.
            Err(_) => {
                let trees = self.lower.iter().map(|it| mapped(it, mapping));
                Ok((Vec::new(), trees.collect::<Result<_, _>>()?))
            }
        }
    }

    /// By mount(2), in a mount namespace that goes with the calling thread. The layers are attached
    /// below a small file system and have numbers for names there: what mount(2) takes is short.
    pub(crate) fn compose_attached(&self, mapping: Option<Mapping<'_>>) -> Result<OwnedFd, Errno> {
        #[expect(deprecated, reason = "the flag used here is a safe one")]
        rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS)?;
        let private = mnt::MountPropagationFlags::PRIVATE | mnt::MountPropagationFlags::REC;
        mnt::mount_change("/", private)?;
        let mut trees = Vec::with_capacity(self.lower.len());
        for folder in &self.lower {
            trees.push(mapped(folder, mapping)?);
        }
        let top = self.top.as_ref().map(|top| mapped(top, mapping));
        let top = top.transpose()?;
        let place = self
            .lower
            .first()
            .or(self.top.as_ref())
            .ok_or(Errno::INVAL)?;
        mnt::mount(
            "zone",
            place,
            "tmpfs",
            mnt::MountFlags::empty(),
            c"mode=700",
        )?;
        rustix::process::chdir(place)?;
        let mode = Mode::from_raw_mode(0o700);
        let attach = |tree: OwnedFd, name: &str| {
            rustix::fs::mkdirat(CWD, name, mode)?;
            let flags = mnt::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            mnt::move_mount(tree, "", CWD, name, flags)
        };
        let mut names = Vec::with_capacity(trees.len());
        for (number, tree) in trees.into_iter().enumerate() {
            let name = number.to_string();
            attach(tree, &name)?;
            names.push(name);
        }
        let mut options = format!("lowerdir={}", names.join(":"));
        if let Some(top) = top {
            attach(top, "top")?;
            options += &format!(",upperdir=top/{UPPER},workdir=top/{WORK}");
            if self.forget_volatile()? {
                options += &format!(",{VOLATILE}");
            }
        }
        for (option, value) in OPTIONS {
            options += &format!(",{option}={value}");
        }
        rustix::fs::mkdirat(CWD, "all", mode)?;
        let options = std::ffi::CString::new(options).map_err(|_| Errno::INVAL)?;
        let mount = || {
            let none = mnt::MountFlags::empty();
            mnt::mount(&self.root, "all", "overlay", none, options.as_c_str())
        };
        as_root_of(mapping, mount)?;
        clone_of(Path::new("all"))
    }
}

/// A mount of a folder, not attached yet.
fn clone_of(folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = mnt::OpenTreeFlags::OPEN_TREE_CLONE | mnt::OpenTreeFlags::OPEN_TREE_CLOEXEC;
    mnt::open_tree(CWD, folder, flags | mnt::OpenTreeFlags::AT_SYMLINK_NOFOLLOW)
}

fn mapped(folder: &Path, mapping: Option<Mapping<'_>>) -> Result<OwnedFd, Errno> {
    map(clone_of(folder)?, mapping)
}

fn map(tree: OwnedFd, mapping: Option<Mapping<'_>>) -> Result<OwnedFd, Errno> {
    if let Some(mapping) = mapping {
        let attr = MountAttr {
            idmap: Some(mapping.users),
            ..MountAttr::default()
        };
        mount_setattr(tree.as_fd(), attr)?;
    }
    Ok(tree)
}

/// Mounts as the root of the zone, whose number the layers know, with all rights of the host's:
/// overlayfs does what it does in the layers as whoever mounted it. But for the right to go beyond
/// quotas and into what ext4 keeps back for root: a zone has none of these. Source: setfsuid(2),
/// which takes rights away that capset(2) gives back; capabilities(7), `CAP_SYS_RESOURCE`.
fn as_root_of<T>(
    mapping: Option<Mapping<'_>>,
    step: impl FnOnce() -> Result<T, Errno>,
) -> Result<T, Errno> {
    let Some(mapping) = mapping else {
        return step();
    };
    let before = rustix::thread::capabilities(None)?;
    zones_sys::set_fs_ids(mapping.base, mapping.base)?;
    let mut rights = before;
    rights
        .effective
        .remove(rustix::thread::CapabilitySet::SYS_RESOURCE);
    let done = rustix::thread::set_capabilities(None, rights).and_then(|()| step());
    // Going back to root cannot be refused.
    let back = zones_sys::set_fs_ids(0, 0);
    rustix::thread::set_capabilities(None, before)?;
    back.and(done)
}
