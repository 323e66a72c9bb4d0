//! The repository, opened again when its configuration may have changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use zones_ips::Publisher;
use zones_ips::p5i::{P5i, PublisherInfo};
use zones_repository::{Repository, RepositoryError, Store};

/// Others change a repository beside us: publishers and properties are looked up after this time.
const FRESH: Duration = Duration::from_secs(1);

/// The repository of a depot.
pub(crate) struct Stock {
    path: PathBuf,
    opened: RwLock<Opened>,
}

#[derive(Clone)]
struct Opened {
    at: Instant,
    repository: Arc<Repository>,
    default: Option<Publisher>,
    stores: Vec<Store>,
}

impl Opened {
    fn new(path: &Path) -> Result<Self, RepositoryError> {
        let repository = Repository::open(path)?;
        let publishers = repository.publishers()?;
        let stores: Result<_, _> = publishers
            .iter()
            .map(|one| repository.publisher(one))
            .collect();
        Ok(Self {
            at: Instant::now(),
            default: repository.default_publisher(),
            stores: stores?,
            repository: Arc::new(repository),
        })
    }
}

impl Stock {
    pub(crate) fn open(path: &Path) -> Result<Self, RepositoryError> {
        Ok(Self {
            path: path.to_owned(),
            opened: RwLock::new(Opened::new(path)?),
        })
    }

    /// Calls `with` with what is known now, at most [`FRESH`] old. What cannot be read stays as it
    /// was.
    fn now<T>(&self, with: impl FnOnce(&Opened) -> T) -> T {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        if opened.at.elapsed() < FRESH {
            return with(&opened);
        }
        drop(opened);
        self.reopen();
        with(&self.opened.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn reopen(&self) {
        let new = Opened::new(&self.path);
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        match new {
            Ok(new) => *opened = new,
            Err(_) => opened.at = Instant::now(),
        }
    }

    pub(crate) fn repository(&self) -> Arc<Repository> {
        self.now(|opened| Arc::clone(&opened.repository))
    }

    /// What the named publisher has, or the default one.
    pub(crate) fn store(&self, publisher: Option<&Publisher>) -> Result<Store, RepositoryError> {
        self.now(|opened| {
            let wanted = publisher.or(opened.default.as_ref());
            let wanted = wanted.ok_or(RepositoryError::NoPublisher)?;
            let store = opened
                .stores
                .iter()
                .find(|store| store.publisher() == wanted);
            let unknown = || RepositoryError::UnknownPublisher(wanted.to_string());
            store.cloned().ok_or_else(unknown)
        })
    }

    /// That of a publisher, or all of them.
    pub(crate) fn named(
        &self,
        publisher: Option<&Publisher>,
    ) -> Result<Vec<Store>, RepositoryError> {
        match publisher {
            Some(_) => self.store(publisher).map(|store| vec![store]),
            None => self.stores(),
        }
    }

    /// What all publishers have, the default one first.
    pub(crate) fn stores(&self) -> Result<Vec<Store>, RepositoryError> {
        self.now(|opened| {
            let mut stores = opened.stores.clone();
            stores.sort_by_key(|store| Some(store.publisher()) != opened.default.as_ref());
            Ok(stores)
        })
    }

    /// Makes a publisher unless it is there.
    pub(crate) fn add_publisher(&self, publisher: &Publisher) -> Result<Store, RepositoryError> {
        if let Ok(store) = self.store(Some(publisher)) {
            return Ok(store);
        }
        let store = self.repository().add_publisher(publisher)?;
        self.reopen();
        Ok(store)
    }

    /// What `pub.p5i` suggests; nothing when there is none, or none that can be read.
    pub(crate) fn suggestions(&self, store: &Store) -> Vec<PublisherInfo> {
        let folder = self.path.join("publisher").join(store.publisher().as_str());
        let bytes = std::fs::read(folder.join("pub.p5i")).unwrap_or_default();
        P5i::parse(&bytes).map_or_else(|_| Vec::new(), |p5i| p5i.publishers)
    }
}
