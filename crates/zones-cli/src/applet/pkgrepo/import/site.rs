//! The temporary zone of an import. It has one reserved name, so that what a killed import left is
//! found and removed by the next.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use zones_store::{Layout, Lock, Store};
use zones_types::ZoneName;

use super::super::Trouble;

/// The zone that the scripts of the packages run in.
const ZONE: &str = "pkgrepo-import";
/// Names the lock of the import; there is no such zone.
const LOCK: &str = "pkgrepo-import.lock";

/// A zone of our own, configured and not installed.
pub(super) struct Site<'a> {
    layout: &'a Layout,
    zone: ZoneName,
    _lock: Lock,
}

impl<'a> Site<'a> {
    /// Takes the lock, removes what another import left, configures the zone.
    pub(super) fn new(layout: &'a Layout) -> Result<Self, Trouble> {
        if !rustix::process::geteuid().is_root() {
            return failed("only a privileged user may import from a mirror; see --from-root");
        }
        let named = |name: &str| {
            name.parse::<ZoneName>()
                .map_err(|error| Trouble::Failed(error.to_string()))
        };
        let (zone, lock) = (named(ZONE)?, named(LOCK)?);
        let lock = Lock::try_zone(layout, &lock)?;
        let Some(lock) = lock else {
            return failed("another import is in progress; try again when it is done");
        };
        let site = Self {
            layout,
            zone,
            _lock: lock,
        };
        site.remove()?;
        let folder = site.folder();
        let line = format!(
            "create -b; set brand=debian; set zonepath={}; set autoboot=false",
            folder.display()
        );
        site.call("zonecfg", &["-z", ZONE, &line], Stdio::inherit)?;
        Ok(site)
    }

    /// Installs a Debian system; the path of its root.
    pub(super) fn install(&self, words: &[String]) -> Result<PathBuf, Trouble> {
        let mut all = vec!["-z", ZONE, "install"];
        all.extend(words.iter().map(String::as_str));
        let done = self.call("zoneadm", &all, Stdio::inherit);
        if let Err(error) = done {
            self.remove()?;
            return Err(error);
        }
        Ok(self.folder().join("root"))
    }

    /// Removes the zone, in whatever state it is.
    pub(super) fn remove(&self) -> Result<(), Trouble> {
        let store = Store::open(self.layout.clone());
        if store.get(&self.zone)?.is_none() {
            return Ok(());
        }
        // A zone that is configured and no more refuses this, and has nothing to remove.
        let _ = self.call("zoneadm", &["-z", ZONE, "uninstall", "-F"], Stdio::null);
        self.call("zonecfg", &["-z", ZONE, "delete", "-F"], Stdio::inherit)
    }

    fn folder(&self) -> PathBuf {
        self.layout.lib().join("import")
    }

    fn call(&self, applet: &str, words: &[&str], output: fn() -> Stdio) -> Result<(), Trouble> {
        let mut command = Command::new("/proc/self/exe");
        command.arg(applet).arg("-R").arg(self.layout.prefix());
        command.args(words).stdin(Stdio::null());
        command.stdout(output()).stderr(output());
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => failed(format!("{applet} for zone '{ZONE}' failed: {status}")),
            Err(error) => failed(format!("cannot start {applet}: {error}")),
        }
    }
}

fn failed<T>(why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Failed(why.into()))
}
