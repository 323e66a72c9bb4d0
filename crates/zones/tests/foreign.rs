//! Zones whose programs are of another processor: how they start, and what they leave: nothing.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::path::{Path, PathBuf};

use rustix::thread::UnshareFlags;
use support::{Host, add, away, header, one_error, out};
use tar::{Builder, EntryType};

const EMULATOR: &str = "/usr/bin/qemu-aarch64-static";

/// Instructions of a program for aarch64 that prints what uname(2) calls the machine, seven bytes,
/// and ends with status 0. Source: the Arm architecture reference; the system calls are those of
/// the kernel's asm-generic/unistd.h.
const PROGRAM: [u32; 13] = [
    0xd108_03ff, // sub sp, sp, 512
    0x9100_03e0, // mov x0, sp
    0xd280_1408, // mov x8, 160: uname
    0xd400_0001, // svc
    0xd280_0020, // mov x0, 1
    0x9104_13e1, // add x1, sp, 260: its field machine
    0xd280_00e2, // mov x2, 7
    0xd280_0808, // mov x8, 64: write
    0xd400_0001, // svc
    0xd280_0000, // mov x0, 0
    0xd280_0ba8, // mov x8, 93: exit
    0xd400_0001, // svc
    0xd503_201f, // nop
];

/// The program with an ELF header and one segment. Source: elf(5).
fn program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    let code: Vec<u8> = PROGRAM.iter().flat_map(|word| word.to_le_bytes()).collect();
    let size = 64 + 56 + code.len() as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    elf.extend(2u16.to_le_bytes());
    elf.extend(183u16.to_le_bytes());
    elf.extend(1u32.to_le_bytes());
    for number in [BASE + 64 + 56, 64, 0] {
        elf.extend(number.to_le_bytes());
    }
    elf.extend(0u32.to_le_bytes());
    for number in [64u16, 56, 1, 0, 0, 0] {
        elf.extend(number.to_le_bytes());
    }
    // One segment to load, which can be read and executed.
    elf.extend(1u32.to_le_bytes());
    elf.extend(5u32.to_le_bytes());
    for number in [0, BASE, BASE, size, size, 0x1000] {
        elf.extend(number.to_le_bytes());
    }
    elf.extend(code);
    elf
}

/// A system whose shell, and what else is named, is that program.
fn archive(host: &Host, more: &[&str]) -> PathBuf {
    let path = host.path().join("foreign.tar");
    let mut tar = Builder::new(std::fs::File::create(&path).unwrap());
    for folder in ["etc", "bin", "sbin", "usr", "tmp"] {
        let mut folder_header = header(EntryType::Directory, 0o755);
        tar.append_data(&mut folder_header, folder, std::io::empty())
            .unwrap();
    }
    for path in ["bin/sh"].iter().chain(more) {
        add(&mut tar, path, &program(), 0o755);
    }
    let passwd = b"root:x:0:0:root:/root:/bin/sh\n";
    add(&mut tar, "etc/passwd", passwd, 0o644);
    tar.finish().unwrap();
    path
}

fn install(host: &Host, zone: &str, more: &str) {
    host.configure(zone, more);
    let archive = archive(host, &[]);
    let line = ["-z", zone, "install", "-a", archive.to_str().unwrap()];
    host.ok("zoneadm", &line);
}

/// Entries of the host's own table that zones of a test's host have made.
fn entries(host: &Host) -> Vec<String> {
    let look = || {
        use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
        let fs = rustix::mount::fsopen("binfmt_misc", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_create(&fs)?;
        let flags = FsMountFlags::FSMOUNT_CLOEXEC;
        let mount = rustix::mount::fsmount(&fs, flags, MountAttrFlags::empty())?;
        let folder = rustix::fs::openat(
            &mount,
            ".",
            rustix::fs::OFlags::RDONLY,
            rustix::fs::Mode::empty(),
        )?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok::<_, rustix::io::Errno>(names)
    };
    let mut names = look().unwrap();
    let own = zones_store::Layout::below(host.path()).kernel_name();
    names.retain(|name| name == "zones" || name.starts_with(&own));
    names.sort();
    names
}

/// Why these tests cannot run.
fn lacks() -> Option<&'static str> {
    if !Path::new(EMULATOR).exists() {
        return Some("needs qemu-aarch64-static (package qemu-user-static)");
    }
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.contains("binfmt_misc") {
        return Some("needs a kernel with binfmt_misc");
    }
    cfg!(target_arch = "aarch64").then_some("needs another processor than aarch64")
}

macro_rules! emulator_or_skip {
    ($name:literal) => {
        match lacks() {
            Some(reason) => {
                println!("SKIP {}: {reason}", $name);
                return;
            }
            None => host_or_skip!($name),
        }
    };
}

#[test]
fn a_zone_of_its_own_user_ids_has_an_emulator_that_nobody_else_sees() {
    let host =
        emulator_or_skip!("a_zone_of_its_own_user_ids_has_an_emulator_that_nobody_else_sees");
    let before = entries(&host);
    install(&host, "arm", "");
    host.install("usual", "");
    let plan = host.ok("zoneadm", &["-z", "arm", "ready", "-n"]);
    assert!(
        plan.contains(&format!("programs of aarch64 by {EMULATOR}")),
        "{plan}"
    );
    host.ok("zoneadm", &["-z", "arm", "boot"]);
    assert_eq!(host.inside("arm", "uname -m"), "aarch64");
    assert_eq!(entries(&host), before, "the host knows nothing of it");
    // Twice, as nothing of the first life is left.
    host.ok("zoneadm", &["-z", "arm", "reboot"]);
    assert_eq!(host.inside("arm", "uname -m"), "aarch64");
    // A helper that is lost is made anew, and so is the entry.
    let sched = host.pid("arm", "sched").unwrap();
    let sched = rustix::process::Pid::from_raw(sched).unwrap();
    rustix::process::kill_process(sched, rustix::process::Signal::KILL).unwrap();
    support::until("a new helper", || {
        host.pid("arm", "sched")
            .is_some_and(|pid| pid != sched.as_raw_nonzero().get())
            && host.run("zlogin", &["arm", "uname -m"]).stdout == b"aarch64"
    });
    host.ok("zoneadm", &["-z", "arm", "halt"]);
    host.ok("zoneadm", &["-z", "usual", "boot"]);
    assert!(!host.inside("usual", "uname -m").contains("aarch64"));
    host.ok("zoneadm", &["-z", "usual", "halt"]);
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

/// The emulator is known before the first program of the zone is run.
#[test]
fn process_1_may_be_a_program_of_another_processor() {
    const BOOTS: usize = 25;
    let host = emulator_or_skip!("process_1_may_be_a_program_of_another_processor");
    host.configure("arm", "");
    let archive = archive(&host, &["sbin/init"]);
    let line = ["-z", "arm", "install", "-a", archive.to_str().unwrap()];
    host.ok("zoneadm", &line);
    for _ in 0..BOOTS {
        host.ok("zoneadm", &["-z", "arm", "boot"]);
        // It prints a word and ends, and with it the zone.
        support::until("the end of the zone", || host.state("arm") == "installed");
    }
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

/// The way of older kernels, whose user namespaces have no table of their own.
#[test]
fn zones_of_the_hosts_user_ids_share_an_entry_and_the_last_takes_it_out() {
    let host =
        emulator_or_skip!("zones_of_the_hosts_user_ids_share_an_entry_and_the_last_takes_it_out");
    let before = entries(&host);
    let privileged = "add attr; set name=privileged; set type=boolean; set value=true; end";
    for zone in ["one", "two"] {
        install(&host, zone, privileged);
        host.ok("zoneadm", &["-z", zone, "boot"]);
        assert_eq!(host.inside(zone, "uname -m"), "aarch64");
    }
    assert_eq!(entries(&host).len(), before.len() + 1, "one entry for both");
    // Its daemon dies: the entry stays as long as the zone does.
    host.kill_daemon("two");
    host.ok("zoneadm", &["-z", "one", "halt"]);
    assert_eq!(entries(&host).len(), before.len() + 1);
    assert_eq!(host.inside("two", "uname -m"), "aarch64");
    host.ok("zoneadm", &["-z", "two", "halt"]);
    assert_eq!(entries(&host), before, "the last one has taken it out");
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn an_architecture_without_an_emulator_is_refused_before_anything_is_fetched() {
    let host =
        host_or_skip!("an_architecture_without_an_emulator_is_refused_before_anything_is_fetched");
    let path = host.zonepath("z");
    let commands = format!(
        "create -b; set brand=debian; set zonepath={}",
        path.display()
    );
    host.ok("zonecfg", &["-z", "z", &commands]);
    // As on a host without the packages that bring one.
    let line = host.command("zoneadm", &["-z", "z", "install", "--arch", "s390x"]);
    let refused = away(UnshareFlags::NEWNS, move || without_programs(line));
    let refused = refused.unwrap();
    one_error(&refused, "install qemu-user-static");
    assert_eq!(out(&refused), "");
    assert_eq!(host.state("z"), "configured");
}

/// Runs a command where `/usr/bin` and `/usr/local/bin` are empty.
fn without_programs(mut command: std::process::Command) -> std::process::Output {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).unwrap();
    for folder in ["/usr/bin", "/usr/local/bin"] {
        mount("tmpfs", folder, "tmpfs", MountFlags::empty(), None).unwrap();
    }
    command.output().unwrap()
}
