//! What zones take on the disk: told, compared, limited, and kept by the driver that was asked for.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use support::image::{self, Ground, ROOMY};
use support::{Host, refused};

const GROUNDS: &[Ground] = &[Ground::Btrfs, Ground::Ext4];

/// A zone on a file system, by the name of that.
fn install(host: &Host, ground: Ground, more: &str) -> &'static str {
    let name = ground.name();
    host.install_at(name, &ground.place(host).join(name), more);
    name
}

#[test]
fn what_a_zone_takes_is_told() {
    image::on("what_a_zone_takes_is_told", GROUNDS, ROOMY, |host| {
        for ground in GROUNDS {
            told(host, install(host, *ground, ""));
        }
    });
}

fn told(host: &Host, zone: &str) {
    host.ok("zoneadm", &["-z", zone, "snapshot", "one"]);
    let text = host.ok("zoneadm", &["-z", zone, "df", "-p"]);
    let rows: Vec<Vec<&str>> = text.lines().map(|it| it.split(':').collect()).collect();
    let names: Vec<&str> = rows.iter().map(|it| it[1]).collect();
    assert_eq!(names, ["", "zbe", "zbe@one"], "{text}");
    for row in &rows {
        assert_eq!((row[0], row.len()), (zone, 8), "{text}");
        assert!(row[3].parse::<u64>().unwrap() > 0, "{text}");
    }
    let json = host.ok("zoneadm", &["-z", zone, "df", "-s", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["zone"], zone);
    assert_eq!(json.as_array().unwrap().len(), 1);
    let fields = ["list", "-i", "-o", "zonename,used,refers,limit"];
    let text = host.ok("zoneadm", &fields);
    let line = text.lines().find(|it| it.starts_with(zone)).unwrap();
    let [_, used, refers, limit] = line.split(':').collect::<Vec<_>>()[..] else {
        panic!("{line}");
    };
    assert_eq!((used, refers, limit), (rows[0][2], rows[0][3], "-"));
    // What changed is found either way, also while the zone runs.
    host.ok("zoneadm", &["-z", zone, "boot"]);
    host.inside(zone, "mkdir /root/new; mv /etc/passwd /etc/gone");
    let diff = ["-z", zone, "diff", "--verify-diff"];
    let text = host.ok("zoneadm", &diff);
    for line in ["+ /root/new/", "- /etc/passwd", "+ /etc/gone"] {
        assert!(text.lines().any(|it| it == line), "{text}");
    }
    host.ok("zoneadm", &["-z", zone, "halt"]);
    host.ok("zoneadm", &["-z", zone, "snapshot", "two"]);
    let again = host.ok("zoneadm", &[&diff[..], &["one", "two"]].concat());
    assert!(again.contains("+ /root/new/"), "{again}");
}

#[test]
fn a_zone_writes_no_more_than_it_may() {
    let grounds = &[Ground::Btrfs];
    image::on(
        "a_zone_writes_no_more_than_it_may",
        grounds,
        ROOMY,
        |host| {
            let quota = "add attr; set name=quota; set type=string; set value=32M; end;";
            let zone = install(host, Ground::Btrfs, quota);
            let limit = || {
                let text = host.ok("zoneadm", &["-z", zone, "df", "-s", "-p"]);
                text.split(':').nth(4).unwrap().to_owned()
            };
            assert_eq!(limit(), "33554432");
            host.ok("zoneadm", &["-z", zone, "boot"]);
            let fill = "dd if=/dev/zero of=/root/big bs=1M count=64 && sync";
            let output = host.run("zlogin", &[zone, fill]);
            assert!(!output.status.success(), "{output:?}");
            // The host goes on.
            let place = Ground::Btrfs.place(host).join("host");
            std::fs::write(place, vec![7; 64 << 20]).unwrap();
            // While the zone runs.
            host.ok("zoneadm", &["-z", zone, "set", "quota=200M"]);
            assert_eq!(limit(), "209715200");
            host.inside(zone, fill);
            host.ok("zoneadm", &["-z", zone, "set", "quota=none"]);
            assert_eq!(limit(), "");
            let text = host.ok("zonecfg", &["-z", zone, "info", "attr"]);
            assert!(!text.contains("quota"), "{text}");
            // As a change of the running zone alone, which knows the limit that it booted with.
            let change = |commands: &str| host.run("zonecfg", &["-z", zone, "-r", commands]);
            let output = change("select attr name=quota; set value=64M; end");
            assert!(output.status.success(), "{output:?}");
            assert_eq!(limit(), "67108864");
            host.ok("zoneadm", &["-z", zone, "halt"]);
            host.ok("zoneadm", &["-z", zone, "boot"]);
            // The stored configuration has none.
            assert_eq!(limit(), "");
            host.ok("zoneadm", &["-z", zone, "halt"]);
            // Nothing of the limit outlives the zone.
            let place = std::fs::File::open(Ground::Btrfs.place(host)).unwrap();
            let uuid = zones_sys::btrfs_uuid(std::os::fd::AsFd::as_fd(&place)).unwrap();
            let groups = || {
                let all = std::fs::read_dir(format!("/sys/fs/btrfs/{uuid}/qgroups")).unwrap();
                let names = all
                    .flatten()
                    .map(|it| it.file_name().into_string().unwrap());
                names.filter(|it| it.starts_with("1_")).collect::<Vec<_>>()
            };
            assert_eq!(groups().len(), 1);
            host.ok("zoneadm", &["-z", zone, "uninstall", "-F"]);
            assert_eq!(groups(), Vec::<String>::new());
        },
    );
}

#[test]
fn a_limit_that_cannot_be_kept_is_refused() {
    let grounds = &[Ground::Ext4];
    image::on(
        "a_limit_that_cannot_be_kept_is_refused",
        grounds,
        ROOMY,
        |host| {
            let zone = install(host, Ground::Ext4, "");
            let set = |what: &str| host.zoneadm(&["-z", zone, "set", what]);
            refused(&set("quota=much"), 1, "quota is a size such as 10G");
            refused(&set("quota=10G"), 1, "mount it with `-o prjquota`");
            refused(&set("reservation=1G"), 1, "only ZFS does");
            refused(&set("colour=red"), 2, "usage");
            let text = host.ok("zonecfg", &["-z", zone, "info", "attr"]);
            assert!(!text.contains("quota"), "{text}");
            host.ok("zoneadm", &["-z", zone, "set", "quota=none"]);
            // Nothing is installed that would have to be limited.
            let quota = "add attr; set name=quota; set type=string; set value=1G; end;";
            let path = Ground::Ext4.place(host).join("other");
            host.configure_at("other", &path, quota);
            let other = host.zoneadm(&["-z", "other", "clone", zone]);
            refused(&other, 1, "without project quotas");
            assert!(!path.join("root").exists());
            assert_eq!(host.state("other"), "configured");
        },
    );
}

#[test]
fn a_driver_is_asked_for_and_written_down() {
    image::on(
        "a_driver_is_asked_for_and_written_down",
        GROUNDS,
        ROOMY,
        |host| {
            let attr = |value: &str| {
                format!("add attr; set name=storage; set type=string; set value={value}; end;")
            };
            let zone = install(host, Ground::Btrfs, &attr("dir"));
            let text = host.ok("zoneadm", &["list", "-i", "-o", "zonename,driver"]);
            assert!(text.contains("btrfs:dir\n"), "{text}");
            let text = host.ok("zoneadm", &["doctor"]);
            let said = "btrfs: dir driver: attr storage of the zone asks for it";
            assert!(text.contains(said), "{text}");
            for (name, value, said) in [
                ("bad", "floppy", "`floppy` is no storage driver"),
                (
                    "worse",
                    "overlay",
                    "attr storage of the zone asks for storage driver overlay, which cannot work",
                ),
            ] {
                let path = Ground::Btrfs.place(host).join(name);
                host.configure_at(name, &path, &attr(value));
                refused(&host.zoneadm(&["-z", name, "clone", zone]), 1, said);
                assert!(!path.join("root").exists());
            }
            // The host's wish, which the zone's goes before.
            std::fs::write(
                host.path().join("etc/zones/host.toml"),
                "storage = \"dir\"\n",
            )
            .unwrap();
            let text = host.ok("zoneadm", &["doctor"]);
            assert!(text.contains("dir driver for new zones"), "{text}");
            install(host, Ground::Ext4, &attr("overlay"));
            let text = host.ok("zoneadm", &["list", "-i", "-o", "zonename,driver"]);
            assert!(text.contains("ext4:overlay\n"), "{text}");
        },
    );
}
