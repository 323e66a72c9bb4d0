//! A configured Debian root split into packages of the image packaging system.
//!
//! [`split`] reads a root and its dpkg(1) database and gives [`Package`]s with everything that
//! stands in the root: files with their owners, links of alternatives as mediated links, conffiles
//! and what scripts wrote as editable files, users and groups, licences, dependencies. [`publish`]
//! publishes those that differ from what a repository has. [`compare`] says where an image differs
//! from the root it came from. No script of a package runs, then or later.
//!
//! Roots are strangers' trees: they are read by descriptors, and no link leads out.
//!
//! Sources: deb-version(7), Debian policy 5 to 7 and 10, update-alternatives(1), dpkg-divert(1);
//! pkg(7).

mod accounts;
mod alternatives;
mod compare;
mod database;
mod depends;
mod error;
mod revise;
mod say;
mod split;
mod table;
mod tree;
pub mod version;

pub use compare::{Difference, What, compare};
pub use error::{ImportError, Result};
pub use revise::{ENTIRE, Facts, Imported, Last, Published, Revision, imported, publish, revise};
pub use split::{Package, Split, split};
pub use table::Table;
pub use tree::{Kind, Node, Tree};
