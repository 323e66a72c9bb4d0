//! Sparse zones: the folders of programs are those of a base, mounted read-only; the rest of the
//! root is the zone's own. Source: zonecfg(1M) of Solaris 10, `inherit-pkg-dir`; there the base is
//! the global zone, here it is a folder that nobody runs and nobody writes.

mod base;
mod sum;

use std::path::{Path, PathBuf};

use rustix::io::Errno;
use zones_archive::{Devices, Options, Progress, Silent, copy_tree, copy_tree_except, unpack_file};
use zones_config::ZoneConfig;
use zones_sys::{Dir, RootFd};

use crate::identity::Identity;
use crate::install::{Choices, InstallError, Laid};

pub use base::{Base, BaseLock, Bases};
pub use sum::Look;

/// The brand.
pub const BRAND: &str = "sparse";
/// The attr that the description of a detached zone has and a configuration does not: the hash of
/// the manifest of its base.
pub const BASE_HASH: &str = "base-sha256";
/// Name of the base of zones that name none.
const DEFAULT_BASE: &str = "default";
/// What a zone shares that names nothing. Those that a base does not have, or has as a link into
/// another one, are passed over.
const DEFAULT_FOLDERS: [&str; 7] = [
    "/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr",
];

/// Whether a zone shares folders of a base.
#[must_use]
pub fn is_sparse(config: &ZoneConfig) -> bool {
    config.brand_or_default().as_str() == BRAND
}

/// Name of the base of a zone: the attribute `base`.
#[must_use]
pub fn base_of(config: &ZoneConfig) -> &str {
    config.attr("base").unwrap_or(DEFAULT_BASE)
}

/// What a zone shares with its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The root of the base.
    pub root: PathBuf,
    /// Folders in it, sorted, as absolute paths in the zone; none lies in another one.
    pub folders: Vec<String>,
}

/// What a zone shares: only what the base has as folders.
///
/// # Errors
/// There is no such base.
pub fn shared(config: &ZoneConfig, bases: &Bases) -> Result<Shared, InstallError> {
    let root = bases.root(base_of(config))?;
    let base = open(&root)?;
    let mut all: Vec<String> = match config.inherit_pkg_dirs.as_slice() {
        [] => DEFAULT_FOLDERS.map(str::to_owned).to_vec(),
        named => named.iter().map(|it| it.dir.clone()).collect(),
    };
    all.retain(|it| folder(&base, it).is_ok());
    all.sort();
    // One that lies in another one is shared with that.
    let mut folders: Vec<String> = Vec::new();
    for path in all {
        if !folders.iter().any(|it| Path::new(&path).starts_with(it)) {
            folders.push(path);
        }
    }
    Ok(Shared { root, folders })
}

fn folder(base: &RootFd, path: &str) -> Result<Dir, Errno> {
    base.dir_without_links(Path::new(path.trim_start_matches('/')))
}

/// Lays down what the zone has for itself. The base is made before if an archive or a folder for it
/// is given, else it is looked at as [`Bases::check`] says. `now` is in seconds since 1970.
///
/// # Errors
/// No such base; one of this name and an archive for it; a base that somebody changed; what cannot
/// be copied.
pub fn install(
    config: &ZoneConfig,
    choices: &Choices,
    (bases, now): (&Bases, i64),
    root: &RootFd,
    progress: &dyn Progress,
) -> Result<Laid, InstallError> {
    let name = base_of(config);
    let lock = bases.lock(name)?;
    let mut notes = Vec::new();
    if choices.archive.is_some() || choices.directory.is_some() {
        let made = make_base(bases, (name, &lock), choices, now, progress)?;
        let (files, bytes) = (made.files, made.bytes);
        notes.push(format!(
            "base {name}: {files} files, {bytes} bytes, once for all zones"
        ));
    } else {
        bases.check(name, Look::Stamps)?;
    }
    let shared = shared(config, bases)?;
    let base = open(&shared.root)?;
    let is_shared = |it: &Path| {
        let it = Path::new("/").join(it);
        shared.folders.iter().any(|folder| it == *folder)
    };
    let report = copy_tree_except(&base, root, Devices::Skip, &is_shared, progress)?;
    let renewed = Identity::default().renew(root, name, config.name.as_str());
    renewed.map_err(|error| InstallError::Open {
        path: error.path,
        source: error.source,
    })?;
    notes.push(format!(
        "{} files, {} bytes of its own; {} of base {name}",
        report.members,
        report.bytes,
        shared.folders.join(" ")
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

/// Makes a base of an archive or a folder.
fn make_base(
    bases: &Bases,
    (name, lock): (&str, &BaseLock),
    choices: &Choices,
    now: i64,
    progress: &dyn Progress,
) -> Result<Base, InstallError> {
    let source = match (&choices.archive, &choices.directory) {
        (Some(archive), None) => archive.clone(),
        (None, Some(folder)) => folder.display().to_string(),
        _ => {
            let text = "cannot specify both -a and -d options".to_owned();
            return Err(InstallError::Choice(text));
        }
    };
    bases.make((name, lock), (&source, now), |base| {
        match &choices.directory {
            None => {
                let options = Options::new(source.clone());
                unpack_file(Path::new(&source), base, &options, progress)?;
            }
            Some(folder) => {
                copy_tree(&open(folder)?, base, Devices::Skip, &Silent)?;
            }
        }
        Ok(())
    })
}

/// Makes a base of the files of a zone, which are another machine's from then on: see
/// [`Identity`].
///
/// # Errors
/// As those of [`Bases::make`].
pub fn make_of_zone(
    bases: &Bases,
    (name, lock): (&str, &BaseLock),
    (files, zone): (&RootFd, &str),
    (source, now): (&str, i64),
    progress: &dyn Progress,
) -> Result<Base, InstallError> {
    bases.make((name, lock), (source, now), |base| {
        copy_tree(files, base, Devices::Skip, progress)?;
        let renewed = Identity::default().renew(base, zone, name);
        renewed.map_err(|error| InstallError::Open {
            path: error.path,
            source: error.source,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_folders_of_the_base_are_shared_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let bases = Bases::open(folder.path().to_owned());
        let base = folder.path().join("default/root");
        for path in ["usr/bin", "usr/lib", "sbin", "home"] {
            fs::create_dir_all(base.join(path)).unwrap();
        }
        std::os::unix::fs::symlink("usr/bin", base.join("bin")).unwrap();
        let mut config = ZoneConfig::blank("z".parse().unwrap());
        let folders = |config: &ZoneConfig| shared(config, &bases).map(|it| it.folders);
        assert_eq!(folders(&config).unwrap(), ["/sbin", "/usr"]);
        for dir in ["/usr/lib", "/home", "/usr", "/bin", "/none", "/../home"] {
            let dir = dir.to_owned();
            config
                .inherit_pkg_dirs
                .push(zones_config::InheritPkgDir { dir });
        }
        assert_eq!(folders(&config).unwrap(), ["/home", "/usr"]);
        fs::rename(folder.path().join("default"), folder.path().join("other")).unwrap();
        assert!(folders(&config).is_err());
    }
}
