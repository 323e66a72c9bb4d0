//! Mirrors that stumble.

use std::fs;

use crate::deb::{Spec, file};
use crate::mirror::{Mirror, Trouble};
use crate::repository::{Place, Repository, sha256};

const DEB: &str = "pool/a_1_amd64.deb";

fn repository() -> Repository {
    let noise: String = (0..20_000u32)
        .map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761)))
        .collect();
    let a = Spec::new("a", "1", "Essential: yes\n").with(&[file("./a", 0o644, &noise)]);
    Repository::new("stable", &[a])
}

fn requests(mirror: &Mirror) -> Vec<String> {
    mirror
        .log()
        .into_iter()
        .filter(|l| l.starts_with(DEB))
        .collect()
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let place = Place::new();
    let mirror = Mirror::start(repository().files(""));
    mirror.trouble(
        DEB,
        Trouble::Break {
            after: 50_000,
            times: 2,
        },
    );
    place.run(&place.mirrored(&mirror, "stable")).unwrap();
    let all = requests(&mirror);
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(all[1].contains('@'), "{all:?}");
}

#[test]
fn a_part_of_an_earlier_run_is_used_and_a_wrong_part_is_not() {
    let repository = repository();
    let deb = repository.debs[0].1.clone();
    for (part, want) in [
        (deb[..1000].to_vec(), vec![format!("{DEB}@1000")]),
        (vec![7; 1000], vec![format!("{DEB}@1000"), DEB.to_owned()]),
        (vec![7; deb.len() + 5], vec![DEB.to_owned()]),
        (deb.clone(), vec![]),
    ] {
        let place = Place::new();
        let mirror = Mirror::start(repository.files(""));
        fs::create_dir_all(place.path("cache/partial")).unwrap();
        fs::write(place.path("cache/partial").join(sha256(&deb)), part).unwrap();
        place.run(&place.mirrored(&mirror, "stable")).unwrap();
        assert_eq!(requests(&mirror), want);
        assert_eq!(
            fs::read_dir(place.path("cache/partial")).unwrap().count(),
            0
        );
    }
}

#[test]
fn a_mirror_without_ranges_or_with_too_much_to_do() {
    let place = Place::new();
    let repository = repository();
    let mirror = Mirror::start(repository.files(""));
    mirror.trouble(DEB, Trouble::NoRange);
    mirror.trouble("dists/stable/InRelease", Trouble::Busy(2));
    let deb = &repository.debs[0].1;
    fs::create_dir_all(place.path("cache/partial")).unwrap();
    fs::write(place.path("cache/partial").join(sha256(deb)), &deb[..10]).unwrap();
    place.run(&place.mirrored(&mirror, "stable")).unwrap();
}

#[test]
fn a_mirror_that_stays_busy_is_given_up() {
    let place = Place::new();
    let mirror = Mirror::start(repository().files(""));
    mirror.trouble("dists/stable/InRelease", Trouble::Busy(99));
    let said = place.run(&place.mirrored(&mirror, "stable")).unwrap_err();
    assert!(said.contains("answers with status 503"), "{said}");
    assert_eq!(mirror.log().len(), 4);
}

#[test]
fn a_damaged_file_in_the_cache_is_fetched_again() {
    let place = Place::new();
    let repository = repository();
    let mirror = Mirror::start(repository.files(""));
    let request = place.mirrored(&mirror, "stable");
    place.run(&request).unwrap();
    let cached = place
        .path("cache/sha256")
        .join(sha256(&repository.debs[0].1));
    let mut bytes = fs::read(&cached).unwrap();
    bytes[100] ^= 1;
    fs::write(&cached, bytes).unwrap();
    mirror.log();
    place.run(&request).unwrap();
    assert_eq!(requests(&mirror), [DEB]);
}

#[test]
fn package_files_of_the_host_are_used_if_they_are_right() {
    let repository = repository();
    let deb = &repository.debs[0].1;
    let mut wrong = deb.clone();
    wrong[100] ^= 1;
    for (bytes, fetched) in [(deb, 0), (&wrong, 1)] {
        let place = Place::new();
        let mirror = Mirror::start(repository.files(""));
        let mut request = place.mirrored(&mirror, "stable");
        request.archives.push(place.path("host"));
        fs::write(place.path("host/a_1_amd64.deb"), bytes).unwrap();
        place.run(&request).unwrap();
        assert_eq!(requests(&mirror).len(), fetched);
    }
}

#[test]
fn the_list_is_taken_in_whatever_form_there_is() {
    for (endings, by_hash) in [
        (vec!["", ".gz"], true),
        (vec![""], false),
        (vec!["", ".xz"], false),
    ] {
        let place = Place::new();
        let mut repository = repository();
        repository.endings = endings;
        repository.by_hash = by_hash;
        let mirror = Mirror::start(repository.files(""));
        place.run(&place.mirrored(&mirror, "stable")).unwrap();
        let lists = mirror
            .log()
            .into_iter()
            .filter(|l| l.contains("by-hash"))
            .count();
        assert!(lists >= 1, "by hash is tried first");
    }
}

#[test]
fn several_installs_share_one_cache() {
    let place = Place::new();
    let mirror = Mirror::start(repository().files(""));
    let request = place.mirrored(&mirror, "stable");
    std::thread::scope(|scope| {
        let plan = || zones_debian::plan(&request, &zones_archive::Silent).map(|p| p.download);
        let all: Vec<_> = (0..8).map(|_| scope.spawn(plan)).collect();
        for one in all {
            one.join().unwrap().unwrap();
        }
    });
    place.run(&request).unwrap();
    assert_eq!(
        fs::read_dir(place.path("cache/partial")).unwrap().count(),
        0
    );
}
