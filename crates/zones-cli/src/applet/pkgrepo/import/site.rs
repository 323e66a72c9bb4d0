//! The temporary zone of an import. It has one reserved name, so that what a killed import left is
//! found and removed by the next.

mod guard;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use zones_store::{Layout, Lock, Store};
use zones_types::ZoneName;

use self::guard::Guard;
use super::super::Trouble;

/// The zone that the scripts of the packages run in.
const ZONE: &str = "pkgrepo-import";
/// Names the lock of the import; there is no such zone.
const LOCK: &str = "pkgrepo-import.lock";

/// A zone of our own, configured and not installed. It is removed when this is dropped.
pub(super) struct Site<'a> {
    layout: &'a Layout,
    zone: ZoneName,
    guard: Option<Guard>,
    is_kept: bool,
    _lock: Lock,
}

impl<'a> Site<'a> {
    /// Takes the lock, removes what another import left, configures the zone.
    pub(super) fn new(layout: &'a Layout) -> Result<Self, Trouble> {
        let named = |name: &str| {
            name.parse::<ZoneName>()
                .map_err(|error| Trouble::Failed(error.to_string()))
        };
        let (zone, lock) = (named(ZONE)?, named(LOCK)?);
        let lock = Lock::try_zone(layout, &lock)?;
        let Some(lock) = lock else {
            return failed(
                "another import is in progress, or cleans up after itself; try again when it is \
                 done",
            );
        };
        let mut site = Self {
            layout,
            zone,
            guard: None,
            is_kept: false,
            _lock: lock,
        };
        site.remove()?;
        // It has the lock, too, until it is done.
        site.guard = Guard::new(|| _ = site.remove());
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
        self.call("zoneadm", &all, Stdio::inherit)?;
        Ok(self.folder().join("root"))
    }

    /// Leaves the zone as it is.
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Removes the zone, in whatever state it is.
    fn remove(&self) -> Result<(), Trouble> {
        let store = Store::open(self.layout.clone());
        if store.get(&self.zone)?.is_none() {
            return Ok(());
        }
        // Each refuses a zone that has nothing of what it takes away.
        for words in [&["-z", ZONE, "halt"][..], &["-z", ZONE, "uninstall", "-F"]] {
            let _ = self.call("zoneadm", words, Stdio::null);
        }
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
        zones_sys::end_with_parent(&mut command);
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => failed(format!("{applet} for zone '{ZONE}' failed: {status}")),
            Err(error) => failed(format!("cannot start {applet}: {error}")),
        }
    }
}

impl Drop for Site<'_> {
    fn drop(&mut self) {
        let removed = if self.is_kept { Ok(()) } else { self.remove() };
        if let Err(Trouble::Failed(why) | Trouble::Usage(why)) = removed {
            eprintln!("pkgrepo: the temporary zone stays until the next import: {why}");
        }
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
    }
}

fn failed<T>(why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Failed(why.into()))
}
