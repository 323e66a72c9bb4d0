//! Brands of the host: their hooks at every moment of a zone's life.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stdout)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::{Host, err, out, refused};

/// Every hook writes its name, its words and some of its variables to a log in the root.
const HOOK: &str = r#"#!/bin/sh
name=$1 root=$2; shift 2
echo "$name $* lock=$_ZONEADM_LOCK_HELD net=$_ZONECFG_net_resources" >> "$ZONES_ROOT/hooks.log"
[ -f "$ZONES_ROOT/fail.$name" ] || exit 0
echo "line of $name"
echo "trouble in $name" >&2
exit "$(cat "$ZONES_ROOT/fail.$name")"
"#;

/// Fills the root with the busybox userland.
const INSTALL: &str = r#"#!/bin/sh
root=$1/root; shift
echo "installing $*"
[ -f "$ZONES_ROOT/fail.install" ] && exit "$(cat "$ZONES_ROOT/fail.install")"
tar -xf "$ZONES_ROOT/busybox.tar" -C "$root"
"#;

const MANIFEST: &str = r#"
name = "own"
init = []
installopts = "q:x"
[hooks]
verify_cfg = "hook verify_cfg %R"
verify_adm = "hook verify_adm %R"
install = "/usr/lib/brand/own/install %R"
postinstall = "hook postinstall %R"
boot = "hook boot %R"
halt = "hook halt %R"
sysboot = "hook sysboot %R"
prestatechange = "hook pre %R"
poststatechange = "hook post %R"
preuninstall = "hook preuninstall %R"
uninstall = "hook uninstall %R"
shutdown = "/bin/kill -USR1 1"
"#;

fn with_brand(host: &Host, name: &str, manifest: &str) {
    let folder = host.path().join("usr/lib/brand").join(name);
    fs::create_dir_all(&folder).unwrap();
    for (file, text, mode) in [
        ("brand.toml", manifest, 0o644),
        ("hook", HOOK, 0o755),
        ("install", INSTALL, 0o755),
    ] {
        fs::write(folder.join(file), text).unwrap();
        fs::set_permissions(folder.join(file), fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn configure(host: &Host, more: &str) {
    host.archive();
    let path = host.zonepath("z1");
    let commands = format!(
        "create -b; set brand=own; set zonepath={}; {more}",
        path.display()
    );
    host.ok("zonecfg", &["-z", "z1", &commands]);
}

/// What the hooks logged since the last time, without the check of each subcommand.
fn log(host: &Host) -> Vec<String> {
    let path = host.path().join("hooks.log");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(path);
    let lines = text.lines().filter(|line| !line.starts_with("verify_"));
    lines.map(str::to_owned).collect()
}

#[test]
fn every_moment_has_its_hook() {
    let host = host_or_skip!("every_moment_has_its_hook");
    with_brand(&host, "own", MANIFEST);
    configure(&host, "");
    let text = fs::read_to_string(host.path().join("hooks.log")).unwrap();
    assert!(text.starts_with("verify_cfg /proc/"), "{text}");
    log(&host);
    let said = host.ok(
        "zoneadm",
        &["-z", "z1", "install", "-x", "-q", "10g", "image"],
    );
    assert!(said.contains("installing -x -q 10g image"), "{said}");
    assert_eq!(log(&host), ["postinstall -x -q 10g image lock=1 net="]);
    host.ok("zoneadm", &["-z", "z1", "boot"]);
    assert_eq!(host.inside("z1", "echo in"), "in\n");
    let booted = ["pre 2 0", "post 2 0", "pre 3 1", "boot ", "post 3 1"];
    assert_eq!(log(&host), booted.map(|line| format!("{line} lock=1 net=")));
    host.ok("zoneadm", &["-z", "z1", "halt"]);
    assert_eq!(
        log(&host),
        ["pre 4 4", "halt ", "post 4 4"].map(|l| format!("{l} lock=0 net="))
    );
    host.ok("zoneadm", &["sysboot"]);
    assert_eq!(log(&host), ["sysboot  lock=0 net="]);
    host.ok("zoneadm", &["-z", "z1", "uninstall", "-F"]);
    assert_eq!(
        log(&host),
        ["preuninstall -F lock=1 net=", "uninstall -F lock=1 net="]
    );
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn a_failing_hook_stops_what_it_stands_before_and_says_why() {
    let host = host_or_skip!("a_failing_hook_stops_what_it_stands_before_and_says_why");
    with_brand(&host, "own", MANIFEST);
    configure(&host, "");
    let fail = |hook: &str, status: &str| {
        fs::write(host.path().join(format!("fail.{hook}")), status).unwrap();
    };
    let mend = |hook: &str| fs::remove_file(host.path().join(format!("fail.{hook}"))).unwrap();

    fail("verify_cfg", "1");
    let output = host.run("zonecfg", &["-z", "z1", "set autoboot=true; commit"]);
    refused(&output, 1, "trouble in verify_cfg");
    assert!(
        err(&output).contains("z1: Brand-specific error"),
        "{}",
        err(&output)
    );
    mend("verify_cfg");

    fail("verify_adm", "1");
    let output = host.zoneadm(&["-z", "z1", "verify"]);
    refused(&output, 1, "trouble in verify_adm");
    assert!(err(&output).contains("zoneadm: zone z1 failed to verify"));
    mend("verify_adm");

    for (status, state) in [
        ("253", "configured"),
        ("254", "configured"),
        ("255", "incomplete"),
    ] {
        fail("install", status);
        let output = host.zoneadm(&["-z", "z1", "install"]);
        refused(&output, 1, "brand hook install failed: ");
        assert_eq!(host.state("z1"), state, "{status}: {}", err(&output));
        assert_eq!(host.zonepath("z1").exists(), state == "incomplete");
    }
    refused(
        &host.zoneadm(&["-z", "z1", "install"]),
        1,
        "uninstall required",
    );
    host.ok("zoneadm", &["-z", "z1", "uninstall", "-F"]);
    mend("install");
    host.ok("zoneadm", &["-z", "z1", "install"]);

    fail("boot", "7");
    log(&host);
    let output = host.zoneadm(&["-z", "z1", "boot"]);
    refused(&output, 1, "brand hook boot failed: status 7");
    assert!(err(&output).contains("trouble in boot"), "{}", err(&output));
    assert!(log(&host).iter().any(|line| line.starts_with("halt ")));
    assert_eq!(host.state("z1"), "installed");
    mend("boot");
    fail("halt", "7");
    host.ok("zoneadm", &["-z", "z1", "boot"]);
    host.ok("zoneadm", &["-z", "z1", "halt"]);
    mend("halt");
    fail("preuninstall", "1");
    refused(
        &host.zoneadm(&["-z", "z1", "uninstall", "-F"]),
        1,
        "preuninstall failed",
    );
    assert_eq!(host.state("z1"), "installed");
    mend("preuninstall");
    fail("uninstall", "1");
    refused(
        &host.zoneadm(&["-z", "z1", "uninstall", "-F"]),
        1,
        "uninstall failed",
    );
    assert_eq!(host.state("z1"), "incomplete");
    mend("uninstall");
    host.ok("zoneadm", &["-z", "z1", "uninstall", "-F"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn a_brand_of_solaris_configures_and_boots() {
    let host = host_or_skip!("a_brand_of_solaris_configures_and_boots");
    with_brand(&host, "own", MANIFEST);
    let folder = host.path().join("usr/lib/brand/own");
    fs::remove_file(folder.join("brand.toml")).unwrap();
    let config = "<?xml version=\"1.0\"?><brand name=\"own\"><modname/>\
        <install>/usr/lib/brand/own/install %R</install><installopts>q:</installopts>\
        <boot>/usr/lib/brand/own/hook boot %R</boot>\
        <forcedlogin_cmd>/bin/sh -c 'echo user %u of %Z'</forcedlogin_cmd>\
        <privilege set=\"prohibited\" name=\"sys_time\"/>\
        <privilege set=\"required\" name=\"file_link_any\"/></brand>";
    fs::write(folder.join("config.xml"), config).unwrap();
    configure(&host, "");
    for (limitpriv, words) in [
        (
            "default,sys_time",
            "privilege \"sys_time\" is not permitted",
        ),
        (
            "default,!file_link_any",
            "required privilege \"file_link_any\" is missing",
        ),
    ] {
        let set = format!("set limitpriv={limitpriv}");
        host.ok("zonecfg", &["-z", "z1", &set]);
        refused(&host.zoneadm(&["-z", "z1", "verify"]), 1, words);
    }
    host.ok("zonecfg", &["-z", "z1", "clear limitpriv"]);
    host.ok("zoneadm", &["-z", "z1", "install", "-q", "1"]);
    log(&host);
    host.ok("zoneadm", &["-z", "z1", "boot"]);
    assert_eq!(log(&host), ["boot  lock=1 net="]);
    let output = host.run("zlogin", &["-i", "-Q", "z1"]);
    assert!(
        out(&output).contains("user root of z1"),
        "{}{}",
        out(&output),
        err(&output)
    );
    host.ok("zoneadm", &["-z", "z1", "halt"]);
    fs::set_permissions(folder.join("hook"), fs::Permissions::from_mode(0o777)).unwrap();
    let output = host.zoneadm(&["-z", "z1", "boot"]);
    refused(&output, 1, "writable by others than its owner (chmod go-w)");
    assert_eq!(host.state("z1"), "installed");
}

/// Whatever dies while a removed root is taken apart: the next command goes on.
#[test]
fn removed_trees_are_not_forgotten() {
    let host = host_or_skip!("removed_trees_are_not_forgotten");
    host.install("z1", "");
    let left = host.path().join("zones/.zones-removed-x");
    fs::create_dir_all(left.join("0/usr/bin")).unwrap();
    let kept = host.path().join("kept");
    fs::create_dir(&kept).unwrap();
    let notes = host.path().join("var/lib/zones/trash");
    fs::create_dir_all(&notes).unwrap();
    fs::write(notes.join("x"), left.to_str().unwrap()).unwrap();
    fs::write(notes.join("y"), kept.to_str().unwrap()).unwrap();
    for n in 0..3_000 {
        fs::write(host.zonepath("z1").join(format!("root/usr/{n}")), "x").unwrap();
    }
    host.ok("zoneadm", &["-z", "z1", "uninstall", "-F"]);
    assert_eq!(host.state("z1"), "configured");
    assert!(!host.zonepath("z1").exists());
    let empty = |path: &std::path::Path| fs::read_dir(path).unwrap().next().is_none();
    support::until("everything is gone", || empty(&notes));
    assert!(empty(&host.path().join("zones")));
    assert!(
        kept.exists(),
        "a note names only what an uninstallation made"
    );
}

/// The hooks of clone, detach and attach, and what their statuses do to the zone.
const COPIES: &str = r#"
presnap = "hook presnap %R"
postsnap = "hook postsnap %R"
validatesnap = "hook validatesnap %R"
postclone = "hook postclone %R"
predetach = "hook predetach %R"
detach = "hook detach %R"
attach = "hook attach %R"
postattach = "hook postattach %R"
"#;

#[test]
fn copies_and_travels_of_a_zone_have_their_hooks() {
    let host = host_or_skip!("copies_and_travels_of_a_zone_have_their_hooks");
    with_brand(
        &host,
        "own",
        &MANIFEST.replace("[hooks]", &format!("[hooks]{COPIES}")),
    );
    configure(&host, "");
    host.ok("zoneadm", &["-z", "z1", "install"]);
    let path = host.zonepath("z2");
    let commands = format!("create -t z1; set zonepath={}", path.display());
    host.ok("zonecfg", &["-z", "z2", &commands]);
    log(&host);
    let fail = |hook: &str, status: &str| {
        fs::write(host.path().join(format!("fail.{hook}")), status).unwrap();
    };
    let mend = |hook: &str| fs::remove_file(host.path().join(format!("fail.{hook}"))).unwrap();
    for (hook, status, state) in [
        ("presnap", "1", "configured"),
        ("postclone", "254", "configured"),
        ("postclone", "255", "incomplete"),
    ] {
        fail(hook, status);
        let clone = host.zoneadm(&["-z", "z2", "clone", "z1"]);
        refused(&clone, 1, &format!("brand hook {hook} failed"));
        assert_eq!(host.state("z2"), state, "{hook} {status}");
        mend(hook);
    }
    host.ok("zoneadm", &["-z", "z2", "uninstall", "-F"]);
    log(&host);
    host.ok("zoneadm", &["-z", "z2", "clone", "z1"]);
    let hooks = log(&host);
    let names: Vec<&str> = hooks
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["presnap", "postsnap", "postclone"], "{hooks:?}");
    assert!(hooks[2].starts_with("postclone z1 lock=1"), "{hooks:?}");
    host.ok("zoneadm", &["-z", "z2", "uninstall", "-F"]);
    host.ok("zoneadm", &["-z", "z1", "snapshot", "one"]);
    log(&host);
    host.ok("zoneadm", &["-z", "z2", "clone", "-s", "one", "z1"]);
    let hooks = log(&host);
    assert!(hooks[0].starts_with("validatesnap one /"), "{hooks:?}");

    fail("predetach", "1");
    let detach = host.zoneadm(&["-z", "z2", "detach"]);
    refused(&detach, 1, "brand hook predetach failed");
    assert_eq!(host.state("z2"), "installed");
    mend("predetach");
    log(&host);
    host.ok("zoneadm", &["-z", "z2", "detach", "-x"]);
    fail("postattach", "1");
    refused(
        &host.zoneadm(&["-z", "z2", "attach"]),
        1,
        "brand hook postattach failed",
    );
    assert_eq!(host.state("z2"), "configured");
    host.ok("zoneadm", &["-z", "z2", "attach", "-F"]);
    assert_eq!(host.state("z2"), "installed", "no hook is asked");
    let hooks = log(&host);
    let names: Vec<&str> = hooks
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(
        names,
        ["predetach", "detach", "attach", "postattach"],
        "{hooks:?}"
    );
    assert!(hooks[1].starts_with("detach -x lock=1"), "{hooks:?}");
}
