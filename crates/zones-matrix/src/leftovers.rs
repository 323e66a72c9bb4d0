//! What a product leaves behind: two inventories in, findings out. Nothing is read here; whoever
//! looks at a zone makes the inventories.

mod compare;
mod config;
mod files;
mod finding;
mod inventory;
mod links;
mod name;
mod rules;

pub use compare::{Leftovers, find};
pub use config::{config_kept, orphans, unowned};
pub use finding::{Class, Finding, Subject, Weight};
pub use inventory::{Account, Entry, Inventory, Job, Kind, Package, Path};
pub use name::shown;
pub use rules::{Noise, Rules};
