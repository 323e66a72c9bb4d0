//! States of a zone, and the table that says which verb is legal in which state.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A state; the order is part of the interface (comparisons such as "at least installed").
///
/// Only the first three stand in the index file; the others are read from the kernel at each query.
/// Source: zones(7), "Zone states".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneState {
    /// Configuration committed, no files.
    Configured,
    /// An install, clone or uninstall is under way or died.
    Incomplete,
    /// Files present, not running.
    Installed,
    /// Platform up (id, mounts, network), no process of the zone yet.
    Ready,
    /// Its init runs.
    Running,
    /// Being torn down.
    ShuttingDown,
    /// Torn down as far as possible; something is left that `halt` must remove.
    Down,
    /// Mounted for software maintenance.
    Mounted,
}

impl ZoneState {
    /// All states in their order.
    pub const ALL: [Self; 8] = [
        Self::Configured,
        Self::Incomplete,
        Self::Installed,
        Self::Ready,
        Self::Running,
        Self::ShuttingDown,
        Self::Down,
        Self::Mounted,
    ];

    /// The printed name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Incomplete => "incomplete",
            Self::Installed => "installed",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::ShuttingDown => "shutting_down",
            Self::Down => "down",
            Self::Mounted => "mounted",
        }
    }

    /// Whether the kernel holds something of the zone (an id, mounts, perhaps processes).
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(
            self,
            Self::Ready | Self::Running | Self::ShuttingDown | Self::Down
        )
    }
}

impl fmt::Display for ZoneState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ZoneState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(())
    }
}

/// What a command wants to do to a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Verb {
    Install,
    Clone,
    Attach,
    Detach,
    Move,
    Ready,
    Boot,
    Reboot,
    Shutdown,
    Halt,
    Uninstall,
    MarkIncomplete,
    Snapshot,
    Rollback,
}

impl Verb {
    /// All verbs, in the order of the table in zoneadm(8).
    pub const ALL: [Self; 14] = [
        Self::Install,
        Self::Clone,
        Self::Attach,
        Self::Detach,
        Self::Move,
        Self::Ready,
        Self::Boot,
        Self::Reboot,
        Self::Shutdown,
        Self::Halt,
        Self::Uninstall,
        Self::MarkIncomplete,
        Self::Snapshot,
        Self::Rollback,
    ];

    /// The subcommand of zoneadm.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Clone => "clone",
            Self::Attach => "attach",
            Self::Detach => "detach",
            Self::Move => "move",
            Self::Ready => "ready",
            Self::Boot => "boot",
            Self::Reboot => "reboot",
            Self::Shutdown => "shutdown",
            Self::Halt => "halt",
            Self::Uninstall => "uninstall",
            Self::MarkIncomplete => "mark",
            Self::Snapshot => "snapshot",
            Self::Rollback => "rollback",
        }
    }
}

/// Why a verb is refused; prints the classic line without the `zoneadm: zone 'z': ` before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Refusal {
    #[error("must be installed before {0}.")]
    NotInstalled(&'static str),
    #[error("not running")]
    NotRunning,
    #[error("zone is incomplete; uninstall required.")]
    Incomplete,
    #[error("is already installed.")]
    AlreadyInstalled,
    #[error("{0} operation is invalid for running zones.{hint}", hint = hint(.0))]
    Active(&'static str),
    #[error("{0} operation is invalid for zones in state '{1}'")]
    InState(&'static str, ZoneState),
    #[error("cannot manage a zone which is in state '{0}'")]
    Unmanaged(ZoneState),
    #[error("is already in state '{0}'.")]
    AlreadyInState(ZoneState),
    #[error("shutdown already in progress")]
    ShutdownInProgress,
}

/// What somebody may do whose zone runs; Solaris leaves it at the first sentence.
fn hint(verb: &str) -> &'static str {
    match verb {
        "rollback" => " Halt it first, or have that done: rollback -r.",
        _ => " Halt it first.",
    }
}

/// What the table says of a verb in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Do it.
    Go,
    /// Nothing to do: print this notice, exit 0.
    Already(&'static str),
    /// Print this and exit 1; nothing was changed.
    Refuse(Refusal),
}

/// The transition table: what `verb` means in `state`. Source: zoneadm(8); ref table in `docs`.
///
/// `boot -f` of an incomplete zone is the caller's exception, made before it asks here.
#[must_use]
pub const fn judge(state: ZoneState, verb: Verb) -> Verdict {
    use Refusal as R;
    use Verb as V;
    use ZoneState as S;
    let name = verb.as_str();
    match (verb, state) {
        (V::MarkIncomplete, S::Configured | S::Incomplete | S::Installed) => Verdict::Go,
        (V::Install | V::Clone | V::Attach, S::Configured) => Verdict::Go,
        (V::Install | V::Clone | V::Attach, S::Incomplete) => Verdict::Refuse(R::Incomplete),
        (V::Install | V::Clone | V::Attach, S::Installed) => Verdict::Refuse(R::AlreadyInstalled),

        (V::Uninstall, S::Configured) => Verdict::Refuse(R::AlreadyInState(state)),
        (V::Uninstall, S::Incomplete | S::Installed) => Verdict::Go,
        (V::Detach | V::Move, S::Installed) => Verdict::Go,
        (V::Ready | V::Boot, S::Installed) => Verdict::Go,
        (V::Snapshot, S::Installed | S::Ready | S::Running) => Verdict::Go,
        (V::Rollback, S::Installed) => Verdict::Go,
        (
            V::Detach | V::Move | V::Ready | V::Boot | V::Snapshot | V::Rollback,
            S::Configured | S::Incomplete,
        ) => Verdict::Refuse(R::NotInstalled(name)),
        (V::Snapshot, _) => Verdict::Refuse(R::InState(name, state)),

        (V::Reboot | V::Shutdown, S::Configured | S::Incomplete | S::Installed) => {
            Verdict::Refuse(R::NotRunning)
        }
        (V::Reboot | V::Shutdown, S::Ready) => Verdict::Refuse(R::InState(name, state)),
        (V::Shutdown, S::ShuttingDown | S::Down) => Verdict::Refuse(R::ShutdownInProgress),

        (V::Halt, S::Configured) => Verdict::Refuse(R::Unmanaged(state)),
        (V::Halt, S::Incomplete) => Verdict::Refuse(R::InState(name, state)),
        (V::Halt, S::Installed) => Verdict::Already("zone is already halted"),
        (V::Ready, S::Ready) => Verdict::Already("zone is already ready"),
        (V::Boot, S::Running) => Verdict::Already("zone is already booted"),
        (V::Ready | V::Boot | V::Reboot | V::Shutdown | V::Halt, _) => Verdict::Go,

        (_, S::Mounted) => Verdict::Refuse(R::InState(name, state)),
        (_, S::Ready | S::Running | S::ShuttingDown | S::Down) => Verdict::Refuse(R::Active(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cell of the table, as text: a change of one shows up here by name.
    #[test]
    fn the_whole_table_is_pinned() {
        let mut table = String::new();
        for verb in Verb::ALL {
            for state in ZoneState::ALL {
                let verdict = match judge(state, verb) {
                    Verdict::Go => "go".to_owned(),
                    Verdict::Already(text) => format!("ok: {text}"),
                    Verdict::Refuse(refusal) => format!("no: {refusal}"),
                };
                table += &format!("{:9} {:13} {verdict}\n", verb.as_str(), state.as_str());
            }
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/transitions.txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &table).unwrap();
        }
        assert_eq!(table, std::fs::read_to_string(path).unwrap());
    }

    #[test]
    fn names_read_back() {
        for state in ZoneState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("bogus".parse::<ZoneState>().is_err());
    }
}
