//! What this host offers, asked once.

use std::io::Read;
use std::path::{Path, PathBuf};

use zones_brand::sparse::{Bases, Look};
use zones_brand::{Brand, Emulator, sparse};
use zones_cgroup::{Controller, Hierarchies};
use zones_config::ZoneConfig;
use zones_store::{IndexEntry, Layout, Store};
use zones_types::{IdRange, ZoneName};

use crate::emulation::Emulation;
use crate::error::EngineError;
use crate::ids;
use crate::plan::{BootPlan, NotEnforced};
use crate::runtime::RunState;

/// Where the host keeps brands of its own.
#[must_use]
pub fn brand_folder(layout: &Layout) -> PathBuf {
    layout.prefix().join("usr/lib/brand")
}

/// The control group hierarchies that a zone has a group in. Some controllers are for `rare` zones
/// only, since each hierarchy costs a boot time.
pub(crate) fn hierarchies(rare: &[Controller]) -> Result<Hierarchies, EngineError> {
    use zones_cgroup::Controller as C;
    let mut wanted = vec![
        C::Cpu,
        C::Cpuacct,
        C::Memory,
        C::Pids,
        C::Devices,
        C::Systemd,
    ];
    wanted.extend(rare);
    let path = Path::new("/proc/self/mountinfo");
    let mounts = read_proc(path).map_err(EngineError::file("read", path))?;
    Ok(Hierarchies::probe(&mounts)?.only(&wanted))
}

/// What a configuration needs beyond what every zone has.
pub(crate) fn rare_controllers(config: &ZoneConfig) -> Vec<Controller> {
    let cpuset = config.dedicated_cpu.is_some() || !config.pool.is_empty();
    let io = config.io_priority().is_some();
    let cpuset = cpuset.then_some(Controller::Cpuset);
    cpuset
        .into_iter()
        .chain(io.then_some(Controller::Io))
        .collect()
}

/// All that any zone may have a group in: for those who look for one.
pub(crate) fn every_hierarchy() -> Result<Hierarchies, EngineError> {
    hierarchies(&[Controller::Cpuset, Controller::Io, Controller::Freezer])
}

/// Adapts the weights of all `active` zones to one that comes or is gone.
pub(crate) fn weigh(
    layout: &Layout,
    zone: &ZoneName,
    hierarchies: &Hierarchies,
    shares: Option<u64>,
    gone: bool,
    active: &[(ZoneName, RunState)],
) {
    const UNSET: u64 = 1;
    let others: Vec<(&str, u64)> = active
        .iter()
        .filter(|(name, _)| name != zone)
        .map(|(name, state)| (name.as_str(), state.shares.unwrap_or(UNSET)))
        .collect();
    let own = (zone.as_str(), shares.unwrap_or(UNSET));
    hierarchies.weigh(&layout.kernel_name(), own, gone, &others);
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

/// The brand of a zone.
pub(crate) fn brand_of(layout: &Layout, config: &ZoneConfig) -> Result<Brand, EngineError> {
    Ok(Brand::find(
        &config.brand_or_default(),
        &brand_folder(layout),
    )?)
}

/// The plan for a configuration that is perhaps not the one on disk.
pub(crate) fn plan_of(layout: &Layout, config: &ZoneConfig) -> Result<BootPlan, EngineError> {
    plan_as(layout, config, is_privileged(config))
}

/// The plan of a zone that runs, which may have been configured otherwise since.
pub(crate) fn plan_as(
    layout: &Layout,
    config: &ZoneConfig,
    privileged: bool,
) -> Result<BootPlan, EngineError> {
    let zone = &config.name;
    let name = config
        .brand
        .clone()
        .ok_or_else(|| EngineError::Store(format!("{zone}: brand not specified")))?;
    let brand = Brand::find(&name, &brand_folder(layout))?;
    let zones = index(layout)?;
    let range = match privileged {
        true => None,
        false => Some(range_among(layout, zone, &zones)?),
    };
    let mut plan = BootPlan::new(config, &brand, range, memory_total())?;
    if let Some(entry) = zones.iter().find(|entry| entry.name == *zone)
        && !entry.uuid.is_empty()
    {
        for interface in &mut plan.interfaces {
            let own = zones_net::mac_for(&entry.uuid, &interface.name);
            interface.own_mac = interface.own_mac.map(|_| own);
        }
    }
    if sparse::is_sparse(config) {
        let shared = sparse::shared(config, &Bases::open(layout.bases()));
        let shared = shared.map_err(|error| EngineError::Store(crate::error::chain(&error)))?;
        plan.inherited = crate::plan::inherited(&shared.root, shared.folders);
    }
    let machine = machine_of(&plan.root);
    plan.personality_32bit = machine == Some("i686");
    // Without an emulator a zone that runs is still to be seen and halted: its boot refuses.
    let emulator = machine.and_then(Emulator::of_machine);
    let emulator = emulator.and_then(Result::ok);
    plan.emulation = emulator.map(|emulator| Emulation::new(emulator, range.is_some()));
    plan.clock.settle(&plan.root);
    if let Some(why) = plan.clock.fault() {
        plan.not_enforced.push(NotEnforced {
            what: "attr clock".to_owned(),
            why: why.to_owned(),
        });
    }
    if let Some(wanted) = &plan.dedicated {
        plan.limits.cpus = Some(crate::cpus::choose(layout, zone, wanted)?);
    } else if !matches!(plan.pool.as_str(), "" | "pool_default") {
        match every_hierarchy()?.cpus_of(&plan.pool) {
            Some(cpus) => plan.limits.cpus = Some(cpus),
            None => plan.not_enforced.push(NotEnforced {
                what: "pool".to_owned(),
                why: format!(
                    "the host has no control group `{}` with CPUs; all CPUs are used",
                    plan.pool
                ),
            }),
        }
    }
    Ok(plan)
}

/// Whether the zone is to live on the host's user ids (attr `privileged`).
pub(crate) fn is_privileged(config: &ZoneConfig) -> bool {
    config.attr("privileged") == Some("true")
}

/// The user ids of `zone`; given now if it has none yet.
pub(crate) fn range_of(layout: &Layout, zone: &ZoneName) -> Result<IdRange, EngineError> {
    range_among(layout, zone, &index(layout)?)
}

fn index(layout: &Layout) -> Result<Vec<IndexEntry>, EngineError> {
    let zones = Store::open(layout.clone()).list();
    zones.map_err(|error| EngineError::Store(crate::error::chain(&error)))
}

fn range_among(
    layout: &Layout,
    zone: &ZoneName,
    zones: &[IndexEntry],
) -> Result<IdRange, EngineError> {
    let known: Vec<ZoneName> = zones.iter().map(|entry| entry.name.clone()).collect();
    Ok(ids::id_range(layout, zone, &known)?)
}

/// Whether what a sparse zone shares is what its base was made of. Files of the base are read only
/// when somebody touched one.
pub(crate) fn check_base(layout: &Layout, config: &ZoneConfig) -> Result<(), EngineError> {
    if !sparse::is_sparse(config) {
        return Ok(());
    }
    let checked = Bases::open(layout.bases()).check(sparse::base_of(config), Look::Stamps);
    let checked = checked.map(drop);
    checked.map_err(|error| EngineError::Store(crate::error::chain(&error)))
}

/// Whether the programs of a root can be run.
pub(crate) fn check_programs(root: &Path) -> Result<(), EngineError> {
    match machine_of(root).and_then(Emulator::of_machine) {
        Some(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// What the root's programs are for, as uname(1) says there.
fn machine_of(root: &Path) -> Option<&'static str> {
    let root = zones_storage::look(root).ok()?;
    Some(zones_archive::detect_arch(&root)?.machine)
}
