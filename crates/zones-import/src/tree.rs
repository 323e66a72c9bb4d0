//! What stands in a root: read by descriptors, no link followed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;
use zones_ips::hash::Hasher;
use zones_ips::{Algorithm, Digest};
use zones_sys::{Dir, RootFd};

use crate::error::{ImportError, Result};

/// Everything in a root, by path without a leading slash. The root itself is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// What has a name.
    pub nodes: BTreeMap<String, Node>,
    /// Names that are no UTF-8, as far as they can be shown.
    pub unnameable: Vec<String>,
}

/// One name in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The twelve mode bits.
    pub mode: u32,
    /// Owner, as on disk.
    pub uid: u32,
    /// Group, as on disk.
    pub gid: u32,
    /// Device and number of the file, when other names lead to it too.
    pub shared: Option<(u64, u64)>,
    /// Extended attributes by name.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Dir,
    /// A regular file: its size in bytes, the SHA-1 and the MD5 of its content.
    File(u64, Digest, [u8; 16]),
    /// A symbolic link with its text.
    Link(String),
    /// A device: `c` or `b`, major and minor number.
    Device(char, u32, u32),
    /// A pipe or socket.
    Channel,
}

/// Folders whose content other file systems cover while a system runs.
const COVERED: [&str; 4] = ["proc", "sys", "dev", "run"];

impl Tree {
    /// Reads all of a root. The content of `proc`, `sys`, `dev` and `run` is passed over.
    ///
    /// # Errors
    ///
    /// Something cannot be read.
    pub fn read(root: &RootFd) -> Result<Self> {
        let mut tree = Self::default();
        let top = root.dir(Path::new("/")).map_err(cannot_read(""))?;
        let mut open = vec![(String::new(), top)];
        while let Some((path, dir)) = open.pop() {
            for item in dir.items().map_err(cannot_read(&path))? {
                let Some(name) = item.name.to_str() else {
                    let name = item.name.to_string_lossy();
                    tree.unnameable.push(below(&path, &name));
                    continue;
                };
                let full = below(&path, name);
                let node = node(&dir, name, &full)?;
                if node.kind == Kind::Dir && !COVERED.contains(&full.as_str()) {
                    let inner = dir.dir(item.name.as_ref()).map_err(cannot_read(&full))?;
                    open.push((full.clone(), inner));
                }
                tree.nodes.insert(full, node);
            }
        }
        tree.unnameable.sort();
        Ok(tree)
    }

    /// The path with links in front of its last name followed, as the root's own programs would.
    #[must_use]
    pub fn resolve(&self, path: &str) -> String {
        let mut done: Vec<String> = Vec::new();
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut links = 0;
        while let Some(word) = left.pop() {
            match word.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(word),
            }
            let is_last = left.is_empty();
            let Some(Kind::Link(target)) = self.nodes.get(&done.join("/")).map(|it| &it.kind)
            else {
                continue;
            };
            links += 1;
            if is_last || links > LINKS_MAX {
                continue;
            }
            done.pop();
            if target.starts_with('/') {
                done.clear();
            }
            left.extend(target.split('/').rev().map(str::to_owned));
        }
        done.join("/")
    }
}

/// Links that the kernel follows in one path. Source: path_resolution(7).
const LINKS_MAX: usize = 40;

fn below(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        _ => format!("{folder}/{name}"),
    }
}

pub(crate) fn cannot_read(path: &str) -> impl FnOnce(Errno) -> ImportError {
    let path = path.to_owned();
    move |source| ImportError::Read { path, source }
}

fn node(dir: &Dir, name: &str, path: &str) -> Result<Node> {
    let stat = dir.lstat(name.as_ref()).map_err(cannot_read(path))?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Kind::Dir,
        FileType::RegularFile => file(dir, name).map_err(cannot_read(path))?,
        FileType::Symlink => {
            let target = dir.readlink(name.as_ref()).map_err(cannot_read(path))?;
            Kind::Link(target.to_string_lossy().into_owned())
        }
        FileType::CharacterDevice => device('c', stat.st_rdev),
        FileType::BlockDevice => device('b', stat.st_rdev),
        _ => Kind::Channel,
    };
    let is_shared = stat.st_nlink > 1 && kind != Kind::Dir;
    let xattrs = dir.xattrs(name.as_ref()).map_err(cannot_read(path))?;
    let text = |(key, value): (std::ffi::OsString, Vec<u8>)| Some((key.into_string().ok()?, value));
    Ok(Node {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        shared: is_shared.then_some((stat.st_dev, stat.st_ino)),
        xattrs: xattrs.into_iter().filter_map(text).collect(),
    })
}

fn device(letter: char, number: u64) -> Kind {
    Kind::Device(letter, rustix::fs::major(number), rustix::fs::minor(number))
}

fn file(dir: &Dir, name: &str) -> Result<Kind, Errno> {
    use md5::Digest as _;
    let mut file = dir.open_file(name.as_ref())?;
    let mut sha = Hasher::new(Algorithm::Sha1);
    let mut md5 = md5::Md5::new();
    let mut size = 0;
    let mut chunk = vec![0; 128 * 1024];
    loop {
        let count = file
            .read(&mut chunk)
            .map_err(|it| Errno::from_io_error(&it).unwrap_or(Errno::IO))?;
        if count == 0 {
            return Ok(Kind::File(size, sha.finish(), md5.finalize().into()));
        }
        sha.update(&chunk[..count]);
        md5.update(&chunk[..count]);
        size += count as u64;
    }
}
