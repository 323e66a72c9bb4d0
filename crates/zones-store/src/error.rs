//! What can go wrong with the files of the store.

use std::io;
use std::path::{Path, PathBuf};

use zones_types::{ZoneName, ZoneState};

use crate::xml::XmlError;

/// Why the store could not do what was asked; nothing is changed then, unless the text says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The index does not name the zone.
    #[error("{0}: No such zone configured")]
    NoSuchZone(ZoneName),
    /// A rename would hit another zone.
    #[error("{0}: Zone name already in use")]
    NameInUse(ZoneName),
    /// Another zone has the uuid.
    #[error("uuid {uuid} is that of zone {owner}")]
    #[allow(missing_docs)]
    UuidInUse { uuid: String, owner: ZoneName },
    /// Templates cannot be changed.
    #[error("{0}: zones beginning with SUNW or SYS are read-only.")]
    Reserved(ZoneName),
    /// Only `configured`, `incomplete` and `installed` stand in the index.
    #[error("{name}: state `{state}` cannot be written to the index")]
    NotPersistent {
        /// Zone.
        name: ZoneName,
        /// What was to be written.
        state: ZoneState,
    },
    /// A document that cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Document {
        /// File.
        path: PathBuf,
        /// Line, column and what is wrong there.
        #[source]
        source: Box<XmlError>,
    },
    /// A system call failed.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// Verb: `read`, `lock` ...
        what: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// Wraps an error of the system, for `map_err`.
    pub(crate) fn io(
        what: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> StoreError + use<> {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    /// Whether the cause is a lack of permission.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}
