//! How a client brings its copy of a catalog up to date.

use super::{Attrs, log_name};

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// Nothing: the copies are equal.
    Current,
    /// These logs, to apply to the parts named; the oldest first.
    Logs {
        /// Names of logs.
        logs: Vec<String>,
        /// Names of parts that changed.
        parts: Vec<String>,
    },
    /// These parts, whole.
    Parts(Vec<String>),
    /// Everything.
    Full(Why),
}

/// Why everything must be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There is no copy.
    First,
    /// The catalog was made anew.
    Identity,
    /// The copy is newer than the catalog.
    Obsolete,
    /// The catalog has a part that the copy has not, or lost one.
    Parts,
}

/// Plans what to fetch, from the copy's state and the server's.
#[must_use]
pub fn plan(copy: Option<&Attrs>, server: &Attrs) -> Refresh {
    let Some(copy) = copy else {
        return Refresh::Full(Why::First);
    };
    if copy.created != server.created {
        return Refresh::Full(Why::Identity);
    }
    if copy.modified > server.modified {
        return Refresh::Full(Why::Obsolete);
    }
    if !copy.parts.keys().eq(server.parts.keys()) {
        return Refresh::Full(Why::Parts);
    }
    let pairs = copy.parts.iter().zip(server.parts.values());
    let changed: Vec<_> = pairs
        .filter(|((_, old), new)| *old != *new)
        .map(|(old, _)| old)
        .collect();
    if changed.is_empty() {
        return Refresh::Current;
    }
    let parts = changed.iter().map(|(name, _)| (*name).clone()).collect();
    let is_logged = changed
        .iter()
        .all(|(_, old)| server.updates.contains_key(&log_name(old.modified)));
    let oldest = changed.iter().map(|(_, old)| old.modified).min();
    let Some(oldest) = oldest.filter(|_| is_logged) else {
        return Refresh::Parts(parts);
    };
    let newer = server
        .updates
        .iter()
        .filter(|(_, log)| log.modified > oldest);
    Refresh::Logs {
        logs: newer.map(|(name, _)| name.clone()).collect(),
        parts,
    }
}
