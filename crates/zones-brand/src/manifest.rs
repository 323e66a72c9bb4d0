//! `brand.toml`, the manifest of a brand.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use zones_types::BrandName;

/// The manifests that are part of the binary.
const EMBEDDED: [(&str, &str); 3] = [
    ("debian", include_str!("../../../brands/debian/brand.toml")),
    ("lx", include_str!("../../../brands/lx/brand.toml")),
    ("native", include_str!("../../../brands/native/brand.toml")),
];

/// What a brand is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brand {
    /// Same as its folder.
    pub name: BrandName,
    /// One line for lists.
    pub summary: String,
    /// How its zones get their files.
    pub installer: Installer,
    /// Candidates for the first program, in order; without one, our own init runs.
    pub init: Vec<String>,
    /// `PATH` of its init and of commands that are run in it.
    pub path: String,
}

/// How the files of a zone come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Installer {
    /// From a Debian mirror.
    Debian,
    /// As `debian`, all choices taken from the host.
    Native,
    /// From an archive or a folder.
    Lx,
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
    /// The manifest is not understood.
    #[error("brand `{brand}`: `{}` is no valid manifest", path.display())]
    #[allow(missing_docs)]
    Parse {
        brand: BrandName,
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
}

impl Brand {
    /// Finds a brand: the host's folder `overrides` (usually `/usr/lib/brand`) first, then ours.
    ///
    /// # Errors
    /// [`BrandError::Unknown`] when neither has it.
    pub fn find(name: &BrandName, overrides: &Path) -> Result<Self, BrandError> {
        let path = overrides.join(name.as_str()).join("brand.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let found = EMBEDDED.iter().find(|(brand, _)| *brand == name.as_str());
                found
                    .ok_or_else(|| BrandError::Unknown(name.clone()))?
                    .1
                    .to_owned()
            }
            Err(source) => {
                return Err(BrandError::Read {
                    brand: name.clone(),
                    path,
                    source,
                });
            }
        };
        toml::from_str(&text).map_err(|source| BrandError::Parse {
            brand: name.clone(),
            path,
            source: Box::new(source),
        })
    }
}

/// The names of all brands: ours and those in `overrides`, sorted.
#[must_use]
pub fn brand_names(overrides: &Path) -> Vec<String> {
    let mut names: Vec<String> = EMBEDDED
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    for entry in std::fs::read_dir(overrides).into_iter().flatten().flatten() {
        if entry.path().join("brand.toml").exists() {
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
        }
    }

    #[test]
    fn an_unknown_brand_is_named() {
        let error = Brand::find(&"bogus".parse().unwrap(), Path::new("/nonexistent")).unwrap_err();
        assert_eq!(error.to_string(), "bogus: unknown brand.");
    }
}
