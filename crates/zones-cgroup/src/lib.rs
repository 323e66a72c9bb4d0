//! Control groups of a zone on cgroup v1, hybrid and v2.
//!
//! [`Hierarchies::probe`] finds which controller is where; [`ZoneGroup`] is the group
//! `PARENT/ZONE` of one zone in all of them: limits, members, devices, usage, end. Everything is
//! relative to directory descriptors, and what the kernel cannot enforce is reported as
//! [`NotEnforced`], never passed over.
//!
//! Source: kernel `cgroup-v2` and `cgroup-v1` guides. We own this code because the usual crates
//! take the limits in the form of a container runtime and bring dozens of dependencies for ten
//! files.

mod device;
mod device_program;
mod dir;
mod error;
mod group;
mod hierarchy;
mod limits;
mod processes;
mod rest;
mod usage;
mod weights;

pub use device::{Access, DEFAULT_DEVICES, DeviceKind, DeviceRule};
pub use error::{CgroupError, NotEnforced};
pub use group::ZoneGroup;
pub use hierarchy::{Controller, Hierarchies, Kind};
pub use limits::{Limits, MemoryPolicy};
pub use usage::Usage;
pub use weights::Shares;
