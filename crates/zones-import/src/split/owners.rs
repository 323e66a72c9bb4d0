//! Which package carries which name of a root.

use std::collections::{BTreeMap, BTreeSet};

use zones_ips::{Action, ActionKind, Algorithm, Digest};

use crate::accounts::Accounts;
use crate::alternatives::Alternative;
use crate::database::Installed;
use crate::error::Result;
use crate::say;
use crate::table::{Rule, Table};
use crate::tree::{Kind, Node, Tree};

/// The package for what no Debian package lists.
pub(super) const UNOWNED: &str = "system/generated";

/// The package with the users and groups.
pub(super) const ACCOUNTS: &str = "system/accounts";

/// Where packages bring what dpkg(1) shall know of them; the zone makes its status of it.
const PARAGRAPHS: &str = "var/lib/dpkg/status.d";

/// The field of paragraphs that packages bring; brand ipkg knows it, too.
const MARK: &str = "X-Image-Package";

/// Files that every system must have and each makes for itself: carried empty.
const EMPTIED: [&str; 1] = ["etc/machine-id"];

/// The package for what scripts changed of a Debian package.
pub(super) fn companion(package: &str) -> String {
    format!("generated/{package}")
}

/// What was shared out.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Actions by name of the package.
    pub(super) actions: BTreeMap<String, Vec<Action>>,
    pub(super) left_out: BTreeMap<String, Rule>,
    pub(super) rewritten: BTreeMap<String, (Rule, Digest)>,
    pub(super) parted: BTreeMap<String, Rule>,
    /// Contents that are not those of the root, by package and path.
    pub(super) texts: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// Digests of licence texts by package: path, hash.
    pub(super) licenses: BTreeMap<String, (String, String)>,
}

/// Which packages list a path, by place.
type Listed<'a> = BTreeMap<&'a str, Vec<&'a Installed>>;

pub(super) fn share(
    tree: &Tree,
    installed: &[Installed],
    accounts: &Accounts,
    alternatives: &[Alternative],
    exclusions: &Table,
) -> Result<Parts> {
    let mut listed: Listed<'_> = BTreeMap::new();
    for package in installed {
        for path in &package.paths {
            listed.entry(path).or_default().push(package);
        }
    }
    let mut parts = Parts::default();
    for name in &tree.unnameable {
        let rule = Rule::new("(by its name)", "missing", "its name is not UTF-8");
        parts.left_out.insert(name.clone(), rule);
    }
    let mediated = mediate(&mut parts, &listed, alternatives);
    for (path, node) in &tree.nodes {
        if mediated.contains(path.as_str()) {
            continue;
        }
        let owners = listed.get(path.as_str()).map_or(&[][..], Vec::as_slice);
        let homes = homes(path, node, owners);
        if let Some(text) = own_text(path, node, accounts) {
            parts.rewrite(path, node, text, accounts)?;
            continue;
        }
        let mut rule = exclusions.rule(path);
        if !matches!(node.kind, Kind::Dir | Kind::Link(_)) {
            rule = rule.or_else(|| exclusions.rule_for(path, "file"));
        }
        if let ([], Some(rule)) = (homes.as_slice(), rule) {
            parts.left_out.insert(path.clone(), rule.clone());
            continue;
        }
        let is_changed = homes.first().is_some_and(|it| it.1 == Home::Companion);
        let preserve = preserve(path, owners, is_changed || homes.is_empty());
        let Some(action) = say::node(path, node, accounts, preserve)? else {
            let why = "made by the program that uses it";
            let rule = Rule::new("(pipe or socket)", "missing", why);
            parts.left_out.insert(path.clone(), rule);
            continue;
        };
        if homes.is_empty() {
            parts.add(UNOWNED.to_owned(), action.clone());
        }
        for (name, home) in homes {
            let name = match home {
                Home::Own => name.to_owned(),
                Home::Companion => companion(name),
            };
            parts.add(name, action.clone());
        }
    }
    join_hard_links(tree, &mut parts)?;
    parts.add_paragraphs(installed)?;
    find_licenses(tree, installed, &mut parts);
    Ok(parts)
}

/// Whether a package carries a file itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Home {
    Own,
    /// Its content is no longer that of the package.
    Companion,
}

/// Who carries a path. All who list a folder carry it; of others there is one.
fn homes<'a>(path: &str, node: &Node, owners: &[&'a Installed]) -> Vec<(&'a str, Home)> {
    if node.kind == Kind::Dir {
        return owners
            .iter()
            .map(|it| (it.name.as_str(), Home::Own))
            .collect();
    }
    let Some(owner) = owners.first() else {
        return Vec::new();
    };
    let is_changed = match (&node.kind, owner.sums.get(path)) {
        (Kind::File(_, _, sum), Some(unpacked)) => {
            sum != unpacked && !owner.conffiles.contains(path)
        }
        _ => false,
    };
    let home = if is_changed {
        Home::Companion
    } else {
        Home::Own
    };
    vec![(&owner.name, home)]
}

/// How an edited file is kept: configuration as dpkg keeps it, what scripts wrote as it is.
fn preserve(path: &str, owners: &[&Installed], is_generated: bool) -> Option<&'static str> {
    let is_configuration = owners.iter().any(|it| it.conffiles.contains(path));
    let is_state = ["etc/", "var/", "root/", "opt/"]
        .iter()
        .any(|it| path.starts_with(it));
    match (is_configuration, is_generated && is_state) {
        (true, _) => Some("renamenew"),
        (_, true) => Some("true"),
        _ => None,
    }
}

/// Gives the links of alternatives to the packages that offer them; their paths.
fn mediate<'a>(
    parts: &mut Parts,
    listed: &Listed<'_>,
    alternatives: &'a [Alternative],
) -> BTreeSet<&'a str> {
    let mut paths = BTreeSet::new();
    for alternative in alternatives {
        let owner = listed
            .get(alternative.program.as_str())
            .and_then(|it| it.first());
        let name = owner.map_or(UNOWNED, |it| &it.name);
        for link in &alternative.links {
            parts.add(name.to_owned(), link.clone());
        }
        paths.extend(alternative.paths.iter().map(String::as_str));
    }
    paths
}

impl Parts {
    fn add(&mut self, package: String, action: Action) {
        self.actions.entry(package).or_default().push(action);
    }

    /// Carries a file with a content of our own; what the user does with it stays.
    fn rewrite(
        &mut self,
        path: &str,
        node: &Node,
        text: Vec<u8>,
        accounts: &Accounts,
    ) -> Result<()> {
        let (package, why) = match accounts.texts.contains_key(path) {
            true => (ACCOUNTS, "passwords stay where they are"),
            false => (UNOWNED, "each zone makes its own"),
        };
        let digest = Digest::of(Algorithm::Sha1, &text);
        let node = Node {
            kind: Kind::File(text.len() as u64, digest, [0; 16]),
            shared: None,
            ..node.clone()
        };
        if let Some(action) = say::node(path, &node, accounts, Some("true"))? {
            self.add(package.to_owned(), action);
        }
        let rule = Rule::new(path, "content", why);
        self.rewritten.insert(path.to_owned(), (rule, digest));
        self.put_text(package, path, text);
        Ok(())
    }

    fn put_text(&mut self, package: &str, path: &str, text: Vec<u8>) {
        let texts = self.texts.entry(package.to_owned()).or_default();
        texts.insert(path.to_owned(), text);
    }

    /// Has each package bring its own paragraph of the status of dpkg(1): docs/adr/0017.
    fn add_paragraphs(&mut self, installed: &[Installed]) -> Result<()> {
        let mut texts: BTreeMap<&str, String> = BTreeMap::new();
        for package in installed {
            let text = texts.entry(&package.name).or_default();
            text.push_str(&held(&package.paragraph));
            text.push_str("\n\n");
        }
        for (name, text) in texts {
            let path = format!("{PARAGRAPHS}/{name}");
            let digest = Digest::of(Algorithm::Sha1, text.as_bytes());
            let owner = [("owner", "root"), ("group", "root")];
            let folder = [("path", PARAGRAPHS), ("mode", "0755")].into_iter();
            let folder = say::action(ActionKind::Dir, None, folder.chain(owner))?;
            let file = [("path", path.as_str()), ("mode", "0644")].into_iter();
            let payload = digest.to_string();
            let file = say::action(ActionKind::File, Some(&payload), file.chain(owner))?;
            self.add(name.to_owned(), folder);
            self.add(name.to_owned(), file);
            self.put_text(name, &path, text.into_bytes());
        }
        Ok(())
    }
}

/// The paragraph of an installed package, with a mark that it is pkg's: dpkg(1) and apt(8) leave
/// packages on hold alone.
fn held(paragraph: &str) -> String {
    let line = |line: &str| match line.starts_with("Status: ") {
        true => format!("Status: hold ok installed\n{MARK}: yes"),
        false => line.to_owned(),
    };
    let lines: Vec<String> = paragraph.lines().map(line).collect();
    lines.join("\n")
}

/// The content of a file that is not carried as it is.
fn own_text(path: &str, node: &Node, accounts: &Accounts) -> Option<Vec<u8>> {
    if !matches!(node.kind, Kind::File(..)) {
        return None;
    }
    let text = accounts.texts.get(path).map(|it| it.clone().into_bytes());
    text.or_else(|| EMPTIED.contains(&path).then(Vec::new))
}

/// Within a package, the second and later names of a file become hard links to the first. Names in
/// several packages become several files: a package cannot name what another one has, which may be
/// removed.
fn join_hard_links(tree: &Tree, parts: &mut Parts) -> Result<()> {
    let mut packages: BTreeMap<(u64, u64), BTreeMap<String, &str>> = BTreeMap::new();
    for (package, actions) in &parts.actions {
        for path in actions.iter().filter_map(|it| it.get("path")) {
            if let Some(shared) = tree.nodes.get(path).and_then(|it| it.shared) {
                let names = packages.entry(shared).or_default();
                names.insert(path.to_owned(), package);
            }
        }
    }
    for names in packages.into_values() {
        let apart: BTreeSet<&&str> = names.values().collect();
        if apart.len() > 1 {
            let rule = Rule::new(
                "(hard links)",
                "names",
                "names of one file in several packages",
            );
            parts
                .parted
                .extend(names.into_keys().map(|path| (path, rule.clone())));
        }
    }
    for actions in parts.actions.values_mut() {
        let mut first: BTreeMap<(u64, u64), String> = BTreeMap::new();
        for action in actions
            .iter_mut()
            .filter(|it| it.kind() == ActionKind::File)
        {
            let path = action.get("path").unwrap_or_default().to_owned();
            let Some(shared) = tree.nodes.get(&path).and_then(|it| it.shared) else {
                continue;
            };
            match first.get(&shared) {
                Some(target) => {
                    let target = relative(&path, target);
                    let pairs = [("path", path.as_str()), ("target", target.as_str())];
                    *action = say::action(ActionKind::Hardlink, None, pairs)?;
                }
                None => _ = first.insert(shared, path),
            }
        }
    }
    Ok(())
}

/// `target` as seen from the folder of `path`.
fn relative(path: &str, target: &str) -> String {
    let folders: Vec<&str> = path.split('/').rev().skip(1).collect();
    let own: Vec<&str> = folders.into_iter().rev().collect();
    let other: Vec<&str> = target.split('/').collect();
    let same = own
        .iter()
        .zip(&other[..other.len() - 1])
        .take_while(|(a, b)| a == b)
        .count();
    let up = std::iter::repeat_n("..", own.len() - same);
    up.chain(other[same..].iter().copied())
        .collect::<Vec<_>>()
        .join("/")
}

fn find_licenses(tree: &Tree, installed: &[Installed], parts: &mut Parts) {
    for package in installed {
        let path = tree.resolve(&format!("usr/share/doc/{}/copyright", package.name));
        if let Some(Kind::File(_, digest, _)) = tree.nodes.get(&path).map(|it| &it.kind) {
            let row = (path, digest.to_string());
            parts.licenses.insert(package.name.clone(), row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{held, relative};

    #[test]
    fn packages_are_on_hold_for_dpkg() {
        let text = "Package: a\nStatus: install ok installed\nDescription: x\n Status: y";
        let want = "Package: a\nStatus: hold ok installed\nX-Image-Package: yes\n\
                    Description: x\n Status: y";
        assert_eq!(held(text), want);
    }

    #[test]
    fn targets_are_seen_from_the_folder_of_the_link() {
        let rows = [
            ("usr/bin/b", "usr/bin/a", "a"),
            ("usr/lib/x/b", "usr/bin/a", "../../bin/a"),
            ("b", "usr/bin/a", "usr/bin/a"),
            ("usr/b", "a", "../a"),
        ];
        for (path, target, want) in rows {
            assert_eq!(relative(path, target), want, "{path} {target}");
        }
    }
}
