//! Files that are either the old or the new ones, whatever happens in between.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::{StoreError, durability};

/// Between the name of a file and the process id, in the name of its temporary twin.
const MARK: &str = ".tmp-";

/// Writes `bytes` to `path` with `mode`: temporary file, fsync, rename, fsync of the folder.
///
/// What is disposable (see [`durability`]) is not synced. Missing parents are made. Errors: the old
/// file is untouched, the temporary one is gone.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    make_folder(folder, 0o755)?;
    let temp = temp_of(path);
    let written = write_temp(&temp, bytes, mode)
        .map_err(StoreError::io("write", &temp))
        .and_then(|()| fs::rename(&temp, path).map_err(StoreError::io("replace", path)));
    if written.is_err() {
        // The first error is the one to report; a temporary file that stays is swept later.
        let _ = fs::remove_file(&temp);
    }
    written?;
    sync_folder(folder)
}

/// Removes a file and makes that last; a missing file is fine.
pub fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", path)(error))
        }
        Err(_) => Ok(()),
        Ok(()) => sync_folder(path.parent().unwrap_or_else(|| Path::new("/"))),
    }
}

/// Reads a whole file as text; `None` when it is not there. Bytes that are no UTF-8 are an error.
pub fn read(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path)(error)),
    }
}

/// Makes a folder and its parents; those that exist keep their mode.
pub(crate) fn make_folder(path: &Path, mode: u32) -> Result<(), StoreError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(StoreError::io("create", path))
}

/// Removes temporary files that a writer left behind when it died.
///
/// Call it with the lock held that all writers of the folder take: then none of them is alive.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if is_temporary(&name.to_string_lossy()) {
            // A leftover that cannot be removed does no harm: nobody reads it.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a file of this name is there only while another one is written.
#[must_use]
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.contains(MARK)
}

/// As [`sweep`], for one file of a folder with several writers; call it with the lock of that file.
pub fn sweep_file(path: &Path) {
    for twin in twins(path) {
        // As those of [`sweep`].
        let _ = fs::remove_file(twin);
    }
}

/// Whether [`sweep_file`] has something to do, or somebody is writing the file just now.
#[must_use]
pub fn has_twin(path: &Path) -> bool {
    twins(path).next().is_some()
}

fn twins(path: &Path) -> impl Iterator<Item = PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let twin = format!(".{name}{MARK}");
    let entries = path.parent().map(fs::read_dir).and_then(Result::ok);
    let entries = entries.into_iter().flatten().flatten();
    let found = entries.filter(move |it| it.file_name().to_string_lossy().starts_with(&twin));
    found.map(|it| it.path())
}

fn temp_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{MARK}{}", std::process::id()))
}

fn write_temp(temp: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(temp)?;
    // The mode above passes through the umask; this one does not.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    durability::sync(&file)
}

fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    durability::sync_folder(folder).map_err(StoreError::io("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file");
        write(&path, b"one", 0o600).unwrap();
        write(&path, b"two", 0o644).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), "two");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o644
        );
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }

    #[test]
    fn a_failed_write_names_the_file_and_keeps_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::create_dir(&path).unwrap();
        let error = write(&path, b"text", 0o644).unwrap_err();
        assert!(error.to_string().contains("/file`"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn temporary_files_of_dead_writers_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".index.tmp-99999"), "half").unwrap();
        fs::write(folder.path().join("index"), "whole").unwrap();
        sweep(folder.path());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
        sweep(Path::new("/nonexistent"));
        for name in [".one.tmp-1", ".one.tmp-2", ".two.tmp-1"] {
            fs::write(folder.path().join(name), "half").unwrap();
        }
        sweep_file(&folder.path().join("one"));
        assert!(folder.path().join(".two.tmp-1").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
