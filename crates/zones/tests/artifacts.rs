//! Artifacts: built in a zone without the product, looked at before and after, kept by key.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{Host, ZONES};
use zones_matrix::{Circumstances, History, Key, Many, Matrix, Plan, World, plan};
use zones_runner::Verbs;
use zones_runner::artifacts::{ArtifactError, Artifacts, Base, Footprint, Order};

const MATRIX: &str = r#"
schema = 1
name = "acme"
[platform]
id = "box"
brand = "lx"
image.import = { tarball = "busybox.tar", blake3 = "HASH" }
[option]
full = {}
[artifact.new]
build = "./build.sh"
outputs = ["=dist/*.deb", "?dist/*.log"]
[artifact]
prev = { path = "releases/1" }
[step]
install.run = "true {artifact}"
[scenario.upgrade]
steps = ["install:prev", "install:new"]
checks = ["no-leftovers"]
"#;

const GOOD: &str = "#!/bin/sh
set -e
mkdir dist
cat source.txt > dist/acme.deb
echo made > dist/build.log
echo extra > dist/extra.txt
touch /tmp/scratch
";

struct Names;

impl World for Names {
    fn digest(&self, path: &str) -> Result<Option<Key>, String> {
        Ok(Some(Key::of_bytes(path.as_bytes())))
    }

    fn is_set(&self, _variable: &str) -> bool {
        false
    }

    fn resolved(&self, _platform: &str) -> Value {
        Value::Null
    }
}

fn planned() -> Plan {
    let circumstances = Circumstances {
        today: "2026-11-21".parse().unwrap(),
        seed: 7,
        many: Many::Refused,
        history: History::default(),
    };
    let text = MATRIX.replace("HASH", &"0".repeat(64));
    plan(&Matrix::parse(&text).unwrap(), &Names, &circumstances).unwrap()
}

/// A source tree whose build is a script.
fn source(top: &Path, script: &str) -> PathBuf {
    let files = top.join("files");
    fs::create_dir_all(&files).unwrap();
    fs::write(files.join("source.txt"), "the product\n").unwrap();
    fs::write(files.join("build.sh"), script).unwrap();
    fs::set_permissions(files.join("build.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    files
}

fn footprint() -> Footprint {
    Footprint {
        files: [PathBuf::from("/usr/bin/acme")].into(),
        users: ["acme".to_owned()].into(),
        variables: ["ACME_PREFIX".to_owned()].into(),
        ..Footprint::default()
    }
}

/// Has an artifact, and what was said meanwhile.
fn ensure(
    top: &Path,
    files: &Path,
    name: &str,
    say: &(dyn Fn(&str) + Sync),
) -> Result<PathBuf, ArtifactError> {
    let plan = planned();
    let verbs = Verbs::new(Path::new(ZONES), top);
    let artifacts = Artifacts::open(&top.join("artifacts"), &verbs)?;
    let artifact = plan.artifacts.iter().find(|made| made.name == name);
    let order = Order {
        artifact: artifact.unwrap(),
        platform: &plan.platforms[0],
        base: Base {
            zone: "golden",
            snapshot: None,
            key: None,
        },
        files,
        skip: &[],
        known: &footprint(),
        limit: Duration::from_secs(60),
    };
    artifacts.ensure(&order, say)
}

/// The names in a folder.
fn names_of(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// No zone but the golden one, and nothing of any in the kernel.
fn nothing_left(host: &Host, what: &str) {
    let zones = host.ok("zoneadm", &["list", "-cp"]);
    let names = zones.lines().filter_map(|line| line.split(':').nth(1));
    let names: Vec<&str> = names.filter(|name| *name != "global").collect();
    assert_eq!(names, ["golden"], "{what}");
    assert_eq!(host.leftovers(), Vec::<String>::new(), "{what}");
}

fn quiet(_: &str) {}

#[test]
fn an_artifact_is_built_once_and_its_outputs_are_kept() {
    let host = host_or_skip!("an_artifact_is_built_once_and_its_outputs_are_kept");
    host.install("golden", "");
    let files = source(host.path(), GOOD);
    let said = std::sync::Mutex::new(Vec::new());
    let say = |text: &str| said.lock().unwrap().push(text.to_owned());
    let made = ensure(host.path(), &files, "new", &say).unwrap();
    assert_eq!(
        names_of(&made),
        ["acme.deb", "build.log"],
        "the rest is no artifact"
    );
    assert_eq!(
        fs::read_to_string(made.join("acme.deb")).unwrap(),
        "the product\n"
    );
    assert!(said.lock().unwrap().contains(&"building".to_owned()));
    assert!(!files.join("dist").exists(), "the source is read-only");
    nothing_left(&host, "built");

    said.lock().unwrap().clear();
    let again = ensure(host.path(), &files, "new", &say).unwrap();
    assert_eq!((again, said.lock().unwrap().len()), (made.clone(), 0));

    fs::write(files.join("source.txt"), "another product\n").unwrap();
    let other = ensure(host.path(), &files, "new", &say).unwrap();
    assert_ne!(other, made);
    assert_eq!(
        fs::read_to_string(other.join("acme.deb")).unwrap(),
        "another product\n"
    );

    let missing = ensure(host.path(), &files, "prev", &quiet).unwrap_err();
    assert!(missing.to_string().contains("releases/1"), "{missing}");
    fs::create_dir_all(files.join("releases/1")).unwrap();
    let found = ensure(host.path(), &files, "prev", &quiet).unwrap();
    assert_eq!(found, files.join("releases/1"));
}

/// Whatever is wrong with a build is one error, no artifact, and no zone.
#[test]
fn builds_that_are_not_clean_or_not_done_are_told_and_leave_nothing() {
    let host = host_or_skip!("builds_that_are_not_clean_or_not_done_are_told_and_leave_nothing");
    host.install("golden", "");
    let good = |more: &str| format!("{GOOD}{more}\n");
    let cases = [
        (
            "stray",
            good("mkdir /usr/acme; touch /usr/acme/bin"),
            true,
            "+ /usr/acme",
        ),
        (
            "user",
            good("echo acme:x:9:9::/: >> /etc/passwd"),
            true,
            "M /etc/passwd",
        ),
        (
            "missing",
            "#!/bin/sh\nmkdir dist\n".to_owned(),
            false,
            "no output matches `dist/*.deb`",
        ),
        (
            "failed",
            good("echo broken >&2; exit 3"),
            false,
            "broken (exit status: 3)",
        ),
        (
            "unfinished",
            good(
                "sh -c 'exec 5>>dist/acme.deb; sleep 1000' >/dev/null 2>&1 </dev/null &\n\
                  until ls -l /proc/*/fd | grep -q 'w.*dist/acme.deb'; do sleep 0.1; done",
            ),
            false,
            "output `acme.deb` was still being written",
        ),
    ];
    for (name, script, impure, words) in cases {
        let files = source(&host.path().join(name), &script);
        let error = ensure(host.path(), &files, "new", &quiet).unwrap_err();
        assert!(error.to_string().contains(words), "{name}: {error}");
        assert_eq!(error.is_impure(), impure, "{name}");
        nothing_left(&host, name);
    }
    let kept = names_of(&host.path().join("artifacts")).into_iter();
    let kept = kept.filter(|key| {
        host.path()
            .join("artifacts")
            .join(key)
            .join("manifest.json")
            .exists()
    });
    assert_eq!(kept.count(), 0);
}

#[test]
fn a_product_in_the_build_zone_is_refused() {
    let host = host_or_skip!("a_product_in_the_build_zone_is_refused");
    host.install("golden", "");
    let files = source(host.path(), GOOD);
    let root = support::Files::open(&host.zonepath("golden").join("root"));
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::write(root.join("usr/bin/acme"), "").unwrap();
    drop(root);
    let error = ensure(host.path(), &files, "new", &quiet).unwrap_err();
    assert!(error.is_impure());
    assert!(error.to_string().contains("file /usr/bin/acme"), "{error}");
    nothing_left(&host, "refused");
}

/// Plays a runner in a process of its own, when it is told where.
#[test]
fn a_runner_to_be_killed() {
    let Some(top) = std::env::var_os("ARTIFACTS_OF_A_RUNNER") else {
        return;
    };
    let top = PathBuf::from(top);
    let say = |text: &str| println!("said {text}");
    ensure(&top, &top.join("files"), "new", &say).unwrap();
}

#[test]
fn a_build_survives_that_its_runner_is_killed() {
    let host = host_or_skip!("a_build_survives_that_its_runner_is_killed");
    host.install("golden", "");
    let files = source(host.path(), GOOD);
    for moment in ["building", "looking at what was built"] {
        fs::write(files.join("source.txt"), moment).unwrap();
        let mut runner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_runner_to_be_killed", "--nocapture"])
            .env("ARTIFACTS_OF_A_RUNNER", host.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(runner.stdout.take().unwrap()).lines();
        let seen = lines
            .map_while(Result::ok)
            .any(|line| line.ends_with(&format!("said {moment}")));
        assert!(seen, "{moment}");
        runner.kill().unwrap();
        runner.wait().unwrap();
        let made = ensure(host.path(), &files, "new", &quiet).unwrap();
        assert_eq!(fs::read_to_string(made.join("acme.deb")).unwrap(), moment);
        nothing_left(&host, moment);
    }
}

/// The product of the example, compiled where its past releases must not be.
#[test]
fn the_example_is_built_in_a_debian_zone() {
    let name = "the_example_is_built_in_a_debian_zone";
    let host = host_or_skip!("the_example_is_built_in_a_debian_zone");
    if !support::has_tool("dpkg-deb") {
        println!("SKIP {name}: needs dpkg-deb");
        return;
    }
    let path = host.zonepath("golden");
    let commands = format!(
        "create -b; set brand=debian; set zonepath={}",
        path.display()
    );
    host.ok("zonecfg", &["-z", "golden", &commands]);
    let installed = host.zoneadm(&["-z", "golden", "install", "--suite", "bookworm"]);
    if !installed.status.success() {
        let why = support::err(&installed);
        println!(
            "SKIP {name}: needs a mirror: {}",
            why.lines().last().unwrap_or_default()
        );
        return;
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/matrix");
    let files = host.path().join("product");
    support::tool(
        "cp",
        &["-R", top.to_str().unwrap(), files.to_str().unwrap()],
    );
    support::tool(files.join("releases.sh").to_str().unwrap(), &[]);

    let text = fs::read_to_string(files.join("matrix.toml")).unwrap();
    let circumstances = Circumstances {
        today: "2026-11-21".parse().unwrap(),
        seed: 7,
        many: Many::Refused,
        history: History::default(),
    };
    let plan = plan(&Matrix::parse(&text).unwrap(), &Names, &circumstances).unwrap();
    let here = "bookworm-amd64";
    let artifact = plan
        .artifacts
        .iter()
        .find(|made| made.name == "new" && made.platform == here);
    let platform = plan.platforms.iter().find(|platform| platform.id == here);
    let mut known = Footprint::default();
    known
        .add_packages(&files.join("releases/4.1/bookworm/amd64"))
        .unwrap();
    let names = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
    assert_eq!(names(&known.users), ["acme", "acme-agent"]);
    assert_eq!(names(&known.units), ["acme-agent", "acmed"]);
    let verbs = Verbs::new(Path::new(ZONES), host.path());
    let artifacts = Artifacts::open(&host.path().join("artifacts"), &verbs).unwrap();
    let order = Order {
        artifact: artifact.unwrap(),
        platform: platform.unwrap(),
        base: Base {
            zone: "golden",
            snapshot: None,
            key: None,
        },
        files: &files,
        skip: &[],
        known: &known,
        limit: Duration::from_secs(600),
    };
    let made = artifacts
        .ensure(&order, &quiet)
        .unwrap_or_else(|error| panic!("{error}"));
    let packages = [
        "acme-client_4.2_amd64.deb",
        "acme-common_4.2_all.deb",
        "acme-server_4.2_all.deb",
        "acme-tools_4.2_amd64.deb",
        "build.log",
    ];
    assert_eq!(names_of(&made), packages);
    nothing_left(&host, "built");

    // The release before it is put where it must not be.
    let release = files.join("releases/4.1/bookworm/amd64/acme-common_4.1_all.deb");
    host.ok(
        "zonecfg",
        &[
            "-z",
            "golden",
            &format!(
                "add fs; set dir=/mnt; set special={}; set type=lofs; end",
                release.parent().unwrap().display()
            ),
        ],
    );
    host.ok("zoneadm", &["-z", "golden", "boot"]);
    host.inside("golden", "dpkg --install /mnt/acme-common_4.1_all.deb");
    host.ok("zoneadm", &["-z", "golden", "halt"]);
    let other = Base {
        key: Some(Key::of_bytes(b"other")),
        ..order.base
    };
    let error = artifacts
        .ensure(
            &Order {
                base: other,
                ..order
            },
            &quiet,
        )
        .unwrap_err();
    assert!(error.is_impure(), "{error}");
    for trace in [
        "package acme-common",
        "user acme",
        "file /etc/acme/acme.conf",
    ] {
        assert!(error.to_string().contains(trace), "{error}");
    }
}
