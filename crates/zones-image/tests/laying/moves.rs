//! Things that move, folders that come and go, overlays.

use std::fs;

use crate::support::{World, is_root};

#[test]
fn a_file_that_changes_packages_is_never_gone() {
    if !is_root("a_file_that_changes_packages") {
        return;
    }
    let mut world = World::new();
    let file = world.file("usr/bin/x", "same", "");
    let one = world.package("one@1", std::slice::from_ref(&file));
    world.install(&[one]);
    let two = world.package("two@1", &[file]);
    let plan = world.plan(std::slice::from_ref(&two)).expect("plan");
    assert_eq!(plan.steps().count(), 0, "nothing on disk changes");
    assert!(!plan.is_empty());
    let changed = world.file("usr/bin/x", "other", "");
    let two = world.package("two@1", &[changed]);
    let plan = world.plan(std::slice::from_ref(&two)).expect("plan");
    assert_eq!((plan.removals().len(), plan.updates().len()), (0, 1));
    world.install(&[two]);
    assert_eq!(world.read("usr/bin/x").as_deref(), Some("other"));
}

#[test]
fn an_edited_file_follows_its_original_name() {
    if !is_root("an_edited_file_follows") {
        return;
    }
    for (text, expected) in [("mine", "mine"), ("old", "new")] {
        let mut world = World::new();
        let old = world.file("etc/old/x.conf", "old", "preserve=true");
        let more = "preserve=true original_name=one:etc/old/x.conf";
        let new = world.file("etc/new/y.conf", "new", more);
        let (one, two) = (
            world.package("one@1", &[old]),
            world.package("two@1", &[new]),
        );
        world.install(std::slice::from_ref(&one));
        world.write("etc/old/x.conf", text);
        for _ in 0..2 {
            world.installed = vec![one.clone()];
            world.install(std::slice::from_ref(&two));
            assert_eq!(world.read("etc/new/y.conf").as_deref(), Some(expected));
            assert!(!world.path("etc/old").exists(), "the old folder goes");
            assert!(world.salvaged().is_empty());
        }
        world.assert_clean();
    }
}

#[test]
fn folders_go_with_the_last_that_needs_them() {
    if !is_root("folders_go") {
        return;
    }
    let mut world = World::new();
    let dir = "dir path=opt/x mode=0750 owner=root group=root".to_owned();
    let deep = world.file("opt/x/deep/er/file", "1", "");
    let one = world.package("one@1", &[dir.clone(), deep]);
    let two = world.package("two@1", &[dir]);
    world.install(&[one.clone(), two.clone()]);
    world.write("opt/x/deep/mine", "mine");
    world.install(&[two]);
    assert!(world.path("opt/x").is_dir());
    assert!(!world.path("opt/x/deep").exists());
    let salvaged = world.salvaged();
    let name = format!("opt/x/deep-{}/mine", crate::support::TIME);
    assert_eq!(salvaged, [(name, "mine".to_owned())]);
    world.install(&[]);
    assert!(!world.path("opt").exists());
    assert!(
        world.path("var/pkg").exists(),
        "the image's own folders stay"
    );
}

#[test]
fn a_path_can_change_its_kind() {
    if !is_root("a_path_can_change_its_kind") {
        return;
    }
    let mut world = World::new();
    let inner = world.file("a/inner", "1", "");
    let file = world.file("a", "2", "preserve=true");
    let link = "link path=a target=b".to_owned();
    let dir = "dir path=a mode=0755 owner=root group=root".to_owned();
    let versions = [
        vec![dir.clone(), inner],
        vec![file.clone()],
        vec![link.clone()],
        vec![dir],
        vec![link],
        vec![file],
    ];
    for (at, lines) in versions.iter().enumerate() {
        let package = world.package(&format!("p@{at}"), lines);
        world.install(&[package]);
        world.assert_clean();
    }
    assert_eq!(world.read("a").as_deref(), Some("2"));
}

#[test]
fn an_edited_file_that_a_link_follows_is_salvaged() {
    if !is_root("an_edited_file_that_a_link_follows") {
        return;
    }
    let mut world = World::new();
    let file = world.file("etc/x", "old", "preserve=true");
    let (one, two) = (
        world.package("a@1", &[file]),
        world.package("a@2", &["link path=etc/x target=y".into()]),
    );
    world.install(&[one]);
    world.write("etc/x", "mine");
    world.install(&[two]);
    assert_eq!(world.salvaged()[0].1, "mine");
    world.assert_clean();
}

#[test]
fn what_lies_below_an_overlay_comes_back() {
    if !is_root("what_lies_below_an_overlay") {
        return;
    }
    let mut world = World::new();
    let below = world.file("etc/x", "below", "preserve=true overlay=allow");
    let above = world.file("etc/x", "above", "preserve=true overlay=true");
    let (below, above) = (
        world.package("a@1", &[below]),
        world.package("b@1", &[above]),
    );
    world.install(std::slice::from_ref(&below));
    world.install(&[below.clone(), above.clone()]);
    assert_eq!(world.read("etc/x").as_deref(), Some("above"));
    world.assert_clean();
    world.install(std::slice::from_ref(&below));
    assert_eq!(world.read("etc/x").as_deref(), Some("below"));
    // An edit survives both ways.
    world.install(&[below.clone(), above]);
    world.write("etc/x", "mine");
    world.install(&[below]);
    assert_eq!(world.read("etc/x").as_deref(), Some("mine"));
}

#[test]
fn salvaged_content_comes_back_where_a_folder_asks_for_it() {
    if !is_root("salvaged_content") {
        return;
    }
    let mut world = World::new();
    let file = world.file("var/mail/x", "1", "");
    let one = world.package("a@1", &[file]);
    let line = "dir path=srv/mail mode=0755 owner=root group=root salvage-from=var/mail";
    let two = world.package("a@2", &[line.into()]);
    world.install(&[one]);
    world.write("var/mail/inbox", "mine");
    world.install(&[two]);
    assert_eq!(world.read("srv/mail/inbox").as_deref(), Some("mine"));
}

#[test]
fn variants_and_facets_bring_and_take() {
    if !is_root("variants_and_facets") {
        return;
    }
    let mut world = World::new();
    world.policy.variants.set("variant.arch", "i386");
    let lines = [
        world.file("intel", "1", "variant.arch=i386"),
        world.file("sparc", "1", "variant.arch=sparc"),
        world.file("doc", "1", "facet.doc=true"),
    ];
    let package = world.package("a@1", &lines);
    world.install(std::slice::from_ref(&package));
    assert_eq!(crate::support::names(&world.path("")), ["doc", "intel"]);
    let before = world.policy.clone();
    world.policy.facets.set("facet.doc", false);
    let request = zones_image::plan::Request {
        installed: std::slice::from_ref(&package),
        wanted: std::slice::from_ref(&package),
        before: &before,
        after: &world.policy,
    };
    let plan = zones_image::plan::plan(&request, &zones_image::plan::EmptyDisk).expect("plan");
    assert_eq!(plan.numbers().change, 1);
    world.apply(&plan).expect("apply");
    assert_eq!(crate::support::names(&world.path("")), ["intel"]);
}

#[test]
fn a_plan_tells_what_it_does() {
    let mut world = World::new();
    let license = world.file("unused", "terms", "");
    let hash = license.split(' ').nth(1).expect("hash").to_owned();
    let lines = [
        world.file(
            "etc/x.conf",
            "1",
            "preserve=true restart_fmri=svc:/a:default",
        ),
        format!("license {hash} license=terms must-accept=true"),
        "set name=pkg.summary value=x".to_owned(),
    ];
    let package = world.package("app/foo@1.0-0.1", &lines);
    let plan = world.plan(&[package]).expect("plan");
    let numbers = plan.numbers();
    assert_eq!(
        (numbers.install, numbers.files, numbers.services),
        (1, 2, 1)
    );
    assert_eq!(numbers.added_bytes, 4096 * 2);
    assert_eq!(plan.action_counts(), [0, 4, 0]);
    let expected = [
        "Changed packages:",
        "test",
        "  app/foo",
        "    None -> 1.0-0.1",
        "",
        "Services:",
        "  restart_fmri:",
        "    svc:/a:default",
        "",
        "Editable files to change:",
        "  Install:",
        "    etc/x.conf",
        "",
    ];
    assert_eq!(plan.lines(), expected);
    let json = plan.parsable();
    assert_eq!(json["version"], 0);
    assert_eq!(json["add-packages"].as_array().map(Vec::len), Some(1));
    assert_eq!(json["change-editables"][0][0], "installed");
    assert_eq!(json["licenses"][0][2][2], true);
    assert!(plan.licenses()[0].must_accept);
    assert!(fs::read_dir(world.path("")).expect("root").next().is_none());
}
