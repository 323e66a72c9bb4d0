//! What root of a zone can reach, tried from inside.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::{Host, out};

fn running(host: &Host, more: &str) {
    host.install("z", more);
    host.ok("zoneadm", &["-z", "z", "boot"]);
}

#[test]
fn root_in_the_zone_is_nobody_on_the_host() {
    let host = host_or_skip!("root_in_the_zone_is_nobody_on_the_host");
    running(&host, "");
    let map = host.inside("z", "cat /proc/self/uid_map");
    let fields: Vec<u32> = map
        .split_whitespace()
        .map(|field| field.parse().unwrap())
        .collect();
    assert_eq!((fields[0], fields[2]), (0, 65_536));
    assert!(fields[1] >= 0x4000_0000, "{map}");
    // Files made inside belong to 0 on disk, thanks to the idmapped mount.
    host.inside("z", "touch /root/mine; echo x > /root/mine");
    let file = std::fs::metadata(host.zonepath("z").join("root/root/mine")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&file), 0);
    let processes = host.inside("z", "ps");
    assert!(
        processes.lines().count() <= 6,
        "only the zone's own: {processes}"
    );
    assert!(!processes.contains("zoneadmd"));
}

#[test]
fn masks_cannot_be_taken_off() {
    let host = host_or_skip!("masks_cannot_be_taken_off");
    running(&host, "");
    for attack in [
        "umount /proc/keys",
        "umount /proc/sys",
        "mount -o remount,rw /proc/sys",
        "mount -o remount,bind,rw /proc/sys",
        "echo 1 > /proc/sys/kernel/sysrq",
        "echo b > /proc/sysrq-trigger",
        "mkdir -p /tmp/p && mount -t proc p /tmp/p",
        "mount -t sysfs s /tmp",
        "mount -o remount,rw /sys",
        "mknod /tmp/sda b 8 0",
        "cat /proc/kmsg",
        "cat /proc/1/environ",
        "ls /proc/1/fd",
        "cat /proc/1/exe",
    ] {
        let output = host.run("zlogin", &["z", attack]);
        let nothing = output.stdout.is_empty() && attack.starts_with("cat /proc/k");
        assert!(
            !output.status.success() || nothing,
            "{attack} worked: {}",
            out(&output)
        );
    }
    assert_eq!(
        host.inside("z", "cat /proc/keys /proc/timer_list | wc -c")
            .trim(),
        "0"
    );
    assert_eq!(
        host.inside("z", "ls /sys/firmware /sys/kernel/debug | tr -d '\\n'")
            .replace([':', '/'], "")
            .len(),
        "sysfirmwaresyskerneldebug".len()
    );
}

#[test]
fn no_descriptor_of_the_host_leaks() {
    let host = host_or_skip!("no_descriptor_of_the_host_leaks");
    running(&host, "");
    // 0, 1, 2 and the one that lists.
    assert_eq!(host.inside("z", "ls /proc/self/fd | wc -l").trim(), "4");
    let login = host.inside("z", "ls /proc/3/fd 2>/dev/null | wc -l");
    assert!(
        login.trim().parse::<u32>().unwrap() <= 4,
        "the console's login holds {login}"
    );
}

#[test]
fn capabilities_of_the_machine_are_gone_for_good() {
    let host = host_or_skip!("capabilities_of_the_machine_are_gone_for_good");
    running(&host, "");
    let line = host.inside("z", "grep CapBnd /proc/self/status");
    let set = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
    // module, rawio, time, syslog, bpf
    for number in [16, 17, 25, 34, 39] {
        assert_eq!(set & (1 << number), 0, "capability {number} in {line}");
    }
    assert!(
        set & (1 << 21) != 0,
        "mounting inside the zone stays possible"
    );
    assert!(
        host.inside("z", "grep Seccomp: /proc/self/status")
            .contains('2')
    );
}

#[test]
fn only_safe_devices_are_there() {
    let host = host_or_skip!("only_safe_devices_are_there");
    running(&host, "add device; set match=fuse; end");
    let nodes = host.inside(
        "z",
        "cd /dev; for f in *; do test -c $f && echo $f; done; true",
    );
    let mut nodes: Vec<&str> = nodes.lines().collect();
    nodes.sort_unstable();
    let mut expected = vec![
        "console", "full", "null", "ptmx", "random", "tty", "urandom", "zero",
    ];
    if std::path::Path::new("/dev/fuse").exists() {
        expected.push("fuse");
    }
    // The symbolic names of the console lead to it.
    expected.extend(["msglog", "syscon", "sysmsg", "systty", "zconsole"]);
    expected.sort_unstable();
    nodes.retain(|node| !matches!(*node, "stdin" | "stdout" | "stderr"));
    assert_eq!(nodes, expected);
    assert_eq!(host.inside("z", "head -c 4 /dev/zero | wc -c").trim(), "4");
}

#[test]
fn limits_are_enforced_inside_only() {
    let host = host_or_skip!("limits_are_enforced_inside_only");
    running(
        &host,
        "set max-lwps=100; add capped-memory; set physical=64m; set swap=64m; end; add capped-cpu; set ncpus=1.5; end; set cpu-shares=7",
    );
    let killed = host.run(
        "zlogin",
        &["z", "dd if=/dev/zero of=/dev/null bs=200M count=1"],
    );
    assert_eq!(
        killed.status.code(),
        Some(137),
        "the kernel ends what goes over the cap: {}",
        support::err(&killed)
    );
    assert_eq!(host.inside("z", "echo alive"), "alive\n");
    let forks = host.run(
        "zlogin",
        &[
            "z",
            "i=0; while test $i -lt 150; do sleep 4 & i=$((i+1)); done; echo all",
        ],
    );
    assert!(
        !out(&forks).contains("all"),
        "150 processes under max-lwps=100"
    );
}

#[test]
fn a_zone_has_clocks_and_names_of_its_own() {
    let host = host_or_skip!("a_zone_has_clocks_and_names_of_its_own");
    running(&host, "");
    assert_eq!(host.inside("z", "hostname"), "z\n");
    let uptime: f64 = host
        .inside("z", "cat /proc/uptime")
        .split('.')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        uptime < 30.0,
        "counted from the boot of the zone, not of the host: {uptime}"
    );
    host.inside("z", "hostname other");
    assert_ne!(
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .unwrap()
            .trim(),
        "other"
    );
    let links = host.inside("z", "ip -o link | wc -l");
    assert_eq!(
        links.trim(),
        "1",
        "a zone without `net` has its loopback only"
    );
    assert!(host.inside("z", "ip addr show lo").contains("127.0.0.1/8"));
}

#[test]
fn a_hostile_root_leads_no_mount_astray() {
    let host = host_or_skip!("a_hostile_root_leads_no_mount_astray");
    host.install("z", "");
    let root = host.zonepath("z").join("root");
    let _ = std::fs::remove_dir(root.join("proc"));
    std::os::unix::fs::symlink("/tmp", root.join("proc")).unwrap();
    let output = host.zoneadm(&["-z", "z", "boot"]);
    support::refused(&output, 1, "symbolic link");
    assert_eq!(host.state("z"), "installed");
    assert_eq!(host.leftovers(), Vec::<String>::new());
    std::fs::remove_file(root.join("proc")).unwrap();
    // Files that the host writes at boot are never written through a link either.
    let secret = host.path().join("secret");
    std::fs::write(&secret, "").unwrap();
    let _ = std::fs::remove_file(root.join("etc/hosts"));
    std::os::unix::fs::symlink(&secret, root.join("etc/hosts")).unwrap();
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "");
}

#[test]
fn file_systems_of_the_host_are_shared_as_configured() {
    let host = host_or_skip!("file_systems_of_the_host_are_shared_as_configured");
    let shared = host.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("file"), "text\n").unwrap();
    let fs = |dir: &str, options: &str| {
        format!(
            "add fs; set dir={dir}; set special={}; set type=lofs; add options {options}; end; ",
            shared.display()
        )
    };
    running(
        &host,
        &format!("{}{}", fs("/opt/ro", "[ro,nodevices]"), fs("/opt/rw", "rw")),
    );
    assert_eq!(host.inside("z", "cat /opt/ro/file"), "text\n");
    assert!(
        !host
            .run("zlogin", &["z", "touch /opt/ro/x"])
            .status
            .success()
    );
    assert!(
        !host
            .run(
                "zlogin",
                &["z", "mount -o remount,bind,rw /opt/ro && touch /opt/ro/x"]
            )
            .status
            .success()
    );
    host.inside("z", "touch /opt/rw/made");
    let made = std::fs::metadata(shared.join("made")).unwrap();
    assert_eq!(
        std::os::unix::fs::MetadataExt::uid(&made),
        0,
        "owners are shifted like the zone's own files"
    );
}
