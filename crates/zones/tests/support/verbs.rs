//! Verbs that work on files, what they need, and what must be true when they were cut short.

use std::fs;
use std::path::Path;

use super::bed::Bed;
use super::{err, out};

/// A command line: applet, then its words.
pub type Line = Vec<String>;

/// A verb that is cut short.
pub struct Verb {
    pub name: &'static str,
    /// Has the host be as the verb needs it; called before each round.
    pub prepare: fn(&Bed),
    pub line: fn(&Bed) -> Line,
    /// Goes on after the cut, as an administrator would.
    pub after: fn(&Bed),
    /// Whether its work is done.
    pub is_done: fn(&Bed) -> bool,
    /// Whether it works on another file system, too.
    pub is_across: bool,
}

pub fn words(line: &str) -> Line {
    line.split(' ').map(str::to_owned).collect()
}

fn is_at(zonepath: &Path) -> bool {
    zonepath.join("root").is_dir()
}

fn moved_back(bed: &Bed, to: &Path) {
    // Whoever comes next completes it or takes it back.
    let taken = bed.run("zoneadm -z z snapshot k");
    assert!(taken.status.success(), "{}", err(&taken));
    bed.ok("zoneadm -z z destroy-snapshot k");
    let home = bed.path("z");
    assert!(is_at(to) != is_at(&home), "both or none");
    if is_at(&home) {
        bed.ok(&format!("zoneadm -z z move {}", to.display()));
    }
    assert!(is_at(to) && !home.exists());
    for root in ["root", "snap/s", "be/e"] {
        assert_eq!(bed.marked(&to.join(root)), "one");
    }
    bed.ok(&format!("zoneadm -z z move {}", home.display()));
    assert!(is_at(&home) && !to.exists());
}

fn has_zone(bed: &Bed, name: &str) -> bool {
    bed.ok("zoneadm list -c").lines().any(|it| it == name)
}

fn has_base(bed: &Bed) -> bool {
    bed.ok("zoneadm base list -p").starts_with("k:")
}

fn is_published(bed: &Bed) -> bool {
    let list = bed.run(&format!("pkgrepo list -H -s {}", bed.repository()));
    out(&list).contains("other")
}

/// The same command completes what was begun; else there is nothing to do.
fn again(bed: &Bed, line: &str) {
    const NOTHING_TO_DO: i32 = 4;
    let done = bed.run(line);
    let is_done = matches!(done.status.code(), Some(0 | NOTHING_TO_DO));
    assert!(is_done, "{line}: {}", err(&done));
}

fn is_limited(bed: &Bed) -> bool {
    let info = ["zonecfg", "-z", "z", "info max-lwps"].map(str::to_owned);
    out(&bed.command(&info.into()).output().unwrap()).contains("777")
}

const NOTHING: fn(&Bed) = |_| {};

pub const VERBS: [Verb; 26] = [
    Verb {
        name: "snapshot",
        prepare: NOTHING,
        line: |_| words("zoneadm -z z snapshot k"),
        after: |bed| {
            if !bed.has_snapshot("k") {
                bed.ok("zoneadm -z z snapshot k");
            }
            assert_eq!(bed.marked(&bed.path("z").join("snap/k")), "one");
            bed.ok("zoneadm -z z destroy-snapshot k");
        },
        is_done: |bed| bed.has_snapshot("k"),
        is_across: false,
    },
    Verb {
        name: "destroy-snapshot",
        prepare: |bed| drop(bed.ok("zoneadm -z z snapshot k")),
        line: |_| words("zoneadm -z z destroy-snapshot k"),
        after: |bed| {
            let again = bed.run("zoneadm -z z destroy-snapshot k");
            let is_gone = err(&again).contains("does not exist");
            assert!(is_gone || again.status.success(), "{}", err(&again));
            assert_eq!(bed.snapshots(), ["s"]);
        },
        is_done: |bed| !bed.has_snapshot("k"),
        is_across: false,
    },
    Verb {
        name: "rollback",
        prepare: |bed| bed.mark("two"),
        line: |_| words("zoneadm -z z rollback s"),
        after: |bed| {
            let now = bed.marked(&bed.path("z").join("root"));
            assert!(["one", "two"].contains(&now.as_str()), "{now}");
            bed.ok("zoneadm -z z rollback s");
            assert_eq!(bed.marked(&bed.path("z").join("root")), "one");
        },
        is_done: |bed| bed.marked(&bed.path("z").join("root")) == "one",
        is_across: false,
    },
    Verb {
        name: "clone",
        prepare: NOTHING,
        line: |_| words("zoneadm -z t clone z"),
        after: |bed| bed.uninstalled("t"),
        is_done: |bed| bed.host.state("t") == "installed",
        is_across: false,
    },
    Verb {
        name: "clone -s",
        prepare: NOTHING,
        line: |_| words("zoneadm -z t clone -s s z"),
        after: |bed| bed.uninstalled("t"),
        is_done: |bed| bed.host.state("t") == "installed",
        is_across: false,
    },
    Verb {
        name: "move",
        prepare: NOTHING,
        line: |bed| {
            words(&format!(
                "zoneadm -z z move {}",
                bed.path("moved").display()
            ))
        },
        after: |bed| moved_back(bed, &bed.path("moved")),
        is_done: |bed| is_at(&bed.path("moved")) && !is_at(&bed.path("z")),
        is_across: false,
    },
    Verb {
        name: "move across",
        prepare: NOTHING,
        line: |bed| words(&format!("zoneadm -z z move {}", bed.elsewhere().display())),
        after: |bed| moved_back(bed, &bed.elsewhere()),
        is_done: |bed| is_at(&bed.elsewhere()) && !is_at(&bed.path("z")),
        is_across: true,
    },
    Verb {
        name: "export",
        prepare: NOTHING,
        line: |bed| {
            words(&format!(
                "zoneadm -z z export {}",
                bed.stream("k").display()
            ))
        },
        after: |bed| {
            if bed.stream("k").exists() {
                bed.ok(&format!(
                    "zoneadm -z t import {}",
                    bed.stream("k").display()
                ));
                bed.uninstalled("t");
            }
            bed.ok(&format!(
                "zoneadm -z z export {}",
                bed.stream("k").display()
            ));
            fs::remove_file(bed.stream("k")).unwrap();
        },
        is_done: |bed| bed.stream("k").exists(),
        is_across: false,
    },
    Verb {
        name: "import",
        prepare: NOTHING,
        line: |bed| {
            words(&format!(
                "zoneadm -z t import {}",
                bed.stream("all").display()
            ))
        },
        after: |bed| {
            bed.uninstalled("t");
            bed.ok(&format!(
                "zoneadm -z t import {}",
                bed.stream("all").display()
            ));
            assert_eq!(bed.marked(&bed.path("t").join("snap/s")), "one");
            bed.uninstalled("t");
        },
        is_done: |bed| bed.host.state("t") == "installed",
        is_across: false,
    },
    Verb {
        name: "detach and attach",
        prepare: NOTHING,
        line: |_| words("zoneadm -z z detach"),
        after: |bed| {
            if bed.host.state("z") == "installed" {
                bed.ok("zoneadm -z z detach");
            }
            bed.ok("zoneadm -z z attach");
        },
        is_done: |bed| bed.host.state("z") == "configured",
        is_across: false,
    },
    Verb {
        name: "attach",
        prepare: |bed| drop(bed.ok("zoneadm -z z detach")),
        line: |_| words("zoneadm -z z attach"),
        after: |bed| {
            let again = bed.run("zoneadm -z z attach");
            let is_done = err(&again).contains("already installed");
            assert!(is_done || again.status.success(), "{}", err(&again));
        },
        is_done: |bed| bed.host.state("z") == "installed",
        is_across: false,
    },
    Verb {
        name: "uninstall",
        prepare: |bed| drop(bed.ok("zoneadm -z t clone z")),
        line: |_| words("zoneadm -z t uninstall -F"),
        after: |bed| {
            if bed.host.state("t") != "configured" {
                bed.ok("zoneadm -z t uninstall -F");
            }
            assert_eq!(bed.host.state("t"), "configured");
        },
        is_done: |bed| bed.host.state("t") == "configured",
        is_across: false,
    },
    Verb {
        name: "beadm create and destroy",
        prepare: NOTHING,
        line: |_| words("beadm -z z create k"),
        after: |bed| {
            if !bed.has_environment("k") {
                bed.ok("beadm -z z create k");
            }
            assert_eq!(bed.marked(&bed.path("z").join("be/k")), "one");
            bed.ok("beadm -z z destroy k");
        },
        is_done: |bed| bed.has_environment("k"),
        is_across: false,
    },
    Verb {
        name: "beadm activate",
        prepare: NOTHING,
        line: |_| words("beadm -z z activate e"),
        after: |bed| {
            assert_eq!(bed.environments(), ["e", "zbe"]);
            bed.ok("beadm -z z activate e");
            bed.ok("beadm -z z activate zbe");
            assert_eq!(bed.environments(), ["e", "zbe"]);
            for root in ["root", "be/e"] {
                assert_eq!(bed.marked(&bed.path("z").join(root)), "one");
            }
        },
        is_done: |bed| bed.next() == "e",
        is_across: false,
    },
    Verb {
        name: "beadm destroy",
        prepare: |bed| drop(bed.ok("beadm -z z create k")),
        line: |_| words("beadm -z z destroy k"),
        after: |bed| {
            let again = bed.run("beadm -z z destroy k");
            let is_gone = err(&again).contains("does not exist");
            assert!(is_gone || again.status.success(), "{}", err(&again));
            assert_eq!(bed.environments(), ["e", "zbe"]);
        },
        is_done: |bed| !bed.has_environment("k"),
        is_across: false,
    },
    Verb {
        name: "install",
        prepare: NOTHING,
        line: |bed| {
            words(&format!(
                "zoneadm -z t install -a {}",
                bed.host.archive().display()
            ))
        },
        after: |bed| {
            if bed.host.state("t") == "installed" {
                bed.ok("zoneadm -z t verify");
            }
            bed.run("zoneadm -z t uninstall -F");
            assert_eq!(bed.host.state("t"), "configured");
        },
        is_done: |bed| bed.host.state("t") == "installed",
        is_across: false,
    },
    Verb {
        name: "zonecfg create",
        prepare: |bed| drop(bed.run("zonecfg -z n delete -F")),
        line: |bed| {
            let path = bed.path("n");
            let text = format!("create -b; set zonepath={}", path.display());
            ["zonecfg", "-z", "n", &text].map(str::to_owned).into()
        },
        after: |bed| {
            if has_zone(bed, "n") {
                bed.ok("zonecfg -z n export");
                bed.ok("zonecfg -z n delete -F");
            }
        },
        is_done: |bed| has_zone(bed, "n"),
        is_across: false,
    },
    Verb {
        name: "zonecfg set",
        prepare: NOTHING,
        line: |_| {
            ["zonecfg", "-z", "z", "set max-lwps=777"]
                .map(str::to_owned)
                .into()
        },
        after: |bed| {
            bed.ok("zonecfg -z z export");
            if is_limited(bed) {
                let clear = ["zonecfg", "-z", "z", "clear max-lwps"].map(str::to_owned);
                assert!(bed.command(&clear.into()).status().unwrap().success());
            }
        },
        is_done: is_limited,
        is_across: false,
    },
    Verb {
        name: "beadm rename",
        prepare: |bed| drop(bed.ok("beadm -z z create k")),
        line: |_| words("beadm -z z rename k l"),
        after: |bed| {
            let name = if bed.has_environment("k") { "k" } else { "l" };
            assert_eq!(bed.environments(), ["e", name, "zbe"]);
            bed.ok(&format!("beadm -z z destroy {name}"));
        },
        is_done: |bed| bed.has_environment("l"),
        is_across: false,
    },
    Verb {
        name: "base create",
        prepare: NOTHING,
        line: |_| words("zoneadm base create k -s z@s"),
        after: |bed| {
            if has_base(bed) {
                bed.ok("zoneadm base verify k");
                bed.ok("zoneadm base destroy k");
            }
        },
        is_done: has_base,
        is_across: false,
    },
    Verb {
        name: "base destroy",
        prepare: |bed| drop(bed.ok("zoneadm base create k -s z@s")),
        line: |_| words("zoneadm base destroy k"),
        after: |bed| {
            if has_base(bed) {
                bed.ok("zoneadm base verify k");
                bed.ok("zoneadm base destroy k");
            }
        },
        is_done: |bed| !has_base(bed),
        is_across: false,
    },
    Verb {
        name: "pkg install",
        prepare: NOTHING,
        line: |_| words("pkg install app@1"),
        after: |bed| {
            again(bed, "pkg install app@1");
            assert_eq!(bed.version().unwrap(), "1");
            bed.ok("pkg uninstall app");
        },
        is_done: |bed| bed.version().is_some(),
        is_across: false,
    },
    Verb {
        name: "pkg update",
        prepare: |bed| drop(bed.ok("pkg install app@1")),
        line: |_| words("pkg update app"),
        after: |bed| {
            again(bed, "pkg update app");
            assert_eq!(bed.version().unwrap(), "2");
            bed.ok("pkg uninstall app");
        },
        is_done: |bed| bed.version().unwrap() == "2",
        is_across: false,
    },
    Verb {
        name: "pkg uninstall",
        prepare: |bed| drop(bed.ok("pkg install app@2")),
        line: |_| words("pkg uninstall app"),
        after: |bed| {
            let again = bed.run("pkg uninstall app");
            let is_gone = err(&again).contains("matches no installed");
            assert!(is_gone || again.status.success(), "{}", err(&again));
            assert_eq!(bed.version(), None);
        },
        is_done: |bed| bed.version().is_none(),
        is_across: false,
    },
    Verb {
        name: "pkgsend publish",
        prepare: NOTHING,
        line: |bed| words(&bed.publication()),
        after: |bed| {
            let repository = bed.repository();
            let verified = bed.run(&format!("pkgrepo verify -s {repository}"));
            if out(&verified).contains("run: pkgrepo refresh") {
                bed.ok(&format!("pkgrepo refresh -s {repository}"));
            }
            bed.ok(&format!("pkgrepo verify -s {repository}"));
            bed.ok(&bed.publication());
            assert!(is_published(bed));
            bed.ok(&format!("pkgrepo remove -s {repository} other"));
            assert!(!is_published(bed));
        },
        is_done: is_published,
        is_across: false,
    },
    Verb {
        name: "boot",
        prepare: NOTHING,
        line: |_| words("zoneadm -z z boot"),
        after: |bed| {
            let state = bed.host.state("z");
            assert!(
                ["installed", "ready", "running"].contains(&&*state),
                "{state}"
            );
            if state != "running" {
                bed.ok("zoneadm -z z boot");
            }
            assert_eq!(bed.host.inside("z", "cat /mark"), "one");
            bed.ok("zoneadm -z z halt");
        },
        is_done: |_| true,
        is_across: false,
    },
];
