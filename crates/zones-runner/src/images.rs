//! Golden images: what every cell of a platform is cloned from.
//!
//! An image is an installed, halted zone of the matrix' own host, named from the key of all its
//! inputs; it exists once its manifest does. Whoever uses one holds a shared lock on its key,
//! whoever makes or removes one the exclusive one, so two runners make one image and share it, and
//! what a killed one left is cleared away by the next that needs the key.

mod build;
mod carry;
mod contents;
mod gc;
mod hold;
mod manifest;
mod noise;
mod place;
mod recipe;
mod world;

use std::fmt;
use std::path::{Path, PathBuf};

use zones_matrix::leftovers::Noise;
use zones_matrix::{Key, Platform};
use zones_store::StoreError;
use zones_types::ZoneName;

use crate::{VerbError, Verbs};
pub use carry::{Carried, Depot};
pub use gc::{Collected, Limits};
use hold::Hold;
pub use manifest::{Manifest, SCHEMA};
pub use place::Place;
pub use world::{Folder, Origins};

/// Where an image tells how far it is: the platform, and what it does now.
pub type Say<'a> = &'a (dyn Fn(&str, &str) + Sync);

/// Whether an image must be of what the world is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// An image of other versions will not do; it is made anew.
    Exact,
    /// Where the world cannot be asked, an image of equal names will do, and is called stale.
    Offline,
}

/// A golden image to clone from, kept from being removed for as long as this lives.
#[derive(Debug)]
pub struct Golden {
    /// Its key.
    pub key: Key,
    /// The zone of it, in the matrix' host.
    pub zone: ZoneName,
    /// Whether it was taken for its names alone, and may be of older versions.
    pub stale: bool,
    /// What its platform changes by itself.
    pub noise: Noise,
    _hold: Hold,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file of the store.
    #[error("cannot {what} `{}`", path.display())]
    #[allow(missing_docs)]
    File {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    /// The index, or a document of a zone.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A verb outside of a build.
    #[error(transparent)]
    Verb(#[from] VerbError),
    /// A build failed.
    #[error("cannot make the image of platform `{platform}`: {why}; log: {}", log.display())]
    #[allow(missing_docs)]
    Build {
        platform: String,
        why: String,
        log: PathBuf,
    },
    /// A manifest that cannot be read.
    #[error("`{}` is damaged ({why}); remove the folder it is in", path.display())]
    #[allow(missing_docs)]
    Damaged { path: PathBuf, why: String },
    /// Nobody can say what it is to be made of.
    #[error("no image of platform `{platform}`: {why}")]
    Unresolved {
        /// The platform.
        platform: String,
        /// What its origin said, with the remedy.
        why: String,
    },
    /// Nothing here, and nothing may be asked.
    #[error("no image of platform `{0}` is here; make one without --offline")]
    Offline(String),
    /// A word that names no image.
    #[error("no image is called `{0}`; `zones matrix image list` shows all")]
    Unknown(String),
    /// A word that names several.
    #[error("`{0}` may be {1}; give more of the key")]
    Ambiguous(String, String),
    /// Somebody works with it.
    #[error("image {0} is in use; try again when the run is done")]
    InUse(String),
}

impl ImageError {
    fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}

/// The golden images of one matrix host.
#[derive(Debug, Clone)]
pub struct Images {
    place: Place,
    verbs: Verbs,
    freshness: Freshness,
}

impl Images {
    /// The images below `folder`, which is made when it is missing. `binary` is this program;
    /// `cache` is where fetched packages are kept, for all images alike.
    ///
    /// # Errors
    /// A folder cannot be made.
    pub fn open(folder: &Path, binary: &Path, cache: &Path) -> Result<Self, ImageError> {
        let place = Place::open(folder, cache)?;
        let verbs = Verbs::new(binary, &place.host());
        Ok(Self {
            place,
            verbs,
            freshness: Freshness::Exact,
        })
    }

    /// The same images, taken as `freshness` says.
    #[must_use]
    pub fn with(mut self, freshness: Freshness) -> Self {
        self.freshness = freshness;
        self
    }

    /// Where all of it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The commands of the host that the images are zones of.
    #[must_use]
    pub fn verbs(&self) -> &Verbs {
        &self.verbs
    }

    /// The image of a platform; it is made if it is not there. `files` is the folder of the matrix
    /// file.
    ///
    /// # Errors
    /// It cannot be made: one error that names the platform and the log.
    pub fn ensure(
        &self,
        platform: &Platform,
        files: &Path,
        say: Say<'_>,
    ) -> Result<Golden, ImageError> {
        let key = platform.image.key;
        if self.freshness == Freshness::Offline {
            return self.at_hand(platform);
        }
        loop {
            if let Some(golden) = self.take(key)? {
                return Ok(golden);
            }
            let waits = || say(&platform.id, "waiting for who makes this image already");
            let Some(hold) = self.alone(key, waits)? else {
                continue;
            };
            if let Some(why) = &platform.image.unresolved {
                let (platform, why) = (platform.id.clone(), why.clone());
                return Err(ImageError::Unresolved { platform, why });
            }
            build::build(self, platform, files, say)?;
            drop(hold);
        }
    }

    /// The exclusive lock on the key of an image that is not there; `None` when it is, at last
    /// since somebody else made it.
    fn alone(&self, key: Key, waits: impl Fn()) -> Result<Option<Hold>, ImageError> {
        let lock = self.place.lock(key);
        while self.manifest(key)?.is_none() {
            match Hold::try_exclusive(&lock)? {
                Some(_) if self.manifest(key)?.is_some() => {}
                Some(hold) => return Ok(Some(hold)),
                None => {
                    waits();
                    Hold::wait(&lock)?;
                }
            }
        }
        Ok(None)
    }

    /// The image of exactly this key, else the newest of equal names.
    fn at_hand(&self, platform: &Platform) -> Result<Golden, ImageError> {
        if let Some(golden) = self.take(platform.image.key)? {
            return Ok(golden);
        }
        let mut alike = self.list()?;
        alike.retain(|manifest| manifest.weak == platform.image.weak);
        alike.sort_by_key(|manifest| std::cmp::Reverse(manifest.created));
        for manifest in alike {
            if let Some(golden) = self.take(manifest.key)? {
                return Ok(Golden {
                    stale: true,
                    ..golden
                });
            }
        }
        Err(ImageError::Offline(platform.id.clone()))
    }

    /// Holds the image of a key, when there is one.
    fn take(&self, key: Key) -> Result<Option<Golden>, ImageError> {
        // Without a manifest nobody waits for who makes it.
        if self.manifest(key)?.is_none() {
            return Ok(None);
        }
        let hold = Hold::shared(&self.place.lock(key))?;
        let Some(manifest) = self.manifest(key)? else {
            return Ok(None);
        };
        self.place.touch(key)?;
        Ok(Some(Golden {
            key,
            zone: manifest.zone.clone(),
            // Of what nobody could say what it stands for, nobody knows whether it still does.
            stale: manifest.inputs["resolved"].is_null(),
            noise: manifest.noise(),
            _hold: hold,
        }))
    }

    /// What is known of the image of a key; `None` when there is no such image, whole and
    /// installed.
    ///
    /// # Errors
    /// The manifest or the index cannot be read.
    pub fn manifest(&self, key: Key) -> Result<Option<Manifest>, ImageError> {
        let Some(manifest) = Manifest::read(&self.place.manifest(key))? else {
            return Ok(None);
        };
        let entry = self.place.store().get(&manifest.zone)?;
        let installed = entry.is_some_and(|it| it.state == zones_types::ZoneState::Installed);
        Ok(installed.then_some(manifest))
    }

    /// All images, by platform, the oldest first.
    ///
    /// # Errors
    /// As [`manifest`](Self::manifest).
    pub fn list(&self) -> Result<Vec<Manifest>, ImageError> {
        let mut all = Vec::new();
        for key in self.place.keys()? {
            all.extend(self.manifest(key)?);
        }
        all.sort_by(|a, b| (&a.platform, a.created, a.key).cmp(&(&b.platform, b.created, b.key)));
        Ok(all)
    }

    /// The image that a word means: a name it is pinned by, the beginning of its key or zone, or a
    /// platform, of which the newest counts.
    ///
    /// # Errors
    /// It means none, or several.
    pub fn find(&self, word: &str) -> Result<Manifest, ImageError> {
        let all = self.list()?;
        let pinned = self.place.pins()?;
        let named = pinned.iter().find(|(name, _)| name == word);
        let by_name = all
            .iter()
            .find(|it| named.is_some_and(|(_, key)| *key == it.key));
        let newest = all.iter().rfind(|it| it.platform == word);
        if let Some(found) = by_name.or(newest) {
            return Ok(found.clone());
        }
        let hex = word.strip_prefix(place::ZONE_PREFIX).unwrap_or(word);
        let starts = |it: &&Manifest| !hex.is_empty() && it.key.to_string().starts_with(hex);
        let mut found: Vec<Manifest> = all.iter().filter(starts).cloned().collect();
        match found.len() {
            0 => Err(ImageError::Unknown(word.to_owned())),
            1 => Ok(found.remove(0)),
            _ => {
                let names = found.iter().map(|it| it.zone.to_string());
                let names: Vec<String> = names.collect();
                Err(ImageError::Ambiguous(word.to_owned(), names.join(" or ")))
            }
        }
    }

    /// Notes what a platform changes by itself, found in a cell in which nothing was done.
    ///
    /// # Errors
    /// The image is gone, or its manifest cannot be written.
    pub fn learn(&self, key: Key, noise: &Noise) -> Result<(), ImageError> {
        let gone = || ImageError::Unknown(key.to_string());
        let mut manifest = self.manifest(key)?.ok_or_else(gone)?;
        manifest.set_noise(noise);
        manifest.write(&self.place.manifest(key))
    }
}

impl fmt::Display for Golden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.zone.as_str())
    }
}
