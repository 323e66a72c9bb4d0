//! What this host offers, asked once.

use std::path::PathBuf;

use zones_brand::Brand;
use zones_cgroup::Hierarchies;
use zones_config::ZoneConfig;
use zones_store::{Layout, Store};
use zones_types::ZoneName;

use crate::error::EngineError;
use crate::ids;
use crate::plan::BootPlan;

/// Where the host keeps brands of its own.
#[must_use]
pub fn brand_folder(layout: &Layout) -> PathBuf {
    layout.prefix().join("usr/lib/brand")
}

/// The control group hierarchies.
pub(crate) fn hierarchies() -> Result<Hierarchies, EngineError> {
    let path = std::path::Path::new("/proc/self/mountinfo");
    let mounts = std::fs::read_to_string(path).map_err(EngineError::file("read", path))?;
    Ok(Hierarchies::probe(&mounts)?)
}

/// Bytes of memory of the host.
fn memory_total() -> u64 {
    let info = rustix::system::sysinfo();
    u64::from(info.mem_unit).saturating_mul(info.totalram)
}

/// Reads the configuration of `zone`.
///
/// # Errors
/// When there is none, or it is not understood.
pub fn load(layout: &Layout, zone: &ZoneName) -> Result<ZoneConfig, EngineError> {
    let store = Store::open(layout.clone());
    store
        .load(zone)
        .map_err(|error| EngineError::Store(crate::error::chain(&error)))
}

/// The plan for booting `zone` on this host.
///
/// # Errors
/// What is wrong with its configuration or brand.
pub fn plan(layout: &Layout, zone: &ZoneName) -> Result<BootPlan, EngineError> {
    let config = load(layout, zone)?;
    let name = config
        .brand
        .clone()
        .ok_or_else(|| EngineError::Store(format!("{zone}: brand not specified")))?;
    let brand = Brand::find(&name, &brand_folder(layout))?;
    let privileged = config.attr("privileged") == Some("true");
    let range = if privileged {
        None
    } else {
        Some(ids::id_range(layout, zone)?)
    };
    let mut plan = BootPlan::new(&config, &brand, range, memory_total())?;
    plan.personality_32bit = is_32bit_x86(&plan.root);
    Ok(plan)
}

/// Whether the root's programs are 32-bit x86 ones, so that `uname -m` should say i686.
fn is_32bit_x86(root: &std::path::Path) -> bool {
    let userland = zones_sys::RootFd::open(root)
        .ok()
        .and_then(|root| zones_archive::detect_arch(&root));
    userland.is_some_and(|userland| userland.machine == "i686")
}
