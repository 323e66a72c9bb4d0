//! What will be installed, and from where.

mod indices;
mod memo;

use std::path::PathBuf;

use zones_archive::{Phase, Progress};

use crate::cache::Cache;
use crate::error::DebianError;
use crate::fetch::{Fetcher, Names, Network};
use crate::hash::Hasher;
use crate::index::{Index, Offer};
use crate::release::{Release, Want, is_sha256};
use crate::resolve::{Variant, is_base, resolve};
use crate::sources::{HostSources, Source};
use indices::Indices;

/// What stays in the cache unless the host says otherwise, in bytes.
pub const CACHE_LIMIT: u64 = 2 << 30;

/// What the caller wants.
#[derive(Debug, Clone)]
pub struct Request {
    /// The host's sources: where to install from unless `mirror` says otherwise.
    pub host: HostSources,
    /// An archive to use instead of the host's.
    pub mirror: Option<String>,
    /// Suite or code name; the host's own if unset.
    pub suite: Option<String>,
    /// Debian architecture, such as `amd64`.
    pub arch: String,
    /// How much.
    pub variant: Variant,
    /// More packages, by name.
    pub include: Vec<String>,
    /// Keys that must have signed, instead of the host's.
    pub keyring: Option<PathBuf>,
    /// Folder for fetched files, kept between installs.
    pub cache: PathBuf,
    /// Bytes that may stay in that folder at the end.
    pub cache_limit: u64,
    /// Read-only folders with package files as apt names them; used after verification.
    pub archives: Vec<PathBuf>,
    /// The clock, in seconds since 1970.
    pub now: i64,
    /// How to reach mirrors.
    pub network: Network,
}

impl Request {
    /// Minbase of the host's own suite.
    #[must_use]
    pub fn new(host: HostSources, arch: &str, cache: PathBuf, now: i64) -> Self {
        Self {
            host,
            mirror: None,
            suite: None,
            arch: arch.to_owned(),
            variant: Variant::Minbase,
            include: Vec::new(),
            keyring: None,
            cache,
            cache_limit: CACHE_LIMIT,
            archives: Vec::new(),
            now,
            network: Network::default(),
        }
    }
}

/// One package that will be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub arch: String,
    /// Where it is fetched.
    pub uri: String,
    /// Only there because another package needs it, as apt remembers it.
    pub automatic: bool,
    /// Bytes to unpack at most, from its declared size.
    pub(crate) limit: u64,
    /// Names of packages whose files it may take over.
    pub(crate) replaces: String,
    pub(crate) want: Want,
}

impl PlannedPackage {
    /// Size of the package file in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.want.size
    }

    /// The file name apt would give it.
    pub(crate) fn file_name(&self) -> String {
        format!(
            "{}_{}_{}.deb",
            self.name,
            self.version.replace(':', "%3a"),
            self.arch
        )
    }
}

/// What will be installed. Made by [`plan`], carried out by [`crate::install`].
#[derive(Debug, Clone)]
pub struct Plan {
    /// Code name of the main suite.
    pub codename: String,
    /// Debian architecture.
    pub arch: String,
    /// The sources used, main first.
    pub sources: Vec<Source>,
    /// All packages, by name.
    pub packages: Vec<PlannedPackage>,
    /// Bytes of package files, cached or not.
    pub download: u64,
    /// Bytes on disk, as the packages declare.
    pub installed: u64,
    pub(crate) cache: Cache,
    pub(crate) cache_limit: u64,
    pub(crate) archives: Vec<PathBuf>,
    pub(crate) network: Network,
    pub(crate) names: Names,
    pub(crate) keyring: Option<PathBuf>,
}

impl Plan {
    /// A hash over what would be installed: equal plans give equal roots, but for what scripts of
    /// packages make of the day. Which mirror it comes from does not count.
    #[must_use]
    pub fn key(&self) -> String {
        let mut hasher = Hasher::default();
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        add(&self.codename);
        add(&self.arch);
        for package in &self.packages {
            add(&package.name);
            add(&package.want.sha256);
            add(if package.automatic {
                "automatic"
            } else {
                "asked"
            });
        }
        hasher.finish()
    }
}

/// Fetches and verifies the indices, then chooses packages.
///
/// # Errors
/// See [`DebianError`]; nothing but the cache was written.
pub fn plan(request: &Request, progress: &dyn Progress) -> Result<Plan, DebianError> {
    let cache = Cache::open(&request.cache)?;
    let names = Names::default();
    let fetcher = Fetcher::new(&request.network, &names, progress)?;
    progress.begin(Phase::Index, 0);
    let indices = Indices {
        request,
        fetcher: &fetcher,
        cache: &cache,
        progress,
    };
    let sources = indices.sources()?;
    let key = memo::key(request, &sources);
    let known = key.as_ref().and_then(|key| cache.choice(key));
    let known = known.and_then(|bytes| memo::read(bytes, sources.len()));
    let texts = match &known {
        Some(texts) => texts,
        None => &indices.packages(&sources)?,
    };
    progress.end(Phase::Index);
    progress.begin(Phase::Resolve, 0);
    let mut index = Index::default();
    for (source, text) in texts {
        index.add(text, *source, &request.arch);
    }
    let chosen = if known.is_some() {
        index.all().map(|offer| (offer.name, *offer)).collect()
    } else {
        resolve(&index, request.variant, &request.include)?
    };
    if let (Some(key), None) = (&key, &known) {
        cache.keep_choice(key, &memo::write(&chosen));
    }
    let asked = |o: &Offer<'_>| {
        is_base(o, request.variant)
            || o.name == "apt"
            || request.include.iter().any(|name| name == o.name)
    };
    let packages = chosen.values().map(|o| planned(o, asked(o), &sources));
    let packages = packages.collect::<Result<Vec<_>, _>>()?;
    progress.end(Phase::Resolve);
    let kib = |o: &Offer<'_>| o.field("Installed-Size").parse::<u64>().unwrap_or(0);
    Ok(Plan {
        codename: sources
            .first()
            .map_or_else(String::new, |s| s.1.codename.clone()),
        arch: request.arch.clone(),
        download: packages.iter().map(PlannedPackage::size).sum(),
        installed: chosen.values().map(kib).sum::<u64>().saturating_mul(1024),
        sources: sources.into_iter().map(|s| s.0).collect(),
        packages,
        cache,
        cache_limit: request.cache_limit,
        archives: request.archives.clone(),
        network: request.network.clone(),
        names,
        keyring: request.keyring.clone(),
    })
}

fn planned(
    offer: &Offer<'_>,
    asked: bool,
    sources: &[(Source, Release)],
) -> Result<PlannedPackage, DebianError> {
    let source = &sources[offer.source].0;
    let wrong = |what: &str| DebianError::Index {
        uri: format!("{}/dists/{}", source.uri, source.suite),
        why: format!("package `{}` has no proper {what}", offer.name),
    };
    let file = offer.field("Filename");
    if file.is_empty() || file.starts_with('/') || file.split('/').any(|p| p == "..") {
        return Err(wrong("Filename"));
    }
    let sha256 = offer.field("SHA256").to_ascii_lowercase();
    if !is_sha256(&sha256) {
        return Err(wrong("SHA256"));
    }
    let size = offer.field("Size").parse().map_err(|_| wrong("Size"))?;
    // Both become file names in the root.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-._".contains(&b);
    let named = offer.name.bytes().all(plain) && !offer.name.starts_with('.');
    let version = offer.version;
    if !named || version.is_empty() || !version.bytes().all(|b| plain(b) || b"~:".contains(&b)) {
        return Err(wrong("name or version"));
    }
    let kib: u64 = offer.field("Installed-Size").parse().unwrap_or(0);
    Ok(PlannedPackage {
        name: offer.name.to_owned(),
        version: version.to_owned(),
        arch: offer.field("Architecture").to_owned(),
        automatic: !asked,
        uri: format!("{}/{}", source.uri, file.trim_start_matches("./")),
        // Declared sizes are rounded and made on other file systems; bombs are far beyond.
        limit: kib
            .saturating_mul(1024)
            .saturating_mul(4)
            .saturating_add(64 << 20),
        replaces: offer.field("Replaces").to_owned(),
        want: Want { size, sha256 },
    })
}
