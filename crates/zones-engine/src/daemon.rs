//! zoneadmd: one small process for each zone that is more than installed. It owns the console, the
//! exit of init and all transitions; it waits on descriptors only and never polls.
//!
//! It may die at any time: the zone goes on, and the next command starts a new daemon that takes
//! over by the state file and zsched's socket.

mod change;
mod console;
mod live;
mod rest;
mod trial;
mod wait;

use std::os::fd::{AsFd, OwnedFd};

use zones_store::{Layout, Lock};
use zones_sys::{Channel, SignalFd};
use zones_types::{Verb, Verdict, ZoneName, ZoneState, judge};

use crate::control::{Request, Response};
use crate::error::EngineError;
use crate::runtime::{Phase, RunState, control_path};
use crate::stage::{Ending, receive, send};
use change::Change;
use console::Console;
use live::{Live, Writing};
use wait::Event;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;

/// The daemon of one zone.
struct Daemon {
    layout: Layout,
    zone: ZoneName,
    control: OwnedFd,
    clients: Vec<Channel>,
    console: Console,
    signals: SignalFd,
    live: Option<Live>,
    /// Who waits for the end of a shutdown, until when, and whether the zone is to boot again.
    shutdown: Option<Shutdown>,
    terminated: bool,
    /// Closed with the next one, or at the end: the kernel lets nobody wait for it then.
    late: Option<zones_net::Netlink>,
    /// Who waits for what is being done now.
    caller: Option<OwnedFd>,
    frozen: Option<rest::Frozen>,
    /// The boot environment that the zone runs in is on trial.
    trial: Option<trial::Watch>,
    /// Whoever asks for what is being done now holds the lock of the zone.
    is_locked: bool,
    _lock: std::fs::File,
}

struct Shutdown {
    client: Option<Channel>,
    deadline_ms: i64,
    reboot: Option<Vec<String>>,
}

/// Runs the daemon of `zone` until there is nothing left to do. `first` is the connection of the
/// command that started it.
///
/// # Errors
/// When another daemon runs already, or the run folder cannot be used.
pub fn run(layout: &Layout, zone: &ZoneName, first: Option<Channel>) -> Result<(), EngineError> {
    let lock = lock(layout, zone)?;
    // SIGHUP of a closing terminal is nothing to a daemon; it leads its own session anyway.
    let signals = SignalFd::new(&[SIGHUP, SIGINT, SIGTERM, SIGCHLD])
        .map_err(EngineError::kernel("watch signals"))?;
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let control = Channel::listen(&control_path(layout, zone))
        .map_err(EngineError::kernel("listen for commands"))?;
    let mut daemon = Daemon {
        layout: layout.clone(),
        zone: zone.clone(),
        control,
        clients: first.into_iter().collect(),
        console: Console::open(layout, zone)?,
        signals,
        live: None,
        shutdown: None,
        terminated: false,
        late: None,
        caller: None,
        frozen: None,
        trial: None,
        is_locked: false,
        _lock: lock,
    };
    daemon.live = Live::adopt(layout, zone)?;
    if let Some(live) = &daemon.live
        && let Some(master) = live.console()
    {
        daemon.console.connect(master);
    }
    if daemon.live.is_some() {
        // A daemon that died may have been watching.
        daemon.begin_trial();
    }
    daemon.serve();
    Ok(())
}

/// One daemon for a zone: the lock lasts as long as the process.
fn lock(layout: &Layout, zone: &ZoneName) -> Result<std::fs::File, EngineError> {
    use rustix::fs::FlockOperation::NonBlockingLockExclusive;
    let folder = layout.run_zone(zone);
    crate::folder::private(&folder).map_err(EngineError::file("make", &folder))?;
    let path = folder.join("zoneadmd.lock");
    let file = std::fs::File::create(&path).map_err(EngineError::file("create", &path))?;
    match rustix::fs::flock(&file, NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(EngineError::Busy),
        Err(error) => Err(EngineError::kernel("lock the zone")(error)),
    }
}

impl Daemon {
    fn serve(&mut self) {
        // Two empty looks: a client may connect between the last answer and the end.
        while !self.is_idle() {
            match self.wait() {
                Event::Signals => self.on_signals(),
                Event::Connection => {
                    if let Ok(client) = Channel::accept(rustix::fd::AsFd::as_fd(&self.control)) {
                        self.clients.push(client);
                    }
                }
                Event::Client(at) => self.on_client(at),
                Event::FrozenClient => self.on_frozen_client(),
                Event::Console => self.console.pump(),
                Event::InitEnded => self.on_init_ended(),
                Event::SchedSaid => self.on_sched_said(),
                Event::SchedEnded => self.on_sched_ended(),
                Event::Timeout => self.on_timeout(),
                Event::Probe => self.on_probe(),
                Event::TrialDue => self.on_trial_due(),
            }
        }
        self.thaw();
        let _ = std::fs::remove_file(control_path(&self.layout, &self.zone));
        self.console.close(&self.layout, &self.zone);
        // Somebody who connected just now is answered: they start a daemon of their own.
        while let Ok(client) = Channel::accept(rustix::fd::AsFd::as_fd(&self.control)) {
            drop(client);
        }
    }

    fn is_idle(&self) -> bool {
        let alone = self.clients.is_empty() && self.shutdown.is_none();
        alone && (self.terminated || (self.live.is_none() && !self.console.has_client()))
    }

    fn state(&self) -> ZoneState {
        let active = crate::runtime::active(&self.layout, &self.zone);
        match (active, self.live.is_some()) {
            (Some((state, _)), _) => state,
            (None, true) => ZoneState::Down,
            (None, false) => ZoneState::Installed,
        }
    }

    fn on_client(&mut self, at: usize) {
        let client = self.clients.remove(at);
        let Ok(Some((request, fds))) = receive::<Request>(&client) else {
            return;
        };
        if self.frozen.is_some() && !request.wants_no_answer_of_the_zone() {
            let text = "its processes are stopped while a snapshot is taken; try again";
            let _ = send(&client, &Response::failed(text), &[]);
            return;
        }
        if request == Request::Freeze {
            return self.freeze(client);
        }
        if let Request::Shutdown { reboot, timeout_s } = request {
            return self.begin_shutdown(client, reboot, timeout_s);
        }
        let note = self.live.as_mut().and_then(Live::take_note);
        self.caller = client.as_fd().try_clone_to_owned().ok();
        self.is_locked = request.makes_ready() && !fds.is_empty();
        let done = self.obey(&request, fds);
        self.is_locked = false;
        self.caller = None;
        let mut response = match done {
            // Without a word: the client starts another daemon, which is a sealed one.
            Err(EngineError::NotSealed) if self.live.is_none() && request.makes_ready() => {
                return self.step_aside();
            }
            other => other.unwrap_or_else(|error| Response::failed(error.chain())),
        };
        response.warnings.splice(0..0, note);
        let _ = send(&client, &response, &[]);
        if request == Request::Attend {
            // It stays as long as its client wants it to.
            self.clients.push(client);
        }
        zones_sys::trim_memory();
    }

    /// Ends this daemon, whoever wants it to stay.
    fn step_aside(&mut self) {
        self.clients.clear();
        self.shutdown = None;
        self.terminated = true;
    }

    fn obey(&mut self, request: &Request, fds: Vec<OwnedFd>) -> Result<Response, EngineError> {
        match request {
            Request::Ready => match self.verdict(Verb::Ready)? {
                Some(answer) => Ok(answer),
                None => {
                    self.forgive();
                    self.halt();
                    self.make_ready(Phase::Ready, Writing::AsConfigured)
                }
            },
            Request::Boot { args } => match self.verdict(Verb::Boot)? {
                Some(answer) => Ok(answer),
                None => self.boot(args, Writing::AsConfigured),
            },
            Request::BootWritable { args } => match self.verdict(Verb::Boot)? {
                Some(answer) => Ok(answer),
                None => self.boot(args, Writing::Everything),
            },
            Request::Halt => match self.verdict(Verb::Halt)? {
                Some(answer) => Ok(answer),
                None => {
                    self.forgive();
                    self.halt();
                    self.console.notice("NOTICE: Zone halted");
                    Ok(Response::done())
                }
            },
            Request::Reboot { args } => match self.verdict(Verb::Reboot)? {
                Some(answer) => Ok(answer),
                None => self.reboot(args),
            },
            Request::Mount => {
                self.halt();
                self.make_ready(Phase::Mounted, Writing::Everything)
            }
            Request::Uninstalling => {
                self.console
                    .farewell("NOTICE: Zone is being uninstalled.  Disconnecting...");
                Ok(Response::done())
            }
            Request::Apply {
                given,
                check,
                verbose,
            } => {
                let (check, verbose) = (*check, *verbose);
                let document = fds.into_iter().next().filter(|_| *given);
                self.apply(document, live::How { check, verbose })
            }
            Request::Thaw => {
                self.thaw();
                Ok(Response::done())
            }
            Request::Attend | Request::Freeze | Request::Shutdown { .. } => Ok(Response::done()),
        }
    }

    /// Changes the running zone; `document` holds the configuration when it is not the stored one.
    fn apply(
        &mut self,
        document: Option<OwnedFd>,
        how: live::How,
    ) -> Result<Response, EngineError> {
        let state = self.state();
        let (true, Some(live)) = (
            matches!(state, ZoneState::Ready | ZoneState::Running),
            &mut self.live,
        ) else {
            let text = format!("apply operation is invalid for zones in state '{state}'");
            return Err(EngineError::Apply(text));
        };
        let config = match document {
            None => crate::host::load(&self.layout, &self.zone)?,
            Some(document) => crate::snapshot::read_from(document, &self.zone)?,
        };
        live.apply(&self.layout, &self.zone, &config, how)
    }

    /// What the table says here and now; `None` is "go".
    fn verdict(&self, verb: Verb) -> Result<Option<Response>, EngineError> {
        match judge(self.state(), verb) {
            Verdict::Go => Ok(None),
            Verdict::Already(text) => {
                let line = format!("zone '{}': {text}", self.zone);
                Ok(Some(Response {
                    lines: vec![line],
                    ..Response::done()
                }))
            }
            Verdict::Refuse(refusal) => Err(EngineError::Refused(refusal)),
        }
    }

    fn make_ready(&mut self, phase: Phase, writing: Writing) -> Result<Response, EngineError> {
        let hooked = phase != Phase::Mounted;
        if hooked {
            self.before(Change::Ready, ZoneState::Installed)?;
        }
        let (live, warnings) = Live::start(&self.layout, &self.zone, phase, writing)?;
        if let Some(master) = live.console() {
            self.console.connect(master);
        }
        self.live = Some(live);
        if hooked && let Err(error) = self.after(Change::Ready, ZoneState::Installed) {
            self.halt();
            return Err(error);
        }
        if phase == Phase::Ready {
            self.console.notice("NOTICE: Zone readied");
        }
        Ok(Response {
            warnings,
            ..Response::done()
        })
    }

    fn boot(&mut self, args: &[String], writing: Writing) -> Result<Response, EngineError> {
        let mut response = Response::done();
        // A zone that is ready has its mounts already.
        if self.state() != ZoneState::Ready || writing == Writing::Everything {
            self.halt();
            response = match self.make_ready(Phase::Starting, writing) {
                Ok(response) => response,
                Err(error) => {
                    self.console.notice("NOTICE: Zone boot failed");
                    return Err(error);
                }
            };
        }
        let with = if args.is_empty() {
            String::new()
        } else {
            format!(" with arguments: {}", args.join(" "))
        };
        self.console
            .notice(&format!("NOTICE: Zone booting up{with}"));
        let on_trial = self.begin_trial();
        if let Err(error) = self.start_init(args) {
            self.halt();
            self.console.notice("NOTICE: Zone boot failed");
            if on_trial.is_some() {
                // The one before is booted; why this one was not is still told.
                self.fall_back(&error.chain());
            }
            return Err(error);
        }
        response.warnings.extend(on_trial);
        Ok(response)
    }

    /// The last step of a boot, with what the brand wants done around it.
    fn start_init(&mut self, args: &[String]) -> Result<(), EngineError> {
        self.before(Change::Boot, ZoneState::Ready)?;
        self.hook(zones_brand::Hook::Boot, &[])?;
        let live = self.live.as_mut().ok_or(EngineError::Gone)?;
        live.boot(&self.layout, &self.zone, args)?;
        self.after(Change::Boot, ZoneState::Ready)
    }

    fn reboot(&mut self, args: &[String]) -> Result<Response, EngineError> {
        // Said before anything ends: a reboot cannot make a zone privileged.
        if crate::seal::is_needed(&self.layout, &self.zone) && !zones_sys::is_sealed() {
            return Err(EngineError::NotSealed);
        }
        let with = if args.is_empty() {
            String::new()
        } else {
            format!(" with arguments: {}", args.join(" "))
        };
        self.console
            .notice(&format!("NOTICE: Zone rebooting{with}"));
        // The zone is down for a moment; whoever has the lock already asks what it is now.
        let lock = Lock::try_zone(&self.layout, &self.zone).ok().flatten();
        self.is_locked |= lock.is_some();
        self.halt();
        self.settle_environment();
        let booted = self.boot(args, Writing::AsConfigured);
        self.is_locked = false;
        booted
    }

    /// Takes everything down that this zone has in the kernel, known or left over.
    fn halt(&mut self) {
        // A stopped process of v1 does not even die.
        self.thaw();
        let state = self.before_halt();
        self.console.disconnect();
        match self.live.take() {
            Some(live) => self.late = live.teardown(&self.layout, &self.zone),
            // The file is written before the first object and removed after the last one.
            None if RunState::exists(&self.layout, &self.zone) => {
                self.late = live::sweep(&self.layout, &self.zone);
            }
            None => {}
        }
        self.after_halt(state);
    }

    fn begin_shutdown(&mut self, client: Channel, reboot: Option<Vec<String>>, timeout_s: u64) {
        let refused = match judge(self.state(), Verb::Shutdown) {
            Verdict::Refuse(refusal) => Some(refusal.to_string()),
            _ if self.shutdown.is_some() => Some("shutdown already in progress".to_owned()),
            _ => None,
        };
        let asked = match refused {
            None => self.ask_to_end().map_err(|error| error.chain()),
            Some(text) => Err(text),
        };
        match asked {
            Ok(()) => {
                let timeout_ms =
                    i64::try_from(timeout_s.saturating_mul(1000)).unwrap_or(i64::MAX / 2);
                let deadline_ms = wait::now_ms().saturating_add(timeout_ms);
                self.shutdown = Some(Shutdown {
                    client: Some(client),
                    deadline_ms,
                    reboot,
                });
            }
            Err(text) => {
                let _ = send(&client, &Response::failed(text), &[]);
            }
        }
    }

    /// The brand's way to shut down, else the one of the zone's init.
    fn ask_to_end(&mut self) -> Result<(), EngineError> {
        let words = self.shutdown_words()?;
        let Some(live) = &mut self.live else {
            return Err(EngineError::Gone);
        };
        let Some(words) = words else {
            return live.ask_to_end(&self.layout, &self.zone);
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        crate::login::spawn_quietly(&self.layout, &self.zone, &words)?;
        live.set_phase(&self.layout, &self.zone, Phase::ShuttingDown);
        Ok(())
    }

    /// The zone did not end in time; it keeps running.
    fn on_timeout(&mut self) {
        let Some(shutdown) = self.shutdown.take() else {
            return;
        };
        if let Some(live) = &mut self.live {
            live.set_phase(&self.layout, &self.zone, Phase::Running);
        }
        if let Some(client) = shutdown.client {
            let _ = send(&client, &Response::failed("unable to shutdown zone"), &[]);
        }
    }

    fn on_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            if matches!(signal, SIGTERM | SIGINT) {
                self.terminate();
            }
        }
        live::reap();
    }

    /// Asked to go: a running zone goes on without its daemon, anything less is taken down.
    fn terminate(&mut self) {
        if self.state() != ZoneState::Running {
            self.halt();
        }
        self.trial = None;
        self.terminated = true;
    }

    fn on_sched_said(&mut self) {
        let Some(live) = &mut self.live else { return };
        match live.hear_sched() {
            live::Heard::Ended(ending) => self.on_ending(ending),
            live::Heard::Trouble(text) => self.console.log(&format!("zsched: {text}")),
            live::Heard::Nothing => {}
        }
    }

    /// Process 1 is gone; zsched knows how.
    fn on_init_ended(&mut self) {
        let ending = self
            .live
            .as_mut()
            .map_or(Ending::Exited(0), Live::last_ending);
        self.on_ending(ending);
    }

    /// A pid namespace reports reboot(2) as a death by SIGHUP, halt and power-off as one by SIGINT.
    fn on_ending(&mut self, ending: Ending) {
        let shutdown = self.shutdown.take();
        if shutdown.is_some() {
            self.forgive();
        } else if ending != Ending::Signaled(SIGHUP) && self.failed_trial(ending) {
            return;
        }
        let again = match (&shutdown, ending) {
            (Some(shutdown), _) => shutdown.reboot.clone(),
            (None, Ending::Signaled(SIGHUP)) => {
                Some(self.live.as_ref().map_or_else(Vec::new, Live::bootargs))
            }
            (None, _) => None,
        };
        if !matches!(ending, Ending::Signaled(SIGHUP | SIGINT)) {
            self.console.log(&format!("init ended: {ending:?}"));
        }
        let response = match again {
            Some(args) => {
                self.console.notice("NOTICE: Zone rebooting");
                self.halt();
                self.settle_environment();
                self.boot(&args, Writing::AsConfigured)
                    .unwrap_or_else(|error| {
                        self.console.log(&error.chain());
                        Response::failed(error.chain())
                    })
            }
            None => {
                self.halt();
                self.console.notice("NOTICE: Zone halted");
                Response::done()
            }
        };
        if let Some(client) = shutdown.and_then(|shutdown| shutdown.client) {
            let _ = send(&client, &response, &[]);
        }
    }

    /// The helper died and the zone lives: it gets a new one.
    fn on_sched_ended(&mut self) {
        let Some(live) = &mut self.live else { return };
        if let Err(error) = live.replace_sched(&self.layout, &self.zone) {
            self.console.log(&error.chain());
        }
    }
}

/// Whether a daemon of `zone` is there, perhaps in the middle of something.
#[must_use]
pub fn is_running(layout: &Layout, zone: &ZoneName) -> bool {
    let path = layout.run_zone(zone).join("zoneadmd.lock");
    let Ok(file) = std::fs::File::open(path) else {
        return false;
    };
    let lock = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared);
    lock == Err(rustix::io::Errno::WOULDBLOCK)
}
