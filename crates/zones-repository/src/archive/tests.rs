use std::io::Read as _;

use zones_ips::catalog::BASE;
use zones_ips::manifest::Unknown;
use zones_ips::{Action, Algorithm, Digest, Fmri, Manifest};

use super::*;
use crate::payload::{Content, Expected, unpack};
use crate::{FileSource, Listing, Repository, Source};

fn repository() -> (tempfile::TempDir, FileSource, Vec<Fmri>) {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(folder.path()).unwrap();
    let store = repository.add_publisher(&"test".parse().unwrap()).unwrap();
    let long = format!("{}/app", "deep/er".repeat(20));
    let names = ["a@1", "b@2", &*long];
    let publish = |name: &str| {
        let name = if name.contains('@') {
            name.to_owned()
        } else {
            format!("{name}@3")
        };
        let text = format!(
            "set name=pkg.fmri value={name}\n\
             file x path=etc/{0} owner=root group=root mode=0644\n\
             file shared path=etc/shared owner=root group=root mode=0644\n",
            &name[..1]
        );
        let manifest = Manifest::parse(&text, Unknown::Refused).unwrap();
        let content = move |action: &Action| {
            let text = format!("{} {}", action.payload().unwrap(), "y".repeat(1000));
            Ok(Some(Content::from(text.into_bytes())))
        };
        store.publish(manifest, &content, Listing::Now).unwrap()
    };
    let fmris = names.map(publish).to_vec();
    let source = FileSource::open(folder.path()).unwrap();
    (folder, source, fmris)
}

fn write(source: &FileSource, fmris: &[Fmri], path: &std::path::Path) {
    let mut writer = ArchiveWriter::create(path).unwrap();
    for fmri in fmris {
        let (manifest, bytes) = source.manifest(fmri, None).unwrap();
        let publisher = fmri.publisher().unwrap();
        for name in crate::store::payloads_of(&manifest) {
            let mut packed = Vec::new();
            let mut from = source.payload(publisher, &name).unwrap();
            from.read_to_end(&mut packed).unwrap();
            writer.add_payload(publisher, &name, &packed).unwrap();
        }
        writer.add_manifest(fmri, &bytes).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn an_archive_is_an_origin_with_all_that_went_in() {
    let (folder, source, fmris) = repository();
    let path = folder.path().join("x.p5p");
    write(&source, &fmris, &path);
    let archive = ArchiveSource::open(&path).unwrap();
    assert_eq!(archive.publishers().unwrap(), source.publishers().unwrap());
    let publisher = &source.publishers().unwrap()[0];
    let (own, other) = (
        archive.catalog(publisher).unwrap(),
        source.catalog(publisher).unwrap(),
    );
    assert_eq!(own.part(BASE), other.part(BASE));
    for fmri in &fmris {
        let digest = own.find(fmri).unwrap().manifest_digest();
        let (manifest, _) = archive.manifest(fmri, digest.as_ref()).unwrap();
        for action in manifest
            .actions()
            .iter()
            .filter(|it| it.payload().is_some())
        {
            let name = action.payload_digest().unwrap();
            let from = archive.payload(publisher, &name).unwrap();
            unpack(from, &Expected::of(action), &mut std::io::sink()).unwrap();
        }
    }
    let absent = Digest::of(Algorithm::Sha1, b"absent");
    assert!(archive.payload(publisher, &absent).is_err());
    assert!(ArchiveWriter::create(&path).is_err());
    let names = std::fs::read_dir(folder.path()).unwrap();
    let left = names.filter(|it| {
        it.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with('.')
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn the_index_says_where_each_member_is() {
    let (folder, source, fmris) = repository();
    let path = folder.path().join("x.p5p");
    write(&source, &fmris, &path);
    let bytes = std::fs::read(&path).unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut entries = archive.entries().unwrap();
    let mut first = entries.next().unwrap().unwrap();
    assert_eq!(first.path_bytes().as_ref(), INDEX.as_bytes());
    let comment = first
        .pax_extensions()
        .unwrap()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        (comment.key(), comment.value()),
        (Ok("comment"), Ok(COMMENT))
    );
    let behind = first.raw_file_position() + padded(first.size());
    let mut index = String::new();
    flate2::read::GzDecoder::new(first)
        .read_to_string(&mut index)
        .unwrap();
    let mut lines = index.lines();
    let mut next = behind;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.unwrap();
        let line = lines.next().unwrap();
        let fields: Vec<_> = line.split('\0').collect();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        assert_eq!(fields[0], name);
        assert_eq!(behind + fields[1].parse::<u64>().unwrap(), next);
        next += fields[2].parse::<u64>().unwrap();
        assert_eq!(next, entry.raw_file_position() + padded(entry.size()));
        assert_eq!(fields[3], entry.size().to_string());
        let kind = if entry.header().entry_type().is_dir() {
            "5"
        } else {
            "0"
        };
        assert_eq!(fields[4], kind);
        names.push(name);
    }
    assert_eq!(lines.next(), None);
    assert_eq!(names.last().unwrap(), CONFIGURATION);
    assert!(names.iter().any(|name| name.len() > 100));
}

#[test]
fn archives_of_strangers_are_read_or_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.p5p");
    // No index, dots in names, a link, and a manifest that is another's.
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, text: &str| {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, text.as_bytes()).unwrap();
    };
    let name = "a@1,5.11:20261121T123715Z";
    let text = format!("set name=pkg.fmri value=pkg://test/{name}\n");
    add("publisher/test/pkg/a/1%2C5.11%3A20261121T123715Z", &text);
    add("publisher/test/pkg/b/1%2C5.11%3A20261121T123715Z", &text);
    add("publisher/../../etc/passwd", "x");
    add("publisher/test/file/aa/../../x", "x");
    let bytes = tar.into_inner().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let archive = ArchiveSource::open(&path).unwrap();
    let listed: Vec<_> = archive.packages().map(|it| it.stem().to_string()).collect();
    assert_eq!(listed, ["a", "b"]);
    let fmri: Fmri = format!("pkg://test/{name}").parse().unwrap();
    assert!(archive.manifest(&fmri, None).is_ok());
    let wrong = format!("pkg://test/{}", name.replace("a@", "b@"))
        .parse()
        .unwrap();
    assert!(archive.manifest(&wrong, None).is_err());
    for bad in [&b""[..], b"nonsense", &bytes[..700], &[0; 2048]] {
        std::fs::write(&path, bad).unwrap();
        let error = ArchiveSource::open(&path).unwrap_err().to_string();
        assert!(error.contains("x.p5p"), "{error}");
    }
}
