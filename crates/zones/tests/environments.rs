//! Boot environments of zones: switched to, watched, and left again when they do not come up.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt as _;

use support::{Host, err, refused, until};

/// Ready is who has a file, and in time.
fn ready(seconds: u32) -> String {
    format!(
        "add attr; set name=ready-command; set type=string; set value=\"test -e /up\"; end; \
         add attr; set name=ready-timeout; set type=uint; set value={seconds}; end"
    )
}

impl Host {
    fn beadm(&self, args: &[&str]) -> String {
        self.ok("beadm", &[&["-z", "z"], args].concat())
    }

    /// Name, flags of each environment, in the order of their names.
    fn environments(&self) -> Vec<(String, String)> {
        let text = self.beadm(&["list", "-H"]);
        let rows = text
            .lines()
            .map(|line| line.split(';').map(str::to_owned).collect());
        let mut rows: Vec<_> = rows
            .map(|row: Vec<String>| (row[0].clone(), row[2].clone()))
            .collect();
        rows.sort();
        rows
    }

    /// Puts a file into an environment that is not active.
    fn put_in(&self, name: &str, path: &str, text: &str) {
        let place = self.path().join("mnt");
        self.beadm(&["mount", name, place.to_str().unwrap()]);
        let path = place.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self.beadm(&["unmount", name]);
    }

    fn console(&self) -> String {
        let path = self.path().join("var/log/zones/z/console.log");
        std::fs::read_to_string(path).unwrap_or_default()
    }

    fn events(&self) -> Vec<String> {
        let path = self.path().join("var/log/zones/z/events");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let event = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["event"].as_str().unwrap().to_owned()
        };
        text.lines().map(event).collect()
    }
}

fn flags(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    let rows = rows
        .iter()
        .map(|(name, flags)| ((*name).to_owned(), (*flags).to_owned()));
    rows.collect()
}

#[test]
fn an_environment_that_comes_up_is_confirmed() {
    let host = host_or_skip!("an_environment_that_comes_up_is_confirmed");
    host.install("z", &ready(60));
    host.beadm(&["create", "new"]);
    host.put_in("new", "up", "");
    host.put_in("new", "which", "new");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert_eq!(
        host.environments(),
        flags(&[("new", ""), ("zbe", "NR")]),
        "no trial without a switch"
    );
    let refusal = host.zoneadm(&["-z", "z", "boot", "-B", "new"]);
    assert_eq!(support::out(&refusal), "zone 'z': zone is already booted\n");
    host.ok("zoneadm", &["-z", "z", "halt"]);
    host.ok("zoneadm", &["-z", "z", "boot", "-B", "new"]);
    let refusal = host.run("beadm", &["-z", "z", "destroy", "zbe"]);
    let is_early = host.environments()[0].1 == "NRT";
    if is_early {
        refused(&refusal, 1, "BE zbe is what the zone goes back to");
    }
    until("the trial ends", || host.environments()[0].1 == "NR");
    assert_eq!(host.inside("z", "cat /which"), "new");
    assert!(
        host.console().contains("Boot environment new has come up"),
        "{}",
        host.console()
    );
    until("it is noted", || {
        host.events() == ["be-active", "be-confirmed"]
    });
    host.ok("zoneadm", &["-z", "z", "halt"]);
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert_eq!(host.events().len(), 2, "the second boot is no trial");
    host.ok("zoneadm", &["-z", "z", "halt"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn an_environment_whose_init_ends_at_once_is_left_again() {
    let host = host_or_skip!("an_environment_whose_init_ends_at_once_is_left_again");
    host.install("z", "");
    host.beadm(&["create", "bad"]);
    host.put_in("bad", "sbin/init", "#!/bin/sh\nexit 3\n");
    host.beadm(&["activate", "bad"]);
    assert_eq!(host.environments(), flags(&[("bad", "NRT"), ("zbe", "")]));
    host.run("zoneadm", &["-z", "z", "boot"]);
    until("the zone is back", || {
        host.state("z") == "running" && host.environments() == flags(&[("bad", "!"), ("zbe", "NR")])
    });
    let console = host.console();
    let said =
        "Boot environment bad did not come up (its init ended with status 3).  Going back to zbe";
    assert!(console.contains(said), "{console}");
    assert_eq!(host.events(), ["be-fallback"]);
    let json: serde_json::Value =
        serde_json::from_str(&host.beadm(&["list", "-o", "json", "bad"])).unwrap();
    assert_eq!(json[0]["failed"], "its init ended with status 3");
    let list = host.zoneadm(&["list", "-v"]);
    assert!(
        support::err(&list).contains("boot environment bad did not come up"),
        "list -v says so"
    );
    host.ok("zoneadm", &["-z", "z", "halt"]);
    host.beadm(&["destroy", "bad"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn an_environment_that_hangs_is_left_again_although_its_daemon_dies() {
    let host = host_or_skip!("an_environment_that_hangs_is_left_again_although_its_daemon_dies");
    host.install("z", &ready(2));
    host.beadm(&["create", "bad"]);
    host.put_in(
        "bad",
        "sbin/init",
        "#!/bin/sh\nwhile :; do sleep 1000; done\n",
    );
    let back = || host.environments() == flags(&[("bad", "!"), ("zbe", "NR")]);
    for round in 0..3 {
        host.ok("zoneadm", &["-z", "z", "boot", "-B", "bad"]);
        match round {
            0 => {}
            // A new daemon goes on with the watch.
            1 => {
                host.kill_daemon("z");
                host.ok("zoneadm", &["-z", "z", "apply", "-q"]);
            }
            // Nobody is left to see the zone die: the next boot knows.
            _ => {
                host.kill_daemon("z");
                let init = host.pid("z", "init").unwrap();
                let init = rustix::process::Pid::from_raw(init).unwrap();
                rustix::process::kill_process(init, rustix::process::Signal::KILL).unwrap();
                until("init is gone", || host.state("z") != "running");
                host.ok("zoneadm", &["-z", "z", "halt"]);
                let boot = host.zoneadm(&["-z", "z", "boot"]);
                let said = "boot environment bad ended before it was up the last time";
                assert!(
                    support::err(&boot).contains(said),
                    "{}",
                    support::err(&boot)
                );
            }
        }
        until("the zone is back", || {
            host.state("z") == "running" && back()
        });
        host.ok("zoneadm", &["-z", "z", "halt"]);
    }
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

/// Somebody who halts a zone says nothing about its environment.
#[test]
fn a_halt_is_no_failure() {
    let host = host_or_skip!("a_halt_is_no_failure");
    host.install("z", &ready(60));
    host.beadm(&["create", "new"]);
    host.ok("zoneadm", &["-z", "z", "boot", "-B", "new"]);
    host.ok("zoneadm", &["-z", "z", "halt"]);
    assert_eq!(host.environments(), flags(&[("new", "NRT"), ("zbe", "")]));
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert_eq!(host.environments()[0].1, "NRT");
    host.ok("zoneadm", &["-z", "z", "shutdown", "-t", "20"]);
    assert_eq!(host.environments()[0].1, "NRT");
    host.beadm(&["activate", "zbe"]);
    assert_eq!(host.environments(), flags(&[("new", ""), ("zbe", "NR")]));
}

#[test]
fn a_reboot_from_inside_switches_too() {
    let host = host_or_skip!("a_reboot_from_inside_switches_too");
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    host.inside("z", "echo one > /which");
    host.beadm(&["create", "new"]);
    host.inside("z", "echo two > /which");
    host.beadm(&["activate", "new"]);
    assert_eq!(host.inside("z", "cat /which"), "two\n");
    host.run("zlogin", &["z", "kill -39 1"]);
    until("the zone is in the other environment", || {
        host.state("z") == "running" && host.environments()[0].1.starts_with("NR")
    });
    assert_eq!(host.inside("z", "cat /which"), "one\n");
    // And a reboot by the host.
    host.beadm(&["activate", "zbe"]);
    host.ok("zoneadm", &["-z", "z", "reboot"]);
    assert_eq!(host.inside("z", "cat /which"), "two\n");
    host.ok("zoneadm", &["-z", "z", "halt"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn an_environment_can_be_made_of_a_snapshot() {
    let host = host_or_skip!("an_environment_can_be_made_of_a_snapshot");
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "snapshot", "one"]);
    host.beadm(&["create", "-e", "zbe@one", "old"]);
    host.beadm(&["create", "-e", "@one", "older"]);
    for (source, words) in [
        ("@two", "snapshot 'two' does not exist"),
        ("old@one", "is of BE zbe"),
    ] {
        let refusal = host.run("beadm", &["-z", "z", "create", "-e", source, "x"]);
        refused(&refusal, 1, words);
    }
    let all = host.beadm(&["list", "-a", "-p"]);
    let names: Vec<&str> = all
        .lines()
        .filter_map(|line| line.split(';').next())
        .collect();
    assert_eq!(names, ["zbe", "old", "older", "zbe@one"]);
    assert_eq!(host.beadm(&["list", "-H", "old"]).lines().count(), 1);
}

#[test]
fn a_boot_may_wait_until_the_zone_is_up() {
    let host = host_or_skip!("a_boot_may_wait_until_the_zone_is_up");
    host.install("z", &ready(2));
    let boot = |more: &[&str]| host.run("zoneadm", &[&["-z", "z", "boot", "-W"], more].concat());
    support::refused(&boot(&[]), 1, "was not up after 2 s");
    assert_eq!(host.state("z"), "running");
    host.inside("z", "touch /up");
    let again = boot(&[]);
    assert!(again.status.success(), "{}", err(&again));
    assert!(support::out(&again).contains("already booted"));
    host.ok("zoneadm", &["-z", "z", "halt"]);
    let up = boot(&[]);
    assert!(up.status.success(), "{}", err(&up));
    host.ok("zoneadm", &["-z", "z", "halt"]);
    support::refused(&boot(&["--", "-i", "/bin/true"]), 1, "its init ended");
    // The daemon of a zone whose init ended cleans up after whoever waited was told.
    until("nothing is left", || host.leftovers().is_empty());
}
