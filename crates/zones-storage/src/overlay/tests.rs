#![allow(clippy::print_stdout)]

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

use tempfile::TempDir;
use zones_archive::Silent;

use super::*;

/// A folder for zones, when layers work where tests are.
fn zones(name: &str) -> Option<TempDir> {
    // In memory: every step waits for the disk.
    let folder = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let magic = rustix::fs::statfs(folder.path()).unwrap().f_type;
    let is_fit = crate::driver::LAYERED.iter().any(|(it, _)| *it == magic);
    if !is_fit || !has_overlayfs() {
        println!("SKIP {name}: needs root, overlayfs, and ext4, xfs or tmpfs for temporary files");
        return None;
    }
    fs::create_dir(folder.path().join("z")).unwrap();
    Some(folder)
}

/// The names of all files with what is in them, through the view.
fn files(root: &Path) -> Vec<String> {
    let view = view(root).unwrap().open().unwrap();
    let top = PathBuf::from(format!("/proc/self/fd/{}", view.as_fd().as_raw_fd()));
    let mut folders = vec![top.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let text = match kind.is_file() {
                true => fs::read_to_string(&path).unwrap(),
                false => format!("{}", kind.is_char_device()),
            };
            found.push(format!("{:?} {text}", path.strip_prefix(&top).unwrap()));
            if kind.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

fn change(root: &Path, step: impl FnOnce(&Path)) {
    let view = view(root).unwrap().open().unwrap();
    step(Path::new(&format!(
        "/proc/self/fd/{}",
        view.as_fd().as_raw_fd()
    )));
}

/// Gives a root a past: a layer below, and something of each kind above.
fn age(driver: &Overlay, root: &Path) {
    let other = root.with_file_name("other");
    driver.freeze(root, &other, false, &Silent).unwrap();
    driver.destroy(&other).unwrap();
    change(root, |root| {
        fs::remove_file(root.join("gone")).unwrap();
        fs::remove_dir_all(root.join("opaque")).unwrap();
        fs::create_dir(root.join("opaque")).unwrap();
        fs::write(root.join("opaque/new"), "new").unwrap();
        fs::rename(root.join("moved"), root.join("there")).unwrap();
        fs::write(root.join("changed"), "after").unwrap();
    });
}

fn make(driver: &Overlay, root: &Path) {
    driver.create(root).unwrap();
    for name in ["opaque", "moved", "kept"] {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("old"), "old").unwrap();
    }
    for name in ["gone", "changed"] {
        fs::write(root.join(name), "before").unwrap();
    }
}

type Act = fn(&Overlay, &Path, &Path) -> bool;

/// What can be killed, by name; whether the root is layered before.
const ACTS: [(&str, bool, Act); 6] = [
    ("copy a plain root", false, |driver, from, to| {
        driver.copy(from, to, false, &Silent).is_ok()
    }),
    ("copy a layered root", true, |driver, from, to| {
        driver.copy(from, to, false, &Silent).is_ok()
    }),
    ("freeze a plain root", false, |driver, from, to| {
        driver.freeze(from, to, false, &Silent).is_ok()
    }),
    ("freeze a layered root", true, |driver, from, to| {
        driver.freeze(from, to, false, &Silent).is_ok()
    }),
    ("freeze a live root", true, |driver, from, to| {
        driver.freeze(from, to, true, &Silent).is_ok()
    }),
    ("copy a live root", true, |driver, from, to| {
        driver.copy(from, to, true, &Silent).is_ok()
    }),
];

#[test]
fn a_store_may_be_taken_away_while_it_is_looked_for() {
    let Some(folder) = zones("a_store_may_be_taken_away_while_it_is_looked_for") else {
        return;
    };
    let zone = folder.path().join("z");
    fs::create_dir(folder.path().join("neighbour")).unwrap();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let path = folder.path().join(".zones-layers");
            let store = Store { path };
            while !is_done.load(order) {
                // Another one may be removing the same.
                let _ = store.empty();
            }
        });
        // A neighbour who begins something repairs first.
        let neighbour = scope.spawn(|| {
            let path = folder.path().join("neighbour");
            while !is_done.load(order) {
                repair(&path)?;
            }
            Ok::<_, Errno>(())
        });
        let driver = Overlay::default();
        let one = |number: u32| {
            let [root, copy] = ["root", "copy"].map(|it| zone.join(format!("{it}{number}")));
            let text = |error: StorageError| format!("{number}: {error}: {:?}", error.source);
            driver.create(&root).map_err(text)?;
            let frozen = driver.freeze(&root, &copy, false, &Silent);
            frozen.map_err(|error| format!("{number}: {error:?}"))?;
            driver.destroy(&root).map_err(text)?;
            driver.destroy(&copy).map_err(text)
        };
        let done: Result<Vec<()>, String> = (0..200).map(one).collect();
        is_done.store(true, order);
        done.unwrap();
        neighbour.join().unwrap().unwrap();
    });
}

/// A birth whose root lacks its mark only, and is then put aside: what is noted is looked for where
/// it was begun.
#[test]
fn a_half_born_root_is_settled_before_it_is_put_aside() {
    let Some(folder) = zones("a_half_born_root_is_settled_before_it_is_put_aside") else {
        return;
    };
    let zone = folder.path().join("z");
    let (from, to) = (zone.join("root"), zone.join("copy"));
    let driver = Overlay::default();
    make(&driver, &from);
    age(&driver, &from);
    driver.copy(&from, &to, false, &Silent).unwrap();
    let stack = Stack::read(&to).unwrap().unwrap();
    let store = Store::of(&stack, &to).unwrap();
    let before = store.named_by(&stack.layers[0]).len();
    // As it was just before its end.
    let temp = zone.join(format!("{}{}", dir::NEW, stack.id));
    fs::rename(&to, &temp).unwrap();
    rustix::fs::lremovexattr(&temp, "trusted.zones.layers").unwrap();
    let note = Note {
        stack: stack.clone(),
        step: Step::Birth {
            temp: temp.clone(),
            to,
        },
    };
    let locked = store.lock().unwrap();
    let place = locked.begin(&note).unwrap();
    drop(locked);
    fs::remove_file(temp.join("stack")).unwrap();
    fs::hard_link(&place, temp.join("stack")).unwrap();
    assert!(has_leftovers(&zone));
    repair(&zone).unwrap();
    assert!(!temp.exists() && !has_leftovers(&zone));
    assert_eq!(store.named_by(&stack.layers[0]).len(), before - 1);
}

#[test]
fn whatever_is_killed_is_completed_or_taken_back() {
    for (name, is_layered, act) in ACTS {
        for left in 0.. {
            let Some(folder) = zones("whatever_is_killed_is_completed_or_taken_back") else {
                return;
            };
            let (from, to) = (folder.path().join("z/root"), folder.path().join("z/copy"));
            let driver = Overlay::default();
            make(&driver, &from);
            if is_layered {
                age(&driver, &from);
            }
            let want = files(&from);
            let killed = Overlay::default();
            killed.fuse.set(Some(left));
            let is_done = act(&killed, &from, &to);
            let at = format!("{name}, {left}");
            assert_eq!(files(&from), want, "{at}");
            if to.exists() {
                assert_eq!(files(&to), want, "{at}");
            }
            // The next one sweeps; moves in between change nothing.
            let moved = folder.path().join("z/moved");
            fs::rename(&from, &moved).unwrap();
            let next = folder.path().join("z/next");
            driver.copy(&moved, &next, false, &Silent).unwrap();
            fs::rename(&moved, &from).unwrap();
            assert_eq!(files(&next), want, "{at}");
            assert_eq!(files(&from), want, "{at}");
            if to.exists() {
                assert_eq!(files(&to), want, "{at}");
            }
            assert_eq!(left_over(folder.path()), Vec::<String>::new(), "{at}");
            for root in [&next, &from, &to] {
                driver.destroy(root).unwrap();
            }
            assert!(!folder.path().join(".zones-layers").exists(), "{at}");
            if is_done && killed.fuse.get() != Some(0) {
                assert!(left > 4, "{at}");
                break;
            }
        }
    }
}

/// What is named like something unfinished.
fn left_over(folder: &Path) -> Vec<String> {
    let names = |path: &Path| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let names = entries.filter_map(|it| it.file_name().into_string().ok());
        names.filter(|it| it.starts_with('.')).collect::<Vec<_>>()
    };
    let mut all = names(&folder.join(".zones-layers"));
    all.extend(names(&folder.join("z")));
    all.retain(|it| !it.starts_with(store::GONE));
    all
}

#[test]
fn a_destroy_that_is_killed_is_completed() {
    for left in 0.. {
        let Some(folder) = zones("a_destroy_that_is_killed_is_completed") else {
            return;
        };
        let (from, to) = (folder.path().join("z/root"), folder.path().join("z/copy"));
        let driver = Overlay::default();
        make(&driver, &from);
        age(&driver, &from);
        let want = files(&from);
        driver.copy(&from, &to, false, &Silent).unwrap();
        let killed = Overlay::default();
        killed.fuse.set(Some(left));
        let is_done = killed.destroy(&from).is_ok();
        assert_eq!(files(&to), want, "{left}");
        if from.exists() {
            assert_eq!(files(&from), want, "{left}");
        }
        driver.destroy(&from).unwrap();
        assert_eq!(files(&to), want, "{left}");
        driver.destroy(&to).unwrap();
        assert!(!folder.path().join(".zones-layers").exists(), "{left}");
        if is_done && killed.fuse.get() != Some(0) {
            break;
        }
    }
}

/// The way of older kernels gives the same files.
#[test]
fn layers_are_put_together_without_descriptors_too() {
    let Some(folder) = zones("layers_are_put_together_without_descriptors_too") else {
        return;
    };
    let root = folder.path().join("z/root");
    let driver = Overlay::default();
    make(&driver, &root);
    age(&driver, &root);
    let want = files(&root);
    let View::Layers(layers) = view(&root).unwrap() else {
        panic!("a root with a past is layered");
    };
    for layers in [layers.clone(), layers.frozen()] {
        let mount = std::thread::scope(|scope| {
            scope
                .spawn(|| layers.compose_attached(None))
                .join()
                .unwrap()
        });
        let mount = mount.unwrap();
        let top = PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd()));
        assert_eq!(fs::read_to_string(top.join("changed")).unwrap(), "after");
        assert!(top.join("there/old").exists());
    }
    assert_eq!(files(&root), want);
}

/// Folders above the zonepath may get other names, and a zonepath another place.
#[test]
fn layers_are_found_where_they_were_moved() {
    let Some(folder) = zones("layers_are_found_where_they_were_moved") else {
        return;
    };
    let (driver, base) = (Overlay::default(), folder.path());
    fs::rename(base.join("z"), base.join("a")).unwrap();
    fs::create_dir(base.join("all")).unwrap();
    fs::rename(base.join("a"), base.join("all/z")).unwrap();
    let root = base.join("all/z/root");
    make(&driver, &root);
    age(&driver, &root);
    let want = files(&root);
    fs::rename(base.join("all"), base.join("moved")).unwrap();
    let root = base.join("moved/z/root");
    assert_eq!(files(&root), want);
    let copy = base.join("moved/z/copy");
    driver.copy(&root, &copy, false, &Silent).unwrap();
    assert_eq!(files(&copy), want);
    // Out of the folder with the layers: they stay where they are.
    let away = base.join("away");
    fs::rename(base.join("moved/z/copy"), &away).unwrap();
    assert_eq!(files(&away), want);
    for root in [&away, &root] {
        driver.destroy(root).unwrap();
    }
    assert!(!base.join("moved/.zones-layers").exists());
}

/// A store that somebody else made is passed over.
#[test]
fn layers_of_strangers_are_none_of_ours() {
    let Some(folder) = zones("layers_of_strangers_are_none_of_ours") else {
        return;
    };
    let (driver, store) = (Overlay::default(), folder.path().join(".zones-layers"));
    fs::create_dir(&store).unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o755)).unwrap();
    let root = folder.path().join("z/root");
    make(&driver, &root);
    age(&driver, &root);
    assert_eq!(fs::read_dir(&store).unwrap().count(), 0);
    assert!(folder.path().join("z/.zones-layers").is_dir());
}

/// A longer stack is copied into one layer before it gets too long.
#[test]
fn a_long_past_is_made_short() {
    let Some(folder) = zones("a_long_past_is_made_short") else {
        return;
    };
    let (driver, root) = (Overlay::default(), folder.path().join("z/root"));
    make(&driver, &root);
    let mut longest = 0;
    for number in 0..MOST_LAYERS + 5 {
        let snap = folder.path().join(format!("z/{number}"));
        driver.freeze(&root, &snap, false, &Silent).unwrap();
        if number % 20 != 0 {
            driver.destroy(&snap).unwrap();
        }
        change(&root, |root| {
            fs::write(root.join(number.to_string()), "x").unwrap();
        });
        let layers = Stack::read(&root).unwrap().unwrap().layers.len();
        longest = longest.max(layers);
    }
    assert_eq!(longest, MOST_LAYERS);
    assert_eq!(files(&root).len(), 8 + MOST_LAYERS + 5);
    assert_eq!(files(&folder.path().join("z/40")).len(), 8 + 40);
}
