//! The session of the field guide with packages: a repository, a depot on loopback, a zone of brand
//! ipkg that is installed, updated, damaged, repaired and rolled back.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::session::Session;
use super::{ZONE, busybox};
use crate::shell::{Outcome, write};

/// How long a depot may take to serve.
const PATIENCE: Duration = Duration::from_secs(20);
const PUBLISHER: &str = "publisher/prefix=donuts";

/// A depot that ends with the demo.
struct Depot(Child);

impl Drop for Depot {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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
    let (depot, uri) = serve(session, &repository)?;
    session.show("pkg", "set-publisher", &["set-publisher", "-p", &uri])?;
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

fn serve(session: &Session, repository: &str) -> Outcome<(Depot, String)> {
    let failed = |error: std::io::Error| format!("cannot serve: {error}");
    // Free a moment ago: somebody else would have to be very quick.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    drop(listener);
    let port = address.port().to_string();
    println!("# pkg.depotd -d {repository} -a 127.0.0.1 -p {port} &");
    let mut command = session.plain("pkg.depotd");
    command.args(["-d", repository, "-a", "127.0.0.1", "-p", &port]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut depot = Depot(command.stderr(Stdio::null()).spawn().map_err(failed)?);
    let limit = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > limit || depot.0.try_wait().map_err(failed)?.is_some() {
            return Err(format!("no depot answers at {address}"));
        }
        std::thread::yield_now();
    }
    Ok((depot, format!("http://{address}/")))
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
