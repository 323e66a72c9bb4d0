//! Resource controls and kernel settings of one zone.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::{Host, err};

/// Boots and returns what was said.
fn running(host: &Host, more: &str) -> String {
    host.install("z", more);
    let booted = host.zoneadm(&["-z", "z", "boot"]);
    assert!(booted.status.success(), "{}", err(&booted));
    err(&booted)
}

#[test]
fn the_host_id_is_the_zones() {
    let host = host_or_skip!("the_host_id_is_the_zones");
    let said = running(&host, "set hostid=80f0c086");
    assert_eq!(said, "");
    assert_eq!(host.inside("z", "busybox hostid"), "80f0c086\n");
    let attack = host.run(
        "zlogin",
        &["z", "rm -f /etc/hostid || echo x > /etc/hostid"],
    );
    assert!(!attack.status.success());
    assert!(
        !host
            .run("zlogin", &["z", "umount /etc/hostid"])
            .status
            .success()
    );
    assert_eq!(host.inside("z", "busybox hostid"), "80f0c086\n");
}

#[test]
fn system_v_objects_are_counted_for_each_zone() {
    let host = host_or_skip!("system_v_objects_are_counted_for_each_zone");
    let read = |file: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{file}")).unwrap();
    let before = ["shmmax", "shmall", "shmmni", "sem", "msgmni"].map(read);
    let said = running(
        &host,
        "set max-shm-memory=1m; set max-shm-ids=3; set max-sem-ids=4; set max-msg-ids=5",
    );
    assert_eq!(said, "");
    let inside = host.inside(
        "z",
        "cd /proc/sys/kernel; cat shmmax shmall shmmni msgmni; busybox awk '{print $4}' sem; \
         cat ../fs/mqueue/queues_max",
    );
    assert_eq!(inside, "1048576\n256\n3\n5\n4\n5\n");
    let attack = host.run("zlogin", &["z", "echo 100 > /proc/sys/kernel/shmmni"]);
    assert!(!attack.status.success());
    assert_eq!(
        ["shmmax", "shmall", "shmmni", "sem", "msgmni"].map(read),
        before
    );
}

#[test]
fn dedicated_cpus_are_given_once() {
    let host = host_or_skip!("dedicated_cpus_are_given_once");
    let cpus = std::thread::available_parallelism().unwrap().get();
    if cpus != 2 {
        println!("SKIP dedicated_cpus_are_given_once: written for 2 CPUs, here are {cpus}");
        return;
    }
    let dedicated = "add dedicated-cpu; set ncpus=1-2; end";
    let said = running(&host, dedicated);
    let exclusive = "dedicated-cpu: exclusive use is not enforced";
    assert!(said.is_empty() || said.contains(exclusive), "{said}");
    let count = "busybox nproc; grep Cpus_allowed_list /proc/1/status";
    let inside = host.inside("z", count);
    assert_eq!(inside, "1\nCpus_allowed_list:\t1\n");
    // None is left for another one, which says so and leaves nothing.
    host.install("y", dedicated);
    let refused = host.zoneadm(&["-z", "y", "boot"]);
    support::refused(&refused, 1, "0 of 2 are free (one stays with the host)");
    assert_eq!(host.state("y"), "installed");
    host.ok("zoneadm", &["-z", "z", "reboot"]);
    assert_eq!(host.inside("z", count), inside);
    host.ok("zoneadm", &["-z", "z", "halt"]);
    host.ok("zoneadm", &["-z", "y", "boot"]);
    host.ok("zoneadm", &["-z", "y", "halt"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn processes_start_in_the_configured_class() {
    let host = host_or_skip!("processes_start_in_the_configured_class");
    running(&host, "set scheduling-class=FX");
    // Field 41 of stat(5); 3 is SCHED_BATCH.
    let policy = "busybox awk '{print $41}' /proc/1/stat /proc/self/stat";
    assert_eq!(host.inside("z", policy), "3\n3\n");
}

#[test]
fn what_is_not_enforced_is_said() {
    let host = host_or_skip!("what_is_not_enforced_is_said");
    let said = running(
        &host,
        "set pool=nosuchpool; set fs-allowed=tmpfs,ext4; add security-flags; \
         set default=aslr,noexecstack; end; add admin; set user=root; set auths=login; end",
    );
    for (what, why) in [
        ("pool", "no control group `nosuchpool`"),
        ("fs-allowed", "the kernel lets no zone mount ext4"),
        ("security-flags: noexecstack", "each program says by itself"),
        ("admin", "only root of the host"),
    ] {
        let line = said
            .lines()
            .find(|line| line.contains(&format!("WARNING: {what} is not")));
        assert!(
            line.is_some_and(|line| line.contains(why)),
            "{what} in {said}"
        );
    }
    assert_eq!(said.lines().count(), 4, "{said}");
    host.inside("z", "mount -t tmpfs t /tmp");
}

#[test]
fn great_shares_shrink_the_scale_of_all_zones() {
    const TEST: &str = "great_shares_shrink_the_scale_of_all_zones";
    let host = host_or_skip!("great_shares_shrink_the_scale_of_all_zones");
    running(&host, "set cpu-shares=3");
    // The group of a zone in the hierarchy that has CPU shares, where v1 has one.
    let group = |zone: &str| {
        let init = host.pid(zone, "init").unwrap();
        let groups = std::fs::read_to_string(format!("/proc/{init}/cgroup")).unwrap();
        let path = groups.lines().find_map(|line| line.split_once(":cpu:"));
        path.map(|(_, path)| std::path::PathBuf::from(format!("/sys/fs/cgroup/cpu{path}")))
    };
    let Some(z) = group("z").filter(|z| z.join("cpu.shares").exists()) else {
        println!("SKIP {TEST}: no v1 hierarchy of the controller cpu at /sys/fs/cgroup/cpu");
        return;
    };
    let read = |group: &std::path::Path| {
        let text = std::fs::read_to_string(group.join("cpu.shares")).unwrap();
        text.trim().parse::<u64>().unwrap()
    };
    let all = z.parent().unwrap().to_owned();
    assert_eq!((read(&z), read(&all)), (3 * 1024, 3 * 1024));
    host.install("y", "set cpu-shares=512");
    host.ok("zoneadm", &["-z", "y", "boot"]);
    let y = group("y").unwrap();
    assert_eq!(
        (read(&z), read(&y), read(&all)),
        (3 * 512, 512 * 512, 262_144)
    );
    host.ok("zoneadm", &["-z", "y", "halt"]);
    assert_eq!((read(&z), read(&all)), (3 * 1024, 3 * 1024));
}
