//! What is known of a zone between `ready` and `installed`: `/run/zones/ZONE/state`.
//!
//! The file is a hint for finding processes; the truth is the kernel's. A process counts only when
//! its start time fits, so a stale file never names a stranger.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zones_store::Layout;
use zones_sys::ProcessId;
use zones_types::{ZoneId, ZoneName, ZoneState};

/// Where commands find the daemon of `zone`.
#[must_use]
pub(crate) fn control_path(layout: &Layout, zone: &ZoneName) -> PathBuf {
    layout.run_zone(zone).join("control")
}

/// Where `zlogin -C` finds the console of `zone`.
#[must_use]
pub fn console_path(layout: &Layout, zone: &ZoneName) -> PathBuf {
    layout.run_zone(zone).join("console")
}

/// Where zlogin finds zsched of `zone`.
#[must_use]
pub(crate) fn sessions_path(layout: &Layout, zone: &ZoneName) -> PathBuf {
    layout.run_zone(zone).join("sessions")
}

/// How far the daemon came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Kernel objects are being made.
    Starting,
    /// The stage stands, no process of the zone runs.
    Ready,
    /// The init of the zone runs.
    Running,
    /// The stage stands for software maintenance.
    Mounted,
    /// An orderly shutdown was asked for.
    ShuttingDown,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// Id of this life of the zone.
    pub id: ZoneId,
    /// How far it came.
    pub phase: Phase,
    /// The daemon that writes this file.
    pub daemon: ProcessId,
    /// Process 1 of the zone, once there is one.
    pub init: Option<ProcessId>,
    /// The helper that starts processes in the zone, once there is one.
    pub sched: Option<ProcessId>,
    /// Bridges that the daemon made for this zone.
    pub undo_network: Vec<String>,
    /// Boot time, seconds since 1970; 0 before `ready`.
    pub since: u64,
    /// The boot arguments in force.
    pub bootargs: String,
    /// Mount points of file systems that came after the boot: these can be taken away again.
    #[serde(default)]
    pub grafts: Vec<String>,
    /// CPU shares; unset counts as one.
    #[serde(default)]
    pub shares: Option<u64>,
    /// Whether it lives on the host's user ids; the configuration may say otherwise by now.
    #[serde(default)]
    pub privileged: bool,
}

impl RunState {
    /// Where the state of `zone` stands.
    #[must_use]
    pub fn path(layout: &Layout, zone: &ZoneName) -> PathBuf {
        layout.run_zone(zone).join("state")
    }

    /// Reads the file; `None` when the zone is not active, or the file is no state.
    #[must_use]
    pub fn read(layout: &Layout, zone: &ZoneName) -> Option<Self> {
        let text = std::fs::read(Self::path(layout, zone)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Whether a file is there, readable or not.
    #[must_use]
    pub fn exists(layout: &Layout, zone: &ZoneName) -> bool {
        Self::path(layout, zone).exists()
    }

    /// All active zones.
    pub fn all(layout: &Layout) -> impl Iterator<Item = (ZoneName, Self)> + use<'_> {
        let entries = std::fs::read_dir(layout.run())
            .into_iter()
            .flatten()
            .flatten();
        entries.filter_map(|entry| {
            let name: ZoneName = entry.file_name().to_str()?.parse().ok()?;
            let state = Self::read(layout, &name)?;
            Some((name, state))
        })
    }

    /// Replaces the file; a reader sees the old or the new one. The folder is on a tmpfs and dies
    /// with the kernel objects it speaks of, so nothing is flushed.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(&self, layout: &Layout, zone: &ZoneName) -> io::Result<()> {
        let path = Self::path(layout, zone);
        let temporary = path.with_extension("new");
        std::fs::write(&temporary, serde_json::to_vec(self)?)?;
        std::fs::rename(temporary, path)
    }

    /// Removes the file: the zone is `installed` again.
    pub fn remove(layout: &Layout, zone: &ZoneName) {
        let _ = std::fs::remove_file(Self::path(layout, zone));
    }

    /// The state that the kernel bears out; `None` while nothing of the zone is there yet.
    #[must_use]
    pub fn derive(&self) -> Option<ZoneState> {
        let daemon = self.daemon.is_alive();
        let init = self.init.is_some_and(ProcessId::is_alive);
        match (self.phase, init) {
            (Phase::Starting, _) if daemon => None,
            (Phase::Ready, true) if daemon => Some(ZoneState::Ready),
            (Phase::Running, true) => Some(ZoneState::Running),
            (Phase::Mounted, true) if daemon => Some(ZoneState::Mounted),
            (Phase::ShuttingDown, true) => Some(ZoneState::ShuttingDown),
            (_, false) if daemon => Some(ZoneState::ShuttingDown),
            _ => Some(ZoneState::Down),
        }
    }
}

/// The state and id of an active zone; `None` when the kernel holds nothing of it.
#[must_use]
pub fn active(layout: &Layout, zone: &ZoneName) -> Option<(ZoneState, ZoneId)> {
    match RunState::read(layout, zone) {
        Some(state) => state.derive().map(|derived| (derived, state.id)),
        None if RunState::exists(layout, zone) => Some((ZoneState::Down, ZoneId(0))),
        None => None,
    }
}
