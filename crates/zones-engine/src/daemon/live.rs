//! One life of a zone, from `ready` to `installed`: what the daemon holds of it and how it ends.

mod apply;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Rlimit, Signal, WaitOptions};
use zones_cgroup::{Access, DEFAULT_DEVICES, DeviceKind, DeviceRule, Kind, ZoneGroup};
use zones_net::Netlink;
use zones_store::Layout;
use zones_sys::{Channel, ProcessId};
use zones_types::{ZoneName, ZoneState};

use crate::datasets::Datasets;
use crate::emulation::HostEntry;
use crate::error::EngineError;
use crate::plan::{BootPlan, NotEnforced};
use crate::runtime::{Phase, RunState, sessions_path};
use crate::stage::{
    self, Argv, Birth, Ending, FromInit, FromSched, SessionEvent, SessionRequest, Stage, ToInit,
    ToSched, receive, send,
};
use crate::{host, ids, init_kind, net, snapshot};

pub(super) use apply::How;

/// How long the kernel may take to end killed processes.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often, and how long apart, a root is asked for that somebody has mounted.
const GUARD_TRIES: u32 = 20;
const GUARD_PAUSE: Duration = Duration::from_millis(50);

/// What a zone may write of its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// What its profile allows.
    AsConfigured,
    /// All of it, for maintenance.
    Everything,
}

pub(super) struct Live {
    plan: BootPlan,
    state: RunState,
    init: (Pid, OwnedFd),
    sched: Option<(Pid, OwnedFd, Option<Channel>)>,
    /// Until the boot.
    to_init: Option<Channel>,
    console: Option<OwnedFd>,
    listener: OwnedFd,
    /// The zone's network, while it holds links of the host.
    network: Option<OwnedFd>,
    ending: Option<Ending>,
    /// What was repaired when this daemon took over; for the next command.
    note: Option<String>,
    datasets: Datasets,
    /// Has the host know the emulator of the zone's programs.
    entry: Option<HostEntry>,
    /// Keeps others from mounting the same layers; see [`zones_storage::guard`].
    _guard: Option<File>,
}

/// What zsched had to say.
pub(super) enum Heard {
    Ended(Ending),
    Trouble(String),
    Nothing,
}

/// Keeps others from changing the root. Layers must not be mounted twice; a plain folder may be
/// looked at by somebody at the same time.
fn guard(root: &Path) -> Result<Option<File>, EngineError> {
    let failed = |error| EngineError::Store(crate::chain(&error));
    // What is left of the last life of the zone may take a moment to go.
    for _ in 0..GUARD_TRIES {
        let guard = zones_storage::guard(root).map_err(failed)?;
        if guard.is_some() || !zones_storage::view(root).map_err(failed)?.is_layered() {
            return Ok(guard);
        }
        std::thread::sleep(GUARD_PAUSE);
    }
    Err(EngineError::Store(format!(
        "`{}` is in use by another command; try again when that is done",
        root.display()
    )))
}

/// The emulator, where the kernel has to be told for the whole host.
fn host_entry(layout: &Layout, plan: &BootPlan) -> Result<Option<HostEntry>, EngineError> {
    let emulation = plan
        .emulation
        .as_ref()
        .filter(|emulation| !emulation.is_own);
    let entry = emulation.map(|emulation| HostEntry::take(layout, &emulation.emulator));
    entry.transpose()
}

impl Live {
    /// Builds everything that `ready` means. Returns warnings for the user, too.
    ///
    /// # Errors
    /// Whatever step failed; nothing is left then.
    pub(super) fn start(
        layout: &Layout,
        zone: &ZoneName,
        phase: Phase,
        writing: Writing,
    ) -> Result<(Self, Vec<String>), EngineError> {
        let result = Self::build(layout, zone, phase, writing);
        if result.is_err() {
            sweep(layout, zone);
        }
        result
    }

    fn build(
        layout: &Layout,
        zone: &ZoneName,
        phase: Phase,
        writing: Writing,
    ) -> Result<(Self, Vec<String>), EngineError> {
        let config = host::load(layout, zone)?;
        let active: Vec<(ZoneName, RunState)> = RunState::all(layout).collect();
        // Written before the first kernel object: whoever finds it knows what to look for.
        let mut state = RunState {
            id: ids::next_zone_id(layout, &active)?,
            phase: Phase::Starting,
            daemon: ProcessId::of(rustix::process::getpid()).ok_or(EngineError::Gone)?,
            init: None,
            sched: None,
            undo_network: Vec::new(),
            since: 0,
            bootargs: String::new(),
            grafts: Vec::new(),
            shares: config.cpu_shares(),
            privileged: false,
        };
        let keep = |state: &RunState| {
            state
                .write(layout, zone)
                .map_err(EngineError::file("write", &RunState::path(layout, zone)))
        };
        keep(&state)?;
        let hierarchies = host::hierarchies(&host::rare_controllers(&config))?;
        let group = ZoneGroup::create(&hierarchies, &layout.kernel_name(), zone)?;
        // From here until the joins nothing touches the groups: on v1 the kernel holds them for
        // some 10 ms while it gets ready, and plan, namespaces, mounts and links use that time.
        host::anticipate_join(&hierarchies);
        let mut plan = host::plan_of(layout, &config)?;
        plan.id = state.id;
        if writing == Writing::Everything {
            plan.immutable = None;
        }
        state.privileged = plan.range.is_none();
        if state.privileged && !zones_sys::is_sealed() {
            return Err(EngineError::NotSealed);
        }
        snapshot::begin(layout, &config)?;
        if phase == Phase::Mounted {
            // Software maintenance: loopback only, no limits but the protection itself.
            plan.interfaces.clear();
            plan.filesystems.clear();
            plan.immutable = None;
        }
        host::check_programs(&plan.root)?;
        host::check_base(layout, &config)?;
        let entry = host_entry(layout, &plan)?;
        let guard = guard(&plan.root)?;
        plan.shifted = crate::owners::settle(layout, zone, &config, &plan.root, plan.range, false)?;
        crate::etc::write(&plan, config.attr("resolvers"));
        let mut missing = group.apply(&plan.limits);
        host::weigh(layout, zone, &hierarchies, state.shares, false, &active);
        missing.extend(group.restrict_devices(&device_rules(&plan)));
        if let (Some(_), Some(cpus)) = (&plan.dedicated, &plan.limits.cpus)
            && let Err(why) = group.exclude_others(cpus)
        {
            plan.not_enforced.push(NotEnforced {
                what: "dedicated-cpu: exclusive use".to_owned(),
                why,
            });
        }
        let listener = Channel::listen(&sessions_path(layout, zone))
            .map_err(EngineError::kernel("listen for sessions"))?;
        // Where there is v2 alone, zsched is born in its group and all it starts with it.
        let birth = match (hierarchies.kind(), group.helper_dir(), group.init_dir()) {
            (Kind::V2, Some(helpers), Some(init)) => Some(Birth { helpers, init }),
            _ => None,
        };
        let held = entry.as_ref().map(HostEntry::held);
        let held = held.as_ref().map_or(&[][..], |held| &held[..]);
        let stage = Stage::spawn(&plan, birth, listener.as_fd(), held)
            .map_err(EngineError::kernel("start zsched"))?;
        state.sched = ProcessId::of(stage.pid);
        let init = match hear(&stage.sched)? {
            FromSched::Spawned(pid) => Pid::from_raw(pid).ok_or(EngineError::Gone)?,
            other => return Err(unexpected(&other)),
        };
        state.init = ProcessId::of(init);
        let network = net::plan(&mut plan, state.id)?;
        state.undo_network = net::leftovers(&network);
        keep(&state)?;
        let pidfd = rustix::process::pidfd_open(init, rustix::process::PidfdFlags::empty())
            .map_err(EngineError::kernel("find process 1"))?;
        // All this runs while the builder mounts the tree.
        limit_locked_memory(&plan, init, &mut missing);
        let network_held = net::hold(&state.undo_network, init);
        let datasets = match phase {
            Phase::Mounted => Datasets::default(),
            _ => Datasets::give(&config, init, &mut plan.not_enforced),
        };
        // Written with the next phase, before a program of the zone runs.
        state.undo_network = net::plumb(&network, init)?;
        if let Some(range) = plan.range {
            let (uid, gid) = (
                rustix::fs::Uid::from_raw(range.base),
                rustix::fs::Gid::from_raw(range.base),
            );
            group.delegate(uid, gid)?;
        }
        if hierarchies.kind() != Kind::V2 {
            group.join(stage.pid)?;
            group.join_init(init)?;
        }
        if let Some(class) = plan.scheduling {
            let set = |pid| zones_sys::set_scheduling(pid, class);
            if let Err(error) = set(stage.pid).and_then(|()| set(init)) {
                plan.not_enforced.push(NotEnforced {
                    what: "scheduling-class".to_owned(),
                    why: format!("the kernel refuses: {error}"),
                });
            }
        }
        match hear(&stage.sched)? {
            FromSched::Assembled => {}
            other => return Err(unexpected(&other)),
        }
        let (master, to_init) = settle(stage.init)?;
        send(&stage.sched, &ToSched::Enter, &[master.as_fd()])
            .map_err(EngineError::kernel("talk to zsched"))?;
        if plan.emulation.as_ref().is_some_and(|it| it.is_own) {
            // Only then does the kernel know by what the programs of the zone are run.
            match hear(&stage.sched)? {
                FromSched::Entered => {}
                other => return Err(unexpected(&other)),
            }
        }
        state.phase = phase;
        state.since = now_s();
        keep(&state)?;
        let mut live = Self {
            plan,
            state,
            init: (init, pidfd),
            sched: Some((stage.pid, stage.pidfd, Some(stage.sched))),
            to_init: Some(to_init),
            console: Some(master),
            listener,
            network: network_held,
            ending: None,
            note: None,
            datasets,
            entry,
            _guard: guard,
        };
        if phase == Phase::Mounted {
            live.idle()?;
        }
        let warnings = live.warnings(&missing);
        Ok((live, warnings))
    }

    fn warnings(&self, missing: &[zones_cgroup::NotEnforced]) -> Vec<String> {
        let of = |what: &str, why: &str| format!("WARNING: {what} is not enforced: {why}");
        let planned = self
            .plan
            .not_enforced
            .iter()
            .map(|one| of(&one.what, &one.why));
        planned
            .chain(missing.iter().map(|one| of(one.what, &one.why)))
            .collect()
    }

    /// Takes over a zone whose daemon died; `None` when nothing of it runs.
    pub(super) fn adopt(layout: &Layout, zone: &ZoneName) -> Result<Option<Self>, EngineError> {
        let Some(mut state) = RunState::read(layout, zone) else {
            return Ok(None);
        };
        let Some(init) = state.init.filter(|_| {
            matches!(
                state.derive(),
                Some(ZoneState::Running | ZoneState::ShuttingDown)
            )
        }) else {
            return Ok(None);
        };
        let (Some(pidfd), Some(pid)) = (init.open(), Pid::from_raw(init.pid)) else {
            return Ok(None);
        };
        if state.privileged && !zones_sys::is_sealed() {
            return Err(EngineError::NotSealed);
        }
        // A daemon that died may have left it stopped, and its helper with it.
        super::rest::thaw(layout, zone);
        // What it runs with, which need not be what is on disk by now.
        let config = match snapshot::live_config(layout, zone)? {
            Some(config) => config,
            None => host::load(layout, zone)?,
        };
        let mut plan = host::plan_as(layout, &config, state.privileged)?;
        plan.id = state.id;
        let listener = Channel::connect(&sessions_path(layout, zone));
        let helper = state
            .sched
            .and_then(|sched| Some((Pid::from_raw(sched.pid)?, sched.open()?)));
        let mut console = None;
        let sched = match (listener, helper) {
            (Ok(channel), Some((pid, pidfd)))
                if send(&channel, &SessionRequest::Adopt, &[]).is_ok() =>
            {
                if let Ok(Some((SessionEvent::Console, mut fds))) = receive(&channel) {
                    console = fds.pop();
                }
                Some((pid, pidfd, Some(channel)))
            }
            _ => None,
        };
        state.daemon = ProcessId::of(rustix::process::getpid()).ok_or(EngineError::Gone)?;
        state.phase = Phase::Running;
        let _ = state.write(layout, zone);
        // A placeholder that nobody can reach: the living zsched listens on the real one.
        let spare = Channel::listen(&sessions_path(layout, zone).with_extension("new"))
            .map_err(EngineError::kernel("listen"))?;
        let guard = zones_storage::guard(&plan.root).ok().flatten();
        let entry = host_entry(layout, &plan).ok().flatten();
        let mut live = Self {
            plan,
            network: net::hold(&state.undo_network, pid),
            state,
            init: (pid, pidfd),
            sched,
            to_init: None,
            console,
            listener: spare,
            ending: None,
            note: None,
            datasets: Datasets::of(&config, pid),
            entry,
            // A helper of the dead daemon may have it still; it goes with the zone as well.
            _guard: guard,
        };
        if live.sched.is_none() {
            live.replace_sched(layout, zone)?;
        }
        live.repair(layout, zone);
        Ok(Some(live))
    }

    /// A new helper for a zone that lost its own.
    pub(super) fn replace_sched(
        &mut self,
        layout: &Layout,
        zone: &ZoneName,
    ) -> Result<(), EngineError> {
        self.sched = None;
        reap();
        let mut group = ZoneGroup::open(&host::every_hierarchy()?, &layout.kernel_name(), zone)?;
        group.renew_helpers()?;
        self.listener = Channel::listen(&sessions_path(layout, zone))
            .map_err(EngineError::kernel("listen for sessions"))?;
        let entered = stage::enter(
            &self.plan,
            self.init.0,
            group.helper_dir(),
            self.listener.as_fd(),
        );
        let (pid, pidfd, channel) = entered.map_err(EngineError::kernel("start zsched"))?;
        group.join_v1(pid)?;
        if let Some(class) = self.plan.scheduling {
            let _ = zones_sys::set_scheduling(pid, class);
        }
        self.state.sched = ProcessId::of(pid);
        self.sched = Some((pid, pidfd, Some(channel)));
        let _ = self.state.write(layout, zone);
        Ok(())
    }

    /// Lets process 1 become the zone's init.
    pub(super) fn boot(
        &mut self,
        layout: &Layout,
        zone: &ZoneName,
        args: &[String],
    ) -> Result<(), EngineError> {
        let config = host::load(layout, zone)?;
        let configured = config.bootargs.split_whitespace().map(str::to_owned);
        let args: Vec<String> = if args.is_empty() {
            configured.collect()
        } else {
            args.to_vec()
        };
        let (candidates, args) = init_kind::boot_args(&self.plan.init, &args);
        let environ = vec![
            format!("PATH={}", self.plan.path),
            "container=zones".to_owned(),
            "TERM=linux".to_owned(),
            "HOME=/".to_owned(),
        ];
        let argv = Argv {
            candidates,
            args: args.clone(),
            environ,
        };
        self.tell_init(&ToInit::Boot(argv))?;
        self.state.phase = Phase::Running;
        self.state.bootargs = args.join(" ");
        self.state.since = now_s();
        self.state
            .write(layout, zone)
            .map_err(EngineError::file("write", &RunState::path(layout, zone)))
    }

    fn idle(&mut self) -> Result<(), EngineError> {
        self.tell_init(&ToInit::Idle)
    }

    /// Sends the last word to process 1; the channel closes when it has become what it shall be.
    fn tell_init(&mut self, word: &ToInit) -> Result<(), EngineError> {
        let channel = self.to_init.take().ok_or(EngineError::Gone)?;
        send(&channel, word, &[]).map_err(EngineError::kernel("talk to process 1"))?;
        loop {
            match receive(&channel) {
                Ok(Some((FromInit::Failed(text), _))) => return Err(EngineError::Stage(text)),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) => return Err(EngineError::kernel("hear process 1")(error)),
            }
        }
    }

    pub(super) fn console(&self) -> Option<BorrowedFd<'_>> {
        self.console.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn init_pidfd(&self) -> &OwnedFd {
        &self.init.1
    }

    pub(super) fn sched_pidfd(&self) -> Option<&OwnedFd> {
        self.sched.as_ref().map(|sched| &sched.1)
    }

    pub(super) fn sched_channel(&self) -> Option<&Channel> {
        self.sched.as_ref().and_then(|sched| sched.2.as_ref())
    }

    pub(super) fn zonepath(&self) -> Option<&std::path::Path> {
        self.plan.root.parent()
    }

    pub(super) fn bootargs(&self) -> Vec<String> {
        self.state
            .bootargs
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    pub(super) fn set_phase(&mut self, layout: &Layout, zone: &ZoneName, phase: Phase) {
        self.state.phase = phase;
        let _ = self.state.write(layout, zone);
    }

    pub(super) fn hear_sched(&mut self) -> Heard {
        let Some((_, _, channel)) = &mut self.sched else {
            return Heard::Nothing;
        };
        let Some(open) = channel else {
            return Heard::Nothing;
        };
        match receive(open) {
            Ok(Some((FromSched::InitEnded(ending), _))) => {
                self.ending = Some(ending);
                Heard::Ended(ending)
            }
            Ok(Some((FromSched::Failed(text), _))) => Heard::Trouble(text),
            Ok(Some(_)) => Heard::Nothing,
            Ok(None) | Err(_) => {
                *channel = None;
                Heard::Nothing
            }
        }
    }

    /// How process 1 ended, when its descriptor already says that it did: zsched tells, or, when it
    /// is gone, the wait status that came to the daemon.
    pub(super) fn last_ending(&mut self) -> Ending {
        while self.sched_channel().is_some() && self.ending.is_none() {
            if let Heard::Ended(ending) = self.hear_sched() {
                return ending;
            }
        }
        let waited = rustix::process::waitpid(Some(self.init.0), WaitOptions::NOHANG);
        let status = waited
            .ok()
            .flatten()
            .map(|(_, status)| stage::ending(status));
        self.ending.or(status).unwrap_or(Ending::Exited(0))
    }

    /// Asks the init of the zone to end it, in the way that this kind of init understands.
    pub(super) fn ask_to_end(
        &mut self,
        layout: &Layout,
        zone: &ZoneName,
    ) -> Result<(), EngineError> {
        match init_kind::of(&self.plan.root, &self.plan.init).shutdown() {
            init_kind::Shutdown::Signal(number) => {
                zones_sys::pidfd_signal(self.init.1.as_fd(), number)
                    .map_err(EngineError::kernel("signal init"))?;
            }
            init_kind::Shutdown::Command(words) => {
                crate::login::spawn_quietly(layout, zone, words)?;
            }
        }
        self.set_phase(layout, zone, Phase::ShuttingDown);
        Ok(())
    }

    /// Kills everybody, waits for the kernel, removes what is left. Returns what is closed when
    /// nobody waits any more.
    pub(super) fn teardown(self, layout: &Layout, zone: &ZoneName) -> Option<Netlink> {
        // Before the namespace dies: the kernel holds the lock on links while it cleans up.
        net::detach(&self.state.undo_network, self.state.id);
        self.datasets.take_back();
        let _ = rustix::process::pidfd_send_signal(&self.init.1, Signal::KILL);
        wait_end(&self.init.1);
        if let Some((_, pidfd, channel)) = self.sched {
            drop(channel);
            let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
            wait_end(&pidfd);
        }
        drop(self.entry);
        let network = self.network.as_ref().map(AsFd::as_fd);
        let late = net::release(layout, zone, &self.state.undo_network, network);
        clear(layout, zone, RunState::read(layout, zone).as_ref());
        late
    }
}

/// Removes whatever a life of `zone` may have left: found by name, so it works after any crash.
/// Returns what [`Live::teardown`] does.
pub(super) fn sweep(layout: &Layout, zone: &ZoneName) -> Option<Netlink> {
    let state = RunState::read(layout, zone);
    super::rest::thaw(layout, zone);
    let mut network = None;
    if let Some(state) = &state {
        // While the namespace still stands, so that links can be fetched out of it afterwards.
        let init = state
            .init
            .filter(|init| init.is_alive())
            .and_then(|init| Pid::from_raw(init.pid));
        network = init.and_then(|init| net::hold(&state.undo_network, init));
        if let (Some(init), Ok(config)) = (init, host::load(layout, zone)) {
            Datasets::of(&config, init).take_back();
        }
        net::detach(&state.undo_network, state.id);
    }
    kill(state.as_ref());
    let late = state.as_ref().and_then(|state| {
        let network = network.as_ref().map(AsFd::as_fd);
        net::release(layout, zone, &state.undo_network, network)
    });
    clear(layout, zone, state.as_ref());
    late
}

fn kill(state: Option<&RunState>) {
    for process in state
        .into_iter()
        .flat_map(|state| [state.init, state.sched])
        .flatten()
    {
        if let Some(pidfd) = process.open() {
            let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
            wait_end(&pidfd);
        }
    }
}

/// The rest, in any order: process, control groups, files.
fn clear(layout: &Layout, zone: &ZoneName, state: Option<&RunState>) {
    kill(state);
    reap();
    let mut clean = true;
    if let Ok(hierarchies) = host::every_hierarchy() {
        let open = || ZoneGroup::open(&hierarchies, &layout.kernel_name(), zone);
        // Nearly always everybody is gone by now.
        if let Ok(group) = open()
            && group.remove(Duration::ZERO).is_err()
            && let Ok(group) = open()
        {
            let _ = group.kill();
            reap();
            clean = group.remove(PATIENCE).is_ok();
        }
        if let Some(state) = &state {
            let active: Vec<(ZoneName, RunState)> = RunState::all(layout).collect();
            host::weigh(layout, zone, &hierarchies, state.shares, true, &active);
        }
        hierarchies.remove_parent(&layout.kernel_name());
    }
    let _ = std::fs::remove_file(sessions_path(layout, zone));
    snapshot::end(layout, zone);
    if clean {
        // Last: as long as the file stands, the zone is `down` and the next halt comes here again.
        RunState::remove(layout, zone);
    }
}

/// Collects children that ended, ours and those left to us.
pub(super) fn reap() {
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
}

fn wait_end(pidfd: &OwnedFd) {
    let timeout = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let _ = rustix::event::poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout));
}

fn hear(channel: &Channel) -> Result<FromSched, EngineError> {
    match receive(channel) {
        Ok(Some((FromSched::Failed(text), _))) => Err(EngineError::Stage(text)),
        Ok(Some((message, _))) => Ok(message),
        Ok(None) => Err(EngineError::Stage("zsched ended unexpectedly".to_owned())),
        Err(error) => Err(EngineError::kernel("hear zsched")(error)),
    }
}

fn unexpected(message: &FromSched) -> EngineError {
    EngineError::Stage(format!("zsched said {message:?} out of turn"))
}

/// Tells process 1 to take its place; returns the console's master side.
fn settle(channel: Channel) -> Result<(OwnedFd, Channel), EngineError> {
    send(&channel, &ToInit::Go, &[]).map_err(EngineError::kernel("talk to process 1"))?;
    match receive(&channel) {
        Ok(Some((FromInit::Ready, mut fds))) => {
            let master = fds
                .pop()
                .ok_or_else(|| EngineError::Stage("no console".to_owned()))?;
            Ok((master, channel))
        }
        Ok(Some((FromInit::Failed(text), _))) => Err(EngineError::Stage(text)),
        Ok(_) => Err(EngineError::Stage(
            "process 1 ended unexpectedly".to_owned(),
        )),
        Err(error) => Err(EngineError::kernel("hear process 1")(error)),
    }
}

/// The safe nodes and those that `device` resources name.
fn device_rules(plan: &BootPlan) -> Vec<DeviceRule> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let mut rules = DEFAULT_DEVICES.to_vec();
    for (_, meta) in stage::matching_devices(&plan.devices) {
        let kind = if meta.file_type().is_block_device() {
            DeviceKind::Block
        } else {
            DeviceKind::Char
        };
        let (major, minor) = (
            rustix::fs::major(meta.rdev()),
            rustix::fs::minor(meta.rdev()),
        );
        rules.push(DeviceRule {
            kind,
            major: Some(major),
            minor: Some(minor),
            access: Access::ALL,
        });
    }
    rules
}

fn limit_locked_memory(plan: &BootPlan, init: Pid, missing: &mut Vec<zones_cgroup::NotEnforced>) {
    let Some(bytes) = plan.locked else { return };
    let limit = Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    if let Err(error) =
        rustix::process::prlimit(Some(init), rustix::process::Resource::Memlock, limit)
    {
        let why =
            format!("the kernel refuses the limit: {error} (raising one needs CAP_SYS_RESOURCE)");
        missing.push(zones_cgroup::NotEnforced {
            what: "capped-memory: locked",
            why,
        });
    }
}

fn now_s() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
