//! Work that grows with the size of a package, and no faster.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use zones_ips::manifest::Unknown;
use zones_ips::{Action, Manifest};
use zones_repository::search::{Query, Returns};
use zones_repository::{Content, Listing, Repository};

/// Seconds for a package whose manifest has so many equal lines.
fn seconds(lines: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(folder.path()).unwrap();
    let store = repository.add_publisher(&"test".parse().unwrap()).unwrap();
    let mut text = String::from("set name=pkg.fmri value=drivers@1\n");
    text += &"set name=driver.conf value=\"the same property\"\n".repeat(lines);
    text += "file x path=x owner=root group=root mode=0644\n";
    let manifest = Manifest::parse(&text, Unknown::Refused).unwrap();
    let content = |_: &Action| Ok(Some(Content::from(b"x".to_vec())));
    let start = Instant::now();
    let fmri = store.publish(manifest, &content, Listing::Now).unwrap();
    store.index().unwrap();
    let query = Query::new("property", Returns::Actions, false).unwrap();
    assert_eq!(store.search(&query).unwrap().len(), lines);
    assert_eq!(store.manifest(&fmri).unwrap().actions().len(), lines + 2);
    assert!(store.verify(&Default::default()).unwrap().is_empty());
    start.elapsed().as_secs_f64()
}

#[test]
fn equal_lines_cost_linear_time() {
    let small = seconds(1 << 12);
    let large = seconds(1 << 15);
    // Eight times the lines cost eight to nine times as much, and so on up to 2^18. Three times
    // that leaves room for a busy host; quadratic work would take sixty-four.
    assert!(large < small * 24.0, "{small} s, then {large} s");
}
