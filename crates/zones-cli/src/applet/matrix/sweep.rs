//! `zones matrix gc`.

use zones_runner::{Bed as _, ByVerbs, Site};
use zones_store::Layout;

use super::desk::{self, FILE_OPTION};
use super::{NAME, bad};
use crate::getopt::{Known, flag};
use crate::report::{FAILURE, OK, fail};

const KNOWN: [Known; 3] = [FILE_OPTION, flag('\0', "kept"), flag('n', "")];

pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let given = match desk::parse(args, &KNOWN) {
        Ok(given) => given,
        Err(text) => return bad(text),
    };
    let site = Site::of(layout);
    let Ok(binary) = std::env::current_exe() else {
        return fail(NAME, "cannot find this program");
    };
    let bed = ByVerbs::new(&binary, &site, site.folder(), None);
    let alive = match site.alive() {
        Ok(alive) => alive,
        Err(error) => return fail(NAME, error),
    };
    if given.has("n") {
        return match bed.tenants() {
            Ok(tenants) => {
                let is_free = |zone: &str| alive.iter().all(|tag| !zone.starts_with(tag.as_str()));
                let free = tenants.iter().filter(|it| is_free(&it.zone));
                let free = free.filter(|it| given.has("kept") || !it.kept);
                free.for_each(|it| println!("{}", it.zone));
                OK
            }
            Err(error) => fail(NAME, error),
        };
    }
    match zones_runner::sweep(&bed, &alive, given.has("kept")) {
        Ok((gone, left)) => {
            gone.iter().for_each(|zone| println!("{zone}"));
            for (zone, error) in &left {
                fail(NAME, format!("{zone}: {error}"));
            }
            if left.is_empty() { OK } else { FAILURE }
        }
        Err(error) => fail(NAME, error),
    }
}
