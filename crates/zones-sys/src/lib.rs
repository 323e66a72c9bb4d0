//! All system calls that need `unsafe`, and descriptors for hostile trees.
//!
//! Everything else in the workspace is safe Rust; each block here says why it is sound.
#![allow(unsafe_code)]

mod rootfd;

pub use rootfd::{Dir, DirItem, RootFd, Stamp};
