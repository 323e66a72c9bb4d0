//! The session of the field guide with packages and without a network: a repository, a depot on
//! loopback, a zone of brand ipkg that is installed, updated, damaged, repaired and rolled back.

use std::path::Path;

use super::depot::Depot;
use super::session::Session;
use super::{ZONE, busybox};
use crate::shell::{Outcome, write};

const PUBLISHER: &str = "publisher/prefix=donuts";

pub(super) fn play(session: &mut Session, folder: &Path) -> Outcome {
    let place = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (repository, tree) = (place("repository"), place("system"));
    busybox::tree(Path::new(&tree))?;
    session.show("pkgrepo", "create a repository", &["create", &repository])?;
    session.show(
        "pkgrepo",
        "name the publisher",
        &["set", "-s", &repository, PUBLISHER],
    )?;
    publish(session, folder, &repository, 1)?;
    let depot = Depot::start(session, &repository)?;
    session.show("pkg", "set-publisher", &["set-publisher", "-p", &depot.uri])?;
    session.show("pkg", "install entire (global)", &["install", "entire"])?;
    install(session, folder)?;
    publish(session, folder, &repository, 2)?;
    session.show("pkg", "update -r", &["update", "-r"])?;
    expect(session, "2")?;
    repair(session, folder)?;
    session.show("beadm", "beadm list", &["-z", ZONE, "list"])?;
    let back = ["-z", ZONE, "activate", "zbe-backup-1"];
    session.show("beadm", "beadm activate", &back)?;
    session.zoneadm("reboot into the old one", &["-z", ZONE, "reboot"])?;
    expect(session, "1")?;
    session.zoneadm("list, in step?", &["list", "-cn", "-o", "zonename,sync"])?;
    session.zoneadm("halt", &["-z", ZONE, "halt"])?;
    session.zoneadm("uninstall", &["-z", ZONE, "uninstall", "-F"])?;
    session.zonecfg("delete", &["-z", ZONE, "delete", "-F"])?;
    drop(depot);
    Ok(())
}

/// A busybox system, the group of it, and what fixes its version.
fn publish(session: &mut Session, folder: &Path, repository: &str, version: u32) -> Outcome {
    let tree = folder.join("system");
    let shown = tree.to_string_lossy().into_owned();
    write(&tree.join("etc/donuts"), &format!("{version}\n"))?;
    let actions = session.capture("pkgsend", "generate", &["generate", &shown])?;
    let actions = actions.replace("group=bin", "group=root");
    let packages = [
        ("shell/busybox", actions),
        (
            "system/core",
            "depend type=require fmri=shell/busybox\n".to_owned(),
        ),
        (
            "entire",
            format!("depend type=incorporate fmri=shell/busybox@{version}.0\n"),
        ),
    ];
    for (name, text) in packages {
        let manifest = folder.join("manifest.p5m");
        let head = format!("set name=pkg.fmri value={name}@{version}.0\n");
        write(&manifest, &(head + &text))?;
        let manifest = manifest.to_string_lossy().into_owned();
        let words = ["publish", "-s", repository, "-d", &shown, &manifest];
        session.show("pkgsend", &format!("publish {name}@{version}.0"), &words)?;
    }
    Ok(())
}

fn install(session: &mut Session, folder: &Path) -> Outcome {
    let zonepath = folder.join("zones").join(ZONE);
    let create = format!("create; set zonepath={}", zonepath.display());
    session.zonecfg("zonecfg create (ipkg)", &["-z", ZONE, &create])?;
    session.zoneadm("install (ipkg)", &["-z", ZONE, "install"])?;
    session.zoneadm("list -vc", &["list", "-vc"])?;
    session.zoneadm("boot", &["-z", ZONE, "boot"])?;
    session.show("pkg", "list-linked", &["list-linked"])?;
    expect(session, "1")
}

fn expect(session: &mut Session, version: &str) -> Outcome {
    let text = session.zlogin("zlogin, cat", "cat /etc/donuts")?;
    match text.trim() == version {
        true => Ok(()),
        false => Err(format!("the zone has version {text:?}, not {version}")),
    }
}

/// Damage that nobody meant is found and mended.
fn repair(session: &mut Session, folder: &Path) -> Outcome {
    let root = folder.join("zones").join(ZONE).join("root");
    let shown = root.to_string_lossy().into_owned();
    session.show("pkg", "verify", &["-R", &shown, "verify"])?;
    session.zlogin("damage", "echo burnt > /etc/donuts")?;
    let found = session.show("pkg", "verify, damaged", &["-R", &shown, "verify"]);
    if found.is_ok() {
        return Err("pkg verify did not see the damage".to_owned());
    }
    session.show("pkg", "fix", &["-R", &shown, "fix"])?;
    session.show("pkg", "verify, mended", &["-R", &shown, "verify"])
}
