//! The client of the repository crate against the depot: publish, read, copy.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not in a test")]

mod support;

use std::os::unix::fs::PermissionsExt;

use support::{Running, fixture};
use zones_ips::manifest::Unknown;
use zones_ips::{Action, Manifest};
use zones_repository::receive::{self, Selection, Versions};
use zones_repository::{Content, HttpOptions, HttpSource, Listing, Repository, Source, Target};

const TOKEN: &str = "0123456789abcdef";

fn guarded() -> Running {
    Running::with(fixture::publishers_one, |config, folder| {
        let path = folder.join("tokens");
        std::fs::write(&path, format!("build:{TOKEN}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        config.tokens = Some(path);
    })
}

fn manifest(name: &str) -> Manifest {
    let text = format!(
        "set name=pkg.fmri value=pkg://test/{name}\n\
         set name=pkg.summary value='a \"package\" of odd words: %2F + é'\n\
         file etc/odd group=sys mode=0644 owner=root path=\"etc/odd name\"\n\
         license LICENSE license=\"odd licence\"\n"
    );
    Manifest::parse(&text, Unknown::Refused).unwrap()
}

fn content(action: &Action) -> zones_repository::Result<Option<Content>> {
    Ok(Some(Content::from(action.to_string().into_bytes())))
}

#[test]
fn publish_with_a_token_and_read_it_back() {
    let depot = guarded();
    let url = format!("http://127.0.0.1:{}/", depot.port);
    let without = Target::open(&url, &HttpOptions::default()).unwrap();
    let refused = without.publish(manifest("odd/one+two@1.0-1"), &content, Listing::Now);
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("401") || text.contains("token"), "{text}");
    let options = HttpOptions {
        token: Some(TOKEN.to_owned()),
        ..HttpOptions::default()
    };
    let target = Target::open(&url, &options).unwrap();
    let fmri = target
        .publish(manifest("odd/one+two@1.0-1"), &content, Listing::Now)
        .unwrap();
    let source = HttpSource::new(&url, &HttpOptions::default()).unwrap();
    let publisher = fmri.publisher().unwrap();
    let catalog = source.catalog(publisher).unwrap();
    let entry = catalog.find(&fmri).unwrap();
    let bytes = source.manifest_bytes(&fmri).unwrap();
    let own = Manifest::from_bytes(&bytes, Unknown::Refused).unwrap();
    assert_eq!(Some(own.digest()), entry.manifest_digest());
    assert_eq!(
        own.set_value("pkg.summary"),
        Some("a \"package\" of odd words: %2F + é")
    );
    for action in own
        .actions()
        .iter()
        .filter(|action| action.payload().is_some())
    {
        let name = action.payload_digest().unwrap();
        assert!(source.payload(publisher, &name).is_ok(), "{action}");
    }
}

#[test]
fn a_repository_is_copied_from_a_depot_into_a_depot() {
    let from = Running::new();
    let to = Running::with(fixture::publisher_only, |_, _| {});
    let url = |depot: &Running| format!("http://127.0.0.1:{}/", depot.port);
    let source = HttpSource::new(&url(&from), &HttpOptions::default()).unwrap();
    let selection = Selection {
        patterns: Vec::new(),
        versions: Versions::AllTimestamps,
        is_recursive: false,
    };
    let wanted = receive::select(&source, &selection).unwrap();
    assert_eq!(wanted.len(), 3);
    let target = Target::open(&url(&to), &HttpOptions::default()).unwrap();
    let received =
        receive::to_target(&source, &wanted, &target, Listing::Now, &|_, _, _| {}).unwrap();
    assert_eq!(received.packages.len(), 3);
    let one = Repository::open(&from.repository()).unwrap();
    let two = Repository::open(&to.repository()).unwrap();
    let publisher = "test".parse().unwrap();
    for wanted in &wanted {
        let bytes = |repository: &Repository| {
            let store = repository.publisher(&publisher).unwrap();
            store.manifest_bytes(&wanted.fmri).unwrap()
        };
        assert_eq!(bytes(&one), bytes(&two), "{}", wanted.fmri);
    }
}
