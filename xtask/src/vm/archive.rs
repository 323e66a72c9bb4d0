//! Debian packages of the guest's release, by apt and the host's own mirrors, with a state of apt
//! that is ours: the host's lists stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache;
use crate::shell::{Outcome, output, read, run, write};

/// Debian's keys, as the package debian-archive-keyring installs them.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The mirror as apt sees it.
#[derive(Debug)]
pub(super) struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Fetches the indexes of `release` into `folder`.
    pub(super) fn fetch(folder: &Path, release: &str) -> Outcome<Self> {
        cache::fresh(folder)?;
        for part in ["lists/partial", "cache/archives/partial", "packages"] {
            let path = folder.join(part);
            fs::create_dir_all(&path)
                .map_err(|error| format!("cannot make `{}`: {error}", path.display()))?;
        }
        write(&folder.join("sources.list"), &sources(release)?)?;
        let archive = Self {
            folder: folder.to_owned(),
        };
        run(archive.apt("apt-get").arg("update"))?;
        Ok(archive)
    }

    /// The package that a metapackage stands for today: its first dependency that starts so, with
    /// a version behind.
    pub(super) fn depends(&self, package: &str, prefix: &str) -> Outcome<String> {
        let text = output(self.apt("apt-cache").args(["depends", package]))?;
        text.split_whitespace()
            .find(|word| {
                let rest = word.strip_prefix(prefix);
                rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
            })
            .map(str::to_owned)
            .ok_or_else(|| format!("`{package}` of the mirror depends on no `{prefix}...`"))
    }

    /// Downloads packages; the files, in their order.
    pub(super) fn download(&self, packages: &[&str]) -> Outcome<Vec<PathBuf>> {
        let folder = self.folder.join("packages");
        let mut apt = self.apt("apt-get");
        run(apt.current_dir(&folder).arg("download").args(packages))?;
        packages.iter().map(|name| find(&folder, name)).collect()
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C").args(["-q", "-q"]);
        let folder = self.folder.display();
        for option in [
            format!("Dir::Etc::sourcelist={folder}/sources.list"),
            "Dir::Etc::sourceparts=-".to_owned(),
            format!("Dir::State::lists={folder}/lists"),
            "Dir::State::status=/dev/null".to_owned(),
            format!("Dir::Cache={folder}/cache"),
            // The folder belongs to root alone, so root fetches.
            "APT::Sandbox::User=root".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        command
    }
}

/// The file of one package.
fn find(folder: &Path, package: &str) -> Outcome<PathBuf> {
    let start = format!("{package}_");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&start)
        })
        .ok_or_else(|| format!("apt-get did not download `{package}`"))
}

/// The version of a package's file: `NAME_VERSION_ARCH.deb`, without its epoch.
pub(super) fn version(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let version = name.split('_').nth(1).unwrap_or_default();
    let version = version.rsplit("%3a").next().unwrap_or(version);
    version.to_owned()
}

/// Lays the files of a package into a root, without running its scripts.
pub(super) fn unpack(file: &Path, root: &Path) -> Outcome {
    let tree = root.with_extension("files.tar");
    let to = fs::File::create(&tree)
        .map_err(|error| format!("cannot write `{}`: {error}", tree.display()))?;
    run(Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(file)
        .stdout(to))?;
    run(Command::new("tar")
        .args(["--extract", "--keep-directory-symlink", "--file"])
        .arg(&tree)
        .arg("--directory")
        .arg(root))?;
    cache::remove(&tree)
}

/// The host's Debian sources with another release, and `contrib`, where ZFS stands.
fn sources(release: &str) -> Outcome<String> {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI) $(RELEASE)"]);
    let targets = output(targets.arg("Created-By: Packages"))?;
    let name = code_name()?;
    let mut lines: Vec<String> = Vec::new();
    for (uri, suite) in targets.lines().filter_map(|line| line.split_once(' ')) {
        let Some(pocket) = suite.strip_prefix(&name) else {
            continue;
        };
        let line = format!("deb [signed-by={KEYS}] {uri} {release}{pocket} main contrib\n");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if lines.is_empty() {
        return Err(format!(
            "the host's apt sources name no Debian mirror with `{name}`"
        ));
    }
    Ok(lines.concat())
}

/// The host's release, as `bookworm`. Source: os-release(5).
fn code_name() -> Outcome<String> {
    let text = read(Path::new("/etc/os-release"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .ok_or_else(|| "the host's os-release names no Debian release".to_owned())
}

#[cfg(test)]
mod tests {
    use super::version;
    use std::path::Path;

    #[test]
    fn a_version_stands_in_the_name_of_the_file() {
        let rows = [
            ("/d/zfs-dkms_2.3.9-0+deb13u1_all.deb", "2.3.9-0+deb13u1"),
            ("/d/a_1%3a2.0_amd64.deb", "2.0"),
        ];
        for (file, want) in rows {
            assert_eq!(version(Path::new(file)), want);
        }
    }
}
