//! A repository: configuration and publishers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FileType;
use zones_ips::Publisher;

use crate::config::{CONFIGURATION_LEN_MAX, Configuration, VERSION, VERSION_OLD};
use crate::disk::Disk;
use crate::error::{RepositoryError, Result};
use crate::store::{Store, StoreStatus};

const CONFIGURATION: &str = "pkg5.repository";
const CONFIGURATION_OLD: &str = "cfg_cache";
const PUBLISHERS: &str = "publisher";

/// How the folders of a repository lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One publisher, whose folders lie at the top. Read only.
    Old,
    /// Version 4: `publisher/PREFIX/`.
    Current,
}

/// A package repository in a folder. Source: pkgrepo(1).
#[derive(Debug, Clone)]
pub struct Repository {
    disk: Arc<Disk>,
    format: Format,
    configuration: Configuration,
}

/// What `pkgrepo info` and the status of a depot say.
#[derive(Debug, Clone)]
pub struct Status {
    /// The version of the layout.
    pub version: &'static str,
    /// Each publisher, by name.
    pub publishers: Vec<(Publisher, StoreStatus)>,
}

impl Repository {
    /// Makes a repository in a folder that is missing or empty.
    ///
    /// # Errors
    ///
    /// The folder is not empty, or cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(RepositoryError::io("create", path))?;
        let disk = Disk::open(path)?;
        if !disk.names(Path::new(""))?.is_empty() {
            return Err(RepositoryError::NotEmpty {
                path: path.to_owned(),
            });
        }
        let new = Self {
            disk: Arc::new(disk),
            format: Format::Current,
            configuration: Configuration::default(),
        };
        new.save()?;
        Ok(new)
    }

    /// Opens the repository in a folder.
    ///
    /// # Errors
    ///
    /// There is none, or one of a version that is not known.
    pub fn open(path: &Path) -> Result<Self> {
        let disk = Disk::open(path)?;
        let (format, configuration) = read(&disk)?;
        let found = configuration.get("repository", "version");
        let known = match format {
            Format::Current => VERSION,
            Format::Old => VERSION_OLD,
        };
        let refused = |version: &str, remedy| RepositoryError::Version {
            path: path.to_owned(),
            version: version.to_owned(),
            remedy,
        };
        match found {
            None if format == Format::Current => {
                return Err(refused("none", "write `version = 4` below [repository]"));
            }
            Some(found) if found != known => {
                return Err(refused(found, "only 3 and 4 are known here"));
            }
            _ => {}
        }
        Ok(Self {
            disk: Arc::new(disk),
            format,
            configuration,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.disk.path()
    }

    /// How its folders lie.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The properties, as they were when the repository was opened.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Changes a property, for good. Naming the default publisher makes it, too.
    ///
    /// # Errors
    ///
    /// The property is not known or the value not of its kind; see [`Configuration::set`].
    pub fn set(&mut self, section: &str, name: &str, values: &[&str]) -> Result<()> {
        let _lock = self.lock()?;
        // Another process may have changed other properties.
        self.configuration = read(&self.disk)?.1;
        let mut new = self.configuration.clone();
        new.set(section, name, values)?;
        self.configuration = new;
        self.save()?;
        match self
            .default_publisher()
            .filter(|_| (section, name) == ("publisher", "prefix"))
        {
            Some(publisher) => self.add_publisher(&publisher).map(drop),
            None => Ok(()),
        }
    }

    fn save(&self) -> Result<()> {
        if self.format == Format::Old {
            return Err(self.read_only());
        }
        let text = self.configuration.text();
        self.disk.write(Path::new(CONFIGURATION), text.as_bytes())
    }

    fn lock(&self) -> Result<std::fs::File> {
        if self.format == Format::Old {
            return Err(self.read_only());
        }
        let path = Path::new("tmp/lock");
        self.disk.make(Path::new("tmp"))?;
        let file = self.disk.lock_file(path)?;
        let locked = zones_sys::lock_file(&file, true);
        locked.map_err(RepositoryError::io("lock", &self.disk.full(path)))?;
        Ok(file)
    }

    pub(crate) fn read_only(&self) -> RepositoryError {
        RepositoryError::Version {
            path: self.path().to_owned(),
            version: VERSION_OLD.to_owned(),
            remedy: "it can only be read; copy it into a new one with pkgrecv",
        }
    }

    /// The publisher that is meant where none is named: the configured one, else the only one.
    #[must_use]
    pub fn default_publisher(&self) -> Option<Publisher> {
        let configured = self.configuration.get("publisher", "prefix");
        if let Some(Ok(publisher)) = configured.map(str::parse) {
            return Some(publisher);
        }
        match self.publishers().ok()?.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// All publishers, by name.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn publishers(&self) -> Result<Vec<Publisher>> {
        if self.format == Format::Old {
            let configured = self.configuration.get("publisher", "prefix");
            return Ok(configured
                .and_then(|it| it.parse().ok())
                .into_iter()
                .collect());
        }
        let names = self.disk.names(Path::new(PUBLISHERS))?.into_iter();
        let folders = names.filter(|(_, kind)| {
            matches!(
                kind,
                FileType::Directory | FileType::Unknown | FileType::Symlink
            )
        });
        Ok(folders.filter_map(|(name, _)| name.parse().ok()).collect())
    }

    /// What a publisher has here.
    ///
    /// # Errors
    ///
    /// It is not known.
    pub fn publisher(&self, publisher: &Publisher) -> Result<Store> {
        let store = self.store(publisher.clone());
        if !self.publishers()?.contains(publisher) {
            return Err(RepositoryError::UnknownPublisher(publisher.to_string()));
        }
        Ok(store)
    }

    /// What the named publisher has here, or the default one where none is named.
    ///
    /// # Errors
    ///
    /// It is not known, or none is the default.
    pub fn publisher_or_default(&self, publisher: Option<&Publisher>) -> Result<Store> {
        match publisher {
            Some(publisher) => self.publisher(publisher),
            None => {
                let default = self.default_publisher();
                Ok(self.store(default.ok_or(RepositoryError::NoPublisher)?))
            }
        }
    }

    /// Makes a publisher with an empty catalog; one that is there is left as it is.
    ///
    /// # Errors
    ///
    /// The repository cannot be written.
    pub fn add_publisher(&self, publisher: &Publisher) -> Result<Store> {
        if self.format == Format::Old {
            return Err(self.read_only());
        }
        let store = self.store(publisher.clone());
        store.make()?;
        Ok(store)
    }

    /// Removes a publisher with all its packages. As default it is forgotten.
    ///
    /// # Errors
    ///
    /// It is not known, or cannot be removed.
    pub fn remove_publisher(&mut self, publisher: &Publisher) -> Result<()> {
        let store = self.publisher(publisher)?;
        store.must_be_writable()?;
        if self.configuration.get("publisher", "prefix") == Some(publisher.as_str()) {
            self.set("publisher", "prefix", &[])?;
        }
        let _lock = store.lock()?;
        // Out of sight first: what is half removed must not be served.
        let gone = PathBuf::from("tmp").join(format!("gone-{publisher}-{}", std::process::id()));
        self.disk.make(Path::new("tmp"))?;
        self.disk
            .rename(&Path::new(PUBLISHERS).join(publisher.as_str()), &gone)?;
        self.disk.remove_all(&gone)
    }

    /// What is known of every publisher.
    ///
    /// # Errors
    ///
    /// A catalog cannot be read.
    pub fn status(&self) -> Result<Status> {
        let publishers = self.publishers()?.into_iter();
        let rows = publishers.map(|publisher| {
            let status = self.store(publisher.clone()).status()?;
            Ok((publisher, status))
        });
        Ok(Status {
            version: match self.format {
                Format::Current => VERSION,
                Format::Old => VERSION_OLD,
            },
            publishers: rows.collect::<Result<_>>()?,
        })
    }

    fn store(&self, publisher: Publisher) -> Store {
        let base = match self.format {
            Format::Current => Path::new(PUBLISHERS).join(publisher.as_str()),
            Format::Old => PathBuf::new(),
        };
        Store::new(self.disk.clone(), publisher, base, self.format)
    }
}

fn read(disk: &Disk) -> Result<(Format, Configuration)> {
    let forms = [
        (CONFIGURATION, Format::Current),
        (CONFIGURATION_OLD, Format::Old),
    ];
    for (name, format) in forms {
        if let Some(bytes) = disk.read(Path::new(name), CONFIGURATION_LEN_MAX)? {
            let path = disk.full(Path::new(name));
            let text = String::from_utf8_lossy(&bytes);
            return Ok((format, Configuration::parse(&text, &path)?));
        }
    }
    Err(RepositoryError::NotRepository {
        path: disk.path().to_owned(),
    })
}
