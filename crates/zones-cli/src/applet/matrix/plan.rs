//! `zones matrix plan`.

use zones_matrix::Plan;
use zones_store::Layout;

use super::bad;
use super::desk::{self, Desk, FILE_OPTION, OFFLINE, SHARD, YES};
use crate::getopt::{Known, flag, value};
use crate::report::OK;

const KNOWN: [Known; 6] = [
    FILE_OPTION,
    OFFLINE,
    YES,
    SHARD,
    flag('\0', "json"),
    value('\0', "seed"),
];

/// Only the test bed is at fault.
const TEST_BED: u8 = 2;

pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let given = match desk::parse(args, &KNOWN) {
        Ok(given) => given,
        Err(text) => return bad(text),
    };
    let seed = match given.get("seed").map(str::parse).transpose() {
        Ok(seed) => seed.unwrap_or(0),
        Err(_) => return bad("--seed is a number"),
    };
    let desk = Desk::open(layout, &given);
    let planned = desk.and_then(|desk| Ok((desk.plan(layout, &given, seed)?, desk.site)));
    let chosen = planned.and_then(|(plan, site)| Ok((desk::select(&plan, &given)?, plan, site)));
    let (places, plan, site) = match chosen {
        Ok(chosen) => chosen,
        Err(status) => return status,
    };
    // A mirror that does not answer is the fault of the test bed, as it would be in the run.
    let platforms = places.iter().map(|at| plan.platform(&plan.cells[*at]));
    let is_blocked = platforms
        .map(|it| &it.image)
        .any(|it| it.unresolved.is_some());
    let status = if is_blocked { TEST_BED } else { OK };
    if given.has("json") {
        println!("{:#}", plan.to_json());
        return status;
    }
    print(&plan, &places);
    if plan.cells.iter().any(|cell| cell.settings.disk.is_some())
        && let Err(why) = site.limits_disk()
    {
        println!("note: what a cell takes on the disk is looked at after each step only: {why}");
    }
    status
}

fn print(plan: &Plan, places: &[usize]) {
    for at in places {
        let cell = &plan.cells[*at];
        let steps: Vec<&str> = cell.steps.iter().map(|step| step.name.as_str()).collect();
        let missing = match cell.missing.as_slice() {
            [] => String::new(),
            names => format!("  blocked: no {}", names.join(", ")),
        };
        println!("{}  {}{missing}", cell.id, steps.join(" "));
    }
    for platform in &plan.platforms {
        if let Some(why) = &platform.image.unresolved {
            println!("note: cells of {} are blocked: {why}", platform.id);
        }
    }
    let all = plan.cells.len();
    let part = match places.len() == all {
        true => String::new(),
        false => format!(" of {all}"),
    };
    println!(
        "{} cells{part}, {} platforms, {} steps, run {} times with shared beginnings",
        places.len(),
        plan.platforms.len(),
        plan.steps(),
        plan.prefixes.executions()
    );
    println!("plan {}", plan.key());
}
