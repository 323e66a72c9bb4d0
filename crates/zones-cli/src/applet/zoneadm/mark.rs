//! `zoneadm mark`.

use zones_types::{Verb, Verdict, ZoneState, judge};

use super::Target;
use crate::report::{OK, USAGE, fail_zone};

pub(super) fn run(target: &Target<'_>, args: &[String]) -> u8 {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (force, state) = match words.as_slice() {
        ["incomplete"] => (false, ZoneState::Incomplete),
        // For repair by hand, as in Zones: not in the manual.
        ["-F", "configured"] => (true, ZoneState::Configured),
        ["-F", "installed"] => (true, ZoneState::Installed),
        _ => {
            eprintln!("usage:\tmark incomplete");
            return USAGE;
        }
    };
    if let (false, Verdict::Refuse(refusal)) = (force, judge(target.state, Verb::MarkIncomplete)) {
        return fail_zone(&target.zone, refusal);
    }
    if target.state.is_active() {
        return fail_zone(&target.zone, "mark operation is invalid for running zones.");
    }
    match target.store.set_state(&target.zone, state) {
        Ok(_) => OK,
        Err(error) => fail_zone(&target.zone, zones_engine::chain(&error)),
    }
}
