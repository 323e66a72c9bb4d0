//! Images compared with their packages: `pkg verify`, `pkg fix`, `pkg revert`.
//!
//! Source: pkg(1), and the words its programs were seen to print.

mod delivered;
mod disk;
mod file;
mod repair;
mod report;
mod thing;
mod unpackaged;
mod verify;

pub use disk::ImageDisk;
pub use repair::{RevertError, Target, repair, revert};
pub use report::{Finding, ItemReport, PackageReport, Report, Severity, heading};
pub use unpackaged::unpackaged;
pub use verify::{Options, Progress, verify};
