//! A small Debian root, split, published, changed and published again.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use zones_import::{Facts, Split, Table, Tree, compare, imported, publish, split};
use zones_ips::{Action, Publisher};
use zones_repository::Repository;
use zones_sys::RootFd;

const STATUS: &str = "\
Package: base
Essential: yes
Status: install ok installed
Priority: required
Section: admin
Maintainer: Packagers <packagers@example.org>
Architecture: all
Version: 1:12.4+deb12u1
Description: the base
 Has folders.
 .
 And more.
Homepage: https://example.org/base
Conffiles:
 /etc/base.conf 0123456789abcdef0123456789abcdef

Package: tool
Status: install ok installed
Priority: optional
Source: toolset (2.0)
Architecture: amd64
Version: 2.0-1
Depends: base (>= 1:12), lib (<< 9) | other-lib, virtual (<< 9)
Recommends: nano
Breaks: base (<< 1:10), gone
Description: a tool

Package: lib
Status: install ok installed
Architecture: amd64
Version: 3~rc1
Provides: virtual (= 3)
Depends: base (= 1:12.4+deb12u1), missing | base
Description: a library

Package: nano
Status: install ok installed
Architecture: amd64
Version: 7.2
Description: an editor

Package: purged
Status: deinstall ok config-files
Architecture: amd64
Version: 1
";

fn put(root: &Path, path: &str, text: &str, mode: u32) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("mkdir");
    std::fs::write(&file, text).expect("write");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

fn link(root: &Path, path: &str, target: &str) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("mkdir");
    symlink(target, file).expect("symlink");
}

fn build(root: &Path) {
    let (uid, gid) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    let more = if uid == 0 {
        ""
    } else {
        "root:x:0:0::/root:/bin/sh\n"
    };
    let owner = if uid == 0 { "root" } else { "builder" };
    put(
        root,
        "etc/passwd",
        &format!("{more}{owner}:x:{uid}:{gid}:me:/root:/bin/sh\n"),
        0o644,
    );
    put(
        root,
        "etc/group",
        &format!("{owner}:x:{gid}:\nstaff:x:50:{owner}\n"),
        0o644,
    );
    put(
        root,
        "etc/shadow",
        &format!("{owner}:$6$secret:19000:0:99999:7:::\n"),
        0o600,
    );
    put(root, "etc/os-release", "VERSION_ID=\"12\"\n", 0o644);
    put(root, "etc/machine-id", "abc\n", 0o444);
    put(root, "etc/base.conf", "edited\n", 0o644);
    put(root, "etc/made-by-script", "made\n", 0o640);
    put(root, "usr/bin/tool", "#!/bin/sh\n", 0o4755);
    std::fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin/tool2")).expect("link");
    put(root, "usr/bin/nano", "nano", 0o755);
    put(root, "usr/bin/tool.edit", "edit", 0o755);
    put(root, "usr/lib/lib.so", "changed by a script", 0o644);
    put(root, "usr/bin/wrapped.real", "real", 0o755);
    put(root, "usr/share/doc/tool/copyright", "free\n", 0o644);
    put(root, "var/log/boot.log", "noise\n", 0o644);
    link(root, "bin", "usr/bin");
    link(root, "usr/bin/editor", "/etc/alternatives/editor");
    link(root, "etc/alternatives/editor", "/usr/bin/nano");
    put(root, "var/lib/dpkg/status", STATUS, 0o644);
    let editor = "auto\n/usr/bin/editor\n\n/usr/bin/nano\n40\n/usr/bin/tool.edit\n-5\n\n";
    put(root, "var/lib/dpkg/alternatives/editor", editor, 0o644);
    put(
        root,
        "var/lib/dpkg/diversions",
        "/bin/wrapped\n/bin/wrapped.real\ntool\n",
        0o644,
    );
    let info =
        |name: &str, text: &str| put(root, &format!("var/lib/dpkg/info/{name}"), text, 0o644);
    info(
        "base.list",
        "/.\n/etc\n/etc/base.conf\n/usr\n/var/log\n/bin\n",
    );
    info(
        "tool.list",
        "/.\n/bin\n/bin/tool\n/bin/tool2\n/bin/tool.edit\n/usr/share/doc/tool/copyright\n",
    );
    info(
        "lib:amd64.list",
        "/.\n/usr\n/usr/lib\n/usr/lib/lib.so\n/bin/wrapped\n",
    );
    info(
        "lib:amd64.md5sums",
        "00000000000000000000000000000000  usr/lib/lib.so\n",
    );
    info("nano.list", "/usr/bin\n/usr/bin/nano\n");
}

fn read(root: &Path) -> (RootFd, Split) {
    let fd = RootFd::open(root).expect("a root");
    let split = split(&fd, &Table::exclusions()).expect("a split");
    (fd, split)
}

/// All lines of a package but those that only say what it is.
fn lines(split: &Split, name: &str) -> String {
    let package = split.packages.iter().find(|it| it.stem.as_str() == name);
    let package = package.unwrap_or_else(|| panic!("no package {name}"));
    let told = |it: &&Action| {
        !it.get("name")
            .is_some_and(|name| name.starts_with("debian."))
    };
    let lines: Vec<String> = package
        .actions
        .iter()
        .filter(told)
        .map(ToString::to_string)
        .collect();
    lines.join("\n")
}

fn has(text: &str, wanted: &[&str]) {
    for line in wanted {
        // Words of a line in any order: attributes are sorted, hashes are long.
        let hit = |it: &str| {
            line.split(' ')
                .all(|word| it.split(' ').any(|own| own == word))
        };
        assert!(text.lines().any(hit), "no line with `{line}` in:\n{text}");
    }
}

#[test]
fn everything_is_in_a_package_or_left_out_with_a_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    build(folder.path());
    let (_, split) = read(folder.path());
    let mut carried = std::collections::BTreeSet::new();
    for action in split.packages.iter().flat_map(|it| &it.actions) {
        carried.extend(action.get("path").map(str::to_owned));
    }
    for path in split.tree.nodes.keys() {
        let is_out = split.left_out.contains_key(path);
        assert!(
            carried.contains(path) != is_out,
            "{path}: carried or left out, and not both"
        );
    }
    assert_eq!(split.left_out["etc/machine-id"], "each zone makes its own");
    assert_eq!(split.left_out["var/log/boot.log"], "logs");
    let names: Vec<&str> = split.packages.iter().map(|it| it.stem.as_str()).collect();
    assert_eq!(
        names.join(" "),
        "base generated/lib lib nano system/accounts system/core system/generated tool"
    );
}

#[test]
fn actions_say_what_the_root_has() {
    let folder = tempfile::tempdir().expect("a folder");
    build(folder.path());
    let (_, split) = read(folder.path());
    has(
        &lines(&split, "base"),
        &[
            "file path=etc/base.conf preserve=renamenew mode=0644",
            "dir path=var/log",
            "link path=bin target=usr/bin",
            "set name=pkg.human-version value=1:12.4+deb12u1",
            "set name=info.upstream-url value=https://example.org/base",
        ],
    );
    let tool = lines(&split, "tool");
    has(
        &tool,
        &[
            "file path=usr/bin/tool mode=4755",
            "hardlink path=usr/bin/tool2 target=tool",
            "license license=tool",
            "depend type=require fmri=base@1.1.12.1.1.0.1",
            "depend type=require fmri=lib",
            "depend type=exclude fmri=lib@0.1.9.1.1.0.1",
            "depend type=group fmri=nano",
            "depend type=optional fmri=base@1.1.10.1.1.0.1",
            "depend type=exclude fmri=gone",
            "link path=etc/alternatives/editor target=/usr/bin/tool.edit mediator=editor \
             mediator-implementation=tool.edit mediator-version=0.4294967290",
            "link path=usr/bin/editor target=/etc/alternatives/editor",
        ],
    );
    assert!(
        tool.contains("file ") && !tool.contains("preserve"),
        "{tool}"
    );
    has(
        &lines(&split, "lib"),
        &[
            "file path=usr/bin/wrapped.real",
            "depend type=incorporate fmri=base@1.1.12.56.1.4.54.31.32.29.1.12.48.1.1.1.1.0.1",
            "depend type=require fmri=generated/lib",
        ],
    );
    has(
        &lines(&split, "generated/lib"),
        &["file path=usr/lib/lib.so"],
    );
    has(
        &lines(&split, "nano"),
        &["link path=etc/alternatives/editor mediator-version=1.40 target=/usr/bin/nano"],
    );
    has(
        &lines(&split, "system/generated"),
        &["file path=etc/made-by-script preserve=true"],
    );
    has(
        &lines(&split, "system/core"),
        &["depend type=require fmri=base"],
    );
    let accounts = lines(&split, "system/accounts");
    has(
        &accounts,
        &[
            "group groupname=staff gid=50",
            "user password=*LK* group-list=staff",
        ],
    );
    assert!(!accounts.contains("secret"), "{accounts}");
}

#[test]
fn a_second_import_publishes_what_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = tempfile::tempdir().expect("a folder");
    build(folder.path());
    let repository = Repository::create(&store.path().join("repo")).expect("a repository");
    let publisher: Publisher = "debian".parse().expect("a publisher");
    let store = repository.add_publisher(&publisher).expect("a publisher");
    let import = || {
        let (fd, split) = read(folder.path());
        let published = publish(&fd, split, &store, &Facts::default()).expect("published");
        let names = |all: &[zones_ips::Fmri]| {
            let names: Vec<String> = all.iter().map(|it| it.short()).collect();
            names.join(" ")
        };
        let (new, changed) = (names(&published.new), names(&published.changed));
        (new, changed, published.unchanged)
    };
    let (names, changed, unchanged) = import();
    assert_eq!((changed.as_str(), unchanged), ("", 0));
    assert!(names.ends_with("entire@12-0"), "{names}");
    assert_eq!(import(), (String::new(), String::new(), 9));
    put(folder.path(), "etc/made-by-script", "made again\n", 0o640);
    let changed = "system/generated@12-1 entire@12-1".to_owned();
    assert_eq!(import(), (String::new(), changed, 7));
    // What is in the repository is what stands in the root.
    let packages = store.packages().expect("a list");
    let newest = packages
        .iter()
        .rfind(|it| it.stem().as_str() == "system/generated");
    let manifest = store
        .manifest(newest.expect("published"))
        .expect("a manifest");
    let made = manifest
        .actions()
        .iter()
        .find(|it| it.get("path") == Some("etc/made-by-script"));
    assert_eq!(made.and_then(|it| it.get("pkg.size")), Some("11"));
}

#[test]
fn a_publisher_says_what_was_imported_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = tempfile::tempdir().expect("a folder");
    build(folder.path());
    let repository = Repository::create(&store.path().join("repo")).expect("a repository");
    let publisher: Publisher = "debian".parse().expect("a publisher");
    let store = repository.add_publisher(&publisher).expect("a publisher");
    assert!(imported(&store).expect("readable").is_none());
    let facts = |plan: Option<&str>| Facts {
        plan: plan.map(str::to_owned),
        codename: Some("bookworm".to_owned()),
    };
    let import = |plan| {
        let (fd, split) = read(folder.path());
        publish(&fd, split, &store, &facts(plan))
    };
    import(Some("0a")).expect("published");
    let last = imported(&store).expect("readable").expect("something");
    assert_eq!(last.fmri.short(), "entire@12-0");
    let is_of = |plan| last.is_of(&facts(plan));
    assert_eq!(
        [is_of(Some("0a")), is_of(Some("0b")), is_of(None)],
        [true, false, false]
    );
    // A root that is just there has no plan, and differs from one that has.
    let published = import(None).expect("published");
    assert_eq!((published.changed.len(), published.unchanged), (1, 8));
    // One publisher, one kind of machine.
    let other = STATUS.replace("Architecture: amd64", "Architecture: arm64");
    put(folder.path(), "var/lib/dpkg/status", &other, 0o644);
    let info = folder.path().join("var/lib/dpkg/info");
    std::fs::rename(info.join("lib:amd64.list"), info.join("lib:arm64.list")).expect("renamed");
    let refusal = import(None).expect_err("refused").to_string();
    assert!(
        refusal.contains("for amd64, and this root is for arm64"),
        "{refusal}"
    );
}

#[test]
fn trees_differ_where_they_differ() {
    let (one, two) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    build(one.path());
    build(two.path());
    let tree = |folder: &Path| Tree::read(&RootFd::open(folder).expect("a root")).expect("a tree");
    let said = || {
        let found = compare(&tree(one.path()), &tree(two.path()), &Table::exceptions());
        found
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(said(), "");
    put(two.path(), "usr/bin/nano", "NANO", 0o755);
    put(two.path(), "usr/bin/tool.edit", "longer", 0o700);
    put(two.path(), "var/log/new", "", 0o600);
    std::fs::remove_file(two.path().join("usr/bin/tool2")).expect("rm");
    std::fs::remove_file(two.path().join("bin")).expect("rm");
    link(two.path(), "bin", "usr/sbin");
    assert_eq!(
        said(),
        "bin: leads to 'usr/sbin', should lead to 'usr/bin'\n\
         usr/bin/nano: other content\n\
         usr/bin/tool: names of the same file are [], should be [usr/bin/tool usr/bin/tool2]\n\
         usr/bin/tool.edit: 6 bytes, should be 4\n\
         usr/bin/tool.edit: mode 0700, should be 0755\n\
         usr/bin/tool2: missing\n\
         var/log/new: not in the root (logs)"
    );
}

#[test]
fn what_is_no_finished_debian_root_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let refusal = || {
        let fd = RootFd::open(folder.path()).expect("a root");
        split(&fd, &Table::exclusions())
            .expect_err("refused")
            .to_string()
    };
    assert!(
        refusal().starts_with("`/var/lib/dpkg/status` is missing"),
        "{}",
        refusal()
    );
    build(folder.path());
    let half = STATUS.replace("install ok installed", "install ok half-configured");
    put(folder.path(), "var/lib/dpkg/status", &half, 0o644);
    assert!(
        refusal().starts_with("package `base` is half-configured"),
        "{}",
        refusal()
    );
    put(folder.path(), "var/lib/dpkg/status", STATUS, 0o644);
    put(
        folder.path(),
        "etc/passwd",
        "nobody:x:65534:65534::/:\n",
        0o644,
    );
    assert!(
        refusal().contains("who has no name in /etc/passwd"),
        "{}",
        refusal()
    );
}
