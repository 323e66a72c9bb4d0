//! What can go wrong with a control group.

use std::path::PathBuf;

use rustix::io::Errno;

/// Why a group could not be made, opened or ended.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No cgroup file system is mounted.
    #[error("no control group hierarchy is mounted; mount cgroup2 on /sys/fs/cgroup")]
    NoHierarchy,
    /// The parent is not a plain relative path.
    #[error("`{0}` is not the path of a control group below the root")]
    BadParent(String),
    /// The group exists and processes are in it.
    #[error("control group `{}` still holds processes", .0.display())]
    Busy(PathBuf),
    /// Its processes go on although they were stopped.
    #[error("the processes of control group `{}` do not come to rest", .0.display())]
    Restless(PathBuf),
    /// No hierarchy has the group.
    #[error("control group `{0}` does not exist")]
    NotThere(String),
    /// The kernel refused.
    #[error("cannot {doing} `{}`", path.display())]
    Refused {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On which directory or file.
        path: PathBuf,
        /// The answer.
        #[source]
        source: Errno,
    },
}

/// A limit that was asked for and does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotEnforced {
    /// The limit, by the name that the configuration has for it.
    pub what: &'static str,
    /// Why not.
    pub why: String,
}
