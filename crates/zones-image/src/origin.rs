//! Where the packages of a publisher come from.

mod http;

use std::path::PathBuf;

use zones_repository::{FileSource, Source};

use crate::error::{ImageError, Result};

pub use http::{Access, HttpSource};

/// An origin by its URI: `http:`, `https:`, `file:` or a path.
///
/// # Errors
/// The URI means nothing, or there is nothing.
pub fn open(uri: &str, access: &Access) -> Result<Box<dyn Source>> {
    if uri.starts_with("http://") || uri.starts_with("https://") {
        return Ok(Box::new(HttpSource::new(uri, access)?));
    }
    let path = match uri.strip_prefix("file:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => uri,
    };
    if !path.starts_with('/') {
        return Err(ImageError::Refused(format!(
            "'{uri}' is not a valid URI; write http://HOST/, https://HOST/ or file:///PATH"
        )));
    }
    Ok(Box::new(FileSource::open(&PathBuf::from(path))?))
}
