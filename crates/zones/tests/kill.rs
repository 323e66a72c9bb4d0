//! kill -9 of every verb that works on files, on layers and on subvolumes: the next command finds a
//! state that has a name, repairs it, and nothing is left.
//!
//! With strace(1) a round dies before one system call that changes something, and the rounds are
//! spread over all of them; without it they are spread over time. `ZONES_KILL_ROUNDS=100` is the
//! acceptance.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::image::{Ground, ROOMY, on};
use support::{Files, Host, err, has_tool, out, tool, until};

/// System calls that change files, mounts or locks, and the end.
const CALLS: &str = "mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,\
                     symlink,symlinkat,setxattr,lsetxattr,fsetxattr,fsync,fdatasync,syncfs,\
                     ftruncate,fallocate,ioctl,chmod,fchmod,fchmodat,chown,fchown,fchownat,\
                     utimensat,mknodat,write,pwrite64,flock,open_tree,fsmount,copy_file_range,\
                     sendfile,clone,clone3,exit_group";

fn rounds() -> usize {
    let asked = std::env::var("ZONES_KILL_ROUNDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// A command line: applet, then its words.
type Line = Vec<String>;

/// A verb that is killed.
struct Verb {
    name: &'static str,
    /// Has the host be as the verb needs it; called before each round.
    prepare: fn(&Bed),
    line: fn(&Bed) -> Line,
    /// Goes on after the kill, as an administrator would.
    after: fn(&Bed),
}

/// Where verbs are killed: zone `z` is installed, with snapshot `s` and environment `e`.
struct Bed<'a> {
    host: &'a Host,
    ground: Ground,
    /// Another file system.
    other: Ground,
}

/// When a round dies.
#[derive(Debug, Clone)]
enum Moment {
    /// Before this call of these.
    Call(String, usize),
    After(Duration),
}

fn words(line: &str) -> Line {
    line.split(' ').map(str::to_owned).collect()
}

impl Bed<'_> {
    fn zones(&self) -> PathBuf {
        self.ground.place(self.host).join("zones")
    }

    fn path(&self, zone: &str) -> PathBuf {
        self.zones().join(zone)
    }

    /// A zonepath on the other file system.
    fn elsewhere(&self) -> PathBuf {
        self.other.place(self.host).join("zones/moved")
    }

    fn stream(&self, name: &str) -> PathBuf {
        self.host.path().join(format!("{name}.stream"))
    }

    fn run(&self, line: &str) -> std::process::Output {
        let line = words(line);
        let args: Vec<&str> = line[1..].iter().map(String::as_str).collect();
        self.host.run(&line[0], &args)
    }

    fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", err(&output));
        out(&output)
    }

    fn mark(&self, text: &str) {
        let root = Files::open(&self.path("z").join("root"));
        fs::write(root.join("mark"), text).unwrap();
    }

    fn marked(&self, root: &Path) -> String {
        fs::read_to_string(Files::look(root).join("mark")).unwrap()
    }

    fn snapshots(&self) -> Vec<String> {
        let list = self.ok("zoneadm -z z list-snapshots -p");
        let names = list.lines().filter_map(|line| line.split(':').next());
        names.map(str::to_owned).collect()
    }

    fn environments(&self) -> Vec<String> {
        let list = self.ok("beadm -z z list -H");
        let names = list.lines().filter_map(|line| line.split(';').next());
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        names.sort();
        names
    }

    /// The moments of a verb, in order, or their whole duration.
    fn moments(&self, verb: &Verb) -> Vec<Moment> {
        (verb.prepare)(self);
        let line = (verb.line)(self);
        let begun = Instant::now();
        let mut moments = Vec::new();
        if has_tool("strace") {
            let log = self.host.path().join("trace");
            let all = [&["-o", log.to_str().unwrap(), "-e", CALLS][..]].concat();
            let output = self.traced(&all, &line).output().unwrap();
            assert!(output.status.success(), "{}: {}", verb.name, err(&output));
            let mut counts = BTreeMap::new();
            for line in fs::read_to_string(&log).unwrap().lines() {
                let Some((call, _)) = line.split_once('(') else {
                    continue;
                };
                let count = counts.entry(call.to_owned()).or_insert(0);
                *count += 1;
                moments.push(Moment::Call(call.to_owned(), *count));
            }
        } else {
            let output = self.command(&line).output().unwrap();
            assert!(output.status.success(), "{}: {}", verb.name, err(&output));
            let whole = begun.elapsed();
            let steps = u32::try_from(rounds()).unwrap();
            moments.extend((0..steps).map(|step| Moment::After(whole * step / steps)));
        }
        (verb.after)(self);
        moments
    }

    fn command(&self, line: &Line) -> std::process::Command {
        let args: Vec<&str> = line[1..].iter().map(String::as_str).collect();
        self.host.command(&line[0], &args)
    }

    fn traced(&self, options: &[&str], line: &Line) -> std::process::Command {
        let command = self.command(line);
        let mut traced = std::process::Command::new("strace");
        traced.args(options).arg("--").arg(command.get_program());
        traced.args(command.get_args()).stdin(Stdio::null());
        traced
    }

    fn kill(&self, line: &Line, moment: &Moment) {
        match moment {
            Moment::Call(call, number) => {
                let inject = format!("inject={call}:signal=KILL:when={number}");
                let trace = format!("trace={call}");
                let options = ["-o", "/dev/null", "-e", &trace, "-e", &inject];
                let _ = self.traced(&options, line).output().unwrap();
            }
            Moment::After(time) => {
                let mut command = self.command(line);
                let command = command.stdout(Stdio::null()).stderr(Stdio::null());
                let mut child = command.spawn().unwrap();
                std::thread::sleep(*time);
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    }

    /// Whatever was killed: everything has a name and a place, and nothing else is there.
    fn assert_clean(&self, round: &str) {
        assert_eq!(self.host.state("z"), "installed", "{round}");
        let verified = self.run("zoneadm -z z verify");
        assert!(verified.status.success(), "{round}: {}", err(&verified));
        // What was put aside is removed by a process of its own.
        until("the trash is empty", || {
            let mut litter = self.litter().into_iter();
            !litter.any(|it| it.contains(".zones-removed-") || it.contains("/trash/"))
        });
        assert_eq!(self.litter(), Vec::<String>::new(), "{round}");
        assert_eq!(self.mounts(), Vec::<String>::new(), "{round}");
        assert_eq!(self.layers(), Vec::<String>::new(), "{round}");
        assert_eq!(self.subvolumes(), Vec::<String>::new(), "{round}");
        let loops = tool("losetup", &["-l", "-n", "-O", "BACK-FILE"]);
        let here = self.host.path().to_str().unwrap();
        let loops = loops.lines().filter(|it| it.contains(here)).count();
        assert_eq!(loops, 2, "{round}: loop devices");
    }

    /// Files that no finished work leaves.
    fn litter(&self) -> Vec<String> {
        const SIGNS: [&str; 9] = [
            ".new-",
            ".gone-",
            ".root-",
            ".note-",
            ".import",
            ".zones-removed",
            ".tmp",
            "SUNWdet",
            ".root.new",
        ];
        let mut found = Vec::new();
        let lib = self.host.path().join("var/lib/zones");
        let mut folders = vec![self.host.path().to_owned(), lib.clone()];
        for place in [self.ground, self.other] {
            let zones = place.place(self.host).join("zones");
            folders.push(zones.join(".zones-layers"));
            for zone in entries(&zones) {
                folders.extend([zone.clone(), zone.join("be"), zone.join("snap")]);
            }
            folders.push(zones);
        }
        for entry in folders.iter().flat_map(|it| entries(it)) {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if SIGNS.iter().any(|it| name.contains(it)) {
                found.push(entry.display().to_string());
            }
        }
        for folder in ["journal", "trash", "owners"] {
            let notes = entries(&lib.join(folder));
            found.extend(notes.iter().map(|it| it.display().to_string()));
        }
        found
    }

    /// Mounts below those of the test.
    fn mounts(&self) -> Vec<String> {
        let table = fs::read_to_string("/proc/thread-self/mounts").unwrap();
        let here = self.host.path().to_str().unwrap();
        let places = [self.ground, self.other].map(|it| it.place(self.host));
        let points = table.lines().filter_map(|line| line.split(' ').nth(1));
        let points = points.filter(|it| it.contains(here));
        let points = points.filter(|it| !places.iter().any(|place| place == Path::new(it)));
        points.map(str::to_owned).collect()
    }

    /// All roots of all zones of a file system.
    fn roots(&self, ground: Ground) -> Vec<PathBuf> {
        let zones = entries(&ground.place(self.host).join("zones")).into_iter();
        let of = |zone: PathBuf| {
            let others = ["be", "snap"].into_iter().flat_map(|folder| {
                let all = entries(&zone.join(folder)).into_iter();
                all.filter(|it| !it.file_name().unwrap().to_string_lossy().starts_with('.'))
                    .collect::<Vec<_>>()
            });
            let others: Vec<_> = others.collect();
            [vec![zone.join("root")], others].concat()
        };
        zones.flat_map(of).filter(|it| it.is_dir()).collect()
    }

    /// What is wrong between stacks and layers.
    fn layers(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for ground in [self.ground, self.other] {
            let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for root in self.roots(ground) {
                let Ok(text) = fs::read(root.join("stack")) else {
                    continue;
                };
                let stack: serde_json::Value = serde_json::from_slice(&text).unwrap();
                for layer in stack["layers"].as_array().unwrap() {
                    let stacks = named.entry(layer.as_str().unwrap().to_owned()).or_default();
                    stacks.insert(stack["id"].as_str().unwrap().to_owned());
                }
            }
            let store = ground.place(self.host).join("zones/.zones-layers");
            let mut there = BTreeMap::new();
            for layer in entries(&store) {
                let name = |it: &PathBuf| it.file_name().unwrap().to_string_lossy().into_owned();
                let refs = entries(&layer.join("refs"));
                there.insert(name(&layer), refs.iter().map(name).collect());
            }
            if named != there {
                wrong.push(format!("{}: {named:#?} but {there:#?}", ground.name()));
            }
        }
        wrong
    }

    /// Subvolumes that are no root.
    fn subvolumes(&self) -> Vec<String> {
        if ![self.ground, self.other].contains(&Ground::Btrfs) || !has_tool("btrfs") {
            return Vec::new();
        }
        let place = Ground::Btrfs.place(self.host);
        let list = tool("btrfs", &["subvolume", "list", place.to_str().unwrap()]);
        let roots = self.roots(Ground::Btrfs);
        let paths = list.lines().filter_map(|line| line.split(" path ").nth(1));
        let strays = paths.filter(|it| !roots.contains(&place.join(it)));
        strays.map(str::to_owned).collect()
    }

    /// The zone goes, whatever is left of it.
    fn uninstalled(&self, zone: &str) {
        match self.host.state(zone).as_str() {
            "incomplete" => {
                let boot = self.run(&format!("zoneadm -z {zone} boot"));
                support::refused(&boot, 1, "must be installed before boot.");
                self.ok(&format!("zoneadm -z {zone} uninstall -F"));
            }
            "installed" => {
                self.ok(&format!("zoneadm -z {zone} verify"));
                assert_eq!(self.marked(&self.path(zone).join("root")), "one");
                self.ok(&format!("zoneadm -z {zone} uninstall -F"));
            }
            // Nothing to remove, but maybe to clean up.
            "configured" => drop(self.run(&format!("zoneadm -z {zone} uninstall -F"))),
            state => panic!("{zone} is {state}"),
        }
        assert_eq!(self.host.state(zone), "configured");
    }
}

fn moved_back(bed: &Bed, to: &Path) {
    // Whoever comes next completes it or takes it back.
    let taken = bed.run("zoneadm -z z snapshot k");
    assert!(taken.status.success(), "{}", err(&taken));
    bed.ok("zoneadm -z z destroy-snapshot k");
    let here = |path: &Path| path.join("root").is_dir();
    let home = bed.path("z");
    assert!(here(to) != here(&home), "both or none");
    if here(&home) {
        bed.ok(&format!("zoneadm -z z move {}", to.display()));
    }
    assert!(here(to) && !home.exists());
    for root in ["root", "snap/s", "be/e"] {
        assert_eq!(bed.marked(&to.join(root)), "one");
    }
    bed.ok(&format!("zoneadm -z z move {}", home.display()));
    assert!(here(&home) && !to.exists());
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    found.map(|it| it.path()).collect()
}

const NOTHING: fn(&Bed) = |_| {};

const VERBS: [Verb; 15] = [
    Verb {
        name: "snapshot",
        prepare: NOTHING,
        line: |_| words("zoneadm -z z snapshot k"),
        after: |bed| {
            if !bed.snapshots().contains(&"k".to_owned()) {
                bed.ok("zoneadm -z z snapshot k");
            }
            assert_eq!(bed.marked(&bed.path("z").join("snap/k")), "one");
            bed.ok("zoneadm -z z destroy-snapshot k");
        },
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
    },
    Verb {
        name: "clone",
        prepare: NOTHING,
        line: |_| words("zoneadm -z t clone z"),
        after: |bed| bed.uninstalled("t"),
    },
    Verb {
        name: "clone -s",
        prepare: NOTHING,
        line: |_| words("zoneadm -z t clone -s s z"),
        after: |bed| bed.uninstalled("t"),
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
    },
    Verb {
        name: "move across",
        prepare: NOTHING,
        line: |bed| words(&format!("zoneadm -z z move {}", bed.elsewhere().display())),
        after: |bed| moved_back(bed, &bed.elsewhere()),
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
    },
    Verb {
        name: "beadm create and destroy",
        prepare: NOTHING,
        line: |_| words("beadm -z z create k"),
        after: |bed| {
            if !bed.environments().contains(&"k".to_owned()) {
                bed.ok("beadm -z z create k");
            }
            assert_eq!(bed.marked(&bed.path("z").join("be/k")), "one");
            bed.ok("beadm -z z destroy k");
        },
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
    },
];

/// Kills all verbs, so many rounds each; `share` of them.
fn kill_all(name: &'static str, grounds: &'static [Ground], share: usize) {
    on(name, grounds, ROOMY, move |host| {
        let (ground, other) = (grounds[0], grounds[1]);
        let bed = Bed {
            host,
            ground,
            other,
        };
        host.install_at("z", &bed.path("z"), "");
        host.configure_at("t", &bed.path("t"), "");
        fs::create_dir_all(bed.elsewhere().parent().unwrap()).unwrap();
        bed.mark("one");
        bed.ok("zoneadm -z z snapshot s");
        bed.ok("beadm -z z create e");
        bed.ok(&format!(
            "zoneadm -z z export {}",
            bed.stream("all").display()
        ));
        let rounds = (rounds() / share).max(4);
        let only = std::env::var("ZONES_KILL_VERB").ok();
        for verb in VERBS
            .iter()
            .filter(|it| only.as_ref().is_none_or(|only| only == it.name))
        {
            let moments = bed.moments(verb);
            bed.assert_clean(verb.name);
            let count = moments.len();
            for round in 0..rounds.min(count) {
                let moment = &moments[round * count / rounds.min(count)];
                (verb.prepare)(&bed);
                bed.kill(&(verb.line)(&bed), moment);
                let round = format!("{}: {round} of {count}: {moment:?}", verb.name);
                println!("{round}");
                (verb.after)(&bed);
                bed.assert_clean(&round);
            }
        }
        assert_eq!(host.leftovers(), Vec::<String>::new());
    });
}

#[test]
fn on_layers() {
    kill_all("on_layers", &[Ground::Ext4, Ground::Btrfs], 1);
}

#[test]
fn on_subvolumes() {
    kill_all("on_subvolumes", &[Ground::Btrfs, Ground::Ext4], 2);
}
