//! The applets.

pub mod zonecfg;
