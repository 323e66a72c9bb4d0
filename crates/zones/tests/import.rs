//! `pkgrepo import-debian`: a small Debian root split, published, installed and compared.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

#[path = "import/mirror.rs"]
mod mirror;
mod support;

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use support::{Host, ZONES, err, out};
use tempfile::TempDir;

const STATUS: &str = "\
Package: base
Essential: yes
Status: install ok installed
Maintainer: Packagers <packagers@example.org>
Architecture: all
Version: 1:12.4+deb12u1
Description: the base
Conffiles:
 /etc/base.conf 0123456789abcdef0123456789abcdef

Package: tool
Status: install ok installed
Architecture: amd64
Version: 2.0-1
Depends: base (>= 1:12)
Description: a tool
";

/// Path, mode, content.
const FILES: [(&str, u32, &str); 12] = [
    (
        "etc/passwd",
        0o644,
        "root:x:0:0:root:/root:/bin/sh\nrunner:x:101:102::/nonexistent:/bin/false\n",
    ),
    (
        "etc/group",
        0o644,
        "root:x:0:\nstaff:x:50:\nrunner:x:102:\n",
    ),
    (
        "etc/shadow",
        0o600,
        "root:*:19000:0:99999:7:::\nrunner:!:19000::::::\n",
    ),
    ("etc/os-release", 0o644, "VERSION_ID=\"12\"\n"),
    ("etc/base.conf", 0o640, "edited\n"),
    ("etc/made by script", 0o600, "made\n"),
    ("usr/bin/tool", 0o4755, "#!/bin/sh\n"),
    ("usr/share/doc/tool/copyright", 0o644, "free\n"),
    ("var/lib/dpkg/status", 0o644, STATUS),
    (
        "var/lib/dpkg/info/base.list",
        0o644,
        "/.\n/etc\n/etc/base.conf\n/usr\n/usr/bin\n/bin\n",
    ),
    (
        "var/lib/dpkg/info/tool.list",
        0o644,
        "/.\n/bin\n/bin/tool\n/bin/tool2\n/usr/share/doc/tool/copyright\n/var/lib/tool\n",
    ),
    ("etc/machine-id", 0o444, "abc\n"),
];

/// A folder with a root, a repository and an image.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (path, mode, text) in FILES {
            site.put(path, mode, text);
        }
        let root = site.path("root");
        std::fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin/tool2")).unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        let state = root.join("var/lib/tool");
        std::fs::create_dir_all(&state).unwrap();
        std::os::unix::fs::chown(&state, Some(101), Some(102)).unwrap();
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o2770)).unwrap();
        site.ok("pkgrepo", &["create", &site.text("repo")]);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn put(&self, path: &str, mode: u32, text: &str) {
        let path = self.path("root").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn run(&self, applet: &str, args: &[&str]) -> Output {
        let mut command = Command::new(ZONES);
        command.env_clear().env("ZONES_ROOT", self.folder.path());
        command.arg(applet).args(args).output().unwrap()
    }

    fn ok(&self, applet: &str, args: &[&str]) -> String {
        let output = self.run(applet, args);
        let text = format!("{}{}", out(&output), err(&output));
        assert!(output.status.success(), "{applet} {args:?}: {text}");
        out(&output)
    }

    fn import(&self, more: &[&str]) -> Output {
        let (repository, root) = (self.text("repo"), self.text("root"));
        let mut args = vec!["import-debian", "-s", &repository, "--from-root", &root];
        args.extend(more);
        self.run("pkgrepo", &args)
    }

    fn compare(&self) -> Output {
        self.import(&["--compare", &self.text("image")])
    }
}

fn site_or_skip(name: &str) -> Option<Site> {
    match support::missing() {
        None => Some(Site::new()),
        Some(reason) => {
            println!("SKIP {name}: {reason}");
            None
        }
    }
}

fn last_line(output: &Output) -> String {
    let text = out(output);
    text.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn what_is_installed_equals_the_root_that_was_imported() {
    let Some(site) = site_or_skip("import") else {
        return;
    };
    let output = site.import(&["-p", "debian"]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).contains("tool"), "{}", out(&output));
    let (repository, image) = (format!("debian={}", site.text("repo")), site.text("image"));
    site.ok("pkg", &["image-create", "-F", "-p", &repository, &image]);
    site.ok("pkg", &["-R", &image, "install", "*"]);
    site.ok("pkg", &["-R", &image, "verify"]);
    let output = site.compare();
    assert!(
        output.status.success()
            && last_line(&output).contains(" 0 differences")
            && out(&output).contains("var/pkg/*  "),
        "{}{}",
        out(&output),
        err(&output)
    );
    // And where it is not equal, that is said.
    std::fs::write(Path::new(&image).join("etc/base.conf"), "edIted\n").unwrap();
    let output = site.compare();
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("etc/base.conf: other content"));
}

#[test]
fn only_what_changed_is_published_again() {
    let Some(site) = site_or_skip("import again") else {
        return;
    };
    assert!(site.import(&["-p", "debian"]).status.success());
    let again = last_line(&site.import(&[]));
    assert!(again.starts_with("0 new, 0 changed, "), "{again}");
    site.put("usr/share/doc/tool/copyright", 0o644, "freer\n");
    let output = site.import(&["-v"]);
    let text = out(&output);
    assert!(
        last_line(&output).starts_with("0 new, 2 changed, "),
        "{text}"
    );
    assert!(
        text.lines()
            .any(|it| it.starts_with("changed") && it.contains("tool"))
    );
    let reason = |it: &str| it.starts_with("etc/machine-id  ") && it.contains("other content");
    assert!(text.lines().any(reason), "{text}");
}

#[test]
fn what_cannot_be_imported_is_named() {
    let Some(site) = site_or_skip("import refused") else {
        return;
    };
    // Neither a publisher nor a default one.
    let output = site.import(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("-p"), "{}", err(&output));
    let half = STATUS.replacen("install ok installed", "install ok unpacked", 1);
    site.put("var/lib/dpkg/status", 0o644, &half);
    let output = site.import(&["-p", "debian"]);
    assert_eq!(output.status.code(), Some(1));
    let text = err(&output);
    assert!(
        text.contains("base") && text.contains("dpkg --configure"),
        "{text}"
    );
    let output = site.import(&["-p", "debian", "--suite", "stable"]);
    assert_eq!(output.status.code(), Some(2));
}

/// An import from a mirror of our own that is in the middle of the scripts of its package.
fn endless(host: &Host, words: &[&str]) -> Child {
    let logs = || {
        let folder = std::fs::read_dir(host.path().join("var/log/zones/pkgrepo-import"));
        let texts = folder.into_iter().flatten().flatten();
        let texts = texts.map(|it| std::fs::read_to_string(it.path()).unwrap_or_default());
        texts.collect::<String>().matches("+ /usr/bin/dpkg").count()
    };
    let before = logs();
    let mut command = host.command("pkgrepo", words);
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = quiet.spawn().unwrap();
    support::until("the scripts run", || logs() > before);
    child
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The process that cleans up after an import: its only child that is still the same program.
fn guard_of(import: &Child) -> i32 {
    let own = std::fs::read(format!("/proc/{}/cmdline", import.id())).unwrap();
    let path = format!("/proc/{0}/task/{0}/children", import.id());
    let children = std::fs::read_to_string(path).unwrap();
    let is_it =
        |pid: &&str| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|it| it == own);
    let found = children.split_whitespace().find(is_it);
    found.unwrap().parse().unwrap()
}

#[test]
fn an_import_that_is_killed_leaves_nothing() {
    let host = host_or_skip!("an_import_that_is_killed_leaves_nothing");
    let folder = host.path().join("mirror");
    mirror::write(&folder);
    let repository = host.path().join("repo").display().to_string();
    let uri = format!("file://{}", folder.display());
    let keys = folder.join("archive.asc").display().to_string();
    host.ok("pkgrepo", &["create", &repository]);
    let words = [
        "import-debian",
        "-s",
        &repository,
        "-p",
        "debian",
        "--suite",
        "test",
        "--arch",
        "amd64",
        "--mirror",
        &uri,
        "--keyring",
        &keys,
    ];
    let text = host.ok("pkgrepo", &[&words[..1], &["-n"][..], &words[1..]].concat());
    assert!(text.contains("Packages: 1 for amd64 of test"), "{text}");
    let gone = || {
        host.leftovers().is_empty()
            && !host.path().join("var/lib/zones/import").exists()
            && !host
                .ok("zoneadm", &["list", "-cp"])
                .contains("pkgrepo-import")
    };
    kill(endless(&host, &words));
    support::until("nothing is left", gone);
    // Its guard is killed first: the next import cleans up, and is not held up by what runs.
    let child = endless(&host, &words);
    let guard = rustix::process::Pid::from_raw(guard_of(&child)).unwrap();
    rustix::process::kill_process(guard, rustix::process::Signal::KILL).unwrap();
    kill(child);
    assert!(
        host.ok("zoneadm", &["list", "-cp"])
            .contains("pkgrepo-import")
    );
    let child = endless(&host, &words);
    let busy = host.run("pkgrepo", &words);
    support::refused(&busy, 1, "another import is in progress");
    kill(child);
    support::until("nothing is left again", gone);
}
