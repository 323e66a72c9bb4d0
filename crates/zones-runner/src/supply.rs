//! What cells are made from: golden images and artifacts.

use std::path::{Path, PathBuf};

use zones_matrix::{Artifact, Key, Platform, Source};

use crate::bed::Origin;

/// What the cells of a platform are clones of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Golden {
    /// The zone, or a snapshot of it.
    pub origin: Origin,
    /// The key of its content; `None` when nobody knows it.
    pub key: Option<Key>,
    /// Whether it may be older than what its origin stands for now.
    pub stale: bool,
}

/// Why something that cells need is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// It cannot be had: cells that need it are blocked.
    Blocked(String),
    /// Its build was not clean.
    Impure(String),
}

/// Where golden images and artifacts come from. Each is asked for once in a run, several at a
/// time.
pub trait Supply: Sync {
    /// The golden image of a platform, made when it is not there.
    ///
    /// # Errors
    /// It cannot be had.
    fn golden(&self, platform: &Platform) -> Result<Golden, Lack>;

    /// The file or folder of an artifact, made when it is not there.
    ///
    /// # Errors
    /// It cannot be had.
    fn artifact(&self, artifact: &Artifact) -> Result<PathBuf, Lack>;
}

/// Images that are zones with the names of the platforms, and artifacts that are files.
#[derive(Debug, Clone)]
pub struct Ready {
    folder: PathBuf,
}

impl Ready {
    /// `folder` is that of the matrix file.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self { folder }
    }
}

impl Supply for Ready {
    fn golden(&self, platform: &Platform) -> Result<Golden, Lack> {
        let (zone, snapshot) = (platform.id.clone(), None);
        Ok(Golden {
            origin: Origin { zone, snapshot },
            key: None,
            stale: true,
        })
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
            Source::Build { .. } => {
                let text = format!("artifact `{}` is not built", artifact.name);
                Err(Lack::Blocked(text))
            }
        }
    }
}
