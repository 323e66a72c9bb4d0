//! What zoneadm has to do with boot environments: the one that was activated becomes the root when
//! nothing of the zone runs, before it runs again.

use zones_engine::{Request, chain};
use zones_storage::Environments;
use zones_store::Lock;
use zones_types::ZoneState;

use super::{Target, run};
use crate::report::fail_zone;

fn open(target: &Target<'_>) -> Option<Environments> {
    let entry = target.store.get(&target.zone).ok().flatten()?;
    Environments::open(entry.zonepath()?.as_path()).ok()
}

/// Whether another environment is to become the root.
pub(super) fn is_pending(target: &Target<'_>) -> bool {
    open(target).is_some_and(|it| it.next() != it.active())
}

/// Makes the environment that was activated the root of a zone that is down.
pub(super) fn settle(target: &Target<'_>) -> Result<(), u8> {
    if !matches!(target.state, ZoneState::Installed) || !is_pending(target) {
        return Ok(());
    }
    let failed = |text: String| fail_zone(&target.zone, text);
    let _lock = match crate::env::lock_is_held() {
        true => None,
        false => {
            Some(Lock::zone(target.layout, &target.zone).map_err(|error| failed(chain(&error)))?)
        }
    };
    // Somebody may have booted the zone, or done this, while this one waited.
    if zones_engine::active(target.layout, &target.zone).is_some() {
        return Ok(());
    }
    let Some(mut environments) = open(target) else {
        return Ok(());
    };
    match environments.settle() {
        Ok(Some(name)) => {
            eprintln!(
                "zone '{}': boot environment {name} is active now",
                target.zone
            );
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => Err(failed(chain(&error))),
    }
}

/// A reboot into another environment: the zone must be down in between.
pub(super) fn reboot(target: &Target<'_>, words: Vec<String>) -> u8 {
    let halted = run::call(target, &Request::Halt);
    if halted != crate::report::OK {
        return halted;
    }
    let down = Target {
        layout: target.layout,
        store: zones_store::Store::open(target.layout.clone()),
        zone: target.zone.clone(),
        state: ZoneState::Installed,
    };
    if let Err(status) = settle(&down) {
        return status;
    }
    run::call(&down, &Request::Boot { args: words })
}
