//! Verification, repair and reverting.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use zones_image::check::{ImageDisk, Target, repair, revert, unpackaged};

use crate::support::{World, check_options, is_root};

fn image() -> World {
    let mut world = World::new();
    let license = world.file("unused", "terms", "");
    let hash = license.split(' ').nth(1).expect("hash").to_owned();
    let lines = [
        "dir path=usr/bin mode=0755 owner=root group=root".to_owned(),
        world.file("usr/bin/foo", "foo", "mode=4755 timestamp=20200101T000000Z"),
        world.file("etc/foo.conf", "packaged", "preserve=true revert-tag=all"),
        "link path=usr/bin/l target=foo".to_owned(),
        "hardlink path=usr/bin/h target=foo".to_owned(),
        format!("license {hash} license=terms pkg.size=5"),
    ];
    let package = world.package("app/foo@1.0", &lines);
    let other = world.package("other@1", &["set name=pkg.summary value=x".to_owned()]);
    world.install(&[package, other]);
    world
}

fn fix(world: &World) {
    let disk = ImageDisk::new(&world.root);
    let report = world.verify();
    let plan = repair(&report, &world.installed, &world.policy, &disk).expect("plan");
    assert!(plan.is_repair());
    assert_eq!(plan.numbers().fix, 1);
    world.apply(&plan).expect("apply");
    world.assert_clean();
}

#[test]
fn every_kind_of_damage_is_told_and_repaired() {
    if !is_root("every_kind_of_damage") {
        return;
    }
    type Damage = fn(&World);
    let rows: [(&str, Damage, &str); 13] = [
        (
            "file: usr/bin/foo",
            |w| w.write("usr/bin/foo", "fox"),
            "Hash: ",
        ),
        (
            "file: usr/bin/foo",
            |w| w.write("usr/bin/foo", "longer"),
            "Size: 6 bytes should be 3",
        ),
        (
            "file: usr/bin/foo",
            |w| {
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(w.path("usr/bin/foo"), mode).expect("mode");
            },
            "mode: 0755 should be 4755",
        ),
        (
            "file: usr/bin/foo",
            |w| {
                std::os::unix::fs::chown(w.path("usr/bin/foo"), Some(12345), None).expect("chown");
            },
            "owner: '12345 (12345)' should be 'root (0)'",
        ),
        (
            "file: usr/bin/foo",
            |w| fs::remove_file(w.path("usr/bin/foo")).expect("remove"),
            "missing: regular file does not exist",
        ),
        (
            "file: usr/bin/foo",
            |w| {
                let file = fs::File::open(w.path("usr/bin/foo")).expect("open");
                file.set_modified(std::time::SystemTime::UNIX_EPOCH)
                    .expect("time");
            },
            "Timestamp: 19700101T000000Z should be 20200101T000000Z",
        ),
        (
            "file: etc/foo.conf",
            |w| fs::remove_file(w.path("etc/foo.conf")).expect("remove"),
            "missing: regular file does not exist",
        ),
        (
            "link: usr/bin/l",
            |w| {
                fs::remove_file(w.path("usr/bin/l")).expect("remove");
                symlink("bar", w.path("usr/bin/l")).expect("link");
            },
            "Target: 'bar' should be 'foo'",
        ),
        (
            "link: usr/bin/l",
            |w| {
                fs::remove_file(w.path("usr/bin/l")).expect("remove");
                fs::create_dir(w.path("usr/bin/l")).expect("dir");
            },
            "file type: 'directory' should be 'symbolic link'",
        ),
        (
            "hardlink: usr/bin/h",
            |w| {
                fs::remove_file(w.path("usr/bin/h")).expect("remove");
                w.write("usr/bin/h", "foo");
            },
            "Path and Target (foo) inodes not the same",
        ),
        (
            "dir: usr/bin",
            |w| fs::remove_dir_all(w.path("usr")).expect("remove"),
            "missing: directory does not exist",
        ),
        (
            "license: terms",
            |w| fs::remove_dir_all(w.path("var/pkg/license")).expect("remove"),
            "License file var/pkg/license/app%2Ffoo/license.terms does not exist.",
        ),
        (
            "license: terms",
            |w| w.write("var/pkg/license/app%2Ffoo/license.terms", "other"),
            "Hash: ",
        ),
    ];
    for (label, damage, text) in rows {
        let world = image();
        world.assert_clean();
        damage(&world);
        let lines = world.verify().lines(false);
        assert_eq!(lines[0].trim_end(), format!("{:<72}STATUS", "PACKAGE"));
        assert_eq!(lines[1], format!("{:<73}ERROR", "pkg://test/app/foo"));
        let at = lines.iter().position(|line| *line == format!("\t{label}"));
        let at = at.unwrap_or_else(|| panic!("{label}: {lines:#?}"));
        let below = &lines[at + 1..];
        let found = below
            .iter()
            .any(|line| line.starts_with(&format!("\t\tERROR: {text}")));
        assert!(found, "{text}: {lines:#?}");
        fix(&world);
    }
}

#[test]
fn an_edit_is_no_damage() {
    if !is_root("an_edit_is_no_damage") {
        return;
    }
    let world = image();
    world.write("etc/foo.conf", "mine");
    let report = world.verify();
    assert!(report.is_clean());
    assert!(report.lines(false).is_empty());
    let lines = report.lines(true);
    assert!(
        lines.contains(&"\t\tINFO: editable file has been changed".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("pkg://test/other") && line.ends_with(" OK"))
    );
    // Its mode is repaired, its content kept.
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(world.path("etc/foo.conf"), mode).expect("mode");
    fix(&world);
    assert_eq!(world.read("etc/foo.conf").as_deref(), Some("mine"));
}

#[test]
fn reverting_brings_the_packaged_content_back() {
    if !is_root("reverting") {
        return;
    }
    let targets = [
        Target::Paths(vec!["etc/foo.conf".parse().expect("path")]),
        Target::Tags(vec!["all".to_owned()]),
    ];
    for target in targets {
        let world = image();
        let plan = |world: &World| {
            let options = check_options();
            revert(
                &target,
                &world.root,
                &world.installed,
                &world.policy,
                &options,
            )
        };
        assert!(plan(&world).expect("plan").is_empty());
        world.write("etc/foo.conf", "mine");
        world.apply(&plan(&world).expect("plan")).expect("apply");
        assert_eq!(world.read("etc/foo.conf").as_deref(), Some("packaged"));
        fs::remove_file(world.path("etc/foo.conf")).expect("remove");
        world.apply(&plan(&world).expect("plan")).expect("apply");
        world.assert_clean();
    }
    let world = image();
    let target = Target::Paths(vec!["etc/none".parse().expect("path")]);
    let options = check_options();
    let error = revert(
        &target,
        &world.root,
        &world.installed,
        &world.policy,
        &options,
    );
    assert!(error.expect_err("unknown").to_string().contains("etc/none"));
}

#[test]
fn what_nobody_delivers_is_named() {
    if !is_root("what_nobody_delivers") {
        return;
    }
    let world = image();
    world.write("etc/mine", "x");
    world.write("opt/mine/deep", "x");
    let skipped = ["var/pkg".parse().expect("path")];
    assert!(world.path("var/pkg/license/app%2Ffoo").exists());
    let found = unpackaged(&world.root, &world.installed, &world.policy, &skipped);
    let found: Vec<_> = found
        .expect("walk")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, ["etc/mine", "opt", "var"]);
    let mut world = world;
    world.install(&[]);
    assert!(!world.path("var/pkg/license/app%2Ffoo").exists());
}
