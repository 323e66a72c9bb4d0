//! Storage drivers: where the files of a zone live.
//!
//! One trait, one contract test. The driver is chosen from the file system under the parent of the
//! zonepath; verbs and messages are the same everywhere.

mod btrfs;
mod choice;
mod dir;
mod driver;
mod environment;
#[cfg(test)]
mod example;
mod leftovers;
mod name;
mod overlay;
mod project;
mod snapshot;
mod survey;
mod trial;
mod usage;
mod view;
mod zfs;

pub use choice::{choice_of, choose, record};
pub use dir::NEW;
pub use driver::{
    Cause, Choice, Copied, CopyError, Driver, DriverKind, StorageError, choose_as, copy_files,
    find_home, make_home, move_home, remove_home,
};
pub use environment::{EnvironmentError, Environments, Known};
pub use leftovers::{has_leftovers, repair, settle_layers};
pub use name::is_fine as is_fine_name;
pub use project::{can_limit, why_no_limit};
pub use snapshot::{Snapshot, SnapshotError, Snapshots};
pub use trial::Trial;
pub use usage::{Usage, bytes as bytes_below};
pub use view::{Layers, Mapping, View, guard, look, open, view};
pub use zfs::{
    Dataset, ZfsError, check_dataset, delegate_dataset, is_here as has_zfs, withdraw_dataset,
};
