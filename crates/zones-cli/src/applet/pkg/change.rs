//! Operations that change packages: one way for all of them.

use zones_image::plan::Plan;
use zones_image::{Done, Image, ImageError, ImageLock, Planned, Wanted};
use zones_solver::Operation;

use super::environment::{self, Kind};
use super::linked::Children;
use super::options::Parsed;
use super::owner;
use super::text::{patterns, size};
use super::tracker::{Style, Tracker};
use super::{Call, NOTHING, Outcome, Stop, usage};
use crate::report::OK;

pub(super) fn install(call: &Call<'_>) -> Outcome {
    packages(call, Operation::Install)
}

pub(super) fn exact_install(call: &Call<'_>) -> Outcome {
    packages(call, Operation::ExactInstall)
}

pub(super) fn uninstall(call: &Call<'_>) -> Outcome {
    packages(call, Operation::Uninstall)
}

pub(super) fn update(call: &Call<'_>) -> Outcome {
    let names = call.words.operands.iter().map(String::as_str);
    let names: Vec<&str> = names.filter(|it| *it != "*").collect();
    run(call, Wanted::new(Operation::Update(patterns(names)?)))
}

fn packages(call: &Call<'_>, of: fn(Vec<zones_ips::Pattern>) -> Operation) -> Outcome {
    if call.words.operands.is_empty() {
        return Err(usage("at least one package name required"));
    }
    let names = call.words.operands.iter().map(String::as_str);
    run(call, Wanted::new(of(patterns(names)?)))
}

/// Plans, shows and carries out an operation, and notes it in the history.
pub(super) fn run(call: &Call<'_>, wanted: Wanted) -> Outcome {
    let mut image = call.image()?;
    owner::warn_of_strangers(&image);
    let mut made = None;
    let lock = match image.lock() {
        Err(ImageError::InUse(_)) => {
            let (copy, environment) = environment::instead(call, image)?;
            made = Some(environment);
            image = copy;
            image.lock()?
        }
        other => other?,
    };
    let outcome = operate(call, &mut image, &lock, wanted);
    if !call.words.has("trial") {
        call.note(&image, &outcome);
    }
    drop((lock, image));
    match (made, &outcome) {
        (Some(made), Ok(status)) if *status != NOTHING && !call.words.has("trial") => {
            made.end(call)?;
        }
        (Some(made), Err(_)) => made.back_out(),
        _ => {}
    }
    outcome
}

/// As [`run`], for an image that is locked.
pub(super) fn operate(
    call: &Call<'_>,
    image: &mut Image,
    lock: &ImageLock,
    mut wanted: Wanted,
) -> Outcome {
    let words = &call.words;
    wanted.reject.extend(patterns(words.values("reject"))?);
    wanted.is_missing_ignored |= words.has("ignore-missing");
    wanted.is_offline |= words.has("no-refresh");
    let tracker = tracker(words)?;
    let tell = |event: zones_image::Event<'_>| tracker.tell(event);
    let wish = wanted.wish.clone();
    let planned = image.plan(call.name, wanted, &tell);
    tracker.planned();
    let planned = planned?;
    let children = Children::of(call, image)?;
    // The children are planned against what this image will have, before anything is changed.
    let below = children.plan(call, image, &planned, &wish)?;
    if planned.is_empty() && below.is_empty() {
        return nothing(call);
    }
    let status = carry_out(call, image, lock, &planned, &tracker)?;
    if words.has("trial") {
        return Ok(status);
    }
    Ok(status.max(below.carry_out(call, image)))
}

/// Shows a plan and carries it out, unless it is only tried.
pub(super) fn carry_out(
    call: &Call<'_>,
    image: &mut Image,
    lock: &ImageLock,
    planned: &Planned,
    tracker: &Tracker,
) -> Outcome {
    let words = &call.words;
    if let Some(version) = words.value("parsable") {
        if version != "0" {
            return Err(usage(format!(
                "unsupported parsable version '{version}'; it is 0"
            )));
        }
        println!("{}", planned.plan.parsable());
    } else if !words.has("quiet") {
        summary(call, &planned.plan);
    }
    licenses(words, &planned.plan)?;
    if words.has("trial") {
        return Ok(OK);
    }
    if planned.is_empty() {
        return Ok(OK);
    }
    match environment::kind(call, image, !planned.plan.changes().is_empty())? {
        Kind::None => execute(image, lock, planned, tracker)?,
        Kind::Backup(name) => {
            let name = environment::backup(call, image, name)?;
            if !words.has("quiet") {
                println!("A backup boot environment was made: {name}");
            }
            execute(image, lock, planned, tracker)?;
        }
        Kind::New(name) => {
            let (mut copy, made) = environment::make(call, image, name)?;
            let done = copy.lock().map_err(Stop::from);
            let done = done.and_then(|lock| execute(&mut copy, &lock, planned, tracker));
            drop(copy);
            if let Err(error) = done {
                made.back_out();
                return Err(error);
            }
            made.end(call)?;
        }
    }
    Ok(OK)
}

fn execute(
    image: &mut Image,
    lock: &ImageLock,
    planned: &Planned,
    tracker: &Tracker,
) -> Result<(), Stop> {
    let tell = |event: zones_image::Event<'_>| tracker.tell(event);
    let done = image.execute(planned, lock, &tell);
    tracker.end();
    after(&done?);
    Ok(())
}

fn after(done: &Done) {
    for warning in &done.report.warnings {
        eprintln!("pkg: {warning}");
    }
    if !done.report.salvaged.is_empty() {
        println!(
            "\nThe following unexpected or editable files and directories were\nsalvaged while executing the requested package operation; they\nhave been moved to the displayed location in the image:\n"
        );
        for (from, to) in &done.report.salvaged {
            println!("  {from} -> /{to}");
        }
    }
}

fn nothing(call: &Call<'_>) -> Outcome {
    if !call.words.has("quiet") && call.words.value("parsable").is_none() {
        let kind = if call.name == "update" {
            "available"
        } else {
            "necessary"
        };
        println!("No updates {kind} for this image.");
    }
    Ok(NOTHING)
}

pub(super) fn tracker(words: &Parsed) -> Result<Tracker, Stop> {
    if words.value("parsable").is_some() {
        return Ok(Tracker::with(Style::Quiet));
    }
    Ok(Tracker::new(words.has("quiet")))
}

/// Licences that must be accepted are, or the operation ends with status 6.
fn licenses(words: &Parsed, plan: &Plan) -> Result<(), Stop> {
    if words.has("licenses") {
        for license in plan.licenses() {
            let action = plan.action(license.item);
            println!(
                "{}: license {}",
                plan.fmri(license.item).stem(),
                action.key().unwrap_or_default()
            );
        }
    }
    let open = plan.licenses().iter().filter(|it| it.must_accept);
    let names = open.map(|it| {
        let action = plan.action(it.item);
        format!(
            "  {}: {}",
            plan.fmri(it.item),
            action.key().unwrap_or_default()
        )
    });
    let names: Vec<String> = names.collect();
    if names.is_empty() || words.has("accept") {
        return Ok(());
    }
    let text = format!(
        "The following packages require their licenses to be accepted before\n\
         they can be installed or updated:\n{}\n\
         To indicate that you agree to and accept the terms of the licenses of\n\
         the packages listed above, use the --accept option. To display all of\n\
         the related licenses, use the --licenses option.",
        names.join("\n")
    );
    Err(Stop::Failed(text, 6))
}

/// How many packages and mediators change, and in what way; nothing that is zero.
pub(super) fn counts(plan: &Plan) -> impl Iterator<Item = (&'static str, usize)> {
    let numbers = plan.numbers();
    let counts = [
        ("Packages to remove", numbers.remove),
        ("Packages to install", numbers.install),
        ("Packages to update", numbers.update),
        ("Packages to change", numbers.change),
        ("Packages to fix", numbers.fix),
        ("Mediators to change", numbers.mediators),
        ("Services to change", numbers.services),
    ];
    counts.into_iter().filter(|(_, number)| *number > 0)
}

/// What will be done, right-aligned as pkg(1) has it.
fn summary(call: &Call<'_>, plan: &Plan) {
    let is_verbose = call.words.has("verbose") || call.words.has("trial");
    let counts = counts(plan).map(|(label, number)| (label, number.to_string()));
    let mut rows: Vec<(&str, String)> = counts.collect();
    if is_verbose {
        if let Ok(room) = rustix::fs::statvfs(&call.root) {
            rows.push((
                "Estimated space available",
                size(room.f_bavail * room.f_frsize),
            ));
        }
        let numbers = plan.numbers();
        let needed = numbers.added_bytes + numbers.fetched_bytes;
        rows.push(("Estimated space to be consumed", size(needed)));
    }
    let width = rows
        .iter()
        .map(|(label, _)| label.len())
        .max()
        .unwrap_or_default();
    for (label, value) in &rows {
        println!("{label:>width$}: {value:>9}");
    }
    println!();
    if is_verbose {
        plan.lines().iter().for_each(|line| println!("{line}"));
    }
}

/// Repairs and the like: a plan that was made elsewhere.
pub(super) fn apply_plan(
    call: &Call<'_>,
    image: &mut Image,
    lock: &ImageLock,
    planned: &Planned,
) -> Outcome {
    if planned.is_empty() {
        return Ok(NOTHING);
    }
    let tracker = tracker(&call.words)?;
    if call.words.has("trial") {
        return Ok(OK);
    }
    let tell = |event: zones_image::Event<'_>| tracker.tell(event);
    let done = image.execute(planned, lock, &tell);
    tracker.end();
    after(&done?);
    Ok(OK)
}
