//! Actions from parts, and from what stands in a root.

use zones_ips::{Action, ActionKind};

use crate::accounts::Accounts;
use crate::error::{ImportError, Result};
use crate::tree::{Kind, Node};

/// The attribute with the file capabilities, as the hexadecimal value of `security.capability`.
pub(crate) const CAPABILITIES: &str = "linux.cap";
/// The attribute with other extended attributes, `NAME:HEXADECIMAL` each.
pub(crate) const XATTR: &str = "linux.xattr";
/// The attribute that makes an empty file a device: `c:MAJOR:MINOR` or `b:MAJOR:MINOR`.
pub(crate) const DEVICE: &str = "linux.device";

/// An action of these parts.
pub(crate) fn action<'a>(
    kind: ActionKind,
    payload: Option<&str>,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Action> {
    let pairs: Vec<_> = pairs.into_iter().collect();
    Action::new(kind, payload, pairs.iter().copied()).map_err(|source| ImportError::Unsayable {
        what: pairs.first().map_or_else(String::new, |it| it.1.to_owned()),
        source: Box::new(source),
    })
}

/// `set name=NAME value=VALUE`.
pub(crate) fn set(name: &str, value: &str) -> Result<Action> {
    action(ActionKind::Set, None, [("name", name), ("value", value)])
}

/// `depend type=KIND fmri=...`.
pub(crate) fn depend(kind: &str, targets: &[String]) -> Result<Action> {
    let targets = targets.iter().map(|it| ("fmri", it.as_str()));
    action(ActionKind::Depend, None, targets.chain([("type", kind)]))
}

/// What lays a name down as it is in the root; none for what only its user can make.
pub(crate) fn node(
    path: &str,
    node: &Node,
    accounts: &Accounts,
    preserve: Option<&str>,
) -> Result<Option<Action>> {
    if let Kind::Link(target) = &node.kind {
        let pairs = [("path", path), ("target", target.as_str())];
        return action(ActionKind::Link, None, pairs).map(Some);
    }
    let (owner, group) = accounts.owner(path, node)?;
    let mode = format!("{:04o}", node.mode);
    let mut pairs = vec![
        ("path", path),
        ("owner", owner),
        ("group", group),
        ("mode", &mode),
    ];
    let device;
    let (kind, payload) = match &node.kind {
        Kind::Dir => (ActionKind::Dir, None),
        Kind::File(_, digest, _) => {
            pairs.extend(preserve.map(|it| ("preserve", it)));
            (ActionKind::File, Some(digest.to_string()))
        }
        Kind::Device(letter, major, minor) => {
            device = format!("{letter}:{major}:{minor}");
            pairs.push((DEVICE, &device));
            let empty = zones_ips::Digest::of(zones_ips::Algorithm::Sha1, b"");
            (ActionKind::File, Some(empty.to_string()))
        }
        Kind::Channel | Kind::Link(_) => return Ok(None),
    };
    let xattrs: Vec<(&str, String)> = node.xattrs.iter().filter_map(xattr).collect();
    pairs.extend(xattrs.iter().map(|(key, value)| (*key, value.as_str())));
    action(kind, payload.as_deref(), pairs).map(Some)
}

/// The attribute for an extended attribute. Labels of the host's security module are its own.
fn xattr((name, value): &(String, Vec<u8>)) -> Option<(&'static str, String)> {
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    match name.as_str() {
        "security.capability" => Some((CAPABILITIES, hex)),
        name if name.starts_with("security.") => None,
        name => Some((XATTR, format!("{name}:{hex}"))),
    }
}
