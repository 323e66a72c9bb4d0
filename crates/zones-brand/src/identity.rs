//! What of a copy of a root says which machine it is, and how a clone gets an identity of its own.

use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::Deserialize;
use zones_sys::{RootFd, Stamp};

/// Longer files hold no name of a machine.
const TEXT_MAX: u64 = 1 << 20;

/// Table `[identity]` of a manifest; without one, that of `brands/identity.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Files that go; a star stands for anything in the last name.
    #[serde(default)]
    pub remove: Vec<PathBuf>,
    /// Files that stay and become empty.
    #[serde(default)]
    pub empty: Vec<PathBuf>,
    /// Files in which the new name takes the place of the old one.
    #[serde(default)]
    pub name: Vec<PathBuf>,
    /// Files that come.
    #[serde(default)]
    pub write: Vec<IdentityFile>,
}

/// A file for the first life of a clone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityFile {
    /// Where.
    pub path: PathBuf,
    /// Only where the root has this.
    pub when: PathBuf,
    /// What stands in it.
    pub text: String,
}

/// A file of the root that could not be changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot give the clone an identity of its own: `{}`", path.display())]
#[allow(missing_docs)]
pub struct IdentityError {
    pub path: PathBuf,
    pub source: Errno,
}

impl Default for Identity {
    fn default() -> Self {
        // A test sees to it that this parses.
        toml::from_str(include_str!("../../../brands/identity.toml")).unwrap_or(Self {
            remove: Vec::new(),
            empty: Vec::new(),
            name: Vec::new(),
            write: Vec::new(),
        })
    }
}

impl Identity {
    /// Makes a root that was copied from zone `old` that of zone `new`. Files that are missing are
    /// fine; the owners of those that are there stay.
    ///
    /// # Errors
    /// The first file that cannot be changed.
    pub fn renew(&self, root: &RootFd, old: &str, new: &str) -> Result<(), IdentityError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError { path, source }
        };
        let hostname = read(root, Path::new("/etc/hostname")).unwrap_or_default();
        let hostname = hostname.trim();
        let known: Vec<&str> = [hostname, old]
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect();
        for path in &self.name {
            if let Some(text) = read(root, path) {
                let renamed = replace_words(&text, &known, new);
                keep(root, path, renamed.as_bytes()).map_err(at(path))?;
            }
        }
        for path in &self.empty {
            if root.lstat(path).is_ok() {
                keep(root, path, b"").map_err(at(path))?;
            }
        }
        for pattern in &self.remove {
            remove(root, pattern).map_err(at(pattern))?;
        }
        let owner = root.lstat(Path::new("/")).map_err(at(Path::new("/")))?;
        for file in &self.write {
            if root.stat(&file.when).is_err() {
                continue;
            }
            let stamp = Stamp {
                mode: 0o644,
                uid: owner.st_uid,
                gid: owner.st_gid,
            };
            let folder = file.path.parent().unwrap_or_else(|| Path::new("/"));
            root.mkdir_p(folder, 0o755)
                .and_then(|_| root.write(&file.path, file.text.trim_start().as_bytes(), stamp))
                .map_err(at(&file.path))?;
        }
        Ok(())
    }
}

fn read(root: &RootFd, path: &Path) -> Option<String> {
    let bytes = root.read(path, TEXT_MAX).ok()?;
    String::from_utf8(bytes).ok()
}

/// Writes a file that is there, whose it is and with the mode that it has.
fn keep(root: &RootFd, path: &Path, bytes: &[u8]) -> Result<(), Errno> {
    let stat = root.stat(path)?;
    let stamp = Stamp {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
    };
    root.write(path, bytes, stamp)
}

fn remove(root: &RootFd, pattern: &Path) -> Result<(), Errno> {
    let missing = |error: &Errno| matches!(*error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP);
    let name = pattern.file_name().unwrap_or_default().to_string_lossy();
    let folder = match root.dir(pattern.parent().unwrap_or_else(|| Path::new("/"))) {
        Ok(folder) => folder,
        Err(error) if missing(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    let fits = |found: &str| match name.split_once('*') {
        Some((start, end)) => {
            found.len() >= start.len() + end.len()
                && found.starts_with(start)
                && found.ends_with(end)
        }
        None => found == name,
    };
    for item in folder.items()? {
        if fits(&item.name.to_string_lossy()) {
            folder.remove_all(&item.name)?;
        }
    }
    Ok(())
}

/// Words are what a host name can be made of; a name within a longer one stays.
fn replace_words(text: &str, old: &[&str], new: &str) -> String {
    let is_letter = |it: char| it.is_ascii_alphanumeric() || it == '-';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|it| !is_letter(it)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        out.push_str(if old.contains(&word) { new } else { word });
        let gap = after.find(is_letter).unwrap_or(after.len());
        out.push_str(&after[..gap]);
        rest = &after[gap..];
    }
    out
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_clone_is_another_machine() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let get = |path: &str| fs::read_to_string(folder.path().join(path));
        put("etc/hostname", "web1\n");
        put(
            "etc/hosts",
            "127.0.1.1\tweb1.example.org web1\n192.0.2.1 web12 db-web1\n",
        );
        put("etc/machine-id", "0123\n");
        put("etc/ssh/ssh_host_rsa_key", "secret");
        put("etc/ssh/ssh_host_rsa_key.pub", "public");
        put("etc/ssh/sshd_config", "Port 22\n");
        put("usr/lib/systemd/system/ssh.service", "[Service]\n");
        let identity = Identity::default();
        assert!(!identity.remove.is_empty(), "the data parses");
        let root = RootFd::open(folder.path()).unwrap();
        for _ in 0..2 {
            identity.renew(&root, "web1", "web2").unwrap();
            assert_eq!(get("etc/hostname").unwrap(), "web2\n");
            let hosts = "127.0.1.1\tweb2.example.org web2\n192.0.2.1 web12 db-web1\n";
            assert_eq!(get("etc/hosts").unwrap(), hosts);
            assert_eq!(get("etc/machine-id").unwrap(), "");
            assert!(get("etc/ssh/ssh_host_rsa_key").is_err());
            assert!(get("etc/ssh/ssh_host_rsa_key.pub").is_err());
            assert_eq!(get("etc/ssh/sshd_config").unwrap(), "Port 22\n");
            let unit = get("etc/systemd/system/ssh.service.d/zones-host-keys.conf").unwrap();
            assert!(unit.contains("ssh-keygen -A"));
        }
    }

    /// The root is a stranger's: links in it lead nowhere else.
    #[test]
    fn links_do_not_lead_out() {
        let (folder, host) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(host.path().join("machine-id"), "host").unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        let link = folder.path().join("etc/machine-id");
        std::os::unix::fs::symlink(host.path().join("machine-id"), link).unwrap();
        std::os::unix::fs::symlink(host.path(), folder.path().join("etc/ssh")).unwrap();
        fs::write(host.path().join("ssh_host_key"), "host").unwrap();
        let root = RootFd::open(folder.path()).unwrap();
        let _ = Identity::default().renew(&root, "a", "b");
        assert_eq!(
            fs::read_to_string(host.path().join("machine-id")).unwrap(),
            "host"
        );
        assert!(host.path().join("ssh_host_key").exists());
    }
}
