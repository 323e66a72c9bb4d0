//! What a zone that runs is left with: each thing is one finding, and a clean one has none.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Command;

use support::{Host, until};
use zones_matrix::Policy;
use zones_matrix::leftovers::{Class, Finding, Noise, Rules, Subject, find, known_noise};
use zones_runner::evidence::{Look, Scene, alive, tree};

fn look(host: &Host, before: Option<&Scene>) -> Scene {
    let root = zones_storage::look(&host.zonepath("z").join("root")).unwrap();
    let look = Look {
        before,
        ..Look::default()
    };
    let mut scene = tree(&root, &look).unwrap();
    let living = alive(host.pid("z", "init").unwrap()).unwrap();
    living.put(&mut scene.inventory);
    scene
}

fn found(before: &Scene, after: &Scene) -> Vec<Finding> {
    let policy = Policy::default();
    let noise = Noise::default().with_patterns(known_noise("debian").unwrap());
    let rules = Rules {
        policy: &policy,
        noise: &noise,
    };
    find(&before.inventory, &after.inventory, &rules).findings
}

/// Inside of one namespace of the zone, with the host's tools; false where the host lacks them.
fn enter(host: &Host, space: &str, command: &[&str]) -> bool {
    let pid = host.pid("z", "init").unwrap().to_string();
    let done = Command::new("nsenter")
        .args(["-t", &pid, space, "--"])
        .args(command)
        .output();
    done.is_ok_and(|done| done.status.success())
}

type Fault = (&'static str, fn(&Host) -> bool, (Subject, &'static str));

fn inside(host: &Host, command: &str) -> bool {
    host.inside("z", command);
    true
}

const FAULTS: [Fault; 9] = [
    (
        "user",
        |host| inside(host, "echo acme:x:998:998::/:/bin/sh >> /etc/passwd"),
        (Subject::User, "acme"),
    ),
    (
        "process",
        |host| {
            inside(host, "sleep 1000 </dev/null >/dev/null 2>&1 &");
            true
        },
        (Subject::Process, "sleep root"),
    ),
    (
        "socket",
        |host| {
            // The process that listens is a finding, too: it is looked at from the network.
            enter(host, "-n", &["nft", "list", "ruleset"])
                && enter(host, "-n", &["nft", "add", "table", "inet", "acme"])
        },
        (Subject::Rule, "table inet acme"),
    ),
    (
        "shared memory",
        |host| enter(host, "-i", &["ipcmk", "-M", "4096"]),
        (Subject::Ipc, "shared memory"),
    ),
    (
        "posix memory",
        |host| inside(host, "echo x > /dev/shm/acme"),
        (Subject::Ipc, "posix memory /acme"),
    ),
    (
        "mount",
        |host| inside(host, "mkdir -p /tmp/m && mount -t tmpfs acme /tmp/m"),
        (Subject::Mount, "/tmp/m"),
    ),
    (
        "setuid file",
        |host| inside(host, "cp /bin/busybox /root/su && chmod 4755 /root/su"),
        (Subject::File, "/root/su"),
    ),
    (
        "core file",
        |host| inside(host, "echo x > /root/core.7"),
        (Subject::File, "/root/core.7"),
    ),
    (
        "unit",
        |host| {
            let unit = "/etc/systemd/system/acmed.service";
            inside(
                host,
                &format!("mkdir -p /etc/systemd/system && echo > {unit}"),
            )
        },
        (Subject::Service, "acmed.service"),
    ),
];

#[test]
fn each_thing_left_in_a_running_zone_is_one_finding() {
    let host = host_or_skip!("each_thing_left_in_a_running_zone_is_one_finding");
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    host.inside("z", "mkdir -p /etc/systemd/system /dev/shm");
    until("the console's login is there", || {
        look(&host, None).inventory.processes.len() >= 2
    });
    let mut before = look(&host, None);
    assert_eq!(
        found(&before, &look(&host, Some(&before))),
        [],
        "nothing was done"
    );
    for (name, fault, (subject, what)) in FAULTS {
        if !fault(&host) {
            println!("SKIP each_thing_left_in_a_running_zone_is_one_finding ({name}): no tool");
            continue;
        }
        let mut after = look(&host, Some(&before));
        until("it is seen", || {
            after = look(&host, Some(&before));
            !found(&before, &after).is_empty()
        });
        let all = found(&before, &after);
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        let is_it = all[0].subject == subject && all[0].name.starts_with(what);
        assert!(is_it, "{name}: {all:?}");
        assert!(
            matches!(all[0].class, Class::Added | Class::Privilege),
            "{name}: {all:?}"
        );
        before = after;
    }
}

#[test]
fn a_listening_socket_is_seen_with_its_process() {
    let host = host_or_skip!("a_listening_socket_is_seen_with_its_process");
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    let before = look(&host, None);
    host.inside("z", "busybox nc -l -p 7777 </dev/null >/dev/null 2>&1 &");
    let is_there = |scene: &Scene| {
        let mut sockets = scene.inventory.sockets.iter();
        sockets.any(|it| it.starts_with("tcp") && it.ends_with(":7777"))
    };
    until("it listens", || is_there(&look(&host, None)));
    let all = found(&before, &look(&host, Some(&before)));
    let subjects: Vec<Subject> = all.iter().map(|one| one.subject).collect();
    assert!(subjects.contains(&Subject::Socket), "{all:?}");
    assert!(subjects.contains(&Subject::Process), "{all:?}");
}
