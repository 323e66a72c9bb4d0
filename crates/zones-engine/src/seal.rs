//! A zone on the host's user ids gets no process of ours that executes a file of the host.
//!
//! Root of such a zone is root for the host's files. What the daemon clones into the zone runs the
//! daemon's own program, which `/proc/PID/exe` there leads to, so the daemon itself executes a
//! sealed memory file before anything of the zone exists (docs/adr/0007).

use std::os::unix::ffi::OsStrExt;

use zones_store::Layout;
use zones_sys::CStrings;
use zones_types::ZoneName;

use crate::error::EngineError;
use crate::host;
use crate::runtime::RunState;

/// Whether the daemon of `zone` must execute a sealed file: the zone is to be privileged, or a
/// privileged one runs.
pub(crate) fn is_needed(layout: &Layout, zone: &ZoneName) -> bool {
    let wanted = host::load(layout, zone).is_ok_and(|config| host::is_privileged(&config));
    wanted || RunState::read(layout, zone).is_some_and(|state| state.privileged)
}

/// Called by the daemon before it does anything: executes a sealed copy of this program as daemon
/// of `zone` when the zone wants that and it is none yet. Standard streams stay, the environment
/// goes.
///
/// # Errors
/// When there can be no sealed copy; without one, a privileged zone is not touched.
pub fn seal(layout: &Layout, zone: &ZoneName) -> Result<(), EngineError> {
    if !is_needed(layout, zone) || zones_sys::is_sealed() {
        return Ok(());
    }
    let copy = zones_sys::sealed_copy().map_err(|source| EngineError::Seal { source })?;
    let mut words = vec![b"zoneadmd".to_vec(), b"-z".to_vec(), zone.as_str().into()];
    if !layout.is_host() {
        words.push(b"-R".to_vec());
        words.push(layout.prefix().as_os_str().as_bytes().to_vec());
    }
    let args = CStrings::new(words).map_err(|_| EngineError::Gone)?;
    let error = zones_sys::exec_file(&copy, &args, &CStrings::default());
    Err(EngineError::Seal {
        source: error.into(),
    })
}
