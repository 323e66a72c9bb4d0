//! Two trees name by name: the root that was imported, and the image that was installed from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::split::Split;
use crate::table::{Rule, Table};
use crate::tree::{Kind, Node, Tree};

/// A name that is not the same in both trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path, without a leading slash.
    pub path: String,
    /// What differs.
    pub what: What,
    /// Why that is as it should be, where something says so.
    pub rule: Option<Rule>,
}

/// What differs. The first value is that of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as what they print")]
pub enum What {
    Missing,
    Unexpected,
    Type(&'static str, &'static str),
    Mode(u32, u32),
    Owner((u32, u32), (u32, u32)),
    Size(u64, u64),
    Content,
    Target(String, String),
    Device,
    Attributes,
    /// The other names of the same file.
    Names(Vec<String>, Vec<String>),
}

impl What {
    /// The word for this kind of difference in tables.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
            Self::Type(..) => "type",
            Self::Mode(..) => "mode",
            Self::Owner(..) => "owner",
            Self::Size(..) | Self::Content => "content",
            Self::Target(..) => "target",
            Self::Device => "device",
            Self::Attributes => "attributes",
            Self::Names(..) => "names",
        }
    }
}

/// Compares an image with the root that it came from, as that was split. A name may be missing if
/// no package carries it; all else is as it should be only where the table says so.
#[must_use]
pub fn compare(split: &Split, image: &Tree, exceptions: &Table) -> Vec<Difference> {
    let root = &split.tree;
    let mut found = Vec::new();
    let (own, other) = (names(root), names(image));
    let paths: BTreeSet<&String> = root.nodes.keys().chain(image.nodes.keys()).collect();
    for path in paths {
        let mut push = |what: What| {
            let by_split = match what {
                What::Missing => split.left_out.get(path),
                What::Content | What::Size(..) => rewritten(split, path, image),
                What::Names(..) => split.parted.get(path),
                _ => None,
            };
            let rule = by_split.or_else(|| exceptions.rule_for(path, what.word()));
            found.push(Difference {
                path: path.clone(),
                rule: rule.cloned(),
                what,
            });
        };
        match (root.nodes.get(path), image.nodes.get(path)) {
            (Some(_), None) => push(What::Missing),
            (None, Some(_)) => push(What::Unexpected),
            (Some(a), Some(b)) => {
                nodes(a, b).into_iter().for_each(&mut push);
                let (a, b) = (own.get(path), other.get(path));
                if a != b {
                    let list = |it: Option<&Vec<String>>| it.cloned().unwrap_or_default();
                    push(What::Names(list(a), list(b)));
                }
            }
            (None, None) => {}
        }
    }
    found
}

/// Why the content differs, if it is that which packages carry.
fn rewritten<'a>(split: &'a Split, path: &str, image: &Tree) -> Option<&'a Rule> {
    let (rule, digest) = split.rewritten.get(path)?;
    let is_it = |node: &&Node| matches!(&node.kind, Kind::File(_, found, _) if found == digest);
    image.nodes.get(path).filter(is_it).map(|_| rule)
}

fn nodes(a: &Node, b: &Node) -> Vec<What> {
    let mut found = Vec::new();
    match (&a.kind, &b.kind) {
        (Kind::File(size, digest, _), Kind::File(other_size, other, _)) => {
            if size != other_size {
                found.push(What::Size(*size, *other_size));
            } else if digest != other {
                found.push(What::Content);
            }
        }
        (Kind::Link(target), Kind::Link(other)) if target != other => {
            found.push(What::Target(target.clone(), other.clone()));
        }
        (Kind::Device(..), Kind::Device(..)) if a.kind != b.kind => found.push(What::Device),
        (one, two) if word(one) != word(two) => {
            // Nothing else of two things that are not alike can be compared.
            return vec![What::Type(word(one), word(two))];
        }
        _ => {}
    }
    // The mode of a link says nothing.
    if a.mode != b.mode && !matches!(a.kind, Kind::Link(_)) {
        found.push(What::Mode(a.mode, b.mode));
    }
    if (a.uid, a.gid) != (b.uid, b.gid) {
        found.push(What::Owner((a.uid, a.gid), (b.uid, b.gid)));
    }
    if a.xattrs != b.xattrs {
        found.push(What::Attributes);
    }
    found
}

fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Dir => "directory",
        Kind::File(..) => "regular file",
        Kind::Link(_) => "symbolic link",
        Kind::Device(..) => "device",
        Kind::Channel => "pipe or socket",
    }
}

/// For each name of a file that has several in the tree: all of them.
fn names(tree: &Tree) -> BTreeMap<&String, Vec<String>> {
    let mut files: BTreeMap<(u64, u64), Vec<&String>> = BTreeMap::new();
    for (path, node) in &tree.nodes {
        if let Some(shared) = node.shared {
            files.entry(shared).or_default().push(path);
        }
    }
    let several = files.into_values().filter(|it| it.len() > 1);
    let pairs = several.flat_map(|paths| {
        let all: Vec<String> = paths.iter().map(|it| (*it).clone()).collect();
        paths.into_iter().map(move |path| (path, all.clone()))
    });
    pairs.collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.what {
            What::Missing => f.write_str("missing")?,
            What::Unexpected => f.write_str("not in the root")?,
            What::Type(a, b) => write!(f, "{b}, should be {a}")?,
            What::Mode(a, b) => write!(f, "mode {b:04o}, should be {a:04o}")?,
            What::Owner((a, b), (c, d)) => write!(f, "owner {c}:{d}, should be {a}:{b}")?,
            What::Size(a, b) => write!(f, "{b} bytes, should be {a}")?,
            What::Content => f.write_str("other content")?,
            What::Target(a, b) => write!(f, "leads to '{b}', should lead to '{a}'")?,
            What::Device => f.write_str("another device")?,
            What::Attributes => f.write_str("other extended attributes")?,
            What::Names(a, b) => {
                let (a, b) = (a.join(" "), b.join(" "));
                write!(f, "names of the same file are [{b}], should be [{a}]")?;
            }
        }
        self.rule
            .as_ref()
            .map_or(Ok(()), |rule| write!(f, " ({})", rule.why))
    }
}
