#![allow(clippy::print_stdout)]

use std::cell::RefCell;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use zones_types::IdRange;

use super::*;

const BASE: u32 = IdRange::FIRST.base;

/// Keeps all that it is given; may have the walk die after so many.
#[derive(Default)]
struct Kept(RefCell<Vec<Special>>, Option<usize>);

impl Keeper for Kept {
    fn keep(&self, special: &Special) -> std::io::Result<()> {
        self.0.borrow_mut().push(special.clone());
        match self.1 {
            Some(limit) if self.0.borrow().len() > limit => Err(Errno::INTR.into()),
            _ => Ok(()),
        }
    }
}

fn to(target: u32) -> Shift {
    Shift {
        target,
        known: vec![BASE],
    }
}

/// A tree with all that a shift can lose; `None` where this cannot be made.
fn tree(name: &str) -> Option<tempfile::TempDir> {
    if !rustix::process::geteuid().is_root() {
        println!("SKIP {name}: needs root");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    std::fs::create_dir_all(at("usr/bin")).unwrap();
    std::fs::create_dir(at("home")).unwrap();
    for (path, mode, owner) in [
        ("usr/bin/su", 0o4755, 0),
        ("usr/bin/ping", 0o755, 0),
        ("home/x", 0o640, 1000),
    ] {
        std::fs::write(at(path), path).unwrap();
        std::os::unix::fs::chown(at(path), Some(owner), Some(owner)).unwrap();
        std::fs::set_permissions(at(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::os::unix::fs::symlink("/etc/shadow", at("home/link")).unwrap();
    std::fs::hard_link(at("home/x"), at("home/y")).unwrap();
    let root = RootFd::open(folder.path()).unwrap();
    // cap_net_raw+ep
    let mut raw = vec![1, 0, 0, 2, 0, 0x20, 0, 0];
    raw.resize(20, 0);
    root.set_xattr(Path::new("usr/bin/ping"), OsStr::new(CAPABILITY), &raw)
        .unwrap();
    let deep = root.mkdir_p(Path::new("deep"), 0o755).unwrap();
    let mut here = deep;
    for _ in 0..1_500 {
        here.mkdir(OsStr::new("d"), 0o755).unwrap();
        here = here.dir(OsStr::new("d")).unwrap();
    }
    Some(folder)
}

fn facts(folder: &Path) -> Vec<(u32, u32, usize)> {
    let root = RootFd::open(folder).unwrap();
    let fact = |path: &str| {
        let stat = root.lstat(Path::new(path)).unwrap();
        let (dir, name) = root.parent(Path::new(path)).unwrap();
        let link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let attributes = if link {
            Vec::new()
        } else {
            dir.xattrs(name).unwrap()
        };
        let capability = attributes.iter().find(|(key, _)| key == CAPABILITY);
        (
            stat.st_uid,
            stat.st_mode & 0o7777,
            capability.map_or(0, |(_, value)| value.len()),
        )
    };
    ["usr/bin/su", "usr/bin/ping", "home/x", "home/link", "home"]
        .map(fact)
        .to_vec()
}

fn expected(base: u32) -> Vec<(u32, u32, usize)> {
    let capability = if base == 0 { 20 } else { 24 };
    vec![
        (base, 0o4755, 0),
        (base, 0o755, capability),
        (base + 1000, 0o640, 0),
        (base, 0o777, 0),
        (base, 0o755, 0),
    ]
}

#[test]
fn a_tree_goes_there_and_back_with_all_it_has() {
    let Some(folder) = tree("a_tree_goes_there_and_back_with_all_it_has") else {
        return;
    };
    let shadow = std::fs::metadata("/etc/shadow").map(|file| file.uid()).ok();
    let root = RootFd::open(folder.path()).unwrap();
    let kept = Kept::default();
    assert!(run(&root, &to(BASE), &kept).unwrap() > 1_500);
    assert_eq!(facts(folder.path()), expected(BASE));
    assert_eq!(std::fs::metadata(folder.path()).unwrap().uid(), BASE);
    assert_eq!(kept.0.borrow().len(), 2, "what chown takes is noted");
    // Again: nothing left to do.
    assert_eq!(run(&root, &to(BASE), &Kept::default()).unwrap(), 0);
    assert_eq!(facts(folder.path()), expected(BASE));
    run(&root, &to(0), &Kept::default()).unwrap();
    assert_eq!(facts(folder.path()), expected(0));
    assert_eq!(
        std::fs::metadata("/etc/shadow").map(|file| file.uid()).ok(),
        shadow
    );
}

#[test]
fn a_killed_walk_loses_nothing() {
    let Some(folder) = tree("a_killed_walk_loses_nothing") else {
        return;
    };
    let root = RootFd::open(folder.path()).unwrap();
    for name in ["ping", "su"] {
        let dying = Kept(RefCell::default(), Some(0));
        let error = run(&root, &to(BASE), &dying).unwrap_err();
        assert!(error.to_string().contains("/usr/bin"), "{error}");
        // As if killed right after the owner changed, which takes bits and capability away.
        let last = dying.0.borrow().last().unwrap().clone();
        let path = Path::new(OsStr::from_bytes(&last.path));
        assert!(path.ends_with(name), "{path:?}");
        root.chown(path, BASE, BASE).unwrap();
        assert_eq!(
            std::fs::metadata(folder.path()).unwrap().uid(),
            0,
            "not done"
        );
        restore(&root, &last).unwrap();
    }
    run(&root, &to(BASE), &Kept::default()).unwrap();
    assert_eq!(facts(folder.path()), expected(BASE));
}
