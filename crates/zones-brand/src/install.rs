//! How the files of a zone come to be: one function for each kind of source. The commands that must
//! run inside the zone are handed back as data; nothing of a package runs here.

use std::path::{Path, PathBuf};

use zones_archive::{Devices, Options, Progress};
use zones_debian::{ConfigureStep, HostSources, Request, Variant};
use zones_sys::RootFd;

use crate::Installer;

/// What the administrator asked for, beyond the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    /// `-a`: mirror or archive.
    pub archive: Option<String>,
    /// `-d`: folder to copy.
    pub directory: Option<PathBuf>,
    /// `--suite`.
    pub suite: Option<String>,
    /// `--arch`, as Debian names it.
    pub arch: Option<String>,
    /// `--include`.
    pub include: Vec<String>,
    /// `--variant standard`.
    pub standard: bool,
    /// `--keyring`.
    pub keyring: Option<PathBuf>,
    /// `-P [NAME=]URI`.
    pub publisher: Option<String>,
    /// `-e`: packages beyond the usual ones.
    pub extra: Vec<String>,
    /// `-b`: the base of a sparse zone.
    pub base: Option<String>,
}

/// What was laid down.
#[derive(Debug, Clone, Default)]
pub struct Laid {
    /// Commands to run inside the zone, in order.
    pub steps: Vec<ConfigureStep>,
    /// Lines for the user.
    pub notes: Vec<String>,
    /// Packages, if it came from packages.
    pub packages: usize,
}

/// Why nothing was installed. The root is then to be wiped; what was fetched is kept.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The choices do not go together.
    #[error("{0}")]
    Choice(String),
    /// The host's apt sources.
    #[error("cannot read the apt sources of this host")]
    Sources(#[source] std::io::Error),
    /// From packages.
    #[error(transparent)]
    Debian(#[from] zones_debian::DebianError),
    /// From an archive or folder.
    #[error(transparent)]
    Archive(#[from] zones_archive::ArchiveError),
    /// From a package repository.
    #[error(transparent)]
    Image(#[from] zones_image::ImageError),
    /// It was unpacked, and is no system.
    #[error("`{0}` does not hold a Linux system: {1}")]
    NotLinux(String, zones_archive::NotLinux),
    /// A folder that cannot be opened.
    #[error("cannot open `{}`", path.display())]
    #[allow(missing_docs)]
    Open {
        path: PathBuf,
        source: rustix::io::Errno,
    },
}

/// What the host brings to an installation.
#[derive(Debug, Clone)]
pub struct Host {
    /// Where its `/etc/apt` is; `/` but for tests.
    pub root: PathBuf,
    /// Folder for fetched files.
    pub cache: PathBuf,
    /// Bytes that may stay there; `None`: the usual bound.
    pub cache_limit: Option<u64>,
    /// Seconds since 1970.
    pub now: i64,
}

/// Lays the files of a zone down in `root`, an empty folder.
///
/// # Errors
/// [`InstallError`]; the root is half-made then.
pub fn lay_down(
    installer: Installer,
    choices: &Choices,
    host: &Host,
    root: &RootFd,
    progress: &dyn Progress,
) -> Result<Laid, InstallError> {
    match installer {
        Installer::Debian => from_mirror(choices, host, root, progress),
        Installer::Native => from_host(choices, host, root, progress),
        Installer::Lx => from_archive(choices, root, progress),
        // The root is the hook's to fill, or that of `ipkg::install` and `sparse::install`.
        Installer::Hook | Installer::Ipkg | Installer::Sparse => Ok(Laid::default()),
    }
}

/// Only now is a path in the root known to be of a finished installation.
///
/// # Errors
/// When the root refuses.
pub fn finish(installer: Installer, root: &RootFd) -> Result<(), InstallError> {
    match installer {
        Installer::Debian | Installer::Native => Ok(zones_debian::finish(root)?),
        Installer::Lx | Installer::Hook | Installer::Ipkg | Installer::Sparse => {
            rustix::fs::syncfs(
                root.open_beneath(
                    Path::new("/"),
                    rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY,
                    rustix::fs::Mode::empty(),
                )
                .map_err(|source| InstallError::Open {
                    path: PathBuf::from("/"),
                    source,
                })?,
            )
            .map_err(|source| InstallError::Open {
                path: PathBuf::from("/"),
                source,
            })
        }
    }
}

fn request(choices: &Choices, host: &Host) -> Result<Request, InstallError> {
    let arch = choices
        .arch
        .clone()
        .unwrap_or_else(|| native_arch().to_owned());
    let sources = HostSources::read(&host.root).map_err(InstallError::Sources)?;
    let mut request = Request::new(sources, &arch, host.cache.join("debian"), host.now);
    if let Some(limit) = host.cache_limit {
        request.cache_limit = limit;
    }
    request.include.clone_from(&choices.include);
    request.variant = if choices.standard {
        Variant::Standard
    } else {
        Variant::Minbase
    };
    Ok(request)
}

fn from_mirror(
    choices: &Choices,
    host: &Host,
    root: &RootFd,
    progress: &dyn Progress,
) -> Result<Laid, InstallError> {
    packages(&mirror_request(choices, host)?, root, progress)
}

fn mirror_request(choices: &Choices, host: &Host) -> Result<Request, InstallError> {
    refuse(
        choices.directory.is_some(),
        "brand debian installs from a mirror (-a URI), not from a directory",
    )?;
    let mut request = request(choices, host)?;
    request.mirror.clone_from(&choices.archive);
    request.suite.clone_from(&choices.suite);
    request.keyring.clone_from(&choices.keyring);
    Ok(request)
}

/// What a zone of brand `debian` would be installed from, by the signed index of the mirror as it
/// is now.
///
/// # Errors
/// The choices do not go together, or the mirror does not give a proven index.
pub fn plan_mirror(
    choices: &Choices,
    host: &Host,
    progress: &dyn Progress,
) -> Result<zones_debian::Plan, InstallError> {
    Ok(zones_debian::plan(
        &mirror_request(choices, host)?,
        progress,
    )?)
}

/// The host's own suite and mirrors, and what its apt has downloaded already.
fn from_host(
    choices: &Choices,
    host: &Host,
    root: &RootFd,
    progress: &dyn Progress,
) -> Result<Laid, InstallError> {
    let chosen = choices.archive.is_some() || choices.suite.is_some() || choices.arch.is_some();
    refuse(
        chosen || choices.keyring.is_some(),
        "brand native takes mirror, suite and architecture from the host; use brand debian to choose",
    )?;
    refuse(
        choices.directory.is_some(),
        "brand native installs packages, not a directory",
    )?;
    let mut request = request(choices, host)?;
    request.archives = vec![host.root.join("var/cache/apt/archives")];
    packages(&request, root, progress)
}

fn packages(
    request: &Request,
    root: &RootFd,
    progress: &dyn Progress,
) -> Result<Laid, InstallError> {
    let plan = zones_debian::plan(request, progress)?;
    let mut notes = Vec::new();
    for source in &plan.sources {
        notes.push(format!(
            "{} {} {}",
            source.uri,
            source.suite,
            source.components.join(" ")
        ));
    }
    let steps = zones_debian::install(&plan, root, progress)?;
    Ok(Laid {
        steps,
        notes,
        packages: plan.packages.len(),
    })
}

fn from_archive(
    choices: &Choices,
    root: &RootFd,
    progress: &dyn Progress,
) -> Result<Laid, InstallError> {
    let packaged = choices.suite.is_some()
        || choices.arch.is_some()
        || choices.standard
        || !choices.include.is_empty();
    refuse(
        packaged || choices.keyring.is_some(),
        "brand lx takes -a ARCHIVE or -d DIRECTORY only",
    )?;
    let (name, mut notes) = match (&choices.archive, &choices.directory) {
        (Some(_), Some(_)) => {
            return Err(InstallError::Choice(
                "cannot specify both -a and -d options".to_owned(),
            ));
        }
        (None, None) => {
            return Err(InstallError::Choice(
                "you must specify an installation source using '-a' or '-d'.".to_owned(),
            ));
        }
        (Some(archive), None) => (archive.clone(), unpack(Path::new(archive), root, progress)?),
        (None, Some(folder)) => (folder.display().to_string(), copy(folder, root, progress)?),
    };
    let userland = zones_archive::looks_like_linux(root)
        .map_err(|error| InstallError::NotLinux(name, error))?;
    notes.push(format!(
        "userland: {}, {}-bit",
        userland.machine, userland.bits
    ));
    Ok(Laid {
        notes,
        ..Laid::default()
    })
}

fn unpack(
    archive: &Path,
    root: &RootFd,
    progress: &dyn Progress,
) -> Result<Vec<String>, InstallError> {
    let options = Options::new(archive.display().to_string());
    let report = zones_archive::unpack_file(archive, root, &options, progress)?;
    let mut notes = vec![format!(
        "{} members, {} bytes",
        report.members, report.bytes
    )];
    if report.devices_skipped > 0 {
        notes.push(format!(
            "{} device nodes left out: the zone has its own /dev",
            report.devices_skipped
        ));
    }
    if report.xattrs_skipped > 0 {
        notes.push(format!(
            "{} attributes left out: those of the machine, and access lists that name users \
             (tar --xattrs --xattrs-include='*' keeps these by number)",
            report.xattrs_skipped
        ));
    }
    Ok(notes)
}

fn copy(
    folder: &Path,
    root: &RootFd,
    progress: &dyn Progress,
) -> Result<Vec<String>, InstallError> {
    let from = RootFd::open(folder).map_err(|source| InstallError::Open {
        path: folder.to_owned(),
        source,
    })?;
    let report = zones_archive::copy_tree(&from, root, Devices::Skip, progress)?;
    let mut notes = vec![format!(
        "{} members, {} bytes",
        report.members, report.bytes
    )];
    let mut left_out = |number: u64, what: &str| {
        if number > 0 {
            notes.push(format!("{number} {what}"));
        }
    };
    left_out(
        report.shared,
        "bytes of them share their blocks with the source",
    );
    left_out(
        report.devices_skipped,
        "device nodes left out: the zone has its own /dev",
    );
    left_out(
        report.sockets_skipped,
        "sockets left out: they mean nothing without their process",
    );
    left_out(report.mounts_skipped, "mounted file systems left out");
    Ok(notes)
}

fn refuse(wrong: bool, text: &str) -> Result<(), InstallError> {
    if wrong {
        Err(InstallError::Choice(text.to_owned()))
    } else {
        Ok(())
    }
}

/// The host's architecture in Debian's words. Source: dpkg-architecture(1), cputable.
#[must_use]
pub const fn native_arch() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "amd64"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else if cfg!(target_arch = "riscv64") {
        "riscv64"
    } else if cfg!(target_arch = "s390x") {
        "s390x"
    } else if cfg!(target_arch = "powerpc64") {
        "ppc64el"
    } else {
        "i386"
    }
}
