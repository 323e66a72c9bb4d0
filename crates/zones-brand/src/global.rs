//! The image of the host, the "global image": the publishers of the host and the packages that all
//! zones must be in step with. It holds no files: what is installed there is only recorded.

use std::path::PathBuf;

use zones_image::{Client, Create, Image, ImageError, RECORDS_ONLY};
use zones_store::Layout;

/// Where the global image is: `/var/lib/zones/global`, not `/`, whose files are not ours.
#[must_use]
pub fn global_folder(layout: &Layout) -> PathBuf {
    layout.lib().join("global")
}

/// The global image; None on a host that has none yet.
///
/// # Errors
/// It is there and cannot be read.
pub fn open_global(layout: &Layout, client: Client) -> Result<Option<Image>, ImageError> {
    let folder = global_folder(layout);
    match Image::is_at(&folder) {
        true => Image::open(&folder, client).map(Some),
        false => Ok(None),
    }
}

/// The global image, made when it is not there.
///
/// # Errors
/// It cannot be read or made.
pub fn create_global(layout: &Layout, client: Client) -> Result<Image, ImageError> {
    if let Some(image) = open_global(layout, client.clone())? {
        return Ok(image);
    }
    let how = Create {
        // What a killed process began is completed.
        is_forced: true,
        properties: vec![(RECORDS_ONLY.to_owned(), "True".to_owned())],
        ..Create::default()
    };
    Image::create(&global_folder(layout), &how, client)
}
