//! The command `zfs`: started by its path, without a shell, and read as it prints for programs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where it may be.
const PLACES: [&str; 5] = [
    "/usr/sbin/zfs",
    "/sbin/zfs",
    "/usr/local/sbin/zfs",
    "/usr/bin/zfs",
    "/run/current-system/sw/bin/zfs",
];

/// Why ZFS did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ZfsError {
    /// The command is not there.
    #[error("the command zfs is missing; install zfsutils-linux or what brings it here")]
    NoCommand,
    /// The command cannot be started.
    #[error("cannot run `{command}`: {text}")]
    NotRun { command: &'static str, text: String },
    /// The command failed.
    #[error("zfs {verb} `{dataset}`: {text}")]
    Refused {
        verb: &'static str,
        dataset: String,
        /// What it said.
        text: String,
    },
    /// It printed what nobody understands.
    #[error("zfs {verb} `{dataset}` printed `{line}`, which is not understood")]
    Odd {
        verb: &'static str,
        dataset: String,
        line: String,
    },
    /// Something depends on a dataset that zones did not make.
    #[error(
        "dataset `{dataset}` has `{other}`, which is not of zones; remove it: zfs destroy {other}"
    )]
    Foreign { dataset: String, other: String },
}

impl ZfsError {
    fn says(&self, words: &str) -> bool {
        matches!(self, Self::Refused { text, .. } if text.contains(words))
    }

    /// The dataset is mounted, or being unmounted.
    pub(super) fn is_busy(&self) -> bool {
        self.says("is busy")
    }

    /// There is no such dataset.
    pub(super) fn is_missing(&self) -> bool {
        self.says("does not exist") && !self.is_orphan()
    }

    /// There is no dataset that it could lie in.
    pub(super) fn is_orphan(&self) -> bool {
        self.says("parent does not exist")
    }

    /// There is one already.
    pub(super) fn is_taken(&self) -> bool {
        self.says("already exists")
    }

    /// A property, or a value of it, that this ZFS does not know.
    pub(super) fn is_about(&self, property: &str) -> bool {
        self.says(property)
    }
}

fn place() -> Option<&'static str> {
    PLACES.into_iter().find(|it| Path::new(it).exists())
}

/// Whether ZFS can be asked for anything.
#[must_use]
pub fn is_here() -> bool {
    place().is_some() && Path::new("/dev/zfs").exists()
}

/// Runs `zfs VERB OPTIONS DATASET` and returns what it prints.
pub(super) fn run(verb: &'static str, options: &[&str], dataset: &str) -> Result<String, ZfsError> {
    run_words(verb, options, &[dataset])
}

/// As [`run`], with several operands; the last one is what an error names.
pub(super) fn run_words<S: AsRef<OsStr>>(
    verb: &'static str,
    options: &[S],
    operands: &[&str],
) -> Result<String, ZfsError> {
    let command = place().ok_or(ZfsError::NoCommand)?;
    let output = Command::new(command)
        .arg(verb)
        .args(options)
        .args(operands)
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| ZfsError::NotRun {
            command,
            text: error.to_string(),
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim().replace('\n', "; ");
    Err(ZfsError::Refused {
        verb,
        dataset: (*operands.last().unwrap_or(&"")).to_owned(),
        text: if text.is_empty() {
            output.status.to_string()
        } else {
            text
        },
    })
}
