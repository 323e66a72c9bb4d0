//! zoneadm install: every source, every way it can be wrong, and what stays of a failure: nothing.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::thread::UnshareFlags;
use support::{Host, add, err, header, one_error, out, refused, tool};
use tar::{Builder, EntryType};

/// A member with any name, also those that the library would refuse to write.
struct Member {
    kind: EntryType,
    name: &'static str,
    link: &'static str,
    mode: u32,
    text: &'static [u8],
}

fn member(kind: EntryType, name: &'static str, link: &'static str) -> Member {
    Member {
        kind,
        name,
        link,
        mode: 0o755,
        text: b"",
    }
}

fn text(name: &'static str, mode: u32, text: &'static [u8]) -> Member {
    Member {
        kind: EntryType::Regular,
        name,
        link: "",
        mode,
        text,
    }
}

/// A system of two members that is good enough, then these.
fn archive(host: &Host, name: &str, members: &[Member]) -> PathBuf {
    let path = host.path().join(name);
    let mut tar = Builder::new(fs::File::create(&path).unwrap());
    let mut etc = header(EntryType::Directory, 0o755);
    tar.append_data(&mut etc, "etc", std::io::empty()).unwrap();
    let busybox = fs::read("/bin/busybox").unwrap();
    add(&mut tar, "bin/busybox", &busybox, 0o755);
    for member in members {
        append(&mut tar, member);
    }
    tar.finish().unwrap();
    path
}

fn append(tar: &mut Builder<fs::File>, member: &Member) {
    let mut header = header(member.kind, member.mode);
    let raw = header.as_gnu_mut().unwrap();
    raw.name[..member.name.len()].copy_from_slice(member.name.as_bytes());
    raw.linkname[..member.link.len()].copy_from_slice(member.link.as_bytes());
    if matches!(member.kind, EntryType::Char | EntryType::Block) {
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
    }
    header.set_size(member.text.len() as u64);
    header.set_cksum();
    tar.append(&header, member.text).unwrap();
}

fn install(host: &Host, args: &[&str]) -> Output {
    let mut line = vec!["-z", "z", "install"];
    line.extend(args);
    host.zoneadm(&line)
}

/// Asserts that nothing but the log is left of a failed installation.
fn nothing_left(host: &Host, what: &str) {
    assert_eq!(host.state("z"), "configured", "{what}");
    assert!(!host.zonepath("z").exists(), "{what}");
    assert_eq!(host.leftovers(), Vec::<String>::new(), "{what}");
    let journals = fs::read_dir(host.path().join("var/lib/zones/journal"));
    let count = journals.map(Iterator::count).unwrap_or_default();
    assert_eq!(count, 0, "{what}: a journal is left");
}

fn uninstall(host: &Host) {
    host.ok("zoneadm", &["-z", "z", "uninstall", "-F"]);
    nothing_left(host, "uninstall");
}

/// Names, kinds, modes, owners, links and contents below a folder, one a line.
fn listing(root: &Path) -> String {
    let find = ["-printf", "%P %y %m %U %G %l %n\n"];
    let mut command = Command::new("find");
    let output = command
        .arg(root)
        .arg("-mindepth")
        .arg("1")
        .args(find)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// A tree with all that an archive must carry over.
fn source(host: &Host) -> PathBuf {
    let root = host.path().join("source");
    for folder in ["etc", "bin", "usr/lib", "tmp", "home/jo"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    fs::write(root.join("etc/shadow"), "root:*:1::::::\n").unwrap();
    fs::write(root.join("usr/lib/one"), "shared text").unwrap();
    fs::hard_link(root.join("usr/lib/one"), root.join("usr/lib/two")).unwrap();
    symlink("busybox", root.join("bin/sh")).unwrap();
    symlink("/bin/busybox", root.join("bin/absolute")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    fs::write(root.join("usr/lib/naïve name"), "x").unwrap();
    fs::write(root.join("usr/lib/empty"), "").unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        root.join("etc/fifo"),
        rustix::fs::Mode::from_raw_mode(0o620),
    )
    .unwrap();
    for (path, uid, gid) in [
        ("home/jo", 1000, 1000),
        ("etc/shadow", 0, 42),
        ("usr/lib/one", 65_534, 65_534),
    ] {
        std::os::unix::fs::chown(root.join(path), Some(uid), Some(gid)).unwrap();
    }
    // After the owners: a change of owner takes the special bits off.
    for (path, mode) in [
        ("bin/busybox", 0o4755),
        ("etc/shadow", 0o640),
        ("tmp", 0o1777),
        ("usr/lib", 0o2750),
        ("usr/lib/one", 0o400),
    ] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    root
}

#[test]
fn every_form_of_archive_gives_the_same_files() {
    let host = host_or_skip!("every_form_of_archive_gives_the_same_files");
    let source = source(&host);
    let wanted = listing(&source);
    let tar = host.path().join("system.tar");
    let (from, to) = (source.to_str().unwrap(), tar.to_str().unwrap());
    tool("tar", &["--numeric-owner", "-C", from, "-cf", to, "."]);
    host.configure("z", "");
    let check = |what: &str| {
        let root = host.zonepath("z").join("root");
        assert_eq!(listing(&root), wanted, "{what}");
        assert_eq!(fs::read(root.join("usr/lib/two")).unwrap(), b"shared text");
        let meta = |name: &str| fs::metadata(root.join(name)).unwrap();
        assert_eq!(meta("usr/lib/one").ino(), meta("usr/lib/two").ino());
        let before = fs::metadata(source.join("usr/lib/one")).unwrap().mtime();
        assert_eq!(meta("usr/lib/one").mtime(), before, "{what}");
        let zonepath = fs::metadata(host.zonepath("z")).unwrap();
        assert_eq!((zonepath.mode() & 0o7777, zonepath.uid()), (0o700, 0));
    };
    for (program, ending) in [
        ("", "tar"),
        ("gzip", "gz"),
        ("xz", "xz"),
        ("zstd", "zst"),
        ("bzip2", "bz2"),
    ] {
        let mut path = tar.clone();
        if !program.is_empty() {
            if !support::has_tool(program) {
                println!(
                    "SKIP every_form_of_archive_gives_the_same_files: {ending} needs {program}"
                );
                continue;
            }
            path = host.path().join(format!("system.tar.{ending}"));
            let packed = Command::new(program).arg("-c").arg(&tar).output().unwrap();
            fs::write(&path, packed.stdout).unwrap();
        }
        let output = install(&host, &["-a", path.to_str().unwrap()]);
        assert!(output.status.success(), "{ending}: {}", err(&output));
        check(ending);
        uninstall(&host);
    }
    // The format is told by the content, not by the name.
    let odd = host.path().join("system.zip");
    fs::copy(&tar, &odd).unwrap();
    let output = install(&host, &["-a", odd.to_str().unwrap()]);
    assert!(output.status.success(), "{}", err(&output));
    uninstall(&host);
    let output = install(&host, &["-d", from]);
    assert!(output.status.success(), "{}", err(&output));
    check("-d");
    assert_eq!(listing(&source), wanted, "the source is as it was");
}

#[test]
fn a_hostile_archive_leaves_nothing_behind() {
    let host = host_or_skip!("a_hostile_archive_leaves_nothing_behind");
    host.configure("z", "");
    let outside = host.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "kept").unwrap();
    let before = listing(&outside);
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    // Where the zone's root will be, the folder outside is three up.
    let (up, file) = ("../../../outside/planted", "../../../outside/secret");
    let absolute = leak(format!("{}/planted", outside.display()));
    assert!(
        absolute.len() < 100,
        "the test runs in too long a path: {absolute}"
    );
    let folder = leak(outside.display().to_string());
    let secret = leak(format!("{folder}/secret"));
    let link = EntryType::Symlink;
    let cases: Vec<(&str, Vec<Member>, Option<&str>)> = vec![
        (
            "dots",
            vec![text(up, 0o644, b"x")],
            Some("leads out of the root"),
        ),
        (
            "inner-dots",
            vec![text("etc/../../../../outside/planted", 0o644, b"x")],
            Some("leads out of the root"),
        ),
        (
            "folder-dots",
            vec![member(EntryType::Directory, "../../../outside/new", "")],
            Some("leads out of the root"),
        ),
        (
            "link-dots",
            vec![member(link, "../../../outside/new", "x")],
            Some("leads out of the root"),
        ),
        (
            "hard-dots",
            vec![member(EntryType::Link, "etc/x", file)],
            Some("leads out of the root"),
        ),
        (
            "hard-absolute",
            vec![member(EntryType::Link, "etc/x", secret)],
            None,
        ),
        (
            "hard-through",
            vec![
                member(link, "etc/l", folder),
                member(EntryType::Link, "etc/x", "etc/l/secret"),
            ],
            None,
        ),
        ("absolute", vec![text(absolute, 0o644, b"x")], None),
        (
            "through",
            vec![
                member(link, "out", folder),
                text("out/planted", 0o644, b"x"),
            ],
            None,
        ),
        (
            "through-dots",
            vec![
                member(link, "out", "../../../outside"),
                text("out/planted", 0o644, b"x"),
            ],
            None,
        ),
        (
            "over",
            vec![
                member(link, "etc/l", secret),
                text("etc/l", 0o644, b"overwritten"),
            ],
            None,
        ),
        (
            "mode-through",
            vec![
                member(link, "d", folder),
                member(EntryType::Directory, "d", ""),
            ],
            None,
        ),
        (
            "zonepath",
            vec![text("../planted", 0o644, b"x")],
            Some("leads out of the root"),
        ),
        (
            "kind",
            vec![member(EntryType::new(b'Z'), "etc/x", "")],
            Some("not supported"),
        ),
    ];
    for (name, members, words) in cases {
        let path = archive(&host, &format!("{name}.tar"), &members);
        let output = install(&host, &["-a", path.to_str().unwrap()]);
        if output.status.success() {
            // Inside of the root it may do what it likes.
            assert!(words.is_none(), "{name} was installed");
            uninstall(&host);
        } else {
            one_error(&output, words.unwrap_or(""));
            nothing_left(&host, name);
        }
        assert_eq!(listing(&outside), before, "{name}");
        assert_eq!(
            fs::read_to_string(outside.join("secret")).unwrap(),
            "kept",
            "{name}"
        );
    }
}

#[test]
fn devices_of_an_archive_are_left_out() {
    let host = host_or_skip!("devices_of_an_archive_are_left_out");
    host.configure("z", "");
    let members = [
        member(EntryType::Char, "dev/null", ""),
        member(EntryType::Block, "root-disk", ""),
    ];
    let path = archive(&host, "devices.tar", &members);
    let output = install(&host, &["-a", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", err(&output));
    let said = out(&output) + &err(&output);
    assert!(said.contains("2 device nodes left out"), "{said}");
    let root = host.zonepath("z").join("root");
    assert!(!root.join("root-disk").exists() && !root.join("dev/null").exists());
}

#[test]
fn what_is_no_archive_is_one_clear_error() {
    let host = host_or_skip!("what_is_no_archive_is_one_clear_error");
    host.configure("z", "");
    let good = fs::read(host.archive()).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = host.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let noise: Vec<u8> = (0..100_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect();
    let mut cases = vec![
        (file("empty", b""), "is no tar archive"),
        (file("noise", &noise), "is no tar archive"),
        (file("text", b"hello\n"), "is no tar archive"),
        (file("zeros", &[0; 4096]), "is no tar archive"),
        (
            file("cut.tar", &good[..good.len() / 2]),
            "is damaged or cut short after member",
        ),
        (host.path().join("missing.tar"), "cannot open"),
        (host.path().join("etc"), ""),
        (PathBuf::from("/dev/null"), "is no tar archive"),
    ];
    // The middle of a member's header, changed.
    let mut flipped = good.clone();
    flipped[148] ^= 0x11;
    cases.push((file("flipped.tar", &flipped), "is no tar archive"));
    for (program, ending) in [
        ("gzip", "gz"),
        ("xz", "xz"),
        ("zstd", "zst"),
        ("bzip2", "bz2"),
    ] {
        if !support::has_tool(program) {
            println!("SKIP what_is_no_archive_is_one_clear_error: {ending} needs {program}");
            continue;
        }
        let packed = Command::new(program).arg("-c").arg(host.archive()).output();
        let packed = packed.unwrap().stdout;
        let cut = file(
            &format!("cut.tar.{ending}"),
            &packed[..packed.len() * 2 / 3],
        );
        cases.push((cut, "is damaged or cut short"));
        let mut bad = packed.clone();
        let middle = bad.len() / 2;
        bad[middle..middle + 64].fill(0x5a);
        cases.push((file(&format!("bad.tar.{ending}"), &bad), ""));
        let head = file(&format!("head.tar.{ending}"), &packed[..12]);
        cases.push((head, ""));
    }
    for (path, words) in cases {
        let name = path.to_str().unwrap();
        let output = install(&host, &["-a", name]);
        one_error(&output, words);
        assert!(err(&output).contains(name), "{}", err(&output));
        nothing_left(&host, name);
    }
    // An archive, but of no system.
    let path = host.path().join("notes.tar");
    let mut tar = Builder::new(fs::File::create(&path).unwrap());
    add(&mut tar, "etc/notes", b"hello\n", 0o644);
    add(&mut tar, "bin/sh", b"#!/bin/false\n", 0o755);
    tar.finish().unwrap();
    one_error(
        &install(&host, &["-a", path.to_str().unwrap()]),
        "does not hold a Linux system",
    );
    nothing_left(&host, "notes");
    let path = host.path().join("inner");
    fs::create_dir_all(path.join("rootfs/etc")).unwrap();
    let folder = path.to_str().unwrap();
    one_error(
        &install(&host, &["-d", folder]),
        "does not hold a Linux system",
    );
    nothing_left(&host, "inner");
    let missing = host.path().join("no-folder");
    one_error(
        &install(&host, &["-d", missing.to_str().unwrap()]),
        "cannot open",
    );
    nothing_left(&host, "no-folder");
    one_error(
        &install(&host, &["-d", host.archive().to_str().unwrap()]),
        "cannot open",
    );
    nothing_left(&host, "-d FILE");
}

#[test]
fn wrong_options_change_nothing() {
    let host = host_or_skip!("wrong_options_change_nothing");
    host.configure("z", "");
    let archive = host.archive();
    let archive = archive.to_str().unwrap();
    for args in [
        &["-x"][..],
        &["-a"],
        &["-d"],
        &["-a", ""],
        &["--bogus", "x"],
        &["--variant", "huge"],
        &["operand"],
        &["-a", archive, "operand"],
    ] {
        let output = install(&host, args);
        assert_eq!(output.status.code(), Some(2), "{args:?} {}", err(&output));
        assert!(err(&output).contains("usage:"), "{args:?}");
        nothing_left(&host, &format!("{args:?}"));
    }
    for (args, words) in [
        (
            &["-a", archive, "-d", "/"][..],
            "cannot specify both -a and -d options",
        ),
        (
            &[],
            "you must specify an installation source using '-a' or '-d'.",
        ),
        (
            &["-a", archive, "--suite", "x"],
            "brand lx takes -a ARCHIVE or -d DIRECTORY only",
        ),
    ] {
        one_error(&install(&host, args), words);
        nothing_left(&host, &format!("{args:?}"));
    }
    refused(
        &host.zoneadm(&["-z", "nosuch", "install", "-a", archive]),
        1,
        "nosuch: No such zone configured",
    );
}

#[test]
fn an_existing_zonepath_is_left_alone() {
    let host = host_or_skip!("an_existing_zonepath_is_left_alone");
    host.configure("z", "");
    let root = host.zonepath("z").join("root");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("precious"), "kept").unwrap();
    fs::set_permissions(host.zonepath("z"), fs::Permissions::from_mode(0o700)).unwrap();
    let archive = host.archive();
    let output = install(&host, &["-a", archive.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert_eq!(host.state("z"), "configured");
    assert_eq!(fs::read_to_string(root.join("precious")).unwrap(), "kept");
}

#[test]
fn a_full_disk_is_one_clear_error() {
    const NAME: &str = "a_full_disk_is_one_clear_error";
    if let Some(reason) = support::missing() {
        println!("SKIP {NAME}: {reason}");
        return;
    }
    // A small disk that only this test sees, and that is gone with its thread.
    let done = support::away(UnshareFlags::NEWNS, || {
        tool("mount", &["--make-rprivate", "/"]);
        let host = Host::new();
        let zones = host.path().join("zones");
        fs::create_dir(&zones).unwrap();
        let place = zones.to_str().unwrap().to_owned();
        tool(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                "size=4m,nr_inodes=500",
                "tmpfs",
                &place,
            ],
        );
        host.configure("z", "");
        // 100 MB of nothing: 100 kB when packed.
        let bomb = host.path().join("bomb.tar.gz");
        let line = format!(
            "head -c 100000000 /dev/zero > {0}/zeros && tar -C {0} -czf {1} zeros && rm {0}/zeros",
            host.path().display(),
            bomb.display()
        );
        tool("sh", &["-c", &line]);
        let many = host.path().join("many.tar");
        let mut tar = Builder::new(fs::File::create(&many).unwrap());
        for n in 0..1000 {
            add(&mut tar, &format!("etc/{n}"), b"x", 0o644);
        }
        tar.finish().unwrap();
        for path in [bomb, many] {
            let output = install(&host, &["-a", path.to_str().unwrap()]);
            one_error(&output, "no space left while writing");
            nothing_left(&host, path.to_str().unwrap());
        }
        assert_eq!(fs::read_dir(&zones).unwrap().count(), 0);
        rustix::mount::unmount(&zones, rustix::mount::UnmountFlags::empty()).unwrap();
    });
    if let Err(errno) = done {
        println!("SKIP {NAME}: no mount namespace: {errno}");
    }
}

#[test]
fn a_mirror_that_is_none_is_one_clear_error() {
    let host = host_or_skip!("a_mirror_that_is_none_is_one_clear_error");
    let path = host.zonepath("z");
    let commands = format!(
        "create -b; set brand=debian; set zonepath={}",
        path.display()
    );
    host.ok("zonecfg", &["-z", "z", &commands]);
    let none = format!("file:{}/no-mirror", host.path().display());
    let empty = host.path().join("mirror");
    let suite = empty.join("dists/bookworm");
    fs::create_dir_all(&suite).unwrap();
    let empty = format!("file:{}", empty.display());
    let wrong = |what: &str, mirror: &str| {
        let output = install(&host, &["-a", mirror, "--suite", "bookworm"]);
        one_error(&output, "");
        let text = err(&output);
        assert!(
            text.contains(mirror.trim_start_matches("file:")),
            "{what}: {text}"
        );
        nothing_left(&host, what);
        text
    };
    wrong("no mirror", &none);
    wrong("empty mirror", &empty);
    fs::write(
        suite.join("Release"),
        "Suite: bookworm\nCodename: bookworm\n",
    )
    .unwrap();
    wrong("unsigned mirror", &empty);
    fs::write(
        suite.join("InRelease"),
        "Suite: bookworm\nCodename: bookworm\n",
    )
    .unwrap();
    wrong("not a signed message", &empty);
    one_error(
        &install(&host, &["-a", "gopher://example.org/debian"]),
        "gopher",
    );
    nothing_left(&host, "scheme");
    one_error(
        &install(&host, &["-d", "/"]),
        "brand debian installs from a mirror",
    );
    nothing_left(&host, "-d");
}

fn settings(host: &Host, name: &str, text: &str) -> String {
    let path = host.path().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn wrong_settings_are_told_before_anything_is_changed() {
    let host = host_or_skip!("wrong_settings_are_told_before_anything_is_changed");
    host.configure("z", "");
    let archive = host.archive();
    let archive = archive.to_str().unwrap();
    let logs = host.path().join("var/log/zones/z");
    for (name, text, words) in [
        ("key", "hostnam = \"x\"\n", "unknown key `hostnam`"),
        (
            "nested",
            "[[user]]\nname = \"jo\"\nshel = \"/bin/sh\"\n",
            "unknown key `user[0].shel`",
        ),
        ("type", "hostname = 7\n", "key `hostname` must be a text"),
        ("value", "hostname = \"a b\"\n", "key `hostname`"),
        ("syntax", "hostname = \n", "no TOML"),
        (
            "zone",
            "timezone = \"../../etc/passwd\"\n",
            "key `timezone`",
        ),
    ] {
        let file = settings(&host, name, text);
        let output = install(&host, &["-a", archive, "-c", &file]);
        refused(&output, 1, words);
        assert!(err(&output).contains(&file), "{}", err(&output));
        nothing_left(&host, name);
        assert!(!logs.exists(), "{name}: not even a log was begun");
    }
    one_error(
        &install(&host, &["-a", archive, "-c", "/nonexistent.toml"]),
        "cannot read `/nonexistent.toml`",
    );
    nothing_left(&host, "missing");
}

#[test]
fn settings_are_applied_and_the_log_is_kept() {
    let host = host_or_skip!("settings_are_applied_and_the_log_is_kept");
    host.configure("z", "");
    let source = host.path().join("system");
    fs::create_dir(&source).unwrap();
    let (tar, to) = (host.archive(), source.to_str().unwrap().to_owned());
    tool("tar", &["-C", &to, "-xf", tar.to_str().unwrap()]);
    for folder in ["usr/share/zoneinfo/Europe", "etc/ssh", "root"] {
        fs::create_dir_all(source.join(folder)).unwrap();
    }
    fs::write(source.join("usr/share/zoneinfo/Europe/Berlin"), "TZif2").unwrap();
    fs::write(
        source.join("etc/shadow"),
        "root:*:19000:0:99999:7:::\njo:*:19000:0:99999:7:::\n",
    )
    .unwrap();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMP who@example.org";
    let file = settings(
        &host,
        "good.toml",
        &format!(
            "hostname = \"shop\"\ntimezone = \"Europe/Berlin\"\n\
             [ssh]\nroot_keys = [\"{key}\"]\n\
             [[user]]\nname = \"ann\"\nuid = 1234\ngroups = [\"wheel\"]\nshell = \"/bin/sh\"\nssh_keys = [\"{key}\"]\n"
        ),
    );
    let output = install(&host, &["-d", &to, "-c", &file]);
    assert!(output.status.success(), "{}", err(&output));
    let root = host.zonepath("z").join("root");
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    assert_eq!(read("etc/hostname").trim(), "shop");
    let zone = fs::read_link(root.join("etc/localtime")).unwrap();
    assert!(
        zone.ends_with("usr/share/zoneinfo/Europe/Berlin"),
        "{zone:?}"
    );
    assert!(read("etc/passwd").contains("ann:x:1234:1234:"));
    assert!(read("etc/group").contains("wheel:x:10:jo,ann"));
    assert!(read("etc/shadow").contains("ann:"));
    for (path, uid) in [
        ("root/.ssh/authorized_keys", 0),
        ("home/ann/.ssh/authorized_keys", 1234),
    ] {
        assert_eq!(read(path).trim(), key);
        let meta = fs::metadata(root.join(path)).unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (uid, 0o600), "{path}");
    }
    // The source has nothing of it.
    assert!(!source.join("etc/hostname").exists());
    let logs: Vec<_> = fs::read_dir(host.path().join("var/log/zones/z"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(logs.len(), 1, "{logs:?}");
    assert!(
        out(&output).contains(logs[0].to_str().unwrap()),
        "{}",
        out(&output)
    );
    assert!(!fs::read_to_string(&logs[0]).unwrap().is_empty());
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert_eq!(host.ok("zlogin", &["-l", "ann", "z", "id -u"]), "1234\n");
}

#[test]
fn the_log_of_a_failure_says_why() {
    let host = host_or_skip!("the_log_of_a_failure_says_why");
    host.configure("z", "");
    let path = settings(&host, "noise", "not an archive");
    one_error(&install(&host, &["-a", &path]), "is no tar archive");
    nothing_left(&host, "noise");
    let folder = fs::read_dir(host.path().join("var/log/zones/z")).unwrap();
    let is_log = |path: &PathBuf| path.display().to_string().contains("/install.");
    let log = folder
        .map(|entry| entry.unwrap().path())
        .find(is_log)
        .unwrap();
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("is no tar archive"), "{text}");
    assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777, 0o600);
    // A zone that failed can be installed at once.
    host.ok(
        "zoneadm",
        &["-z", "z", "install", "-a", host.archive().to_str().unwrap()],
    );
}

/// A 32-bit x86 program that prints what uname(2) calls the machine: an ELF header, one segment,
/// and code that was assembled by hand. Source: elf(5), Intel SDM volume 2, asm/unistd_32.h.
fn machine_printer() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    const HEAD: u32 = 52 + 32;
    #[rustfmt::skip]
    let code: &[u8] = &[
        0x81, 0xec, 0x00, 0x02, 0x00, 0x00,         // sub esp, 512
        0x89, 0xe3,                                 // mov ebx, esp
        0xb8, 0x7a, 0x00, 0x00, 0x00, 0xcd, 0x80,   // uname(ebx): 122
        0x8d, 0x8c, 0x24, 0x04, 0x01, 0x00, 0x00,   // lea ecx, [esp+260], the field `machine`
        0x31, 0xd2,                                 // xor edx, edx
        0x80, 0x3c, 0x11, 0x00,                     // next: cmp byte [ecx+edx], 0
        0x74, 0x03,                                 // je end
        0x42,                                       // inc edx
        0xeb, 0xf7,                                 // jmp next
        0xc6, 0x04, 0x11, 0x0a,                     // end: mov byte [ecx+edx], '\n'
        0x42,                                       // inc edx
        0xbb, 0x01, 0x00, 0x00, 0x00,               // mov ebx, 1
        0xb8, 0x04, 0x00, 0x00, 0x00, 0xcd, 0x80,   // write(1, ecx, edx): 4
        0x31, 0xdb,                                 // xor ebx, ebx
        0xb8, 0x01, 0x00, 0x00, 0x00, 0xcd, 0x80,   // exit(0): 1
    ];
    let size = HEAD + u32::try_from(code.len()).unwrap();
    let mut elf = b"\x7fELF\x01\x01\x01".to_vec();
    elf.resize(16, 0);
    let half = |value: u16| value.to_le_bytes();
    let word = |value: u32| value.to_le_bytes();
    elf.extend([half(2), half(3)].concat()); // an executable, for the 80386
    elf.extend([word(1), word(BASE + HEAD), word(52), word(0), word(0)].concat());
    elf.extend([half(52), half(32), half(1), half(0), half(0), half(0)].concat());
    // One segment to load: all of the file, readable and executable.
    elf.extend(
        [
            word(1),
            word(0),
            word(BASE),
            word(BASE),
            word(size),
            word(size),
            word(5),
            word(4096),
        ]
        .concat(),
    );
    elf.extend(code);
    elf
}

#[test]
fn a_32_bit_userland_sees_a_32_bit_machine() {
    const NAME: &str = "a_32_bit_userland_sees_a_32_bit_machine";
    let host = host_or_skip!("a_32_bit_userland_sees_a_32_bit_machine");
    if !cfg!(target_arch = "x86_64") {
        println!("SKIP {NAME}: needs an x86_64 host");
        return;
    }
    let source = host.path().join("system32");
    fs::create_dir_all(source.join("etc")).unwrap();
    fs::create_dir_all(source.join("bin")).unwrap();
    let program = source.join("bin/sh");
    fs::write(&program, machine_printer()).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    match Command::new(&program).output() {
        Ok(output) if output.status.success() => assert_eq!(out(&output), "x86_64\n"),
        other => {
            println!("SKIP {NAME}: the kernel runs no 32-bit programs: {other:?}");
            return;
        }
    }
    host.configure("z", "");
    let output = install(&host, &["-d", source.to_str().unwrap()]);
    assert!(output.status.success(), "{}", err(&output));
    let said = out(&output) + &err(&output);
    assert!(said.contains("userland: i686, 32-bit"), "{said}");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    assert_eq!(host.inside("z", "uname -m"), "i686\n");
}
