//! Search as operations and pages ask for it: few at once, and never without an index.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use zones_repository::Store;
use zones_repository::search::{Hit, Query};

use crate::http::reply::Reply;
use crate::site::Site;

/// Searches at the same time: each uses all processors for a while.
const AT_ONCE: usize = 8;

/// Counts searches under way.
#[derive(Debug, Default)]
pub(crate) struct Searches(AtomicUsize);

/// One search, for as long as it lives.
struct Running<'s>(&'s AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The query of `search/1`; the error is the reply that refuses it.
pub(crate) fn query(text: &str) -> Result<Query, Reply> {
    Query::parse_v1(text).map_err(|error| Reply::refusal(400, &error.to_string()))
}

/// Answers a query. The error is the reply that refuses it.
pub(crate) fn run(site: &Site, store: &Store, query: &Query) -> Result<Vec<Hit>, Reply> {
    let unavailable = || {
        let message = "Search functionality is temporarily unavailable.";
        Reply::refusal(503, message).with("Retry-After", "5")
    };
    let _running = Running(&site.searches.0);
    if site.searches.0.fetch_add(1, Relaxed) >= AT_ONCE || !store.has_index() {
        return Err(unavailable());
    }
    store.search(query).map_err(|error| site.refuse(&error))
}
