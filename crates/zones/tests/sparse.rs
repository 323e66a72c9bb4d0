//! Sparse zones: the folders of programs are those of a base.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::path::Path;

use support::{Host, err, refused};

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
    let base = host.path().join("var/lib/zones/base/small/root");
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
        let said = host.run("zlogin", &[zone, "touch /bin/new"]);
        assert!(
            err(&said).contains("Read-only file system"),
            "{}",
            err(&said)
        );
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
    // The private rest is what the zone uses; what it shows is the whole.
    let sizes = |zone: &str| {
        let json = ["-z", zone, "list", "-o", "json,used,refers,limit"];
        let json: serde_json::Value = serde_json::from_str(&host.ok("zoneadm", &json)).unwrap();
        assert_eq!(
            (&json[0]["name"], &json[0]["limit"]),
            (&zone.into(), &serde_json::Value::Null)
        );
        let size = |field: &str| json[0][field].as_u64().unwrap();
        (size("used"), size("refers"))
    };
    let (one, all) = (sizes("two"), sizes("whole"));
    assert!(one.0 * 4 < all.0, "{one:?} {all:?}");
    assert!(
        one.1 > one.0 * 4 && one.1 * 10 > all.1 * 9,
        "{one:?} {all:?}"
    );
    let df = host.ok("zoneadm", &["-z", "two", "df", "-p"]);
    for row in df.lines() {
        let row: Vec<&str> = row.split(':').collect();
        let (own, refers): (u64, u64) = (row[2].parse().unwrap(), row[3].parse().unwrap());
        assert!(refers > own * 4, "{df}");
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
    let place = base.parent().unwrap();
    std::fs::rename(place, place.with_file_name("away")).unwrap();
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

/// Lines of `zoneadm base list -p`, as fields.
fn listed(host: &Host) -> Vec<Vec<String>> {
    let list = host.ok("zoneadm", &["base", "list", "-p"]);
    let row = |line: &str| line.split(':').map(str::to_owned).collect();
    list.lines().map(row).collect()
}

fn base(host: &Host, args: &[&str]) -> std::process::Output {
    host.run("zoneadm", &[&["base"], args].concat())
}

#[test]
fn bases_are_made_of_zones_listed_verified_and_removed() {
    let host = host_or_skip!("bases_are_made_of_zones_listed_verified_and_removed");
    assert!(listed(&host).is_empty());
    host.install("web", "");
    {
        let root = support::Files::open(&host.zonepath("web").join("root"));
        std::fs::write(root.join("etc/hostname"), "web\n").unwrap();
        std::fs::write(root.join("etc/machine-id"), "0123\n").unwrap();
        std::fs::write(root.join("bin/own"), "").unwrap();
        std::os::unix::fs::chown(root.join("bin/own"), Some(1000), Some(10)).unwrap();
    }
    host.ok("zoneadm", &["-z", "web", "snapshot", "s"]);
    host.ok("zoneadm", &["-z", "web", "boot"]);
    host.inside("web", "touch /bin/later");
    refused(
        &base(&host, &["create", "small", "-s", "web"]),
        1,
        "halt it, or name a snapshot",
    );
    refused(
        &base(&host, &["create", "small", "-s", "web@none"]),
        1,
        "does not exist",
    );
    refused(
        &base(&host, &["create", "small", "-s", "none"]),
        1,
        "No such zone",
    );
    refused(
        &base(&host, &["create", "a/b", "-s", "web@s"]),
        1,
        "no name of a base",
    );
    refused(&base(&host, &["create", "small"]), 2, "usage");
    host.ok("zoneadm", &["base", "create", "small", "-s", "web@s"]);
    refused(
        &base(&host, &["create", "small", "-s", "web@s"]),
        1,
        "already",
    );
    host.ok("zoneadm", &["-z", "web", "halt"]);
    configure(&host, "one", "");
    let made = install(&host, "one", &["-b", "small"]);
    assert!(made.status.success(), "{}", err(&made));
    refused(
        &base(&host, &["create", "other", "-s", "one"]),
        1,
        "only the rest of a system",
    );
    host.ok("zoneadm", &["-z", "one", "boot"]);
    host.inside(
        "one",
        "test -x /bin/busybox && test ! -e /bin/later && touch /etc/own",
    );
    assert_eq!(
        host.inside("one", "stat -c %u:%g /bin/own").trim(),
        "1000:10"
    );
    // Another machine than the one that the base was made of.
    assert_eq!(host.inside("one", "cat /etc/hostname").trim(), "one");
    assert_eq!(host.inside("one", "cat /etc/machine-id").trim(), "");
    host.ok("zoneadm", &["-z", "one", "halt"]);
    host.configure("copy", "set brand=sparse");
    host.ok("zoneadm", &["-z", "copy", "clone", "one"]);
    host.ok("zoneadm", &["-z", "copy", "boot"]);
    host.inside("copy", "test -x /bin/busybox && test -e /etc/own");
    host.ok("zoneadm", &["-z", "copy", "halt"]);
    let list = listed(&host);
    assert_eq!(
        (&*list[0][0], &*list[0][4], &*list[0][5]),
        ("small", "one,copy", "web@s")
    );
    assert_eq!(list[0][6].len(), 64);
    let json = host.ok("zoneadm", &["base", "list", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["users"], serde_json::json!(["one", "copy"]));
    assert!(json[0]["bytes"].as_u64().unwrap() > 100_000);
    let said = base(&host, &["destroy", "small"]);
    refused(&said, 1, "is used by one, copy; uninstall what uses it");
    // One that is detached comes back and needs its base.
    host.ok("zoneadm", &["-z", "copy", "uninstall", "-F"]);
    host.ok("zoneadm", &["-z", "one", "detach"]);
    refused(&base(&host, &["destroy", "small"]), 1, "is used by one");
    host.ok("zoneadm", &["-z", "one", "attach"]);
    host.ok("zoneadm", &["-z", "one", "uninstall", "-F"]);
    host.ok("zoneadm", &["base", "destroy", "small"]);
    refused(
        &base(&host, &["destroy", "small"]),
        1,
        "there is no base `small`",
    );
    let left = std::fs::read_dir(host.path().join("var/lib/zones/base")).unwrap();
    assert_eq!(left.count(), 0);
}

/// What a zone of packages makes of others at its first boot, a sparse one on such a base has, too.
#[test]
fn a_base_of_packages_has_dpkg_know_them() {
    let host = host_or_skip!("a_base_of_packages_has_dpkg_know_them");
    host.install("web", "");
    {
        let root = support::Files::open(&host.zonepath("web").join("root"));
        let parts = root.join("var/lib/dpkg/status.d");
        std::fs::create_dir_all(&parts).unwrap();
        std::fs::write(parts.join("app"), "Package: app\n").unwrap();
    }
    host.ok("zoneadm", &["base", "create", "small", "-s", "web"]);
    configure(&host, "one", "");
    let made = install(&host, "one", &["-b", "small"]);
    assert!(made.status.success(), "{}", err(&made));
    host.ok("zoneadm", &["-z", "one", "boot"]);
    let known = host.inside("one", "cat /var/lib/dpkg/status");
    assert_eq!(known, "Package: app\n");
    host.ok("zoneadm", &["-z", "one", "halt"]);
}

#[test]
fn a_detached_zone_wants_the_base_that_it_had() {
    let home = host_or_skip!("a_detached_zone_wants_the_base_that_it_had");
    let away = host_or_skip!("a_detached_zone_wants_the_base_that_it_had");
    let archive = home.archive();
    let archive = archive.to_str().unwrap();
    home.ok(
        "zoneadm",
        &["base", "create", "small", "-t", "lx", "-a", archive],
    );
    configure(&home, "one", "");
    let made = install(&home, "one", &["-b", "small"]);
    assert!(made.status.success(), "{}", err(&made));
    home.ok("zoneadm", &["-z", "one", "detach"]);
    let place = home.zonepath("one").display().to_string();
    let described = format!("{place}/SUNWdetached.xml");
    let text = std::fs::read_to_string(&described).unwrap();
    assert!(text.contains("base-sha256"), "{text}");
    // Where it was, all is right.
    home.ok("zoneadm", &["-z", "one", "attach", "-n", &described]);
    home.ok("zoneadm", &["-z", "one", "attach"]);
    home.ok("zoneadm", &["-z", "one", "detach"]);

    // Another host, without the base at first, then with another one of this name.
    away.ok("zonecfg", &["-z", "one", &format!("create -a {place}")]);
    let config = away.ok("zonecfg", &["-z", "one", "export"]);
    assert!(!config.contains("base-sha256"), "{config}");
    refused(
        &away.run("zoneadm", &["-z", "one", "attach", "-n", &described]),
        1,
        "there is no base `small`",
    );
    away.install("web", "");
    {
        let root = support::Files::open(&away.zonepath("web").join("root"));
        std::fs::write(root.join("bin/other"), "").unwrap();
    }
    away.ok("zoneadm", &["base", "create", "small", "-s", "web"]);
    let other = "is another one: make that base here under another name";
    refused(
        &away.run("zoneadm", &["-z", "one", "attach", "-n", &described]),
        1,
        other,
    );
    refused(&away.run("zoneadm", &["-z", "one", "attach"]), 1, other);
    assert_eq!(away.state("one"), "configured");
    assert!(Path::new(&described).exists());
    away.ok("zoneadm", &["-z", "one", "attach", "-F"]);
    assert_eq!(away.state("one"), "installed");
    away.ok("zoneadm", &["-z", "one", "boot"]);
    away.inside("one", "test -x /bin/busybox");
    away.ok("zoneadm", &["-z", "one", "halt"]);
    away.ok("zoneadm", &["-z", "one", "uninstall", "-F"]);
}

#[test]
fn a_base_that_was_changed_is_refused() {
    let host = host_or_skip!("a_base_that_was_changed_is_refused");
    let archive = host.archive();
    let of = [
        "base",
        "create",
        "small",
        "-t",
        "lx",
        "-a",
        archive.to_str().unwrap(),
    ];
    let said = host.ok("zoneadm", &of);
    assert!(
        said.contains("base small:") && !said.contains("Next Steps"),
        "{said}"
    );
    assert_eq!(host.ok("zoneadm", &["list", "-c"]), "global\n");
    configure(&host, "one", "");
    let made = install(&host, "one", &["-b", "small"]);
    assert!(made.status.success(), "{}", err(&made));
    let root = host.path().join("var/lib/zones/base/small/root");
    let passwd = root.join("etc/passwd");
    let kept = std::fs::read(&passwd).unwrap();
    std::fs::write(&passwd, "mallory").unwrap();
    std::fs::write(root.join("bin/evil"), "").unwrap();
    let what = "is not what it was when it was made from lx -a";
    let names = "/bin/evil, /etc/passwd differs";
    for args in [
        &["-z", "one", "boot"][..],
        &["-z", "one", "verify"],
        &["base", "verify"],
    ] {
        let said = host.run("zoneadm", args);
        refused(&said, 1, what);
        refused(&said, 1, names);
    }
    assert_eq!(host.state("one"), "installed");
    configure(&host, "two", "");
    refused(&install(&host, "two", &["-b", "small"]), 1, what);
    assert_eq!(host.state("two"), "configured");
    // Brought back: the same content at another time.
    std::fs::write(&passwd, kept).unwrap();
    std::fs::remove_file(root.join("bin/evil")).unwrap();
    host.ok("zoneadm", &["-z", "one", "boot"]);
    host.ok("zoneadm", &["-z", "one", "halt"]);
    host.ok("zoneadm", &["base", "verify", "small"]);
    assert!(host.leftovers().is_empty(), "{:?}", host.leftovers());
}

/// kill -9 of `base create` and `base destroy` before each of some system calls: the next command
/// takes away what is left, and then the same one works.
#[test]
fn whatever_was_killed_is_repaired() {
    let host = host_or_skip!("whatever_was_killed_is_repaired");
    if !support::has_tool("strace") {
        println!("SKIP whatever_was_killed_is_repaired: needs strace");
        return;
    }
    host.install("web", "");
    let archive = host.archive();
    let archive = archive.to_str().unwrap();
    let calls = "mkdirat,mkdir,rename,renameat,renameat2,unlinkat,rmdir,fsync,syncfs";
    let lines: [&[&str]; 3] = [
        &["base", "create", "b", "-s", "web"],
        &["base", "create", "b", "-t", "lx", "-a", archive],
        &["base", "destroy", "b"],
    ];
    for line in lines {
        let is_there = || !listed(&host).is_empty();
        let prepare = || match (line[1], is_there()) {
            ("create", true) => drop(host.ok("zoneadm", &["base", "destroy", "b"])),
            ("destroy", false) => drop(host.ok("zoneadm", lines[0])),
            _ => {}
        };
        let traced = |options: &[&str]| {
            let command = host.command("zoneadm", line);
            let mut strace = std::process::Command::new("strace");
            strace.args(options).arg(command.get_program());
            strace
                .args(command.get_args())
                .stdin(std::process::Stdio::null());
            strace.output().unwrap()
        };
        let log = host.path().join("trace");
        let filter = format!("trace={calls}");
        prepare();
        let output = traced(&["-o", log.to_str().unwrap(), "-e", &filter]);
        assert!(output.status.success(), "{line:?}: {}", err(&output));
        let mut counts = std::collections::BTreeMap::new();
        let mut moments = Vec::new();
        for text in std::fs::read_to_string(&log).unwrap().lines() {
            if let Some((call, _)) = text.split_once('(') {
                let count = counts.entry(call.to_owned()).or_insert(0);
                *count += 1;
                moments.push((call.to_owned(), *count));
            }
        }
        assert!(moments.len() > 3, "{moments:?}");
        let step = moments.len().div_ceil(12);
        let mut killed = 0;
        for (call, count) in moments.iter().step_by(step) {
            prepare();
            let trace = format!("trace={call}");
            let kill = format!("inject={call}:signal=KILL:when={count}");
            let output = traced(&["-o", "/dev/null", "-e", &trace, "-e", &kill]);
            // What the first run made once is not made again: the last calls may not come.
            killed += usize::from(!output.status.success());
            host.ok("zoneadm", &["base", "list"]);
            let zones = host.ok("zoneadm", &["list", "-c"]);
            assert_eq!(zones, "global\nweb\n", "{line:?}: {call} {count}");
            let folder = host.path().join("var/lib/zones/base");
            let names = std::fs::read_dir(&folder).unwrap().flatten();
            let names: Vec<_> = names.map(|it| it.file_name()).collect();
            // What is put aside goes by itself.
            let is_trash = |it: &str| it.starts_with(".zones-removed-");
            let is_fine = |it: &std::ffi::OsString| {
                let it = it.to_str().unwrap();
                matches!(it, "b" | ".lock-b") || is_trash(it)
            };
            assert!(
                names.iter().all(is_fine),
                "{line:?}: {call} {count}: {names:?}"
            );
            if is_there() {
                host.ok("zoneadm", &["base", "verify"]);
            }
            prepare();
            host.ok("zoneadm", line);
        }
        assert!(killed > 2, "{line:?}: {killed}");
    }
}

#[test]
fn a_sparse_zone_may_be_immutable_or_privileged() {
    let host = host_or_skip!("a_sparse_zone_may_be_immutable_or_privileged");
    let archive = host.archive();
    let archive = archive.to_str().unwrap();
    host.ok(
        "zoneadm",
        &["base", "create", "small", "-t", "lx", "-a", archive],
    );
    let privileged = "add attr; set name=privileged; set type=boolean; set value=true; end;";
    for (zone, profile, more) in [
        ("a", "strict", ""),
        ("b", "fixed-configuration", ""),
        ("c", "flexible-configuration", privileged),
    ] {
        configure(
            &host,
            zone,
            &format!("set file-mac-profile={profile}; {more}"),
        );
        let made = install(&host, zone, &["-b", "small"]);
        assert!(made.status.success(), "{}", err(&made));
        let root = host.zonepath(zone).join("root");
        std::fs::create_dir_all(root.join("var/lib/app")).unwrap();
        host.ok("zoneadm", &["-z", zone, "boot"]);
        let can = |command: &str| host.run("zlogin", &[zone, command]).status.success();
        // What is shared, what is the system, what is data: by the profile and never more.
        assert!(!can("touch /bin/new"), "{zone}");
        assert!(!can("touch /new"), "{zone}");
        assert_eq!(can("touch /etc/new"), zone == "c", "{zone}");
        assert_eq!(can("touch /var/lib/app/new"), zone != "a", "{zone}");
        assert!(can("touch /tmp/new"), "{zone}");
        for attempt in [
            "mount -o remount,rw /",
            "mount -o remount,bind,rw /bin",
            "umount /bin",
        ] {
            assert!(!can(attempt), "{zone}: {attempt}");
        }
        host.ok("zoneadm", &["-z", zone, "halt"]);
        host.ok("zoneadm", &["-z", zone, "boot", "-w"]);
        assert!(can("touch /new"), "{zone}");
        assert!(!can("touch /bin/new"), "{zone}");
        host.ok("zoneadm", &["-z", zone, "halt"]);
    }
    host.ok("zoneadm", &["base", "verify"]);
}

/// A stream holds nothing of the base, so the other host must have the same one.
#[test]
fn a_stream_wants_the_base_that_the_zone_had() {
    let host = host_or_skip!("a_stream_wants_the_base_that_the_zone_had");
    host.install("web", "");
    host.ok("zoneadm", &["base", "create", "small", "-s", "web"]);
    std::fs::write(
        support::Files::open(&host.zonepath("web").join("root")).join("bin/more"),
        "more",
    )
    .unwrap();
    host.ok("zoneadm", &["base", "create", "other", "-s", "web"]);
    configure(&host, "one", "");
    let made = install(&host, "one", &["-b", "small"]);
    assert!(made.status.success(), "{}", err(&made));
    let stream = host.path().join("stream");
    let stream = stream.to_str().unwrap();
    host.ok("zoneadm", &["-z", "one", "export", stream]);

    let named =
        |base: &str| format!("add attr; set name=base; set type=string; set value={base}; end");
    let import = |zone: &str, more: &[&str]| {
        host.run(
            "zoneadm",
            &[&["-z", zone, "import"], more, &[stream]].concat(),
        )
    };
    configure(&host, "two", &named("other"));
    refused(&import("two", &[]), 1, "base other (");
    host.configure("whole", "");
    refused(&import("whole", &[]), 1, "configured with brand lx");
    for zone in ["two", "whole"] {
        assert!(!host.zonepath(zone).join("root").exists(), "{zone}");
    }
    let forced = import("two", &["-F"]);
    assert!(forced.status.success(), "{}", err(&forced));
    configure(&host, "three", &named("small"));
    let same = import("three", &[]);
    assert!(same.status.success(), "{}", err(&same));
    for (zone, there) in [
        ("two", "test -e /bin/more"),
        ("three", "test ! -e /bin/more"),
    ] {
        host.ok("zoneadm", &["-z", zone, "boot"]);
        host.inside(zone, there);
        host.ok("zoneadm", &["-z", zone, "halt"]);
    }
    for zone in ["one", "two", "three"] {
        host.ok("zoneadm", &["-z", zone, "uninstall", "-F"]);
    }
    host.ok("zoneadm", &["base", "destroy", "small"]);
    configure(&host, "four", &named("small"));
    refused(&import("four", &[]), 1, "there is no base `small`");
}
