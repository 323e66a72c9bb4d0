//! Power loss in the middle of every verb that works on files, on layers and on subvolumes: what
//! the disk holds at that moment is mounted, and the next command finds a state that has a name,
//! repairs it, and nothing is left. The file system's own checker has nothing to say.
//!
//! While a verb runs, slowed down at each system call that changes something, the file behind its
//! loop device is copied again and again (FICLONE, which sees no write by halves). A copy has what
//! the file system had written and nothing of what it still kept in memory, as a disk without a
//! cache of its own when the power goes. `cargo xtask test-vm --only power` cuts a whole machine.
//! `ZONES_POWER_ROUNDS=20` is the acceptance.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::ioctl_ficlone;
use rustix::mount::{UnmountFlags, unmount};
use rustix::thread::UnshareFlags;
use support::bed::{Bed, CALLS};
use support::image::{Ground, ROOMY};
use support::verbs::Verb;
use support::{Host, away, err, has_tool, missing, tool, until};
use tempfile::TempDir;

/// What holds the disk and its copies.
const STORE_BYTES: u64 = 8 << 30;
/// How long a verb waits before each of its calls, in microseconds.
const WAIT_MICROS: u32 = 3_000;
/// Between two copies, so that the verb gets on, too.
const PAUSE: Duration = Duration::from_millis(1);

fn rounds() -> usize {
    let asked = std::env::var("ZONES_POWER_ROUNDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(2)
}

/// A host on a disk that can be copied at any moment.
struct Machine {
    host: Host,
    ground: Ground,
    /// Holds the disk and its copies.
    store: PathBuf,
    _folder: TempDir,
}

impl Drop for Machine {
    fn drop(&mut self) {
        for place in [&self.host.path().join("run"), self.host.path(), &self.store] {
            let _ = unmount(place, UnmountFlags::DETACH);
        }
    }
}

impl Machine {
    fn new(ground: Ground) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = folder.path().join("store");
        fs::create_dir(&store).unwrap();
        let image = folder.path().join("image");
        File::create(&image).unwrap().set_len(STORE_BYTES).unwrap();
        tool("mkfs.xfs", &["-q", image.to_str().unwrap()]);
        let machine = Self {
            host: Host::new(),
            ground,
            store,
            _folder: folder,
        };
        attach(&image, &machine.store);
        let disk = machine.disk();
        File::create(&disk).unwrap().set_len(ROOMY).unwrap();
        ground.format(&disk);
        machine
    }

    fn disk(&self) -> PathBuf {
        self.store.join("disk")
    }

    fn copy(&self, number: usize) -> PathBuf {
        self.store.join(format!("copy-{number}"))
    }

    /// Starts with a disk: what is running did not survive.
    fn on(&self, disk: &Path) {
        attach(disk, self.host.path());
        let run = self.host.path().join("run");
        fs::create_dir_all(&run).unwrap();
        tool("mount", &["-t", "tmpfs", "run", run.to_str().unwrap()]);
    }

    /// Goes down in order; the file system has no fault.
    fn off(&self, disk: &Path) {
        let run = self.host.path().join("run");
        // What removes the trash, or the daemon of a zone that was halted, may be on its last step.
        for place in [&run, self.host.path()] {
            until("what the host had can be unmounted", || {
                unmount(place, UnmountFlags::empty()).is_ok()
            });
        }
        self.ground.check(disk);
    }

    /// Copies of the disk while the verb runs, the last one after its end.
    fn cut(&self, bed: &Bed, verb: &Verb) -> Vec<PathBuf> {
        let line = (verb.line)(bed);
        let mut command = match has_tool("strace") {
            true => {
                let inject = format!("inject={CALLS}:delay_enter={WAIT_MICROS}");
                bed.traced(&["-o", "/dev/null", "-e", CALLS, "-e", &inject], &line)
            }
            false => bed.command(&line),
        };
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let is_over = AtomicBool::new(false);
        let disk = File::open(self.disk()).unwrap();
        std::thread::scope(|scope| {
            let copies = scope.spawn(|| {
                let mut copies = Vec::new();
                loop {
                    let was_over = is_over.load(Ordering::Acquire);
                    let path = self.copy(copies.len());
                    ioctl_ficlone(File::create(&path).unwrap(), &disk).unwrap();
                    copies.push(path);
                    if was_over {
                        break copies;
                    }
                    std::thread::sleep(PAUSE);
                }
            });
            let done = command.output().unwrap();
            is_over.store(true, Ordering::Release);
            assert!(done.status.success(), "{}: {}", verb.name, err(&done));
            copies.join().unwrap()
        })
    }
}

fn attach(disk: &Path, place: &Path) {
    let (disk, place) = (disk.to_str().unwrap(), place.to_str().unwrap());
    tool("mount", &["-o", "loop", disk, place]);
}

/// That a copy lacks what nobody synced: else nothing is proved by the rest.
fn assert_that_power_takes(machine: &Machine) {
    let disk = machine.disk();
    machine.on(&disk);
    let name = machine.host.path().join("unsynced");
    fs::write(&name, "text").unwrap();
    let copy = machine.copy(0);
    ioctl_ficlone(File::create(&copy).unwrap(), File::open(&disk).unwrap()).unwrap();
    machine.off(&disk);
    machine.on(&copy);
    assert!(!name.exists(), "the copy has what was only in memory");
    machine.off(&copy);
    fs::remove_file(copy).unwrap();
}

/// `driver`: another one than the file system is made for.
fn cut_all(name: &'static str, ground: Ground, driver: Option<&'static str>) {
    let tools = [ground.program(), ground.checker(), "mkfs.xfs"];
    let lacking = tools.into_iter().find(|it| !has_tool(it));
    if let Some(reason) = missing().or(lacking) {
        println!("SKIP {name}: {reason}");
        return;
    }
    let run = move || {
        tool("mount", &["--make-rprivate", "/"]);
        let machine = Machine::new(ground);
        let disk = machine.disk();
        assert_that_power_takes(&machine);
        machine.on(&disk);
        if let Some(driver) = driver {
            let folder = machine.host.path().join("etc/zones");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("host.toml"), format!("storage = \"{driver}\"")).unwrap();
        }
        let bed = Bed::whole(&machine.host, ground);
        bed.lay();
        tool("sync", &["-f", machine.host.path().to_str().unwrap()]);
        for verb in bed.verbs("ZONES_POWER_VERB") {
            (verb.prepare)(&bed);
            let copies = machine.cut(&bed, verb);
            (verb.after)(&bed);
            bed.assert_clean(verb.name);
            machine.off(&disk);
            let (count, rounds) = (copies.len(), rounds().min(copies.len()));
            for round in 0..rounds {
                let number = (round + 1) * count / rounds - 1;
                let copy = &copies[number];
                println!("{}: {number} of {count}", verb.name);
                machine.on(copy);
                // What was said to be done is done.
                let is_said = number + 1 == count;
                assert!(!is_said || (verb.is_done)(&bed), "{}", verb.name);
                (verb.after)(&bed);
                // Who was removing files did not survive; a host that starts goes on with it.
                machine.host.ok("zoneadm", &["sysboot"]);
                bed.assert_clean(&format!("{}: {number} of {count}", verb.name));
                machine.off(copy);
            }
            copies.iter().for_each(|it| fs::remove_file(it).unwrap());
            machine.on(&disk);
        }
        machine.off(&disk);
    };
    if let Err(errno) = away(UnshareFlags::NEWNS, run) {
        println!("SKIP {name}: no mount namespace: {errno}");
    }
}

#[test]
fn on_layers_of_ext4() {
    cut_all("on_layers_of_ext4", Ground::Ext4, None);
}

#[test]
fn on_layers_of_xfs() {
    cut_all("on_layers_of_xfs", Ground::Xfs, None);
}

#[test]
fn on_subvolumes() {
    cut_all("on_subvolumes", Ground::Btrfs, None);
}

#[test]
fn on_folders() {
    cut_all("on_folders", Ground::Xfs, Some("dir"));
}
