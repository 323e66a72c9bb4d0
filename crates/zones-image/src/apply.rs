//! Plans carried out, below a root that a stranger may control.
//!
//! Order over all packages at once: removals (things, then folders), users and groups, folders,
//! files in several threads, links, licences, updates. A file is written under a temporary name in
//! its own folder while its digest is taken, gets owner, mode and times, and is renamed over the
//! old one. Every step can be repeated: after a kill, planning and applying the same operation
//! again completes it.
//!
//! Folders are opened without following any link (`openat2`), so that nothing is written outside
//! of the image nor at another place in it than the manifest says.

mod error;
mod extra;
mod folder;
mod hand;
mod job;
mod lay;
mod names;
mod remove;
mod run;
mod salvage;
mod thing;
mod write;

use std::fs::File;
use std::io::{self, Read};

use zones_ips::{Action, Fmri, ImagePath, Timestamp};
use zones_sys::RootFd;

use crate::plan::Plan;

pub use error::ApplyError;
pub(crate) use extra::{extras, node};
pub use folder::sweep;
pub(crate) use folder::{Folders, is_regular, kind};

/// Where payloads come from. Everything that [`Plan::content`] names must be there.
pub trait Content: Sync {
    /// Opens the payload of an action.
    ///
    /// # Errors
    ///
    /// It is not there or cannot be read.
    fn open(&self, fmri: &Fmri, action: &Action) -> io::Result<Source>;

    /// Hears that the payload of an action is not what the manifest promises, so that it is not
    /// given again; whether there is another one now.
    fn replace(&self, _fmri: &Fmri, _action: &Action) -> bool {
        false
    }
}

/// An opened payload.
pub enum Source {
    /// The plain content in a file whose digest somebody trusted has checked: its blocks are
    /// shared (reflink) or copied, not hashed again. Only its size is compared.
    Plain(File),
    /// The gzip form, as a repository stores it. It is unpacked up to `pkg.size` bytes and checked
    /// against the most preferred digest of the action.
    Packed(Box<dyn Read + Send>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Packed(_) => "Packed",
        })
    }
}

/// How to apply a plan.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of licences: `STEM/license.NAME` below it.
    pub licenses: ImagePath,
    /// Where to files go that nobody packaged but that stand in the way: lost+found.
    pub salvage: ImagePath,
    /// The second of the operation, for names in lost+found.
    pub time: Timestamp,
    /// Threads that lay files; 0 is as many as there are processors.
    pub threads: usize,
    /// Whether files begin to go to disk while others are laid, so that the caller's syncfs(2) at
    /// the end is short. No file is synced alone.
    pub is_flushed: bool,
}

/// The phases in their order, as pkg(1) names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// `Removing old actions`.
    Remove,
    /// `Installing new actions`.
    Install,
    /// `Updating modified actions`.
    Update,
}

impl Phase {
    /// The words in progress tables.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Remove => "Removing old actions",
            Self::Install => "Installing new actions",
            Self::Update => "Updating modified actions",
        }
    }
}

/// How far a phase is. Called from several threads, with `done` never falling within a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// Actions done.
    pub done: usize,
    /// Actions of the phase.
    pub total: usize,
}

/// What was done beside the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Things moved to lost+found: where they were, where they are now.
    pub salvaged: Vec<(ImagePath, ImagePath)>,
    /// Bytes of content written.
    pub bytes: u64,
    /// Things that could not be done and do no harm, in words.
    pub warnings: Vec<String>,
}

/// Carries a plan out below `root`.
///
/// Before it, write the intent ([`crate::journal`]); after it, write the installed state, then
/// remove the intent.
///
/// # Errors
///
/// The first step that fails, in the order of the plan; steps before it are done, and planning and
/// applying again repeats nothing that is done.
pub fn apply(
    plan: &Plan,
    root: &RootFd,
    content: &dyn Content,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, ApplyError> {
    run::all(plan, root, content, options, progress)
}
