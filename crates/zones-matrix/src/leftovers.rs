//! What a product leaves behind: two inventories in, findings out. Nothing is read here; whoever
//! looks at a zone makes the inventories.

mod compare;
mod config;
mod doubled;
mod files;
mod finding;
mod inventory;
mod links;
mod name;
mod needs;
mod noise;
mod piuparts;
mod rules;

pub(crate) use compare::finding;
pub use compare::{Leftovers, find};
pub use config::{config_kept, orphans, unowned};
pub use doubled::doubled;
pub use finding::{Class, Finding, Subject, Weight};
pub use inventory::{Account, Entry, Inventory, Job, Kind, Package, Path, Record};
pub(crate) use links::{Lead, follow};
pub use name::{named, shown};
pub use needs::{Elf, Needs};
pub use noise::{KNOWN as NOISE, known as known_noise};
pub use piuparts::{Imported, piuparts};
pub(crate) use rules::Verdicts;
pub use rules::{Noise, Rules};
