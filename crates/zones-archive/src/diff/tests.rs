mod edits;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rustix::fs::FileType;
use zones_sys::RootFd;

use super::{Aspect, Change, ChangeKind, DiffOptions, differ};
use crate::progress::Silent;
use edits::{Model, edit};

/// Two folders, and what is different between them as lines.
struct Pair {
    temp: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("a")).unwrap();
        fs::create_dir(temp.path().join("b")).unwrap();
        Self { temp }
    }

    fn a(&self) -> PathBuf {
        self.temp.path().join("a")
    }

    fn b(&self) -> PathBuf {
        self.temp.path().join("b")
    }

    fn changes(&self, options: DiffOptions<'_>) -> Vec<Change> {
        let (a, b) = (RootFd::open(&self.a()), RootFd::open(&self.b()));
        differ(Some(&a.unwrap()), &b.unwrap(), options, &Silent).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        lines(&self.changes(DiffOptions::default()))
    }
}

fn lines(changes: &[Change]) -> Vec<String> {
    let line = |it: &Change| match &it.kind {
        ChangeKind::Added(_) => format!("+ {}", it.path.display()),
        ChangeKind::Removed(_) => format!("- {}", it.path.display()),
        ChangeKind::Changed(aspects) => {
            let words: Vec<_> = aspects.iter().map(|it| it.as_str()).collect();
            format!("M {} {}", it.path.display(), words.join(","))
        }
    };
    changes.iter().map(line).collect()
}

#[test]
fn each_aspect_is_told() {
    let pair = Pair::new();
    for root in [pair.a(), pair.b()] {
        for name in ["same", "mode", "size", "bytes", "kind", "h1", "h2", "time"] {
            fs::write(root.join(name), name).unwrap();
        }
        fs::create_dir_all(root.join("d/gone")).unwrap();
        symlink("one", root.join("target")).unwrap();
        let at = RootFd::open(&root).unwrap();
        at.mknod(Path::new("fifo"), FileType::Fifo, 0o600, 0)
            .unwrap();
        drop(UnixListener::bind(root.join("socket")).unwrap());
    }
    let (a, b) = (pair.a(), pair.b());
    fs::set_permissions(b.join("mode"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(&b, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(b.join("size"), "longer").unwrap();
    fs::write(b.join("bytes"), "setyb").unwrap();
    fs::remove_file(b.join("kind")).unwrap();
    fs::create_dir_all(b.join("kind/inner")).unwrap();
    fs::write(b.join("kind/inner/f"), "").unwrap();
    fs::remove_file(b.join("h2")).unwrap();
    fs::hard_link(b.join("h1"), b.join("h2")).unwrap();
    fs::write(a.join("h2"), "h1").unwrap();
    fs::remove_dir(b.join("d/gone")).unwrap();
    fs::remove_file(b.join("target")).unwrap();
    symlink("two", b.join("target")).unwrap();
    let want = [
        "M  mode",
        "M bytes content",
        "- d/gone",
        "M h1 links",
        "M h2 links",
        "M kind kind",
        "+ kind/inner",
        "+ kind/inner/f",
        "M mode mode",
        "M size size,content",
        "M target target",
    ];
    assert_eq!(pair.lines(), want);
}

#[test]
fn owners_devices_and_attributes_are_told() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIP owners_devices_and_attributes_are_told: needs root");
        return;
    }
    let pair = Pair::new();
    for (root, minor, owner) in [(pair.a(), 3, 7), (pair.b(), 5, 8)] {
        let at = RootFd::open(&root).unwrap();
        let device = rustix::fs::makedev(1, minor);
        let made = at.mknod(Path::new("null"), FileType::CharacterDevice, 0o600, device);
        made.unwrap();
        fs::write(root.join("file"), "").unwrap();
        fs::write(root.join("capable"), "").unwrap();
        at.chown(Path::new("file"), owner, 0).unwrap();
        // cap_net_raw=ep, or cap_net_admin=ep: see capabilities(7), struct vfs_cap_data.
        let mut value = [0; 20];
        value[..4].copy_from_slice(&0x0200_0001_u32.to_le_bytes());
        value[4..8].copy_from_slice(&(1_u32 << (minor + 8)).to_le_bytes());
        let key = std::ffi::OsStr::new("security.capability");
        at.set_xattr(Path::new("capable"), key, &value).unwrap();
    }
    let want = ["M capable attributes", "M file owner", "M null device"];
    assert_eq!(pair.lines(), want);
}

#[test]
fn times_stamps_and_candidates_are_as_asked_for() {
    let pair = Pair::new();
    for root in [pair.a(), pair.b()] {
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/f"), "text").unwrap();
        fs::write(root.join("g"), "text").unwrap();
    }
    fs::write(pair.b().join("d/f"), "TEXT").unwrap();
    fs::write(pair.b().join("g"), "TEXT").unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(5, 5);
    let open = fs::File::options().write(true).open(pair.b().join("g"));
    open.unwrap().set_modified(old).unwrap();
    let with_times = DiffOptions {
        times: true,
        ..DiffOptions::default()
    };
    let all = lines(&pair.changes(with_times));
    assert!(all.contains(&"M g content,time".to_owned()), "{all:?}");
    let mut only = super::Candidates::default();
    only.add("g".into(), false);
    let candidates = DiffOptions {
        may_differ: Some(&only),
        ..DiffOptions::default()
    };
    assert_eq!(lines(&pair.changes(candidates)), ["M g content"]);
    // Other inodes: stamps are not enough, the bytes are read.
    let trusting = DiffOptions {
        trust_stamps: true,
        ..DiffOptions::default()
    };
    let changes = lines(&pair.changes(trusting));
    assert_eq!(changes, ["M d/f content", "M g content"]);
}

/// Longer than anybody can read; the only bytes lie at its end.
#[test]
fn holes_are_not_read() {
    let pair = Pair::new();
    for (root, last) in [(pair.a(), 1), (pair.b(), 2)] {
        for name in ["same", "other"] {
            let file = fs::File::create(root.join(name)).unwrap();
            file.set_len(1 << 42).unwrap();
            let byte = if name == "same" { 1 } else { last };
            std::os::unix::fs::FileExt::write_all_at(&file, &[byte], (1 << 42) - 1).unwrap();
        }
    }
    // Zeros that are written and zeros of a hole are the same.
    fs::write(pair.a().join("zeros"), vec![0; 100_000]).unwrap();
    fs::File::create(pair.b().join("zeros"))
        .unwrap()
        .set_len(100_000)
        .unwrap();
    assert_eq!(pair.lines(), ["M other content"]);
}

#[test]
fn without_an_old_tree_all_is_added() {
    let pair = Pair::new();
    fs::create_dir(pair.b().join("d")).unwrap();
    fs::write(pair.b().join("d/f"), "").unwrap();
    fs::write(pair.b().join("d.x"), "").unwrap();
    let new = RootFd::open(&pair.b()).unwrap();
    let changes = differ(None, &new, DiffOptions::default(), &Silent).unwrap();
    assert_eq!(lines(&changes), ["+ ", "+ d", "+ d/f", "+ d.x"]);
}

#[test]
fn links_are_compared_and_not_followed() {
    let pair = Pair::new();
    fs::create_dir(pair.temp.path().join("outside")).unwrap();
    fs::write(pair.temp.path().join("outside/secret"), "").unwrap();
    for root in [pair.a(), pair.b()] {
        symlink(pair.temp.path().join("outside"), root.join("out")).unwrap();
    }
    fs::write(pair.temp.path().join("outside/secret2"), "").unwrap();
    assert_eq!(pair.lines(), [""; 0]);
    // A folder in one tree, a link in the other one.
    fs::remove_file(pair.a().join("out")).unwrap();
    fs::create_dir(pair.a().join("out")).unwrap();
    fs::write(pair.a().join("out/f"), "").unwrap();
    assert_eq!(pair.lines(), ["M out kind", "- out/f"]);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]


    /// Whatever is done to a copy is found, and nothing else.
    #[test]
    fn random_edits_of_a_copy_are_found(
        before in prop::collection::vec(edit(), 0..40),
        after in prop::collection::vec(edit(), 0..20),
    ) {
        let pair = Pair::new();
        let mut model = Model::default();
        before.into_iter().for_each(|edit| model.apply(edit, &pair.a()));
        let (a, b) = (RootFd::open(&pair.a()).unwrap(), RootFd::open(&pair.b()).unwrap());
        crate::copy_tree(&a, &b, crate::Devices::Keep, &Silent).unwrap();
        let times = DiffOptions { times: true, ..DiffOptions::default() };
        let copied = differ(Some(&a), &b, times, &Silent).unwrap();
        // The root itself is the caller's, so its time is none of the copy.
        let copied: Vec<_> = copied.iter().filter(|it| it.path != Path::new("")).collect();
        prop_assert!(copied.is_empty(), "{copied:?}");
        let old = model.clone();
        after.into_iter().for_each(|edit| model.apply(edit, &pair.b()));
        let found = differ(Some(&a), &b, DiffOptions::default(), &Silent).unwrap();
        prop_assert_eq!(lines(&found), lines(&old.differences(&model)));
    }
}
