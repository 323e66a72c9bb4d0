//! What layers say of the difference between two roots.

use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;
use zones_archive::Candidates;

use super::stack::Stack;
use super::store::Store;
use super::{MARKS, has_upper};
use crate::survey::{Seen, walk};
use crate::view::UPPER;

/// What is named by the layers that only one of two roots has. `None` when they share none: then
/// nothing is known.
pub(super) fn between(from: &Path, to: &Path) -> Result<Option<Candidates>, Errno> {
    let (Some(first), Some(second)) = (Stack::read(from)?, Stack::read(to)?) else {
        return Ok(None);
    };
    let pairs = first.layers.iter().rev().zip(second.layers.iter().rev());
    let common = pairs.take_while(|(one, other)| one == other).count();
    if common == 0 {
        return Ok(None);
    }
    let mut found = Candidates::default();
    for (root, stack) in [(from, &first), (to, &second)] {
        let store = Store::of(stack, root)?;
        if has_upper(root) {
            named_by(&root.join(UPPER), &mut found)?;
        }
        for layer in stack.layers.iter().rev().skip(common) {
            named_by(&store.files(layer), &mut found)?;
        }
    }
    Ok(Some(found))
}

/// Every name that a layer has, or hides.
fn named_by(layer: &Path, found: &mut Candidates) -> Result<(), Errno> {
    walk(layer, &mut |seen| {
        // The top is compared anyway.
        if !seen.path.as_os_str().is_empty() {
            found.add(seen.path.to_owned(), hides_all_below(seen)?);
        }
        Ok(())
    })
}

/// What is no folder may lie over one, as does what says that a name is gone; a folder says itself
/// when it hides or leads elsewhere.
fn hides_all_below(seen: &Seen<'_>) -> Result<bool, Errno> {
    let Some(folder) = seen.folder else {
        return Ok(true);
    };
    debug_assert!(FileType::from_raw_mode(seen.stat.st_mode).is_dir());
    let mut value = [0; 0];
    for name in MARKS {
        // With no room for the value, its length is told.
        match rustix::fs::fgetxattr(folder, name, &mut value) {
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error),
            Ok(_) => return Ok(true),
        }
    }
    Ok(false)
}
