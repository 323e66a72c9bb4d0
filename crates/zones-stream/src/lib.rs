//! A zone as one stream of bytes: its configuration, its snapshots, its boot environments and its
//! root, from any storage driver to any other.
//!
//! The stream is a row of frames (`frame.rs`) of records (`record.rs`); each frame carries a hash
//! over all that came before it, so that a damaged or a cut stream is told from a whole one frame
//! by frame. The first frame is the [`Header`]. After it come the roots, each either whole
//! or as the difference to the one before it, or to a snapshot that the receiver has.
//!
//! [`export()`] writes the stream of a zone, [`receive()`] lays it down beside the roots of another
//! one, where nothing sees it, and [`Received::install`] puts it in place once all is verified.
//! [`carry()`] does both at once, from one zonepath to another.

mod apply;
mod carry;
mod error;
mod export;
mod frame;
mod header;
mod install;
mod receive;
mod record;
mod tree;

pub use carry::carry;
pub use error::StreamError;
pub use export::{Described, Exported, Selection, export};
pub use frame::Token;
pub use header::{Base, Header, Root, RootKind, Shared};
pub use receive::{Keep, Place, Received, forget, is_forgotten, kept, receive};
