//! What root of a zone on the host's user ids can reach, tried from inside.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use support::{Host, err, out};

const PRIVILEGED: &str = "add attr; set name=privileged; set type=boolean; set value=true; end; ";
/// Opens other processes to root of the zone, so that they can be attacked at all.
const TRACING: &str = "set limitpriv=default,proc_owner; ";

fn running(host: &Host, more: &str) {
    host.install("z", &format!("{PRIVILEGED}{more}"));
    let booted = host.zoneadm(&["-z", "z", "boot"]);
    assert!(booted.status.success(), "{}", err(&booted));
    let warning = "WARNING: separation of user ids is not enforced";
    assert!(err(&booted).contains(warning), "{}", err(&booted));
}

/// Asserts that none of these succeeds.
fn none_works(host: &Host, attacks: &[&str]) {
    for attack in attacks {
        let output = host.run("zlogin", &["z", attack]);
        assert!(
            !output.status.success(),
            "{attack} worked: {}",
            out(&output)
        );
    }
}

#[test]
fn ids_are_the_hosts_and_the_zone_lives() {
    let host = host_or_skip!("ids_are_the_hosts_and_the_zone_lives");
    running(&host, "");
    let map = host.inside("z", "cat /proc/self/uid_map");
    let fields: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(fields, ["0", "0", "4294967295"]);
    let own = std::fs::read_link("/proc/self/ns/user").unwrap();
    let inside = host.inside("z", "busybox readlink /proc/self/ns/user");
    assert_eq!(inside.trim(), own.to_str().unwrap());
    assert_eq!(host.inside("z", "hostname"), "z\n");
    assert!(host.inside("z", "ps").lines().count() <= 6);
    assert!(
        host.ok("zlogin", &["-l", "jo", "z", "id", "-u"])
            .contains("1000")
    );
    // A daemon that was killed is replaced by one that knows.
    host.kill_daemon("z");
    assert_eq!(host.inside("z", "echo alive"), "alive\n");
    host.ok("zoneadm", &["-z", "z", "reboot"]);
    assert_eq!(host.inside("z", "echo alive"), "alive\n");
    host.ok("zoneadm", &["-z", "z", "halt"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn the_hosts_binary_is_out_of_reach() {
    let host = host_or_skip!("the_hosts_binary_is_out_of_reach");
    let before = std::fs::read(support::ZONES).unwrap();
    running(&host, TRACING);
    let exe = host.inside("z", "busybox readlink /proc/1/exe");
    assert!(exe.starts_with("/memfd:zones"), "{exe}");
    let same = std::fs::metadata(support::ZONES).unwrap();
    let inode = host.inside("z", "stat -L -c %i /proc/1/exe");
    assert_ne!(inode.trim(), same.ino().to_string());
    none_works(
        &host,
        &[
            "echo x > /proc/1/exe",
            "echo x >> /proc/1/exe",
            "dd if=/dev/zero of=/proc/1/exe bs=1 count=1 conv=notrunc",
            "busybox truncate -s 0 /proc/1/exe",
            // Once nobody executes it any more, it would not be busy: the seal must hold then.
            "exec 3<>/proc/1/exe && echo x >&3",
        ],
    );
    // The process that zsched makes for a session is ours until it becomes the command.
    let attack = "for p in /proc/[0-9]*; do echo x > $p/exe && echo written $p; done; true";
    assert_eq!(host.inside("z", attack), "");
    host.ok("zoneadm", &["-z", "z", "halt"]);
    assert!(before == std::fs::read(support::ZONES).unwrap(), "changed");
}

#[test]
fn without_the_right_to_trace_process_1_is_closed() {
    let host = host_or_skip!("without_the_right_to_trace_process_1_is_closed");
    running(&host, "");
    none_works(
        &host,
        &[
            "cat /proc/1/exe",
            "busybox readlink /proc/1/exe",
            "busybox readlink /proc/1/fd/0",
            "echo x > /proc/1/fd/1",
            "ls /proc/1/root/",
            "cat /proc/1/environ",
            "cat /proc/1/maps | grep .",
        ],
    );
}

#[test]
fn capabilities_that_reach_past_the_zone_are_gone() {
    let host = host_or_skip!("capabilities_that_reach_past_the_zone_are_gone");
    running(&host, "");
    // As processes have them, and as process 1 keeps them: it executes nothing.
    let set = |file: &str, name: &str| {
        let line = host.inside("z", &format!("grep {name} {file}"));
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    let reaching = [
        2, 9, 14, 16, 17, 19, 20, 21, 23, 24, 25, 27, 30, 34, 38, 39, 40,
    ];
    for (file, names) in [
        ("/proc/self/status", ["CapBnd", "CapEff", "CapPrm"]),
        ("/proc/1/status", ["CapBnd", "CapEff", "CapPrm"]),
    ] {
        for name in names {
            let set = set(file, name);
            for number in reaching {
                assert_eq!(
                    set & (1 << number),
                    0,
                    "{number} in {name} of {file}: {set:x}"
                );
            }
        }
    }
    assert_ne!(set("/proc/self/status", "CapEff") & 1, 0, "chown stays");
    let filter = host.inside("z", "grep Seccomp: /proc/1/status");
    assert!(filter.contains('2'), "{filter}");
}

#[test]
fn masks_cannot_be_taken_off() {
    let host = host_or_skip!("masks_cannot_be_taken_off");
    running(&host, "");
    let settings = || {
        let names = ["sysrq", "core_pattern", "modprobe"];
        names.map(|name| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok())
    };
    let before = settings();
    none_works(
        &host,
        &[
            "umount /proc/keys",
            "umount -l /proc/sys",
            "umount /proc",
            "mount -o remount,rw /proc/sys",
            "mount -o remount,bind,rw /proc/sys",
            "mount -o remount,rw /sys",
            "mkdir -p /tmp/p && mount -t proc p /tmp/p",
            "mount -t sysfs s /tmp",
            "mount -t tmpfs t /tmp",
            "mount --bind /root /tmp",
            "mount -t cgroup -o memory c /tmp",
            "mount -t cgroup2 c /tmp",
            "mount -t debugfs d /tmp",
            "busybox unshare -m true",
            "busybox unshare -U true",
            "busybox unshare -r mount -t tmpfs t /tmp",
            "busybox nsenter -t 1 -m true",
            "busybox pivot_root / /tmp",
            "echo 1 > /proc/sys/kernel/sysrq",
            "echo /tmp/x > /proc/sys/kernel/core_pattern",
            "echo /tmp/x > /proc/sys/kernel/modprobe",
            "echo b > /proc/sysrq-trigger",
            "echo 0 > /sys/kernel/profiling",
            "mknod /tmp/sda b 8 0",
            "mknod /dev/mem c 1 1",
            "mknod /dev/kmsg c 1 11",
            "busybox dmesg | grep .",
            "cat /proc/kmsg | grep .",
            "cat /proc/kcore | head -c 1 | grep .",
            "head -c 1 /dev/mem",
            "busybox swapoff -a && busybox swapon /tmp",
            "busybox chroot /proc/1/root true",
            "busybox chattr +i /root",
            "busybox nice -n -5 true && busybox nice -n -5 busybox nice | grep -- -5",
        ],
    );
    // What only root reads in /proc is hidden, what root writes there is read-only.
    let hidden = "for f in /proc/vmallocinfo /proc/kpageflags /proc/slabinfo /proc/pagetypeinfo; do \
                  test -e $f && cat $f; done | wc -c";
    assert_eq!(host.inside("z", hidden).trim(), "0");
    let writable = "for f in /proc/[a-z]*; do test -f $f && test -w $f && echo $f; done; true";
    let writable = host.inside("z", writable);
    let files: Vec<&str> = writable.lines().collect();
    for file in files {
        let attack = host.run("zlogin", &["z", &format!("echo >> {file}")]);
        let null = host.inside("z", &format!("stat -L -c %t:%T {file}"));
        assert!(!attack.status.success() || null.trim() == "1:3", "{file}");
    }
    assert_eq!(settings(), before);
}

#[test]
fn what_limitpriv_names_is_given() {
    let host = host_or_skip!("what_limitpriv_names_is_given");
    running(&host, "set limitpriv=default,sys_admin; ");
    let mounted = host.inside(
        "z",
        "mount -t tmpfs t /tmp && grep -c ' /tmp tmpfs ' /proc/mounts",
    );
    assert_eq!(mounted, "1\n");
    // No more than that: the filter still keeps user namespaces and modules.
    none_works(
        &host,
        &[
            "busybox unshare -U true",
            "busybox modprobe loop && busybox rmmod loop",
        ],
    );
}

#[test]
fn only_safe_devices_open() {
    let host = host_or_skip!("only_safe_devices_open");
    running(&host, "");
    // The host's root can make nodes below the zone's; they stay dead there.
    let node = host.zonepath("z").join("root/root/mem");
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        &node,
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::from_raw_mode(0o666),
        rustix::fs::makedev(1, 5),
    );
    made.unwrap();
    none_works(&host, &["head -c 1 /root/mem"]);
    assert_eq!(host.inside("z", "head -c 4 /dev/zero | wc -c").trim(), "4");
    // Masks are made of the host's /dev/null; its mode stays the host's.
    let mode = |path: &str| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let before = mode("/dev/null");
    let _ = host.run("zlogin", &["z", "chmod 600 /proc/keys /proc/kcore"]);
    let _ = host.run("zlogin", &["-n", "z", "busybox chmod 600 /proc/self/fd/0"]);
    assert_eq!(mode("/dev/null"), before);
}

#[test]
fn control_groups_and_limits_hold() {
    let host = host_or_skip!("control_groups_and_limits_hold");
    running(
        &host,
        "add capped-memory; set physical=64m; set swap=64m; end",
    );
    none_works(
        &host,
        &[
            "for f in /sys/fs/cgroup/memory.max /sys/fs/cgroup/release_agent; do \
             test -e $f && echo max > $f && echo opened; done | grep opened",
            "echo /tmp/x > /sys/fs/cgroup/release_agent",
            "mkdir /sys/fs/cgroup/../x",
        ],
    );
    let killed = host.run(
        "zlogin",
        &["z", "dd if=/dev/zero of=/dev/null bs=200M count=1"],
    );
    assert_eq!(killed.status.code(), Some(137), "{}", err(&killed));
}

#[test]
fn the_callers_files_cannot_be_opened_anew() {
    let host = host_or_skip!("the_callers_files_cannot_be_opened_anew");
    running(&host, "");
    let secret = host.path().join("secret");
    std::fs::write(&secret, "host\n").unwrap();
    let attack = "cat; echo x > /proc/self/fd/0; busybox chmod 666 /proc/self/fd/0; \
                  echo y > /proc/self/fd/2; echo done";
    let mut command = host.command("zlogin", &["z", attack]);
    command.stdin(std::fs::File::open(&secret).unwrap());
    let log = host.path().join("log");
    command.stderr(std::fs::File::create(&log).unwrap());
    let output = command.output().unwrap();
    assert_eq!(out(&output), "host\ndone\n");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "host\n");
    let mode = std::fs::metadata(&secret).unwrap().permissions().mode();
    assert_eq!(mode & 0o022, 0, "{mode:o}");
}

#[test]
fn a_zone_changes_sides_only_between_two_lives() {
    let host = host_or_skip!("a_zone_changes_sides_only_between_two_lives");
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    host.ok("zonecfg", &["-z", "z", PRIVILEGED]);
    // The running zone keeps what it has, under a new daemon, too.
    host.kill_daemon("z");
    let map = host.inside("z", "cat /proc/self/uid_map");
    assert!(!map.trim_start().starts_with("0          0"), "{map}");
    host.ok("zoneadm", &["-z", "z", "halt"]);
    host.ok("zoneadm", &["-z", "z", "boot"]);
    let map = host.inside("z", "cat /proc/self/uid_map");
    assert_eq!(map.split_whitespace().nth(1), Some("0"), "{map}");
    // And back.
    host.ok("zonecfg", &["-z", "z", "remove -F attr name=privileged"]);
    host.kill_daemon("z");
    let sched = host.pid("z", "sched").unwrap();
    let sched = rustix::process::Pid::from_raw(sched).unwrap();
    rustix::process::kill_process(sched, rustix::process::Signal::KILL).unwrap();
    let exe = format!("/proc/{}/exe", sched.as_raw_nonzero());
    support::until("zsched is gone", || std::fs::read_link(&exe).is_err());
    let map = host.inside("z", "cat /proc/self/uid_map");
    assert_eq!(map.split_whitespace().nth(1), Some("0"), "{map}");
}
