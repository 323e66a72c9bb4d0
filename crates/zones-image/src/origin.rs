//! Where the packages of a publisher come from.

pub use zones_repository::HttpOptions as Access;
pub(crate) use zones_repository::source::open;
