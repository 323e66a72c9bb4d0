//! Artifacts: what cells install, from a store of releases or built in a build zone.
//!
//! A build zone is a clone of a golden image with the packages that a build needs, and without the
//! product: it is looked at before the build, and again after it, since a product that is
//! installed where it is built hides what it lacks. What is built is kept by a key of all that can
//! change it. It exists once its manifest does; whoever makes it holds a lock on the key, so two
//! runners make one, and what a killed one left is cleared away by the next.

mod build;
mod footprint;
mod gate;
mod outputs;
mod store;
mod zone;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use zones_matrix::{Artifact, Key, Platform, Source};

use crate::{VerbError, Verbs, digest};
pub use footprint::Footprint;
use store::Store;
pub use store::{Built, File, SCHEMA};

/// Where a build zone finds the source, read-only.
pub const SOURCE: &str = "/run/matrix/source";
/// Where it builds: a private copy.
pub const BUILD: &str = "/build";

/// Why there is no artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// A release is not in the store of releases.
    #[error("artifact `{artifact}` of platform `{platform}` is not at `{}`", path.display())]
    #[allow(missing_docs)]
    Missing {
        artifact: String,
        platform: String,
        path: PathBuf,
    },
    /// The build failed.
    #[error(
        "cannot build artifact `{artifact}` on platform `{platform}`: {why}; log: {}", log.display()
    )]
    #[allow(missing_docs)]
    Build {
        artifact: String,
        platform: String,
        why: String,
        log: PathBuf,
    },
    /// The product was in the build zone, or got there.
    #[error("the build zone of artifact `{artifact}` on `{platform}` {when}: {}", found.join(", "))]
    #[allow(missing_docs)]
    Impure {
        artifact: String,
        platform: String,
        when: Gate,
        found: Vec<String>,
    },
    /// A file on this host.
    #[error("cannot {what} `{}`: {source}", path.display())]
    #[allow(missing_docs)]
    File {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A document of the store.
    #[error(transparent)]
    Document(#[from] zones_store::StoreError),
    /// A document of the store that is none.
    #[error("`{}` is damaged ({why}); remove the folder it is in", path.display())]
    #[allow(missing_docs)]
    Damaged { path: PathBuf, why: String },
    /// A command outside of a build.
    #[error(transparent)]
    Verb(#[from] VerbError),
}

/// When a build zone was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Before the build.
    Before,
    /// After it.
    After,
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Before => "has the product already",
            Self::After => "was changed outside of its build folder",
        })
    }
}

impl ArtifactError {
    /// Whether it is the build that was not clean, not one that could not be done.
    #[must_use]
    pub const fn is_impure(&self) -> bool {
        matches!(self, Self::Impure { .. })
    }

    fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}

/// What build zones are clones of.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// A zone that is installed, on the matrix' own host.
    pub zone: &'a str,
    /// One of its snapshots; `None` for the zone as it is, halted.
    pub snapshot: Option<&'a str>,
    /// The key of its content, when it is known.
    pub key: Option<Key>,
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The artifact.
    pub artifact: &'a Artifact,
    /// Its platform.
    pub platform: &'a Platform,
    /// What its build zone is a clone of.
    pub base: Base<'a>,
    /// The folder of the matrix file.
    pub files: &'a Path,
    /// What below that folder is no source, such as the reports.
    pub skip: &'a [PathBuf],
    /// What the product is known by.
    pub known: &'a Footprint,
    /// How long a build may take.
    pub limit: Duration,
}

/// Where a build tells how far it is.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// The artifacts of one matrix host.
#[derive(Debug, Clone)]
pub struct Artifacts {
    store: Store,
    verbs: Verbs,
}

impl Artifacts {
    /// The artifacts below `folder`, which is made when it is missing; their build zones are zones
    /// of the host of `verbs`.
    ///
    /// # Errors
    /// A folder cannot be made.
    pub fn open(folder: &Path, verbs: &Verbs) -> Result<Self, ArtifactError> {
        let (store, verbs) = (Store::open(folder)?, verbs.clone());
        Ok(Self { store, verbs })
    }

    /// The file or folder of an artifact; it is built if it is not there.
    ///
    /// # Errors
    /// It cannot be had: one error that names artifact, platform and remedy or log.
    pub fn ensure(&self, order: &Order<'_>, say: Say<'_>) -> Result<PathBuf, ArtifactError> {
        let artifact = order.artifact;
        match &artifact.source {
            Source::Path(path) => {
                let path = order.files.join(path);
                if path.exists() {
                    return Ok(path);
                }
                Err(ArtifactError::Missing {
                    artifact: artifact.name.clone(),
                    platform: artifact.platform.clone(),
                    path,
                })
            }
            Source::Build { sources, .. } => {
                let key = self.key(order, sources)?;
                if let Some(built) = self.store.take(key)? {
                    return Ok(self.store.files(built.key));
                }
                let lock = self.store.lock(key, || say("waiting for who builds it"))?;
                // Somebody else may have been faster.
                if self.store.take(key)?.is_none() {
                    build::build(&self.store, &self.verbs, order, key, say)?;
                }
                drop(lock);
                Ok(self.store.files(key))
            }
        }
    }

    /// Makes the build zone of an artifact as a build finds it, up and with the source in place,
    /// and removes it again when `then`, which gets its name and the script, is done. Meanwhile
    /// nobody else builds the artifact.
    ///
    /// # Errors
    /// It is not built at all, or its zone cannot be made.
    pub fn visit<T>(
        &self,
        order: &Order<'_>,
        say: Say<'_>,
        then: impl FnOnce(&str, &str) -> T,
    ) -> Result<T, ArtifactError> {
        let sources = match &order.artifact.source {
            Source::Build { sources, .. } => sources.as_slice(),
            Source::Path(_) => &[],
        };
        let key = self.key(order, sources)?;
        let lock = self.store.lock(key, || say("waiting for who builds it"))?;
        let done = build::visit(&self.store, &self.verbs, order, key, (say, then));
        drop(lock);
        done
    }

    /// What is known of an artifact that was built.
    ///
    /// # Errors
    /// Its manifest cannot be read.
    pub fn built(&self, key: Key) -> Result<Option<Built>, ArtifactError> {
        self.store.take(key)
    }

    /// The key of all that can change what is built.
    ///
    /// # Errors
    /// The source cannot be read.
    pub fn key(&self, order: &Order<'_>, sources: &[String]) -> Result<Key, ArtifactError> {
        // Sources that the file names are part of the artifact's own key already.
        let source = match sources {
            [] => {
                let source = digest::folder(order.files, order.skip);
                let source = source.map_err(|unread| ArtifactError::File {
                    what: "read",
                    path: unread.path,
                    source: unread.source,
                })?;
                Some(source.to_string())
            }
            _ => None,
        };
        Ok(Key::of(&json!({
            "schema": SCHEMA,
            "artifact": order.artifact.key.map(|key| key.to_string()),
            "base": order.base.key.map(|key| key.to_string()),
            "source": source,
        })))
    }
}
