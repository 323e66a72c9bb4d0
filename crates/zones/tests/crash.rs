//! kill -9 of everything at random moments: the next command names the state and repairs it.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Stdio;
use std::time::Duration;

use support::{Host, err};

/// Rounds of each kind; `ZONES_KILL_ROUNDS=50` is the acceptance.
fn rounds() -> u32 {
    std::env::var("ZONES_KILL_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(8)
}

/// Moments spread over a boot, not random, so that a failure repeats: microseconds.
fn moment(round: u32) -> Duration {
    Duration::from_micros(u64::from(round.wrapping_mul(7_919) % 40_000))
}

fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Waits until a killed process has let go of its sockets.
fn wait_gone(pid: i32) {
    let limit = std::time::Instant::now() + Duration::from_secs(10);
    let stat = format!("/proc/{pid}/stat");
    while std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z")) {
        assert!(
            std::time::Instant::now() < limit,
            "process {pid} does not die"
        );
        std::thread::yield_now();
    }
}

/// A pid out of the state file.
fn pid(host: &Host, who: &str) -> Option<i32> {
    let text = std::fs::read(host.path().join("run/zones/z/state")).ok()?;
    let state: serde_json::Value = serde_json::from_slice(&text).ok()?;
    i32::try_from(state[who]["pid"].as_i64()?).ok()
}

/// Whatever happened: `list` names a state, `halt` cleans, and a boot works again.
fn recover(host: &Host, round: &str) {
    let state = host.state("z");
    let known = ["installed", "running", "ready", "down", "shutting_down"];
    assert!(known.contains(&state.as_str()), "{round}: {state}");
    let halt = host.zoneadm(&["-z", "z", "halt"]);
    assert!(
        halt.status.success(),
        "{round}: halt after {state}: {}",
        err(&halt)
    );
    assert_eq!(host.state("z"), "installed", "{round}");
    nothing_left(host, round);
    assert_eq!(groups(host), Vec::<String>::new(), "{round}");
}

/// A daemon that was only just started when its command died sees that and leaves.
fn nothing_left(host: &Host, round: &str) {
    let limit = std::time::Instant::now() + Duration::from_secs(5);
    while !host.leftovers().is_empty() && std::time::Instant::now() < limit {
        std::thread::yield_now();
    }
    assert_eq!(host.leftovers(), Vec::<String>::new(), "{round}");
}

/// Control groups of this host's zones.
fn groups(host: &Host) -> Vec<String> {
    let text = host.ok("zoneadm", &["list", "-cn"]);
    let mut found = Vec::new();
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten()
    {
        for parent in std::fs::read_dir(hierarchy.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = parent.file_name().to_string_lossy().into_owned();
            if name == host_group(host) {
                found.push(format!("{} ({text})", parent.path().display()));
            }
        }
    }
    found
}

/// The parent group of this host: FNV-1a of its root, as `Layout::kernel_name` makes it.
fn host_group(host: &Host) -> String {
    let bytes = host.path().as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("zones-{hash:016x}")
}

#[test]
fn zoneadm_may_die_at_any_moment() {
    let host = host_or_skip!("zoneadm_may_die_at_any_moment");
    host.install("z", "");
    for round in 0..rounds() {
        let mut boot = host
            .command("zoneadm", &["-z", "z", "boot"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moment(round));
        boot.kill().unwrap();
        boot.wait().unwrap();
        settle(&host);
        recover(&host, &format!("round {round}"));
    }
}

/// A daemon whose command was killed finishes what it was told; it is not the subject here.
fn settle(host: &Host) {
    let limit = std::time::Instant::now() + Duration::from_secs(10);
    while host.path().join("run/zones/z/control").exists() && pid(host, "init").is_none() {
        assert!(std::time::Instant::now() < limit, "the daemon hangs");
        std::thread::yield_now();
    }
}

/// A zone that comes up keeps its files, and one whose files go does not come up, also when the
/// command that wanted it up is killed.
#[test]
fn a_boot_and_an_uninstall_exclude_each_other() {
    let host = host_or_skip!("a_boot_and_an_uninstall_exclude_each_other");
    host.configure("z", "");
    let archive = host.archive();
    for round in 0..rounds() {
        if host.state("z") == "configured" {
            let archive = archive.to_str().unwrap();
            host.ok("zoneadm", &["-z", "z", "install", "-a", archive]);
        }
        let start = |words: &[&str]| {
            let words = [&["-z", "z"], words].concat();
            let mut command = host.command("zoneadm", &words);
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let mut boot = start(&["boot"]);
        std::thread::sleep(moment(round) / 2);
        let is_killed = round % 2 == 1;
        if is_killed {
            boot.kill().unwrap();
        }
        let uninstall = start(&["uninstall", "-F"]);
        let (booted, gone) = (
            boot.wait_with_output().unwrap(),
            uninstall.wait_with_output().unwrap(),
        );
        let state = host.state("z");
        let round = format!("round {round}: {state}: {}{}", err(&booted), err(&gone));
        match gone.status.success() {
            true => assert!(state == "configured" && !booted.status.success(), "{round}"),
            false => {
                assert!(err(&gone).contains("for running zones"), "{round}");
                assert!(booted.status.success() || is_killed, "{round}");
                assert_eq!(host.inside("z", "echo here"), "here\n", "{round}");
                recover(&host, &round);
            }
        }
        nothing_left(&host, &round);
    }
}

/// Whoever works on a zone that is down is waited for, and then asked what it is now.
#[test]
fn a_boot_waits_for_who_is_at_work() {
    let host = host_or_skip!("a_boot_waits_for_who_is_at_work");
    host.install("z", "");
    let lock = std::fs::File::create(host.path().join("run/zones/z/lock")).unwrap();
    let exclusive = rustix::fs::FlockOperation::LockExclusive;
    rustix::fs::flock(&lock, exclusive).unwrap();
    let start = |verb: &str| {
        let mut command = host.command("zoneadm", &["-z", "z", verb]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut boot = start("boot");
    let mut line = String::new();
    let mut said = std::io::BufReader::new(boot.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(
        line,
        "zone 'z': waiting for a command that is at work on it...\n"
    );
    assert_eq!(host.state("z"), "installed");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::Unlock).unwrap();
    assert!(boot.wait().unwrap().success());
    assert_eq!(host.state("z"), "running");
    recover(&host, "after the wait");
}

#[test]
fn zoneadmd_may_die_at_any_moment() {
    let host = host_or_skip!("zoneadmd_may_die_at_any_moment");
    host.install("z", "");
    for round in 0..rounds() {
        let mut boot = host
            .command("zoneadm", &["-z", "z", "boot"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let limit = std::time::Instant::now() + Duration::from_secs(10);
        while pid(&host, "daemon").is_none() && std::time::Instant::now() < limit {
            std::thread::yield_now();
        }
        std::thread::sleep(moment(round) / 2);
        pid(&host, "daemon").into_iter().for_each(kill);
        boot.wait().unwrap();
        recover(&host, &format!("round {round}"));
    }
}

#[test]
fn a_running_zone_survives_its_daemon_and_its_helper() {
    let host = host_or_skip!("a_running_zone_survives_its_daemon_and_its_helper");
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    let init = pid(&host, "init").unwrap();
    for round in 0..rounds() {
        pid(&host, "daemon").into_iter().for_each(kill);
        assert_eq!(host.state("z"), "running");
        assert_eq!(host.inside("z", "echo here"), "here\n", "without a daemon");
        if round % 2 == 0 {
            let before = pid(&host, "sched").unwrap();
            kill(before);
            wait_gone(before);
            assert_eq!(
                host.inside("z", "echo again"),
                "again\n",
                "a daemon is started, takes over and makes a new helper"
            );
            assert_ne!(pid(&host, "sched"), Some(before));
        }
    }
    assert_eq!(
        pid(&host, "init"),
        Some(init),
        "process 1 is the same throughout"
    );
    recover(&host, "end");
}

#[test]
fn init_may_die_at_any_moment() {
    let host = host_or_skip!("init_may_die_at_any_moment");
    host.install("z", "");
    for round in 0..rounds() {
        host.ok("zoneadm", &["-z", "z", "boot"]);
        std::thread::sleep(moment(round) / 8);
        pid(&host, "init").into_iter().for_each(kill);
        let limit = std::time::Instant::now() + Duration::from_secs(10);
        while host.path().join("run/zones/z/state").exists() {
            assert!(
                std::time::Instant::now() < limit,
                "the daemon does not see that init died"
            );
            std::thread::yield_now();
        }
        recover(&host, &format!("round {round}"));
    }
}

#[test]
fn an_interrupted_install_is_incomplete_and_can_be_removed() {
    let host = host_or_skip!("an_interrupted_install_is_incomplete_and_can_be_removed");
    host.configure("z", "");
    let archive = host.archive();
    for round in 0..rounds() {
        let mut install = host
            .command(
                "zoneadm",
                &["-z", "z", "install", "-a", archive.to_str().unwrap()],
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moment(round) / 2);
        install.kill().unwrap();
        install.wait().unwrap();
        match host.state("z").as_str() {
            "configured" => {}
            "incomplete" => {
                let boot = host.zoneadm(&["-z", "z", "boot"]);
                support::refused(&boot, 1, "must be installed before boot.");
                host.ok("zoneadm", &["-z", "z", "uninstall", "-F"]);
            }
            "installed" => drop(host.ok("zoneadm", &["-z", "z", "uninstall", "-F"])),
            state => panic!("round {round}: {state}"),
        }
        assert_eq!(host.state("z"), "configured");
        assert!(!host.zonepath("z").exists(), "round {round}");
    }
    assert_eq!(host.leftovers(), Vec::<String>::new());
}
