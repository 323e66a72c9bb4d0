use super::*;
use crate::hook::Words;

/// Cut down from what a brand of illumos looks like.
const CONFIG: &str = r#"<?xml version="1.0"?>
<!DOCTYPE brand PUBLIC "-//Sun Microsystems Inc//DTD Brands//EN" "file:///usr/share/lib/xml/dtd/brand.dtd.1">
<brand name="legacy">
  <modname></modname>
  <initname>/sbin/init</initname>
  <login_cmd>/bin/login -h zone:%Z %u</login_cmd>
  <forcedlogin_cmd>/bin/login -h zone:%Z -f %u</forcedlogin_cmd>
  <user_cmd>/usr/bin/getent passwd %u</user_cmd>
  <install>/usr/lib/brand/legacy/install -z %z -R %R</install>
  <installopts>a:d:hpsuv</installopts>
  <boot/>
  <halt>/usr/lib/brand/legacy/halt %z %R "a &amp; b"</halt>
  <restartinit>false</restartinit>
  <privilege set="default" name="proc_fork"/>
  <privilege set="prohibited" name="sys_time" ip-type="exclusive"/>
  <privilege set="required" name="proc_exec"/>
</brand>"#;

const PLATFORM: &str = r#"<platform name="legacy" allow-exclusive-ip="true">
  <global_mount special="/usr" directory="/usr" opt="ro,nodevices" type="lofs"/>
  <device match="zero"/>
  <device match="net/*" ip-type="exclusive"/>
  <device match="tun" ip-type="exclusive"/>
  <symlink source="/dev/stdin" target="fd/0"/>
  <mount special="proc" directory="/proc" type="proc"/>
</platform>"#;

fn brand() -> BrandName {
    "legacy".parse().unwrap()
}

#[test]
fn the_files_of_a_solaris_brand_become_a_manifest() {
    let mut legacy = config(&brand(), CONFIG).unwrap();
    platform(&mut legacy, PLATFORM).unwrap();
    assert_eq!(legacy.init, ["/sbin/init"]);
    assert_eq!(legacy.installopts, "a:d:hpsuv");
    assert_eq!(
        legacy.hooks.keys().copied().collect::<Vec<_>>(),
        [Hook::Install, Hook::Halt]
    );
    let words = Words {
        zone: "z1",
        zonepath: "/z/z1",
        user: "jo",
    };
    let halt = legacy.hooks[&Hook::Halt].fill(words, &[]);
    assert_eq!(halt, ["/usr/lib/brand/legacy/halt", "z1", "/z/z1", "a & b"]);
    let login = legacy.forcedlogin_cmd.unwrap().fill(words, &[]);
    assert_eq!(login, ["/bin/login", "-h", "zone:z1", "-f", "jo"]);
    assert_eq!(legacy.privileges.len(), 3);
    assert_eq!(legacy.privileges[1].ip_type, Some(IpType::Exclusive));
    let devices: Vec<_> = legacy.devices.iter().map(|d| d.matches.as_str()).collect();
    assert_eq!(devices, ["zero", "tun"]);
    assert_eq!(legacy.mounts[0].options, ["ro", "nodevices"]);
}

#[test]
fn what_is_wrong_is_named() {
    for (text, want) in [
        ("", "outermost"),
        ("<zone/>", "outermost element is not `brand`"),
        ("<brand name=\"other\"/>", "is of brand `other`"),
        ("<brand><bogus>x</bogus></brand>", "unknown element `bogus`"),
        (
            "<brand><boot>x 'y</boot></brand>",
            "`boot`: a quote is not closed",
        ),
        (
            "<brand><privilege set=\"x\" name=\"y\"/></brand>",
            "unknown set `x`",
        ),
        (
            "<brand><privilege set=\"default\"/></brand>",
            "lacks attribute `name`",
        ),
        (
            "<brand><boot>&bogus;</boot></brand>",
            "unknown entity `&bogus;`",
        ),
        ("<brand><boot>x", "too early"),
    ] {
        let error = config(&brand(), text).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
}
