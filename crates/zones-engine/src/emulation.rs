//! Programs of other processors. The kernel is told of an emulator in a table, binfmt_misc: that of
//! the zone's own user namespace where the kernel has such tables, else that of the host.
//!
//! The emulator is opened when the kernel is told (flag F), so that no zone has to have it. An
//! entry lives as long as its table is mounted somewhere: zsched holds one mount of it, attached
//! nowhere, and with it the entry goes. Source: the kernel's admin-guide/binfmt-misc;
//! docs/adr/0022.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::mount as mnt;
use zones_brand::Emulator;
use zones_store::Layout;

use crate::error::EngineError;

/// Folder below `/run/zone` of a zone where its emulator is.
pub(crate) const SHOWN: &str = "zone";

/// How the programs of a zone are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulation {
    /// By what.
    pub emulator: Emulator,
    /// Whether the kernel is told for this zone alone.
    pub is_own: bool,
}

impl Emulation {
    /// `mapped` says whether the zone has a user namespace.
    pub(crate) fn new(emulator: Emulator, mapped: bool) -> Self {
        Self {
            emulator,
            is_own: mapped && has_own_tables(),
        }
    }

    /// Name of the emulator's file below `/run/zone`, as process lists show it.
    pub(crate) fn file(&self) -> String {
        format!("qemu-{}", self.emulator.cpu.name)
    }

    /// Tells the kernel for the user namespace that the caller is root of. What comes back keeps
    /// the entry alive.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub(crate) fn tell_zone(&self) -> Result<OwnedFd, Errno> {
        let table = table()?;
        let interpreter = format!("/run/{SHOWN}/{}", self.file());
        let line = self.emulator.cpu.registration("zones", &interpreter);
        register(&table, &line)?;
        Ok(table)
    }
}

/// Whether user namespaces have tables of their own: Linux 6.7 and newer.
fn has_own_tables() -> bool {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().and_then(|text| text.parse::<u32>().ok());
    (next().unwrap_or(0), next().unwrap_or(0)) >= (6, 7)
}

/// The table of the caller's user namespace, mounted nowhere.
fn table() -> Result<OwnedFd, Errno> {
    let fs = mnt::fsopen("binfmt_misc", mnt::FsOpenFlags::FSOPEN_CLOEXEC)?;
    mnt::fsconfig_create(&fs)?;
    let attributes = mnt::MountAttrFlags::MOUNT_ATTR_NOSUID
        | mnt::MountAttrFlags::MOUNT_ATTR_NODEV
        | mnt::MountAttrFlags::MOUNT_ATTR_NOEXEC;
    mnt::fsmount(&fs, mnt::FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn write(table: &OwnedFd, file: &str, text: &str) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(table, file, flags, Mode::empty())?;
    rustix::io::write(&file, text.as_bytes()).map(drop)
}

fn register(table: &OwnedFd, line: &str) -> Result<(), Errno> {
    match write(table, "register", line) {
        // By an earlier zsched of the same zone.
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// An entry in the table of the host that zones share; the last of them takes it out.
#[derive(Debug)]
pub(crate) struct HostEntry {
    /// Shared by all who need the entry; of one open file with zsched, so that either is enough.
    lock: File,
    gate: std::path::PathBuf,
    table: OwnedFd,
    name: String,
}

impl HostEntry {
    /// Makes the entry, or shares it. Entries of others are left alone: ours has a name that only
    /// zones of this layout use.
    ///
    /// # Errors
    /// The kernel has no such table, or refuses.
    pub(crate) fn take(layout: &Layout, emulator: &Emulator) -> Result<Self, EngineError> {
        let told = EngineError::kernel("tell the kernel of the emulator");
        let folder = layout.run().join("emulators");
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        made.map_err(EngineError::file("create", &folder))?;
        let gate = folder.join("gate");
        let _gate = locked(&gate, FlockOperation::LockExclusive)?;
        let lock = open(&folder.join(emulator.cpu.name))?;
        let name = format!("{}-{}", layout.kernel_name(), emulator.cpu.name);
        let make = || {
            let table = table()?;
            // Alone: what is there was left by somebody who was killed, perhaps for another file.
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                remove(&table, &name)?;
            }
            flock(&lock, FlockOperation::LockShared)?;
            if !exists(&table, &name) {
                let interpreter = emulator.path.to_string_lossy();
                register(&table, &emulator.cpu.registration(&name, &interpreter))?;
            }
            Ok(table)
        };
        let table = make().map_err(told)?;
        Ok(Self {
            lock,
            gate,
            table,
            name,
        })
    }

    /// What zsched keeps open as long as the zone lives.
    pub(crate) fn held(&self) -> [BorrowedFd<'_>; 2] {
        [self.lock.as_fd(), self.table.as_fd()]
    }
}

impl Drop for HostEntry {
    fn drop(&mut self) {
        let Ok(_gate) = locked(&self.gate, FlockOperation::LockExclusive) else {
            return;
        };
        if flock(&self.lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // One that stays is taken out by the next who needs it.
            let _ = remove(&self.table, &self.name);
        }
    }
}

fn exists(table: &OwnedFd, name: &str) -> bool {
    rustix::fs::accessat(
        table,
        name,
        rustix::fs::Access::EXISTS,
        rustix::fs::AtFlags::empty(),
    )
    .is_ok()
}

fn remove(table: &OwnedFd, name: &str) -> Result<(), Errno> {
    match write(table, name, "-1") {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn open(path: &Path) -> Result<File, EngineError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    file.map_err(EngineError::file("open", path))
}

fn locked(path: &Path, how: FlockOperation) -> Result<File, EngineError> {
    let file = open(path)?;
    flock(&file, how).map_err(|error| EngineError::file("lock", path)(error.into()))?;
    Ok(file)
}
