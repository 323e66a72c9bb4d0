//! What becomes of a file that an administrator may have edited, as one decision.
//!
//! A closed list: content is kept, replaced, renamed aside or salvaged. Nothing reads the old
//! content into the new, so that no file can grow by upgrades. Deciding needs the manifests and the
//! digest of the disk only; what is kept is never downloaded.

use std::str::FromStr;

use crate::action::{Action, ActionError};

/// How an editable file is kept. Source: pkg(7), "preserve".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named as the words of the attribute are")]
pub enum Preserve {
    True,
    RenameOld,
    RenameNew,
    Legacy,
    InstallOnly,
    Abandon,
}

const WORDS: [(&str, Preserve); 6] = [
    ("true", Preserve::True),
    ("renameold", Preserve::RenameOld),
    ("renamenew", Preserve::RenameNew),
    ("legacy", Preserve::Legacy),
    ("install-only", Preserve::InstallOnly),
    ("abandon", Preserve::Abandon),
];

/// The word is no way to keep a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of true, renameold, renamenew, legacy, install-only, abandon")]
pub struct PreserveError(pub String);

impl Preserve {
    /// The word in `preserve=`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        WORDS[self as usize].0
    }
}

impl FromStr for Preserve {
    type Err = PreserveError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let row = WORDS.iter().find(|(word, _)| *word == text);
        row.map(|(_, preserve)| *preserve)
            .ok_or_else(|| PreserveError(text.to_owned()))
    }
}

/// The file on disk, against the content that the installed version recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disk {
    /// No file is there.
    Missing,
    /// It is as it was packaged.
    Unchanged,
    /// It is not; also any file that was there before its package.
    Edited,
}

/// Which way a package goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// No version was installed.
    Initial,
    /// To a newer version.
    Upgrade,
    /// To an older version.
    Downgrade,
    /// To the same version, because something is damaged.
    Repair,
}

/// What to do with the content of a file. Owner and mode are set on whatever file is there then,
/// except after [`Outcome::Leave`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing: neither content nor owner nor mode.
    Leave,
    /// Keep the file's content.
    Keep,
    /// Write the packaged content, over the file if there is one.
    Write,
    /// Rename the file to `path` + this, then write the packaged content.
    RenameThenWrite(&'static str),
    /// Keep the file and write the packaged content to `path` + this.
    WriteBeside(&'static str),
    /// Move the file to lost+found, then write the packaged content.
    SalvageThenWrite,
    /// Move the file to lost+found and write nothing.
    Salvage,
}

impl Outcome {
    /// Whether the packaged content must be fetched.
    #[must_use]
    pub fn needs_content(self) -> bool {
        !matches!(self, Self::Leave | Self::Keep | Self::Salvage)
    }
}

/// What happens to a file when its package goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Removal {
    /// It stays.
    Leave,
    /// It is deleted.
    Delete,
    /// It moves to lost+found.
    Salvage,
}

/// All that a decision looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Which way the package goes.
    pub direction: Direction,
    /// The file on disk.
    pub disk: Disk,
    /// How the version that is going keeps it; None for a plain file or no version.
    pub old: Option<Preserve>,
    /// How the version that is coming keeps it.
    pub new: Option<Preserve>,
    /// Whether the packaged contents of both versions are equal.
    pub is_same_content: bool,
    /// Whether the going version has a greater `preserve-version` than the coming one.
    pub is_format_older: bool,
}

impl Case {
    /// The case of replacing the file `old` by the file `new`.
    ///
    /// # Errors
    ///
    /// `preserve` or `preserve-version` has no right form.
    pub fn of(
        direction: Direction,
        disk: Disk,
        old: Option<&Action>,
        new: &Action,
    ) -> Result<Self, ActionError> {
        let old_preserve = old.map(Action::preserve).transpose()?.flatten();
        let old_version = old.map(Action::preserve_version).transpose()?.flatten();
        Ok(Self {
            direction,
            disk,
            old: old_preserve,
            new: new.preserve()?,
            is_same_content: old.is_some_and(|old| old.payload() == new.payload()),
            is_format_older: old_version > new.preserve_version()?,
        })
    }
}

/// Decides. Source: pkg(7), "preserve", and what pkg(1) was seen to do where it differs.
#[must_use]
pub fn decide(case: &Case) -> Outcome {
    match case.direction {
        Direction::Initial => initial(case),
        Direction::Repair => repair(case),
        Direction::Upgrade | Direction::Downgrade if case.is_same_content => unchanged(case),
        Direction::Upgrade => upgrade(case),
        Direction::Downgrade => downgrade(case),
    }
}

fn initial(case: &Case) -> Outcome {
    use Preserve::{Abandon, InstallOnly, Legacy, RenameNew, RenameOld, True};
    let is_missing = case.disk == Disk::Missing;
    match case.new {
        Some(Abandon) => Outcome::Leave,
        Some(Legacy) if is_missing => Outcome::Leave,
        Some(Legacy) => Outcome::Salvage,
        Some(InstallOnly) if !is_missing => Outcome::Keep,
        Some(True | RenameOld | RenameNew) if !is_missing => Outcome::SalvageThenWrite,
        _ => Outcome::Write,
    }
}

/// A file that is not there when another version, or the same, comes.
fn missing(case: &Case) -> Outcome {
    match case.new {
        Some(Preserve::Legacy | Preserve::InstallOnly | Preserve::Abandon) => Outcome::Leave,
        _ => Outcome::Write,
    }
}

fn repair(case: &Case) -> Outcome {
    match (case.disk, case.new) {
        (Disk::Missing, _) => missing(case),
        (_, Some(Preserve::Abandon)) => Outcome::Leave,
        (Disk::Unchanged, _) | (Disk::Edited, Some(_)) => Outcome::Keep,
        (Disk::Edited, None) => Outcome::Write,
    }
}

/// Both versions package the same content.
fn unchanged(case: &Case) -> Outcome {
    match (case.disk, case.new) {
        (Disk::Missing, _) => missing(case),
        (_, Some(Preserve::Abandon)) => Outcome::Leave,
        _ => Outcome::Keep,
    }
}

fn upgrade(case: &Case) -> Outcome {
    let is_edited = case.disk == Disk::Edited;
    match case.new {
        _ if case.disk == Disk::Missing => missing(case),
        Some(Preserve::Abandon) => Outcome::Leave,
        Some(Preserve::InstallOnly) => Outcome::Keep,
        Some(Preserve::Legacy) if case.old != Some(Preserve::Legacy) => {
            Outcome::RenameThenWrite(".legacy")
        }
        Some(Preserve::True) if is_edited => Outcome::Keep,
        Some(Preserve::RenameOld) if is_edited => Outcome::RenameThenWrite(".old"),
        Some(Preserve::RenameNew) if is_edited => Outcome::WriteBeside(".new"),
        _ => Outcome::Write,
    }
}

fn downgrade(case: &Case) -> Outcome {
    use Preserve::{RenameNew, RenameOld, True};
    match case.new {
        Some(True | RenameOld | RenameNew) if case.disk != Disk::Missing => {
            match (case.is_format_older, case.disk) {
                (false, _) => Outcome::Keep,
                (true, Disk::Edited) => Outcome::RenameThenWrite(".update"),
                (true, _) => Outcome::Write,
            }
        }
        _ => upgrade(case),
    }
}

/// Decides what happens when the package goes.
#[must_use]
pub fn remove(preserve: Option<Preserve>, disk: Disk) -> Removal {
    match (preserve, disk) {
        (_, Disk::Missing) | (Some(Preserve::Abandon | Preserve::InstallOnly), _) => Removal::Leave,
        (Some(_), Disk::Edited) => Removal::Salvage,
        _ => Removal::Delete,
    }
}
