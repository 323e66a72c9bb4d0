//! One image: opened, made, locked, and what its files say.

mod listed;
mod manifests;
mod place;
mod publishers;
mod search;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use zones_ips::catalog::CatalogTime;
use zones_ips::{ImagePathRef, Stem, Timestamp};
use zones_sys::{RootFd, lock_file};

use crate::cache::Cache;
use crate::error::{ImageError, Result};
use crate::folder::{Batch, FULL, Folder, SETTINGS, USER};
use crate::guard::Held;
use crate::history;
use crate::linked::Link;
use crate::origin::Access;
use crate::plan::Policy;
use crate::settings::Settings;
use crate::state::{self, Frozen, Installed};
use place::Place;

pub use listed::Listed;
pub use search::Scope;

const LOCK: &str = "lock";
pub(crate) const MODIFIED: &str = "modified";

/// What the command brings to an operation: nothing of it is read from the environment here.
#[derive(Debug, Clone)]
pub struct Client {
    /// How to reach origins.
    pub access: Access,
    /// Folder of payloads for all images of the host; None keeps them in the image, for this
    /// operation.
    pub cache: Option<PathBuf>,
    /// Folder of the host with certificates that are trusted in all images.
    pub anchors: Option<PathBuf>,
    /// Microseconds since 1970.
    pub now: i64,
    /// Name of the program, for history and lock.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Name of the host.
    pub host: String,
    /// Name and number of the user.
    pub user: (String, u32),
    /// What was typed.
    pub args: Vec<String>,
}

/// How to make an image.
#[derive(Debug, Clone, Default)]
pub struct Create {
    /// Whether it is the image of a user, with its data in `.org.opensolaris,pkg`.
    pub is_user: bool,
    /// Whether it is that of a zone.
    pub is_zone: bool,
    /// Whether a folder that holds something is fine.
    pub is_forced: bool,
    /// Variants by name.
    pub variants: Vec<(String, String)>,
    /// Facets by name.
    pub facets: Vec<(String, bool)>,
    /// Properties by name.
    pub properties: Vec<(String, String)>,
}

/// An image. Whoever changes it holds its [`Image::lock`].
#[derive(Debug)]
pub struct Image {
    pub(crate) folder: Folder,
    pub(crate) root: RootFd,
    /// Settings as they are on disk, or to be written by [`Image::save`].
    pub settings: Settings,
    pub(crate) client: Client,
    place: Place,
    /// What the host says, of an image that a stranger may write to.
    pub(crate) held: Option<Box<Held>>,
}

/// Keeps other clients from changing the image.
#[derive(Debug)]
pub struct ImageLock(Vec<File>);

impl Drop for ImageLock {
    fn drop(&mut self) {
        // A text that stays is that of a client that was killed, and the next one sweeps.
        for file in &self.0 {
            let _ = file.set_len(0);
        }
    }
}

impl Image {
    /// Makes an image at `root`, an empty folder or a missing one.
    ///
    /// # Errors
    /// The folder holds something, or a setting means nothing.
    pub fn create(root: &Path, how: &Create, client: Client) -> Result<Self> {
        let is_filled = std::fs::read_dir(root).is_ok_and(|mut it| it.next().is_some());
        if is_filled && !how.is_forced {
            return Err(ImageError::NotEmpty(root.to_owned()));
        }
        std::fs::create_dir_all(root).map_err(|error| ImageError::damaged(root, error))?;
        let mut settings = Settings::new();
        for (name, value) in &how.variants {
            settings.variants.set(name, value);
        }
        if settings.variants.get(ARCH) == zones_ips::variant::UNSET {
            settings.variants.set(ARCH, architecture());
        }
        let zone = if how.is_zone { "nonglobal" } else { "global" };
        settings.variants.set(zones_ips::variant::ZONE, zone);
        for (name, value) in &how.facets {
            settings.facets.set(name, *value);
        }
        for (name, value) in &how.properties {
            settings.set_property(name, value)?;
        }
        let (tree, place) = Place::open(root)?;
        let base = if how.is_user { USER } else { FULL };
        let folder = Folder::in_tree(root, place::again(&tree, root)?, base)?;
        for name in [
            "cache",
            "history",
            "license",
            "lost+found",
            "publisher",
            "state",
        ] {
            folder.make(name)?;
        }
        let image = Self {
            folder,
            root: tree,
            settings,
            client,
            place,
            held: None,
        };
        let now = image.now();
        image.folder.together(|batch| {
            Installed::none(now).write(batch, now)?;
            state::write_known(batch, &[], &Installed::none(now), now)
        })?;
        // The settings last: by them the image is known.
        image.save()?;
        Ok(image)
    }

    /// Opens the image at `root`.
    ///
    /// # Errors
    /// There is none, or its settings cannot be understood.
    pub fn open(root: &Path, client: Client) -> Result<Self> {
        let (tree, place) = Place::open(root)?;
        let again = place::again(&tree, root)?;
        let folder = Folder::find(root, again)?;
        let text = folder.text(SETTINGS)?.unwrap_or_default();
        let settings = Settings::parse(&text, &folder.full(SETTINGS))?;
        Ok(Self {
            folder,
            root: tree,
            settings,
            client,
            place,
            held: None,
        })
    }

    /// Lets go of the files for as long as `step` takes, which may put something else in their
    /// place: a root with layers, say. The lock stays what it was for other clients.
    ///
    /// # Errors
    /// The files are not there afterwards.
    pub fn step_aside<T>(&mut self, step: impl FnOnce(&Self) -> T) -> Result<T> {
        let path = self.path().to_owned();
        self.place = Place::default();
        let done = step(self);
        let (tree, place) = Place::open(&path)?;
        self.folder = self.folder.again(place::again(&tree, &path)?)?;
        (self.root, self.place) = (tree, place);
        Ok(done)
    }

    /// Whether there is an image at `root`.
    #[must_use]
    pub fn is_at(root: &Path) -> bool {
        let tree = zones_storage::look(root);
        tree.is_ok_and(|tree| Folder::find(root, tree).is_ok())
    }

    /// The path of the root.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.root()
    }

    /// What the command brought.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The time of the operation.
    #[must_use]
    pub fn now(&self) -> CatalogTime {
        CatalogTime::from_unix_micros(self.client.now).unwrap_or_default()
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.client.now.div_euclid(1_000_000)
    }

    /// Locks the image, and repairs what a killed operation left behind.
    ///
    /// # Errors
    /// Another client has it.
    pub fn lock(&self) -> Result<ImageLock> {
        self.place.check(self.path())?;
        // Root of a zone may take the lock of its image away; nobody takes that of the host.
        let mut lock = ImageLock(Vec::new());
        let mut dead = None;
        if let Some(held) = &self.held {
            let (file, old) = self.lock_of(&held.folder, &self.lock_name()?)?;
            lock.0.push(file);
            dead = old;
        }
        let (file, old) = self.lock_of(&self.folder, LOCK)?;
        lock.0.push(file);
        let is_killed = dead.is_some() || old.is_some();
        if self.held.is_none() {
            // The number of a process that a stranger wrote is none.
            dead = old;
        }
        if is_killed {
            self.sweep(dead.and_then(|it| it.parse().ok()))?;
        }
        Ok(lock)
    }

    /// The name of the lock outside of the image: boot environments of a zone are images of their
    /// own, wherever they are moved to.
    fn lock_name(&self) -> Result<String> {
        let stat = self.place.stat(&self.root);
        let stat = stat.map_err(|errno| ImageError::damaged(self.path(), errno))?;
        Ok(format!("{LOCK}.{:x}-{:x}", stat.st_dev, stat.st_ino))
    }

    /// Takes a lock; gives the number of the process that was killed with it, as it is written.
    fn lock_of(&self, folder: &Folder, name: &str) -> Result<(File, Option<String>)> {
        let failed =
            |error: &dyn ToString| ImageError::damaged(&folder.full(name), error.to_string());
        let mut file = folder.lock_file(name)?;
        let is_ours = lock_file(&file, false).map_err(|errno| failed(&errno))?;
        let mut old = String::new();
        // What a dead client wrote is overwritten; an empty text names nobody.
        let _ = (&file).take(512).read_to_string(&mut old);
        if !is_ours {
            let mut lines = old.lines();
            let mut next = || lines.next().unwrap_or("unknown").to_owned();
            let (pid, name, host) = (next(), next(), next());
            return Err(ImageError::Locked(format!("{name} on {host}, pid {pid}")));
        }
        let text = format!(
            "{}\n{}\n{}\n",
            std::process::id(),
            self.client.name,
            self.client.host
        );
        let written = file.set_len(0).and_then(|()| file.rewind());
        let written = written.and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(|error| failed(&error))?;
        Ok((file, old.lines().next().map(str::to_owned)))
    }

    /// Writes the settings.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn save(&self) -> Result<()> {
        let text = self.written(&self.settings).text();
        self.folder.write(SETTINGS, text.as_bytes())
    }

    /// What is installed.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn installed(&self) -> Result<Installed> {
        Installed::read(&self.folder, self.now())
    }

    /// Packages that groups do not pull in.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn avoided(&self) -> Result<BTreeSet<Stem>> {
        state::read_avoided(&self.folder)
    }

    /// Changes that list.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_avoided(&self, avoided: &BTreeSet<Stem>) -> Result<()> {
        let write = |batch: &mut Batch<'_>| state::write_avoided(batch, avoided);
        self.folder.together(write)
    }

    /// Packages that may not move.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn frozen(&self) -> Result<BTreeMap<Stem, Frozen>> {
        state::read_frozen(&self.folder)
    }

    /// Changes that list.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_frozen(&self, frozen: &BTreeMap<Stem, Frozen>) -> Result<()> {
        let write = |batch: &mut Batch<'_>| state::write_frozen(batch, frozen);
        self.folder.together(write)
    }

    /// What was done to the image, the oldest first.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn history(&self) -> Result<Vec<history::Entry>> {
        history::all(&self.folder)
    }

    /// Forgets what was done.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn purge_history(&self) -> Result<()> {
        history::purge(&self.folder)
    }

    /// Notes an operation; `error` is why it failed.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note(
        &self,
        operation: &str,
        start: i64,
        result: &str,
        error: Option<&str>,
    ) -> Result<()> {
        let time = |seconds| Timestamp::from_unix(seconds).unwrap_or_default();
        let outcome = if error.is_some() {
            "Failed"
        } else {
            "Succeeded"
        };
        history::add(
            &self.folder,
            &history::Entry {
                start: time(start),
                end: time(self.seconds()),
                operation: operation.to_owned(),
                client: self.client.name.clone(),
                version: self.client.version.clone(),
                args: self.client.args.clone(),
                user: self.client.user.0.clone(),
                uid: self.client.user.1,
                result: (outcome.to_owned(), result.to_owned()),
                before: String::new(),
                after: String::new(),
                errors: error.map(str::to_owned).into_iter().collect(),
            },
        )
    }

    /// As [`Image::note`], for an operation that began with this command and succeeded.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note_now(&self, operation: &str) -> Result<()> {
        self.note(operation, self.seconds(), "None", None)
    }

    /// The policy by which actions are chosen.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let data = self.folder.full("");
        let below = data.strip_prefix(self.path()).ok();
        let reserved = below
            .and_then(|it| it.to_str())
            .and_then(|it| ImagePathRef::new(it.trim_end_matches('/')).ok());
        Policy {
            variants: self.settings.variants.clone(),
            facets: self.settings.facets.clone(),
            mediators: self.settings.mediators.clone(),
            excluded: Vec::new(),
            reserved: reserved.map(ImagePathRef::to_owned).into_iter().collect(),
        }
    }

    /// Where payloads are kept.
    #[must_use]
    pub fn cache_folder(&self) -> PathBuf {
        let own = self.client.cache.clone();
        let held = self.held.as_ref();
        // What is written there is unpacked by path: never below the root of a stranger.
        own.or_else(|| held.map(|it| it.guard.folder.join("content")))
            .unwrap_or_else(|| self.folder.full("cache/content"))
    }

    /// The cache of payloads.
    pub(crate) fn cache(&self) -> Result<Cache> {
        Cache::open(&self.cache_folder(), self.path())
    }

    /// The link to a parent, when the image is a child.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn link(&self) -> Result<Option<Link>> {
        let link = Link::read(&self.folder)?;
        Ok(link.map(|link| match &self.held {
            // Which child it is, the host knows; a path here would be the stranger's.
            Some(held) => Link {
                name: held.guard.link.clone(),
                model: "push".to_owned(),
                parent: None,
                ..link
            },
            None => link,
        }))
    }
}

const ARCH: &str = "variant.arch";

/// The architecture of this host, in the words of packages for Linux.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "i386",
        "aarch64" => "arm64",
        other => other,
    }
}
