//! What is left to do inside of the zone.

use std::path::Path;

use rustix::io::Errno;
use zones_sys::RootFd;

use crate::database::info_name;
use crate::error::DebianError;
use crate::lay::Laid;
use crate::shortcuts::remove_shortcuts;
use crate::skeleton::{POLICY, write};

/// One command to run inside the zone's namespaces, with `/proc`, `/dev` and an empty
/// environment but for `env`. It must exit with status 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigureStep {
    /// What it is for, for messages.
    pub name: &'static str,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// What it reads; nothing means `/dev/null`.
    pub stdin: Option<Vec<u8>>,
    /// The caller should let fsync(2), fdatasync(2), sync(2), syncfs(2) and sync_file_range(2)
    /// of this command do nothing and succeed (a seccomp filter that answers errno 0): a root
    /// that is not whole yet is never kept, and [`finish`] writes all to disk once. It saves a
    /// third of the time on a disk; without it all still works.
    pub skip_sync: bool,
}

/// Folder in the root for packages that dpkg itself must unpack.
pub(crate) const LATE: &str = "/var/cache/apt/archives";

/// Runs scripts that come before a package is unpacked. Their packages are in place already,
/// which is also what they see when a package is installed again.
const PREINST: &str = "for p do\n\
    DPKG_MAINTSCRIPT_PACKAGE=${p%%:*} DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 \
    DPKG_MAINTSCRIPT_NAME=preinst DEBCONF_PACKAGE=${p%%:*} \
    \"/var/lib/dpkg/info/$p.preinst\" install || \
    { echo \"preinst of $p failed\" >&2; exit 1; }\n\
    done";

/// The usual search path behind [`SHORTCUTS`](crate::shortcuts::SHORTCUTS).
const PATH: &str = "/var/lib/zones-install:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:\
                    /sbin:/bin";

fn environment(arch: &str) -> Vec<(String, String)> {
    [
        ("PATH", PATH),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DPKG_MAINTSCRIPT_ARCH", arch),
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("DPKG_ROOT", ""),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// The steps for packages that are in place. `all` is sorted by package.
pub(crate) fn steps(arch: &str, all: &[Laid], late: &[String]) -> Vec<ConfigureStep> {
    let step = |name, argv: Vec<String>| ConfigureStep {
        name,
        argv,
        env: environment(arch),
        stdin: None,
        skip_sync: true,
    };
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let has_script = |l: &&Laid| !l.late && l.control.file("preinst").is_some();
    let mut scripts: Vec<String> = all.iter().filter(has_script).map(info_name).collect();
    // Its script makes the users that others give files to.
    scripts.sort_by_key(|name| name != "base-passwd");
    let mut steps = Vec::new();
    if !scripts.is_empty() {
        let mut argv = words(&["/bin/sh", "-c", PREINST, "preinst"]);
        argv.extend(scripts);
        steps.push(step("preparing packages", argv));
    }
    // Nothing is kept across a power loss before the root is whole, so no fsync for each file.
    let force = "--force-unsafe-io,confdef,confold,depends";
    if !late.is_empty() {
        let mut argv = words(&["/usr/bin/dpkg", force, "--unpack"]);
        argv.extend(late.iter().map(|file| format!("{LATE}/{file}")));
        steps.push(step("unpacking packages that move files of others", argv));
    }
    let argv = words(&[
        "/usr/bin/dpkg",
        "--force-unsafe-io,confdef,confold",
        "--configure",
        "-a",
    ]);
    steps.push(step("configuring packages", argv));
    steps
}

/// Files that only the installation needed, or that would make all zones alike.
const LEFTOVERS: [&str; 12] = [
    POLICY,
    "/var/lib/dpkg/status-old",
    "/var/lib/dpkg/diversions-old",
    "/var/lib/dpkg/statoverride-old",
    "/var/lib/dpkg/available-old",
    "/var/cache/debconf/config.dat-old",
    "/var/cache/debconf/templates.dat-old",
    "/var/cache/ldconfig/aux-cache",
    "/var/log/alternatives.log",
    "/var/log/bootstrap.log",
    "/var/log/dpkg.log",
    "/var/lib/systemd/random-seed",
];

/// Removes what only the installation needed, leaves the machine id for the first boot to
/// make, and writes the file system to disk. Run after the last [`ConfigureStep`].
///
/// # Errors
/// When the root refuses.
pub fn finish(root: &RootFd) -> Result<(), DebianError> {
    for path in LEFTOVERS {
        let path = Path::new(path);
        match root.unlink(path) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(source) => {
                return Err(DebianError::Root {
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
    remove_shortcuts(root)?;
    let archives = Path::new(LATE);
    if let Ok(items) = root.read_dir(archives) {
        for item in items
            .iter()
            .filter(|i| i.name.to_string_lossy().ends_with(".deb"))
        {
            let path = archives.join(&item.name);
            root.unlink(&path)
                .map_err(|source| DebianError::Root { path, source })?;
        }
    }
    // Empty means: to be made at boot. Source: machine-id(5).
    write(root, "/etc/machine-id", b"", 0o444)?;
    root.sync().map_err(|source| DebianError::Root {
        path: "/".into(),
        source,
    })
}
