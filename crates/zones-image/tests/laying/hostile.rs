//! Roots and payloads of strangers.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, symlink};

use zones_image::apply::{Content, Source, apply};
use zones_image::check::{ImageDisk, repair};
use zones_ips::{Action, Fmri};

use crate::support::{World, apply_options, gzip, is_root, names};

#[test]
fn links_planted_in_the_root_lead_nowhere() {
    if !is_root("links_planted") {
        return;
    }
    for target in ["../outside", "/etc", "elsewhere"] {
        let mut world = World::new();
        let outside = world.temp.path().join("outside");
        fs::create_dir(&outside).expect("outside");
        world.write("elsewhere/keep", "k");
        symlink(target, world.path("usr")).expect("link");
        let file = world.file("usr/bin/planted-by-test", "x", "");
        let link = "link path=usr/bin/planted-link target=x".to_owned();
        let package = world.package("a@1", &[file, link]);
        let plan = world.plan(&[package]).expect("plan");
        let error = world.apply(&plan).expect_err("a link").to_string();
        let head = "parent directory usr is a link to";
        assert!(error.contains(head), "{error}");
        let tail = "To continue, move the directory to its original location and try again.";
        assert!(error.starts_with("Cannot install 'usr/bin"), "{error}");
        assert!(error.ends_with(tail), "{error}");
        assert!(names(&outside).is_empty());
        assert_eq!(names(&world.path("elsewhere")), ["keep"]);
    }
}

#[test]
fn removal_and_repair_do_not_follow_links_either() {
    if !is_root("removal_and_repair") {
        return;
    }
    let mut world = World::new();
    let file = world.file("usr/bin/x", "x", "");
    let package = world.package("a@1", &[file]);
    world.install(&[package]);
    let outside = world.temp.path().join("outside");
    fs::create_dir_all(outside.join("bin")).expect("outside");
    fs::write(outside.join("bin/x"), "theirs").expect("x");
    fs::rename(world.path("usr"), world.path("usr-moved")).expect("move");
    symlink("../outside", world.path("usr")).expect("link");
    assert!(
        !world.verify().is_clean(),
        "what is behind a link is not there"
    );
    let report = world.install(&[]);
    assert_eq!(report.warnings.len(), 1, "{report:?}");
    assert_eq!(
        fs::read_to_string(outside.join("bin/x")).expect("x"),
        "theirs"
    );
}

/// Swaps the folder for a link while the payload is being fetched.
struct Swapping<'a> {
    world: &'a World,
}

impl Content for Swapping<'_> {
    fn open(&self, fmri: &Fmri, action: &Action) -> io::Result<Source> {
        let usr = self.world.path("usr");
        if usr.is_dir() && !usr.is_symlink() {
            fs::rename(&usr, self.world.path("moved"))?;
            symlink("../outside", &usr)?;
        }
        self.world.store.open(fmri, action)
    }
}

#[test]
fn a_folder_swapped_in_mid_way_leads_nowhere() {
    if !is_root("a_folder_swapped") {
        return;
    }
    let mut world = World::new();
    let outside = world.temp.path().join("outside");
    fs::create_dir_all(outside.join("bin")).expect("outside");
    let files: Vec<_> = ["usr/bin/a", "usr/bin/b", "usr/lib/c"]
        .iter()
        .map(|path| world.file(path, path, ""))
        .collect();
    let package = world.package("a@1", &files);
    let plan = world.plan(&[package]).expect("plan");
    let content = Swapping { world: &world };
    let error = apply(&plan, &world.root, &content, &apply_options(), &|_| {});
    let error = error.expect_err("a link").to_string();
    assert!(error.contains("parent directory usr is a link"), "{error}");
    assert_eq!(names(&outside), ["bin"]);
}

#[test]
fn damaged_payloads_are_refused_and_leave_nothing() {
    if !is_root("damaged_payloads") {
        return;
    }
    let text = "a text of some length, so that cutting it short does harm\n".repeat(100);
    let short = |mut packed: Vec<u8>| {
        packed.truncate(packed.len() - 12);
        packed
    };
    let rows: [(&str, Vec<u8>, &str); 6] = [
        (
            "other content",
            gzip(text.to_uppercase().as_bytes()),
            "Hash: ",
        ),
        (
            "truncated",
            short(gzip(text.as_bytes())),
            "cannot read the content of 'x'",
        ),
        (
            "no gzip",
            text.clone().into_bytes(),
            "cannot read the content of 'x'",
        ),
        ("empty", Vec::new(), "cannot read the content of 'x'"),
        ("longer", gzip(format!("{text}more").as_bytes()), "Size: "),
        ("bomb", gzip(&vec![0; 64 << 20]), "Size: "),
    ];
    for (name, packed, word) in rows {
        let mut world = World::new();
        world.write("x", "old");
        let line = world.file("x", &text, "");
        let hash = line.split(' ').nth(1).expect("hash").to_owned();
        world.store.0.insert(hash, packed);
        let package = world.package("a@1", &[line]);
        let plan = world.plan(&[package]).expect("plan");
        let start = std::time::Instant::now();
        let error = world.apply(&plan).expect_err(name).to_string();
        assert!(error.contains(word), "{name}: {error}");
        assert!(error.contains("fetch it again"), "{name}: {error}");
        assert_eq!(world.read("x").as_deref(), Some("old"), "{name}");
        assert_eq!(names(&world.path("")), ["x"], "{name}");
        assert!(start.elapsed().as_secs() < 5, "{name}");
    }
}

/// Gives plain files of whatever content.
struct Plain<'a>(&'a World, &'a str);

impl Content for Plain<'_> {
    fn open(&self, _: &Fmri, _: &Action) -> io::Result<Source> {
        let path = self.0.temp.path().join("plain");
        fs::write(&path, self.1)?;
        Ok(Source::Plain(fs::File::open(path)?))
    }
}

#[test]
fn plain_content_is_copied_and_never_linked() {
    if !is_root("plain_content") {
        return;
    }
    let mut world = World::new();
    let line = world.file("x", "plain text", "mode=4711 timestamp=20200101T000000Z");
    let package = world.package("a@1", &[line]);
    let plan = world.plan(std::slice::from_ref(&package)).expect("plan");
    let short = Plain(&world, "plain");
    let error = apply(&plan, &world.root, &short, &apply_options(), &|_| {});
    assert!(error.expect_err("short").to_string().contains("Size: "));
    let whole = Plain(&world, "plain text");
    apply(&plan, &world.root, &whole, &apply_options(), &|_| {}).expect("apply");
    world.installed = vec![package];
    world.assert_clean();
    fs::write(world.path("x"), "changed").expect("x");
    let cached = fs::read_to_string(world.temp.path().join("plain")).expect("plain");
    assert_eq!(cached, "plain text");
}

#[test]
fn pipes_devices_and_folders_in_the_way_are_replaced() {
    if !is_root("pipes_devices") {
        return;
    }
    let mut world = World::new();
    let pipe = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    for name in ["fifo", "editable"] {
        rustix::fs::mknodat(rustix::fs::CWD, world.path(name), pipe, mode, 0).expect("fifo");
    }
    world.write("folder/mine", "mine");
    fs::create_dir(world.path("empty")).expect("empty");
    symlink("/etc/passwd", world.path("link")).expect("link");
    let mut lines: Vec<_> = ["fifo", "folder", "empty", "link"]
        .iter()
        .map(|path| world.file(path, path, ""))
        .collect();
    lines.push(world.file("editable", "packaged", "preserve=renamenew"));
    let package = world.package("a@1", &lines);
    let before = fs::read("/etc/passwd").expect("passwd");
    world.install(&[package]);
    world.assert_clean();
    assert_eq!(fs::read("/etc/passwd").expect("passwd"), before);
    assert_eq!(world.salvaged().len(), 1, "the folder that was not empty");
    // And once more when they come back.
    fs::remove_file(world.path("fifo")).expect("remove");
    rustix::fs::mknodat(rustix::fs::CWD, world.path("fifo"), pipe, mode, 0).expect("fifo");
    let report = world.verify();
    let lines = report.lines(false);
    let expected = "\t\tERROR: file type: 'fifo' should be 'regular file'";
    assert!(lines.iter().any(|line| line == expected), "{lines:?}");
    let disk = ImageDisk::new(&world.root);
    let plan = repair(&report, &world.installed, &world.policy, &disk).expect("plan");
    world.apply(&plan).expect("apply");
    world.assert_clean();
}

#[test]
fn devices_and_attributes_come_from_extra_attributes() {
    if !is_root("devices_and_attributes") {
        return;
    }
    let mut world = World::new();
    // cap_net_raw+ep, as the kernel stores it.
    let cap = "0100000200200000000000000000000000000000";
    let lines = [
        world.file("dev/null", "", "mode=0666 linux.device=char:1:3"),
        world.file(
            "usr/bin/ping",
            "ping",
            &format!("mode=0755 linux.cap={cap}"),
        ),
    ];
    let package = world.package("a@1", &lines);
    let report = world.install(&[package]);
    if !report.warnings.is_empty() {
        eprintln!("SKIP devices_and_attributes: {:?}", report.warnings);
        return;
    }
    let kind = fs::symlink_metadata(world.path("dev/null"))
        .expect("null")
        .file_type();
    assert!(kind.is_char_device());
    world.assert_clean();
    fs::write(world.path("usr/bin/ping"), "ping").expect("a write takes capabilities away");
    assert!(!world.verify().is_clean());
    let disk = ImageDisk::new(&world.root);
    let plan = repair(&world.verify(), &world.installed, &world.policy, &disk).expect("plan");
    world.apply(&plan).expect("apply");
    world.assert_clean();
}

#[test]
fn names_of_the_operation_are_swept() {
    if !is_root("names_of_the_operation") {
        return;
    }
    let mut world = World::new();
    let file = world.file("usr/bin/x", "x", "");
    let package = world.package("a@1", &[file]);
    let plan = world.plan(std::slice::from_ref(&package)).expect("plan");
    let intent = zones_image::journal::Intent::of("install", &plan);
    let note: zones_ips::ImagePath = "var/pkg/intent".parse().expect("path");
    fs::create_dir_all(world.path("var/pkg")).expect("var/pkg");
    assert!(matches!(
        zones_image::journal::Intent::read(&world.root, note.as_ref()),
        Ok(None)
    ));
    intent.write(&world.root, note.as_ref()).expect("write");
    world.write("usr/bin/.pkg-new.77", "half");
    world.write("usr/bin/.mine", "mine");
    let found = zones_image::journal::Intent::read(&world.root, note.as_ref());
    let found = found.expect("read").expect("a note");
    assert_eq!(found, intent);
    assert_eq!(found.to().collect::<Vec<_>>(), [package.fmri]);
    assert_eq!(found.sweep(&world.root), 1);
    assert!(world.path("usr/bin/.mine").exists());
    zones_image::journal::Intent::end(&world.root, note.as_ref()).expect("end");
    world.write("var/pkg/intent", "{\"operation\":1}");
    let bad = zones_image::journal::Intent::read(&world.root, note.as_ref());
    assert!(bad.expect_err("damaged").to_string().contains("pkg fix"));
}
