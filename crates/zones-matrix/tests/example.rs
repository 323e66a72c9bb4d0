//! The examples that are shipped, with the files that they name.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zones_matrix::{Circumstances, History, Key, Many, Matrix, Plan, World, plan};

/// The folder of an example as it is; past releases are made by a script, so each is its name.
struct Folder(PathBuf);

impl Folder {
    fn of(example: &str) -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Self(top.join("examples").join(example))
    }

    fn plan(&self) -> Plan {
        let text = fs::read_to_string(self.0.join("matrix.toml")).unwrap();
        let circumstances = Circumstances {
            today: "2026-11-21".parse().unwrap(),
            seed: 7,
            many: Many::Refused,
            history: History::default(),
        };
        plan(&Matrix::parse(&text).unwrap(), self, &circumstances)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Names and bytes of all files below a path, in order.
fn bytes(path: &Path, into: &mut Vec<u8>) {
    into.extend_from_slice(path.to_str().unwrap().as_bytes());
    if path.is_dir() {
        let entries = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut entries: Vec<PathBuf> = entries.collect();
        entries.sort();
        entries.iter().for_each(|entry| bytes(entry, into));
    } else {
        into.extend(fs::read(path).unwrap());
    }
}

impl World for Folder {
    fn digest(&self, path: &str) -> Result<Option<Key>, String> {
        let mut all = path.as_bytes().to_vec();
        let file = self.0.join(path);
        if !path.starts_with("releases/") {
            if !file.exists() {
                return Ok(None);
            }
            bytes(&file, &mut all);
        }
        Ok(Some(Key::of_bytes(&all)))
    }

    fn is_set(&self, _variable: &str) -> bool {
        false
    }

    fn resolved(&self, _platform: &str) -> Value {
        json!(null)
    }
}

#[test]
fn the_example_is_192_cells_of_12_platforms() {
    let plan = Folder::of("matrix").plan();
    assert_eq!((plan.cells.len(), plan.platforms.len()), (192, 12));
    assert!(plan.cells.iter().all(|cell| cell.missing.is_empty()));
    let built = plan.artifacts.iter().filter(|made| made.name == "new");
    assert_eq!(built.count(), 12, "one build for 16 cells");
}

/// A byte of the product is another artifact, and so another step; the past stays as it was.
#[test]
fn a_change_of_the_source_changes_what_is_built_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("matrix");
    let from = Folder::of("matrix").0;
    let copied = std::process::Command::new("cp")
        .arg("-R")
        .args([&from, &copy])
        .status();
    assert!(copied.unwrap().success());
    let folder = Folder(copy);
    let before = folder.plan();
    fs::write(folder.0.join("product/BRANCH"), "faulty\n").unwrap();
    let after = folder.plan();
    for (one, two) in before.artifacts.iter().zip(&after.artifacts) {
        assert_eq!(
            one.key == two.key,
            one.name != "new",
            "{} {}",
            one.name,
            one.platform
        );
    }
    assert!(
        before
            .cells
            .iter()
            .zip(&after.cells)
            .all(|(one, two)| one.key != two.key)
    );
}

#[test]
fn a_package_of_debian_goes_from_one_release_to_the_next() {
    let plan = Folder::of("upgrade").plan();
    let ids: Vec<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids.len(), 6);
    assert!(ids.contains(&"bookworm-amd64/cron/next-release"), "{ids:?}");
}
