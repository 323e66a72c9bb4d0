//! Looks at a build zone from outside: is the product there, and was it changed where it may not?

use std::path::Path;

use rustix::fs::FileType;
use zones_archive::{Change, ChangeKind};
use zones_debian::deb822;
use zones_sys::RootFd;

use super::BUILD;
use super::footprint::Footprint;

/// More of one file is not read.
const FILE_BYTES: u64 = 256 << 20;
/// Findings that are told; the rest is counted.
pub(super) const TOLD: usize = 20;
/// Folders of units and init scripts.
const UNITS: [&str; 5] = [
    "/etc/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/usr/local/lib/systemd/system",
    "/etc/init.d",
];
const PKG_CONFIG: [&str; 5] = [
    "/usr/lib/pkgconfig",
    "/usr/share/pkgconfig",
    "/usr/lib64/pkgconfig",
    "/usr/local/lib/pkgconfig",
    "/usr/local/share/pkgconfig",
];
/// What a build may change besides its folder: temporary files, caches, what a running system
/// writes by itself. Patterns of [`allowed`].
const OTHERS: [&str; 13] = [
    "tmp",
    "var/tmp",
    "var/cache",
    "var/log",
    "var/lib/systemd",
    "var/lib/dbus",
    "run",
    "var/run",
    "dev",
    "root/.cache",
    "root/.ccache",
    // Written when a zone boots.
    "etc/resolv.conf",
    "etc/hosts",
];

/// All of the product that a root has; each as `user acme`.
pub(super) fn product(root: &RootFd, known: &Footprint) -> Vec<String> {
    let mut found = Vec::new();
    let text = |path: &str| {
        let bytes = root.read(Path::new(path), FILE_BYTES).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    for paragraph in deb822::paragraphs(&text("/var/lib/dpkg/status")) {
        let name = paragraph.field("Package").unwrap_or_default();
        let status = paragraph.field("Status").unwrap_or_default();
        if known.packages.contains(name) && !status.ends_with(" not-installed") {
            found.push(format!("package {name}"));
        }
    }
    for line in text("/lib/apk/db/installed").lines() {
        if let Some(name) = line
            .strip_prefix("P:")
            .filter(|name| known.packages.contains(*name))
        {
            found.push(format!("package {name}"));
        }
    }
    for path in &known.files {
        if root.lstat(path).is_ok() {
            found.push(format!("file {}", path.display()));
        }
    }
    for (file, what) in [("/etc/passwd", "user"), ("/etc/group", "group")] {
        let text = text(file);
        let names = text.lines().filter_map(|line| line.split(':').next());
        let names = names.filter(|name| known.users.contains(*name));
        found.extend(names.map(|name| format!("{what} {name}")));
    }
    for folder in UNITS {
        for item in root.read_dir(Path::new(folder)).unwrap_or_default() {
            let name = item.name.to_string_lossy().into_owned();
            let unit = name
                .rsplit_once('.')
                .map_or(name.as_str(), |(unit, _)| unit);
            if known.units.contains(unit) || known.units.contains(&name) {
                found.push(format!("unit {folder}/{name}"));
            }
        }
    }
    found.extend(loader(root, known, &text));
    for name in &known.pkg_config {
        for folder in pkg_config_folders(root) {
            let path = Path::new(&folder).join(name);
            if root.lstat(&path).is_ok() {
                found.push(format!("pkg-config file {}", path.display()));
            }
        }
    }
    let profiles = root
        .read_dir(Path::new("/etc/profile.d"))
        .unwrap_or_default();
    let profiles = profiles
        .iter()
        .map(|item| format!("/etc/profile.d/{}", item.name.display()));
    for file in ["/etc/environment".to_owned(), "/etc/profile".to_owned()]
        .into_iter()
        .chain(profiles)
    {
        let names = assigned(&text(&file));
        let names = names
            .into_iter()
            .filter(|name| known.variables.contains(name));
        found.extend(names.map(|name| format!("variable {name} in {file}")));
    }
    found.sort();
    found.dedup();
    found
}

/// The product in what the loader is told. Source: ldconfig(8).
fn loader(root: &RootFd, known: &Footprint, text: &dyn Fn(&str) -> String) -> Vec<String> {
    let parts = root
        .read_dir(Path::new("/etc/ld.so.conf.d"))
        .unwrap_or_default();
    let parts = parts
        .iter()
        .map(|item| format!("/etc/ld.so.conf.d/{}", item.name.display()));
    let mut found = Vec::new();
    for file in std::iter::once("/etc/ld.so.conf".to_owned()).chain(parts) {
        let text = text(&file);
        let lines = text.lines().map(|line| Path::new(line.trim()));
        let lines = lines.filter(|folder| known.libraries.contains(*folder));
        found.extend(lines.map(|folder| format!("ld.so entry {} in {file}", folder.display())));
    }
    let cache = root
        .read(Path::new("/etc/ld.so.cache"), FILE_BYTES)
        .unwrap_or_default();
    let cache = String::from_utf8_lossy(&cache);
    for folder in &known.libraries {
        if cache.contains(&format!("{}/", folder.display())) {
            found.push(format!(
                "ld.so entry {} in /etc/ld.so.cache",
                folder.display()
            ));
        }
    }
    found
}

/// The usual ones, and those of architectures.
fn pkg_config_folders(root: &RootFd) -> Vec<String> {
    let libraries = root.read_dir(Path::new("/usr/lib")).unwrap_or_default();
    let folders = libraries
        .iter()
        .filter(|item| item.kind == FileType::Directory);
    let more = folders.map(|item| format!("/usr/lib/{}/pkgconfig", item.name.display()));
    PKG_CONFIG
        .iter()
        .map(|folder| (*folder).to_owned())
        .chain(more)
        .collect()
}

/// Variables of the product in an environment as env(1) prints it.
pub(super) fn variables(environment: &str, known: &Footprint) -> Vec<String> {
    let names = assigned(environment).into_iter();
    let names = names.filter(|name| known.variables.contains(name));
    names.map(|name| format!("variable {name}")).collect()
}

/// Names that lines give a value to.
fn assigned(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| line.trim().trim_start_matches("export "));
    let names = lines.filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned()));
    names.collect()
}

/// What a build changed where it may not; each as `+ /usr/local/bin/acme`.
pub(super) fn stray(changes: &[Change]) -> Vec<String> {
    let strays = changes.iter().filter(|change| !is_allowed(change));
    let lines = strays.map(|change| {
        let sign = match change.kind {
            ChangeKind::Added(_) => '+',
            ChangeKind::Removed(_) => '-',
            ChangeKind::Changed(_) => 'M',
        };
        // The names are strangers': what a terminal would obey is written otherwise.
        let path = change.path.to_string_lossy();
        format!("{sign} /{}", path.escape_debug())
    });
    let mut lines: Vec<String> = lines.collect();
    collapse(&mut lines);
    let more = lines.len().saturating_sub(TOLD);
    if more > 0 {
        lines.truncate(TOLD);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// A folder that came stands for all in it.
fn collapse(lines: &mut Vec<String>) {
    let mut last: Option<String> = None;
    lines.retain(|line| {
        let inside = last
            .as_ref()
            .is_some_and(|folder| line.starts_with(folder.as_str()));
        if !inside && line.starts_with('+') {
            last = Some(format!("{line}/"));
        }
        !inside
    });
}

fn is_allowed(change: &Change) -> bool {
    let others = OTHERS.iter().map(Path::new);
    let mut allowed = others.chain([Path::new(BUILD.trim_start_matches('/'))]);
    // A home that got a cache, or the folder above the build folder, is no change of its own.
    let is_above = |folder: &Path| {
        matches!(change.kind, ChangeKind::Changed(_)) && folder.starts_with(&change.path)
    };
    allowed.any(|folder| change.path.starts_with(folder) || is_above(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    use zones_archive::Aspect;

    fn footprint() -> Footprint {
        let set = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Footprint {
            packages: set("acme acme-server"),
            files: [PathBuf::from("/usr/bin/acme")].into(),
            users: set("acme"),
            units: set("acmed"),
            libraries: [PathBuf::from("/opt/acme/lib")].into(),
            pkg_config: set("acme.pc"),
            variables: set("ACME_PREFIX"),
        }
    }

    /// Each trace alone is found, and is the only thing that is.
    #[test]
    fn every_kind_of_trace_is_found() {
        let cases = [
            (
                "var/lib/dpkg/status",
                "Package: acme\nStatus: deinstall ok config-files\n",
                "package acme",
            ),
            (
                "lib/apk/db/installed",
                "C:Q1\nP:acme\nV:1\n",
                "package acme",
            ),
            ("usr/bin/acme", "", "file /usr/bin/acme"),
            (
                "etc/passwd",
                "root:x:0:0::/:/bin/sh\nacme:x:9:9::/:\n",
                "user acme",
            ),
            ("etc/group", "acme:x:9:\n", "group acme"),
            (
                "etc/systemd/system/acmed.service",
                "",
                "unit /etc/systemd/system/acmed.service",
            ),
            ("etc/init.d/acmed", "", "unit /etc/init.d/acmed"),
            (
                "etc/ld.so.conf.d/x.conf",
                "/opt/acme/lib\n",
                "ld.so entry /opt/acme/lib in /etc/ld.so.conf.d/x.conf",
            ),
            (
                "etc/ld.so.cache",
                "\0/opt/acme/lib/libacme.so.4\0",
                "ld.so entry /opt/acme/lib in /etc/ld.so.cache",
            ),
            (
                "usr/lib/x86_64-linux-gnu/pkgconfig/acme.pc",
                "",
                "pkg-config file /usr/lib/x86_64-linux-gnu/pkgconfig/acme.pc",
            ),
            (
                "etc/profile.d/acme.sh",
                "export ACME_PREFIX=/opt\n",
                "variable ACME_PREFIX in /etc/profile.d/acme.sh",
            ),
        ];
        for (path, text, finding) in cases {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            let root = RootFd::open(folder.path()).unwrap();
            assert_eq!(product(&root, &footprint()), [finding]);
            assert!(
                product(&root, &Footprint::default()).is_empty(),
                "{finding}"
            );
        }
        let none = "Package: acme\nStatus: unknown ok not-installed\n";
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("var/lib/dpkg")).unwrap();
        fs::write(folder.path().join("var/lib/dpkg/status"), none).unwrap();
        let root = RootFd::open(folder.path()).unwrap();
        assert!(product(&root, &footprint()).is_empty());
        let found = variables("PATH=/bin\nACME_PREFIX=/opt\nACME=1\n", &footprint());
        assert_eq!(found, ["variable ACME_PREFIX"]);
    }

    #[test]
    fn only_changes_outside_of_the_build_folder_are_strays() {
        let change = |path: &str, kind| Change {
            path: PathBuf::from(path),
            kind,
        };
        let added = |path: &str| change(path, ChangeKind::Added(FileType::RegularFile));
        let changes = [
            change("build", ChangeKind::Added(FileType::Directory)),
            added("build/dist/a.deb"),
            added("tmp/x"),
            change("root", ChangeKind::Changed(vec![Aspect::Mode])),
            added("root/.cache/x"),
            added("builder/x"),
            change("etc/passwd", ChangeKind::Changed(vec![Aspect::Content])),
            change("usr/local/acme", ChangeKind::Added(FileType::Directory)),
            added("usr/local/acme/bin"),
            added("usr/local/acme2"),
            change("usr/share/x\n", ChangeKind::Removed(FileType::RegularFile)),
        ];
        assert_eq!(
            stray(&changes),
            [
                "+ /builder/x",
                "M /etc/passwd",
                "+ /usr/local/acme",
                "+ /usr/local/acme2",
                "- /usr/share/x\\n"
            ]
        );
        let many: Vec<Change> = (0..30).map(|at| added(&format!("x{at}"))).collect();
        assert_eq!(stray(&many).last().unwrap(), "and 10 more");
    }
}
