//! The verbs of time travel: snapshot, rollback, clone, move.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Stdio;
use std::time::Duration;

use support::{Host, err, out, refused};

impl Host {
    fn put(&self, zone: &str, path: &str, text: &str) {
        let root = support::Files::open(&self.zonepath(zone).join("root"));
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn get(&self, zone: &str, path: &str) -> String {
        let root = support::Files::look(&self.zonepath(zone).join("root"));
        let path = root.join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| format!("{error}"))
    }

    fn snapshots(&self, zone: &str) -> String {
        self.ok(
            "zoneadm",
            &["-z", zone, "list-snapshots", "-o", "name,be,origin"],
        )
    }
}

#[test]
fn a_zone_is_rolled_back_to_any_of_its_snapshots() {
    let host = host_or_skip!("a_zone_is_rolled_back_to_any_of_its_snapshots");
    host.configure("z", "");
    let refusal = host.zoneadm(&["-z", "z", "snapshot", "a"]);
    refused(
        &refusal,
        1,
        "zoneadm: zone 'z': must be installed before snapshot.",
    );
    let archive = host.archive();
    host.ok(
        "zoneadm",
        &["-z", "z", "install", "-a", archive.to_str().unwrap()],
    );
    host.put("z", "version", "1");
    host.ok("zoneadm", &["-z", "z", "snapshot", "one"]);
    host.put("z", "version", "2");
    assert_eq!(host.ok("zoneadm", &["-z", "z", "snapshot"]), "snap1\n");
    host.put("z", "version", "3");
    assert_eq!(host.snapshots("z"), "one:zbe:\nsnap1:zbe:\n");
    let json = host.ok("zoneadm", &["-z", "z", "list-snapshots", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[1]["name"], "snap1");
    let table = host.ok("zoneadm", &["-z", "z", "list-snapshots"]);
    assert!(
        table.starts_with("NAME ") && table.lines().count() == 3,
        "{table}"
    );
    for (name, version) in [("one", "1"), ("snap1", "2"), ("one", "1")] {
        host.ok("zoneadm", &["-z", "z", "rollback", name]);
        assert_eq!(host.get("z", "version"), version);
    }
    for (args, status, words) in [
        (&["snapshot", "one"][..], 1, "snapshot 'one' already exists"),
        (&["snapshot", "a/b"], 1, "is no name of a snapshot"),
        (&["rollback", "two"], 1, "snapshot 'two' does not exist"),
        (
            &["destroy-snapshot", "one", "two"],
            1,
            "snapshot 'two' does not exist",
        ),
        (&["rollback"], 2, "usage:\trollback"),
        (&["snapshot", "a", "b"], 2, "usage:\tsnapshot"),
        (&["list-snapshots", "-o", "size"], 2, "not `size`"),
    ] {
        let args = [&["-z", "z"], args].concat();
        refused(&host.zoneadm(&args), status, words);
    }
    host.ok("zoneadm", &["-z", "z", "destroy-snapshot", "one"]);
    assert_eq!(host.snapshots("z"), "snap1:zbe:\n");
    host.ok("zoneadm", &["-z", "z", "uninstall", "-F"]);
    assert!(!host.zonepath("z").exists());
}

#[test]
fn a_running_zone_stands_still_while_its_snapshot_is_taken() {
    let host = host_or_skip!("a_running_zone_stands_still_while_its_snapshot_is_taken");
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    // Two files that are never different for longer than between two writes.
    let loop_ = "n=0; while :; do n=$((n+1)); echo $n > /a; echo $n > /b; done";
    let mut busy = host
        .command("zlogin", &["z", loop_])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    support::until("the loop runs", || !host.get("z", "b").contains("No such"));
    for round in 0..5 {
        let name = format!("s{round}");
        host.ok("zoneadm", &["-z", "z", "snapshot", &name]);
        let read = |file| {
            let root = support::Files::look(&host.zonepath("z").join("snap").join(&name));
            std::fs::read_to_string(root.join(file))
                .unwrap()
                .trim()
                .parse::<i64>()
                .unwrap_or(0)
        };
        let (a, b) = (read("a"), read("b"));
        assert!(a - b <= 1 || b == 0, "{a} {b}");
        let before = host.get("z", "a");
        support::until("the zone goes on", || host.get("z", "a") != before);
    }
    let refusal = host.zoneadm(&["-z", "z", "rollback", "s0"]);
    refused(
        &refusal,
        1,
        "rollback operation is invalid for running zones.",
    );
    let root = support::Files::look(&host.zonepath("z").join("snap/s0"));
    let first = std::fs::read_to_string(root.join("a")).unwrap();
    drop(root);
    host.ok("zoneadm", &["-z", "z", "rollback", "-r", "s0"]);
    busy.wait().unwrap();
    assert_eq!(host.state("z"), "running");
    assert_eq!(host.inside("z", "cat /a"), first);
    host.ok("zoneadm", &["-z", "z", "halt"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

/// Whoever dies while the zone stands still: it goes on.
#[test]
fn a_zone_goes_on_when_a_snapshot_is_killed() {
    let host = host_or_skip!("a_zone_goes_on_when_a_snapshot_is_killed");
    host.install("z", "");
    for number in 0..400 {
        host.put("z", &format!("many/{number}"), "text");
    }
    host.ok("zoneadm", &["-z", "z", "boot"]);
    for round in 0..rounds() {
        let mut command = host
            .command("zoneadm", &["-z", "z", "snapshot", &format!("s{round}")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moment(round));
        if round % 2 == 0 {
            command.kill().unwrap();
        } else if let Some(pid) = host
            .pid("z", "daemon")
            .and_then(rustix::process::Pid::from_raw)
        {
            // It may be that of the round before, which is gone.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        command.wait().unwrap();
        // `list` does not need the zone, `zlogin` does, and has a new daemon started.
        assert_eq!(host.state("z"), "running");
        let output = host.run("zlogin", &["z", "echo here"]);
        assert_eq!(out(&output), "here\n", "round {round}: {}", err(&output));
    }
    host.ok("zoneadm", &["-z", "z", "snapshot", "last"]);
    host.ok("zoneadm", &["-z", "z", "halt"]);
    let snap = std::fs::read_dir(host.zonepath("z").join("snap")).unwrap();
    let half = snap
        .flatten()
        .filter(|it| it.file_name().to_string_lossy().starts_with(".new"));
    assert_eq!(half.count(), 0, "what was half made is swept");
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

/// Rounds of each kind; `ZONES_KILL_ROUNDS=100` is the acceptance.
fn rounds() -> u32 {
    let rounds = std::env::var("ZONES_KILL_ROUNDS").ok();
    rounds.and_then(|text| text.parse().ok()).unwrap_or(6)
}

/// Moments spread over the work, not random, so that a failure repeats: microseconds.
fn moment(round: u32) -> Duration {
    Duration::from_micros(u64::from(round.wrapping_mul(7_919) % 40_000))
}

#[test]
fn a_rollback_may_die_at_any_moment() {
    let host = host_or_skip!("a_rollback_may_die_at_any_moment");
    host.install("z", "");
    for number in 0..400 {
        host.put("z", &format!("many/{number}"), "1");
    }
    host.ok("zoneadm", &["-z", "z", "snapshot", "one"]);
    for round in 0..rounds() {
        for number in 0..400 {
            host.put("z", &format!("many/{number}"), "2");
        }
        let mut command = host
            .command("zoneadm", &["-z", "z", "rollback", "one"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moment(round));
        command.kill().unwrap();
        command.wait().unwrap();
        assert_eq!(host.state("z"), "installed");
        // All or nothing.
        let first = host.get("z", "many/0");
        for number in 0..400 {
            assert_eq!(
                host.get("z", &format!("many/{number}")),
                first,
                "round {round}"
            );
        }
        host.ok("zoneadm", &["-z", "z", "rollback", "one"]);
        assert_eq!(host.get("z", "many/399"), "1");
    }
    host.ok("zoneadm", &["-z", "z", "boot"]);
    host.ok("zoneadm", &["-z", "z", "halt"]);
}

#[test]
fn snapshots_of_a_schedule_come_and_go() {
    let host = host_or_skip!("snapshots_of_a_schedule_come_and_go");
    let schedule = "add attr; set name=snapshot-schedule; set type=string; \
                    set value=\"hourly:2 daily:1\"; end";
    host.install("z", schedule);
    host.install("other", "");
    host.ok("zoneadm", &["-z", "z", "snapshot", "mine"]);
    host.ok("zoneadm", &["snapshot", "--due", "-a"]);
    host.ok("zoneadm", &["-z", "z", "snapshot", "--due"]);
    let origins = host.ok("zoneadm", &["-z", "z", "list-snapshots", "-o", "origin"]);
    assert_eq!(
        origins, "\nhourly\ndaily\n",
        "once in a period, and mine stays"
    );
    assert_eq!(host.snapshots("other"), "");
    let refusal = host.zoneadm(&["-z", "other", "snapshot", "--due"]);
    refused(&refusal, 1, "has no attr snapshot-schedule");
    let change = "select attr name=snapshot-schedule; set value=often:3; end";
    host.ok("zonecfg", &["-z", "z", change]);
    let warning = err(&host.zoneadm(&["-z", "z", "verify"]));
    assert!(
        warning.contains("`often:3` is not KIND:NUMBER"),
        "{warning}"
    );
    refused(
        &host.zoneadm(&["-z", "z", "snapshot", "--due"]),
        1,
        "`often:3`",
    );
}

#[test]
fn a_clone_is_a_zone_of_its_own() {
    let host = host_or_skip!("a_clone_is_a_zone_of_its_own");
    host.install("web1", "");
    host.put("web1", "etc/hostname", "web1\n");
    host.put("web1", "etc/machine-id", "0123\n");
    host.put("web1", "etc/ssh/ssh_host_key", "secret");
    host.put("web1", "data", "1");
    host.ok("zoneadm", &["-z", "web1", "snapshot", "one"]);
    host.put("web1", "data", "2");
    for zone in ["web2", "web3", "web4"] {
        host.configure(zone, "");
    }
    let said = host.ok("zoneadm", &["-z", "web2", "clone", "web1"]);
    let path = host.zonepath("web1").display().to_string();
    let is_copy = said == format!("Copying {path}...\n");
    let is_clone = said.starts_with(&format!("Cloning {path}\nInstead of copying, "));
    assert!(is_copy || is_clone, "{said}");
    assert_eq!(host.get("web2", "etc/hostname"), "web2\n");
    assert_eq!(host.get("web2", "etc/machine-id"), "");
    assert!(host.get("web2", "etc/ssh/ssh_host_key").contains("No such"));
    assert_eq!(host.get("web2", "data"), "2");
    host.ok("zoneadm", &["-z", "web1", "boot"]);
    let refusal = host.zoneadm(&["-z", "web3", "clone", "web1"]);
    refused(
        &refusal,
        1,
        "zone 'web1': clone operation is invalid for running zones.",
    );
    assert_eq!(host.state("web3"), "configured");
    host.ok(
        "zoneadm",
        &["-z", "web3", "clone", "-X", "-s", "@one", "web1"],
    );
    assert_eq!(host.get("web3", "data"), "1");
    assert_eq!(host.get("web3", "etc/machine-id"), "0123\n");
    host.ok("zoneadm", &["-z", "web1", "halt"]);
    let said = host.ok("zoneadm", &["-z", "web4", "clone", "-m", "copy", "web1"]);
    assert_eq!(said, format!("Copying {path}...\n"));
    for zone in ["web2", "web3", "web4"] {
        host.ok("zoneadm", &["-z", zone, "boot"]);
        assert_eq!(host.inside(zone, "cat /etc/passwd | wc -l"), "2\n");
        host.ok("zoneadm", &["-z", zone, "halt"]);
    }
    // A clone needs nothing of its source.
    host.ok("zoneadm", &["-z", "web1", "uninstall", "-F"]);
    host.ok("zoneadm", &["-z", "web2", "boot"]);
    host.ok("zoneadm", &["-z", "web2", "halt"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn clones_that_cannot_be_are_refused() {
    let host = host_or_skip!("clones_that_cannot_be_are_refused");
    let net = "add net; set physical=lo; set address=192.0.2.7/24; end";
    host.install("web1", net);
    host.configure("web2", net);
    host.configure("empty", "");
    let path = host.zonepath("deb");
    let deb = format!(
        "create -b; set brand=debian; set zonepath={}",
        path.display()
    );
    host.ok("zonecfg", &["-z", "deb", &deb]);
    for (zone, args, status, words) in [
        (
            "web1",
            &["web1"][..],
            1,
            "zone 'web1': is already installed.",
        ),
        ("web2", &["web2"], 1, "cannot be a clone of itself"),
        ("web2", &["nobody"], 1, "nobody: No such zone configured"),
        (
            "web2",
            &["empty"],
            1,
            "zone empty is configured; installed is required.",
        ),
        (
            "deb",
            &["web1"],
            1,
            "Zones 'web1' and 'deb' have different brand types.",
        ),
        (
            "web2",
            &["-s", "nix", "web1"],
            1,
            "snapshot 'nix' does not exist",
        ),
        ("web2", &["-m", "move", "web1"], 2, "unknown method `move`"),
        ("web2", &[], 2, "the zone to clone is missing"),
    ] {
        let args = [&["-z", zone, "clone"], args].concat();
        refused(&host.zoneadm(&args), status, words);
    }
    for zone in ["web2", "empty", "deb"] {
        assert_eq!(host.state(zone), "configured");
    }
    let cloned = host.zoneadm(&["-z", "web2", "clone", "web1"]);
    let warning = "WARNING: network address '192.0.2.7' is configured in both zones.";
    assert!(
        cloned.status.success() && err(&cloned).contains(warning),
        "{}",
        err(&cloned)
    );
}

#[test]
fn a_clone_may_die_at_any_moment() {
    let host = host_or_skip!("a_clone_may_die_at_any_moment");
    host.install("z", "");
    for number in 0..400 {
        host.put("z", &format!("many/{number}"), "1");
    }
    host.configure("new", "");
    for round in 0..rounds() {
        let mut command = host
            .command("zoneadm", &["-z", "new", "clone", "z"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moment(round));
        command.kill().unwrap();
        command.wait().unwrap();
        match host.state("new").as_str() {
            "configured" => {}
            "incomplete" | "installed" => {
                drop(host.ok("zoneadm", &["-z", "new", "uninstall", "-F"]));
            }
            state => panic!("round {round}: {state}"),
        }
        assert_eq!(host.state("new"), "configured");
        assert!(!host.zonepath("new").exists(), "round {round}");
        assert_eq!(host.get("z", "many/399"), "1");
    }
    host.ok("zoneadm", &["-z", "new", "clone", "z"]);
}

fn zonepath_of(host: &Host, zone: &str) -> String {
    host.ok("zoneadm", &["-z", zone, "list", "-o", "zonepath"])
        .trim()
        .to_owned()
}

#[test]
fn a_zone_moves_with_all_that_it_has() {
    let host = host_or_skip!("a_zone_moves_with_all_that_it_has");
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "snapshot", "one"]);
    host.ok("beadm", &["-z", "z", "create", "spare"]);
    host.configure("other", "");
    let there = host.zonepath("there");
    let other_fs = tempfile::tempdir_in("/dev/shm").unwrap();
    let far = other_fs.path().join("zones/z");
    std::fs::create_dir_all(host.zonepath("full").join("x")).unwrap();
    let inside = host.zonepath("z").join("in");
    for (path, words) in [
        (host.zonepath("full"), "directory not empty"),
        (host.zonepath("other"), "overlap."),
        (inside, "one lies in the other"),
        ("relative".into(), "relative is not an absolute path."),
    ] {
        let refusal = host.zoneadm(&["-z", "z", "move", path.to_str().unwrap()]);
        refused(&refusal, 1, words);
    }
    host.ok("zoneadm", &["-z", "z", "boot"]);
    let refusal = host.zoneadm(&["-z", "z", "move", there.to_str().unwrap()]);
    refused(&refusal, 1, "move operation is invalid for running zones.");
    host.ok("zoneadm", &["-z", "z", "halt"]);
    assert_eq!(
        host.ok("zoneadm", &["-z", "z", "move", there.to_str().unwrap()]),
        ""
    );
    assert!(!host.zonepath("z").exists());
    let said = host.ok("zoneadm", &["-z", "z", "move", far.to_str().unwrap()]);
    let there = there.display();
    assert_eq!(
        said,
        format!(
            "Moving across file systems; copying zonepath {there}...\n\
             Cleaning up zonepath {there}...\n"
        )
    );
    assert!(!std::path::Path::new(&there.to_string()).exists());
    assert_eq!(zonepath_of(&host, "z"), far.to_str().unwrap());
    assert_eq!(host.snapshots("z"), "one:zbe:\n");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    host.inside("z", "echo new > /new");
    host.ok("zoneadm", &["-z", "z", "rollback", "-r", "one"]);
    let gone = host.run("zlogin", &["z", "cat /new"]);
    assert!(!gone.status.success());
    host.ok("zoneadm", &["-z", "z", "halt"]);
    let list = host.ok("beadm", &["-z", "z", "list", "-H"]);
    assert!(list.contains("spare;"), "{list}");
    // The driver that the zone asks for goes along, or the zone stays.
    let ask = |kind: &str| {
        let text = format!("add attr; set name=storage; set type=string; set value={kind}; end");
        host.ok("zonecfg", &["-z", "z", &text]);
    };
    let back = host.zonepath("back");
    let back = back.to_str().unwrap();
    ask("zfs");
    let refusal = host.zoneadm(&["-z", "z", "move", back]);
    refused(
        &refusal,
        1,
        "asks for storage driver zfs, which cannot work",
    );
    assert_eq!(zonepath_of(&host, "z"), far.to_str().unwrap());
    assert!(!std::path::Path::new(back).exists());
    host.ok("zonecfg", &["-z", "z", "remove attr name=storage"]);
    ask("dir");
    host.ok("zoneadm", &["-z", "z", "move", back]);
    let driver = host.ok("zoneadm", &["-z", "z", "list", "-p", "-o", "driver"]);
    assert_eq!(driver.trim(), "dir");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    host.ok("zoneadm", &["-z", "z", "halt"]);
    host.ok("zoneadm", &["-z", "z", "uninstall", "-F"]);
    assert!(!far.exists());
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn a_move_may_die_at_any_moment() {
    let host = host_or_skip!("a_move_may_die_at_any_moment");
    let other_fs = tempfile::tempdir_in("/dev/shm").unwrap();
    host.install("z", "");
    for number in 0..200 {
        host.put("z", &format!("many/{number}"), "1");
    }
    host.ok("zoneadm", &["-z", "z", "snapshot", "one"]);
    for round in 0..rounds() {
        let places = [
            host.zonepath(&format!("r{round}")),
            other_fs.path().join(format!("r{round}")),
        ];
        for to in places {
            let from = zonepath_of(&host, "z");
            let mut command = host
                .command("zoneadm", &["-z", "z", "move", to.to_str().unwrap()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(moment(round));
            command.kill().unwrap();
            command.wait().unwrap();
            // The next command completes or undoes it.
            host.ok("zoneadm", &["-z", "z", "boot"]);
            host.ok("zoneadm", &["-z", "z", "halt"]);
            let at = zonepath_of(&host, "z");
            let is_moved = at == to.to_str().unwrap();
            assert!(is_moved || at == from, "{at}");
            let gone = if is_moved {
                from.as_str()
            } else {
                to.to_str().unwrap()
            };
            assert!(
                !std::path::Path::new(gone).exists(),
                "round {round}: {gone} {at}"
            );
            let root = support::Files::look(&std::path::Path::new(&at).join("root"));
            let last = root.join("many/199");
            assert_eq!(std::fs::read_to_string(last).unwrap(), "1", "round {round}");
            assert_eq!(host.snapshots("z"), "one:zbe:\n");
        }
    }
    host.ok("zoneadm", &["-z", "z", "uninstall", "-F"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn differences_are_told() {
    let host = host_or_skip!("differences_are_told");
    host.install("z", "");
    let refusal = host.zoneadm(&["-z", "z", "diff"]);
    refused(&refusal, 1, "has no snapshot to compare with");
    host.put("z", "etc/old", "1");
    host.put("z", "etc/same", "1");
    host.put("z", "etc/other", "1");
    host.ok("zoneadm", &["-z", "z", "snapshot", "one"]);
    let root = support::Files::open(&host.zonepath("z").join("root"));
    std::fs::remove_file(root.join("etc/old")).unwrap();
    drop(root);
    host.put("z", "etc/new", "1");
    host.put("z", "etc/other", "22");
    let lines = "+ /etc/new\n- /etc/old\nM /etc/other (size, content)\n";
    assert_eq!(host.ok("zoneadm", &["-z", "z", "diff"]), lines);
    host.ok("zoneadm", &["-z", "z", "snapshot", "two"]);
    assert_eq!(host.ok("zoneadm", &["-z", "z", "diff"]), "");
    assert_eq!(
        host.ok("zoneadm", &["-z", "z", "diff", "one", "two"]),
        lines
    );
    let back = host.ok("zoneadm", &["-z", "z", "diff", "-p", "two", "one"]);
    assert_eq!(
        back,
        "-:file::/etc/new\n+:file::/etc/old\nM::size,content:/etc/other\n"
    );
    let json = host.ok("zoneadm", &["-z", "z", "diff", "-o", "json", "one"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[2]["path"], "/etc/other");
}

#[test]
fn the_doctor_tells_of_the_host() {
    let host = host_or_skip!("the_doctor_tells_of_the_host");
    let text = host.ok("zoneadm", &["doctor"]);
    assert!(
        text.contains("storage") && text.contains("control groups"),
        "{text}"
    );
    let json = host.ok("zoneadm", &["doctor", "-o", "json", "/nonexistent/zones"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[1]["found"], "/");
}

#[test]
fn a_description_can_be_looked_at_without_its_zone() {
    let host = host_or_skip!("a_description_can_be_looked_at_without_its_zone");
    host.configure("z", "");
    let text = host.ok("zoneadm", &["-z", "z", "detach", "-n"]);
    assert!(text.contains("<zone name=\"z\""), "{text}");
    let path = host.path().join("zone.xml");
    let shown = path.to_str().unwrap();
    std::fs::write(&path, &text).unwrap();
    host.ok("zoneadm", &["-z", "nobody", "attach", "-n", shown]);
    std::fs::write(&path, "no document").unwrap();
    let refusal = host.zoneadm(&["-z", "nobody", "attach", "-n", shown]);
    refused(&refusal, 1, "is not an XML file");
    let refusal = host.zoneadm(&["-z", "z", "attach", "-F", "-n", shown]);
    refused(&refusal, 1, "-F and -n flags are mutually exclusive");
}
