//! A host of its own for each test: everything below a temporary root, found and removed at the
//! end, also when the test fails.
#![allow(
    dead_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub mod bed;
pub mod image;
pub mod verbs;

pub const ZONES: &str = env!("CARGO_BIN_EXE_zones");

pub struct Host {
    /// Before the folder: fields are dropped in this order.
    mounted: Option<image::Mounted>,
    folder: TempDir,
}

/// The files of a root, which may lie in layers, for as long as this is kept.
pub struct Files {
    _tree: zones_sys::RootFd,
    path: PathBuf,
}

impl Files {
    /// To be read; the root may be in use.
    pub fn look(root: &Path) -> Self {
        Self::of(zones_storage::look(root).unwrap())
    }

    /// To be changed; nobody uses the root.
    pub fn open(root: &Path) -> Self {
        Self::of(zones_storage::open(root).unwrap())
    }

    fn of(tree: zones_sys::RootFd) -> Self {
        use std::os::fd::{AsFd as _, AsRawFd as _};
        let path = format!("/proc/self/fd/{}/.", tree.as_fd().as_raw_fd()).into();
        Self { _tree: tree, path }
    }
}

impl std::ops::Deref for Files {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// Why root tests cannot run here; printed and counted by the test runner.
pub fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root");
    }
    if !Path::new("/bin/busybox").exists() {
        return Some("needs /bin/busybox (package busybox-static)");
    }
    None
}

/// Leaves the test when it cannot run, saying why.
#[macro_export]
macro_rules! host_or_skip {
    ($name:literal) => {
        match support::missing() {
            Some(reason) => {
                println!("SKIP {}: {reason}", $name);
                return;
            }
            None => support::Host::new(),
        }
    };
}

impl Host {
    pub fn new() -> Self {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        Self {
            mounted: None,
            folder: tempfile::Builder::new()
                .prefix("host-")
                .tempdir_in(base)
                .unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self, applet: &str, args: &[&str]) -> Command {
        let mut command = Command::new(ZONES);
        command
            .arg(applet)
            .arg("-R")
            .arg(self.path())
            .args(args)
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, applet: &str, args: &[&str]) -> Output {
        self.command(applet, args).output().unwrap()
    }

    pub fn zoneadm(&self, args: &[&str]) -> Output {
        self.run("zoneadm", args)
    }

    /// Runs and asserts success.
    pub fn ok(&self, applet: &str, args: &[&str]) -> String {
        let output = self.run(applet, args);
        assert!(
            output.status.success(),
            "{applet} {args:?}: {}{}",
            out(&output),
            err(&output)
        );
        out(&output)
    }

    /// A command in a zone, its standard output.
    pub fn inside(&self, zone: &str, command: &str) -> String {
        self.ok("zlogin", &[zone, command])
    }

    pub fn zonepath(&self, zone: &str) -> PathBuf {
        self.path().join("zones").join(zone)
    }

    /// A configured zone of brand lx; `more` are further zonecfg commands.
    pub fn configure(&self, zone: &str, more: &str) {
        self.configure_at(zone, &self.zonepath(zone), more);
    }

    /// As `configure`, somewhere.
    pub fn configure_at(&self, zone: &str, path: &Path, more: &str) {
        let commands = format!(
            "create -b; set brand=lx; set zonepath={}; {more}",
            path.display()
        );
        self.ok("zonecfg", &["-z", zone, &commands]);
    }

    /// An installed zone with a busybox userland.
    pub fn install(&self, zone: &str, more: &str) {
        self.install_at(zone, &self.zonepath(zone), more);
    }

    /// As `install`, somewhere.
    pub fn install_at(&self, zone: &str, path: &Path, more: &str) {
        self.configure_at(zone, path, more);
        let archive = self.archive();
        self.ok(
            "zoneadm",
            &["-z", zone, "install", "-a", archive.to_str().unwrap()],
        );
    }

    /// A small system: busybox and a few files.
    pub fn archive(&self) -> PathBuf {
        let path = self.path().join("busybox.tar");
        if !path.exists() {
            let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
            for folder in ["bin", "etc", "root", "tmp", "usr", "home/jo"] {
                let mut header = header(
                    tar::EntryType::Directory,
                    if folder == "tmp" { 0o1777 } else { 0o755 },
                );
                tar.append_data(&mut header, folder, std::io::empty())
                    .unwrap();
            }
            let busybox = std::fs::read("/bin/busybox").unwrap();
            add(&mut tar, "bin/busybox", &busybox, 0o755);
            add(
                &mut tar,
                "etc/passwd",
                b"root:x:0:0:root:/root:/bin/sh\njo:x:1000:1000::/home/jo:/bin/sh\n",
                0o644,
            );
            add(
                &mut tar,
                "etc/group",
                b"root:x:0:\njo:x:1000:\nwheel:x:10:jo\n",
                0o644,
            );
            for applet in APPLETS {
                let mut header = header(tar::EntryType::Symlink, 0o777);
                tar.append_link(&mut header, format!("bin/{applet}"), "busybox")
                    .unwrap();
            }
            tar.finish().unwrap();
        }
        path
    }

    /// The process that plays `who` (`daemon`, `init`, `sched`) for a zone that is up.
    pub fn pid(&self, zone: &str, who: &str) -> Option<i32> {
        let path = self.path().join("run/zones").join(zone).join("state");
        let state: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        i32::try_from(state[who]["pid"].as_i64()?).ok()
    }

    /// kill -9 of the daemon of a zone.
    pub fn kill_daemon(&self, zone: &str) {
        let daemon = self.pid(zone, "daemon").unwrap();
        let daemon = rustix::process::Pid::from_raw(daemon).unwrap();
        rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
    }

    /// `state` of a zone as `list -p` shows it.
    pub fn state(&self, zone: &str) -> String {
        let line = self.ok("zoneadm", &["-z", zone, "list", "-p"]);
        line.split(':').nth(2).unwrap_or_default().to_owned()
    }

    /// What of this host is left in the kernel: control groups, mounts, processes.
    pub fn leftovers(&self) -> Vec<String> {
        let mut found = Vec::new();
        let root = self.path().to_str().unwrap();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        found.extend(
            mounts
                .lines()
                .filter(|line| line.contains(root))
                .map(|line| format!("mount {line}")),
        );
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(arguments) = std::fs::read(process.path().join("cmdline")) else {
                continue;
            };
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            if arguments.contains(root) {
                found.push(format!("process {arguments}"));
            }
        }
        for zone in std::fs::read_dir(self.path().join("run/zones"))
            .into_iter()
            .flatten()
            .flatten()
        {
            if zone.path().join("state").exists() {
                found.push(format!("state of {:?}", zone.file_name()));
            }
        }
        found
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Whatever state a failed test left: everything is halted before the folder goes.
        let zones = std::fs::read_dir(self.path().join("run/zones"))
            .into_iter()
            .flatten()
            .flatten();
        for zone in zones.filter(|zone| zone.path().join("state").exists()) {
            let name = zone.file_name().to_string_lossy().into_owned();
            let _ = self.run("zoneadm", &["-z", &name, "halt"]);
            let _ = self.run("zoneadm", &["-z", &name, "unmount"]);
        }
    }
}

const APPLETS: [&str; 30] = [
    "sh", "cat", "chmod", "cp", "dd", "echo", "env", "grep", "head", "hostname", "id", "ip",
    "kill", "ls", "mkdir", "mknod", "mount", "ps", "pwd", "rm", "sleep", "stat", "stty", "test",
    "touch", "true", "umount", "uname", "wc", "tr",
];

pub fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header.set_mtime(1_700_000_000);
    header
}

pub fn add<W: std::io::Write>(tar: &mut tar::Builder<W>, path: &str, bytes: &[u8], mode: u32) {
    let mut header = header(tar::EntryType::Regular, mode);
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, path, bytes).unwrap();
}

pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts a failure with this status and these words on standard error.
pub fn refused(output: &Output, status: i32, words: &str) {
    assert_eq!(
        output.status.code(),
        Some(status),
        "{}{}",
        out(output),
        err(output)
    );
    assert!(
        err(output).contains(words),
        "{:?} does not hold {words:?}",
        err(output)
    );
}

/// Waits for an event that happens by itself, with a limit.
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !happened() {
        assert!(std::time::Instant::now() < limit, "in time: {what}");
        std::thread::yield_now();
    }
}

/// Asserts a failure with status 1 and exactly one line of error, which holds these words.
pub fn one_error(output: &Output, words: &str) {
    refused(output, 1, words);
    assert_eq!(err(output).trim_end().lines().count(), 1, "{}", err(output));
}

/// Runs `body` in a thread that has left these namespaces of the host; what it starts inherits
/// that. A refusal of the kernel comes back.
pub fn away<T: Send + 'static>(
    from: rustix::thread::UnshareFlags,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<T, rustix::io::Errno> {
    let run = move || {
        #[expect(deprecated, reason = "the flags used here are safe ones")]
        rustix::thread::unshare(from)?;
        if from.contains(rustix::thread::UnshareFlags::NEWNET) {
            // New networks route when the first one does, for a zone with an uplink, say.
            let _ = std::fs::write("/proc/sys/net/ipv4/ip_forward", "0");
        }
        Ok(body())
    };
    match std::thread::spawn(run).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Runs a command of the host and asserts success; its standard output.
pub fn tool(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        err(&output)
    );
    out(&output)
}

/// Whether the host has a command.
pub fn has_tool(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}
