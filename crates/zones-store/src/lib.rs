//! Zone documents, the index, locks and journals on disk.

mod agree;
pub mod atomic;
pub mod durability;
mod error;
mod index;
pub mod journal;
mod layout;
mod lock;
mod store;
mod template;
mod uuid;
mod xml;

pub use agree::Disagreement;
pub use error::StoreError;
pub use index::IndexEntry;
pub use layout::Layout;
pub use lock::Lock;
pub use store::Store;
pub use template::{builtin_names, builtin_template};
pub use uuid::random_uuid;
pub use xml::{XmlError, read_document, write_document};
