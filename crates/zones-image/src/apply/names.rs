//! Users and groups, before anything belongs to them.

use std::ffi::OsStr;
use std::io::{Read, Write};

use rustix::io::Errno;
use zones_ips::{ActionKind, ImagePath, ImagePathRef};
use zones_sys::Stamp;

use super::ApplyError;
use super::folder::{is_regular, temp_name};
use super::hand::{Hand, failed};
use super::write::Temp;
use crate::account::{AccountError, Accounts, Database};
use crate::plan::{Item, Plan, Step};

/// The files, and the mode of a new one.
pub(super) const FILES: [(&str, u32); 4] = [
    ("etc/passwd", 0o644),
    ("etc/shadow", 0o400),
    ("etc/group", 0o644),
    ("etc/ftpd/ftpusers", 0o644),
];

/// A number for temporary names that no step has.
const TEMP: usize = usize::MAX;

/// Bytes such a file may have.
const LEN_MAX: u64 = 64 << 20;

/// Whether a step lays one of the files; these come before all others.
pub(super) fn is_own(plan: &Plan, step: &Step) -> bool {
    let action = step.to.map(|item| plan.action(item));
    action.is_some_and(|action| {
        let key = action.key().unwrap_or_default();
        action.kind() == ActionKind::File && FILES.iter().any(|(path, _)| *path == key)
    })
}

impl Hand<'_, '_> {
    /// Brings the files up to date: all that goes, then all that comes.
    pub(super) fn accounts(&mut self) -> Result<Accounts, ApplyError> {
        let plan = self.job.plan;
        let old = self.database()?;
        let mut new = old.clone();
        for step in plan.removals() {
            if let Some(item) = step.from {
                let action = plan.action(item);
                match action.kind() {
                    ActionKind::User => new.remove_user(action),
                    ActionKind::Group => new.remove_group(action.key().unwrap_or_default()),
                    _ => {}
                }
            }
        }
        let coming = plan.installs().iter().chain(plan.updates());
        let coming: Vec<_> = coming.filter_map(|step| Some((step, step.to?))).collect();
        for kind in [ActionKind::Group, ActionKind::User] {
            for (step, item) in &coming {
                let action = plan.action(*item);
                if action.kind() != kind {
                    continue;
                }
                let from = step.from.map(|item| plan.action(item));
                let put = match kind {
                    ActionKind::Group => new.put_group(action),
                    _ => new.put_user(from, action),
                };
                put.map_err(|error| wrong(plan, *item, &error))?;
            }
        }
        self.write_database(&old, &new)?;
        let mut accounts = new.accounts();
        if accounts.is_empty() {
            // As pkg(1) does: an image without users takes the names of the running system.
            accounts.fill(&host());
        }
        Ok(accounts)
    }

    /// The names that the image knows before the operation, and those that come with it.
    pub(super) fn accounts_expected(&mut self) -> Result<Accounts, ApplyError> {
        let mut accounts = self.database()?.accounts();
        if accounts.is_empty() {
            accounts.fill(&host());
        }
        let plan = self.job.plan;
        for item in plan.steps().filter_map(|step| step.to) {
            let action = plan.action(item);
            if matches!(action.kind(), ActionKind::User | ActionKind::Group) {
                accounts.admit(action.key().unwrap_or_default());
            }
        }
        Ok(accounts)
    }

    fn database(&mut self) -> Result<Database, ApplyError> {
        let mut texts = [None, None, None, None];
        for (text, (path, _)) in texts.iter_mut().zip(FILES) {
            *text = match path.parse::<ImagePath>() {
                Ok(path) => self.text(path.as_ref())?,
                Err(_) => None,
            };
        }
        let [passwd, shadow, group, ftpusers] = texts;
        Ok(Database {
            passwd,
            shadow,
            group,
            ftpusers,
        })
    }

    /// The text of a file; None when there is none.
    fn text(&mut self, path: ImagePathRef<'_>) -> Result<Option<String>, ApplyError> {
        let Some(folder) = self.parent_found(path)? else {
            return Ok(None);
        };
        let name = OsStr::new(path.name());
        match folder.lstat(name) {
            Ok(stat) if is_regular(&stat) => {}
            Err(Errno::NOENT) | Ok(_) => return Ok(None),
            Err(error) => return Err(failed("look at", path)(error)),
        }
        let file = folder.open_file(name).map_err(failed("open", path))?;
        let mut bytes = Vec::new();
        file.take(LEN_MAX)
            .read_to_end(&mut bytes)
            .map_err(failed("read", path))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn write_database(&mut self, old: &Database, new: &Database) -> Result<(), ApplyError> {
        let pairs = [
            (&old.passwd, &new.passwd),
            (&old.shadow, &new.shadow),
            (&old.group, &new.group),
            (&old.ftpusers, &new.ftpusers),
        ];
        for ((old, new), (path, mode)) in pairs.into_iter().zip(FILES) {
            let (Some(text), Ok(path)) = (new, path.parse::<ImagePath>()) else {
                continue;
            };
            if old.as_ref() != Some(text) {
                self.write_text(path.as_ref(), text, mode)?;
            }
        }
        Ok(())
    }

    fn write_text(
        &mut self,
        path: ImagePathRef<'_>,
        text: &str,
        mode: u32,
    ) -> Result<(), ApplyError> {
        let folder = self.parent_made(path)?;
        let name = OsStr::new(path.name());
        let stamp = match folder.lstat(name) {
            Ok(stat) => Stamp {
                mode: stat.st_mode & 0o7777,
                uid: stat.st_uid,
                gid: stat.st_gid,
            },
            Err(_) => Stamp {
                mode,
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
            },
        };
        let mut temp =
            Temp::create(&folder, temp_name(TEMP), 0o600).map_err(failed("create", path))?;
        let written = temp.file.write_all(text.as_bytes());
        written.map_err(failed("write", path))?;
        self.set_owner(&folder, &temp.name, stamp)
            .and_then(|()| folder.chmod(&temp.name, stamp.mode))
            .and_then(|()| temp.rename(name))
            .map_err(failed("replace", path))
    }
}

fn wrong(plan: &Plan, item: Item, error: &AccountError) -> ApplyError {
    let action = plan.action(item).to_string();
    ApplyError::Action {
        fmri: Box::new(plan.fmri(item).clone()),
        source: zones_ips::ActionError::Invalid {
            action,
            why: error.to_string(),
        },
    }
}

/// The users and groups of the running system.
fn host() -> Accounts {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    Accounts::parse(&read("/etc/passwd"), &read("/etc/group"))
}
