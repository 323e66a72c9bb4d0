//! What a driver says may differ, after all kinds of things were done to a root.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use zones_archive::{Candidates, DiffOptions, Silent, differ};
use zones_storage::{Driver, DriverKind};

use super::{Seen, driver, nothing_is_left, shares};

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn name(&mut self, root: &Path) -> PathBuf {
        let depth = 1 + self.roll(3);
        let mut path = root.to_owned();
        for _ in 0..depth {
            path.push(format!("n{}", self.roll(4)));
        }
        path
    }

    /// Does something to some name. Much of it fails, as there is no such thing; says whether it
    /// did not.
    fn mutate(&mut self, root: &Path) -> bool {
        let (one, other) = (self.name(root), self.name(root));
        let number = self.roll(1_000);
        let text = number.to_string();
        let kernel = |done: rustix::io::Result<()>| done.map_err(std::io::Error::from);
        // Never through a link, which may lead to another name, nor into a fifo.
        let is_plain = !fs::symlink_metadata(&one).is_ok_and(|it| !it.is_file() && !it.is_dir());
        let done = match self.roll(16) {
            0..=2 if is_plain => fs::write(&one, text.repeat(3)),
            3 | 4 => fs::create_dir_all(&one),
            5 => fs::remove_file(&one),
            6 => fs::remove_dir_all(&one),
            7 | 8 => fs::rename(&one, &other),
            9 => fs::hard_link(&one, &other),
            10 => symlink(&text, &one),
            11 if is_plain => {
                let mode = 0o700 + u32::try_from(number % 64).unwrap();
                fs::set_permissions(&one, fs::Permissions::from_mode(mode))
            }
            12 => kernel(rustix::fs::lsetxattr(
                &one,
                "trusted.test",
                text.as_bytes(),
                XattrFlags::empty(),
            )),
            13 => kernel(rustix::fs::mknodat(
                CWD,
                &one,
                FileType::Fifo,
                Mode::from_raw_mode(0o600),
                0,
            )),
            14 => {
                let id = u32::try_from(number).unwrap();
                std::os::unix::fs::lchown(&one, Some(id), None)
            }
            15 if is_plain => fs::OpenOptions::new()
                .write(true)
                .open(&one)
                .and_then(|file| file.set_len(number)),
            _ => return false,
        };
        done.is_ok()
    }
}

/// 1,000 mutations that happened, in rounds; what differs is the same whether all files are
/// compared or those that the driver names, and the driver does name them where copies share.
pub(super) fn changes_name_all_that_differs(parent: &Path) {
    let driver = &*driver(parent);
    let mut done = 0;
    let mut seed = 0;
    // Where each look is a few commands, they are fewer.
    let count = match driver.kind() {
        DriverKind::Zfs => 40,
        _ => 10,
    };
    while done < 1_000 {
        seed += 1;
        let mut dice = Dice(seed);
        let [root, old, new] = ["root", "old", "new"].map(|it| parent.join(it));
        driver.create(&root).unwrap();
        let mut run = |count: usize| {
            let seen = Seen::of(driver, &root);
            let mut left = count;
            while left > 0 {
                left -= usize::from(dice.mutate(&seen));
            }
        };
        run(30);
        driver.freeze(&root, &old, false, &Silent).unwrap();
        // The zone goes on in layers of its own, once by a copy of the snapshot.
        if seed % 2 == 0 {
            driver.destroy(&root).unwrap();
            driver.copy(&old, &root, false, &Silent).unwrap();
        }
        for round in 0..5 {
            run(count);
            done += count;
            let what = format!("seed {seed}, round {round}");
            same_either_way(driver, (&old, &root), &what);
            driver.freeze(&root, &new, false, &Silent).unwrap();
            same_either_way(driver, (&old, &new), &what);
            same_either_way(driver, (&new, &root), &what);
            driver.destroy(&new).unwrap();
        }
        for root in [&root, &old] {
            driver.destroy(root).unwrap();
        }
    }
    nothing_is_left(parent);
}

fn same_either_way(driver: &dyn Driver, roots: (&Path, &Path), what: &str) {
    let Some(candidates) = driver.changes(roots.0, roots.1).unwrap() else {
        assert!(!shares(driver), "{what}: nothing is known");
        return;
    };
    assert_ne!(driver.kind(), DriverKind::Dir);
    let (old, new) = (
        zones_storage::look(roots.0).unwrap(),
        zones_storage::look(roots.1).unwrap(),
    );
    for times in [false, true] {
        let found = |may_differ: Option<&Candidates>| {
            let options = DiffOptions {
                times,
                may_differ,
                ..DiffOptions::default()
            };
            differ(Some(&old), &new, options, &Silent).unwrap()
        };
        let (all, some) = (found(None), found(Some(&candidates)));
        assert_eq!(all, some, "{what}, {roots:?}: {candidates:?}");
    }
}
