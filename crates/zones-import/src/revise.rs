//! Which packages of an import are new, and their versions.

use std::collections::BTreeMap;

use zones_ips::{Action, ActionKind, DotSequence, Fmri, Manifest, Stem, Version};
use zones_repository::{Listing, RepositoryError, Store};
use zones_sys::RootFd;

use crate::error::{ImportError, Result};
use crate::say::{depend, set};
use crate::split::{Package, Split, arch_variant, stem};

/// The incorporation over everything that is imported.
pub const ENTIRE: &str = "entire";

/// The digest of what would be installed from a mirror, as [`ENTIRE`] has it.
const PLAN: &str = "debian.plan";
/// The release.
const CODENAME: &str = "debian.codename";
/// The architecture of the root.
const ARCHITECTURE: &str = "debian.architecture";
/// Changes with what an import makes of the same root.
const FORMAT: &str = "1";

/// Where a root came from, as far as that is known.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// A digest over all that was installed.
    pub plan: Option<String>,
    /// The name of the release.
    pub codename: Option<String>,
}

impl Facts {
    /// The digest as [`ENTIRE`] has it, the way in which roots are split with it.
    #[must_use]
    pub fn plan(&self) -> Option<String> {
        self.plan.as_ref().map(|plan| format!("{FORMAT}.{plan}"))
    }
}

/// The newest [`ENTIRE`] of a publisher.
#[derive(Debug)]
pub struct Imported {
    /// Its name.
    pub fmri: Fmri,
    manifest: Manifest,
}

impl Imported {
    /// Whether it came from just this.
    #[must_use]
    pub fn is_of(&self, facts: &Facts) -> bool {
        facts.plan.is_some() && self.fact(PLAN) == facts.plan().as_deref()
    }

    fn fact(&self, name: &str) -> Option<&str> {
        let is_it = |it: &&Action| it.kind() == ActionKind::Set && it.get("name") == Some(name);
        self.manifest.actions().iter().find(is_it)?.get("value")
    }
}

/// What was imported last; none when nothing was.
///
/// # Errors
///
/// The repository cannot be read.
pub fn imported(store: &Store) -> Result<Option<Imported>> {
    let Some(fmri) = newest(store)?.remove(&stem(ENTIRE)?) else {
        return Ok(None);
    };
    let manifest = store.manifest(&fmri);
    let manifest = manifest.map_err(|error| refusal(&fmri.to_string(), error))?;
    Ok(Some(Imported { fmri, manifest }))
}

/// The newest version of each package of a publisher.
fn newest(store: &Store) -> Result<BTreeMap<Stem, Fmri>> {
    let listed = store.packages();
    let listed = listed.map_err(|error| refusal("the packages of a root", error))?;
    let mut newest: BTreeMap<Stem, Fmri> = BTreeMap::new();
    for fmri in listed {
        let known = newest.get(fmri.stem());
        if known.is_none_or(|it| it.version() < fmri.version()) {
            newest.insert(fmri.stem().clone(), fmri);
        }
    }
    Ok(newest)
}

/// What was published last under a name.
#[derive(Debug, Clone)]
pub struct Last {
    /// Its version.
    pub version: Version,
    /// All it says.
    pub manifest: Manifest,
}

/// A package with its version.
#[derive(Debug)]
pub struct Revision {
    /// The package.
    pub package: Package,
    /// Its version without timestamp. The branch counts the imports that changed the package while
    /// Debian's version stayed the same.
    pub version: Version,
    /// Whether it differs from what was published last.
    pub is_new: bool,
    /// Whether nothing of its name was published before.
    pub is_first: bool,
}

/// Compares packages with what was published last, and adds [`ENTIRE`] over all of them.
///
/// # Errors
///
/// Whatever `last` says.
pub fn revise(
    packages: Vec<Package>,
    facts: &[(&str, String)],
    last: &dyn Fn(&Stem) -> Result<Option<Last>>,
) -> Result<Vec<Revision>> {
    let mut revisions = Vec::with_capacity(packages.len() + 1);
    for package in packages {
        let last = last(&package.stem)?;
        revisions.push(revision(package, last.as_ref()));
    }
    let entire = entire(&revisions, facts)?;
    let last = last(&entire.stem)?;
    revisions.push(revision(entire, last.as_ref()));
    Ok(revisions)
}

fn revision(package: Package, last: Option<&Last>) -> Revision {
    let branch = |version: &Version| {
        version
            .branch()
            .and_then(|it| it.numbers().first().copied())
    };
    let same_component = last
        .as_ref()
        .filter(|it| *it.version.component() == package.component);
    let (number, is_new) = match same_component {
        None => (0, true),
        Some(last) => {
            let number = branch(&last.version).unwrap_or(0);
            let is_same = body(&package.actions) == body(last.manifest.actions());
            (if is_same { number } else { number + 1 }, !is_same)
        }
    };
    let branch: Option<DotSequence> = number.to_string().parse().ok();
    Revision {
        version: Version::new(package.component.clone(), branch, None),
        package,
        is_new,
        is_first: last.is_none(),
    }
}

/// Attributes that publication adds and that follow from the content.
const ADDED: [&str; 7] = [
    "chash",
    "pkg.size",
    "pkg.csize",
    "pkg.content-hash",
    "elfarch",
    "elfbits",
    "elfhash",
];

/// What a package says, whoever published it and when.
fn body(actions: &[Action]) -> Vec<String> {
    let is_name = |it: &&Action| it.kind() == ActionKind::Set && it.get("name") == Some("pkg.fmri");
    let plain = |it: &Action| {
        let mut action = it.clone();
        for key in ADDED {
            // An attribute that no action needs can always be taken away.
            let _ = action.remove(key);
        }
        action.to_string()
    };
    let said = actions
        .iter()
        .filter(|it| !is_name(it) && it.kind() != ActionKind::Signature);
    let mut lines: Vec<String> = said.map(plain).collect();
    lines.sort();
    lines
}

/// The incorporation of exactly these revisions. Its version is that of the distribution, which the
/// packages named `system/...` have.
fn entire(revisions: &[Revision], facts: &[(&str, String)]) -> Result<Package> {
    let system = revisions
        .iter()
        .find(|it| it.package.stem.as_str() == "system/core");
    let zero = || "0".parse().expect("`0` is a dot sequence");
    let mut actions = vec![set(
        "pkg.summary",
        "all packages, at versions that go together",
    )?];
    for (name, value) in facts {
        actions.push(set(name, value)?);
    }
    for revision in revisions {
        let name = format!("{}@{}", revision.package.stem, revision.version.short());
        actions.push(depend("incorporate", &[name])?);
    }
    Ok(Package {
        stem: stem(ENTIRE)?,
        component: system.map_or_else(zero, |it| it.package.component.clone()),
        actions,
        licenses: BTreeMap::new(),
    })
}

/// What an import published.
#[derive(Debug, Default)]
pub struct Published {
    /// What has a name that was not there before.
    pub new: Vec<Fmri>,
    /// What is newer than what was there.
    pub changed: Vec<Fmri>,
    /// How many packages are as they were.
    pub unchanged: usize,
}

/// Publishes what changed of a root; all of it is listed at once, in the end.
///
/// # Errors
///
/// The repository refuses, has packages of another architecture, or a file has changed meanwhile.
/// What was published before is not listed then, and the next import goes on from there.
pub fn publish(root: &RootFd, split: Split, store: &Store, facts: &Facts) -> Result<Published> {
    let refused = |error| refusal("the packages of a root", error);
    let architecture = split.architecture.clone();
    let known = imported(store)?;
    let known = known.as_ref().and_then(|it| it.fact(ARCHITECTURE));
    if let Some(known) = known.filter(|it| *it != architecture) {
        return Err(ImportError::OtherArchitecture {
            publisher: store.publisher().to_string(),
            known: known.to_owned(),
            found: architecture,
        });
    }
    let mut said = vec![(ARCHITECTURE, architecture.clone())];
    said.extend(arch_variant(&architecture));
    said.extend(facts.codename.clone().map(|it| (CODENAME, it)));
    said.extend(facts.plan().map(|it| (PLAN, it)));
    let newest = newest(store)?;
    let last = |stem: &Stem| {
        let Some(fmri) = newest.get(stem) else {
            return Ok(None);
        };
        let refused = |error| refusal(&fmri.to_string(), error);
        let manifest = store.manifest(fmri).map_err(refused)?;
        let version = fmri.version().cloned();
        Ok(version.map(|version| Last { version, manifest }))
    };
    let mut published = Published::default();
    for revision in revise(split.packages, &said, &last)? {
        match (revision.is_new, revision.is_first) {
            (true, true) => published.new.push(one(root, &revision, store)?),
            (true, false) => published.changed.push(one(root, &revision, store)?),
            (false, _) => published.unchanged += 1,
        }
    }
    store.refresh().map_err(refused)?;
    Ok(published)
}

fn refusal(what: &str, error: RepositoryError) -> ImportError {
    ImportError::Publish(what.to_owned(), Box::new(error))
}

fn one(root: &RootFd, revision: &Revision, store: &Store) -> Result<Fmri> {
    let package = &revision.package;
    let fmri = Fmri::new(
        Some(store.publisher().clone()),
        package.stem.clone(),
        Some(revision.version.clone()),
    );
    let mut manifest = Manifest::new(package.actions.clone());
    let unsayable = |source| ImportError::Unsayable {
        what: fmri.to_string(),
        source: Box::new(source),
    };
    manifest.set_fmri(&fmri).map_err(unsayable)?;
    let content = |action: &Action| {
        let found = package.content(root, action);
        found.map_err(|error| RepositoryError::Property(error.to_string()))
    };
    let done = store.publish(manifest, &content, Listing::Later);
    done.map_err(|error| refusal(&fmri.to_string(), error))
}
