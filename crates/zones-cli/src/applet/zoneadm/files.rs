//! The files of a root, however the storage driver keeps them.

use std::path::Path;

use zones_sys::RootFd;

/// Opens the files of a root.
///
/// # Errors
/// Whatever the kernel says, in words.
pub(super) fn open(root: &Path) -> Result<RootFd, String> {
    RootFd::open(root).map_err(|error| format!("cannot open `{}`: {error}", root.display()))
}
