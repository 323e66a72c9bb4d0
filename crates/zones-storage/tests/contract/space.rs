//! What roots take on the disk, and what a long past costs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use zones_archive::Silent;
use zones_storage::{Driver, DriverKind, Usage};

use super::{Seen, driver, nothing_is_left, shares};

const BIG: usize = 1 << 20;

/// Bytes that no file system stores in less room than they have.
fn write(driver: &dyn Driver, root: &Path, name: &str) {
    let seen = Seen::of(driver, root);
    let mut bytes = vec![0; BIG];
    rustix::rand::getrandom(bytes.as_mut_slice(), rustix::rand::GetRandomFlags::empty()).unwrap();
    fs::write(seen.join(name), bytes).unwrap();
}

fn usage(driver: &dyn Driver, root: &Path) -> Usage {
    const ZFS: i64 = 0x2fc1_2fc1;
    rustix::fs::syncfs(fs::File::open(root).unwrap()).unwrap();
    // ZFS counts what a group of transactions wrote when that is done, a few seconds later.
    let magic = rustix::fs::statfs(root).unwrap().f_type;
    if magic == ZFS {
        let done = std::process::Command::new("zpool").arg("sync").status();
        assert!(done.unwrap().success());
    }
    driver.usage(root).unwrap()
}

pub(super) fn usage_tells_own_from_shared(parent: &Path) {
    let driver = &*driver(parent);
    let big = u64::try_from(BIG).unwrap();
    let near = |got: u64, want: u64| got.abs_diff(want) < big / 2;
    let [root, copy] = ["root", "be/copy"].map(|it| parent.join(it));
    fs::create_dir(parent.join("be")).unwrap();
    driver.create(&root).unwrap();
    write(driver, &root, "first");
    let one = usage(driver, &root);
    assert!(near(one.own, big) && near(one.refers, big), "{one:?}");
    assert_eq!((one.limit, one.reserved), (None, None));
    driver.copy(&root, &copy, false, &Silent).unwrap();
    write(driver, &copy, "second");
    let (one, other) = (usage(driver, &root), usage(driver, &copy));
    assert!(near(one.refers, big) && near(other.refers, 2 * big));
    if shares(driver) {
        assert!(
            near(one.own, 0) && near(other.own, big),
            "{one:?} {other:?}"
        );
    }
    let zone = driver.usage_of_zone(parent).unwrap();
    assert!(near(zone.refers, big), "{zone:?}");
    match driver.kind() {
        DriverKind::Overlay | DriverKind::Zfs => assert!(near(zone.own, 2 * big), "{zone:?}"),
        // What only its roots share is known with a group alone.
        DriverKind::Btrfs => assert!(near(zone.own, big) && !zone.is_exact, "{zone:?}"),
        _ => assert!(near(zone.own, 3 * big), "{zone:?}"),
    }
    driver.destroy(&root).unwrap();
    let other = usage(driver, &copy);
    // btrfs frees in the background.
    if driver.kind() != DriverKind::Btrfs {
        assert!(near(other.own, 2 * big), "{other:?}");
    }
    driver.destroy(&copy).unwrap();
    fs::remove_dir(parent.join("be")).unwrap();
    nothing_is_left(parent);
}

/// What only a frozen root has still, of a file that is gone from the root it was made of. Layers
/// keep it for both; who has no groups on btrfs does not know.
pub(super) fn usage_tells_what_only_a_frozen_root_has(parent: &Path) {
    let driver = &*driver(parent);
    let big = u64::try_from(BIG).unwrap();
    let [root, frozen] = ["root", "snap/one"].map(|it| parent.join(it));
    fs::create_dir(parent.join("snap")).unwrap();
    driver.create(&root).unwrap();
    write(driver, &root, "first");
    driver.freeze(&root, &frozen, false, &Silent).unwrap();
    let before = usage(driver, &frozen);
    fs::remove_file(Seen::of(driver, &root).join("first")).unwrap();
    let after = usage(driver, &frozen);
    assert!(
        after.refers.abs_diff(before.refers) < big / 2,
        "{before:?} {after:?}"
    );
    if driver.kind() == DriverKind::Zfs {
        assert!(
            before.own < big / 2 && after.own > big / 2,
            "{before:?} {after:?}"
        );
    }
    driver.destroy(&frozen).unwrap();
    driver.destroy(&root).unwrap();
    fs::remove_dir(parent.join("snap")).unwrap();
    nothing_is_left(parent);
}

/// A clone of a clone, fifty times, and then 200 snapshots: all is there, and looking at the last
/// one takes no more than a few times what it takes with the first.
pub(super) fn a_long_past_costs_little(parent: &Path) {
    let driver = &*driver(parent);
    let name = |number: usize| parent.join(format!("root{number}"));
    driver.create(&name(0)).unwrap();
    let look = |root: &Path| {
        let mut times: Vec<_> = (0..9)
            .map(|_| {
                let start = Instant::now();
                let view = zones_storage::look(root).unwrap();
                assert!(view.lstat(Path::new("gone")).is_err());
                start.elapsed()
            })
            .collect();
        times.sort();
        times[4]
    };
    let depth = 50;
    let mut first = None;
    for number in 0..depth {
        let root = name(number);
        fs::write(Seen::of(driver, &root).join(number.to_string()), "x").unwrap();
        driver
            .copy(&root, &name(number + 1), false, &Silent)
            .unwrap();
        first.get_or_insert_with(|| look(&name(number + 1)));
    }
    let last = name(depth);
    let seen = Seen::of(driver, &last);
    assert_eq!(fs::read_dir(&*seen).unwrap().count(), depth);
    drop(seen);
    // Every one but the last goes, and takes nothing along.
    for number in 0..depth {
        driver.destroy(&name(number)).unwrap();
    }
    let snapshots: Vec<PathBuf> = (0..200).map(|it| parent.join(format!("s{it}"))).collect();
    for (number, snapshot) in snapshots.iter().enumerate() {
        fs::write(Seen::of(driver, &last).join("now"), number.to_string()).unwrap();
        driver.freeze(&last, snapshot, false, &Silent).unwrap();
    }
    for number in [0, 77, 199] {
        let text = fs::read_to_string(Seen::of(driver, &snapshots[number]).join("now"));
        assert_eq!(text.unwrap(), number.to_string());
    }
    let (first, now) = (first.unwrap(), look(&last));
    // A floor under the first one: a busy machine is no growth.
    let floor = first.max(std::time::Duration::from_millis(2));
    assert!(now < floor * 20, "{first:?} became {now:?}");
    for snapshot in &snapshots {
        driver.destroy(snapshot).unwrap();
    }
    let seen = Seen::of(driver, &last);
    assert_eq!(fs::read_dir(&*seen).unwrap().count(), depth + 1);
    drop(seen);
    driver.destroy(&last).unwrap();
    nothing_is_left(parent);
}
