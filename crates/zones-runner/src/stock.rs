//! The supply of a real run: images of the matrix' host, artifacts of the project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use zones_matrix::{Artifact, Plan, Platform, Source};

use crate::artifacts::{Artifacts, Base, Footprint, Order};
use crate::bed::Origin;
use crate::images::{Golden as Image, Images, Say};
use crate::supply::{Golden, Lack, Supply};

/// How long one build may take.
const BUILD: Duration = Duration::from_secs(2 * 3600);

/// Images and artifacts of this host.
pub struct Stock<'a> {
    images: &'a Images,
    artifacts: &'a Artifacts,
    plan: &'a Plan,
    folder: PathBuf,
    /// Below the folder, and no source.
    skip: Vec<PathBuf>,
    known: Footprint,
    say: Say<'a>,
    /// Images that nobody may remove while the run is on its way, by platform.
    held: Mutex<BTreeMap<String, Image>>,
}

impl std::fmt::Debug for Stock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Stock");
        debug.field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl<'a> Stock<'a> {
    /// `folder` is that of the matrix file, `reports` where its reports go; `say` is told what
    /// takes long.
    ///
    /// # Errors
    /// A release of the past cannot be read: the text names it.
    pub fn new(
        images: &'a Images,
        artifacts: &'a Artifacts,
        plan: &'a Plan,
        (folder, reports): (&Path, &Path),
        say: Say<'a>,
    ) -> Result<Self, String> {
        Ok(Self {
            images,
            artifacts,
            plan,
            folder: folder.to_owned(),
            skip: vec![reports.to_owned()],
            known: footprint(plan, folder)?,
            say,
            held: Mutex::default(),
        })
    }

    fn image(&self, platform: &Platform) -> Result<Golden, Lack> {
        let blocked = |error: &dyn std::fmt::Display| Lack::Blocked(error.to_string());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.contains_key(&platform.id) {
            // Others may make theirs meanwhile.
            drop(held);
            let image = self.images.ensure(platform, &self.folder, self.say);
            let mut image = image.map_err(|error| blocked(&error))?;
            if self.is_looked_at(platform) {
                self.listen(platform, &mut image);
            }
            held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.insert(platform.id.clone(), image);
        }
        let image = held
            .get(&platform.id)
            .ok_or_else(|| blocked(&"its image is gone"))?;
        Ok(Golden {
            origin: Origin {
                zone: image.zone.to_string(),
                snapshot: None,
            },
            key: Some(image.key),
            stale: image.stale,
            noise: image.noise.clone(),
        })
    }
}

impl Stock<'_> {
    /// Whether a check of a cell compares zones of this platform.
    fn is_looked_at(&self, platform: &Platform) -> bool {
        let mut cells = self.plan.cells.iter();
        cells.any(|cell| !cell.checks.is_empty() && self.plan.platform(cell).id == platform.id)
    }

    /// What the image changes by itself, learned once for its key. Without that knowledge checks
    /// find too much, and nothing is hidden.
    fn listen(&self, platform: &Platform, image: &mut Image) {
        let say = |text: &str| (self.say)(&platform.id, text);
        match self.images.noise(image, &say) {
            Ok(noise) => image.noise = noise,
            Err(error) => say(&format!("what it changes by itself is not known: {error}")),
        }
    }
}

/// What the product is known by: its past releases, and the variables that its options set.
fn footprint(plan: &Plan, folder: &Path) -> Result<Footprint, String> {
    let mut known = Footprint::default();
    for artifact in &plan.artifacts {
        if let Source::Path(path) = &artifact.source
            && folder.join(path).exists()
        {
            known.add_packages(&folder.join(path))?;
        }
    }
    let variables = plan.cells.iter().flat_map(|cell| &cell.env);
    known.variables = variables.map(|(name, _)| name.clone()).collect();
    Ok(known)
}

impl Supply for Stock<'_> {
    fn golden(&self, platform: &Platform) -> Result<Golden, Lack> {
        self.image(platform)
    }

    fn artifact(&self, artifact: &Artifact) -> Result<PathBuf, Lack> {
        self.order(artifact, |order, say| {
            self.artifacts
                .ensure(order, say)
                .map_err(|error| match error.is_impure() {
                    true => Lack::Impure(error.to_string()),
                    false => Lack::Blocked(error.to_string()),
                })
        })
    }
}

impl Stock<'_> {
    /// Makes the build zone of an artifact up to the moment before its script, for as long as
    /// `then` takes, which gets the name of the zone and the script.
    ///
    /// # Errors
    /// The image or the zone cannot be made; the artifact is a release.
    pub fn visit<T>(
        &self,
        artifact: &Artifact,
        then: impl FnOnce(&str, &str) -> T,
    ) -> Result<T, Lack> {
        self.order(artifact, |order, say| {
            let visited = self.artifacts.visit(order, say, then);
            visited.map_err(|error| Lack::Blocked(error.to_string()))
        })
    }

    fn order<T>(
        &self,
        artifact: &Artifact,
        then: impl FnOnce(&Order<'_>, &(dyn Fn(&str) + Sync)) -> Result<T, Lack>,
    ) -> Result<T, Lack> {
        let mut platforms = self.plan.platforms.iter();
        let platform = platforms.find(|platform| platform.id == artifact.platform);
        let platform = platform.ok_or_else(|| {
            Lack::Blocked(format!("artifact `{}` has no platform", artifact.name))
        })?;
        let golden = self.image(platform)?;
        let order = Order {
            artifact,
            platform,
            base: Base {
                zone: &golden.origin.zone,
                snapshot: None,
                key: golden.key,
            },
            files: &self.folder,
            skip: &self.skip,
            known: &self.known,
            limit: BUILD,
        };
        let say = |text: &str| (self.say)(&platform.id, &format!("{}: {text}", artifact.name));
        then(&order, &say)
    }
}
