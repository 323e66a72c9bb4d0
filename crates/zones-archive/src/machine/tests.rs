use std::fs;
use std::os::unix::fs::symlink;

use zones_sys::RootFd;

use super::{NotLinux, detect_arch, looks_like_linux};

fn head(class: u8, data: u8, machine: u16) -> Vec<u8> {
    let mut head = b"\x7fELF".to_vec();
    head.extend([class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0]);
    head.extend(if data == 2 {
        machine.to_be_bytes()
    } else {
        machine.to_le_bytes()
    });
    head.extend([0; 40]);
    head
}

#[test]
fn the_machine_is_told_through_links_inside_the_root() {
    let rows = [
        (1, 1, 3, "i686", 32),
        (2, 1, 62, "x86_64", 64),
        (2, 1, 183, "aarch64", 64),
        (1, 1, 40, "armv7l", 32),
        (2, 2, 22, "s390x", 64),
        (2, 1, 21, "ppc64le", 64),
        (2, 2, 21, "ppc64", 64),
        (1, 2, 8, "mips", 32),
        (2, 1, 8, "mips64el", 64),
        (2, 1, 0x9026, "alpha", 64),
        (2, 1, 9999, "unknown", 64),
    ];
    for (class, data, number, machine, bits) in rows {
        let temp = tempfile::tempdir().expect("temp");
        fs::create_dir_all(temp.path().join("usr/bin")).expect("usr");
        symlink("usr/bin", temp.path().join("bin")).expect("bin");
        symlink("/usr/bin/dash", temp.path().join("usr/bin/sh")).expect("sh");
        fs::write(temp.path().join("usr/bin/dash"), head(class, data, number)).expect("dash");
        let root = RootFd::open(temp.path()).expect("root");
        let found = detect_arch(&root).expect("found");
        assert_eq!((found.machine, found.bits), (machine, bits));
        assert_eq!(looks_like_linux(&root), Err(NotLinux::Folder("/etc")));
        fs::create_dir(temp.path().join("etc")).expect("etc");
        assert_eq!(looks_like_linux(&root), Ok(found));
    }
}

#[test]
fn a_folder_of_texts_is_no_system() {
    let temp = tempfile::tempdir().expect("temp");
    for dir in ["etc", "usr", "bin"] {
        fs::create_dir(temp.path().join(dir)).expect("dir");
    }
    fs::write(temp.path().join("bin/sh"), "#!/bin/true").expect("sh");
    let root = RootFd::open(temp.path()).expect("root");
    assert!(matches!(looks_like_linux(&root), Err(NotLinux::Program(_))));
}
