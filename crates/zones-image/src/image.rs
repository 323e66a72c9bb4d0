//! One image: opened, made, locked, and its packages looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zones_ips::catalog::{CatalogTime, DEPENDENCY, SUMMARY};
use zones_ips::manifest::Unknown;
use zones_ips::quote::quote;
use zones_ips::{
    Action, Algorithm, Digest, Fmri, ImagePathRef, Manifest, Publisher, Stem, Timestamp,
};
use zones_repository::{HttpSource, Source};
use zones_sys::{RootFd, lock_file};

use crate::cache::Cache;
use crate::catalogs::{self, Fetched, Offered};
use crate::error::{ImageError, Result};
use crate::folder::{FULL, Folder, SETTINGS, USER};
use crate::history;
use crate::linked::Link;
use crate::origin::{self, Access};
use crate::plan::{Package, Policy};
use crate::progress::{Event, Tell};
use crate::settings::{PublisherSettings, Settings};
use crate::state::{self, Frozen, Installed};
use crate::transport::{Origins, each};

const LOCK: &str = "lock";
const MODIFIED: &str = "modified";

/// What the command brings to an operation: nothing of it is read from the environment here.
#[derive(Debug, Clone)]
pub struct Client {
    /// How to reach origins.
    pub access: Access,
    /// Folder of payloads for all images of the host; None keeps them in the image, for this
    /// operation.
    pub cache: Option<PathBuf>,
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
}

/// Keeps other clients from changing the image.
#[derive(Debug)]
pub struct ImageLock(#[expect(dead_code, reason = "held, not read")] File);

/// What the lists of a command show of a version.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The version.
    pub fmri: Fmri,
    /// Whether it is installed.
    pub is_installed: bool,
    /// Whether a newer one is known.
    pub is_upgradable: bool,
    /// Whether the package may not move.
    pub is_frozen: bool,
    /// `pkg.obsolete`.
    pub is_obsolete: bool,
    /// `pkg.renamed`.
    pub is_renamed: bool,
    /// `pkg.summary`.
    pub summary: String,
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
        let folder = Folder::new(root, if how.is_user { USER } else { FULL })?;
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
        let root_fd = RootFd::open(root).map_err(|errno| ImageError::damaged(root, errno))?;
        let image = Self {
            folder,
            root: root_fd,
            settings,
            client,
        };
        let now = image.now();
        Installed::none(now).write(&image.folder, now)?;
        state::write_known(&image.folder, &[], &Installed::none(now), now)?;
        // The settings last: by them the image is known.
        image.save()?;
        Ok(image)
    }

    /// Opens the image at `root`.
    ///
    /// # Errors
    /// There is none, or its settings cannot be understood.
    pub fn open(root: &Path, client: Client) -> Result<Self> {
        let folder = Folder::find(root)?;
        let text = folder.text(SETTINGS)?.unwrap_or_default();
        let settings = Settings::parse(&text, &folder.full(SETTINGS))?;
        let root = RootFd::open(root).map_err(|errno| ImageError::damaged(root, errno))?;
        Ok(Self {
            folder,
            root,
            settings,
            client,
        })
    }

    /// Whether there is an image at `root`.
    #[must_use]
    pub fn is_at(root: &Path) -> bool {
        Folder::find(root).is_ok()
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
        let failed =
            |error: &dyn ToString| ImageError::damaged(&self.folder.full(LOCK), error.to_string());
        let mut file = self.folder.lock_file(LOCK)?;
        let is_ours = lock_file(&file, false).map_err(|errno| failed(&errno))?;
        if !is_ours {
            let mut text = String::new();
            // What a dead client wrote is overwritten; an empty text names nobody.
            let _ = (&file).take(512).read_to_string(&mut text);
            let mut lines = text.lines();
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
        self.sweep()?;
        Ok(ImageLock(file))
    }

    /// Writes the settings.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn save(&self) -> Result<()> {
        self.folder.write(SETTINGS, self.settings.text().as_bytes())
    }

    /// Notes that the image changed.
    pub(crate) fn touch(&self) -> Result<()> {
        self.folder.write(MODIFIED, b"")
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
        state::write_avoided(&self.folder, avoided)
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
        state::write_frozen(&self.folder, frozen)
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

    /// Enabled publishers in search order.
    pub fn enabled(&self) -> impl Iterator<Item = &PublisherSettings> {
        self.settings.publishers.iter().filter(|it| it.is_enabled)
    }

    fn source(&self, publisher: &PublisherSettings, uri: &str) -> Result<Box<dyn Source>> {
        let mut access = self.client.access.clone();
        let own = publisher.origins.iter().find(|it| it.uri == uri);
        if let Some(proxy) = own.and_then(|it| it.proxy.as_ref()) {
            access.proxy = Some(proxy.clone());
        }
        if let (Some(cert), Some(key)) = (&publisher.ssl_cert, &publisher.ssl_key) {
            let read = |path: &String| {
                let path = Path::new(path);
                std::fs::read(path).map_err(|error| ImageError::damaged(path, error))
            };
            access.client = Some((read(cert)?, read(key)?));
        }
        Ok(origin::open(uri, &access)?)
    }

    /// Refreshes the catalogs of `publishers`, or of all enabled ones when it is empty.
    ///
    /// An origin that cannot be reached is passed over when another one can.
    ///
    /// # Errors
    /// A publisher is not known, or none of its origins can be read.
    pub fn refresh(
        &self,
        publishers: &[Publisher],
        is_full: bool,
        tell: Tell<'_>,
    ) -> Result<Fetched> {
        let mut all = Fetched::Nothing;
        let mut failures = Vec::new();
        for publisher in self.enabled() {
            if !publishers.is_empty() && !publishers.contains(&publisher.prefix) {
                continue;
            }
            tell(Event::Refresh(&publisher.prefix));
            match self.refresh_one(publisher, is_full) {
                Ok(Fetched::Nothing) => {}
                Ok(other) => all = other,
                Err(error) => failures.push(error),
            }
        }
        for publisher in publishers {
            if self.settings.publisher(publisher.as_str()).is_none() {
                failures.push(ImageError::Refused(format!(
                    "Unknown publisher '{publisher}'; see: pkg publisher"
                )));
            }
        }
        if all != Fetched::Nothing {
            self.write_known()?;
        }
        match failures.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(all),
        }
    }

    /// Rewrites the list of all that is known.
    pub(crate) fn write_known(&self) -> Result<()> {
        let offered = self.offered()?;
        let catalogs: Vec<_> = offered.catalogs.values().collect();
        state::write_known(&self.folder, &catalogs, &self.installed()?, self.now())
    }

    fn refresh_one(&self, publisher: &PublisherSettings, is_full: bool) -> Result<Fetched> {
        let origins = publisher.origins.iter().filter(|it| it.is_enabled);
        let uris: Vec<&str> = origins.map(|it| it.uri.as_str()).collect();
        let mut all = Fetched::Nothing;
        let mut tries = Vec::new();
        for uri in &uris {
            let done = self.source(publisher, uri).and_then(|source| {
                catalogs::refresh_origin(
                    &self.folder,
                    &publisher.prefix,
                    uri,
                    source.as_ref(),
                    is_full,
                )
            });
            match done {
                Ok(Fetched::Nothing) => {}
                Ok(other) => all = other,
                Err(error) => tries.push(((*uri).to_owned(), error.to_string())),
            }
        }
        if !uris.is_empty() && tries.len() == uris.len() {
            return Err(ImageError::Unreachable {
                what: format!("the catalog of publisher '{}'", publisher.prefix),
                tries,
            });
        }
        catalogs::merge(&self.folder, &publisher.prefix, &uris)?;
        Ok(all)
    }

    /// Refreshes what is not fresh.
    pub(crate) fn refresh_stale(&self, tell: Tell<'_>) -> Result<()> {
        let mut stale = Vec::new();
        for publisher in self.enabled() {
            if !catalogs::is_fresh(&self.folder, &publisher.prefix, self.seconds())? {
                stale.push(publisher.prefix.clone());
            }
        }
        if !stale.is_empty() {
            self.refresh(&stale, false, tell)?;
        }
        Ok(())
    }

    /// Refreshes what is not fresh, without the right to change the image: nothing is done when
    /// another client has it.
    ///
    /// # Errors
    /// No origin of a publisher can be reached.
    pub fn refresh_when_stale(&self, tell: Tell<'_>) -> Result<()> {
        match self.lock() {
            Ok(_lock) => self.refresh_stale(tell),
            Err(ImageError::Locked(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The publishers of the repository at `uri`, each with the origins that it suggests.
    ///
    /// # Errors
    /// It cannot be reached, or is no repository.
    pub fn publishers_at(&self, uri: &str) -> Result<Vec<(Publisher, Vec<String>)>> {
        if !uri.starts_with("http") {
            let found = origin::open(uri, &self.client.access)?.publishers()?;
            return Ok(found.into_iter().map(|it| (it, Vec::new())).collect());
        }
        let info = HttpSource::new(uri, &self.client.access)?.publisher_info()?;
        let row = |it: &zones_ips::p5i::PublisherInfo| {
            let prefix = it.name.parse().ok()?;
            let origins = it
                .repositories
                .iter()
                .flat_map(|it| it.origins.iter().cloned());
            Some((prefix, origins.collect()))
        };
        Ok(info.publishers.iter().filter_map(row).collect())
    }

    /// The text of a licence of a package; None when it is neither here nor at an origin.
    ///
    /// # Errors
    /// The image cannot be read.
    pub fn license(&self, fmri: &Fmri, license: &Action) -> Result<Option<String>> {
        let name = license.key().unwrap_or_default();
        let file = format!("license/{}/license.{}", fmri.stem().quoted(), quote(name));
        if let Some(text) = self.folder.read(file)? {
            return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
        }
        let Some(digest) = license.payload_digest() else {
            return Ok(None);
        };
        let bytes = self.origins()?.payload(fmri, &digest, license)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Forgets the copies of a publisher's catalogs.
    ///
    /// # Errors
    /// They cannot be removed.
    pub fn forget_catalogs(&self, publisher: &Publisher) -> Result<()> {
        catalogs::forget(&self.folder, publisher)
    }

    /// What enabled publishers offer.
    pub(crate) fn offered(&self) -> Result<Offered> {
        let mut offered = Offered {
            catalogs: BTreeMap::new(),
            variants: self.settings.variants.clone(),
            facets: self.settings.facets.clone(),
        };
        for publisher in self.enabled() {
            if let Some(catalog) = catalogs::of(&self.folder, &publisher.prefix)? {
                offered.catalogs.insert(publisher.prefix.clone(), catalog);
            }
        }
        Ok(offered)
    }

    /// The origins of enabled publishers, mirrors first.
    pub(crate) fn origins(&self) -> Result<Origins> {
        let mut origins = Origins::default();
        for publisher in &self.settings.publishers {
            let own = publisher.origins.iter().filter(|it| it.is_enabled);
            let uris = publisher.mirrors.iter().chain(own.map(|it| &it.uri));
            for uri in uris {
                origins.add(&publisher.prefix, self.source(publisher, uri)?);
            }
        }
        Ok(origins)
    }

    /// Where payloads are kept.
    #[must_use]
    pub fn cache_folder(&self) -> PathBuf {
        let own = self.client.cache.clone();
        own.unwrap_or_else(|| self.folder.full("cache/content"))
    }

    /// The cache of payloads.
    pub(crate) fn cache(&self) -> Result<Cache> {
        Cache::open(&self.cache_folder(), self.path())
    }

    fn manifest_file(fmri: &Fmri) -> Option<String> {
        let (stem, version) = fmri.quoted()?;
        Some(format!(
            "publisher/{}/pkg/{stem}/{version}",
            fmri.publisher()?
        ))
    }

    /// The manifest of an installed package, proved by the digest in the state.
    pub(crate) fn own_manifest(&self, fmri: &Fmri, digest: Option<&Digest>) -> Option<Manifest> {
        let bytes = self.folder.read(Self::manifest_file(fmri)?).ok()??;
        let is_right = digest.is_none_or(|it| Digest::of(it.algorithm(), &bytes) == *it);
        let manifest = is_right.then(|| Manifest::from_bytes(&bytes, Unknown::Kept));
        manifest?.ok()
    }

    /// The digest of the manifest that the image keeps.
    pub(crate) fn manifest_digest(&self, fmri: &Fmri) -> Result<Option<Digest>> {
        let Some(file) = Self::manifest_file(fmri) else {
            return Ok(None);
        };
        let bytes = self.folder.read(file)?;
        Ok(bytes.map(|it| Digest::of(Algorithm::Sha1, &it)))
    }

    /// The manifests of packages, from the image or from their origins; those that are fetched are
    /// kept.
    ///
    /// # Errors
    /// No origin gives one that is right.
    pub fn manifests(&self, fmris: &[Fmri], tell: Tell<'_>) -> Result<Vec<Package>> {
        let offered = self.offered()?;
        let installed = self.installed()?;
        let digest = |fmri: &Fmri| {
            let own = installed.entry(fmri).and_then(|it| it.manifest_digest());
            own.or_else(|| offered.manifest_digest(fmri))
        };
        let slots: Vec<_> = fmris.iter().map(|_| std::sync::OnceLock::new()).collect();
        let mut missing = Vec::new();
        for (fmri, slot) in fmris.iter().zip(&slots) {
            match self.own_manifest(fmri, digest(fmri).as_ref()) {
                Some(manifest) => {
                    let _ = slot.set(manifest);
                }
                None => missing.push((fmri, slot)),
            }
        }
        if !missing.is_empty() {
            let origins = self.origins()?;
            let count = std::sync::atomic::AtomicUsize::new(0);
            each(&missing, self.client.access.connections, |(fmri, slot)| {
                let (manifest, bytes) = origins.manifest(fmri, digest(fmri).as_ref())?;
                if let Some(file) = Self::manifest_file(fmri) {
                    self.folder.write_soon(file, &bytes)?;
                }
                let _ = slot.set(manifest);
                let done = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                tell(Event::Manifests(done, missing.len()));
                Ok(())
            })?;
        }
        let packages = fmris.iter().zip(slots).filter_map(|(fmri, slot)| {
            Some(Package {
                fmri: fmri.clone(),
                manifest: Arc::new(slot.into_inner()?),
            })
        });
        Ok(packages.collect())
    }

    /// All packages that are installed, with their manifests.
    ///
    /// # Errors
    /// As [`Image::manifests`].
    pub fn packages(&self, tell: Tell<'_>) -> Result<Vec<Package>> {
        let fmris: Vec<Fmri> = self.installed()?.iter().cloned().collect();
        self.manifests(&fmris, tell)
    }

    /// All versions that are known, installed ones included; by publisher rank, name, and version
    /// from new to old.
    ///
    /// # Errors
    /// A catalog or the state cannot be read.
    pub fn listed(&self) -> Result<Vec<Listed>> {
        let offered = self.offered()?;
        let installed = self.installed()?;
        let frozen = self.frozen()?;
        let mut fmris: BTreeSet<Fmri> = offered.all().collect();
        fmris.extend(installed.iter().cloned());
        let mut newest: BTreeMap<&Stem, &Fmri> = BTreeMap::new();
        for fmri in &fmris {
            let best = newest.entry(fmri.stem()).or_insert(fmri);
            if fmri.version() > best.version() {
                *best = fmri;
            }
        }
        let row = |fmri: &Fmri| {
            let actions = |part: &str| -> Vec<Action> {
                let publisher = fmri.publisher().map(Publisher::as_str).unwrap_or_default();
                let catalog = offered.catalogs.get(publisher);
                let from = catalog.filter(|it| it.find(fmri).is_some());
                match from {
                    Some(catalog) => state::actions(catalog, fmri, part),
                    None => installed.actions(fmri, part),
                }
            };
            let is = |actions: &[Action], name: &str| {
                actions
                    .iter()
                    .any(|it| it.get("name") == Some(name) && it.get("value") == Some("true"))
            };
            let (depends, texts) = (actions(DEPENDENCY), actions(SUMMARY));
            let summary = texts
                .iter()
                .find(|it| matches!(it.get("name"), Some("pkg.summary" | "description")));
            let is_newest = newest
                .get(fmri.stem())
                .is_none_or(|it| it.version() <= fmri.version());
            Listed {
                is_installed: installed.has(fmri),
                is_upgradable: !is_newest,
                is_frozen: frozen.contains_key(fmri.stem()),
                is_obsolete: is(&depends, "pkg.obsolete"),
                is_renamed: is(&depends, "pkg.renamed"),
                summary: summary
                    .and_then(|it| it.get("value"))
                    .unwrap_or_default()
                    .to_owned(),
                fmri: fmri.clone(),
            }
        };
        let mut rows: Vec<Listed> = fmris.iter().map(row).collect();
        let rank = |fmri: &Fmri| {
            let own = fmri.publisher();
            let mut all = self.settings.publishers.iter();
            all.position(|it| Some(&it.prefix) == own)
                .unwrap_or(usize::MAX)
        };
        rows.sort_by(|left, right| {
            let stems = left.fmri.stem().cmp(right.fmri.stem());
            let ranks = rank(&left.fmri).cmp(&rank(&right.fmri));
            stems
                .then(ranks)
                .then_with(|| right.fmri.version().cmp(&left.fmri.version()))
        });
        Ok(rows)
    }

    /// The link to a parent, when the image is a child.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn link(&self) -> Result<Option<Link>> {
        Link::read(&self.folder)
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
