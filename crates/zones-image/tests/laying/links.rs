//! Links, hard links and mediators.

use std::fs;
use std::os::unix::fs::MetadataExt;

use zones_ips::mediator::Setting;

use crate::support::{World, is_root};

fn vi(version: &str, more: &str) -> String {
    format!(
        "link path=usr/bin/vi target=vi-{version} mediator=vi mediator-version={version} {more}"
    )
}

fn target(world: &World, path: &str) -> Option<String> {
    let target = fs::read_link(world.path(path)).ok()?;
    Some(target.display().to_string())
}

#[test]
fn mediators_choose_and_choose_again() {
    if !is_root("mediators") {
        return;
    }
    let mut world = World::new();
    let one = world.package("vi/one@1", &[vi("1.0", "")]);
    let two = world.package("vi/two@1", &[vi("2.0", "")]);
    let site = world.package("vi/site@1", &[vi("0.5", "mediator-priority=site")]);
    world.install(&[one.clone(), two.clone()]);
    assert_eq!(target(&world, "usr/bin/vi").as_deref(), Some("vi-2.0"));
    world.assert_clean();
    world.install(&[one.clone(), two.clone(), site.clone()]);
    assert_eq!(target(&world, "usr/bin/vi").as_deref(), Some("vi-0.5"));
    // The administrator has the last word.
    let before = world.policy.clone();
    let set = |version: &str| Setting {
        version: Some(version.parse().expect("version")),
        implementation: None,
    };
    world.policy.mediators.insert("vi".into(), set("1.0"));
    let all = [one.clone(), two.clone(), site];
    let request = zones_image::plan::Request {
        installed: &world.installed,
        wanted: &all,
        before: &before,
        after: &world.policy,
    };
    let disk = zones_image::check::ImageDisk::new(&world.root);
    let plan = zones_image::plan::plan(&request, &disk).expect("plan");
    assert_eq!(plan.mediators().len(), 1);
    assert!(
        plan.lines()
            .iter()
            .any(|it| it.contains("version: 0.5 -> 1.0")),
        "{:?}",
        plan.lines()
    );
    world.apply(&plan).expect("apply");
    assert_eq!(target(&world, "usr/bin/vi").as_deref(), Some("vi-1.0"));
    world.assert_clean();
    // What nobody delivers leaves no link.
    world.install(&[two]);
    assert_eq!(target(&world, "usr/bin/vi"), None);
}

#[test]
fn links_replace_what_is_in_their_place() {
    if !is_root("links_replace") {
        return;
    }
    let mut world = World::new();
    world.write("a/inner", "mine");
    world.write("b", "mine");
    fs::create_dir(world.path("c")).expect("c");
    let lines: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|path| format!("link path={path} target=../there"))
        .collect();
    let package = world.package("a@1", &lines);
    world.install(&[package]);
    for path in ["a", "b", "c"] {
        assert_eq!(target(&world, path).as_deref(), Some("../there"), "{path}");
    }
    let salvaged = world.salvaged();
    assert_eq!(salvaged.len(), 1, "{salvaged:?}");
    assert_eq!(salvaged[0].1, "mine");
    world.assert_clean();
}

#[test]
fn hard_links_follow_their_file() {
    if !is_root("hard_links") {
        return;
    }
    let mut world = World::new();
    let link = "hardlink path=usr/sbin/y target=../bin/x".to_owned();
    let one = world.file("usr/bin/x", "one", "mode=4755");
    let two = world.file("usr/bin/x", "two", "mode=4755");
    let (one, two) = (
        world.package("a@1", &[one, link.clone()]),
        world.package("a@2", &[two, link]),
    );
    let inode = |world: &World, path: &str| fs::metadata(world.path(path)).expect("file").ino();
    world.install(&[one]);
    assert_eq!(inode(&world, "usr/bin/x"), inode(&world, "usr/sbin/y"));
    world.install(&[two]);
    assert_eq!(inode(&world, "usr/bin/x"), inode(&world, "usr/sbin/y"));
    assert_eq!(world.read("usr/sbin/y").as_deref(), Some("two"));
    let mode = fs::metadata(world.path("usr/bin/x")).expect("x").mode();
    assert_eq!(mode & 0o7777, 0o4755, "set-id bits survive the owner");
    world.assert_clean();
    let out = world.package(
        "a@3",
        &["hardlink path=usr/z target=../../etc/shadow".into()],
    );
    let plan = world.plan(&[out]).expect("plan");
    let error = world.apply(&plan).expect_err("a target outside");
    assert!(error.to_string().contains("does not exist"), "{error}");
}
