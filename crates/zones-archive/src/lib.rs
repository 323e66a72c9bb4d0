//! Unpacks archives of strangers below a root descriptor.
//!
//! [`unpack`] takes a tar stream in any usual compression, [`copy_tree`] a folder, [`Layer`] is the
//! writer under both (and under the Debian installer). Nothing here joins a path of the archive
//! to a path of the host.

mod compress;
mod copy;
mod diff;
mod error;
mod extents;
mod layer;
mod machine;
mod pax;
mod pipe;
mod progress;
mod unpack;

pub use compress::{Compression, Sums, decoder};
pub use copy::{CopyReport, copy_tree, copy_tree_except};
pub use diff::{Aspect, Candidates, Change, ChangeKind, DiffOptions, differ};
pub use error::ArchiveError;
pub use extents::next_data;
pub use layer::{Folder, LayError, Layer, Meta, apply_folders, is_kept_xattr};
pub use machine::{NotLinux, Userland, detect_arch, looks_like_linux};
pub use pax::{Reader as PaxReader, Records};
pub use pipe::ahead;
pub use progress::{Phase, Progress, Silent};
pub use unpack::{Devices, Options, Report, member_meta, member_path, unpack, unpack_file};
