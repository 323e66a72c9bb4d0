//! What a tree holds, as one line for each file and as hashes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use zones_archive::is_kept_xattr;
use zones_sys::{Dir, RootFd};

use super::base::unreadable;
use crate::install::InstallError;

/// Names of differences that an error tells.
const TOLD: usize = 3;
/// Bytes that are read at once.
const PIECE: usize = 128 << 10;

/// How well a base is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Whether anybody touched anything, without reading files.
    Stamps,
    /// All that it holds.
    Content,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Sum {
    /// Files, folders and links.
    pub(super) files: u64,
    /// Bytes of content.
    pub(super) bytes: u64,
    /// A line for each: type, mode, owner, group, then length or number of device, hash of content
    /// or target, hash of attributes, path. Empty unless content was asked for.
    pub(super) manifest: String,
    /// Over names, numbers and times of status.
    pub(super) stamps: String,
}

impl Sum {
    /// The hash of the manifest.
    pub(super) fn sha256(&self) -> String {
        sha256(self.manifest.as_bytes())
    }
}

/// In hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    text(Sha256::new().chain_update(bytes))
}

fn text(hash: Sha256) -> String {
    let digits = hash.finalize();
    digits.iter().map(|it| format!("{it:02x}")).collect()
}

/// Looks at all files, folders in the order of their names, and the root itself.
pub(super) fn of(root: &RootFd, look: Look) -> Result<Sum, InstallError> {
    let mut sum = Sum::default();
    let mut stamps = Sha256::new();
    let top = Path::new("");
    let stat = root.lstat(Path::new("/")).map_err(unreadable(top))?;
    stamp(&mut stamps, top, &stat);
    let mut folders = vec![PathBuf::new()];
    while let Some(at) = folders.pop() {
        let dir = root.dir_without_links(&at).map_err(unreadable(&at))?;
        if look == Look::Content {
            let stat = root.lstat(&Path::new("/").join(&at));
            let stat = stat.map_err(unreadable(&at))?;
            let found = dir.own_xattrs().map_err(unreadable(&at))?;
            line(&mut sum.manifest, &stat, "-", &attributes(found), &at);
        }
        for item in dir.items().map_err(unreadable(&at))? {
            let path = at.join(&item.name);
            let stat = dir.lstat(&item.name).map_err(unreadable(&path))?;
            stamp(&mut stamps, &path, &stat);
            sum.files += 1;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind.is_file() {
                sum.bytes += stat.st_size.cast_unsigned();
            }
            if kind.is_dir() {
                folders.push(path);
            } else if look == Look::Content {
                let (content, more) = content(&dir, &item.name, kind).map_err(unreadable(&path))?;
                line(&mut sum.manifest, &stat, &content, &more, &path);
            }
        }
    }
    sum.stamps = text(stamps);
    Ok(sum)
}

/// Every change of a file gives it another time of status. Source: inode(7), `ctime`.
fn stamp(hash: &mut Sha256, path: &Path, stat: &Stat) {
    let name = path.as_os_str().as_bytes();
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
    hash.update(stat.st_ino.to_le_bytes());
    hash.update(stat.st_ctime.to_le_bytes());
    hash.update(stat.st_ctime_nsec.to_le_bytes());
}

fn line(manifest: &mut String, stat: &Stat, content: &str, attributes: &str, path: &Path) {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => 'f',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Fifo => 'p',
        _ => 's',
    };
    // The length of a folder is an affair of the file system.
    let size = match kind {
        'f' | 'l' => stat.st_size.cast_unsigned(),
        _ => stat.st_rdev,
    };
    let size = if kind == 'd' { 0 } else { size };
    let (mode, uid, gid) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
    let path = path.as_os_str().as_bytes().escape_ascii();
    *manifest += &format!("{kind} {mode:04o} {uid} {gid} {size} {content} {attributes} /{path}\n");
}

/// Hash of what a file holds, or of where a link leads, and of its attributes.
fn content(dir: &Dir, name: &OsStr, kind: FileType) -> Result<(String, String), Errno> {
    let none = || "-".to_owned();
    match kind {
        FileType::RegularFile => {
            let content = hash_file(dir.open_file(name)?)?;
            Ok((content, attributes(dir.xattrs(name)?)))
        }
        FileType::Symlink => {
            let target = dir.readlink(name)?;
            Ok((sha256(target.as_os_str().as_bytes()), none()))
        }
        _ => Ok((none(), none())),
    }
}

fn hash_file(mut file: File) -> Result<String, Errno> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece);
        match read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))? {
            0 => return Ok(text(hash)),
            count => hash.update(&piece[..count]),
        }
    }
}

/// Hash of the attributes that copies keep: capabilities, lists of rights, those of users.
fn attributes(all: Vec<(std::ffi::OsString, Vec<u8>)>) -> String {
    let is_kept = |key: &OsStr| key.to_str().is_some_and(is_kept_xattr);
    let mut kept = all.into_iter().filter(|(key, _)| is_kept(key)).peekable();
    if kept.peek().is_none() {
        return "-".to_owned();
    }
    let mut hash = Sha256::new();
    for (key, value) in kept {
        // With its length before each, so that no two lists are the same bytes.
        for bytes in [key.as_bytes(), &value] {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
    }
    text(hash)
}

/// The first names in which two manifests differ, and how many more do.
pub(super) fn differences(known: &str, found: &str) -> String {
    let table = |text: &str| -> BTreeMap<String, String> {
        let row = |line: &str| {
            let (what, path) = line.split_once(" /").unwrap_or((line, ""));
            (format!("/{path}"), what.to_owned())
        };
        text.lines().map(row).collect()
    };
    let (known, found) = (table(known), table(found));
    let mut names: Vec<&String> = known
        .iter()
        .filter(|(path, what)| found.get(*path) != Some(*what))
        .map(|(path, _)| path)
        .chain(found.keys().filter(|path| !known.contains_key(*path)))
        .collect();
    names.sort();
    let rest = names.len().saturating_sub(TOLD);
    let told: Vec<&str> = names.iter().take(TOLD).map(|it| it.as_str()).collect();
    let told = told.join(", ");
    match rest {
        0 => format!("{told} differs"),
        more => format!("{told} and {more} more differ"),
    }
}
