//! Users and groups of an image: `etc/passwd`, `etc/shadow`, `etc/group`, `etc/ftpd/ftpusers`.
//!
//! Texts in, texts out. Lines that no action names stay as they are, byte for byte. Source:
//! passwd(5), shadow(5), group(5), and pkg(7), "User Actions" and "Group Actions".

mod group;
mod line;
mod names;
mod user;

pub use names::Accounts;

/// The files as texts; None is a file that the image does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// `etc/passwd`.
    pub passwd: Option<String>,
    /// `etc/shadow`.
    pub shadow: Option<String>,
    /// `etc/group`.
    pub group: Option<String>,
    /// `etc/ftpd/ftpusers`: users that may not log in by ftp.
    pub ftpusers: Option<String>,
}

/// Why an action cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// A name or field that would break the line.
    #[error("{kind} {name}: '{field}' cannot stand in a line of etc/passwd or etc/group")]
    Field {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The field.
        field: String,
    },
    /// The primary group of a user is not there.
    #[error("user {user}: the group {group} does not exist")]
    NoGroup {
        /// The user.
        user: String,
        /// Its group.
        group: String,
    },
    /// No number between 100 and 499 is free.
    #[error("{kind} {name}: no number from 100 to 499 is free")]
    Full {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

impl Database {
    /// Names and numbers.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Accounts::parse(&text(&self.passwd), &text(&self.group))
    }
}
