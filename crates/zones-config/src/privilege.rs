//! `limitpriv`: names of privileges, and what they mean in capabilities of Linux.
//!
//! Source: illumos privileges(7) and the `privset` of its brands; capabilities(7).

mod table;

use std::collections::BTreeSet;

use crate::{IpType, Reason};

use table::{Class, PRIVILEGES, Privilege};

/// How `limitpriv` differs from the default set, in capabilities of Linux (`CAP_SYS_TIME` ...).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CapabilityChange {
    /// Given on top of the default.
    pub added: BTreeSet<&'static str>,
    /// Taken away from the default.
    pub removed: BTreeSet<&'static str>,
}

/// A `limitpriv` that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivilegeError {
    /// No such name.
    #[error("invalid privilege: {0}")]
    Unknown(String),
    /// No zone may have it.
    #[error("prohibited privilege: {0}")]
    Prohibited(&'static str),
    /// No zone works without it.
    #[error("required privilege is missing: {0}")]
    Missing(&'static str),
}

impl PrivilegeError {
    /// The classic reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Unknown(_) => Reason::PrivUnknown,
            Self::Prohibited(_) => Reason::PrivProhibited,
            Self::Missing(_) => Reason::PrivRequired,
        }
    }
}

/// What `limitpriv` changes in the capabilities of a zone; nothing when the text is empty.
///
/// The text is a comma list. `default`, `basic`, `zone`, `all` and `none` stand for sets, a name
/// adds a privilege, `-name` or `!name` takes it away; `PRIV_` before a name is ignored, as is
/// case. Several privileges share a capability: it goes only when none of them is left.
///
/// Errors: a name that is unknown, prohibited in zones, or missing though every zone needs it.
pub fn limitpriv_capabilities(
    limitpriv: &str,
    ip_type: IpType,
) -> Result<CapabilityChange, PrivilegeError> {
    if limitpriv.is_empty() {
        return Ok(CapabilityChange::default());
    }
    let default: BTreeSet<usize> = members(|row| is_default(row, ip_type)).collect();
    let chosen = choose(limitpriv, &default, ip_type)?;
    for (at, row) in PRIVILEGES.iter().enumerate() {
        if class(row, ip_type) == Class::Required && !chosen.contains(&at) {
            return Err(PrivilegeError::Missing(row.name));
        }
    }
    let (before, after) = (capabilities(&default), capabilities(&chosen));
    Ok(CapabilityChange {
        added: after.difference(&before).copied().collect(),
        removed: before.difference(&after).copied().collect(),
    })
}

/// The capabilities of the privileges that the text adds by their own names, not by a set: what an
/// administrator asked for in so many words. Names that are unknown or prohibited count for
/// nothing.
#[must_use]
pub fn named_capabilities(limitpriv: &str) -> BTreeSet<&'static str> {
    let named = limitpriv.split(',').filter_map(|token| {
        let lower = token.to_ascii_lowercase();
        let name = lower.strip_prefix("priv_").unwrap_or(&lower);
        PRIVILEGES.iter().find(|row| row.name == name)
    });
    named
        .filter(|row| row.shared != Class::Prohibited || row.exclusive != Class::Prohibited)
        .flat_map(|row| row.capabilities.iter().copied())
        .collect()
}

/// All known names, for completion.
pub fn privilege_names() -> impl Iterator<Item = &'static str> {
    PRIVILEGES.iter().map(|row| row.name)
}

fn choose(
    limitpriv: &str,
    default: &BTreeSet<usize>,
    ip_type: IpType,
) -> Result<BTreeSet<usize>, PrivilegeError> {
    let mut chosen = BTreeSet::new();
    for token in limitpriv.split(',') {
        let bare = token.trim_start_matches(['-', '!']);
        let lower = bare.to_ascii_lowercase();
        let name = lower.strip_prefix("priv_").unwrap_or(&lower);
        let named: BTreeSet<usize> = match name {
            "default" => default.clone(),
            "basic" => members(|row| row.basic).collect(),
            "zone" | "all" => members(|row| class(row, ip_type) != Class::Prohibited).collect(),
            "none" => BTreeSet::new(),
            _ => members(|row| row.name == name).take(1).collect(),
        };
        let is_set = ["default", "basic", "zone", "all", "none"].contains(&name);
        if named.is_empty() && !is_set {
            return Err(PrivilegeError::Unknown(bare.to_owned()));
        }
        if bare.len() != token.len() {
            chosen.retain(|at| !named.contains(at));
            continue;
        }
        if let Some(bad) = named
            .iter()
            .map(|at| &PRIVILEGES[*at])
            .find(|row| class(row, ip_type) == Class::Prohibited)
        {
            return Err(PrivilegeError::Prohibited(bad.name));
        }
        chosen.extend(named);
    }
    Ok(chosen)
}

fn members(keep: impl Fn(&Privilege) -> bool) -> impl Iterator<Item = usize> {
    PRIVILEGES
        .iter()
        .enumerate()
        .filter(move |(_, row)| keep(row))
        .map(|(at, _)| at)
}

fn class(row: &Privilege, ip_type: IpType) -> Class {
    match ip_type {
        IpType::Shared => row.shared,
        IpType::Exclusive => row.exclusive,
    }
}

fn is_default(row: &Privilege, ip_type: IpType) -> bool {
    matches!(class(row, ip_type), Class::Default | Class::Required)
}

fn capabilities(set: &BTreeSet<usize>) -> BTreeSet<&'static str> {
    set.iter()
        .flat_map(|at| PRIVILEGES[*at].capabilities.iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(text: &str) -> CapabilityChange {
        limitpriv_capabilities(text, IpType::Shared).unwrap()
    }

    fn set(names: &[&'static str]) -> BTreeSet<&'static str> {
        names.iter().copied().collect()
    }

    #[test]
    fn the_default_changes_nothing() {
        assert_eq!(change(""), CapabilityChange::default());
        assert_eq!(change("default"), CapabilityChange::default());
        assert_eq!(
            change("default,PRIV_NET_PRIVADDR"),
            CapabilityChange::default()
        );
    }

    #[test]
    fn privileges_come_and_go() {
        assert_eq!(change("default,sys_time").added, set(&["CAP_SYS_TIME"]));
        assert_eq!(change("default,!file_setid").removed, set(&["CAP_FSETID"]));
        assert_eq!(
            change("default,-sys_admin").removed,
            set(&["CAP_SYS_ADMIN"])
        );
        // file_dac_search still needs the capability that file_dac_read had.
        assert_eq!(change("default,-file_dac_read").removed, set(&[]));
        let bare = change("basic,sys_mount");
        assert!(bare.removed.contains("CAP_CHOWN") && bare.added.is_empty());
    }

    #[test]
    fn sets_do_not_name_what_is_in_them() {
        assert_eq!(named_capabilities("default,all,!sys_admin"), set(&[]));
        let named = named_capabilities("default,PRIV_SYS_ADMIN,proc_owner,nonsense");
        assert_eq!(named, set(&["CAP_SYS_ADMIN", "CAP_KILL", "CAP_SYS_PTRACE"]));
    }

    #[test]
    fn raw_sockets_are_default_only_with_an_own_stack() {
        assert_eq!(change("default,net_rawaccess").added, set(&["CAP_NET_RAW"]));
        let own = limitpriv_capabilities("default,!net_rawaccess", IpType::Exclusive).unwrap();
        assert_eq!(own.removed, set(&["CAP_NET_RAW"]));
    }

    #[test]
    fn impossible_sets_are_refused_by_name() {
        let refuse = |text| limitpriv_capabilities(text, IpType::Shared).unwrap_err();
        assert_eq!(
            refuse("default,sys_tyme"),
            PrivilegeError::Unknown("sys_tyme".into())
        );
        assert_eq!(refuse("default,"), PrivilegeError::Unknown(String::new()));
        assert_eq!(
            refuse("default,sys_linkdir"),
            PrivilegeError::Prohibited("sys_linkdir")
        );
        assert_eq!(
            refuse("default,!proc_fork"),
            PrivilegeError::Missing("proc_fork")
        );
    }
}
