//! Package repositories: on disk, published to, copied, searched, signed.
//!
//! [`Repository`] is a folder with the packages of some publishers; a [`Store`] is what one of them
//! has there. A package comes in by a [`Transaction`], or by [`Store::publish`] in one go. The
//! layout on disk is that of version 4, byte for byte, so that the real tools can work with it.
//!
//! Whatever is killed at any moment leaves every listed package whole: payloads are stored first,
//! then the manifest, then the catalog, `catalog.attrs` last. [`Store::refresh`] does the rest.
//!
//! Sources: pkgrepo(1), pkgsend(1), pkgrecv(1), pkg.depotd(8).

pub mod archive;
pub mod config;
mod disk;
mod elf;
mod error;
pub mod payload;
pub mod receive;
mod remote;
mod repository;
pub mod search;
pub mod signature;
pub mod source;
mod store;
mod transaction;

pub use archive::{ArchiveSource, ArchiveWriter};
pub use config::Configuration;
pub use error::{IoCause, RepositoryError, Result};
pub use payload::Content;
pub use remote::{Sending, Target, file_path};
pub use repository::{Format, Repository, Status};
pub use source::{FileSource, HttpOptions, HttpSource, Source};
pub use store::{Finding, FindingKind, Fixed, Refreshed, Removed, Store, StoreLock, StoreStatus};
pub use transaction::{Listing, Transaction};
