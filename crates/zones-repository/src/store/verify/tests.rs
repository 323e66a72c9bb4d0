use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use zones_ips::manifest::Unknown;

use super::*;
use crate::{Content, Fixed, Listing, Repository};

struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
    one: Fmri,
    two: Fmri,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(folder.path()).unwrap();
    let store = repository.add_publisher(&"test".parse().unwrap()).unwrap();
    let publish = |name: &str| {
        let text = format!(
            "set name=pkg.fmri value={name}@1\n\
             file {name} path=etc/{name} owner=root group=root mode=0644\n\
             file shared path=etc/shared owner=root group=root mode=0644\n"
        );
        let manifest = Manifest::parse(&text, Unknown::Refused).unwrap();
        let content = |action: &Action| {
            let bytes = action.payload().unwrap_or_default().as_bytes();
            Ok(Some(Content::from(bytes.to_vec())))
        };
        store.publish(manifest, &content, Listing::Now).unwrap()
    };
    let (one, two) = (publish("one"), publish("two"));
    Fixture {
        folder,
        one,
        two,
        store,
    }
}

impl Fixture {
    fn payload(&self, content: &str) -> PathBuf {
        let name = Digest::of(Algorithm::Sha1, content.as_bytes());
        let place = self.store.payload_place(name).unwrap().unwrap();
        self.folder.path().join(place)
    }

    fn manifest(&self) -> PathBuf {
        self.folder
            .path()
            .join(self.store.manifest_path(&self.one).unwrap())
    }

    fn found(&self) -> Vec<String> {
        let found = self.store.verify(&Trust::default()).unwrap().into_iter();
        found
            .map(|it| {
                let stem = it.package.map(|fmri| fmri.stem().to_string());
                format!("{}: {}", stem.unwrap_or_default(), it.kind)
            })
            .collect()
    }

    fn fix(&self) -> Fixed {
        let found = self.store.verify(&Trust::default()).unwrap();
        let fixed = self.store.fix(&found).unwrap();
        assert_eq!(self.found(), [""; 0]);
        fixed
    }
}

#[test]
fn a_sound_repository_has_no_findings() {
    let fixture = fixture();
    assert_eq!(fixture.found(), [""; 0]);
    assert_eq!(fixture.fix(), Fixed::default());
}

#[test]
fn a_lost_or_damaged_payload_costs_the_packages_that_need_it() {
    let fixture = fixture();
    std::fs::remove_file(fixture.payload("one")).unwrap();
    let found = fixture.found();
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("one: missing file: "), "{found:?}");
    assert!(found[0].ends_with("(etc/one)"), "{found:?}");
    let fixed = fixture.fix();
    assert_eq!(fixed.packages, std::slice::from_ref(&fixture.one));
    assert!(fixed.is_rebuilt);
    std::fs::write(fixture.payload("shared"), b"rotten").unwrap();
    let found = fixture.found();
    assert!(found[0].starts_with("two: corrupt file: "), "{found:?}");
    let fixed = fixture.fix();
    assert_eq!(fixed.packages, std::slice::from_ref(&fixture.two));
    assert_eq!(fixed.payloads.len(), 2);
}

#[test]
fn payloads_packed_otherwise_than_the_manifest_says_are_found() {
    let fixture = fixture();
    let mut other = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut other, b"shared").unwrap();
    std::fs::write(fixture.payload("shared"), other.finish().unwrap()).unwrap();
    let found = fixture.found();
    assert_eq!(found.len(), 2);
    assert!(found[1].contains("stored form"), "{found:?}");
}

#[test]
fn damaged_manifests_and_catalogs_are_found() {
    let fixture = fixture();
    let text = std::fs::read_to_string(fixture.manifest()).unwrap();
    std::fs::write(fixture.manifest(), text.replace("0644", "4755")).unwrap();
    let found = fixture.found();
    assert!(found[0].starts_with("one: manifest hash: "), "{found:?}");
    // A refresh must not take the damage for the truth.
    assert_eq!(fixture.store.refresh().unwrap().listed, []);
    assert!(fixture.found()[0].starts_with("one: manifest hash: "));
    assert_eq!(fixture.fix().packages, std::slice::from_ref(&fixture.one));
    std::fs::remove_file(
        fixture
            .folder
            .path()
            .join(fixture.store.manifest_path(&fixture.two).unwrap()),
    )
    .unwrap();
    let found = fixture.found();
    assert!(found[0].contains("has no manifest"), "{found:?}");
    fixture.fix();
    let base = fixture
        .folder
        .path()
        .join("publisher/test/catalog")
        .join(BASE);
    std::fs::write(base, "x").unwrap();
    assert_eq!(fixture.found().len(), 1);
    assert!(fixture.fix().is_rebuilt);
}

#[test]
fn orphans_and_modes_are_found_and_put_right() {
    let fixture = fixture();
    let orphan = Digest::of(Algorithm::Sha1, b"orphan");
    let place = fixture.folder.path().join(fixture.store.new_place(orphan));
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, payload::pack_bytes(b"orphan").unwrap()).unwrap();
    let private = fixture.payload("one");
    std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o600)).unwrap();
    let found = fixture.store.verify(&Trust::default()).unwrap();
    assert_eq!(found.iter().filter(|it| it.is_error()).count(), 1);
    assert_eq!(found.len(), 2);
    let fixed = fixture.fix();
    assert_eq!(fixed.payloads, [orphan]);
    assert_eq!(fixed.modes.len(), 1);
    let mode = std::fs::metadata(&private).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}
