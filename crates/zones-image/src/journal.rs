//! The intent of an operation, noted before the first change and removed after the last.
//!
//! A killed operation leaves the OLD installed state, an image in between, and this note. The next
//! command reads it, [`Intent::sweep`]s the temporary files of the dead process, and then either
//! repeats the operation or plans the way back from [`Intent::to`] to [`Intent::from`]. The note
//! lies in the image, where a stranger may write: it only ever leads to files with the prefix of
//! temporary files being removed.

use std::path::Path;

use serde::{Deserialize, Serialize};
use zones_ips::{Fmri, ImagePath, ImagePathRef};
use zones_sys::{RootFd, Stamp};

use crate::plan::Plan;

/// Bytes a note may have.
pub const INTENT_LEN_MAX: u64 = 64 << 20;

/// What an operation is about to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The command: `install`, `update` ...
    pub operation: String,
    /// The packages that go, as FMRIs.
    from: Vec<String>,
    /// The packages that come.
    to: Vec<String>,
    /// Folders in which something is written.
    folders: Vec<String>,
}

/// Why a note cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A system call failed.
    #[error("cannot {what} the note of the operation, '{path}'")]
    Io {
        /// Verb.
        what: &'static str,
        /// Where the note is.
        path: ImagePath,
        /// Why.
        #[source]
        source: rustix::io::Errno,
    },
    /// It is no note.
    #[error("'{path}' is no note of an operation; remove it and run `pkg fix`")]
    Damaged {
        /// Where it is.
        path: ImagePath,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Intent {
    /// The intent to carry `plan` out.
    #[must_use]
    pub fn of(operation: &str, plan: &Plan) -> Self {
        let text = |fmri: &Fmri| fmri.to_string();
        let changes = plan.changes();
        Self {
            operation: operation.to_owned(),
            from: changes.iter().flat_map(|it| &it.from).map(text).collect(),
            to: changes.iter().flat_map(|it| &it.to).map(text).collect(),
            folders: plan.folders_written(),
        }
    }

    /// The same, and that licences are written below this folder, so that they are swept too.
    #[must_use]
    pub fn and_licenses(mut self, plan: &Plan, licenses: &ImagePath) -> Self {
        for license in plan.licenses() {
            let stem = plan.fmri(license.item).stem().quoted();
            self.folders.push(format!("{licenses}/{stem}"));
        }
        self
    }

    /// The packages that were to go.
    pub fn from(&self) -> impl Iterator<Item = Fmri> {
        self.from.iter().filter_map(|text| text.parse().ok())
    }

    /// The packages that were to come.
    pub fn to(&self) -> impl Iterator<Item = Fmri> {
        self.to.iter().filter_map(|text| text.parse().ok())
    }

    /// Writes the note to `path` in the image and makes it last.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, root: &RootFd, path: ImagePathRef<'_>) -> Result<(), JournalError> {
        let failed = |what| {
            move |source| JournalError::Io {
                what,
                path: path.to_owned(),
                source,
            }
        };
        let text = serde_json::to_vec(self).map_err(|source| JournalError::Damaged {
            path: path.to_owned(),
            source,
        })?;
        let file = Path::new(path.as_str());
        root.write(file, &text, Stamp::root(0o600))
            .map_err(failed("write"))?;
        let (folder, name) = root.parent(file).map_err(failed("find"))?;
        let file = folder.open_file(name).map_err(failed("open"))?;
        rustix::fs::fsync(file).map_err(failed("sync"))
    }

    /// The note at `path`; None when no operation is under way.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no note.
    pub fn read(root: &RootFd, path: ImagePathRef<'_>) -> Result<Option<Self>, JournalError> {
        let bytes = match root.read(Path::new(path.as_str()), INTENT_LEN_MAX) {
            Ok(bytes) => bytes,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(source) => {
                return Err(JournalError::Io {
                    what: "read",
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let damaged = |source| JournalError::Damaged {
            path: path.to_owned(),
            source,
        };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    /// Removes the temporary files that the operation left; how many there were. Folders that are
    /// gone or cannot be read have none.
    #[must_use]
    pub fn sweep(&self, root: &RootFd) -> usize {
        let folders = self.folders.iter().map(String::as_str);
        crate::apply::sweep(root, folders)
    }

    /// Removes the note: the operation and the state that it leads to are on disk.
    ///
    /// # Errors
    ///
    /// It cannot be removed. A missing one is fine.
    pub fn end(root: &RootFd, path: ImagePathRef<'_>) -> Result<(), JournalError> {
        match root.unlink(Path::new(path.as_str())) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(source) => Err(JournalError::Io {
                what: "remove",
                path: path.to_owned(),
                source,
            }),
        }
    }
}
