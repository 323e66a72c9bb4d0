//! Packages of a real root, from our depot on loopback: installed, verified, updated, beside tar.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::depot::Depot;
use crate::shell::{Outcome, target};
use crate::stats::Sample;

const ROUNDS: usize = 3;
/// What is timed, and the most it may take in ms. The set is larger than that of the budgets: a
/// minimal Debian system, 100 packages of about 8,200 names.
const BUDGETS: [(&str, f64); 6] = [
    ("install, cold", 2000.0),
    ("install, warm host cache", 800.0),
    ("install, nothing to do", 50.0),
    ("verify", 500.0),
    ("tar -x of the same bytes", f64::INFINITY),
    ("tar -x, then sync", f64::INFINITY),
];

/// A section of the report.
pub(super) fn run(zones: &Path) -> Outcome<String> {
    let set = Set::new(zones)?;
    let result = set.measure();
    let _ = std::fs::remove_dir_all(&set.work);
    result
}

/// The repository, kept between runs, and a folder that is not.
struct Set {
    zones: PathBuf,
    repository: PathBuf,
    work: PathBuf,
}

impl Set {
    fn new(zones: &Path) -> Outcome<Self> {
        let set = Self {
            zones: zones.to_owned(),
            repository: target().join("bench/packages"),
            work: target().join(format!("packages-bench.{}", std::process::id())),
        };
        std::fs::create_dir_all(&set.work)
            .map_err(|error| format!("{}: {error}", set.work.display()))?;
        if !set.repository.join("pkg5.repository").exists() {
            set.ok("pkgrepo", &["create", &text(&set.repository)])?;
        }
        if !set
            .repository
            .join("publisher/debian/catalog/catalog.attrs")
            .exists()
        {
            let repository = text(&set.repository);
            set.ok(
                "pkgrepo",
                &["import-debian", "-s", &repository, "-p", "debian"],
            )?;
        }
        Ok(set)
    }

    fn measure(&self) -> Outcome<String> {
        let depot = Depot::serve(&self.zones, &["-d", &text(&self.repository)])?;
        let origin = format!("debian=http://127.0.0.1:{}/", depot.port);
        let mut samples: Vec<Sample> = BUDGETS.iter().map(|_| Sample::default()).collect();
        let (image, unpacked) = (self.work.join("image"), self.work.join("unpacked"));
        let archive = self.work.join("all.tar");
        let (shown, tar) = (text(&image), text(&archive));
        for round in 0..ROUNDS {
            for (at, is_cold) in [(0, true), (1, false)] {
                let _ = std::fs::remove_dir_all(&image);
                if is_cold {
                    let _ = std::fs::remove_dir_all(self.work.join("root"));
                }
                self.ok("pkg", &["image-create", "-F", "-p", &origin, &shown])?;
                samples[at].add(self.time("pkg", &["-R", &shown, "install", "*"])?);
            }
            samples[2].add(self.time("pkg", &["-R", &shown, "install", "*"])?);
            samples[3].add(self.time("pkg", &["-R", &shown, "verify"])?);
            if round == 0 {
                let words = ["-C", &shown, "--exclude=./var/pkg", "-cf", &tar, "."];
                ok(Command::new("tar").args(words))?;
            }
            for (at, line) in [
                (4, "tar -C $1 -xpf $2"),
                (5, "tar -C $1 -xpf $2; sync -f $1"),
            ] {
                let _ = std::fs::remove_dir_all(&unpacked);
                let made = std::fs::create_dir_all(&unpacked);
                made.map_err(|error| format!("{}: {error}", unpacked.display()))?;
                let mut command = Command::new("sh");
                command.args(["-c", line, "sh", &text(&unpacked), &tar]);
                samples[at].add(timed(&mut command)?);
            }
        }
        Ok(table(&samples))
    }

    fn command(&self, applet: &str, words: &[&str]) -> Command {
        let mut command = Command::new(&self.zones);
        command.env("ZONES_ROOT", self.work.join("root"));
        command.arg(applet).args(words);
        command
    }

    fn ok(&self, applet: &str, words: &[&str]) -> Outcome {
        ok(&mut self.command(applet, words))
    }

    fn time(&self, applet: &str, words: &[&str]) -> Outcome<f64> {
        let mut command = self.command(applet, words);
        let begun = Instant::now();
        // Nothing to do is an answer, too.
        let output = command.output().map_err(|error| error.to_string())?;
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        match output.status.code() {
            Some(0 | 4) => Ok(ms),
            _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
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

fn timed(command: &mut Command) -> Outcome<f64> {
    let begun = Instant::now();
    ok(command)?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

fn table(samples: &[Sample]) -> String {
    let mut text = String::from(
        "\n## Packages of a minimal Debian system, depot over loopback\n\n\
         | what | median, ms | budget | x tar |\n|---|--:|--:|--:|\n",
    );
    let tar = samples[4].median().unwrap_or(f64::NAN);
    for ((name, budget), sample) in BUDGETS.iter().zip(samples) {
        let median = sample.median().unwrap_or(f64::NAN);
        let _ = match budget.is_finite() {
            true => writeln!(
                text,
                "| {name} | {median:.0} | {budget:.0} | {:.2} |",
                median / tar
            ),
            false => writeln!(text, "| {name} | {median:.0} | - | {:.2} |", median / tar),
        };
    }
    text
}
