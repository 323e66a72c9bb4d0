//! The world that a plan asks: files beside the matrix file, and what mirrors have just now.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use zones_archive::Silent;
use zones_brand::{Choices, Emulator, Host};
use zones_matrix::{Hasher, Key, World};

use super::hash;

/// Whether the origins of images are asked what they stand for now.
#[derive(Debug, Clone)]
pub enum Origins {
    /// No: their names are all that is known.
    Unknown,
    /// Yes, by the signed indices of mirrors, kept where the host keeps its packages.
    Asked(Host),
}

/// A folder with a matrix file in it.
pub struct Folder<'a> {
    root: PathBuf,
    origins: Origins,
    is_set: &'a dyn Fn(&str) -> bool,
}

impl fmt::Debug for Folder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Folder");
        debug.field("root", &self.root);
        debug
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

impl<'a> Folder<'a> {
    /// The folder of a matrix file; `is_set` knows the variables of the environment.
    #[must_use]
    pub fn new(root: &Path, origins: Origins, is_set: &'a dyn Fn(&str) -> bool) -> Self {
        Self {
            root: root.to_owned(),
            origins,
            is_set,
        }
    }
}

impl World for Folder<'_> {
    fn digest(&self, path: &str) -> Result<Option<Key>, String> {
        let path = self.root.join(path);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
            Ok(meta) if meta.is_dir() => {
                let mut hasher = Hasher::default();
                add_folder(&path, Path::new(""), &mut hasher).map_err(|error| error.to_string())?;
                Ok(Some(hasher.finish()))
            }
            Ok(_) => {
                let key = File::open(&path).and_then(hash::of_reader);
                key.map(Some).map_err(|error| error.to_string())
            }
        }
    }

    fn is_set(&self, variable: &str) -> bool {
        (self.is_set)(variable)
    }

    fn resolved(&self, _platform: &str) -> Value {
        Value::Null
    }

    fn resolve(&self, _platform: &str, inputs: &Value) -> Result<Value, String> {
        match &self.origins {
            Origins::Unknown => Ok(Value::Null),
            Origins::Asked(host) => asked(host, inputs),
        }
    }
}

/// What the inputs of an image stand for now.
fn asked(host: &Host, inputs: &Value) -> Result<Value, String> {
    let origin = &inputs["origin"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut resolved = Map::new();
    let arch = text(&origin["arch"]).or_else(|| text(&inputs["arch"]));
    if let Some(emulator) = arch.as_deref().and_then(Emulator::of_debian) {
        let emulator = emulator.map_err(|error| error.to_string())?;
        let bytes = File::open(&emulator.path).and_then(hash::of_reader);
        let bytes = bytes.map_err(|e| format!("cannot read `{}`: {e}", emulator.path.display()))?;
        let identity = json!({ "cpu": emulator.cpu.name, "blake3": bytes.to_string() });
        resolved.insert("emulator".to_owned(), identity);
    }
    if origin["tarball"].is_string() {
        return Ok(resolved.into());
    }
    // Of other brands nobody can say it yet: their images count as stale.
    if inputs["brand"] != "debian" {
        return Ok(Value::Null);
    }
    let packages = inputs["packages"].as_array().into_iter().flatten();
    let choices = Choices {
        archive: text(&origin["mirror"]),
        suite: text(&origin["suite"]),
        arch,
        include: packages.filter_map(text).collect(),
        standard: origin["variant"] == "standard",
        ..Choices::default()
    };
    let plan = zones_brand::plan_mirror(&choices, host, &Silent);
    let plan = plan.map_err(|error| chain(&error))?;
    let versions = plan.packages.iter();
    let versions = versions.map(|it| (it.name.clone(), Value::from(it.version.clone())));
    resolved.insert(
        "packages".to_owned(),
        versions.collect::<Map<_, _>>().into(),
    );
    resolved.insert("bytes".to_owned(), plan.key().into());
    Ok(resolved.into())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    text
}

/// Adds names, modes and contents of all below a folder, in the order of their names.
fn add_folder(root: &Path, below: &Path, hasher: &mut Hasher) -> io::Result<()> {
    let mut names: Vec<_> = fs::read_dir(root.join(below))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        let path = below.join(name);
        let full = root.join(&path);
        let meta = fs::symlink_metadata(&full)?;
        let bytes = path.as_os_str().as_bytes();
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
        hasher.update(&meta.permissions().mode().to_le_bytes());
        if meta.is_dir() {
            add_folder(root, &path, hasher)?;
        } else if meta.is_symlink() {
            hasher.update(fs::read_link(&full)?.as_os_str().as_bytes());
        } else if meta.is_file() {
            let content = hash::of_reader(File::open(&full)?)?;
            hasher.update(content.to_string().as_bytes());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_by_names_modes_and_contents() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join("src").join(name);
        fs::create_dir_all(at("a")).unwrap();
        fs::write(at("a/x"), "1").unwrap();
        std::os::unix::fs::symlink("x", at("a/link")).unwrap();
        let unset = |_: &str| false;
        let world = Folder::new(folder.path(), Origins::Unknown, &unset);
        let digest = || world.digest("src").unwrap().unwrap();
        let mut seen = vec![digest()];
        assert_eq!(digest(), seen[0]);
        let mut differs = |what: &str| {
            let now = digest();
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        fs::write(at("a/x"), "2").unwrap();
        differs("content");
        fs::set_permissions(at("a/x"), fs::Permissions::from_mode(0o755)).unwrap();
        differs("mode");
        fs::rename(at("a/x"), at("a/y")).unwrap();
        differs("name");
        fs::remove_file(at("a/link")).unwrap();
        differs("a link less");
        assert_eq!(world.digest("none").unwrap(), None);
    }
}
