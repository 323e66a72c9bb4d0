//! Trees as values, edited together with the folder that they describe.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rustix::fs::FileType;
use zones_sys::RootFd;

use super::{Aspect, Change, ChangeKind};

/// One thing done to a tree: what, to which names (numbers choose among those that are there), and
/// a letter that makes names and contents. Where nothing fits, nothing is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edit {
    verb: Verb,
    one: usize,
    other: usize,
    letter: u8,
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    Folder,
    File,
    Symlink,
    Fifo,
    Link,
    Write,
    Mode,
    Remove,
    Move,
}

pub(super) fn edit() -> impl Strategy<Value = Edit> {
    let verb = prop_oneof![
        4 => Just(Verb::Folder),
        4 => Just(Verb::File),
        1 => Just(Verb::Symlink),
        1 => Just(Verb::Fifo),
        2 => Just(Verb::Link),
        1 => Just(Verb::Write),
        1 => Just(Verb::Mode),
        2 => Just(Verb::Remove),
        2 => Just(Verb::Move),
    ];
    (verb, 0..64_usize, 0..64_usize, 0..6_u8).prop_map(|(verb, one, other, letter)| Edit {
        verb,
        one,
        other,
        letter,
    })
}

/// What one file is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    kind: FileType,
    mode: u32,
    text: Vec<u8>,
}

/// A tree: names, and what they stand for; several names may stand for one file.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    names: BTreeMap<PathBuf, usize>,
    nodes: Vec<Node>,
}

impl Model {
    fn pick(&self, number: usize, fits: impl Fn(FileType) -> bool) -> Option<PathBuf> {
        let names = self.names.iter();
        let fitting: Vec<_> = names
            .filter(|(_, node)| fits(self.nodes[**node].kind))
            .map(|(name, _)| name)
            .collect();
        let index = number.checked_rem(fitting.len())?;
        fitting.get(index).map(|it| (*it).clone())
    }

    /// A free name in one of the folders.
    fn place(&self, number: usize, letter: u8) -> Option<PathBuf> {
        let folder = match number.is_multiple_of(3) {
            true => PathBuf::new(),
            false => self
                .pick(number, |kind| kind == FileType::Directory)
                .unwrap_or_default(),
        };
        let name = folder.join(char::from(b'a' + letter).to_string());
        (!self.names.contains_key(&name)).then_some(name)
    }

    fn add(&mut self, name: PathBuf, kind: FileType, mode: u32, text: Vec<u8>) {
        self.names.insert(name, self.nodes.len());
        self.nodes.push(Node { kind, mode, text });
    }

    /// Does it to the model and to the folder at `root`.
    pub(super) fn apply(&mut self, edit: Edit, root: &Path) {
        let done = match edit.verb {
            Verb::Folder | Verb::File | Verb::Symlink | Verb::Fifo => self.make(edit, root),
            Verb::Link => self.link(edit, root),
            Verb::Write | Verb::Mode => self.change(edit, root),
            Verb::Remove => self.remove(edit, root),
            Verb::Move => self.rename(edit, root),
        };
        // Nothing fits: another edit will.
        let _ = done;
    }

    fn make(&mut self, edit: Edit, root: &Path) -> Option<()> {
        let name = self.place(edit.one, edit.letter)?;
        let path = root.join(&name);
        let text = vec![edit.letter; edit.other];
        match edit.verb {
            Verb::Folder => {
                fs::create_dir(&path).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
                self.add(name, FileType::Directory, 0o755, Vec::new());
            }
            Verb::File => {
                fs::write(&path, &text).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
                self.add(name, FileType::RegularFile, 0o644, text);
            }
            Verb::Symlink => {
                let target = format!("../{}", edit.other);
                symlink(&target, &path).unwrap();
                self.add(name, FileType::Symlink, 0o777, target.into_bytes());
            }
            _ => {
                let at = RootFd::open(root).unwrap();
                at.mknod(&name, FileType::Fifo, 0o640, 0).unwrap();
                self.add(name, FileType::Fifo, 0o640, Vec::new());
            }
        }
        Some(())
    }

    fn link(&mut self, edit: Edit, root: &Path) -> Option<()> {
        let from = self.pick(edit.one, |kind| kind != FileType::Directory)?;
        let to = self.place(edit.other, edit.letter)?;
        fs::hard_link(root.join(&from), root.join(&to)).unwrap();
        self.names.insert(to, self.names[&from]);
        Some(())
    }

    fn change(&mut self, edit: Edit, root: &Path) -> Option<()> {
        if matches!(edit.verb, Verb::Write) {
            let name = self.pick(edit.one, |kind| kind == FileType::RegularFile)?;
            let text = vec![edit.letter; edit.other];
            fs::write(root.join(&name), &text).unwrap();
            self.nodes[self.names[&name]].text = text;
        } else {
            let name = self.pick(edit.one, |kind| kind != FileType::Symlink)?;
            let mode = [0o700, 0o755, 0o4711, 0o1777, 0o2750, 0o644][usize::from(edit.letter)];
            // Without privileges the owner must still get in.
            let enter = if root.join(&name).is_dir() { 0o100 } else { 0 };
            let mode = mode | 0o600 | enter;
            fs::set_permissions(root.join(&name), fs::Permissions::from_mode(mode)).unwrap();
            self.nodes[self.names[&name]].mode = mode;
        }
        Some(())
    }

    fn remove(&mut self, edit: Edit, root: &Path) -> Option<()> {
        let name = self.pick(edit.one, |_| true)?;
        RootFd::open(root).unwrap().remove_all(&name).unwrap();
        self.names.retain(|it, _| !it.starts_with(&name));
        Some(())
    }

    fn rename(&mut self, edit: Edit, root: &Path) -> Option<()> {
        let from = self.pick(edit.one, |_| true)?;
        let to = self.place(edit.other, edit.letter)?;
        if to.starts_with(&from) {
            return None;
        }
        fs::rename(root.join(&from), root.join(&to)).unwrap();
        let moved: Vec<_> = self
            .names
            .keys()
            .filter(|it| it.starts_with(&from))
            .cloned()
            .collect();
        for name in moved {
            if let (Some(node), Ok(rest)) = (self.names.remove(&name), name.strip_prefix(&from)) {
                let name = if rest == Path::new("") {
                    to.clone()
                } else {
                    to.join(rest)
                };
                self.names.insert(name, node);
            }
        }
        Some(())
    }

    fn node(&self, name: &Path) -> Option<&Node> {
        self.names.get(name).map(|it| &self.nodes[*it])
    }

    /// The names that are the same file as this one, of those that both trees have as one kind.
    fn group<'a>(&'a self, name: &Path, other: &'a Self) -> BTreeSet<&'a Path> {
        let is_common =
            |it: &Path| self.node(it).map(|node| node.kind) == other.node(it).map(|node| node.kind);
        let node = self.names.get(name);
        let names = self.names.iter();
        names
            .filter(|(it, its)| Some(*its) == node && is_common(it))
            .map(|(it, _)| it.as_path())
            .collect()
    }

    /// What is different, found by looking at everything.
    pub(super) fn differences(&self, new: &Self) -> Vec<Change> {
        let names: BTreeSet<_> = self.names.keys().chain(new.names.keys()).collect();
        let mut changes = Vec::new();
        for name in names {
            let kind = match (self.node(name), new.node(name)) {
                (Some(was), None) => ChangeKind::Removed(was.kind),
                (None, Some(is)) => ChangeKind::Added(is.kind),
                (Some(was), Some(is)) if was.kind != is.kind => {
                    ChangeKind::Changed(vec![Aspect::Kind])
                }
                (Some(was), Some(is)) => {
                    let is_file = is.kind == FileType::RegularFile;
                    let is_folder = is.kind == FileType::Directory;
                    let links = || self.group(name, new) != new.group(name, self);
                    let all = [
                        (Aspect::Mode, was.mode != is.mode),
                        (Aspect::Size, is_file && was.text.len() != is.text.len()),
                        (Aspect::Content, is_file && was.text != is.text),
                        (Aspect::Target, !is_file && was.text != is.text),
                        (Aspect::Links, !is_folder && links()),
                    ];
                    let found: Vec<_> = all.iter().filter(|it| it.1).map(|it| it.0).collect();
                    if found.is_empty() {
                        continue;
                    }
                    ChangeKind::Changed(found)
                }
                (None, None) => continue,
            };
            let path = name.clone();
            changes.push(Change { path, kind });
        }
        changes
    }
}
