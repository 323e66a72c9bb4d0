use std::path::PathBuf;

use zones_ips::catalog::{ATTRS, BASE, Refresh, Why, plan};
use zones_ips::manifest::Unknown;
use zones_ips::{Action, Manifest};

use super::*;
use crate::payload::{Content, Expected, PayloadError, unpack};
use crate::{Listing, Repository, Store};

struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
    fmri: Fmri,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(folder.path()).unwrap();
    let store = repository.add_publisher(&"test".parse().unwrap()).unwrap();
    let fmri = publish(&store, "pkg:/app/foo@1.0");
    Fixture {
        folder,
        store,
        fmri,
    }
}

fn publish(store: &Store, name: &str) -> Fmri {
    let text = format!(
        "set name=pkg.fmri value={name}\n\
         file x path=etc/x owner=root group=root mode=0644\n"
    );
    let manifest = Manifest::parse(&text, Unknown::Refused).unwrap();
    let content = |_: &Action| Ok(Some(Content::from(b"hello".to_vec())));
    store.publish(manifest, &content, Listing::Now).unwrap()
}

impl Fixture {
    fn source(&self) -> FileSource {
        FileSource::open(self.folder.path()).unwrap()
    }

    fn publisher(&self) -> Publisher {
        self.store.publisher().clone()
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join("publisher/test").join(below)
    }

    /// The manifest, as a client proves it.
    fn proved(&self) -> Result<Manifest> {
        let source = self.source();
        let catalog = source.catalog(&self.publisher())?;
        let digest = catalog.find(&self.fmri).unwrap().manifest_digest();
        Ok(source.manifest(&self.fmri, digest.as_ref())?.0)
    }

    fn unpacked(&self) -> Result<Vec<u8>, PayloadError> {
        let manifest = self.proved().unwrap();
        let action = manifest.actions().last().unwrap();
        let name = action.payload_digest().unwrap();
        let from = self.source().payload(&self.publisher(), &name).unwrap();
        let mut bytes = Vec::new();
        unpack(from, &Expected::of(action), &mut bytes)?;
        Ok(bytes)
    }

    fn payload_path(&self) -> PathBuf {
        let name = Digest::of(Algorithm::Sha1, b"hello").to_string();
        self.path("file").join(&name[..2]).join(name)
    }
}

#[test]
fn an_honest_repository_is_read() {
    let fixture = fixture();
    assert_eq!(fixture.unpacked().unwrap(), b"hello");
    assert_eq!(
        fixture.source().publishers().unwrap(),
        [fixture.publisher()]
    );
    // Also without a catalog.
    std::fs::remove_dir_all(fixture.path("catalog")).unwrap();
    assert_eq!(fixture.unpacked().unwrap(), b"hello");
}

#[test]
fn a_wrong_signature_and_a_foreign_part_are_refused() {
    for name in [ATTRS, BASE] {
        let fixture = fixture();
        let path = fixture.path("catalog").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("20", "21", 1)).unwrap();
        let error = fixture.proved().unwrap_err().to_string();
        assert!(error.contains("signature"), "{name}: {error}");
    }
    // A part that is signed, but not the one that attrs names.
    let (one, two) = (fixture(), fixture());
    publish(&two.store, "pkg:/app/bar@1.0");
    std::fs::copy(
        two.path("catalog").join(BASE),
        one.path("catalog").join(BASE),
    )
    .unwrap();
    let error = one.proved().unwrap_err().to_string();
    assert!(
        error.contains("not the one that catalog.attrs names"),
        "{error}"
    );
    // Packages of another publisher.
    let other: Publisher = "other".parse().unwrap();
    std::fs::rename(two.path(""), two.folder.path().join("publisher/other")).unwrap();
    let error = two.source().catalog(&other).unwrap_err().to_string();
    assert!(error.contains("packages of publisher `test`"), "{error}");
}

#[test]
fn a_replayed_catalog_is_told_from_a_newer_one() {
    let fixture = fixture();
    let old = fixture
        .source()
        .attrs(&fixture.publisher())
        .unwrap()
        .unwrap();
    publish(&fixture.store, "pkg:/app/bar@1.0");
    let new = fixture
        .source()
        .attrs(&fixture.publisher())
        .unwrap()
        .unwrap();
    assert!(matches!(plan(Some(&old), &new), Refresh::Logs { .. }));
    assert_eq!(plan(Some(&new), &old), Refresh::Full(Why::Obsolete));
}

#[test]
fn another_manifest_is_refused() {
    let fixture = fixture();
    let path = fixture
        .folder
        .path()
        .join(fixture.store.manifest_path(&fixture.fmri).unwrap());
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("etc/x", "etc/y")).unwrap();
    let error = fixture.proved().unwrap_err().to_string();
    assert!(error.contains("the catalog says"), "{error}");
    // Of another package, without a digest to prove it.
    std::fs::write(&path, text.replace("app/foo", "app/bar")).unwrap();
    let error = fixture.source().manifest(&fixture.fmri, None).unwrap_err();
    assert!(error.to_string().contains("it is that of"), "{error}");
}

#[test]
fn a_manifest_with_a_path_that_leads_out_gives_no_path() {
    let text = "file x path=../../etc/passwd owner=root group=root mode=0644\n";
    let manifest = Manifest::parse(text, Unknown::Kept).unwrap();
    assert!(manifest.actions()[0].path().is_err());
}

#[test]
fn payloads_that_are_not_what_they_should_be_are_refused() {
    let fixture = fixture();
    let path = fixture.payload_path();
    let right = std::fs::read(&path).unwrap();
    let bomb = crate::payload::pack_bytes(&vec![0; 4 << 20]).unwrap();
    let other = crate::payload::pack_bytes(b"olleh").unwrap();
    for (bytes, why) in [
        (&right[..right.len() - 4], "cut short"),
        (&bomb, "larger than its 5 bytes"),
        (&other, "should be"),
        (&b"x"[..], "cut short"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = fixture.unpacked().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(secret.path(), &path).unwrap();
    let name = Digest::of(Algorithm::Sha1, b"hello");
    let missing = fixture.source().payload(&fixture.publisher(), &name);
    assert!(matches!(
        missing.map(drop),
        Err(RepositoryError::NoPayload(_))
    ));
}
