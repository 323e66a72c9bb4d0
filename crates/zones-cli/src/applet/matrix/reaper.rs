//! `zones matrix reaper`: waits until its runner is gone, then halts what it left running.
//!
//! Its standard input is a pipe whose other end the runner has, and whoever boots a zone for it: at
//! the end of the file nobody will boot one any more (docs/adr/0020).

use std::io::Read as _;

use zones_runner::{ByVerbs, Site};
use zones_store::Layout;

use super::{NAME, bad};
use crate::report::{OK, fail};

pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let [tag] = args else {
        return bad("reaper is started by a run");
    };
    let mut rest = Vec::new();
    // Whatever ends the reading, there is nobody left to look after.
    let _ = std::io::stdin().read_to_end(&mut rest);
    let Ok(binary) = std::env::current_exe() else {
        return fail(NAME, "cannot find this program");
    };
    let site = Site::of(layout);
    let bed = ByVerbs::new(&binary, &site, site.folder(), None);
    match zones_runner::halt_all(&bed, tag) {
        Ok(_) => OK,
        Err(error) => fail(NAME, error),
    }
}
