//! What zoneadm has to do with boot environments: the one that was activated becomes the root when
//! nothing of the zone runs, before it runs again.

use zones_engine::chain;
use zones_storage::{EnvironmentError, Environments};
use zones_types::ZoneState;

use super::Target;
use crate::report::fail_zone;

fn open(target: &Target<'_>) -> Option<Environments> {
    let entry = target.store.get(&target.zone).ok().flatten()?;
    Environments::open(entry.zonepath()?.as_path()).ok()
}

/// Why an environment is left whose daemon died while it was watched, or its host.
const UNSEEN: &str = "ended before it was up";

/// Whether a trial was begun and not ended by anybody.
fn is_stranded(all: &Environments) -> bool {
    all.trial().is_some_and(|trial| trial.booted.is_some())
}

/// Makes the environment that was activated the root of a zone that is down; one that was booted
/// and not seen to come up is left for the one before.
pub(super) fn settle(target: &Target<'_>) -> Result<(), u8> {
    let wants = |all: &Environments| all.next() != all.active() || is_stranded(all);
    if !matches!(target.state, ZoneState::Installed) || !open(target).is_some_and(|it| wants(&it)) {
        return Ok(());
    }
    change(target, |all| {
        let trial = all.trial().filter(|_| is_stranded(all));
        if let Some(trial) = trial
            && all.next() == all.active()
        {
            let back = all.fall_back(UNSEEN)?;
            if let Some(previous) = &back {
                let name = &trial.name;
                eprintln!(
                    "zone '{}': boot environment {name} {UNSEEN} the last time; going back to \
                     {previous}",
                    target.zone
                );
                let fields = [("be", name.as_str()), ("to", previous), ("why", UNSEEN)];
                zones_engine::note_event(target.layout, &target.zone, "be-fallback", &fields);
            }
            return Ok(back);
        }
        all.settle()
    })
}

/// `boot -B`: another environment from now on.
pub(super) fn activate(target: &Target<'_>, name: &str) -> Result<(), u8> {
    change(target, |all| {
        all.activate(name)?;
        all.settle()
    })
}

fn change(
    target: &Target<'_>,
    act: impl FnOnce(&mut Environments) -> Result<Option<String>, EnvironmentError>,
) -> Result<(), u8> {
    let failed = |text: String| fail_zone(&target.zone, text);
    let _lock = target.lock().map_err(failed)?;
    // Somebody may have booted the zone, or done this, while this one waited.
    if zones_engine::active(target.layout, &target.zone).is_some() {
        return Ok(());
    }
    let Some(mut environments) = open(target) else {
        return Ok(());
    };
    match act(&mut environments) {
        Ok(Some(name)) => {
            eprintln!(
                "zone '{}': boot environment {name} is active now",
                target.zone
            );
            zones_engine::note_event(target.layout, &target.zone, "be-active", &[("be", &name)]);
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => Err(failed(chain(&error))),
    }
}
