//! Publishers that run beside each other, and publishers that are killed.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use zones_ips::manifest::Unknown;
use zones_ips::{Action, Manifest};
use zones_repository::signature::Trust;
use zones_repository::{Content, Listing, Repository, Store};

/// Set for the processes that publish: repository, name and number of packages.
const JOB: &str = "ZONES_TEST_PUBLISH";

fn store(folder: &Path) -> Store {
    let repository = Repository::open(folder).unwrap();
    repository.publisher(&"test".parse().unwrap()).unwrap()
}

fn publish(store: &Store, name: &str, number: usize) {
    let mut text = format!("set name=pkg.fmri value={name}/{number}@1.{number}\n");
    for file in 0..20 {
        text += &format!("file {file} path=usr/{name}/{file} owner=root group=root mode=0644\n");
    }
    let manifest = Manifest::parse(&text, Unknown::Refused).unwrap();
    let content = |action: &Action| {
        // Half of the content is shared by all packages.
        let word = action.payload().unwrap_or_default();
        let own = if word.len() > 1 { name } else { "shared" };
        let bytes = format!("{own} {number} {word}").repeat(200);
        Ok(Some(Content::from(bytes.into_bytes())))
    };
    store.publish(manifest, &content, Listing::Now).unwrap();
}

/// No test of its own: what the others start.
#[test]
fn publisher_process() {
    let Ok(job) = std::env::var(JOB) else {
        return;
    };
    let words: Vec<_> = job.split('\n').collect();
    let store = store(Path::new(words[0]));
    for number in 0..words[2].parse().unwrap() {
        publish(&store, words[1], number);
    }
}

fn start(folder: &Path, name: &str, count: usize) -> Child {
    let job = format!("{}\n{name}\n{count}", folder.display());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "publisher_process"]).env(JOB, job);
    command.stdout(Stdio::null()).spawn().unwrap()
}

fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(folder.path()).unwrap();
    repository.add_publisher(&"test".parse().unwrap()).unwrap();
    folder
}

fn errors(store: &Store) -> Vec<String> {
    let found = store.verify(&Trust::ignoring()).unwrap().into_iter();
    let errors = found.filter(|finding| finding.is_error());
    errors
        .map(|it| format!("{:?} {}", it.package, it.kind))
        .collect()
}

#[test]
fn processes_that_publish_at_once_lose_nothing() {
    let folder = repository();
    let children: Vec<_> = ["a", "b", "c"]
        .map(|name| start(folder.path(), name, 6))
        .into();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let store = store(folder.path());
    assert_eq!(errors(&store), [""; 0]);
    assert_eq!(store.catalog().unwrap().attrs.version_count, 18);
    assert!(store.refresh().unwrap().listed.is_empty());
}

#[test]
fn a_publisher_killed_at_any_moment_leaves_what_a_refresh_repairs() {
    let folder = repository();
    let store = store(folder.path());
    let mut listed = 0;
    for moment in 0..50u64 {
        let mut child = start(folder.path(), &format!("k{moment}"), 1000);
        // Uneven moments over some publications.
        std::thread::sleep(Duration::from_millis(20 + moment * 7919 % 130));
        child.kill().unwrap();
        child.wait().unwrap();
        store.refresh().unwrap();
        assert_eq!(errors(&store), [""; 0], "after kill {moment}");
        let packages = store.packages().unwrap();
        assert_eq!(
            store.catalog().unwrap().attrs.version_count as usize,
            packages.len()
        );
        assert!(packages.len() >= listed, "after kill {moment}");
        assert!(store.transactions().unwrap().is_empty());
        listed = packages.len();
        // Keep the repository small: the same checks cost more with each package.
        if listed > 40 {
            store.remove(&packages).unwrap();
            assert_eq!(errors(&store), [""; 0]);
            listed = 0;
        }
    }
    // Whatever was left: it can be published to, and what nobody needs can go.
    publish(&store, "last", 0);
    let findings = store.verify(&Trust::ignoring()).unwrap();
    store.fix(&findings).unwrap();
    assert!(store.verify(&Trust::ignoring()).unwrap().is_empty());
}
