//! `apply`: the stored configuration into the running zone.
//!
//! Source: zoneadm(8) of Solaris 11.3, `apply`. Exit status: 0 done, nothing to do, or (`-n`) it
//! could be done; 1 it cannot, and nothing was changed; 2 wrong usage.

use zones_types::ZoneState;

use super::run::bad_usage;
use super::{Target, storage};
use crate::report::{FAILURE, OK, fail_zone};

pub(super) fn run(target: &Target<'_>, args: &[String]) -> u8 {
    let (mut check, mut quiet, mut verbose) = (false, false, false);
    for arg in args {
        let letters = arg.strip_prefix('-').filter(|letters| !letters.is_empty());
        let Some(letters) = letters else {
            return bad_usage("apply");
        };
        for letter in letters.chars() {
            match letter {
                'n' => check = true,
                'q' => quiet = true,
                'v' => verbose = true,
                _ => return bad_usage("apply"),
            }
        }
    }
    let zone = &target.zone;
    if !matches!(target.state, ZoneState::Ready | ZoneState::Running) {
        let state = target.state;
        let text = format!("apply operation is invalid for zones in state '{state}'.");
        return fail_zone(zone, text);
    }
    let response = match zones_engine::apply(target.layout, zone, None, check, verbose) {
        Ok(response) => response,
        Err(error) => return fail_zone(zone, error.chain()),
    };
    for warning in &response.warnings {
        // What was looked at before a refusal names its zone already.
        if warning.starts_with("zone '") || warning.starts_with('\t') {
            eprintln!("{warning}");
        } else {
            eprintln!("zone '{zone}': {warning}");
        }
    }
    if response.done {
        let limited = target.config().and_then(|config| match check {
            true => storage::wrong(&config).map_or(Ok(()), Err),
            false => storage::limit(&config, target.zonepath()?.as_path()),
        });
        if let Err(text) = limited {
            return fail_zone(zone, text);
        }
        if !quiet {
            response.lines.iter().for_each(|line| println!("{line}"));
        }
        return OK;
    }
    for line in &response.lines {
        eprintln!("zone '{zone}': {line}");
    }
    fail_zone(zone, "nothing was changed");
    FAILURE
}
