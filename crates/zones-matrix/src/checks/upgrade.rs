//! Checks of an upgrade.

use super::again::{failed, is_live};
use super::moments::{Absent, Extra, Moments, Repeated, upgrade};
use crate::leftovers::{
    Class, Finding, Inventory, Rules, Subject, Weight, config_kept, find, named,
};

/// The administrator's changes are kept, and nothing is in a configuration twice.
pub(super) fn config_preserved(
    moments: &Moments<'_>,
    rules: &Rules<'_>,
) -> Result<Vec<Finding>, Absent> {
    let Some([installed, edited, upgraded]) = upgrade(&moments.names()) else {
        return Ok(Vec::new());
    };
    let installed = moments.after(installed)?;
    let (edited, upgraded) = (moments.after(edited)?, moments.after(upgraded)?);
    let mut found = config_kept(installed, edited, upgraded, moments.fresh);
    // Also in files that nobody edited.
    let changes = find(edited, upgraded, rules).findings;
    for mut one in changes
        .into_iter()
        .filter(|one| one.class == Class::Doubled)
    {
        one.subject = Subject::Config;
        if !found.iter().any(|known| known.name == one.name) {
            found.push(one);
        }
    }
    Ok(found)
}

/// An upgraded zone is what a fresh installation is. Configuration may differ, and is listed.
pub(super) fn equals_fresh(
    moments: &Moments<'_>,
    rules: &Rules<'_>,
) -> Result<Vec<Finding>, Absent> {
    let Some(fresh) = moments.fresh else {
        return match moments.repeated.iter().find_map(not_fresh) {
            Some(failed) => Ok(vec![failed]),
            None => Err(Absent(
                "after a fresh installation in another clone".to_owned(),
            )),
        };
    };
    let last = moments.last()?;
    Ok(settled(find(fresh, last, rules).findings, last))
}

/// A fresh installation that was tried for this, and failed.
fn not_fresh(done: &Repeated<'_>) -> Option<Finding> {
    match done.extra {
        Extra::Fresh(step) => failed(step, done.exit),
        Extra::Again(_) => None,
    }
}

/// What runs is left out; content of declared configuration becomes a note.
pub(super) fn settled(found: Vec<Finding>, now: &Inventory) -> Vec<Finding> {
    let kept = found.into_iter().filter(|one| !is_live(one.subject));
    let mut kept: Vec<Finding> = kept.collect();
    for one in &mut kept {
        let is_file = one.subject == Subject::File && one.class == Class::Content;
        if is_file && now.config.contains(&named(&one.name)) {
            one.subject = Subject::Config;
            one.weight = Weight::Note;
        }
    }
    kept
}
