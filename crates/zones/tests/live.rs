//! Changes of a running zone: `zonecfg -r`, `zoneadm apply`, and what a crash in between leaves.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use support::{Host, err, out, refused, until};

/// A file of the zone's control group, in whichever hierarchy has it.
fn group_file(host: &Host, zone: &str, names: [&str; 2]) -> String {
    let parent = host_group(host);
    let below = |top: PathBuf| top.join(&parent).join(zone);
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
    let folders = hierarchies.map(|entry| below(entry.path()));
    let all = folders.chain([below("/sys/fs/cgroup".into())]);
    for folder in all {
        for name in names {
            if let Ok(text) = std::fs::read_to_string(folder.join(name)) {
                return text.trim().to_owned();
            }
        }
    }
    panic!("{zone} has no {names:?}");
}

/// The parent group of this host: FNV-1a of its root, as `Layout::kernel_name` makes it.
fn host_group(host: &Host) -> String {
    let bytes = host.path().as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("zones-{hash:016x}")
}

/// Microseconds of CPU time that the zone may use in 100 ms.
fn quota(host: &Host) -> String {
    let text = group_file(host, "z", ["cpu.cfs_quota_us", "cpu.max"]);
    text.split(' ').next().unwrap().to_owned()
}

fn threads(host: &Host) -> String {
    group_file(host, "z", ["pids.max", "pids.max"])
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

const CAPPED: &str = "set ip-type=exclusive; add capped-cpu; set ncpus=0.5; end";

/// A running zone with half a CPU and a network of its own.
fn running(host: &Host) {
    host.install("z", CAPPED);
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert_eq!(quota(host), "50000");
}

fn live(host: &Host, commands: &str) -> std::process::Output {
    host.run("zonecfg", &["-z", "z", "-r", commands])
}

fn live_ok(host: &Host, commands: &str) -> String {
    host.ok("zonecfg", &["-z", "z", "-r", commands])
}

/// Runs in a network namespace of its own, so that bridges of the host are none of its business.
fn on_a_host(name: &'static str, body: fn(&Host)) {
    if let Some(reason) = support::missing() {
        println!("SKIP {name}: {reason}");
        return;
    }
    let done = support::away(rustix::thread::UnshareFlags::NEWNET, move || {
        body(&Host::new());
    });
    if let Err(errno) = done {
        println!("SKIP {name}: no network namespace: {errno}");
    }
}

#[test]
fn a_cap_changes_in_the_running_zone_only() {
    let host = host_or_skip!("a_cap_changes_in_the_running_zone_only");
    running(&host);
    let said = live_ok(
        &host,
        "select capped-cpu; set ncpus=0.75; end; set max-lwps=321",
    );
    assert_eq!(
        said,
        "zone 'z': Checking: Modifying capped-cpu\n\
         zone 'z': Checking: Adding rctl name=zone.max-lwps\n\
         zone 'z': Applying the changes\n"
    );
    assert_eq!(
        (quota(&host), threads(&host)),
        ("75000".into(), "321".into())
    );
    let live_info = live_ok(&host, "info capped-cpu");
    assert_eq!(live_info, "capped-cpu:\n\t[ncpus: 0.75]\n");
    let stored = host.ok("zonecfg", &["-z", "z", "info capped-cpu"]);
    assert_eq!(stored, "capped-cpu:\n\t[ncpus: 0.50]\n");
    assert!(live_ok(&host, "export").contains("limit=75,"));
    // Memory, and taking a limit away.
    live_ok(
        &host,
        "clear max-lwps; add capped-memory; set physical=256m; end",
    );
    let memory = group_file(&host, "z", ["memory.limit_in_bytes", "memory.max"]);
    assert_eq!(
        (memory.as_str(), threads(&host).as_str()),
        ("268435456", "max")
    );
    // A temporary change is gone with the next boot.
    host.ok("zoneadm", &["-z", "z", "reboot"]);
    assert_eq!(quota(&host), "50000");
    let none = "No such capped-memory resource.\n";
    assert_eq!(live_ok(&host, "info capped-memory"), none);
    host.ok("zoneadm", &["-z", "z", "halt"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn what_cannot_change_is_refused_by_name() {
    let host = host_or_skip!("what_cannot_change_is_refused_by_name");
    host.install("z", CAPPED);
    refused(
        &live(&host, "info"),
        1,
        "-r needs a running zone; this one is in state 'installed'",
    );
    let apply = host.zoneadm(&["-z", "z", "apply"]);
    refused(
        &apply,
        1,
        "apply operation is invalid for zones in state 'installed'.",
    );
    refused(&host.zoneadm(&["-z", "z", "apply", "-x"]), 2, "usage:");
    refused(
        &host.run("zonecfg", &["-z", "global", "-r", "info"]),
        1,
        "cannot be used on the global zone",
    );
    host.ok("zoneadm", &["-z", "z", "boot"]);
    let before = live_ok(&host, "export");
    for (command, words) in [
        ("create", "The create command cannot be used with -r"),
        ("delete -F", "The delete command cannot be used with -r"),
        ("revert -F", "The revert command cannot be used with -r"),
        ("set zonename=y", "zonename cannot be changed with -r"),
        ("set zonepath=/y", "zonepath cannot be changed with -r"),
        ("set brand=native", "brand cannot be changed with -r"),
        ("set ip-type=shared", "ip-type cannot be changed with -r"),
        ("set hostid=1f", "hostid cannot be changed with -r"),
        ("clear limitpriv", "limitpriv cannot be changed with -r"),
        ("add dataset", "dataset cannot be changed with -r"),
        (
            "add dedicated-cpu",
            "dedicated-cpu cannot be changed with -r",
        ),
        ("add device", "device cannot be changed with -r"),
        (
            "add attr; set name=resolvers; set type=string; set value=192.0.2.1; end",
            "attr name=resolvers: cannot be changed while the zone runs; reboot the zone",
        ),
        (
            "add attr; set name=idmap; set type=string; set value=shift; end",
            "attr name=idmap: cannot be changed while the zone runs; reboot the zone",
        ),
        (
            "add attr; set name=uplink; set type=string; set value=false; end",
            "attr name=uplink: cannot be changed while the zone runs; reboot the zone",
        ),
        (
            "set max-shm-memory=64m",
            "rctl name=zone.max-shm-memory: cannot be changed while the zone runs; reboot",
        ),
        (
            "add net; set physical=net7; set global-nic=nosuch0; end",
            "the host has no link `nosuch0`",
        ),
        (
            "add fs; set dir=/x; set special=/nonexistent/x; set type=lofs; end",
            "/nonexistent/x",
        ),
    ] {
        let output = live(&host, command);
        refused(&output, 1, words);
        assert!(
            words.contains("command")
                || words.contains('`')
                || words.starts_with('/')
                || err(&output).contains("reboot"),
            "{command}: {}",
            err(&output)
        );
        assert_eq!(live_ok(&host, "export"), before, "{command}");
    }
    refused(
        &host.run("zonecfg", &["-z", "z", "reload"]),
        1,
        "The reload command only makes sense with -r.",
    );
    // A good change beside a bad one is not done either.
    let mixed = "set max-lwps=300; commit; set hostid=2; add attr; set name=privileged; \
                 set type=boolean; set value=true; end; set max-lwps=301";
    assert_eq!(live(&host, mixed).status.code(), Some(1));
    assert_eq!(threads(&host), "300");
}

#[test]
fn apply_brings_what_is_stored_and_n_only_says_so() {
    let host = host_or_skip!("apply_brings_what_is_stored_and_n_only_says_so");
    running(&host);
    let none = host.ok("zoneadm", &["-z", "z", "apply"]);
    assert_eq!(none, "zone 'z': There are no changes to apply\n");
    host.ok(
        "zonecfg",
        &[
            "-z",
            "z",
            "select capped-cpu; set ncpus=0.25; end; set max-lwps=222",
        ],
    );
    host.ok("zonecfg", &["-z", "z", "set autoboot=true"]);
    let said = host.ok("zoneadm", &["-z", "z", "apply", "-n", "-v"]);
    assert_eq!(
        said,
        "zone 'z': Checking: Modifying autoboot\n\
         \tautoboot: false -> true\n\
         zone 'z': Checking: Modifying capped-cpu\n\
         \tncpus: 0.50 -> 0.25\n\
         zone 'z': Checking: Adding rctl name=zone.max-lwps\n\
         \tname: (unset) -> zone.max-lwps\n\
         \tvalue: (unset) -> [(priv=privileged,limit=222,action=deny)]\n"
    );
    assert_eq!(
        (quota(&host), threads(&host)),
        ("50000".into(), "max".into())
    );
    assert_eq!(host.ok("zoneadm", &["-z", "z", "apply", "-q"]), "");
    assert_eq!(
        (quota(&host), threads(&host)),
        ("25000".into(), "222".into())
    );
    assert_eq!(live_ok(&host, "info autoboot"), "autoboot: true\n");
    host.ok("zonecfg", &["-z", "z", "set hostid=1f; set max-lwps=333"]);
    for args in [&["-z", "z", "apply"][..], &["-z", "z", "apply", "-nq"]] {
        let output = host.zoneadm(args);
        refused(
            &output,
            1,
            "zone 'z': hostid: cannot be changed while the zone runs; reboot the",
        );
        assert!(err(&output).contains("nothing was changed"));
    }
    assert_eq!(threads(&host), "222", "all or nothing");
}

#[test]
fn a_network_comes_and_goes() {
    on_a_host("a_network_comes_and_goes", |host| {
        running(host);
        let names = |zone: &str| host.inside(zone, "ls /sys/class/net");
        assert!(!names("z").contains("net0"));
        let add = "add anet; set allowed-address=192.0.2.9/24; set defrouter=192.0.2.1; end";
        live_ok(host, add);
        assert!(names("z").contains("net0"));
        assert!(
            host.inside("z", "ip addr show net0")
                .contains("192.0.2.9/24")
        );
        assert!(
            host.inside("z", "ip route")
                .contains("default via 192.0.2.1")
        );
        // What outlives the zone's network is noted, its guarded port among it.
        let noted = |what: &str| {
            let state = std::fs::read_to_string(host.path().join("run/zones/z/state")).unwrap();
            state.contains(what)
        };
        assert!(noted(" net0") && noted("uplink 192.0.2.9"));
        let mac = host.inside("z", "cat /sys/class/net/net0/address");
        // Another address: the link is made anew under the same name, with its own MAC address.
        live_ok(host, "select anet; set allowed-address=192.0.2.10/24; end");
        assert!(
            host.inside("z", "ip addr show net0")
                .contains("192.0.2.10/24")
        );
        assert_eq!(host.inside("z", "cat /sys/class/net/net0/address"), mac);
        live_ok(host, "add net; set physical=net1; end; add anet; end");
        assert!(names("z").contains("net1") && names("z").contains("net2"));
        live_ok(host, "remove anet linkname=net0");
        assert!(!names("z").contains("net0") && names("z").contains("net1"));
        assert!(!noted(" net0") && !noted("uplink") && noted(" net1"));
        // A step that fails takes the others back: `net9` is there already.
        host.inside(
            "z",
            "ip link add net9 type dummy || ip link add net9 type veth peer net8",
        );
        let both = "set max-lwps=444; add anet; set linkname=net9; end";
        refused(
            &live(host, both),
            1,
            "the zone has a link `net9` already; nothing was changed",
        );
        assert_eq!(threads(host), "max");
        assert!(names("z").contains("net9"));
        live_ok(host, "remove -F anet; remove -F net");
        assert!(!names("z").contains("net1") && !names("z").contains("net2"));
        host.ok("zoneadm", &["-z", "z", "halt"]);
        let links = support::tool("ip", &["-o", "link"]);
        assert!(!links.contains("zbr0") && !links.contains("zv"), "{links}");
    });
}

#[test]
fn an_automatic_network_is_there_at_boot() {
    on_a_host("an_automatic_network_is_there_at_boot", |host| {
        let pair = [
            "link", "add", "card0", "type", "veth", "peer", "name", "far0",
        ];
        support::tool("ip", &pair);
        support::tool("ip", &["link", "set", "card0", "up"]);
        host.install(
            "z",
            "set ip-type=exclusive; add anet; set mtu=1400; end; \
             add anet; set linkname=lan; set lower-link=card0; set mac-address=2:8:20:1:2:3; end",
        );
        host.ok("zoneadm", &["-z", "z", "boot"]);
        let sys = |file: &str| host.inside("z", &format!("cat /sys/class/net/{file}"));
        assert_eq!(sys("net0/mtu"), "1400\n");
        assert_eq!(sys("lan/address"), "02:08:20:01:02:03\n");
        let links = support::tool("ip", &["-o", "link"]);
        assert!(links.contains("zbr0") && links.contains("card0"), "{links}");
        host.ok("zoneadm", &["-z", "z", "halt"]);
        let shared = host.run("zonecfg", &["-z", "z", "set ip-type=shared; commit"]);
        refused(&shared, 1, "anet: cannot be specified for a shared IP type");
    });
}

#[test]
fn an_automatic_nic_is_the_one_that_leads_there() {
    on_a_host("an_automatic_nic_is_the_one_that_leads_there", |host| {
        for (card, address) in [("card0", "10.9.0.2/24"), ("card1", "10.8.0.2/24")] {
            let far = format!("far{card}");
            let pair = ["link", "add", card, "type", "veth", "peer", "name", &far];
            support::tool("ip", &pair);
            support::tool("ip", &["link", "set", card, "up"]);
            support::tool("ip", &["address", "add", address, "dev", card]);
        }
        host.install("z", "set ip-type=exclusive");
        host.ok("zoneadm", &["-z", "z", "boot"]);
        let net = "add net; set physical=net0; set global-nic=auto";
        let add = |address: &str| format!("{net}; set allowed-address={address}/24; end");
        refused(
            &live(host, &add("10.7.0.9")),
            1,
            "no link of the host leads to its address",
        );
        live_ok(host, &add("10.8.0.9"));
        let below = host.inside("z", "cat /sys/class/net/net0/iflink");
        let links = support::tool("ip", &["-o", "link"]);
        let card1 = links.lines().find(|line| line.contains(" card1@")).unwrap();
        assert_eq!(below.trim(), card1.split(':').next().unwrap());
    });
}

#[test]
fn a_file_system_comes_and_goes() {
    let host = host_or_skip!("a_file_system_comes_and_goes");
    let share = host.path().join("share");
    std::fs::create_dir(&share).unwrap();
    std::fs::write(share.join("file"), "hello\n").unwrap();
    let old = host.path().join("old");
    std::fs::create_dir(&old).unwrap();
    let at_boot = format!(
        "add fs; set dir=/old; set special={}; set type=lofs; end",
        old.display()
    );
    host.install("z", &at_boot);
    host.ok("zoneadm", &["-z", "z", "boot"]);
    let share = share.display();
    let add = |dir: &str, what: &str| {
        format!("add fs; set dir={dir}; set special={what}; set type=lofs; add options ro; end")
    };
    live_ok(&host, &add("/mnt/deep/share", &share.to_string()));
    assert_eq!(host.inside("z", "cat /mnt/deep/share/file"), "hello\n");
    // Root of the zone cannot make it writable.
    let write = "mount -o remount,bind,rw /mnt/deep/share; echo x > /mnt/deep/share/file";
    let output = host.run("zlogin", &["z", write]);
    assert_ne!(output.status.code(), Some(0), "{}", out(&output));
    assert_eq!(host.inside("z", "cat /mnt/deep/share/file"), "hello\n");
    // A single file, and one that stands where a hostile link leads out.
    live_ok(&host, &add("/etc/note", &format!("{share}/file")));
    assert_eq!(host.inside("z", "cat /etc/note"), "hello\n");
    host.inside(
        "z",
        "mkdir /lead; echo > /dev/null; busybox ln -s /etc /lead/out",
    );
    let output = live(&host, &add("/lead/out/x", &share.to_string()));
    refused(&output, 1, "nothing was changed");
    // Busy: it stays, with all else of the same change.
    let mut user = host
        .command(
            "zlogin",
            &["z", "cd /mnt/deep/share && echo in && sleep 100"],
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 3];
    std::io::Read::read_exact(user.stdout.as_mut().unwrap(), &mut said).unwrap();
    let output = live(&host, "set max-lwps=555; remove fs dir=/mnt/deep/share");
    refused(&output, 1, "the zone uses it; nothing was changed");
    assert_eq!(threads(&host), "max");
    user.kill().unwrap();
    user.wait().unwrap();
    until("the session ends", || {
        live(&host, "remove fs dir=/mnt/deep/share")
            .status
            .success()
    });
    assert_eq!(host.inside("z", "ls /mnt/deep/share"), "");
    // What came with the boot is locked.
    let output = live(&host, "remove fs dir=/old");
    refused(&output, 1, "fs dir=/old: it was mounted at boot");
    assert!(err(&output).contains("reboot"), "{}", err(&output));
    host.ok("zoneadm", &["-z", "z", "halt"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

/// Moments spread over a change, not random, so that a failure repeats.
const MOMENTS: u32 = 12;

#[test]
fn zoneadmd_may_die_in_the_middle_of_a_change() {
    on_a_host("zoneadmd_may_die_in_the_middle_of_a_change", |host| {
        running(host);
        let stored = |ncpus: &str, more: &str| {
            let commands =
                format!("remove -F anet; {more} select capped-cpu; set ncpus={ncpus}; end");
            host.ok("zonecfg", &["-z", "z", &commands]);
        };
        let links = "add anet; end; add anet; end; add anet; end;";
        let mut undone = 0;
        for round in 0..MOMENTS {
            let (ncpus, more) = if round % 2 == 0 {
                ("0.75", links)
            } else {
                ("0.50", "")
            };
            stored(ncpus, more);
            let daemon = host.pid("z", "daemon").unwrap();
            let mut apply = host
                .command("zoneadm", &["-z", "z", "apply"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_micros(u64::from(round) * 3_100));
            // The command first: it would start a daemon and have it do all again.
            apply.kill().unwrap();
            apply.wait().unwrap();
            kill(daemon);
            assert_eq!(host.state("z"), "running", "round {round}");
            // The next command names what it found, and repairs it.
            let next = live(host, "export");
            assert_eq!(next.status.code(), Some(0), "{}", err(&next));
            undone += usize::from(err(&next).contains("an interrupted change"));
            agrees(host, &out(&next), round);
            host.ok("zoneadm", &["-z", "z", "apply"]);
            agrees(host, &live_ok(host, "export"), round);
            let quota = quota(host);
            assert_eq!(quota, if round % 2 == 0 { "75000" } else { "50000" });
        }
        println!("{undone} of {MOMENTS} changes were cut short and undone");
        host.ok("zoneadm", &["-z", "z", "halt"]);
        assert_eq!(host.leftovers(), Vec::<String>::new());
    });
}

/// What the kernel holds is what the live configuration says.
fn agrees(host: &Host, export: &str, round: u32) {
    let said = export
        .lines()
        .find_map(|line| line.split_once(",limit="))
        .unwrap()
        .1;
    let percent: u64 = said.split(',').next().unwrap().parse().unwrap();
    assert_eq!(quota(host), (percent * 1000).to_string(), "round {round}");
    let names = host.inside("z", "ls /sys/class/net");
    let count = names
        .split_whitespace()
        .filter(|name| name.starts_with("net"))
        .count();
    assert_eq!(
        count,
        export.matches("set linkname=").count(),
        "round {round}: {names}"
    );
}

#[test]
fn a_change_that_was_cut_short_is_named_and_undone() {
    let host = host_or_skip!("a_change_that_was_cut_short_is_named_and_undone");
    running(&host);
    // As a daemon leaves it that died after its first step: the change announced, the cap set.
    let run = host.path().join("run/zones/z");
    let text = std::fs::read_to_string(run.join("live.xml")).unwrap();
    let wanted = text.replace("limit=\"50\"", "limit=\"99\"");
    live_ok(&host, "select capped-cpu; set ncpus=0.99; end");
    std::fs::write(run.join("live.xml"), &text).unwrap();
    std::fs::write(run.join("apply.xml"), &wanted).unwrap();
    assert_eq!(quota(&host), "99000");
    let daemon = host.pid("z", "daemon").unwrap();
    kill(daemon);
    let apply = host.zoneadm(&["-z", "z", "apply", "-n"]);
    assert_eq!(apply.status.code(), Some(0), "{}", err(&apply));
    let note = "zone 'z': an interrupted change of the running zone was undone";
    assert!(err(&apply).contains(note), "{}", err(&apply));
    assert_eq!(out(&apply), "zone 'z': There are no changes to apply\n");
    assert_eq!(quota(&host), "50000");
    assert!(!run.join("apply.xml").exists());
    // It is said once.
    assert_eq!(err(&host.zoneadm(&["-z", "z", "apply", "-n"])), "");
}
