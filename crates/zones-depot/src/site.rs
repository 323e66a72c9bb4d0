//! Which operation or page answers a request.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zones_ips::Publisher;
use zones_repository::{RepositoryError, Store};

use crate::auth::Guard;
use crate::http::reply::Reply;
use crate::listing::{Listing, Listings};
use crate::log::Logs;
use crate::metrics::Metrics;
use crate::op;
use crate::search::Searches;
use crate::server::{Answer, Request};
use crate::stock::Stock;
use crate::web;

/// All that operations and pages work with.
pub(crate) struct Site {
    pub(crate) stock: Stock,
    pub(crate) modes: Modes,
    pub(crate) guard: Guard,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) listings: Listings,
    /// Files for the pages: name and place.
    pub(crate) content: Vec<(String, PathBuf)>,
    /// The URL under which clients see us, with a slash at its end; empty when nobody said.
    pub(crate) base: String,
    pub(crate) searches: Searches,
    /// Held by what works on the whole repository, one at a time.
    pub(crate) maintenance: Arc<Mutex<()>>,
    /// Publishers whose search index somebody will bring up to date.
    pub(crate) index_due: Arc<Mutex<BTreeSet<Publisher>>>,
}

/// What is served at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Modes {
    pub(crate) read_only: bool,
    pub(crate) mirror: bool,
    /// `search`, or `search/1`.
    pub(crate) disabled: Vec<String>,
}

/// One request for an operation or a page.
pub(crate) struct Call<'c, 'r> {
    pub(crate) request: &'c mut Request<'r>,
    /// The publisher that the path begins with.
    pub(crate) publisher: Option<Publisher>,
    /// What comes after the operation and its version.
    pub(crate) args: &'c [String],
}

impl Call<'_, '_> {
    /// All arguments as the one that they were before their slashes parted them.
    pub(crate) fn argument(&self) -> String {
        self.args.join("/")
    }

    pub(crate) fn publisher(&self) -> Option<&Publisher> {
        self.publisher.as_ref()
    }
}

/// A reply, or one that refuses.
pub(crate) type Answered = Result<Reply, Reply>;

impl Answer for Site {
    fn answer(&self, request: &mut Request<'_>) -> Reply {
        match self.route(request) {
            Ok(reply) | Err(reply) => reply,
        }
    }
}

impl Site {
    fn route(&self, request: &mut Request<'_>) -> Answered {
        let path = &request.target.path;
        let first = path.first().map_or("", String::as_str);
        if op::is_operation(first) {
            return op::run(self, request, None, path);
        }
        if let Some(page) = web::find(None, path) {
            return web::run(self, request, None, &page);
        }
        // A publisher begins the path; what follows must be ours, or it was none.
        if let Ok(publisher) = first.parse::<Publisher>() {
            let rest = &path[1..];
            if rest.first().is_some_and(|name| op::is_operation(name)) {
                return op::run(self, request, Some(publisher), rest);
            }
            if let Some(page) = web::find(Some(&publisher), rest) {
                return web::run(self, request, Some(publisher), &page);
            }
        }
        let path = path.join("/");
        Err(Reply::refusal(
            404,
            &format!("The path '/{path}' was not found."),
        ))
    }

    /// Has the index brought up to date by and by. Until then searches read what it lacks.
    pub(crate) fn index_later(&self, store: Store) {
        let publisher = store.publisher().clone();
        if !lock(&self.index_due).insert(publisher.clone()) {
            return; // the one that waits will see this package, too
        }
        let (due, logs) = (Arc::clone(&self.index_due), Arc::clone(&self.logs));
        let maintenance = Arc::clone(&self.maintenance);
        let work = move || {
            let _one = lock(&maintenance);
            lock(&due).remove(store.publisher());
            if let Err(error) = store.index() {
                logs.error(&chain(&error));
            }
        };
        let thread = std::thread::Builder::new().name("index".to_owned());
        if thread.spawn(work).is_err() {
            lock(&self.index_due).remove(&publisher);
        }
    }

    /// What is kept of a publisher, or of the default one; the error is the reply that refuses it.
    pub(crate) fn store(&self, publisher: Option<&Publisher>) -> Result<Store, Reply> {
        let store = self.stock.store(publisher);
        store.map_err(|error| self.refuse(&error))
    }

    /// What the catalog of a publisher lists; the error is the reply that refuses it.
    pub(crate) fn listing(&self, store: &Store) -> Result<Arc<Listing>, Reply> {
        let listing = self.listings.of(store);
        listing.map_err(|error| self.refuse(&error))
    }

    /// The reply to an error of the repository. What is wrong with the repository itself is for the
    /// log: it names files of this host.
    pub(crate) fn refuse(&self, error: &RepositoryError) -> Reply {
        if error.is_fault() {
            self.logs.error(&chain(error));
            let message = "The repository cannot be used at the moment; the error log of the depot \
                           says why.";
            return Reply::refusal(500, message);
        }
        let status = if error.is_missing() { 404 } else { 400 };
        Reply::refusal(status, &error.to_string())
    }

    /// The same for publication: clients take 404 for an operation that is not served.
    pub(crate) fn refuse_upload(&self, error: &RepositoryError) -> Reply {
        let reply = self.refuse(error);
        match reply.status {
            404 => reply.status(400),
            _ => reply,
        }
    }
}

/// What a lock guards is whole at every moment, even when a thread died with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text += &format!(": {cause_text}");
        }
        source = cause.source();
    }
    text
}
