//! `zoneadm install`: from configured through incomplete to installed, or back to configured.

mod choices;
mod ipkg;
mod sparse;

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use zones_archive::{Progress, Silent};
use zones_brand::{Emulator, Hook, HookEnd, Host, Installer, Laid, Stream, SysConfig};
use zones_debian::ConfigureStep;
use zones_engine::{Ending, Hooks, Request, chain};
use zones_store::{Layout, Lock, journal};
use zones_sys::RootFd;
use zones_types::{Verb, Verdict, ZonePath, ZoneState, judge};

pub(super) use self::sparse::note_base;

use self::choices::Wanted;
use super::{Target, hooks, storage, uninstall, verify};
use crate::progress::Screen;
use crate::report::{OK, fail_zone};
use crate::settings::HostSettings;

/// What is said at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    /// What to do with the zone.
    NextSteps,
    /// Nothing: it is not a zone for people.
    None,
}

pub(super) fn run(target: &Target<'_>, args: &[String]) -> u8 {
    run_as(target, args, Advice::NextSteps)
}

/// As [`run`].
pub(super) fn run_as(target: &Target<'_>, args: &[String], advice: Advice) -> u8 {
    let hooks = match Hooks::load(target.layout, &target.zone, true) {
        Ok(hooks) => hooks,
        Err(error) => {
            return fail_zone(
                &target.zone,
                format!("missing or invalid brand: {}", error.chain()),
            );
        }
    };
    let brand = hooks.brand();
    let wanted = match choices::parse(args, brand.installer, &brand.installopts) {
        Ok(wanted) => wanted,
        Err(status) => return status,
    };
    if let Verdict::Refuse(refusal) = judge(target.state, Verb::Install) {
        return fail_zone(&target.zone, refusal);
    }
    if let Err(status) = verify::before(target, "install", args) {
        return status;
    }
    let _lock = match (
        crate::env::lock_is_held(),
        Lock::zone(target.layout, &target.zone),
    ) {
        (true, _) => None,
        (false, Ok(lock)) => Some(lock),
        (false, Err(_)) => {
            return fail_zone(
                &target.zone,
                "another zoneadm may have an operation in progress.",
            );
        }
    };
    // Somebody else may have been faster while this one waited for the lock.
    if let Ok(Some(state)) = super::state_of(target.layout, &target.store, &target.zone)
        && let Verdict::Refuse(refusal) = judge(state, Verb::Install)
    {
        return fail_zone(&target.zone, refusal);
    }
    match Job::new(target, wanted, hooks).and_then(|job| job.run(advice)) {
        Ok(()) => OK,
        Err(text) => fail_zone(&target.zone, text),
    }
}

/// What a zone of brand debian would be made of, were it installed with these options now.
pub(in crate::applet) fn plan_mirror(
    layout: &Layout,
    args: &[String],
) -> Result<zones_debian::Plan, String> {
    let choices = choices::of_mirror(args)?;
    let host = package_host(layout)?;
    zones_brand::plan_mirror(&choices, &host, &Silent).map_err(|error| chain(&error))
}

/// What this host brings to an installation from packages.
pub(in crate::applet) fn package_host(layout: &Layout) -> Result<Host, String> {
    Ok(host(layout, HostSettings::read(layout)?.package_cache))
}

fn host(layout: &Layout, cache_limit: Option<u64>) -> Host {
    Host {
        root: PathBuf::from("/"),
        cache: layout.cache(),
        cache_limit,
        now: now(),
    }
}

/// How an installation fails.
enum Failure {
    /// Nothing of it stays.
    BackOut(String),
    /// A hook may have left things that only it knows: the zone stays incomplete.
    Stay(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::BackOut(text)
    }
}

/// One installation.
struct Job<'a> {
    target: &'a Target<'a>,
    wanted: Wanted,
    installer: Installer,
    hooks: Hooks,
    cache_limit: Option<u64>,
    zonepath: ZonePath,
    screen: Screen,
    log: PathBuf,
}

impl<'a> Job<'a> {
    /// Checks all that can be checked before anything is changed.
    fn new(target: &'a Target<'a>, wanted: Wanted, hooks: Hooks) -> Result<Self, String> {
        let config =
            zones_engine::load(target.layout, &target.zone).map_err(|error| error.chain())?;
        let zonepath = config.zonepath.clone().ok_or("zonepath not specified")?;
        let installer = hooks.brand().installer;
        if installer == Installer::Hook && !hooks.has(Hook::Install) {
            return Err(format!(
                "brand `{}` has neither an installer nor a hook `install`; use another brand",
                hooks.brand().name
            ));
        }
        if let Some(path) = &wanted.sysconfig {
            read_sysconfig(path)?;
        }
        // Before anything is fetched: its scripts are to be run at the end.
        let arch = wanted.choices.arch.as_deref();
        if let Some(Err(error)) = arch.and_then(Emulator::of_debian) {
            return Err(error.to_string());
        }
        ipkg::check(installer, &wanted.choices)?;
        sparse::check(installer, &wanted.choices)?;
        let (log, file) = open_log(target)?;
        let screen = Screen::new(file);
        Ok(Self {
            target,
            wanted,
            installer,
            hooks,
            cache_limit: HostSettings::read(target.layout)?.package_cache,
            zonepath,
            screen,
            log,
        })
    }

    fn run(&self, advice: Advice) -> Result<(), String> {
        let started = Instant::now();
        let (layout, zone, store) = (self.target.layout, &self.target.zone, &self.target.store);
        journal::begin(
            layout,
            zone,
            "install",
            &[("zonepath", self.zonepath.as_str())],
        )
        .map_err(|error| chain(&error))?;
        store
            .set_state(zone, ZoneState::Incomplete)
            .map_err(|error| chain(&error))?;
        match self.fill() {
            Ok(()) => {}
            Err(Failure::BackOut(text)) => {
                self.screen.record(&format!("failed: {text}"));
                return Err(self.back_out(text));
            }
            Err(Failure::Stay(text)) => {
                self.screen.record(&format!("failed: {text}"));
                return Err(format!(
                    "{text}\nThe zone is incomplete: `zoneadm uninstall` cleans it up. Log: {}",
                    self.log.display()
                ));
            }
        }
        store
            .set_state(zone, ZoneState::Installed)
            .map_err(|error| chain(&error))?;
        journal::end(layout, zone).map_err(|error| chain(&error))?;
        match self.hook(Hook::Postinstall)? {
            None | Some(HookEnd::Done) => {}
            Some(end) => {
                let text = hooks::failed(Hook::Postinstall, end);
                return Err(format!("{text}\nThe zone is installed."));
            }
        }
        self.screen.line(
            "Done",
            &format!(
                "Installation completed in {:.3} seconds.",
                started.elapsed().as_secs_f64()
            ),
        );
        if advice == Advice::None {
            return Ok(());
        }
        println!(
            "\n  Next Steps: Boot the zone, then log into the zone console (zlogin -C)\n              to complete the configuration process."
        );
        println!("    Log File: {}", self.log.display());
        Ok(())
    }

    /// The zone was not installed: nothing of it stays, and it is `configured` as before.
    fn back_out(&self, text: String) -> String {
        let (layout, zone, store) = (self.target.layout, &self.target.zone, &self.target.store);
        let _ = zones_engine::request(layout, zone, &Request::Halt);
        if let Err(more) = uninstall::remove_files(layout, self.zonepath.as_path()) {
            return format!(
                "{text}\nIts files could not be removed ({more}); the zone is incomplete, use `zoneadm uninstall`."
            );
        }
        let undone = store
            .set_state(zone, ZoneState::Configured)
            .map(drop)
            .and_then(|()| journal::end(layout, zone));
        match undone {
            Ok(()) => text,
            Err(error) => format!("{text}\nThe zone is incomplete: {}", chain(&error)),
        }
    }

    fn fill(&self) -> Result<(), Failure> {
        let root = self.make_root()?;
        let choices = &self.wanted.choices;
        if self.installer == Installer::Ipkg {
            ipkg::fill(self)?;
        } else {
            let text = format!("Preparing at {}.", self.zonepath.root().display());
            self.screen.line("Image", &text);
        }
        let host = host(self.target.layout, self.cache_limit);
        let laid = match self.installer {
            Installer::Sparse => sparse::fill(self, &root)?,
            _ => zones_brand::lay_down(self.installer, choices, &host, &root, &self.screen)
                .map_err(|error| chain(&error))?,
        };
        for note in &laid.notes {
            self.screen.line("Source", note);
        }
        self.configure(&laid, &root)?;
        if let Some(path) = &self.wanted.sysconfig {
            read_sysconfig(path)?
                .apply(&root)
                .map_err(|error| chain(&error))?;
            self.screen.line(
                "Postinstall",
                &format!("Applying {} ... done.", path.display()),
            );
        }
        self.install_hook()?;
        zones_brand::finish(self.installer, &root).map_err(|error| chain(&error))?;
        let (layout, zone) = (self.target.layout, &self.target.zone);
        if zones_engine::settle_owners(layout, zone, true).map_err(|error| error.chain())? {
            let text = "the numbers on disk are shifted into the range of the zone.";
            self.screen.line("Owners", text);
        }
        Ok(())
    }

    /// The brand's own part of the installation. Statuses: brands(7).
    fn install_hook(&self) -> Result<(), Failure> {
        let Some(end) = self.hook(Hook::Install)? else {
            return Ok(());
        };
        let text = hooks::failed(Hook::Install, end);
        match end {
            HookEnd::Done => Ok(()),
            HookEnd::Usage => Err(Failure::BackOut(format!(
                "{text}\nusage:\tinstall [brand-specific args]; the brand takes `{}`",
                self.hooks.brand().installopts
            ))),
            HookEnd::NotComplete => Err(Failure::BackOut(text)),
            _ => Err(Failure::Stay(text)),
        }
    }

    /// Runs a hook; its lines go to screen and log.
    fn hook(&self, hook: Hook) -> Result<Option<HookEnd>, String> {
        if self.hooks.has(hook) {
            self.screen.record(&format!("+ hook {hook}"));
        }
        let mut say = |_: Stream, line: &str| self.screen.say(line);
        hooks::run(&self.hooks, hook, &self.wanted.operands, &mut say)
    }

    fn make_root(&self) -> Result<RootFd, String> {
        let path = self.zonepath.as_path();
        super::clone::make_zonepath(path)?;
        let driver = storage::choose(self.target, path)?;
        let root = self.zonepath.root();
        driver.create(&root).map_err(|error| chain(&error))?;
        storage::limit(&self.target.config()?, path)?;
        self.screen
            .line("Storage", &format!("{} driver.", driver.kind().as_str()));
        zones_storage::open(&root).map_err(|error| chain(&error))
    }

    /// Runs the packages' own scripts, inside the zone and nowhere else.
    fn configure(&self, laid: &Laid, root: &RootFd) -> Result<(), String> {
        if laid.steps.is_empty() {
            return Ok(());
        }
        let (layout, zone) = (self.target.layout, &self.target.zone);
        let begun = Instant::now();
        call(zones_engine::request(layout, zone, &Request::Mount))?;
        std::thread::scope(|scope| {
            // The disk has nothing to do while scripts run: what is laid down goes there now, so
            // that little is left to be written at the end.
            scope.spawn(|| root.sync());
            laid.steps
                .iter()
                .try_for_each(|step| match self.screen.cancelled() {
                    true => Err("interrupted".to_owned()),
                    false => self.step(step),
                })
        })?;
        call(zones_engine::request(layout, zone, &Request::Halt))?;
        let seconds = begun.elapsed().as_secs_f64();
        self.screen.line(
            "Configure",
            &format!("{} packages, done in {seconds:.2} s", laid.packages),
        );
        Ok(())
    }

    fn step(&self, step: &ConfigureStep) -> Result<(), String> {
        let log = self
            .screen
            .log()
            .map_err(|error| format!("cannot use the install log: {error}"))?;
        let input = step_input(step).map_err(|error| format!("cannot prepare input: {error}"))?;
        self.screen.record(&format!("+ {}", step.argv.join(" ")));
        let environ: Vec<String> = step
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let streams = [input.as_fd(), log.as_fd(), log.as_fd()];
        let ending = zones_engine::run(
            self.target.layout,
            &self.target.zone,
            &step.argv,
            &environ,
            step.skip_sync,
            streams,
        );
        match ending.map_err(|error| error.chain())? {
            Ending::Exited(0) => Ok(()),
            ending => Err(format!(
                "{} failed with status {}; the end of {} says why:\n{}",
                step.name,
                ending.shell_status(),
                self.log.display(),
                tail(&self.log)
            )),
        }
    }
}

pub(super) fn read_sysconfig(path: &Path) -> Result<SysConfig, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    SysConfig::parse(&text).map_err(|error| format!("{}: {}", path.display(), chain(&error)))
}

fn call(answer: Result<zones_engine::Response, zones_engine::EngineError>) -> Result<(), String> {
    let response = answer.map_err(|error| error.chain())?;
    if response.done {
        Ok(())
    } else {
        Err(response.lines.join("\n"))
    }
}

/// What a step reads, in a file that is gone when it is closed.
fn step_input(step: &ConfigureStep) -> std::io::Result<OwnedFd> {
    let Some(bytes) = &step.stdin else {
        return Ok(File::open("/dev/null")?.into());
    };
    let memory = rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory);
    file.write_all(bytes)?;
    std::io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

/// The last lines of the log.
fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

fn open_log(target: &Target<'_>) -> Result<(PathBuf, File), String> {
    let folder = target.layout.log_zone(&target.zone);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| format!("cannot create `{}`: {error}", folder.display()))?;
    let path = folder.join(format!("install.{}.log", now()));
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path);
    file.map(|file| (path.clone(), file))
        .map_err(|error| format!("cannot create `{}`: {error}", path.display()))
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or(0)
}
