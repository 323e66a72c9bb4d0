//! What a product is known by: names that must not be in the zone that builds it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use zones_debian::Contents;

/// Names of a product. Made from its releases, and from what a matrix file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footprint {
    /// Packages.
    pub packages: BTreeSet<String>,
    /// Absolute paths of files, no folders.
    pub files: BTreeSet<PathBuf>,
    /// Users and groups.
    pub users: BTreeSet<String>,
    /// Units and init scripts, without `.service`.
    pub units: BTreeSet<String>,
    /// Folders of its own that hold shared libraries.
    pub libraries: BTreeSet<PathBuf>,
    /// Files of pkg-config, by their last name.
    pub pkg_config: BTreeSet<String>,
    /// Variables of the environment.
    pub variables: BTreeSet<String>,
}

/// Folders where the loader looks without being told. Source: ld.so(8).
const LOADER: [&str; 4] = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"];
/// Kinds of unit that start something.
const UNITS: [&str; 4] = [".service", ".socket", ".timer", ".path"];

impl Footprint {
    /// Adds the Debian packages at a path: a package, or a folder of them. Other files there are
    /// none of the product's.
    ///
    /// # Errors
    /// A package cannot be read: the text names it.
    pub fn add_packages(&mut self, path: &Path) -> Result<(), String> {
        let named = |what: String| format!("`{}`: {what}", path.display());
        let is_package = |path: &Path| path.extension().is_some_and(|end| end == "deb");
        if !path.is_dir() {
            if is_package(path) {
                self.add(&zones_debian::contents(path).map_err(named)?);
            }
            return Ok(());
        }
        for entry in fs::read_dir(path).map_err(|error| named(error.to_string()))? {
            let path = entry.map_err(|error| named(error.to_string()))?.path();
            if is_package(&path) {
                let contents = zones_debian::contents(&path);
                let contents = contents.map_err(|why| format!("`{}`: {why}", path.display()))?;
                self.add(&contents);
            }
        }
        Ok(())
    }

    /// Adds what one package is known by.
    pub fn add(&mut self, package: &Contents) {
        self.packages.insert(package.package.clone());
        for path in &package.files {
            self.add_file(path);
        }
        for script in &package.scripts {
            self.users.extend(users(script));
        }
    }

    fn add_file(&mut self, path: &Path) {
        self.files.insert(path.to_owned());
        let (Some(name), Some(folder)) = (path.file_name().and_then(|n| n.to_str()), path.parent())
        else {
            return;
        };
        if folder.ends_with("init.d") {
            self.units.insert(name.to_owned());
        }
        if folder.ends_with("systemd/system")
            && let Some(unit) = UNITS.iter().find_map(|end| name.strip_suffix(end))
        {
            self.units.insert(unit.to_owned());
        }
        if name.ends_with(".pc") {
            self.pkg_config.insert(name.to_owned());
        }
        let is_library = name.ends_with(".so") || name.contains(".so.");
        let is_known = |known: &str| {
            // /usr/lib and the folder of an architecture below it.
            Path::new(known) == folder || folder.parent() == Some(Path::new(known))
        };
        if is_library && !LOADER.iter().any(|known| is_known(known)) {
            self.libraries.insert(folder.to_owned());
        }
    }
}

/// Users that a script makes: the last word of a line that starts a program for it.
fn users(script: &str) -> Vec<String> {
    const MAKERS: [&str; 4] = ["useradd", "adduser", "groupadd", "addgroup"];
    let lines = script.lines().map(str::trim);
    let makers = lines.filter_map(|line| {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| word.starts_with("if"));
        let command = words.next()?.rsplit('/').next()?;
        if !MAKERS.contains(&command) {
            return None;
        }
        let last = words
            .take_while(|word| !matches!(*word, "||" | "&&" | ";" | ">" | "2>"))
            .last()?;
        let name = last.trim_matches(|c| "\"';".contains(c));
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        let is_name = !name.is_empty() && !name.starts_with('-') && name.bytes().all(is_part);
        is_name.then(|| name.to_owned())
    });
    makers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_known_by_its_parts() {
        let mut known = Footprint::default();
        let files = [
            "/usr/lib/systemd/system/acmed.service",
            "/etc/init.d/acme-agent",
            "/opt/acme/lib/libacme.so.4",
            "/usr/lib/x86_64-linux-gnu/libacme-client.so.4",
            "/usr/lib/pkgconfig/acme.pc",
        ];
        known.add(&Contents {
            package: "acme".to_owned(),
            version: "1".to_owned(),
            architecture: "all".to_owned(),
            files: files.iter().map(PathBuf::from).collect(),
            scripts: vec![
                "#!/bin/sh\n\tuseradd --system --gid nogroup acme || true\n/usr/sbin/groupadd \"mail-x\"\n\
                 # adduser\nadduser $NAME\nuserdel other\n"
                    .to_owned(),
            ],
        });
        let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(names(&known.units), "acme-agent acmed");
        assert_eq!(names(&known.users), "acme mail-x");
        assert_eq!(names(&known.pkg_config), "acme.pc");
        assert_eq!(known.libraries, [PathBuf::from("/opt/acme/lib")].into());
        assert_eq!(known.files.len(), files.len());
    }
}
