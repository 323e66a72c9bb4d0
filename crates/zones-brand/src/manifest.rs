//! `brand.toml`, the manifest of a brand.

mod solaris;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zones_config::IpType;
use zones_types::BrandName;

use crate::hook::{CommandLine, Distrust, Hook, trusted};
use crate::identity::Identity;
use crate::ready::Ready;

/// The manifests that are part of the binary.
const EMBEDDED: [(&str, &str); 5] = [
    ("debian", include_str!("../../../brands/debian/brand.toml")),
    ("ipkg", include_str!("../../../brands/ipkg/brand.toml")),
    ("lx", include_str!("../../../brands/lx/brand.toml")),
    ("native", include_str!("../../../brands/native/brand.toml")),
    ("sparse", include_str!("../../../brands/sparse/brand.toml")),
];

/// What a brand is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brand {
    /// Same as its folder.
    pub name: BrandName,
    /// One line for lists.
    #[serde(default)]
    pub summary: String,
    /// How its zones get their files.
    #[serde(default)]
    pub installer: Installer,
    /// Candidates for the first program, in order; without one, our own init runs.
    pub init: Vec<String>,
    /// `PATH` of its init and of commands that are run in it.
    #[serde(default = "default_path")]
    pub path: String,
    /// Option letters of `zoneadm install` that go to hook `install`; a colon after one: it takes a
    /// value.
    #[serde(default)]
    pub installopts: String,
    /// Its hooks.
    #[serde(default)]
    pub hooks: BTreeMap<Hook, CommandLine>,
    /// What an interactive `zlogin` starts; empty: the user's login shell.
    #[serde(default)]
    pub login_cmd: Option<CommandLine>,
    /// As `login_cmd`, for callers who need no password, which all callers are.
    #[serde(default)]
    pub forcedlogin_cmd: Option<CommandLine>,
    /// Privileges that its zones must have or must not have.
    #[serde(default)]
    pub privileges: Vec<BrandPrivilege>,
    /// Nodes of `/dev` that its zones have beyond the usual ones.
    #[serde(default)]
    pub devices: Vec<BrandDevice>,
    /// File systems of its zones.
    #[serde(default)]
    pub mounts: Vec<BrandMount>,
    /// What of a copied root says which machine it is.
    #[serde(default)]
    pub identity: Identity,
    /// When its zones count as come up.
    #[serde(default)]
    pub ready: Ready,
    /// Files that the zone makes of others before its init starts; without a word of it, those of
    /// `brands/derived.toml`.
    #[serde(default = "usual_derived")]
    pub derived: Vec<BrandDerived>,
    /// Where its files are, or would be.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// What a brand says of a privilege.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct BrandPrivilege {
    pub set: PrivilegeSet,
    /// `proc_fork`, `sys_time` ...
    pub name: String,
    /// Only for zones with this one.
    #[serde(default)]
    pub ip_type: Option<IpType>,
}

/// Whether a privilege is had. Sets of the default privileges are those of Linux zones, whatever a
/// manifest of Solaris lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum PrivilegeSet {
    Default,
    Prohibited,
    Required,
}

/// Nodes that zones of a brand have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct BrandDevice {
    /// fnmatch pattern below `/dev`.
    #[serde(rename = "match")]
    pub matches: String,
    #[serde(default)]
    pub ip_type: Option<IpType>,
}

/// A file system that zones of a brand have. `%R` and `%z` in `special` are filled in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct BrandMount {
    pub special: String,
    /// In the zone.
    pub directory: String,
    /// As in resource `fs`.
    #[serde(rename = "type")]
    pub fs_type: String,
    #[serde(default)]
    pub options: Vec<String>,
}

/// A file that a program of the zone makes of others, when it is missing or older than they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrandDerived {
    /// What is made.
    pub file: String,
    /// What changes when it is to be made again; where this is missing, nothing is made.
    pub from: String,
    /// What makes it, a program of the zone with its arguments.
    pub command: Vec<String>,
}

pub(crate) fn usual_derived() -> Vec<BrandDerived> {
    #[derive(Deserialize)]
    struct Usual {
        derived: Vec<BrandDerived>,
    }
    // A test sees to it that this parses.
    let usual: Result<Usual, _> = toml::from_str(include_str!("../../../brands/derived.toml"));
    usual.map(|it| it.derived).unwrap_or_default()
}

fn default_path() -> String {
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()
}

/// How the files of a zone come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Installer {
    /// From a publisher of packages; see [`crate::ipkg`].
    Ipkg,
    /// From a Debian mirror.
    Debian,
    /// As `debian`, all choices taken from the host.
    Native,
    /// From an archive or a folder.
    Lx,
    /// What is not shared with a base; see [`crate::sparse`].
    Sparse,
    /// Hook `install` does all of it; it finds an empty root.
    #[default]
    Hook,
}

/// Why a brand cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BrandError {
    /// No manifest of this name.
    #[error("{0}: unknown brand.")]
    Unknown(BrandName),
    /// The host's manifest cannot be read.
    #[error("brand `{brand}`: cannot read `{}`", path.display())]
    #[allow(missing_docs)]
    Read {
        brand: BrandName,
        path: PathBuf,
        source: std::io::Error,
    },
    /// Others than root could have written the manifest.
    #[error("brand `{brand}` is not used")]
    #[allow(missing_docs)]
    Distrust { brand: BrandName, source: Distrust },
    /// The manifest is not understood.
    #[error("brand `{brand}`: `{}` is no valid manifest", path.display())]
    #[allow(missing_docs)]
    Parse {
        brand: BrandName,
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    /// A file of Solaris is not understood.
    #[error("brand `{brand}`: `{}`: {what}", path.display())]
    #[allow(missing_docs)]
    Solaris {
        brand: BrandName,
        path: PathBuf,
        what: String,
    },
    /// A manifest in the folder of another brand.
    #[error("`{}` is the manifest of brand `{found}`, not of `{brand}`", path.display())]
    #[allow(missing_docs)]
    Name {
        brand: BrandName,
        found: BrandName,
        path: PathBuf,
    },
}

impl Brand {
    /// Finds a brand: the host's folder `overrides` (usually `/usr/lib/brand`) first, then ours. In
    /// a folder, `brand.toml` goes before `config.xml` with `platform.xml`.
    ///
    /// # Errors
    /// [`BrandError::Unknown`] when neither has it; else what is wrong with the host's.
    pub fn find(name: &BrandName, overrides: &Path) -> Result<Self, BrandError> {
        let folder = overrides.join(name.as_str());
        let path = folder.join("brand.toml");
        let mut brand = if let Some(text) = read(name, &path, overrides)? {
            parse(name, &path, &text)?
        } else if let Some(brand) = from_solaris(name, &folder, overrides)? {
            brand
        } else {
            let found = EMBEDDED.iter().find(|(brand, _)| *brand == name.as_str());
            let text = found.ok_or_else(|| BrandError::Unknown(name.clone()))?.1;
            parse(name, &path, text)?
        };
        brand.folder = folder;
        Ok(brand)
    }
}

fn parse(name: &BrandName, path: &Path, text: &str) -> Result<Brand, BrandError> {
    let brand: Brand = toml::from_str(text).map_err(|source| BrandError::Parse {
        brand: name.clone(),
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    if brand.name != *name {
        return Err(BrandError::Name {
            brand: name.clone(),
            found: brand.name,
            path: path.to_owned(),
        });
    }
    Ok(brand)
}

/// A file of the host, which names programs that root runs.
fn read(name: &BrandName, path: &Path, top: &Path) -> Result<Option<String>, BrandError> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let distrust = |source| BrandError::Distrust {
                brand: name.clone(),
                source,
            };
            trusted(path, top).map_err(distrust)?;
            Ok(Some(text))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BrandError::Read {
            brand: name.clone(),
            path: path.to_owned(),
            source,
        }),
    }
}

fn from_solaris(name: &BrandName, folder: &Path, top: &Path) -> Result<Option<Brand>, BrandError> {
    let path = folder.join("config.xml");
    let Some(config) = read(name, &path, top)? else {
        return Ok(None);
    };
    let wrong = |path: &Path| {
        let (brand, path) = (name.clone(), path.to_owned());
        move |what| BrandError::Solaris { brand, path, what }
    };
    let mut brand = solaris::config(name, &config).map_err(wrong(&path))?;
    let path = folder.join("platform.xml");
    if let Some(platform) = read(name, &path, top)? {
        solaris::platform(&mut brand, &platform).map_err(wrong(&path))?;
    }
    Ok(Some(brand))
}

/// The names of all brands: ours and those in `overrides`, sorted.
#[must_use]
pub fn brand_names(overrides: &Path) -> Vec<String> {
    let mut names: Vec<String> = EMBEDDED
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    for entry in std::fs::read_dir(overrides).into_iter().flatten().flatten() {
        let has = |file| entry.path().join(file).exists();
        if has("brand.toml") || has("config.xml") {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_manifest_parses_and_bears_its_own_name() {
        for (name, _) in EMBEDDED {
            let brand = Brand::find(&name.parse().unwrap(), Path::new("/nonexistent")).unwrap();
            assert_eq!(brand.name.as_str(), name);
            assert!(brand.path.starts_with('/') && !brand.init.is_empty());
            assert_eq!(brand.derived.len(), 2, "the data parses");
        }
    }

    #[test]
    fn an_unknown_brand_is_named() {
        let error = Brand::find(&"bogus".parse().unwrap(), Path::new("/nonexistent")).unwrap_err();
        assert_eq!(error.to_string(), "bogus: unknown brand.");
    }
}
