//! The tests: a table, and how one of them is run.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::cache::{self, Cache};
use super::guest::{Base, Disks, Event, Guest, Init};
use super::image::Image;
use super::share;
use super::warm::{BOOT, Warm};
use crate::shell::Outcome;

/// One script of `tests/vm`, run in a guest of its own.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) init: Init,
    /// The guest is rebooted between; the script finds the number in `BOOT`.
    pub(super) boots: u8,
    /// Seconds that one boot's part may take.
    pub(super) limit_s: u64,
    /// Puts further files beside the script.
    pub(super) extra: fn(&Path) -> Outcome,
}

/// Cheapest first. `power` is not among them: see `power.rs`.
pub(super) const CASES: [Case; 5] = [
    Case {
        name: "cgroup-v2",
        text: "limits, delegation and repair of one zone on cgroup v2 alone",
        init: Init::Plain,
        boots: 1,
        limit_s: 900,
        extra: share::nothing,
    },
    Case {
        name: "storage",
        text: "the contract of the storage drivers on ext4, xfs, btrfs and ZFS; project quotas",
        init: Init::Plain,
        boots: 1,
        limit_s: 3600,
        extra: share::storage_tests,
    },
    Case {
        name: "zfs",
        text: "a zone's life on ZFS: snapshots, clones, streams, differences, delegation, kill -9",
        init: Init::Plain,
        boots: 1,
        limit_s: 3600,
        extra: share::nothing,
    },
    Case {
        name: "speed",
        text: "clone, snapshot, diff and rollback on ZFS beside its own commands: figures only",
        init: Init::Plain,
        boots: 1,
        limit_s: 3600,
        extra: share::nothing,
    },
    Case {
        name: "life",
        text: "a zone's life under systemd; zones.service over a reboot of the host",
        init: Init::Systemd,
        boots: 2,
        limit_s: 900,
        extra: share::nothing,
    },
];

/// Where guests come from.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    pub(super) cache: &'a Cache,
    pub(super) image: &'a Image,
    /// Whether saved guests are used.
    pub(super) warm: bool,
}

impl Machine<'_> {
    /// The saved guest, if one is wanted and can be had.
    pub(super) fn warm(&self, init: Init) -> Option<Warm> {
        if !self.warm {
            return None;
        }
        let warm = Warm::prepare(self.cache, self.image, init);
        warm.inspect_err(|error| println!("Booting cold: {error}"))
            .ok()
    }

    /// What a root disk starts from.
    pub(super) fn base(&self, warm: Option<&Warm>) -> Base {
        warm.map_or_else(|| self.image.base(), Warm::base)
    }

    /// A guest that has begun with what is shared.
    pub(super) fn begin(&self, init: Init, disks: &Disks, warm: Option<&Warm>) -> Outcome<Guest> {
        let more = warm.map(Warm::arguments).unwrap_or_default();
        let mut guest = Guest::start(self.image, init, disks, &more)?;
        if warm.is_none() && !guest.wait_for("vm ready", BOOT) {
            return Err("the guest did not come up".to_owned());
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        guest.say(&format!("go {}", now.map_or(0, |since| since.as_secs())))?;
        if guest.wait_for("vm begin", BOOT) {
            Ok(guest)
        } else {
            Err("the guest did not begin".to_owned())
        }
    }
}

/// What a test's checks said.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: Vec<String>,
    pub(super) skipped: Vec<String>,
    /// What is worth showing of a test that passed.
    pub(super) notes: Vec<String>,
}

impl Tally {
    /// Reads one line of a guest.
    pub(super) fn line(&mut self, line: &str) {
        if line.starts_with("ok ") {
            self.passed += 1;
        } else if line.starts_with("not ok ") {
            self.failed.push(line.to_owned());
        } else if line.starts_with("skip ") {
            self.skipped.push(line.to_owned());
        } else if let Some(note) = line.strip_prefix("note ") {
            self.notes.push(note.to_owned());
        }
    }

    /// Adds a failure that no check named.
    pub(super) fn fail(&mut self, what: impl Into<String>) {
        self.failed.push(what.into());
    }
}

/// A folder with the log of a test and the disks of its guest.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    log: File,
}

impl Place {
    /// An empty one.
    pub(super) fn create(folder: &Path) -> Outcome<Self> {
        cache::fresh(folder)?;
        let path = folder.join("log");
        let log =
            File::create(&path).map_err(|error| format!("no log `{}`: {error}", path.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            log,
        })
    }

    /// Keeps a line. A log that cannot be written is no reason to end a test.
    pub(super) fn log(&mut self, line: &str) {
        let _ = writeln!(self.log, "{line}");
    }

    /// The last lines of the log and of the kernel's console.
    pub(super) fn tail(&self) -> String {
        const LINES: usize = 40;
        let mut text = String::new();
        for name in ["log", "console.log", "qemu.log"] {
            let bytes = std::fs::read(self.folder.join(name)).unwrap_or_default();
            let whole = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = whole.lines().collect();
            for line in &lines[lines.len().saturating_sub(LINES)..] {
                text += &format!("    {name}: {line}\n");
            }
        }
        text
    }
}

/// Runs a case; checks that failed are in the tally, everything else is an error.
pub(super) fn run(
    case: &Case,
    machine: &Machine<'_>,
    place: &mut Place,
    tally: &mut Tally,
) -> Outcome {
    let warm = machine.warm(case.init);
    let disks = Disks::create(&place.folder, &machine.base(warm.as_ref()))?;
    for boot in 1..=case.boots {
        let files = place.folder.join("share");
        let variables = [
            ("BOOT", boot.to_string()),
            ("TEST_TMPDIR", share::test_folder()?),
        ];
        share::fill(&files, case.name, &variables)?;
        (case.extra)(&files)?;
        disks.share(&files)?;
        // Only the first boot goes on with a saved guest: the next ones are what is tested.
        let warm = warm.as_ref().filter(|_| boot == 1);
        let mut guest = machine.begin(case.init, &disks, warm)?;
        let limit = Duration::from_secs(case.limit_s);
        follow(&guest, limit, place, tally, |_| ())?;
        if boot < case.boots {
            guest.say("reboot")?;
            if !guest.wait_gone(limit) {
                return Err("the guest did not go down for its reboot".to_owned());
            }
        }
    }
    if tally.passed == 0 && tally.failed.is_empty() && tally.skipped.is_empty() {
        tally.fail("no check was made");
    }
    Ok(())
}

/// Reads a guest's lines until its test ends.
pub(super) fn follow(
    guest: &Guest,
    limit: Duration,
    place: &mut Place,
    tally: &mut Tally,
    mut also: impl FnMut(&str),
) -> Outcome {
    let until = Instant::now() + limit;
    loop {
        match guest.next(until) {
            Event::Line(line) => {
                place.log(&line);
                if let Some(status) = line.strip_prefix("vm end ") {
                    if status != "0" {
                        tally.fail(format!("the script ended with status {status}"));
                    }
                    return Ok(());
                }
                tally.line(&line);
                also(&line);
            }
            Event::Silence => return Err(format!("not done after {} s", limit.as_secs())),
            Event::Gone => return Err("the guest went away".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn a_tally_counts_checks_and_nothing_else() {
        let mut tally = Tally::default();
        for line in [
            "ok 1 a",
            "not ok 2 b",
            "skip 3 c: no d",
            "okay",
            "note n",
            "",
        ] {
            tally.line(line);
        }
        assert_eq!(tally.passed, 1);
        assert_eq!(tally.failed, ["not ok 2 b"]);
        assert_eq!(tally.skipped, ["skip 3 c: no d"]);
        assert_eq!(tally.notes, ["n"]);
    }
}
