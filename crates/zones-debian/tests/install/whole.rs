//! What a root looks like after a whole installation.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use tar::EntryType;
use zones_archive::Silent;
use zones_debian::{Variant, finish, install, plan};

use crate::deb::{Pack, Spec, dir, file, link};
use crate::mirror::Mirror;
use crate::repository::{Place, Repository};

fn base() -> Vec<Spec> {
    let mut hard = file("./usr/bin/too", 0, "./bin/tool");
    hard.kind = EntryType::Link;
    let mut tool = Spec::new(
        "tool",
        "1:2.0-1",
        "Essential: yes\nMulti-Arch: same\nDepends: libx (>= 1)\n",
    )
    .with(&[
        dir("./bin/", 0o755),
        file("./bin/tool", 0o4755, "#!tool"),
        dir("./etc/", 0o755),
        file("./etc/tool.conf", 0o640, "conf\n"),
        dir("./usr/", 0o755),
        dir("./usr/bin/", 0o755),
        hard,
        link("./usr/bin/alias", "tool"),
    ])
    .script("conffiles", "/etc/tool.conf\n")
    .script("preinst", "#!/bin/sh\nexit 0\n")
    .script(
        "triggers",
        "interest-noawait /usr/share/x\ninterest cache\nactivate other\n",
    );
    tool.pack = Pack::Xz;
    let mut libx = Spec::new("libx", "1", "Priority: optional\n")
        .with(&[dir("./tmp/", 0o1777), file("./lib/x.so", 0o644, "so")]);
    libx.pack = Pack::Zst;
    let mut files = Spec::new("base-files", "12.4", "Priority: required\n")
        .with(&[dir("./tmp/", 0o1770), dir("./root/", 0o700)]);
    files.pack = Pack::None;
    vec![tool, libx, files, Spec::new("unused", "1", "")]
}

#[test]
fn a_small_root_with_its_package_database() {
    let place = Place::new();
    let mirror = Mirror::start(Repository::new("stable", &base()).files(""));
    let mut request = place.mirrored(&mirror, "stable");
    request.archives.push(place.path("none"));
    let plan = plan(&request, &Silent).unwrap();
    let names: Vec<_> = plan.packages.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["base-files", "libx", "tool"]);
    let steps = install(&plan, &place.root(), &Silent).unwrap();
    let steps: Vec<_> = steps
        .iter()
        .map(|s| (s.name, s.argv.last().unwrap().as_str()))
        .collect();
    assert_eq!(
        steps,
        [
            ("preparing packages", "tool:amd64"),
            ("configuring packages", "-a")
        ]
    );

    let root = place.path("root");
    let read = |p: &str| fs::read_to_string(root.join(p)).unwrap();
    let meta = |p: &str| fs::symlink_metadata(root.join(p)).unwrap();
    assert_eq!(
        fs::read_link(root.join("bin")).unwrap().to_str(),
        Some("usr/bin")
    );
    assert_eq!(
        fs::read_link(root.join("lib64")).unwrap().to_str(),
        Some("usr/lib64")
    );
    assert_eq!(
        (
            meta("usr/bin/tool").mode() & 0o7777,
            meta("usr/bin/tool").nlink()
        ),
        (0o4755, 2)
    );
    assert_eq!(meta("usr/bin/tool").mtime(), 1_000_000);
    assert_eq!(meta("usr/lib/x.so").size(), 2);
    assert_eq!(
        meta("tmp").mode() & 0o7777,
        0o1770,
        "base-files counts first"
    );
    assert_eq!(meta("root").mode() & 0o7777, 0o700);
    assert_eq!(meta("etc/tool.conf").mode() & 0o7777, 0o640);

    let status = read("var/lib/dpkg/status");
    let tool = status
        .split("\n\n")
        .find(|p| p.starts_with("Package: tool\n"))
        .unwrap();
    assert!(tool.starts_with("Package: tool\nStatus: install ok unpacked\nVersion: 1:2.0-1\n"));
    let conf = "Conffiles:\n /etc/tool.conf b9a771b420047cfaa3543e66c78f44f6";
    assert!(tool.ends_with(conf), "{tool}");
    let list = "/.\n/bin\n/bin/tool\n/etc\n/etc/tool.conf\n/usr\n/usr/bin\n/usr/bin/too\n\
                /usr/bin/alias\n";
    assert_eq!(read("var/lib/dpkg/info/tool:amd64.list"), list);
    let sums = read("var/lib/dpkg/info/tool:amd64.md5sums");
    assert!(
        sums.ends_with("  bin/tool\n") && sums.lines().count() == 1,
        "{sums}"
    );
    assert_eq!(
        meta("var/lib/dpkg/info/tool:amd64.preinst").mode() & 0o777,
        0o755
    );
    assert_eq!(
        read("var/lib/dpkg/triggers/File"),
        "/usr/share/x tool:amd64/noawait\n"
    );
    assert_eq!(read("var/lib/dpkg/triggers/cache"), "tool:amd64\n");
    assert_eq!(read("var/lib/dpkg/arch"), "amd64\n");
    let line = format!("deb {} stable main\n", mirror.uri());
    assert_eq!(read("etc/apt/sources.list"), line);
    let auto = read("var/lib/apt/extended_states");
    assert_eq!(
        auto,
        "Package: libx\nArchitecture: amd64\nAuto-Installed: 1\n\n"
    );
    assert!(root.join("usr/sbin/policy-rc.d").exists());
    finish(&place.root()).unwrap();
    assert!(!root.join("usr/sbin/policy-rc.d").exists());
    assert_eq!(read("etc/machine-id"), "");

    // Once more, from the cache: only the index is asked for.
    mirror.log();
    fs::remove_dir_all(&root).unwrap();
    fs::create_dir(&root).unwrap();
    place.run(&request).unwrap();
    assert_eq!(mirror.log(), ["dists/stable/InRelease"]);
}

#[test]
fn the_host_sources_give_the_pockets_and_skip_other_archives() {
    let place = Place::new();
    let stable = Repository::new("stable", &base());
    let fixed = Spec::new("libx", "1+deb1", "Priority: optional\n");
    let mut security = Repository::new("stable-security", &[fixed]);
    security.head = security
        .head
        .replace("Components: main", "Components: updates/main");
    let mut other = Repository::new("other", &[Spec::new("x", "1", "Essential: yes\n")]);
    other.head = other.head.replace("Origin: Debian", "Origin: Somebody");
    let mut files: HashMap<_, _> = stable.files("debian/");
    files.extend(security.files("security/"));
    files.extend(other.files("other/"));
    let mirror = Mirror::start(files);
    let uri = mirror.uri();
    place.sources(&format!(
        "deb {uri}/other other main\ndeb {uri}/debian stable main\n\
         deb {uri}/security stable-security main\ndeb {uri}/debian stable-backports main\n"
    ));
    let plan = place.run(&place.request()).unwrap();
    let suites: Vec<_> = plan.sources.iter().map(|s| s.suite.as_str()).collect();
    assert_eq!(suites, ["stable", "stable-security"]);
    let libx = plan.packages.iter().find(|p| p.name == "libx").unwrap();
    assert_eq!(libx.version, "1+deb1");
}

#[test]
fn a_local_mirror_without_network() {
    let place = Place::new();
    for (path, bytes) in Repository::new("stable", &base()).files("") {
        let path = place.path("mirror").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let mut request = place.request();
    request.mirror = Some(format!("file://{}", place.path("mirror").display()));
    request.suite = Some("stable".into());
    request.variant = Variant::Standard;
    place.run(&request).unwrap();
    let sources = fs::read_to_string(place.path("root/etc/apt/sources.list")).unwrap();
    assert!(sources.starts_with("# deb file://"), "{sources}");
}

#[test]
fn a_package_that_moves_files_of_others_is_left_to_dpkg() {
    let place = Place::new();
    let mover = Spec::new("mover", "1:1", "Essential: yes\n")
        .with(&[file("./usr/x", 0o644, "x")])
        .script("preinst", "#!/bin/sh\ndpkg-divert --add --rename /usr/y\n");
    let mirror = Mirror::start(Repository::new("stable", &[mover]).files(""));
    let request = place.mirrored(&mirror, "stable");
    let plan = plan(&request, &Silent).unwrap();
    let steps = install(&plan, &place.root(), &Silent).unwrap();
    assert_eq!(
        steps[0].argv[2..],
        ["--unpack", "/var/cache/apt/archives/mover_1%3a1_amd64.deb"]
    );
    assert!(!place.path("root/usr/x").exists());
    let deb = place.path("root/var/cache/apt/archives/mover_1%3a1_amd64.deb");
    assert_eq!(fs::metadata(&deb).unwrap().len(), plan.download);
    finish(&place.root()).unwrap();
    assert!(!deb.exists());
}

#[test]
fn of_two_packages_with_one_file_the_one_that_replaces_wins() {
    let of = |text: &str| [dir("./usr/", 0o755), file("./usr/bin/x", 0o755, text)];
    let old = || Spec::new("old", "1", "Essential: yes\n");
    let new = || Spec::new("new", "1", "Essential: yes\nReplaces: old (<< 2)\n");
    // The path differs by the link of a merged /usr.
    let moved = [file("./bin/x", 0o755, "new")];
    for files in [&of("new")[..], &moved] {
        let place = Place::new();
        let specs = [old().with(&of("old")), new().with(files), base().remove(2)];
        let mirror = Mirror::start(Repository::new("stable", &specs).files(""));
        place.run(&place.mirrored(&mirror, "stable")).unwrap();
        assert_eq!(
            fs::read_to_string(place.path("root/usr/bin/x")).unwrap(),
            "new"
        );
        let list = fs::read_to_string(place.path("root/var/lib/dpkg/info/old.list")).unwrap();
        assert_eq!(list, "/.\n/usr\n");
    }
    let place = Place::new();
    let specs = [
        old().with(&of("old")),
        Spec::new("rude", "1", "Essential: yes\n").with(&of("r")),
    ];
    let mirror = Mirror::start(Repository::new("stable", &specs).files(""));
    let said = place.run(&place.mirrored(&mirror, "stable")).unwrap_err();
    assert_eq!(
        said,
        "packages `old` and `rude` both bring `/usr/bin/x`; leave one out"
    );
}
