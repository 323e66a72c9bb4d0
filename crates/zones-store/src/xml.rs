//! The XML document of a zone, in the format of Zones (`zonecfg.dtd.1`).
//!
//! Documents of illumos and SmartOS are read as they are; what only they know (inventories of a
//! detached zone, debug ids) is skipped. Source: illumos `usr/src/cmd/zonecfg/zonecfg.dtd.1`.

mod read;
mod write;

pub(crate) use read::read_head;

pub use read::{XmlError, read_document};
pub use write::write_document;
