//! What is wrong with a text of commands, as plain data.

use std::fmt;

/// A range of bytes in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One behind the last.
    pub end: usize,
}

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Code {
    UnknownCommand,
    UnknownResource,
    UnknownProperty,
    UnknownName,
    UnknownOption,
    UnknownFormat,
    MissingName,
    MissingValue,
    MissingEquals,
    UnexpectedEquals,
    UnexpectedWord,
    UnclosedQuote,
    UnclosedList,
    UnclosedPairs,
    UnknownKey,
    DuplicateKey,
    MissingKey,
    OptionConflict,
    TooManyFilters,
    SimpleValueExpected,
    QuotedJoin,
    MustBeQuoted,
}

impl Code {
    /// What is wrong, without the place and without the token.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::UnknownCommand => "no such command",
            Self::UnknownResource => "no such resource type",
            Self::UnknownProperty => "no such property",
            Self::UnknownName => "no such resource type or property",
            Self::UnknownOption => "no such option",
            Self::UnknownFormat => "no such output format; there is `json`",
            Self::MissingName => "the name of a resource type or property was expected",
            Self::MissingValue => "a value was expected",
            Self::MissingEquals => "`=` and a value were expected",
            Self::UnexpectedEquals => "no `=` here: `add PROPERTY VALUE`",
            Self::UnexpectedWord => {
                "the command ends before this word; values with blanks are quoted"
            }
            Self::UnclosedQuote => "the quote opened here is not closed on this line",
            Self::UnclosedList => "the list opened here lacks its `]`",
            Self::UnclosedPairs => "the parenthesis opened here is not closed",
            Self::UnknownKey => {
                "no such key in parentheses; there are `priv`, `limit`, `action`, \
                                 `name`, `value`"
            }
            Self::DuplicateKey => "this key is already specified",
            Self::MissingKey => "a key, as in `(KEY=VALUE,...)`, was expected",
            Self::OptionConflict => "this option does not go with the one before",
            Self::TooManyFilters => "at most three PROPERTY=VALUE may be given",
            Self::SimpleValueExpected => "one simple value was expected",
            Self::QuotedJoin => "a blank was expected after the closing quote",
            Self::MustBeQuoted => "a value that holds this character must be quoted",
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diag {
    /// What kind.
    pub code: Code,
    /// Where.
    pub span: Span,
    /// The line of the text, from 1.
    pub line: usize,
    /// The column in that line in characters, from 1; a tab is one.
    pub column: usize,
    /// What stands there; `\n` at the end of a line.
    pub token: String,
    /// The command it happened in, when that is known.
    pub command: Option<&'static str>,
    /// A name that was perhaps meant.
    pub meant: Option<&'static str>,
}

impl fmt::Display for Diag {
    /// The mistake with its suggestion, without its place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.message())?;
        match self.meant {
            Some(meant) => write!(f, "; did you mean `{meant}`?"),
            None => Ok(()),
        }
    }
}
