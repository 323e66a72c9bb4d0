//! What can go wrong with an image.

use std::path::{Path, PathBuf};

use zones_ips::Fmri;
use zones_repository::RepositoryError;
use zones_repository::signature::SignatureError;
use zones_solver::Failure;

use crate::apply::ApplyError;
use crate::check::RevertError;
use crate::journal::JournalError;
use crate::plan::PlanError;

/// What most functions of this crate give.
pub type Result<T, E = ImageError> = std::result::Result<T, E>;

/// Why an operation on an image did not do what was asked. Nothing is changed then, unless the text
/// says so.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No image there.
    #[error("No image rooted at '{}'", .0.display())]
    NoImage(PathBuf),
    /// An image cannot be made in a folder that holds something.
    #[error("the specified image path is not empty: {}.\nTo override, use the -f (force) option.",
        .0.display())]
    NotEmpty(PathBuf),
    /// Made by a later version of the format.
    #[error("The image rooted at {} was created by a newer version (format {version}) of the \
        packaging system; use that version", path.display())]
    Newer {
        /// The image.
        path: PathBuf,
        /// Its format.
        version: String,
    },
    /// Another client changes the image.
    #[error(
        "The image cannot be modified as it is currently in use by another package client: {0}."
    )]
    Locked(String),
    /// The settings or a file of state cannot be understood.
    #[error("`{}`: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The request cannot be met; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// No origin of a publisher gave what is needed.
    #[error("{}", unreachable(what, tries))]
    Unreachable {
        /// What was wanted.
        what: String,
        /// Origin, and why it did not give it.
        tries: Vec<(String, String)>,
    },
    /// The packages asked for cannot be.
    #[error(transparent)]
    Constrained(#[from] Failure),
    /// Packages do not fit together or have actions that cannot be laid down.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A step of an operation failed; the steps before it are done.
    #[error("{0}\nThe operation was not completed: run it again, or: pkg fix")]
    Apply(#[from] ApplyError),
    /// The note of the operation under way.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Who published a package is not proved as the image asks.
    #[error(
        "The signatures of {fmri} are not what the image asks for:\n{source}\n\
        See signature-policy in: pkg property; pkg publisher NAME"
    )]
    Signature {
        /// The package.
        fmri: Box<Fmri>,
        /// What is wrong.
        source: Box<SignatureError>,
    },
    /// Nothing to revert.
    #[error(transparent)]
    Revert(#[from] RevertError),
    /// A repository, or a file by descriptor.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

impl ImageError {
    /// The exit status that pkg(1) gives for it.
    #[must_use]
    pub fn exit(&self) -> u8 {
        match self {
            Self::Locked(_) => 7,
            Self::Constrained(failure) => failure.exit as u8,
            _ => 1,
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "errors are handed over")]
    pub(crate) fn damaged(path: &Path, why: impl ToString) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

fn unreachable(what: &str, tries: &[(String, String)]) -> String {
    let mut text = format!("cannot get {what}");
    if tries.is_empty() {
        text.push_str(
            ": the publisher has no enabled origin; add one with: pkg set-publisher -g URI",
        );
    }
    for (origin, why) in tries {
        text.push_str(&format!("\n  {origin}: {why}"));
    }
    text
}
