//! The commands that a person would type, started by a program.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zones_store::durability;

/// The commands of one host of zones.
#[derive(Debug, Clone)]
pub struct Verbs {
    binary: PathBuf,
    root: PathBuf,
    is_disposable: bool,
}

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum VerbError {
    /// It could not be started.
    #[error("cannot start `{line}`: {source}")]
    Start {
        /// The command line.
        line: String,
        /// Why.
        source: io::Error,
    },
    /// It said that it failed.
    #[error("`{line}` failed ({status}): {why}")]
    Failed {
        /// The command line.
        line: String,
        /// `exit status: 1`, `signal: 9`.
        status: String,
        /// What it said on standard error, in one line.
        why: String,
    },
}

impl Verbs {
    /// The commands of `binary` for the host of zones below `root`, an existing folder.
    #[must_use]
    pub fn new(binary: &Path, root: &Path) -> Self {
        Self {
            binary: binary.to_owned(),
            root: root.to_owned(),
            is_disposable: false,
        }
    }

    /// The same for zones that nobody looks for after a power failure: nothing waits for the disk.
    #[must_use]
    pub fn disposable(self) -> Self {
        Self {
            is_disposable: true,
            ..self
        }
    }

    /// The folder that `-R` names.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A command, ready to be started: `applet -R ROOT args...`, without standard input.
    #[must_use]
    pub fn command(&self, applet: &str, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(applet).arg("-R").arg(&self.root);
        command.args(args).stdin(Stdio::null());
        if self.is_disposable {
            command.env(durability::DISPOSABLE, "1");
        }
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// It cannot be started, or its exit status is not 0.
    pub fn run(&self, applet: &str, args: &[impl AsRef<OsStr>]) -> Result<Said, VerbError> {
        let words = args.iter().map(|arg| arg.as_ref().to_os_string());
        let words: Vec<OsString> = [OsString::from(applet)].into_iter().chain(words).collect();
        let line = words.join(OsStr::new(" ")).to_string_lossy().into_owned();
        let done = match self.command(applet, args).output() {
            Ok(done) => done,
            Err(source) => return Err(VerbError::Start { line, source }),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = Said {
            out: text(&done.stdout),
            err: text(&done.stderr),
        };
        if done.status.success() {
            return Ok(said);
        }
        Err(VerbError::Failed {
            line,
            status: done.status.to_string(),
            why: one_line(&said.err),
        })
    }
}

/// What a command said, as one line: the cause comes first, the remedy last.
pub(crate) fn one_line(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_its_host_first_and_its_failure_in_one_line() {
        let verbs = Verbs::new(Path::new("/bin/echo"), Path::new("/srv/matrix"));
        let said = verbs.run("zoneadm", &["list", "-p"]).unwrap();
        assert_eq!(said.out, "zoneadm -R /srv/matrix list -p\n");

        let verbs = Verbs::new(Path::new("/bin/false"), Path::new("/srv/matrix"));
        let error = verbs.run("zoneadm", &["list"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`zoneadm list` failed (exit status: 1): "
        );

        let verbs = Verbs::new(Path::new("/nowhere"), Path::new("/srv/matrix"));
        let error = verbs.run("zoneadm", &["list"]).unwrap_err();
        assert!(matches!(error, VerbError::Start { .. }), "{error}");
    }
}
