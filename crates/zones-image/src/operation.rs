//! Operations: solved, planned, fetched, carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zones_ips::catalog::{DEPENDENCY, EntrySet};
use zones_ips::{Action, ActionKind, Fmri, ImagePath, ImagePathRef, Pattern, Stem, Timestamp};
use zones_solver::{Freeze, Operation as Wish, Release, Request as Problem, Source};
use zones_sys::RootFd;

use crate::apply::{Options, Report, apply};
use crate::cache::Cache;
use crate::check::{self, ImageDisk};
use crate::error::{ImageError, Result};
use crate::folder::{Batch, Folder, SETTINGS};
use crate::image::{Image, ImageLock, MODIFIED};
use crate::journal::Intent;
use crate::linked::Link;
use crate::plan::{self, Package, Plan, Policy, plan};
use crate::progress::{Event, Finish, Stage, Tell};
use crate::settings::{RECORDS_ONLY, Settings};
use crate::state;
use crate::transport::{Cached, Fetched, fetch};

/// The note of an operation under way, below the data of the image.
const NOTE: &str = "state/operation.json";
/// Folders of the image's data in which files are written.
const SWEPT: [&str; 6] = [
    "",
    "history",
    "linked",
    "state",
    "state/installed",
    "state/known",
];
/// Content that is kept in the image for one operation.
const CONTENT: &str = "cache/content";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The packages.
    pub wish: Wish,
    /// Packages that the result must not have.
    pub reject: Vec<Pattern>,
    /// Whether patterns that match nothing are passed over.
    pub is_missing_ignored: bool,
    /// Whether catalogs are used as they are.
    pub is_offline: bool,
    /// Settings that the image gets with it; None keeps them.
    pub settings: Option<Settings>,
    /// What the parent will have, when it is changed first.
    pub parent: Option<Vec<Fmri>>,
}

impl Wanted {
    /// This wish and nothing special.
    #[must_use]
    pub fn new(wish: Wish) -> Self {
        Self {
            wish,
            reject: Vec::new(),
            is_missing_ignored: false,
            is_offline: false,
            settings: None,
            parent: None,
        }
    }
}

/// An operation that is planned. Nothing is changed yet but copies of catalogs and manifests.
#[derive(Debug)]
pub struct Planned {
    /// What is laid down and removed.
    pub plan: Plan,
    /// `install`, `update` ...
    pub name: String,
    avoid: BTreeSet<Stem>,
    unavoid: BTreeSet<Stem>,
    settings: Option<Settings>,
    parent: Option<Vec<Fmri>>,
    /// Manifests of what comes, with the digests of their bytes.
    coming: BTreeMap<Fmri, EntrySet>,
}

/// What an operation did.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// What was fetched.
    pub fetched: Fetched,
    /// What was salvaged, written and warned of.
    pub report: Report,
}

impl Planned {
    /// Whether there is nothing to do: exit 4 of pkg(1).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty()
            && self.avoid.is_empty()
            && self.unavoid.is_empty()
            && self.settings.is_none()
    }

    /// The packages that are installed afterwards, if they were these before.
    #[must_use]
    pub fn after(&self, before: impl IntoIterator<Item = Fmri>) -> Vec<Fmri> {
        let mut all: BTreeMap<Stem, Fmri> = before
            .into_iter()
            .map(|it| (it.stem().clone(), it))
            .collect();
        for change in self.plan.changes() {
            if let Some(from) = &change.from {
                all.remove(from.stem());
            }
            if let Some(to) = &change.to {
                all.insert(to.stem().clone(), to.clone());
            }
        }
        all.into_values().collect()
    }
}

impl Image {
    /// Plans an operation.
    ///
    /// # Errors
    /// There is no solution, an origin cannot be reached, or packages do not fit together.
    pub fn plan(&self, name: &str, wanted: Wanted, tell: Tell<'_>) -> Result<Planned> {
        match &wanted.wish {
            _ if wanted.is_offline => {}
            // What is newest matters: the catalogs are those of now.
            Wish::Update(_) | Wish::Sync => drop(self.refresh(&[], false, tell)?),
            _ => self.refresh_stale(tell)?,
        }
        tell(Event::Stage(Stage::Setup));
        let settings = wanted.settings.as_ref().unwrap_or(&self.settings);
        let installed = self.installed()?;
        let mut offered = self.offered()?;
        offered.variants = settings.variants.clone();
        offered.facets = settings.facets.clone();
        let image = self.for_solver(&wanted, settings, &installed)?;
        let problem = Problem {
            operation: wanted.wish.clone(),
            reject: wanted.reject.clone(),
            is_missing_ignored: wanted.is_missing_ignored,
        };
        tell(Event::Stage(Stage::Solve));
        let solution = zones_solver::solve(&offered, &image, &problem)?;
        if solution.changes.is_empty() && wanted.settings.is_none() {
            // What lies in an image follows from its packages and settings: no manifest is read.
            return Ok(Planned {
                avoid: solution.avoid,
                unavoid: solution.unavoid,
                parent: wanted.parent,
                ..Planned::of_plan(name, Plan::default())
            });
        }
        let mut after: BTreeMap<Stem, Fmri> = BTreeMap::new();
        for fmri in installed.iter() {
            after.insert(fmri.stem().clone(), fmri.clone());
        }
        for change in &solution.changes {
            match &change.to {
                Some(to) => after.insert(change.stem.clone(), to.clone()),
                None => after.remove(&change.stem),
            };
        }
        tell(Event::Stage(Stage::Manifests));
        let all: Vec<Fmri> = installed.iter().cloned().collect();
        let before = self.manifests_of(&all, &installed, &offered, tell)?;
        let coming: Vec<Fmri> = after
            .values()
            .filter(|it| !installed.has(it))
            .cloned()
            .collect();
        let new = self.manifests_of(&coming, &installed, &offered, tell)?;
        self.prove(&new)?;
        let coming = self.entries(&new)?;
        let (before, new) = (self.laid(before), self.laid(new));
        let known: BTreeMap<&Fmri, &Package> =
            before.iter().chain(&new).map(|it| (&it.fmri, it)).collect();
        let after: Vec<Package> = after
            .values()
            .filter_map(|it| known.get(it).copied().cloned())
            .collect();
        tell(Event::Stage(Stage::Plan));
        let policy = Policy {
            variants: settings.variants.clone(),
            facets: settings.facets.clone(),
            mediators: settings.mediators.clone(),
            ..self.policy()
        };
        let request = plan::Request {
            installed: &before,
            wanted: &after,
            before: &self.policy(),
            after: &policy,
        };
        let plan = plan(&request, &ImageDisk::new(&self.root))?;
        Ok(Planned {
            coming,
            plan,
            name: name.to_owned(),
            avoid: solution.avoid,
            unavoid: solution.unavoid,
            settings: wanted.settings,
            parent: wanted.parent,
        })
    }

    /// Packages with what this image lays down of them.
    fn laid(&self, packages: Vec<Package>) -> Vec<Package> {
        if !self.settings.is(RECORDS_ONLY) {
            return packages;
        }
        let record = |package: Package| {
            let actions = package.manifest.actions().iter();
            let is_record =
                |it: &&Action| matches!(it.kind(), ActionKind::Set | ActionKind::Depend);
            let manifest = actions.filter(is_record).cloned().collect();
            Package {
                manifest: Arc::new(manifest),
                ..package
            }
        };
        packages.into_iter().map(record).collect()
    }

    /// The state of the image as the solver wants it.
    fn for_solver(
        &self,
        wanted: &Wanted,
        settings: &Settings,
        installed: &crate::state::Installed,
    ) -> Result<zones_solver::Image> {
        let policy = (&settings.variants, &settings.facets);
        let release = |fmri: &Fmri| {
            let (publisher, version) = (fmri.publisher()?, fmri.version()?);
            let actions = installed.actions(fmri, DEPENDENCY);
            let release = Release::read(publisher, fmri, version, &actions, policy);
            Some((fmri.stem().clone(), Arc::new(release)))
        };
        let sources = settings.publishers.iter().map(|it| Source {
            publisher: it.prefix.clone(),
            is_sticky: it.is_sticky,
            is_enabled: it.is_enabled,
        });
        let frozen = self.frozen()?.into_iter().map(|(stem, it)| {
            let (version, comment) = (it.version, it.comment);
            (stem, Freeze { version, comment })
        });
        let link = self.link()?;
        let parent = link.map(|link| match &wanted.parent {
            Some(packages) => Link {
                packages: packages.clone(),
                ..link
            },
            None => link,
        });
        Ok(zones_solver::Image {
            installed: installed.iter().filter_map(release).collect(),
            publishers: sources.collect(),
            frozen: frozen.collect(),
            avoided: self.avoided()?,
            parent: parent.map(|it| it.constraints()),
            root: None,
        })
    }

    /// Carries a planned operation out. Everything is fetched and proved before the first change.
    ///
    /// # Errors
    /// The content cannot be had, and nothing is changed; or a step fails, and the next operation
    /// or `pkg fix` completes what was begun.
    pub fn execute(&mut self, planned: &Planned, _: &ImageLock, tell: Tell<'_>) -> Result<Done> {
        let cache = self.cache()?;
        let origins = self.origins()?;
        let threads = self.client.access.connections;
        let fetched = fetch(&planned.plan, &origins, &cache, threads, tell)?;
        let note = self.data_path(NOTE)?;
        let note = ImagePathRef::new(&note).map_err(|error| self.bad_path(&error))?;
        let options = self.options()?;
        let intent = Intent::of(&planned.name, &planned.plan);
        intent
            .and_licenses(&planned.plan, &options.licenses)
            .write(&self.root, note)?;
        let say = |it| tell(Event::Apply(it));
        let content = Cached {
            cache: &cache,
            origins: &origins,
        };
        let report = apply(&planned.plan, &self.root, &content, &options, &say)?;
        let mut state = self.folder.batch();
        self.finish(planned, &mut state, tell)?;
        // Once for all that was laid down and for the new state, which counts after that.
        let synced = self.root.sync();
        synced.map_err(|errno| ImageError::damaged(self.path(), errno))?;
        state.keep()?;
        if let Some(settings) = &planned.settings {
            self.settings = settings.clone();
        }
        Intent::end(&self.root, note)?;
        if self.client.cache.is_none() && self.settings.is("flush-content-cache-on-success") {
            self.folder.remove(CONTENT)?;
        }
        Ok(Done { fetched, report })
    }

    /// Writes the new state, which makes the operation count once it is kept.
    fn finish(&self, planned: &Planned, to: &mut Batch<'_>, tell: Tell<'_>) -> Result<()> {
        let now = self.now();
        tell(Event::Finish(Finish::State));
        let mut installed = self.installed()?;
        // A repair names packages that stay as they are.
        let changes = planned.plan.changes().iter().filter(|it| it.from != it.to);
        let changes: Vec<_> = changes.collect();
        let is_changed = !changes.is_empty();
        for change in changes {
            let to = change.to.as_ref();
            let to = to.and_then(|it| Some((it, planned.coming.get(it)?.clone())));
            installed.change(change.from.as_ref(), to, now);
        }
        if is_changed {
            installed.write(to, now)?;
        }
        tell(Event::Finish(Finish::Cache));
        let mut avoided = self.avoided()?;
        let old = avoided.clone();
        avoided.extend(planned.avoid.iter().cloned());
        avoided.retain(|it| !planned.unavoid.contains(it));
        if avoided != old {
            state::write_avoided(to, &avoided)?;
        }
        tell(Event::Finish(Finish::Image));
        if let Some(settings) = &planned.settings {
            to.add(SETTINGS, self.written(settings).text().as_bytes())?;
        }
        if let (Some(packages), Some(link)) = (&planned.parent, self.link()?) {
            let packages = packages.clone();
            Link { packages, ..link }.write(to)?;
        }
        if is_changed {
            self.write_known(&installed, to)?;
        }
        to.add(MODIFIED, b"")
    }

    pub(crate) fn options(&self) -> Result<Options> {
        let path = |below: &str| -> Result<_> {
            let path = self.data_path(below)?;
            let path = ImagePathRef::new(&path).map_err(|error| self.bad_path(&error))?;
            Ok(path.to_owned())
        };
        Ok(Options {
            licenses: path("license")?,
            salvage: path("lost+found")?,
            time: Timestamp::from_unix(self.seconds()).unwrap_or_default(),
            threads: 0,
            is_flushed: true,
        })
    }

    /// A file of the image's data, as a path in the image.
    pub(crate) fn data_path(&self, below: &str) -> Result<String> {
        let full = self.folder.full(below);
        let path = full
            .strip_prefix(self.path())
            .ok()
            .and_then(|it| it.to_str());
        path.map(str::to_owned)
            .ok_or_else(|| self.bad_path(&"its data is not below its root"))
    }

    fn bad_path(&self, why: &dyn ToString) -> ImageError {
        ImageError::damaged(self.path(), why.to_string())
    }

    /// Removes the temporary files of a client that was killed. Its note stays until an operation
    /// completes: see [`Image::interrupted`].
    pub(crate) fn sweep(&self, client: Option<u32>) -> Result<()> {
        if let Some(intent) = self.interrupted()? {
            let _ = intent.sweep(&self.root);
        }
        for below in SWEPT {
            self.folder.sweep(below);
        }
        self.folder.sweep_temps_of(NOTE)?;
        if let Some(client) = client {
            Cache::sweep(&self.cache_folder(), client);
        }
        sweep_publishers(&self.folder)?;
        match &self.held {
            Some(held) => sweep_publishers(&held.folder),
            None => Ok(()),
        }
    }

    /// The operation that was killed, if the last one was.
    ///
    /// # Errors
    /// Its note cannot be read.
    pub fn interrupted(&self) -> Result<Option<Intent>> {
        let note = self.data_path(NOTE)?;
        let note = ImagePathRef::new(&note).map_err(|error| self.bad_path(&error))?;
        Ok(Intent::read(&self.root, note)?)
    }

    /// What catalogs say of packages, by their manifests as they are stored.
    fn entries(&self, packages: &[Package]) -> Result<BTreeMap<Fmri, EntrySet>> {
        let mut found = BTreeMap::new();
        for package in packages {
            let digest = self.manifest_digest(&package.fmri)?;
            if let (Some(version), Some(digest)) = (package.fmri.version(), digest) {
                let set = EntrySet::of(version, &package.manifest, &digest);
                found.insert(package.fmri.clone(), set);
            }
        }
        Ok(found)
    }

    /// Removes the note of a killed operation: the image is whole.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn end_interrupted(&self, _: &ImageLock) -> Result<()> {
        let note = self.data_path(NOTE)?;
        let note = ImagePathRef::new(&note).map_err(|error| self.bad_path(&error))?;
        Ok(Intent::end(&self.root, note)?)
    }

    /// The root, by descriptor.
    #[must_use]
    pub fn root(&self) -> &RootFd {
        &self.root
    }

    /// Compares the image with those of its packages that `is_wanted` names.
    ///
    /// # Errors
    /// The image cannot be read.
    pub fn verify(
        &self,
        packages: &[Package],
        is_wanted: &dyn Fn(&Fmri) -> bool,
        tell: Tell<'_>,
    ) -> Result<check::Report> {
        let options = check::Options {
            licenses: self.options()?.licenses,
            threads: 0,
        };
        let say = |it| tell(Event::Verify(it));
        let packages = self.laid(packages.to_vec());
        Ok(check::verify(
            &self.root,
            &packages,
            is_wanted,
            &self.policy(),
            &options,
            &say,
        ))
    }

    /// What is in the image and belongs to no package.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn unpackaged(&self, packages: &[Package]) -> Result<Vec<ImagePath>> {
        let policy = self.policy();
        let found = check::unpackaged(&self.root, packages, &policy, &policy.reserved);
        found.map_err(|error| ImageError::damaged(self.path(), error))
    }

    /// Plans the repair of what a report found. Give all installed packages.
    ///
    /// # Errors
    /// The image cannot be read.
    pub fn plan_repair(&self, report: &check::Report, packages: &[Package]) -> Result<Planned> {
        let disk = ImageDisk::new(&self.root);
        let plan = check::repair(report, packages, &self.policy(), &disk)?;
        Ok(Planned::of_plan("fix", plan))
    }

    /// Plans the way back of files to their packaged content.
    ///
    /// # Errors
    /// No package delivers one of them.
    pub fn plan_revert(&self, target: &check::Target, packages: &[Package]) -> Result<Planned> {
        let options = check::Options {
            licenses: self.options()?.licenses,
            threads: 0,
        };
        let plan = check::revert(target, &self.root, packages, &self.policy(), &options)?;
        Ok(Planned::of_plan("revert", plan))
    }
}

/// Removes what a killed process left of catalogs, manifests and certificates.
fn sweep_publishers(folder: &Folder) -> Result<()> {
    let top = "publisher";
    for publisher in folder.names(top)? {
        let own = format!("{top}/{publisher}");
        for below in ["", "/catalog", "/certs"] {
            folder.sweep(format!("{own}{below}"));
        }
        for below in ["origins", "pkg"] {
            let below = format!("{own}/{below}");
            for name in folder.names(&below)? {
                folder.sweep(format!("{below}/{name}"));
            }
        }
    }
    Ok(())
}

impl Planned {
    /// A plan that changes no package.
    #[must_use]
    pub fn of_plan(name: &str, plan: Plan) -> Self {
        Self {
            plan,
            name: name.to_owned(),
            avoid: BTreeSet::new(),
            unavoid: BTreeSet::new(),
            settings: None,
            parent: None,
            coming: BTreeMap::new(),
        }
    }
}
