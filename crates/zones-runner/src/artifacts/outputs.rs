//! Files that a build leaves: found by pattern, no longer written to, copied with their hashes.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags, Stat};
use zones_matrix::Output;
use zones_sys::{Dir, RootFd};

use super::{BUILD, store};

/// One file of the build folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Below the build folder.
    path: PathBuf,
    /// Inode, size and times: another value is another content, or may be.
    mark: (u64, i64, i64, i64),
}

/// All outputs by the names that they get.
pub(super) type Outputs = BTreeMap<String, Found>;

/// The files below the build folder of a root that the patterns ask for.
///
/// The text of an error says which pattern has none, or which file cannot be one.
pub(super) fn find(root: &RootFd, patterns: &[Output]) -> Result<Outputs, String> {
    let build = Path::new(BUILD.trim_start_matches('/'));
    let folder = root.dir_without_links(build);
    let folder = folder.map_err(|errno| format!("cannot read `{BUILD}`: {errno}"))?;
    let mut all = Vec::new();
    walk(&folder, Path::new(""), &mut all)
        .map_err(|errno| format!("cannot read `{BUILD}`: {errno}"))?;
    let mut found = Outputs::new();
    for pattern in patterns {
        let mut any = false;
        let fitting = all
            .iter()
            .filter(|(path, _)| pattern.matches(path.as_os_str().as_bytes()));
        for (path, stat) in fitting {
            let shown = path.to_string_lossy().escape_debug().to_string();
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(format!(
                    "output `{shown}` is no file; let the pattern name files"
                ));
            }
            let name = path.file_name().and_then(|name| name.to_str());
            let name =
                name.ok_or_else(|| format!("output `{shown}` has a name that is no text"))?;
            let one = Found {
                path: path.clone(),
                mark: mark(stat),
            };
            match found.insert(name.to_owned(), one.clone()) {
                Some(other) if other != one => {
                    return Err(format!("two outputs are called `{name}`; rename one"));
                }
                _ => any = true,
            }
        }
        if pattern.required && !any {
            return Err(format!(
                "no output matches `{}`; the build must leave one, or write `?` for `=`",
                pattern.pattern
            ));
        }
    }
    Ok(found)
}

fn mark(stat: &Stat) -> (u64, i64, i64, i64) {
    (
        stat.st_ino,
        stat.st_size,
        stat.st_mtime,
        stat.st_mtime_nsec.try_into().unwrap_or(0),
    )
}

fn walk(folder: &Dir, below: &Path, all: &mut Vec<(PathBuf, Stat)>) -> rustix::io::Result<()> {
    for item in folder.items()? {
        let stat = folder.lstat(&item.name)?;
        let path = below.join(&item.name);
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            walk(&folder.dir(&item.name)?, &path, all)?;
        } else {
            all.push((path, stat));
        }
    }
    Ok(())
}

/// The first output that was not the same a moment ago.
pub(super) fn changed(before: &Outputs, after: &Outputs) -> Option<String> {
    let names = before.keys().chain(after.keys());
    let mut names = names.filter(|name| before.get(*name) != after.get(*name));
    names.next().cloned()
}

/// The first output that a process of the zone has open for writing. `init` is the zone's process
/// 1, which names its processes: those of the same pid namespace. Source: proc(5).
pub(super) fn open_for_writing(init: i32, outputs: &Outputs) -> Option<String> {
    let space = fs::read_link(format!("/proc/{init}/ns/pid")).ok()?;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let path = process.path();
        if fs::read_link(path.join("ns/pid")).is_ok_and(|other| other == space)
            && let Some(name) = of_process(&path, outputs)
        {
            return Some(name);
        }
    }
    None
}

fn of_process(process: &Path, outputs: &Outputs) -> Option<String> {
    for entry in fs::read_dir(process.join("fd")).ok()?.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let build = Path::new(BUILD);
        let open = outputs
            .iter()
            .find(|(_, found)| target.ends_with(found.path.as_path()));
        let Some((name, found)) = open else { continue };
        // Seen from the host the path may have something in front of it.
        if !target.ends_with(build.strip_prefix("/").unwrap_or(build).join(&found.path)) {
            continue;
        }
        let info = process.join("fdinfo").join(entry.file_name());
        if is_writable(&fs::read_to_string(info).unwrap_or_default()) {
            return Some(name.clone());
        }
    }
    None
}

/// Whether a description of an open file is of one that may be written to.
fn is_writable(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|text| u32::from_str_radix(text.trim(), 8).ok());
    flags.is_some_and(|flags| flags & 0o3 != 0)
}

/// Copies the outputs of a halted zone into a folder.
pub(super) fn copy(root: &RootFd, all: &Outputs, to: &Path) -> Result<Vec<store::File>, String> {
    let mut files = Vec::new();
    for (name, found) in all {
        let from = Path::new(BUILD).join(&found.path);
        let copied = copy_one(root, &from, &to.join(name));
        let (size, blake3) = copied.map_err(|error| format!("cannot copy `{name}`: {error}"))?;
        files.push(store::File {
            name: name.clone(),
            size,
            blake3,
        });
    }
    Ok(files)
}

fn copy_one(root: &RootFd, from: &Path, to: &Path) -> io::Result<(u64, String)> {
    let mut from = File::from(root.open_regular(from, OFlags::RDONLY)?);
    let mut to = OpenOptions::new().write(true).create_new(true).open(to)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    let mut size = 0;
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            n => {
                hasher.update(&buffer[..n]);
                to.write_all(&buffer[..n])?;
                size += u64::try_from(n).unwrap_or(0);
            }
        }
    }
    to.sync_all()?;
    Ok((size, hasher.finalize().to_hex().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn output(text: &str) -> Output {
        Output {
            pattern: text[1..].to_owned(),
            required: text.starts_with('='),
        }
    }

    #[test]
    fn patterns_are_met_or_said() {
        let folder = tempfile::tempdir().unwrap();
        let build = folder.path().join("build");
        fs::create_dir_all(build.join("dist/more")).unwrap();
        for (path, text) in [
            ("dist/a.deb", "aa"),
            ("dist/b.deb", "b"),
            ("dist/more/a.deb", ""),
            ("x", ""),
        ] {
            fs::write(build.join(path), text).unwrap();
        }
        symlink("/etc/passwd", build.join("dist/link.log")).unwrap();
        let root = RootFd::open(folder.path()).unwrap();
        let found = find(&root, &[output("=dist/*.deb"), output("?dist/*.txt")]).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a.deb", "b.deb"]);
        for (patterns, words) in [
            ("=dist/*.rpm", "no output matches `dist/*.rpm`"),
            ("=dist/**.deb", "two outputs are called `a.deb`"),
            ("?dist/*.log", "output `dist/link.log` is no file"),
        ] {
            let error = find(&root, &[output(patterns)]).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let to = tempfile::tempdir().unwrap();
        let files = copy(&root, &found, to.path()).unwrap();
        assert_eq!(files[0].size, 2);
        assert_eq!(files[0].blake3, blake3::hash(b"aa").to_hex().to_string());
        fs::write(build.join("dist/b.deb"), "longer").unwrap();
        let after = find(&root, &[output("=dist/*.deb")]).unwrap();
        assert_eq!(changed(&found, &after).as_deref(), Some("b.deb"));
        assert_eq!(changed(&after, &after), None);
    }

    #[test]
    fn a_file_that_is_open_for_writing_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let build = folder.path().join("build");
        fs::create_dir(&build).unwrap();
        fs::write(build.join("a"), "").unwrap();
        let root = RootFd::open(folder.path()).unwrap();
        let found = find(&root, &[output("=a")]).unwrap();
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let read = File::open(build.join("a")).unwrap();
        assert_eq!(open_for_writing(own, &found), None);
        drop(read);
        let write = OpenOptions::new()
            .append(true)
            .open(build.join("a"))
            .unwrap();
        assert_eq!(open_for_writing(own, &found).as_deref(), Some("a"));
        drop(write);
    }
}
