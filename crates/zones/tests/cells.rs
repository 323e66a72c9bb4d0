//! What a cell gets of the host: networks, disk, true time and a false one.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use support::image::{self, Ground, ROOMY};
use support::{Host, err, out, tool, until};

/// One platform for each value, a cell each.
const MATRIX: &str = r#"
schema = 1
name = "acme"
[run]
memory = "1G"
[cell]
memory = "128M"
timeout = "60s"
MORE
[axes]
kind = ["one"]
[platform]
id = "{kind}"
brand = "lx"
image.import = { tarball = "busybox.tar" }
[option]
plain = {}
[artifact]
new = { path = "release" }
[step]
install.run = "sh ./install.sh"
[scenario.fresh]
steps = ["install:new"]
"#;

/// Lays a matrix into a folder that is a host's root, too.
fn lay(root: &Path, host: &Host, matrix: &str, script: &str) {
    let archive = host.archive();
    let own = root.join("busybox.tar");
    if own != archive {
        fs::copy(archive, own).unwrap();
    }
    fs::create_dir(root.join("release")).unwrap();
    fs::write(root.join("matrix.toml"), matrix).unwrap();
    fs::write(root.join("install.sh"), script).unwrap();
}

fn command(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(support::ZONES);
    command.args(["zonematrix", "-R"]).arg(root).args(args);
    command.current_dir(root).stdin(Stdio::null());
    command
}

fn run(root: &Path, args: &[&str]) -> Output {
    command(root, args).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", out(output), err(output))
}

const FILL: &str = "dd if=/dev/zero of=/opt bs=1M count=48 && busybox sync\n";

#[test]
fn a_cell_on_btrfs_writes_no_more_than_its_disk() {
    let name = "a_cell_on_btrfs_writes_no_more_than_its_disk";
    image::on(name, &[Ground::Btrfs], ROOMY, |host| {
        let root = Ground::Btrfs.place(host);
        let matrix = MATRIX.replace("MORE", "disk = \"16M\"");
        lay(&root, host, &matrix, FILL);
        let plan = out(&run(&root, &["plan"]));
        assert!(!plan.contains("note:"), "{plan}");
        let filled = run(&root, &["run"]);
        assert_eq!(filled.status.code(), Some(1), "{}", text(&filled));
        let log = out(&run(&root, &["log", "one/plain/fresh"]));
        assert!(
            log.contains("quota exceeded") || log.contains("No space"),
            "{log}"
        );
        // One with room is not stopped.
        let roomy = matrix.replace("16M", "100M");
        fs::write(root.join("matrix.toml"), roomy).unwrap();
        let passed = run(&root, &["run"]);
        assert_eq!(passed.status.code(), Some(0), "{}", text(&passed));
    });
}

#[test]
fn a_storage_without_limits_is_named_and_its_cells_are_measured() {
    let name = "a_storage_without_limits_is_named_and_its_cells_are_measured";
    image::on(name, &[Ground::Ext4], ROOMY, |host| {
        let root = Ground::Ext4.place(host);
        let matrix = MATRIX.replace("MORE", "disk = \"16M\"");
        lay(&root, host, &matrix, FILL);
        let plan = out(&run(&root, &["plan"]));
        let words = "note: what a cell takes on the disk is looked at after each step only: ";
        assert!(plan.contains(words) && plan.contains("prjquota"), "{plan}");
        let doctor = out(&run(&root, &["doctor"]));
        assert!(
            doctor.contains("looked at after each step only"),
            "{doctor}"
        );
        let filled = run(&root, &["run"]);
        assert_eq!(filled.status.code(), Some(1), "{}", text(&filled));
        let told = text(&filled);
        assert!(
            told.contains("install:new: 48M on the disk, the limit is 16M"),
            "{told}"
        );
        let free = MATRIX.replace("MORE", "");
        fs::write(root.join("matrix.toml"), free).unwrap();
        let plan = out(&run(&root, &["plan"]));
        assert!(!plan.contains("note:"), "{plan}");
        let passed = run(&root, &["run"]);
        assert_eq!(passed.status.code(), Some(0), "{}", text(&passed));
    });
}

/// A server at an address that says `hello` to everybody, for as long as the test lives.
fn serve(address: &'static str) {
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"hello\n");
        }
    });
}

/// A card `eth7`, and at its other end another machine, 10.9.0.1, where `serve` runs.
fn world() {
    let ip = |line: &str| tool("ip", &line.split(' ').collect::<Vec<_>>());
    ip("link set lo up");
    let open = || fs::File::open("/proc/thread-self/ns/net").unwrap();
    let far = support::away(UnshareFlags::NEWNET, open).unwrap();
    ip("link add eth7 type veth peer name far");
    let file = format!("/proc/{}/fd/{}", std::process::id(), far.as_raw_fd());
    ip(&format!("link set far netns {file}"));
    ip("addr add 10.9.0.2/24 dev eth7");
    ip("link set eth7 up");
    let there = move || {
        move_into_link_name_space(far.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        ip("link set lo up");
        ip("addr add 10.9.0.1/24 dev far");
        ip("link set far up");
        serve("0.0.0.0:7007");
    };
    thread::spawn(there).join().unwrap();
    serve("0.0.0.0:7007");
}

/// Says which links there are, and who answers: the host at its end of the bridge, and the world.
/// The kernel of a busy host takes seconds to say that a new port of a bridge is up.
const PROBE: &str = "
links=$(ls /sys/class/net | tr '\\n' ' ')
case $MATRIX_CELL in full/*) patience=20;; *) patience=2;; esac
ask() { busybox nc -w $patience $1 7007 </dev/null | grep -q hello && echo yes || echo no; }
echo \"links=$links host=$(ask 10.213.255.254) world=$(ask 10.9.0.1)\"
";

#[test]
fn a_cell_sees_no_network_or_a_bridge_or_the_world() {
    let name = "a_cell_sees_no_network_or_a_bridge_or_the_world";
    if let Some(reason) = support::missing() {
        println!("SKIP {name}: {reason}");
        return;
    }
    if !support::has_tool("ip") {
        println!("SKIP {name}: needs ip (package iproute2)");
        return;
    }
    let body = || {
        world();
        let host = Host::new();
        let mut matrix = MATRIX.replace("MORE", "");
        matrix = matrix.replace("[\"one\"]", "[\"none\", \"local\", \"full\"]");
        for kind in ["local", "full"] {
            matrix += &format!(
                "[[platform.override]]\nwhen = {{ kind = \"{kind}\" }}\n\
                 cell.network = \"{kind}\"\n"
            );
        }
        lay(host.path(), &host, &matrix, PROBE);
        let done = run(host.path(), &["run", "-j", "3"]);
        assert_eq!(done.status.code(), Some(0), "{}", text(&done));
        for (kind, seen) in [
            ("none", "host=no world=no"),
            ("local", "host=no world=no"),
            ("full", "host=yes world=yes"),
        ] {
            let log = out(&run(host.path(), &["log", &format!("{kind}/plain/fresh")]));
            assert!(log.contains(seen), "{kind}: {log}");
            let only = log.contains("links=lo  ");
            assert_eq!(only, kind == "none", "{kind}: {log}");
        }
        until("no link is left", || {
            let links = tool("ip", &["-o", "link"]);
            !links.contains("zbr0") && !links.contains("veth-")
        });
    };
    if let Err(errno) = support::away(UnshareFlags::NEWNET, body) {
        println!("SKIP {name}: no network namespace: {errno}");
    }
}

#[test]
fn a_host_that_stalls_is_an_error_of_the_test_bed_where_that_is_asked_for() {
    let name = "a_host_that_stalls_is_an_error_of_the_test_bed_where_that_is_asked_for";
    let host = host_or_skip!("a_host_that_stalls");
    let matrix = format!("{}checks = [\"timing\"]\n", MATRIX.replace("MORE", ""));
    let waits = "while [ ! -e go ]; do sleep 0.1; done\n";
    lay(host.path(), &host, &matrix, waits);
    let mut child = command(host.path(), &["run"]);
    let child = child.stdout(Stdio::piped()).spawn().unwrap();
    let runs = host.path().join("matrix-report");
    until("the step runs", || {
        let runs = fs::read_dir(&runs).into_iter().flatten().flatten();
        let mut journals = runs.map(|run| fs::read_to_string(run.path().join("journal.jsonl")));
        journals.any(|text| text.is_ok_and(|text| text.contains("\"step\":0")))
    });
    // What a host does to all that runs on it.
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    thread::sleep(Duration::from_millis(400));
    kill_process(pid, Signal::CONT).unwrap();
    fs::write(host.path().join("go"), "").unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(2), "{name}: {}", out(&done));
    let told = out(&done);
    assert!(told.contains("timing: the host stalled"), "{told}");
    let found = out(&run(host.path(), &["leftovers", "one/plain/fresh"]));
    assert!(
        found.starts_with("FAIL  timing  the host stalled"),
        "{found}"
    );
}

#[test]
fn programs_that_a_false_clock_does_not_reach_are_named() {
    let host = host_or_skip!("programs_that_a_false_clock_does_not_reach_are_named");
    let clock = "clock = { fake = \"2038-01-19T03:13:50Z\" }";
    let matrix = MATRIX.replace("MORE", clock);
    lay(host.path(), &host, &matrix, "cp /bin/busybox /usr/tool\n");
    let done = run(host.path(), &["run"]);
    if text(&done).contains("the host has no libfaketime") {
        println!("SKIP programs_that_a_false_clock_does_not_reach_are_named: needs libfaketime");
        return;
    }
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    let found = out(&run(host.path(), &["leftovers", "one/plain/fresh"]));
    let words = "pass  clock  /usr/tool: a static program takes no preloaded library";
    assert!(found.contains(words), "{found}");
    let true_clock = MATRIX.replace("MORE", "");
    fs::write(host.path().join("matrix.toml"), true_clock).unwrap();
    assert_eq!(run(host.path(), &["run"]).status.code(), Some(0));
    let found = out(&run(host.path(), &["leftovers", "one/plain/fresh"]));
    assert!(!found.contains("clock"), "{found}");
}

#[test]
fn what_an_image_changes_by_itself_is_learned_by_the_run_that_needs_it() {
    let host = host_or_skip!("what_an_image_changes_by_itself_is_learned");
    let mut matrix = MATRIX.replace("MORE", "");
    matrix = matrix.replace(
        "\"busybox.tar\" }",
        "\"busybox.tar\" }\nimage.kickstart = \"kick.sh\"",
    );
    matrix += "checks = [\"no-leftovers\"]\n";
    // Changed by the step as well, so that it does not matter how early the boot writes it.
    lay(host.path(), &host, &matrix, "echo more >> /etc/booted\n");
    let script = "#!/bin/sh\nprintf '#!/bin/sh\\ncat /proc/uptime > /etc/booted\\n' > /etc/rc.local\n\
                  chmod 755 /etc/rc.local\n";
    fs::write(host.path().join("kick.sh"), script).unwrap();
    let words = "one: looking at what it changes by itself\n";
    let first = run(host.path(), &["run"]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first));
    assert!(out(&first).contains(words), "{}", out(&first));
    let second = run(host.path(), &["run"]);
    assert_eq!(second.status.code(), Some(0), "{}", text(&second));
    assert!(!out(&second).contains(words), "{}", out(&second));
    let shown = text(&run(host.path(), &["noise", "--show"]));
    assert!(shown.contains("one: file /etc/booted\n"), "{shown}");
    // Who wants no noise left out finds it.
    let loud = format!("{matrix}[leftovers]\nnoise = \"none\"\n");
    fs::write(host.path().join("matrix.toml"), loud).unwrap();
    let third = run(host.path(), &["run"]);
    assert_eq!(third.status.code(), Some(4), "{}", text(&third));
    assert!(out(&third).contains("/etc/booted"), "{}", out(&third));
}

/// A cell that goes on from a snapshot boots a copy of a zone whose services ran.
#[test]
fn services_that_ran_at_the_end_of_a_shared_beginning_are_waited_for() {
    let host = host_or_skip!("services_that_ran_at_the_end_of_a_shared_beginning_are_waited_for");
    let mut matrix = MATRIX.replace("MORE", "");
    matrix = matrix.replace("plain = {}", "plain = { services = [\"napper\"] }");
    let (start, _) = matrix.split_once("[scenario.fresh]").unwrap();
    let look = "busybox ps | busybox grep -q '[n]apper'";
    let matrix = format!(
        "{start}look.run = \"{look}\"\nsee.run = \"{look} && true\"\n\
         [scenario.one]\nsteps = [\"install:new\", \"look\"]\n\
         [scenario.two]\nsteps = [\"install:new\", \"see\"]\n"
    );
    let script = "printf '#!/bin/sh\nbusybox sleep 60\n' > /bin/napper\n\
        printf '#!/bin/sh\n(busybox sleep 2; busybox setsid /bin/napper) > /dev/null 2>&1 &\n' \
        > /etc/rc.local\nchmod 755 /bin/napper /etc/rc.local\n\
        busybox setsid /bin/napper > /dev/null 2>&1 &\nbusybox sleep 1\n";
    lay(host.path(), &host, &matrix, script);
    let done = run(host.path(), &["run"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    let shared = out(&run(host.path(), &["plan"]));
    assert!(shared.contains("3 times"), "{shared}");
}

#[test]
fn ignore_lists_of_another_program_become_a_table_of_a_matrix_file() {
    let folder = tempfile::tempdir().unwrap();
    let list = "-i /var/log/acme.log\n--ignore-regex='^/var/lib/acme/x-[0-9]+$'\n-i /etc/passwd\n";
    fs::write(folder.path().join("list"), list).unwrap();
    let done = run(folder.path(), &["noise", "--import", "list"]);
    let table =
        "[leftovers]\nignore = [\n    \"/var/lib/acme/x-*\",\n    \"/var/log/acme.log\",\n]\n";
    assert_eq!(out(&done), table, "{}", err(&done));
    assert!(
        err(&done).contains("left out: -i /etc/passwd"),
        "{}",
        err(&done)
    );
    let done = run(folder.path(), &["noise", "--import", "none"]);
    assert_eq!(done.status.code(), Some(1), "{}", text(&done));
    // It is one that the planner reads.
    let matrix = format!("{}{table}", MATRIX.replace("MORE", ""));
    fs::write(folder.path().join("matrix.toml"), matrix).unwrap();
    fs::write(folder.path().join("busybox.tar"), "").unwrap();
    fs::create_dir(folder.path().join("release")).unwrap();
    let plan = run(folder.path(), &["plan"]);
    assert_eq!(plan.status.code(), Some(0), "{}", text(&plan));
}

#[test]
fn a_cell_without_checks_looks_for_one_that_begins_with_its_steps() {
    let host = host_or_skip!("a_cell_without_checks_looks_for_one_that_begins_with_its_steps");
    let mut matrix = MATRIX.replace("MORE", "");
    matrix = matrix.replace("[run]\n", "[run]\norder = \"declared\"\njobs = 1\n");
    matrix = matrix.replace("[scenario", "remove.run = \"rm /opt\"\n[scenario");
    matrix += "[scenario.later]\nsteps = [\"install:new\", \"remove\"]\n\
               checks = [\"no-leftovers\", \"reinstallable\"]\n";
    lay(host.path(), &host, &matrix, "echo acme > /opt\n");
    let done = run(host.path(), &["run"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    let report = host.path().join("matrix-report");
    let run_of = fs::read_dir(report).unwrap().flatten().next().unwrap();
    let journal = fs::read_to_string(run_of.path().join("journal.jsonl")).unwrap();
    assert!(journal.contains("\"shared\":true"), "{journal}");
    let found = out(&run(host.path(), &["leftovers", "one/plain/later"]));
    assert_eq!(found, "pass  no-leftovers  \npass  reinstallable  \n");
}
