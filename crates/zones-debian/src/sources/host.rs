//! The host's source lists.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Keyring, Source, is_update, pocket_of};
use crate::deb822::{Paragraph, paragraphs};

/// The sources of binary packages the host itself uses, in apt's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSources {
    /// One entry for each archive and suite.
    pub sources: Vec<Source>,
    /// Key files that count where an entry names none.
    pub trusted: Vec<PathBuf>,
    /// Lines and entries that were not understood, as sentences.
    pub warnings: Vec<String>,
}

impl HostSources {
    /// Reads `etc/apt` below `root`, which is the host's own `/` and trusted. Files that are
    /// missing count as empty.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let apt = root.join("etc/apt");
        let mut host = Self::default();
        if let Some(text) = read_if_there(&apt.join("sources.list"))? {
            host.add_list(&text, "sources.list", root);
        }
        for path in files_in(&apt.join("sources.list.d"))? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let Some(text) = read_if_there(&path)? else {
                continue;
            };
            match path.extension().and_then(|e| e.to_str()) {
                Some("list") => host.add_list(&text, &name, root),
                Some("sources") => host.add_deb822(&text, &name, root),
                _ => {}
            }
        }
        let mut lax = read_if_there(&apt.join("apt.conf"))?.is_some_and(|t| ignores_expiry(&t));
        for path in files_in(&apt.join("apt.conf.d"))? {
            lax |= read_if_there(&path)?.is_some_and(|t| ignores_expiry(&t));
        }
        if lax {
            host.sources
                .iter_mut()
                .for_each(|s| s.check_valid_until = false);
        }
        host.trusted = trusted_keys(root)?;
        Ok(host)
    }

    /// Entries that may be a main archive: component `main`, no pocket.
    pub fn candidates(&self) -> impl Iterator<Item = &Source> {
        let main = |s: &&Source| s.components.iter().any(|c| c == "main") && !s.is_pocket();
        self.sources.iter().filter(main)
    }

    /// The updates and security suites of the host for any of `names` (suite and code name).
    #[must_use]
    pub fn pockets(&self, names: &[&str]) -> Vec<Source> {
        let fits = |s: &&Source| {
            is_update(&s.suite) && pocket_of(&s.suite).is_some_and(|under| names.contains(&under))
        };
        self.sources.iter().filter(fits).cloned().collect()
    }

    fn add_list(&mut self, text: &str, file: &str, root: &Path) {
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let Some(rest) = line.strip_prefix("deb") else {
                continue;
            };
            if !rest.starts_with([' ', '\t', '[']) {
                continue;
            }
            match parse_line(rest.trim(), root) {
                Some(source) => self.push(source),
                None => {
                    self.warnings
                        .push(format!("`{file}` line {}: not understood", number + 1));
                }
            }
        }
    }

    fn add_deb822(&mut self, text: &str, file: &str, root: &Path) {
        for paragraph in paragraphs(text) {
            let words = |name: &str| -> Vec<String> {
                let value = paragraph.field(name).unwrap_or_default();
                let plain = value.lines().filter(|l| !l.trim_start().starts_with('#'));
                plain
                    .flat_map(str::split_whitespace)
                    .map(str::to_owned)
                    .collect()
            };
            let off = paragraph.field("Enabled").is_some_and(|v| !is_yes(v));
            if off || !words("Types").iter().any(|t| t == "deb") {
                continue;
            }
            let (uris, suites) = (words("URIs"), words("Suites"));
            if uris.is_empty() || suites.is_empty() {
                self.warnings
                    .push(format!("`{file}`: an entry without URIs or Suites"));
                continue;
            }
            for uri in &uris {
                for suite in &suites {
                    let mut source = Source::new(uri, suite);
                    source.components = words("Components");
                    source.keyring = signed_by(paragraph, root);
                    let until = paragraph.field("Check-Valid-Until");
                    source.check_valid_until = until.is_none_or(is_yes);
                    self.push(source);
                }
            }
        }
    }

    /// Flat repositories have no suites and cannot hold a system.
    fn push(&mut self, source: Source) {
        if !source.suite.ends_with('/') {
            self.sources.push(source);
        }
    }
}

fn is_yes(value: &str) -> bool {
    matches!(
        value.trim().to_ascii_lowercase().as_str(),
        "yes" | "true" | "1" | "on" | "with"
    )
}

/// One line, after `deb`: `[options] uri suite component...`.
fn parse_line(rest: &str, root: &Path) -> Option<Source> {
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let mut source = Source::new(words.next()?, words.next()?);
    if !source.uri.contains(':') {
        return None;
    }
    source.components = words.map(str::to_owned).collect();
    for option in options.split_whitespace() {
        match option.split_once('=') {
            Some(("signed-by", files)) => source.keyring = key_files(files.split(','), root),
            Some(("check-valid-until", value)) => source.check_valid_until = is_yes(value),
            _ => {}
        }
    }
    Some(source)
}

fn signed_by(paragraph: Paragraph<'_>, root: &Path) -> Keyring {
    match paragraph.field("Signed-By") {
        None | Some("") => Keyring::Host,
        Some(value) if value.contains("-----BEGIN PGP") => {
            // In a field an empty line is written as a dot, and each line has a blank in front.
            let lines = value
                .lines()
                .map(str::trim)
                .map(|l| if l == "." { "" } else { l });
            Keyring::Inline(lines.fold(String::new(), |text, line| text + line + "\n"))
        }
        Some(value) => key_files(value.split([',', ' ', '\n', '\t']), root),
    }
}

/// Fingerprints are not resolved: the entry then counts as signed by the host's keys.
fn key_files<'a>(names: impl Iterator<Item = &'a str>, root: &Path) -> Keyring {
    let files = names.map(str::trim).filter(|n| n.starts_with('/'));
    let files: Vec<PathBuf> = files
        .map(|n| root.join(n.trim_start_matches('/')))
        .collect();
    if files.is_empty() {
        Keyring::Host
    } else {
        Keyring::Files(files)
    }
}

/// Whether a configuration file switches `Acquire::Check-Valid-Until` off.
fn ignores_expiry(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim();
        let value = line.strip_prefix("Acquire::Check-Valid-Until");
        value.is_some_and(|v| !is_yes(v.trim().trim_end_matches(';').trim_matches('"')))
    })
}

fn trusted_keys(root: &Path) -> io::Result<Vec<PathBuf>> {
    let key = |p: &PathBuf| p.extension().is_some_and(|e| e == "gpg" || e == "asc");
    let mut keys = files_in(&root.join("etc/apt/trusted.gpg.d"))?;
    keys.retain(key);
    for one in [
        "etc/apt/trusted.gpg",
        "usr/share/keyrings/debian-archive-keyring.gpg",
    ] {
        let path = root.join(one);
        if path.is_file() {
            keys.push(path);
        }
    }
    Ok(keys)
}

fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The files of a folder, sorted by name; none if it is missing.
fn files_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let list = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut paths = list
        .map(|e| e.map(|e| e.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.retain(|p| p.is_file());
    paths.sort();
    Ok(paths)
}
