use zones_ips::catalog::{ATTRS, BASE};
use zones_ips::{Algorithm, Digest, Fmri, Manifest};

use super::*;
use crate::Repository;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(folder.path()).unwrap();
    let store = repository.add_publisher(&"test".parse().unwrap());
    (folder, store.unwrap())
}

fn manifest(text: &str) -> Manifest {
    Manifest::parse(text, Unknown::Refused).unwrap()
}

const FOO: &str = "set name=pkg.fmri value=pkg:/app/foo@1.0-0.1\n\
    set name=pkg.summary value=\"A test package\"\n\
    set name=variant.arch value=i386\n\
    file etc/foo path=etc/foo owner=root group=sys mode=0644\n\
    file usr/foo path=usr/foo owner=root group=bin mode=0555\n\
    license lic license=mine\n\
    depend type=require fmri=pkg:/app/bar@1.0\n";

fn content(action: &Action) -> Result<Option<Content>> {
    let name = action.payload().unwrap();
    Ok((name != "none").then(|| name.as_bytes().to_vec().into()))
}

#[test]
fn a_published_package_is_listed_with_all_it_needs() {
    let (folder, store) = store();
    let fmri = store
        .publish(manifest(FOO), &content, Listing::Now)
        .unwrap();
    assert_eq!(fmri.publisher().unwrap().as_str(), "test");
    let published = store.manifest(&fmri).unwrap();
    assert_eq!(published.fmri().unwrap(), fmri);
    assert_eq!(published.actions()[0].get("name"), Some("pkg.fmri"));
    let catalog = store.catalog().unwrap();
    let digest = Digest::of(Algorithm::Sha1, &store.manifest_bytes(&fmri).unwrap());
    assert_eq!(catalog.find(&fmri).unwrap().manifest_digest(), Some(digest));
    assert_eq!(catalog.parts.len(), 3);
    for name in payloads_of_test(&published) {
        let mut bytes = Vec::new();
        let from = store.payload(&name).unwrap();
        payload::unpack(from, &Expected::named(name), &mut bytes).unwrap();
        let place = folder.path().join("publisher/test/file");
        let place = place.join(&name.to_string()[..2]).join(name.to_string());
        assert!(place.is_file());
    }
    assert!(store.transactions().unwrap().is_empty());
    let status = store.status().unwrap();
    assert_eq!((status.packages, status.versions), (1, 1));
}

fn payloads_of_test(manifest: &Manifest) -> Vec<Digest> {
    let names = crate::store::payloads_of(manifest);
    assert_eq!(names.len(), 3);
    names.into_iter().collect()
}

#[test]
fn packages_that_may_not_be_published_leave_nothing() {
    let (folder, store) = store();
    let head = "set name=pkg.fmri value=pkg:/a@1\n";
    let rows = [
        ("set name=pkg.fmri value=pkg:/a\n", "needs a version"),
        (
            "set name=pkg.fmri value=pkg://other/a@1\n",
            "publisher here is `test`",
        ),
        ("set name=a value=b\n", "must name one"),
        (
            "file none path=a owner=r group=r mode=0644\n",
            "has no content",
        ),
        ("file x path=../a owner=r group=r mode=0644\n", "`..`"),
        ("dir path=a owner=r group=r\n", "mode"),
        ("depend type=strange fmri=a\n", "Unknown type (strange)"),
        (
            "depend type=require fmri=pkg://test/a\n",
            "names no publisher",
        ),
        (
            "set name=pkg.obsolete value=true\ndir path=a owner=r group=r mode=0755\n",
            "'dir' action cannot be present in an obsolete package",
        ),
        (
            "set name=pkg.renamed value=true\ndepend type=require fmri=b\nlink path=a target=b\n",
            "'link' action cannot be present in a renamed package",
        ),
        (
            "set name=pkg.renamed value=true\n",
            "must contain a 'depend'",
        ),
        (
            "set name=pkg.renamed value=true\nset name=pkg.obsolete value=true\n",
            "both obsolescence and renaming",
        ),
    ];
    for (text, why) in rows {
        let is_named = text.contains("pkg.fmri") || text.starts_with("set name=a");
        let text = if is_named {
            text.to_owned()
        } else {
            format!("{head}{text}")
        };
        let result = store.publish(manifest(&text), &content, Listing::Now);
        let error = result.unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    assert!(store.packages().unwrap().is_empty());
    assert!(store.transactions().unwrap().is_empty());
    let files = folder.path().join("publisher/test/file");
    assert_eq!(std::fs::read_dir(files).unwrap().count(), 0);
}

#[test]
fn a_transaction_goes_on_in_another_process() {
    let (_folder, store) = store();
    let fmri: Fmri = "pkg:/app/foo@1.0".parse().unwrap();
    let id = store.begin(&fmri).unwrap().id().to_owned();
    assert_eq!(store.transactions().unwrap(), std::slice::from_ref(&id));
    let again = store.transaction(&id).unwrap();
    let file: Action = "file a path=a owner=root group=root mode=0644"
        .parse()
        .unwrap();
    let added = again.add(file, Some(&b"hello".to_vec().into())).unwrap();
    assert_eq!(added.size(), Some(5));
    let dir: Action = "dir path=b owner=root group=root mode=0755"
        .parse()
        .unwrap();
    again.add(dir, None).unwrap();
    let fmri = store.transaction(&id).unwrap().close(Listing::Now).unwrap();
    assert_eq!(store.manifest(&fmri).unwrap().actions().len(), 3);
    for bad in [&*id, "..", "1_../x", "x", "", "1_\0"] {
        let error = store.transaction(bad).unwrap_err();
        assert!(
            matches!(error, RepositoryError::UnknownTransaction(_)),
            "{bad}: {error}"
        );
    }
    let id = store
        .begin(&"a@1".parse().unwrap())
        .unwrap()
        .id()
        .to_owned();
    store.transaction(&id).unwrap().abandon().unwrap();
    assert!(store.transactions().unwrap().is_empty());
}

#[test]
fn a_version_is_published_once_and_equal_ones_get_other_seconds() {
    let (_folder, store) = store();
    let dated = "pkg:/a@1:20261121T123715Z".parse().unwrap();
    let first = store.begin(&dated).unwrap();
    assert!(matches!(
        store.begin(&dated),
        Err(RepositoryError::Exists(_))
    ));
    first.close(Listing::Now).unwrap();
    assert!(matches!(
        store.begin(&dated),
        Err(RepositoryError::Exists(_))
    ));
    let same: Fmri = "pkg:/b@1".parse().unwrap();
    let one = store.begin(&same).unwrap().close(Listing::Now).unwrap();
    let two = store.begin(&same).unwrap().close(Listing::Now).unwrap();
    assert!(two.version() > one.version());
}

#[test]
fn a_packed_payload_is_proved_and_its_stored_form_wins() {
    let (_folder, store) = store();
    let open = store.begin(&"a@1".parse().unwrap()).unwrap();
    let name = Digest::of(Algorithm::Sha1, b"hello");
    // Another packing than ours.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(b"hello").unwrap();
    let packed = encoder.finish().unwrap();
    assert!(open.add_packed(name, &b"nonsense"[..]).is_err());
    let other = payload::pack_bytes(b"other").unwrap();
    assert!(open.add_packed(name, &other[..]).is_err());
    open.add_packed(name, &packed[..]).unwrap();
    let text = format!(
        "set name=pkg.fmri value={}\nfile {name} path=a owner=r group=r mode=0644 chash={} \
         pkg.size=5 pkg.csize=99\n",
        open.fmri(),
        "0".repeat(40),
    );
    assert!(
        open.set_manifest(b"set name=pkg.fmri value=pkg://test/b@1\n")
            .is_err()
    );
    open.set_manifest(text.as_bytes()).unwrap();
    let fmri = open.close(Listing::Now).unwrap();
    let stored = PackedFacts::of(&packed);
    assert!(stored.is_said_by(&store.manifest(&fmri).unwrap().actions()[1]));
    // What comes in process takes the stored form over, too.
    let two = "set name=pkg.fmri value=b@1\nfile hello path=a owner=r group=r mode=0644\n";
    let two = store
        .publish(manifest(two), &content, Listing::Now)
        .unwrap();
    assert!(stored.is_said_by(&store.manifest(&two).unwrap().actions()[1]));
    // A payload that is nowhere is asked for.
    let open = store.begin(&"c@1".parse().unwrap()).unwrap();
    let absent = Digest::of(Algorithm::Sha1, b"absent");
    open.set_manifest(
        text.replace(&name.to_string(), &absent.to_string())
            .lines()
            .nth(1)
            .unwrap()
            .as_bytes(),
    )
    .unwrap();
    let error = open.close(Listing::Now).unwrap_err();
    assert!(error.to_string().contains("no content"), "{error}");
}

#[test]
fn damaged_payloads_are_packed_anew() {
    let (folder, store) = store();
    let text = "set name=pkg.fmri value=a@1\nfile hello path=a owner=r group=r mode=0644\n";
    store
        .publish(manifest(text), &content, Listing::Now)
        .unwrap();
    let name = Digest::of(Algorithm::Sha1, b"hello");
    let place = folder
        .path()
        .join(store.payload_place(name).unwrap().unwrap());
    std::fs::write(&place, b"rotten").unwrap();
    let fmri = store
        .publish(manifest(text), &content, Listing::Now)
        .unwrap();
    let action = &store.manifest(&fmri).unwrap().actions()[1].clone();
    let file = store.payload(&name).unwrap();
    payload::copy(file, &Expected::of(action), &mut std::io::sink()).unwrap();
}

#[test]
fn only_signatures_are_appended_and_a_killed_append_is_finished_by_a_refresh() {
    let (_folder, store) = store();
    let fmri = store
        .publish(manifest(FOO), &content, Listing::Now)
        .unwrap();
    let open = store.begin_append(&fmri).unwrap();
    let dir: Action = "dir path=b owner=root group=root mode=0755"
        .parse()
        .unwrap();
    assert!(matches!(
        open.add(dir, None),
        Err(RepositoryError::OnlySignatures)
    ));
    let signature = "signature algorithm=sha256 value=ab version=0";
    open.add(signature.parse().unwrap(), None).unwrap();
    let pending = open.manifest().unwrap();
    // As if killed between manifest and catalog.
    store.put_manifest(&fmri, &pending).unwrap();
    let old = store.catalog().unwrap();
    let digest = Digest::of(Algorithm::Sha1, pending.to_string().as_bytes());
    assert_ne!(old.find(&fmri).unwrap().manifest_digest(), Some(digest));
    assert_eq!(store.refresh().unwrap().listed, std::slice::from_ref(&fmri));
    let new = store.catalog().unwrap();
    assert_eq!(new.find(&fmri).unwrap().manifest_digest(), Some(digest));
    open.close(Listing::Now).unwrap();
    assert_eq!(
        store.catalog().unwrap().part(BASE).unwrap().counts(),
        (1, 1)
    );
}

#[test]
fn long_names_are_refused_or_shortened() {
    let (_folder, store) = store();
    let numbers = vec!["1"; 150].join(".");
    let error = store.begin(&format!("a@{numbers}").parse().unwrap());
    let error = error.and_then(|open| open.close(Listing::Now)).unwrap_err();
    assert!(error.to_string().contains("255 bytes"), "{error}");
    let long = format!("a/{}@{}", "b".repeat(200), &numbers[..199]);
    let open = store.begin(&long.parse().unwrap()).unwrap();
    assert!(open.id().len() < 60);
    open.close(Listing::Now).unwrap();
    assert!(store.attrs().unwrap().unwrap().parts.contains_key(BASE));
    assert!(store.catalog_file(ATTRS).unwrap().is_some());
}
