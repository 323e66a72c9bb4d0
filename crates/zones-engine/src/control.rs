//! What commands and the daemon of a zone say to each other, over `/run/zones/ZONE/control`.

use serde::{Deserialize, Serialize};

/// A command to the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Platform up, no processes.
    Ready,
    /// Run the zone's init.
    #[allow(missing_docs)]
    Boot { args: Vec<String> },
    /// The same, and the zone may write all of its root, whatever its profile says.
    #[allow(missing_docs)]
    BootWritable { args: Vec<String> },
    /// Stop now, without scripts.
    Halt,
    /// Halt and boot.
    #[allow(missing_docs)]
    Reboot { args: Vec<String> },
    /// Have the zone end in order; answered when it did or after `timeout_s` seconds.
    #[allow(missing_docs)]
    Shutdown {
        reboot: Option<Vec<String>>,
        timeout_s: u64,
    },
    /// Stand up for software maintenance: namespaces and mounts, no program of the zone.
    Mount,
    /// The zone is about to be removed: consoles are told and let go.
    Uninstalling,
    /// Change the running zone into its stored configuration or, when `given`, into that of the
    /// document whose descriptor comes along. `check` only says what would be done.
    #[allow(missing_docs)]
    Apply {
        given: bool,
        check: bool,
        verbose: bool,
    },
    /// Stop every process of the zone until `Thaw` comes, or the caller is gone.
    Freeze,
    /// Let them go on.
    Thaw,
    /// Only be there (for a console of a zone that does not run).
    Attend,
}

impl Request {
    /// Whether it brings up a zone that has nothing in the kernel.
    pub(crate) fn makes_ready(&self) -> bool {
        matches!(
            self,
            Self::Ready | Self::Boot { .. } | Self::BootWritable { .. } | Self::Mount
        )
    }

    /// Whether it can be done to a zone whose processes are stopped.
    pub(crate) fn wants_no_answer_of_the_zone(&self) -> bool {
        matches!(
            self,
            Self::Halt | Self::Reboot { .. } | Self::Thaw | Self::Attend | Self::Uninstalling
        )
    }
}

/// The daemon's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Whether it was done.
    pub done: bool,
    /// For the user, to standard output when done, else to standard error.
    pub lines: Vec<String>,
    /// Something to know though it was done, to standard error.
    pub warnings: Vec<String>,
}

impl Response {
    /// Done, nothing to say.
    #[must_use]
    pub fn done() -> Self {
        Self {
            done: true,
            lines: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Not done, for this reason.
    #[must_use]
    pub fn failed(text: impl Into<String>) -> Self {
        Self {
            done: false,
            lines: vec![text.into()],
            warnings: Vec::new(),
        }
    }
}
