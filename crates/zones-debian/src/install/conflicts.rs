//! Files that two packages bring. Packages are unpacked in no order, so the right one is put
//! in place afterwards. Source: Debian policy 7.6 (Replaces).

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use zones_archive::Layer;
use zones_sys::RootFd;

use crate::database::write_info;
use crate::depends::{Target, groups};
use crate::error::DebianError;
use crate::lay::{Laid, lay};
use crate::plan::{Plan, PlannedPackage};
use crate::skeleton::merged;

/// Finds such files and settles each. `laid` is sorted by number.
pub(super) fn settle(
    plan: &Plan,
    root: &RootFd,
    laid: &mut [Laid],
    open: impl Fn(usize) -> Result<File, DebianError>,
) -> Result<(), DebianError> {
    let merged = merged(plan);
    let mut owner: HashMap<PathBuf, usize> = HashMap::new();
    // Winner, and the path by which it and the loser name the file.
    let mut wins: HashMap<usize, Vec<PathBuf>> = HashMap::new();
    let mut losses: Vec<(usize, PathBuf)> = Vec::new();
    for (at, one) in laid.iter().enumerate() {
        for path in &one.files {
            let Some(other) = owner.insert(place(path, &merged), at) else {
                continue;
            };
            if other == at {
                continue;
            }
            let (a, b) = (
                &plan.packages[laid[other].number],
                &plan.packages[one.number],
            );
            let (winner, loser) = match (replaces(a, b), replaces(b, a)) {
                (true, false) => (other, at),
                (_, true) => (at, other),
                (false, false) => {
                    return Err(DebianError::FileConflict {
                        first: a.name.clone(),
                        second: b.name.clone(),
                        path: Path::new("/").join(path),
                    });
                }
            };
            owner.insert(place(path, &merged), winner);
            let named = |i: usize| {
                let same = |p: &&PathBuf| place(p, &merged) == place(path, &merged);
                laid[i]
                    .files
                    .iter()
                    .find(same)
                    .cloned()
                    .unwrap_or_else(|| path.clone())
            };
            wins.entry(winner).or_default().push(named(winner));
            losses.push((loser, named(loser)));
        }
    }
    for (winner, paths) in wins {
        let number = laid[winner].number;
        let mut layer = Layer::new(root);
        lay(
            number,
            &plan.packages[number],
            open(number)?,
            &mut layer,
            Some(&paths),
        )?;
    }
    for (loser, path) in &losses {
        laid[*loser].list.retain(|p| p != path);
        write_info(root, &laid[*loser])?;
    }
    Ok(())
}

/// The path without the links of a merged `/usr`.
fn place(path: &Path, merged: &[&str]) -> PathBuf {
    let first = path.components().next().map(|c| c.as_os_str());
    if first.is_some_and(|f| merged.iter().any(|m| f == *m)) {
        return Path::new("usr").join(path);
    }
    path.to_owned()
}

fn replaces(a: &PlannedPackage, b: &PlannedPackage) -> bool {
    let mut targets = groups(&a.replaces).filter_map(Target::parse);
    targets.any(|t| t.name == b.name && t.accepts(&b.version))
}
