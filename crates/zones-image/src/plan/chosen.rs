//! What the mediators of one side choose.

use std::collections::BTreeMap;

use zones_ips::mediator::{self, Choice, Mediation, Setting};
use zones_ips::{Action, ActionError, ActionKind};

use super::{Package, Policy};

/// Whether an action is a link that a mediator may choose.
pub(super) fn is_mediated(action: &Action) -> bool {
    matches!(action.kind(), ActionKind::Link | ActionKind::Hardlink)
        && action.attributes().contains("mediator")
}

/// The choice of each mediator that has a link or a setting.
pub(super) fn choices<'a>(
    links: impl Iterator<Item = &'a Mediation>,
    policy: &Policy,
) -> BTreeMap<String, Choice> {
    let mut by_name: BTreeMap<&str, Vec<&Mediation>> = BTreeMap::new();
    for name in policy.mediators.keys() {
        by_name.insert(name, Vec::new());
    }
    for link in links {
        by_name.entry(&link.mediator).or_default().push(link);
    }
    let none = Setting::default();
    let chosen = by_name.into_iter().filter_map(|(name, links)| {
        let setting = policy.mediators.get(name).unwrap_or(&none);
        let choice = mediator::choose(links, setting)?;
        Some((name.to_owned(), choice))
    });
    chosen.collect()
}

/// Whether the side gets the action: it is no mediated link, or the one that is chosen.
pub(crate) fn is_chosen(
    action: &Action,
    choices: &BTreeMap<String, Choice>,
) -> Result<bool, ActionError> {
    if !is_mediated(action) {
        return Ok(true);
    }
    let Some(mediation) = action.mediation()? else {
        return Ok(true);
    };
    let choice = choices.get(&*mediation.mediator);
    Ok(choice.is_some_and(|choice| choice.selects(&mediation)))
}

/// The choices over packages; a link that cannot be read takes no part.
pub(crate) fn of_packages(packages: &[Package], policy: &Policy) -> BTreeMap<String, Choice> {
    let actions = packages.iter().flat_map(|it| it.manifest.actions());
    let links = actions.filter(|action| is_mediated(action) && policy.allow(action));
    let links: Vec<_> = links
        .filter_map(|action| action.mediation().ok().flatten())
        .collect();
    choices(links.iter(), policy)
}
