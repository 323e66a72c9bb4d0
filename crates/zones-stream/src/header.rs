//! The first frame: what the stream holds.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use zones_storage::is_fine_name;

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
    /// What a sparse zone shares folders with, which the receiver must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Shared>,
    /// Its roots; the last one is the root itself.
    pub roots: Vec<Root>,
}

/// The base of a sparse zone: none of its files are in the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Its name.
    pub name: String,
    /// SHA-256 of its manifest, in hexadecimal digits.
    pub sha256: String,
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

    /// A name that is none, or that two have.
    fn bad_name(&self) -> Option<&str> {
        let mut seen = HashSet::new();
        let active = (RootKind::Root, self.active.as_str());
        let others = self.roots.iter().map(|it| (it.kind, it.name.as_str()));
        let others = others.filter(|(kind, _)| *kind != RootKind::Root);
        let mut all = std::iter::once(active).chain(others);
        all.find_map(|(kind, name)| {
            // The root is a boot environment, too.
            let is_new = seen.insert((kind == RootKind::Snapshot, name));
            (!is_new || !is_fine_name(name)).then_some(name)
        })
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
        if let Some(bad) = self.bad_name() {
            let text = format!("'{bad}' cannot be a name there");
            return Err(StreamError::Malformed(text));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn root(kind: RootKind, base: Base, name: &str) -> Root {
        Root {
            kind,
            base,
            name: name.to_owned(),
            uuid: String::new(),
            created: 0,
            environment: String::new(),
            origin: String::new(),
        }
    }

    fn snapshot(base: Base, name: &str) -> Root {
        root(RootKind::Snapshot, base, name)
    }

    fn decoded(active: &str, roots: Vec<Root>) -> Result<Header, StreamError> {
        let header = Header {
            zone: "z".to_owned(),
            configuration: String::new(),
            active: active.to_owned(),
            shared: None,
            roots,
        };
        Header::decode(&header.encode()?)
    }

    #[test]
    fn headers_that_nobody_writes_are_refused() {
        let last = || root(RootKind::Root, Base::Before, "zbe");
        let first = |name: &str| snapshot(Base::Nothing, name);
        assert!(decoded("zbe", vec![first("a"), last()]).is_ok());
        let same = root(RootKind::Environment, Base::Before, "a");
        assert!(decoded("zbe", vec![first("a"), same, last()]).is_ok());
        let own = Base::Snapshot {
            name: "b".to_owned(),
            uuid: "u".to_owned(),
        };
        for (active, roots) in [
            ("zbe", vec![]),
            ("zbe", vec![first("a")]),
            ("zbe", vec![last(), last()]),
            ("zbe", vec![last()]),
            ("zbe", vec![first("a"), snapshot(own, "c"), last()]),
            ("../zbe", vec![first("a"), last()]),
            ("zbe", vec![first("../a"), last()]),
            ("zbe", vec![first(".new-a"), last()]),
            ("zbe", vec![first("a"), snapshot(Base::Before, "a"), last()]),
            (
                "zbe",
                vec![root(RootKind::Environment, Base::Nothing, "zbe"), last()],
            ),
        ] {
            let refused = decoded(active, roots.clone());
            assert!(
                matches!(refused, Err(StreamError::Malformed(_))),
                "{active} {roots:?}"
            );
        }
        assert!(Header::decode(b"{}").is_err());
    }
}
