//! Keys of files and folders of the host: names, kinds, whether they can be started, contents.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zones_matrix::{Hasher, Key};

/// Folders of version control: what they hold changes without the source.
const HISTORY: [&str; 4] = [".git", ".hg", ".svn", ".bzr"];

/// What cannot be read, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`: {source}", path.display())]
pub(crate) struct Unread {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

impl Unread {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { path, source }
    }
}

/// The key of all below a folder, without `skip` (absolute, or relative to it) and the history.
pub(crate) fn folder(top: &Path, skip: &[PathBuf]) -> Result<Key, Unread> {
    let skip: Vec<PathBuf> = skip.iter().map(|path| top.join(path)).collect();
    let mut all = Hasher::default();
    add(top, Path::new(""), &skip, &mut all)?;
    Ok(all.finish())
}

fn add(top: &Path, below: &Path, skip: &[PathBuf], all: &mut Hasher) -> Result<(), Unread> {
    let folder = top.join(below);
    let entries = fs::read_dir(&folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut entries = entries.map_err(Unread::at(&folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_history = HISTORY.iter().any(|name| entry.file_name() == *name);
        if is_history || skip.contains(&path) {
            continue;
        }
        let below = below.join(entry.file_name());
        let meta = entry.metadata().map_err(Unread::at(&path))?;
        let kind = meta.file_type();
        let mut part = |mark: u8, key: Key| {
            all.update(&[mark]);
            all.update(below.as_os_str().as_bytes());
            all.update(&[0]);
            all.update(key.to_string().as_bytes());
        };
        if kind.is_dir() {
            part(b'd', Key::of_bytes(b""));
            add(top, &below, skip, all)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(Unread::at(&path))?;
            part(b'l', Key::of_bytes(target.as_os_str().as_bytes()));
        } else if kind.is_file() {
            let starts = meta.permissions().mode() & 0o111 != 0;
            let key = file(&path).map_err(Unread::at(&path))?;
            part(if starts { b'x' } else { b'f' }, key);
        }
    }
    Ok(())
}

/// The hash of a file.
pub(crate) fn file(path: &Path) -> io::Result<Key> {
    reader(File::open(path)?)
}

/// The hash of all that a reader gives, which may be much.
pub(crate) fn reader(mut from: impl Read) -> io::Result<Key> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_bits_and_bytes_count_and_the_rest_does_not() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path();
        fs::create_dir_all(top.join("src/.git")).unwrap();
        fs::create_dir(top.join("report")).unwrap();
        fs::write(top.join("src/a"), "1").unwrap();
        std::os::unix::fs::symlink("a", top.join("src/link")).unwrap();
        let skip = [PathBuf::from("report")];
        let now = || folder(top, &skip).unwrap();
        let mut seen = vec![now()];
        fs::write(top.join("src/.git/index"), "x").unwrap();
        fs::write(top.join("report/run.json"), "x").unwrap();
        assert_eq!(now(), seen[0]);
        let mut differs = |what: &str| {
            assert!(!seen.contains(&now()), "{what}");
            seen.push(now());
        };
        fs::write(top.join("src/a"), "2").unwrap();
        differs("content");
        fs::set_permissions(top.join("src/a"), fs::Permissions::from_mode(0o755)).unwrap();
        differs("whether it starts");
        fs::rename(top.join("src/a"), top.join("src/b")).unwrap();
        differs("name");
        fs::remove_file(top.join("src/link")).unwrap();
        differs("a link less");
        let error = folder(&top.join("nothing"), &[]).unwrap_err();
        assert!(error.to_string().contains("/nothing"), "{error}");
    }
}
