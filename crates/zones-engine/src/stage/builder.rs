//! Mounts the tree of a zone, with the host's rights, from inside the zone's pid namespace.
//!
//! Every target is found by descriptor below the root, links refused, so a hostile root can neither
//! lead a mount out of it nor redirect one inside.

mod seal;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount as mnt;
use zones_config::IpType;
use zones_sys::{MountAttr, RootFd, mount_setattr};

use crate::emulation::SHOWN;
use crate::plan::{BootPlan, DEVICE_NODES, FsMount, MASKED, READ_ONLY};

/// A mount that failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} `{path}`: {source}{}", remedy(.what, *.source))]
pub(super) struct BuildError {
    what: &'static str,
    path: String,
    source: Errno,
}

/// What is tried when the owners of a file system are shifted.
const MAP_OWNERS: &str = "map the owners of";

fn remedy(what: &str, error: Errno) -> &'static str {
    match error {
        Errno::LOOP => " (the zone's root has a symbolic link there; remove it)",
        Errno::INVAL if what == MAP_OWNERS => {
            " (this file system cannot be id-mapped; set attr idmap=shift)"
        }
        _ => "",
    }
}

type Result<T> = std::result::Result<T, BuildError>;

pub(super) fn failed(
    what: &'static str,
    path: impl Into<String>,
) -> impl FnOnce(Errno) -> BuildError {
    let path = path.into();
    move |source| BuildError { what, path, source }
}

const SAFE: u64 = MountAttr::NOSUID | MountAttr::NODEV | MountAttr::NOEXEC;

/// Folders that the tree needs; made in the root when it has them not.
pub(super) const MOUNT_POINTS: [&str; 4] = ["dev", "proc", "run", "sys"];

/// Builds the tree in the caller's mount namespace and makes it the root of all who live there.
/// `namespace` is the zone's user namespace, for the owners on disk.
pub(super) fn build(plan: &BootPlan, namespace: Option<BorrowedFd<'_>>) -> Result<()> {
    limit_ipc(plan)?;
    let root = mount_root(plan, namespace)?;
    let owner = plan.range.map_or(0, |range| range.base);
    let proc = attach_new(&root, "proc", &[], SAFE, "proc")?;
    let sys = attach_new(&root, "sysfs", &[], SAFE | MountAttr::RDONLY, "sys")?;
    let run = tmpfs(plan, 0o755, owner, MountAttr::NOSUID | MountAttr::NODEV)?;
    let lock = Mode::from_raw_mode(0o1777);
    rustix::fs::mkdirat(&run, "lock", lock).map_err(failed("make", "run/lock"))?;
    rustix::fs::chmodat(&run, "lock", lock, AtFlags::empty())
        .map_err(failed("make", "run/lock"))?;
    own(run.as_fd(), "lock", owner)?;
    name_zone(plan, &run)?;
    attach(&run, &root, "run")?;
    show_emulator(plan, &root)?;
    devices(plan, &root, owner)?;
    for (part, path) in READ_ONLY {
        read_only(if part == "proc" { &proc } else { &sys }, path)?;
    }
    if plan.ip_type == IpType::Exclusive {
        writable_net(&proc)?;
    }
    mask(&proc, &sys)?;
    if plan.range.is_none() {
        guard(&proc)?;
    }
    if let Some(immutable) = &plan.immutable {
        seal::seal(plan, &root, immutable, owner)?;
    }
    for filesystem in plan.inherited.iter().chain(&plan.filesystems) {
        mount_filesystem(plan, namespace, &root, filesystem)?;
    }
    if let Some(library) = plan.clock.mount() {
        mount_filesystem(plan, None, &root, &library)?;
    }
    if plan.hostid.is_some() {
        show_hostid(plan, &root, &run)?;
    }
    pivot(&root)
}

/// Limits of the ipc namespace that this process has joined; `/proc/sys` shows it those. The zone's
/// own `/proc/sys` is read-only.
fn limit_ipc(plan: &BootPlan) -> Result<()> {
    let base = Path::new("/proc/sys");
    let now = std::fs::read_to_string(base.join("kernel/sem")).unwrap_or_default();
    for (file, value) in plan.ipc.settings(&now) {
        let path = base.join(file);
        let write = || {
            let written = std::fs::write(&path, &value);
            written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        };
        let written = match (write(), plan.range) {
            // Newer kernels take them from the root of the namespace alone.
            (Err(Errno::ACCESS), Some(range)) => as_user(range.base, write),
            (other, _) => other,
        };
        written.map_err(failed("set", file))?;
    }
    Ok(())
}

/// Does something as another effective user, and goes back to root.
fn as_user(
    user: u32,
    step: impl FnOnce() -> std::result::Result<(), Errno>,
) -> std::result::Result<(), Errno> {
    let (root, user) = (Uid::ROOT, Uid::from_raw(user));
    rustix::thread::set_thread_res_uid(root, user, root)?;
    let done = step();
    rustix::thread::set_thread_res_uid(root, root, root)?;
    done
}

/// What gethostid(3) reads: a file of the host over the zone's, which its root can neither write
/// nor take off.
fn show_hostid(plan: &BootPlan, root: &RootFd, run: &OwnedFd) -> Result<()> {
    let path = Path::new("/etc/hostid");
    make_mount_point(plan, root, path, false)?;
    let file = open_target(run.as_fd(), Path::new("zone/hostid"))?;
    let cover = clone_of(&file, "zone/hostid")?;
    let attr = MountAttr {
        set: MountAttr::RDONLY | SAFE,
        ..MountAttr::default()
    };
    mount_setattr(cover.as_fd(), attr).map_err(failed("make read-only", "zone/hostid"))?;
    attach(&cover, root, "etc/hostid")
}

/// A place in the zone where its own table of programs finds the emulator: the host's file. It is
/// opened once, before a program of the zone runs.
fn show_emulator(plan: &BootPlan, root: &RootFd) -> Result<()> {
    let own = plan.emulation.as_ref().filter(|emulation| emulation.is_own);
    let Some(emulation) = own else {
        return Ok(());
    };
    let from = &emulation.emulator.path;
    let what = from.display().to_string();
    let flags = mnt::OpenTreeFlags::OPEN_TREE_CLONE | mnt::OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let file = mnt::open_tree(CWD, from, flags).map_err(failed("open", &what))?;
    let attr = MountAttr {
        set: MountAttr::RDONLY | MountAttr::NOSUID | MountAttr::NODEV,
        ..MountAttr::default()
    };
    mount_setattr(file.as_fd(), attr).map_err(failed("make read-only", &what))?;
    attach(&file, root, &format!("run/{SHOWN}/{}", emulation.file()))
}

/// What zonename(1) tells inside: files of the host, which root of the zone cannot write.
fn name_zone(plan: &BootPlan, run: &OwnedFd) -> Result<()> {
    let ip_type = match plan.ip_type {
        IpType::Shared => "shared",
        IpType::Exclusive => "exclusive",
    };
    rustix::fs::mkdirat(run, "zone", Mode::from_raw_mode(0o755))
        .map_err(failed("make", "run/zone"))?;
    let id = plan.id.to_string();
    let line = |text: &str| format!("{text}\n").into_bytes();
    let mut files = vec![
        ("zone/name", line(plan.zone.as_str())),
        ("zone/id", line(&id)),
        ("zone/ip-type", line(ip_type)),
    ];
    // The C library reads a number of the machine's own byte order.
    files.extend(
        plan.hostid
            .map(|id| ("zone/hostid", id.to_ne_bytes().to_vec())),
    );
    let emulator = plan.emulation.as_ref().filter(|emulation| emulation.is_own);
    let emulator = emulator.map(|emulation| format!("{SHOWN}/{}", emulation.file()));
    files.extend(emulator.as_deref().map(|name| (name, Vec::new())));
    for (name, bytes) in files {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(run, name, flags, Mode::from_raw_mode(0o444));
        let file = file.map_err(failed("make", name))?;
        rustix::io::write(&file, &bytes).map_err(failed("write", name))?;
    }
    Ok(())
}

/// The root's own mount: a private view of the files on disk, owners shifted, devices dead.
fn mount_root(plan: &BootPlan, namespace: Option<BorrowedFd<'_>>) -> Result<RootFd> {
    let path = plan.root.display().to_string();
    let mapping = namespace.zip(plan.range).filter(|_| !plan.shifted);
    let mapping = mapping.map(|(users, range)| zones_storage::Mapping {
        users,
        base: range.base,
    });
    let view = zones_storage::view(&plan.root);
    let view = view.map_err(|error| failed("open", &path)(error.source.errno()))?;
    let tree = view.mount(mapping).map_err(failed(MAP_OWNERS, &path))?;
    let attr = MountAttr {
        set: MountAttr::NODEV,
        ..MountAttr::default()
    };
    mount_setattr(tree.as_fd(), attr).map_err(failed("set options of", &path))?;
    mnt::move_mount(
        &tree,
        "",
        CWD,
        &plan.root,
        mnt::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .map_err(failed("mount", &path))?;
    RootFd::open(&plan.root).map_err(failed("open", &path))
}

/// A new file system with options, not attached yet.
pub(super) fn make(
    kind: &'static str,
    options: &[(&str, String)],
    attributes: u64,
) -> Result<OwnedFd> {
    let step = || {
        let fs = mnt::fsopen(kind, mnt::FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in options {
            if value.is_empty() {
                mnt::fsconfig_set_flag(&fs, *key)?;
            } else {
                mnt::fsconfig_set_string(&fs, *key, value)?;
            }
        }
        mnt::fsconfig_create(&fs)?;
        let attributes = mnt::MountAttrFlags::from_bits_retain(attributes as u32);
        mnt::fsmount(&fs, mnt::FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    step().map_err(failed("make a file system of type", kind))
}

/// Attaches a mount at `path` below the root; no link on the way.
fn attach(mount: &OwnedFd, root: &RootFd, path: &str) -> Result<()> {
    let target = open_target(root.as_fd(), Path::new(path))?;
    move_to(mount, &target).map_err(failed("mount on", path))
}

pub(super) fn move_to(mount: &OwnedFd, target: &OwnedFd) -> std::result::Result<(), Errno> {
    let flags =
        mnt::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | mnt::MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    mnt::move_mount(mount, "", target, "", flags)
}

fn attach_new(
    root: &RootFd,
    kind: &'static str,
    options: &[(&str, String)],
    attributes: u64,
    path: &str,
) -> Result<OwnedFd> {
    let mount = make(kind, options, attributes)?;
    attach(&mount, root, path)?;
    Ok(mount)
}

pub(super) fn open_target(folder: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat2(folder, relative, flags, Mode::empty(), resolve)
        .map_err(failed("open", path.display().to_string()))
}

fn tmpfs(plan: &BootPlan, mode: u32, owner: u32, attributes: u64) -> Result<OwnedFd> {
    let options = [
        ("mode", format!("{mode:o}")),
        ("uid", owner.to_string()),
        ("gid", owner.to_string()),
        ("size", plan.tmpfs_bytes.max(1 << 20).to_string()),
    ];
    make("tmpfs", &options, attributes)
}

fn own(folder: BorrowedFd<'_>, name: &str, owner: u32) -> Result<()> {
    let (user, group) = (Some(Uid::from_raw(owner)), Some(Gid::from_raw(owner)));
    rustix::fs::chownat(folder, name, user, group, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(failed("set the owner of", name))
}

/// `/dev`: a small file system of its own with safe nodes, terminals, shared memory and queues.
fn devices(plan: &BootPlan, root: &RootFd, owner: u32) -> Result<()> {
    let options = [
        ("mode", "755".to_owned()),
        ("uid", owner.to_string()),
        ("gid", owner.to_string()),
        ("size", "65536".to_owned()),
    ];
    let dev = make("tmpfs", &options, MountAttr::NOSUID | MountAttr::NOEXEC)?;
    for (name, major, minor) in DEVICE_NODES {
        node(
            &dev,
            name,
            FileType::CharacterDevice,
            rustix::fs::makedev(major, minor),
            0o666,
            owner,
        )?;
    }
    for folder in ["pts", "shm", "mqueue"] {
        let mode = Mode::from_raw_mode(0o755);
        rustix::fs::mkdirat(&dev, folder, mode).map_err(failed("make", folder))?;
        own(dev.as_fd(), folder, owner)?;
    }
    // The files that terminals are bound over: one for init, found by its classic names too.
    node(&dev, "console", FileType::RegularFile, 0, 0o600, owner)?;
    const LINKS: [(&str, &str); 10] = [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
        ("zconsole", "console"),
        ("msglog", "console"),
        ("syscon", "console"),
        ("sysmsg", "console"),
        ("systty", "console"),
    ];
    for (name, target) in LINKS {
        rustix::fs::symlinkat(target, &dev, name).map_err(failed("make", name))?;
    }
    for (path, meta) in matching_devices(&plan.devices) {
        host_device(&dev, &path, &meta, owner)?;
    }
    attach(&dev, root, "dev")?;
    let tty = owner.saturating_add(5).to_string();
    let options = [
        ("newinstance", String::new()),
        ("ptmxmode", "666".to_owned()),
        ("mode", "620".to_owned()),
        ("gid", tty),
    ];
    let pts = make("devpts", &options, MountAttr::NOSUID | MountAttr::NOEXEC)?;
    attach(&pts, root, "dev/pts")?;
    let shm = tmpfs(plan, 0o1777, owner, MountAttr::NOSUID | MountAttr::NODEV)?;
    attach(&shm, root, "dev/shm")?;
    let queues = make("mqueue", &[], SAFE)?;
    attach(&queues, root, "dev/mqueue")
}

fn node(
    dev: &OwnedFd,
    name: &str,
    kind: FileType,
    number: u64,
    mode: u32,
    owner: u32,
) -> Result<()> {
    let mode = Mode::from_raw_mode(mode);
    rustix::fs::mknodat(dev, name, kind, mode, number).map_err(failed("make", name))?;
    rustix::fs::chmodat(dev, name, mode, AtFlags::empty()).map_err(failed("make", name))?;
    own(dev.as_fd(), name, owner)
}

/// The nodes of the host that the `device` resources name, by path below `/dev`.
pub(crate) fn matching_devices(patterns: &[String]) -> Vec<(PathBuf, std::fs::Metadata)> {
    use std::os::unix::fs::FileTypeExt;
    let mut found = Vec::new();
    let mut folders = if patterns.is_empty() {
        Vec::new()
    } else {
        vec![PathBuf::from("/dev")]
    };
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            let path = entry.path();
            if meta.is_dir() {
                folders.push(path);
            } else if meta.file_type().is_char_device() || meta.file_type().is_block_device() {
                let Ok(below) = path.strip_prefix("/dev") else {
                    continue;
                };
                let matches = |pattern: &String| {
                    let pattern = pattern.strip_prefix("/dev/").unwrap_or(pattern);
                    crate::fnmatch::matches(pattern, &below.to_string_lossy())
                };
                if patterns.iter().any(matches) {
                    found.push((below.to_owned(), meta));
                }
            }
        }
    }
    found
}

fn host_device(dev: &OwnedFd, path: &Path, meta: &std::fs::Metadata, owner: u32) -> Result<()> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let text = path.display().to_string();
    let mut folder = PathBuf::new();
    for part in path.parent().into_iter().flat_map(Path::components) {
        folder.push(part);
        match rustix::fs::mkdirat(dev, &folder, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed("make", &text)(error)),
        }
        own(dev.as_fd(), &folder.to_string_lossy(), owner)?;
    }
    let kind = if meta.file_type().is_block_device() {
        FileType::BlockDevice
    } else {
        FileType::CharacterDevice
    };
    match node(dev, &text, kind, meta.rdev(), meta.mode() & 0o777, owner) {
        // One of the safe nodes, named again.
        Err(error) if error.source == Errno::EXIST => Ok(()),
        other => other,
    }
}

/// A second, read-only mount over a part of `/proc`.
fn read_only(part: &OwnedFd, path: &str) -> Result<()> {
    let Some(target) = existing(part, path)? else {
        return Ok(());
    };
    let tree = clone_of(&target, path)?;
    let attr = MountAttr {
        set: MountAttr::RDONLY | SAFE,
        ..MountAttr::default()
    };
    mount_setattr(tree.as_fd(), attr).map_err(failed("make read-only", path))?;
    move_to(&tree, &target).map_err(failed("mount on", path))
}

/// `/proc/sys/net` belongs to whoever owns the network; its files check that themselves.
fn writable_net(proc: &OwnedFd) -> Result<()> {
    let Some(net) = existing(proc, "sys/net")? else {
        return Ok(());
    };
    let tree = clone_of(&net, "sys/net")?;
    let attr = MountAttr {
        set: SAFE,
        clear: MountAttr::RDONLY,
        ..MountAttr::default()
    };
    mount_setattr(tree.as_fd(), attr).map_err(failed("make writable", "sys/net"))?;
    move_to(&tree, &net).map_err(failed("mount on", "sys/net"))
}

fn clone_of(target: &OwnedFd, path: &str) -> Result<OwnedFd> {
    let flags = mnt::OpenTreeFlags::OPEN_TREE_CLONE
        | mnt::OpenTreeFlags::OPEN_TREE_CLOEXEC
        | mnt::OpenTreeFlags::AT_EMPTY_PATH;
    mnt::open_tree(target, "", flags).map_err(failed("copy the mount of", path))
}

/// The top mount at `path`; `None` when this kernel has no such file.
fn existing(part: &OwnedFd, path: &str) -> Result<Option<OwnedFd>> {
    match open_target(part.as_fd(), Path::new(path)) {
        Ok(fd) => Ok(Some(fd)),
        Err(error) if matches!(error.source, Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What root of the host may do in `/proc` beyond the processes, root of a zone on the host's ids
/// may not: files that only root reads are hidden, all else cannot be written. Found by mode, so
/// that it holds for files of kernels to come.
fn guard(proc: &OwnedFd) -> Result<()> {
    let listing = rustix::fs::openat(proc, c".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let listing = listing.and_then(rustix::fs::Dir::new);
    for entry in listing.map_err(failed("list", "proc"))? {
        let entry = entry.map_err(failed("list", "proc"))?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        let done = |(part, path): &(&str, &str)| *part == "proc" && *path == name;
        let process = name.bytes().all(|byte| byte.is_ascii_digit());
        if process || name.starts_with('.') || MASKED.iter().chain(&READ_ONLY).any(done) {
            continue;
        }
        let stat = rustix::fs::statat(proc, name, AtFlags::SYMLINK_NOFOLLOW);
        let mode = stat.map_err(failed("look at", name))?.st_mode;
        match FileType::from_raw_mode(mode) {
            FileType::Directory => read_only(proc, name)?,
            FileType::RegularFile if mode & 0o044 == 0 => hide(proc, name)?,
            FileType::RegularFile if mode & 0o222 != 0 => read_only(proc, name)?,
            _ => {}
        }
    }
    Ok(())
}

/// Covers a file by `/dev/null`.
fn hide(proc: &OwnedFd, name: &str) -> Result<()> {
    let Some(target) = existing(proc, name)? else {
        return Ok(());
    };
    move_to(&null_cover()?, &target).map_err(failed("mask", name))
}

/// A read-only `/dev/null`, not attached yet.
fn null_cover() -> Result<OwnedFd> {
    const NULL: &str = "/dev/null";
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let null = rustix::fs::open(NULL, flags, Mode::empty()).map_err(failed("open", NULL))?;
    let cover = clone_of(&null, NULL)?;
    let attr = MountAttr {
        set: MountAttr::RDONLY | MountAttr::NOSUID | MountAttr::NOEXEC,
        ..MountAttr::default()
    };
    mount_setattr(cover.as_fd(), attr).map_err(failed("make read-only", NULL))?;
    Ok(cover)
}

/// Hides what [`MASKED`] names: folders under an empty read-only one, files under `/dev/null`.
fn mask(proc: &OwnedFd, sys: &OwnedFd) -> Result<()> {
    // Made for the first folder; the others get copies, which older kernels make of attached
    // mounts only.
    let mut empty: Option<OwnedFd> = None;
    for (part, path) in MASKED {
        let Some(target) = existing(if part == "proc" { proc } else { sys }, path)? else {
            continue;
        };
        let kind = rustix::fs::fstat(&target).map_err(failed("look at", path))?;
        let folder = FileType::from_raw_mode(kind.st_mode) == FileType::Directory;
        match &empty {
            None if folder => {
                let options = [("mode", "555".to_owned()), ("size", "4096".to_owned())];
                let cover = make("tmpfs", &options, SAFE | MountAttr::RDONLY)?;
                move_to(&cover, &target).map_err(failed("mask", path))?;
                empty = Some(cover);
            }
            Some(cover) if folder => {
                move_to(&clone_of(cover, path)?, &target).map_err(failed("mask", path))?;
            }
            _ => move_to(&null_cover()?, &target).map_err(failed("mask", path))?,
        }
    }
    Ok(())
}

/// One `fs` resource. Its mount point is made on disk when it is missing.
fn mount_filesystem(
    plan: &BootPlan,
    namespace: Option<BorrowedFd<'_>>,
    root: &RootFd,
    fs: &FsMount,
) -> Result<()> {
    let mount = if fs.kind == "lofs" {
        bind(namespace, fs)?
    } else {
        real(fs)?
    };
    let file = rustix::fs::fstat(&mount).map_err(failed("look at", &fs.special))?;
    let folder = FileType::from_raw_mode(file.st_mode) == FileType::Directory;
    make_mount_point(plan, root, Path::new(&fs.dir), folder)?;
    attach(&mount, root, &fs.dir)
}

/// A part of the host's tree, owners shifted like the zone's own files where that is possible.
pub(super) fn bind(namespace: Option<BorrowedFd<'_>>, fs: &FsMount) -> Result<OwnedFd> {
    let flags = mnt::OpenTreeFlags::OPEN_TREE_CLONE | mnt::OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = mnt::open_tree(CWD, &fs.special, flags).map_err(failed("open", &fs.special))?;
    let attr = MountAttr {
        set: fs.attributes,
        idmap: namespace,
        ..MountAttr::default()
    };
    match mount_setattr(tree.as_fd(), attr) {
        // A file system that knows no idmapped mounts: shown with the host's owners.
        Err(Errno::INVAL) if namespace.is_some() => {
            let attr = MountAttr {
                idmap: None,
                ..attr
            };
            mount_setattr(tree.as_fd(), attr).map_err(failed("set options of", &fs.special))?;
        }
        other => other.map_err(failed(MAP_OWNERS, &fs.special))?,
    }
    Ok(tree)
}

/// A file system of its own, from a device or without one.
pub(super) fn real(fs: &FsMount) -> Result<OwnedFd> {
    let step = || {
        let context = mnt::fsopen(fs.kind.as_str(), mnt::FsOpenFlags::FSOPEN_CLOEXEC)?;
        mnt::fsconfig_set_string(&context, "source", &fs.special)?;
        for option in &fs.data {
            match option.split_once('=') {
                Some((key, value)) => mnt::fsconfig_set_string(&context, key, value)?,
                None => mnt::fsconfig_set_flag(&context, option.as_str())?,
            }
        }
        if fs.attributes & MountAttr::RDONLY != 0 {
            mnt::fsconfig_set_flag(&context, "ro")?;
        }
        mnt::fsconfig_create(&context)?;
        let attributes = mnt::MountAttrFlags::from_bits_retain(fs.attributes as u32);
        mnt::fsmount(&context, mnt::FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    step().map_err(failed("mount", &fs.special))
}

/// Makes missing folders (and for a file a last empty file), links refused, on the root's own disk.
fn make_mount_point(plan: &BootPlan, root: &RootFd, path: &Path, folder: bool) -> Result<()> {
    if open_target(root.as_fd(), path).is_ok() {
        return Ok(());
    }
    // The mount maps the host's root to nobody, so making goes through the disk's own view.
    let failed_at = |what| failed(what, path.display().to_string());
    let owner = plan.range.map_or(0, |range| range.base);
    let identity = FsIdentity::assume(owner).map_err(failed_at("make"))?;
    let mut parent = open_target(root.as_fd(), Path::new("."))?;
    let parts: Vec<_> = path
        .strip_prefix("/")
        .unwrap_or(path)
        .components()
        .collect();
    for (at, part) in parts.iter().enumerate() {
        let last = at + 1 == parts.len();
        let made = if last && !folder {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(&parent, part.as_os_str(), flags, Mode::from_raw_mode(0o644))
                .map(drop)
        } else {
            rustix::fs::mkdirat(&parent, part.as_os_str(), Mode::from_raw_mode(0o755))
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed_at("make")(error)),
        }
        parent = open_target(parent.as_fd(), Path::new(part.as_os_str()))?;
    }
    drop(identity);
    Ok(())
}

/// The user that new files belong to, until dropped. Source: setfsuid(2).
struct FsIdentity;

impl FsIdentity {
    fn assume(owner: u32) -> std::result::Result<Self, Errno> {
        zones_sys::set_fs_ids(owner, owner)?;
        Ok(Self)
    }
}

impl Drop for FsIdentity {
    fn drop(&mut self) {
        // Going back to root cannot be refused.
        let _ = zones_sys::set_fs_ids(0, 0);
    }
}

/// The tree becomes the root of every process in this mount namespace; the host's is let go.
/// Source: pivot_root(2), "pivot_root(".", ".")".
fn pivot(root: &RootFd) -> Result<()> {
    let step = || {
        // Opened anew: the descriptor names the mount that the tree was attached to.
        rustix::process::fchdir(root)?;
        rustix::process::pivot_root(".", ".")?;
        mnt::unmount(".", mnt::UnmountFlags::DETACH)?;
        rustix::process::chdir("/")
    };
    step().map_err(failed("make the root of", "zone"))
}
