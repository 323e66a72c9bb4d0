//! Brands: manifests, hooks and installers.
