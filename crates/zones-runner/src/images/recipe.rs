//! What is typed to make an image, told from its inputs alone.

use std::path::{Path, PathBuf};

use serde_json::Value;
use zones_matrix::{Key, Network, Platform};

/// Where the folder with the script is inside the zone.
pub(super) const SCRIPT_FOLDER: &str = "/run/matrix/image";

/// How an image is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Brand of the zone.
    pub(super) brand: String,
    /// What `zoneadm install` is told.
    pub(super) install: Vec<String>,
    /// An archive of these bytes, which is looked at before it is used.
    pub(super) archive: Option<(PathBuf, Key)>,
    /// Packages that the installation cannot bring; the zone's own tools do.
    pub(super) late: Vec<String>,
    /// The last changes.
    pub(super) script: Option<Script>,
}

/// A script, and the bytes it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) path: PathBuf,
    pub(super) hash: Key,
}

/// The recipe of a platform's image; `files` is the folder of the matrix file.
///
/// # Errors
/// What does not go together, as a sentence.
pub(super) fn recipe(platform: &Platform, files: &Path) -> Result<Recipe, String> {
    let image = &platform.image;
    let inputs = &image.inputs;
    let origin = &inputs["origin"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let packages = inputs["packages"].as_array().into_iter().flatten();
    let mut late: Vec<String> = packages.filter_map(text).collect();
    let mut install = Vec::new();
    let mut archive = None;
    if let Some(tarball) = origin["tarball"].as_str() {
        let hash = origin["blake3"].as_str().and_then(|hash| hash.parse().ok());
        let hash = hash.ok_or("the archive has no BLAKE3 hash")?;
        let path = files.join(tarball);
        install.extend(["-a".to_owned(), path.display().to_string()]);
        archive = Some((path, hash));
    } else {
        install = bootstrap(&platform.brand, origin, &mut late)?;
    }
    if !late.is_empty() && image.network != Network::Full {
        return Err(format!(
            "packages {} are to be added by tools of the image; set image.network = \"full\"",
            late.join(" ")
        ));
    }
    let hash = inputs["kickstart"].as_str().map(str::parse);
    let hash = hash.transpose().map_err(|_| "the script has no hash")?;
    let script = image
        .kickstart
        .as_ref()
        .zip(hash)
        .map(|(path, hash)| Script {
            path: files.join(path),
            hash,
        });
    Ok(Recipe {
        brand: platform.brand.clone(),
        install,
        archive,
        late,
        script,
    })
}

/// Options of `zoneadm install` for what comes from packages; those of `late` that the installation
/// brings are taken out.
fn bootstrap(brand: &str, origin: &Value, late: &mut Vec<String>) -> Result<Vec<String>, String> {
    // Option of each part of the origin, and of packages; a part without one is refused.
    let (options, packages): ([(&str, &str); 4], &str) = match brand {
        "debian" => (
            [
                ("suite", "--suite"),
                ("arch", "--arch"),
                ("variant", "--variant"),
                ("mirror", "-a"),
            ],
            "--include",
        ),
        "ipkg" => (
            [
                ("mirror", "-P"),
                ("suite", ""),
                ("arch", ""),
                ("variant", ""),
            ],
            "-e",
        ),
        other => {
            return Err(format!(
                "brand {other} has no image.bootstrap; use image.import, or brand debian or ipkg"
            ));
        }
    };
    let mut install = Vec::new();
    for (part, option) in options {
        if let Some(value) = origin[part].as_str().filter(|_| !option.is_empty()) {
            install.extend([option.to_owned(), value.to_owned()]);
        }
    }
    if !late.is_empty() {
        install.extend([packages.to_owned(), late.join(",")]);
        late.clear();
    }
    Ok(install)
}
