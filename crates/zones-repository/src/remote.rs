//! Publication to a depot. Source: pkgsend(1), pkg.depotd(8).

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use zones_ips::{Action, ActionKind, Digest, Fmri, Manifest, quote};

use crate::error::{RepositoryError, Result};
use crate::payload::{self, Content, Facts, PackedFacts, PlainFacts};
use crate::repository::Repository;
use crate::source::http::{HttpOptions, HttpSource, Outgoing};
use crate::store::Store;
use crate::transaction::{Listing, Transaction, parallel};

/// Where packages are sent: a repository in a folder, or a depot.
#[derive(Debug)]
pub enum Target {
    /// A folder.
    Folder(Repository),
    /// A depot.
    Depot(HttpSource),
}

/// A transaction, here or there.
#[derive(Debug)]
pub enum Sending {
    /// In a folder.
    Folder(Transaction),
    /// In a depot.
    Depot {
        /// Which.
        depot: HttpSource,
        /// The name of the transaction there.
        id: String,
    },
}

impl Target {
    /// The target that a user named: `http:` or `https:` URI, `file:` URI, or a path.
    ///
    /// # Errors
    ///
    /// No repository is there; a depot is not asked yet.
    pub fn open(name: &str, options: &HttpOptions) -> Result<Self> {
        if name.starts_with("http://") || name.starts_with("https://") {
            return Ok(Self::Depot(HttpSource::new(name, options)?));
        }
        Ok(Self::Folder(Repository::open(Path::new(&file_path(name)))?))
    }

    /// Begins to publish a package. Publishers that are not known are made.
    ///
    /// # Errors
    ///
    /// No version, no publisher, or the package is there already.
    pub fn begin(&self, fmri: &Fmri) -> Result<Sending> {
        match self {
            Self::Folder(repository) => {
                let store = store_for(repository, fmri)?;
                store.begin(fmri).map(Sending::Folder)
            }
            Self::Depot(depot) => {
                let path = format!("open/0/{}", quote::quote(&fmri.to_string()));
                Sending::at(depot, &path)
            }
        }
    }

    /// As [`Self::begin`], for this process alone.
    fn begin_alone(&self, fmri: &Fmri) -> Result<Sending> {
        match self {
            Self::Folder(repository) => {
                let store = store_for(repository, fmri)?;
                store.begin_tied(fmri).map(Sending::Folder)
            }
            Self::Depot(_) => self.begin(fmri),
        }
    }

    /// Begins to add signatures to a package.
    ///
    /// # Errors
    ///
    /// The package is not there.
    pub fn begin_append(&self, fmri: &Fmri) -> Result<Sending> {
        match self {
            Self::Folder(repository) => {
                let store = repository.publisher_or_default(fmri.publisher())?;
                store.begin_append(fmri).map(Sending::Folder)
            }
            Self::Depot(depot) => {
                let path = format!("append/0/{}", quote::quote(&fmri.to_string()));
                Sending::at(depot, &path)
            }
        }
    }

    /// Goes on with a transaction.
    ///
    /// # Errors
    ///
    /// A folder has none of this name; a depot says so later.
    pub fn resume(&self, id: &str) -> Result<Sending> {
        match self {
            Self::Folder(repository) => {
                for publisher in repository.publishers()? {
                    match repository.publisher(&publisher)?.transaction(id) {
                        Err(RepositoryError::UnknownTransaction(_)) => {}
                        other => return other.map(Sending::Folder),
                    }
                }
                Err(RepositoryError::UnknownTransaction(id.to_owned()))
            }
            Self::Depot(depot) => Ok(Sending::Depot {
                depot: depot.clone(),
                id: id.to_owned(),
            }),
        }
    }

    /// Publishes a package in one go; see [`crate::Store::publish`].
    ///
    /// # Errors
    ///
    /// The package may not be published as it is; nothing is left then.
    pub fn publish(
        &self,
        manifest: Manifest,
        content: &(dyn Fn(&Action) -> Result<Option<Content>> + Sync),
        listing: Listing,
    ) -> Result<Fmri> {
        let fmri = manifest.fmri()?;
        if let Self::Folder(repository) = self {
            return store_for(repository, &fmri)?.publish(manifest, content, listing);
        }
        let sending = self.begin(&fmri)?;
        let sent = sending.send_all(manifest, content);
        match sent {
            Ok(()) => sending.close(listing),
            Err(error) => {
                // The first error is the one to report.
                let _ = sending.abandon();
                Err(error)
            }
        }
    }

    /// Publishes a manifest as it is, with payloads that are packed already: a copy, time and
    /// signatures kept.
    ///
    /// # Errors
    ///
    /// A payload cannot be had or is not what the manifest says.
    pub fn copy(
        &self,
        fmri: &Fmri,
        manifest: &[u8],
        payloads: Vec<Digest>,
        packed: &(dyn Fn(&Digest) -> Result<Vec<u8>> + Sync),
        listing: Listing,
    ) -> Result<Fmri> {
        let sending = self.begin_alone(fmri)?;
        let send = |name: Digest| sending.add_packed(name, &packed(&name)?);
        let sent = parallel(payloads, &send);
        let sent = sent.and_then(|_| sending.set_manifest(manifest));
        match sent {
            Ok(()) => sending.close(listing),
            Err(error) => {
                // The first error is the one to report.
                let _ = sending.abandon();
                Err(error)
            }
        }
    }
}

/// The store of the package's publisher, or of the default one; it is made when missing.
fn store_for(repository: &Repository, fmri: &Fmri) -> Result<Store> {
    let publisher = fmri.publisher().cloned();
    let publisher = publisher.or_else(|| repository.default_publisher());
    repository.add_publisher(&publisher.ok_or(RepositoryError::NoPublisher)?)
}

/// The path in a `file:` URI; any other text is the path itself.
#[must_use]
pub fn file_path(name: &str) -> String {
    let Some(rest) = name.strip_prefix("file:") else {
        return name.to_owned();
    };
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    quote::unquote(rest).unwrap_or_else(|_| rest.to_owned())
}

impl Sending {
    fn at(depot: &HttpSource, path: &str) -> Result<Self> {
        let release = [("Client-Release".to_owned(), "5.11".to_owned())];
        let answer = depot.ask(path, &release, Outgoing::Nothing)?;
        let answer = answer.ok_or_else(|| depot.failed(path, &NOT_OPEN))?;
        let id = answer
            .headers()
            .get("Transaction-ID")
            .and_then(|it| it.to_str().ok());
        let id = id.ok_or_else(|| depot.failed(path, &"no Transaction-ID in the answer"))?;
        Ok(Self::Depot {
            depot: depot.clone(),
            id: quote::unquote(id).unwrap_or_else(|_| id.to_owned()),
        })
    }

    /// The name by which it is opened again.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Folder(transaction) => transaction.id(),
            Self::Depot { id, .. } => id,
        }
    }

    /// Adds one action with its content.
    ///
    /// # Errors
    ///
    /// It may not be published, or content is missing.
    pub fn add(&self, action: Action, content: Option<&Content>) -> Result<()> {
        let (depot, id) = match self {
            Self::Folder(transaction) => return transaction.add(action, content).map(drop),
            Self::Depot { depot, id } => (depot, id),
        };
        action.check()?;
        let path = format!("add/0/{}/{}", quote::quote(id), action.word());
        let unread = |error| RepositoryError::io("read", Path::new(&path))(error);
        let bytes = content.map(Content::read).transpose().map_err(unread)?;
        let mut headers = Vec::new();
        let mut push = |key: &str, value: &str| {
            let name = format!("X-IPkg-SetAttr{}", headers.len());
            headers.push((name, format!("{key}={value}")));
        };
        for key in action.attributes().keys() {
            let values: Vec<_> = action.values(key).collect();
            match values.as_slice() {
                [only] => push(key, only),
                several => push(key, &bracketed(several)),
            }
        }
        if let Some(bytes) = &bytes {
            push("pkg.size", &bytes.len().to_string());
        }
        let bytes = bytes.as_deref().unwrap_or_default();
        let answer = depot.ask(&path, &headers, Outgoing::Bytes(bytes))?;
        answer
            .map(drop)
            .ok_or_else(|| depot.failed(&path, &NOT_OPEN))
    }

    /// Adds a payload that is packed already.
    ///
    /// # Errors
    ///
    /// It is not what its name says, or cannot be sent.
    pub fn add_packed(&self, name: Digest, packed: &[u8]) -> Result<()> {
        match self {
            Self::Folder(transaction) => transaction.add_packed(name, packed),
            Self::Depot { depot, id } => {
                let path = format!("file/1/{}", quote::quote(id));
                let header = ("X-IPkg-SetAttr0".to_owned(), format!("basename={name}"));
                let answer = depot.ask(&path, &[header], Outgoing::Bytes(packed))?;
                answer
                    .map(drop)
                    .ok_or_else(|| depot.failed(&path, &NOT_OPEN))
            }
        }
    }

    /// Gives the package this manifest.
    ///
    /// # Errors
    ///
    /// It is none, names another package, or cannot be sent.
    pub fn set_manifest(&self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Folder(transaction) => transaction.set_manifest(bytes),
            Self::Depot { depot, id } => {
                let path = format!("manifest/1/{}", quote::quote(id));
                let answer = depot.ask(&path, &[], Outgoing::Bytes(bytes))?;
                answer
                    .map(drop)
                    .ok_or_else(|| depot.failed(&path, &NOT_OPEN))
            }
        }
    }

    /// Packs and sends all content on all processors, then the manifest.
    fn send_all(
        &self,
        manifest: Manifest,
        content: &(dyn Fn(&Action) -> Result<Option<Content>> + Sync),
    ) -> Result<()> {
        let sent: Mutex<HashMap<Digest, ()>> = Mutex::default();
        let complete = |mut action: Action| {
            if !action.kind().row().has_payload {
                return Ok(action);
            }
            let Some(content) = content(&action)? else {
                if action.kind() == ActionKind::Signature {
                    return Ok(action);
                }
                let why = format!("the action has no content: {action}");
                return Err(RepositoryError::Refused(why));
            };
            let name = action.payload().unwrap_or_default().to_owned();
            let unread = |error| RepositoryError::io("read", Path::new(&name))(error);
            let content = content.open().map_err(unread)?;
            let plain = PlainFacts::of(&content).map_err(unread)?;
            // A request is sent again when the depot is busy: the packed form is kept for that.
            let mut packed = Vec::new();
            let done = payload::pack(content.reader(), &mut packed);
            done.map_err(|source| RepositoryError::Payload {
                what: name.clone(),
                source,
            })?;
            let is_new = sent
                .lock()
                .is_ok_and(|mut it| it.insert(plain.name, ()).is_none());
            if is_new {
                self.add_packed(plain.name, &packed)?;
            }
            let packed = PackedFacts::of(&packed);
            let facts = Facts { plain, packed };
            facts.stamp(&mut action)?;
            Ok(action)
        };
        let mut actions = manifest.into_actions();
        // The depot gives the complete name.
        actions.retain(|action| action.get("name") != Some("pkg.fmri"));
        let actions = parallel(actions, &complete)?;
        self.set_manifest(Manifest::new(actions).to_string().as_bytes())
    }

    /// Publishes.
    ///
    /// # Errors
    ///
    /// The package may not be published as it is.
    pub fn close(self, listing: Listing) -> Result<Fmri> {
        let (depot, id) = match self {
            Self::Folder(transaction) => return transaction.close(listing),
            Self::Depot { depot, id } => (depot, id),
        };
        let path = format!("close/0/{}", quote::quote(&id));
        let mut headers = Vec::new();
        if listing == Listing::Later {
            headers.push(("X-IPkg-Add-To-Catalog".to_owned(), "0".to_owned()));
        }
        let answer = depot.ask(&path, &headers, Outgoing::Nothing)?;
        let answer = answer.ok_or_else(|| depot.failed(&path, &NOT_OPEN))?;
        let fmri = answer
            .headers()
            .get("Package-FMRI")
            .and_then(|it| it.to_str().ok());
        let fmri = fmri.ok_or_else(|| depot.failed(&path, &"no Package-FMRI in the answer"))?;
        fmri.parse()
            .map_err(|error: zones_ips::FmriError| depot.failed(&path, &error))
    }

    /// Gives up.
    ///
    /// # Errors
    ///
    /// The transaction cannot be removed.
    pub fn abandon(self) -> Result<()> {
        match self {
            Self::Folder(transaction) => transaction.abandon(),
            Self::Depot { depot, id } => {
                let path = format!("abandon/0/{}", quote::quote(&id));
                depot.ask(&path, &[], Outgoing::Nothing).map(drop)
            }
        }
    }
}

/// What a 404 means to who publishes.
const NOT_OPEN: &str = "the depot does not know this; is it read only?";

/// A list as the protocol writes it.
fn bracketed(values: &[&str]) -> String {
    let quoted = values.iter().map(|value| {
        let escaped = value.replace('\\', "\\\\").replace('\'', "\\'");
        format!("'{escaped}'")
    });
    format!("[{}]", quoted.collect::<Vec<_>>().join(", "))
}
