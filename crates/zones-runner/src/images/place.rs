//! Where images are: `host/`, a host of zones of its own; `images/KEY/`, what is known of one;
//! `pins/NAME`, a link to a key; `locks/KEY`.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zones_matrix::Key;
use zones_store::{Layout, Store};
use zones_types::ZoneName;

use super::ImageError;

/// What zones of images are called, before 16 digits of the key.
pub(super) const ZONE_PREFIX: &str = "golden-";

/// The folders of one matrix host.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
}

impl Place {
    /// Makes the folders that are missing, and has the host of the matrix keep its packages in
    /// `cache`.
    pub(super) fn open(folder: &Path, cache: &Path) -> Result<Self, ImageError> {
        let place = Self {
            folder: folder.to_owned(),
        };
        let layout = place.layout();
        let own_cache = layout.cache();
        let above = own_cache.parent().map(Path::to_owned).unwrap_or_default();
        let folders = [
            place.zones(),
            place.folder.join("images"),
            place.folder.join("pins"),
            place.folder.join("locks"),
            above,
            cache.to_owned(),
        ];
        for path in folders {
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&path);
            made.map_err(ImageError::file("create", &path))?;
        }
        let lib = layout.lib();
        crate::site::apart(&layout).map_err(ImageError::file("prepare", &lib))?;
        match std::os::unix::fs::symlink(cache, &own_cache) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(ImageError::file("create", &own_cache))?,
        }
        Ok(place)
    }

    /// The folder that `-R` names.
    #[must_use]
    pub fn host(&self) -> PathBuf {
        self.folder.join("host")
    }

    /// The layout of that host.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::below(&self.host())
    }

    /// Its index and documents.
    #[must_use]
    pub fn store(&self) -> Store {
        Store::open(self.layout())
    }

    /// Where the files of its zones are, golden ones and cells.
    #[must_use]
    pub fn zones(&self) -> PathBuf {
        self.host().join("zones")
    }

    /// What is known of an image: manifest, log, script.
    #[must_use]
    pub fn image(&self, key: Key) -> PathBuf {
        self.folder.join("images").join(key.to_string())
    }

    /// An image exists when this does.
    #[must_use]
    pub fn manifest(&self, key: Key) -> PathBuf {
        self.image(key).join("manifest.json")
    }

    /// What its making said.
    #[must_use]
    pub fn log(&self, key: Key) -> PathBuf {
        self.image(key).join("build.log")
    }

    pub(super) fn lock(&self, key: Key) -> PathBuf {
        self.folder.join("locks").join(key.to_string())
    }

    /// The zone of a key.
    pub(super) fn zone(key: Key) -> Result<ZoneName, ImageError> {
        let name = format!("{ZONE_PREFIX}{}", &key.to_string()[..16]);
        let wrong = |_| ImageError::Unknown(name.clone());
        name.parse().map_err(wrong)
    }

    /// Keys of all images, whole or not.
    pub(super) fn keys(&self) -> Result<Vec<Key>, ImageError> {
        let names = names(&self.folder.join("images"))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Names that images are pinned by, with the key of each.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn pins(&self) -> Result<Vec<(String, Key)>, ImageError> {
        let folder = self.folder.join("pins");
        let mut pins = Vec::new();
        for name in names(&folder)? {
            let key = fs::read_link(folder.join(&name)).ok();
            let key = key.and_then(|key| key.to_str().and_then(|key| key.parse().ok()));
            pins.extend(key.map(|key| (name, key)));
        }
        pins.sort();
        Ok(pins)
    }

    /// Pins a key by a name, which another key may have had; `None` gives the name up.
    ///
    /// # Errors
    /// The name is none, or the folder refuses.
    pub fn pin(&self, name: &str, key: Option<Key>) -> Result<(), ImageError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(ImageError::Unknown(name.to_owned()));
        }
        let path = self.folder.join("pins").join(name);
        let Some(key) = key else {
            return fs::remove_file(&path).map_err(ImageError::file("remove", &path));
        };
        let temp = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let _ = fs::remove_file(&temp);
        let made = std::os::unix::fs::symlink(key.to_string(), &temp);
        let made = made.and_then(|()| fs::rename(&temp, &path));
        made.map_err(ImageError::file("write", &path))
    }

    /// Notes that an image was used just now.
    pub(super) fn touch(&self, key: Key) -> Result<(), ImageError> {
        let path = self.image(key).join("used");
        fs::write(&path, b"").map_err(ImageError::file("write", &path))
    }

    /// When an image was last used.
    pub(super) fn used(&self, key: Key) -> SystemTime {
        let meta = fs::metadata(self.image(key).join("used"));
        let used = meta.and_then(|meta| meta.modified());
        used.unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Forgets what is known of an image.
    pub(super) fn forget(&self, key: Key) -> Result<(), ImageError> {
        // The manifest first: without it the rest means nothing.
        zones_store::atomic::remove(&self.manifest(key))?;
        let path = self.image(key);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(ImageError::file("remove", &path)),
        }
    }
}

fn names(folder: &Path) -> Result<Vec<String>, ImageError> {
    let entries = fs::read_dir(folder).map_err(ImageError::file("read", folder))?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    Ok(names.filter(|name| !name.starts_with('.')).collect())
}
