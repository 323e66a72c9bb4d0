//! Projects: files whose space is counted and limited together, on ext4 and xfs. Source: Linux
//! `include/uapi/linux/fs.h`, quotactl(2), quotactl_fd(2).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::io::Errno;

use crate::process::last_errno;

const FSGETXATTR: libc::c_ulong = 0x801c_581f;
const FSSETXATTR: libc::c_ulong = 0x401c_5820;
const PROJINHERIT: u32 = 0x200;

/// `struct fsxattr`.
#[repr(C)]
#[derive(Default)]
struct FsXattr {
    xflags: u32,
    extsize: u32,
    nextents: u32,
    projid: u32,
    cowextsize: u32,
    pad: [u8; 8],
}

fn attributes(file: BorrowedFd<'_>) -> Result<FsXattr, Errno> {
    let mut all = FsXattr::default();
    // SAFETY: the layout is that of the structure, which holds no pointer.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), FSGETXATTR, &raw mut all) };
    match answer {
        -1 => Err(last_errno()),
        _ => Ok(all),
    }
}

/// The project of a file or folder; 0 is none.
///
/// # Errors
/// `NOTTY` or `OPNOTSUPP` where the file system has no projects.
pub fn project_of(file: impl AsFd) -> Result<u32, Errno> {
    attributes(file.as_fd()).map(|it| it.projid)
}

/// Gives a file or folder to a project. What is made in a folder that hands its project on belongs
/// to the same one.
///
/// # Errors
/// `NOTTY` or `OPNOTSUPP` where the file system has no projects, `INVAL` in a user namespace.
pub fn set_project(file: impl AsFd, project: u32, hands_on: bool) -> Result<(), Errno> {
    let mut all = attributes(file.as_fd())?;
    let flags = match hands_on {
        true => all.xflags | PROJINHERIT,
        false => all.xflags & !PROJINHERIT,
    };
    if all.projid == project && all.xflags == flags {
        return Ok(());
    }
    all.projid = project;
    all.xflags = flags;
    let file = file.as_fd().as_raw_fd();
    // SAFETY: the layout is that of the structure, which holds no pointer.
    match unsafe { libc::ioctl(file, FSSETXATTR, &raw const all) } {
        -1 => Err(last_errno()),
        _ => Ok(()),
    }
}

/// `struct if_dqblk`.
#[repr(C)]
#[derive(Default)]
struct Block {
    hard: u64,
    soft: u64,
    used: u64,
    hard_files: u64,
    soft_files: u64,
    files: u64,
    block_time: u64,
    file_time: u64,
    valid: u32,
}

const PRJQUOTA: u32 = 2;
const GETQUOTA: u32 = 0x80_0007;
const SETQUOTA: u32 = 0x80_0008;
/// Limits are told in blocks of this many bytes.
const BLOCK: u64 = 1024;

fn quota(folder: BorrowedFd<'_>, verb: u32, project: u32, block: &mut Block) -> Result<(), Errno> {
    let command = (verb << 8) | PRJQUOTA;
    // SAFETY: the structure is the one that both verbs take, and outlives the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            folder.as_raw_fd(),
            command,
            project,
            std::ptr::from_mut(block),
        )
    };
    match answer {
        -1 => Err(last_errno()),
        _ => Ok(()),
    }
}

/// What a project takes, in bytes, and what it may take.
///
/// # Errors
/// `SRCH` when the file system is mounted without `prjquota`.
pub fn project_usage(folder: impl AsFd, project: u32) -> Result<(u64, Option<u64>), Errno> {
    let mut block = Block::default();
    match quota(folder.as_fd(), GETQUOTA, project, &mut block) {
        // Nothing is counted yet.
        Err(Errno::NOENT) => return Ok((0, None)),
        other => other?,
    }
    let limit = (block.hard > 0).then(|| block.hard.saturating_mul(BLOCK));
    Ok((block.used, limit))
}

/// Limits what a project may take, in bytes; `None`: no limit.
///
/// # Errors
/// `SRCH` when the file system is mounted without `prjquota`, `PERM` without rights.
pub fn limit_project(folder: impl AsFd, project: u32, limit: Option<u64>) -> Result<(), Errno> {
    const LIMITS: u32 = 1;
    let mut block = Block {
        // A limit of nothing would be none.
        hard: limit.map_or(0, |it| it.div_ceil(BLOCK).max(1)),
        valid: LIMITS,
        ..Block::default()
    };
    quota(folder.as_fd(), SETQUOTA, project, &mut block)
}
