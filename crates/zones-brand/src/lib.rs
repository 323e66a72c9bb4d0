//! Brands: manifests, hooks and installers.
//!
//! A brand is a folder of data: `brand.toml` and hook scripts. Those in `brands/` of the source are
//! part of the binary; `/usr/lib/brand/NAME/brand.toml` of the host goes before them, and where
//! that is missing, `config.xml` and `platform.xml` of Solaris in the same folder.

mod emulator;
mod global;
mod hook;
mod identity;
mod install;
pub mod ipkg;
mod manifest;
mod ready;
mod sources;
pub mod sparse;
mod sysconfig;

pub use emulator::{Cpu, Emulator, NoEmulator};
pub use global::{create_global, global_folder, open_global};
pub use hook::{
    CommandLine, Distrust, Hook, HookCall, HookEnd, HookError, MOMENTS, Moment, Stream, Words,
    environment,
};
pub use identity::{Identity, IdentityError, IdentityFile};
pub use install::{Choices, Host, InstallError, Laid, finish, lay_down, native_arch, plan_mirror};
pub use manifest::{
    Brand, BrandDerived, BrandDevice, BrandError, BrandMount, BrandPrivilege, Installer,
    PrivilegeSet, brand_names,
};
pub use ready::Ready;
pub use sources::{copy_sources, forget_sources, guard, note_changes, note_sources, open_zone};
pub use sysconfig::{SysConfig, SysConfigError};
