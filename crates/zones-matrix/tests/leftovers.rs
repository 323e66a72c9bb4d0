//! Leftovers: each seeded fault is one finding, and nothing else is.

#![allow(clippy::unwrap_used)] // helpers too: what fails in them fails the test

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use zones_matrix::checks::{After, Moments, judge, overridden};
use zones_matrix::leftovers::{
    Account, Class, Elf, Entry, Finding, Inventory, Job, Kind, Needs, Noise, Package, Record,
    Rules, Subject, Weight, config_kept, find, orphans, unowned,
};
use zones_matrix::{Check, Key, Policy};

fn file(content: &str) -> Entry {
    let mut entry = Entry::new(Kind::File, 0o644);
    entry.size = content.len() as u64;
    entry.hash = Some(Key::of_bytes(content.as_bytes()));
    entry
}

fn folder() -> Entry {
    Entry::new(Kind::Folder, 0o755)
}

fn link(target: &str) -> Entry {
    let mut entry = Entry::new(Kind::Link, 0o777);
    entry.target = Some(target.as_bytes().to_vec());
    entry
}

fn put(inventory: &mut Inventory, path: &str, entry: Entry) {
    inventory.files.insert(path.as_bytes().to_vec(), entry);
}

/// A small system.
fn system() -> Inventory {
    let mut all = Inventory::default();
    for path in [
        "/etc",
        "/etc/acme",
        "/usr",
        "/usr/bin",
        "/usr/lib",
        "/var",
        "/var/log",
    ] {
        put(&mut all, path, folder());
    }
    put(&mut all, "/etc/passwd", file("root:x:0:0"));
    put(&mut all, "/usr/bin/true", file("#!true"));
    put(&mut all, "/usr/bin/sh", link("dash"));
    put(&mut all, "/usr/bin/dash", file("dash"));
    put(&mut all, "/usr/bin/lost", link("/opt/never/there"));
    put(&mut all, "/var/log/boot", file("boot 1"));
    all.owners
        .insert(b"/usr/bin/true".to_vec(), "coreutils".to_owned());
    let account = |id, rest: &str| Account {
        id,
        rest: rest.to_owned(),
    };
    all.users
        .insert("root".to_owned(), account(0, "/root /bin/sh"));
    all.groups.insert("root".to_owned(), account(0, ""));
    let (version, state) = ("1.0".to_owned(), "installed".to_owned());
    all.packages
        .insert("coreutils".to_owned(), Package { version, state });
    all.services
        .insert("cron.service".to_owned(), Job::default());
    all.processes.insert("init root".to_owned(), 1);
    all
}

fn job(path: &str, enabled: bool) -> Job {
    let paths = BTreeSet::from([path.as_bytes().to_vec()]);
    Job { paths, enabled }
}

/// Name, what is done to the system, and the finding: kind, class, name.
type Case = (
    &'static str,
    fn(&mut Inventory),
    (Subject, Class, &'static str),
);

const CASES: &[Case] = &[
    (
        "user",
        |all| {
            all.users.insert(
                "acme".to_owned(),
                Account {
                    id: 998,
                    rest: String::new(),
                },
            );
            all.groups.insert(
                "acme".to_owned(),
                Account {
                    id: 998,
                    rest: String::new(),
                },
            );
            put(all, "/etc/passwd", file("root:x:0:0 acme"));
        },
        (Subject::User, Class::Added, "acme"),
    ),
    (
        "group",
        |all| {
            all.groups.insert(
                "acme".to_owned(),
                Account {
                    id: 998,
                    rest: String::new(),
                },
            );
            put(all, "/etc/group", file("acme"));
            all.files.remove(b"/etc/group".as_slice());
        },
        (Subject::Group, Class::Added, "acme"),
    ),
    (
        "changed uid",
        |all| {
            all.users.insert(
                "root".to_owned(),
                Account {
                    id: 7,
                    rest: "/root /bin/sh".to_owned(),
                },
            );
        },
        (Subject::User, Class::Meta, "root"),
    ),
    (
        "file",
        |all| put(all, "/usr/lib/acme.so", file("so")),
        (Subject::File, Class::Added, "/usr/lib/acme.so"),
    ),
    (
        "file gone",
        |all| {
            all.files.remove(b"/usr/bin/true".as_slice());
        },
        (Subject::File, Class::Removed, "/usr/bin/true"),
    ),
    (
        "file changed",
        |all| put(all, "/usr/bin/true", file("#!fals")),
        (Subject::File, Class::Content, "/usr/bin/true"),
    ),
    (
        "file renamed",
        |all| {
            let entry = all.files.remove(b"/usr/bin/true".as_slice()).unwrap();
            put(all, "/usr/bin/yes", entry);
        },
        (Subject::File, Class::Renamed, "/usr/bin/yes"),
    ),
    (
        "unit",
        |all| {
            put(all, "/usr/lib/acmed.service", file("[Unit]"));
            let name = "acmed.service".to_owned();
            all.services
                .insert(name, job("/usr/lib/acmed.service", true));
        },
        (Subject::Service, Class::Added, "acmed.service"),
    ),
    (
        "link of a unit that is gone",
        |all| {
            put(all, "/etc/acmed.service", link("/usr/lib/acmed.service"));
            all.services
                .insert("acmed.service".to_owned(), job("/etc/acmed.service", true));
        },
        (Subject::Service, Class::Added, "acmed.service"),
    ),
    (
        "cron job",
        |all| {
            put(all, "/etc/cron-acme", file("* * * * *"));
            all.cron
                .insert("acme".to_owned(), job("/etc/cron-acme", true));
        },
        (Subject::Cron, Class::Added, "acme"),
    ),
    (
        "package state",
        |all| {
            let package = all.packages.get_mut("coreutils").unwrap();
            package.state = "config-files".to_owned();
        },
        (Subject::Package, Class::Meta, "coreutils"),
    ),
    (
        "dependency",
        |all| {
            let (version, state) = ("2".to_owned(), "installed".to_owned());
            all.packages
                .insert("libacme".to_owned(), Package { version, state });
        },
        (Subject::Package, Class::Added, "libacme"),
    ),
    (
        "alternative",
        |all| {
            put(all, "/etc/alternatives/editor", link("/usr/bin/true"));
            let paths = BTreeSet::from([b"/etc/alternatives/editor".to_vec()]);
            let text = "/usr/bin/true".to_owned();
            all.alternatives
                .insert("editor".to_owned(), Record { text, paths });
        },
        (Subject::Alternative, Class::Added, "editor"),
    ),
    (
        "diversion",
        |all| {
            all.diversions
                .insert("/bin/sh".to_owned(), "acme /bin/sh.real".to_owned());
        },
        (Subject::Diversion, Class::Added, "/bin/sh"),
    ),
    (
        "process",
        |all| {
            all.processes.insert("acmed acme".to_owned(), 1);
        },
        (Subject::Process, Class::Added, "acmed acme"),
    ),
    (
        "second process",
        |all| {
            all.processes.insert("init root".to_owned(), 2);
        },
        (Subject::Process, Class::Added, "init root"),
    ),
    (
        "socket",
        |all| {
            all.sockets.insert("tcp 0.0.0.0:7777".to_owned());
        },
        (Subject::Socket, Class::Added, "tcp 0.0.0.0:7777"),
    ),
    (
        "shared memory",
        |all| {
            all.ipc.insert("shm 0x7777".to_owned());
        },
        (Subject::Ipc, Class::Added, "shm 0x7777"),
    ),
    (
        "mount",
        |all| {
            all.mounts.insert("/srv".to_owned());
        },
        (Subject::Mount, Class::Added, "/srv"),
    ),
    (
        "new link that leads nowhere",
        |all| put(all, "/usr/bin/acme", link("../lib/acme/bin")),
        (Subject::File, Class::Broken, "/usr/bin/acme"),
    ),
    (
        "setuid file",
        |all| {
            let mut entry = file("su");
            entry.mode = 0o4755;
            put(all, "/usr/bin/acme", entry);
        },
        (Subject::File, Class::Privilege, "/usr/bin/acme"),
    ),
    (
        "file that became setuid",
        |all| {
            all.files.get_mut(b"/usr/bin/true".as_slice()).unwrap().mode = 0o4755;
        },
        (Subject::File, Class::Privilege, "/usr/bin/true"),
    ),
    (
        "file with capabilities",
        |all| {
            let entry = all.files.get_mut(b"/usr/bin/true".as_slice()).unwrap();
            entry
                .xattrs
                .insert(b"security.capability".to_vec(), vec![1]);
        },
        (Subject::File, Class::Privilege, "/usr/bin/true"),
    ),
    (
        "mode",
        |all| {
            all.files.get_mut(b"/etc".as_slice()).unwrap().mode = 0o777;
        },
        (Subject::File, Class::Meta, "/etc"),
    ),
    (
        "owner",
        |all| {
            all.files.get_mut(b"/etc".as_slice()).unwrap().uid = 998;
        },
        (Subject::File, Class::Meta, "/etc"),
    ),
    (
        "attribute",
        |all| {
            let entry = all.files.get_mut(b"/usr/bin/true".as_slice()).unwrap();
            entry.xattrs.insert(b"user.acme".to_vec(), vec![1]);
        },
        (Subject::File, Class::Meta, "/usr/bin/true"),
    ),
    (
        "immutable",
        |all| {
            all.files
                .get_mut(b"/usr/bin/true".as_slice())
                .unwrap()
                .flags = 16;
        },
        (Subject::File, Class::Meta, "/usr/bin/true"),
    ),
    (
        "empty folder",
        |all| put(all, "/var/acme", folder()),
        (Subject::File, Class::Added, "/var/acme"),
    ),
    (
        "whole tree",
        |all| {
            put(all, "/var/acme", folder());
            put(all, "/var/acme/a", folder());
            put(all, "/var/acme/a/b", file("b"));
        },
        (Subject::File, Class::Added, "/var/acme"),
    ),
    (
        "name that is no text",
        |all| {
            all.files.insert(b"/var/\xff\xfe".to_vec(), file("x"));
        },
        (Subject::File, Class::Added, "/var/\\xff\\xfe"),
    ),
    (
        "other kind",
        |all| put(all, "/usr/bin/true", folder()),
        (Subject::File, Class::Type, "/usr/bin/true"),
    ),
    (
        "link led elsewhere",
        |all| put(all, "/usr/bin/sh", link("true")),
        (Subject::File, Class::Content, "/usr/bin/sh"),
    ),
];

fn compare(before: &Inventory, after: &Inventory, policy: &Policy) -> Vec<Finding> {
    let noise = Noise::default();
    find(
        before,
        after,
        &Rules {
            policy,
            noise: &noise,
        },
    )
    .findings
}

#[test]
fn each_seeded_fault_is_exactly_one_finding() {
    let before = system();
    for (name, fault, (subject, class, wanted)) in CASES {
        let mut after = system();
        fault(&mut after);
        let found = compare(&before, &after, &Policy::default());
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        let one = &found[0];
        assert_eq!(
            (one.subject, one.class, one.name.as_str()),
            (*subject, *class, *wanted),
            "{name}"
        );
        assert_eq!(one.weight, Weight::Fault, "{name}");
    }
}

#[test]
fn an_equal_system_and_what_was_broken_before_are_no_findings() {
    assert_eq!(compare(&system(), &system(), &Policy::default()), []);
}

#[test]
fn a_link_whose_target_went_away_is_broken() {
    let mut after = system();
    after.files.remove(b"/usr/bin/dash".as_slice());
    let found = compare(&system(), &after, &Policy::default());
    let of = |class| found.iter().filter(|one| one.class == class).count();
    assert_eq!(
        (of(Class::Removed), of(Class::Broken), found.len()),
        (1, 1, 2),
        "{found:?}"
    );
}

#[test]
fn a_tree_is_one_finding_but_hides_nothing_grave() {
    let mut after = system();
    put(&mut after, "/opt", folder());
    for n in 0..30 {
        put(&mut after, &format!("/opt/file{n}"), file(&n.to_string()));
    }
    let mut entry = file("su");
    entry.mode = 0o4755;
    put(&mut after, "/opt/su", entry);
    after.owners.insert(b"/opt".to_vec(), "acme".to_owned());
    let found = compare(&system(), &after, &Policy::default());
    assert_eq!(found.len(), 2, "{found:?}");
    let tree = found.iter().find(|one| one.class == Class::Added).unwrap();
    assert_eq!((tree.count, tree.owner.as_deref()), (31, Some("acme")));
    assert_eq!(tree.to_string(), "added file /opt: a folder (31 things)");
}

#[test]
fn what_the_policy_accepts_is_quiet_or_a_note_and_what_it_misses_is_said() {
    let mut after = system();
    put(&mut after, "/var/log/acme", folder());
    put(&mut after, "/var/log/acme/today", file("log"));
    let mut entry = file("su");
    entry.mode = 0o4755;
    put(&mut after, "/var/log/acme/su", entry);
    after.users.insert(
        "acme".to_owned(),
        Account {
            id: 998,
            rest: String::new(),
        },
    );
    put(&mut after, "/var/log/boot", file("boot 2"));
    let policy = Policy {
        ignore: ["/var/log/acme", "/var/log/acme/**", "/srv/**"]
            .map(str::to_owned)
            .to_vec(),
        allow_users: vec!["acme".to_owned()],
        generated: Vec::new(),
        volatile: vec!["/var/log/*".to_owned()],
        noise: None,
    };
    let noise = Noise::default();
    let result = find(
        &system(),
        &after,
        &Rules {
            policy: &policy,
            noise: &noise,
        },
    );
    assert_eq!(result.idle, ["/srv/**"]);
    assert!(!result.is_clean());
    let faults: Vec<&Finding> = result
        .findings
        .iter()
        .filter(|one| one.weight == Weight::Fault)
        .collect();
    // A file that runs as another user is never ignored.
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].class, Class::Privilege);
    assert_eq!(result.findings.len(), 3);
}

#[test]
fn noise_is_learnt_but_never_an_account_a_service_or_a_right() {
    let mut idle = system();
    put(&mut idle, "/var/log/boot", file("boot 2"));
    idle.sockets.insert("unix /run/x".to_owned());
    idle.users.insert(
        "systemd".to_owned(),
        Account {
            id: 5,
            rest: String::new(),
        },
    );
    let rules = Rules {
        policy: &Policy::default(),
        noise: &Noise::default(),
    };
    let noise = Noise::learn(&find(&system(), &idle, &rules).findings);
    assert_eq!(noise.iter().count(), 2);
    let rules = Rules {
        policy: &Policy::default(),
        noise: &noise,
    };
    let found = find(&system(), &idle, &rules).findings;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].subject, Subject::User);
    put(&mut idle, "/var/log/acme", file("new"));
    assert_eq!(find(&system(), &idle, &rules).findings.len(), 2);
}

#[test]
fn the_administrators_change_is_kept_lost_or_merged() {
    let mut installed = system();
    put(&mut installed, "/etc/acme.conf", file("port=1"));
    let mut edited = installed.clone();
    put(&mut edited, "/etc/acme.conf", file("port=7777"));
    let mut fresh = system();
    put(&mut fresh, "/etc/acme.conf", file("port=2 new=1"));
    let after = |content: Option<&str>| {
        let mut after = edited.clone();
        match content {
            Some(content) => put(&mut after, "/etc/acme.conf", file(content)),
            None => drop(after.files.remove(b"/etc/acme.conf".as_slice())),
        }
        config_kept(&installed, &edited, &after, Some(&fresh))
    };
    assert_eq!(after(Some("port=7777")), []);
    for content in [Some("port=1"), Some("port=2 new=1"), None] {
        let found = after(content);
        assert_eq!(found.len(), 1, "{content:?}");
        assert_eq!(
            (found[0].class, found[0].weight),
            (Class::Clobbered, Weight::Fault)
        );
    }
    let merged = after(Some("port=7777 new=1"));
    assert_eq!((merged.len(), merged[0].weight), (1, Weight::Note));
    let mut beside = edited.clone();
    put(&mut beside, "/etc/acme.conf", file("port=1"));
    put(&mut beside, "/etc/acme.conf.dpkg-old", file("port=7777"));
    let found = config_kept(&installed, &edited, &beside, None);
    assert!(found[0].detail.contains(".dpkg-old"), "{}", found[0].detail);
}

#[test]
fn files_without_an_owner_and_those_of_an_earlier_release_are_found() {
    let mut after = system();
    put(&mut after, "/usr/bin/acme", file("acme"));
    put(&mut after, "/usr/bin/stray", file("stray"));
    after
        .owners
        .insert(b"/usr/bin/acme".to_vec(), "acme".to_owned());
    let found = unowned(&system(), &after);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, "/usr/bin/stray");
    let package = |version: &str| Package {
        version: version.to_owned(),
        state: "installed".to_owned(),
    };
    after.packages.insert("acme".to_owned(), package("1"));
    put(&mut after, "/usr/lib/old.so", file("old"));
    after
        .owners
        .insert(b"/usr/lib/old.so".to_vec(), "acme".to_owned());
    let mut upgraded = after.clone();
    upgraded.packages.insert("acme".to_owned(), package("2"));
    upgraded.owners.remove(b"/usr/lib/old.so".as_slice());
    let found = orphans(&after, &upgraded);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].name, "/usr/lib/old.so");
}

#[test]
fn what_a_package_manager_keeps_what_enables_and_what_scripts_generate_is_owned() {
    let mut after = system();
    for path in [
        "/usr/bin/acmed",
        "/usr/lib/acme.service",
        "/usr/lib/stray.service",
    ] {
        put(&mut after, path, file(path));
    }
    for path in ["/usr/bin/acmed", "/usr/lib/acme.service"] {
        after
            .owners
            .insert(path.as_bytes().to_vec(), "acme".to_owned());
    }
    for name in ["acme", "libacme1.2:amd64"] {
        let (version, state) = ("1".to_owned(), "installed".to_owned());
        after
            .packages
            .insert(name.to_owned(), Package { version, state });
    }
    // Each with what makes it a file of somebody, or nothing.
    let cases = [
        ("/var/lib/dpkg/info/acme.list", true),
        ("/var/lib/dpkg/info/acme:amd64.postinst", true),
        ("/var/lib/dpkg/info/libacme1.2:amd64.md5sums", true),
        ("/var/lib/dpkg/info/other.list", false),
        ("/var/lib/dpkg/info/acme", false),
        ("/var/lib/acme/info/acme.list", false),
        ("/etc/wants/acme.service", true),
        ("/etc/wants/stray.service", false),
        ("/etc/acme/key.pem", true),
        ("/etc/acme/key.pem.old", false),
    ];
    for (path, _) in cases {
        put(&mut after, path, file(path));
    }
    for name in ["acme", "stray"] {
        let mut all = job(&format!("/usr/lib/{name}.service"), true);
        let wants = format!("/etc/wants/{name}.service");
        all.paths.insert(wants.into_bytes());
        after.services.insert(format!("{name}.service"), all);
    }
    let before = system();
    let moments = Moments {
        golden: Some(&before),
        steps: vec![After {
            step: "install:new",
            inventory: Some(&after),
        }],
        ..Moments::default()
    };
    let policy = Policy {
        generated: vec!["/etc/acme/*.pem".to_owned()],
        ..Policy::default()
    };
    let rules = Rules {
        policy: &policy,
        noise: &Noise::default(),
    };
    let found = judge(&Check::FilesOwned, &moments, &rules).unwrap();
    let mut names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
    names.sort_unstable();
    let lost = cases.iter().filter(|(_, is_owned)| !is_owned);
    let mut wanted: Vec<&str> = lost.map(|(path, _)| *path).collect();
    wanted.push("/usr/lib/stray.service");
    wanted.sort_unstable();
    assert_eq!(names, wanted);
}

#[test]
fn programs_that_a_false_clock_does_not_reach_are_notes() {
    let before = system();
    let mut after = system();
    let program = |is_static, is_go| {
        Needs::Elf(Elf {
            is_static,
            is_go,
            ..Elf::default()
        })
    };
    for (path, needs) in [
        ("/opt/plain", program(false, false)),
        ("/opt/static", program(true, false)),
        ("/opt/go", program(true, true)),
        ("/opt/jre/bin/java", program(false, false)),
        ("/opt/script", Needs::Script(vec![b"/bin/sh".to_vec()])),
    ] {
        after.needs.insert(path.as_bytes().to_vec(), needs);
    }
    let found = overridden(&before, &after);
    let said: Vec<(&str, bool)> = found
        .iter()
        .map(|one| (one.name.as_str(), one.weight == Weight::Note))
        .collect();
    let wanted = ["/opt/go", "/opt/jre/bin/java", "/opt/static"].map(|name| (name, true));
    assert_eq!(said, wanted);
    assert!(found[0].detail.contains("Go") && found[2].detail.contains("static"));
    // What was there before is the platform's, and known.
    assert!(overridden(&after, &after).is_empty());
}

#[test]
fn links_in_a_circle_and_links_out_are_judged() {
    let mut after = system();
    put(&mut after, "/usr/a", link("b"));
    put(&mut after, "/usr/b", link("a"));
    put(&mut after, "/usr/out", link("../../../usr/bin/true"));
    put(&mut after, "/usr/live", link("/proc/self/exe"));
    put(&mut after, "/usr/far", link("/usr/live"));
    let found = compare(&system(), &after, &Policy::default());
    let broken: Vec<&str> = found
        .iter()
        .filter(|one| one.class == Class::Broken)
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(broken, ["/usr/a", "/usr/b"]);
}

proptest! {
    /// Every path that differs is in some finding, and no finding is about one that does not.
    #[test]
    fn every_difference_is_counted_once(
        names in proptest::collection::btree_map("/[ab](/[ab]){0,3}", 0u8..3, 0..25),
    ) {
        let mut after = system();
        let (mut folders, mut files): (BTreeSet<&str>, BTreeMap<&str, u8>) = Default::default();
        for (name, content) in &names {
            let parents = name.match_indices('/').skip(1).map(|(at, _)| &name[..at]);
            folders.extend(parents);
            files.insert(name, *content);
        }
        files.retain(|name, _| !folders.contains(name));
        for name in &folders {
            put(&mut after, name, folder());
        }
        for (at, name) in files.keys().enumerate() {
            put(&mut after, name, file(&at.to_string()));
        }
        let found = compare(&system(), &after, &Policy::default());
        let count: u32 = found.iter().map(|one| one.count).sum();
        prop_assert_eq!(count as usize, folders.len() + files.len());
        // And backwards: what came is what went.
        let back = compare(&after, &system(), &Policy::default());
        prop_assert_eq!(back.len(), found.len());
    }
}
