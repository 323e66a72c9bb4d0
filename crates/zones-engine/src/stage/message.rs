//! What the processes of a stage say to each other; one message is one packet.

use serde::{Deserialize, Serialize};

/// Daemon to init.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToInit {
    /// Control groups are joined, the network stands, the tree is mounted: take your place.
    Go,
    /// Become the zone's init.
    Boot(Argv),
    /// Reap and wait, without any program of the zone (maintenance).
    Idle,
}

/// The first program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Argv {
    /// Candidates, absolute paths in the zone; the first that exists is it. None: our own init.
    pub(crate) candidates: Vec<String>,
    /// Arguments after the program's name.
    pub(crate) args: Vec<String>,
    /// `NAME=value`.
    pub(crate) environ: Vec<String>,
}

/// Init to daemon.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromInit {
    /// In place. Comes with the console's master side.
    Ready,
    /// About to become this program (empty: our own init). The channel closes when it did.
    Starting(String),
    /// It could not; the text says what and why.
    Failed(String),
}

/// Daemon to zsched.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToSched {
    /// Init is in place: move into the zone and serve. Comes with the console's master side,
    /// which zsched keeps for a later daemon.
    Enter,
}

/// Zsched to daemon.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromSched {
    /// Init was born, with this host pid.
    Spawned(i32),
    /// The tree is mounted.
    Assembled,
    /// Inside the zone; serving.
    Entered,
    /// Init ended.
    InitEnded(Ending),
    /// A step failed; the text says what and why.
    Failed(String),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Exit status.
    Exited(i32),
    /// Number of the signal.
    Signaled(i32),
}

impl Ending {
    /// The status a shell would show: 128 + signal for a killed one.
    #[must_use]
    pub fn shell_status(self) -> i32 {
        match self {
            Self::Exited(status) => status,
            Self::Signaled(signal) => 128 + signal,
        }
    }
}

/// How the standard streams of a command are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// The three descriptors that come with the request.
    Pipes,
    /// Nothing to read and nobody to write to: the zone's own `/dev/null`.
    Null,
    /// A new terminal of the zone; its master side is sent back.
    Terminal,
}

/// To zsched's socket: start this in the zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum SessionRequest {
    /// Start a command.
    Start {
        /// The user of the zone; `None`: root, without looking at the zone's files (safe mode).
        user: Option<String>,
        /// The words; none: a login shell.
        command: Vec<String>,
        /// Run the words as they are, without a shell between.
        direct: bool,
        /// Streams.
        mode: Mode,
        /// `NAME=value`, before what the user's entry adds.
        environ: Vec<String>,
        /// Rows and columns of a terminal.
        size: Option<(u16, u16)>,
        /// Let it believe that all it writes is on disk at once (installations only).
        skip_sync: bool,
    },
    /// Send a signal to the command's process group.
    Signal(i32),
    /// From a new daemon: hand over the console.
    Adopt,
}

/// From zsched's socket.
#[derive(Debug, Serialize, Deserialize)]
pub enum SessionEvent {
    /// The request has arrived and is carried out; comes first.
    Begun,
    /// The terminal's name (`pts/3`); comes with its master side.
    Terminal(String),
    /// The console's master side comes with this.
    Console,
    /// Something to tell the user; the command goes on.
    Warning(String),
    /// The command could not be started.
    Failed(String),
    /// The command ended.
    Ended(Ending),
}
