//! The bed of a real run: zones, by the commands that a person would use.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use zones_cgroup::{Hierarchies, ZoneGroup};
use zones_matrix::{Boot, Clock, Key, Settings};
use zones_store::Layout;

use crate::bed::{Bed, BedError, Call, Plot, StepEnd, Tenant, Usage};
use crate::capture::{Capture, Stream};
use crate::evidence::Sampler;
use crate::network;
use crate::script::{FOLDER, SOURCE};
use crate::site::{PREFIX, Site};
use crate::verbs::{VerbError, Verbs, one_line};

/// Attributes of the zones of runs, for people and for `gc`.
const RUN: &str = "matrix-run";
const CELL: &str = "matrix-cell";
const KEPT: &str = "matrix-kept";

/// Bytes of what a step says on descriptor 3.
const REPORT_MAX: u64 = 1 << 20;

/// Zones of the host of a matrix.
#[derive(Debug)]
pub struct ByVerbs {
    verbs: Verbs,
    site: Site,
    layout: Layout,
    /// The folder of the matrix file.
    source: PathBuf,
    /// Closed when the runner is gone; whoever boots a zone holds it until that is done.
    life: Option<OwnedFd>,
    /// Whether the storage keeps limits of cells; asked when a cell has one.
    limits_disk: OnceLock<bool>,
    /// Streams that services of a step still hold: they must not break while the zone is up.
    lingering: Mutex<BTreeMap<String, Vec<OwnedFd>>>,
}

impl ByVerbs {
    /// The bed of a site; `binary` is this program, `source` the folder of the matrix file.
    #[must_use]
    pub fn new(binary: &Path, site: &Site, source: &Path, life: Option<OwnedFd>) -> Self {
        Self {
            verbs: Verbs::new(binary, &site.host()).disposable(),
            layout: site.layout(),
            site: site.clone(),
            source: source.to_owned(),
            life,
            limits_disk: OnceLock::new(),
            lingering: Mutex::default(),
        }
    }

    fn folder(&self, zone: &str) -> PathBuf {
        self.site.cells().join(zone)
    }

    /// Does an act of zoneadm.
    fn zoneadm(&self, layer: &'static str, zone: &str, args: &[&str]) -> Result<(), BedError> {
        let words: Vec<&str> = ["-z", zone].iter().chain(args).copied().collect();
        self.verbs
            .run("zoneadm", &words)
            .map(drop)
            .map_err(|error| fault(layer, &error))
    }

    /// What the zone finds below `/run/matrix`.
    fn furnish(&self, plot: &Plot<'_>) -> io::Result<Vec<Mount>> {
        let folder = self.folder(plot.zone);
        let artifacts = folder.join("artifacts");
        for path in [
            &folder,
            &folder.join("source"),
            &folder.join("steps"),
            &artifacts,
        ] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(path)?;
        }
        let out = folder.join("out");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o777)
            .create(&out)?;
        fs::set_permissions(&out, fs::Permissions::from_mode(0o1777))?;
        let mut mounts = vec![
            Mount::new(FOLDER, &folder, true),
            Mount::new(SOURCE, &self.source, true),
            Mount::new("/run/matrix/out", &out, false),
        ];
        for (name, path) in plot.artifacts {
            let point = artifacts.join(name);
            match fs::metadata(path)?.is_dir() {
                true => fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o755)
                    .create(&point)?,
                false => drop(fs::File::create(&point)?),
            }
            let target = format!("{}/{name}", zones_matrix::ARTIFACTS);
            mounts.push(Mount::new(&target, path, true));
        }
        Ok(mounts)
    }

    /// The text for zonecfg.
    fn configuration(&self, plot: &Plot<'_>, mounts: &[Mount]) -> String {
        let path = self.layout.prefix().join("zones").join(plot.zone);
        let mut text = format!(
            "create -t {}\nset zonepath={}\nset autoboot=false\n",
            plot.model,
            path.display()
        );
        text += &limits(plot.zone, plot.settings);
        if plot.settings.boot == Boot::None {
            text += "set bootargs=\"-i none\"\n";
        }
        if let Some(disk) = plot.settings.disk.filter(|_| self.limits_disk()) {
            text += &attribute("quota", &disk.0.to_string());
        }
        match &plot.settings.clock {
            Clock::Isolated => {}
            Clock::Shared => text += &attribute("clock", "shared"),
            Clock::Fake(time) => text += &attribute("clock", &time.to_string()),
        }
        for (name, value) in [(RUN, plot.run), (CELL, plot.cell)] {
            text += &attribute(name, value);
        }
        for mount in mounts {
            text += &mount.text();
        }
        text
    }

    fn limits_disk(&self) -> bool {
        let zones = self.layout.prefix().join("zones");
        *self
            .limits_disk
            .get_or_init(|| zones_storage::can_limit(&zones).is_ok())
    }

    fn group(&self, zone: &str) -> Option<ZoneGroup> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let all = Hierarchies::probe(&mounts).ok()?;
        ZoneGroup::open(&all, &self.layout.kernel_name(), &zone.parse().ok()?).ok()
    }

    fn lingering(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<OwnedFd>>> {
        self.lingering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, zone: &str) -> PathBuf {
        self.folder(zone).join("out/report")
    }

    /// The lines that a step wrote on descriptor 3. The folder is the zone's: no link is followed.
    fn reported(&self, zone: &str) -> Vec<String> {
        let path = self.report(zone);
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or(0);
        let file = fs::File::options()
            .read(true)
            .custom_flags(flags)
            .open(&path);
        let mut bytes = Vec::new();
        if let Ok(file) = file
            && file.metadata().is_ok_and(|meta| meta.is_file())
        {
            let _ = file.take(REPORT_MAX).read_to_end(&mut bytes);
        }
        let _ = fs::remove_file(&path);
        String::from_utf8_lossy(&bytes)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn run_step(&self, call: &Call<'_>, capture: &mut Capture) -> io::Result<StepEnd> {
        let name = format!("{:02}", call.step + 1);
        let script = self.folder(call.zone).join("steps").join(&name);
        fs::write(&script, call.script)?;
        let inside = format!("{FOLDER}/steps/{name}");
        let mut command = self
            .verbs
            .command("zlogin", &["-n", call.zone, "/bin/sh", &inside]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // A key on the terminal is for the runner, not for the steps.
        let child = command.process_group(0).spawn()?;
        let streams = Streams::new(child)?;
        let (exit, rest) = streams.follow(call.limit, capture)?;
        if !rest.is_empty() {
            self.lingering()
                .entry(call.zone.to_owned())
                .or_default()
                .extend(rest);
        }
        Ok(StepEnd {
            exit,
            reported: self.reported(call.zone),
        })
    }
}

impl Bed for ByVerbs {
    fn make(&self, plot: &Plot<'_>) -> Result<(), BedError> {
        let mounts = self.furnish(plot).map_err(|error| fault("clone", &error))?;
        // In a file: errors name a line of it, and not all of it.
        let path = self.folder(plot.zone).join("zone.cfg");
        let written = fs::write(&path, self.configuration(plot, &mounts));
        written.map_err(|error| fault("configure", &error))?;
        let path = path.display().to_string();
        let mut words = vec!["clone", "--config", &path];
        if let Some(name) = &plot.origin.snapshot {
            words.extend(["-s", name]);
        }
        words.push(&plot.origin.zone);
        self.zoneadm("clone", plot.zone, &words)
    }

    fn boot(&self, zone: &str) -> Result<(), BedError> {
        let mut command = self.verbs.command("zoneadm", &["-z", zone, "boot"]);
        if let Some(life) = &self.life {
            let life = life.try_clone().map_err(|error| fault("boot", &error))?;
            command.stdin(Stdio::from(life));
        }
        let done = command
            .process_group(0)
            .output()
            .map_err(|error| fault("boot", &error))?;
        if done.status.success() {
            return Ok(());
        }
        let why = one_line(&String::from_utf8_lossy(&done.stderr));
        Err(BedError { layer: "boot", why })
    }

    fn step(&self, call: &Call<'_>, capture: &mut Capture) -> Result<StepEnd, BedError> {
        let end = self
            .run_step(call, capture)
            .map_err(|error| fault("step", &error))?;
        // zlogin speaks for itself when the zone is gone.
        if end.exit == Some(1) && !self.is_up(call.zone) {
            let why = format!("zone {} was halted while the step ran", call.zone);
            return Err(BedError { layer: "step", why });
        }
        Ok(end)
    }

    fn snapshot(&self, zone: &str, name: &str) -> Result<(), BedError> {
        self.zoneadm("snapshot", zone, &["snapshot", name])
    }

    fn usage(&self, zone: &str) -> Usage {
        let usage = self
            .group(zone)
            .map(|group| group.usage())
            .unwrap_or_default();
        Usage {
            peak: usage.memory_peak.unwrap_or(0),
            killed: usage.oom_kills.unwrap_or(0),
        }
    }

    fn sampler(&self, zone: &str) -> Option<Sampler> {
        let group = self.group(zone);
        let folder = group.as_ref().and_then(|group| {
            let fd = group.init_dir()?.as_raw_fd();
            fs::read_link(format!("/proc/self/fd/{fd}")).ok()
        });
        Some(Sampler::begin(folder))
    }

    fn disk(&self, zone: &str) -> Option<u64> {
        if self.limits_disk() {
            return None;
        }
        let zonepath = self.layout.prefix().join("zones").join(zone);
        let driver = zones_storage::choose(&zonepath).ok()?;
        Some(driver.usage_of_zone(&zonepath).ok()?.own)
    }

    fn halt(&self, zone: &str) -> Result<(), BedError> {
        let halted = match self.is_up(zone) {
            true => self.zoneadm("halt", zone, &["halt"]),
            false => Ok(()),
        };
        self.lingering().remove(zone);
        halted
    }

    fn destroy(&self, zone: &str) -> Result<(), BedError> {
        self.halt(zone)?;
        let document = self.layout.etc().join(format!("{zone}.xml"));
        if document.exists() {
            let removed = self.zoneadm("uninstall", zone, &["uninstall", "-F", "--delete"]);
            if removed.is_err() {
                // A zone that is only configured has nothing to uninstall.
                let deleted = self.verbs.run("zonecfg", &["-z", zone, "delete -F"]);
                if let Err(error) = deleted {
                    removed?;
                    return Err(fault("delete", &error));
                }
            }
        }
        match fs::remove_dir_all(self.folder(zone)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault("remove", &error)),
            _ => Ok(()),
        }
    }

    fn keep(&self, zone: &str) -> Result<(), BedError> {
        let text = attribute(KEPT, "true");
        let kept = self.verbs.run("zonecfg", &["-z", zone, &text]);
        kept.map(drop).map_err(|error| fault("keep", &error))
    }

    fn tenants(&self) -> Result<Vec<Tenant>, BedError> {
        let zones = zones_store::Store::open(self.layout.clone());
        let list = zones.list().map_err(|error| fault("list", &error))?;
        let ours = list
            .into_iter()
            .filter(|entry| is_ours(entry.name.as_str()));
        let tenants = ours.map(|entry| {
            let config = zones.load(&entry.name);
            let kept = config.is_ok_and(|config| config.attrs.iter().any(|it| it.name == KEPT));
            let zone = entry.name.to_string();
            Tenant { zone, kept }
        });
        let mut found: Vec<Tenant> = tenants.collect();
        // A runner may have died before it configured the zone.
        for entry in fs::read_dir(self.site.cells())
            .into_iter()
            .flatten()
            .flatten()
        {
            let zone = entry.file_name().to_string_lossy().into_owned();
            if is_ours(&zone) && found.iter().all(|known| known.zone != zone) {
                found.push(Tenant { zone, kept: false });
            }
        }
        Ok(found)
    }
}

impl ByVerbs {
    /// Whether the zone has, or may still have, something that runs.
    fn is_up(&self, zone: &str) -> bool {
        let Ok(name) = zone.parse() else { return false };
        self.layout.run_zone(&name).join("state").exists()
    }
}

fn is_ours(zone: &str) -> bool {
    let parts: Vec<&str> = zone.split('-').collect();
    parts.len() == 3 && parts[0].len() == PREFIX.len() + 8 && parts[0].starts_with(PREFIX)
}

fn fault(layer: &'static str, error: &(dyn std::error::Error + 'static)) -> BedError {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        why = format!("{why}: {inner}");
        source = inner.source();
    }
    BedError { layer, why }
}

fn attribute(name: &str, value: &str) -> String {
    format!("add attr; set name={name}; set type=string; set value=\"{value}\"; end\n")
}

/// Limits and network.
fn limits(zone: &str, settings: &Settings) -> String {
    let number = Key::of_bytes(zone.as_bytes()).number();
    let network = network::words(settings.network, number);
    format!(
        "set max-processes={}\nadd capped-memory; set physical={}; end\n{network}",
        settings.tasks, settings.memory.0
    )
}

/// A folder or file of the host that the zone sees.
struct Mount {
    target: String,
    origin: PathBuf,
    is_read_only: bool,
}

impl Mount {
    fn new(target: &str, origin: &Path, is_read_only: bool) -> Self {
        Self {
            target: target.to_owned(),
            origin: origin.to_owned(),
            is_read_only,
        }
    }

    fn text(&self) -> String {
        let options = if self.is_read_only {
            "ro,nodevices"
        } else {
            "nodevices"
        };
        format!(
            "add fs; set dir={}; set special=\"{}\"; set type=lofs; add options [{options}]; end\n",
            self.target,
            self.origin.display()
        )
    }
}

/// A command whose output is followed.
struct Streams {
    child: Child,
    ended: OwnedFd,
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
}

impl Streams {
    fn new(mut child: Child) -> io::Result<Self> {
        let pid = rustix::process::Pid::from_child(&child);
        let ended = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let both = [
            out.as_ref().map(|it| it.as_fd()),
            err.as_ref().map(|it| it.as_fd()),
        ];
        for fd in both.into_iter().flatten() {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        Ok(Self {
            child,
            ended,
            out,
            err,
        })
    }

    /// Until the command ends, or its time. What others still hold comes back.
    fn follow(
        mut self,
        limit: Duration,
        capture: &mut Capture,
    ) -> io::Result<(Option<i32>, Vec<OwnedFd>)> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                capture.note("the time is up")?;
                // The zone is halted by whoever asked; this is only the way in.
                let _ = self.child.kill();
                let _ = self.child.wait();
                return Ok((None, Vec::new()));
            }
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut fds = vec![PollFd::new(&self.ended, PollFlags::IN)];
            fds.extend(self.out.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
            fds.extend(self.err.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
            match rustix::event::poll(&mut fds, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let is_over = !fds[0].revents().is_empty();
            drop(fds);
            drain(&mut self.out, Stream::Out, capture)?;
            drain(&mut self.err, Stream::Err, capture)?;
            if is_over {
                let status = self.child.wait()?;
                let rest = [self.out.map(OwnedFd::from), self.err.map(OwnedFd::from)];
                return Ok((
                    Some(status.code().unwrap_or(255)),
                    rest.into_iter().flatten().collect(),
                ));
            }
        }
    }
}

/// Takes what is there; a stream that everybody closed is closed here too.
fn drain<T: io::Read>(
    stream: &mut Option<T>,
    which: Stream,
    capture: &mut Capture,
) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    // So much at once that the other stream is not forgotten.
    for _ in 0..16 {
        let Some(open) = stream else { return Ok(()) };
        match open.read(&mut buffer) {
            Ok(0) => *stream = None,
            Ok(count) => capture.add(which, &buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl From<VerbError> for BedError {
    fn from(error: VerbError) -> Self {
        fault("verb", &error)
    }
}
