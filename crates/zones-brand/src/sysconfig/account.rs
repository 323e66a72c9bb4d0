//! Accounts: lines of passwd, shadow, group and gshadow, and homes. Source: passwd(5), shadow(5),
//! group(5), gshadow(5).

use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;
use zones_sys::{RootFd, Stamp};

use super::place::{file, read};
use super::{PasswordHash, SysConfig, SysConfigError, User};

/// A file of lines with fields between colons. Lines that are malformed stay as they are.
struct Lines {
    path: &'static str,
    rows: Vec<Vec<String>>,
    stamp: Stamp,
    changed: bool,
}

impl Lines {
    /// Reads a file; one that is missing has no lines.
    fn read(root: &RootFd, path: &'static str, mode: u32) -> Result<Self, SysConfigError> {
        let text = read(root, path)?.unwrap_or_default();
        let fields = |l: &str| l.split(':').map(str::to_owned).collect();
        // Owner and mode stay: the group of shadow differs between systems.
        let stamp = root.lstat(Path::new(path)).map_or_else(
            |_| Stamp::root(mode),
            |s| Stamp {
                mode: s.st_mode & 0o7777,
                uid: s.st_uid,
                gid: s.st_gid,
            },
        );
        Ok(Self {
            path,
            rows: text.lines().map(fields).collect(),
            stamp,
            changed: false,
        })
    }

    fn get(&self, name: &str) -> Option<&Vec<String>> {
        self.rows.iter().find(|r| r[0] == name)
    }

    fn has_number(&self, number: u32) -> bool {
        self.rows.iter().any(|r| self.number(r) == Some(number))
    }

    /// The id in the third field.
    fn number(&self, row: &[String]) -> Option<u32> {
        row.get(2).and_then(|n| n.parse().ok())
    }

    /// Sets one field of a line that is there.
    fn set(&mut self, name: &str, field: usize, value: &str) {
        let row = self.rows.iter_mut().find(|r| r[0] == name);
        if let Some(slot) = row.and_then(|r| r.get_mut(field)) {
            value.clone_into(slot);
            self.changed = true;
        }
    }

    fn add(&mut self, fields: &[&str]) {
        self.rows
            .push(fields.iter().map(ToString::to_string).collect());
        self.changed = true;
    }

    /// Adds a name to the list in the last of four fields.
    fn add_member(&mut self, group: &str, name: &str) {
        let Some(list) = self.get(group).and_then(|r| r.get(3)) else {
            return;
        };
        if !list.split(',').any(|m| m == name) {
            let list = if list.is_empty() {
                name.to_owned()
            } else {
                format!("{list},{name}")
            };
            self.set(group, 3, &list);
        }
    }

    fn write(&self, root: &RootFd) -> Result<(), SysConfigError> {
        if !self.changed {
            return Ok(());
        }
        let text: String = self.rows.iter().map(|r| r.join(":") + "\n").collect();
        let written = root.write(Path::new(self.path), text.as_bytes(), self.stamp);
        written.map_err(|e| file("write", self.path, e))
    }
}

/// A home to fill.
struct Home {
    path: PathBuf,
    uid: u32,
    gid: u32,
    keys: Vec<String>,
    /// Made from /etc/skel if it is missing.
    make: bool,
}

/// Files and homes to write.
pub(super) struct Accounts {
    passwd: Lines,
    shadow: Lines,
    group: Lines,
    gshadow: Lines,
    homes: Vec<Home>,
}

pub(super) fn prepare(config: &SysConfig, root: &RootFd) -> Result<Accounts, SysConfigError> {
    let mut accounts = Accounts {
        passwd: Lines::read(root, "/etc/passwd", 0o644)?,
        shadow: Lines::read(root, "/etc/shadow", 0o640)?,
        group: Lines::read(root, "/etc/group", 0o644)?,
        gshadow: Lines::read(root, "/etc/gshadow", 0o640)?,
        homes: Vec::new(),
    };
    if let Some(hash) = &config.root_password_hash {
        if accounts.passwd.get("root").is_none() {
            let why = String::from("the root has no account `root` in /etc/passwd");
            return Err(SysConfigError::Value {
                key: String::from("root_password_hash"),
                why,
            });
        }
        accounts.password("root", hash);
    }
    if !config.root_keys.is_empty() {
        let home = PathBuf::from("/root");
        let keys = config.root_keys.clone();
        accounts.homes.push(Home {
            path: home,
            uid: 0,
            gid: 0,
            keys,
            make: false,
        });
    }
    for (number, user) in config.users.iter().enumerate() {
        accounts.user(user, number, root, config)?;
    }
    Ok(accounts)
}

impl Accounts {
    fn password(&mut self, name: &str, hash: &PasswordHash) {
        if self.shadow.get(name).is_some() {
            self.shadow.set(name, 1, &hash.0);
        } else {
            self.shadow
                .add(&[name, &hash.0, "", "0", "99999", "7", "", "", ""]);
        }
        // The password is in shadow, whatever was here.
        self.passwd.set(name, 1, "x");
    }

    fn user(
        &mut self,
        user: &User,
        number: usize,
        root: &RootFd,
        config: &SysConfig,
    ) -> Result<(), SysConfigError> {
        let wrong = |key: &str, why: String| {
            Err(SysConfigError::Value {
                key: format!("user[{number}].{key}"),
                why,
            })
        };
        let name = user.name.as_str();
        let shell = match &user.shell {
            Some(shell) if root.stat(Path::new(shell)).is_err() => {
                return wrong("shell", format!("the root has no `{shell}`"));
            }
            Some(shell) => shell.clone(),
            None if root.stat(Path::new("/bin/bash")).is_ok() => String::from("/bin/bash"),
            None => String::from("/bin/sh"),
        };
        for group in &user.groups {
            if self.group.get(group).is_none() && group != name {
                return wrong("groups", format!("the root has no group `{group}`"));
            }
        }
        let home = PathBuf::from("/home").join(name);
        let (uid, gid, path) = if let Some(row) = self.passwd.get(name) {
            let there = self.passwd.number(row).unwrap_or(0);
            if user.uid.is_some_and(|uid| uid != there) {
                return wrong("uid", format!("user `{name}` is there with id {there}"));
            }
            let gid = row.get(3).and_then(|g| g.parse().ok()).unwrap_or(there);
            let path = row
                .get(5)
                .filter(|h| h.starts_with('/'))
                .map_or(home, PathBuf::from);
            if user.shell.is_some() {
                self.passwd.set(name, 6, &shell);
            }
            (there, gid, path)
        } else {
            let uid = match user.uid {
                Some(uid) if self.passwd.has_number(uid) => {
                    return wrong("uid", format!("another user of the root has id {uid}"));
                }
                Some(uid) => uid,
                // Ids that a later user names are not free either.
                None => {
                    let taken = |n: u32| config.users.iter().any(|u| u.uid == Some(n));
                    let free = |n: &u32| {
                        !self.passwd.has_number(*n) && !self.group.has_number(*n) && !taken(*n)
                    };
                    match (1000..60_000).find(free) {
                        Some(uid) => uid,
                        None => return wrong("uid", String::from("no id is free; name one")),
                    }
                }
            };
            let gid = match self.group.get(name).and_then(|row| self.group.number(row)) {
                Some(gid) => gid,
                None if self.group.has_number(uid) => {
                    return wrong("uid", format!("another group of the root has id {uid}"));
                }
                None => {
                    self.group.add(&[name, "x", &uid.to_string(), ""]);
                    if !self.gshadow.rows.is_empty() {
                        self.gshadow.add(&[name, "!", "", ""]);
                    }
                    uid
                }
            };
            let (home_text, ids) = (
                home.display().to_string(),
                [uid.to_string(), gid.to_string()],
            );
            self.passwd
                .add(&[name, "x", &ids[0], &ids[1], "", &home_text, &shell]);
            self.shadow
                .add(&[name, "!", "", "0", "99999", "7", "", "", ""]);
            (uid, gid, home)
        };
        if let Some(hash) = &user.password_hash {
            self.password(name, hash);
        }
        for group in user.groups.iter().filter(|g| *g != name) {
            self.group.add_member(group, name);
            self.gshadow.add_member(group, name);
        }
        self.homes.push(Home {
            path,
            uid,
            gid,
            keys: user.ssh_keys.clone(),
            make: true,
        });
        Ok(())
    }

    pub(super) fn write(&self, root: &RootFd) -> Result<(), SysConfigError> {
        for lines in [&self.group, &self.gshadow, &self.shadow, &self.passwd] {
            lines.write(root)?;
        }
        for home in &self.homes {
            home.write(root)?;
        }
        Ok(())
    }
}

impl Home {
    fn write(&self, root: &RootFd) -> Result<(), SysConfigError> {
        let wrong = |e| file("write", &self.path, e);
        if self.make && root.lstat(&self.path).is_err() {
            if let Some(above) = self.path.parent() {
                root.mkdir_p(above, 0o755).map_err(wrong)?;
            }
            root.mkdir(&self.path, 0o700).map_err(wrong)?;
            self.own(root, &self.path)?;
            self.fill(root)?;
        }
        if self.keys.is_empty() {
            return Ok(());
        }
        let dir = self.path.join(".ssh");
        match root.mkdir(&dir, 0o700) {
            Ok(()) => self.own(root, &dir)?,
            Err(Errno::EXIST) => {}
            Err(e) => return Err(wrong(e)),
        }
        let path = dir.join("authorized_keys");
        let text = self.keys.join("\n") + "\n";
        let stamp = Stamp {
            mode: 0o600,
            uid: self.uid,
            gid: self.gid,
        };
        root.write(&path, text.as_bytes(), stamp)
            .map_err(|e| file("write", &path, e))
    }

    fn own(&self, root: &RootFd, path: &Path) -> Result<(), SysConfigError> {
        root.chown(path, self.uid, self.gid)
            .map_err(|e| file("write", path, e))
    }

    /// The plain files of /etc/skel.
    fn fill(&self, root: &RootFd) -> Result<(), SysConfigError> {
        let skel = Path::new("/etc/skel");
        let Ok(items) = root.read_dir(skel) else {
            return Ok(());
        };
        for item in items.iter().filter(|i| i.kind == FileType::RegularFile) {
            let (from, to) = (skel.join(&item.name), self.path.join(&item.name));
            let text = root
                .read(&from, 1 << 20)
                .map_err(|e| file("read", &from, e))?;
            let stamp = Stamp {
                mode: 0o644,
                uid: self.uid,
                gid: self.gid,
            };
            root.write(&to, &text, stamp)
                .map_err(|e| file("write", &to, e))?;
        }
        Ok(())
    }
}
