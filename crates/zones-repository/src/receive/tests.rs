use zones_ips::manifest::Unknown;
use zones_ips::{Action, Manifest};

use super::*;
use crate::payload;
use crate::store::payloads_of;
use crate::{ArchiveSource, Content, FileSource, Repository, Store};

fn repository() -> (tempfile::TempDir, Repository, Store) {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(folder.path()).unwrap();
    let store = repository.add_publisher(&"test".parse().unwrap()).unwrap();
    (folder, repository, store)
}

fn publish(store: &Store, name: &str, more: &str) -> Fmri {
    let text = format!(
        "set name=pkg.fmri value={name}\n{more}\n\
         file x path=etc/x owner=root group=root mode=0644\n"
    );
    let manifest = Manifest::parse(&text, Unknown::Refused).unwrap();
    let content = |_: &Action| Ok(Some(Content::from(name.as_bytes().to_vec())));
    store.publish(manifest, &content, Listing::Now).unwrap()
}

fn stocked() -> (tempfile::TempDir, FileSource) {
    let (folder, _, store) = repository();
    publish(&store, "app@1:20260101T000000Z", "");
    publish(&store, "app@1:20260102T000000Z", "");
    publish(
        &store,
        "app@2:20260101T000000Z",
        "depend type=require fmri=lib@1.5",
    );
    publish(&store, "lib@1:20260101T000000Z", "");
    publish(
        &store,
        "lib@2:20260101T000000Z",
        "depend type=optional fmri=app@1\n\
        depend type=exclude fmri=other",
    );
    publish(&store, "other@1:20260101T000000Z", "");
    let source = FileSource::open(folder.path()).unwrap();
    (folder, source)
}

fn names(wanted: &[Wanted]) -> Vec<String> {
    let text = |it: &Wanted| {
        let version = it.fmri.version().unwrap();
        let time = version.timestamp().unwrap().to_string();
        format!("{}:{}", it.fmri.short(), &time[6..8])
    };
    wanted.iter().map(text).collect()
}

fn chosen(
    source: &FileSource,
    pattern: &str,
    versions: Versions,
    is_recursive: bool,
) -> Vec<String> {
    let selection = Selection {
        patterns: pattern
            .split_whitespace()
            .map(|it| it.parse().unwrap())
            .collect(),
        versions,
        is_recursive,
    };
    names(&select(source, &selection).unwrap())
}

#[test]
fn a_selection_means_the_versions_asked_for() {
    let (_folder, source) = stocked();
    use Versions::{AllTimestamps, AllVersions, Latest};
    let rows: [(&str, Versions, bool, &[&str]); 6] = [
        ("app", Latest, false, &["app@2:01"]),
        ("app", AllVersions, false, &["app@1:02", "app@2:01"]),
        (
            "app",
            AllTimestamps,
            false,
            &["app@1:01", "app@1:02", "app@2:01"],
        ),
        ("app", Latest, true, &["app@2:01", "lib@2:01"]),
        ("app@1", Latest, true, &["app@1:02"]),
        ("", Latest, false, &["app@2:01", "lib@2:01", "other@1:01"]),
    ];
    for (pattern, versions, is_recursive, expected) in rows {
        assert_eq!(
            chosen(&source, pattern, versions, is_recursive),
            expected,
            "{pattern}"
        );
    }
    let nothing = Selection {
        patterns: vec!["nothing".parse().unwrap()],
        ..Selection::default()
    };
    assert!(select(&source, &nothing).is_err());
}

#[test]
fn copies_are_equal_and_go_on_where_they_stopped() {
    let (_from, source) = stocked();
    let (folder, repository, _) = repository();
    let target = Target::Folder(repository.clone());
    let all = Selection {
        versions: Versions::AllTimestamps,
        ..Selection::default()
    };
    let wanted = select(&source, &all).unwrap();
    let silent = |_: &Fmri, _, _| {};
    let half = to_target(&source, &wanted[..3], &target, Listing::Later, &silent).unwrap();
    assert_eq!((half.packages.len(), half.payloads), (3, 3));
    let rest = to_target(&source, &wanted, &target, Listing::Now, &silent).unwrap();
    assert_eq!((rest.packages.len(), rest.known.len()), (3, 3));
    let store = repository.publisher(&"test".parse().unwrap()).unwrap();
    store.refresh().unwrap();
    assert!(store.verify(&Default::default()).unwrap().is_empty());
    for it in &wanted {
        let (_, bytes) = source.manifest(&it.fmri, None).unwrap();
        assert_eq!(store.manifest_bytes(&it.fmri).unwrap(), bytes);
    }
    // By an archive into another repository.
    let path = folder.path().join("all.p5p");
    to_archive(&source, &wanted, &path, &silent).unwrap();
    let archive = ArchiveSource::open(&path).unwrap();
    assert_eq!(select(&archive, &all).unwrap(), wanted);
    let (_third, other, _) = super::tests::repository();
    let target = Target::Folder(other);
    let done = to_target(&archive, &wanted, &target, Listing::Later, &silent).unwrap();
    assert_eq!(done.packages.len(), 6);
    // And raw.
    let raw = folder.path().join("raw");
    let done = to_folder(&source, &wanted, &raw, &silent).unwrap();
    assert_eq!((done.packages.len(), done.payloads), (6, 6));
    let version = raw.join("app").join("2%2C5.11%3A20260101T000000Z");
    assert_eq!(std::fs::read_dir(version).unwrap().count(), 2);
    let again = to_folder(&source, &wanted, &raw, &silent).unwrap();
    assert_eq!(again.known.len(), 6);
}

#[test]
fn a_clone_loses_what_its_source_has_not() {
    let (_from, source) = stocked();
    let (_folder, repository, store) = repository();
    let foreign = publish(&store, "foreign@1", "");
    let target = Target::Folder(repository);
    let (received, removed) = clone(&source, &target, &[], &|_, _, _| {}).unwrap();
    assert_eq!(received.packages.len(), 6);
    assert_eq!(removed, [foreign]);
    assert_eq!(store.packages().unwrap().len(), 6);
    assert!(store.verify(&Default::default()).unwrap().is_empty());
}

#[test]
fn what_is_damaged_is_not_received() {
    let (from, source) = stocked();
    let selection = Selection {
        patterns: vec!["lib@1".parse().unwrap()],
        versions: Versions::AllVersions,
        ..Selection::default()
    };
    let wanted = select(&source, &selection).unwrap();
    let (manifest, _) = source.manifest(&wanted[0].fmri, None).unwrap();
    let name = payloads_of(&manifest)
        .into_iter()
        .next()
        .unwrap()
        .to_string();
    let file = from
        .path()
        .join("publisher/test/file")
        .join(&name[..2])
        .join(&name);
    std::fs::write(&file, payload::pack_bytes(b"something else").unwrap()).unwrap();
    let (folder, repository, store) = repository();
    let target = Target::Folder(repository);
    let silent = |_: &Fmri, _, _| {};
    let error = to_target(&source, &wanted, &target, Listing::Now, &silent).unwrap_err();
    assert!(error.to_string().contains(&name), "{error}");
    assert!(store.packages().unwrap().is_empty());
    assert!(store.transactions().unwrap().is_empty());
    let path = folder.path().join("x.p5p");
    assert!(to_archive(&source, &wanted, &path, &silent).is_err());
    assert!(!path.exists());
}
