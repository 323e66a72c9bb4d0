//! Datasets that a zone administers itself: it sees them, and what it makes in them, and no other.
//! Source: zfs-zone(8); zonecfg(8), "dataset".

use std::path::Path;

use super::command::{self, ZfsError};

/// Whether a zone can be given a dataset: there is one of this name.
///
/// # Errors
/// There is none, or ZFS is not here.
pub fn check_dataset(name: &str) -> Result<(), ZfsError> {
    if !is_name(name) {
        return Err(ZfsError::Refused {
            verb: "list",
            dataset: name.to_owned(),
            text: "this is no name of a dataset".to_owned(),
        });
    }
    const NAME: [&str; 6] = ["-H", "-p", "-t", "filesystem,volume", "-o", "name"];
    command::run("list", &NAME, name).map(drop)
}

/// Gives a dataset to the user namespace that `users` names, a file of proc(5). The host does not
/// mount it any more, now or later: who has had it may have set any mount point.
///
/// # Errors
/// There is no such dataset, or this ZFS knows nothing of namespaces: before 2.2.
pub fn delegate_dataset(name: &str, users: &Path) -> Result<(), ZfsError> {
    check_dataset(name)?;
    command::run("set", &["zoned=on"], name)?;
    let users = users.to_string_lossy();
    command::run_words::<&str>("zone", &[], &[&users, name]).map(drop)
}

/// Takes a dataset from a user namespace again.
///
/// # Errors
/// The namespace does not have it.
pub fn withdraw_dataset(name: &str, users: &Path) -> Result<(), ZfsError> {
    let users = users.to_string_lossy();
    command::run_words::<&str>("unzone", &[], &[&users, name]).map(drop)
}

/// Nothing that the command would take for an option, a snapshot or several names.
fn is_name(name: &str) -> bool {
    let is_letter = |it: char| it.is_ascii_alphanumeric() || "-_.: ".contains(it);
    name.split('/').all(|part| {
        part.starts_with(|it: char| it.is_ascii_alphanumeric()) && part.chars().all(is_letter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_reach_the_command() {
        for (name, is_fine) in [
            ("tank/data", true),
            ("tank", true),
            ("tank/my data/x_1.2:3-4", true),
            ("", false),
            ("-r", false),
            ("tank/-r", false),
            ("tank@snap", false),
            ("tank//x", false),
            ("tank/..", false),
        ] {
            assert_eq!(is_name(name), is_fine, "{name}");
        }
    }
}
