//! The words of a manifest. Source: pkg(1), "search", and pkg(7), "Actions".

use zones_ips::{Action, ActionKind, Manifest};

/// A word that can be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// The action, by number.
    pub(super) action: usize,
    /// The kind of the action.
    pub(super) kind: &'a str,
    /// Under what it is indexed.
    pub(super) index: &'a str,
    /// The word.
    pub(super) text: &'a str,
    /// What it was cut from.
    from: Option<&'a str>,
}

impl<'a> Word<'a> {
    /// What is shown for it.
    pub(super) fn whole(&self) -> &'a str {
        self.from.unwrap_or(self.text)
    }
}

/// Attributes that are indexed as they are, and under which name.
const PLAIN: [(ActionKind, &str, &str); 6] = [
    (ActionKind::Driver, "name", "driver_name"),
    (ActionKind::Driver, "alias", "alias"),
    (ActionKind::User, "username", "name"),
    (ActionKind::Group, "groupname", "name"),
    (ActionKind::License, "license", "license"),
    (ActionKind::Legacy, "pkg", "legacy_pkg"),
];

/// All words of a manifest, by number of the action.
pub(super) fn all(manifest: &Manifest) -> Vec<Word<'_>> {
    let mut words = Vec::with_capacity(manifest.actions().len() * 3);
    for (number, action) in manifest.actions().iter().enumerate() {
        add(number, action, &mut words);
    }
    words
}

fn add<'a>(number: usize, action: &'a Action, words: &mut Vec<Word<'a>>) {
    let mut push = |index: &'a str, text: &'a str, from: Option<&'a str>| {
        words.push(Word {
            action: number,
            kind: action.word(),
            index,
            text,
            from,
        });
    };
    match action.kind() {
        ActionKind::File | ActionKind::Dir | ActionKind::Link | ActionKind::Hardlink => {
            let path = action.get("path").unwrap_or_default();
            if let Some(hash) = action.payload() {
                push("content", hash, None);
                push("hash", hash, None);
            }
            push(
                "basename",
                path.rsplit('/').next().unwrap_or(path),
                Some(path),
            );
            push("path", path, None);
        }
        ActionKind::Depend => {
            let kind = action.get("type").unwrap_or_default();
            for fmri in action.values("fmri") {
                let name = fmri
                    .strip_prefix("pkg:/")
                    .unwrap_or(fmri)
                    .trim_start_matches('/');
                let stem = name.split_once('@').map_or(name, |(stem, _)| stem);
                push(kind, stem, Some(fmri));
                if stem != name {
                    push(kind, name, Some(fmri));
                }
            }
        }
        ActionKind::Set => {
            let name = action.get("name").unwrap_or_default();
            for value in action.values("value") {
                if name == "pkg.fmri" {
                    name_words(value, |text| push("pkg.fmri", text, Some(stem(value))));
                    continue;
                }
                let mut parts = value.split_whitespace();
                match (parts.next(), parts.next()) {
                    (Some(only), None) => push(name, only, None),
                    _ => value
                        .split_whitespace()
                        .for_each(|it| push(name, it, Some(value))),
                }
            }
        }
        kind => {
            for (own, key, index) in PLAIN {
                if own == kind {
                    action
                        .values(key)
                        .for_each(|value| push(index, value, None));
                }
            }
        }
    }
}

/// The name in an FMRI, without publisher and version.
fn stem(fmri: &str) -> &str {
    let name = fmri.split_once('@').map_or(fmri, |(name, _)| name);
    match name.strip_prefix("pkg://") {
        Some(rest) => rest.split_once('/').map_or(rest, |(_, name)| name),
        None => name.strip_prefix("pkg:/").unwrap_or(name),
    }
}

/// The stem, each tail of it, and the version.
fn name_words<'a>(fmri: &'a str, mut push: impl FnMut(&'a str)) {
    let stem = stem(fmri);
    push(stem);
    stem.match_indices('/')
        .for_each(|(at, _)| push(&stem[at + 1..]));
    if let Some((_, version)) = fmri.split_once('@') {
        push(version);
        if let Some((component, _)) = version.split_once([',', '-', ':']) {
            push(component);
        }
    }
}
