//! Files compared with their actions.

use std::ffi::OsStr;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use zones_ips::hash::Extract;
use zones_ips::preserve::Preserve;
use zones_ips::{Action, ImagePathRef, Timestamp};

use super::disk::{LOOKED_AT_MAX, digest};
use super::thing::{Checker, error};
use super::{Finding, Severity};
use crate::apply::extras;

impl Checker<'_> {
    pub(super) fn file(&mut self, action: &Action) -> Vec<Finding> {
        let (path, preserve) = match (action.path(), action.preserve()) {
            (Ok(path), Ok(preserve)) => (path, preserve),
            (Err(fault), _) | (_, Err(fault)) => return vec![error(fault.to_string())],
        };
        if preserve == Some(Preserve::Abandon) {
            return Vec::new();
        }
        let kind = match action
            .get("linux.device")
            .and_then(|it| it.split(':').next())
        {
            Some("char") => FileType::CharacterDevice,
            Some("block") => FileType::BlockDevice,
            Some("fifo") => FileType::Fifo,
            _ => FileType::RegularFile,
        };
        let stat = match self.found(path, kind) {
            Ok(stat) => stat,
            Err(finding) => {
                // Such a file may be gone for good.
                let is_free = matches!(preserve, Some(Preserve::Legacy | Preserve::InstallOnly))
                    && finding.text.starts_with("missing");
                return if is_free { Vec::new() } else { vec![finding] };
            }
        };
        let mut findings = Vec::new();
        self.owned(action, &stat, &mut findings);
        self.extras(path, action, &mut findings);
        if kind != FileType::RegularFile {
            return findings;
        }
        if preserve.is_some() {
            self.editable(path, action, &mut findings);
        } else {
            plain(action, &stat, &mut findings);
            self.content(path, action, &mut findings);
        }
        findings
    }

    /// The content against the most preferred digest.
    pub(super) fn content(
        &mut self,
        path: ImagePathRef<'_>,
        action: &Action,
        findings: &mut Vec<Finding>,
    ) {
        let Some(expected) = action.digests(Extract::File).first().copied() else {
            return;
        };
        let file = self
            .folders
            .folder(path.parent())
            .and_then(|folder| folder.open_file(OsStr::new(path.name())));
        let found = match file {
            Ok(file) => {
                let limit = action.size().unwrap_or_default().max(LOOKED_AT_MAX);
                digest(file, expected.algorithm(), limit, &mut self.buffer)
            }
            Err(Errno::ACCESS | Errno::PERM) => {
                findings.push(error("skipping: permission denied"));
                return;
            }
            Err(fault) => Err(fault.into()),
        };
        match found {
            Ok(found) if found == expected => {}
            Ok(found) => findings.push(error(format!("Hash: {found} should be {expected}"))),
            Err(fault) => findings.push(error(format!("Unexpected Error: {fault}"))),
        }
    }

    /// Nothing but a note: the content is the administrator's.
    fn editable(&mut self, path: ImagePathRef<'_>, action: &Action, findings: &mut Vec<Finding>) {
        let mut differs = Vec::new();
        self.content(path, action, &mut differs);
        if !differs.is_empty() {
            findings.push(Finding {
                severity: Severity::Info,
                text: "editable file has been changed".to_owned(),
            });
        }
    }

    fn extras(&mut self, path: ImagePathRef<'_>, action: &Action, findings: &mut Vec<Finding>) {
        let expected = extras(action);
        if expected.is_empty() {
            return;
        }
        let folder = self.folders.folder(path.parent());
        let found = folder.and_then(|folder| folder.xattrs(OsStr::new(path.name())));
        let found = found.unwrap_or_default();
        for (name, value) in expected {
            let own = found.iter().find(|(key, _)| **key == *name);
            if own.is_none_or(|(_, own)| *own != value) {
                let hex = |bytes: &[u8]| -> String {
                    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
                };
                let (own, value) = (own.map_or(String::new(), |(_, own)| hex(own)), hex(&value));
                findings.push(error(format!("{name}: '{own}' should be '{value}'")));
            }
        }
    }
}

/// Size and time, which only matter where nobody edits.
fn plain(action: &Action, stat: &Stat, findings: &mut Vec<Finding>) {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if let Some(expected) = action.size()
        && expected != size
    {
        findings.push(error(format!("Size: {size} bytes should be {expected}")));
    }
    if let Ok(Some(expected)) = action.timestamp()
        && expected.unix_seconds() != stat.st_mtime
    {
        let found = Timestamp::from_unix(stat.st_mtime);
        let found = found.map_or_else(|| stat.st_mtime.to_string(), |it| it.to_string());
        findings.push(error(format!("Timestamp: {found} should be {expected}")));
    }
}
