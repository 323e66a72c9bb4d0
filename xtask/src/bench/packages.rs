//! Packages from our depot on loopback: installed, updated, verified, beside tar.
//!
//! Nothing is removed before the end and everything is on disk before something is timed: ext4
//! looks through all inodes that were deleted in the last minutes before it takes a new one, and
//! what others left to be written would be billed to whoever syncs next.

mod set;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::depot::Depot;
use crate::shell::{Outcome, target};
use crate::stats::Sample;

pub(super) const ROUNDS: usize = 3;
/// What is timed, and the most it may take in ms.
const ROWS: [(&str, f64); 7] = [
    ("install, cold", 2000.0),
    ("install, warm host cache", 800.0),
    ("install, nothing to do", 50.0),
    ("update of 5 packages", f64::INFINITY),
    ("verify", 500.0),
    ("tar -x of the same bytes", f64::INFINITY),
    ("tar -x, then syncfs", f64::INFINITY),
];
const TAR: usize = 5;
const TAR_SYNCED: usize = 6;

/// A section of the report.
pub(super) fn run(zones: &Path, rounds: usize) -> Outcome<String> {
    let site = Site::new(zones)?;
    let result = site.measure(rounds);
    let _ = std::fs::remove_dir_all(&site.work);
    result
}

/// The program, what is kept between runs, and what is not.
struct Site {
    zones: PathBuf,
    shared: PathBuf,
    work: PathBuf,
}

impl Site {
    fn new(zones: &Path) -> Outcome<Self> {
        let shared = target().join("bench");
        let site = Self {
            zones: zones.to_owned(),
            work: shared.join(format!("work.{}", std::process::id())),
            shared,
        };
        std::fs::create_dir_all(&site.work)
            .map_err(|error| format!("{}: {error}", site.work.display()))?;
        Ok(site)
    }

    fn measure(&self, rounds: usize) -> Outcome<String> {
        let [old, new] = set::make(self)?;
        let old = Depot::serve(&self.zones, &["--readonly", "-d", &text(&old)])?;
        let new = Depot::serve(&self.zones, &["--readonly", "-d", &text(&new)])?;
        let mut samples: Vec<Sample> = ROWS.iter().map(|_| Sample::default()).collect();
        for round in 0..rounds {
            println!("Packages, round {} of {rounds}...", round + 1);
            let times = self.round(round, &old, &new)?;
            times
                .iter()
                .zip(&mut samples)
                .for_each(|(ms, sample)| sample.add(*ms));
        }
        Ok(table(&samples, rounds))
    }

    /// Everything once, with a host cache and images of its own.
    fn round(&self, number: usize, old: &Depot, new: &Depot) -> Outcome<[f64; ROWS.len()]> {
        let place = Place {
            site: self,
            folder: self.work.join(format!("round{number}")),
        };
        let uri = |depot: &Depot| format!("http://127.0.0.1:{}/", depot.port);
        let origin = format!("bench={}", uri(old));
        let [cold, warm] = ["cold", "warm"].map(|name| text(&place.folder.join(name)));
        let mut times = [0.0; ROWS.len()];
        for (at, image) in [(0, &cold), (1, &warm)] {
            place.ok(&["image-create", "-F", "-p", &origin, image])?;
            times[at] = place.time(&["-R", image, "install", "-q", "*"])?;
        }
        times[2] = place.time(&["-R", &warm, "install", "-q", "*"])?;
        let archive = text(&place.folder.join("all.tar"));
        let words = ["-C", &warm, "--exclude=./var/pkg", "-cf", &archive, "."];
        ok(Command::new("tar").args(words))?;
        let publisher = ["set-publisher", "--no-refresh", "-O", &uri(new), "bench"];
        place.ok(&[&["-R", &warm], &publisher[..]].concat())?;
        times[3] = place.time(&["-R", &warm, "update", "-q"])?;
        times[4] = place.time(&["-R", &warm, "verify"])?;
        for (at, line) in [
            (TAR, "tar -C $1 -xpf $2"),
            (TAR_SYNCED, "tar -C $1 -xpf $2 && sync -f $1"),
        ] {
            let folder = place.folder.join(at.to_string());
            std::fs::create_dir_all(&folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
            let mut command = Command::new("sh");
            command.args(["-c", line, "sh", &text(&folder), &archive]);
            times[at] = place.timed(&mut command)?;
        }
        Ok(times)
    }

    /// A command that is to succeed.
    fn ok(&self, applet: &str, words: &[&str]) -> Outcome {
        ok(Command::new(&self.zones).arg(applet).args(words))
    }
}

/// The folder of one round.
struct Place<'a> {
    site: &'a Site,
    folder: PathBuf,
}

impl Place<'_> {
    fn pkg(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.site.zones);
        command.env("ZONES_ROOT", self.folder.join("root"));
        command.arg("pkg").args(words);
        command
    }

    fn ok(&self, words: &[&str]) -> Outcome {
        ok(&mut self.pkg(words))
    }

    /// Nothing to do is an answer, too.
    fn time(&self, words: &[&str]) -> Outcome<f64> {
        let mut command = self.pkg(words);
        command.env("PKG_SUCCESS_ON_NOP", "1");
        self.timed(&mut command)
    }

    fn timed(&self, command: &mut Command) -> Outcome<f64> {
        ok(Command::new("sync").args(["-f", &text(&self.folder)]))?;
        let begun = Instant::now();
        ok(command)?;
        Ok(begun.elapsed().as_secs_f64() * 1000.0)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn ok(command: &mut Command) -> Outcome {
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn table(samples: &[Sample], rounds: usize) -> String {
    let mut text = format!(
        "\n## Packages, depot over loopback\n\n{} packages, {} files, {:.2} MB of 2^20 bytes; \
         {rounds} rounds.\n\n\
         | what | median, ms | min | budget | x tar | x tar and syncfs |\n\
         |---|--:|--:|--:|--:|--:|\n",
        set::PACKAGES,
        set::FILES,
        set::BYTES as f64 / f64::from(1 << 20),
    );
    let median = |at: usize| samples[at].median().unwrap_or(f64::NAN);
    for (at, (name, budget)) in ROWS.iter().enumerate() {
        let (own, min) = (median(at), samples[at].min().unwrap_or(f64::NAN));
        let budget = match budget.is_finite() {
            true => format!("{budget:.0}"),
            false => "-".to_owned(),
        };
        let (tar, synced) = (own / median(TAR), own / median(TAR_SYNCED));
        let _ = writeln!(
            text,
            "| {name} | {own:.0} | {min:.0} | {budget} | {tar:.2} | {synced:.2} |"
        );
    }
    text
}
