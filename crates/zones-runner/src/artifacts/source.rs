//! The key of a source tree: names, kinds, whether they can be started, contents.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zones_matrix::Key;

use super::ArtifactError;

/// Folders of version control: what they hold changes without the source.
const HISTORY: [&str; 4] = [".git", ".hg", ".svn", ".bzr"];

/// The key of all below a folder, without `skip` (absolute, or relative to it) and the history.
pub(super) fn digest(folder: &Path, skip: &[PathBuf]) -> Result<Key, ArtifactError> {
    let skip: Vec<PathBuf> = skip.iter().map(|path| folder.join(path)).collect();
    let mut all = Vec::new();
    add(folder, Path::new(""), &skip, &mut all)?;
    Ok(Key::of_bytes(&all))
}

fn add(top: &Path, below: &Path, skip: &[PathBuf], all: &mut Vec<u8>) -> Result<(), ArtifactError> {
    let folder = top.join(below);
    let read = ArtifactError::file("read", &folder);
    let entries = fs::read_dir(&folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut entries = entries.map_err(read)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_history = HISTORY.iter().any(|name| entry.file_name() == *name);
        if is_history || skip.contains(&path) {
            continue;
        }
        let below = below.join(entry.file_name());
        let meta = entry
            .metadata()
            .map_err(ArtifactError::file("read", &path))?;
        let kind = meta.file_type();
        let starts = meta.permissions().mode() & 0o111 != 0;
        let mut part = |mark: u8, bytes: &[u8]| {
            all.push(mark);
            all.extend_from_slice(below.as_os_str().as_bytes());
            all.push(0);
            all.extend_from_slice(Key::of_bytes(bytes).to_string().as_bytes());
        };
        if kind.is_dir() {
            part(b'd', b"");
            add(top, &below, skip, all)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(ArtifactError::file("read", &path))?;
            part(b'l', target.as_os_str().as_bytes());
        } else if kind.is_file() {
            let hash = of_file(&path).map_err(ArtifactError::file("read", &path))?;
            part(
                if starts { b'x' } else { b'f' },
                hash.to_string().as_bytes(),
            );
        }
    }
    Ok(())
}

/// The BLAKE3 hash of a file.
pub(super) fn of_file(path: &Path) -> io::Result<Key> {
    of_reader(File::open(path)?)
}

pub(super) fn of_reader(mut from: impl Read) -> io::Result<Key> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hasher.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
    }
    let key = hasher.finalize().to_hex().parse();
    key.map_err(|_| io::Error::other("a hash that is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_bits_and_bytes_count_and_the_rest_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs::create_dir_all(top.join("src/.git")).unwrap();
        fs::create_dir(top.join("report")).unwrap();
        fs::write(top.join("src/a"), "1").unwrap();
        let skip = [PathBuf::from("report")];
        let now = || digest(top, &skip).unwrap();
        let first = now();
        fs::write(top.join("src/.git/index"), "x").unwrap();
        fs::write(top.join("report/run.json"), "x").unwrap();
        assert_eq!(now(), first);
        fs::write(top.join("src/a"), "2").unwrap();
        let second = now();
        assert_ne!(second, first);
        fs::set_permissions(top.join("src/a"), fs::Permissions::from_mode(0o755)).unwrap();
        let third = now();
        assert_ne!(third, second);
        fs::rename(top.join("src/a"), top.join("src/b")).unwrap();
        assert_ne!(now(), third);
        assert!(digest(&top.join("nothing"), &[]).is_err());
    }
}
