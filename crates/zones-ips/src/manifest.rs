//! Manifests: the actions of one package, one a line.

use std::fmt;

use crate::action::{ACTION_LEN_MAX, Action, ActionError, ActionKind};
use crate::fmri::{Fmri, FmriError};
use crate::hash::{Algorithm, Digest};

/// Bytes a manifest may have.
pub const MANIFEST_LEN_MAX: usize = 256 << 20;

/// The actions of one package, in the order of their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    actions: Vec<Action>,
}

/// Why a text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A line is no action.
    #[error("line {line}: {source}")]
    Action {
        /// The line where the action begins, counted from one.
        line: usize,
        /// What is wrong with it.
        source: ActionError,
    },
    /// The last line ends with a backslash.
    #[error("line {line}: the action goes on behind the end; remove the last backslash")]
    Unfinished {
        /// The line where the action begins.
        line: usize,
    },
    /// The bytes are no UTF-8.
    #[error("line {line}: not UTF-8")]
    Encoding {
        /// The first line that is not.
        line: usize,
    },
    /// More than [`MANIFEST_LEN_MAX`] bytes.
    #[error("a manifest of {0} bytes; at most {MANIFEST_LEN_MAX} are allowed")]
    Long(usize),
    /// No `set name=pkg.fmri`, or several.
    #[error("the manifest names {0} packages by pkg.fmri; it must name one")]
    Names(usize),
    /// The package's name breaks the grammar.
    #[error(transparent)]
    Fmri(#[from] FmriError),
}

/// What becomes of an action of an unknown kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// The manifest is refused.
    Refused,
    /// It is kept as it is.
    Kept,
}

impl Manifest {
    /// A manifest of these actions.
    #[must_use]
    pub fn new(actions: Vec<Action>) -> Self {
        Self { actions }
    }

    /// Reads all lines.
    ///
    /// # Errors
    ///
    /// The first line that is no action.
    pub fn parse(text: &str, unknown: Unknown) -> Result<Self, ManifestError> {
        let read = lines(text, unknown)?.map(|line| line.map(|line| line.action));
        let actions = read.collect::<Result<_, _>>()?;
        Ok(Self { actions })
    }

    /// As [`Self::parse`], from bytes that nobody has looked at.
    ///
    /// # Errors
    ///
    /// The bytes are no UTF-8, or a line is no action.
    pub fn from_bytes(bytes: &[u8], unknown: Unknown) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_LEN_MAX {
            return Err(ManifestError::Long(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let breaks = before.iter().filter(|byte| **byte == b'\n').count();
            ManifestError::Encoding { line: breaks + 1 }
        })?;
        Self::parse(text, unknown)
    }

    /// All actions.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// All actions, to keep.
    #[must_use]
    pub fn into_actions(self) -> Vec<Action> {
        self.actions
    }

    /// Adds an action at the end.
    pub fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// The actions of one kind.
    pub fn of_kind(&self, kind: ActionKind) -> impl Iterator<Item = &Action> {
        self.actions
            .iter()
            .filter(move |action| action.kind() == kind)
    }

    /// The values of `set name=NAME`, of all such actions.
    pub fn set_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let sets = self.of_kind(ActionKind::Set);
        let named = sets.filter(move |action| action.get("name") == Some(name));
        named.flat_map(|action| action.values("value"))
    }

    /// The first value of `set name=NAME`.
    #[must_use]
    pub fn set_value<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.set_values(name).next()
    }

    /// The name of the package.
    ///
    /// # Errors
    ///
    /// There is not exactly one, or it is no FMRI.
    pub fn fmri(&self) -> Result<Fmri, ManifestError> {
        let mut names = self.set_values("pkg.fmri");
        match (names.next(), names.count()) {
            (Some(name), 0) => Ok(name.parse()?),
            (Some(_), more) => Err(ManifestError::Names(more + 1)),
            (None, _) => Err(ManifestError::Names(0)),
        }
    }

    /// Names the package: `set name=pkg.fmri` becomes the first action, and the only such one.
    ///
    /// # Errors
    ///
    /// None for an FMRI; the result is that of [`Action::new`].
    pub fn set_fmri(&mut self, fmri: &Fmri) -> Result<(), ActionError> {
        let name = fmri.to_string();
        let pairs = [("name", "pkg.fmri"), ("value", &*name)];
        let action = Action::new(ActionKind::Set, None, pairs)?;
        self.actions
            .retain(|action| action.get("name") != Some("pkg.fmri"));
        self.actions.insert(0, action);
        Ok(())
    }

    /// Whether the package says `true` under this name, such as `pkg.obsolete` or `pkg.renamed`.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.set_value(name) == Some("true")
    }

    /// The SHA-1 of the printed manifest, as catalogs hold it. For a stored manifest take the
    /// digest of its bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(Algorithm::Sha1, self.to_string().as_bytes())
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.actions
            .iter()
            .try_for_each(|action| writeln!(f, "{action}"))
    }
}

impl FromIterator<Action> for Manifest {
    fn from_iter<T: IntoIterator<Item = Action>>(actions: T) -> Self {
        Self::new(actions.into_iter().collect())
    }
}

/// One action and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line, counted from one.
    pub number: usize,
    /// What it says.
    pub action: Action,
}

/// Reads a manifest action by action.
///
/// # Errors
///
/// The text is longer than [`MANIFEST_LEN_MAX`]; the iterator then gives the errors of the lines.
pub fn lines(text: &str, unknown: Unknown) -> Result<Lines<'_>, ManifestError> {
    if text.len() > MANIFEST_LEN_MAX {
        return Err(ManifestError::Long(text.len()));
    }
    Ok(Lines {
        lines: text.lines().enumerate(),
        unknown,
    })
}

/// The actions of a text. See [`lines`].
#[derive(Debug)]
pub struct Lines<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
    unknown: Unknown,
}

impl Iterator for Lines<'_> {
    type Item = Result<Line, ManifestError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (at, line) = self.lines.next()?;
            let line = line.trim_ascii();
            let number = at + 1;
            let read = match line.strip_suffix('\\') {
                None if line.is_empty() || line.starts_with('#') => continue,
                None => self.read(number, line),
                Some(head) => match self.join(number, head) {
                    Ok(line) if line.is_empty() || line.starts_with('#') => continue,
                    Ok(line) => self.read(number, &line),
                    Err(error) => Err(error),
                },
            };
            return Some(read);
        }
    }
}

impl Lines<'_> {
    /// Adds lines to `head` up to one that does not go on.
    fn join(&mut self, number: usize, head: &str) -> Result<String, ManifestError> {
        let mut joined = head.to_owned();
        for (_, line) in self.lines.by_ref() {
            let line = line.trim_ascii();
            let goes_on = line.strip_suffix('\\');
            joined.push_str(goes_on.unwrap_or(line));
            if joined.len() > ACTION_LEN_MAX {
                let source = ActionError::Long(joined.len());
                return Err(ManifestError::Action {
                    line: number,
                    source,
                });
            }
            if goes_on.is_none() {
                joined.truncate(joined.trim_ascii_end().len());
                return Ok(joined);
            }
        }
        Err(ManifestError::Unfinished { line: number })
    }

    fn read(&self, number: usize, line: &str) -> Result<Line, ManifestError> {
        let action = match self.unknown {
            Unknown::Refused => line.parse(),
            Unknown::Kept => Action::parse_keeping(line),
        };
        let action = action.map_err(|source| ManifestError::Action {
            line: number,
            source,
        })?;
        Ok(Line { number, action })
    }
}
