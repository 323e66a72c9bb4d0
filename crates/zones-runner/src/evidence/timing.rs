//! How true time was while a cell ran: programs with time-outs fail on a host that stalls, and not
//! by their own fault.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zones_matrix::Check;
use zones_matrix::journal::{CheckResult, Status};

/// How long the sampler sleeps.
const BEAT: Duration = Duration::from_millis(20);
/// A beat that comes later than this counts as a stall.
const LATE: Duration = Duration::from_millis(100);
/// The wall clock may be slewed by this much in a beat.
const SLEW: Duration = Duration::from_millis(50);

/// What was seen of time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stalls {
    /// How often the host let a sleeper sleep too long.
    pub count: u32,
    /// The longest of them.
    pub longest: Duration,
    /// Time in which something in the zone's control group waited for a CPU; unset where the
    /// kernel does not say.
    pub waited: Option<Duration>,
    /// Time in which the zone was held back by its own cap.
    pub throttled: Option<Duration>,
    /// How often the wall clock jumped.
    pub jumps: u32,
}

impl Stalls {
    /// Lines for people; none when time went by as it should.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.count > 0 {
            let (count, longest) = (self.count, self.longest.as_millis());
            lines.push(format!(
                "the host stalled {count} times, for {longest} ms at most"
            ));
        }
        if self.jumps > 0 {
            lines.push(format!("the wall clock jumped {} times", self.jumps));
        }
        let held = self.throttled.filter(|time| *time > LATE);
        if let Some(held) = held {
            lines.push(format!(
                "the cap of the zone held it back for {} ms",
                held.as_millis()
            ));
        }
        lines
    }

    /// As the check `timing`, when it was asked for; else it passes, and only what went wrong is
    /// worth telling.
    #[must_use]
    pub fn result(&self, is_asked_for: bool) -> Option<CheckResult> {
        let lines = self.lines();
        let status = match (is_asked_for, lines.is_empty()) {
            (true, false) => Status::Fail,
            (true, true) | (false, false) => Status::Pass,
            (false, true) => return None,
        };
        Some(CheckResult {
            check: Check::Timing.to_string(),
            status,
            message: lines.join(", "),
            findings: Vec::new(),
        })
    }
}

/// Samples while a cell runs.
#[derive(Debug)]
pub struct Sampler {
    /// The thread ends when this is dropped.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Stalls>>,
    group: Option<PathBuf>,
    began: (Option<Duration>, Option<Duration>),
}

impl Sampler {
    /// Begins; `group` is the folder of the zone's control group where it has a unified one.
    #[must_use]
    pub fn begin(group: Option<PathBuf>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("timing".to_owned())
            .spawn(move || sample(&stopped));
        Self {
            stop: Some(stop),
            // Without a thread nothing is sampled.
            thread: thread.ok(),
            began: pressure(group.as_deref()),
            group,
        }
    }

    /// Ends, and says what was seen.
    #[must_use]
    pub fn end(mut self) -> Stalls {
        drop(self.stop.take());
        let thread = self.thread.take();
        let mut stalls = thread.and_then(|it| it.join().ok()).unwrap_or_default();
        let (waited, throttled) = pressure(self.group.as_deref());
        let since = |now: Option<Duration>, then: Option<Duration>| {
            now.map(|now| now.saturating_sub(then.unwrap_or_default()))
        };
        stalls.waited = since(waited, self.began.0);
        stalls.throttled = since(throttled, self.began.1);
        stalls
    }
}

fn sample(stopped: &Receiver<()>) -> Stalls {
    let mut stalls = Stalls::default();
    let wall = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    };
    loop {
        let (before, clock) = (Instant::now(), wall());
        let is_over = stopped.recv_timeout(BEAT) != Err(RecvTimeoutError::Timeout);
        stalls.note(before.elapsed(), wall(), clock);
        if is_over {
            return stalls;
        }
    }
}

impl Stalls {
    fn note(&mut self, took: Duration, now: Duration, then: Duration) {
        let late = took.saturating_sub(BEAT);
        if late > LATE {
            self.count += 1;
            self.longest = self.longest.max(late);
        }
        let expected = then + took;
        if expected.abs_diff(now) > SLEW {
            self.jumps += 1;
        }
    }
}

/// Time waited for CPUs and time held back by a cap. Source: the kernel's documentation of
/// pressure stall information and of control groups, `cpu.pressure` and `cpu.stat`.
fn pressure(group: Option<&Path>) -> (Option<Duration>, Option<Duration>) {
    let read = |name: &str| std::fs::read_to_string(group?.join(name)).ok();
    let waited = read("cpu.pressure").and_then(|text| {
        let line = text
            .lines()
            .find(|line| line.starts_with("some"))?
            .to_owned();
        line.rsplit_once("total=")?.1.trim().parse().ok()
    });
    let throttled = read("cpu.stat").and_then(|text| {
        let mut found = text
            .lines()
            .filter_map(|line| line.strip_prefix("throttled_usec "));
        found.next()?.trim().parse().ok()
    });
    (
        waited.map(Duration::from_micros),
        throttled.map(Duration::from_micros),
    )
}

/// How the clock of whoever keeps a folder differs from the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// By how much its clock is ahead, in microseconds; negative: behind.
    pub ahead: i64,
    /// By how much that may be wrong.
    pub within: Duration,
}

impl Offset {
    /// Whether programs such as make(1) may take files for newer than they are.
    #[must_use]
    pub fn is_skewed(&self) -> bool {
        Duration::from_micros(self.ahead.unsigned_abs()) > self.within + SLEW
    }
}

/// The kernel stamps files with the time of its last tick. Source: `CLOCK_REALTIME_COARSE` in
/// clock_gettime(2).
const TICK: Duration = Duration::from_millis(10);

/// Writes a probe file into a folder, an NFS mount say, and compares the stamp it gets with the
/// host's clock. The file is removed again.
///
/// # Errors
/// The file cannot be written there.
pub fn server_offset(folder: &Path) -> std::io::Result<Offset> {
    use std::os::unix::fs::MetadataExt;
    let path = folder.join(format!(".zones-clock-probe-{}", std::process::id()));
    let wall = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    };
    let probe = || {
        let before = wall();
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        // A server stamps what it is sent, when it is sent.
        file.write_all(b"probe\n")?;
        file.sync_all()?;
        let after = wall();
        let stat = file.metadata()?;
        Ok((before, after, stat.mtime(), stat.mtime_nsec()))
    };
    let seen: std::io::Result<(Duration, Duration, i64, i64)> = probe();
    let removed = std::fs::remove_file(&path);
    let (before, after, seconds, nanoseconds) = seen?;
    removed?;
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let stamp = seconds * 1_000_000 + nanoseconds / 1_000;
    let middle = (micros(before) + micros(after)) / 2;
    Ok(Offset {
        ahead: stamp - middle,
        within: (after - before.min(after)) / 2 + TICK,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_beats_and_jumps_are_counted() {
        let mut stalls = Stalls::default();
        let at = Duration::from_secs;
        stalls.note(BEAT, at(10) + BEAT, at(10));
        assert_eq!(stalls, Stalls::default());
        stalls.note(BEAT * 20, at(11) + BEAT * 20, at(11));
        stalls.note(BEAT, at(9), at(12));
        assert_eq!((stalls.count, stalls.jumps), (1, 1));
        assert_eq!(stalls.lines().len(), 2);
        assert!(stalls.lines()[0].contains("380 ms"), "{:?}", stalls.lines());
    }

    #[test]
    fn a_stall_fails_the_check_only_where_it_was_asked_for() {
        let calm = Stalls::default();
        assert_eq!(calm.result(false), None);
        assert_eq!(calm.result(true).unwrap().status, Status::Pass);
        let (count, longest) = (2, Duration::from_millis(300));
        let late = Stalls {
            count,
            longest,
            ..calm
        };
        let told = late.result(false).unwrap();
        assert_eq!(told.status, Status::Pass);
        assert_eq!(told.message, "the host stalled 2 times, for 300 ms at most");
        assert_eq!(late.result(true).unwrap().status, Status::Fail);
    }

    #[test]
    fn a_sampler_ends_when_it_is_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = |text: &str| std::fs::write(folder.path().join("cpu.pressure"), text).unwrap();
        file("some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\nfull total=7\n");
        let sampler = Sampler::begin(Some(folder.path().to_owned()));
        file("some avg10=0.00 avg60=0.00 avg300=0.00 total=251000\n");
        let stalls = sampler.end();
        assert_eq!(stalls.waited, Some(Duration::from_millis(250)));
        assert_eq!(stalls.throttled, None);
    }

    #[test]
    fn the_hosts_own_files_bear_the_hosts_time() {
        let folder = tempfile::tempdir().unwrap();
        let offset = server_offset(folder.path()).unwrap();
        assert!(!offset.is_skewed(), "{offset:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(server_offset(Path::new("/nowhere")).is_err());
    }
}
