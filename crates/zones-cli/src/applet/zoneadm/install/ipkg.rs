//! Brand ipkg: packages from a publisher, with the lines and tables that pkg(1) prints.

use zones_archive::Progress;
use zones_brand::ipkg::{Place, install};
use zones_brand::{Choices, Installer};
use zones_image::Event;

use super::{Job, chain};
use crate::applet::pkg;
use crate::report::FAILURE;

/// What only this brand takes is refused by all others.
pub(super) fn check(installer: Installer, choices: &Choices) -> Result<(), String> {
    let is_ours = choices.publisher.is_some() || !choices.extra.is_empty();
    if is_ours && installer != Installer::Ipkg {
        return Err("-P and -e are for zones of brand ipkg; see `zoneadm help install`".to_owned());
    }
    Ok(())
}

/// Lays the packages down in the root of the zone.
pub(super) fn fill(job: &Job<'_>) -> Result<(), String> {
    let (layout, zone) = (job.target.layout, &job.target.zone);
    let args = ["zoneadm", "-z", zone.as_str(), "install"].map(str::to_owned);
    let root = job.zonepath.root();
    let place = Place {
        zone,
        root: &root,
        layout,
        client: pkg::client(layout, &args),
    };
    let tracker = pkg::Tracker::new(false);
    let tell = |event: Event<'_>| {
        if job.screen.cancelled() {
            // What is half-made stays named: the zone is incomplete until it is uninstalled.
            eprintln!("\nInstallation cancelled due to interrupt.");
            job.screen
                .record("Installation cancelled due to interrupt.");
            zones_sys::exit_now(i32::from(FAILURE));
        }
        tracker.tell(event);
    };
    let say = |label: &str, text: &str| {
        tracker.planned();
        job.screen.line(label, text);
    };
    let done = install(&job.wanted.choices, &place, &say, &tell);
    tracker.end();
    let count = done.map_err(|error| chain(&error))?;
    job.screen.record(&format!("{count} packages installed"));
    Ok(())
}
