//! `zones matrix status`.

use zones_matrix::journal::Moment;
use zones_matrix::{Ending, report};
use zones_store::Layout;

use super::desk::{self, Desk, FILE_OPTION};
use super::{NAME, bad};
use crate::getopt::{Known, flag};
use crate::report::{OK, fail};

const KNOWN: [Known; 2] = [FILE_OPTION, flag('\0', "json")];

pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let shown = desk::parse(args, &KNOWN).map_err(bad).and_then(|given| {
        let desk = Desk::open(layout, &given)?;
        let folder = desk
            .run(given.words.first().map(String::as_str))
            .map_err(bad)?;
        let run = folder
            .run()
            .map_err(|error| fail(NAME, zones_engine::chain(&error)))?;
        if given.has("json") {
            println!("{:#}", report::json(&run));
            return Ok(OK);
        }
        let tag = zones_runner::Site::tag(&run.head.run);
        let alive = desk.site.alive().unwrap_or_default().contains(&tag);
        let state = match (run.ending, alive) {
            (Some(Ending::Complete), _) => "complete",
            (Some(Ending::Interrupted), _) => "interrupted; `zones matrix run --resume` goes on",
            (None, true) => "on its way",
            (None, false) => "its runner died; `zones matrix run --resume` goes on",
        };
        println!("{} {}: {state}", run.head.name, run.head.run);
        println!("{}", report::totals(&run));
        for cell in run.stopped_in() {
            let about = match cell.moment {
                Moment::Intent => "",
                Moment::Done => " done",
            };
            println!("  {}  {:?}{about}", cell.info.id, cell.state);
        }
        Ok(OK)
    });
    shown.unwrap_or_else(|status| status)
}
