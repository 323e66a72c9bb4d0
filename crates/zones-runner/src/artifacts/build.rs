//! One build: a clone, packages, a look, the script, another look, the outputs.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zones_archive::{DiffOptions, Silent, differ};
use zones_matrix::{Key, Network, Output, Source};
use zones_sys::RootFd;
use zones_types::ZoneName;

use super::store::{Built, Store};
use super::zone::BuildZone;
use super::{ArtifactError, BUILD, Gate, Order, SOURCE, Say, gate, outputs};
use crate::script::{ADD_PACKAGES, SETTLE};
use crate::{Verbs, network};

/// How long a command that is no build may take. Configuring packages under an emulator takes
/// minutes.
const STEP: Duration = Duration::from_secs(3600);
/// How long services may take to come up, and to go down.
const SERVICES: Duration = Duration::from_secs(180);
/// The snapshot that what a build changed is compared with.
const POINT: &str = "before-build";

/// Why a build ended early.
enum Stop {
    Why(String),
    Impure(Gate, Vec<String>),
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self::Why(why)
    }
}

/// Builds an artifact. The caller holds the lock on the key.
pub(super) fn build(
    store: &Store,
    verbs: &Verbs,
    order: &Order<'_>,
    key: Key,
    say: Say<'_>,
) -> Result<(), ArtifactError> {
    let (artifact, platform) = (&order.artifact.name, &order.artifact.platform);
    let (log, path) = log(store, key)?;
    let failed = |why: String| failure(order, why, &path);
    let zone = BuildZone::new(verbs, name(key).map_err(&failed)?, &log, path.clone());
    zone.clear().map_err(&failed)?;
    let files = store.begin(key)?;
    let job = Job { zone, order, say };
    let done = job.run(key, &files);
    if let Err(Stop::Why(why)) = &done {
        job.zone.note(&format!("failed: {why}"));
    }
    // The error that is told is the first one; what stays is cleared by the next build.
    let cleared = job.zone.clear();
    match done {
        Ok(files) => {
            cleared.map_err(&failed)?;
            store.finish(&Built {
                key,
                artifact: artifact.clone(),
                platform: platform.clone(),
                files,
            })
        }
        Err(Stop::Why(why)) => Err(failed(why)),
        Err(Stop::Impure(when, found)) => {
            job.zone
                .note(&format!("impure: {when}: {}", found.join(", ")));
            Err(ArtifactError::Impure {
                artifact: artifact.clone(),
                platform: platform.clone(),
                when,
                found,
            })
        }
    }
}

/// A build zone up to the moment before the script, for as long as `then` takes. The caller holds
/// the lock on the key.
pub(super) fn visit<T>(
    store: &Store,
    verbs: &Verbs,
    order: &Order<'_>,
    key: Key,
    (say, then): (Say<'_>, impl FnOnce(&str, &str) -> T),
) -> Result<T, ArtifactError> {
    let (log, path) = log(store, key)?;
    let failed = |why: String| failure(order, why, &path);
    let Source::Build {
        script, sources, ..
    } = &order.artifact.source
    else {
        return Err(failed(IS_RELEASE.to_owned()));
    };
    let name = name(key).map_err(&failed)?;
    let zone = BuildZone::new(verbs, name.clone(), &log, path.clone());
    zone.clear().map_err(&failed)?;
    let job = Job { zone, order, say };
    let made = job.clone_base().and_then(|()| job.packages(key));
    let made = made.and_then(|()| job.boot());
    let made = made.and_then(|()| job.lay(sources, script));
    let done = made.map(|()| then(name.as_str(), script));
    let cleared = job.zone.clear();
    let done = done.map_err(&failed)?;
    cleared.map_err(&failed)?;
    Ok(done)
}

const IS_RELEASE: &str = "it is a release, and is not built";

fn log(store: &Store, key: Key) -> Result<(File, PathBuf), ArtifactError> {
    let path = store.log(key);
    let mut options = OpenOptions::new();
    let log = options.create(true).append(true).open(&path);
    let log = log.map_err(ArtifactError::file("create", &path))?;
    Ok((log, path))
}

fn failure(order: &Order<'_>, why: String, log: &Path) -> ArtifactError {
    ArtifactError::Build {
        artifact: order.artifact.name.clone(),
        platform: order.artifact.platform.clone(),
        why,
        log: log.to_owned(),
    }
}

fn name(key: Key) -> Result<ZoneName, String> {
    let name = format!("build-{:016x}", key.number());
    let parsed = name.parse::<ZoneName>();
    parsed.map_err(|error| error.to_string())
}

struct Job<'a> {
    zone: BuildZone<'a>,
    order: &'a Order<'a>,
    say: Say<'a>,
}

impl Job<'_> {
    fn run(&self, key: Key, to: &Path) -> Result<Vec<super::File>, Stop> {
        let Source::Build {
            script,
            sources,
            outputs,
        } = &self.order.artifact.source
        else {
            return Err(Stop::Why(IS_RELEASE.to_owned()));
        };
        self.zone
            .note(&format!("artifact {key}: {}", self.order.artifact.name));
        self.clone_base()?;
        self.packages(key)?;
        let found = gate::product(&self.look("root")?, self.order.known);
        if !found.is_empty() {
            return Err(Stop::Impure(Gate::Before, found));
        }
        self.zone.step("zoneadm", &["snapshot", POINT], STEP)?;
        self.say("building");
        self.boot()?;
        let found = gate::variables(&self.zone.ask("env")?, self.order.known);
        if !found.is_empty() {
            return Err(Stop::Impure(Gate::Before, found));
        }
        self.lay(sources, script)?;
        let line = format!("cd {BUILD} && {script}");
        self.zone
            .inside(&["/bin/sh", "-c", &line], self.order.limit)?;
        let made = self.settled(outputs)?;
        self.say("looking at what was built");
        self.gate_after()?;
        Ok(outputs::copy(&self.look("root")?, &made, to)?)
    }

    fn packages(&self, key: Key) -> Result<(), String> {
        match self.order.platform.build_packages.is_empty() {
            false => self.add_packages(key),
            // A first start makes things of its own, which are no changes of the build.
            true => {
                self.boot()?;
                self.zone.step("zoneadm", &["halt"], SERVICES)
            }
        }
    }

    fn lay(&self, sources: &[String], script: &str) -> Result<(), String> {
        let script = lay(sources, script);
        self.zone.inside(&["/bin/sh", "-c", &script], STEP)
    }

    fn clone_base(&self) -> Result<(), String> {
        let (order, base) = (self.order, self.order.base);
        let files = order.files.canonicalize();
        let files = files.map_err(|e| format!("cannot find `{}`: {e}", order.files.display()))?;
        let commands = format!(
            "create -b; set brand={}; set zonepath={}; \
             add attr; set name=matrix-build; set type=string; set value={}; end; \
             add fs; set dir={SOURCE}; set special={}; set type=lofs; \
             add options [ro,nodev,nosuid]; end",
            order.platform.brand,
            self.zone.zonepath().display(),
            order.artifact.name,
            quoted(&files)?,
        );
        self.zone.step("zonecfg", &[&commands], STEP)?;
        let snapshot = base.snapshot.map_or(vec![], |name| vec!["-s", name]);
        let words = [&["clone"], &snapshot[..], &[base.zone]].concat();
        self.zone.step("zoneadm", &words, STEP)
    }

    /// Build packages come over a network that the build itself does not have.
    fn add_packages(&self, key: Key) -> Result<(), String> {
        self.say("adding build packages");
        let network = network::words(Network::Full, key.number());
        self.zone.step("zonecfg", &[&network], STEP)?;
        self.boot()?;
        let script = ["/bin/sh", "-c", ADD_PACKAGES, "packages"];
        let packages = self
            .order
            .platform
            .build_packages
            .iter()
            .map(String::as_str);
        let packages: Vec<&str> = packages.collect();
        self.zone
            .inside(&[&script[..], &packages[..]].concat(), STEP)?;
        self.zone.step("zoneadm", &["halt"], SERVICES)?;
        self.zone.step("zonecfg", &["remove -F net"], STEP)
    }

    fn boot(&self) -> Result<(), String> {
        self.zone.step("zoneadm", &["boot"], SERVICES)?;
        self.zone.inside(&["/bin/sh", "-c", SETTLE], SERVICES)
    }

    /// Halts the zone; the outputs, which nobody may have been writing to.
    fn settled(&self, patterns: &[Output]) -> Result<outputs::Outputs, String> {
        let before = outputs::find(&self.look("root")?, patterns)?;
        let init = self.zone.init();
        let open = init.and_then(|init| outputs::open_for_writing(init, &before));
        self.zone.step("zoneadm", &["halt"], SERVICES)?;
        let after = outputs::find(&self.look("root")?, patterns)?;
        match open.or_else(|| outputs::changed(&before, &after)) {
            Some(name) => Err(format!(
                "output `{name}` was still being written when the build ended; have it wait"
            )),
            None => Ok(after),
        }
    }

    fn gate_after(&self) -> Result<(), Stop> {
        let (old, new) = (self.look(&format!("snap/{POINT}"))?, self.look("root")?);
        let changes = differ(Some(&old), &new, DiffOptions::default(), &Silent);
        let changes = changes.map_err(|error| format!("cannot compare: {error}"))?;
        let found = gate::stray(&changes);
        if found.is_empty() {
            return Ok(());
        }
        Err(Stop::Impure(Gate::After, found))
    }

    fn look(&self, below: &str) -> Result<RootFd, String> {
        let path = self.zone.zonepath().join(below);
        zones_storage::look(&path).map_err(|error| error.to_string())
    }

    fn say(&self, text: &str) {
        self.zone.note(text);
        (self.say)(text);
    }
}

/// A path as zonecfg takes it.
fn quoted(path: &Path) -> Result<String, String> {
    match path.to_str() {
        Some(text) if !text.contains('"') && !text.contains('\n') => Ok(format!("\"{text}\"")),
        _ => Err(format!(
            "`{}` cannot be mounted in a zone; rename it",
            path.display()
        )),
    }
}

/// A script that lays a copy of the source, or of the parts that are named, and of the build
/// script, which need not be one of them.
fn lay(sources: &[String], script: &str) -> String {
    let word = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let copy = |from: &str, to: &str| {
        let (from, to) = (word(from), word(to));
        format!("cp -R -p {from} {to} 2>/dev/null || cp -R {from} {to}\n")
    };
    let mut text = format!("set -e\nmkdir -p {BUILD}\n");
    if sources.is_empty() {
        return text + &copy(&format!("{SOURCE}/."), &format!("{BUILD}/"));
    }
    let first = script.split_whitespace().next().unwrap_or_default();
    let is_own = first.contains('/') && !first.starts_with('/');
    let all = sources
        .iter()
        .map(String::as_str)
        .chain(is_own.then_some(first));
    for path in all {
        let folder = Path::new(path).parent().unwrap_or_else(|| Path::new(""));
        let folder = format!("{BUILD}/{}", folder.display());
        text += &format!("mkdir -p {}\n", word(&folder));
        text += &copy(&format!("{SOURCE}/{path}"), &format!("{folder}/"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_copied_whole_or_in_the_parts_that_are_named() {
        assert!(lay(&[], "make").contains("cp -R -p '/run/matrix/source/.' '/build/'"));
        let text = lay(
            &["product".to_owned(), "it's/x".to_owned()],
            "matrix/build.sh 4.2",
        );
        for words in [
            "cp -R -p '/run/matrix/source/product' '/build//'",
            "mkdir -p '/build/it'\\''s'",
            "cp -R -p '/run/matrix/source/matrix/build.sh' '/build/matrix/'",
        ] {
            assert!(text.contains(words), "{words} is not in {text}");
        }
        assert!(quoted(Path::new("/a\"b")).is_err());
    }
}
