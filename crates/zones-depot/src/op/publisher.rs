//! `publisher`: who publishes here, and where else.

use zones_ips::p5i::{MIME, P5i, PublisherInfo};
use zones_repository::Store;

use super::REFRESH;
use crate::http::reply::Reply;
use crate::site::{Answered, Call, Site};

/// `publisher/0` and `publisher/1`: all publishers, or the one that the path names.
pub(super) fn publisher(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let stores = site.stock.named(call.publisher());
    let stores = stores.map_err(|error| site.refuse(&error))?;
    let infos = stores.iter().map(|store| describe(site, store)).collect();
    let text = P5i::new(infos, Vec::new()).to_text();
    Ok(Reply::text(MIME, text).cached(REFRESH))
}

/// What a repository suggests for its publisher, else its name alone.
pub(super) fn describe(site: &Site, store: &Store) -> PublisherInfo {
    let name = store.publisher().to_string();
    let mut suggested = site.stock.suggestions(store);
    let at = suggested.iter().position(|info| info.name == name);
    at.map(|at| suggested.swap_remove(at))
        .unwrap_or_else(|| PublisherInfo {
            name,
            ..PublisherInfo::default()
        })
}
