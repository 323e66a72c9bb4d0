//! The driver for file systems that cannot take snapshots: layers under overlayfs.
//!
//! A root is a plain folder until it is frozen or copied; see `docs/adr/0014`. Every change of more
//! than one file is written down first, and one rename decides whether it happened, so that
//! whatever kills a command, the next one finds out how far it came.

pub(crate) mod changes;
mod measure;
pub(crate) mod stack;
mod store;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, FlockOperation, RenameFlags};
use rustix::io::Errno;
use zones_archive::{Candidates, Devices, Progress, copy_tree};
use zones_store::durability;
use zones_sys::{Dir, RootFd};

use crate::dir::{self, remove_tree};
use crate::driver::{Copied, CopyError, Driver, DriverKind, StorageError, copy_files};
use crate::project;
use crate::usage::Usage;
use crate::view::{Layers, UPPER, View};
use stack::Stack;
use store::{Locked, Note, Step, Store};

/// Layers of a stack that gets no longer; then its files are copied into one. The kernel takes 500,
/// but asks each of them for every name that is not there.
const MOST_LAYERS: usize = 200;

/// Layers to make a root of.
struct Shared {
    store: Store,
    layers: Vec<String>,
    /// The first one, when it is not known yet, and what keeps others from taking it away.
    fresh: Option<(String, File)>,
}

impl Shared {
    fn of(store: Store, layers: Vec<String>) -> Self {
        Self {
            store,
            layers,
            fresh: None,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// Steps until a test has the process die.
    #[cfg(test)]
    fuse: std::cell::Cell<Option<u32>>,
}

impl Driver for Overlay {
    fn kind(&self) -> DriverKind {
        DriverKind::Overlay
    }

    fn create(&self, root: &Path) -> Result<(), StorageError> {
        dir::create(root).map_err(|source| self.error("create", root, source))
    }

    /// Shares everything, unless the root is in use and was never in layers, or lies on disk with
    /// the numbers of one zone.
    fn copy(
        &self,
        from: &Path,
        to: &Path,
        is_live: bool,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        self.share(from, to, is_live, false, progress)
    }

    fn freeze(
        &self,
        from: &Path,
        to: &Path,
        is_live: bool,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        self.share(from, to, is_live, true, progress)
    }

    fn usage(&self, root: &Path) -> Result<Usage, StorageError> {
        measure::root(root).map_err(|source| self.error("measure", root, source))
    }

    fn own(&self, root: &Path) -> Result<Option<u64>, StorageError> {
        let known = measure::own(root).map(Some);
        known.map_err(|source| self.error("measure", root, source))
    }

    fn usage_of_zone(&self, zonepath: &Path) -> Result<Usage, StorageError> {
        measure::zone(zonepath).map_err(|source| self.error("measure", zonepath, source))
    }

    fn set_limit(&self, zonepath: &Path, limit: Option<u64>) -> Result<(), StorageError> {
        let assign = |root: &Path, project| measure::assign(root, zonepath, project);
        let done = project::limit(zonepath, &assign, limit);
        done.map_err(|source| self.error("limit the space of", zonepath, source))
    }

    fn changes(&self, from: &Path, to: &Path) -> Result<Option<Candidates>, StorageError> {
        changes::between(from, to).map_err(|source| self.error("compare", from, source))
    }

    fn destroy(&self, root: &Path) -> Result<(), StorageError> {
        let gone = || match Stack::read(root)? {
            None => remove_tree(root),
            Some(stack) => self.release(root, &stack),
        };
        gone().map_err(|source| self.error("destroy", root, source))
    }
}

/// What is where, for a root of this driver.
pub(crate) fn view(root: &Path) -> Result<View, Errno> {
    let Some(stack) = Stack::read(root)? else {
        return Ok(View::Plain(root.to_owned()));
    };
    let store = Store::of(&stack, root)?;
    Ok(View::Layers(Layers {
        root: root.to_owned(),
        top: has_upper(root).then(|| root.to_owned()),
        lower: stack.layers.iter().map(|id| store.files(id)).collect(),
    }))
}

fn has_upper(root: &Path) -> bool {
    fs::symlink_metadata(root.join(UPPER)).is_ok_and(|it| it.is_dir())
}

/// Whether somebody left something half done, or is at work, in the store of layers that a root at
/// this zonepath would use.
pub(crate) fn has_leftovers(zonepath: &Path) -> bool {
    Store::above(zonepath).is_some_and(|store| store.has_leftovers())
}

/// Completes it or takes it back.
pub(crate) fn repair(zonepath: &Path) -> Result<(), Errno> {
    match Store::above(zonepath) {
        Some(store) if store.has_leftovers() => store.settle(),
        _ => Ok(()),
    }
}

impl Overlay {
    fn share(
        &self,
        from: &Path,
        to: &Path,
        is_live: bool,
        is_frozen: bool,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let failed = |source| self.error("copy to", to, source);
        if fs::symlink_metadata(to).is_ok() {
            return Err(failed(Errno::EXIST).into());
        }
        let stack = Stack::read(from).map_err(|source| self.error("copy", from, source))?;
        if !can_share(from, to, stack.as_ref(), is_live) {
            return copy_files(self, from, to, progress);
        }
        if progress.cancelled() {
            return Err(failed(Errno::CANCELED).into());
        }
        let shared = match (stack, is_live) {
            (Some(stack), true) => self.copy_top(from, &stack, progress)?,
            (stack, _) => {
                let stack = match stack {
                    Some(it) if it.layers.len() >= MOST_LAYERS => self.flatten(from, progress)?,
                    other => other,
                };
                let pushed = self.push(from, stack.as_ref());
                pushed.map_err(|source| self.error("copy", from, source))?
            }
        };
        // The files of the root itself, for owner and mode of its top.
        let like = view(from).and_then(|view| top_folder(&view));
        let like = like.map_err(failed)?;
        let like = (!is_frozen).then_some(like);
        let born = self.bear(shared, to, like.as_deref());
        born.map_err(failed)?;
        Ok(Copied::Snapshot)
    }

    /// Has everything of a root be in layers, and gives these. With nothing new in the root they
    /// are those that it has.
    fn push(&self, root: &Path, old: Option<&Stack>) -> Result<Shared, Errno> {
        let mut tries = 0..TRIES;
        loop {
            match self.push_into_store(root, old) {
                // Whoever emptied it took the store away before it was locked.
                Err(Errno::NOENT) if old.is_none() && tries.next().is_some() => {}
                other => return other,
            }
        }
    }

    fn push_into_store(&self, root: &Path, old: Option<&Stack>) -> Result<Shared, Errno> {
        // The root is not the copy, and may be less disposable.
        let _insist = durability::insist();
        let store = match old {
            Some(stack) => Store::of(stack, root)?,
            None => Store::for_root(root)?,
        };
        if let Some(old) = old
            && !is_changed(root, old, &store)?
        {
            let layers = old.layers.clone();
            return Ok(Shared::of(store, layers));
        }
        let mut layers = vec![id()?];
        layers.extend(old.iter().flat_map(|it| it.layers.iter().cloned()));
        let stack = Stack {
            id: id()?,
            store: store.path.clone(),
            layers,
        };
        self.locked(&store, |locked| {
            self.exchange_top(locked, root, &stack, old)
        })?;
        Ok(Shared::of(store, stack.layers))
    }

    fn exchange_top(
        &self,
        locked: &Locked<'_>,
        root: &Path,
        stack: &Stack,
        old: Option<&Stack>,
    ) -> Result<(), Errno> {
        let first = stack.layers.first().ok_or(Errno::INVAL)?;
        let like = match old {
            Some(_) => root.join(UPPER),
            None => root.to_owned(),
        };
        let note = Note {
            stack: stack.clone(),
            step: Step::Push { old: old.cloned() },
        };
        let place = locked.begin(&note)?;
        self.step()?;
        locked.make_layer(first)?;
        self.step()?;
        let new = locked.new_tree(first);
        stack.build(&new, Some(&like), &place)?;
        project::inherit(&new, root)?;
        self.step()?;
        locked.refer(stack)?;
        self.step()?;
        locked.complete_tree(first)?;
        self.step()?;
        locked.exchange(first, root)?;
        self.step()?;
        if let Some(old) = old {
            locked.forget(old)?;
        }
        self.step()?;
        locked.end(&stack.id)
    }

    /// Makes a root of layers that are there.
    fn bear(&self, shared: Shared, to: &Path, like: Option<&Path>) -> Result<(), Errno> {
        let parent = to.parent().ok_or(Errno::INVAL)?;
        let stack = Stack {
            id: id()?,
            store: shared.store.path.clone(),
            layers: shared.layers,
        };
        let temp = parent.join(format!("{}{}", dir::NEW, stack.id));
        let note = Note {
            stack: stack.clone(),
            step: Step::Birth {
                temp: temp.clone(),
                to: to.to_owned(),
            },
        };
        self.locked(&shared.store, |locked| {
            let place = locked.begin(&note)?;
            self.step()?;
            if let Some((layer, _lock)) = &shared.fresh {
                locked.adopt(layer)?;
            }
            self.step()?;
            locked.refer(&stack)?;
            self.step()?;
            stack.build(&temp, like, &place)?;
            project::inherit(&temp, to)?;
            self.step()?;
            rustix::fs::renameat_with(CWD, &temp, CWD, to, RenameFlags::NOREPLACE)?;
            stack::sync_folder(parent)?;
            self.step()?;
            locked.end(&stack.id)
        })
    }

    /// Does something with the lock. What is half done then is completed or taken back at once.
    fn locked<T>(
        &self,
        store: &Store,
        change: impl FnOnce(&Locked<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let locked = store.lock()?;
        let done = change(&locked);
        drop(locked);
        if done.is_err() && !self.is_dead() {
            store.settle()?;
        }
        done
    }

    /// What a running zone wrote since its last layer, as a new one: that folder alone is copied,
    /// with what makes it a layer.
    fn copy_top(
        &self,
        root: &Path,
        stack: &Stack,
        progress: &dyn Progress,
    ) -> Result<Shared, CopyError> {
        let failed = |source| self.error("copy", root, source);
        let store = Store::of(stack, root).map_err(failed)?;
        let layer = id().map_err(failed)?;
        let place = store.path.join(format!("{}{layer}", store::NEW));
        let prepare = || {
            stack::make_folder(&place)?;
            let lock = File::open(&place).map_err(|error| kernel(&error))?;
            rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
            for name in ["refs", "tree"] {
                stack::make_folder(&place.join(name))?;
            }
            project::inherit(&place.join("tree"), root)?;
            let (upper, tree) = (root.join(UPPER), place.join("tree"));
            let open = |path: &Path| RootFd::open(path);
            Ok::<_, Errno>((lock, open(&upper)?, open(&tree)?, upper, tree))
        };
        let (lock, from, to, upper, tree) = prepare().map_err(failed)?;
        copy_tree(&from, &to, Devices::Keep, progress)?;
        copy_marks(&from, &to)
            .and_then(|()| stack::take_attributes(&upper, &tree))
            .map_err(failed)?;
        let mut layers = vec![layer.clone()];
        layers.extend(stack.layers.iter().cloned());
        let fresh = Some((layer, lock));
        Ok(Shared {
            store,
            layers,
            fresh,
        })
    }

    /// Copies all files of a root into one folder, which takes its place.
    fn flatten(&self, root: &Path, progress: &dyn Progress) -> Result<Option<Stack>, CopyError> {
        let failed = |source| self.error("copy", root, source);
        let name = id().map_err(failed)?;
        let parent = root.parent().ok_or_else(|| failed(Errno::INVAL))?;
        let temp = parent.join(format!("{}{name}", dir::NEW));
        copy_files(self, root, &temp, progress)?;
        self.exchange(&temp, root)?;
        self.destroy(&temp)?;
        Ok(None)
    }

    /// A layered root goes, and with it the layers that nothing else names.
    fn release(&self, root: &Path, stack: &Stack) -> Result<(), Errno> {
        let store = match Store::of(stack, root) {
            // Its layers are gone: so may it.
            Err(Errno::NOENT) => return remove_tree(root),
            other => other?,
        };
        let note = Note {
            stack: stack.clone(),
            step: Step::Death,
        };
        self.locked(&store, |locked| {
            locked.begin(&note)?;
            self.step()?;
            rustix::fs::rename(root, store.gone(&stack.id))?;
            stack::keep_order(root.parent().ok_or(Errno::INVAL)?)?;
            self.step()?;
            locked.forget(stack)?;
            self.step()?;
            locked.end(&stack.id)
        })?;
        self.step()?;
        store.empty()
    }

    #[cfg(not(test))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "tests die here"
    )]
    fn step(&self) -> Result<(), Errno> {
        Ok(())
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests die here")]
    fn is_dead(&self) -> bool {
        false
    }

    /// Dies when the fuse is burnt down: nothing is taken back then.
    #[cfg(test)]
    fn step(&self) -> Result<(), Errno> {
        match self.fuse.get() {
            Some(0) => Err(Errno::INTR),
            Some(left) => {
                self.fuse.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }

    #[cfg(test)]
    fn is_dead(&self) -> bool {
        self.fuse.get() == Some(0)
    }
}

/// Whether a copy can share: not the numbers that one zone alone has, not what somebody writes to.
fn can_share(from: &Path, to: &Path, stack: Option<&Stack>, is_live: bool) -> bool {
    if stack.is_none() {
        let owner = fs::symlink_metadata(from).map(|it| it.uid());
        if is_live || owner.ok() != Some(0) || !has_overlayfs() {
            return false;
        }
    }
    // A rename must get from the one to the other.
    let device = |path: Option<&Path>| {
        let meta = path.and_then(|path| fs::metadata(path).ok());
        meta.map(|it| it.dev())
    };
    device(Some(from)) == device(to.parent())
}

/// Whether this kernel has it; asking loads the module.
pub(crate) fn has_overlayfs() -> bool {
    let flags = rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC;
    rustix::process::geteuid().is_root() && rustix::mount::fsopen("overlay", flags).is_ok()
}

/// Whether a layered root has anything that its layers have not.
fn is_changed(root: &Path, stack: &Stack, store: &Store) -> Result<bool, Errno> {
    if !has_upper(root) {
        return Ok(false);
    }
    let upper = root.join(UPPER);
    let first = stack.layers.first().ok_or(Errno::BADMSG)?;
    Ok(!stack::is_empty(&upper)? || !stack::are_alike(&upper, &store.files(first))?)
}

/// The folder that gives the top of a view its owner and mode.
pub(crate) fn top_folder(view: &View) -> Result<PathBuf, Errno> {
    match view {
        View::Plain(path) => Ok(path.clone()),
        View::Dataset(dataset) => Ok(dataset.root.clone()),
        View::Layers(layers) => {
            let upper = layers.top.as_ref().map(|top| top.join(UPPER));
            let first = upper.or_else(|| layers.lower.first().cloned());
            first.ok_or(Errno::INVAL)
        }
    }
}

/// How often a store is looked for that goes while it is looked for.
const TRIES: u32 = 256;

/// Attributes of such folders of a layer.
const MARKS: [&str; 2] = ["trusted.overlay.opaque", "trusted.overlay.redirect"];

/// What says of folders of a layer that they hide or lead to those of the layers below.
fn copy_marks(from: &RootFd, to: &RootFd) -> Result<(), Errno> {
    let top = Path::new("/");
    copy_marks_of(&from.dir(top)?, &to.dir(top)?)
}

fn copy_marks_of(from: &Dir, to: &Dir) -> Result<(), Errno> {
    for item in from.items()? {
        let is_folder = FileType::from_raw_mode(from.lstat(&item.name)?.st_mode).is_dir();
        if !is_folder {
            continue;
        }
        for (name, value) in from.xattrs(&item.name)? {
            if MARKS.iter().any(|it| name == *it) {
                to.set_xattr(&item.name, &name, &value)?;
            }
        }
        copy_marks_of(&from.dir(&item.name)?, &to.dir(&item.name)?)?;
    }
    Ok(())
}

fn id() -> Result<String, Errno> {
    zones_store::random_uuid().map_err(|_| Errno::IO)
}

fn kernel(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
