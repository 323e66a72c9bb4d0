//! What roots and zones take in a pool, and what they may take.

use std::path::Path;

use rustix::io::Errno;

use super::{command, home, pointer};
use crate::driver::{Cause, roots};
use crate::usage::{Usage, walked};

/// What a dataset says of itself. Source: zfsprops(7).
struct Figures {
    /// With what its snapshots alone have.
    used: u64,
    /// Since the newest snapshot, which a clone needs: ours go with their last clone.
    written: u64,
    referenced: u64,
    quota: u64,
    reservation: u64,
}

impl Figures {
    fn of(dataset: &str) -> Result<Self, Cause> {
        const ASK: [&str; 4] = [
            "-H",
            "-p",
            "-o",
            "used,written,referenced,quota,reservation",
        ];
        let text = command::run("list", &ASK, dataset)?;
        let numbers: Option<Vec<u64>> = text.trim().split('\t').map(|it| it.parse().ok()).collect();
        let numbers: Option<[u64; 5]> = numbers.and_then(|it| it.try_into().ok());
        let odd = || command::ZfsError::Odd {
            verb: "list",
            dataset: dataset.to_owned(),
            line: text.trim().to_owned(),
        };
        let [used, written, referenced, quota, reservation] = numbers.ok_or_else(odd)?;
        Ok(Self {
            used,
            written,
            referenced,
            quota,
            reservation,
        })
    }
}

/// What only the snapshot has that a dataset was made of: it goes with its last clone.
fn held(dataset: &str) -> Result<u64, Cause> {
    let origin = command::run("list", &["-H", "-o", "origin"], dataset)?;
    let origin = origin.trim();
    if origin == "-" {
        return Ok(0);
    }
    let line = command::run("list", &["-H", "-p", "-o", "used,clones"], origin)?;
    let found = line.trim().split_once('\t');
    let found = found.and_then(|(used, clones)| Some((used.parse::<u64>().ok()?, clones)));
    let (used, clones) = found.ok_or_else(|| command::ZfsError::Odd {
        verb: "list",
        dataset: origin.to_owned(),
        line: line.trim().to_owned(),
    })?;
    Ok(if clones.contains(',') { 0 } else { used })
}

/// Zero stands for none.
fn some(bytes: u64) -> Option<u64> {
    (bytes > 0).then_some(bytes)
}

pub(super) fn of_root(root: &Path) -> Result<Usage, Cause> {
    let Some(dataset) = pointer::resolve(root)? else {
        return Ok(walked(root)?);
    };
    let figures = Figures::of(&dataset)?;
    Ok(Usage {
        own: figures.written + held(&dataset)?,
        refers: figures.referenced,
        is_exact: true,
        ..Usage::default()
    })
}

/// With all that lies in the dataset of the zonepath, if it has one; else with all its roots. What
/// clones of other zones need, too, counts for the zone that it was written in.
pub(super) fn of_zone(zonepath: &Path) -> Result<Usage, Cause> {
    let refers = of_root(&zonepath.join("root"))?.refers;
    let Some(dataset) = home::of(zonepath) else {
        let mut own = 0;
        for root in roots(zonepath) {
            own += match pointer::resolve(&root)? {
                Some(dataset) => Figures::of(&dataset)?.used,
                None => walked(&root)?.own,
            };
        }
        return Ok(Usage {
            own,
            refers,
            is_exact: true,
            ..Usage::default()
        });
    };
    let figures = Figures::of(&dataset)?;
    Ok(Usage {
        own: figures.used,
        refers,
        limit: some(figures.quota),
        reserved: some(figures.reservation),
        is_exact: true,
    })
}

/// Sets `quota` or `reservation` of the dataset of a zonepath.
pub(super) fn set(zonepath: &Path, property: &str, bytes: Option<u64>) -> Result<(), Cause> {
    let Some(dataset) = home::of(zonepath) else {
        // Roots of several zones lie together there.
        return match bytes {
            None => Ok(()),
            Some(_) => Err(Errno::OPNOTSUPP.into()),
        };
    };
    let value = bytes.map_or_else(|| "none".to_owned(), |it| it.to_string());
    command::run("set", &[&format!("{property}={value}")], &dataset)?;
    Ok(())
}
