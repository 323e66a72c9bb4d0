//! `zones matrix status`.

use std::time::{Duration, Instant};

use zones_matrix::journal::{Moment, Record};
use zones_matrix::{Ending, report};
use zones_runner::RunFolder;
use zones_store::Layout;

use super::desk::{self, Desk, FILE_OPTION};
use super::follow::Following;
use super::screen::{Screen, Style, doing};
use super::{NAME, bad};
use crate::getopt::{Known, flag};
use crate::report::{OK, fail};

const KNOWN: [Known; 3] = [FILE_OPTION, flag('\0', "json"), flag('\0', "watch")];
/// The clock of the picture goes on when nothing happens.
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let shown = desk::parse(args, &KNOWN).map_err(bad).and_then(|given| {
        let desk = Desk::open(layout, &given)?;
        let folder = desk
            .run(given.words.first().map(String::as_str))
            .map_err(bad)?;
        if given.has("watch") {
            let format = given.has("json").then_some("json");
            watch(&desk, &folder, Style::of(format).map_err(bad)?)?;
            if given.has("json") {
                return Ok(OK);
            }
        }
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
            let steps: Vec<&str> = cell.info.steps.iter().map(|it| it.name.as_str()).collect();
            println!("  {}  {}{about}", cell.info.id, doing(cell.state, &steps));
        }
        Ok(OK)
    });
    shown.unwrap_or_else(|status| status)
}

/// Shows a run as it goes, until it ends or its runner dies.
fn watch(desk: &Desk, folder: &RunFolder, style: Style) -> Result<(), u8> {
    let failed = |text: String| fail(NAME, text);
    let first = folder.read();
    let first = first.map_err(|error| failed(zones_engine::chain(&error)))?;
    let Some(Record::Run(head)) = first.lines.first().map(|line| &line.record) else {
        return Err(failed("the journal has no head".to_owned()));
    };
    let following = Following::new(folder, &desk.site, &head.run);
    let following = following.map_err(|error| failed(format!("cannot follow: {error}")))?;
    let history = desk.history();
    let screen = Screen::new(style, head.name.clone(), &history);
    let mut shown = 0;
    let (mut at, mut since) = (Duration::ZERO, Instant::now());
    loop {
        let (journal, is_alive) = following.read();
        let journal = journal.map_err(|error| failed(zones_engine::chain(&error)))?;
        for line in journal.lines.iter().skip(shown) {
            (at, since) = (Duration::from_micros(line.at), Instant::now());
            screen.see(at, &line.record);
        }
        shown = journal.lines.len();
        let last = journal.lines.last().map(|line| &line.record);
        if matches!(last, Some(Record::End { .. })) || !is_alive {
            screen.end();
            return Ok(());
        }
        screen.refresh(at + since.elapsed());
        following.wait(SECOND);
    }
}
