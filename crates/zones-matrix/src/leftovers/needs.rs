//! What a program or library needs to start.

use serde::{Deserialize, Serialize};

use super::inventory::Path;

/// What a file needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Needs {
    /// The words behind `#!`.
    Script(Vec<Path>),
    /// What the headers of a program or library say.
    Elf(Elf),
}

/// Headers of a program or library. Source: elf(5), ld.so(8).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Elf {
    /// Number of the machine.
    pub machine: u16,
    /// Whether it is of 64 bits.
    pub wide: bool,
    /// The loader; unset in libraries and in programs that need none.
    pub interpreter: Option<Path>,
    /// Libraries, by name.
    pub needed: Vec<Path>,
    /// Folders that it and what it loads are looked for in.
    pub rpath: Vec<Path>,
    /// Folders that only what it needs itself is looked for in.
    pub runpath: Vec<Path>,
    /// Whether it is run as it is: nothing can be put in front of it.
    pub is_static: bool,
    /// Whether the Go compiler made it.
    pub is_go: bool,
}
