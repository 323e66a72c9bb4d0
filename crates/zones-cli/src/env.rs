//! Every variable of the environment that means something to us, read here and nowhere else.

use std::path::PathBuf;

use zones_repository::HttpOptions;
use zones_store::Layout;

use crate::applet::pkgrepo::Trouble;

/// Moves all folders below this one, as `-R` does.
const ZONES_ROOT: &str = "ZONES_ROOT";
/// Set for hooks: the caller holds the lock of the zone.
const LOCK_HELD: &str = "_ZONEADM_LOCK_HELD";

/// Where everything is, unless `-R` says otherwise.
pub(crate) fn layout() -> Layout {
    match std::env::var_os(ZONES_ROOT).map(PathBuf::from) {
        Some(root) if root.is_absolute() => Layout::below(&root),
        _ => Layout::host(),
    }
}

/// Whether a variable is set; a matrix file may ask for any (`if = "env.NAME"`).
pub(crate) fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

/// Whether an outer zoneadm holds the lock of the zone.
pub(crate) fn lock_is_held() -> bool {
    std::env::var_os(LOCK_HELD).is_some_and(|value| value == "1")
}

/// Whether what is made need not outlive a power failure.
pub(crate) fn is_disposable() -> bool {
    std::env::var_os(zones_store::durability::DISPOSABLE).is_some_and(|value| value == "1")
}

/// The package repository that is meant where none is named: `PKG_REPO`.
pub(crate) fn package_repository() -> Option<String> {
    std::env::var("PKG_REPO").ok()
}

/// Where packages come from where no origin is named: `PKG_SRC`.
pub(crate) fn package_source() -> Option<String> {
    std::env::var("PKG_SRC").ok()
}

/// Where packages go where no target is named: `PKG_DEST`.
pub(crate) fn package_target() -> Option<String> {
    std::env::var("PKG_DEST").ok()
}

/// The open transaction of pkgsend: `PKG_TRANS_ID`.
pub(crate) fn package_transaction() -> Option<String> {
    std::env::var("PKG_TRANS_ID").ok()
}

/// How to reach depots: proxies, and the token in the file that `PKG_TOKEN_FILE` names.
pub(crate) fn http_options() -> Result<HttpOptions, Trouble> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let token = match variable("PKG_TOKEN_FILE") {
        Some(path) => {
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|error| Trouble::Failed(format!("`{path}`: {error}")))?;
            Some(text.trim().to_owned())
        }
        None => None,
    };
    let default = HttpOptions::default();
    Ok(HttpOptions {
        token,
        silence: patience().unwrap_or(default.silence),
        proxy: variable("https_proxy").or_else(|| variable("http_proxy")),
        ..default
    })
}

/// The caller's terminal type.
pub(crate) fn term() -> Option<String> {
    std::env::var("TERM").ok()
}

/// The image that pkg(1) works on, unless `-R` says otherwise.
pub(crate) fn image() -> Option<PathBuf> {
    std::env::var_os("PKG_IMAGE")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

/// The folder of payloads for all images: PKG_CACHEROOT, or PKG_CACHEDIR as in 2008.
pub(crate) fn content_cache() -> Option<PathBuf> {
    let names = ["PKG_CACHEROOT", "PKG_CACHEDIR"];
    let mut found = names.iter().filter_map(std::env::var_os).map(PathBuf::from);
    found.find(|path| path.is_absolute())
}

/// Whether "nothing to do" is status 0.
pub(crate) fn is_nothing_fine() -> bool {
    std::env::var_os("PKG_SUCCESS_ON_NOP").is_some_and(|value| value == "1")
}

/// How long a depot may give less than it must: `PKG_CLIENT_LOWSPEED_TIMEOUT`, seconds.
pub(crate) fn patience() -> Option<std::time::Duration> {
    let seconds = std::env::var("PKG_CLIENT_LOWSPEED_TIMEOUT").ok()?;
    let seconds = seconds.parse().ok().filter(|it| (1..=3600).contains(it))?;
    Some(std::time::Duration::from_secs(seconds))
}

/// The proxy and the number of requests at the same time.
pub(crate) fn transport() -> (Option<String>, Option<usize>) {
    let proxy = std::env::var("http_proxy").ok().filter(|it| !it.is_empty());
    let connections = std::env::var("PKG_TRANSPORT_CONNECTIONS").ok();
    (
        proxy,
        connections
            .and_then(|it| it.parse().ok())
            .filter(|it| (1..=64).contains(it)),
    )
}

/// Where a depot finds its repository and its pages, unless options say so.
#[derive(Debug, Default)]
pub(crate) struct DepotEnv {
    /// `PKG_REPO`.
    pub(crate) repository: Option<std::ffi::OsString>,
    /// `PKG_DEPOT_CONTENT`.
    pub(crate) content: Option<std::ffi::OsString>,
}

/// See [`DepotEnv`].
pub(crate) fn depot() -> DepotEnv {
    DepotEnv {
        repository: std::env::var_os("PKG_REPO"),
        content: std::env::var_os("PKG_DEPOT_CONTENT"),
    }
}
