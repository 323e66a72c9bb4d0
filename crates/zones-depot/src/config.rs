//! What a depot is told.

use std::path::PathBuf;

use crate::limits::Limits;
use crate::server::Address;
use crate::tls::TlsFiles;

/// What to serve, where, and to whom. Source: pkg.depotd(8).
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The folder of the repository.
    pub repository: PathBuf,
    /// Where to listen.
    pub addresses: Vec<Address>,
    /// Nothing can be changed by clients.
    pub read_only: bool,
    /// Only payloads are served.
    pub mirror: bool,
    /// Operations that are not served: `search`, or `search/1` for one version of it.
    pub disabled: Vec<String>,
    /// Refresh the catalogs and the search index at the start, for what was added by other means.
    pub add_content: bool,
    /// Make catalogs and search index anew at the start.
    pub rebuild: bool,
    /// A folder with files for the pages: they are served at `/content/NAME`, and `style.css`,
    /// `robots.txt` and `favicon.ico` take the place of the built-in ones.
    pub content_root: Option<PathBuf>,
    /// The URL under which a proxy serves this depot.
    pub proxy_base: Option<String>,
    /// Lines `NAME:TOKEN` of those who may publish.
    pub tokens: Option<PathBuf>,
    /// Serve by TLS.
    pub tls: Option<TlsFiles>,
    /// What clients may cost.
    pub limits: Limits,
}
