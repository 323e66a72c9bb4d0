//! Names, paths, states, sizes and ids that every other crate speaks in.
//!
//! Text is parsed into one of these types once, at the edge; inside, a value of the type is valid.
//! Nothing here touches a file, the kernel or the terminal.

mod id;
mod name;
mod nearest;
mod path;
mod shift;
mod size;
mod state;

pub use id::{IdRange, ZoneId};
pub use name::{BrandName, BrandNameError, ZONENAME_MAX, ZoneName, ZoneNameError};
pub use nearest::nearest;
pub use path::{ZonePath, ZonePathError};
pub use shift::Shift;
pub use size::{Bytes, BytesError};
pub use state::{Refusal, Verb, Verdict, ZoneState, judge};
