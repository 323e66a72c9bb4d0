//! What this host offers, asked once.

use std::io::Read;
use std::path::{Path, PathBuf};

use zones_brand::Brand;
use zones_cgroup::Hierarchies;
use zones_config::ZoneConfig;
use zones_store::{Layout, Store};
use zones_types::ZoneName;

use crate::error::EngineError;
use crate::ids;
use crate::plan::{BootPlan, PlanError};

/// Where the host keeps brands of its own.
#[must_use]
pub fn brand_folder(layout: &Layout) -> PathBuf {
    layout.prefix().join("usr/lib/brand")
}

/// The control group hierarchies that a zone has a group in.
pub(crate) fn hierarchies() -> Result<Hierarchies, EngineError> {
    use zones_cgroup::Controller as C;
    const WANTED: [C; 6] = [
        C::Cpu,
        C::Cpuacct,
        C::Memory,
        C::Pids,
        C::Devices,
        C::Systemd,
    ];
    let path = Path::new("/proc/self/mountinfo");
    let mounts = read_proc(path).map_err(EngineError::file("read", path))?;
    Ok(Hierarchies::probe(&mounts)?.only(&WANTED))
}

/// Lets the kernel get ready for the zone's processes to join their groups, beside everything else
/// that a boot does first.
pub(crate) fn anticipate_join(hierarchies: &Hierarchies) {
    if let Ok(zones_sys::Fork::Child) = zones_sys::clone_process(zones_sys::CloneFlags::NONE, None)
    {
        let own = read_proc(Path::new("/proc/self/cgroup")).unwrap_or_default();
        hierarchies.anticipate_join(&own);
        zones_sys::exit_now(0)
    }
}

/// A file of `/proc` in one read where it fits: each read of such a file makes its text anew.
fn read_proc(path: &Path) -> std::io::Result<String> {
    let mut text = String::with_capacity(32 << 10);
    std::fs::File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
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
    plan_of(layout, &load(layout, zone)?)
}

/// The plan for a configuration that is perhaps not the one on disk.
pub(crate) fn plan_of(layout: &Layout, config: &ZoneConfig) -> Result<BootPlan, EngineError> {
    let zone = &config.name;
    let name = config
        .brand
        .clone()
        .ok_or_else(|| EngineError::Store(format!("{zone}: brand not specified")))?;
    let brand = Brand::find(&name, &brand_folder(layout))?;
    if config.attr("privileged") == Some("true") {
        // Root of such a zone would be root of the host: nothing would keep it from this very
        // program by /proc/1/exe, nor from taking masks off.
        let why = "zones without user ids of their own are not supported; remove attr `privileged`";
        return Err(PlanError::Privilege(why.to_owned()).into());
    }
    let zones = Store::open(layout.clone()).list();
    let zones = zones.map_err(|error| EngineError::Store(crate::error::chain(&error)))?;
    let uuid = zones.iter().find(|entry| entry.name == *zone);
    let uuid = uuid.map_or_else(String::new, |entry| entry.uuid.clone());
    let known: Vec<ZoneName> = zones.into_iter().map(|entry| entry.name).collect();
    let range = Some(ids::id_range(layout, zone, &known)?);
    let mut plan = BootPlan::new(config, &brand, range, memory_total())?;
    for interface in plan.interfaces.iter_mut().filter(|_| !uuid.is_empty()) {
        let own = zones_net::mac_for(&uuid, &interface.name);
        interface.own_mac = interface.own_mac.map(|_| own);
    }
    plan.personality_32bit = is_32bit_x86(&plan.root);
    Ok(plan)
}

/// Whether the root's programs are 32-bit x86 ones, so that `uname -m` should say i686.
fn is_32bit_x86(root: &Path) -> bool {
    let userland = zones_sys::RootFd::open(root)
        .ok()
        .and_then(|root| zones_archive::detect_arch(&root));
    userland.is_some_and(|userland| userland.machine == "i686")
}
