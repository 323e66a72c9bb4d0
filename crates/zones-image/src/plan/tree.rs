//! Folders: those that nobody delivers any more, and those that are there only for what is in them.

use std::collections::HashSet;

use zones_ips::{ActionKind, ImagePath};

use super::collect::{Side, Table, parents};
use super::{Plan, PlanError, chosen};

/// All folders of a side: delivered, and above what is delivered.
pub(super) struct Folders<'a> {
    pub(super) all: HashSet<&'a str>,
    pub(super) delivered: HashSet<&'a str>,
}

pub(super) fn of<'a>(table: &Table<'a>, side: &Side<'a>) -> Folders<'a> {
    let mut folders = Folders {
        all: HashSet::new(),
        delivered: HashSet::new(),
    };
    for (_, action) in table.items(side) {
        let Some(path) = action.key().filter(|_| action.kind().row().has_path) else {
            continue;
        };
        if !chosen::is_chosen(action, &side.choices).unwrap_or(true) {
            continue;
        }
        if action.kind() == ActionKind::Dir {
            folders.all.insert(path);
            folders.delivered.insert(path);
        }
        for parent in parents(path) {
            // Where one is known, those above it are.
            if !folders.all.insert(parent) {
                break;
            }
        }
    }
    folders
}

pub(super) fn folders(table: &Table<'_>, plan: &mut Plan) -> Result<(), PlanError> {
    if plan.steps().next().is_none() {
        return Ok(());
    }
    let before = of(table, &table.before);
    let after = of(table, &table.after);
    let mut gone: Vec<&str> = before.all.difference(&after.all).copied().collect();
    gone.sort_unstable_by(|left, right| right.cmp(left));
    let is_implied = |path: &&&str| !after.delivered.contains(**path);
    let new = after.all.difference(&before.all);
    let mut implied: Vec<&str> = new.filter(is_implied).copied().collect();
    implied.sort_unstable();
    plan.folders_gone = checked(&gone);
    plan.folders_implied = checked(&implied);
    Ok(())
}

/// Paths of actions were checked, so all of these are whole.
fn checked(paths: &[&str]) -> Vec<ImagePath> {
    paths.iter().flat_map(|path| path.parse()).collect()
}
