//! Clocks: one wall clock for all, uptime of a zone's own or the host's, and a faked wall clock.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use support::{Host, err, out};

fn clock(value: &str) -> String {
    format!("add attr; set name=clock; set type=string; set value={value}; end")
}

fn uptime(text: &str) -> f64 {
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn boot(host: &Host, zone: &str, more: &str) {
    host.install(zone, more);
    host.ok("zoneadm", &["-z", zone, "boot"]);
}

#[test]
fn uptime_is_the_zones_own_or_the_hosts() {
    let host = host_or_skip!("uptime_is_the_zones_own_or_the_hosts");
    boot(&host, "own", &clock("isolated"));
    boot(&host, "same", &clock("shared"));
    let inside = |zone: &str| uptime(&host.inside(zone, "cat /proc/uptime"));
    let mine = || uptime(&std::fs::read_to_string("/proc/uptime").unwrap());
    let (before, same, own, after) = (mine(), inside("same"), inside("own"), mine());
    assert!(before <= same && same <= after, "{before} {same} {after}");
    assert!(own < 30.0, "{own}");
}

#[test]
fn a_clock_that_cannot_be_is_refused_in_one_line() {
    let host = host_or_skip!("a_clock_that_cannot_be_is_refused_in_one_line");
    host.install("z", &clock("yesterday"));
    let said = err(&host.zoneadm(&["-z", "z", "boot"]));
    assert!(
        said.contains("attr clock: `yesterday` is neither shared"),
        "{said}"
    );
    assert!(said.contains("2038-01-19T03:14:00Z"), "{said}");
}

#[test]
fn one_wall_clock_stamps_a_shared_tree() {
    let host = host_or_skip!("one_wall_clock_stamps_a_shared_tree");
    let tree = tempfile::tempdir_in(host.path()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(tree.path(), mode).unwrap();
    let shared = tree.path().display();
    let more = format!("add fs; set dir=/mnt; set special={shared}; set type=lofs; end");
    boot(&host, "a", &more);
    boot(&host, "b", &format!("{more}; {}", clock("shared")));
    let mut stamps = Vec::new();
    for round in 0..3 {
        for zone in ["a", "b"] {
            let name = format!("{round}-{zone}");
            host.inside(zone, &format!("echo x > /mnt/{name}"));
            stamps.push(name);
        }
        let name = format!("{round}-host");
        std::fs::write(tree.path().join(&name), "x").unwrap();
        stamps.push(name);
    }
    let time = |name: &String| {
        let file = std::fs::metadata(tree.path().join(name)).unwrap();
        (file.mtime(), file.mtime_nsec())
    };
    let seen: Vec<_> = stamps.iter().map(time).collect();
    assert!(seen.is_sorted(), "{seen:?}");
    // All see the same stamps.
    for name in &stamps {
        let inside = host.inside("b", &format!("stat -c %Y /mnt/{name}"));
        assert_eq!(inside.trim().parse::<i64>().unwrap(), time(name).0);
    }
    let now: i64 = host.inside("a", "busybox date +%s").trim().parse().unwrap();
    assert!((now - time(&stamps[8]).0).abs() < 30);
    if Command::new("make").arg("--version").output().is_err() {
        println!("SKIP one_wall_clock_stamps_a_shared_tree (make): needs make");
        return;
    }
    std::fs::write(tree.path().join("Makefile"), "out: 2-a 2-b\n\tcp 2-a out\n").unwrap();
    let made = Command::new("make")
        .current_dir(tree.path())
        .output()
        .unwrap();
    assert!(made.status.success());
    let said = out(&made);
    assert!(
        !said.contains("skew") && !said.contains("in the future"),
        "{said}"
    );
}

#[test]
fn a_faked_clock_reaches_dynamic_programs() {
    let host = host_or_skip!("a_faked_clock_reaches_dynamic_programs");
    // Programs and libraries of the host, where they are on the host.
    let mut more = clock("2038-01-19T03:14:00Z");
    for folder in ["/usr", "/lib", "/lib64"] {
        let Ok(real) = std::fs::canonicalize(folder) else {
            continue;
        };
        more += &format!(
            "; add fs; set dir={folder}; set special={}; set type=lofs; add options ro; end",
            real.display()
        );
    }
    host.install("z", &more);
    let output = host.zoneadm(&["-z", "z", "boot"]);
    if !output.status.success() {
        let said = err(&output);
        assert!(
            said.contains("attr clock: the host has no libfaketime for"),
            "{said}"
        );
        assert!(said.contains("install"), "{said}");
        println!("SKIP a_faked_clock_reaches_dynamic_programs: needs libfaketime");
        return;
    }
    let environ = host.inside("z", "env");
    assert!(
        environ.contains("LD_PRELOAD=/run/zones-clock/"),
        "{environ}"
    );
    let date = "/usr/bin/date +%s";
    let faked: i64 = host.inside("z", date).trim().parse().unwrap();
    let wanted = 2_147_483_640;
    assert!((wanted..wanted + 60).contains(&faked), "{faked}");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let later: i64 = host.inside("z", date).trim().parse().unwrap();
    assert!(later > faked, "it goes on: {faked}, {later}");
    // A static program sees the true time, and the zone's disk has nothing of all this.
    let real: i64 = host.inside("z", "busybox date +%s").trim().parse().unwrap();
    assert!((wanted - real).abs() > 3600, "{real}");
    assert!(!host.zonepath("z").join("root/run/zones-clock").exists());
}
