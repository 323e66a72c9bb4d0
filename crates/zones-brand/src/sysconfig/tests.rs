use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use zones_sys::RootFd;

use super::SysConfig;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExample me@example.org";
const HASH: &str = "$6$salt$abcdefghijklmnop";

fn root() -> (tempfile::TempDir, RootFd) {
    let temp = tempfile::tempdir().expect("temp");
    let put = |path: &str, text: &str| {
        let path = temp.path().join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("dir");
        fs::write(path, text).expect("file");
    };
    put(
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nold:x:1000:1000::/srv/old:/bin/sh\n",
    );
    put(
        "etc/shadow",
        "root:*:19000:0:99999:7:::\nold:!:19000:0:99999:7:::\n",
    );
    put(
        "etc/group",
        "root:x:0:\nsudo:x:27:old\nold:x:1000:\nadm:x:4:\n",
    );
    put("etc/gshadow", "root:*::\nsudo:*::old\nold:!::\nadm:*::\n");
    put("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 before\n");
    put("etc/debian_version", "12.0\n");
    put("etc/default/x", "");
    put("etc/skel/.profile", "# profile\n");
    put("usr/share/zoneinfo/Europe/Berlin", "TZif");
    put("bin/sh", "#");
    put("root/.bashrc", "");
    fs::set_permissions(
        temp.path().join("etc/shadow"),
        fs::Permissions::from_mode(0o640),
    )
    .expect("mode");
    let root = RootFd::open(temp.path()).expect("root");
    (temp, root)
}

fn settings() -> String {
    format!(
        "hostname = 'donut.example.org'\ntimezone = 'Europe/Berlin'\nlocale = 'C.UTF-8'\n\
         root_password_hash = '{HASH}'\n[ssh]\nroot_keys = ['{KEY}']\n\
         [[user]]\nname = 'ann'\ngroups = ['sudo', 'adm']\npassword_hash = '{HASH}'\n\
         ssh_keys = ['{KEY}']\n[[user]]\nname = 'bob'\nuid = 1001\nshell = '/bin/sh'\n"
    )
}

#[test]
fn a_whole_file_is_applied() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIP a_whole_file_is_applied: giving files to others needs root");
        return;
    }
    let (temp, root) = root();
    let config = SysConfig::parse(&settings()).expect("parse");
    assert!(
        !format!("{config:?}").contains("salt"),
        "hashes do not show"
    );
    config.apply(&root).expect("apply");
    let read = |p: &str| fs::read_to_string(temp.path().join(p)).expect(p);
    assert_eq!(read("etc/hostname"), "donut.example.org\n");
    assert_eq!(
        read("etc/hosts"),
        "127.0.0.1 localhost\n127.0.1.1\tdonut.example.org donut\n"
    );
    assert_eq!(read("etc/timezone"), "Europe/Berlin\n");
    let zone = fs::read_link(temp.path().join("etc/localtime")).expect("localtime");
    assert_eq!(zone, Path::new("/usr/share/zoneinfo/Europe/Berlin"));
    assert_eq!(read("etc/default/locale"), "LANG=C.UTF-8\n");
    let passwd = read("etc/passwd");
    // 1000 is there and 1001 is named by a later user.
    assert!(
        passwd
            .ends_with("ann:x:1002:1002::/home/ann:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n")
    );
    let shadow = read("etc/shadow");
    assert!(shadow.starts_with(&format!("root:{HASH}:19000:0:99999:7:::\n")));
    assert!(shadow.contains(&format!("ann:{HASH}::0:99999:7:::\nbob:!::0")));
    assert!(read("etc/group").contains("sudo:x:27:old,ann\n"));
    assert!(read("etc/gshadow").contains("adm:*::ann\n"));
    assert!(read("etc/group").ends_with("ann:x:1002:\nbob:x:1001:\n"));
    let meta = |p: &str| fs::metadata(temp.path().join(p)).expect(p);
    assert_eq!(meta("etc/shadow").mode() & 0o777, 0o640);
    for (path, mode, uid) in [
        ("home/ann", 0o700, 1002),
        ("home/ann/.profile", 0o644, 1002),
        ("home/ann/.ssh", 0o700, 1002),
        ("home/ann/.ssh/authorized_keys", 0o600, 1002),
        ("root/.ssh/authorized_keys", 0o600, 0),
    ] {
        assert_eq!(
            (meta(path).mode() & 0o777, meta(path).uid()),
            (mode, uid),
            "{path}"
        );
    }
    assert!(!temp.path().join("home/bob/.ssh").exists());
    // Once more changes nothing.
    let before = read("etc/passwd") + &read("etc/group") + &read("etc/shadow");
    config.apply(&root).expect("again");
    assert_eq!(
        read("etc/passwd") + &read("etc/group") + &read("etc/shadow"),
        before
    );
}

#[test]
fn errors_name_the_key() {
    let rows = [
        (
            "hostnme = 'x'",
            "unknown key `hostnme`; did you mean `hostname`?",
        ),
        (
            "colour = 'x'",
            "unknown key `colour`; known are hostname, timezone, locale, \
                          root_password_hash, user, ssh",
        ),
        (
            "[[user]]\nname = 'a'\nsehll = '/x'",
            "unknown key `user[0].sehll`; did you mean `shell`?",
        ),
        (
            "[ssh]\nroot_key = []",
            "unknown key `ssh.root_key`; did you mean `root_keys`?",
        ),
        ("hostname = 5", "key `hostname` must be a text"),
        ("hostname = 'a_b'", "key `hostname`: it must be letters"),
        ("hostname = '-a'", "key `hostname`: it must be letters"),
        (
            "timezone = '../../etc/passwd'",
            "key `timezone`: it must be a name such as",
        ),
        ("locale = 'a b'", "key `locale`: it must be a name such as"),
        (
            "root_password_hash = 'secret'",
            "key `root_password_hash`: it must be a hash",
        ),
        (
            "root_password_hash = \"$6$a$b\\nx\"",
            "key `root_password_hash`: it must be a hash",
        ),
        (
            "[user]\nname = 'a'",
            "key `user` must be a list: write `[[user]]`",
        ),
        ("[[user]]\nuid = 5", "key `user[0].name` is missing"),
        (
            "[[user]]\nname = 'A'",
            "key `user[0].name`: it must be small letters",
        ),
        (
            "[[user]]\nname = 'a'\nuid = 70000",
            "key `user[0].uid`: it must be from 1 to 65533",
        ),
        (
            "[[user]]\nname = 'a'\n[[user]]\nname = 'a'",
            "user `a` is there twice",
        ),
        (
            "[[user]]\nname = 'a'\nssh_keys = ['rsa x']",
            "key `user[0].ssh_keys[0]`: it must be one",
        ),
        (
            "[[user]]\nname = 'a'\ngroups = 'x'",
            "key `user[0].groups` must be a list of texts",
        ),
        ("x = [", "the settings are no TOML"),
    ];
    for (text, want) in rows {
        let said = SysConfig::parse(text).expect_err(text).to_string();
        assert!(said.contains(want), "{want:?} is not in {said:?}");
    }
}

#[test]
fn what_the_root_lacks_is_said_before_anything_is_written() {
    let rows = [
        (
            "timezone = 'Mars/Base'",
            "key `timezone`: the root has no `/usr/share/zoneinfo/Mars/Base`",
        ),
        (
            "[[user]]\nname = 'a'\ngroups = ['wheel']",
            "key `user[0].groups`: the root has no group `wheel`",
        ),
        (
            "[[user]]\nname = 'a'\nshell = '/bin/zsh'",
            "key `user[0].shell`: the root has no `/bin/zsh`",
        ),
        (
            "[[user]]\nname = 'a'\nuid = 1000",
            "key `user[0].uid`: another user of the root has id 1000",
        ),
        (
            "[[user]]\nname = 'old'\nuid = 7",
            "key `user[0].uid`: user `old` is there with id 1000",
        ),
    ];
    for (text, want) in rows {
        let (temp, root) = root();
        let text = format!("hostname = 'x'\n{text}");
        let said = SysConfig::parse(&text)
            .expect("parse")
            .apply(&root)
            .expect_err(want);
        assert!(said.to_string().contains(want), "{want:?} is not in {said}");
        assert!(!temp.path().join("etc/hostname").exists());
    }
}
