//! What roots and zones take in a pool, and what they may take.

use std::path::Path;

use rustix::io::Errno;

use super::{command, home, pointer};
use crate::driver::Cause;
use crate::usage::{Usage, walked};

/// What a dataset says of itself. Source: zfsprops(7).
struct Figures([u64; 5]);

impl Figures {
    fn of(dataset: &str) -> Result<Self, Cause> {
        const ASK: [&str; 4] = [
            "-H",
            "-p",
            "-o",
            "used,usedbydataset,referenced,quota,reservation",
        ];
        let text = command::run("list", &ASK, dataset)?;
        let numbers: Option<Vec<u64>> = text.trim().split('\t').map(|it| it.parse().ok()).collect();
        let numbers = numbers.and_then(|it| it.try_into().ok());
        let odd = || command::ZfsError::Odd {
            verb: "list",
            dataset: dataset.to_owned(),
            line: text.trim().to_owned(),
        };
        Ok(Self(numbers.ok_or_else(odd)?))
    }
}

/// Zero stands for none.
fn some(bytes: u64) -> Option<u64> {
    (bytes > 0).then_some(bytes)
}

pub(super) fn of_root(root: &Path) -> Result<Usage, Cause> {
    let Some(dataset) = pointer::resolve(root)? else {
        return Ok(walked(root)?);
    };
    let Figures([_, own, refers, ..]) = Figures::of(&dataset)?;
    Ok(Usage {
        own,
        refers,
        is_exact: true,
        ..Usage::default()
    })
}

/// With all that lies in the dataset of the zonepath, if it has one.
pub(super) fn of_zone(zonepath: &Path) -> Result<Option<Usage>, Cause> {
    let Some(dataset) = home::of(zonepath) else {
        return Ok(None);
    };
    let Figures([own, _, _, quota, reservation]) = Figures::of(&dataset)?;
    Ok(Some(Usage {
        own,
        refers: of_root(&zonepath.join("root"))?.refers,
        limit: some(quota),
        reserved: some(reservation),
        is_exact: true,
    }))
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
