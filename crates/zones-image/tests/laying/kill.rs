//! Processes killed at any action; the next one completes the operation.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io};

use zones_image::apply::{Content, Source, apply};
use zones_image::journal::Intent;
use zones_image::plan::Package;
use zones_ips::{Action, Fmri, ImagePath};

use crate::support::{Store, World, apply_options, is_root, names};

const ROOT: &str = "ZONES_IMAGE_TEST_KILL_ROOT";
const AT: &str = "ZONES_IMAGE_TEST_KILL_AT";
const NOTE: &str = "var/pkg/intent";

/// Kills as many times as this.
const KILLS: usize = 100;

/// Points of the operation at which it may be killed.
const POINTS: usize = 127;

fn versions(store: &mut Store) -> (Vec<Package>, Vec<Package>) {
    let mut one = vec![
        "dir path=etc mode=0755 owner=root group=root".to_owned(),
        "dir path=gone/deep mode=0755 owner=root group=root".to_owned(),
        "group groupname=old gid=90".to_owned(),
        "user username=old uid=90 group=old".to_owned(),
        "link path=usr/bin/l target=1".to_owned(),
    ];
    let mut two = vec![
        "dir path=etc mode=0750 owner=root group=root".to_owned(),
        "dir path=come/deep mode=0755 owner=root group=root".to_owned(),
        "group groupname=new gid=91".to_owned(),
        "user username=new uid=91 group=new".to_owned(),
        "link path=usr/bin/l target=2".to_owned(),
        "hardlink path=usr/bin/h target=0".to_owned(),
    ];
    for name in ["passwd", "group", "shadow"] {
        let text = match name {
            "passwd" => "root:x:0:0::/:\n",
            "group" => "root:x:0:\n",
            _ => "root:*:::::::\n",
        };
        let line = store.file(&format!("etc/{name}"), text.as_bytes(), "preserve=true");
        one.push(line.clone());
        two.push(line);
    }
    for number in 0..24 {
        let path = format!("usr/bin/{number}");
        one.push(store.file(&path, format!("one {number}").as_bytes(), "mode=4755"));
        two.push(store.file(&path, format!("two {number}").as_bytes(), "mode=4755"));
        one.push(store.file(&format!("gone/deep/{number}"), b"gone", ""));
        two.push(store.file(&format!("come/deep/{number}"), b"come", ""));
    }
    for way in ["true", "renameold", "renamenew"] {
        let more = format!("preserve={way}");
        one.push(store.file(&format!("etc/{way}.conf"), b"one", &more));
        two.push(store.file(&format!("etc/{way}.conf"), b"two", &more));
    }
    one.push(store.file("etc/was.conf", b"one", "preserve=true"));
    let more = "preserve=true original_name=p:etc/was.conf";
    two.push(store.file("etc/is.conf", b"two", more));
    let pack = |short, lines: &[String]| vec![crate::support::package(short, lines)];
    (pack("p@1", &one), pack("p@2", &two))
}

/// Dies by its own hand at the given point: each opened payload and each finished action is one.
struct Bomb<'a> {
    store: &'a Store,
    count: AtomicUsize,
    at: usize,
}

impl Bomb<'_> {
    fn tick(&self) {
        if self.count.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            let own = rustix::process::getpid();
            let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
            loop {
                std::thread::park();
            }
        }
    }
}

impl Content for Bomb<'_> {
    fn open(&self, fmri: &Fmri, action: &Action) -> io::Result<Source> {
        self.tick();
        self.store.open(fmri, action)
    }
}

fn world(top: &Path) -> (World, Vec<Package>) {
    let mut world = World::new();
    world.root = zones_sys::RootFd::open(top).expect("root");
    let (one, two) = versions(&mut world.store);
    world.installed = one;
    (world, two)
}

/// The process that is killed; does nothing in a common run.
#[test]
fn victim() {
    let (Ok(root), Ok(at)) = (std::env::var(ROOT), std::env::var(AT)) else {
        return;
    };
    let (world, two) = world(Path::new(&root));
    let plan = world.plan(&two).expect("plan");
    let note: ImagePath = NOTE.parse().expect("path");
    Intent::of("update", &plan)
        .write(&world.root, note.as_ref())
        .expect("note");
    let bomb = Bomb {
        store: &world.store,
        count: AtomicUsize::new(0),
        at: at.parse().expect("number"),
    };
    let tick = |_| bomb.tick();
    apply(&plan, &world.root, &bomb, &apply_options(), &tick).expect("apply");
}

fn edit(world: &World) {
    world.write("var/pkg/pkg5.image", "");
    for name in ["true", "renameold", "renamenew", "was"] {
        world.write(&format!("etc/{name}.conf"), "mine");
    }
}

#[test]
fn a_hundred_kills_are_all_healed() {
    if !is_root("a_hundred_kills") {
        return;
    }
    let killed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for first in 0..2 {
            let killed = &killed;
            scope.spawn(move || {
                for number in (first..KILLS).step_by(2) {
                    // In no order; each point once.
                    let count = kill_and_heal(1 + (number * 37) % POINTS);
                    killed.fetch_add(count, Ordering::SeqCst);
                }
            });
        }
    });
    let killed = killed.into_inner();
    assert!(killed >= 95, "{killed} of {KILLS} were killed at work");
}

/// How many processes were killed: one, or none when all was done before the point.
fn kill_and_heal(at: usize) -> usize {
    let program = std::env::current_exe().expect("own path");
    {
        let mut world = World::quick();
        let (one, two) = versions(&mut world.store);
        world.install(&one);
        edit(&world);
        let status = Command::new(&program)
            .args(["--exact", "kill::victim", "--test-threads=1"])
            .env(ROOT, world.path(""))
            // Who is killed takes nothing of its own away: it goes with this world.
            .env("TMPDIR", world.path(".."))
            .env(AT, at.to_string())
            .output()
            .expect("victim");
        let told = String::from_utf8_lossy(&status.stdout).into_owned();
        let status = status.status;
        assert!(
            status.success() || status.signal() == Some(9),
            "{at}: {status} {told}"
        );
        heal(&mut world, &two, at);
        usize::from(status.signal() == Some(9))
    }
}

/// The next command: it sweeps, and does the operation again.
fn heal(world: &mut World, two: &[Package], at: usize) {
    let note: ImagePath = NOTE.parse().expect("path");
    let intent = Intent::read(&world.root, note.as_ref());
    let intent = intent.expect("read").expect("the note is there");
    assert_eq!(intent.to().count(), 1);
    let _ = intent.sweep(&world.root);
    let temps = |world: &World| {
        let all = names(&world.path(""));
        let is_temp = |name: &&String| name.contains(".pkg-new.");
        all.iter().filter(is_temp).count()
    };
    assert_eq!(temps(world), 0, "{at}: {:?}", names(&world.path("")));
    world.install(two);
    Intent::end(&world.root, note.as_ref()).expect("end");
    world.assert_clean();
    assert_eq!(temps(world), 0, "{at}");
    let rows = [
        ("etc/true.conf", Some("mine")),
        ("etc/renameold.conf", Some("two")),
        ("etc/renameold.conf.old", Some("mine")),
        ("etc/renamenew.conf", Some("mine")),
        ("etc/renamenew.conf.new", Some("two")),
        ("etc/is.conf", Some("mine")),
        ("etc/was.conf", None),
        ("gone", None),
    ];
    for (path, expected) in rows {
        assert_eq!(world.read(path).as_deref(), expected, "{at}: {path}");
    }
    assert!(!world.path("gone").exists(), "{at}");
    let passwd = fs::read_to_string(world.path("etc/passwd")).expect("passwd");
    assert_eq!(passwd, "root:x:0:0::/:\nnew:x:91:91:new:/:\n", "{at}");
    assert!(world.salvaged().is_empty(), "{at}: {:?}", world.salvaged());
}
