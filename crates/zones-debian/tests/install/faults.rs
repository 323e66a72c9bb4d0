//! What is wrong, missing or hostile ends in one clear error.

use std::collections::HashMap;
use std::fs;

use tar::EntryType;

use crate::deb::{File, Pack, Spec, archive, dir, file, link, pack, tar};
use crate::mirror::{Mirror, Trouble};
use crate::repository::{Place, Repository, key, new_key, sign};

const IN_RELEASE: &str = "dists/stable/InRelease";
const DEB: &str = "pool/a_1_amd64.deb";

fn spec() -> Spec {
    Spec::new("a", "1", "Essential: yes\n").with(&[file("./a", 0o644, "text")])
}

type Files = HashMap<String, Vec<u8>>;

/// Serves `files` and says how the installation fails.
fn fails(files: Files) -> String {
    let place = Place::new();
    let mirror = Mirror::start(files);
    place.run(&place.mirrored(&mirror, "stable")).unwrap_err()
}

/// A spoiled index.
fn index(spoil: impl FnOnce(&mut Repository)) -> String {
    let mut repository = Repository::new("stable", &[spec()]);
    spoil(&mut repository);
    fails(repository.files(""))
}

/// A spoiled file of a good repository.
fn served(path: &str, spoil: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut files = Repository::new("stable", &[spec()]).files("");
    spoil(files.get_mut(path).unwrap());
    fails(files)
}

fn assert_says(said: &str, want: &[&str]) {
    for part in want {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
}

#[test]
fn signatures() {
    let text = || Repository::new("stable", &[spec()]).release();
    let not_one = "is not trusted: it is not exactly one signed text";
    let said = served(IN_RELEASE, |f| *f = text().into_bytes());
    assert_says(&said, &["InRelease", not_one]);
    let said = served(IN_RELEASE, |f| {
        *f = sign(&text(), &new_key("Mallory <m@example.org>"))
    });
    assert_says(&said, &["is signed by", "which the keyring does not hold"]);
    let said = served(IN_RELEASE, |f| {
        *f = String::from_utf8(f.clone())
            .unwrap()
            .replace("Debian", "Debiam")
            .into_bytes();
    });
    assert_says(&said, &["the signature by key", "does not fit its text"]);
    let said = served(IN_RELEASE, |f| {
        f.splice(0..0, *b"Suite: evil\n").for_each(drop)
    });
    assert_says(&said, &[not_one]);
    let said = served(IN_RELEASE, |f| f.extend_from_slice(b"\nSuite: evil\n"));
    assert_says(&said, &[not_one]);
    let said = served(IN_RELEASE, |f| {
        let text = String::from_utf8(f.clone()).unwrap();
        *f = text.replacen("\n\n", "\nComment: x\n\n", 1).into_bytes();
    });
    assert_says(&said, &[not_one]);
    // Two texts, of which only the second is signed.
    let said = served(IN_RELEASE, |f| {
        let head = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nSuite: evil\n";
        f.splice(0..0, *head).for_each(drop);
    });
    assert_says(&said, &[not_one]);
}

#[test]
fn keyrings() {
    let place = Place::new();
    let mirror = Mirror::start(Repository::new("stable", &[spec()]).files(""));
    let mut request = place.mirrored(&mirror, "stable");
    request.keyring = Some(place.path("none.gpg"));
    assert_says(
        &place.run(&request).unwrap_err(),
        &["cannot read keyring", "none.gpg"],
    );
    fs::write(place.path("none.gpg"), "no key").unwrap();
    assert_says(
        &place.run(&request).unwrap_err(),
        &["no OpenPGP key in", "none.gpg"],
    );
    // A binary keyring with a foreign key first.
    let mut bytes = Vec::new();
    for key in [&new_key("Other <o@example.org>"), key()] {
        let public = pgp::composed::SignedPublicKey::from(key.clone());
        pgp::ser::Serialize::to_writer(&public, &mut bytes).unwrap();
    }
    fs::write(place.path("none.gpg"), bytes).unwrap();
    place.run(&request).unwrap();
    let sources = fs::read_to_string(place.path("root/etc/apt/sources.list")).unwrap();
    assert_says(&sources, &["[signed-by=/etc/apt/keyrings/archive.gpg]"]);
}

#[test]
fn releases() {
    let head =
        |from: &'static str, to: &'static str| index(move |r| r.head = r.head.replace(from, to));
    let said = head(
        "Suite: stable\nCodename: stable",
        "Suite: testing\nCodename: forky",
    );
    assert_says(
        &said,
        &["InRelease", "it is for suite `testing`, code name `forky`"],
    );
    let said = head(
        "Date: ",
        "Valid-Until: Fri, 02 Jan 2026 00:00:00 UTC\nDate: ",
    );
    assert_says(&said, &["it expired", "choose another mirror"]);
    let said = head("01 Jan 2026", "01 Jan 2999");
    assert_says(&said, &["into the future", "set the clock"]);
    let said = head("all amd64", "all arm64");
    assert_says(
        &said,
        &["architecture `amd64` is not in it; it has all, arm64"],
    );
    let said = head("Components: main", "Components: extra");
    assert_says(&said, &["component `main` is not in it; it has extra"]);
    assert_says(
        &head("Date: Thu, 01", "Date: some"),
        &["its field `Date` is missing or malformed"],
    );
    let said = fails(Files::new());
    assert_says(&said, &["InRelease", "does not have it (404)"]);
}

#[test]
fn package_lists() {
    let list = "dists/stable/main/binary-amd64/";
    let spoil_all = |spoil: &dyn Fn(&mut Vec<u8>)| {
        let mut files = Repository::new("stable", &[spec()]).files("");
        let lists = files.iter_mut().filter(|(path, _)| path.starts_with(list));
        lists.for_each(|(_, bytes)| spoil(bytes));
        fails(files)
    };
    let said = spoil_all(&|f| f[30] ^= 1);
    assert_says(&said, &["its SHA-256 is", "and should be"]);
    let said = spoil_all(&|f| f.truncate(20));
    assert_says(&said, &["it ends after 20 of"]);
    let said = spoil_all(&|f| f.push(0));
    assert_says(&said, &["it is larger than the"]);
    let mut files = Repository::new("stable", &[spec()]).files("");
    files.retain(|path, _| !path.starts_with(list));
    assert_says(
        &fails(files),
        &["package index", "in no form that the signed index lists"],
    );
    let said = index(|r| r.packages = r.packages.replace("Filename: pool", "Filename: ../pool"));
    assert_says(&said, &["package `a` has no proper Filename"]);
    let said = index(|r| r.packages = r.packages.replace("SHA256: ", "SHA256: ../"));
    assert_says(&said, &["package `a` has no proper SHA256"]);
    let said = index(|r| r.packages = r.packages.replace("Package: a", "Package: ../a"));
    assert_says(&said, &["has no proper name or version"]);
}

#[test]
fn package_files() {
    let mut files = Repository::new("stable", &[spec()]).files("");
    files.remove(DEB);
    assert_says(&fails(files), &[DEB, "does not have it (404)"]);
    assert_says(
        &served(DEB, |f| f.truncate(99)),
        &[DEB, "it ends after 99 of"],
    );
    assert_says(&served(DEB, |f| f[99] ^= 1), &[DEB, "its SHA-256 is"]);
    assert_says(&served(DEB, |f| f.push(0)), &[DEB, "it is larger than"]);
    let place = Place::new();
    let mirror = Mirror::start(Repository::new("stable", &[spec()]).files(""));
    mirror.trouble(
        DEB,
        Trouble::Break {
            after: 10,
            times: 99,
        },
    );
    let said = place.run(&place.mirrored(&mirror, "stable")).unwrap_err();
    assert_says(&said, &[DEB]);
}

/// Serves package `a` with this content, properly signed.
fn hostile(bytes: Vec<u8>) -> String {
    let mut repository = Repository::new("stable", &[spec()]);
    let before = repository.debs[0].1.clone();
    let field = |b: &[u8]| {
        format!(
            "Size: {}\nSHA256: {}\n",
            b.len(),
            crate::repository::sha256(b)
        )
    };
    repository.packages = repository.packages.replace(&field(&before), &field(&bytes));
    repository.debs[0].1 = bytes;
    fails(repository.files(""))
}

#[test]
fn packages_that_are_signed_and_still_hostile() {
    let with = |files: &[File]| hostile(spec().with(files).build());
    let device = |kind| File {
        kind,
        ..file("./dev/x", 0o644, "")
    };
    let says = "package `a` is damaged or hostile";
    let rows = [
        (
            with(&[file("../x", 0o644, "x")]),
            "member `../x` leads out of the root",
        ),
        (
            with(&[file("./a/../../x", 0o644, "x")]),
            "leads out of the root",
        ),
        (
            with(&[device(EntryType::Char)]),
            "it brings a device node or fifo",
        ),
        (
            with(&[device(EntryType::Block)]),
            "it brings a device node or fifo",
        ),
        (hostile(b"no archive".to_vec()), "it is no ar archive"),
        (hostile(spec().build()[..150].to_vec()), "is cut short"),
        (
            hostile(Spec::new("b", "1", "").build()),
            "its Package is `b`, the index says `a`",
        ),
        (
            hostile(Spec::new("a", "2", "").build()),
            "its Version is `2`, the index says `1`",
        ),
        (
            hostile(archive(&[
                ("debian-binary", b"2.0\n".to_vec()),
                ("control.tar", vec![]),
            ])),
            "it does not have three members",
        ),
        (
            hostile(spec().script("../../x", "y").build()),
            "control part: a name leads out of it",
        ),
        (
            hostile(spec().script(".x", "y").build()),
            "control part: unusual name `.x`",
        ),
    ];
    for (said, want) in rows {
        assert_says(&said, &[says, want]);
    }
    // Through a link that stays inside, which the resolver of the kernel sees to.
    let place = Place::new();
    let files = [link("./out", "../../host"), file("./out/x", 0o644, "x")];
    let mirror = Mirror::start(Repository::new("stable", &[spec().with(&files)]).files(""));
    let said = place.run(&place.mirrored(&mirror, "stable")).unwrap_err();
    assert_says(&said, &["cannot unpack package `a`"]);
    assert!(!place.path("host/x").exists());
}

#[test]
fn a_decompression_bomb_is_stopped_by_the_declared_size() {
    // 80 MiB of zeros where 10 KiB are declared.
    let size = 80 << 20;
    let mut data = tar(&[dir("./", 0o755)]);
    data.truncate(512);
    let mut header = tar::Header::new_gnu();
    header.set_path("bomb").unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    data.extend_from_slice(header.as_bytes());
    data.resize(data.len() + size as usize + 1024, 0);
    let control = tar(&[file("./control", 0o644, &spec().control())]);
    let bytes = archive(&[
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", pack(&control, Pack::Gz)),
        ("data.tar.zst", pack(&data, Pack::Zst)),
    ]);
    assert!(bytes.len() < 100_000);
    assert_says(&hostile(bytes), &["package `a`", "it unpacks to more than"]);
}

/// A small file system that goes away with the test.
struct Small<'a>(&'a std::path::Path);

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_names_the_file_and_the_remedy() {
    let place = Place::new();
    let root = place.path("root");
    let flags = rustix::mount::MountFlags::empty();
    if rustix::mount::mount("none", &root, "tmpfs", flags, c"size=256k").is_err() {
        println!("SKIP a_full_disk_names_the_file_and_the_remedy: mounting needs root");
        return;
    }
    let _small = Small(&root);
    let big = spec().with(&[file("./big", 0o644, &"x".repeat(1 << 20))]);
    let mirror = Mirror::start(Repository::new("stable", &[big]).files(""));
    let said = place.run(&place.mirrored(&mirror, "stable")).unwrap_err();
    assert_says(
        &said,
        &[
            "package `a`",
            "no space left while writing `big`",
            "make room",
        ],
    );
}
