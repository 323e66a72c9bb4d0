//! Checks: what must be true of a cell, looked at from outside its zone.

use std::fmt;

/// One check of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Every file that appeared belongs to a package.
    FilesOwned,
    /// The services of the option run.
    ServicesUp,
    /// No symbolic link broke.
    NoBrokenSymlinks,
    /// Every library, interpreter and path that the product needs is there.
    DepsClosed,
    /// The administrator's changes are kept.
    ConfigPreserved,
    /// Nothing of an earlier artifact stays that the new one does not have.
    NoOrphansFrom(String),
    /// The tree equals that of a fresh installation.
    EqualsFresh,
    /// No file, package record, alternative or diversion stays.
    NoLeftovers,
    /// No process stays.
    NoProcesses,
    /// No user or group stays.
    NoUsers,
    /// No service, link to one, or scheduled job stays.
    NoServices,
    /// No object of interprocess communication stays.
    NoIpc,
    /// The product installs again.
    Reinstallable,
    /// Installing twice changes nothing the second time.
    Idempotent,
    /// The host let the cell run when it wanted to, and its clock did not jump.
    Timing,
}

const PLAIN: [(&str, Check); 14] = [
    ("files-owned", Check::FilesOwned),
    ("services-up", Check::ServicesUp),
    ("no-broken-symlinks", Check::NoBrokenSymlinks),
    ("deps-closed", Check::DepsClosed),
    ("config-preserved", Check::ConfigPreserved),
    ("equals-fresh", Check::EqualsFresh),
    ("no-leftovers", Check::NoLeftovers),
    ("no-processes", Check::NoProcesses),
    ("no-users", Check::NoUsers),
    ("no-services", Check::NoServices),
    ("no-ipc", Check::NoIpc),
    ("reinstallable", Check::Reinstallable),
    ("idempotent", Check::Idempotent),
    ("timing", Check::Timing),
];
const ORPHANS: &str = "no-orphans-from:";

impl Check {
    /// Reads the name of a check; `None` when there is none of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(artifact) = text.strip_prefix(ORPHANS) {
            return Some(Self::NoOrphansFrom(artifact.to_owned()));
        }
        let found = PLAIN.iter().find(|(name, _)| *name == text);
        found.map(|(_, check)| check.clone())
    }

    /// Names of all checks.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let plain = PLAIN.iter().map(|(name, _)| *name);
        plain.chain(["no-orphans-from:ARTIFACT"])
    }

    /// Whether a failure of it is a leftover, not a failure of the product at work.
    #[must_use]
    pub fn is_cleanliness(&self) -> bool {
        matches!(
            self,
            Self::NoLeftovers
                | Self::NoProcesses
                | Self::NoUsers
                | Self::NoServices
                | Self::NoIpc
                | Self::NoOrphansFrom(_)
        )
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::NoOrphansFrom(artifact) = self {
            return write!(f, "{ORPHANS}{artifact}");
        }
        let found = PLAIN.iter().find(|(_, check)| check == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}
