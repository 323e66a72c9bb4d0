//! Alternatives as mediated links. Source: update-alternatives(1).
//!
//! The link that users call (`usr/bin/editor`) leads to `etc/alternatives/editor` as before; that
//! one is mediated, and comes with each package that offers an alternative. A higher priority is a
//! greater mediator version.

use std::path::Path;

use zones_ips::{Action, ActionKind};
use zones_sys::RootFd;

use crate::database::text;
use crate::error::Result;
use crate::say::action;
use crate::tree::{Kind, Tree};

/// Where the records stand.
const RECORDS: &str = "var/lib/dpkg/alternatives";

/// The links of one alternative, and whose package they belong to.
#[derive(Debug)]
pub(crate) struct Alternative {
    /// What the alternative runs, links in front of the last name followed.
    pub(crate) program: String,
    pub(crate) links: Vec<Action>,
    /// The paths of the links.
    pub(crate) paths: Vec<String>,
}

/// One record: what is offered under one name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Record<'a> {
    /// Name below `etc/alternatives` and the link that users call, the master first.
    links: Vec<(&'a str, &'a str)>,
    offers: Vec<Offer<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Offer<'a> {
    priority: i64,
    /// By link; empty where it has none.
    targets: Vec<&'a str>,
}

/// All alternatives of a root.
pub(crate) fn read(root: &RootFd, tree: &Tree) -> Result<Vec<Alternative>> {
    let mut found = Vec::new();
    let prefix = format!("{RECORDS}/");
    for path in tree.nodes.keys().filter(|it| it.starts_with(&prefix)) {
        let name = Path::new(path)
            .file_name()
            .and_then(|it| it.to_str())
            .unwrap_or_default();
        let text = text(root, path)?.unwrap_or_default();
        let record = parse(name, &text);
        for at in 0..record.offers.len() {
            found.push(alternative(tree, name, &record, at)?);
        }
    }
    Ok(found)
}

fn parse<'a>(name: &'a str, text: &'a str) -> Record<'a> {
    let mut lines = text.lines().skip(1); // whether somebody chose by hand: the links say what
    let mut record = Record::default();
    if let Some(link) = lines.next() {
        record.links.push((name, link));
    }
    while let Some(slave) = lines.next().filter(|it| !it.is_empty()) {
        record.links.push((slave, lines.next().unwrap_or_default()));
    }
    while let Some(path) = lines.next().filter(|it| !it.is_empty()) {
        let priority = lines.next().and_then(|it| it.parse().ok()).unwrap_or(0);
        let slaves = lines.by_ref().take(record.links.len() - 1);
        record.offers.push(Offer {
            priority,
            targets: std::iter::once(path).chain(slaves).collect(),
        });
    }
    record
}

fn alternative(tree: &Tree, name: &str, record: &Record<'_>, at: usize) -> Result<Alternative> {
    let offer = &record.offers[at];
    let best = record.offers.iter().max_by_key(|it| it.priority);
    let current = tree.nodes.get(&format!("etc/alternatives/{name}"));
    let current = current.and_then(|it| match &it.kind {
        Kind::Link(target) => Some(target.as_str()),
        _ => None,
    });
    // Chosen by hand against the priorities.
    let is_preferred = current == Some(offer.targets[0])
        && best.is_some_and(|it| it.targets[0] != offer.targets[0]);
    let implementation = implementation(record, at);
    let version = version(offer.priority);
    let mediator = word(name);
    let mut links = Vec::new();
    let mut paths = Vec::new();
    for ((name, link), target) in record.links.iter().zip(&offer.targets) {
        let below = format!("etc/alternatives/{name}");
        let link = tree.resolve(link.trim_start_matches('/'));
        let middle = format!("/{below}");
        let is_used = |it: &crate::tree::Node| it.kind == Kind::Link(middle.clone());
        if !target.is_empty() {
            let mut pairs = vec![
                ("path", below.as_str()),
                ("target", target),
                ("mediator", &mediator),
                ("mediator-implementation", &implementation),
                ("mediator-version", &version),
            ];
            pairs.extend(is_preferred.then_some(("mediator-priority", "vendor")));
            links.push(action(ActionKind::Link, None, pairs)?);
            if tree.nodes.get(&link).is_some_and(is_used) {
                let pairs = [("path", link.as_str()), ("target", middle.as_str())];
                links.push(action(ActionKind::Link, None, pairs)?);
            }
        }
        paths.push(below);
        if tree.nodes.get(&link).is_some_and(is_used) {
            paths.push(link);
        }
    }
    Ok(Alternative {
        program: tree.resolve(offer.targets[0].trim_start_matches('/')),
        links,
        paths,
    })
}

/// Greater for a higher priority; some are below zero.
fn version(priority: i64) -> String {
    match u64::try_from(priority) {
        Ok(priority) => format!("1.{priority}"),
        Err(_) => format!("0.{}", i64::from(u32::MAX).saturating_add(priority).max(0)),
    }
}

/// The name of the program, or its path where two have that name.
fn implementation(record: &Record<'_>, at: usize) -> String {
    let name = |offer: &Offer<'_>| {
        let path = Path::new(offer.targets[0]).file_name();
        word(path.and_then(|it| it.to_str()).unwrap_or_default())
    };
    let own = name(&record.offers[at]);
    let same = record.offers.iter().filter(|it| name(it) == own).count();
    match same {
        1 => own,
        _ => word(record.offers[at].targets[0].trim_start_matches('/')),
    }
}

/// The letters that mediators may have.
fn word(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    let text: String = text.chars().map(plain).collect();
    match text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        true => text,
        false => format!("x{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, version, word};

    #[test]
    fn a_record_with_slaves_of_which_one_is_missing() {
        let text = "auto\n/usr/bin/awk\nawk.1.gz\n/usr/share/man/man1/awk.1.gz\n\n\
                    /usr/bin/mawk\n5\n/usr/share/man/man1/mawk.1.gz\n/usr/bin/gawk\n10\n\n\n";
        let record = parse("awk", text);
        assert_eq!(
            record.links[1],
            ("awk.1.gz", "/usr/share/man/man1/awk.1.gz")
        );
        assert_eq!(record.offers.len(), 2);
        assert_eq!(record.offers[0].priority, 5);
        assert_eq!(record.offers[1].targets, ["/usr/bin/gawk", ""]);
    }

    #[test]
    fn a_higher_priority_is_a_greater_version() {
        let version = |it| {
            version(it)
                .parse::<zones_ips::DotSequence>()
                .expect("a sequence")
        };
        for two in [-100, -1, 0, 5, 10, 1000].windows(2) {
            assert!(version(two[0]) < version(two[1]), "{two:?}");
        }
    }

    #[test]
    fn names_that_mediators_may_have() {
        for (text, want) in [("vim.basic", "vim.basic"), ("g++", "g__"), ("[", "x_")] {
            assert_eq!(word(text), want);
        }
    }
}
