use std::io::Read as _;
use std::path::Path;

use zones_ips::catalog::{ATTRS, BASE, CatalogTime, Log, Signed, log_name};
use zones_ips::{Action, Manifest};

use super::*;
use crate::Repository;

fn repository() -> (tempfile::TempDir, Repository, Store) {
    let folder = tempfile::tempdir().unwrap();
    let mut repository = Repository::create(folder.path()).unwrap();
    repository.set("publisher", "prefix", &["test"]).unwrap();
    let store = repository.publisher(&"test".parse().unwrap()).unwrap();
    (folder, repository, store)
}

fn publish(store: &Store, name: &str, listing: Listing) -> Fmri {
    let text = format!(
        "set name=pkg.fmri value={name}\nset name=pkg.summary value=\"é\"\n\
         file {name} path=etc/x owner=root group=root mode=0644\n"
    );
    let manifest = Manifest::parse(&text, Unknown::Refused).unwrap();
    let content = |action: &Action| {
        let bytes = action.payload().unwrap_or_default().as_bytes();
        Ok(Some(bytes.to_vec().into()))
    };
    store.publish(manifest, &content, listing).unwrap()
}

fn text(store: &Store, name: &str) -> String {
    let mut text = String::new();
    let file = store.catalog_file(name).unwrap();
    file.unwrap().read_to_string(&mut text).unwrap();
    text
}

/// What the reference says of signatures, done by hand.
fn is_signed(text: &str) -> bool {
    let at = text.rfind("\"_SIGNATURE\"").unwrap();
    let body = format!("{}}}\n", text[..at].trim_end_matches(','));
    let hex = catalog::digest(body.as_bytes()).to_string();
    text.ends_with(&format!("\"_SIGNATURE\":{{\"sha-1\":\"{hex}\"}}}}\n"))
}

#[test]
fn catalog_files_follow_the_format_byte_for_byte() {
    let (folder, _, store) = repository();
    let fmri = publish(
        &store,
        "pkg:/app/foo@1.0-0.1:20261121T123715Z",
        Listing::Now,
    );
    let attrs = store.attrs().unwrap().unwrap();
    let time = attrs.modified;
    let digest = catalog::digest(&store.manifest_bytes(&fmri).unwrap());
    let version = "1.0,5.11-0.1:20261121T123715Z";
    let base = format!(
        "{{\"test\":{{\"app/foo\":[{{\"signature-sha-1\":\"{digest}\",\
         \"version\":\"{version}\"}}]}},\"_SIGNATURE\""
    );
    let own = text(&store, BASE);
    assert!(own.starts_with(&base), "{own}");
    let summary = text(&store, "catalog.summary.C");
    let action = "\"actions\":[\"set name=pkg.summary value=\\u00e9\"]";
    let entry = format!("{{\"test\":{{\"app/foo\":[{{{action},\"version\":\"{version}\"}}]}},");
    assert!(summary.starts_with(&entry), "{summary}");
    assert!(
        store
            .catalog_file("catalog.dependency.C")
            .unwrap()
            .is_none()
    );
    let log = text(&store, &log_name(time));
    let record = format!(
        "{{\"test\":{{\"app/foo\":[{{\"catalog.base.C\":{{\"signature-sha-1\":\"{digest}\",\
         \"version\":\"{version}\"}},\"catalog.summary.C\":{{{action},\
         \"version\":\"{version}\"}},\"op-time\":\"{time}\",\"op-type\":\"add\",\
         \"version\":\"{version}\"}}]}},"
    );
    assert!(log.starts_with(&record), "{log}");
    let head = format!(
        "{{\"created\":\"{}\",\"last-modified\":\"{time}\",\"package-count\":1,\
         \"package-version-count\":1,\"parts\":{{\"catalog.base.C\":{{\"last-modified\":\"{time}\",\
         \"signature-sha-1\":\"",
        attrs.created
    );
    let all = text(&store, ATTRS);
    assert!(all.starts_with(&head), "{all}");
    for file in [&own, &summary, &log, &all] {
        assert!(is_signed(file), "{file}");
    }
    let place = folder.path().join("publisher/test/catalog").join(ATTRS);
    let modified = std::fs::metadata(place).unwrap();
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(modified.mtime(), time.second().unix_seconds());
}

#[test]
fn versions_ascend_and_a_removal_is_logged() {
    let (_folder, _, store) = repository();
    let old = publish(&store, "a@1:20261121T123715Z", Listing::Now);
    let new = publish(&store, "a@1.10:20261121T123715Z", Listing::Now);
    publish(&store, "a@1.9:20261121T123715Z", Listing::Now);
    let catalog = store.catalog().unwrap();
    let entries = catalog.part(BASE).unwrap().entries("test", "a");
    let versions: Vec<_> = entries.iter().map(|it| it.version().short()).collect();
    assert_eq!(versions, ["1", "1.9", "1.10"]);
    let lock = store.lock().unwrap();
    store.unlist(&lock, &[old, new]).unwrap();
    drop(lock);
    let attrs = store.attrs().unwrap().unwrap();
    assert_eq!((attrs.package_count, attrs.version_count), (1, 1));
    let name = attrs.updates.keys().next_back().unwrap();
    let (log, _) = Log::parse(text(&store, name).as_bytes(), Signed::Required).unwrap();
    let records = log.entries();
    let times: Vec<CatalogTime> = records.iter().map(|it| it.time).collect();
    assert!(times.is_sorted() && times.len() <= 5, "{times:?}");
}

#[test]
fn what_was_published_without_listing_comes_by_a_refresh() {
    let (_folder, _, store) = repository();
    let one = publish(&store, "a@1", Listing::Later);
    let two = publish(&store, "b@1", Listing::Later);
    assert_eq!(store.status().unwrap().versions, 0);
    let done = store.refresh().unwrap();
    assert_eq!(done.listed, [one, two]);
    assert_eq!(store.status().unwrap().versions, 2);
    assert_eq!(store.refresh().unwrap(), Refreshed::default());
}

#[test]
fn a_damaged_catalog_is_made_anew() {
    let (folder, _, store) = repository();
    let fmri = publish(&store, "a@1", Listing::Now);
    let created = store.attrs().unwrap().unwrap().created;
    let path = |name: &str| folder.path().join("publisher/test/catalog").join(name);
    std::fs::write(path(BASE), "{}\n").unwrap();
    assert!(store.catalog().is_err());
    let done = store.refresh().unwrap();
    assert!(done.is_rebuilt);
    assert_eq!(done.listed, [fmri]);
    let attrs = store.attrs().unwrap().unwrap();
    assert!(attrs.created > created && attrs.updates.is_empty());
    // A publication heals, too.
    std::fs::write(path(BASE), "{}\n").unwrap();
    publish(&store, "b@1", Listing::Now);
    assert_eq!(store.catalog().unwrap().attrs.version_count, 2);
}

#[test]
fn a_publisher_without_a_catalog_is_read_from_its_manifests() {
    let (folder, repository, store) = repository();
    let fmri = publish(&store, "a@1", Listing::Now);
    std::fs::remove_dir_all(folder.path().join("publisher/test/catalog")).unwrap();
    assert!(store.catalog().unwrap().find(&fmri).is_some());
    assert_eq!(store.status().unwrap().updated, None);
    assert_eq!(repository.status().unwrap().publishers.len(), 1);
}

#[test]
fn a_repository_of_version_3_is_read_and_not_written() {
    let (folder, _, store) = repository();
    let fmri = publish(&store, "a@1", Listing::Now);
    let old = tempfile::tempdir().unwrap();
    for name in ["catalog", "file", "pkg"] {
        let from = folder.path().join("publisher/test").join(name);
        std::fs::rename(from, old.path().join(name)).unwrap();
    }
    let text = "[publisher]\nprefix = test\n[repository]\nversion = 3\n";
    std::fs::write(old.path().join("cfg_cache"), text).unwrap();
    let mut repository = Repository::open(old.path()).unwrap();
    assert_eq!(repository.format(), Format::Old);
    let store = repository.publisher_or_default(None).unwrap();
    assert!(store.catalog().unwrap().find(&fmri).is_some());
    let manifest = store.manifest(&fmri).unwrap();
    let name = *payloads_of(&manifest).first().unwrap();
    // The layout of old: two levels.
    let hex = name.to_string();
    let files = old.path().join("file").join(&hex[..2]);
    std::fs::create_dir(files.join(&hex[2..8])).unwrap();
    std::fs::rename(files.join(&hex), files.join(&hex[2..8]).join(&hex)).unwrap();
    assert!(store.payload(&name).is_ok());
    let error = store.begin(&"b@1".parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("pkgrecv"), "{error}");
    assert!(repository.set("publisher", "prefix", &["b"]).is_err());
}

#[test]
fn nothing_in_a_repository_leads_out_of_it() {
    let (folder, repository, store) = repository();
    let fmri = publish(&store, "a@1", Listing::Now);
    for name in [
        "../../../pkg5.repository",
        "catalog.x/../y",
        "",
        "catalog.",
        "x",
    ] {
        assert!(store.catalog_file(name).unwrap().is_none(), "{name}");
    }
    let secret = tempfile::NamedTempFile::new().unwrap();
    let place = folder.path().join("publisher/test/catalog").join(ATTRS);
    std::fs::remove_file(&place).unwrap();
    std::os::unix::fs::symlink(secret.path(), &place).unwrap();
    assert!(store.catalog_file(ATTRS).unwrap().is_none());
    let manifest = store.manifest_path(&fmri).unwrap();
    let manifest = folder.path().join(manifest);
    std::fs::remove_file(&manifest).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&manifest)
            .status()
            .unwrap()
            .success()
    );
    assert!(store.manifest(&fmri).is_err());
    assert!(repository.publisher(&"other".parse().unwrap()).is_err());
    assert!(Repository::open(Path::new("/nonexistent")).is_err());
    assert!(Repository::create(folder.path()).is_err());
}

#[test]
fn publishers_of_threads_do_not_lose_each_other() {
    let (_folder, _, store) = repository();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for package in 0..5 {
                    publish(store, &format!("p{thread}/{package}@1"), Listing::Now);
                }
            });
        }
    });
    let catalog = store.catalog().unwrap();
    assert_eq!(catalog.attrs.version_count, 20);
    assert_eq!(store.packages().unwrap().len(), 20);
    assert_eq!(store.refresh().unwrap(), Refreshed::default());
}

#[test]
fn a_removed_publisher_is_gone_and_forgotten() {
    let (folder, mut repository, store) = repository();
    publish(&store, "a@1", Listing::Now);
    repository.remove_publisher(store.publisher()).unwrap();
    assert!(repository.publishers().unwrap().is_empty());
    let again = Repository::open(folder.path()).unwrap();
    assert_eq!(again.default_publisher(), None);
    let error = again.publisher_or_default(None).unwrap_err();
    assert!(error.is_missing(), "{error}");
}

#[test]
fn a_removal_takes_payloads_that_no_other_package_needs() {
    let (folder, _, store) = repository();
    let gone = publish(&store, "a@1", Listing::Now);
    let text = "set name=pkg.fmri value=b@1\n\
         file a@1 path=etc/x owner=root group=root mode=0644\n\
         file b@1 path=etc/y owner=root group=root mode=0644\n";
    let manifest = Manifest::parse(text, Unknown::Refused).unwrap();
    let content = |action: &Action| {
        let bytes = action.payload().unwrap_or_default().as_bytes();
        Ok(Some(bytes.to_vec().into()))
    };
    let other = store.publish(manifest, &content, Listing::Now).unwrap();
    let missing = gone.clone().at("9:20261121T123715Z".parse().unwrap());
    assert!(store.remove(&[gone.clone(), missing]).is_err());
    assert_eq!(store.packages().unwrap().len(), 2);
    let done = store.remove(std::slice::from_ref(&gone)).unwrap();
    assert_eq!((done.packages.len(), done.payloads.len()), (1, 0));
    assert!(store.manifest(&gone).is_err());
    assert!(store.catalog().unwrap().find(&gone).is_none());
    // A transaction that reuses a payload keeps it alive.
    let open = store.begin(&"c@1".parse().unwrap()).unwrap();
    let file: Action = "file x path=a owner=root group=root mode=0644"
        .parse()
        .unwrap();
    open.add(file, Some(&b"b@1".to_vec().into())).unwrap();
    let done = store.remove(&[other]).unwrap();
    assert_eq!(done.payloads.len(), 2);
    assert!(done.bytes > 40);
    let files = folder.path().join("publisher/test/file");
    assert_eq!(std::fs::read_dir(files).unwrap().count(), 0);
    let last = open.close(Listing::Now).unwrap();
    let needed = payloads_of(&store.manifest(&last).unwrap());
    assert!(store.payload(needed.first().unwrap()).is_ok());
}
