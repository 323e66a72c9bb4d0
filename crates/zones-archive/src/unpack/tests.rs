use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use tar::{Builder, EntryType, Header};
use zones_sys::RootFd;

use super::{Devices, Options, Report, member_path, unpack};
use crate::error::ArchiveError;
use crate::progress::Silent;

/// One member: kind, name, link text or content.
type Row<'a> = (EntryType, &'a str, &'a str);

/// A tar archive with names as they are, also hostile ones.
fn archive(rows: &[Row<'_>]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (kind, name, text) in rows {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().expect("gnu").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(if *kind == EntryType::Directory {
            0o755
        } else {
            0o4755
        });
        header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
        header.set_gid(u64::from(rustix::process::getegid().as_raw()));
        header.set_mtime(1_000_000);
        let content = if *kind == EntryType::Regular {
            text.as_bytes()
        } else {
            b""
        };
        header.set_size(content.len() as u64);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            let link = &mut header.as_gnu_mut().expect("gnu").linkname;
            link[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_cksum();
        tar.append(&header, content).expect("append");
    }
    tar.into_inner().expect("archive")
}

fn run(data: &[u8], options: &Options) -> (tempfile::TempDir, Result<Report, ArchiveError>) {
    let temp = tempfile::tempdir().expect("temp");
    fs::create_dir(temp.path().join("root")).expect("root");
    fs::create_dir(temp.path().join("out")).expect("out");
    let root = RootFd::open(&temp.path().join("root")).expect("root");
    let report = unpack(data, &root, options, &Silent);
    (temp, report)
}

const FILE: EntryType = EntryType::Regular;
const DIR: EntryType = EntryType::Directory;
const SYM: EntryType = EntryType::Symlink;
const HARD: EntryType = EntryType::Link;

#[test]
fn every_compression_gives_the_same_tree() {
    let rows = [
        (DIR, "./", ""),
        (DIR, "./d/", ""),
        (FILE, "./d/f", "text"),
        (HARD, "h", "./d/f"),
    ];
    let plain = archive(&rows);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&plain).expect("gz");
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(&plain).expect("xz");
    let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bz.write_all(&plain).expect("bz");
    let zst = zstd::encode_all(&plain[..], 1).expect("zst");
    let all = [
        plain.clone(),
        gz.finish().expect("gz"),
        xz.finish().expect("xz"),
        bz.finish().expect("bz"),
        zst,
    ];
    for data in all {
        let (temp, report) = run(&data, &Options::new("x"));
        assert_eq!(report.expect("report").members, 4);
        let h = fs::metadata(temp.path().join("root/h")).expect("h");
        assert_eq!(
            (h.nlink(), h.mode() & 0o7777, h.mtime()),
            (2, 0o4755, 1_000_000)
        );
        assert_eq!(fs::read(temp.path().join("root/d/f")).expect("f"), b"text");
    }
}

/// Values of extended headers are bytes, of so many as is said; files that come after are not
/// touched, whatever they look like.
#[test]
fn extended_headers_have_any_bytes() {
    let mut tar = Builder::new(Vec::new());
    let content = "12 key=value\n30 path=elsewhere\n".repeat(40);
    let header = |name: &str, size: usize| {
        let mut header = Header::new_gnu();
        header.set_path(name).expect("name");
        header.set_mode(0o644);
        header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
        header.set_gid(u64::from(rustix::process::getegid().as_raw()));
        header.set_mtime(7);
        header.set_size(size as u64);
        header.set_cksum();
        header
    };
    let size = content.len().to_string();
    let note: &[u8] = b"one\n9 two=\n\0\xff";
    let records: [(&str, &[u8]); 5] = [
        ("SCHILY.acl.access", b"user::rw-\nuser:lp:r--\nmask::r--\n"),
        ("SCHILY.xattr.user.note", note),
        ("SCHILY.xattr.security.selinux", b"label\n"),
        ("size", size.as_bytes()),
        ("mtime", b"1000000000.25"),
    ];
    tar.append_pax_extensions(records).expect("records");
    // Only the record has the length, as for files of over 8 GiB.
    tar.append(&header("rich", 0), content.as_bytes())
        .expect("rich");
    let long = "long/".repeat(40) + "name";
    tar.append_data(&mut header("x", content.len()), &long, content.as_bytes())
        .expect("long");
    tar.append_pax_extensions([("mtime", &b"-1.5"[..])])
        .expect("records");
    tar.append(&header("old", 0), &b""[..]).expect("old");
    tar.append(&header("plain", content.len()), content.as_bytes())
        .expect("plain");
    let (temp, report) = run(
        &tar.into_inner().expect("archive"),
        &Options::new("rich.tar"),
    );
    let report = report.expect("report");
    assert_eq!((report.members, report.xattrs_skipped), (4, 2));
    let root = temp.path().join("root");
    for name in ["rich", &long, "plain"] {
        let found = fs::read_to_string(root.join(name)).expect(name);
        assert!(found == content, "{name}");
    }
    let time = |name: &str| {
        let meta = fs::metadata(root.join(name)).expect(name);
        (meta.mtime(), meta.mtime_nsec())
    };
    assert_eq!(time("rich"), (1_000_000_000, 250_000_000));
    assert_eq!(time("old"), (-2, 500_000_000));
    assert_eq!((time(&long), time("plain")), ((7, 0), (7, 0)));
    let mut value = [0; 64];
    let noted = rustix::fs::getxattr(root.join("rich"), "user.note", &mut value);
    // Not every file system has them.
    if let Ok(len) = noted {
        assert_eq!(&value[..len], note);
    }
    let none = rustix::fs::getxattr(root.join("plain"), "user.note", &mut value);
    assert!(none.is_err());
}

/// What an extended header says is not lost in silence, and not held whatever it takes.
#[test]
fn malformed_and_huge_extended_headers_are_refused() {
    let large = vec![b'x'; 2 << 20];
    for (records, why) in [
        (&b"11 uid=12\n999 mtime=1\n"[..], "malformed"),
        (&large, "extended header of 2097152 bytes"),
    ] {
        let mut tar = Builder::new(Vec::new());
        let members = [
            (FILE, "first", &b"text"[..]),
            (EntryType::XHeader, "records", records),
            (FILE, "name", b"text"),
        ];
        for (kind, name, content) in members {
            let mut header = Header::new_ustar();
            header.set_path(name).expect("name");
            header.set_entry_type(kind);
            header.set_mode(0o644);
            header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
            header.set_gid(u64::from(rustix::process::getegid().as_raw()));
            header.set_mtime(0);
            header.set_size(content.len() as u64);
            header.set_cksum();
            tar.append(&header, content).expect("append");
        }
        let (_temp, report) = run(
            &tar.into_inner().expect("archive"),
            &Options::new("bad.tar"),
        );
        let error = report.expect_err("refused");
        let text = format!("{error:?}");
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn nothing_leads_out_of_the_root() {
    let bad: [&[Row<'_>]; 6] = [
        &[(FILE, "../out/x", "x")],
        &[(FILE, "a/../../out/x", "x")],
        &[(SYM, "l", "../out"), (FILE, "l/x", "x")],
        &[(SYM, "l", ".."), (SYM, "m", "l/../out"), (FILE, "m/x", "x")],
        &[(FILE, "f", "x"), (HARD, "h", "../out/secret")],
        &[(SYM, "l", "../out/secret"), (HARD, "h", "l/x")],
    ];
    for rows in bad {
        let (temp, report) = run(&archive(rows), &Options::new("bad.tar"));
        assert!(report.is_err(), "{rows:?}");
        assert_eq!(
            fs::read_dir(temp.path().join("out")).expect("out").count(),
            0,
            "{rows:?}"
        );
    }
    // An absolute name is taken relative to the root.
    let (temp, report) = run(&archive(&[(FILE, "/etc/x", "x")]), &Options::new("abs"));
    report.expect("report");
    assert!(temp.path().join("root/etc/x").exists());
    // A link to a file outside is replaced, not written through.
    let rows = [(SYM, "l", "../out/secret"), (FILE, "l", "mine")];
    let (temp, report) = run(&archive(&rows), &Options::new("through"));
    report.expect("report");
    assert!(!temp.path().join("out/secret").exists());
    assert_eq!(fs::read(temp.path().join("root/l")).expect("l"), b"mine");
}

#[test]
fn devices_are_skipped_and_counted_or_refused() {
    let rows = [(EntryType::Char, "dev/null", ""), (FILE, "f", "x")];
    let (temp, report) = run(&archive(&rows), &Options::new("x"));
    assert_eq!(report.expect("report").devices_skipped, 1);
    assert!(!temp.path().join("root/dev/null").exists());
    let options = Options {
        devices: Devices::Refuse,
        ..Options::new("img.tar")
    };
    let (_temp, report) = run(&archive(&rows), &options);
    assert_eq!(
        report.expect_err("refused").to_string(),
        "`img.tar` has a device node `dev/null`, which may not be installed"
    );
}

#[test]
fn limits_and_damage_name_the_archive() {
    let data = archive(&[(FILE, "one", "12345"), (FILE, "two", "12345")]);
    let options = Options {
        max_bytes: 9,
        ..Options::new("bomb.tar")
    };
    let said = run(&data, &options).1.expect_err("too big").to_string();
    assert_eq!(
        said,
        "`bomb.tar` unpacks to more than 9 bytes; raise the limit if that is right"
    );
    let options = Options {
        max_members: 1,
        ..Options::new("bomb.tar")
    };
    let said = run(&data, &options).1.expect_err("too many").to_string();
    assert!(said.contains("more than 1 members"), "{said}");
    let said = run(b"hello, this is no archive", &Options::new("t"))
        .1
        .expect_err("no tar");
    assert!(matches!(said, ArchiveError::NoTar { .. }), "{said}");
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(&data).expect("xz");
    let cut = xz.finish().expect("xz");
    let said = run(&cut[..cut.len() / 2], &Options::new("cut.tar.xz"))
        .1
        .expect_err("cut");
    assert!(said.to_string().contains("`cut.tar.xz`"), "{said}");
    let said = run(b"", &Options::new("empty")).1.expect_err("empty");
    assert!(matches!(said, ArchiveError::NoTar { .. }), "{said}");
}

#[test]
fn below_takes_one_folder_of_an_image() {
    let rows = [
        (FILE, "metadata.yaml", "m"),
        (DIR, "rootfs/", ""),
        (FILE, "rootfs/f", "x"),
    ];
    let options = Options {
        below: Some("rootfs".into()),
        ..Options::new("x")
    };
    let (temp, report) = run(&archive(&rows), &options);
    report.expect("report");
    assert!(temp.path().join("root/f").exists());
    assert!(!temp.path().join("root/metadata.yaml").exists());
}

#[test]
fn a_link_that_was_there_before_stays_inside_too() {
    let temp = tempfile::tempdir().expect("temp");
    fs::create_dir_all(temp.path().join("root/usr/lib")).expect("root");
    symlink("/usr/lib", temp.path().join("root/lib")).expect("link");
    let root = RootFd::open(&temp.path().join("root")).expect("root");
    let data = archive(&[(DIR, "lib/", ""), (FILE, "lib/x", "x")]);
    unpack(&data[..], &root, &Options::new("x"), &Silent).expect("report");
    assert!(temp.path().join("root/usr/lib/x").exists());
}

#[test]
fn member_paths() {
    let good = [("./a/b", "a/b"), ("/a", "a"), ("a//b/", "a/b"), ("./", "")];
    for (raw, want) in good {
        assert_eq!(
            member_path(raw.as_bytes()).as_deref(),
            Some(Path::new(want))
        );
    }
    for raw in ["..", "a/..", "a\0b"] {
        assert_eq!(member_path(raw.as_bytes()), None, "{raw}");
    }
}
