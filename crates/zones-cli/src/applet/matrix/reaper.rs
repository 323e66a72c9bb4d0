//! `zones matrix reaper`: waits until its runner is gone, then halts what it left running.
//!
//! Its standard input is a pipe whose other end the runner has, and whoever boots a zone for it: at
//! the end of the file nobody will boot one any more (docs/adr/0020).

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use zones_runner::{ByVerbs, Site};
use zones_store::Layout;

use super::{NAME, bad};
use crate::report::{OK, fail};

pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let [tag] = args else {
        return bad("reaper is started by a run");
    };
    let mut rest = Vec::new();
    // Whatever ends the reading, there is nobody left to look after.
    let _ = std::io::stdin().read_to_end(&mut rest);
    let Ok(binary) = std::env::current_exe() else {
        return fail(NAME, "cannot find this program");
    };
    let site = Site::of(layout);
    let bed = ByVerbs::new(&binary, &site, site.folder(), None);
    match zones_runner::halt_all(&bed, tag) {
        Ok(_) => OK,
        Err(error) => fail(NAME, error),
    }
}

/// Starts who halts the zones of a tag when this process dies; the other end of its pipe comes
/// back.
pub(super) fn start(layout: &Layout, binary: &Path, tag: &str) -> Result<(Child, OwnedFd), String> {
    let (input, life) = std::io::pipe().map_err(|error| error.to_string())?;
    let mut command = Command::new(binary);
    command.arg("zonematrix");
    if !layout.is_host() {
        command.arg("-R").arg(layout.prefix());
    }
    command
        .args(["reaper", tag])
        .stdin(Stdio::from(OwnedFd::from(input)));
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let child = command
        .spawn()
        .map_err(|error| format!("cannot start the reaper: {error}"))?;
    Ok((child, life.into()))
}
