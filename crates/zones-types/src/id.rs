//! Numbers that name a running zone and its users.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of a zone between `ready` and `installed`: 1 to 8191. The host is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ZoneId(pub u16);

impl ZoneId {
    /// The host.
    pub const GLOBAL: Self = Self(0);
    /// The greatest id.
    pub const MAX: Self = Self(8191);
}

impl fmt::Display for ZoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The host ids that stand for the users 0 to `IdRange::COUNT - 1` of one zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// Host id of the zone's root.
    pub base: u32,
}

impl IdRange {
    /// Ids in a range.
    pub const COUNT: u32 = 65_536;
    /// The first base that is given out: above what distributions put into `/etc/subuid`.
    pub const FIRST: Self = Self { base: 0x4000_0000 };

    /// The host id of `id` inside the zone; `None` when it lies outside of the range.
    #[must_use]
    pub fn host(self, id: u32) -> Option<u32> {
        (id < Self::COUNT).then(|| self.base + id)
    }
}
