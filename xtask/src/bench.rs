//! `cargo xtask bench`: us beside the peers that are installed, in turn, on this machine, in one
//! run.
//!
//! Every command is timed by a shell that forks it and waits for it, ours and theirs alike. One
//! round runs every row once; between two commands is a pause, so that what one tears down late is
//! not billed to the next.

mod budget;
mod depot;
mod matrix;
mod packages;
mod plan;
mod report;
mod shellserver;
mod storage;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::shell::{Outcome, build, has, is_root, target, write};
use crate::stats::Sample;
use plan::{Place, Row};
use shellserver::Server;

const ROUNDS: usize = 15;
const QUICK_ROUNDS: usize = 5;
const PAUSE: Duration = Duration::from_millis(40);

/// Programs, and the Debian packages that bring them.
const PEERS: [(&str, &str); 6] = [
    ("crun", "crun"),
    ("runc", "runc"),
    ("systemd-nspawn", "systemd-container"),
    ("lxc-execute", "lxc"),
    ("bwrap", "bubblewrap"),
    ("mmdebstrap", "mmdebstrap"),
];

/// One row with what was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) row: Row,
    pub(crate) sample: Sample,
    /// Why there is no figure.
    pub(crate) missing: Option<String>,
}

pub(crate) fn run(args: &[String]) -> Outcome {
    let (mut rounds, mut only, mut quick) = (None, Vec::new(), false);
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} takes a value"));
        match word.as_str() {
            "--rounds" => {
                let text = value()?;
                rounds = Some(text.parse().map_err(|_| format!("no number: {text}"))?);
            }
            "--only" => only.extend(value()?.split(',').map(str::to_owned)),
            "--quick" => quick = true,
            "--install-peers" => install_peers()?,
            _ => return Err(format!("unknown argument `{word}`")),
        }
    }
    if !is_root() {
        return Err("the bench boots zones and needs root".to_owned());
    }
    if only == ["depot"] {
        println!("{}", depot::run(&build(true)?)?);
        return Ok(());
    }
    if only == ["pkg"] {
        let rounds = rounds.unwrap_or(packages::ROUNDS);
        println!("{}", packages::run(&build(true)?, rounds)?);
        return Ok(());
    }
    if only == ["storage"] {
        let rounds = rounds.unwrap_or(storage::ROUNDS);
        println!("{}", storage::run(&build(true)?, rounds)?);
        return Ok(());
    }
    if only == ["matrix"] {
        let rounds = rounds.unwrap_or(matrix::ROUNDS);
        println!("{}", matrix::run(&build(true)?, rounds)?);
        return Ok(());
    }
    let rounds = rounds.unwrap_or(if quick { QUICK_ROUNDS } else { ROUNDS });
    let zones = build(true)?;
    let folder = folder()?;
    let place = Place::new(zones, folder.clone());
    let result = measure(&place, rounds, &only, quick);
    if result.is_err() {
        eprintln!(
            "{}",
            std::fs::read_to_string(place.log()).unwrap_or_default()
        );
    }
    place.clean();
    let mut text = result?;
    if only.is_empty() || only.iter().any(|name| name == "depot") {
        text += &depot::run(&place.zones)?;
    }
    if (only.is_empty() && !quick) || only.iter().any(|name| name == "pkg") {
        text += &packages::run(&place.zones, packages::ROUNDS)?;
    }
    if (only.is_empty() && !quick) || only.iter().any(|name| name == "storage") {
        text += &storage::run(&place.zones, storage::ROUNDS)?;
    }
    if (only.is_empty() && !quick) || only.iter().any(|name| name == "matrix") {
        text += &matrix::run(&place.zones, matrix::ROUNDS)?;
    }
    let path = target().join("bench/report.md");
    write(&path, &text)?;
    println!("{text}\nAlso in {}", path.display());
    Ok(())
}

fn measure(place: &Place, rounds: usize, only: &[String], quick: bool) -> Outcome<String> {
    let mut host = Server::start(&place.log(), "")?;
    let mut v1 = Server::start(&place.log(), plan::PURE_V1_VIEW)?;
    println!("Preparing...");
    place.prepare(&mut host, &mut v1)?;
    let mut all = Vec::new();
    for group in plan::GROUPS {
        if !only.is_empty() && !only.iter().any(|name| name == group.name) {
            continue;
        }
        if quick && group.slow {
            continue;
        }
        let rounds = if group.slow { 1 } else { rounds };
        println!("{}...", group.title);
        if let Err(error) = host.run(&(group.before)(place)) {
            println!("  not measured: {error}");
            continue;
        }
        let mut rows: Vec<Measured> = (group.rows)(place).into_iter().map(Measured::new).collect();
        for measured in &mut rows {
            measured.prepare(if measured.row.pure_v1 {
                &mut v1
            } else {
                &mut host
            });
        }
        for _ in 0..rounds {
            for measured in &mut rows {
                let server = if measured.row.pure_v1 {
                    &mut v1
                } else {
                    &mut host
                };
                measured.once(server);
                std::thread::sleep(PAUSE);
            }
        }
        match group.name {
            "memory" => rows = place.memory(&mut host),
            "net" => rows = place.network(rounds)?,
            "floor" => rows.extend(place.resident(rounds)?),
            _ => {}
        }
        let _ = host.run(&(group.after)(place));
        all.push((group, rows));
    }
    let caps = if only.is_empty() || only.iter().any(|name| name == "cap") {
        place.cpu_cap(&mut host, if quick { 1 } else { 3 })
    } else {
        Sample::default()
    };
    Ok(report::text(&all, &caps, rounds))
}

impl Measured {
    pub(crate) fn new(row: Row) -> Self {
        let missing = row
            .program
            .filter(|program| !has(program))
            .map(|program| format!("{program} is not installed"));
        Self {
            row,
            sample: Sample::default(),
            missing,
        }
    }

    fn prepare(&mut self, server: &mut Server) {
        if self.missing.is_none() && !self.row.first.is_empty() {
            self.missing = server.run(&self.row.first).err();
        }
    }

    /// One run; after a failure the row is left out.
    fn once(&mut self, server: &mut Server) {
        if self.missing.is_some() {
            return;
        }
        match server.time(&self.row.line) {
            Ok(ms) => self.sample.add(ms),
            Err(error) => self.missing = Some(error),
        }
        if !self.row.after.is_empty() {
            let _ = server.run(&self.row.after);
        }
    }
}

fn install_peers() -> Outcome {
    let missing: Vec<&str> = PEERS
        .iter()
        .filter(|(program, _)| !has(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    crate::test::apt(&missing)
}

fn folder() -> Outcome<PathBuf> {
    let name = format!("zones-bench.{}", std::process::id());
    let here = target();
    let base = if crate::demo::is_safe(&here) {
        here.as_path()
    } else {
        Path::new("/var/lib")
    };
    let folder = base.join(name);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}
