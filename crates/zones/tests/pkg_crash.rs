//! kill -9 of pkg at moments spread over its whole run: the same command again completes what was
//! begun, verify finds nothing, and nothing is left over.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::{ZONES, err, out};

/// Files of the package.
const FILES: usize = 300;

/// Kills of each command; `ZONES_KILL_ROUNDS=100` is the acceptance.
fn rounds() -> u32 {
    let text = std::env::var("ZONES_KILL_ROUNDS").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// A folder with a repository of two versions.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let site = Self {
            folder: tempfile::Builder::new()
                .prefix("pkg-crash-")
                .tempdir_in(base)
                .unwrap(),
        };
        let repository = site.shown("repo");
        site.ok("pkgrepo", &["create", &repository]);
        let prefix = "publisher/prefix=test";
        site.ok("pkgrepo", &["set", "-s", &repository, prefix]);
        for version in [1, 2] {
            site.publish(version);
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Files that differ between versions, that do not, and that are editable; folders and links
    /// that only one version has.
    fn publish(&self, version: usize) {
        let mut text = format!(
            "set name=pkg.fmri value=app/crash@{version}\n\
             dir path=usr owner=root group=root mode=0755\n\
             dir path=usr/only{version} owner=root group=root mode=0755\n\
             link path=usr/link{version} target=only{version}\n\
             license text{version} license=own\n"
        );
        let proto = self.path("proto");
        std::fs::create_dir_all(&proto).unwrap();
        std::fs::write(proto.join(format!("text{version}")), "do as you like\n").unwrap();
        for number in 0..FILES {
            let seen = if number % 3 == 0 { version } else { 0 };
            let name = format!("file{number}.{seen}");
            let line = format!("{number} of {seen}\n");
            std::fs::write(proto.join(&name), line.repeat(1 + number * 20)).unwrap();
            let more = if number % 30 == 0 {
                " preserve=renamenew"
            } else {
                ""
            };
            let folder = number % 7;
            let _ = writeln!(
                text,
                "file {name} path=usr/part{folder}/file{number} owner=root group=root \
                 mode=0644{more}"
            );
        }
        let manifest = self.path("manifest");
        std::fs::write(&manifest, text).unwrap();
        let [repository, proto, manifest] =
            [self.path("repo"), proto, manifest].map(|it| it.display().to_string());
        let words = ["-s", &repository, "publish", "-d", &proto, &manifest];
        self.ok("pkgsend", &words);
    }

    fn command(&self, applet: &str, words: &[&str]) -> Command {
        let mut command = Command::new(ZONES);
        command.env_clear().env("ZONES_ROOT", self.path("root"));
        command.arg(applet).args(words).stdin(Stdio::null());
        command
    }

    fn ok(&self, applet: &str, words: &[&str]) {
        let output = self.command(applet, words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", err(&output));
    }

    fn pkg(&self, words: &[&str]) -> Command {
        let image = self.shown("image");
        self.command("pkg", &[&["-R", &image], words].concat())
    }

    fn run(&self, words: &[&str]) -> Output {
        self.pkg(words).output().unwrap()
    }

    /// A fresh image, with this version if one is named.
    fn image(&self, version: Option<&str>) {
        let _ = std::fs::remove_dir_all(self.path("image"));
        let (origin, image) = (format!("test={}", self.shown("repo")), self.shown("image"));
        self.ok("pkg", &["image-create", "-F", "-p", &origin, &image]);
        if let Some(fmri) = version {
            let output = self.run(&["install", "-q", fmri]);
            assert!(output.status.success(), "{}", err(&output));
        }
    }

    /// Names that only unfinished work has, in the image and in the cache of the host.
    fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("image"), self.path("root")];
        while let Some(folder) = folders.pop() {
            for item in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = item.file_name().into_string().unwrap();
                let signs = [".new-", ".pkg-new.", ".probe-", ".operation.json."];
                if signs.iter().any(|sign| name.starts_with(sign)) || name == "operation.json" {
                    found.push(item.path());
                }
                if item.file_type().unwrap().is_dir() {
                    folders.push(item.path());
                }
            }
        }
        found
    }

    /// Everything below the image but the data of the packaging system.
    fn tree(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let top = self.path("image");
        let mut folders = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            for item in std::fs::read_dir(&folder).unwrap().flatten() {
                let path = item.path();
                if path.ends_with("var/pkg") {
                    continue;
                }
                if item.file_type().unwrap().is_dir() {
                    folders.push(path.clone());
                }
                let name = path.strip_prefix(&top).unwrap().display().to_string();
                found.insert(name);
            }
        }
        found
    }
}

/// One command, from what it starts, and whether the cache of the host is empty then.
struct Case {
    before: Option<&'static str>,
    words: &'static [&'static str],
    is_cold: bool,
}

const CASES: [Case; 4] = [
    Case {
        before: None,
        words: &["install", "-q", "app/crash"],
        is_cold: true,
    },
    Case {
        before: None,
        words: &["install", "-q", "app/crash"],
        is_cold: false,
    },
    Case {
        before: Some("app/crash@1"),
        words: &["update", "-q"],
        is_cold: false,
    },
    Case {
        before: Some("app/crash@1"),
        words: &["uninstall", "-q", "app/crash"],
        is_cold: false,
    },
];

impl Case {
    fn prepare(&self, site: &Site) {
        site.image(self.before);
        if self.is_cold {
            let _ = std::fs::remove_dir_all(site.path("root"));
        }
    }

    /// What the command takes when nobody kills it, and what it leads to.
    fn whole(&self, site: &Site) -> (Duration, BTreeSet<String>) {
        self.prepare(site);
        let begun = Instant::now();
        let output = site.run(self.words);
        assert!(output.status.success(), "{}", err(&output));
        (begun.elapsed(), site.tree())
    }

    /// Kills the command after so long; whether it was still at work.
    fn kill(&self, site: &Site, after: Duration) -> bool {
        self.prepare(site);
        let mut command = site.pkg(self.words);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(after);
        child.kill().unwrap();
        !child.wait().unwrap().success()
    }

    fn heal(&self, site: &Site, what: &str, tree: &BTreeSet<String>) {
        let again = site.run(self.words);
        // An uninstall that was done finds nothing to remove.
        let is_gone = err(&again).contains("matches no installed packages");
        let is_fine = matches!(again.status.code(), Some(0 | 4)) || is_gone;
        assert!(is_fine, "{what}: {}{}", out(&again), err(&again));
        let fixed = site.run(&["fix"]);
        let is_fine = matches!(fixed.status.code(), Some(0 | 4));
        assert!(is_fine, "{what}: fix: {}{}", out(&fixed), err(&fixed));
        let verified = site.run(&["verify"]);
        let text = format!("{}{}", out(&verified), err(&verified));
        assert!(
            verified.status.success() && text.is_empty(),
            "{what}: {text}"
        );
        assert_eq!(site.leftovers(), Vec::<PathBuf>::new(), "{what}");
        let found = site.tree();
        let other: Vec<_> = found.symmetric_difference(tree).collect();
        assert!(other.is_empty(), "{what}: {other:?}");
    }
}

#[test]
fn a_few_kills_of_each_command_are_healed_by_the_next() {
    if let Some(reason) = support::missing() {
        println!("SKIP pkg kills: {reason}");
        return;
    }
    let site = Site::new();
    let mut killed = 0;
    for case in &CASES {
        let (whole, tree) = case.whole(&site);
        for round in 0..rounds() {
            // Spread evenly in an order that jumps about, so that a failure repeats.
            let share = f64::from((round * 37 + 11) % 100) / 100.0;
            let after = whole.mul_f64(share);
            let what = format!("{:?} killed after {after:?} of {whole:?}", case.words);
            killed += u32::from(case.kill(&site, after));
            case.heal(&site, &what, &tree);
        }
    }
    let all = rounds() * u32::try_from(CASES.len()).unwrap();
    println!("{killed} of {all} were killed at work");
    assert!(killed > 0, "none was killed at work");
}

/// Files of the host's cache of payloads: the name of each is a digest.
fn kept(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = item.file_name().into_string().unwrap();
        let digest = name.strip_suffix(".gz").unwrap_or(&name);
        if item.file_type().unwrap().is_dir() {
            found.extend(kept(&item.path()));
        } else if digest.len() == 40 && digest.bytes().all(|it| it.is_ascii_hexdigit()) {
            found.push(item.path());
        }
    }
    found
}

/// A power loss may leave files in the cache that have a name and no content, or half of it, or
/// that of others: the next installation fetches these again and completes, at once.
#[test]
fn payloads_that_a_power_loss_cut_short_are_fetched_again() {
    if let Some(reason) = support::missing() {
        println!("SKIP cut payloads: {reason}");
        return;
    }
    let site = Site::new();
    site.image(Some("app/crash@1"));
    let tree = site.tree();
    let payloads = kept(&site.path("root"));
    assert!(payloads.len() > FILES / 2, "{payloads:?}");
    for (number, path) in payloads.iter().enumerate() {
        let bytes = std::fs::read(path).unwrap();
        match number % 4 {
            0 => std::fs::write(path, "").unwrap(),
            1 => std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            2 => std::fs::remove_file(path).unwrap(),
            _ => {}
        }
    }
    // With the disk of a repository that is away, nothing can be completed, and it says so.
    let (here, away) = (site.path("repo"), site.path("away"));
    site.image(None);
    std::fs::rename(&here, &away).unwrap();
    assert!(!site.run(&["install", "-q", "app/crash@1"]).status.success());
    std::fs::rename(&away, &here).unwrap();
    site.image(Some("app/crash@1"));
    assert_eq!(site.tree(), tree);
    let verified = site.run(&["verify"]);
    assert!(verified.status.success(), "{}", out(&verified));
}
