//! A Debian root from a Debian mirror: signed indices, resolver, parallel fetch and unpack.
//!
//! [`plan`] reads the signed indices and chooses packages; [`install`] fetches and unpacks them
//! and writes the package database; the caller then runs the returned [`ConfigureStep`]s inside
//! the zone, so that no script of a package ever runs on the host, and calls [`finish`].

mod cache;
mod configure;
mod contents;
mod database;
mod deb;
pub mod deb822;
pub mod depends;
mod error;
mod fetch;
mod hash;
mod index;
mod install;
mod keyring;
mod lay;
mod plan;
mod release;
mod resolve;
mod shortcuts;
mod skeleton;
mod sources;
mod version;

pub use configure::{ConfigureStep, finish};
pub use contents::{Contents, contents};
pub use error::DebianError;
pub use fetch::{Fault, FetchError, Network};
pub use install::install;
pub use keyring::SignatureError;
pub use plan::{CACHE_LIMIT, Plan, PlannedPackage, Request, plan};
pub use release::ReleaseError;
pub use resolve::{ResolveError, Variant};
pub use sources::{HostSources, Keyring, Source};
pub use version::{Relation, compare};
