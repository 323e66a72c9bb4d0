//! Folders and tar archives as actions with content. Source: pkgsend(1), "generate".

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Metadata};
use std::io::{BufReader, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tar::EntryType;
use zones_archive::{Compression, PaxReader, Sums, decoder};
use zones_ips::pattern::glob_matches;
use zones_ips::{Action, ActionKind, Timestamp};

use crate::error::{RepositoryError, Result};
use crate::payload::Content;

/// Who owns what a bundle does not name an owner for.
const OWNER: &str = "root";
/// Its group.
const GROUP: &str = "bin";

/// What a folder or archive holds: actions by path, and the content of files by payload word.
#[derive(Debug, Default)]
pub struct Bundle {
    /// Folders, files, links, in the order of their paths.
    pub actions: Vec<Action>,
    /// Content by the payload word of its action.
    pub content: HashMap<String, Content>,
}

/// What is on the way to become an action.
struct Item<'a> {
    kind: ActionKind,
    path: &'a str,
    target: Option<&'a str>,
    mode: u32,
    owner: &'a str,
    group: &'a str,
    /// Seconds since 1970 began.
    time: i64,
}

impl Bundle {
    /// Reads a folder or a tar archive, plain or compressed. Files whose path or name matches one
    /// of `timestamped` keep their time.
    ///
    /// # Errors
    ///
    /// It cannot be read, or holds a name that no manifest can.
    pub fn read(path: &Path, timestamped: &[String]) -> Result<Self> {
        let meta = std::fs::metadata(path).map_err(RepositoryError::io("read", path))?;
        let mut bundle = Self::default();
        if meta.is_dir() {
            let mut links = HashMap::new();
            bundle.folder(path, Path::new(""), timestamped, &mut links)?;
        } else {
            bundle.archive(path, timestamped)?;
        }
        Ok(bundle)
    }

    fn push(&mut self, item: &Item<'_>, timestamped: &[String]) -> Result<()> {
        let mode = format!("{:04o}", item.mode & 0o7777);
        let mut pairs = vec![("path", item.path)];
        let is_owned = matches!(item.kind, ActionKind::Dir | ActionKind::File);
        if is_owned {
            pairs.extend([
                ("owner", item.owner),
                ("group", item.group),
                ("mode", &*mode),
            ]);
        }
        pairs.extend(item.target.map(|target| ("target", target)));
        let name = item.path.rsplit('/').next().unwrap_or(item.path);
        let is_timed = |glob: &String| glob_matches(glob, item.path) || glob_matches(glob, name);
        let is_file = item.kind == ActionKind::File;
        let time = Timestamp::from_unix(item.time).map(|time| time.to_string());
        if let Some(time) = time
            .as_deref()
            .filter(|_| is_file && timestamped.iter().any(is_timed))
        {
            pairs.push(("timestamp", time));
        }
        let payload = is_file.then_some(item.path);
        self.actions.push(Action::new(item.kind, payload, pairs)?);
        Ok(())
    }

    fn folder(
        &mut self,
        top: &Path,
        below: &Path,
        timestamped: &[String],
        links: &mut HashMap<(u64, u64), String>,
    ) -> Result<()> {
        let folder = top.join(below);
        let unread = |path: &Path| RepositoryError::io::<std::io::Error>("read", path);
        let mut names = BTreeMap::new();
        for entry in std::fs::read_dir(&folder).map_err(unread(&folder))? {
            let entry = entry.map_err(unread(&folder))?;
            let meta = entry.metadata().map_err(unread(&entry.path()))?;
            names.insert(entry.file_name(), meta);
        }
        for (name, meta) in names {
            let path = below.join(&name);
            let text = text(&path)?.to_owned();
            let full = top.join(&path);
            let target;
            let (kind, target) = if meta.is_dir() {
                (ActionKind::Dir, None)
            } else if meta.is_symlink() {
                target = std::fs::read_link(&full).map_err(unread(&full))?;
                (ActionKind::Link, Some(self::text(&target)?.to_owned()))
            } else if meta.is_file() {
                self.file(&full, &meta, &text, links)
            } else {
                return Err(RepositoryError::Refused(format!(
                    "`{}` is neither file, folder nor link; no package can hold it",
                    full.display()
                )));
            };
            let item = Item {
                kind,
                path: &text,
                target: target.as_deref(),
                mode: meta.mode(),
                owner: OWNER,
                group: GROUP,
                time: meta.mtime(),
            };
            self.push(&item, timestamped)?;
            if kind == ActionKind::Dir {
                self.folder(top, &path, timestamped, links)?;
            }
        }
        Ok(())
    }

    /// A file, or another name of one that came before.
    fn file(
        &mut self,
        full: &Path,
        meta: &Metadata,
        path: &str,
        links: &mut HashMap<(u64, u64), String>,
    ) -> (ActionKind, Option<String>) {
        let id = (meta.dev(), meta.ino());
        if meta.nlink() > 1 {
            if let Some(first) = links.get(&id) {
                return (ActionKind::Hardlink, Some(relative(path, first)));
            }
            links.insert(id, path.to_owned());
        }
        self.content.insert(path.to_owned(), full.to_owned().into());
        (ActionKind::File, None)
    }

    fn archive(&mut self, path: &Path, timestamped: &[String]) -> Result<()> {
        let file = File::open(path).map_err(RepositoryError::io("open", path))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let damaged = |error: std::io::Error| RepositoryError::Source {
            location: path.display().to_string(),
            why: format!("no whole tar archive: {error}"),
        };
        let first = std::io::BufRead::fill_buf(&mut reader).map_err(damaged)?;
        let how = Compression::sniff(first);
        let plain = decoder(how, Sums::Check, reader).map_err(damaged)?;
        let (plain, _) = PaxReader::new(plain);
        let mut archive = tar::Archive::new(plain);
        for entry in archive.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            let name = PathBuf::from(text(&entry.path().map_err(damaged)?)?);
            let name = normal(&name)?;
            let Some(name) = name else {
                continue;
            };
            let link = entry.link_name().map_err(damaged)?;
            let link = link.as_deref().map(text).transpose()?.map(str::to_owned);
            let kind = match entry.header().entry_type() {
                EntryType::Directory => ActionKind::Dir,
                EntryType::Symlink => ActionKind::Link,
                EntryType::Link => ActionKind::Hardlink,
                kind if kind.is_file() => ActionKind::File,
                _ => {
                    return Err(RepositoryError::Refused(format!(
                        "`{}`: `{name}` is neither file, folder nor link",
                        path.display()
                    )));
                }
            };
            let target = match kind {
                ActionKind::Hardlink => {
                    let first = PathBuf::from(link.unwrap_or_default());
                    normal(&first)?.map(|first| relative(&name, &first))
                }
                _ => link,
            };
            if kind == ActionKind::File {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(damaged)?;
                self.content.insert(name.clone(), bytes.into());
            }
            let header = entry.header();
            let named = |it: Option<&str>| it.filter(|it| !it.is_empty()).map(str::to_owned);
            let owner = named(header.username().ok().flatten());
            let group = named(header.groupname().ok().flatten());
            let item = Item {
                kind,
                path: &name,
                target: target.as_deref(),
                mode: header.mode().map_err(damaged)?,
                owner: owner.as_deref().unwrap_or(OWNER),
                group: group.as_deref().unwrap_or(GROUP),
                time: i64::try_from(header.mtime().map_err(damaged)?).unwrap_or_default(),
            };
            self.push(&item, timestamped)?;
        }
        Ok(())
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        RepositoryError::Refused(format!("the name `{}` is no UTF-8", path.display()))
    })
}

/// A member's path without `.`; None for the top itself.
fn normal(path: &Path) -> Result<Option<String>> {
    use std::path::Component;
    let mut words = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(word) => words.push(text(Path::new(word))?),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(RepositoryError::Refused(format!(
                    "the member `{}` leads out of the archive; do not trust it",
                    path.display()
                )));
            }
        }
    }
    Ok((!words.is_empty()).then(|| words.join("/")))
}

/// The path of `target` as a link at `link` names it.
fn relative(link: &str, target: &str) -> String {
    let from: Vec<_> = link.split('/').collect();
    let to: Vec<_> = target.split('/').collect();
    let shared = from.iter().zip(&to).take(from.len() - 1);
    let shared = shared.take_while(|(left, right)| left == right).count();
    let ups = std::iter::repeat_n("..", from.len() - 1 - shared);
    ups.chain(to[shared..].iter().copied())
        .collect::<Vec<_>>()
        .join("/")
}
