//! Zone documents, the index, locks and journals on disk.

mod layout;

pub use layout::Layout;
