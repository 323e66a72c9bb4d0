//! First-boot settings (`install -c FILE`): who and where a new system is.
//!
//! A TOML file is read and checked as a whole; then files of the installed root are edited, so
//! nothing is asked at the first boot and no program of the root runs.

mod account;
mod parse;
mod place;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use rustix::io::Errno;
use zones_sys::RootFd;

/// A password as crypt(5) keeps it. Its `Debug` shows stars.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

/// A person's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id and id of the group of the same name; the first free one from 1000 on if unset.
    pub uid: Option<u32>,
    /// More groups, which must exist.
    pub groups: Vec<String>,
    /// Unset: no login by password.
    pub password_hash: Option<PasswordHash>,
    /// Lines for `authorized_keys`.
    pub ssh_keys: Vec<String>,
    /// Login shell; `/bin/bash` or `/bin/sh`, whichever is there, if unset.
    pub shell: Option<String>,
}

/// First-boot settings; what is unset stays as the installation left it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SysConfig {
    /// Name of the machine.
    pub hostname: Option<String>,
    /// Name of a time zone, such as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// Name of a locale, such as `C.UTF-8`.
    pub locale: Option<String>,
    /// Password of root; unset leaves root as it is.
    pub root_password_hash: Option<PasswordHash>,
    /// Accounts.
    pub users: Vec<User>,
    /// Lines for root's `authorized_keys`.
    pub root_keys: Vec<String>,
}

/// What is wrong with first-boot settings.
#[derive(Debug, thiserror::Error)]
pub enum SysConfigError {
    /// No TOML.
    #[error("the settings are no TOML: {0}")]
    Syntax(String),
    /// A key nobody knows.
    #[error("unknown key `{key}`{hint}")]
    UnknownKey {
        /// The key with its tables.
        key: String,
        /// `; did you mean ...`, or empty.
        hint: String,
    },
    /// A value of another type.
    #[error("key `{key}` must be {want}")]
    WrongType {
        /// The key with its tables.
        key: String,
        /// What it must be.
        want: &'static str,
    },
    /// A key that must be there.
    #[error("key `{0}` is missing")]
    Missing(String),
    /// A value that cannot be.
    #[error("key `{key}`: {why}")]
    Value {
        /// The key with its tables.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file of the root refuses.
    #[error("cannot {act} `{}` in the root", path.display())]
    File {
        /// `read` or `write`.
        act: &'static str,
        /// Below the root.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
}

impl SysConfig {
    /// Reads settings; see the guide for the keys.
    ///
    /// # Errors
    /// The first thing that is wrong, with the name of its key.
    pub fn parse(text: &str) -> Result<Self, SysConfigError> {
        parse::parse(text)
    }

    /// Edits the files of an installed root that does not run. Everything is checked against the
    /// root before the first file is written.
    ///
    /// # Errors
    /// When the root lacks what a setting needs, or refuses a file.
    pub fn apply(&self, root: &RootFd) -> Result<(), SysConfigError> {
        let accounts = account::prepare(self, root)?;
        let places = place::prepare(self, root)?;
        places.write(root)?;
        accounts.write(root)
    }
}
