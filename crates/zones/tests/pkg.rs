//! pkg(1) and its companions through the binary: published, installed, updated, verified, repaired.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{ZONES, err, out};
use tempfile::TempDir;

/// A folder with a repository and an image.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let repository = site.repository();
        site.ok("pkgrepo", &["create", &repository]);
        site.ok(
            "pkgrepo",
            &["set", "-s", &repository, "publisher/prefix=test"],
        );
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn repository(&self) -> String {
        self.path("repo").display().to_string()
    }

    fn run(&self, applet: &str, args: &[&str]) -> Output {
        let mut command = Command::new(ZONES);
        command
            .env_clear()
            .env("ZONES_ROOT", self.folder.path())
            .arg(applet)
            .args(args);
        command.output().unwrap()
    }

    fn ok(&self, applet: &str, args: &[&str]) -> String {
        let output = self.run(applet, args);
        let text = format!("{}{}", out(&output), err(&output));
        assert!(output.status.success(), "{applet} {args:?}: {text}");
        out(&output)
    }

    /// `pkg` on the image, its status, and all that it printed.
    fn pkg(&self, args: &[&str]) -> (i32, String) {
        let image = self.path("image").display().to_string();
        let mut all = vec!["-R", &image];
        all.extend(args);
        let output = self.run("pkg", &all);
        let text = format!("{}{}", out(&output), err(&output));
        (output.status.code().unwrap(), text)
    }

    fn pkg_ok(&self, args: &[&str]) -> String {
        let (status, text) = self.pkg(args);
        assert_eq!(status, 0, "pkg {args:?}: {text}");
        text
    }

    /// Publishes a package of these actions; files come from `proto`.
    fn publish(&self, fmri: &str, actions: &str) {
        let manifest = self.path("manifest");
        let text = format!("set name=pkg.fmri value={fmri}\n{actions}");
        std::fs::write(&manifest, text).unwrap();
        let proto = self.path("proto").display().to_string();
        let manifest = manifest.display().to_string();
        let args = ["-s", &self.repository(), "publish", "-d", &proto, &manifest];
        self.ok("pkgsend", &args);
    }

    fn proto(&self, path: &str, text: &str) {
        let path = self.path("proto").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn image(&self) {
        let repository = format!("test={}", self.repository());
        let image = self.path("image").display().to_string();
        self.ok("pkg", &["image-create", "-F", "-p", &repository, &image]);
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path("image").join(path)).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        Path::new(&self.path("image").join(path))
            .symlink_metadata()
            .is_ok()
    }
}

const FOO: &str = "set name=pkg.summary value=\"A test package\"\n\
    dir path=etc owner=root group=root mode=0755\n\
    dir path=usr/bin owner=root group=root mode=0755\n\
    file usr/bin/foo path=usr/bin/foo owner=root group=root mode=4755\n\
    file etc/foo.conf path=etc/foo.conf owner=root group=root mode=0644 preserve=renamenew\n\
    link path=usr/bin/foolink target=foo\n";

fn site_or_skip(name: &str) -> Option<Site> {
    if let Some(reason) = support::missing() {
        println!("SKIP {name}: {reason}");
        return None;
    }
    Some(Site::new())
}

#[test]
fn a_package_lives_from_publication_to_removal() {
    let Some(site) = site_or_skip("pkg life") else {
        return;
    };
    site.proto("usr/bin/foo", "one\n");
    site.proto("etc/foo.conf", "a = 1\n");
    site.publish("pkg://test/app/foo@1.0", FOO);
    site.image();
    let listed = site.pkg_ok(&["list", "-a"]);
    assert!(listed.contains("app/foo"), "{listed}");
    let text = site.pkg_ok(&["install", "-v", "foo"]);
    assert!(text.contains("Packages to install:         1"), "{text}");
    assert_eq!(site.text("usr/bin/foo"), "one\n");
    let listed = site.pkg_ok(&["list"]);
    assert!(
        listed.contains("app/foo") && listed.contains("i--"),
        "{listed}"
    );
    assert_eq!(site.pkg(&["install", "foo"]).0, 4);
    assert_eq!(site.pkg_ok(&["verify"]), "");

    // An update replaces what nobody touched, and keeps what somebody edited.
    std::fs::write(site.path("image/etc/foo.conf"), "a = 2\n").unwrap();
    site.proto("usr/bin/foo", "two\n");
    site.proto("etc/foo.conf", "a = 3\n");
    site.publish("pkg://test/app/foo@1.1", FOO);
    site.pkg_ok(&["refresh"]);
    site.pkg_ok(&["update"]);
    assert_eq!(site.text("usr/bin/foo"), "two\n");
    assert_eq!(site.text("etc/foo.conf"), "a = 2\n");
    assert_eq!(site.text("etc/foo.conf.new"), "a = 3\n");
    assert_eq!(site.pkg(&["update"]).0, 4);

    // Damage is found and repaired.
    std::fs::write(site.path("image/usr/bin/foo"), "bad\n").unwrap();
    let (status, text) = site.pkg(&["verify"]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("file: usr/bin/foo") && text.contains("Hash:"),
        "{text}"
    );
    site.pkg_ok(&["fix"]);
    assert_eq!(site.text("usr/bin/foo"), "two\n");
    assert_eq!(site.pkg(&["fix"]).0, 4);

    let info = site.pkg_ok(&["info", "foo"]);
    assert!(
        info.contains("State: Installed") && info.contains("Name: app/foo"),
        "{info}"
    );
    let contents = site.pkg_ok(&["contents", "-H", "foo"]);
    assert!(
        contents.lines().any(|line| line == "usr/bin/foolink"),
        "{contents}"
    );
    let history = site.pkg_ok(&["history", "-H"]);
    assert!(
        history.contains("install") && history.contains("Succeeded"),
        "{history}"
    );

    site.pkg_ok(&["uninstall", "foo"]);
    assert!(!site.has("usr/bin/foo") && !site.has("usr/bin/foolink"));
    assert_eq!(site.pkg(&["list"]).0, 1);
}

#[test]
fn mistakes_say_what_is_wrong_and_change_nothing() {
    let Some(site) = site_or_skip("pkg mistakes") else {
        return;
    };
    site.proto("usr/bin/foo", "one\n");
    site.proto("etc/foo.conf", "a = 1\n");
    site.publish("pkg://test/app/foo@1.0", FOO);
    site.publish(
        "pkg://test/app/bar@1.0",
        "depend type=require fmri=app/none\n",
    );
    site.image();
    let rows: [(&[&str], i32, &str); 9] = [
        (
            &["install", "nothing"],
            1,
            "did not match any allowable packages",
        ),
        (
            &["install", "bar"],
            1,
            "No version for 'require' dependency on app/none can be found",
        ),
        (&["install"], 2, "at least one package name required"),
        (
            &["uninstall", "foo"],
            1,
            "'foo' matches no installed packages",
        ),
        (&["list", "foo"], 1, "not installed"),
        (&["frobnicate"], 2, "unknown subcommand 'frobnicate'"),
        (&["install", "--frob", "x"], 2, "illegal option"),
        (
            &["set-publisher", "-g", "/nowhere/at/all", "other"],
            1,
            "/nowhere/at/all",
        ),
        (&["set-property", "be-policy", "x"], 1, "invalid value 'x'"),
    ];
    let before = site.text("var/pkg/pkg5.image");
    for (args, status, text) in rows {
        let (found, printed) = site.pkg(args);
        assert_eq!(found, status, "{args:?}: {printed}");
        assert!(printed.contains(text), "{args:?}: {printed}");
    }
    assert_eq!(site.text("var/pkg/pkg5.image"), before);
    let nowhere = site.path("nowhere").display().to_string();
    let output = site.run("pkg", &["-R", &nowhere, "list"]);
    assert!(
        err(&output).contains("No image rooted at"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_depot_serves_many_clients_at_once() {
    let Some(site) = site_or_skip("pkg depot") else {
        return;
    };
    site.proto("usr/bin/foo", "one\n");
    site.proto("etc/foo.conf", "a = 1\n");
    site.publish("pkg://test/app/foo@1.0", FOO);
    let mut depot = Command::new(ZONES)
        .args([
            "pkg.depotd",
            "-d",
            &site.repository(),
            "-a",
            "127.0.0.1",
            "-p",
            "0",
            "--readonly",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut lines = std::io::BufReader::new(depot.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
    let uri = line.split_whitespace().last().unwrap().to_owned();
    let install = |number: usize| {
        let image = site.path(&format!("image-{number}")).display().to_string();
        site.ok("pkg", &["image-create", "-F", "-p", &uri, &image]);
        site.ok("pkg", &["-R", &image, "install", "-q", "foo"]);
        site.ok("pkg", &["-R", &image, "verify"]);
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..20)
            .map(|number| {
                let install = &install;
                scope.spawn(move || install(number))
            })
            .collect();
        clients
            .into_iter()
            .for_each(|client| client.join().unwrap());
    });
    let pid = rustix::process::Pid::from_child(&depot);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(depot.wait().unwrap().success());
}

#[test]
fn a_search_asks_the_origin_and_reads_manifests_only_where_it_cannot() {
    let Some(site) = site_or_skip("pkg search") else {
        return;
    };
    site.proto("usr/bin/foo", "one\n");
    site.proto("etc/foo.conf", "a = 1\n");
    site.publish("pkg://test/app/foo@1.0", FOO);
    site.publish("pkg://test/app/foo@1.1", FOO);
    let depot = |disabled: &str| {
        let mut command = Command::new(ZONES);
        command.args(["pkg.depotd", "-a", "127.0.0.1", "-p", "0", "--readonly"]);
        command.args(["-d", &site.repository(), "--disable-ops", disabled]);
        let mut depot = command.stdout(std::process::Stdio::piped()).spawn();
        let out = depot.as_mut().unwrap().stdout.take().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        let uri = line.split_whitespace().last().unwrap().to_owned();
        (depot.unwrap(), uri)
    };
    site.ok("pkgrepo", &["refresh", "-s", &site.repository()]);
    let image = site.path("image").display().to_string();
    for (disabled, is_asked) in [("status", true), ("search", false)] {
        let (mut depot, uri) = depot(disabled);
        let _ = std::fs::remove_dir_all(&image);
        site.ok("pkg", &["image-create", "-F", "-p", &uri, &image]);
        // The query, what the answer has, and its lines.
        let rows: [(&[&str], &str, usize); 6] = [
            (
                &["foolink"],
                "basename link usr/bin/foolink pkg:/app/foo@1.1",
                1,
            ),
            (&["FOOLINK"], "usr/bin/foolink", 1),
            (
                &["/usr/bin/foo"],
                "path file usr/bin/foo pkg:/app/foo@1.1",
                1,
            ),
            (&["-f", "file:basename:foo"], "pkg:/app/foo@1.0", 2),
            (&["-p", "foolink"], "pkg:/app/foo@1.1 test", 1),
            (&["file:basename:foo*"], "usr/bin/foo", 2),
        ];
        for (words, expected, lines) in rows {
            let text = site.pkg_ok(&[&["search", "-H"], words].concat());
            let one = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            let found: Vec<String> = text.lines().map(one).collect();
            let text = format!("{disabled}: {words:?}: {found:?}");
            assert_eq!(found.len(), lines, "{text}");
            assert!(found.iter().any(|it| it.contains(expected)), "{text}");
        }
        assert_eq!(site.pkg(&["search", "-I", "FOOLINK"]).0, 1, "{disabled}");
        assert_eq!(site.pkg(&["search", "nothing"]).0, 1, "{disabled}");
        assert_eq!(site.pkg(&["search", "-l", "foo"]).0, 1, "{disabled}");
        let kept = site.has("var/pkg/publisher/test/pkg/app%2Ffoo");
        assert_eq!(kept, !is_asked, "{disabled}: manifests are in the image");
        depot.kill().unwrap();
        depot.wait().unwrap();
    }
}
