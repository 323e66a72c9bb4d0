//! The life of a zone as an administrator sees it: the reference transcript of zoneadm.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::{err, out, refused};

#[test]
fn a_zone_goes_through_its_states_and_leaves_nothing() {
    let host = host_or_skip!("a_zone_goes_through_its_states_and_leaves_nothing");
    host.configure("web1", "");
    assert_eq!(host.state("web1"), "configured");
    refused(
        &host.zoneadm(&["-z", "web1", "boot"]),
        1,
        "zoneadm: zone 'web1': must be installed before boot.",
    );
    let archive = host.archive();
    let archive = archive.to_str().unwrap();
    host.ok("zoneadm", &["-z", "web1", "install", "-a", archive]);
    refused(
        &host.zoneadm(&["-z", "web1", "install", "-a", archive]),
        1,
        "zoneadm: zone 'web1': is already installed.",
    );
    assert_eq!(
        host.ok("zoneadm", &["-z", "web1", "halt"]),
        "zone 'web1': zone is already halted\n"
    );
    refused(
        &host.zoneadm(&["-z", "web1", "reboot"]),
        1,
        "zoneadm: zone 'web1': not running",
    );

    host.ok("zoneadm", &["-z", "web1", "ready"]);
    assert_eq!(host.state("web1"), "ready");
    assert_eq!(
        host.ok("zoneadm", &["-z", "web1", "ready"]),
        "zone 'web1': zone is already ready\n"
    );
    refused(
        &host.run("zlogin", &["web1", "true"]),
        1,
        "login allowed only to running zones (web1 is 'ready').",
    );

    host.ok("zoneadm", &["-z", "web1", "boot"]);
    assert_eq!(
        host.ok("zoneadm", &["-z", "web1", "boot"]),
        "zone 'web1': zone is already booted\n"
    );
    assert!(host.ok("zoneadm", &["list"]).ends_with("web1\n"));
    refused(
        &host.zoneadm(&["-z", "web1", "uninstall", "-F"]),
        1,
        "uninstall operation is invalid for running zones.",
    );
    let first = id(&host);
    host.ok("zoneadm", &["-z", "web1", "reboot"]);
    assert_ne!(first, id(&host), "a reboot gets a new id");
    host.ok("zoneadm", &["-z", "web1", "shutdown", "-t", "20"]);
    assert_eq!(host.state("web1"), "installed");

    refused(
        &host.zoneadm(&["-z", "web1", "uninstall"]),
        1,
        "Input not from terminal and -F not specified",
    );
    host.ok("zoneadm", &["-z", "web1", "uninstall", "-F"]);
    assert_eq!(host.state("web1"), "configured");
    assert!(!host.zonepath("web1").exists());
    host.ok("zonecfg", &["-z", "web1", "delete", "-F"]);
    refused(
        &host.zoneadm(&["-z", "web1", "boot"]),
        1,
        "zoneadm: web1: No such zone configured",
    );
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

fn id(host: &support::Host) -> String {
    host.ok("zoneadm", &["-z", "web1", "list", "-p"])
        .split(':')
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn init_ends_the_zone_or_reboots_it() {
    let host = host_or_skip!("init_ends_the_zone_or_reboots_it");
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    let first = id_of(&host, "z");
    // Our own init takes the signals of systemd: SIGRTMIN+5 is a reboot.
    // The session may end with the zone, so its own status says nothing.
    host.run("zlogin", &["z", "kill -39 1"]);
    // Both of one look: between two, the old life may end, and `-` is another id, too.
    wait_until(|| {
        let (id, state) = life_of(&host, "z");
        state == "running" && id != first
    });
    host.run("zlogin", &["z", "kill -TERM 1"]);
    wait_until(|| host.state("z") == "installed");
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

fn id_of(host: &support::Host, zone: &str) -> String {
    life_of(host, zone).0
}

/// Id and state.
fn life_of(host: &support::Host, zone: &str) -> (String, String) {
    let line = host.ok("zoneadm", &["-z", zone, "list", "-p"]);
    let mut fields = line.split(':').map(str::to_owned);
    let id = fields.next().unwrap();
    (id, fields.nth(1).unwrap())
}

/// Waits for an event that the zone brings about by itself, with a limit.
fn wait_until(mut happened: impl FnMut() -> bool) {
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !happened() {
        assert!(
            std::time::Instant::now() < limit,
            "it did not happen in time"
        );
        std::thread::yield_now();
    }
}

#[test]
fn boot_arguments_choose_init_and_are_kept() {
    let host = host_or_skip!("boot_arguments_choose_init_and_are_kept");
    host.install("z", "set bootargs=\"-i /bin/sleep 1000\"");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert!(host.inside("z", "ps").contains("/bin/sleep 1000"));
    host.ok(
        "zoneadm",
        &["-z", "z", "reboot", "--", "-i", "/bin/sleep", "2000"],
    );
    assert!(host.inside("z", "ps").contains("/bin/sleep 2000"));
    host.ok("zoneadm", &["-z", "z", "halt"]);
    let output = host.zoneadm(&["-z", "z", "boot", "--", "-i", "/bin/nothing"]);
    // A root without that program: our own init takes over, so the zone can be repaired.
    assert!(output.status.success(), "{}", err(&output));
}

#[test]
fn list_prints_the_exact_columns() {
    let host = host_or_skip!("list_prints_the_exact_columns");
    host.configure("lx0", "");
    let path = host.zonepath("lx0");
    let path = path.to_str().unwrap();
    let table = host.ok("zoneadm", &["list", "-cv"]);
    let expected = format!(
        "  ID NAME             STATUS     PATH                           BRAND    IP    \n   \
         0 global           running    /                              native   shared\n   \
         - lx0              configured {path:<30} lx       shared\n"
    );
    assert_eq!(table, expected);
    assert_eq!(
        host.ok("zoneadm", &["list", "-cnp"]),
        format!("-:lx0:configured:{path}::lx:shared\n")
    );
    let json: serde_json::Value =
        serde_json::from_str(&host.ok("zoneadm", &["list", "-cn", "-o", "json"])).unwrap();
    assert_eq!(json[0]["name"], "lx0");
    assert_eq!(json[0]["id"], serde_json::Value::Null);
    refused(
        &host.zoneadm(&["list", "-pv"]),
        1,
        "list -p and -v are mutually exclusive.",
    );
    assert_eq!(host.zoneadm(&["list", "-x"]).status.code(), Some(2));
}

#[test]
fn wrong_lines_get_usage_and_status_2() {
    let host = host_or_skip!("wrong_lines_get_usage_and_status_2");
    host.configure("x", "");
    for args in [
        &[][..],
        &["bogus"],
        &["-z", "x"],
        &["-z", "x", "install", "--bogus"],
    ] {
        let output = host.zoneadm(args);
        assert_eq!(output.status.code(), Some(2), "{args:?} {}", err(&output));
        assert!(err(&output).contains("usage:"), "{args:?}");
    }
    assert!(
        out(&host.zoneadm(&["help"]))
            .contains("boot [-s] [-f] [-w] [-W] [-B BE] [-- boot_arguments]")
    );
    refused(
        &host.zoneadm(&["-z", "global", "boot"]),
        1,
        "boot operation is invalid for the global zone.",
    );
    refused(
        &host.zoneadm(&["-z", "SUNWx", "boot"]),
        1,
        "boot operation is invalid for zones starting with SUNW",
    );
}

#[test]
fn autoboot_starts_and_stops_zones_with_the_host() {
    let host = host_or_skip!("autoboot_starts_and_stops_zones_with_the_host");
    host.install("a", "set autoboot=true");
    host.install("b", "");
    assert_eq!(host.ok("zoneadm", &["sysboot"]), "Booting zones: a.\n");
    assert_eq!(
        (host.state("a"), host.state("b")),
        ("running".into(), "installed".into())
    );
    host.ok("zoneadm", &["sysboot", "stop"]);
    assert_eq!(host.state("a"), "installed");
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn zones_boot_by_priority_and_end_as_they_say() {
    let host = host_or_skip!("zones_boot_by_priority_and_end_as_they_say");
    for (zone, more) in [
        ("a", "set boot-priority=low"),
        ("b", "set autoshutdown=halt"),
        ("c", "set boot-priority=high"),
    ] {
        host.install(zone, &format!("set autoboot=true; {more}"));
    }
    let said = host.ok("zoneadm", &["sysboot"]);
    assert_eq!(said, "Booting zones: c b a.\n");
    let said = host.ok("zoneadm", &["sysboot", "stop"]);
    assert!(said.starts_with("Halting zones: b.\n"), "{said}");
    assert_eq!(host.leftovers(), Vec::<String>::new());
    refused(
        &host.run("zonecfg", &["-z", "a", "set boot-priority=first"]),
        1,
        "boot-priority value must be one of high, default, low.",
    );
    let exported = host.ok("zonecfg", &["-z", "a", "export"]);
    assert!(exported.contains("set boot-priority=low\n"), "{exported}");
}

#[test]
fn a_hundred_zones_boot_list_and_halt() {
    let host = host_or_skip!("a_hundred_zones_boot_list_and_halt");
    host.install("z0", "set autoboot=true");
    // One set of files for all: a hundred configurations, as copied ones, over roots of links.
    for n in 1..100 {
        let name = format!("z{n}");
        let path = host.zonepath(&name);
        host.ok(
            "zonecfg",
            &[
                "-z",
                &name,
                &format!("create -t z0; set zonepath={}", path.display()),
            ],
        );
        let copied = std::process::Command::new("cp")
            .args(["-al"])
            .arg(host.zonepath("z0"))
            .arg(&path)
            .status();
        assert!(copied.unwrap().success());
        host.ok("zoneadm", &["-z", &name, "mark", "-F", "installed"]);
    }
    host.ok("zoneadm", &["sysboot"]);
    let list = host.ok("zoneadm", &["list", "-np"]);
    assert_eq!(
        list.lines()
            .filter(|line| line.contains(":running:"))
            .count(),
        100,
        "{list}"
    );
    let mut ids: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100, "every zone has an id of its own");
    assert_eq!(host.inside("z57", "hostname"), "z57\n");
    for n in 0..100 {
        host.ok("zoneadm", &["-z", &format!("z{n}"), "halt"]);
    }
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

/// Index and document that disagree are named with the remedy; nothing is removed or booted by
/// either.
#[test]
fn files_that_disagree_are_named_and_nothing_is_removed() {
    let host = host_or_skip!("files_that_disagree_are_named_and_nothing_is_removed");
    host.install("z1", "");
    let index = host.path().join("etc/zones/index");
    let right = std::fs::read_to_string(&index).unwrap();
    let other = host.path().join("other");
    std::fs::create_dir_all(other.join("root")).unwrap();
    let path = host.zonepath("z1");
    let wrong = right.replace(path.to_str().unwrap(), other.to_str().unwrap());
    std::fs::write(&index, &wrong).unwrap();
    for verb in [
        ["verify"].as_slice(),
        &["boot"],
        &["uninstall", "-F"],
        &["ready"],
    ] {
        let args = [["-z", "z1"].as_slice(), verb].concat();
        let words = format!("but the index file has zonepath '{}'", other.display());
        refused(&host.zoneadm(&args), 1, &words);
    }
    assert!(path.join("root/bin/sh").exists() && other.join("root").exists());
    assert_eq!(std::fs::read_to_string(&index).unwrap(), wrong);
    std::fs::write(&index, &right).unwrap();
    let document = host.path().join("etc/zones/z1.xml");
    let text = std::fs::read(&document).unwrap();
    std::fs::remove_file(&document).unwrap();
    refused(
        &host.zoneadm(&["-z", "z1", "uninstall", "-F"]),
        1,
        "Restore that file",
    );
    assert!(path.join("root/bin/sh").exists());
    std::fs::write(&document, text).unwrap();
    host.ok("zoneadm", &["-z", "z1", "uninstall", "-F"]);
}

#[test]
fn lists_by_state_and_field() {
    let host = host_or_skip!("lists_by_state_and_field");
    host.configure("a", "");
    host.install("b", "");
    let list = |args: &[&str]| host.ok("zoneadm", &[["list"].as_slice(), args].concat());
    assert_eq!(list(&["-s", "configured"]), "a\n");
    assert_eq!(
        list(&["-s", "installed,configured", "-o", "state,zonename"]),
        "configured:a\ninstalled:b\n"
    );
    assert_eq!(list(&["-cn", "-o", "zoneid,brand"]), "-:lx\n-:lx\n");
    assert_eq!(list(&["-s", "down"]), "");
    for (args, words) in [
        (["-s", "bogus"], "not `bogus`"),
        (["-o", "zonename,bogus"], "not `bogus`"),
    ] {
        refused(
            &host.zoneadm(&[["list"].as_slice(), &args].concat()),
            2,
            words,
        );
    }
}

/// The unit as `xtask install` writes it, read by systemd itself.
#[test]
fn the_unit_is_understood_by_systemd() {
    if !support::has_tool("systemd-analyze") {
        println!("SKIP the_unit_is_understood_by_systemd: needs systemd-analyze");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let zoneadm = folder.path().join("zoneadm");
    std::os::unix::fs::symlink(support::ZONES, &zoneadm).unwrap();
    let unit = include_str!("../../../packaging/systemd/zones.service");
    let unit = unit.replace("@SBINDIR@", folder.path().to_str().unwrap());
    let file = folder.path().join("zones.service");
    std::fs::write(&file, unit).unwrap();
    support::tool(
        "systemd-analyze",
        &["verify", "--man=no", file.to_str().unwrap()],
    );
}
