//! Whether this process is in a zone, and in which: the engine leaves that in `/run/zone`, files of
//! the host which everybody in the zone may read and nobody in it may write.

use std::io::ErrorKind;

/// The zone around this process.
pub(crate) struct Inside {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) ip_type: String,
}

/// `None` on the host.
///
/// # Errors
/// When the files are there and cannot be read.
pub(crate) fn inside() -> std::io::Result<Option<Inside>> {
    let read = |file: &str| {
        std::fs::read_to_string(format!("/run/zone/{file}")).map(|text| text.trim_end().to_owned())
    };
    match read("name") {
        Ok(name) => Ok(Some(Inside {
            name,
            id: read("id")?,
            ip_type: read("ip-type")?,
        })),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether this is some zone and not the host.
pub(crate) fn is_inside() -> bool {
    !matches!(inside(), Ok(None))
}
