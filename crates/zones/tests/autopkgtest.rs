//! Zones as testbeds: the protocol with a small zone, and autopkgtest itself where it is there.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use support::{Host, ZONES, err, out, refused};

const NAME: &str = "autopkgtest-virt-zones";

/// A server, and both ends of what is said.
struct Server {
    child: Child,
    say: Option<ChildStdin>,
    hear: BufReader<ChildStdout>,
}

impl Server {
    fn start(host: &Host) -> Self {
        let mut command = host.command(NAME, &["--network=none", "golden"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (say, hear) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut server = Self {
            child,
            say,
            hear: BufReader::new(hear),
        };
        assert_eq!(server.hear(), "ok");
        server
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.hear.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.say.as_mut().unwrap(), "{line}").unwrap();
        self.hear()
    }

    /// Runs a command as a caller of the protocol does.
    fn execute(&mut self, words: &[&str]) -> Output {
        let reply = self.ask("print-execute-command");
        let program = reply.strip_prefix("ok ").unwrap();
        let program: Vec<String> = program
            .split(',')
            .map(|it| it.replace("%3A", ":"))
            .collect();
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]).args(words);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Its exit status, and what it said on standard error.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.say.take());
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), err(&output))
    }
}

/// A golden zone that has tar.
fn golden(host: &Host) {
    host.install("golden", "");
    let root = support::Files::open(&host.zonepath("golden").join("root"));
    std::os::unix::fs::symlink("busybox", root.join("bin/tar")).unwrap();
    fs::create_dir_all(root.join("var/tmp")).unwrap();
}

fn zones(host: &Host) -> Vec<String> {
    let zones = host.ok("zoneadm", &["list", "-cp"]);
    let names = zones.lines().filter_map(|line| line.split(':').nth(1));
    names
        .filter(|name| *name != "global")
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_testbed_is_opened_used_reverted_and_gone() {
    let host = host_or_skip!("a_testbed_is_opened_used_reverted_and_gone");
    golden(&host);
    let mut server = Server::start(&host);
    let words = "revert revert-full-system isolation-container root-on-testbed reboot";
    assert_eq!(server.ask("capabilities"), format!("ok {words}"));
    assert_eq!(server.ask("open"), "ok /var/tmp/autopkgtest");

    let said = server.execute(&[
        "sh",
        "-c",
        "echo \"$0 $1\"; echo no >&2; exit 7",
        "a  b",
        "it's",
    ]);
    assert_eq!(
        (said.status.code(), out(&said), err(&said)),
        (Some(7), "a  b it's\n".into(), "no\n".into())
    );

    let here = host.path().join("here");
    fs::create_dir_all(here.join("in")).unwrap();
    fs::write(here.join("in/script"), "#!/bin/sh\necho from the host\n").unwrap();
    fs::set_permissions(here.join("in/script"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = here.display();
    assert_eq!(
        server.ask(&format!("copydown {path}/in/ /var/tmp/a%20folder/")),
        "ok"
    );
    assert_eq!(
        out(&server.execute(&["/var/tmp/a folder/script"])),
        "from the host\n"
    );
    assert_eq!(
        server.ask(&format!("copydown {path}/in/script /bin/script")),
        "ok"
    );
    assert_eq!(out(&server.execute(&["script"])), "from the host\n");
    assert_eq!(
        server.ask(&format!("copyup /var/tmp/a%20folder/ {path}/out/")),
        "ok"
    );
    assert_eq!(
        fs::read(here.join("out/script")).unwrap(),
        fs::read(here.join("in/script")).unwrap()
    );
    assert_eq!(
        server.ask(&format!("copyup /etc/passwd {path}/passwd")),
        "ok"
    );
    assert!(
        fs::read_to_string(here.join("passwd"))
            .unwrap()
            .starts_with("root:")
    );

    assert_eq!(server.ask("reboot"), "ok /var/tmp/autopkgtest");
    assert_eq!(
        out(&server.execute(&["script"])),
        "from the host\n",
        "files stay"
    );
    assert_eq!(server.ask("revert"), "ok /var/tmp/autopkgtest");
    assert_eq!(
        server.execute(&["script"]).status.code(),
        Some(127),
        "files are gone"
    );
    assert_eq!(server.ask("close"), "ok");
    assert_eq!(zones(&host), ["golden"]);
    assert_eq!(server.ask("open"), "ok /var/tmp/autopkgtest");
    assert_eq!(server.ask("quit"), "ok");
    assert_eq!(server.end().0, Some(0));
    assert_eq!(zones(&host), ["golden"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn whatever_ends_a_server_its_testbed_goes() {
    let host = host_or_skip!("whatever_ends_a_server_its_testbed_goes");
    golden(&host);

    let mut server = Server::start(&host);
    server.ask("open");
    let (status, text) = server.end();
    assert_eq!(status, Some(12), "{text}");
    assert!(text.contains("the caller is gone"), "{text}");
    assert_eq!(zones(&host), ["golden"]);

    let mut server = Server::start(&host);
    server.ask("open");
    assert_eq!(server.ask("dance"), "");
    assert_eq!(server.end().0, Some(12));
    assert_eq!(zones(&host), ["golden"]);

    let mut server = Server::start(&host);
    server.ask("open");
    let pid = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = server.child.wait().unwrap();
    assert_eq!(output.code(), Some(128 + 15));
    assert_eq!(zones(&host), ["golden"]);

    // Killed at once it can do nothing; the next one does.
    let mut server = Server::start(&host);
    server.ask("open");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert_eq!(zones(&host).len(), 2);
    let mut server = Server::start(&host);
    assert_eq!(zones(&host), ["golden"]);
    assert_eq!(server.ask("quit"), "ok");
    assert_eq!(server.end().0, Some(0));
    assert_eq!(host.leftovers(), Vec::<String>::new());

    refused(&host.run(NAME, &["nobody"]), 1, "is not installed");
    refused(
        &host.run(NAME, &["--network=some", "golden"]),
        2,
        "no network is called `some`",
    );
    refused(&host.run(NAME, &[]), 2, "usage");
    refused(
        &host.run(NAME, &["--execute", "nobody", "true"]),
        254,
        "is not running",
    );
}

/// The tests that Debian has for its own packages, by Debian's own program.
#[test]
fn debian_tests_its_packages_in_zones() {
    let host = host_or_skip!("debian_tests_its_packages_in_zones");
    for tool in ["autopkgtest", "tar"] {
        if !support::has_tool(tool) {
            println!("SKIP debian_tests_its_packages_in_zones: needs {tool}");
            return;
        }
    }
    let path = host.zonepath("golden");
    let commands = format!(
        "create -b; set brand=debian; set zonepath={}",
        path.display()
    );
    host.ok("zonecfg", &["-z", "golden", &commands]);
    let installed = host.zoneadm(&["-z", "golden", "install", "--suite", "bookworm"]);
    if !installed.status.success() {
        let why = err(&installed);
        let why = why.lines().last().unwrap_or_default();
        println!("SKIP debian_tests_its_packages_in_zones: needs a mirror: {why}");
        return;
    }
    let server = host.path().join(NAME);
    std::os::unix::fs::symlink(ZONES, &server).unwrap();
    let sources = "sed 's/^deb /deb-src /' /etc/apt/sources.list \
                   > /etc/apt/sources.list.d/source.list && apt-get update";
    let package = "gzip";
    let done = Command::new("autopkgtest")
        .args(["--setup-commands", sources, package, "--"])
        .args([server.to_str().unwrap(), "golden"])
        .env("ZONES_ROOT", host.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = out(&done) + &err(&done);
    // 2: a test skipped itself, such as for want of a whole machine.
    assert!(
        matches!(done.status.code(), Some(0 | 2)),
        "{package}: {text}"
    );
    assert!(text.contains("PASS"), "{package}: {text}");
    assert_eq!(zones(&host), ["golden"], "{package}");
}
