//! Short forms of two helpers that package scripts call dozens of times.
//!
//! On a fresh root nearly every call has nothing to do, but the helpers start perl or a row of
//! processes to find that out, which is half of the whole time of configuration. Those that stand
//! here answer the plain cases alike and hand all others to the real ones. They lie in a folder
//! of their own in front of the search path and go when the installation is finished.

use std::path::Path;

use zones_sys::RootFd;

use crate::error::DebianError;
use crate::skeleton::write;

/// Their folder in the root.
pub(crate) const SHORTCUTS: &str = "/var/lib/zones-install";

/// Name and text. A name's real program is in `/usr/bin`.
const SCRIPTS: [(&str, &str); 3] = [
    // Without it, the C library tells init of itself and sleeps for a second.
    ("ischroot", include_str!("shortcuts/ischroot.sh")),
    (
        "deb-systemd-helper",
        include_str!("shortcuts/deb-systemd-helper.sh"),
    ),
    (
        "dpkg-maintscript-helper",
        include_str!("shortcuts/dpkg-maintscript-helper.sh"),
    ),
];

/// Puts them in place.
pub(crate) fn lay_shortcuts(root: &RootFd) -> Result<(), DebianError> {
    let dir = Path::new(SHORTCUTS);
    root.mkdir_p(dir, 0o755)
        .map_err(|source| DebianError::Root {
            path: dir.to_owned(),
            source,
        })?;
    for (name, text) in SCRIPTS {
        write(root, &format!("{SHORTCUTS}/{name}"), text.as_bytes(), 0o755)?;
    }
    Ok(())
}

/// Takes them away.
pub(crate) fn remove_shortcuts(root: &RootFd) -> Result<(), DebianError> {
    let dir = Path::new(SHORTCUTS);
    root.remove_all(dir).map_err(|source| DebianError::Root {
        path: dir.to_owned(),
        source,
    })
}
