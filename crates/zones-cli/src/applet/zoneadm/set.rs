//! `zoneadm set`: what a zone may take on the disk, in its configuration and at once.

use zones_config::{Attr, AttrType};
use zones_engine::chain;
use zones_types::ZoneState;

use super::storage::{SIZES, Wanted, put, size};
use super::{Target, run as verbs};
use crate::report::{OK, fail_zone};

pub(super) fn run(target: &Target<'_>, args: &[String]) -> u8 {
    let pairs: Option<Vec<(&str, &str)>> = args.iter().map(|it| it.split_once('=')).collect();
    let known = |(name, _): &(&str, &str)| SIZES.contains(name);
    match pairs {
        Some(pairs) if !pairs.is_empty() && pairs.iter().all(known) => {
            set(target, &pairs).map_or_else(|text| fail_zone(&target.zone, text), |()| OK)
        }
        _ => verbs::bad_usage("set"),
    }
}

/// The disk first: what it refuses is not written down.
fn set(target: &Target<'_>, pairs: &[(&str, &str)]) -> Result<(), String> {
    let _lock = target.lock()?;
    let mut config = target
        .store
        .load(&target.zone)
        .map_err(|error| chain(&error))?;
    for (name, value) in pairs {
        let is_set = size(name, value)?.is_some();
        config.attrs.retain(|it| it.name != *name);
        if is_set {
            config.attrs.push(Attr {
                name: (*name).to_owned(),
                attr_type: AttrType::String,
                value: (*value).to_owned(),
            });
        }
    }
    let wanted = Wanted::of(&config)?;
    if target.state >= ZoneState::Installed {
        put(wanted, target.zonepath()?.as_path())?;
    }
    let saved = target.store.save(&config);
    saved.map(drop).map_err(|error| chain(&error))
}
