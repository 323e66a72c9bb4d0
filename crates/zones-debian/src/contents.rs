//! What a package file holds, for those who want to know and not to install.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::deb::Deb;

/// What is in a package file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Its architecture; `all` for any.
    pub architecture: String,
    /// The names of everything in it but folders, absolute.
    pub files: Vec<PathBuf>,
    /// The scripts that its installation runs, as text.
    pub scripts: Vec<String>,
}

/// Names of the scripts. Source: Debian policy, chapter 6.
const SCRIPTS: [&str; 5] = ["preinst", "postinst", "prerm", "postrm", "config"];

/// Reads what a package file holds. Source: deb(5).
///
/// # Errors
/// It cannot be read, or is no package: the text says what is wrong with it.
pub fn contents(path: &Path) -> Result<Contents, String> {
    let file = File::open(path).map_err(|error| format!("cannot read it: {error}"))?;
    let mut deb = Deb::open(file)?;
    let control = deb.control()?;
    let scripts = SCRIPTS.iter().filter_map(|name| control.file(name));
    let scripts = scripts.map(str::to_owned).collect();
    let field = |name| control.field(name).to_owned();
    let (package, version) = (field("Package"), field("Version"));
    let architecture = field("Architecture");
    let mut files = Vec::new();
    let mut archive = tar::Archive::new(deb.data()?);
    let damaged = |error: std::io::Error| format!("data part: {error}");
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        if !entry.header().entry_type().is_dir() {
            let path = entry.path().map_err(damaged)?;
            let path = path.strip_prefix("./").unwrap_or(&path);
            files.push(Path::new("/").join(path));
        }
    }
    Ok(Contents {
        package,
        version,
        architecture,
        files,
        scripts,
    })
}
