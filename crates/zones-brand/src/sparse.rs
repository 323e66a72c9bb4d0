//! Sparse zones: the folders of programs are those of a base, mounted read-only; the rest of the
//! root is the zone's own. Source: zonecfg(1M) of Solaris 10, `inherit-pkg-dir`; there the base is
//! the global zone, here it is a folder that nobody runs and nobody writes.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use zones_archive::{Devices, Options, Progress, Silent, copy_tree, copy_tree_except, unpack_file};
use zones_config::ZoneConfig;
use zones_sys::{Dir, RootFd};

use crate::install::{Choices, InstallError, Laid};

/// The brand.
pub const BRAND: &str = "sparse";
/// Name of the base of zones that name none.
const DEFAULT_BASE: &str = "default";
/// What a zone shares that names nothing. Those that a base does not have, or has as a link into
/// another one, are passed over.
const DEFAULT_FOLDERS: [&str; 7] = [
    "/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr",
];
/// Begins the names of bases that are being made.
const UNFINISHED: &str = ".new-";

/// Name of the base of a zone: the attribute `base`.
#[must_use]
pub fn base_of(config: &ZoneConfig) -> &str {
    config.attr("base").unwrap_or(DEFAULT_BASE)
}

/// Where the base of this name is, below the folder of all bases.
#[must_use]
pub fn base_path(bases: &Path, name: &str) -> Option<PathBuf> {
    let is_letter = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    let is_fine = name.starts_with(|it: char| it.is_ascii_alphanumeric());
    (is_fine && name.chars().all(is_letter)).then(|| bases.join(name))
}

/// The folders that a zone shares with its base, sorted, as absolute paths in it; only those that
/// the base has as folders.
///
/// # Errors
/// There is no such base.
pub fn folders(config: &ZoneConfig, bases: &Path) -> Result<Vec<String>, InstallError> {
    let name = base_of(config);
    let path = base_path(bases, name).ok_or_else(|| no_base(name))?;
    let base = match RootFd::open(&path) {
        Ok(base) => base,
        Err(_) => return Err(no_base(name)),
    };
    let mut all: Vec<String> = match config.inherit_pkg_dirs.as_slice() {
        [] => DEFAULT_FOLDERS.map(str::to_owned).to_vec(),
        named => named.iter().map(|it| it.dir.clone()).collect(),
    };
    all.retain(|it| folder(&base, it).is_ok());
    all.sort();
    // One that lies in another one is shared with that.
    let mut kept: Vec<String> = Vec::new();
    for path in all {
        if !kept.iter().any(|it| Path::new(&path).starts_with(it)) {
            kept.push(path);
        }
    }
    Ok(kept)
}

fn no_base(name: &str) -> InstallError {
    InstallError::Choice(format!(
        "there is no base `{name}`; make it while installing: install -b {name} -a ARCHIVE"
    ))
}

fn folder(base: &RootFd, path: &str) -> Result<Dir, Errno> {
    base.dir_without_links(Path::new(path.trim_start_matches('/')))
}

/// Lays down what the zone has for itself. The base is made before if an archive or a folder for it
/// is given.
///
/// # Errors
/// No such base; one of this name and an archive for it; what cannot be copied.
pub fn install(
    config: &ZoneConfig,
    choices: &Choices,
    bases: &Path,
    root: &RootFd,
    progress: &dyn Progress,
) -> Result<Laid, InstallError> {
    let name = base_of(config);
    let mut notes = Vec::new();
    if choices.archive.is_some() || choices.directory.is_some() {
        notes.push(make_base(name, choices, bases, progress)?);
    }
    let shared = folders(config, bases)?;
    let path = base_path(bases, name).ok_or_else(|| no_base(name))?;
    let base = open(&path)?;
    let is_shared = |it: &Path| {
        shared
            .iter()
            .any(|folder| Path::new("/").join(it) == *folder)
    };
    let report = copy_tree_except(&base, root, Devices::Skip, &is_shared, progress)?;
    notes.push(format!(
        "{} files, {} bytes of its own; {} of base {name}",
        report.members,
        report.bytes,
        shared.join(" ")
    ));
    Ok(Laid {
        notes,
        ..Laid::default()
    })
}

fn open(path: &Path) -> Result<RootFd, InstallError> {
    RootFd::open(path).map_err(|source| InstallError::Open {
        path: path.to_owned(),
        source,
    })
}

/// Makes a base, whole or not at all; what it holds.
fn make_base(
    name: &str,
    choices: &Choices,
    bases: &Path,
    progress: &dyn Progress,
) -> Result<String, InstallError> {
    let path = base_path(bases, name).ok_or_else(|| no_base(name))?;
    if path.exists() {
        let text = format!("there is a base `{name}` already; leave -a and -d out to use it");
        return Err(InstallError::Choice(text));
    }
    let new = bases.join(format!("{UNFINISHED}{name}"));
    let failed = |error: std::io::Error| InstallError::Open {
        path: new.clone(),
        source: Errno::from_io_error(&error).unwrap_or(Errno::IO),
    };
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(bases)
        .map_err(failed)?;
    // From an installation that was killed.
    let _ = fs::remove_dir_all(&new);
    fs::DirBuilder::new()
        .mode(0o755)
        .create(&new)
        .map_err(failed)?;
    let done = fill_base(&new, choices, progress).and_then(|text| {
        fs::rename(&new, &path).map_err(failed)?;
        Ok(format!("base {name}: {text}"))
    });
    if done.is_err() {
        let _ = fs::remove_dir_all(&new);
    }
    done
}

fn fill_base(
    new: &Path,
    choices: &Choices,
    progress: &dyn Progress,
) -> Result<String, InstallError> {
    let base = open(new)?;
    let (source, members, bytes) = match (&choices.archive, &choices.directory) {
        (Some(archive), None) => {
            let options = Options::new(archive.clone());
            let report = unpack_file(Path::new(archive), &base, &options, progress)?;
            (archive.clone(), report.members, report.bytes)
        }
        (None, Some(folder)) => {
            let report = copy_tree(&open(folder)?, &base, Devices::Skip, &Silent)?;
            (folder.display().to_string(), report.members, report.bytes)
        }
        _ => {
            let text = "cannot specify both -a and -d options".to_owned();
            return Err(InstallError::Choice(text));
        }
    };
    zones_archive::looks_like_linux(&base)
        .map_err(|error| InstallError::NotLinux(source, error))?;
    let _ = base.sync();
    Ok(format!(
        "{members} files, {bytes} bytes, once for all zones"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_base_is_one_folder() {
        let bases = Path::new("/bases");
        assert_eq!(base_path(bases, "a-1"), Some(PathBuf::from("/bases/a-1")));
        for bad in ["", ".", "..", ".new-a", "a/b", "../a", "-a", "a b"] {
            assert_eq!(base_path(bases, bad), None, "{bad}");
        }
    }

    #[test]
    fn only_folders_of_the_base_are_shared_and_each_once() {
        let bases = tempfile::tempdir().unwrap();
        let base = bases.path().join("default");
        for path in ["usr/bin", "usr/lib", "sbin", "home"] {
            fs::create_dir_all(base.join(path)).unwrap();
        }
        std::os::unix::fs::symlink("usr/bin", base.join("bin")).unwrap();
        let mut config = ZoneConfig::blank("z".parse().unwrap());
        assert_eq!(folders(&config, bases.path()).unwrap(), ["/sbin", "/usr"]);
        for dir in ["/usr/lib", "/home", "/usr", "/bin", "/none", "/../home"] {
            let dir = dir.to_owned();
            config
                .inherit_pkg_dirs
                .push(zones_config::InheritPkgDir { dir });
        }
        assert_eq!(folders(&config, bases.path()).unwrap(), ["/home", "/usr"]);
        fs::rename(&base, bases.path().join("other")).unwrap();
        assert!(folders(&config, bases.path()).is_err());
    }
}
