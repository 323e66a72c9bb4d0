//! Every variable of the environment that means something to us, read here and nowhere else.

use std::path::PathBuf;

use zones_store::Layout;

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

/// Whether an outer zoneadm holds the lock of the zone.
pub(crate) fn lock_is_held() -> bool {
    std::env::var_os(LOCK_HELD).is_some_and(|value| value == "1")
}

/// The caller's terminal type.
pub(crate) fn term() -> Option<String> {
    std::env::var("TERM").ok()
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
