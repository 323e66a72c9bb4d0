//! What is on disk and belongs to no package.

use zones_ips::ImagePath;
use zones_sys::RootFd;

use crate::plan::{Package, Policy};

/// What nobody delivers, sorted: the topmost folder of each tree, and files and links. Below
/// `skipped` nobody looks.
///
/// # Errors
///
/// A folder cannot be read.
pub fn unpackaged(
    _root: &RootFd,
    _packages: &[Package],
    _policy: &Policy,
    _skipped: &[ImagePath],
) -> std::io::Result<Vec<ImagePath>> {
    Ok(Vec::new())
}
