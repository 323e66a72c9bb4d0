//! Package images, the client half of pkg(1): what is installed in a folder, and how that changes.
//!
//! An image is a root folder with its packaging data below `var/pkg`. An operation is planned
//! whole, its content fetched and verified, and only then laid down, action by action, so that a
//! process killed at any point leaves an image that the next command repairs.
//!
//! Everything below the root may belong to a stranger: paths are walked by descriptor.

pub mod account;
pub mod apply;
mod cache;
mod catalogs;
pub mod check;
mod error;
mod folder;
mod guard;
pub mod history;
mod image;
pub mod journal;
mod linked;
mod operation;
pub mod origin;
pub mod plan;
mod progress;
mod settings;
mod state;
mod transport;
mod trust;

pub use cache::{Cache, Form};
pub use catalogs::Fetched as Refreshed;
pub use error::{ImageError, Result};
pub use guard::Guard;
pub use image::{Client, Create, Image, ImageLock, Listed, Scope};
pub use linked::{Link, check_name};
pub use operation::{Done, Planned, Wanted};
pub use progress::{Download, Event, Finish, Stage, Tell};
pub use settings::{Origin, PublisherSettings, RECORDS_ONLY, Settings};
pub use state::{Frozen, Installed};
pub use transport::Fetched;
pub use trust::Asked;
