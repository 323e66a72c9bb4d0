//! Users and groups.

use std::fs;
use std::os::unix::fs::MetadataExt;

use zones_image::account::Database;

use crate::support::{World, is_root};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n";
const GROUP: &str = "root:x:0:\nsys:x:3:\nstaff:x:50:ann\n";
const SHADOW: &str = "root:*:1:0:99999:7:::\n";

fn base(world: &mut World) -> Vec<String> {
    vec![
        world.file("etc/passwd", PASSWD, "preserve=true"),
        world.file("etc/group", GROUP, "preserve=true"),
        world.file("etc/shadow", SHADOW, "preserve=true mode=0400"),
    ]
}

#[test]
fn users_come_before_what_is_theirs_and_with_the_files_that_hold_them() {
    if !is_root("users_come_before") {
        return;
    }
    let mut world = World::new();
    let base = base(&mut world);
    let base = world.package("base@1", &base);
    let file = world
        .file("srv/data", "x", "")
        .replace("owner=root", "owner=db");
    let lines = [
        "group groupname=db gid=90".to_owned(),
        "user username=db uid=90 group=db group-list=staff home-dir=/srv".to_owned(),
        "user username=free group=db".to_owned(),
        file,
    ];
    let db = world.package("db@1", &lines);
    world.install(&[base.clone(), db]);
    let passwd = world.read("etc/passwd").expect("passwd");
    assert_eq!(
        passwd,
        format!("{PASSWD}db:x:90:90:db:/srv:\nfree:x:100:90:free:/:\n")
    );
    let group = world.read("etc/group").expect("group");
    assert_eq!(group, "root:x:0:\nsys:x:3:\nstaff:x:50:ann,db\ndb:x:90:\n");
    let shadow = world.read("etc/shadow").expect("shadow");
    assert!(shadow.contains("\ndb:*LK*:::::::\n"), "{shadow}");
    assert_eq!(
        fs::metadata(world.path("etc/shadow")).expect("it").mode() & 0o7777,
        0o400
    );
    assert_eq!(fs::metadata(world.path("srv/data")).expect("it").uid(), 90);
    let sys = fs::metadata(world.path("srv")).expect("it");
    assert_eq!(
        (sys.uid(), sys.gid()),
        (0, 3),
        "implied folders are root:sys"
    );
    world.assert_clean();
    world.write("etc/passwd", &passwd.replace("/srv", "/else"));
    let lines = world.verify().lines(false);
    assert!(lines.contains(&"\tuser: db".to_owned()), "{lines:?}");
    assert!(lines.contains(&"\t\tERROR: home-dir: '/else' should be '/srv'".to_owned()));
    world.install(&[base]);
    assert_eq!(world.read("etc/passwd").as_deref(), Some(PASSWD));
    assert_eq!(world.read("etc/group").as_deref(), Some(GROUP));
    assert_eq!(world.read("etc/shadow").as_deref(), Some(SHADOW));
}

#[test]
fn an_unknown_owner_is_told_before_files_are_laid() {
    if !is_root("an_unknown_owner") {
        return;
    }
    let mut world = World::new();
    let mut lines = base(&mut world);
    lines.push(
        world
            .file("a/x", "x", "")
            .replace("owner=root", "owner=nobody-knows"),
    );
    let package = world.package("a@1", &lines);
    let plan = world.plan(&[package]).expect("plan");
    let error = world.apply(&plan).expect_err("no such user").to_string();
    assert!(
        error.starts_with("a/x: owner: nobody-knows is unknown"),
        "{error}"
    );
    assert!(!world.path("a").exists());
}

#[test]
fn what_a_user_did_to_the_password_stays() {
    let mut data = Database {
        passwd: Some(PASSWD.into()),
        shadow: Some("u:secret:5:1:2:3:4:5:6\n".into()),
        group: Some(GROUP.into()),
        ftpusers: Some("root\n".into()),
    };
    let action = |text: &str| text.parse::<zones_ips::Action>().expect("action");
    let user =
        action("user username=u group=staff password=new lastchg=9 inactive=8 ftpuser=false");
    data.put_user(None, &user).expect("user");
    assert_eq!(data.shadow.as_deref(), Some("u:secret:5:1:2:3:8:5:6\n"));
    assert_eq!(data.ftpusers.as_deref(), Some("root\nu\n"));
    let bad = [
        "user username=a:b group=staff",
        "user username=u group=staff gcos-field=\"x:0:0\"",
        "user username=u group=nogroup",
    ];
    for bad in bad {
        let before = data.clone();
        data.put_user(None, &action(bad)).expect_err(bad);
        assert_eq!(data, before, "{bad}");
    }
}

#[test]
fn many_lines_are_linear() {
    let line = |n: usize| format!("u{n}:x:{}:50::/:\n", n + 1000);
    let passwd: String = (0..1 << 18).map(line).collect();
    let mut data = Database {
        passwd: Some(passwd),
        group: Some(GROUP.into()),
        ..Database::default()
    };
    let start = std::time::Instant::now();
    let user = "user username=new group=staff".parse().expect("action");
    data.put_user(None, &user).expect("user");
    assert_eq!(data.user_faults(&user), Some(Vec::new()));
    let spent = start.elapsed();
    assert!(spent < std::time::Duration::from_secs(5), "{spent:?}");
}
