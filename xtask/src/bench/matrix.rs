//! The support matrix: what a cell that does nothing takes, many of them, a plan, a report, what a
//! runner that was killed loses, and a look at a root; beside a copy and a container of crun.
//!
//! Cells are made on the file system of this folder, by whatever driver suits it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::demo::busybox;
use crate::shell::{Outcome, cargo, has, output, write};
use crate::stats::Sample;

pub(super) const ROUNDS: usize = 3;
/// Files of the root that is looked at, beside those of the userland.
const FILES: usize = 11_000;
/// Runs of the peer.
const PEER_ROUNDS: usize = 15;
const MOMENT: Duration = Duration::from_millis(1);
/// A run that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is measured, its unit, and the most it may be.
const ROWS: [(&str, &str, f64); 11] = [
    (CELL, "ms", 100.0),
    (MANY, "ms", 15_000.0),
    (PER_CELL, "ms", f64::INFINITY),
    (PLAN, "ms", 100.0),
    (REPORT, "ms", 200.0),
    (RESUME, "ms", 1000.0),
    (QUICK, "ms", 60.0),
    (WALK, "ms", 250.0),
    (MEMORY, "KiB", 30.0 * 1024.0 + 2.0 * 200.0),
    (PEER, "ms", f64::INFINITY),
    (START, "ms", f64::INFINITY),
];
const CELL: &str = "one cell: clone, boot, step, halt, destroy; one job";
const MANY: &str = "192 cells, two jobs";
const PER_CELL: &str = "192 cells, two jobs, for each cell";
const PLAN: &str = "plan of 10,000 cells";
const REPORT: &str = "report of 192 cells";
const RESUME: &str = "resume after kill -9, to the first cell";
const QUICK: &str = "look at 11,000 files, what changed is known";
const WALK: &str = "look at 11,000 files, all are asked";
const MEMORY: &str = "runner, most memory, two cells run";
const PEER: &str = "cp -a, crun run, rm -rf of the same root";
const START: &str = "`zones version`: a process of ours";

/// Phases of cells in `run.json`.
const PHASES: [&str; 7] = [
    "clone", "boot", "step", "collect", "check", "halt", "destroy",
];

/// A row, and what was measured.
type Row = (&'static str, Sample);

/// A section of the report.
pub(super) fn run(zones: &Path, rounds: usize) -> Outcome<String> {
    let site = Site::new(zones)?;
    let result = site.measure(rounds);
    let _ = fs::remove_dir_all(&site.folder);
    result
}

struct Site {
    zones: PathBuf,
    folder: PathBuf,
}

impl Site {
    fn new(zones: &Path) -> Outcome<Self> {
        let site = Self {
            zones: zones.to_owned(),
            folder: super::folder()?,
        };
        for name in ["host", "cells", "looked", "large"] {
            let made = fs::create_dir_all(site.folder.join(name));
            made.map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(site)
    }

    /// A command of the matrix in the folder of a matrix file.
    fn matrix(&self, project: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.zones);
        command
            .args(["matrix", "-R"])
            .arg(self.folder.join("host"))
            .args(args)
            .current_dir(self.folder.join(project))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn measure(&self, rounds: usize) -> Outcome<String> {
        println!("Matrix, preparing...");
        let tar = self.folder.join("cells/root.tar");
        busybox::archive(&self.folder, &tar)?;
        self.project("cells", 3, "", 4, 4)?;
        self.project("large", 1, "", 50, 50)?;
        self.prepare_looks()?;
        output(&mut self.matrix("cells", &["image", "build"]))?;
        output(&mut self.matrix("looked", &["image", "build"]))?;
        let mut samples: Vec<Row> = ROWS
            .iter()
            .map(|(name, ..)| (*name, Sample::default()))
            .collect();
        let mut phases = String::new();
        for round in 0..rounds {
            println!("Matrix, round {} of {rounds}...", round + 1);
            phases = self.round(&mut samples)?;
        }
        self.looks(&mut samples)?;
        self.peers(&mut samples)?;
        Ok(table(&samples, rounds) + &phases)
    }

    /// A matrix of four architectures, `suites` suites, and options and scenarios.
    fn project(
        &self,
        name: &str,
        suites: usize,
        checks: &str,
        options: usize,
        scenarios: usize,
    ) -> Outcome {
        let list = |prefix: &str, count: usize| {
            let names = (0..count).map(|at| format!("\"{prefix}{at}\""));
            names.collect::<Vec<_>>().join(", ")
        };
        let mut text = format!(
            "schema = 1\nname = \"bench-{name}\"\n[run]\nmemory = \"2G\"\nkeep = \"never\"\n\
             max-cells = 20000\n[cell]\nmemory = \"64M\"\nboot = \"none\"\n[axes]\nsuite = [{}]\n\
             arch = [{}]\n[platform]\nid = \"{{suite}}-{{arch}}\"\nbrand = \"lx\"\n\
             image.import = {{ tarball = \"root.tar\" }}\n[option]\n",
            list("s", suites),
            list("a", 4)
        );
        (0..options).for_each(|at| text += &format!("o{at} = {{}}\n"));
        text += "[step]\nnothing.run = \"true\"\n";
        for at in 0..scenarios {
            text += &format!("[scenario.c{at}]\nsteps = [\"nothing\"]\n{checks}");
        }
        let folder = self.folder.join(name);
        let from = self.folder.join("cells/root.tar");
        if name == "large" {
            let copied = fs::copy(from, folder.join("root.tar"));
            copied.map_err(|error| format!("{name}: {error}"))?;
        }
        write(&folder.join("matrix.toml"), &text)
    }

    fn round(&self, samples: &mut [Row]) -> Outcome<String> {
        let small = ["run", "-j", "1", "--strict", "s0-a0/*"];
        self.followed(&mut self.matrix("cells", &small))?;
        let alone = Phases::of(&self.last_run("cells")?)?;
        let parts = ["clone", "boot", "step", "halt", "destroy"];
        let whole: Option<f64> = parts.iter().map(|name| alone.median(name)).sum();
        put(samples, CELL, whole.ok_or("no phases in run.json")?);
        let (ms, memory) =
            self.followed(&mut self.matrix("cells", &["run", "-j", "2", "--strict"]))?;
        put(samples, MANY, ms);
        put(samples, PER_CELL, ms / 192.0);
        put(samples, MEMORY, memory);
        let run = self.last_run("cells")?;
        put(
            samples,
            REPORT,
            timed(&mut self.matrix("cells", &["report"]))?,
        );
        put(
            samples,
            PLAN,
            timed(&mut self.matrix("large", &["plan", "--yes"]))?,
        );
        put(samples, RESUME, self.resumed()?);
        let mut version = Command::new(&self.zones);
        put(samples, START, timed(version.arg("version"))?);
        let many = Phases::of(&run)?;
        Ok(phases(&alone, &many))
    }

    /// Follows a run to its end: how long it took, and the most memory its runner had, in KiB.
    fn followed(&self, command: &mut Command) -> Outcome<(f64, f64)> {
        let begun = Instant::now();
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let mut most = 0.0_f64;
        let status = loop {
            most = most.max(peak(child.id()));
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            match ended {
                Some(status) => break status,
                None if begun.elapsed() > PATIENCE => {
                    end(&mut child);
                    return Err("the run hangs".to_owned());
                }
                None => std::thread::sleep(MOMENT),
            }
        };
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        match status.success() {
            true => Ok((ms, most)),
            false => Err(format!(
                "a run of cells that do nothing ended with {status}"
            )),
        }
    }

    /// From the start of the command to the first cell that is cloned again.
    fn resumed(&self) -> Outcome<f64> {
        let known = self.runs("cells").len();
        let args = ["run", "-j", "2", "--strict"];
        let mut first = self
            .matrix("cells", &args)
            .spawn()
            .map_err(|error| error.to_string())?;
        let killed = self.until("cells", known, "\"verdict\"");
        end(&mut first);
        killed?;
        let begun = Instant::now();
        let args = ["run", "-j", "2", "--resume"];
        let mut second = self
            .matrix("cells", &args)
            .spawn()
            .map_err(|error| error.to_string())?;
        let cloned = self.until("cells", known + 1, "\"cloning\"");
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        let ended = second.wait().map_err(|error| error.to_string())?;
        cloned?;
        match ended.success() {
            true => Ok(ms),
            false => Err(format!("a run that was resumed ended with {ended}")),
        }
    }

    /// Waits until the journal of the run after `known` others has a word.
    fn until(&self, project: &str, known: usize, word: &str) -> Outcome {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(run) = self.runs(project).get(known)
                && fs::read_to_string(run.join("journal.jsonl")).is_ok_and(|it| it.contains(word))
            {
                return Ok(());
            }
            std::thread::sleep(MOMENT);
        }
        Err(format!("no {word} in the journal"))
    }

    /// The folders of the runs of a project, the oldest first.
    fn runs(&self, project: &str) -> Vec<PathBuf> {
        let folder = self.folder.join(project).join("matrix-report");
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut runs: Vec<PathBuf> = entries.map(|it| it.path()).collect();
        runs.sort();
        runs
    }

    fn last_run(&self, project: &str) -> Outcome<PathBuf> {
        self.runs(project).pop().ok_or_else(|| "no run".to_owned())
    }

    /// A root of many files, as an archive.
    fn prepare_looks(&self) -> Outcome {
        let tree = self.folder.join("tree");
        busybox::tree(&tree)?;
        for number in 0..FILES {
            let path = tree.join(format!("usr/files/{}/{number}", number / 100));
            write(&path, &"text ".repeat(number % 200))?;
        }
        let tar = self.folder.join("looked/root.tar");
        output(
            Command::new("tar")
                .arg("-C")
                .arg(&tree)
                .arg("-cf")
                .arg(&tar)
                .arg("."),
        )?;
        self.project("looked", 1, "checks = [\"no-leftovers\"]\n", 1, 1)
    }

    /// The first cell of an image reads every file; the median is of those after it.
    fn looks(&self, samples: &mut [Row]) -> Outcome {
        println!("Matrix, looks...");
        for _ in 0..2 {
            let args = ["run", "-j", "1", "--strict"];
            self.followed(&mut self.matrix("looked", &args))?;
            let phases = Phases::of(&self.last_run("looked")?)?;
            if let Some(ms) = phases.median("collect") {
                put(samples, QUICK, ms);
            }
        }
        let args = [
            "build",
            "--release",
            "-p",
            "zones-runner",
            "--example",
            "look",
        ];
        let built = output(cargo().args(args));
        let look = self.zones.with_file_name("examples").join("look");
        let said = built.and_then(|_| output(Command::new(look).arg(self.folder.join("tree"))));
        let walks = said.unwrap_or_default();
        let walks = walks.lines().filter_map(|line| line.strip_prefix("walk: "));
        for ms in walks.filter_map(|line| milliseconds(line.rsplit(' ').next()?)) {
            put(samples, WALK, ms);
        }
        Ok(())
    }

    /// A container of its own root, made, run and removed.
    fn peers(&self, samples: &mut [Row]) -> Outcome {
        if !has("crun") {
            return Ok(());
        }
        let bundle = self.folder.join("bundle");
        fs::create_dir_all(&bundle).map_err(|error| error.to_string())?;
        output(Command::new("crun").arg("spec").current_dir(&bundle))?;
        let config = bundle.join("config.json");
        let text = fs::read_to_string(&config).map_err(|error| error.to_string())?;
        let text = text.replace("\"terminal\": true", "\"terminal\": false");
        write(&config, &text.replace("\"sh\"", "\"/bin/true\""))?;
        let script = "cp -a ../busybox rootfs && crun run bench-matrix && rm -rf rootfs";
        for _ in 0..PEER_ROUNDS {
            let mut command = Command::new("sh");
            command.args(["-c", script]).current_dir(&bundle);
            put(samples, PEER, timed(&mut command)?);
        }
        Ok(())
    }
}

/// Medians of the phases of a run.
struct Phases(Vec<(&'static str, f64)>);

impl Phases {
    /// Those in `run.json`, which has `"NAME": { ..., "p50": MICROSECONDS, ... }` below `"phases"`.
    fn of(run: &Path) -> Outcome<Self> {
        let path = run.join("run.json");
        let text = fs::read_to_string(&path).map_err(|error| format!("{path:?}: {error}"))?;
        let (_, text) = text
            .rsplit_once("\"phases\":")
            .ok_or("no phases in run.json")?;
        let median = |name: &&'static str| {
            let (_, rest) = text.split_once(&format!("\"{name}\": {{"))?;
            let (_, rest) = rest.split_once("\"p50\":")?;
            let digits: String = rest
                .trim_start()
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            Some((*name, digits.parse::<f64>().ok()? / 1e3))
        };
        Ok(Self(PHASES.iter().filter_map(median).collect()))
    }

    fn median(&self, name: &str) -> Option<f64> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, ms)| *ms)
    }
}

fn phases(alone: &Phases, many: &Phases) -> String {
    let mut text = "\n| phase, median, ms | one job | two jobs |\n|---|--:|--:|\n".to_owned();
    for name in PHASES {
        if let (Some(one), Some(two)) = (alone.median(name), many.median(name)) {
            let _ = writeln!(text, "| {name} | {one:.1} | {two:.1} |");
        }
    }
    text
}

fn table(samples: &[Row], rounds: usize) -> String {
    let mut text = format!(
        "\n## Matrix\n\n{rounds} rounds, two processors unless the machine has fewer; medians.\n\n\
         | what | median | budget | |\n|---|--:|--:|---|\n"
    );
    for (name, unit, most) in ROWS {
        let sample = samples.iter().find(|(known, _)| *known == name);
        let median = sample.and_then(|(_, sample)| sample.median());
        let shown = median.map_or_else(|| "-".to_owned(), |value| format!("{value:.1} {unit}"));
        let budget = match most.is_finite() {
            true => format!("{most:.0} {unit}"),
            false => "-".to_owned(),
        };
        let verdict = match median {
            Some(value) if most.is_finite() && value > most => "MISSED",
            Some(_) if most.is_finite() => "met",
            Some(_) => "",
            None => "not measured",
        };
        let _ = writeln!(text, "| {name} | {shown} | {budget} | {verdict} |");
    }
    let of = |name: &str| {
        let sample = samples.iter().find(|(known, _)| *known == name);
        sample.and_then(|(_, sample)| sample.median())
    };
    if let (Some(ours), Some(theirs)) = (of(CELL), of(PEER)) {
        let _ = writeln!(
            text,
            "\nA cell takes {:.2} times what the peer takes.",
            ours / theirs
        );
    }
    text
}

fn put(samples: &mut [Row], name: &str, value: f64) {
    if let Some((_, sample)) = samples.iter_mut().find(|(known, _)| *known == name) {
        sample.add(value);
    }
}

fn timed(command: &mut Command) -> Outcome<f64> {
    let begun = Instant::now();
    command.stdout(Stdio::null());
    let done = command.output().map_err(|error| error.to_string())?;
    let ms = begun.elapsed().as_secs_f64() * 1e3;
    match done.status.success() {
        true => Ok(ms),
        false => Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
    }
}

/// The most memory that a process had, in KiB. Source: proc_pid_status(5), `VmHWM`.
fn peak(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    number.unwrap_or(0.0)
}

/// As Rust writes a duration: `61.2ms`, `1.2s`, `800µs`.
fn milliseconds(text: &str) -> Option<f64> {
    let units = [("ms", 1.0), ("µs", 1e-3), ("s", 1e3)];
    let mut found = units.iter().filter_map(|(unit, factor)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * factor)
    });
    found.next()
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
