//! A look at what a storage driver knows to have changed sees what a look at everything sees.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use zones_archive::{Candidates, Silent};
use zones_runner::evidence::{Look, Scene, tree};
use zones_storage::DriverKind;

const MUTATIONS: u32 = 1_000;
/// Between two looks.
const AT_ONCE: u32 = 20;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// One of few names, so that things meet.
    fn path(&mut self, root: &Path) -> PathBuf {
        let depth = self.below(3);
        let folders = (0..depth).map(|_| format!("d{}", self.below(4)));
        let folder: PathBuf = folders.collect();
        let name = match self.below(3) {
            0 => format!("d{}", self.below(4)),
            _ => format!("f{}", self.below(8)),
        };
        root.join("data").join(folder).join(name)
    }
}

/// One change, or none where it is not possible.
fn mutate(root: &Path, dice: &mut Dice) {
    let (one, other) = (dice.path(root), dice.path(root));
    let is_folder = fs::symlink_metadata(&one).is_ok_and(|it| it.is_dir());
    let _ = match dice.below(9) {
        0 | 1 => fs::write(&one, format!("{}", dice.below(1000))),
        2 => fs::create_dir_all(&one),
        3 => fs::rename(&one, &other),
        4 => fs::hard_link(&one, &other),
        5 => symlink(&one, &other),
        6 if is_folder => fs::remove_dir_all(&one),
        6 => fs::remove_file(&one),
        7 if fs::symlink_metadata(&one).is_ok_and(|it| !it.is_symlink()) => {
            let mode = if is_folder { 0o700 } else { 0o600 };
            let more = u32::try_from(dice.below(0o100)).unwrap();
            fs::set_permissions(&one, fs::Permissions::from_mode(mode | more))
        }
        _ => fs::File::options()
            .append(true)
            .open(&one)
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"more")),
    };
}

fn see(root: &Path, before: Option<&Scene>, only: Option<&Candidates>) -> Scene {
    let look = Look {
        before,
        only,
        ..Look::default()
    };
    let mut scene = tree(&zones_storage::look(root).unwrap(), &look).unwrap();
    // The walk reads a file again whose time of status changed with its number of names.
    scene.inventory.texts.clear();
    scene
}

#[test]
fn fast_looks_are_walks_on_a_thousand_mutations() {
    let name = "fast_looks_are_walks_on_a_thousand_mutations";
    if !rustix::process::geteuid().is_root() {
        println!("SKIP {name}: needs root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = |zone: &str| folder.path().join(zone).join("root");
    let (image, cell) = (place("image"), place("cell"));
    fs::create_dir_all(image.join("data")).unwrap();
    fs::set_permissions(&image, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(cell.parent().unwrap()).unwrap();
    let mut dice = Dice(7);
    for _ in 0..300 {
        mutate(&image, &mut dice);
    }
    let driver = DriverKind::Overlay.driver();
    let copied = driver.copy(&image, &cell, false, &Silent);
    if !matches!(copied, Ok(zones_storage::Copied::Snapshot)) {
        println!("SKIP {name}: no layers here");
        return;
    }
    let start = driver.changes(&image, &cell).unwrap().unwrap();
    let base = see(&cell, None, None);
    assert!(
        base.inventory.files.len() > 20,
        "{}",
        base.inventory.files.len()
    );
    for round in 0..MUTATIONS / AT_ONCE {
        let root = zones_storage::open(&cell).unwrap();
        let path = PathBuf::from(format!("/proc/self/fd/{}", root.as_fd().as_raw_fd()));
        (0..AT_ONCE).for_each(|_| mutate(&path, &mut dice));
        drop(root);
        let mut only = driver.changes(&image, &cell).unwrap().unwrap();
        only.extend(start.iter().map(|(path, whole)| (path.to_owned(), whole)));
        let quick = see(&cell, Some(&base), Some(&only));
        let whole = see(&cell, Some(&base), None);
        assert!(quick.inventory == whole.inventory, "round {round}");
    }
    driver.destroy(&cell).unwrap();
    driver.destroy(&image).unwrap();
}
