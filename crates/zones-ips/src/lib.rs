//! The image packaging system, pkg(7), as values: what its texts mean, without touching a file.
//!
//! Packages are named by an [`Fmri`], ordered by [`Version`], and described by a [`Manifest`] of
//! [`Action`]s. A repository lists them in a [`catalog`]. Parsing and printing are inverse, and the
//! printed form is the one that published packages use, byte for byte.
//!
//! Everything read here may come from a stranger. Sizes are bounded by constants named `*_LEN_MAX`,
//! JSON nests at most 128 deep, work is linear in the input, and a path becomes usable only as an
//! [`ImagePath`], which cannot leave an image by its text. (Links inside an image still can: walk
//! below a root descriptor.)
//!
//! Sources: pkg(7), pkg(1) and pkgsend(1) of illumos, and what their programs were seen to do.

pub mod action;
pub mod catalog;
pub mod facet;
pub mod fmri;
pub mod hash;
pub mod manifest;
pub mod mediator;
pub mod p5i;
pub mod pattern;
pub mod preserve;
pub mod quote;
pub mod variant;
pub mod version;

pub use action::{Action, ActionError, ActionKind, Attributes, ImagePath, ImagePathRef};
pub use fmri::{Fmri, FmriError, Publisher, Stem};
pub use hash::{Algorithm, Digest};
pub use manifest::{Manifest, ManifestError};
pub use pattern::Pattern;
pub use version::{DotSequence, Timestamp, Version, VersionError};
