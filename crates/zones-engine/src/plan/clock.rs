//! The clocks of a zone. All zones share the wall clock of the kernel; what counts from boot may
//! be the zone's own, and a wall clock may be faked for programs that take a preloaded library.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::time::{ClockId, clock_gettime};
use zones_archive::detect_arch;
use zones_config::ZoneConfig;
use zones_sys::{MountAttr, RootFd};

use super::{FsMount, PlanError};

/// Which clocks a zone sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Clock {
    /// The host's, its uptime too.
    Shared,
    /// The host's wall clock; what counts from boot counts from the zone's.
    #[default]
    Isolated,
    /// As isolated; and programs that take a preloaded library see another wall clock.
    Fake(Fake),
}

/// A faked wall clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fake {
    /// What it shows when the zone is made ready, seconds since 1970.
    pub seconds: i64,
    /// The library on the host, or why there is none.
    pub library: Result<PathBuf, String>,
}

/// Where the library is in a zone: on a file system that is made at boot, so that nothing of it is
/// ever on the zone's disk.
const PLACE: &str = "/run/zones-clock/libfaketime.so.1";
const NAME: &str = "faketime/libfaketime.so.1";

/// Files that tell a C library for which the host's is of no use.
const MUSL: &str = "ld-musl-";

impl Clock {
    /// What attr `clock` says: `shared`, `isolated`, or a time such as `2038-01-19T03:14:00Z`.
    pub(super) fn of(config: &ZoneConfig) -> Result<Self, PlanError> {
        match config.attr("clock") {
            None | Some("isolated") => Ok(Self::Isolated),
            Some("shared") => Ok(Self::Shared),
            Some(text) => match text.parse::<jiff::Timestamp>() {
                Ok(time) => Ok(Self::Fake(Fake {
                    seconds: time.as_second(),
                    library: Err("nobody looked for it".to_owned()),
                })),
                Err(_) => Err(PlanError::Clock(format!(
                    "`{text}` is neither shared nor isolated, nor a time such as \
                     2038-01-19T03:14:00Z"
                ))),
            },
        }
    }

    /// Finds the library that fits a root.
    pub(crate) fn settle(&mut self, root: &Path) {
        if let Self::Fake(fake) = self {
            fake.library = library(root, &folders());
        }
    }

    /// Whether what counts from boot is the zone's own.
    pub(crate) fn is_own(&self) -> bool {
        !matches!(self, Self::Shared)
    }

    /// What hinders it, for people.
    pub(crate) fn fault(&self) -> Option<&str> {
        match self {
            Self::Fake(fake) => fake.library.as_ref().err().map(String::as_str),
            _ => None,
        }
    }

    /// What is mounted for it.
    pub(crate) fn mount(&self) -> Option<FsMount> {
        let Self::Fake(fake) = self else {
            return None;
        };
        let library = fake.library.as_ref().ok()?;
        Some(FsMount {
            dir: PLACE.to_owned(),
            special: library.display().to_string(),
            kind: "lofs".to_owned(),
            attributes: MountAttr::RDONLY | MountAttr::NODEV | MountAttr::NOSUID,
            data: Vec::new(),
        })
    }

    /// Variables for programs of the zone. To be asked inside of its time namespace, whose age
    /// says when the zone began. Source: the manual of libfaketime.
    pub(crate) fn environ(&self) -> Vec<String> {
        let Self::Fake(fake) = self else {
            return Vec::new();
        };
        let (wall, age) = (
            clock_gettime(ClockId::Realtime),
            clock_gettime(ClockId::Boottime),
        );
        let began = wall.tv_sec - age.tv_sec - i64::from(wall.tv_nsec < age.tv_nsec);
        let offset = fake.seconds - began;
        vec![
            format!("LD_PRELOAD={PLACE}"),
            format!("FAKETIME={offset:+}s"),
            // What counts from boot is true already; faked, some programs spin.
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            "DONT_FAKE_MONOTONIC=1".to_owned(),
            // No objects of its own in the zone's memory.
            "FAKETIME_DISABLE_SHM=1".to_owned(),
        ]
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => f.write_str("the host's"),
            Self::Isolated => f.write_str("counts from boot"),
            Self::Fake(fake) => write!(f, "counts from boot, shows {} + age", fake.seconds),
        }
    }
}

/// Folders of the host that may hold the library.
fn folders() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/usr/lib64"), PathBuf::from("/usr/lib")];
    // One for each machine whose packages the host has.
    let items = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten();
    let machines = items.map(|item| item.path());
    found.extend(machines.filter(|path| path.to_string_lossy().contains("-linux-")));
    found.sort();
    found
}

fn library(root: &Path, folders: &[PathBuf]) -> Result<PathBuf, String> {
    let remedy = "; install the distribution's package (faketime or libfaketime) for that machine \
                  on the host, or set attr clock=isolated";
    let files = zones_storage::look(root).map_err(|error| error.to_string())?;
    let machine = detect_arch(&files);
    let machine =
        machine.ok_or_else(|| "the zone has no program to tell its machine".to_owned())?;
    if has_musl(&files) {
        let why = "the zone has another C library (musl) than the host's libfaketime is made for";
        return Err(format!("{why}; set attr clock=isolated"));
    }
    let wanted = (machine.bits, machine.elf_machine);
    let found = folders.iter().map(|folder| folder.join(NAME));
    let mut found = found.filter(|path| header(path) == Some(wanted));
    found.next().ok_or_else(|| {
        format!(
            "the host has no libfaketime for {}{remedy}",
            machine.machine
        )
    })
}

fn has_musl(root: &RootFd) -> bool {
    let items = root.read_dir(Path::new("/lib")).unwrap_or_default();
    let mut names = items.iter().map(|item| item.name.to_string_lossy());
    names.any(|name| name.starts_with(MUSL))
}

/// Bits and machine of an ELF file. Source: elf(5).
fn header(path: &Path) -> Option<(u8, u16)> {
    let mut head = [0u8; 20];
    std::fs::File::open(path).ok()?.read_exact(&mut head).ok()?;
    let pair = [head[18], head[19]];
    let machine = match head[5] {
        2 => u16::from_be_bytes(pair),
        _ => u16::from_le_bytes(pair),
    };
    let bits = match (head.starts_with(b"\x7fELF"), head[4]) {
        (true, 1) => 32,
        (true, 2) => 64,
        _ => return None,
    };
    Some((bits, machine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_of_another_machine_is_none() {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let elf = |machine: u16| {
            let mut head = b"\x7fELF\x02\x01\x01".to_vec();
            head.resize(18, 0);
            head.extend(machine.to_le_bytes());
            head
        };
        std::fs::write(bin.join("sh"), elf(183)).unwrap();
        let host = tempfile::tempdir().unwrap();
        let folder = host.path().join("faketime");
        std::fs::create_dir(&folder).unwrap();
        let folders = [host.path().to_owned()];
        std::fs::write(folder.join("libfaketime.so.1"), elf(62)).unwrap();
        let said = library(root.path(), &folders).unwrap_err();
        assert!(
            said.contains("no libfaketime for aarch64; install"),
            "{said}"
        );
        std::fs::write(folder.join("libfaketime.so.1"), elf(183)).unwrap();
        assert_eq!(library(root.path(), &folders), Ok(folders[0].join(NAME)));
        std::fs::create_dir(root.path().join("lib")).unwrap();
        std::fs::write(root.path().join("lib/ld-musl-aarch64.so.1"), "").unwrap();
        assert!(library(root.path(), &folders).unwrap_err().contains("musl"));
    }

    #[test]
    fn a_fake_clock_goes_on_from_its_time() {
        let fake = Fake {
            seconds: 2_147_483_640,
            library: Err(String::new()),
        };
        let clock = Clock::Fake(fake);
        let environ = clock.environ();
        let offset = environ
            .iter()
            .find_map(|it| it.strip_prefix("FAKETIME="))
            .unwrap();
        assert!(
            offset.starts_with(['+', '-']) && offset.ends_with('s'),
            "{offset}"
        );
        assert!(clock.mount().is_none() && clock.fault().is_some());
        assert_eq!(Clock::Isolated.environ(), [""; 0]);
    }
}
