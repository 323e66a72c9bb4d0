//! Single actions compared with what is on disk. Texts as pkg(1) prints them.

use std::ffi::OsStr;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use zones_ips::{Action, ActionKind, Fmri, ImagePath, ImagePathRef, quote};
use zones_sys::RootFd;

use super::{Finding, Severity};
use crate::account::{Accounts, Database};
use crate::apply::{Folders, kind};
use crate::plan::compare::hardlink_target;

/// Bytes that etc/passwd and its like may have.
const LEN_MAX: u64 = 64 << 20;

/// One thread that compares.
pub(super) struct Checker<'a> {
    pub(super) folders: Folders<'a>,
    pub(super) buffer: Vec<u8>,
    accounts: &'a Accounts,
    database: &'a Database,
    licenses: &'a ImagePath,
}

/// The users and groups of the image.
pub(super) fn database(root: &RootFd) -> Database {
    let text = |path: &str| {
        let bytes = root.read(std::path::Path::new(path), LEN_MAX).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    Database {
        passwd: text("etc/passwd"),
        shadow: text("etc/shadow"),
        group: text("etc/group"),
        ftpusers: text("etc/ftpd/ftpusers"),
    }
}

pub(super) fn error(text: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Error,
        text: text.into(),
    }
}

/// What a kind of file is called.
fn called(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "regular file",
        FileType::Directory => "directory",
        FileType::Symlink => "symbolic link",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::BlockDevice => "block device",
        FileType::CharacterDevice => "character device",
        FileType::Unknown => "unknown",
    }
}

impl<'a> Checker<'a> {
    pub(super) fn new(
        root: &'a RootFd,
        accounts: &'a Accounts,
        database: &'a Database,
        licenses: &'a ImagePath,
    ) -> Self {
        Self {
            folders: Folders::new(root),
            buffer: Vec::new(),
            accounts,
            database,
            licenses,
        }
    }

    /// What is wrong with what the action left.
    pub(super) fn check(&mut self, fmri: &Fmri, action: &Action) -> Vec<Finding> {
        match action.kind() {
            ActionKind::Dir => self.dir(action),
            ActionKind::File => self.file(action),
            ActionKind::Link => self.link(action),
            ActionKind::Hardlink => self.hardlink(action),
            ActionKind::User => faults("user", self.database.user_faults(action)),
            ActionKind::Group => faults("group", self.database.group_faults(action)),
            ActionKind::License => self.license(fmri, action),
            _ => Vec::new(),
        }
    }

    /// What is at the path, if it is of the right kind; else the finding.
    pub(super) fn found(
        &mut self,
        path: ImagePathRef<'_>,
        expected: FileType,
    ) -> Result<Stat, Finding> {
        let stat = match self.folders.lstat(path) {
            Ok(stat) => stat,
            Err(Errno::ACCESS | Errno::PERM) => {
                return Err(error("skipping: permission denied"));
            }
            Err(_) => {
                let called = called(expected);
                return Err(error(format!("missing: {called} does not exist")));
            }
        };
        let found = kind(&stat);
        if found == expected {
            return Ok(stat);
        }
        let (found, expected) = (called(found), called(expected));
        let text = format!("file type: '{found}' should be '{expected}'");
        Err(error(text))
    }

    /// Owner, group and mode.
    pub(super) fn owned(&self, action: &Action, stat: &Stat, findings: &mut Vec<Finding>) {
        let accounts = self.accounts;
        if let Some(name) = action.owner() {
            let shown = accounts.user(stat.st_uid);
            let differs = differing("owner", name, accounts.uid(name), stat.st_uid, shown);
            findings.extend(differs);
        }
        if let Some(name) = action.group() {
            let shown = accounts.group(stat.st_gid);
            let differs = differing("group", name, accounts.gid(name), stat.st_gid, shown);
            findings.extend(differs);
        }
        let found = stat.st_mode & 0o7777;
        if let Ok(mode) = action.mode()
            && mode != found
        {
            findings.push(error(format!("mode: {found:04o} should be {mode:04o}")));
        }
    }

    fn dir(&mut self, action: &Action) -> Vec<Finding> {
        let path = match action.path() {
            Ok(path) => path,
            Err(fault) => return vec![error(fault.to_string())],
        };
        let mut findings = Vec::new();
        match self.found(path, FileType::Directory) {
            Ok(stat) => self.owned(action, &stat, &mut findings),
            Err(finding) => findings.push(finding),
        }
        findings
    }

    fn link(&mut self, action: &Action) -> Vec<Finding> {
        let path = match action.path() {
            Ok(path) => path,
            Err(fault) => return vec![error(fault.to_string())],
        };
        if let Err(finding) = self.found(path, FileType::Symlink) {
            return vec![finding];
        }
        let folder = self.folders.folder(path.parent());
        let target = folder.and_then(|folder| folder.readlink(OsStr::new(path.name())));
        let expected = action.target().unwrap_or_default();
        match target {
            Ok(target) if target.as_os_str() == expected => Vec::new(),
            Ok(target) => {
                let target = target.display();
                vec![error(format!("Target: '{target}' should be '{expected}'"))]
            }
            Err(fault) => vec![error(format!("Unexpected Error: {fault}"))],
        }
    }

    fn hardlink(&mut self, action: &Action) -> Vec<Finding> {
        let path = match action.path() {
            Ok(path) => path,
            Err(fault) => return vec![error(fault.to_string())],
        };
        let stat = match self.found(path, FileType::RegularFile) {
            Ok(stat) => stat,
            Err(finding) => return vec![finding],
        };
        let text = action.target().unwrap_or_default();
        let target = hardlink_target(action);
        let target = target.and_then(|target| self.folders.lstat(target.as_ref()).ok());
        match target {
            None => vec![error(format!("Target '{text}' does not exist"))],
            Some(target) if (target.st_dev, target.st_ino) == (stat.st_dev, stat.st_ino) => {
                Vec::new()
            }
            Some(_) => {
                let text = format!("Path and Target ({text}) inodes not the same");
                vec![error(text)]
            }
        }
    }

    fn license(&mut self, fmri: &Fmri, action: &Action) -> Vec<Finding> {
        let stem = fmri.stem().quoted();
        let name = quote::quote(action.get("license").unwrap_or_default());
        let path = format!("{}/{stem}/license.{name}", self.licenses);
        let Ok(path) = path.parse::<ImagePath>() else {
            return vec![error(format!("License file {path} does not exist."))];
        };
        if self.found(path.as_ref(), FileType::RegularFile).is_err() {
            return vec![error(format!("License file {path} does not exist."))];
        }
        let mut findings = Vec::new();
        self.content(path.as_ref(), action, &mut findings);
        findings
    }
}

/// What is wrong with an owner or group.
fn differing(
    what: &str,
    name: &str,
    expected: Option<u32>,
    found: u32,
    found_name: Option<&str>,
) -> Option<Finding> {
    match expected {
        None => Some(error(format!("{what}: {name} is unknown"))),
        Some(id) if id == found => None,
        Some(id) => {
            let known = found_name.map_or_else(|| found.to_string(), str::to_owned);
            let text = format!("{what}: '{known} ({found})' should be '{name} ({id})'");
            Some(error(text))
        }
    }
}

/// What is wrong with a user or group; None when it is not there.
fn faults(kind: &str, faults: Option<Vec<(&'static str, String, String)>>) -> Vec<Finding> {
    let Some(faults) = faults else {
        return vec![error(format!("missing: {kind} does not exist"))];
    };
    let text =
        |(field, found, expected)| error(format!("{field}: '{found}' should be '{expected}'"));
    faults.into_iter().map(text).collect()
}
