//! The database of dpkg(1) in a root.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rustix::io::Errno;
use zones_debian::deb822::{Paragraph, paragraphs};
use zones_sys::RootFd;

use crate::error::{ImportError, Result};
use crate::tree::{Tree, cannot_read};

/// Bytes that a file of the database may have.
const FILE_MAX: u64 = 256 << 20;

/// An installed package.
#[derive(Debug, Clone, Default)]
pub(crate) struct Installed {
    pub(crate) name: String,
    pub(crate) architecture: String,
    pub(crate) version: String,
    /// Its paragraph, without the empty line behind.
    pub(crate) paragraph: String,
    /// All fields of its paragraph, names in lower case.
    fields: BTreeMap<String, String>,
    /// What it has, links in front of the last name followed, diverted names as they are now.
    pub(crate) paths: BTreeSet<String>,
    pub(crate) conffiles: BTreeSet<String>,
    /// MD5 sums at unpacking.
    pub(crate) sums: BTreeMap<String, [u8; 16]>,
}

impl Installed {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// One name of a package moved aside for the same name of another.
struct Diversion {
    from: String,
    to: String,
    /// Who diverted; `:` is the administrator.
    by: String,
}

/// Reads all installed packages, by name.
pub(crate) fn read(root: &RootFd, tree: &Tree) -> Result<Vec<Installed>> {
    let status = text(root, "var/lib/dpkg/status")?;
    let status = status.ok_or(ImportError::NoDatabase("var/lib/dpkg/status"))?;
    let diversions = diversions(&text(root, "var/lib/dpkg/diversions")?.unwrap_or_default());
    let mut found = Vec::new();
    for paragraph in paragraphs(&status) {
        let Some(mut package) = installed(paragraph)? else {
            continue;
        };
        read_files(root, tree, &diversions, &mut package)?;
        found.push(package);
    }
    found.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    Ok(found)
}

/// A text of the root; none when it is missing.
pub(crate) fn text(root: &RootFd, path: &str) -> Result<Option<String>> {
    match root.read(Path::new(path), FILE_MAX) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(cannot_read(path)(error)),
    }
}

fn installed(paragraph: Paragraph<'_>) -> Result<Option<Installed>> {
    let field = |name| paragraph.field(name).unwrap_or_default().to_owned();
    let state = field("Status");
    match state.split_whitespace().nth(2) {
        Some("installed") => {}
        None | Some("not-installed" | "config-files") => return Ok(None),
        Some(other) => {
            return Err(ImportError::HalfInstalled(
                field("Package"),
                other.to_owned(),
            ));
        }
    }
    let fields = paragraph
        .fields()
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Ok(Some(Installed {
        name: field("Package"),
        architecture: field("Architecture"),
        version: field("Version"),
        paragraph: paragraph.text().trim_end().to_owned(),
        fields: fields.collect(),
        ..Installed::default()
    }))
}

fn read_files(
    root: &RootFd,
    tree: &Tree,
    diversions: &[Diversion],
    package: &mut Installed,
) -> Result<()> {
    let (name, architecture) = (package.name.clone(), package.architecture.clone());
    package.paths.extend(records(tree, &name, &architecture));
    let info = |suffix: &str| -> Result<String> {
        let plain = format!("var/lib/dpkg/info/{name}.{suffix}");
        let qualified = format!("var/lib/dpkg/info/{name}:{architecture}.{suffix}");
        let found = text(root, &qualified)?;
        Ok(found
            .map_or_else(|| text(root, &plain), |it| Ok(Some(it)))?
            .unwrap_or_default())
    };
    let place = |path: &str| tree.resolve(divert(diversions, &name, path.trim_start_matches('/')));
    for line in info("list")?.lines() {
        let path = place(line);
        if !path.is_empty() && path != "." {
            package.paths.insert(path);
        }
    }
    for line in info("md5sums")?.lines() {
        if let Some((sum, path)) = line.split_once("  ")
            && let Some(sum) = hex(sum)
        {
            package.sums.insert(place(path), sum);
        }
    }
    let listed = package.field("conffiles").to_owned();
    for line in listed.lines() {
        if let Some(path) = line.split_whitespace().next() {
            package.conffiles.insert(place(path));
        }
    }
    Ok(())
}

/// Files of the database that say what a package has, as far as they are there: with them dpkg(1)
/// knows whose a file is, and whether it is as it was. Scripts are not among them.
fn records(tree: &Tree, name: &str, architecture: &str) -> Vec<String> {
    let mut found = Vec::new();
    for suffix in ["list", "md5sums"] {
        found.push(format!("var/lib/dpkg/info/{name}.{suffix}"));
        found.push(format!("var/lib/dpkg/info/{name}:{architecture}.{suffix}"));
    }
    if name == "dpkg" {
        // How the others are called.
        found.push("var/lib/dpkg/info/format".to_owned());
    }
    found.retain(|path| tree.nodes.contains_key(path));
    found
}

fn hex(text: &str) -> Option<[u8; 16]> {
    let mut sum = [0; 16];
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in sum.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(sum)
}

fn diversions(text: &str) -> Vec<Diversion> {
    let lines: Vec<&str> = text.lines().collect();
    let path = |line: &str| line.trim_start_matches('/').to_owned();
    let three = lines.as_chunks::<3>().0.iter();
    let diversion = |[from, to, by]: &[&str; 3]| Diversion {
        from: path(from),
        to: path(to),
        by: (*by).to_owned(),
    };
    three.map(diversion).collect()
}

/// Where a file of a package is now.
fn divert<'a>(diversions: &'a [Diversion], package: &str, path: &'a str) -> &'a str {
    let hit = |it: &&Diversion| it.from == path && it.by != package;
    diversions
        .iter()
        .find(hit)
        .map_or(path, |it| it.to.as_str())
}

#[cfg(test)]
mod tests {
    use super::{diversions, divert, hex};

    #[test]
    fn a_diverted_name_is_that_of_the_diverter() {
        let all = diversions("/usr/bin/x\n/usr/bin/x.real\nwrapper\n/a\n/b\n:\n");
        let rows = [
            ("wrapper", "usr/bin/x", "usr/bin/x"),
            ("owner", "usr/bin/x", "usr/bin/x.real"),
            ("anybody", "a", "b"),
            ("anybody", "c", "c"),
        ];
        for (package, path, want) in rows {
            assert_eq!(divert(&all, package, path), want, "{package} {path}");
        }
    }

    #[test]
    fn sums_are_read() {
        assert_eq!(
            hex("00ff00ff00ff00ff00ff00ff00ff00ff").map(|it| it[1]),
            Some(255)
        );
        assert_eq!(hex("00ff"), None);
        assert_eq!(hex(&"z".repeat(32)), None);
    }
}
