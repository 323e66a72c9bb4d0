//! Repositories for tests.

use std::path::Path;

use zones_ips::manifest::Unknown;
use zones_ips::{Action, Manifest};
use zones_repository::{Content, Listing, Repository};

pub(crate) const FOO_1: &str = "app/foo@1.0,5.11-0.1:20261121T123715Z";
pub(crate) const FOO_2: &str = "app/foo@1.1,5.11-0.1:20261122T080000Z";
pub(crate) const BAR: &str = "app/bar@2.0,5.11:20261121T130207Z";

/// What `etc/foo.conf` holds; its SHA-1 is [`FOO_CONF_HASH`].
pub(crate) const FOO_CONF: &[u8] = b"foo\n";
pub(crate) const FOO_CONF_HASH: &str = "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15";
/// The large payload.
pub(crate) const BLOB_SIZE: usize = 300_000;

fn foo(fmri: &str, summary: &str) -> String {
    format!(
        "set name=pkg.fmri value=pkg://test/{fmri}\n\
         set name=pkg.summary value=\"{summary}\"\n\
         set name=pkg.description value='Long <b>description</b> with \"quotes\"'\n\
         dir group=sys mode=0755 owner=root path=etc\n\
         file etc/foo.conf group=sys mode=0644 owner=root path=etc/foo.conf preserve=renamenew\n\
         file usr/share/blob group=sys mode=0644 owner=root path=usr/share/blob\n\
         link path=usr/bin/foolink target=foo\n\
         license LICENSE license=lic_foo\n\
         depend fmri=pkg:/app/bar@2.0 type=require\n"
    )
}

pub(crate) fn blob() -> Vec<u8> {
    // Does not compress, so that the payload is as large.
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..BLOB_SIZE).map(|_| next()).collect()
}

fn content(action: &Action) -> zones_repository::Result<Option<Content>> {
    Ok(Some(Content::from(match action.payload() {
        Some("etc/foo.conf") => FOO_CONF.to_vec(),
        Some("LICENSE") => b"Do what you like.\n".to_vec(),
        _ => blob(),
    })))
}

fn publish(repository: &Repository, publisher: &str, texts: &[String]) {
    let store = repository
        .add_publisher(&publisher.parse().unwrap())
        .unwrap();
    for text in texts {
        let manifest = Manifest::parse(text, Unknown::Refused).unwrap();
        store.publish(manifest, &content, Listing::Now).unwrap();
    }
}

fn bar(publisher: &str) -> String {
    format!(
        "set name=pkg.fmri value=pkg://{publisher}/{BAR}\n\
         set name=pkg.summary value=\"<script>alert(1)</script>\"\n"
    )
}

/// Publisher `test`, which is the default, with three packages.
pub(crate) fn publishers_one(path: &Path) {
    let mut repository = Repository::create(path).unwrap();
    repository.set("publisher", "prefix", &["test"]).unwrap();
    publish(
        &repository,
        "test",
        &[
            foo(FOO_1, "A test package"),
            foo(FOO_2, "A newer package"),
            bar("test"),
        ],
    );
}

/// Publishers `one` and `two`, no default.
pub(crate) fn publishers_two(path: &Path) {
    let repository = Repository::create(path).unwrap();
    for name in ["one", "two"] {
        publish(&repository, name, &[bar(name)]);
    }
}

/// Publisher `test` without packages.
pub(crate) fn publisher_only(path: &Path) {
    let repository = Repository::create(path).unwrap();
    publish(&repository, "test", &[]);
}

/// No publisher yet.
pub(crate) fn empty(path: &Path) {
    Repository::create(path).unwrap();
}
