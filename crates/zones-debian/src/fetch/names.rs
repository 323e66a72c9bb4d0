//! Host names, looked up once for each installation.
//!
//! The HTTP client looks a name up for each request, also on a connection that is open already;
//! with a hundred small files, a slow name server would take longer than the files.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Addresses by scheme, host and port; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let authority = uri.authority().map_or("", |a| a.as_str());
        let key = format!("{}://{authority}", uri.scheme_str().unwrap_or_default());
        // Held during the look-up: the other threads mostly want the same name.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&key) {
            let found = DefaultResolver::default().resolve(uri, config, timeout)?;
            known.insert(key.clone(), found.iter().copied().collect());
        }
        let mut all = self.empty();
        for address in known.get(&key).into_iter().flatten() {
            all.push(*address);
        }
        Ok(all)
    }
}
