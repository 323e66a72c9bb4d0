//! `zones matrix shell`: into the zone of a cell, kept or made again, or into a build zone.

use std::path::{Path, PathBuf};
use std::process::Command;

use zones_matrix::{Artifact, Cell, Plan, Source};
use zones_runner::artifacts::{Artifacts, BUILD};
use zones_runner::images::Images;
use zones_runner::{Bed as _, ByVerbs, Lack, Rehearsal, Site, Stock, rehearse};
use zones_store::{Layout, Store};

use super::desk::{self, Desk, FILE_OPTION, OFFLINE, YES};
use super::run::run_id;
use super::{NAME, bad, reaper};
use crate::getopt::{Given, Known, flag};
use crate::report::{FAILURE, fail};

const KNOWN: [Known; 6] = [
    FILE_OPTION,
    OFFLINE,
    YES,
    flag('\0', "before"),
    flag('\0', "after"),
    flag('\0', "build"),
];

/// What the zone is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which<'a> {
    Kept,
    /// A new one, before the step of this name or all of them.
    Before(Option<&'a str>),
    /// A new one, after the step of this name or all of them.
    After(Option<&'a str>),
    Build,
}

pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let (own, command) = match args.iter().position(|word| word == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (args, &[][..]),
    };
    let done = desk::parse(own, &KNOWN).map_err(bad).and_then(|given| {
        let (id, which) = wanted(&given).map_err(bad)?;
        let binary = std::env::current_exe().map_err(|error| fail(NAME, error))?;
        let desk = Desk::open(layout, &given)?;
        if which == Which::Kept {
            let zone = kept(&desk.site, id).ok_or_else(|| {
                bad(format!(
                    "no zone of `{id}` was kept; --after makes it again, and `zones matrix run \
                     --keep all {id}` keeps one"
                ))
            })?;
            let bed = ByVerbs::new(&binary, &desk.site, &desk.folder, None);
            bed.boot(&zone).map_err(|error| fail(NAME, error))?;
            let status = enter(&binary, &desk.site, &zone, command);
            bed.halt(&zone).map_err(|error| fail(NAME, error))?;
            return status;
        }
        let scene = Scene::new(layout, &given, desk, binary)?;
        scene.play(id, which, command)
    });
    done.unwrap_or_else(|status| status)
}

/// The cell, and which zone of it. A step may stand on either side of the cell, which has slashes.
fn wanted(given: &Given) -> Result<(&str, Which<'_>), String> {
    let usage = "shell CELL [--before [STEP] | --after [STEP] | --build] [-- COMMAND...]";
    let words: Vec<&str> = given.words.iter().map(String::as_str).collect();
    let (id, step) = match words.as_slice() {
        [id] => (*id, None),
        [step, id] if !step.contains('/') && id.contains('/') => (*id, Some(*step)),
        [id, step] => (*id, Some(*step)),
        _ => return Err(usage.to_owned()),
    };
    let chosen = ["before", "after", "build"].map(|name| given.has(name));
    match (chosen, step) {
        ([false, false, false], None) => Ok((id, Which::Kept)),
        ([true, false, false], step) => Ok((id, Which::Before(step))),
        ([false, true, false], step) => Ok((id, Which::After(step))),
        ([false, false, true], None) => Ok((id, Which::Build)),
        _ => Err(usage.to_owned()),
    }
}

/// What a new zone needs.
struct Scene<'a> {
    layout: &'a Layout,
    desk: Desk,
    plan: Plan,
    images: Images,
    binary: PathBuf,
}

impl<'a> Scene<'a> {
    fn new(layout: &'a Layout, given: &Given, desk: Desk, binary: PathBuf) -> Result<Self, u8> {
        if !rustix::process::geteuid().is_root() {
            return Err(fail(NAME, "only a privileged user may make zones"));
        }
        let plan = desk.plan(layout, given, 0)?;
        let images = desk.images(layout, given);
        Ok(Self {
            layout,
            plan,
            images: images.map_err(|error| fail(NAME, error))?,
            desk,
            binary,
        })
    }

    fn play(&self, id: &str, which: Which<'_>, words: &[String]) -> Result<u8, u8> {
        let cell = self.cell(id).map_err(bad)?;
        let site = &self.desk.site;
        let failed = |text: String| fail(NAME, text);
        site.prepare()
            .map_err(|error| failed(format!("{}: {error}", site.folder().display())))?;
        let artifacts = Artifacts::open(&site.folder().join("artifacts"), self.images.verbs());
        let artifacts = artifacts.map_err(|error| failed(zones_engine::chain(&error)))?;
        let reports = self.desk.reports();
        let folders = (self.desk.folder.as_path(), reports.as_path());
        let say = |platform: &str, text: &str| eprintln!("{platform}: {text}");
        let stock = Stock::new(&self.images, &artifacts, &self.plan, folders, &say);
        let stock = stock.map_err(failed)?;
        if which == Which::Build {
            return self.build(cell, &stock, words);
        }
        let steps = count(cell, which).map_err(bad)?;
        self.rehearse(cell, steps, &stock, words)
    }

    fn cell(&self, id: &str) -> Result<&Cell, String> {
        let mut cells = self.plan.cells.iter();
        cells.find(|cell| cell.id == id).ok_or_else(|| {
            let known = self.plan.cells.iter().map(|cell| cell.id.as_str());
            let near = zones_types::nearest(id, known);
            let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            format!("no cell is called `{id}`{hint}")
        })
    }

    /// A zone of its own, which goes afterwards, also when this process is killed.
    fn rehearse(
        &self,
        cell: &Cell,
        steps: usize,
        stock: &Stock<'_>,
        words: &[String],
    ) -> Result<u8, u8> {
        let site = &self.desk.site;
        let failed = |text: String| fail(NAME, text);
        let id = format!("shell-{}", run_id());
        let claim = site.claim(&id, &self.desk.reports());
        let claim = claim.map_err(|error| failed(error.to_string()))?;
        let reaper = reaper::start(self.layout, &self.binary, &Site::tag(&id));
        let (mut reaper, life) = reaper.map_err(failed)?;
        let bed = ByVerbs::new(&self.binary, site, &self.desk.folder, Some(life));
        let wanted = Rehearsal {
            plan: &self.plan,
            cell,
            steps,
            run: &id,
        };
        let say = |text: &str| eprintln!("{text}");
        let done = rehearse(&bed, stock, site, &wanted, &say)
            .map_err(failed)
            .and_then(|zone| {
                let status = enter(&self.binary, site, &zone, words);
                let destroyed = bed.destroy(&zone);
                destroyed.map_err(|error| failed(error.to_string()))?;
                status
            });
        drop(bed);
        let _ = reaper.wait();
        drop(claim);
        done
    }

    fn build(&self, cell: &Cell, stock: &Stock<'_>, words: &[String]) -> Result<u8, u8> {
        let artifact = self.built(cell).ok_or_else(|| {
            bad(format!(
                "no artifact of {} is built; `build` of [artifact.NAME] names a script",
                cell.id
            ))
        })?;
        let visited = stock.visit(artifact, |zone, script| {
            eprintln!("the build is: cd {BUILD} && {script}");
            enter(&self.binary, &self.desk.site, zone, words)
        });
        visited.unwrap_or_else(|lack| match lack {
            Lack::Blocked(why) | Lack::Impure(why) => Err(fail(NAME, why)),
        })
    }

    /// The first artifact of a cell that is built.
    fn built(&self, cell: &Cell) -> Option<&Artifact> {
        let platform = &self.plan.platform(cell).id;
        let mut names = cell.steps.iter().filter_map(|step| step.artifact.as_ref());
        names.find_map(|name| {
            let mut known = self.plan.artifacts.iter();
            known.find(|it| {
                let is_built = matches!(it.source, Source::Build { .. });
                is_built && it.name == *name && it.platform == *platform
            })
        })
    }
}

/// How many steps are run.
fn count(cell: &Cell, which: Which<'_>) -> Result<usize, String> {
    let place = |name: &str| {
        let mut names = cell.steps.iter().map(|step| step.name.as_str());
        names.position(|known| known == name).ok_or_else(|| {
            let names: Vec<&str> = cell.steps.iter().map(|step| step.name.as_str()).collect();
            let names = names.join(", ");
            format!("cell {} has no step `{name}`; it has {names}", cell.id)
        })
    };
    match which {
        Which::Before(Some(step)) => place(step),
        Which::After(Some(step)) => Ok(place(step)? + 1),
        Which::After(None) => Ok(cell.steps.len()),
        Which::Before(None) | Which::Kept | Which::Build => Ok(0),
    }
}

/// The newest zone of a cell that is there and that no run uses.
fn kept(site: &Site, cell: &str) -> Option<String> {
    let store = Store::open(site.layout());
    let mut found: Vec<String> = Vec::new();
    for entry in store.list().ok()? {
        let Ok(config) = store.load(&entry.name) else {
            continue;
        };
        let has = |name: &str, value: &str| {
            let mut attrs = config.attrs.iter();
            attrs.any(|attr| attr.name == name && attr.value == value)
        };
        if has("matrix-cell", cell) && has("matrix-kept", "true") {
            found.push(entry.name.to_string());
        }
    }
    found.pop()
}

/// Enters a zone that is up; the status of what was run there comes back.
fn enter(binary: &Path, site: &Site, zone: &str, words: &[String]) -> Result<u8, u8> {
    let mut command = Command::new(binary);
    command
        .arg("zlogin")
        .arg("-R")
        .arg(site.host())
        .arg(zone)
        .args(words);
    let status = command.status().map_err(|error| fail(NAME, error))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(FAILURE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_zone_is_meant() {
        for (line, wanted_id, which) in [
            ("a/b/c", "a/b/c", Which::Kept),
            ("a/b/c --before", "a/b/c", Which::Before(None)),
            ("--after a/b/c", "a/b/c", Which::After(None)),
            (
                "a/b/c --after install:new",
                "a/b/c",
                Which::After(Some("install:new")),
            ),
            (
                "--before smoke a/b/c",
                "a/b/c",
                Which::Before(Some("smoke")),
            ),
            ("a/b/c --build", "a/b/c", Which::Build),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let given = desk::parse(&words, &KNOWN).unwrap();
            let (id, found) = wanted(&given).unwrap();
            assert!(id == wanted_id && found == which, "{line}");
        }
        for line in [
            "a/b/c smoke",
            "a/b/c --before --after",
            "a/b/c --build smoke",
            "--after",
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let given = desk::parse(&words, &KNOWN).unwrap();
            assert!(wanted(&given).is_err(), "{line}");
        }
    }
}
