//! Bases: systems that nobody runs and nobody writes, each with a record of what it holds.
//!
//! `BASES/NAME/root` is the system, `BASES/NAME/manifest` says what every file of it is,
//! `BASES/NAME/record` what it was made of and the hash of the manifest. A base comes and goes
//! with one rename, so whoever dies while making or removing one leaves a name that nobody takes
//! for a base. docs/adr/0026.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use zones_store::atomic;
use zones_sys::RootFd;

use super::sum::{self, Look, Sum};
use crate::install::InstallError;

/// Begins the names of bases that are being made.
const NEW: &str = ".new-";
/// Begins the names of bases that are being removed.
const GONE: &str = ".gone-";
/// Begins the names of locks.
const LOCK: &str = ".lock-";
/// Longest name of a base: with what is put before it, it is still a name of a zone.
const NAME_MAX: usize = 48;

/// What is known of a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Its name.
    pub name: String,
    /// What it was made of, as the command said it.
    pub source: String,
    /// When, seconds since 1970.
    pub created: i64,
    /// Files, folders and links.
    pub files: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Of the manifest: names, modes, owners, attributes, links and content of all files.
    pub sha256: String,
    /// Over numbers and times of status of all files. Any change gives another one, and so does a
    /// copy. Found without reading a file.
    pub stamps: String,
}

/// The bases of a host.
#[derive(Debug, Clone)]
pub struct Bases {
    folder: PathBuf,
}

/// Held by who makes, removes or copies a base.
#[derive(Debug)]
pub struct BaseLock {
    _file: fs::File,
    path: PathBuf,
    /// Where the base is, if there is one.
    place: PathBuf,
}

impl Drop for BaseLock {
    fn drop(&mut self) {
        // Nobody needs the lock of a base that is not there.
        if !self.place.exists() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Bases {
    /// Those in a folder, which need not be there.
    #[must_use]
    pub fn open(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder of a base. `None` when the name is none that a base can have.
    fn place(&self, name: &str) -> Option<PathBuf> {
        let is_letter = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
        let is_fine = name.starts_with(|it: char| it.is_ascii_alphanumeric());
        let is_fine = is_fine && name.len() <= NAME_MAX && name.chars().all(is_letter);
        is_fine.then(|| self.folder.join(name))
    }

    /// Where the system of a base is.
    ///
    /// # Errors
    /// There is no base of this name.
    pub fn root(&self, name: &str) -> Result<PathBuf, InstallError> {
        let root = self.place(name).map(|it| it.join("root"));
        root.filter(|it| it.is_dir()).ok_or_else(|| none(name))
    }

    /// Names of all bases, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|it| it.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(|it| self.root(it).is_ok()).collect();
        names.sort();
        names
    }

    /// What is known of a base; nothing of it is looked at.
    ///
    /// # Errors
    /// There is none; nobody wrote down what it holds.
    pub fn find(&self, name: &str) -> Result<Base, InstallError> {
        self.root(name)?;
        let path = self.folder.join(name).join("record");
        let text = atomic::read(&path).ok().flatten();
        let record = text.and_then(|text| serde_json::from_str(&text).ok());
        record.ok_or_else(|| {
            InstallError::Choice(format!(
                "nobody knows what the base `{name}` has to hold: `{}` is missing or broken; make \
                 a base of another name with `zoneadm base create`",
                path.display()
            ))
        })
    }

    /// Waits until nobody else makes, removes or copies a base of this name.
    ///
    /// # Errors
    /// No name of a base; the lock cannot be made.
    pub fn lock(&self, name: &str) -> Result<BaseLock, InstallError> {
        self.place(name).ok_or_else(|| bad_name(name))?;
        let taken = self.take(name, FlockOperation::LockExclusive);
        taken.map_err(|errno| failed("lock", name, &errno.into()))
    }

    /// As [`lock`](Self::lock), without waiting; `None` when somebody is at work with the base.
    ///
    /// # Errors
    /// As those of `lock`.
    pub fn try_lock(&self, name: &str) -> Result<Option<BaseLock>, InstallError> {
        self.place(name).ok_or_else(|| bad_name(name))?;
        match self.take(name, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Ok(None),
            other => other
                .map(Some)
                .map_err(|errno| failed("lock", name, &errno.into())),
        }
    }

    fn take(&self, name: &str, how: FlockOperation) -> Result<BaseLock, Errno> {
        let made = make_folder(&self.folder, 0o700);
        made.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let path = self.folder.join(format!("{LOCK}{name}"));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?;
            rustix::fs::flock(&file, how)?;
            // Who had it before may have removed its name with the base.
            let (own, named) = (rustix::fs::fstat(&file)?, rustix::fs::lstat(&path));
            if named.is_ok_and(|it| it.st_ino == own.st_ino) {
                return Ok(BaseLock {
                    _file: fs::File::from(file),
                    path,
                    place: self.folder.join(name),
                });
            }
        }
    }

    /// Makes a base, whole or not at all, with the lock held; `fill` lays its files down, `source`
    /// says what of, `now` is in seconds since 1970.
    ///
    /// # Errors
    /// There is one of this name; what `fill` says; what it laid down is no Linux system; no room.
    pub fn make(
        &self,
        (name, _): (&str, &BaseLock),
        (source, now): (&str, i64),
        fill: impl FnOnce(&RootFd) -> Result<(), InstallError>,
    ) -> Result<Base, InstallError> {
        let path = self.place(name).ok_or_else(|| bad_name(name))?;
        if path.exists() {
            return Err(InstallError::Choice(format!(
                "there is a base `{name}` already; use it as it is, or choose another name"
            )));
        }
        self.sweep(name);
        let new = self.folder.join(format!("{NEW}{name}"));
        let done = || -> Result<Base, InstallError> {
            let broken = |error: io::Error| failed("make", name, &error);
            let root = new.join("root");
            make_folder(&new, 0o700).map_err(broken)?;
            make_folder(&root, 0o755).map_err(broken)?;
            let root = super::open(&root)?;
            fill(&root)?;
            zones_archive::looks_like_linux(&root)
                .map_err(|error| InstallError::NotLinux(source.to_owned(), error))?;
            root.sync().map_err(|errno| broken(errno.into()))?;
            let sum = sum::of(&root, Look::Content)?;
            let base = Base {
                name: name.to_owned(),
                source: source.to_owned(),
                created: now,
                files: sum.files,
                bytes: sum.bytes,
                sha256: sum.sha256(),
                stamps: sum.stamps,
            };
            let written = atomic::write(&new.join("manifest"), sum.manifest.as_bytes(), 0o600);
            written.map_err(|error| broken(io::Error::other(error)))?;
            write(&new, &base)?;
            fs::rename(&new, &path).map_err(broken)?;
            sync(&self.folder).map_err(broken)?;
            Ok(base)
        };
        done().inspect_err(|_| self.sweep(name))
    }

    /// Removes a base, with the lock held. Whoever calls knows that no zone uses it.
    ///
    /// # Errors
    /// There is none; it cannot be removed.
    pub fn destroy(&self, name: &str, _lock: &BaseLock) -> Result<(), InstallError> {
        let path = self.place(name).filter(|it| it.is_dir());
        let path = path.ok_or_else(|| none(name))?;
        let broken = |error: io::Error| failed("remove", name, &error);
        self.sweep(name);
        let gone = self.folder.join(format!("{GONE}{name}"));
        fs::rename(&path, &gone).map_err(broken)?;
        sync(&self.folder).map_err(broken)?;
        fs::remove_dir_all(&gone).map_err(broken)
    }

    /// Removes what is left of commands on this base that were killed, with its lock held.
    fn sweep(&self, name: &str) {
        for prefix in [NEW, GONE] {
            // What cannot be removed is told by what makes it anew.
            let _ = fs::remove_dir_all(self.folder.join(format!("{prefix}{name}")));
        }
    }

    /// As `sweep`, for all bases that nobody is at work with; the names of those that were found.
    #[must_use]
    pub fn repair(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let name_of = |it: fs::DirEntry| {
            let name = it.file_name().into_string().ok()?;
            let name = name.strip_prefix(NEW).or_else(|| name.strip_prefix(GONE))?;
            self.place(name).map(|_| name.to_owned())
        };
        let mut names: Vec<String> = entries.filter_map(name_of).collect();
        names.sort();
        names.dedup();
        names.retain(|name| {
            let lock = self.try_lock(name).ok().flatten();
            if lock.is_some() {
                self.sweep(name);
            }
            lock.is_some()
        });
        names
    }

    /// Whether a base is what it was when it was made.
    ///
    /// With [`Look::Stamps`] files are read only when somebody touched one: a base that was brought
    /// back from a backup has other stamps and the same content, and is known by its new stamps
    /// from then on.
    ///
    /// # Errors
    /// It is another one, with the first names that differ; it cannot be read.
    pub fn check(&self, name: &str, look: Look) -> Result<Base, InstallError> {
        let known = self.find(name)?;
        let root = super::open(&self.root(name)?)?;
        if look == Look::Stamps && sum::of(&root, look)?.stamps == known.stamps {
            return Ok(known);
        }
        let found = sum::of(&root, Look::Content)?;
        if found.sha256() != known.sha256 {
            return Err(self.differs(&known, &found));
        }
        if found.stamps == known.stamps {
            return Ok(known);
        }
        let known = Base {
            stamps: found.stamps,
            ..known
        };
        write(&self.folder.join(name), &known)?;
        Ok(known)
    }

    fn differs(&self, known: &Base, found: &Sum) -> InstallError {
        let name = &known.name;
        let manifest = atomic::read(&self.folder.join(name).join("manifest"));
        let manifest = manifest.ok().flatten().unwrap_or_default();
        let what = match sum::sha256(manifest.as_bytes()) == known.sha256 {
            true => sum::differences(&manifest, &found.manifest),
            false => "its manifest was changed, too".to_owned(),
        };
        InstallError::Choice(format!(
            "the base `{name}` is not what it was when it was made from {}: {what}; bring its files \
             back, or make a base of another name with `zoneadm base create` and have the zones use \
             that",
            known.source
        ))
    }
}

fn write(place: &Path, base: &Base) -> Result<(), InstallError> {
    let text = serde_json::to_vec_pretty(base);
    let text = text.map_err(|error| failed("note", &base.name, &error.into()))?;
    let written = atomic::write(&place.join("record"), &text, 0o600);
    written.map_err(|error| failed("note", &base.name, &io::Error::other(error)))
}

fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(mode).create(path)
}

fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

fn failed(verb: &str, name: &str, error: &io::Error) -> InstallError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    InstallError::Choice(format!("cannot {verb} the base `{name}`: {text}"))
}

fn bad_name(name: &str) -> InstallError {
    InstallError::Choice(format!(
        "`{name}` is no name of a base: up to {NAME_MAX} letters, digits and `-_.`, the first no \
         sign"
    ))
}

fn none(name: &str) -> InstallError {
    InstallError::Choice(format!(
        "there is no base `{name}`; make it: `zoneadm base create {name} -s ZONE` or `-t BRAND`, or \
         `install -b {name} -a ARCHIVE`"
    ))
}

/// What the kernel says of a file of a base.
pub(super) fn unreadable(path: &Path) -> impl Fn(Errno) -> InstallError {
    let path = path.to_owned();
    move |source| InstallError::Open {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd as _, AsRawFd as _};

    use super::*;

    fn fill(root: &RootFd) {
        let path = format!("/proc/self/fd/{}", root.as_fd().as_raw_fd());
        let path = Path::new(&path);
        for folder in ["bin", "usr/lib", "etc"] {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        fs::copy("/bin/true", path.join("bin/sh")).unwrap();
        fs::write(path.join("etc/os-release"), "ID=x\n").unwrap();
        std::os::unix::fs::symlink("usr/lib", path.join("lib")).unwrap();
    }

    fn base() -> (tempfile::TempDir, Bases, Base) {
        let folder = tempfile::tempdir().unwrap();
        let bases = Bases::open(folder.path().join("base"));
        let lock = bases.lock("a").unwrap();
        let made = bases.make(("a", &lock), ("nothing", 7), |root| {
            fill(root);
            Ok(())
        });
        (folder, bases, made.unwrap())
    }

    #[test]
    fn a_name_of_a_base_is_one_folder() {
        let bases = Bases::open("/bases".into());
        assert_eq!(bases.place("a-1"), Some(PathBuf::from("/bases/a-1")));
        let long = "a".repeat(NAME_MAX + 1);
        for bad in ["", ".", "..", ".new-a", "a/b", "../a", "-a", "a b", &long] {
            assert_eq!(bases.place(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_base_that_was_changed_is_known() {
        let (_folder, bases, made) = base();
        assert_eq!((made.created, made.files), (7, 7));
        assert_eq!(bases.names(), ["a"]);
        for look in [Look::Stamps, Look::Content] {
            assert_eq!(bases.check("a", look).unwrap(), made);
        }
        let file = bases.root("a").unwrap().join("etc/os-release");
        // The same bytes in a file that was written: other stamps, the same content.
        fs::write(&file, "ID=x\n").unwrap();
        let again = bases.check("a", Look::Stamps).unwrap();
        assert_ne!(again.stamps, made.stamps);
        assert_eq!(bases.find("a").unwrap(), again);
        fs::write(&file, "ID=y\n").unwrap();
        fs::write(file.with_file_name("new"), "").unwrap();
        for look in [Look::Stamps, Look::Content] {
            let said = bases.check("a", look).unwrap_err().to_string();
            assert!(said.contains("made from nothing"), "{said}");
            assert!(said.contains("/etc/new, /etc/os-release"), "{said}");
        }
        fs::write(&file, "ID=x\n").unwrap();
        fs::remove_file(file.with_file_name("new")).unwrap();
        bases.check("a", Look::Stamps).unwrap();
        let lock = bases.lock("a").unwrap();
        bases.destroy("a", &lock).unwrap();
        assert!(bases.destroy("a", &lock).is_err());
        drop(lock);
        assert_eq!(fs::read_dir(&bases.folder).unwrap().count(), 0);
    }

    #[test]
    fn every_change_is_another_base() {
        use std::os::unix::fs::PermissionsExt as _;

        type Change = fn(&Path);
        let changes: [(&str, Change); 5] = [
            ("/bin/sh", |root| {
                let mode = fs::Permissions::from_mode(0o4755);
                fs::set_permissions(root.join("bin/sh"), mode).unwrap();
            }),
            ("/lib", |root| {
                fs::remove_file(root.join("lib")).unwrap();
                std::os::unix::fs::symlink("usr/lip", root.join("lib")).unwrap();
            }),
            ("/usr/lib", |root| {
                fs::remove_dir(root.join("usr/lib")).unwrap();
                fs::write(root.join("usr/lib"), "").unwrap();
            }),
            ("/etc/os-release", |root| {
                fs::remove_file(root.join("etc/os-release")).unwrap();
            }),
            ("/etc/a\\nb", |root| {
                fs::write(root.join("etc/a\nb"), "").unwrap();
            }),
        ];
        for (path, change) in changes {
            let (_folder, bases, _) = base();
            change(&bases.root("a").unwrap());
            let said = bases.check("a", Look::Stamps).unwrap_err().to_string();
            assert!(said.contains(path), "{path}: {said}");
        }
        // Who changes the manifest as well is found by the record.
        let (_folder, bases, _) = base();
        fs::write(bases.root("a").unwrap().join("etc/os-release"), "").unwrap();
        fs::write(bases.folder.join("a/manifest"), "").unwrap();
        let said = bases.check("a", Look::Stamps).unwrap_err().to_string();
        assert!(said.contains("manifest was changed"), "{said}");
        fs::remove_file(bases.folder.join("a/record")).unwrap();
        let said = bases.check("a", Look::Stamps).unwrap_err().to_string();
        assert!(said.contains("is missing or broken"), "{said}");
    }

    #[test]
    fn nothing_is_left_of_one_that_cannot_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let bases = Bases::open(folder.path().to_owned());
        let lock = bases.lock("a").unwrap();
        let refused = bases.make(("a", &lock), ("nothing", 7), |_| Ok(()));
        assert!(matches!(refused, Err(InstallError::NotLinux(..))));
        assert!(bases.names().is_empty());
        assert!(!folder.path().join(".new-a").exists());
    }

    #[test]
    fn what_killed_commands_left_is_swept_unless_somebody_is_at_work() {
        let (_folder, bases, _) = base();
        let left = |name: &str| bases.folder.join(name).join("root/usr");
        for name in [".new-b", ".gone-c"] {
            fs::create_dir_all(left(name)).unwrap();
        }
        let lock = bases.lock("b").unwrap();
        drop(bases.lock("c").unwrap());
        assert_eq!(bases.names(), ["a"]);
        assert_eq!(bases.repair(), ["c"]);
        assert!(left(".new-b").exists() && !left(".gone-c").exists());
        drop(lock);
        assert_eq!(bases.repair(), ["b"]);
        assert!(!left(".new-b").exists());
        assert!(bases.repair().is_empty());
    }
}
