//! All of a zone that a leftover check looks at, at one moment.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::needs::Needs;
use crate::key::Key;

/// A path inside the zone, absolute. Paths are bytes: a name need not be text.
pub type Path = Vec<u8>;

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
}

/// One file. Times are left out on purpose: they change with every look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner, as the zone sees it.
    pub uid: u32,
    /// Group, as the zone sees it.
    pub gid: u32,
    /// Bytes of a file; 0 for other kinds.
    pub size: u64,
    /// Hash of the content. It may be left out where size and times are those of the other
    /// inventory: then the content is taken as equal.
    pub hash: Option<Key>,
    /// Where a link leads.
    pub target: Option<Path>,
    /// Extended attributes: access lists, capabilities and others.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Names of the same file.
    pub links: u32,
    /// Numbers of a device.
    pub device: Option<(u32, u32)>,
    /// Inode flags, such as immutable.
    pub flags: u32,
}

impl Entry {
    /// An entry of a kind with nothing special about it, owned by root.
    #[must_use]
    pub fn new(kind: Kind, mode: u32) -> Self {
        Self {
            kind,
            mode,
            uid: 0,
            gid: 0,
            size: 0,
            hash: None,
            target: None,
            xattrs: BTreeMap::new(),
            links: 1,
            device: None,
            flags: 0,
        }
    }

    /// Whether it runs as its owner, as its group, or with capabilities.
    pub(super) fn is_privileged(&self) -> bool {
        const CAPABILITY: &[u8] = b"security.capability";
        self.kind == Kind::File && (self.mode & 0o6000 != 0 || self.xattrs.contains_key(CAPABILITY))
    }
}

/// A user or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: u32,
    /// All else that is written about it, in a fixed order: home, shell, members, whether it has a
    /// shadow entry.
    pub rest: String,
}

/// A service or a scheduled job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Job {
    /// Files it is made of: the unit, links that enable it, a line's file.
    pub paths: BTreeSet<Path>,
    /// Whether it starts by itself.
    pub enabled: bool,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its version.
    pub version: String,
    /// Its state as the package manager calls it: `installed`, `config-files`, `half-configured`.
    pub state: String,
}

/// Something that several files stand for, such as an alternative.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Where it leads.
    pub text: String,
    /// Files that it is made of.
    pub paths: BTreeSet<Path>,
}

/// All of a zone at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Files by path.
    pub files: BTreeMap<Path, Entry>,
    /// The package that owns a path.
    pub owners: BTreeMap<Path, String>,
    /// Users by name.
    pub users: BTreeMap<String, Account>,
    /// Groups by name.
    pub groups: BTreeMap<String, Account>,
    /// Services by name.
    pub services: BTreeMap<String, Job>,
    /// Scheduled jobs by name.
    pub cron: BTreeMap<String, Job>,
    /// Packages by name.
    pub packages: BTreeMap<String, Package>,
    /// Alternatives by name, and what each leads to.
    pub alternatives: BTreeMap<String, Record>,
    /// Diversions: path, and who diverts it where.
    pub diversions: BTreeMap<String, String>,
    /// Processes by command and user, and how many there are.
    pub processes: BTreeMap<String, u32>,
    /// Sockets that listen: `tcp 0.0.0.0:7777`.
    pub sockets: BTreeSet<String>,
    /// Objects of interprocess communication: `shm 0x1 uid 0`.
    pub ipc: BTreeSet<String>,
    /// Mounts below the root.
    pub mounts: BTreeSet<String>,
    /// Rules of the packet filter: `inet acme input: tcp dport 7777 accept`.
    pub rules: BTreeSet<String>,
    /// Keys of the kernel: `user acme uid 0`.
    pub keys: BTreeSet<String>,
    /// Units of systemd that have a process.
    pub units: BTreeSet<String>,
    /// Files that a package declares to be the administrator's.
    pub config: BTreeSet<Path>,
    /// Content of small files of text that differ from an earlier inventory.
    pub texts: BTreeMap<Path, Vec<u8>>,
    /// What programs and libraries need.
    pub needs: BTreeMap<Path, Needs>,
    /// Folders where libraries are looked for, in their order.
    pub library_dirs: Vec<Path>,
}

impl Inventory {
    /// The package that owns a path.
    #[must_use]
    pub fn owner(&self, path: &[u8]) -> Option<&String> {
        self.owners.get(path)
    }
}
