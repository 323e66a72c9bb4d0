//! Brands: manifests, hooks and installers.

pub mod sysconfig;
