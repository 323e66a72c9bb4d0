//! A large file is published and read again without being held in memory.
#![allow(clippy::unwrap_used)]

use std::io::{Seek as _, SeekFrom, Write as _};

use zones_ips::manifest::Unknown;
use zones_ips::{Action, Manifest};
use zones_repository::{Content, Listing, Repository};

/// Bytes of the file, and what may be taken for it.
const SIZE: u64 = 300 << 20;
const MEMORY_BYTES_MAX: u64 = 64 << 20;

/// The most memory that this process had.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|it| it.starts_with("VmHWM")).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes << 10
}

#[test]
fn a_large_file_is_published_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    // Little of it is written, which makes no difference to who reads it.
    let large = folder.path().join("large");
    let mut file = std::fs::File::create(&large).unwrap();
    for at in (0..SIZE).step_by(16 << 20) {
        file.seek(SeekFrom::Start(at)).unwrap();
        writeln!(file, "something at {at}").unwrap();
    }
    file.set_len(SIZE).unwrap();
    let repository = folder.path().join("repository");
    std::fs::create_dir(&repository).unwrap();
    let repository = Repository::create(&repository).unwrap();
    let store = repository.add_publisher(&"test".parse().unwrap()).unwrap();
    let text = "set name=pkg.fmri value=large@1\n\
                file x path=x owner=root group=root mode=0644\n";
    let manifest = Manifest::parse(text, Unknown::Refused).unwrap();
    let content = |_: &Action| Ok(Some(Content::from(large.clone())));
    let before = memory();
    let fmri = store.publish(manifest, &content, Listing::Now).unwrap();
    let manifest = store.manifest(&fmri).unwrap();
    assert_eq!(manifest.actions()[1].size(), Some(SIZE));
    assert!(store.verify(&Default::default()).unwrap().is_empty());
    let taken = memory() - before;
    assert!(taken < MEMORY_BYTES_MAX, "{taken} bytes");
}
