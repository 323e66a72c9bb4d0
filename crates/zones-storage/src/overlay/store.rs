//! Where layers are kept: one folder for all zones of a file system, beside their zonepaths.
//!
//! `ID/tree` is a layer and `ID/refs` has a file for each stack that names it. `.note-ID` says what
//! is being done with the stack ID; whoever comes next and finds one completes that or takes it
//! back. `.gone-ID` is being removed.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use zones_store::durability;

use super::kernel;
use super::stack::{self, Stack, mark_of};
use crate::dir::remove_tree;
use crate::driver::{swap, zonepath_of};
use crate::view::UPPER;

const NAME: &str = ".zones-layers";
const NOTE: &str = ".note-";
pub(super) const GONE: &str = ".gone-";
/// A layer that is being copied.
pub(super) const NEW: &str = ".new-";
const TREE: &str = "tree";
const REFS: &str = "refs";

/// The layers of a file system. With the lock, nobody else changes what is there.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) path: PathBuf,
}

/// Held while layers, references and roots change together.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    store: &'a Store,
    _lock: File,
}

/// What is being done with a stack. All but its file begins as a file of the stack.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    #[serde(flatten)]
    pub(super) stack: Stack,
    pub(super) step: Step,
}

/// Each has one rename that decides whether it happened.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Step {
    /// A new root is made at `temp`, and gets its place then.
    Birth { temp: PathBuf, to: PathBuf },
    /// The first layer of the stack is what was at the root, and the root gets the stack; `old` is
    /// the stack that it had.
    Push { old: Option<Stack> },
    /// The root goes.
    Death,
}

impl Store {
    /// The one for a root: the nearest that is there on the way up, else a new one beside the
    /// zonepath. All on one mount, so that a rename gets everywhere.
    pub(super) fn for_root(root: &Path) -> Result<Self, Errno> {
        let parent = root.parent().ok_or(Errno::INVAL)?;
        if let Some(found) = Self::above(parent) {
            return Ok(found);
        }
        let zonepath = zonepath_of(root).ok_or(Errno::INVAL)?;
        let beside = zonepath.parent().filter(|it| is_same_mount(it, root));
        let mut refused = Errno::INVAL;
        for folder in beside.into_iter().chain([zonepath]) {
            let path = folder.join(NAME);
            match stack::make_folder(&path) {
                Ok(()) => {
                    stack::keep_order(folder)?;
                    return Ok(Self { path });
                }
                Err(Errno::EXIST) if is_ours(&path) => return Ok(Self { path }),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// That of a stack: where it was, or where it is now when the folders above were moved.
    pub(super) fn of(stack: &Stack, root: &Path) -> Result<Self, Errno> {
        let has = |store: &Path| {
            let first = stack.layers.first();
            first.is_some_and(|id| store.join(id).join(TREE).is_dir())
        };
        if has(&stack.store) {
            let path = stack.store.clone();
            return Ok(Self { path });
        }
        let stores = root.ancestors().map(|it| it.join(NAME));
        let mut stores = stores.filter(|path| is_ours(path));
        let path = stores.find(|path| has(path)).ok_or(Errno::NOENT)?;
        Ok(Self { path })
    }

    pub(super) fn above(parent: &Path) -> Option<Self> {
        let mut stores = parent.ancestors().map(|it| (it, it.join(NAME)));
        let found = stores.find(|(folder, path)| is_ours(path) && is_same_mount(folder, parent));
        found.map(|(_, path)| Self { path })
    }

    /// The files of a layer. What was a layered root before keeps its upper folder where it was.
    pub(super) fn files(&self, layer: &str) -> PathBuf {
        let tree = self.path.join(layer).join(TREE);
        match mark_of(&tree) {
            Some(_) => tree.join(UPPER),
            None => tree,
        }
    }

    /// Takes the lock, then completes or takes back what somebody left who died.
    pub(super) fn lock(&self) -> Result<Locked<'_>, Errno> {
        let locked = self.hold_what_is_there()?;
        locked.sweep()?;
        Ok(locked)
    }

    /// Completes or takes back what somebody left who died, and removes what is gone.
    pub(super) fn settle(&self) -> Result<(), Errno> {
        match self.hold_what_is_there() {
            Ok(locked) => locked.sweep()?,
            // Whoever emptied it took it away: nothing was left.
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error),
        }
        self.empty()
    }

    fn hold_what_is_there(&self) -> Result<Locked<'_>, Errno> {
        let mut lock = self.hold()?;
        // The last one may have taken the folder away meanwhile, and another one made it again.
        while number(fs::symlink_metadata(&self.path))? != number(lock.metadata())? {
            lock = self.hold()?;
        }
        Ok(Locked {
            store: self,
            _lock: lock,
        })
    }

    fn hold(&self) -> Result<File, Errno> {
        let lock = File::open(&self.path).map_err(|error| kernel(&error))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
        Ok(lock)
    }

    fn names(&self, prefix: &str) -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let id = name.strip_prefix(prefix)?.to_owned();
            Some((id, entry.path()))
        });
        named.collect()
    }

    /// Whether anything there is not for good; also while somebody is at work.
    pub(super) fn has_leftovers(&self) -> bool {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut names = entries.map(|it| it.file_name());
        names.any(|it| it.as_encoded_bytes().starts_with(b"."))
    }

    /// Removes the files of what is gone, and the store itself when it is empty. Without the lock:
    /// it may take long, and two may do it.
    pub(super) fn empty(&self) -> Result<(), Errno> {
        for (_, path) in self.names(GONE) {
            remove_tree(&path)?;
        }
        let Ok(lock) = File::open(&self.path) else {
            return Ok(());
        };
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
        // Fails unless it is empty.
        let _ = fs::remove_dir(&self.path);
        Ok(())
    }

    pub(super) fn layer(&self, id: &str) -> PathBuf {
        self.path.join(id)
    }

    pub(super) fn tree(&self, id: &str) -> PathBuf {
        self.path.join(id).join(TREE)
    }

    pub(super) fn gone(&self, id: &str) -> PathBuf {
        self.path.join(format!("{GONE}{id}"))
    }

    /// How many stacks name a layer.
    pub(super) fn references(&self, id: &str) -> usize {
        self.named_by(id).len()
    }

    /// Whether any stack names a layer.
    fn is_named(&self, id: &str) -> bool {
        let refs = fs::read_dir(self.path.join(id).join(REFS));
        refs.is_ok_and(|mut it| it.next().is_some())
    }

    /// The ids of the stacks that name a layer.
    pub(super) fn named_by(&self, id: &str) -> Vec<String> {
        let refs = fs::read_dir(self.path.join(id).join(REFS));
        let names = refs.into_iter().flatten().flatten();
        let names = names.filter_map(|it| it.file_name().into_string().ok());
        names.collect()
    }
}

impl Locked<'_> {
    /// Writes down what is about to be done.
    pub(super) fn begin(&self, note: &Note) -> Result<PathBuf, Errno> {
        let place = self.note(&note.stack.id);
        let text = serde_json::to_vec(note).map_err(|_| Errno::BADMSG)?;
        stack::write_new(&place, &text)?;
        stack::keep_order(&self.store.path)?;
        Ok(place)
    }

    fn note(&self, id: &str) -> PathBuf {
        self.store.path.join(format!("{NOTE}{id}"))
    }

    pub(super) fn end(&self, id: &str) -> Result<(), Errno> {
        rustix::fs::unlink(self.note(id))
    }

    /// Makes a layer without files, or keeps the one that is there.
    pub(super) fn make_layer(&self, id: &str) -> Result<(), Errno> {
        for folder in [self.store.layer(id), self.store.layer(id).join(REFS)] {
            match stack::make_folder(&folder) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Where the files of a layer are put together before they are one.
    pub(super) fn new_tree(&self, id: &str) -> PathBuf {
        self.store.layer(id).join("new")
    }

    pub(super) fn complete_tree(&self, id: &str) -> Result<(), Errno> {
        rustix::fs::rename(self.new_tree(id), self.store.tree(id))?;
        stack::keep_order(&self.store.layer(id))
    }

    /// A copied layer becomes one that can be named.
    pub(super) fn adopt(&self, id: &str) -> Result<(), Errno> {
        let copied = self.store.path.join(format!("{NEW}{id}"));
        rustix::fs::rename(copied, self.store.layer(id))
    }

    /// Notes in every layer that the stack names it.
    pub(super) fn refer(&self, stack: &Stack) -> Result<(), Errno> {
        let is_ordered = durability::is_order_kept(&self.store.path);
        for id in &stack.layers {
            let refs = self.store.layer(id).join(REFS);
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
            rustix::fs::open(refs.join(&stack.id), flags, Mode::from_raw_mode(0o600))?;
            if !is_ordered {
                stack::sync_folder(&refs)?;
            }
        }
        stack::keep_order(&self.store.path)
    }

    /// The stack is no more; layers that nothing else names are put aside. What was done already is
    /// passed over.
    pub(super) fn forget(&self, stack: &Stack) -> Result<(), Errno> {
        for id in &stack.layers {
            let layer = self.store.layer(id);
            match rustix::fs::unlink(layer.join(REFS).join(&stack.id)) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
            if layer.exists() && !self.store.is_named(id) {
                rustix::fs::rename(&layer, self.store.gone(id))?;
            }
        }
        stack::sync_folder(&self.store.path)
    }

    fn sweep(&self) -> Result<(), Errno> {
        // Whose it was is not known.
        let _insist = durability::insist();
        for (id, place) in self.store.names(NOTE) {
            let text = fs::read(&place).map_err(|error| kernel(&error))?;
            // Nothing is begun before the note is whole.
            if let Ok(note) = serde_json::from_slice::<Note>(&text) {
                self.complete(&note, &place)?;
            }
            self.end(&id)?;
        }
        for (id, place) in self.store.names(NEW) {
            // Whoever copies holds a lock.
            let Ok(folder) = File::open(&place) else {
                continue;
            };
            if rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
                rustix::fs::rename(&place, self.store.gone(&id))?;
            }
        }
        Ok(())
    }

    /// Goes by what is where.
    fn complete(&self, note: &Note, place: &Path) -> Result<(), Errno> {
        let (stack, id) = (&note.stack, Some(note.stack.id.as_str()));
        let is_at = |path: &Path| mark_of(path).as_deref() == id;
        match &note.step {
            Step::Birth { temp, to } => {
                let is_unfinished = fs::symlink_metadata(temp).is_ok();
                if is_unfinished {
                    remove_tree(temp)?;
                }
                // It may have moved since, but then its file is another name of the note.
                let has_file = fs::symlink_metadata(place).is_ok_and(|it| it.nlink() > 1);
                match !is_unfinished && (is_at(to) || has_file) {
                    true => Ok(()),
                    false => self.forget(stack),
                }
            }
            Step::Push { old } => {
                let first = stack.layers.first().ok_or(Errno::BADMSG)?;
                let tree = self.store.tree(first);
                let is_done = fs::symlink_metadata(&tree).is_ok() && !is_at(&tree);
                match (
                    is_done && mark_of(&tree) == old.as_ref().map(|it| it.id.clone()),
                    old,
                ) {
                    (true, Some(old)) => self.forget(old),
                    (true, None) => Ok(()),
                    (false, _) => {
                        self.forget(stack)?;
                        self.put_aside(first)
                    }
                }
            }
            Step::Death => match self.store.gone(&stack.id).exists() {
                true => self.forget(stack),
                false => Ok(()),
            },
        }
    }

    /// A layer that nothing names yet.
    fn put_aside(&self, id: &str) -> Result<(), Errno> {
        match rustix::fs::rename(self.store.layer(id), self.store.gone(id)) {
            Err(Errno::NOENT) => Ok(()),
            other => other,
        }
    }

    /// Has the first layer of a stack take the root's place, and the root that of the layer.
    pub(super) fn exchange(&self, layer: &str, root: &Path) -> Result<(), Errno> {
        let tree = self.store.tree(layer);
        swap(&tree, root)?;
        stack::keep_order(&self.store.layer(layer))?;
        stack::keep_order(root.parent().ok_or(Errno::INVAL)?)
    }
}

fn number(meta: std::io::Result<fs::Metadata>) -> Result<u64, Errno> {
    meta.map(|it| it.ino()).map_err(|error| kernel(&error))
}

/// Whether it is a store that no one but root had his hands in.
fn is_ours(path: &Path) -> bool {
    let meta = fs::symlink_metadata(path);
    let euid = rustix::process::geteuid().as_raw();
    meta.is_ok_and(|it| it.is_dir() && it.uid() == euid && it.mode() & 0o077 == 0)
}

/// Whether a path below a folder is on the same mount.
pub(super) fn is_same_mount(folder: &Path, below: &Path) -> bool {
    let Ok(relative) = below.strip_prefix(folder) else {
        return false;
    };
    let relative = match relative.as_os_str().is_empty() {
        true => Path::new("."),
        false => relative,
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let Ok(at) = rustix::fs::open(folder, flags, Mode::empty()) else {
        return false;
    };
    let stay = ResolveFlags::NO_XDEV;
    rustix::fs::openat2(at, relative, flags, Mode::empty(), stay).is_ok()
}
