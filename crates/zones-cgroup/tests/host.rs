//! The real hierarchies of this host, under a parent of our own. Needs root.
#![allow(clippy::print_stderr, clippy::unwrap_used)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, geteuid};
use zones_cgroup::{DEFAULT_DEVICES, Hierarchies, Limits, ZoneGroup};
use zones_types::ZoneName;

/// Leaves nothing behind, whatever a test did.
struct Host {
    hierarchies: Hierarchies,
    parent: String,
}

impl Host {
    fn new(test: &str) -> Option<Self> {
        if !geteuid().is_root() {
            eprintln!("SKIP {test}: not root");
            return None;
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let hierarchies = match Hierarchies::probe(&mounts) {
            Ok(hierarchies) => hierarchies,
            Err(error) => {
                eprintln!("SKIP {test}: {error}");
                return None;
            }
        };
        let parent = format!("zones-test-{}-{test}", std::process::id());
        Some(Self {
            hierarchies,
            parent,
        })
    }

    /// What a file of the group holds, where the controller is mounted in the usual place on v1.
    fn v1_file(&self, controller: &str, file: &str) -> Option<String> {
        let (parent, zone) = (&self.parent, Self::zone());
        let path = format!("/sys/fs/cgroup/{controller}/{parent}/{zone}/{file}");
        Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
    }

    fn zone() -> ZoneName {
        "cg-test".parse().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Ok(group) = ZoneGroup::open(&self.hierarchies, &self.parent, &Self::zone()) {
            drop(group.kill());
            drop(group.remove(Duration::from_secs(2)));
        }
        self.hierarchies.remove_parent(&self.parent);
    }
}

/// A process that waits for the end of its input.
struct Waiter(Child);

impl Waiter {
    fn new() -> Self {
        let cat = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        Self(cat.unwrap())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn lap(what: &str, since: &mut Instant) {
    eprintln!("  {what}: {:.3} ms", since.elapsed().as_secs_f64() * 1e3);
    *since = Instant::now();
}

#[test]
fn a_group_lives_and_ends() {
    let Some(host) = Host::new("life") else {
        return;
    };
    let zone = Host::zone();
    let mut clock = Instant::now();
    let group = ZoneGroup::create(&host.hierarchies, &host.parent, &zone).unwrap();
    lap("create", &mut clock);
    let limits = Limits {
        cpu_cap_percent: Some(150),
        cpu_shares: Some(2),
        memory: Some(64 << 20),
        swap: Some(128 << 20),
        pids: Some(100),
        ..Limits::default()
    };
    for missing in group.apply(&limits) {
        eprintln!("  not enforced: {missing:?}");
    }
    lap("limits", &mut clock);
    for missing in group.restrict_devices(&DEFAULT_DEVICES) {
        eprintln!("  not enforced: {missing:?}");
    }
    lap("devices", &mut clock);
    let mut waiter = Waiter::new();
    clock = Instant::now();
    group.join(waiter.pid()).unwrap();
    lap("join", &mut clock);
    assert_eq!(group.procs().unwrap(), [waiter.pid()]);
    assert!(!group.is_empty().unwrap());
    let usage = group.usage();
    eprintln!("  {usage:?}");
    assert!(usage.pids.is_none_or(|tasks| tasks == 1));

    // Up, down and off again, while a process is in it.
    for (memory, swap) in [(256, 512), (32, 64), (64, 512), (256, 300)] {
        let moved = Limits {
            memory: Some(memory << 20),
            swap: Some(swap << 20),
            ..limits.clone()
        };
        assert_eq!(group.apply(&moved), group.apply(&moved), "{memory} {swap}");
    }
    let first = group.apply(&Limits::default());
    assert_eq!(first, [], "limits can be lifted");
    if let Some(quota) = host.v1_file("cpu", "cpu.cfs_quota_us") {
        assert_eq!(quota, "-1");
    }
    if let Some(total) = host.v1_file("memory", "memory.memsw.limit_in_bytes") {
        assert!(total.len() > 15, "{total} is as good as unlimited");
    }

    group.freeze().unwrap();
    group.thaw().unwrap();
    let busy = ZoneGroup::open(&host.hierarchies, &host.parent, &zone).unwrap();
    assert!(
        busy.remove(Duration::ZERO).is_err(),
        "a group with processes stays"
    );
    clock = Instant::now();
    group.kill().unwrap();
    let status = waiter.0.wait().unwrap();
    lap("kill", &mut clock);
    assert!(!status.success());
    assert!(group.wait_empty(Duration::from_secs(2)).unwrap());
    group.remove(Duration::from_secs(2)).unwrap();
    lap("remove", &mut clock);
    let gone = ZoneGroup::open(&host.hierarchies, &host.parent, &zone);
    assert!(gone.is_err());
}

#[test]
fn groups_made_inside_go_with_the_zone() {
    let Some(host) = Host::new("nested") else {
        return;
    };
    let zone = Host::zone();
    let group = ZoneGroup::create(&host.hierarchies, &host.parent, &zone).unwrap();
    let Some(dir) = group.init_dir() else {
        eprintln!("SKIP groups_made_inside_go_with_the_zone: no v2 hierarchy");
        return;
    };
    rustix::fs::mkdirat(dir, "a", 0o755.into()).unwrap();
    rustix::fs::mkdirat(dir, "a/b", 0o755.into()).unwrap();
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(70_000),
        rustix::fs::Gid::from_raw(70_000),
    );
    group.delegate(uid, gid).unwrap();
    assert_eq!(rustix::fs::fstat(dir).unwrap().st_uid, 70_000);
    let waiter = Waiter::new();
    group.join(waiter.pid()).unwrap();
    group.kill().unwrap();
    group.remove(Duration::from_secs(2)).unwrap();
}

#[test]
fn a_v2_group_refuses_devices_by_program() {
    const TEST: &str = "a_v2_group_refuses_devices_by_program";
    let Some(mut host) = Host::new("bpf") else {
        return;
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let only: Vec<_> = mounts
        .lines()
        .filter(|l| l.contains(" - cgroup2 "))
        .collect();
    let Ok(hierarchies) = Hierarchies::probe(&only.join("\n")) else {
        eprintln!("SKIP {TEST}: no v2 hierarchy");
        return;
    };
    host.hierarchies = hierarchies;
    let group = ZoneGroup::create(&host.hierarchies, &host.parent, &Host::zone()).unwrap();
    if let Some(missing) = group.restrict_devices(&DEFAULT_DEVICES).first() {
        eprintln!("SKIP {TEST}: {}", missing.why);
        return;
    }
    let script = "read go; (: < /dev/null) || exit 3; (: < /dev/kmsg) || exit 4";
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stderr(Stdio::null());
    let mut shell = Waiter(shell.spawn().unwrap());
    group.join(shell.pid()).unwrap();
    drop(shell.0.stdin.take());
    let status = shell.0.wait().unwrap();
    assert_eq!(status.code(), Some(4), "only the second device is refused");
    // Rules can be widened again while the zone runs.
    let kmsg = zones_cgroup::DeviceRule {
        minor: Some(11),
        ..DEFAULT_DEVICES[2]
    };
    assert_eq!(group.restrict_devices(&[kmsg]), []);
}

/// Whether a process is stopped by the freezer cannot be seen from outside on every kernel; that it
/// does not do what it is asked for can.
#[test]
fn a_group_rests_and_goes_on() {
    use std::io::{Read as _, Write as _};
    use zones_cgroup::Controller as C;
    for is_v1 in [false, true] {
        let name = if is_v1 { "rest-v1" } else { "rest" };
        let Some(mut host) = Host::new(name) else {
            return;
        };
        if is_v1 {
            let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
            let is_v1 = |line: &&str| line.contains(" - cgroup ");
            let mounts: Vec<&str> = mounts.lines().filter(is_v1).collect();
            let Ok(all) = Hierarchies::probe(&mounts.join("\n")) else {
                eprintln!("SKIP {name}: no hierarchy of v1");
                return;
            };
            host.hierarchies = all;
        }
        let all = std::mem::replace(
            &mut host.hierarchies,
            Hierarchies::probe(&std::fs::read_to_string("/proc/self/mountinfo").unwrap()).unwrap(),
        );
        let boot = all.only(&[C::Pids]);
        let group = ZoneGroup::create(&boot, &host.parent, &Host::zone()).unwrap();
        let cat = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut cat = Waiter(cat.unwrap());
        group.join_init(cat.pid()).unwrap();
        let mut group = ZoneGroup::open(&boot, &host.parent, &Host::zone()).unwrap();
        let parent = host.parent.clone();
        let all = &host.hierarchies;
        if let Err(error) = group.rest(all, &parent, Duration::from_secs(5)) {
            eprintln!("SKIP {name}: {error}");
            continue;
        }
        cat.0.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        let mut out = cat.0.stdout.take().unwrap();
        let mut fds = [rustix::event::PollFd::new(
            &out,
            rustix::event::PollFlags::IN,
        )];
        let moment = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        };
        assert_eq!(
            rustix::event::poll(&mut fds, Some(&moment)),
            Ok(0),
            "{name}"
        );
        group.thaw().unwrap();
        let mut byte = [0];
        out.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x", "{name}");
    }
}
