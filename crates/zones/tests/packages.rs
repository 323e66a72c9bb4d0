//! pkgrepo, pkgsend, pkgrecv and pkgsign as their users call them.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use support::{Host, err, out};

struct Session {
    host: Host,
    folder: tempfile::TempDir,
}

impl Session {
    fn new() -> Self {
        let session = Self {
            host: Host::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        let proto = session.path("proto");
        std::fs::create_dir_all(proto.join("usr/bin")).unwrap();
        std::fs::write(proto.join("usr/bin/hello"), "#!/bin/sh\necho hello\n").unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(proto.join("usr/bin/hello"), mode).unwrap();
        std::os::unix::fs::symlink("hello", proto.join("usr/bin/hi")).unwrap();
        session
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command line; words that begin with `@` are paths.
    fn run(&self, line: &str) -> Output {
        let place = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.path(name).display().to_string(),
            None => word.to_owned(),
        };
        let words: Vec<_> = line.split(' ').map(place).collect();
        let args: Vec<_> = words[1..].iter().map(String::as_str).collect();
        self.host.command(&words[0], &args).output().unwrap()
    }

    fn good(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", err(&output));
        out(&output)
    }

    /// Exit status and standard error.
    fn bad(&self, line: &str) -> (i32, String) {
        let output = self.run(line);
        (output.status.code().unwrap(), err(&output))
    }

    /// Publishes the tree as `app/hello`; the name that was given.
    fn publish(&self, version: &str) -> String {
        let generated = self.good("pkgsend generate @proto");
        let head = format!("set name=pkg.fmri value=app/hello@{version}\n");
        std::fs::write(self.path("hello.p5m"), head + &generated).unwrap();
        let said = self.good("pkgsend publish -s @repo -d @proto @hello.p5m");
        let mut lines = said.lines();
        let fmri = lines.next().unwrap().to_owned();
        assert_eq!(lines.next(), Some("PUBLISHED"));
        fmri
    }

    fn repository(&self) {
        self.good("pkgrepo create @repo");
        self.good("pkgrepo set -s @repo publisher/prefix=example.org");
    }
}

#[test]
fn a_tree_is_published_listed_copied_and_verified() {
    let session = Session::new();
    session.repository();
    let fmri = session.publish("1.0");
    assert!(
        fmri.starts_with("pkg://example.org/app/hello@1.0,5.11:"),
        "{fmri}"
    );
    let generated = session.good("pkgsend generate @proto");
    assert_eq!(
        generated,
        "dir group=bin mode=0755 owner=root path=usr\n\
         dir group=bin mode=0755 owner=root path=usr/bin\n\
         file usr/bin/hello group=bin mode=0755 owner=root path=usr/bin/hello\n\
         link path=usr/bin/hi target=hello\n"
    );
    let info = session.good("pkgrepo info -s @repo");
    let mut lines = info.lines();
    let head = "PUBLISHER   PACKAGES STATUS           UPDATED";
    assert_eq!(lines.next(), Some(head));
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("example.org 1        online           20")
    );
    let tsv = session.good("pkgrepo list -H -F tsv -s @repo");
    assert_eq!(
        tsv,
        format!(
            "example.org\tapp/hello\t\t{}\n",
            fmri.split_once('@').unwrap().1
        )
    );
    let json = session.good("pkgrepo list -F json -s @repo hello");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["name"], "app/hello");
    let contents = session.good("pkgrepo contents -t file -s @repo hello");
    assert!(
        contents.starts_with("file 8") || contents.contains(" chash="),
        "{contents}"
    );
    let hits = session.good("pkgrepo search -H -s @repo hello*");
    assert!(hits.contains("usr/bin/hello"), "{hits}");
    // By an archive and a copy, to another repository.
    session.good("pkgrecv -s @repo -d @all.p5p -a *");
    session.good("pkgrecv -s @all.p5p -d @copy app/hello");
    assert_eq!(session.good("pkgrepo diff --strict -s @repo -s @copy"), "");
    session.good("pkgrepo verify -s @copy");
    session.good("pkgrecv -s @repo -d @raw --raw hello");
    assert!(session.path("raw/app%2Fhello").is_dir());
}

#[test]
fn versions_are_removed_and_clones_follow() {
    let session = Session::new();
    session.repository();
    session.publish("1.0");
    session.publish("2.0");
    session.good("pkgrecv -s @repo -d @clone --clone");
    assert_eq!(session.good("pkgrecv -s @repo --newest").lines().count(), 1);
    session.good("pkgrepo remove -s @repo hello@1.0");
    let differs = session.run("pkgrepo diff -s @repo -s @clone");
    assert_eq!(differs.status.code(), Some(1));
    assert!(out(&differs).starts_with("+ pkg://example.org/app/hello@1.0"));
    session.good("pkgrecv -s @repo -d @clone --clone");
    session.good("pkgrepo diff --strict -s @repo -s @clone");
    session.good("pkgrepo verify -s @clone");
    session.good("pkgrepo rebuild -s @clone");
    session.good("pkgrepo refresh -s @clone");
    session.good("pkgrepo remove-publisher -s @clone example.org");
    assert_eq!(session.good("pkgrepo info -H -s @clone"), "");
}

#[test]
fn a_package_is_published_step_by_step() {
    let session = Session::new();
    session.repository();
    let said = session.good("pkgsend open -s @repo step@1.0");
    let id = said
        .trim()
        .strip_prefix("export PKG_TRANS_ID=")
        .unwrap()
        .to_owned();
    let step = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let repo = session.path("repo").display().to_string();
        let args: Vec<_> = words
            .iter()
            .map(|it| if *it == "@" { &*repo } else { it })
            .collect();
        let mut command = session.host.command("pkgsend", &args);
        command
            .env("PKG_TRANS_ID", &id)
            .current_dir(session.path("proto"));
        command.output().unwrap()
    };
    let added = step("add -s @ file usr/bin/hello path=bin/x mode=0555 owner=root group=bin");
    assert!(added.status.success(), "{}", err(&added));
    assert!(step("import -s @ usr").status.success());
    let closed = step("close -s @");
    assert!(out(&closed).contains("step@1.0"), "{}", err(&closed));
    assert!(
        session
            .good("pkgrepo contents -s @repo step")
            .contains("path=bin/hello")
    );
    assert!(!step("close -s @").status.success());
}

#[test]
fn damage_is_found_and_fixed_and_signatures_are_proved() {
    let session = Session::new();
    session.repository();
    session.publish("1.0");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zones-repository/tests/data");
    let data = data.display();
    let line = format!("pkgsign -s @repo -k {data}/leaf.key -c {data}/leaf.pem -i {data}/mid.pem");
    assert!(
        session
            .good(&format!("{line} --sign-all"))
            .starts_with("Signed pkg://")
    );
    assert_eq!(session.bad(&format!("{line} hello")).0, 4);
    std::fs::create_dir(session.path("anchors")).unwrap();
    let (code, _) = session.bad("pkgrepo verify --anchors @anchors -s @repo");
    assert_eq!(code, 1, "nobody is trusted");
    std::fs::copy(format!("{data}/ca.pem"), session.path("anchors/ca.pem")).unwrap();
    session.good("pkgrepo verify --anchors @anchors -s @repo");
    assert_eq!(session.bad("pkgrepo fix -s @repo").0, 4);
    let found = std::process::Command::new("find")
        .arg(session.path("repo/publisher/example.org/file"))
        .args(["-type", "f", "-size", "-120c"])
        .output()
        .unwrap();
    let file = out(&found).lines().next().unwrap().to_owned();
    std::fs::write(&file, "rotten").unwrap();
    let verified = session.run("pkgrepo verify -s @repo");
    assert_eq!(verified.status.code(), Some(1));
    assert!(
        out(&verified).contains("ERROR: pkg://example.org/app/hello"),
        "{}",
        out(&verified)
    );
    assert!(
        session
            .good("pkgrepo fix -s @repo")
            .contains("publish or receive it again")
    );
    session.good("pkgrepo verify -s @repo");
}

#[test]
fn a_depot_takes_packages_of_a_publisher_that_is_new_to_it() {
    let session = Session::new();
    session.repository();
    let fmri = session.publish("1.0");
    session.good("pkgrepo create @target");
    session.good("pkgrepo set -s @target publisher/prefix=other.example.org");
    let mut depot = std::process::Command::new(support::ZONES)
        .args(["pkg.depotd", "-a", "127.0.0.1", "-p", "0", "-d"])
        .arg(session.path("target"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut lines = std::io::BufReader::new(depot.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
    let uri = line.split_whitespace().last().unwrap();
    let received = session.run(&format!("pkgrecv -s @repo -d {uri} *"));
    // And signs what it has, by the depot: with a key, and by a plain digest.
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zones-repository/tests/data");
    let data = data.display();
    let key = format!("-k {data}/leaf.key -c {data}/leaf.pem -i {data}/mid.pem");
    let signed = session.run(&format!("pkgsign -s {uri} {key} --sign-all"));
    let again = session.run(&format!("pkgsign -s {uri} {key} hello"));
    let plain = session.run(&format!("pkgsign -s {uri} hello"));
    let pid = rustix::process::Pid::from_child(&depot);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    depot.wait().unwrap();
    assert!(received.status.success(), "{}", err(&received));
    assert!(signed.status.success(), "{}", err(&signed));
    assert_eq!(again.status.code(), Some(4), "{}", err(&again));
    assert!(plain.status.success(), "{}", err(&plain));
    std::fs::create_dir(session.path("anchors")).unwrap();
    std::fs::copy(format!("{data}/ca.pem"), session.path("anchors/ca.pem")).unwrap();
    session.good("pkgrepo verify --anchors @anchors -s @target");
    let manifest = session.good("pkgrepo contents -s @target hello");
    let count = manifest.lines().filter(|it| it.starts_with("signature "));
    assert_eq!(count.count(), 2, "{manifest}");
    let listed = session.good("pkgrepo list -H -F tsv -s @target");
    let version = fmri.split_once('@').unwrap().1;
    assert!(listed.contains(version), "{listed}");
    session.good("pkgrepo verify -s @target");
}

#[test]
fn wrong_lines_say_what_is_wrong() {
    let session = Session::new();
    session.repository();
    let rows = [
        ("pkgrepo", 2, "Usage"),
        ("pkgrepo frobnicate", 2, "unknown subcommand"),
        ("pkgrepo info", 2, "-s"),
        ("pkgrepo info -s @nothing", 1, "nothing"),
        ("pkgrepo info -s @proto", 1, "no package repository"),
        ("pkgrepo create @proto", 1, "not empty"),
        (
            "pkgrepo set -s @repo repository/version=5",
            1,
            "cannot be changed",
        ),
        (
            "pkgrepo set -s @repo publisher",
            2,
            "section/property=value",
        ),
        ("pkgrepo set -s @repo publisher/prefix=example.org", 4, ""),
        ("pkgrepo list -s @repo nothing", 1, "no package matches"),
        ("pkgrepo list -x -s @repo", 2, "illegal option"),
        ("pkgrepo list -F xml -s @repo", 2, "Unrecognized format"),
        (
            "pkgrepo info -p other -s @repo",
            1,
            "Unknown publisher: other",
        ),
        ("pkgrepo remove -s http://127.0.0.1:1/ x", 2, "in a folder"),
        ("pkgsend publish -s @repo @hello", 1, "hello"),
        ("pkgsend open -s @repo app", 1, "needs a version"),
        (
            "pkgsend close -s @repo 1_x",
            1,
            "No Transaction matching ID",
        ),
        ("pkgrecv -s @repo", 2, "-d"),
        ("pkgrecv -s @repo -d @x -m newest *", 2, "all-versions"),
        ("pkgsign -s @repo -k x --sign-all", 2, "belong together"),
    ];
    for (line, code, text) in rows {
        let (found, said) = session.bad(line);
        assert_eq!(found, code, "{line}: {said}");
        assert!(said.contains(text), "{line}: {said}");
    }
}
