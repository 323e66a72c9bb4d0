//! A matrix, from its file to its reports, in real zones.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use support::{Host, err, out, refused, until};

const MATRIX: &str = r#"
schema = 1
name = "acme"
[run]
memory = "1G"
keep = "never"
[cell]
memory = "128M"
timeout = "30s"
[axes]
os = ["one"]
[platform]
id = "{os}"
brand = "lx"
image.import = { tarball = "busybox.tar" }
[option]
plain = {}
full = { env = { PARTS = "it's all" } }
[artifact]
new = { path = "release" }
prev = { path = "old.txt" }
[step]
install.run = "matrix/install.sh {artifact}"
smoke.run = "matrix/smoke.sh"
purge.run = "rm -rf /opt"
[scenario.fresh]
steps = ["install:new", "smoke"]
[scenario.upgrade]
steps = ["install:prev", "install:new", "smoke"]
[scenario.uninstall]
steps = ["install:new", "smoke", "purge"]
checks = ["no-leftovers"]
"#;

const INSTALL: &str = "#!/bin/sh
set -e
rm -rf /opt/a
mkdir -p /opt
cp -r \"$1\" /opt/a
echo \"parts=$PARTS\" > /opt/parts
echo installed
";
const SMOKE: &str = "#!/bin/sh
set -e
test -e /opt/a
echo '::result name=there status=pass' >&3
echo warned >&2
";

struct Bench {
    host: Host,
}

impl Bench {
    fn new(host: Host, matrix: &str) -> Self {
        host.archive();
        let bench = Self { host };
        for folder in ["release", "matrix"] {
            fs::create_dir(bench.path(folder)).unwrap();
        }
        bench.write("release/f", "new\n");
        bench.write("old.txt", "old\n");
        bench.write("matrix.toml", matrix);
        for (name, text) in [("matrix/install.sh", INSTALL), ("matrix/smoke.sh", SMOKE)] {
            bench.write(name, text);
            fs::set_permissions(bench.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.host.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.host.command("zonematrix", args);
        command.current_dir(self.host.path());
        command
    }

    fn matrix(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn run(&self, args: &[&str], status: i32) -> String {
        let output = self.matrix(&[&["run"], args].concat());
        let text = format!("{}{}", out(&output), err(&output));
        assert_eq!(output.status.code(), Some(status), "{text}");
        self.nothing_is_left();
        text
    }

    fn inner(&self) -> PathBuf {
        self.path("var/lib/zones/matrix/host")
    }

    /// Zones of cells that are there.
    fn cells(&self) -> Vec<String> {
        let output = Command::new(support::ZONES)
            .args(["zoneadm", "-R"])
            .arg(self.inner())
            .args(["list", "-cp"])
            .output()
            .unwrap();
        let text = out(&output);
        let names = text.lines().filter_map(|line| line.split(':').nth(1));
        names
            .filter(|name| name.starts_with("mx"))
            .map(str::to_owned)
            .collect()
    }

    fn nothing_is_left(&self) {
        assert_eq!(self.cells(), [""; 0], "zones");
        // What was put aside is removed by a process of its own.
        until("nothing is left in the kernel", || {
            self.host.leftovers().is_empty()
        });
        let cells = fs::read_dir(self.path("var/lib/zones/matrix/cells")).unwrap();
        assert_eq!(cells.count(), 0, "folders of cells");
    }

    /// Control groups of the zones of the matrix.
    fn groups(&self) -> Vec<PathBuf> {
        let name = zones_store::Layout::below(&self.inner()).kernel_name();
        let folders = |path: &Path| {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            let folders = entries.filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir()));
            folders.map(|it| it.path()).collect::<Vec<_>>()
        };
        let top = Path::new("/sys/fs/cgroup");
        let tops = [vec![top.to_owned()], folders(top)].concat();
        let ours = tops.iter().map(|top| top.join(&name));
        ours.flat_map(|group| folders(&group)).collect()
    }

    /// A command whose standard output is read as it comes.
    fn start(&self, args: &[&str]) -> (Child, BufReader<ChildStdout>) {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        (child, out)
    }

    fn journal_has(&self, word: &str) -> bool {
        let runs = fs::read_dir(self.path("matrix-report"));
        let runs = runs.into_iter().flatten().flatten();
        let journal = runs.map(|run| run.path().join("journal.jsonl")).max();
        let text = journal.map(|path| fs::read_to_string(path).unwrap_or_default());
        text.is_some_and(|text| text.contains(word))
    }

    fn last_run(&self) -> PathBuf {
        let runs = fs::read_dir(self.path("matrix-report")).unwrap().flatten();
        runs.map(|run| run.path()).max().unwrap()
    }
}

#[test]
fn cells_run_in_clones_and_leave_reports_and_nothing_else() {
    let host = host_or_skip!("cells_run_in_clones_and_leave_reports_and_nothing_else");
    let bench = Bench::new(host, MATRIX);
    let plan = bench.matrix(&["plan"]);
    assert!(
        out(&plan).contains("6 cells, 1 platforms, 16 steps, run 12 times"),
        "{}",
        out(&plan)
    );
    let text = bench.run(&["-j", "2"], 0);
    assert!(text.contains("6 pass"), "{text}");
    let run = bench.last_run();
    for name in [
        "journal.jsonl",
        "run.json",
        "junit.xml",
        "results.tap",
        "index.html",
    ] {
        assert!(run.join(name).is_file(), "{name}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(json["counts"]["pass"], 6);
    assert_eq!(json["phases"]["clone"]["count"], 6);
    let log = bench.matrix(&["log", "one/full/upgrade", "smoke"]);
    let log = out(&log);
    let lines: Vec<&str> = log.lines().collect();
    assert!(
        lines[0].starts_with("$ zones matrix shell one/full/upgrade"),
        "{log}"
    );
    assert!(lines[1].ends_with(" err warned"), "{log}");
    let status = bench.matrix(&["status"]);
    assert!(out(&status).contains("complete"), "{}", out(&status));
    refused(
        &bench.matrix(&["log", "one/full/upgrad"]),
        64,
        "did you mean",
    );
    refused(&bench.matrix(&["run", "none/*"]), 64, "meets no cell");
}

/// As many as the goal speaks of; how fast they are is for the bench to say.
#[test]
fn many_cells_leave_no_zone_mount_group_or_process() {
    let host = host_or_skip!("many_cells_leave_no_zone_mount_group_or_process");
    let start = MATRIX.find("[option]").unwrap();
    let mut text = MATRIX[..start].replace("[\"one\"]", "[\"one\", \"two\", \"three\"]");
    text = text.replace("[cell]", "[cell]\nboot = \"none\"");
    text += "[option]\n";
    (0..4).for_each(|at| text += &format!("o{at} = {{}}\n"));
    text += "[step]\nnothing.run = \"true\"\n";
    for at in 0..16 {
        text += &format!("[scenario.s{at}]\nsteps = [\"nothing\"]\n");
    }
    let bench = Bench::new(host, &text);
    let said = bench.run(&["-j", "4", "--strict"], 0);
    assert!(said.contains("192 pass"), "{said}");
    until("no control group is left", || bench.groups().is_empty());
    let json = fs::read(bench.last_run().join("run.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    for phase in ["clone", "boot", "step", "halt", "destroy"] {
        assert_eq!(json["phases"][phase]["count"], 192, "{phase}");
    }
    // What was put aside for a process to remove, and folders of removed zones.
    let zones = fs::read_dir(bench.inner().join("zones")).unwrap().flatten();
    let left = zones.map(|it| it.file_name().to_string_lossy().into_owned());
    let left: Vec<String> = left.filter(|name| name.starts_with("mx")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn failures_are_told_apart_and_their_zones_can_be_entered() {
    let host = host_or_skip!("failures_are_told_apart_and_their_zones_can_be_entered");
    let text = MATRIX.replace(
        "purge.run = \"rm -rf /opt\"",
        "purge.run = \"rm -rf /opt/a\"",
    );
    let bench = Bench::new(host, &text);
    let text = bench.run(&["one/plain/uninstall", "one/plain/fresh"], 4);
    assert!(text.contains("LEFT  one/plain/uninstall"), "{text}");
    bench.write("matrix/smoke.sh", "#!/bin/sh\nexit 77\n");
    bench.run(&["one/plain/fresh"], 0);
    bench.write("matrix/smoke.sh", "#!/bin/sh\necho cannot go on; exit 9\n");
    let failed = bench.matrix(&["run", "--keep", "failed", "one/plain/fresh"]);
    assert_eq!(failed.status.code(), Some(1), "{}", out(&failed));
    assert!(out(&failed).contains("exit status 9"), "{}", out(&failed));
    assert_eq!(bench.cells().len(), 1);
    let shell = bench.matrix(&["shell", "one/plain/fresh", "--", "cat /opt/parts"]);
    assert_eq!(out(&shell), "parts=\n", "{}", err(&shell));
    bench.write("matrix/smoke.sh", SMOKE);
    let again = bench.matrix(&["run", "--failed"]);
    assert!(
        out(&again).contains("1 pass"),
        "{}{}",
        out(&again),
        err(&again)
    );
    assert!(bench.matrix(&["gc", "--kept"]).status.success());
    bench.nothing_is_left();
    // A time limit takes the whole tree of processes down.
    let slow = "#!/bin/sh\nsleep 1000 & sleep 1000\n";
    bench.write("matrix/smoke.sh", slow);
    let limited = fs::read_to_string(bench.path("matrix.toml")).unwrap();
    bench.write("matrix.toml", &limited.replace("\"30s\"", "\"2s\""));
    let text = bench.run(&["one/plain/fresh"], 1);
    assert!(text.contains("TIMEOUT one/plain/fresh"), "{text}");
}

#[test]
fn a_runner_that_is_killed_leaves_nothing_running_and_can_be_resumed() {
    let host = host_or_skip!("a_runner_that_is_killed_leaves_nothing_running_and_can_be_resumed");
    let bench = Bench::new(host, MATRIX);
    let built = bench.matrix(&["image", "build"]);
    assert!(built.status.success(), "{}", err(&built));
    // Words of the journal at which the runner dies: in every state of a cell.
    for word in [
        "cloning",
        "booting",
        "\"step\":0",
        "collecting",
        "checking",
        "halting",
        "destroying",
        "verdict",
    ] {
        let known = fs::read_dir(bench.path("matrix-report")).map_or(0, Iterator::count);
        let mut child = bench
            .command(&["run", "-j", "2"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until(word, || {
            let runs = fs::read_dir(bench.path("matrix-report"));
            let count = runs.map_or(0, Iterator::count);
            let journal = || fs::read_to_string(bench.last_run().join("journal.jsonl"));
            count > known && journal().is_ok_and(|text| text.contains(word))
        });
        child.kill().unwrap();
        child.wait().unwrap();
        until("no process is left", || {
            let left = bench.host.leftovers();
            !left
                .iter()
                .any(|it| it.starts_with("process") || it.starts_with("state"))
        });
        let text = bench.run(&["--resume"], 0);
        assert!(!text.contains("FAIL"), "{word}: {text}");
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(bench.last_run().join("run.json")).unwrap()).unwrap();
        assert_eq!(json["counts"]["pass"], 6, "{word}");
    }
}

#[test]
fn a_cell_can_be_entered_at_any_point_and_where_it_is_built() {
    let host = host_or_skip!("a_cell_can_be_entered_at_any_point_and_where_it_is_built");
    let built = "new = { build = \"sh matrix/build.sh\", source = [\"matrix\", \"release\"], \
                 outputs = [\"=dist/f\"] }";
    let bench = Bench::new(host, &MATRIX.replace("new = { path = \"release\" }", built));
    bench.write(
        "matrix/build.sh",
        "mkdir -p dist\ncp release/f dist/f\necho built >&2\n",
    );
    let id = "one/plain/uninstall";
    let enter = |args: &[&str]| {
        let output = bench.matrix(&[&["shell", id], args].concat());
        bench.nothing_is_left();
        output
    };
    let before = enter(&["--before", "--", "ls /opt; ls /run/matrix/steps"]);
    assert_eq!(out(&before), "01\n02\n03\n", "{}", err(&before));
    let smoked = enter(&["--after", "smoke", "--", "cat /opt/parts; exit 3"]);
    assert_eq!(out(&smoked), "parts=\n", "{}", err(&smoked));
    assert_eq!(smoked.status.code(), Some(3));
    assert!(err(&smoked).contains("step install:new\nstep smoke\n"));
    // The steps that were not run can be, and what was said is there.
    let line = "sh /run/matrix/steps/03; ls /opt; cat /run/matrix/logs/01.log";
    let purged = enter(&["--before", "purge", "--", line]);
    assert!(
        out(&purged).ends_with("out installed\n"),
        "{}",
        out(&purged)
    );
    assert!(out(&purged).starts_with('$'), "{}", out(&purged));
    let gone = enter(&["--after", "--", "test ! -e /opt"]);
    assert_eq!(gone.status.code(), Some(0), "{}", err(&gone));
    // A step that fails is the last one.
    bench.write("matrix/smoke.sh", "#!/bin/sh\necho no way; exit 9\n");
    let failed = enter(&["--after", "--", "cat /opt/parts"]);
    assert_eq!(out(&failed), "parts=\n", "{}", err(&failed));
    let words = "no way\nstep smoke failed (exit status 9); the zone is as it left it";
    assert!(err(&failed).contains(words), "{}", err(&failed));
    let line = "cd /build && sh matrix/build.sh && cat dist/f && hostname";
    let inside = enter(&["--build", "--", line]);
    let text = out(&inside);
    assert!(text.starts_with("new\nbuild-"), "{text}{}", err(&inside));
    assert!(err(&inside).contains("the build is: cd /build && sh matrix/build.sh"));
    refused(
        &enter(&["--after", "smock"]),
        64,
        "it has install:new, smoke, purge",
    );
    refused(&enter(&[]), 64, "--after makes it again");
    let none = bench.matrix(&["shell", "one/plain/fres", "--before"]);
    refused(&none, 64, "did you mean `one/plain/fresh`");
    let none = bench.matrix(&[
        "shell",
        "one/plain/upgrade",
        "--after",
        "install:prev",
        "--build",
    ]);
    refused(&none, 64, "shell CELL [--before");
}

#[test]
fn a_run_is_watched_and_logs_are_followed_from_another_terminal() {
    let host = host_or_skip!("a_run_is_watched_and_logs_are_followed_from_another_terminal");
    let bench = Bench::new(host, MATRIX);
    let waits = "#!/bin/sh\necho begun\nwhile [ ! -e go ]; do sleep 0.1; done\necho ended\n";
    bench.write("matrix/smoke.sh", waits);
    let (mut run, _said) = bench.start(&["run", "one/plain/fresh"]);
    until("the step runs", || bench.journal_has("\"step\":1"));
    let (mut log, mut lines) = bench.start(&["log", "one/plain/fresh", "smoke", "-f"]);
    let mut text = String::new();
    while !text.contains("begun") {
        assert!(lines.read_line(&mut text).unwrap() > 0, "{text}");
    }
    assert!(!text.contains("install"), "{text}");
    let (mut status, mut shown) = bench.start(&["status", "--watch"]);
    let (mut json, mut records) = bench.start(&["status", "--watch", "--json"]);
    bench.write("go", "");
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("out ended\n"), "{rest}");
    for child in [&mut run, &mut log, &mut status, &mut json] {
        assert!(child.wait().unwrap().success());
    }
    let mut text = String::new();
    shown.read_to_string(&mut text).unwrap();
    assert!(text.contains("pass  one/plain/fresh"), "{text}");
    assert!(
        text.contains(": complete\n") && !text.contains('\x1b'),
        "{text}"
    );
    let mut text = String::new();
    records.read_to_string(&mut text).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["record"]["kind"], "end", "{text}");
    // What is over is shown at once.
    let log = bench.matrix(&["log", "one/plain/fresh", "--follow"]);
    assert!(out(&log).contains("out installed\n") && out(&log).ends_with("out ended\n"));

    // A runner that is killed is not waited for.
    fs::remove_file(bench.path("go")).unwrap();
    let known = bench.last_run();
    let (mut run, _said) = bench.start(&["run", "one/plain/fresh"]);
    until("the step runs", || {
        bench.last_run() != known && bench.journal_has("\"step\":1")
    });
    let (mut status, mut shown) = bench.start(&["status", "--watch"]);
    let (mut log, _told) = bench.start(&["log", "one/plain/fresh", "smoke", "-f"]);
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(status.wait().unwrap().success() && log.wait().unwrap().success());
    let mut text = String::new();
    shown.read_to_string(&mut text).unwrap();
    assert!(text.contains("its runner died"), "{text}");
    until("no process is left", || {
        let left = bench.host.leftovers();
        !left
            .iter()
            .any(|it| it.starts_with("process") || it.starts_with("state"))
    });
    assert!(bench.matrix(&["gc"]).status.success());
    bench.nothing_is_left();
}
