//! Trees on disk: each seeded fault is one finding, and none is on a clean one.

#![allow(clippy::unwrap_used)] // helpers too: what fails in them fails the test

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use zones_archive::Candidates;
use zones_matrix::checks::{After, Moments, judge};
use zones_matrix::leftovers::{
    Class, Finding, Inventory, Noise, Rules, Subject, find, known_noise,
};
use zones_matrix::{Check, Policy};
use zones_runner::evidence::{Look, Owners, Scene, tree, tree_verified};
use zones_sys::RootFd;

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn append(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    let old = fs::read_to_string(&path).unwrap();
    fs::write(path, old + text).unwrap();
}

/// A small system, as dpkg would keep it.
fn system() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (path, text) in [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("etc/shadow", "root:*:1::::::\n"),
        ("etc/group", "root:x:0:\n"),
        ("etc/gshadow", "root:*::\n"),
        ("etc/inittab", "# none\n"),
        (
            "etc/crontab",
            "17 * * * * root run-parts /etc/cron.hourly\n",
        ),
        ("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n"),
        ("etc/ld.so.conf.d/one.conf", "/usr/lib/one\n"),
        ("etc/cron.d/.placeholder", ""),
        ("etc/logrotate.d/apt", "weekly\n"),
        ("etc/init.d/cron", "#!/bin/sh\n"),
        ("etc/profile", "umask 022\n# every login\n"),
        ("usr/bin/dash", "not really a program\n"),
        ("usr/bin/true", "#!/bin/sh\nexit 0\n"),
        ("usr/lib/systemd/system/cron.service", "[Service]\n"),
        ("var/lib/dpkg/diversions", ""),
        ("var/lib/dpkg/alternatives/.keep", ""),
        ("var/lib/dpkg/info/coreutils.list", "/.\n/bin\n/bin/true\n"),
        (
            "var/lib/dpkg/status",
            "Package: coreutils\nStatus: install ok installed\nArchitecture: amd64\nVersion: 9\n",
        ),
    ] {
        put(root, path, text);
    }
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink("usr/lib", root.join("lib")).unwrap();
    symlink("dash", root.join("usr/bin/sh")).unwrap();
    symlink("/opt/never", root.join("usr/bin/lost")).unwrap();
    let wants = "etc/systemd/system/multi-user.target.wants";
    for folder in ["opt", "srv", wants, "etc/rc2.d", "etc/alternatives"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    folder
}

fn look(root: &Path, before: Option<&Scene>) -> Scene {
    let look = Look {
        before,
        ..Look::default()
    };
    tree(&RootFd::open(root).unwrap(), &look).unwrap()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Name, what is done to the root, and the finding: kind, class, name.
type Case = (&'static str, fn(&Path), (Subject, Class, &'static str));

const CASES: &[Case] = &[
    (
        "user",
        |root| {
            append(root, "etc/passwd", "acme:x:998:998::/srv:/bin/false\n");
            append(root, "etc/shadow", "acme:!:1::::::\n");
            append(root, "etc/group", "acme:x:998:\n");
            append(root, "etc/gshadow", "acme:!::\n");
        },
        (Subject::User, Class::Added, "acme"),
    ),
    (
        "user in shadow only",
        |root| append(root, "etc/shadow", "ghost:!:1::::::\n"),
        (Subject::User, Class::Added, "ghost"),
    ),
    (
        "group member",
        |root| put(root, "etc/group", "root:x:0:root\n"),
        (Subject::Group, Class::Meta, "root"),
    ),
    (
        "file",
        |root| put(root, "opt/acme.so", "so"),
        (Subject::File, Class::Added, "/opt/acme.so"),
    ),
    (
        "file of the same size",
        |root| put(root, "usr/bin/true", "#!/bin/sh\nexit 1\n"),
        (Subject::File, Class::Content, "/usr/bin/true"),
    ),
    (
        "unit with its link and a script",
        |root| {
            put(root, "usr/lib/systemd/system/acmed.service", "[Unit]\n");
            let wants = root.join("etc/systemd/system/multi-user.target.wants");
            symlink(
                "/usr/lib/systemd/system/acmed.service",
                wants.join("acmed.service"),
            )
            .unwrap();
            put(root, "etc/init.d/acmed", "#!/bin/sh\n");
            symlink("../init.d/acmed", root.join("etc/rc2.d/S01acmed")).unwrap();
        },
        (Subject::Service, Class::Added, "acmed.service"),
    ),
    (
        "link of a unit that is gone",
        |root| {
            let path = root.join("etc/systemd/system/acmed.service");
            symlink("/usr/lib/systemd/system/acmed.service", path).unwrap();
        },
        (Subject::Service, Class::Added, "acmed.service"),
    ),
    (
        "line of inittab",
        |root| append(root, "etc/inittab", "ac:2345:respawn:/opt/acmed\n"),
        (
            Subject::Service,
            Class::Added,
            "inittab ac respawn /opt/acmed",
        ),
    ),
    (
        "cron file",
        |root| put(root, "etc/cron.d/acme", "* * * * * root /opt/acme\n"),
        (Subject::Cron, Class::Added, "cron.d/acme"),
    ),
    (
        "cron line",
        |root| append(root, "etc/crontab", "5 4 * * * root /opt/acme\n"),
        (
            Subject::Cron,
            Class::Added,
            "crontab: 5 4 * * * root /opt/acme",
        ),
    ),
    (
        "timer",
        |root| put(root, "usr/lib/systemd/system/acme.timer", "[Timer]\n"),
        (Subject::Cron, Class::Added, "acme.timer"),
    ),
    (
        "broken link",
        |root| symlink("/opt/acme/bin/acme", root.join("usr/bin/acme")).unwrap(),
        (Subject::File, Class::Broken, "/usr/bin/acme"),
    ),
    (
        "setuid file",
        |root| mode(&root.join("usr/bin/true"), 0o4755),
        (Subject::File, Class::Privilege, "/usr/bin/true"),
    ),
    (
        "changed mode",
        |root| mode(&root.join("etc/profile"), 0o666),
        (Subject::File, Class::Meta, "/etc/profile"),
    ),
    (
        "attribute",
        |root| {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(root.join("etc/profile"), "user.acme", b"1", flags).unwrap();
        },
        (Subject::File, Class::Meta, "/etc/profile"),
    ),
    (
        "empty folder",
        |root| fs::create_dir(root.join("opt/acme")).unwrap(),
        (Subject::File, Class::Added, "/opt/acme"),
    ),
    (
        "name that is no text",
        |root| fs::write(root.join(OsStr::from_bytes(b"opt/\xff\xfe")), "x").unwrap(),
        (Subject::File, Class::Added, "/opt/\\xff\\xfe"),
    ),
    (
        "package that is removed and not purged",
        |root| {
            let text = "\nPackage: acme\nStatus: deinstall ok config-files\n\
                        Architecture: amd64\nVersion: 4\n";
            append(root, "var/lib/dpkg/status", text);
            put(
                root,
                "var/lib/dpkg/info/acme.list",
                "/.\n/etc\n/etc/acme.conf\n",
            );
            put(root, "var/lib/dpkg/info/acme.postrm", "#!/bin/sh\n");
        },
        (Subject::Package, Class::Added, "acme"),
    ),
    (
        "alternative",
        |root| {
            let text = "auto\n/usr/bin/editor\n\n/usr/bin/true\n10\n\n";
            put(root, "var/lib/dpkg/alternatives/editor", text);
            symlink("/usr/bin/true", root.join("etc/alternatives/editor")).unwrap();
            symlink("/etc/alternatives/editor", root.join("usr/bin/editor")).unwrap();
        },
        (Subject::Alternative, Class::Added, "editor"),
    ),
    (
        "diversion",
        |root| {
            put(
                root,
                "var/lib/dpkg/diversions",
                "/bin/sh\n/bin/sh.real\nacme\n",
            )
        },
        (Subject::Diversion, Class::Added, "/bin/sh"),
    ),
    (
        "configuration that is in it twice",
        |root| append(root, "etc/profile", "umask 022\n# every login\n"),
        (Subject::File, Class::Doubled, "/etc/profile"),
    ),
    (
        "rule of logrotate",
        |root| put(root, "etc/logrotate.d/acme", "daily\n"),
        (Subject::File, Class::Added, "/etc/logrotate.d/acme"),
    ),
    (
        "folder of libraries",
        |root| put(root, "etc/ld.so.conf.d/acme.conf", "/opt/acme/lib\n"),
        (Subject::File, Class::Added, "/etc/ld.so.conf.d/acme.conf"),
    ),
    (
        "core file",
        |root| put(root, "opt/core.123", "\x7fELF"),
        (Subject::File, Class::Added, "/opt/core.123"),
    ),
];

fn found(before: &Inventory, after: &Inventory) -> Vec<Finding> {
    let (policy, noise) = (Policy::default(), Noise::default());
    let rules = Rules {
        policy: &policy,
        noise: &noise,
    };
    find(before, after, &rules).findings
}

#[test]
fn each_fault_is_one_finding() {
    for (name, fault, (subject, class, what)) in CASES {
        let system = system();
        let before = look(system.path(), None);
        fault(system.path());
        let after = look(system.path(), Some(&before));
        let found = found(&before.inventory, &after.inventory);
        let is = |one: &Finding| (one.subject, one.class, one.name.clone());
        let is: Vec<_> = found.iter().map(is).collect();
        assert_eq!(
            is,
            [(*subject, *class, (*what).to_owned())],
            "{name}: {found:?}"
        );
    }
}

#[test]
fn a_clean_tree_has_no_finding_and_a_copy_of_it_has_none() {
    let system = system();
    let before = look(system.path(), None);
    let after = look(system.path(), Some(&before));
    assert_eq!(before.inventory, after.inventory);
    let copy = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("cp")
        .args(["-a", "--"])
        .arg(format!("{}/.", system.path().display()))
        .arg(copy.path())
        .status()
        .unwrap();
    assert!(status.success());
    let clone = look(copy.path(), Some(&before));
    assert_eq!(found(&before.inventory, &clone.inventory), []);
}

#[test]
fn a_scene_is_saved_and_loaded_as_it_was() {
    let system = system();
    let before = look(system.path(), None);
    for (_, fault, (_, class, _)) in CASES {
        // The same link may be made by two.
        if matches!(class, Class::Meta | Class::Doubled | Class::Privilege) {
            fault(system.path());
        }
    }
    let scene = look(system.path(), Some(&before));
    let bytes = scene.save();
    assert_eq!(Scene::load(&bytes).unwrap(), scene);
    assert!(Scene::load(&bytes[..bytes.len() / 2]).is_err());
    assert!(Scene::load(b"nonsense").is_err());
}

#[test]
fn owners_are_those_of_the_zone() {
    let system = system();
    let look = Look {
        owners: Owners::From(rustix::process::getuid().as_raw()),
        ..Look::default()
    };
    let scene = tree(&RootFd::open(system.path()).unwrap(), &look).unwrap();
    assert!(scene.inventory.files.values().all(|entry| entry.uid == 0));
}

#[test]
fn hostile_content_neither_hangs_nor_fills_the_memory() {
    let system = system();
    let root = system.path();
    // A file of accounts without an end, and one that is a pipe.
    let passwd = fs::File::create(root.join("etc/passwd")).unwrap();
    passwd.set_len(1 << 30).unwrap();
    fs::remove_file(root.join("etc/group")).unwrap();
    let (fifo, bits) = (
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
    );
    rustix::fs::mknodat(rustix::fs::CWD, root.join("etc/group"), fifo, bits, 0).unwrap();
    // Links that lead out, and files that include themselves.
    fs::remove_file(root.join("etc/shadow")).unwrap();
    symlink("/proc/self/environ", root.join("etc/shadow")).unwrap();
    symlink("../ld.so.conf", root.join("etc/ld.so.conf.d/loop.conf")).unwrap();
    append(root, "etc/ld.so.conf", "include /etc/ld.so.conf\n");
    put(root, "usr/bin/bent", "\u{7f}ELF\u{2}\u{1}\u{1}");
    let scene = look(root, None);
    let is_noted = scene
        .notes
        .iter()
        .any(|note| note.contains("/etc/passwd is longer"));
    assert!(is_noted, "{:?}", scene.notes);
    assert!(
        scene.inventory.groups.contains_key("root"),
        "gshadow is still there"
    );
    assert!(scene.inventory.users.is_empty());
}

#[test]
fn candidates_are_as_good_as_a_walk() {
    let system = system();
    let root = system.path();
    let before = look(root, None);
    put(root, "opt/acme/deep/er/file", "x");
    fs::rename(root.join("usr/lib/systemd"), root.join("opt/systemd")).unwrap();
    fs::hard_link(root.join("etc/profile"), root.join("opt/profile")).unwrap();
    fs::remove_file(root.join("usr/bin/lost")).unwrap();
    append(root, "etc/passwd", "acme:x:7:7::/:/bin/sh\n");
    let paths = [
        "opt/acme",
        "usr/lib/systemd",
        "opt/systemd/",
        "opt/profile",
        "usr/bin/lost",
        "etc/passwd",
        "not/there",
    ];
    let only = |paths: &[&str]| {
        let mut only = Candidates::default();
        only.extend(paths.iter().map(|path| (path.into(), false)));
        only
    };
    let (all, one) = (only(&paths), only(&paths[..1]));
    let quickly = Look {
        before: Some(&before),
        only: Some(&all),
        ..Look::default()
    };
    let root = RootFd::open(root).unwrap();
    let (mut whole, differing) = tree_verified(&root, &quickly).unwrap();
    assert!(differing.is_empty(), "{differing:?}");
    let mut quick = tree(&root, &quickly).unwrap();
    // The walk reads a file again whose time of status changed with its number of names.
    whole.inventory.texts.clear();
    quick.inventory.texts.clear();
    assert!(quick.inventory == whole.inventory);
    let short = Look {
        only: Some(&one),
        ..quickly
    };
    let (_, differing) = tree_verified(&root, &short).unwrap();
    assert!(
        differing.contains(b"/etc/passwd".as_slice()),
        "{differing:?}"
    );
}

#[test]
fn checks_judge_what_was_seen() {
    let system = system();
    let root = system.path();
    let golden = look(root, None);
    put(root, "opt/acme/run", "#!/usr/bin/env python3\n");
    put(root, "opt/acme/data", "#!/opt/missing\n");
    mode(&root.join("opt/acme/run"), 0o755);
    // A program of the host: what it needs is not in this root.
    fs::copy("/proc/self/exe", root.join("opt/acme/acmed")).unwrap();
    let last = look(root, Some(&golden));
    let services = ["acmed".to_owned()];
    let moments = Moments {
        golden: Some(&golden.inventory),
        steps: vec![After {
            step: "install:new",
            inventory: Some(&last.inventory),
        }],
        services: &services,
        ..Moments::default()
    };
    let policy = Policy::default();
    let noise = Noise::default().with_patterns(known_noise("debian").unwrap());
    let rules = Rules {
        policy: &policy,
        noise: &noise,
    };
    let names = |check: &Check| -> Vec<String> {
        let found = judge(check, &moments, &rules).unwrap();
        found.iter().map(ToString::to_string).collect()
    };
    let deps = names(&Check::DepsClosed);
    let lacks = |text: &str| deps.iter().filter(|line| line.contains(text)).count();
    assert_eq!(lacks("/usr/bin/env is not there"), 1, "{deps:?}");
    assert_eq!(
        lacks("/opt/missing"),
        0,
        "what is not executable is no script: {deps:?}"
    );
    assert_eq!(names(&Check::ServicesUp).len(), 1);
    assert_eq!(names(&Check::FilesOwned).len(), 3);
    assert_eq!(
        names(&Check::NoLeftovers),
        ["added file /opt/acme: a folder (4 things)"]
    );
    assert_eq!(names(&Check::NoUsers), [""; 0]);
    let absent = judge(&Check::EqualsFresh, &moments, &rules).unwrap_err();
    assert!(
        absent.to_string().contains("fresh installation"),
        "{absent}"
    );
}

#[test]
fn configuration_that_its_package_has_no_more_is_nobodys() {
    let status = |version: u32, mark: &str| {
        format!(
            "\nPackage: acme\nStatus: install ok installed\nArchitecture: all\n\
             Version: {version}\nConffiles:\n /etc/acme.conf 11\n /etc/cron.daily/acme 22{mark}\n"
        )
    };
    for (mark, wanted) in [
        (" obsolete", vec!["added file /etc/cron.daily/acme"]),
        ("", Vec::new()),
    ] {
        let system = system();
        let root = system.path();
        let golden = look(root, None);
        let known = fs::read_to_string(root.join("var/lib/dpkg/status")).unwrap();
        put(root, "etc/acme.conf", "port=7070\n");
        put(root, "etc/cron.daily/acme", "#!/bin/sh\n");
        let list = "/.\n/etc\n/etc/acme.conf\n/etc/cron.daily\n/etc/cron.daily/acme\n";
        put(root, "var/lib/dpkg/info/acme.list", list);
        put(
            root,
            "var/lib/dpkg/status",
            &(known.clone() + &status(3, "")),
        );
        let earlier = look(root, Some(&golden));
        put(root, "var/lib/dpkg/status", &(known + &status(4, mark)));
        let last = look(root, Some(&golden));
        let seen = [("install:prev", &earlier), ("upgrade:new", &last)];
        let steps = seen.map(|(step, scene)| After {
            step,
            inventory: Some(&scene.inventory),
        });
        let moments = Moments {
            golden: Some(&golden.inventory),
            steps: steps.to_vec(),
            ..Moments::default()
        };
        let (policy, noise) = (Policy::default(), Noise::default());
        let rules = Rules {
            policy: &policy,
            noise: &noise,
        };
        let check = Check::NoOrphansFrom("prev".to_owned());
        let found = judge(&check, &moments, &rules).unwrap();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        let found = found.iter().map(|one| one.split(':').next().unwrap());
        assert_eq!(found.collect::<Vec<_>>(), wanted, "`{mark}`");
    }
}
