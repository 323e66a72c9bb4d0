//! Editable files: the tables of pkg(7), what pkg(1) was seen to do, and the lesson of ii.conf.

use crate::support::{World, is_root};

/// What is on disk before the operation.
#[derive(Debug, Clone, Copy)]
enum Disk {
    Packaged,
    Edited,
    Missing,
}

/// Attributes of the old and the new version, the disk, then: the file, what lies beside it
/// (suffix and content), whether something was salvaged.
type Row = (
    &'static str,
    &'static str,
    Disk,
    Option<&'static str>,
    Option<(&'static str, &'static str)>,
    bool,
);

use Disk::{Edited, Missing, Packaged};

const UPGRADES: [Row; 24] = [
    ("", "", Packaged, Some("new"), None, false),
    ("", "", Edited, Some("new"), None, false),
    ("", "", Missing, Some("new"), None, false),
    (
        "preserve=true",
        "preserve=true",
        Packaged,
        Some("new"),
        None,
        false,
    ),
    (
        "preserve=true",
        "preserve=true",
        Edited,
        Some("mine"),
        None,
        false,
    ),
    (
        "preserve=true",
        "preserve=true",
        Missing,
        Some("new"),
        None,
        false,
    ),
    (
        "preserve=renameold",
        "preserve=renameold",
        Packaged,
        Some("new"),
        None,
        false,
    ),
    (
        "preserve=renameold",
        "preserve=renameold",
        Edited,
        Some("new"),
        Some((".old", "mine")),
        false,
    ),
    (
        "preserve=renameold",
        "preserve=renameold",
        Missing,
        Some("new"),
        None,
        false,
    ),
    (
        "preserve=renamenew",
        "preserve=renamenew",
        Packaged,
        Some("new"),
        None,
        false,
    ),
    (
        "preserve=renamenew",
        "preserve=renamenew",
        Edited,
        Some("mine"),
        Some((".new", "new")),
        false,
    ),
    (
        "preserve=renamenew",
        "preserve=renamenew",
        Missing,
        Some("new"),
        None,
        false,
    ),
    (
        "preserve=true",
        "preserve=legacy",
        Packaged,
        Some("new"),
        Some((".legacy", "old")),
        false,
    ),
    (
        "preserve=true",
        "preserve=legacy",
        Edited,
        Some("new"),
        Some((".legacy", "mine")),
        false,
    ),
    (
        "preserve=true",
        "preserve=legacy",
        Missing,
        None,
        None,
        false,
    ),
    (
        "preserve=legacy",
        "preserve=legacy",
        Edited,
        Some("new"),
        None,
        false,
    ),
    (
        "preserve=install-only",
        "preserve=install-only",
        Packaged,
        Some("old"),
        None,
        false,
    ),
    (
        "preserve=install-only",
        "preserve=install-only",
        Edited,
        Some("mine"),
        None,
        false,
    ),
    (
        "preserve=install-only",
        "preserve=install-only",
        Missing,
        None,
        None,
        false,
    ),
    (
        "preserve=true",
        "preserve=abandon",
        Packaged,
        Some("old"),
        None,
        false,
    ),
    (
        "preserve=true",
        "preserve=abandon",
        Edited,
        Some("mine"),
        None,
        false,
    ),
    (
        "preserve=true",
        "preserve=abandon",
        Missing,
        None,
        None,
        false,
    ),
    ("preserve=true", "", Edited, Some("new"), None, false),
    ("", "preserve=true", Edited, Some("mine"), None, false),
];

const DOWNGRADES: [Row; 8] = [
    (
        "preserve=true",
        "preserve=true",
        Packaged,
        Some("old"),
        None,
        false,
    ),
    (
        "preserve=true",
        "preserve=true",
        Edited,
        Some("mine"),
        None,
        false,
    ),
    (
        "preserve=true preserve-version=2.0",
        "preserve=true preserve-version=1.0",
        Edited,
        Some("new"),
        Some((".update", "mine")),
        false,
    ),
    (
        "preserve=renameold preserve-version=2.0",
        "preserve=renameold",
        Packaged,
        Some("new"),
        None,
        false,
    ),
    (
        "preserve=renamenew preserve-version=1.0",
        "preserve=renamenew preserve-version=1.0",
        Edited,
        Some("mine"),
        None,
        false,
    ),
    (
        "preserve=legacy",
        "preserve=legacy",
        Edited,
        Some("new"),
        None,
        false,
    ),
    ("", "", Edited, Some("new"), None, false),
    (
        "preserve=true",
        "preserve=true",
        Missing,
        Some("new"),
        None,
        false,
    ),
];

fn run(row: &Row, from: &str, to: &str) {
    let (old, new, disk, file, beside, is_salvaged) = *row;
    let mut world = World::new();
    let old = world.file("etc/x.conf", "old", old);
    let new = world.file("etc/x.conf", "new", new);
    let old = world.package(from, &[old]);
    let new = world.package(to, &[new]);
    world.install(&[old]);
    match disk {
        Disk::Packaged => world.write("etc/x.conf", "old"),
        Disk::Edited => world.write("etc/x.conf", "mine"),
        Disk::Missing => drop(std::fs::remove_file(world.path("etc/x.conf"))),
    }
    for round in 0..2 {
        // The second round is what happens after a kill behind the last action.
        let installed = world.installed.clone();
        world.install(std::slice::from_ref(&new));
        assert_eq!(world.read("etc/x.conf").as_deref(), file, "{row:?}");
        for suffix in [".old", ".new", ".legacy", ".update"] {
            let expected = beside.filter(|(own, _)| *own == suffix).map(|it| it.1);
            let found = world.read(&format!("etc/x.conf{suffix}"));
            assert_eq!(found.as_deref(), expected, "{row:?} {suffix} round {round}");
        }
        assert_eq!(!world.salvaged().is_empty(), is_salvaged, "{row:?}");
        world.assert_clean();
        let plan = world.plan(std::slice::from_ref(&new)).expect("plan");
        assert!(plan.is_empty(), "{row:?}");
        world.installed = installed;
    }
}

#[test]
fn upgrades_follow_the_table() {
    if !is_root("upgrades_follow_the_table") {
        return;
    }
    for row in &UPGRADES {
        run(row, "a@1", "a@2");
    }
}

#[test]
fn downgrades_follow_the_table() {
    if !is_root("downgrades_follow_the_table") {
        return;
    }
    for row in &DOWNGRADES {
        run(row, "a@2", "a@1");
    }
}

#[test]
fn first_installs_follow_the_table() {
    if !is_root("first_installs_follow_the_table") {
        return;
    }
    // Attribute, whether a file is there; then the file, whether it was salvaged.
    let rows = [
        ("", false, Some("new"), false),
        ("", true, Some("new"), false),
        ("preserve=true", false, Some("new"), false),
        ("preserve=true", true, Some("new"), true),
        ("preserve=renameold", true, Some("new"), true),
        ("preserve=renamenew", true, Some("new"), true),
        ("preserve=legacy", false, None, false),
        ("preserve=legacy", true, None, true),
        ("preserve=install-only", false, Some("new"), false),
        ("preserve=install-only", true, Some("mine"), false),
        ("preserve=abandon", false, None, false),
        ("preserve=abandon", true, Some("mine"), false),
    ];
    for row in rows {
        let (attribute, is_there, file, is_salvaged) = row;
        let mut world = World::new();
        let line = world.file("etc/x.conf", "new", attribute);
        if is_there {
            world.write("etc/x.conf", "mine");
        }
        let package = world.package("a@1", &[line]);
        world.install(&[package]);
        assert_eq!(world.read("etc/x.conf").as_deref(), file, "{row:?}");
        let salvaged = world.salvaged();
        assert_eq!(!salvaged.is_empty(), is_salvaged, "{row:?}");
        for (name, text) in salvaged {
            let expected = format!("etc/x.conf-{}", crate::support::TIME);
            assert_eq!((&*name, &*text), (&*expected, "mine"));
        }
        world.assert_clean();
    }
}

#[test]
fn removals_follow_the_table() {
    if !is_root("removals_follow_the_table") {
        return;
    }
    let rows = [
        ("", true, None, false),
        ("preserve=true", false, None, false),
        ("preserve=true", true, None, true),
        ("preserve=renameold", true, None, true),
        ("preserve=renamenew", true, None, true),
        ("preserve=install-only", true, Some("mine"), false),
        ("preserve=install-only", false, Some("old"), false),
        ("preserve=abandon", true, Some("mine"), false),
    ];
    for row in rows {
        let (attribute, is_edited, file, is_salvaged) = row;
        let mut world = World::new();
        let line = world.file("etc/x.conf", "old", attribute);
        let package = world.package("a@1", &[line]);
        // Somebody else's, so that the folder stays.
        let other = world.package(
            "b@1",
            &["dir path=etc mode=0755 owner=root group=root".into()],
        );
        world.install(&[package, other.clone()]);
        if is_edited {
            world.write("etc/x.conf", "mine");
        }
        world.install(&[other]);
        assert_eq!(world.read("etc/x.conf").as_deref(), file, "{row:?}");
        let salvaged = world.salvaged();
        assert_eq!(!salvaged.is_empty(), is_salvaged, "{row:?}");
        if let Some((_, text)) = salvaged.first() {
            assert_eq!(text, "mine");
        }
    }
}

/// Seven files of three lines, a line added by hand, the next version.
#[test]
fn all_ways_in_one_package_end_as_those_of_the_real_client() {
    if !is_root("all_ways_in_one_package") {
        return;
    }
    let ways = [
        "true",
        "renameold",
        "renamenew",
        "install-only",
        "legacy",
        "abandon",
        "",
    ];
    let mut world = World::new();
    let mut versions = [Vec::new(), Vec::new()];
    for way in ways {
        let attribute = match way {
            "" => String::new(),
            way => format!("preserve={way}"),
        };
        for (at, lines) in versions.iter_mut().enumerate() {
            let text = format!("v{} {way}\ntwo\nthree\n", at + 1);
            lines.push(world.file(&format!("etc/{way}x"), &text, &attribute));
        }
    }
    let [one, two] = versions;
    let (one, two) = (world.package("a@1", &one), world.package("a@2", &two));
    world.install(&[one]);
    assert_eq!(world.read("etc/legacyx"), None);
    for way in ways {
        let path = format!("etc/{way}x");
        let text = world.read(&path).unwrap_or_default() + "by hand\n";
        world.write(&path, &text);
    }
    let plan = world.plan(std::slice::from_ref(&two)).expect("plan");
    assert_eq!(plan.content().len(), 4, "no needless content is fetched");
    world.install(&[two]);
    let shape = |path: &str| {
        let text = world.read(path)?;
        Some((text[..2].to_owned(), text.lines().count()))
    };
    let some = |head: &str, lines| Some((head.to_owned(), lines));
    assert_eq!(shape("etc/truex"), some("v1", 4));
    assert_eq!(shape("etc/renameoldx"), some("v2", 3));
    assert_eq!(shape("etc/renameoldx.old"), some("v1", 4));
    assert_eq!(shape("etc/renamenewx"), some("v1", 4));
    assert_eq!(shape("etc/renamenewx.new"), some("v2", 3));
    assert_eq!(shape("etc/install-onlyx"), some("v1", 4));
    assert_eq!(shape("etc/legacyx"), some("v2", 3));
    assert_eq!(world.read("etc/abandonx").as_deref(), Some("by hand\n"));
    assert_eq!(shape("etc/x"), some("v2", 3));
    world.install(&[]);
    let kept: Vec<_> = world.salvaged();
    let lost: Vec<_> = kept.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["truex", "renamenewx"] {
        let path = format!("etc/{name}-{}", crate::support::TIME);
        assert!(lost.contains(&&*path), "{lost:?}");
    }
    assert_eq!(world.read("etc/truex"), None);
}

/// An installed driver.conf once doubled at every upgrade. Thirty upgrades, some of them with the
/// same content, some repeated: nothing grows, nothing that was edited is lost.
#[test]
fn thirty_upgrades_of_a_driver_conf_leave_it_alone() {
    if !is_root("thirty_upgrades") {
        return;
    }
    let ways = ["true", "renameold", "renamenew"];
    for is_edited in [false, true] {
        let mut world = World::new();
        let packaged = |version: usize| -> String {
            let line = |n| format!("name=\"ii\" instance={n} version={};\n", version / 2);
            (0..10).map(line).collect()
        };
        let package = |world: &mut World, version: usize| {
            let text = packaged(version);
            let lines: Vec<_> = ways
                .iter()
                .map(|way| {
                    let path = format!("kernel/drv/{way}.conf");
                    world.file(&path, &text, &format!("preserve={way}"))
                })
                .collect();
            world.package(&format!("driver/ii@{version}"), &lines)
        };
        let first = package(&mut world, 0);
        world.install(&[first]);
        let edit = "# by hand\nname=\"ii\" parent=\"pci\";\n";
        if is_edited {
            for way in ways {
                world.write(&format!("kernel/drv/{way}.conf"), edit);
            }
        }
        for version in 1..=30 {
            let next = package(&mut world, version);
            let before = world.installed.clone();
            world.install(std::slice::from_ref(&next));
            // The same once more, as after a kill before the state was written.
            world.installed = before;
            world.install(&[next]);
            for way in ways {
                let text = world.read(&format!("kernel/drv/{way}.conf")).expect("conf");
                // The second version has other content; what it renamed aside is edited no more.
                let is_kept = is_edited && (way != "renameold" || version < 2);
                let expected = if is_kept {
                    edit.to_owned()
                } else {
                    packaged(version)
                };
                assert_eq!(text, expected, "{way} at version {version}");
            }
            let names = crate::support::names(&world.path("kernel/drv"));
            assert!(names.len() <= 5, "{names:?}");
            if is_edited && version >= 2 {
                let old = world.read("kernel/drv/renameold.conf.old");
                assert_eq!(old.as_deref(), Some(edit), "version {version}");
                let new = world.read("kernel/drv/renamenew.conf.new");
                assert_eq!(new, Some(packaged(version)), "version {version}");
            }
            world.assert_clean();
        }
    }
}

/// The file that grew had 2^18 equal lines. Everything that touches it is linear.
#[test]
fn a_file_of_equal_lines_is_no_more_work_than_its_bytes() {
    if !is_root("a_file_of_equal_lines") {
        return;
    }
    let spent = |lines: usize| {
        let mut world = World::new();
        let text = "name=\"ii\" instance=0;\n".repeat(lines);
        let one = world.file("kernel/drv/ii.conf", &text, "preserve=renamenew");
        let two = world.file("kernel/drv/ii.conf", "short\n", "preserve=renamenew");
        let (one, two) = (world.package("a@1", &[one]), world.package("a@2", &[two]));
        let start = std::time::Instant::now();
        world.install(&[one]);
        world.write("kernel/drv/ii.conf", &format!("{text}# mine\n"));
        world.install(&[two]);
        world.assert_clean();
        assert_eq!(
            world
                .read("kernel/drv/ii.conf")
                .map(|it| it.lines().count()),
            Some(lines + 1)
        );
        start.elapsed()
    };
    let small = spent(1 << 15).max(std::time::Duration::from_millis(20));
    let large = spent(1 << 18);
    assert!(
        large < small * 40,
        "{small:?} for 2^15 lines, {large:?} for 2^18"
    );
}
