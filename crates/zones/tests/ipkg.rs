//! Zones of brand ipkg: installed from a small repository, kept in step with the global image,
//! rolled back.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stdout)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::{Host, err, out, refused};

/// What the zone's root is made of, beside busybox.
const APPLETS: [&str; 18] = [
    "sh", "awk", "cat", "echo", "false", "grep", "hostname", "id", "kill", "ls", "mkdir", "mv",
    "printf", "ps", "rm", "sleep", "true", "wc",
];

/// `pkg` of the global zone, or of the image that `args` name.
fn command(host: &Host, args: &[&str]) -> Command {
    let mut command = Command::new(support::ZONES);
    command
        .arg("pkg")
        .args(args)
        .env("ZONES_ROOT", host.path())
        .stdin(Stdio::null());
    command
}

fn pkg(host: &Host, args: &[&str]) -> Output {
    command(host, args).output().unwrap()
}

fn pkg_ok(host: &Host, args: &[&str]) -> String {
    let output = pkg(host, args);
    assert!(
        output.status.success(),
        "pkg {args:?}: {}{}",
        out(&output),
        err(&output)
    );
    out(&output)
}

/// A repository with publisher `test`.
struct Shop {
    path: PathBuf,
    content: PathBuf,
}

impl Shop {
    fn new(host: &Host) -> Self {
        let path = host.path().join("repo");
        let content = host.path().join("content");
        let shop = Self { path, content };
        host.ok("pkgrepo", &["create", shop.uri()]);
        host.ok(
            "pkgrepo",
            &["set", "-s", shop.uri(), "publisher/prefix=test"],
        );
        shop
    }

    fn uri(&self) -> &str {
        self.path.to_str().unwrap()
    }

    fn publish(&self, host: &Host, text: &str) {
        let manifest = self.content.with_extension("p5m");
        fs::write(&manifest, text).unwrap();
        let (folder, manifest) = (self.content.to_str().unwrap(), manifest.to_str().unwrap());
        host.ok(
            "pkgsend",
            &["publish", "-s", self.uri(), "-d", folder, manifest],
        );
    }

    /// A busybox system, its group, and the first version of all.
    fn stocked(host: &Host) -> Self {
        let shop = Self::new(host);
        fs::create_dir_all(&shop.content).unwrap();
        fs::copy("/bin/busybox", shop.content.join("busybox")).unwrap();
        let passwd = "root:x:0:0:root:/root:/bin/sh\n";
        fs::write(shop.content.join("passwd"), passwd).unwrap();
        fs::write(shop.content.join("shadow"), "root:*:19000::::::\n").unwrap();
        fs::write(shop.content.join("group"), "root::0:\nbin::2:\n").unwrap();
        let mut text = "set name=pkg.fmri value=shell/busybox@1.0\n".to_owned();
        text += "set name=pkg.summary value=\"small tools\"\n";
        for folder in [
            "bin", "etc", "root", "tmp", "usr", "usr/bin", "dev", "proc", "sys",
        ] {
            text += &format!("dir path={folder} mode=0755 owner=root group=root\n");
        }
        text += "file busybox path=bin/busybox mode=0755 owner=root group=root\n";
        for name in ["passwd", "group"] {
            text += &format!(
                "file {name} path=etc/{name} mode=0644 owner=root group=root preserve=true\n"
            );
        }
        text += "file shadow path=etc/shadow mode=0400 owner=root group=root preserve=true\n";
        for name in APPLETS {
            text += &format!("link path=bin/{name} target=busybox\n");
        }
        shop.publish(host, &text);
        let core = "set name=pkg.fmri value=system/core@1.0\n\
                    depend type=require fmri=shell/busybox\n\
                    depend type=require fmri=app/tool\n";
        shop.publish(host, core);
        shop.version(host, 1);
        shop
    }

    /// The tool and the incorporation that fixes it.
    fn version(&self, host: &Host, version: u32) {
        fs::write(self.content.join("tool"), format!("tool {version}\n")).unwrap();
        fs::write(self.content.join("conf"), format!("setting = {version}\n")).unwrap();
        self.publish(
            host,
            &format!(
                "set name=pkg.fmri value=app/tool@{version}.0\n\
                 dir path=etc mode=0755 owner=root group=root\n\
                 dir path=usr/bin mode=0755 owner=root group=root\n\
                 file tool path=usr/bin/tool mode=0644 owner=root group=root\n\
                 file conf path=etc/tool.conf mode=0644 owner=root group=root preserve=renamenew\n"
            ),
        );
        self.publish(
            host,
            &format!(
                "set name=pkg.fmri value=entire@{version}.0\n\
                 depend type=incorporate fmri=app/tool@{version}.0\n"
            ),
        );
    }
}

fn configure(host: &Host, zone: &str) {
    let path = host.zonepath(zone);
    let commands = format!("create; set zonepath={}", path.display());
    host.ok("zonecfg", &["-z", zone, &commands]);
}

fn install(host: &Host, zone: &str) -> String {
    configure(host, zone);
    host.ok("zoneadm", &["-z", zone, "install"])
}

fn root(host: &Host, zone: &str) -> PathBuf {
    host.zonepath(zone).join("root")
}

fn tool(host: &Host, zone: &str) -> String {
    let tree = zones_storage::look(&root(host, zone)).unwrap();
    String::from_utf8(tree.read(Path::new("usr/bin/tool"), 999).unwrap()).unwrap()
}

fn image<'a>(root: &'a Path, args: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["-R", root.to_str().unwrap()];
    all.extend(args);
    all
}

#[test]
fn a_zone_is_installed_from_the_publisher_of_the_host() {
    let host = host_or_skip!("a_zone_is_installed_from_the_publisher_of_the_host");
    configure(&host, "z1");
    let none = host.zoneadm(&["-z", "z1", "install"]);
    refused(&none, 1, "no publisher");
    assert!(
        err(&none).contains("pkg set-publisher -p URI"),
        "{}",
        err(&none)
    );
    assert_eq!(host.state("z1"), "configured");

    let shop = Shop::stocked(&host);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    let text = host.ok("zoneadm", &["-z", "z1", "install"]);
    for line in [
        "   Publisher: Using test (",
        "       Image: Preparing at ",
        "     Catalog: Retrieving from ",
        "       Cache: Using ",
        "Sanity Check: Looking for 'entire' incorporation.",
        "  Installing: (output follows)",
        "        Done: Installation completed in ",
        "  Next Steps: Boot the zone",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    let root = root(&host, "z1");
    let publishers = pkg_ok(&host, &image(&root, &["publisher", "-H"]));
    assert!(publishers.starts_with("test "), "{publishers}");
    pkg_ok(&host, &image(&root, &["verify"]));
    host.ok("zoneadm", &["-z", "z1", "verify"]);
    assert_eq!(tool(&host, "z1"), "tool 1\n");

    host.ok("zoneadm", &["-z", "z1", "boot"]);
    assert_eq!(host.inside("z1", "cat /usr/bin/tool"), "tool 1\n");
    host.ok("zoneadm", &["-z", "z1", "halt"]);

    fs::write(root.join("usr/bin/tool"), "damaged\n").unwrap();
    let damaged = pkg(&host, &image(&root, &["verify"]));
    assert_eq!(damaged.status.code(), Some(1), "{}", out(&damaged));
    assert!(out(&damaged).contains("usr/bin/tool"), "{}", out(&damaged));
    pkg_ok(&host, &image(&root, &["fix"]));
    assert_eq!(tool(&host, "z1"), "tool 1\n");
    pkg_ok(&host, &image(&root, &["verify"]));
    host.ok("zoneadm", &["-z", "z1", "uninstall", "-F"]);
    assert!(!host.zonepath("z1").exists());
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn a_named_publisher_takes_the_place_of_those_of_the_host() {
    let host = host_or_skip!("a_named_publisher_takes_the_place_of_those_of_the_host");
    let shop = Shop::stocked(&host);
    configure(&host, "z1");
    let unknown = host.zoneadm(&["-z", "z1", "install", "-P", "test=file:///nonexistent"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(host.state("z1"), "configured");
    assert!(!root(&host, "z1").exists());
    let none = host.zoneadm(&["-z", "z1", "install", "-P", shop.uri(), "-e", "web/missing"]);
    refused(&none, 1, "web/missing");
    assert_eq!(host.state("z1"), "configured");
    let uri = format!("test={}", shop.uri());
    host.ok("zoneadm", &["-z", "z1", "install", "-a", &uri]);
    assert_eq!(tool(&host, "z1"), "tool 1\n");
    let other = host.zoneadm(&["-z", "z1", "install", "-P", &uri]);
    refused(&other, 1, "is already installed.");
}

#[test]
fn a_global_image_holds_no_files() {
    let host = host_or_skip!("a_global_image_holds_no_files");
    let shop = Shop::stocked(&host);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    pkg_ok(&host, &["install", "entire", "shell/busybox"]);
    let global = host.path().join("var/lib/zones/global");
    let names: Vec<_> = fs::read_dir(&global).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let list = pkg_ok(&host, &["-R", "/", "list", "-H"]);
    assert!(list.contains("shell/busybox"), "{list}");
    pkg_ok(&host, &["verify"]);
    pkg_ok(&host, &["uninstall", "shell/busybox"]);
}

#[test]
fn zones_follow_the_global_image() {
    let host = host_or_skip!("zones_follow_the_global_image");
    let shop = Shop::stocked(&host);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    pkg_ok(&host, &["install", "entire"]);
    install(&host, "z1");
    install(&host, "z2");
    let list = pkg_ok(&host, &["list-linked", "-H"]);
    assert!(
        list.contains("zone:z1") && list.contains("zone:z2"),
        "{list}"
    );
    pkg_ok(&host, &["audit-linked", "-a"]);
    let property = pkg_ok(
        &host,
        &["property-linked", "-H", "-l", "zone:z1", "li-model"],
    );
    assert!(property.contains("push"), "{property}");

    // The zone cannot leave the version of the host by itself.
    shop.version(&host, 2);
    let z1 = root(&host, "z1");
    let alone = pkg(&host, &image(&z1, &["update"]));
    assert_eq!(
        alone.status.code(),
        Some(4),
        "{}{}",
        out(&alone),
        err(&alone)
    );
    assert_eq!(tool(&host, "z1"), "tool 1\n");

    // A trial changes nothing; the real thing changes all.
    let text = pkg_ok(&host, &["update", "-n"]);
    assert!(text.contains("Linked image 'zone:z1' output:"), "{text}");
    assert_eq!(tool(&host, "z1"), "tool 1\n");
    pkg_ok(&host, &["update", "-r", "-C", "2"]);
    assert_eq!(
        (tool(&host, "z1"), tool(&host, "z2")),
        ("tool 2\n".into(), "tool 2\n".into())
    );
    pkg_ok(&host, &["audit-linked", "-a"]);
    assert_eq!(pkg(&host, &["update", "-r"]).status.code(), Some(4));
    let conf = fs::read_to_string(support::Files::look(&z1).join("etc/tool.conf")).unwrap();
    assert_eq!(conf, "setting = 2\n");
}

#[test]
fn a_zone_out_of_step_is_named_and_brought_back() {
    let host = host_or_skip!("a_zone_out_of_step_is_named_and_brought_back");
    let shop = Shop::stocked(&host);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    pkg_ok(&host, &["install", "entire"]);
    install(&host, "z1");
    install(&host, "z2");
    let sync = || host.ok("zoneadm", &["list", "-cn", "-o", "zonename,sync"]);
    assert_eq!(sync(), "z1:yes\nz2:yes\n");
    // The host moves on while a zone is away.
    host.ok("zoneadm", &["-z", "z1", "detach"]);
    assert!(host.zonepath("z1").join("SUNWdetached.xml").exists());
    assert_eq!(host.state("z1"), "configured");
    refused(
        &host.zoneadm(&["-z", "z1", "install"]),
        1,
        "Cannot install detached zone",
    );
    shop.version(&host, 2);
    pkg_ok(&host, &["update"]);
    assert_eq!(
        (tool(&host, "z1"), tool(&host, "z2")),
        ("tool 1\n".into(), "tool 2\n".into())
    );
    let failed = host.zoneadm(&["-z", "z1", "attach"]);
    assert_eq!(failed.status.code(), Some(1), "{}", err(&failed));
    let text = out(&failed);
    assert!(
        text.contains("Packages in zone z1 are out of sync"),
        "{text}"
    );
    assert!(text.contains("Result: Attach Failed."), "{text}");
    host.ok("zoneadm", &["-z", "z1", "attach", "-F"]);
    assert_eq!(sync(), "z1:no\nz2:yes\n");
    let audit = pkg(&host, &["audit-linked", "-a"]);
    assert_eq!(audit.status.code(), Some(52), "{}", out(&audit));
    assert!(
        err(&audit).contains("zone:z1 is out of step"),
        "{}",
        err(&audit)
    );
    pkg_ok(&host, &["sync-linked", "-l", "zone:z1"]);
    assert_eq!(sync(), "z1:yes\nz2:yes\n");
    assert_eq!(tool(&host, "z1"), "tool 2\n");
    assert_eq!(pkg(&host, &["sync-linked", "-a"]).status.code(), Some(4));
}

#[test]
fn attach_with_update_brings_a_zone_in_step() {
    let host = host_or_skip!("attach_with_update_brings_a_zone_in_step");
    let shop = Shop::stocked(&host);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    pkg_ok(&host, &["install", "entire"]);
    install(&host, "z1");
    host.ok("zoneadm", &["-z", "z1", "detach"]);
    shop.version(&host, 2);
    pkg_ok(&host, &["update"]);
    let zonepath = host.zonepath("z1");
    host.ok("zonecfg", &["-z", "z1", "delete", "-F"]);
    let create = format!("create -a {}", zonepath.display());
    host.ok("zonecfg", &["-z", "z3", &create]);
    let text = host.ok("zoneadm", &["-z", "z3", "attach", "-u"]);
    assert!(
        text.contains("Updating non-global zone: Zone updated."),
        "{text}"
    );
    assert!(text.contains("Result: Attach Succeeded."), "{text}");
    assert!(!zonepath.join("SUNWdetached.xml").exists());
    assert_eq!(host.state("z3"), "installed");
    assert!(pkg_ok(&host, &["list-linked", "-H"]).contains("zone:z3"));
}

#[test]
fn a_clone_is_linked_by_its_own_name() {
    let host = host_or_skip!("a_clone_is_linked_by_its_own_name");
    let shop = Shop::stocked(&host);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    install(&host, "z1");
    configure(&host, "z2");
    host.ok("zoneadm", &["-z", "z2", "clone", "z1"]);
    let linked = pkg_ok(&host, &["list-linked", "-H"]);
    assert!(
        linked.contains("zone:z1") && linked.contains("zone:z2"),
        "{linked}"
    );
    let own = pkg_ok(
        &host,
        &image(&root(&host, "z2"), &["property-linked", "-H", "li-name"]),
    );
    assert!(own.contains("zone:z2"), "{own}");
    pkg_ok(&host, &image(&root(&host, "z2"), &["verify"]));
}

#[test]
fn a_child_that_cannot_follow_stops_its_parent() {
    let host = host_or_skip!("a_child_that_cannot_follow_stops_its_parent");
    let shop = Shop::stocked(&host);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    pkg_ok(&host, &["install", "entire"]);
    install(&host, "z1");
    let z1 = root(&host, "z1");
    pkg_ok(&host, &image(&z1, &["freeze", "app/tool"]));
    shop.version(&host, 2);
    let stopped = pkg(&host, &["update", "-r"]);
    assert_eq!(
        stopped.status.code(),
        Some(9),
        "{}{}",
        out(&stopped),
        err(&stopped)
    );
    assert!(
        err(&stopped).contains("Linked image 'zone:z1'"),
        "{}",
        err(&stopped)
    );
    let list = pkg_ok(&host, &["list", "-Hv", "entire"]);
    assert!(list.contains("entire@1.0"), "{list}");
    assert_eq!(tool(&host, "z1"), "tool 1\n");
}

#[test]
fn an_update_is_rolled_back_by_a_boot_environment() {
    let host = host_or_skip!("an_update_is_rolled_back_by_a_boot_environment");
    let shop = Shop::stocked(&host);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    install(&host, "z1");
    let z1 = root(&host, "z1");
    shop.version(&host, 2);
    let text = pkg_ok(&host, &image(&z1, &["update"]));
    assert!(text.contains("zbe-backup-1"), "{text}");
    assert_eq!(tool(&host, "z1"), "tool 2\n");
    let list = host.ok("beadm", &["-z", "z1", "list", "-H"]);
    assert!(list.contains("zbe;") && list.contains(";NR;"), "{list}");
    host.ok("zoneadm", &["-z", "z1", "boot"]);
    host.ok("beadm", &["-z", "z1", "activate", "zbe-backup-1"]);
    assert_eq!(host.inside("z1", "cat /usr/bin/tool"), "tool 2\n");
    host.ok("zoneadm", &["-z", "z1", "reboot"]);
    assert_eq!(host.inside("z1", "cat /usr/bin/tool"), "tool 1\n");
    host.ok("zoneadm", &["-z", "z1", "halt"]);
    pkg_ok(&host, &image(&z1, &["verify"]));
    host.ok("beadm", &["-z", "z1", "activate", "zbe"]);
    assert_eq!(tool(&host, "z1"), "tool 2\n");
    refused(
        &host.run("beadm", &["-z", "z1", "destroy", "zbe"]),
        1,
        "BE zbe is active",
    );
    host.ok("beadm", &["-z", "z1", "rename", "zbe-backup-1", "old"]);
    host.ok("beadm", &["-z", "z1", "destroy", "old"]);
    host.ok("zoneadm", &["-z", "z1", "uninstall", "-F"]);
    assert!(!host.zonepath("z1").exists());
}

#[test]
fn an_operation_works_in_a_new_boot_environment_when_asked() {
    let host = host_or_skip!("an_operation_works_in_a_new_boot_environment_when_asked");
    let shop = Shop::stocked(&host);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    install(&host, "z1");
    let z1 = root(&host, "z1");
    shop.version(&host, 2);
    let text = pkg_ok(&host, &image(&z1, &["update", "--be-name", "second"]));
    assert!(text.contains("New BE: second"), "{text}");
    assert_eq!(tool(&host, "z1"), "tool 1\n");
    let place = host.path().join("look");
    let shown = place.to_str().unwrap();
    host.ok("beadm", &["-z", "z1", "mount", "second", shown]);
    let seen = fs::read_to_string(place.join("usr/bin/tool")).unwrap();
    host.ok("beadm", &["-z", "z1", "unmount", "second"]);
    assert_eq!(seen, "tool 2\n");
    host.ok("zoneadm", &["-z", "z1", "boot"]);
    assert_eq!(host.inside("z1", "cat /usr/bin/tool"), "tool 2\n");
    host.ok("zoneadm", &["-z", "z1", "halt"]);
    pkg_ok(&host, &image(&z1, &["verify"]));
}

/// The files of a running zone cannot be changed where they lie in layers: then the operation works
/// in a new environment, for the next boot.
#[test]
fn zones_that_run_on_layers_follow_at_their_next_boot() {
    let host = host_or_skip!("zones_that_run_on_layers_follow_at_their_next_boot");
    let shop = Shop::stocked(&host);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    pkg_ok(&host, &["install", "entire"]);
    install(&host, "z1");
    host.ok("beadm", &["-z", "z1", "create", "first"]);
    host.ok("zoneadm", &["-z", "z1", "boot"]);
    let list = || host.ok("beadm", &["-z", "z1", "list", "-H"]);
    let before = list();
    // Nothing to do leaves nothing.
    assert_eq!(pkg(&host, &["update", "-r"]).status.code(), Some(4));
    assert_eq!(list(), before);
    shop.version(&host, 2);
    let z1 = root(&host, "z1");
    let denied = pkg(&host, &image(&z1, &["update", "--deny-new-be"]));
    refused(&denied, 5, "--deny-new-be");
    pkg_ok(&host, &["update", "-n", "-r"]);
    assert_eq!(list(), before);
    let text = pkg_ok(&host, &["update", "-r"]);
    assert!(text.contains("New BE: zbe-1"), "{text}");
    assert_eq!(host.inside("z1", "cat /usr/bin/tool"), "tool 1\n");
    host.ok("zoneadm", &["-z", "z1", "reboot"]);
    assert_eq!(host.inside("z1", "cat /usr/bin/tool"), "tool 2\n");
    host.ok("zoneadm", &["-z", "z1", "halt"]);
    pkg_ok(&host, &image(&z1, &["verify"]));
    pkg_ok(&host, &["audit-linked", "-a"]);
}

/// The zone makes its cache of libraries when packages changed, and only then: docs/adr/0016.
#[test]
fn a_zone_makes_derived_files_after_packages_changed() {
    let host = host_or_skip!("a_zone_makes_derived_files_after_packages_changed");
    let shop = Shop::stocked(&host);
    let script = "#!/bin/sh\necho made $$ >> /etc/ld.so.cache\n";
    fs::write(shop.content.join("ldconfig"), script).unwrap();
    shop.publish(
        &host,
        "set name=pkg.fmri value=system/libc@1.0\n\
         dir path=sbin mode=0755 owner=root group=root\n\
         file ldconfig path=sbin/ldconfig mode=0755 owner=root group=root\n",
    );
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    configure(&host, "z1");
    host.ok("zoneadm", &["-z", "z1", "install", "-e", "system/libc"]);
    let z1 = root(&host, "z1");
    let made = || fs::read_to_string(z1.join("etc/ld.so.cache")).map(|it| it.lines().count());
    assert!(made().is_err(), "nothing of the zone runs at installation");
    host.ok("zoneadm", &["-z", "z1", "boot"]);
    assert_eq!(host.inside("z1", "wc -l < /etc/ld.so.cache"), "1\n");
    host.ok("zoneadm", &["-z", "z1", "reboot"]);
    assert_eq!(host.inside("z1", "wc -l < /etc/ld.so.cache"), "1\n");
    shop.version(&host, 2);
    pkg_ok(&host, &image(&z1, &["update"]));
    host.ok("zoneadm", &["-z", "z1", "reboot"]);
    assert_eq!(host.inside("z1", "wc -l < /etc/ld.so.cache"), "2\n");
    pkg_ok(&host, &image(&z1, &["verify"]));
    // One that cannot be made stops nothing.
    host.inside(
        "z1",
        "rm /etc/ld.so.cache; echo '#!/bin/false' > /sbin/ldconfig",
    );
    host.ok("zoneadm", &["-z", "z1", "reboot"]);
    assert_eq!(host.inside("z1", "echo lives"), "lives\n");
    host.ok("zoneadm", &["-z", "z1", "halt"]);
}

/// Packages bring paragraphs, the zone makes the status of them: docs/adr/0017.
#[test]
fn dpkg_of_a_zone_knows_its_packages_and_what_apt_added() {
    let host = host_or_skip!("dpkg_of_a_zone_knows_its_packages_and_what_apt_added");
    let shop = Shop::stocked(&host);
    let held = |name: &str, version: u32| {
        format!(
            "Package: {name}\nStatus: hold ok installed\nX-Image-Package: yes\n\
             Version: {version}\nDescription: x\n more\n\n"
        )
    };
    let bring = |name: &str, version: u32| {
        fs::write(shop.content.join(name), held(name, version)).unwrap();
        shop.publish(
            &host,
            &format!(
                "set name=pkg.fmri value={name}@{version}.0\n\
                 file {name} path=var/lib/dpkg/status.d/{name} mode=0644 owner=root group=root\n"
            ),
        );
    };
    bring("one", 1);
    bring("two", 1);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    configure(&host, "z1");
    host.ok("zoneadm", &["-z", "z1", "install", "-e", "one,two"]);
    let z1 = root(&host, "z1");
    let status = || host.inside("z1", "cat /var/lib/dpkg/status");
    host.ok("zoneadm", &["-z", "z1", "boot"]);
    assert_eq!(status(), held("one", 1) + &held("two", 1));
    let own = "Package: own\nStatus: install ok installed\nDescription: y\n\n";
    host.inside("z1", &format!("printf '{own}' >> /var/lib/dpkg/status"));
    bring("one", 2);
    pkg_ok(&host, &image(&z1, &["update"]));
    pkg_ok(&host, &image(&z1, &["uninstall", "two"]));
    host.ok("zoneadm", &["-z", "z1", "reboot"]);
    assert_eq!(status(), own.to_owned() + &held("one", 2));
    host.ok("zoneadm", &["-z", "z1", "halt"]);
}

/// Killed after so many milliseconds, then uninstalled and installed again.
#[test]
fn an_installation_that_was_killed_can_be_repeated() {
    let host = host_or_skip!("an_installation_that_was_killed_can_be_repeated");
    let shop = Shop::stocked(&host);
    pkg_ok(&host, &["set-publisher", "-p", shop.uri()]);
    configure(&host, "z1");
    for milliseconds in [5, 20, 45, 80, 130] {
        let mut child = host
            .command("zoneadm", &["-z", "z1", "install"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        let _ = child.kill();
        child.wait().unwrap();
        let state = host.state("z1");
        println!("after {milliseconds} ms: {state}");
        if state != "configured" {
            host.ok("zoneadm", &["-z", "z1", "uninstall", "-F"]);
        }
        assert_eq!(host.state("z1"), "configured");
    }
    host.ok("zoneadm", &["-z", "z1", "install"]);
    pkg_ok(&host, &image(&root(&host, "z1"), &["verify"]));
}
