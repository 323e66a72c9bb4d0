//! The first frame: what the stream holds.

use serde::{Deserialize, Serialize};

use crate::error::StreamError;

/// Roots that one stream may hold.
const ROOTS_MAX: usize = 10_000;

/// What a stream holds, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The zone, as the sender calls it.
    pub zone: String,
    /// Its configuration, as an XML document.
    pub configuration: String,
    /// The boot environment that its root is.
    pub active: String,
    /// Its roots; the last one is the root itself.
    pub roots: Vec<Root>,
}

/// One root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// What it is to the zone.
    pub kind: RootKind,
    /// What its files are the difference to.
    pub base: Base,
    /// The name of the snapshot or boot environment.
    pub name: String,
    /// Its name for ever.
    pub uuid: String,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// The boot environment that a snapshot is of; else empty.
    #[serde(default)]
    pub environment: String,
    /// Who asked for a snapshot; else empty.
    #[serde(default)]
    pub origin: String,
}

/// What a root is to the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootKind {
    /// How the root was once.
    Snapshot,
    /// A boot environment that is not active.
    Environment,
    /// The root.
    Root,
}

/// What the files of a root are the difference to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// An empty folder.
    Nothing,
    /// The root before this one in the stream.
    Before,
    /// A snapshot that the receiver must have.
    Snapshot {
        /// As the sender calls it.
        name: String,
        /// Its name for ever.
        uuid: String,
    },
}

impl Header {
    /// The snapshot that the receiver must have.
    #[must_use]
    pub fn base(&self) -> Option<(&str, &str)> {
        match &self.roots.first()?.base {
            Base::Snapshot { name, uuid } => Some((name, uuid)),
            _ => None,
        }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, StreamError> {
        serde_json::to_vec(self).map_err(|error| StreamError::Malformed(error.to_string()))
    }

    /// From the bytes of a stranger.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StreamError> {
        let header: Self = serde_json::from_slice(bytes)
            .map_err(|error| StreamError::Malformed(format!("header: {error}")))?;
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), StreamError> {
        let malformed = |text: &str| Err(StreamError::Malformed(text.to_owned()));
        let Some((last, before)) = self.roots.split_last() else {
            return malformed("it holds no root");
        };
        if self.roots.len() > ROOTS_MAX {
            return malformed("it holds too many roots");
        }
        let is_root = |it: &Root| it.kind == RootKind::Root;
        if !is_root(last) || before.iter().any(is_root) {
            return malformed("the last root, and only that, is the root of the zone");
        }
        let is_right = |(index, root): (usize, &Root)| match root.base {
            Base::Nothing => true,
            Base::Before => index > 0,
            Base::Snapshot { .. } => index == 0,
        };
        match self.roots.iter().enumerate().all(is_right) {
            true => Ok(()),
            false => malformed("a root is the difference to one that does not come before it"),
        }
    }
}
