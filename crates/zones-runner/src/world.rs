//! The world that a plan asks: files below the folder of the matrix file, and what a caller knows.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zones_matrix::{Key, World};

/// What an image is made of just now, by the id of its platform.
pub type Resolve<'a> = dyn Fn(&str) -> Value + 'a;

/// The real world.
pub struct Files<'a> {
    folder: PathBuf,
    variables: BTreeSet<String>,
    resolve: &'a Resolve<'a>,
}

impl std::fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl<'a> Files<'a> {
    /// Files below `folder`; `variables` are the names of those that are set.
    #[must_use]
    pub fn new(folder: &Path, variables: BTreeSet<String>, resolve: &'a Resolve<'a>) -> Self {
        let folder = folder.to_owned();
        Self {
            folder,
            variables,
            resolve,
        }
    }
}

impl World for Files<'_> {
    fn digest(&self, path: &str) -> Result<Option<Key>, String> {
        match digest(&self.folder.join(path)) {
            Ok(key) => Ok(Some(key)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn is_set(&self, variable: &str) -> bool {
        self.variables.contains(variable)
    }

    fn resolved(&self, platform: &str) -> Value {
        (self.resolve)(platform)
    }
}

/// The key of a file, or of all of a folder: names, kinds, execute bits, contents, links. A link
/// that is named itself is followed; those below are what they say.
///
/// # Errors
/// Something cannot be read.
pub fn digest(path: &Path) -> io::Result<Key> {
    let meta = fs::metadata(path)?;
    if meta.is_file() {
        return Ok(Key::of_bytes(&fs::read(path)?));
    }
    let mut text = Vec::new();
    folder(path, &mut text)?;
    Ok(Key::of_bytes(&text))
}

fn folder(path: &Path, text: &mut Vec<u8>) -> io::Result<()> {
    let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let meta = entry.metadata()?;
        let path = entry.path();
        let (kind, value) = if meta.is_dir() {
            let mut below = Vec::new();
            folder(&path, &mut below)?;
            ('d', Key::of_bytes(&below).to_string().into_bytes())
        } else if meta.is_symlink() {
            ('l', fs::read_link(&path)?.as_os_str().as_bytes().to_vec())
        } else if meta.permissions().mode() & 0o111 != 0 {
            (
                'x',
                Key::of_bytes(&fs::read(&path)?).to_string().into_bytes(),
            )
        } else {
            (
                'f',
                Key::of_bytes(&fs::read(&path)?).to_string().into_bytes(),
            )
        };
        // Lengths keep names and values apart, whatever bytes they have.
        let name = entry.file_name();
        let head = format!("{kind} {} {} ", name.len(), value.len());
        text.extend_from_slice(head.as_bytes());
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(&value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_by_names_bytes_links_and_execute_bits() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("sub/a"), "1").unwrap();
        let mut seen = vec![digest(folder.path()).unwrap()];
        fs::write(at("sub/a"), "2").unwrap();
        seen.push(digest(folder.path()).unwrap());
        fs::rename(at("sub/a"), at("sub/b")).unwrap();
        seen.push(digest(folder.path()).unwrap());
        fs::set_permissions(at("sub/b"), fs::Permissions::from_mode(0o755)).unwrap();
        seen.push(digest(folder.path()).unwrap());
        std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
        seen.push(digest(folder.path()).unwrap());
        let distinct: BTreeSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len());
        assert_eq!(digest(folder.path()).unwrap(), seen[4]);

        let world = Files::new(folder.path(), BTreeSet::new(), &|_| Value::Null);
        assert_eq!(world.digest("none"), Ok(None));
        assert_eq!(world.digest("sub/b"), Ok(Some(Key::of_bytes(b"2"))));
    }
}
