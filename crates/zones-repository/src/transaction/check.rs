//! What a package must be before it is published. Source: pkgsend(1), pkg(7).

use zones_ips::{Action, ActionKind, Digest, Fmri, Manifest};

use crate::error::{RepositoryError, Result};

fn refused<T>(why: String) -> Result<T> {
    Err(RepositoryError::Refused(why))
}

/// One action on its way in.
pub(super) fn added(action: &Action, is_append: bool) -> Result<()> {
    if is_append && action.kind() != ActionKind::Signature {
        return Err(RepositoryError::OnlySignatures);
    }
    if action.kind() == ActionKind::Set && action.get("name") == Some("pkg.fmri") {
        return refused("the name of the package was given when the transaction began".to_owned());
    }
    Ok(action.check()?)
}

pub(super) fn no_content(action: &Action) -> RepositoryError {
    RepositoryError::Refused(format!("the action has no content: {action}"))
}

/// A manifest for a transaction names no other package.
pub(super) fn named(manifest: &Manifest, fmri: &Fmri) -> Result<()> {
    let mut names = manifest.set_values("pkg.fmri");
    let Some(name) = names.next() else {
        return Ok(());
    };
    let own: Fmri = name.parse().map_err(zones_ips::ManifestError::from)?;
    let dated = |own: &Fmri| match own.version() {
        Some(version) if version.timestamp().is_none() => fmri.version().map(|it| it.timeless()),
        _ => fmri.version().cloned(),
    };
    let is_same = own.is_same_package(fmri) && own.version() == dated(&own).as_ref();
    if !is_same || names.next().is_some() {
        return refused(format!("the manifest is that of {own}, not of {fmri}"));
    }
    Ok(())
}

/// The whole package.
pub(super) fn whole(manifest: &Manifest, fmri: &Fmri) -> Result<()> {
    let own = manifest.fmri()?;
    if own != *fmri {
        return refused(format!("the manifest is that of {own}, not of {fmri}"));
    }
    for action in manifest.actions() {
        action.check()?;
    }
    let (obsolete, renamed) = (manifest.is("pkg.obsolete"), manifest.is("pkg.renamed"));
    if obsolete && renamed {
        return refused(
            "A package may not be marked for both obsolescence and renaming.".to_owned(),
        );
    }
    let depends = manifest.of_kind(ActionKind::Depend);
    if renamed && depends.count() == 0 {
        return refused("A renamed package must contain a 'depend' action.".to_owned());
    }
    let (state, allowed): (_, &[ActionKind]) = match (obsolete, renamed) {
        (true, _) => ("an obsolete", &[ActionKind::Set, ActionKind::Signature]),
        (_, true) => (
            "a renamed",
            &[ActionKind::Set, ActionKind::Depend, ActionKind::Signature],
        ),
        _ => return Ok(()),
    };
    let mut actions = manifest.actions().iter();
    match actions.find(|action| !allowed.contains(&action.kind())) {
        Some(action) => {
            let kind = action.kind();
            refused(format!(
                "A '{kind}' action cannot be present in {state} package: {action}"
            ))
        }
        None => Ok(()),
    }
}

/// Only signatures came to what was published.
pub(super) fn appended(old: &Manifest, new: &Manifest) -> Result<()> {
    let plain = |manifest: &Manifest| -> Vec<String> {
        let actions = manifest.actions().iter();
        let plain = actions.filter(|action| action.kind() != ActionKind::Signature);
        plain.map(ToString::to_string).collect()
    };
    if plain(old) == plain(new) {
        Ok(())
    } else {
        Err(RepositoryError::OnlySignatures)
    }
}

/// The error for a payload that is nowhere: names the action that wants it.
pub(super) fn absent(manifest: &Manifest, name: &Digest) -> RepositoryError {
    let text = name.to_string();
    let mut actions = manifest.actions().iter();
    match actions.find(|action| action.payload() == Some(&*text)) {
        Some(action) => no_content(action),
        None => RepositoryError::NoPayload(*name),
    }
}
