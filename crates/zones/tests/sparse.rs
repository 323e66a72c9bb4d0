//! Sparse zones: the folders of programs are those of a base.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::path::Path;

use support::{Host, err};

/// A zone of brand sparse, not installed.
fn configure(host: &Host, zone: &str, more: &str) {
    host.configure(zone, &format!("set brand=sparse; {more}"));
}

fn install(host: &Host, zone: &str, args: &[&str]) -> std::process::Output {
    let all = [&["-z", zone, "install"], args].concat();
    host.run("zoneadm", &all)
}

/// Bytes on disk below a folder.
fn size(folder: &Path) -> u64 {
    let text = support::tool("du", &["-sk", folder.to_str().unwrap()]);
    text.split_whitespace()
        .next()
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

#[test]
fn programs_are_shared_and_the_rest_is_own() {
    let host = host_or_skip!("programs_are_shared_and_the_rest_is_own");
    configure(&host, "one", "");
    let refused = install(&host, "one", &["-b", "small"]);
    assert!(
        err(&refused).contains("there is no base `small`"),
        "{}",
        err(&refused)
    );
    let archive = host.archive();
    let archive = archive.to_str().unwrap();
    let made = install(&host, "one", &["-b", "small", "-a", archive]);
    assert!(made.status.success(), "{}", err(&made));
    let base = host.path().join("var/lib/zones/base/small");
    assert!(base.join("bin/busybox").exists());
    let config = host.ok("zonecfg", &["-z", "one", "export"]);
    assert!(config.contains("set value=small"), "{config}");
    configure(&host, "two", "");
    let again = install(&host, "two", &["-b", "small", "-a", archive]);
    assert!(err(&again).contains("already"), "{}", err(&again));
    let begun = std::time::Instant::now();
    let made = install(&host, "two", &["-b", "small"]);
    assert!(made.status.success(), "{}", err(&made));
    let sparse_ms = begun.elapsed().as_millis();
    let begun = std::time::Instant::now();
    host.install("whole", "");
    let whole_ms = begun.elapsed().as_millis();
    let root = |zone: &str| host.zonepath(zone).join("root");
    let (sparse, whole) = (size(&root("two")), size(&root("whole")));
    println!("sparse: {sparse} bytes, {sparse_ms} ms; whole root: {whole} bytes, {whole_ms} ms");
    assert!(sparse * 4 < whole, "{sparse} of {whole}");
    assert!(!root("two").join("bin/busybox").exists());
    for zone in ["one", "two"] {
        host.ok("zoneadm", &["-z", zone, "boot"]);
        let run = |command: &str| host.run("zlogin", &[zone, command]).status.success();
        assert!(run("test -x /bin/busybox"));
        for refused in [
            "touch /bin/new",
            "rm /bin/busybox",
            "mount -o remount,rw /bin",
            "mount -o remount,bind,rw /bin",
            "umount /bin",
        ] {
            assert!(!run(refused), "{zone}: {refused}");
        }
        assert!(run("touch /etc/own"), "{zone}");
    }
    // Owners of the base are those of the zone.
    let owner = host.inside("two", "stat -c %u /bin/busybox");
    assert_eq!(owner.trim(), "0");
    assert!(!base.join("etc/own").exists());
    for zone in ["one", "two"] {
        host.ok("zoneadm", &["-z", zone, "halt"]);
    }
    host.ok("zoneadm", &["-z", "one", "uninstall", "-F"]);
    assert!(base.join("bin/busybox").exists());
    std::fs::rename(&base, base.with_file_name("away")).unwrap();
    let refused = host.run("zoneadm", &["-z", "two", "boot"]);
    assert!(
        err(&refused).contains("there is no base `small`"),
        "{}",
        err(&refused)
    );
}

#[test]
fn folders_are_those_that_are_named() {
    let host = host_or_skip!("folders_are_those_that_are_named");
    configure(&host, "z", "add inherit-pkg-dir; set dir=/home; end");
    let archive = host.archive();
    let made = install(&host, "z", &["-a", archive.to_str().unwrap()]);
    assert!(made.status.success(), "{}", err(&made));
    host.ok("zoneadm", &["-z", "z", "boot"]);
    let run = |command: &str| host.run("zlogin", &["z", command]).status.success();
    assert!(run("touch /bin/own"));
    assert!(!run("touch /home/jo/new"));
    host.ok("zoneadm", &["-z", "z", "halt"]);
}
