//! Where the packages of a publisher come from.

use std::path::PathBuf;

use zones_repository::{ArchiveSource, FileSource, HttpSource, Source, file_path};

use crate::error::{ImageError, Result};

pub use zones_repository::HttpOptions as Access;

/// An origin by its URI: `http:`, `https:`, `file:` or a path; a file is an archive.
///
/// # Errors
/// The URI means nothing, or there is nothing.
pub fn open(uri: &str, access: &Access) -> Result<Box<dyn Source>> {
    if uri.starts_with("http://") || uri.starts_with("https://") {
        return Ok(Box::new(HttpSource::new(uri, access)?));
    }
    let path = PathBuf::from(file_path(uri));
    if !path.is_absolute() {
        return Err(ImageError::Refused(format!(
            "'{uri}' is not a valid URI; write http://HOST/, https://HOST/ or file:///PATH"
        )));
    }
    if path.is_file() {
        return Ok(Box::new(ArchiveSource::open(&path)?));
    }
    Ok(Box::new(FileSource::open(&path)?))
}
