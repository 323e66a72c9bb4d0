//! What ZFS tells a receiver of the difference between two datasets, read for the numbers of files.
//!
//! `zfs diff` is not asked: it names a file by the folder that it was linked into last, and passes
//! over one that has lost that name. A stream names every file that changed by its number, and
//! some of their neighbours; where these files are, a walk through the names of both trees tells.

use std::collections::HashMap;
use std::io::BufReader;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;
use zones_archive::Candidates;

use super::command::{self, Running, ZfsError};
use super::dataset::{Place, pool};
use super::pointer::{self, Pointer};
use super::stream::Numbers;
use crate::driver::{Cause, zonepath_of};
use crate::survey::walk;

/// More streams than this take longer than comparing all files.
const MOST_STREAMS: usize = 16;

/// Candidates between two roots; `None` when they have no past in common.
pub(super) fn between(from: &Path, to: &Path) -> Result<Option<Candidates>, Cause> {
    let (Some(from_set), Some(to_set)) = (pointer::resolve(from)?, pointer::resolve(to)?) else {
        return Ok(None);
    };
    if pool(&from_set) != pool(&to_set) {
        return Ok(None);
    }
    let (old, new) = (Still::of(from, &from_set)?, Still::of(to, &to_set)?);
    let Some(streams) = path_between(&past(&old.snapshot)?, &past(&new.snapshot)?) else {
        return Ok(None);
    };
    let mut changed = Numbers::default();
    for (before, after) in streams {
        send(&before, &after, &mut changed)?;
    }
    Ok(Some(named(from, to, &changed)?))
}

/// A snapshot with the files of a root.
struct Still {
    snapshot: String,
    /// What holds one that was taken for this.
    taken: Option<Pointer>,
}

impl Still {
    fn of(root: &Path, dataset: &str) -> Result<Self, Cause> {
        let history = History::of(dataset)?;
        // A frozen one is its newest snapshot, whether that is its own or what it was cloned from.
        let own = history.snapshots.last().or(history.origin.as_ref());
        if let Some(snapshot) = own.filter(|_| history.is_frozen) {
            let snapshot = snapshot.clone();
            let taken = None;
            return Ok(Self { snapshot, taken });
        }
        let folder = zonepath_of(root).ok_or(Errno::INVAL)?.join("snap");
        let parent = match folder.is_dir() {
            true => &*folder,
            false => root.parent().ok_or(Errno::INVAL)?,
        };
        pointer::sweep(parent);
        let pointer = Pointer::begin(parent, &Place::of(parent)?, "snap", Some(dataset))?;
        let snapshot = pointer.origin().ok_or(Errno::INVAL)?.to_owned();
        let taken = Some(pointer);
        let still = Self { snapshot, taken };
        if let Some(pointer) = &still.taken {
            pointer.take_snapshot()?;
        }
        Ok(still)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        if let Some(pointer) = self.taken.take() {
            // Whoever works on the snapshots next sweeps what is left.
            let _ = pointer.abandon();
        }
    }
}

/// What a dataset went through.
#[derive(Debug, Default, PartialEq, Eq)]
struct History {
    is_frozen: bool,
    origin: Option<String>,
    /// The oldest first.
    snapshots: Vec<String>,
}

impl History {
    fn of(dataset: &str) -> Result<Self, ZfsError> {
        const OPTIONS: [&str; 10] = [
            "-H",
            "-p",
            "-d",
            "1",
            "-t",
            "filesystem,snapshot",
            "-s",
            "createtxg",
            "-o",
            "name,origin,readonly",
        ];
        Self::parse(dataset, &command::run("list", &OPTIONS, dataset)?)
    }

    fn parse(dataset: &str, text: &str) -> Result<Self, ZfsError> {
        let mut history = Self::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, origin, read_only] = fields[..] else {
                return Err(ZfsError::Odd {
                    verb: "list",
                    dataset: dataset.to_owned(),
                    line: line.to_owned(),
                });
            };
            if name == dataset {
                history.is_frozen = read_only == "on";
                history.origin = (origin != "-").then(|| origin.to_owned());
            } else if set_of(name) == dataset {
                history.snapshots.push(name.to_owned());
            }
        }
        Ok(history)
    }
}

/// The dataset of a snapshot.
fn set_of(snapshot: &str) -> &str {
    snapshot.split_once('@').map_or(snapshot, |(set, _)| set)
}

/// A snapshot, with what its dataset has, then that which the dataset was cloned from, and so on.
type Past = Vec<(String, History)>;

fn past(snapshot: &str) -> Result<Past, ZfsError> {
    let mut past = Vec::new();
    let mut next = Some(snapshot.to_owned());
    while let Some(snapshot) = next.filter(|_| past.len() < MOST_STREAMS) {
        let history = History::of(set_of(&snapshot))?;
        next = history.origin.clone();
        past.push((snapshot, history));
    }
    Ok(past)
}

/// Which streams lead from what two snapshots have in common to each of them; `None` when there is
/// nothing, or it is far away.
fn path_between(one: &Past, other: &Past) -> Option<Vec<(String, String)>> {
    let meet = |(snapshot, _): &(String, History)| {
        other
            .iter()
            .position(|(it, _)| set_of(it) == set_of(snapshot))
    };
    let (here, there) = one
        .iter()
        .enumerate()
        .find_map(|(at, it)| Some((at, meet(it)?)))?;
    let (last, history) = one.get(here)?;
    let (other_last, _) = other.get(there)?;
    let age = |name: &String| history.snapshots.iter().position(|it| it == name);
    let base = match age(last)? <= age(other_last)? {
        true => last,
        false => other_last,
    };
    let mut streams = Vec::new();
    for (past, count) in [(one, here), (other, there)] {
        let mut before = base;
        for (after, _) in past.iter().take(count + 1).rev() {
            if before != after {
                streams.push((before.clone(), after.clone()));
            }
            before = after;
        }
    }
    (streams.len() <= MOST_STREAMS).then_some(streams)
}

/// Adds the numbers of files that differ between two snapshots.
fn send(before: &str, after: &str, changed: &mut Numbers) -> Result<(), ZfsError> {
    // As it lies on the disk: nobody looks at what is in the files.
    let mut running = Running::start("send", &["-c", "-i", before], &[after], None)?;
    let read = changed.read(&mut BufReader::with_capacity(1 << 17, &mut running.answer));
    running.end(read)
}

/// The paths of numbers in a tree; a folder is told apart.
type Names = HashMap<u64, (bool, Vec<PathBuf>)>;

fn names(root: &Path, numbers: &Numbers) -> Result<Names, Errno> {
    let opened = crate::look(root).map_err(|error| error.source.errno())?;
    let path = format!("/proc/self/fd/{}/.", opened.as_fd().as_raw_fd());
    let mut found = Names::new();
    walk(Path::new(&path), &mut |seen| {
        let number = seen.stat.st_ino;
        // The top is compared anyway.
        if !seen.path.as_os_str().is_empty() && numbers.contains(number) {
            let is_folder = FileType::from_raw_mode(seen.stat.st_mode).is_dir();
            let (_, paths) = found.entry(number).or_insert((is_folder, Vec::new()));
            paths.push(seen.path.to_owned());
        }
        Ok(())
    })?;
    Ok(found)
}

/// Where the numbers are in both trees. What is in a folder that came, went or moved may all
/// differ; of one that stayed, what differs has a number of its own.
fn named(from: &Path, to: &Path, numbers: &Numbers) -> Result<Candidates, Errno> {
    let mut found = Candidates::default();
    if numbers.is_empty() {
        return Ok(found);
    }
    let (old, new) = (names(from, numbers)?, names(to, numbers)?);
    for (one, other) in [(&old, &new), (&new, &old)] {
        for (number, (is_folder, paths)) in one {
            let stays = other.get(number) == Some(&(*is_folder, paths.clone()));
            for path in paths {
                found.add(path.clone(), !(*is_folder && stays));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Datasets with what they were cloned from and their snapshots.
    const POOL: [(&str, &str, &[&str]); 5] = [
        ("t/a", "-", &["1", "2", "3"]),
        ("t/b", "t/a@1", &["4"]),
        ("t/c", "t/b@4", &["5", "6"]),
        ("t/d", "t/a@3", &["7"]),
        ("t/e", "-", &["8"]),
    ];

    fn past_of(snapshot: &str) -> Past {
        let mut all = Vec::new();
        let mut next = Some(snapshot.to_owned());
        while let Some(snapshot) = next {
            let (set, origin, names) = POOL.iter().find(|it| it.0 == set_of(&snapshot)).unwrap();
            let mut text = format!("{set}\t{origin}\ton\n{set}/child\t-\toff\n");
            for name in *names {
                text += &format!("{set}@{name}\t-\t-\n");
            }
            let history = History::parse(set, &text).unwrap();
            assert_eq!(history.snapshots.len(), names.len());
            next = history.origin.clone();
            all.push((snapshot, history));
        }
        all
    }

    #[test]
    fn streams_lead_from_what_two_have_in_common() {
        for (one, other, want) in [
            ("t/a@1", "t/a@1", Some("")),
            ("t/a@1", "t/a@3", Some("t/a@1>t/a@3")),
            ("t/a@3", "t/a@1", Some("t/a@1>t/a@3")),
            ("t/a@1", "t/b@4", Some("t/a@1>t/b@4")),
            ("t/b@4", "t/a@2", Some("t/a@1>t/b@4 t/a@1>t/a@2")),
            (
                "t/c@6",
                "t/d@7",
                Some("t/a@1>t/b@4 t/b@4>t/c@6 t/a@1>t/a@3 t/a@3>t/d@7"),
            ),
            ("t/c@5", "t/c@6", Some("t/c@5>t/c@6")),
            ("t/c@6", "t/e@8", None),
        ] {
            let streams = path_between(&past_of(one), &past_of(other));
            let text = streams.map(|all| {
                let all: Vec<String> = all.iter().map(|(a, b)| format!("{a}>{b}")).collect();
                all.join(" ")
            });
            assert_eq!(text.as_deref(), want, "{one} {other}");
        }
        let odd = History::parse("t/a", "t/a\t-\n");
        assert!(matches!(odd, Err(ZfsError::Odd { .. })));
    }
}
