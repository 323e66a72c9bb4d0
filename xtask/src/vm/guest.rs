//! One qemu: its disks, its two serial ports, its end.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::image::Image;
use crate::shell::{Outcome, output, run};

/// Process 1 of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Init {
    /// A script of ours.
    Plain,
    /// Debian's.
    Systemd,
}

impl Init {
    /// Its name for the kernel's command line and in the cache.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Systemd => "systemd",
        }
    }
}

/// Disks for tests, `vdc` and on, empty and not preallocated.
pub(super) const DISKS: u8 = 4;

/// Size of each, in bytes.
const DISK_BYTES: u64 = 1 << 30;

/// Size of the disk with the files for a test, in bytes. A saved guest expects the same size again.
const SHARE_BYTES: u64 = 256 << 20;

/// The files behind the disks of a guest, in one folder.
#[derive(Debug)]
pub(super) struct Disks {
    pub(super) folder: PathBuf,
}

impl Disks {
    /// New ones: the root on top of `base`, all others empty.
    pub(super) fn create(folder: &Path, base: &Base) -> Outcome<Self> {
        let disks = Self {
            folder: folder.to_owned(),
        };
        disks.renew_root(base)?;
        disks.set_len("share.img", SHARE_BYTES)?;
        for number in 0..DISKS {
            disks.set_len(&name(number), DISK_BYTES)?;
        }
        Ok(disks)
    }

    /// Forgets what was written to the root.
    pub(super) fn renew_root(&self, base: &Base) -> Outcome {
        let mut command = Command::new("qemu-img");
        command.args(["create", "-q", "-f", "qcow2", "-F", base.format, "-b"]);
        let root = self.folder.join("root.qcow2");
        output(command.arg(&base.path).arg(root)).map(drop)
    }

    /// Gives the guest the files of a folder, as one tar file on a disk.
    pub(super) fn share(&self, from: &Path) -> Outcome {
        let image = self.folder.join("share.img");
        let mut tar = Command::new("tar");
        tar.args(["--create", "--owner=0", "--group=0", "--file"]);
        run(tar.arg(&image).arg("--directory").arg(from).arg("."))?;
        let bytes = std::fs::metadata(&image).map_or(0, |meta| meta.len());
        if bytes > SHARE_BYTES {
            return Err(format!("{bytes} bytes do not fit the disk for files"));
        }
        self.set_len("share.img", SHARE_BYTES)
    }

    fn set_len(&self, name: &str, bytes: u64) -> Outcome {
        let path = self.folder.join(name);
        let open = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        open.and_then(|file| file.set_len(bytes))
            .map_err(|error| format!("cannot make the disk `{}`: {error}", path.display()))
    }
}

/// What the root disk of a guest starts from.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) path: PathBuf,
    pub(super) format: &'static str,
}

fn name(number: u8) -> String {
    format!("disk{number}.img")
}

/// What comes from a guest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A line of its second serial port.
    Line(String),
    /// Nothing until the time given.
    Silence,
    /// qemu has ended.
    Gone,
}

/// A qemu that runs. It ends with this value, and with this process, whatever kills it.
#[derive(Debug)]
pub(super) struct Guest {
    child: Child,
    port: ChildStdin,
    lines: Receiver<String>,
}

impl Guest {
    /// Starts it; `more` are further arguments.
    pub(super) fn start(
        image: &Image,
        init: Init,
        disks: &Disks,
        more: &[String],
    ) -> Outcome<Self> {
        let complaints = disks.folder.join("qemu.log");
        let log = std::fs::File::create(&complaints)
            .map_err(|error| format!("cannot write `{}`: {error}", complaints.display()))?;
        let mut command = Command::new("nice");
        // The kernel kills qemu when we die.
        command.args(["-n", "5", "setpriv", "--pdeathsig", "KILL"]);
        command.args(arguments(image, init, disks)).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start qemu: {error}"))?;
        let (Some(port), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("qemu has no serial port".to_owned());
        };
        Ok(Self {
            child,
            port,
            lines: follow(out),
        })
    }

    /// The next line.
    pub(super) fn next(&self, until: Instant) -> Event {
        let wait = until.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(wait) {
            Ok(line) => Event::Line(line),
            Err(RecvTimeoutError::Timeout) => Event::Silence,
            Err(RecvTimeoutError::Disconnected) => Event::Gone,
        }
    }

    /// Waits for a line; false when there was none.
    pub(super) fn wait_for(&self, start: &str, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        loop {
            match self.next(until) {
                Event::Line(line) if line.starts_with(start) => return true,
                Event::Line(_) => {}
                Event::Silence | Event::Gone => return false,
            }
        }
    }

    /// Waits until qemu ends by itself.
    pub(super) fn wait_gone(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        loop {
            match self.next(until) {
                Event::Line(_) => {}
                Event::Silence => return false,
                Event::Gone => return true,
            }
        }
    }

    /// A line for the guest's second serial port.
    pub(super) fn say(&mut self, line: &str) -> Outcome {
        self.port
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| self.port.flush())
            .map_err(|error| format!("the guest does not listen: {error}"))
    }

    /// A power failure: SIGKILL, at once. Returns what was said before and nobody had read.
    pub(super) fn cut(mut self) -> Vec<String> {
        self.end();
        self.lines.iter().collect()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads lines until the end, beside us.
fn follow(out: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line);
            if sender.send(line.trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Who runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// qemu translates them: about ten times slower, and works everywhere.
    Translator,
    /// The kernel, where its /dev/kvm is good for more than being opened.
    Kvm,
}

impl Accelerator {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Translator => "tcg,thread=multi,tb-size=512",
            Self::Kvm => "kvm",
        }
    }
}

/// The machine. A guest that was saved can go on in the same one only.
fn arguments(image: &Image, init: Init, disks: &Disks) -> Vec<String> {
    let shown = |path: &Path| path.display().to_string();
    let init = init.as_str();
    let kernel_line = format!(
        "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off audit=0 tsc=reliable \
         random.trust_cpu=on vm.init={init}"
    );
    let mut list: Vec<String> = MACHINE.iter().map(|word| (*word).to_owned()).collect();
    list.extend(["-accel".to_owned(), image.accelerator.as_str().to_owned()]);
    list.extend(["-kernel".to_owned(), shown(&image.path("vmlinuz"))]);
    list.extend(["-initrd".to_owned(), shown(&image.path("initrd"))]);
    list.extend(["-append".to_owned(), kernel_line]);
    let console = shown(&disks.folder.join("console.log"));
    list.extend(["-serial".to_owned(), format!("file:{console}")]);
    list.extend(["-serial".to_owned(), "chardev:port".to_owned()]);
    let drive = |file: &str, more: &str| {
        let file = shown(&disks.folder.join(file)).replace(',', ",,");
        ["-drive".to_owned(), format!("if=virtio,file={file},{more}")]
    };
    list.extend(drive("root.qcow2", "format=qcow2,cache=unsafe"));
    list.extend(drive("share.img", "format=raw,cache=unsafe"));
    // What is flushed by these outlives a power failure, and nothing else.
    for number in 0..DISKS {
        list.extend(drive(&name(number), "format=raw,cache=writeback"));
    }
    list
}

/// All that does not depend on the test.
const MACHINE: [&str; 22] = [
    "qemu-system-x86_64",
    "-machine",
    "q35",
    "-cpu",
    "max",
    "-smp",
    "2",
    "-m",
    "1024",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
    "-device",
    "virtio-rng-pci",
    // Tells the kernel that it went on from a saved state: it draws fresh random numbers.
    "-device",
    "vmgenid,guid=auto",
    "-chardev",
    "stdio,id=port,signal=off",
    "-name",
    "zones-test-vm",
];

/// Names the machine for the cache: a saved guest fits this qemu and these arguments only.
pub(super) fn fingerprint(accelerator: Accelerator) -> Outcome<String> {
    let version = output(Command::new("qemu-system-x86_64").arg("--version"))?;
    let sizes = format!("{DISKS} {DISK_BYTES} {SHARE_BYTES}");
    let words = MACHINE.join(" ");
    Ok(format!(
        "{version} {} {words} {sizes}",
        accelerator.as_str()
    ))
}
