//! A depot that is ready to listen.

use std::path::Path;
use std::sync::{Arc, Mutex};

use zones_repository::RepositoryError;

use crate::auth::{Guard, Tokens};
use crate::config::Config;
use crate::error::DepotError;
use crate::listing::Listings;
use crate::log::Logs;
use crate::metrics::Metrics;
use crate::op;
use crate::search::Searches;
use crate::server::Server;
use crate::site::{Modes, Site};
use crate::stock::Stock;
use crate::tls;

/// A repository, opened and looked through.
pub struct Depot {
    site: Site,
    config: Config,
}

impl std::fmt::Debug for Depot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Depot")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Depot {
    /// Opens the repository and does what is asked for before anybody is served.
    ///
    /// # Errors
    /// It is no repository, a file that the configuration names is of no use, or the catalogs
    /// cannot be written.
    pub fn open(config: Config, logs: Logs) -> Result<Self, DepotError> {
        let tokens = config.tokens.as_deref().map(Tokens::read).transpose()?;
        let stock = Stock::open(&config.repository)?;
        for store in stock.stores()? {
            if config.rebuild {
                op::rebuild(&store)?;
            } else if config.add_content {
                op::refresh(&store)?;
            }
        }
        let base = config.proxy_base.clone().unwrap_or_default();
        let base = match base.is_empty() {
            true => base,
            false => format!("{}/", base.trim_end_matches('/')),
        };
        let site = Site {
            stock,
            modes: Modes {
                read_only: config.read_only,
                mirror: config.mirror,
                disabled: config.disabled.clone(),
            },
            guard: Guard {
                tokens,
                certificates: config
                    .tls
                    .as_ref()
                    .is_some_and(|tls| tls.client_authorities.is_some()),
                is_behind_proxy: config.proxy_base.is_some(),
            },
            metrics: Arc::new(Metrics::default()),
            logs: Arc::new(logs),
            listings: Listings::default(),
            content: match &config.content_root {
                Some(folder) => content(folder)?,
                None => Vec::new(),
            },
            base,
            searches: Searches::default(),
            maintenance: Arc::new(Mutex::new(())),
            index_due: Arc::default(),
        };
        Ok(Self { site, config })
    }

    /// Opens the sockets; from here on clients can connect, and wait for [`Server::run`].
    ///
    /// # Errors
    /// A socket cannot be opened, or certificates and key are of no use.
    pub fn bind(self) -> Result<Server, DepotError> {
        let tls = self.config.tls.as_ref().map(tls::config).transpose()?;
        let (logs, metrics) = (Arc::clone(&self.site.logs), Arc::clone(&self.site.metrics));
        let site = Arc::new(self.site);
        if !self.config.read_only && !self.config.mirror {
            let stores = site.stock.stores()?.into_iter();
            let bare = stores.filter(|store| !store.has_index());
            bare.for_each(|store| site.index_later(store));
        }
        Server::new(
            &self.config.addresses,
            site,
            self.config.limits,
            tls,
            logs,
            metrics,
        )
    }
}

/// The plain files of a folder by name; what begins with a dot is left out.
fn content(folder: &Path) -> Result<Vec<(String, std::path::PathBuf)>, DepotError> {
    let failed = |error| DepotError::file(folder, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_file = entry.path().metadata().is_ok_and(|meta| meta.is_file());
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_file && !name.starts_with('.') {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

impl From<RepositoryError> for DepotError {
    fn from(error: RepositoryError) -> Self {
        Self::Repository(Box::new(error))
    }
}
