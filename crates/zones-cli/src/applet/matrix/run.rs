//! `zones matrix run`.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::thread;

use rustix::event::{PollFd, PollFlags};
use serde_json::json;
use zones_matrix::journal::{File as JournalFile, Head, JOURNAL_SCHEMA, Record};
use zones_matrix::{
    Again, Budget, Ending, History, Jobs, Keep, Limits, Plan, Run, report as reports,
};
use zones_runner::artifacts::Artifacts;
use zones_runner::{
    ByVerbs, Claim, Crew, Eyes, Helm, Job, Ledger, Order, Orders, RunFolder, Site, Stock,
};
use zones_store::Layout;
use zones_sys::SignalFd;

use super::desk::{self, Desk, FILE_OPTION, OFFLINE, SHARD, YES};
use super::screen::{Screen, Style};
use super::{NAME, bad, reaper};
use crate::getopt::{Given, Known, flag, value};
use crate::report::fail;

const KNOWN: [Known; 16] = [
    FILE_OPTION,
    OFFLINE,
    YES,
    SHARD,
    value('j', "jobs"),
    flag('\0', "resume"),
    flag('\0', "failed"),
    value('\0', "from"),
    value('\0', "plan"),
    value('\0', "keep"),
    value('\0', "retries"),
    flag('\0', "strict"),
    value('\0', "seed"),
    value('\0', "memory"),
    value('\0', "message-format"),
    value('\0', "id"),
];

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
const SIGHUP: i32 = 1;

pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let done = desk::parse(args, &KNOWN)
        .map_err(bad)
        .and_then(|given| Shift::new(layout, &given)?.work());
    done.unwrap_or_else(|status| status)
}

/// One run, with all that it needs.
struct Shift<'a> {
    given: &'a Given,
    layout: &'a Layout,
    desk: Desk,
    plan: Plan,
    places: Vec<usize>,
    history: History,
    limits: Limits,
    keep: Keep,
    parent: Option<String>,
    style: Style,
    id: String,
}

impl<'a> Shift<'a> {
    /// Checks all that can be checked before anything is changed.
    fn new(layout: &'a Layout, given: &'a Given) -> Result<Self, u8> {
        let style = Style::of(given.get("message-format")).map_err(bad)?;
        let desk = Desk::open(layout, given)?;
        let handed = handed(given)?;
        let seed = match (number(given, "seed")?, &handed) {
            (Some(seed), _) => seed,
            (None, Some((_, seed))) => *seed,
            (None, None) => chance(),
        };
        let mut plan = desk.plan(layout, given, seed)?;
        if let Some((key, _)) = handed
            && key != plan.key().to_string()
        {
            let own = plan.key();
            let text = "the plan was made of other files, images or settings";
            return Err(bad(format!("{text}: its key is {key}, here it is {own}")));
        }
        if let Some(count) = number(given, "retries")? {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            plan.cells
                .iter_mut()
                .for_each(|cell| cell.settings.retries.count = count);
        }
        let mut places = desk::select(&plan, given)?;
        let parent = narrow(&desk, given, &plan, &mut places)?;
        if !rustix::process::geteuid().is_root() {
            return Err(fail(NAME, "only a privileged user may run a matrix"));
        }
        let history = desk.history();
        Ok(Self {
            limits: limits(&desk, given, seed)?,
            keep: keep(&desk, given)?,
            id: given.get("id").map_or_else(run_id, str::to_owned),
            given,
            layout,
            desk,
            plan,
            places,
            history,
            parent,
            style,
        })
    }

    fn work(&self) -> Result<u8, u8> {
        let site = &self.desk.site;
        let failed = |text: String| fail(NAME, text);
        site.prepare()
            .map_err(|error| failed(format!("{}: {error}", site.folder().display())))?;
        let binary = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        self.clean(&binary);
        let reports = self.desk.reports();
        let folder = RunFolder::new(&reports, &self.id);
        let claim = site.claim(&self.id, &reports);
        let claim: Claim = claim.map_err(|error| failed(format!("run {}: {error}", self.id)))?;
        let made = std::fs::create_dir_all(folder.path());
        made.map_err(|error| failed(format!("{}: {error}", folder.path().display())))?;
        let journal = JournalFile::create(&folder.journal());
        let journal = journal.map_err(|error| failed(zones_engine::chain(&error)))?;
        let tag = Site::tag(&self.id);
        let (mut reaper, life) = reaper::start(self.layout, &binary, &tag).map_err(failed)?;
        let bed = ByVerbs::new(&binary, site, &self.desk.folder, Some(life));
        let title = self.desk.matrix.name.clone();
        let screen = Screen::new(self.style, title, &self.history);
        let watch = |at, record: &Record| screen.see(at, record);
        let ledger = Ledger::new(Box::new(journal), &watch);
        let images = self.desk.images(self.layout, self.given).map_err(failed)?;
        let say = |platform: &str, text: &str| screen.say(platform, text);
        let artifacts = Artifacts::open(&site.folder().join("artifacts"), images.verbs());
        let artifacts = artifacts.map_err(|error| failed(zones_engine::chain(&error)))?;
        let folders = (self.desk.folder.as_path(), reports.as_path());
        let stock = Stock::new(&images, &artifacts, &self.plan, folders, &say).map_err(failed)?;
        let shelf = folder.path().join("fresh");
        let made = std::fs::create_dir_all(&shelf);
        made.map_err(|error| failed(format!("{}: {error}", shelf.display())))?;
        let policy = &self.desk.matrix.leftovers;
        let eyes = Eyes::new(site, policy, (&self.plan, &self.places), shelf);
        let (helm, orders) = Helm::new();
        listen(&helm).map_err(failed)?;
        let crew = Crew {
            bed: &bed,
            supply: &stock,
            inspector: &eyes,
            ledger: &ledger,
            folder: &folder,
            pressure: &pressure,
        };
        let ended = self.execute(&crew, &tag, orders);
        screen.end();
        drop(bed);
        // Nothing runs any more: the reaper finds nothing to do.
        let _ = reaper.wait();
        drop(claim);
        ended.map_err(failed)?;
        self.finish(&folder)
    }

    fn execute(&self, crew: &Crew<'_>, tag: &str, orders: Orders) -> Result<Ending, String> {
        let lost = |error: zones_runner::Lost| error.to_string();
        let head = Head {
            schema: JOURNAL_SCHEMA,
            run: self.id.clone(),
            name: self.plan.name.clone(),
            started: desk::now().timestamp().to_string(),
            parent: self.parent.clone(),
            shard: self.given.get("shard").map(str::to_owned),
            plan: self.plan.key().to_string(),
            seed: self.limits.seed,
            host: host(&self.limits, self.places.len()),
        };
        crew.ledger.add(Record::Run(head)).map_err(lost)?;
        for record in self.plan.announce(&self.places) {
            crew.ledger.add(record).map_err(lost)?;
        }
        let job = Job {
            plan: &self.plan,
            places: &self.places,
            run: &self.id,
            tag,
            history: &self.history,
            limits: self.limits,
            keep: self.keep,
            strict: self.given.has("strict"),
        };
        zones_runner::execute(&job, crew, orders).map_err(|error| error.to_string())
    }

    /// Zones of runs that died are in the way of nobody, but of the disk.
    fn clean(&self, binary: &Path) {
        let site = &self.desk.site;
        let bed = ByVerbs::new(binary, site, &self.desk.folder, None);
        let alive = site.alive().unwrap_or_default();
        if let Ok((_, left)) = zones_runner::sweep(&bed, &alive, false) {
            for (zone, error) in left {
                fail(
                    NAME,
                    format!("zone {zone} of an earlier run is left: {error}"),
                );
            }
        }
    }

    fn finish(&self, folder: &RunFolder) -> Result<u8, u8> {
        let failed = |error: zones_runner::FolderError| fail(NAME, zones_engine::chain(&error));
        let before = super::report::before(&self.desk, folder);
        let formats = &self.desk.matrix.report.formats;
        let run = zones_runner::write_reports(folder, formats, &before).map_err(failed)?;
        let history = self.desk.site.history(&self.desk.matrix.name);
        if let Err(error) = zones_runner::note_history(&history, &run) {
            fail(NAME, format!("the history is not kept: {error}"));
        }
        if self.style != Style::Json {
            println!("{}", reports::totals(&run));
            if run.retries() > 0 {
                println!("{} retries", run.retries());
            }
            println!("report: {}", folder.path().join("index.html").display());
        }
        Ok(run.exit_status())
    }
}

/// `--resume`, `--failed`: only what the last run, or the one that is named, left to do.
fn narrow(
    desk: &Desk,
    given: &Given,
    plan: &Plan,
    places: &mut Vec<usize>,
) -> Result<Option<String>, u8> {
    let which = match (given.has("resume"), given.has("failed")) {
        (false, false) if given.has("from") => {
            return Err(bad("--from goes with --resume or --failed"));
        }
        (false, false) => return Ok(None),
        (true, true) => return Err(bad("--resume and --failed exclude each other")),
        (true, false) => Again::Unfinished,
        (false, true) => Again::Failed,
    };
    let folder = desk.run(given.get("from")).map_err(bad)?;
    let run: Run = folder
        .run()
        .map_err(|error| fail(NAME, zones_engine::chain(&error)))?;
    let meant = run.head.host["cells"].as_u64().unwrap_or(0);
    if (run.cells.len() as u64) < meant {
        // It died before it had named all its cells: nothing ran.
        return Ok(Some(run.head.run));
    }
    let wanted: std::collections::BTreeSet<&str> = run.again(which).collect();
    places.retain(|at| wanted.contains(plan.cells[*at].id.as_str()));
    Ok(Some(run.head.run))
}

/// Key and seed of the plan in a file.
fn handed(given: &Given) -> Result<Option<(String, u64)>, u8> {
    let Some(path) = given.get("plan") else {
        return Ok(None);
    };
    let bytes = std::fs::read(path).map_err(|error| bad(format!("{path}: {error}")))?;
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| bad(format!("{path}: {error}")))?;
    match (value["key"].as_str(), value["seed"].as_u64()) {
        (Some(key), Some(seed)) => Ok(Some((key.to_owned(), seed))),
        _ => Err(bad(format!(
            "{path} is no plan; `zones matrix plan --json` prints one"
        ))),
    }
}

fn limits(desk: &Desk, given: &Given, seed: u64) -> Result<Limits, u8> {
    let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processors = u32::try_from(processors).unwrap_or(1);
    let rules = &desk.matrix.run;
    let jobs = match (number(given, "jobs")?, rules.jobs) {
        (Some(0), _) => return Err(bad("-j is a number from 1")),
        (Some(jobs), _) => u32::try_from(jobs).unwrap_or(u32::MAX),
        (None, Jobs::Fixed(jobs)) => jobs,
        (None, Jobs::Auto) => processors,
    };
    let memory = match given.get("memory").map(str::parse::<zones_types::Bytes>) {
        Some(Ok(memory)) => memory.0,
        Some(Err(error)) => return Err(bad(format!("--memory: {error}"))),
        None => match rules.memory {
            Budget::Fixed(memory) => memory.0,
            Budget::Percent(percent) => host_memory() / 100 * u64::from(percent),
        },
    };
    let max_fail = if rules.fail_fast { 1 } else { rules.max_fail };
    Ok(Limits {
        jobs,
        memory,
        max_fail,
        seed,
    })
}

fn keep(desk: &Desk, given: &Given) -> Result<Keep, u8> {
    match given.get("keep") {
        None => Ok(desk.matrix.run.keep),
        Some("never") => Ok(Keep::Never),
        Some("failed") => Ok(Keep::Failed),
        Some("all") => Ok(Keep::All),
        Some(other) => Err(bad(format!(
            "--keep cannot be `{other}`: never, failed, all"
        ))),
    }
}

fn number(given: &Given, name: &str) -> Result<Option<u64>, u8> {
    let parsed = given.get(name).map(str::parse).transpose();
    parsed.map_err(|_| bad(format!("--{name} is a number")))
}

/// Memory of this host, bytes. Source: proc_meminfo(5).
fn host_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(1 << 20) * 1024
}

/// Hundredths of the last ten seconds in which some task waited for memory. Source: kernel
/// documentation, "PSI - Pressure Stall Information".
fn pressure() -> u32 {
    let text = std::fs::read_to_string("/proc/pressure/memory").unwrap_or_default();
    let some = text
        .lines()
        .find_map(|line| line.strip_prefix("some avg10="));
    let whole = some.and_then(|rest| rest.split('.').next()?.parse().ok());
    whole.unwrap_or(0)
}

fn host(limits: &Limits, cells: usize) -> serde_json::Value {
    let kernel = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kernel": kernel,
        "cells": cells,
        "jobs": limits.jobs,
        "memory": limits.memory,
    })
}

fn chance() -> u64 {
    let uuid = zones_store::random_uuid().unwrap_or_default();
    zones_matrix::Key::of_bytes(uuid.as_bytes()).number() >> 11
}

/// Its time, so that runs sort, and four digits by chance.
pub(super) fn run_id() -> String {
    let time = desk::now().datetime();
    format!(
        "{:04}{:02}{:02}-{:02}{:02}{:02}{:03}-{:04x}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond(),
        chance() & 0xffff
    )
}

/// The first signal lets what runs come to its end, the second stops it.
fn listen(helm: &Helm) -> Result<(), String> {
    let signals = SignalFd::new(&[SIGINT, SIGTERM, SIGHUP]);
    let signals = signals.map_err(|error| format!("cannot watch signals: {error}"))?;
    let helm = helm.clone();
    thread::spawn(move || {
        let mut order = Order::Stop;
        loop {
            let mut fds = [PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
            if rustix::event::poll(&mut fds, None).is_err() {
                continue;
            }
            while signals.next().is_some() {
                helm.order(order);
                order = Order::Kill;
            }
        }
    });
    Ok(())
}
