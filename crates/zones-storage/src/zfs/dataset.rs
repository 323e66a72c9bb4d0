//! Datasets of roots: where they lie, how they are made, and what depends on them.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::command::{self, ZfsError};
use super::pointer::Pointer;
use crate::driver::Cause;

/// Begins the names of snapshots that copies are made of.
pub(super) const OURS: &str = "zones-";
/// What holds the datasets of a zone's roots. Source: zones(7), the layout of zonepath datasets.
const OF_ZONE: &str = "ROOT";
/// What holds those of zones that have no dataset of their own for the zonepath.
const OF_MANY: &str = "zones-roots";
/// Both.
pub(super) const CONTAINERS: [&str; 2] = [OF_ZONE, OF_MANY];
/// Folders of roots below a zonepath.
const FOLDERS: [&str; 3] = ["be", "snap", ".import"];

/// Nobody mounts these but whoever looks into a root, as processes of a zone may read extended
/// attributes and access lists. Snapshots are no folder `.zfs` in the zone.
const PROPERTIES: [&str; 6] = [
    "mountpoint=legacy",
    "zoned=on",
    "xattr=sa",
    "acltype=posix",
    "relatime=on",
    "snapdir=disabled",
];

/// A mounted dataset and a folder in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The dataset.
    pub(super) holder: String,
    /// Where it is mounted.
    pub(super) mountpoint: PathBuf,
    /// The name below `holder` of what holds the datasets of roots.
    pub(super) container: &'static str,
}

impl Place {
    /// That of an existing folder.
    pub(super) fn of(folder: &Path) -> Result<Self, Errno> {
        let meta = std::fs::metadata(folder);
        let meta = meta.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let table = std::fs::read_to_string("/proc/self/mountinfo").map_err(|_| Errno::IO)?;
        Self::find(&table, meta.dev(), folder).ok_or(Errno::NODEV)
    }

    fn find(table: &str, device: u64, folder: &Path) -> Option<Self> {
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let device = format!("{major}:{minor}");
        let mounts = table.lines().filter_map(Mount::parse);
        let mut mounts = mounts.filter(|it| it.device == device && it.is_whole);
        let first = mounts.next()?;
        // One dataset may be mounted at several places.
        let mut all = std::iter::once(first.clone()).chain(mounts);
        let mount = all
            .find(|it| folder.starts_with(&it.place))
            .unwrap_or(first);
        let below = folder.strip_prefix(&mount.place).ok();
        let is_home = below.is_some_and(|it| {
            it.as_os_str().is_empty() || FOLDERS.iter().any(|name| it == Path::new(name))
        });
        Some(Self {
            holder: mount.source,
            mountpoint: mount.place,
            container: if is_home { OF_ZONE } else { OF_MANY },
        })
    }

    /// What holds the datasets of roots here.
    pub(super) fn container(&self) -> String {
        format!("{}/{}", self.holder, self.container)
    }
}

/// A line of the kernel's table. Source: proc(5), `/proc/PID/mountinfo`.
#[derive(Debug, Clone)]
struct Mount {
    device: String,
    is_whole: bool,
    place: PathBuf,
    source: String,
}

impl Mount {
    /// `None` for what is no ZFS.
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let source = right.strip_prefix("zfs ")?.split(' ').next()?;
        let mut fields = left.split(' ').skip(2);
        let device = fields.next()?.to_owned();
        let is_whole = fields.next()? == "/";
        Some(Self {
            device,
            is_whole,
            place: plain(fields.next()?).into(),
            source: plain(source),
        })
    }
}

/// Undoes the octal escapes of the table.
fn plain(text: &str) -> String {
    const ESCAPES: [(&str, &str); 4] = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let escaped = ESCAPES.iter();
    escaped.fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The pool that a dataset lies in.
pub(super) fn pool(dataset: &str) -> &str {
    dataset.split('/').next().unwrap_or(dataset)
}

/// Makes an empty one.
pub(super) fn create(place: &Place, pointer: &Pointer) -> Result<(), Cause> {
    let (lock, dataset) = (pointer.lock(), pointer.dataset());
    in_container(place, || {
        command::run_locked(lock, "create", &["-o", "canmount=noauto"], &[&dataset])
    })
}

/// Makes a clone; its snapshot goes by itself when nothing needs it any more.
pub(super) fn clone(place: &Place, pointer: &Pointer, is_frozen: bool) -> Result<(), Cause> {
    let origin = pointer.origin().ok_or(Errno::INVAL)?;
    pointer.take_snapshot()?;
    let mut options = vec!["-o", "canmount=noauto"];
    if is_frozen {
        options.extend(["-o", "readonly=on"]);
    }
    let dataset = pointer.dataset();
    in_container(place, || {
        command::run_locked(pointer.lock(), "clone", &options, &[origin, &dataset])
    })?;
    command::run("destroy", &["-d"], origin)?;
    Ok(())
}

/// Makes the container when that is what a dataset lacks.
fn in_container(place: &Place, make: impl Fn() -> Result<String, ZfsError>) -> Result<(), Cause> {
    match make() {
        Err(error) if error.is_orphan() => {
            make_container(&place.container())?;
            make()?;
        }
        other => drop(other?),
    }
    Ok(())
}

fn make_container(name: &str) -> Result<(), ZfsError> {
    let with = |properties: &[&str]| {
        let options: Vec<&str> = properties.iter().flat_map(|it| ["-o", *it]).collect();
        match command::run("create", &options, name) {
            // Somebody else was quicker.
            Err(error) if error.is_taken() => Ok(()),
            other => other.map(drop),
        }
    };
    match with(&PROPERTIES) {
        // Before OpenZFS 2.3 the folder is only hidden.
        Err(error) if error.is_about("snapdir") => with(&PROPERTIES[..5]),
        other => other,
    }
}

/// What depends on a dataset.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Snapshots, the oldest first, each with its clones.
    snapshots: Vec<(String, Vec<String>)>,
    /// Datasets in it.
    children: Vec<String>,
}

/// What must be done before a dataset can go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan<'a> {
    /// A clone that takes over the snapshots up to its own.
    pub(super) promote: Option<&'a str>,
    /// Snapshots that nobody needs.
    pub(super) destroy: Vec<&'a str>,
}

impl Census {
    /// That of a dataset; `None` when there is none.
    pub(super) fn of(dataset: &str) -> Result<Option<Self>, Cause> {
        const OPTIONS: [&str; 11] = [
            "-H",
            "-p",
            "-r",
            "-d",
            "1",
            "-t",
            "all",
            "-s",
            "createtxg",
            "-o",
            "name,clones",
        ];
        match command::run("list", &OPTIONS, dataset) {
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
            Ok(text) => Ok(Some(Self::parse(dataset, &text)?)),
        }
    }

    fn parse(dataset: &str, text: &str) -> Result<Self, ZfsError> {
        let mut census = Self::default();
        for line in text.lines() {
            let odd = || ZfsError::Odd {
                verb: "list",
                dataset: dataset.to_owned(),
                line: line.to_owned(),
            };
            let (name, clones) = line.split_once('\t').ok_or_else(odd)?;
            let rest = name.strip_prefix(dataset).ok_or_else(odd)?;
            match rest.chars().next() {
                None | Some('#') => {}
                Some('/') => census.children.push(name.to_owned()),
                Some('@') => {
                    let clones = clones.split(',').filter(|it| !matches!(*it, "" | "-"));
                    let clones = clones.map(str::to_owned).collect();
                    census.snapshots.push((name.to_owned(), clones));
                }
                Some(_) => return Err(odd()),
            }
        }
        Ok(census)
    }

    /// All but one child.
    pub(super) fn without(mut self, child: &str) -> Self {
        self.children.retain(|it| it != child);
        self
    }

    /// Snapshots of others that come after the last clone have nobody to go to.
    pub(super) fn plan(&self, dataset: &str) -> Result<Plan<'_>, ZfsError> {
        let foreign = |other: &str| ZfsError::Foreign {
            dataset: dataset.to_owned(),
            other: other.to_owned(),
        };
        if let Some(child) = self.children.first() {
            return Err(foreign(child));
        }
        let last = self.snapshots.iter().rposition(|(_, it)| !it.is_empty());
        let promote = last.and_then(|at| self.snapshots.get(at)?.1.first());
        let rest = self.snapshots.iter().skip(last.map_or(0, |at| at + 1));
        let mut destroy = Vec::new();
        for (name, _) in rest {
            let own = name
                .split_once('@')
                .is_some_and(|it| it.1.starts_with(OURS));
            if !own {
                return Err(foreign(name));
            }
            destroy.push(name.as_str());
        }
        Ok(Plan {
            promote: promote.map(String::as_str),
            destroy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
        27 1 0:27 / / rw - ext4 /dev/vda rw\n\
        33 27 0:29 / /z rw,relatime - zfs tank rw,xattr\n\
        34 33 0:30 / /z/my\\040zone rw,relatime - zfs tank/my\\040zone rw,xattr\n\
        35 27 0:29 /sub /bound rw,relatime - zfs tank rw,xattr\n";

    #[test]
    fn a_folder_is_found_in_the_table_of_mounts() {
        let find = |minor, folder: &str| {
            Place::find(TABLE, rustix::fs::makedev(0, minor), Path::new(folder))
                .map(|it| it.container())
        };
        for (minor, folder, container) in [
            (29, "/z", Some("tank/ROOT")),
            (29, "/z/be", Some("tank/ROOT")),
            (29, "/z/web", Some("tank/zones-roots")),
            (29, "/elsewhere", Some("tank/zones-roots")),
            (30, "/z/my zone/snap", Some("tank/my zone/ROOT")),
            (27, "/", None),
        ] {
            assert_eq!(find(minor, folder).as_deref(), container, "{folder}");
        }
    }

    #[test]
    fn clones_take_over_what_they_need() {
        let plan = |text: &str| {
            let census = Census::parse("t/a", text)?;
            let plan = census.plan("t/a")?;
            let destroy: Vec<String> = plan.destroy.into_iter().map(str::to_owned).collect();
            Ok::<_, ZfsError>((plan.promote.map(str::to_owned), destroy.join(" ")))
        };
        let fine = |promote: Option<&str>, destroy: &str| {
            Ok((promote.map(str::to_owned), destroy.to_owned()))
        };
        assert_eq!(plan("t/a\t-\n"), fine(None, ""));
        assert_eq!(plan("t/a\t-\nt/a#mark\t-\n"), fine(None, ""));
        assert_eq!(plan("t/a\t-\nt/a@zones-1\t\n"), fine(None, "t/a@zones-1"));
        let two = "t/a\t-\nt/a@zones-1\tt/x\nt/a@mine\t\nt/a@zones-2\tt/y,t/z\nt/a@zones-3\t\n";
        assert_eq!(plan(two), fine(Some("t/y"), "t/a@zones-3"));
        for (text, other) in [
            ("t/a\t-\nt/a@zones-1\tt/x\nt/a@daily\t\n", "t/a@daily"),
            ("t/a\t-\nt/a/data\t-\n", "t/a/data"),
        ] {
            let refused = plan(text).unwrap_err().to_string();
            assert!(refused.contains(other), "{refused}");
        }
        for odd in ["t/a", "t/b\t-\n", "t/ab\t-\n"] {
            assert!(matches!(plan(odd), Err(ZfsError::Odd { .. })), "{odd}");
        }
    }
}
