//! Catalogs: what a publisher offers, as signed JSON in parts, with logs of what changed.
//!
//! `catalog.attrs` names the parts and logs; the base part lists all versions, the dependency and
//! summary parts repeat some actions of each manifest. The printed form is compact JSON with sorted
//! keys and `\u` escapes, closed by a signature over the bytes before it. Keys that are not known
//! here are kept in entries and ignored elsewhere. Source: pkg.depotd(8) and what it was seen to
//! write.

use serde_json::Value;

mod attrs;
mod build;
mod entry;
mod log;
mod part;
mod refresh;
mod sign;
mod time;
mod write;

pub use attrs::{Attrs, FileState};
pub use build::{Catalog, Change, EntrySet, Written};
pub use entry::Entry;
pub use log::{Log, LogEntry, Operation, log_name};
pub use part::{Part, Stems};
pub use refresh::{Refresh, Why, plan};
pub use sign::{SignatureError, seal, unseal};
pub use time::CatalogTime;

/// Bytes a file of a catalog may have.
pub const CATALOG_LEN_MAX: usize = 512 << 20;

/// The file that names the others; it is written last.
pub const ATTRS: &str = "catalog.attrs";
/// The part that lists all versions.
pub const BASE: &str = "catalog.base.C";
/// The part with what a solver needs.
pub const DEPENDENCY: &str = "catalog.dependency.C";
/// The part with what people read.
pub const SUMMARY: &str = "catalog.summary.C";

/// Why bytes are no file of a catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// More than [`CATALOG_LEN_MAX`] bytes.
    #[error("a catalog file of {0} bytes; at most {CATALOG_LEN_MAX} are allowed")]
    Long(usize),
    /// No JSON, or not of the right form.
    #[error("not a catalog: {0}")]
    Json(#[from] serde_json::Error),
    /// The signature is missing or wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A version of the format that is not known here.
    #[error("catalog version {0}; only version 1 is known")]
    Version(i64),
    /// A record names a publisher, package or version that breaks the grammar.
    #[error("the catalog names `{name}`: {why}")]
    Name {
        /// What it names.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

impl CatalogError {
    fn name(name: &str, why: &impl ToString) -> Self {
        Self::Name {
            name: name.to_owned(),
            why: why.to_string(),
        }
    }
}

/// Whether a file must carry a right signature. State catalogs of an image carry none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// It must be there and right.
    Required,
    /// It may be missing; a wrong one is refused.
    Optional,
}

/// The object in `bytes` without its signature, and the signature.
fn open(
    bytes: &[u8],
    signed: Signed,
) -> Result<(serde_json::Map<String, Value>, String), CatalogError> {
    if bytes.len() > CATALOG_LEN_MAX {
        return Err(CatalogError::Long(bytes.len()));
    }
    let signature = match unseal(bytes) {
        Ok(digest) => digest.to_string(),
        Err(SignatureError::Missing) if signed == Signed::Optional => String::new(),
        Err(error) => return Err(error.into()),
    };
    let mut object: serde_json::Map<String, Value> = serde_json::from_slice(bytes)?;
    object.shift_remove("_SIGNATURE");
    Ok((object, signature))
}
