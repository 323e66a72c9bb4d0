//! `admin` and `index`: work on the whole repository.

use std::sync::{MutexGuard, TryLockError};

use zones_repository::{RepositoryError, Store};

use crate::http::reply::{Caching, Content, Reply};
use crate::site::{Answered, Call, Site};

/// What is to be done, and its name.
type Work = fn(&Store) -> Result<(), RepositoryError>;

const WORKS: [(&str, Work); 6] = [
    ("rebuild", rebuild),
    ("rebuild-indexes", rebuild_index),
    ("rebuild-packages", rebuild_catalog),
    ("refresh", refresh),
    ("refresh-indexes", refresh_index),
    ("refresh-packages", refresh_catalog),
];

pub(crate) fn rebuild(store: &Store) -> Result<(), RepositoryError> {
    rebuild_catalog(store)?;
    rebuild_index(store)
}

pub(crate) fn refresh(store: &Store) -> Result<(), RepositoryError> {
    refresh_catalog(store)?;
    refresh_index(store)
}

fn rebuild_catalog(store: &Store) -> Result<(), RepositoryError> {
    store.rebuild().map(drop)
}

fn refresh_catalog(store: &Store) -> Result<(), RepositoryError> {
    store.refresh().map(drop)
}

fn rebuild_index(store: &Store) -> Result<(), RepositoryError> {
    store.reindex().map(drop)
}

fn refresh_index(store: &Store) -> Result<(), RepositoryError> {
    store.index().map(drop)
}

/// `admin/0?cmd=WORK`.
pub(super) fn admin(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let wanted = call.request.target.value("cmd").unwrap_or_default();
    match WORKS.iter().find(|(name, _)| *name == wanted) {
        Some((_, work)) => run(site, call, *work),
        None => {
            let message = format!("Unknown or unsupported operation: '{wanted}'");
            Err(Reply::refusal(400, &message))
        }
    }
}

/// `index/0/refresh`.
pub(super) fn index(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let wanted = call.argument();
    match wanted.as_str() {
        "refresh" => run(site, call, refresh_index),
        _ => {
            let message = format!("Unknown or unsupported operation: '{wanted}'");
            Err(Reply::refusal(400, &message))
        }
    }
}

fn run(site: &Site, call: &Call<'_, '_>, work: Work) -> Answered {
    let _busy = begin(site)?;
    let stores = match call.publisher() {
        Some(_) => site.stock.store(call.publisher()).map(|store| vec![store]),
        None => site.stock.stores(),
    };
    let refused = |error| site.refuse_upload(&error);
    for store in stores.map_err(refused)? {
        work(&store).map_err(refused)?;
    }
    Ok(Reply::new(200, "", Content::Empty).cached(Caching::Never))
}

fn begin(site: &Site) -> Result<MutexGuard<'_, ()>, Reply> {
    match site.maintenance.try_lock() {
        Ok(guard) => Ok(guard),
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => {
            let message = "Another operation is already in progress; try again later.";
            Err(Reply::refusal(503, message).with("Retry-After", "10"))
        }
    }
}
