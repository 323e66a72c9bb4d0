//! The supply of a real run: images of the matrix' host, artifacts of the project.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zones_matrix::{Artifact, Platform, Source};

use crate::bed::Origin;
use crate::images::{Golden as Image, Images, Say};
use crate::supply::{Golden, Lack, Supply};

/// Images and artifacts of this host.
pub struct Stock<'a> {
    images: &'a Images,
    folder: PathBuf,
    say: Say<'a>,
    /// Images that nobody may remove while the run is on its way.
    held: Mutex<Vec<Image>>,
}

impl std::fmt::Debug for Stock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Stock");
        debug.field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl<'a> Stock<'a> {
    /// `folder` is that of the matrix file; `say` is told what takes long.
    #[must_use]
    pub fn new(images: &'a Images, folder: &Path, say: Say<'a>) -> Self {
        Self {
            images,
            folder: folder.to_owned(),
            say,
            held: Mutex::default(),
        }
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
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(image);
        Ok(golden)
    }

    fn artifact(&self, artifact: &Artifact) -> Result<PathBuf, Lack> {
        match &artifact.source {
            Source::Path(path) => {
                let path = self.folder.join(path);
                if path.exists() {
                    return Ok(path);
                }
                let path = path.display();
                Err(Lack::Blocked(format!("there is no artifact at {path}")))
            }
            _ => {
                let text = format!("artifact `{}` is not built", artifact.name);
                Err(Lack::Blocked(text))
            }
        }
    }
}
