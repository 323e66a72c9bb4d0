//! Clone, snapshot, diff, rollback and removal of zones with 1,000 to 100,000 files, on images of
//! file systems, beside what the file system and cp(1) take for the same.
//!
//! Every line is one command, forked and waited for. The figures of a zone of 100,000 files stand
//! beside those of 1,000: what grows was not shared.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::demo::busybox;
use crate::shell::{Outcome, has, output, write};
use crate::stats::Sample;

pub(super) const ROUNDS: usize = 7;
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
/// Files of a folder.
const IN_ONE: usize = 100;
/// How often a mount that is busy is tried again, and how long after.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(100);
/// Slow peers run so often.
const SLOW_ROUNDS: usize = 2;

/// A file system, how it is made, and the driver that is asked for.
struct Ground {
    name: &'static str,
    mkfs: &'static [&'static str],
    driver: &'static str,
}

const GROUNDS: [Ground; 3] = [
    Ground {
        name: "overlay on ext4",
        mkfs: &["mkfs.ext4", "-q", "-F"],
        driver: "overlay",
    },
    Ground {
        name: "btrfs",
        mkfs: &["mkfs.btrfs", "-q"],
        driver: "btrfs",
    },
    Ground {
        name: "dir on xfs (reflinks)",
        mkfs: &["mkfs.xfs", "-q"],
        driver: "dir",
    },
];

/// A row of the report: what, and its sample for each size.
type Rows = Vec<(&'static str, [Sample; SIZES.len()])>;

/// A section of the report.
pub(super) fn run(zones: &Path, rounds: usize) -> Outcome<String> {
    let mut text = format!(
        "\n## Storage\n\n{rounds} rounds, ms, medians; `x` is the last column by the first. A \
         peer that copies runs {SLOW_ROUNDS} times.\n"
    );
    for ground in &GROUNDS {
        let program = ground.mkfs.first().copied().unwrap_or_default();
        if !has(program) {
            let _ = writeln!(text, "\n{}: {program} is not installed", ground.name);
            continue;
        }
        let mut rows = Rows::new();
        for (at, size) in SIZES.into_iter().enumerate() {
            println!("Storage, {}, {size} files...", ground.name);
            let site = Site::new(zones, ground)?;
            site.measure(size, rounds, &mut |name, ms| add(&mut rows, at, name, ms))?;
        }
        text += &table(ground, &rows);
    }
    Ok(text)
}

fn add(rows: &mut Rows, at: usize, name: &'static str, ms: f64) {
    let place = rows.iter().position(|(known, _)| *known == name);
    let place = place.unwrap_or_else(|| {
        rows.push((name, Default::default()));
        rows.len() - 1
    });
    rows[place].1[at].add(ms);
}

fn table(ground: &Ground, rows: &Rows) -> String {
    let mut text = format!("\n### {}\n\n| what |", ground.name);
    SIZES
        .iter()
        .for_each(|size| text += &format!(" {size} files |"));
    text += " x |\n|---|--:|--:|--:|--:|\n";
    for (name, samples) in rows {
        let medians = samples.each_ref().map(Sample::median);
        let _ = write!(text, "| {name} |");
        for median in medians {
            let _ = write!(text, " {:.2} |", median.unwrap_or(f64::NAN));
        }
        let growth = match medians {
            [Some(first), .., Some(last)] => format!("{:.2}", last / first),
            _ => "-".to_owned(),
        };
        let _ = writeln!(text, " {growth} |");
    }
    text
}

/// A mounted image with a host's files in it; both go when it is dropped.
struct Site<'a> {
    zones: &'a Path,
    ground: &'a Ground,
    folder: PathBuf,
}

impl Drop for Site<'_> {
    fn drop(&mut self) {
        // What was uninstalled last may still be on its way out, by a process of its own.
        let umount = || Command::new("umount").arg(self.mount()).output();
        let is_off = (0..TRIES).any(|_| {
            let is_off = umount().is_ok_and(|it| it.status.success());
            if !is_off {
                std::thread::sleep(PAUSE);
            }
            is_off
        });
        match is_off {
            true => drop(fs::remove_dir_all(&self.folder)),
            false => eprintln!("{} is still mounted", self.mount().display()),
        }
    }
}

impl<'a> Site<'a> {
    fn new(zones: &'a Path, ground: &'a Ground) -> Outcome<Self> {
        let folder = super::folder()?;
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(folder.join("mount")).map_err(failed)?;
        let image = fs::File::create(folder.join("image")).map_err(failed)?;
        image.set_len(6 << 30).map_err(failed)?;
        let site = Self {
            zones,
            ground,
            folder,
        };
        let (program, args) = ground.mkfs.split_first().ok_or("no mkfs")?;
        let image = site.folder.join("image");
        output(Command::new(program).args(args).arg(&image))?;
        output(
            Command::new("mount")
                .args(["-o", "loop"])
                .arg(image)
                .arg(site.mount()),
        )?;
        Ok(site)
    }

    fn mount(&self) -> PathBuf {
        self.folder.join("mount")
    }

    /// A command of ours.
    fn ours(&self, applet: &str, zone: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.zones);
        command.arg(applet).arg("-R").arg(self.mount().join("host"));
        command.args(["-z", zone]).args(args);
        command
    }

    fn configure(&self, zone: &str) -> Outcome {
        let path = self.mount().join("zones").join(zone);
        let text = format!(
            "create -t SYSlx; set zonepath={}; add attr; set name=storage; set type=string; \
             set value={}; end",
            path.display(),
            self.ground.driver
        );
        output(&mut self.ours("zonecfg", zone, &[&text])).map(drop)
    }

    fn measure(
        &self,
        size: usize,
        rounds: usize,
        note: &mut dyn FnMut(&'static str, f64),
    ) -> Outcome {
        let tree = self.mount().join("tree");
        busybox::tree(&tree)?;
        for name in ["host", "zones"] {
            let made = fs::create_dir(self.mount().join(name));
            made.map_err(|error| format!("{name}: {error}"))?;
        }
        for number in 0..size {
            let folder = tree.join(format!("usr/files/{}", number / IN_ONE));
            write(
                &folder.join(number.to_string()),
                &"text ".repeat(number % 200),
            )?;
        }
        self.configure("base")?;
        let tree = tree.display().to_string();
        output(&mut self.ours("zoneadm", "base", &["install", "-d", &tree]))?;
        fs::remove_dir_all(&tree).map_err(|error| format!("{tree}: {error}"))?;
        // The first clone turns the root into layers, once.
        self.configure("first")?;
        output(&mut self.ours("zoneadm", "first", &["clone", "base"]))?;
        for round in 0..rounds {
            self.ours_once(round, note)?;
            self.floor_once(note)?;
            if round < SLOW_ROUNDS {
                self.copies_once(note)?;
            }
        }
        Ok(())
    }

    fn ours_once(&self, round: usize, note: &mut dyn FnMut(&'static str, f64)) -> Outcome {
        let zone = format!("z{round}");
        self.configure(&zone)?;
        let sync = || output(Command::new("sync").arg("-f").arg(self.mount())).map(drop);
        for (name, args) in [
            ("zoneadm clone", &["clone", "base"][..]),
            ("zoneadm snapshot", &["snapshot", "one"]),
            ("zoneadm diff, nothing changed", &["diff"]),
            ("zoneadm rollback", &["rollback", "one"]),
            ("zoneadm uninstall", &["uninstall", "-F"]),
        ] {
            sync()?;
            note(name, timed(&mut self.ours("zoneadm", &zone, args))?);
        }
        Ok(())
    }

    /// What the file system itself takes.
    fn floor_once(&self, note: &mut dyn FnMut(&'static str, f64)) -> Outcome {
        match self.ground.driver {
            "btrfs" if has("btrfs") => {
                let root = self.mount().join("zones/base/root");
                let copy = self.mount().join("copy");
                let btrfs = |verb: &str| {
                    let mut command = Command::new("btrfs");
                    command.args(["subvolume", verb]);
                    command
                };
                let mut take = btrfs("snapshot");
                note(
                    "btrfs subvolume snapshot",
                    timed(take.arg(&root).arg(&copy))?,
                );
                let mut remove = btrfs("delete");
                note("btrfs subvolume delete", timed(remove.arg(&copy))?);
            }
            "overlay" => {
                let folder = self.mount().join("bare");
                for name in ["upper", "work", "all"] {
                    let made = fs::create_dir_all(folder.join(name));
                    made.map_err(|error| format!("{name}: {error}"))?;
                }
                let at = |name: &str| folder.join(name).display().to_string();
                let options = format!(
                    "lowerdir={},upperdir={},workdir={}",
                    self.layer()?.display(),
                    at("upper"),
                    at("work")
                );
                let mut mount = Command::new("mount");
                mount.args(["-t", "overlay", "none", "-o", &options, &at("all")]);
                note("mount -t overlay", timed(&mut mount)?);
                note("umount", timed(Command::new("umount").arg(at("all")))?);
            }
            _ => {}
        }
        Ok(())
    }

    fn copies_once(&self, note: &mut dyn FnMut(&'static str, f64)) -> Outcome {
        let root = self.mount().join("zones/base/root");
        let copy = self.mount().join("copy");
        let mut ways = vec![("cp -a", "--reflink=never")];
        if self.ground.driver != "overlay" {
            ways.push(("cp -a --reflink", "--reflink=always"));
        }
        // Of a layered root, the layer that holds everything.
        let from = match self.ground.driver {
            "overlay" => self.layer()?,
            _ => root,
        };
        for (name, how) in ways {
            let mut cp = Command::new("cp");
            note(name, timed(cp.args(["-a", how]).arg(&from).arg(&copy))?);
            note("rm -rf", timed(Command::new("rm").arg("-rf").arg(&copy))?);
        }
        Ok(())
    }

    fn layer(&self) -> Outcome<PathBuf> {
        let store = self.mount().join("zones/.zones-layers");
        let entries =
            fs::read_dir(&store).map_err(|error| format!("{}: {error}", store.display()))?;
        let mut trees = entries.flatten().map(|it| it.path().join("tree"));
        let full = trees.find(|it| it.join("usr/files").is_dir());
        full.ok_or_else(|| "no layer has the files".to_owned())
    }
}

fn timed(command: &mut Command) -> Outcome<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let begun = Instant::now();
    let done = command.output();
    let ms = begun.elapsed().as_secs_f64() * 1e3;
    match done {
        Ok(done) if done.status.success() => Ok(ms),
        Ok(done) => Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
