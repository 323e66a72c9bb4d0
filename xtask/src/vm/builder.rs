//! Debian roots made by the product itself: a zone to compile in, a zone that becomes the guest.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cache;
use crate::shell::{Outcome, output, run};

/// Release of the guest: the first whose ZFS knows mapped mounts and zones.
pub(super) const RELEASE: &str = "trixie";

/// Zones below a folder of our own.
#[derive(Debug)]
pub(super) struct Builder {
    binary: PathBuf,
    folder: PathBuf,
}

impl Builder {
    /// Takes the folder; what a killed run left there goes.
    pub(super) fn open(binary: &Path, folder: &Path) -> Outcome<Self> {
        let builder = Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
        };
        if folder.exists() {
            builder.clear()?;
        }
        cache::fresh(folder)?;
        Ok(builder)
    }

    /// Installs a zone with further packages; its root.
    pub(super) fn install(&self, zone: &str, packages: &[&str]) -> Outcome<PathBuf> {
        let path = self.folder.join("zones").join(zone);
        let create = format!("create -t SYSdebian; set zonepath={}", path.display());
        run(self.call("zonecfg", zone).arg(create))?;
        output(
            self.call("zoneadm", zone)
                .args(["install", "--suite", RELEASE, "--variant", "minbase"])
                .args(["--include", &packages.join(",")]),
        )?;
        Ok(path.join("root"))
    }

    /// Boots a zone, runs a script in it with the output in a file, halts it.
    pub(super) fn script(&self, zone: &str, script: &str, log: &Path) -> Outcome {
        let failed = |error| format!("cannot write `{}`: {error}", log.display());
        let to = std::fs::File::create(log).map_err(failed)?;
        let twin = to.try_clone().map_err(failed)?;
        run(self.call("zoneadm", zone).arg("boot"))?;
        let mut login = self.command("zlogin");
        login.args([zone, "/bin/sh", "-e", "-c", script]);
        let done = run(login.stdin(Stdio::null()).stdout(to).stderr(twin));
        run(self.call("zoneadm", zone).arg("halt"))?;
        done.map_err(|error| format!("{error}; see `{}`", log.display()))
    }

    /// Halts and removes every zone, then the folder.
    pub(super) fn clear(&self) -> Outcome {
        let list = output(self.command("zoneadm").args(["list", "-cp"]))?;
        for line in list.lines() {
            // zoneid:zonename:state:zonepath:...
            let mut fields = line.split(':').skip(1);
            let (Some(name), Some(state)) = (fields.next(), fields.next()) else {
                continue;
            };
            if name == "global" {
                continue;
            }
            if !matches!(state, "configured" | "incomplete" | "installed") {
                run(self.call("zoneadm", name).arg("halt"))?;
            }
            if state != "configured" {
                run(self.call("zoneadm", name).args(["uninstall", "-F"]))?;
            }
        }
        cache::remove(&self.folder)
    }

    fn call(&self, applet: &str, zone: &str) -> Command {
        let mut command = self.command(applet);
        command.args(["-z", zone]);
        command
    }

    fn command(&self, applet: &str) -> Command {
        let mut command = Command::new("nice");
        command.args(["-n", "5"]).arg(&self.binary).arg(applet);
        command.arg("-R").arg(&self.folder);
        command
    }
}
