//! zsched: makes the stage of a zone, then lives in it and starts what zlogin asks for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, WaitId, WaitIdOptions, WaitOptions, WaitStatus,
};
use rustix::thread::{ThreadNameSpaceType as Ns, UnshareFlags};
use zones_config::IpType;
use zones_sys::{Channel, CloneFlags, Fork, SignalFd};
use zones_types::IdRange;

use super::message::{Ending, FromSched, SessionEvent, SessionRequest, ToSched};
use super::{builder, init, receive, send, session};
use crate::emulation::Emulation;
use crate::plan::{BootPlan, Clock};

const SIGCHLD: i32 = 17;

/// A step that failed, as words for the user.
type Failure = String;

/// The daemon's ends of a new stage.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Host pid of zsched.
    pub(crate) pid: Pid,
    /// Readable when zsched ends.
    pub(crate) pidfd: OwnedFd,
    /// To and from zsched.
    pub(crate) sched: Channel,
    /// To and from process 1.
    pub(crate) init: Channel,
}

/// Where the processes of a stage are born on cgroup v2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Birth<'a> {
    pub(crate) helpers: BorrowedFd<'a>,
    pub(crate) init: BorrowedFd<'a>,
}

impl Stage {
    /// Starts zsched, born with process 1 into the control groups of `birth` where there is the
    /// unified hierarchy alone. It serves sessions on `listener` once it is told to enter, and
    /// keeps `held` open until it ends.
    ///
    /// # Errors
    /// Whatever socketpair(2) and clone3(2) say.
    pub(crate) fn spawn(
        plan: &BootPlan,
        birth: Option<Birth<'_>>,
        listener: BorrowedFd<'_>,
        held: &[BorrowedFd<'_>],
    ) -> Result<Self, Errno> {
        let (sched, sched_end) = Channel::pair()?;
        let (init, init_end) = Channel::pair()?;
        match zones_sys::clone_process(CloneFlags::NONE, birth.map(|birth| birth.helpers))? {
            Fork::Parent { pid, pidfd } => Ok(Self {
                pid,
                pidfd,
                sched,
                init,
            }),
            Fork::Child => {
                let group = birth.map(|birth| birth.init);
                let mut keep = vec![sched_end.as_fd(), init_end.as_fd(), listener];
                keep.extend(group);
                keep.extend(held);
                zones_sys::close_all_except(&keep);
                make(plan, sched_end, init_end, group, listener, held)
            }
        }
    }
}

/// Starts a new zsched for a running zone whose own has died.
///
/// # Errors
/// Whatever clone3(2) and setns(2) say, the latter by a message on the channel.
pub(crate) fn enter(
    plan: &BootPlan,
    init: Pid,
    group: Option<BorrowedFd<'_>>,
    listener: BorrowedFd<'_>,
) -> Result<(Pid, OwnedFd, Channel), Errno> {
    let (daemon, end) = Channel::pair()?;
    match zones_sys::clone_process(CloneFlags::NONE, group)? {
        Fork::Parent { pid, pidfd } => Ok((pid, pidfd, daemon)),
        Fork::Child => {
            zones_sys::close_all_except(&[end.as_fd(), listener]);
            let namespaces = rustix::process::pidfd_open(init, PidfdFlags::empty());
            let entered = namespaces.map_err(|error| format!("find process 1: {error}"));
            prepare(plan);
            serve_after(
                entered.and_then(|fd| move_in(plan, &fd, true)),
                plan,
                end,
                init,
                None,
                listener,
            )
        }
    }
}

fn prepare(plan: &BootPlan) {
    let _ = rustix::process::setsid();
    zones_sys::set_title(&format!("zsched [{}]", plan.zone));
}

/// The whole life of a first zsched.
fn make(
    plan: &BootPlan,
    daemon: Channel,
    init_end: Channel,
    group: Option<BorrowedFd<'_>>,
    listener: BorrowedFd<'_>,
    held: &[BorrowedFd<'_>],
) -> ! {
    prepare(plan);
    let (pid, pidfd) = match assemble(plan, &daemon, init_end, group) {
        Ok(init) => init,
        Err(text) => fail(&daemon, text),
    };
    // The group of process 1 is of no more use.
    let mut keep = vec![daemon.as_fd(), pidfd.as_fd(), listener];
    keep.extend(held);
    zones_sys::close_all_except(&keep);
    if let Err(error) = send(&daemon, &FromSched::Assembled, &[]) {
        fail(&daemon, format!("report to the daemon: {error}"));
    }
    // Without a daemon there is no boot: process 1 sees the same end of file and leaves, too.
    let Ok(Some((ToSched::Enter, mut fds))) = receive(&daemon) else {
        zones_sys::exit_now(0)
    };
    let entered = move_in(plan, &pidfd, false);
    serve_after(entered, plan, daemon, pid, fds.pop(), listener)
}

fn serve_after(
    entered: Result<Option<OwnedFd>, Failure>,
    plan: &BootPlan,
    daemon: Channel,
    init: Pid,
    console: Option<OwnedFd>,
    listener: BorrowedFd<'_>,
) -> ! {
    let started = entered.and_then(|table| {
        let signals =
            SignalFd::new(&[SIGCHLD]).map_err(|error| format!("watch children: {error}"))?;
        // A daemon that died meanwhile does not matter: the zone goes on, another one takes over.
        let _ = send(&daemon, &FromSched::Entered, &[]);
        Ok((signals, table))
    });
    match started {
        Ok((signals, _table)) => {
            zones_sys::trim_memory();
            Server {
                plan,
                daemon: Some(daemon),
                init,
                console,
                signals,
                sessions: Vec::new(),
            }
            .run(listener)
        }
        Err(text) => fail(&daemon, text),
    }
}

fn fail(daemon: &Channel, text: Failure) -> ! {
    let _ = send(daemon, &FromSched::Failed(text), &[]);
    zones_sys::exit_now(1)
}

/// Namespaces, process 1, user ids, mount table.
fn assemble(
    plan: &BootPlan,
    daemon: &Channel,
    init_end: Channel,
    group: Option<BorrowedFd<'_>>,
) -> Result<(Pid, OwnedFd), Failure> {
    let at = |step: &'static str| move |error: Errno| format!("cannot {step}: {error}");
    make_mount_points(plan)?;
    zones_sys::unshare(UnshareFlags::NEWNS).map_err(at("make a mount namespace"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(at("make the mounts private"))?;
    if let Some(why) = plan.clock.fault() {
        return Err(format!("attr clock: {why}"));
    }
    if plan.clock.is_own() {
        own_time(plan).map_err(at("make a time namespace"))?;
    }
    let mut flags = CloneFlags::PID.with(CloneFlags::UTS).with(CloneFlags::IPC);
    match plan.ip_type {
        // Made here, so it belongs to the host: root of the zone holds no rights over it.
        IpType::Shared => {
            zones_sys::unshare(UnshareFlags::NEWNET).map_err(at("make a network"))?;
            grant_ports(plan)?;
        }
        IpType::Exclusive => flags = flags.with(CloneFlags::NET),
    }
    if plan.range.is_some() {
        flags = flags.with(CloneFlags::USER);
    }
    let (pid, pidfd) = match zones_sys::clone_process(flags, group).map_err(at("make process 1"))? {
        Fork::Parent { pid, pidfd } => (pid, pidfd),
        Fork::Child => {
            zones_sys::close_all_except(&[init_end.as_fd()]);
            init::run(plan, init_end)
        }
    };
    drop(init_end);
    if let Some(range) = plan.range {
        map_ids(pid, range).map_err(|error| format!("cannot map the user ids: {error}"))?;
    }
    let number = pid.as_raw_nonzero().get();
    send(daemon, &FromSched::Spawned(number), &[]).map_err(at("report to the daemon"))?;
    build(plan, daemon, pid, &pidfd)?;
    Ok((pid, pidfd))
}

/// What a zone may do in a network that it does not own: serve on ports below 1024, and send echo
/// requests. Source: ip(7), `ip_unprivileged_port_start`; icmp(7), `ping_group_range`.
fn grant_ports(plan: &BootPlan) -> Result<(), Failure> {
    let base = plan.range.map_or(0, |range| range.base);
    let settings = [
        ("ip_unprivileged_port_start", "0".to_owned()),
        (
            "ping_group_range",
            format!("{base} {}", base + (IdRange::COUNT - 1)),
        ),
    ];
    for (name, value) in settings {
        let path = format!("/proc/sys/net/ipv4/{name}");
        std::fs::write(&path, value).map_err(|error| format!("cannot write `{path}`: {error}"))?;
    }
    Ok(())
}

/// The few folders that mounts go onto, made on disk where a root lacks them.
fn make_mount_points(plan: &BootPlan) -> Result<(), Failure> {
    let text = |path: &str, error: Errno| format!("cannot use `{path}`: {error}");
    let path = plan.root.display().to_string();
    let root = zones_storage::open(&plan.root);
    let root = root.map_err(|error| text(&path, error.source.errno()))?;
    for name in builder::MOUNT_POINTS {
        let mode = rustix::fs::Mode::from_raw_mode(0o755);
        let made = match rustix::fs::mkdirat(&root, name, mode) {
            Ok(()) => own(plan, &root, name),
            Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error),
        };
        made.map_err(|error| text(&format!("{path}/{name}"), error))?;
    }
    Ok(())
}

/// In a shifted tree a new folder is the zone's root's by its number.
fn own(plan: &BootPlan, root: &zones_sys::RootFd, name: &str) -> Result<(), Errno> {
    use rustix::fs::{AtFlags, Gid, Uid};
    let Some(range) = plan.range.filter(|_| plan.shifted) else {
        return Ok(());
    };
    let (uid, gid) = (Uid::from_raw(range.base), Gid::from_raw(range.base));
    rustix::fs::chownat(root, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

/// Clocks that count from the zone's boot. Children are born into it. Source: time_namespaces(7).
fn own_time(plan: &BootPlan) -> Result<(), Errno> {
    const NEWTIME: UnshareFlags = UnshareFlags::from_bits_retain(0x80);
    match zones_sys::unshare(NEWTIME) {
        // A kernel without time namespaces: the zone shows the host's uptime. A faked clock
        // counts from there.
        Err(Errno::INVAL) if !matches!(plan.clock, Clock::Fake(_)) => return Ok(()),
        other => other?,
    }
    let clock = |id| rustix::time::clock_gettime(id).tv_sec;
    let monotonic = clock(rustix::time::ClockId::Monotonic);
    let boot = clock(rustix::time::ClockId::Boottime);
    let offsets = format!("monotonic -{monotonic} 0\nboottime -{boot} 0\n");
    let written = std::fs::write("/proc/self/timens_offsets", offsets);
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

fn map_ids(pid: Pid, range: IdRange) -> std::io::Result<()> {
    let pid = pid.as_raw_nonzero();
    let map = format!("0 {} {}\n", range.base, IdRange::COUNT);
    std::fs::write(format!("/proc/{pid}/uid_map"), &map)?;
    std::fs::write(format!("/proc/{pid}/gid_map"), &map)
}

/// Has a short-lived process mount the tree: only one inside the pid namespace can mount its /proc.
fn build(plan: &BootPlan, daemon: &Channel, pid: Pid, pidfd: &OwnedFd) -> Result<(), Failure> {
    let at = |step: &'static str| move |error: Errno| format!("cannot {step}: {error}");
    let users = plan.range.map(|_| {
        let path = format!("/proc/{}/ns/user", pid.as_raw_nonzero());
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        rustix::fs::open(path, flags, rustix::fs::Mode::empty())
    });
    let users = users.transpose().map_err(at("open the user namespace"))?;
    let mut namespaces = Ns::PROCESS_ID | Ns::INTER_PROCESS_COMMUNICATION;
    if plan.ip_type == IpType::Exclusive {
        namespaces |= Ns::NETWORK;
    }
    rustix::thread::move_into_thread_name_spaces(pidfd.as_fd(), namespaces)
        .map_err(at("join the namespaces of process 1"))?;
    match zones_sys::clone_process(CloneFlags::NONE, None).map_err(at("make the builder"))? {
        Fork::Parent { pidfd, .. } => {
            let ended =
                rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            match ended.ok().flatten().and_then(|status| status.exit_status()) {
                Some(0) => Ok(()),
                // It has told the daemon why.
                Some(1) => zones_sys::exit_now(1),
                _ => Err("the builder of the mount table was killed".to_owned()),
            }
        }
        Fork::Child => match builder::build(plan, users.as_ref().map(AsFd::as_fd)) {
            Ok(()) => zones_sys::exit_now(0),
            Err(error) => fail(daemon, error.to_string()),
        },
    }
}

/// Leaves the host: all namespaces of process 1, its user ids, its limits on privileges. What comes
/// back is to be kept open.
fn move_in(plan: &BootPlan, pidfd: &OwnedFd, from_host: bool) -> Result<Option<OwnedFd>, Failure> {
    let at = |step: &'static str| move |error: Errno| format!("cannot {step}: {error}");
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(at("hide zsched"))?;
    let mut namespaces = Ns::MOUNT | Ns::HOST_NAME_AND_NIS_DOMAIN_NAME | Ns::CONTROL_GROUP;
    if plan.range.is_some() {
        namespaces |= Ns::USER;
    }
    if from_host {
        namespaces |= Ns::PROCESS_ID | Ns::INTER_PROCESS_COMMUNICATION | Ns::NETWORK | Ns::TIME;
    }
    rustix::thread::move_into_thread_name_spaces(pidfd.as_fd(), namespaces)
        .map_err(at("enter the zone"))?;
    init::become_root().map_err(at("become root of the zone"))?;
    if plan.personality_32bit {
        zones_sys::personality_32bit().map_err(at("become a 32-bit machine"))?;
    }
    let own = plan.emulation.as_ref().filter(|emulation| emulation.is_own);
    let table = own.map(Emulation::tell_zone).transpose();
    let table = table.map_err(at("tell the kernel of the emulator"))?;
    init::restrict(plan).map_err(at("give up privileges"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(at("hide zsched"))?;
    Ok(table)
}

/// One connection to zsched's socket.
struct Session {
    channel: Channel,
    child: Option<Pid>,
    closed: bool,
}

struct Server<'a> {
    plan: &'a BootPlan,
    daemon: Option<Channel>,
    init: Pid,
    console: Option<OwnedFd>,
    signals: SignalFd,
    sessions: Vec<Session>,
}

impl Server<'_> {
    fn run(mut self, listener: BorrowedFd<'_>) -> ! {
        // Who ended before signals were watched has sent none that waits.
        self.reap();
        loop {
            let ready = self.wait(listener);
            let [signals, connection, daemon, sessions @ ..] = &ready[..] else {
                continue;
            };
            // Sessions first: their indices are those of the wait.
            let busy: Vec<usize> = sessions
                .iter()
                .enumerate()
                .filter(|(_, is)| **is)
                .map(|(at, _)| at)
                .collect();
            for at in busy {
                self.listen_to(at, listener);
            }
            if *signals {
                self.reap();
            }
            if *daemon
                && matches!(
                    self.daemon.as_ref().map(Channel::recv),
                    Some(Ok(None) | Err(_))
                )
            {
                self.daemon = None;
            }
            if *connection && let Ok(channel) = Channel::accept(listener) {
                self.sessions.push(Session {
                    channel,
                    child: None,
                    closed: false,
                });
            }
            self.sessions
                .retain(|session| !session.closed || session.child.is_some());
        }
    }

    fn wait(&self, listener: BorrowedFd<'_>) -> Vec<bool> {
        let mut fds = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::from_borrowed_fd(listener, PollFlags::IN),
        ];
        // A missing daemon keeps its place in the list; an empty set of events never fires.
        match &self.daemon {
            Some(daemon) => fds.push(PollFd::new(daemon, PollFlags::IN)),
            None => fds.push(PollFd::new(&self.signals, PollFlags::empty())),
        }
        for session in &self.sessions {
            let events = if session.closed {
                PollFlags::empty()
            } else {
                PollFlags::IN
            };
            fds.push(PollFd::new(&session.channel, events));
        }
        if rustix::event::poll(&mut fds, None).is_err() {
            return vec![false; fds.len()];
        }
        let fired = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        let mut ready: Vec<bool> = fds
            .iter()
            .map(|fd| fd.revents().intersects(fired))
            .collect();
        ready[2] &= self.daemon.is_some();
        for (at, session) in self.sessions.iter().enumerate() {
            ready[3 + at] &= !session.closed;
        }
        ready
    }

    fn listen_to(&mut self, at: usize, listener: BorrowedFd<'_>) {
        let session = &mut self.sessions[at];
        let message = receive::<SessionRequest>(&session.channel);
        match message {
            Ok(Some((SessionRequest::Signal(number), _))) => session.signal(number),
            Ok(Some((SessionRequest::Adopt, _))) => self.adopt(at),
            Ok(Some((request @ SessionRequest::Start { .. }, fds))) if session.child.is_none() => {
                let _ = send(&session.channel, &SessionEvent::Begun, &[]);
                match session::start(self.plan, &session.channel, listener, &request, &fds) {
                    Ok(pid) => session.child = Some(pid),
                    Err(error) => {
                        let text = format!("could not start a process: {error}");
                        let _ = send(&session.channel, &SessionEvent::Failed(text), &[]);
                        session.closed = true;
                    }
                }
            }
            // The client is gone: its command hears of it like one whose terminal was closed.
            _ => {
                session.closed = true;
                session.signal(1);
            }
        }
    }

    /// A new daemon: it gets the console and hears of process 1 from now on.
    fn adopt(&mut self, at: usize) {
        let session = self.sessions.remove(at);
        let console: Vec<BorrowedFd<'_>> = self.console.iter().map(AsFd::as_fd).collect();
        if send(&session.channel, &SessionEvent::Console, &console).is_ok() {
            self.daemon = Some(session.channel);
        }
    }

    fn reap(&mut self) {
        while self.signals.next().is_some() {}
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let ending = ending(status);
            if pid == self.init {
                self.end(ending);
            }
            for session in self
                .sessions
                .iter_mut()
                .filter(|session| session.child == Some(pid))
            {
                let _ = send(&session.channel, &SessionEvent::Ended(ending), &[]);
                session.child = None;
                session.closed = true;
            }
        }
    }

    /// Process 1 is gone and with it everybody in the zone.
    fn end(&mut self, ending: Ending) {
        let told = self
            .daemon
            .as_ref()
            .is_some_and(|daemon| send(daemon, &FromSched::InitEnded(ending), &[]).is_ok());
        if !told {
            zones_sys::exit_now(0);
        }
    }
}

impl Session {
    fn signal(&self, number: i32) {
        if let (Some(pid), Some(signal)) =
            (self.child, rustix::process::Signal::from_named_raw(number))
        {
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }
}

/// A wait status as a message.
pub(crate) fn ending(status: WaitStatus) -> Ending {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, Some(signal)) => Ending::Signaled(signal),
        (None, None) => Ending::Exited(0),
    }
}
