use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("etc/deep")).unwrap();
    std::fs::write(path("etc/a.conf"), "a").unwrap();
    std::fs::set_permissions(path("etc/a.conf"), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::set_permissions(path("etc"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(path("etc/deep"), std::fs::Permissions::from_mode(0o2750)).unwrap();
    std::fs::hard_link(path("etc/a.conf"), path("etc/deep/b.conf")).unwrap();
    std::os::unix::fs::symlink("../etc/a.conf", path("etc/link")).unwrap();
    folder
}

const LINES: [&str; 5] = [
    "dir group=bin mode=0755 owner=root path=etc",
    "file etc/a.conf group=bin mode=0640 owner=root path=etc/a.conf",
    "dir group=bin mode=2750 owner=root path=etc/deep",
    "hardlink path=etc/deep/b.conf target=../a.conf",
    "link path=etc/link target=../etc/a.conf",
];

fn lines(bundle: &Bundle) -> Vec<String> {
    bundle.actions.iter().map(ToString::to_string).collect()
}

#[test]
fn a_folder_becomes_actions() {
    let folder = tree();
    let bundle = Bundle::read(folder.path(), &[]).unwrap();
    assert_eq!(lines(&bundle), LINES);
    assert_eq!(&*bundle.content["etc/a.conf"].read().unwrap(), b"a");
    let timed = Bundle::read(folder.path(), &["*.conf".to_owned()]).unwrap();
    let with_time = timed
        .actions
        .iter()
        .filter(|it| it.get("timestamp").is_some());
    assert_eq!(with_time.count(), 1);
}

#[test]
fn a_tar_archive_becomes_the_same_actions() {
    let folder = tree();
    let path = folder.path().join("x.tar.gz");
    let packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
    let mut tar = tar::Builder::new(packer);
    let mut add = |kind, name: &str, mode, target: Option<&str>, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        if let Some(target) = target {
            header.set_link_name(target).unwrap();
        }
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    add(EntryType::Directory, "./etc/", 0o755, None, b"");
    add(EntryType::Regular, "etc/a.conf", 0o640, None, b"a");
    add(EntryType::Directory, "etc/deep", 0o2750, None, b"");
    add(
        EntryType::Link,
        "etc/deep/b.conf",
        0,
        Some("etc/a.conf"),
        b"",
    );
    add(
        EntryType::Symlink,
        "etc/link",
        0o777,
        Some("../etc/a.conf"),
        b"",
    );
    std::fs::write(&path, tar.into_inner().unwrap().finish().unwrap()).unwrap();
    let bundle = Bundle::read(&path, &[]).unwrap();
    assert_eq!(lines(&bundle), LINES);
    assert_eq!(&*bundle.content["etc/a.conf"].read().unwrap(), b"a");
}

#[test]
fn what_no_package_can_hold_is_refused() {
    let folder = tree();
    let fifo = folder.path().join("etc/fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let error = Bundle::read(folder.path(), &[]).unwrap_err();
    assert!(error.to_string().contains("etc/fifo"), "{error}");
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "no archive").unwrap();
    assert!(Bundle::read(&plain, &[]).is_err());
    assert!(Bundle::read(Path::new("/nonexistent"), &[]).is_err());
    let outside = normal(Path::new("a/../../b"));
    assert!(outside.unwrap_err().to_string().contains("do not trust it"));
}

#[test]
fn links_are_named_from_their_own_folder() {
    let rows = [
        ("a", "b", "b"),
        ("a/b", "a/c", "c"),
        ("a/b", "c", "../c"),
        ("a/b/c", "a/d/e", "../d/e"),
        ("a/b", "a/b/c", "b/c"),
    ];
    for (link, target, expected) in rows {
        assert_eq!(relative(link, target), expected, "{link} {target}");
    }
}
