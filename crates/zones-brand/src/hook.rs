//! Hooks: programs of a brand that run on the host at fixed moments of a zone's life.
//!
//! A brand names them in its manifest; their files stand in the brand's folder. A hook that is not
//! named is not run. Source of names, moments and statuses: brands(7), illumos
//! `usr/src/lib/libbrand/dtd/brand.dtd.1`.

mod environ;
mod line;
mod run;
mod trust;

use serde::Deserialize;

pub use environ::environment;
pub use line::{CommandLine, Words};
pub use run::{HookCall, HookEnd, HookError, Stream};
pub use trust::Distrust;

pub(crate) use trust::check as trusted;

/// The moments at which a brand may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Hook {
    VerifyCfg,
    VerifyAdm,
    Install,
    Postinstall,
    Boot,
    Sysboot,
    Halt,
    Shutdown,
    Prestatechange,
    Poststatechange,
    Attach,
    Postattach,
    Predetach,
    Detach,
    Clone,
    Postclone,
    Presnap,
    Postsnap,
    Validatesnap,
    Preuninstall,
    Uninstall,
    Query,
}

/// What stands in a manifest, when it runs, in which state the zone is then, and what is appended
/// to its command line.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Moment {
    pub hook: Hook,
    pub name: &'static str,
    pub when: &'static str,
    pub state: &'static str,
    pub arguments: &'static str,
}

/// Every hook, in the order of brands(7).
pub const MOMENTS: [Moment; 22] = [
    moment(
        Hook::VerifyCfg,
        "verify_cfg",
        "zonecfg verify and commit",
        "any",
        "XML file",
    ),
    moment(
        Hook::VerifyAdm,
        "verify_adm",
        "zoneadm, before it does something",
        "any",
        "subcommand and its arguments",
    ),
    moment(
        Hook::Install,
        "install",
        "zoneadm install, after the files of the installer",
        "incomplete",
        "operands of install",
    ),
    moment(
        Hook::Postinstall,
        "postinstall",
        "zoneadm install, at its end",
        "installed",
        "operands of install",
    ),
    moment(Hook::Boot, "boot", "the last step before init", "ready", ""),
    moment(
        Hook::Sysboot,
        "sysboot",
        "start of the host, zones without autoboot",
        "installed",
        "",
    ),
    moment(
        Hook::Halt,
        "halt",
        "before a zone is taken down, also after a failed boot; may run again",
        "any",
        "",
    ),
    moment(
        Hook::Shutdown,
        "shutdown",
        "zoneadm shutdown; runs inside of the zone",
        "running",
        "",
    ),
    moment(
        Hook::Prestatechange,
        "prestatechange",
        "before ready, boot and halt",
        "any",
        "number of the state, number of the command",
    ),
    moment(
        Hook::Poststatechange,
        "poststatechange",
        "after ready, boot and halt",
        "any",
        "number of the state, number of the command",
    ),
    moment(
        Hook::Attach,
        "attach",
        "zoneadm attach",
        "configured",
        "operands of attach",
    ),
    moment(
        Hook::Postattach,
        "postattach",
        "zoneadm attach, at its end",
        "installed",
        "operands of attach",
    ),
    moment(
        Hook::Predetach,
        "predetach",
        "zoneadm detach, at its start",
        "installed",
        "operands of detach",
    ),
    moment(
        Hook::Detach,
        "detach",
        "zoneadm detach",
        "installed",
        "operands of detach",
    ),
    moment(
        Hook::Clone,
        "clone",
        "zoneadm clone, in place of the built-in one",
        "incomplete",
        "operands of clone",
    ),
    moment(
        Hook::Postclone,
        "postclone",
        "zoneadm clone, at its end",
        "incomplete",
        "operands of clone",
    ),
    moment(
        Hook::Presnap,
        "presnap",
        "before a clone takes its snapshot",
        "installed",
        "",
    ),
    moment(
        Hook::Postsnap,
        "postsnap",
        "after a clone took its snapshot",
        "installed",
        "",
    ),
    moment(
        Hook::Validatesnap,
        "validatesnap",
        "clone -s",
        "installed",
        "name and path of the snapshot",
    ),
    moment(
        Hook::Preuninstall,
        "preuninstall",
        "zoneadm uninstall, at its start",
        "installed",
        "operands of uninstall",
    ),
    moment(
        Hook::Uninstall,
        "uninstall",
        "zoneadm uninstall, before the files go",
        "incomplete",
        "operands of uninstall",
    ),
    moment(
        Hook::Query,
        "query",
        "questions to the brand",
        "any",
        "the question",
    ),
];

const fn moment(
    hook: Hook,
    name: &'static str,
    when: &'static str,
    state: &'static str,
    arguments: &'static str,
) -> Moment {
    Moment {
        hook,
        name,
        when,
        state,
        arguments,
    }
}

impl Hook {
    /// The name in a manifest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let row = MOMENTS.iter().find(|row| row.hook == self);
        row.map_or("hook", |row| row.name)
    }

    /// The hook of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        MOMENTS
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.hook)
    }
}

impl std::fmt::Display for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_every_hook() {
        let manual = include_str!("../../../docs/man/brands.7");
        for row in &MOMENTS {
            assert!(
                manual.contains(&format!("\n.B {}\n", row.name)),
                "{}",
                row.name
            );
            assert_eq!(Hook::of(row.name), Some(row.hook));
            assert_eq!(row.hook.as_str(), row.name);
        }
    }
}
