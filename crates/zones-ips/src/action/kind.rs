//! The kinds of actions, as one table.

/// What an action is. In the order in which a plan installs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each row of the table explains itself")]
pub enum ActionKind {
    Set,
    Depend,
    Group,
    User,
    Dir,
    File,
    Hardlink,
    Link,
    Driver,
    Unknown,
    License,
    Legacy,
    Signature,
}

/// What is known of a kind.
#[derive(Debug)]
pub struct KindRow {
    /// The kind of this row.
    pub kind: ActionKind,
    /// The word at the head of a line.
    pub name: &'static str,
    /// The attribute that names the thing, unique in its namespace.
    pub key: Option<&'static str>,
    /// Attributes that a published action must have.
    pub required: &'static [&'static str],
    /// Attributes that are no lists.
    pub single: &'static [&'static str],
    /// Whether it may carry a payload.
    pub has_payload: bool,
    /// Whether it lives in the namespace of paths, of which each is delivered by one kind.
    pub has_path: bool,
}

use ActionKind as K;

/// Source: pkg(7), "Actions".
const ROWS: [KindRow; 13] = [
    row(K::Set, "set", "name", &["value"], &["name"]),
    row(
        K::Depend,
        "depend",
        "fmri",
        &["type"],
        &["type", "predicate", "root-image"],
    ),
    row(K::Group, "group", "groupname", &[], &["groupname", "gid"]),
    row(K::User, "user", "username", &["group"], &USER),
    path(row(K::Dir, "dir", "path", &OWNED, &OWNED)),
    payload(path(row(K::File, "file", "path", &OWNED, &FILE))),
    path(row(K::Hardlink, "hardlink", "path", &["target"], &LINK)),
    path(row(K::Link, "link", "path", &["target"], &LINK)),
    row(K::Driver, "driver", "name", &[], &["name"]),
    row(K::Unknown, "unknown", "", &[], &[]),
    payload(row(K::License, "license", "license", &[], &["license"])),
    row(K::Legacy, "legacy", "pkg", &[], &["pkg"]),
    payload(row(
        K::Signature,
        "signature",
        "value",
        &SIGNED,
        &["value", "algorithm", "version"],
    )),
];

const OWNED: [&str; 3] = ["owner", "group", "mode"];
const SIGNED: [&str; 2] = ["algorithm", "version"];
const LINK: [&str; 5] = [
    "target",
    "mediator",
    "mediator-version",
    "mediator-implementation",
    "mediator-priority",
];
const FILE: [&str; 11] = [
    "owner",
    "group",
    "mode",
    "preserve",
    "preserve-version",
    "overlay",
    "overlay-attributes",
    "original_name",
    "timestamp",
    "pkg.size",
    "pkg.csize",
];
const USER: [&str; 14] = [
    "username",
    "uid",
    "group",
    "gcos-field",
    "home-dir",
    "login-shell",
    "password",
    "ftpuser",
    "lastchg",
    "min",
    "max",
    "warn",
    "inactive",
    "expire",
];

const fn row(
    kind: ActionKind,
    name: &'static str,
    key: &'static str,
    required: &'static [&'static str],
    single: &'static [&'static str],
) -> KindRow {
    KindRow {
        kind,
        name,
        key: if key.is_empty() { None } else { Some(key) },
        required,
        single,
        has_payload: false,
        has_path: false,
    }
}

const fn payload(mut row: KindRow) -> KindRow {
    row.has_payload = true;
    row
}

const fn path(mut row: KindRow) -> KindRow {
    row.has_path = true;
    row
}

impl ActionKind {
    /// All kinds, in their order.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        ROWS.iter().map(|row| row.kind)
    }

    /// What is known of the kind.
    #[must_use]
    pub fn row(self) -> &'static KindRow {
        &ROWS[self as usize]
    }

    /// The kind with this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let row = ROWS.iter().find(|row| row.name == word);
        row.map(|row| row.kind)
    }
}

impl std::fmt::Display for ActionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.row().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stands_in_its_own_row() {
        for (at, kind) in ActionKind::all().enumerate() {
            assert_eq!(kind as usize, at);
            assert_eq!(kind.row().kind, kind);
            assert_eq!(ActionKind::named(kind.row().name), Some(kind));
        }
    }
}
