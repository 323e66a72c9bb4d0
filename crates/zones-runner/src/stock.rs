//! The supply of a real run: images of the matrix' host, artifacts of the project.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use zones_matrix::{Artifact, Plan, Platform, Source};

use crate::artifacts::{Artifacts, Base, Footprint, Order};
use crate::bed::Origin;
use crate::images::{Golden as Image, Images, Say};
use crate::supply::{Golden, Lack, Supply};

/// How long a build may take.
const BUILD_MAX: Duration = Duration::from_secs(2 * 3600);

/// Images and artifacts of this host.
pub struct Stock<'a> {
    images: &'a Images,
    artifacts: &'a Artifacts,
    plan: &'a Plan,
    folder: PathBuf,
    /// What below the folder is no source.
    skip: Vec<PathBuf>,
    known: Footprint,
    say: Say<'a>,
    /// Images by platform, which nobody may remove while the run is on its way.
    held: Mutex<Vec<(String, Image)>>,
}

impl std::fmt::Debug for Stock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Stock");
        debug.field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl<'a> Stock<'a> {
    /// `folder` is that of the matrix file, in which `reports` are no source; `say` is told what
    /// takes long.
    #[must_use]
    pub fn new(
        images: &'a Images,
        artifacts: &'a Artifacts,
        plan: &'a Plan,
        folder: &Path,
        reports: &Path,
        say: Say<'a>,
    ) -> Self {
        let mut known = Footprint::default();
        for artifact in &plan.artifacts {
            if let Source::Path(path) = &artifact.source {
                // What is no package tells nothing about the product.
                let _ = known.add_packages(&folder.join(path));
            }
        }
        Self {
            images,
            artifacts,
            plan,
            folder: folder.to_owned(),
            skip: vec![reports.to_owned()],
            known,
            say,
            held: Mutex::default(),
        }
    }

    /// The zone of a platform's image.
    fn base(&self, platform: &str) -> Option<(String, zones_matrix::Key)> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = held.iter();
        let found = held.find(|(own, _)| own == platform);
        found.map(|(_, image)| (image.zone.to_string(), image.key))
    }
}

impl Supply for Stock<'_> {
    fn golden(&self, platform: &Platform) -> Result<Golden, Lack> {
        let image = self.images.ensure(platform, &self.folder, self.say);
        let image = image.map_err(|error| Lack::Blocked(error.to_string()))?;
        let golden = Golden {
            origin: Origin {
                zone: image.zone.to_string(),
                snapshot: None,
            },
            key: Some(image.key),
            stale: image.stale,
            noise: image.noise.clone(),
        };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.push((platform.id.clone(), image));
        Ok(golden)
    }

    fn artifact(&self, artifact: &Artifact) -> Result<PathBuf, Lack> {
        let (name, id) = (&artifact.name, &artifact.platform);
        let mut platforms = self.plan.platforms.iter();
        let platform = platforms.find(|platform| platform.id == *id);
        let (Some(platform), Some((zone, key))) = (platform, self.base(id)) else {
            let text = format!("artifact `{name}` on `{id}` has no image to be built in");
            return Err(Lack::Blocked(text));
        };
        let order = Order {
            artifact,
            platform,
            base: Base {
                zone: &zone,
                snapshot: None,
                key: Some(key),
            },
            files: &self.folder,
            skip: &self.skip,
            known: &self.known,
            limit: BUILD_MAX,
        };
        let say = |text: &str| (self.say)(id, text);
        self.artifacts
            .ensure(&order, &say)
            .map_err(|error| match error.is_impure() {
                true => Lack::Impure(error.to_string()),
                false => Lack::Blocked(error.to_string()),
            })
    }
}
