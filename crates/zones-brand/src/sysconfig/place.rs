//! Host name, time zone and locale.

use std::path::{Path, PathBuf};

use rustix::io::Errno;
use zones_sys::{RootFd, Stamp};

use super::{SysConfig, SysConfigError};

/// Files to write.
pub(super) struct Places {
    files: Vec<(&'static str, String)>,
    localtime: Option<PathBuf>,
}

/// Reads a text of the root; nothing if it is missing.
pub(super) fn read(root: &RootFd, path: &str) -> Result<Option<String>, SysConfigError> {
    match root.read(Path::new(path), 16 << 20) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(Errno::NOENT) => Ok(None),
        Err(source) => Err(file("read", path, source)),
    }
}

pub(super) fn file(act: &'static str, path: impl AsRef<Path>, source: Errno) -> SysConfigError {
    SysConfigError::File {
        act,
        path: path.as_ref().to_owned(),
        source,
    }
}

pub(super) fn prepare(config: &SysConfig, root: &RootFd) -> Result<Places, SysConfigError> {
    let mut places = Places {
        files: Vec::new(),
        localtime: None,
    };
    let mut put = |path, text| places.files.push((path, text));
    if let Some(name) = &config.hostname {
        put("/etc/hostname", format!("{name}\n"));
        put(
            "/etc/hosts",
            hosts(&read(root, "/etc/hosts")?.unwrap_or_default(), name),
        );
    }
    if let Some(name) = &config.locale {
        let debian = root.dir(Path::new("/etc/default")).is_ok();
        put(
            if debian {
                "/etc/default/locale"
            } else {
                "/etc/locale.conf"
            },
            format!("LANG={name}\n"),
        );
    }
    if let Some(name) = &config.timezone {
        let data = Path::new("/usr/share/zoneinfo").join(name);
        if root.stat(&data).is_err() {
            let why = format!(
                "the root has no `{}`; install tzdata, or correct it",
                data.display()
            );
            return Err(SysConfigError::Value {
                key: String::from("timezone"),
                why,
            });
        }
        // Only Debian keeps the name a second time.
        if root.stat(Path::new("/etc/debian_version")).is_ok() {
            put("/etc/timezone", format!("{name}\n"));
        }
        places.localtime = Some(data);
    }
    Ok(places)
}

/// The hosts file with the machine's own name. Source: Debian reference 5.1.1.
fn hosts(old: &str, name: &str) -> String {
    let short = name.split('.').next().unwrap_or(name);
    let own = if short == name {
        name.to_owned()
    } else {
        format!("{name} {short}")
    };
    let own = format!("127.0.1.1\t{own}\n");
    if old.trim().is_empty() {
        return format!("127.0.0.1\tlocalhost\n{own}::1\tlocalhost ip6-localhost ip6-loopback\n");
    }
    let mut text = String::new();
    let mut done = false;
    for line in old.lines() {
        if line.split_whitespace().next() == Some("127.0.1.1") {
            if !done {
                text += &own;
            }
            done = true;
        } else {
            text += line;
            text.push('\n');
        }
    }
    if done { text } else { text + &own }
}

impl Places {
    pub(super) fn write(&self, root: &RootFd) -> Result<(), SysConfigError> {
        for (path, text) in &self.files {
            let written = root.write(Path::new(path), text.as_bytes(), Stamp::root(0o644));
            written.map_err(|e| file("write", path, e))?;
        }
        if let Some(data) = &self.localtime {
            let (new, path) = (
                Path::new("/etc/.localtime.new"),
                Path::new("/etc/localtime"),
            );
            let wrong = |e| file("write", path, e);
            root.remove_all(new).map_err(wrong)?;
            root.symlink(data, new).map_err(wrong)?;
            root.rename(new, path).map_err(wrong)?;
        }
        Ok(())
    }
}
