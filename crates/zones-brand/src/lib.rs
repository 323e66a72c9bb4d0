//! Brands: manifests, hooks and installers.
//!
//! A brand is a folder of data: `brand.toml` and hook scripts. Those in `brands/` of the source are
//! part of the binary; `/usr/lib/brand/NAME/brand.toml` of the host goes before them.

mod install;
mod manifest;
mod sysconfig;

pub use install::{Choices, Host, InstallError, Laid, finish, lay_down, native_arch};
pub use manifest::{Brand, BrandError, Installer, brand_names};
pub use sysconfig::{SysConfig, SysConfigError};
