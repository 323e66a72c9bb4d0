//! What is made once and kept: the ZFS module, the guest's image, booted guests.
//!
//! It stands outside of the build folder, because `cargo clean` should not cost ten minutes:
//! `$ZONES_VM_CACHE`, else `zones-vm` in the user's cache folder, else `target/vm/cache`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::shell::{Outcome, target};

/// The folder, ours alone as long as this lives.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    _lock: File,
}

impl Cache {
    /// Makes the folder and waits for another run that uses it.
    pub(super) fn open() -> Outcome<Self> {
        let folder = folder();
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let failed = |error| format!("cannot use the cache `{}`: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        if lock.try_lock().is_err() {
            println!("Waiting for another run with `{}`", folder.display());
            lock.lock().map_err(failed)?;
        }
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// A path in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn folder() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = variable("ZONES_VM_CACHE") {
        return PathBuf::from(path);
    }
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    base.filter(|path| path.is_absolute())
        .map_or_else(|| target().join("vm/cache"), |path| path.join("zones-vm"))
}

/// Removes a folder or a file, if it is there.
pub(super) fn remove(path: &Path) -> Outcome {
    let done = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => return Ok(()),
    };
    done.map_err(|error| format!("cannot remove `{}`: {error}", path.display()))
}

/// An empty folder.
pub(super) fn fresh(path: &Path) -> Outcome {
    remove(path)?;
    fs::create_dir_all(path).map_err(|error| format!("cannot make `{}`: {error}", path.display()))
}

/// Moves what is complete to its name.
pub(super) fn rename(from: &Path, to: &Path) -> Outcome {
    fs::rename(from, to).map_err(|error| {
        let (from, to) = (from.display(), to.display());
        format!("cannot rename `{from}` to `{to}`: {error}")
    })
}

/// A short name for a content: FNV-1a of 64 bits. Source: RFC 9923.
pub(super) fn key<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn keys_tell_contents_and_their_borders_apart() {
        assert_eq!(key([]), "cbf29ce484222325");
        assert_eq!(key(["ab", "c"]), key(["ab", "c"]));
        assert_ne!(key(["ab", "c"]), key(["a", "bc"]));
    }
}
