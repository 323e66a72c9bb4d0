//! Actions: what a package puts into an image, one line of a manifest each.

use std::fmt;

mod access;
mod attributes;
mod check;
mod kind;
mod parse;
mod path;
mod print;

pub use access::{Actuator, DependKind, OriginalName, Overlay};
pub use attributes::Attributes;
pub use kind::{ActionKind, KindRow};
pub use path::{ImagePath, ImagePathRef, PATH_LEN_MAX, PathError};

/// Bytes one action may have, continuation lines joined. A driver with 2^18 aliases needs eight
/// million.
pub const ACTION_LEN_MAX: usize = 32 << 20;

/// The payload word of an action that has none yet.
pub const NO_HASH: &str = "NOHASH";

/// One action.
///
/// Parsing checks what pkg(7) checks of any action: the key attribute is there, a path is not
/// empty. [`Action::check`] also asks for what a published action must have.
///
/// Equality compares lists in their order; [`Action::is_same`] does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    kind: ActionKind,
    /// The word of the line, where `kind` is unknown.
    word: Option<Box<str>>,
    payload: Option<Box<str>>,
    attributes: Attributes,
}

/// Why a line is no action. Prints as pkg(1) prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The text breaks the grammar.
    #[error("{}", marked(*.position, *.why, .action))]
    Malformed {
        /// Bytes before the fault.
        position: usize,
        /// What is wrong there.
        why: Fault,
        /// The line.
        action: String,
    },
    /// No kind has this name.
    #[error("unknown action type '{word}' in action '{action}'")]
    UnknownKind {
        /// The word at the head.
        word: String,
        /// The line.
        action: String,
    },
    /// The grammar holds, the meaning does not.
    #[error("invalid action, '{action}': {why}")]
    Invalid {
        /// The action, printed anew.
        action: String,
        /// What is wrong with it.
        why: String,
    },
    /// More than [`ACTION_LEN_MAX`] bytes.
    #[error("an action of {0} bytes; at most {ACTION_LEN_MAX} are allowed")]
    Long(usize),
}

/// What breaks the grammar of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A kind and nothing else.
    #[error("no attributes")]
    NoAttributes,
    /// A word without `=` that is no payload.
    #[error("whitespace in key")]
    KeySpace,
    /// `"` or `'` in a key.
    #[error("quote in key")]
    KeyQuote,
    /// A `=` with nothing before it.
    #[error("missing key")]
    NoKey,
    /// A key with nothing behind it.
    #[error("missing value")]
    NoValue,
    /// The closing quote is missing.
    #[error("unfinished quoted value")]
    Unfinished,
    /// A line break or NUL, which no manifest can hold.
    #[error("control character in action")]
    Control,
}

/// The message with the line below it and `^` under the fault.
fn marked(position: usize, why: Fault, action: &str) -> String {
    let before = action.get(..position).unwrap_or(action).chars().count();
    format!(
        "Malformed action at position: {position}: {why}:\n    {action}\n    {:before$}^",
        ""
    )
}

impl Action {
    /// An action of these parts. A repeated key makes a list.
    ///
    /// # Errors
    ///
    /// As for parsing; also keys and values that no line can hold.
    pub fn new<'a>(
        kind: ActionKind,
        payload: Option<&str>,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ActionError> {
        let action = Self {
            kind,
            word: None,
            payload: payload.map(Into::into),
            attributes: attributes.into_iter().collect(),
        };
        action.build()
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> ActionKind {
        self.kind
    }

    /// The word at the head of its line.
    #[must_use]
    pub fn word(&self) -> &str {
        self.word.as_deref().unwrap_or_else(|| self.kind.row().name)
    }

    /// The payload word: after publication a hash, before it a path, or [`NO_HASH`].
    #[must_use]
    pub fn payload(&self) -> Option<&str> {
        self.payload.as_deref()
    }

    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The first value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.attributes.get(key)
    }

    /// All values of `key`, in order.
    pub fn values<'a>(&'a self, key: &str) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        self.attributes.values(key)
    }

    /// The value of the key attribute, which names the thing within its namespace.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.get(self.kind.row().key?)
    }

    /// Gives `key` this value alone.
    ///
    /// # Errors
    ///
    /// The action would be invalid; it stays as it was.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ActionError> {
        self.change(|attributes| attributes.set(key, value))
    }

    /// Gives `key` one more value.
    ///
    /// # Errors
    ///
    /// The action would be invalid; it stays as it was.
    pub fn push(&mut self, key: &str, value: &str) -> Result<(), ActionError> {
        self.change(|attributes| attributes.push(key, value))
    }

    /// Takes `key` with all its values away.
    ///
    /// # Errors
    ///
    /// The action would be invalid; it stays as it was.
    pub fn remove(&mut self, key: &str) -> Result<(), ActionError> {
        self.change(|attributes| attributes.remove(key))
    }

    /// Gives the action this payload word.
    ///
    /// # Errors
    ///
    /// The kind has no payload; the action stays as it was.
    pub fn set_payload(&mut self, payload: &str) -> Result<(), ActionError> {
        let mut action = self.clone();
        action.payload = Some(payload.into());
        *self = action.build()?;
        Ok(())
    }

    fn change(&mut self, edit: impl FnOnce(&mut Attributes)) -> Result<(), ActionError> {
        let mut action = self.clone();
        edit(&mut action.attributes);
        *self = action.build()?;
        Ok(())
    }

    /// Whether kind, payload and attributes are equal; lists may differ in order.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.word == other.word
            && self.payload == other.payload
            && self.attributes.is_same(&other.attributes)
    }

    fn invalid(&self, why: impl Into<String>) -> ActionError {
        ActionError::Invalid {
            action: self.to_string(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::action(self, f)
    }
}
