//! The world that a plan asks: files beside the matrix file, and what mirrors have just now.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use zones_archive::Silent;
use zones_brand::{Choices, Emulator, Host};
use zones_ips::Publisher;
use zones_matrix::{Key, World};
use zones_repository::{HttpOptions, source};

use crate::digest;

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
                let key = digest::folder(&path, &[]);
                key.map(Some).map_err(|error| error.to_string())
            }
            Ok(_) => {
                let key = digest::file(&path);
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
        let mut resolved = Map::new();
        if let Some(emulator) = emulator(inputs)? {
            resolved.insert("emulator".to_owned(), emulator);
        }
        if inputs["origin"]["tarball"].is_string() {
            return Ok(resolved.into());
        }
        match &self.origins {
            Origins::Asked(host) if inputs["brand"] == "debian" => {
                resolved.extend(asked(host, inputs)?);
                Ok(resolved.into())
            }
            Origins::Asked(_) if inputs["brand"] == "ipkg" => match &inputs["origin"]["mirror"] {
                Value::String(mirror) => {
                    resolved.insert("catalog".to_owned(), catalog(mirror)?);
                    Ok(resolved.into())
                }
                // The host's own publishers are not looked at: such an image counts as stale.
                _ => Ok(Value::Null),
            },
            // Of other brands nobody can say it: their images count as stale.
            Origins::Asked(_) | Origins::Unknown => Ok(Value::Null),
        }
    }
}

/// The architecture of an image, as Debian names it.
fn arch(inputs: &Value) -> Option<&str> {
    inputs["origin"]["arch"]
        .as_str()
        .or_else(|| inputs["arch"].as_str())
}

/// What runs the programs of an image, when the host does not do it itself.
fn emulator(inputs: &Value) -> Result<Option<Value>, String> {
    let Some(emulator) = arch(inputs).and_then(Emulator::of_debian) else {
        return Ok(None);
    };
    let emulator = emulator.map_err(|error| error.to_string())?;
    let bytes = digest::file(&emulator.path);
    let bytes = bytes.map_err(|e| format!("cannot read `{}`: {e}", emulator.path.display()))?;
    let identity = json!({ "cpu": emulator.cpu.name, "blake3": bytes.to_string() });
    Ok(Some(identity))
}

/// The catalog that a publisher has just now, by the file that names all its parts with their
/// sums. `mirror` is `PUBLISHER=ORIGIN`, as zoneadm(8) takes it.
fn catalog(mirror: &str) -> Result<Value, String> {
    let Some((name, origin)) = mirror.split_once('=') else {
        return Err(format!("`{mirror}` is not PUBLISHER=ORIGIN"));
    };
    let publisher = name.parse::<Publisher>();
    let publisher = publisher.map_err(|error| format!("`{name}`: {error}"))?;
    let source = source::open(origin, &HttpOptions::default()).map_err(|error| chain(&error))?;
    let attrs = source.catalog_file(&publisher, ATTRS);
    let attrs = attrs.map_err(|error| chain(&error))?;
    let attrs = attrs.ok_or_else(|| format!("{origin} has no catalog of `{name}`"))?;
    Ok(json!({ "publisher": name, "attrs": Key::of_bytes(&attrs).to_string() }))
}

/// Source: pkg(7), files of a catalog.
const ATTRS: &str = "catalog.attrs";

/// What the packages of an image are now.
fn asked(host: &Host, inputs: &Value) -> Result<Map<String, Value>, String> {
    let origin = &inputs["origin"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let packages = inputs["packages"].as_array().into_iter().flatten();
    let choices = Choices {
        archive: text(&origin["mirror"]),
        suite: text(&origin["suite"]),
        arch: arch(inputs).map(str::to_owned),
        include: packages.filter_map(text).collect(),
        standard: origin["variant"] == "standard",
        ..Choices::default()
    };
    let plan = zones_brand::plan_mirror(&choices, host, &Silent);
    let plan = plan.map_err(|error| chain(&error))?;
    let versions = plan.packages.iter();
    let versions = versions.map(|it| (it.name.clone(), Value::from(it.version.clone())));
    let mut resolved = Map::new();
    resolved.insert(
        "packages".to_owned(),
        versions.collect::<Map<_, _>>().into(),
    );
    resolved.insert("bytes".to_owned(), plan.key().into());
    Ok(resolved)
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
