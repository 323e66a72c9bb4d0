//! What is to be done to boot a zone, as data: made from the configuration, the brand and the
//! host, printed by `zoneadm ready -n`, tested without root, then run by the stage.

mod clock;
mod immutable;
mod kernel;
mod mounts;
mod network;
mod privileges;

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use zones_brand::{Brand, BrandDerived};
use zones_cgroup::{Limits, MemoryPolicy};
use zones_config::{DedicatedCpu, IpType, ZoneConfig};
use zones_net::Interface;
use zones_sys::Scheduling;
use zones_types::{IdRange, ZoneId, ZoneName};

use crate::emulation::Emulation;

pub use clock::{Clock, Fake};
pub use immutable::Immutable;
pub use kernel::IpcLimits;
pub use mounts::FsMount;
pub(crate) use mounts::{DEVICE_NODES, MASKED, READ_ONLY, inherited};
#[cfg(test)]
pub(crate) use network::interface;
pub use privileges::{Privileges, capability_number};

/// Something the configuration asks for that is not enforced, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotEnforced {
    /// Property or resource.
    pub what: String,
    /// The reason, with the remedy where there is one.
    pub why: String,
}

/// Everything that the stage needs to know.
#[derive(Debug)]
pub struct BootPlan {
    /// The zone; also its host name.
    pub zone: ZoneName,
    /// Its id in this life; 0 until it is given one.
    pub id: ZoneId,
    /// Its root on the host.
    pub root: PathBuf,
    /// Its user ids; `None` for a privileged zone.
    pub range: Option<IdRange>,
    /// Whether its files bear the host's numbers of its users, so that no mount has to map them.
    pub shifted: bool,
    /// Whose network it has.
    pub ip_type: IpType,
    /// Its links.
    pub interfaces: Vec<Interface>,
    /// What its control group enforces.
    pub limits: Limits,
    /// CPUs that it wants for itself.
    pub dedicated: Option<DedicatedCpu>,
    /// A control group of the host whose CPUs it runs on; empty: all.
    pub pool: String,
    /// The class that its processes start in, when it is not the usual one.
    pub scheduling: Option<Scheduling>,
    /// Which clocks it sees.
    pub clock: Clock,
    /// What gethostid(3) answers.
    pub hostid: Option<u32>,
    /// System V objects.
    pub ipc: IpcLimits,
    /// Bytes of memory that may be locked.
    pub locked: Option<u64>,
    /// Bytes that a temporary file system of the zone may hold.
    pub tmpfs_bytes: u64,
    /// What of its root it may write; `None`: all.
    pub immutable: Option<Immutable>,
    /// Folders of the base of a sparse zone.
    pub inherited: Vec<FsMount>,
    /// Further file systems, in mount order.
    pub filesystems: Vec<FsMount>,
    /// Patterns of further device nodes.
    pub devices: Vec<String>,
    /// Capabilities and system calls.
    pub privileges: Privileges,
    /// Candidates for its first program; empty: our own init.
    pub init: Vec<String>,
    /// What is made inside of the zone before its first program.
    pub derived: Vec<BrandDerived>,
    /// `PATH` of its first program.
    pub path: String,
    /// Whether `uname -m` names a 32-bit machine.
    pub personality_32bit: bool,
    /// What runs its programs, when they are those of another processor.
    pub emulation: Option<Emulation>,
    /// What the configuration asks for and does not get.
    pub not_enforced: Vec<NotEnforced>,
}

/// Why no plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A required property is missing.
    #[error("zonepath not specified")]
    NoZonePath,
    /// A network interface is not understood.
    #[error("net `{physical}`: {why}")]
    #[allow(missing_docs)]
    Net { physical: String, why: String },
    /// A file system is not understood.
    #[error("fs `{dir}`: {why}")]
    #[allow(missing_docs)]
    Fs { dir: String, why: String },
    /// A privilege is not known or may not be had.
    #[error("privileges: {0}")]
    Privilege(String),
    /// The clock is not understood.
    #[error("attr clock: {0}")]
    Clock(String),
    /// The table of resource controls refuses a value.
    #[error("{what}: {why}")]
    #[allow(missing_docs)]
    Limit { what: String, why: String },
}

impl BootPlan {
    /// Makes the plan. `range` is the zone's, or `None` for a privileged zone; `memory_total` are
    /// the bytes of the host.
    ///
    /// # Errors
    /// What the configuration says and cannot mean.
    pub fn new(
        config: &ZoneConfig,
        brand: &Brand,
        range: Option<IdRange>,
        memory_total: u64,
    ) -> Result<Self, PlanError> {
        let zonepath = config.zonepath.as_ref().ok_or(PlanError::NoZonePath)?;
        let mut not_enforced = Vec::new();
        let limits = limits(config);
        let memory = limits.memory.unwrap_or(memory_total).min(memory_total);
        let tmpfs_bytes = limits.swap.unwrap_or(memory).min(memory) / 2;
        not_enforced.extend(
            kernel::announced(config, range.is_some())
                .into_iter()
                .map(|(what, why)| NotEnforced { what, why }),
        );
        if range.is_none() {
            not_enforced.push(NotEnforced {
                what: "separation of user ids".to_owned(),
                why: "attr privileged is set, so root of the zone is root of the host, held by \
                      capabilities, masks and the system call filter alone"
                    .to_owned(),
            });
        }
        Ok(Self {
            zone: config.name.clone(),
            id: ZoneId::GLOBAL,
            root: zonepath.root(),
            range,
            shifted: false,
            ip_type: config.ip_type,
            interfaces: interfaces(config)?,
            dedicated: config.dedicated_cpu.clone(),
            pool: config.pool.clone(),
            scheduling: kernel::scheduling(&config.scheduling_class),
            clock: Clock::of(config)?,
            hostid: config.hostid_value(),
            ipc: IpcLimits::new(config),
            locked: config.locked().map(|bytes| bytes.0),
            tmpfs_bytes,
            immutable: immutable::profile(config),
            inherited: Vec::new(),
            filesystems: mounts::filesystems(&with_brand_mounts(config, brand))?,
            devices: devices(config, brand, range.is_some()),
            privileges: Privileges::new(&config.limitpriv, config.ip_type, range.is_some())?,
            init: brand.init.clone(),
            derived: brand.derived.clone(),
            path: brand.path.clone(),
            personality_32bit: false,
            emulation: None,
            limits,
            not_enforced,
        })
    }
}

/// The resource controls that a control group enforces. Source: resource_controls(7); the mapping
/// is that of docs/adr/0003.
fn limits(config: &ZoneConfig) -> Limits {
    Limits {
        cpu_cap_percent: config.cpu_cap(),
        cpu_shares: config.cpu_shares(),
        memory: config.physical_memory.map(|bytes| bytes.0),
        swap: config.swap().map(|bytes| bytes.0),
        pids: config.task_limit(),
        io_priority: config.io_priority(),
        memory_policy: match config.attr("memory-policy") {
            Some("soft") => MemoryPolicy::Soft,
            _ => MemoryPolicy::Hard,
        },
        ..Limits::default()
    }
}

/// The file systems of the brand, then those of the zone.
fn with_brand_mounts<'a>(config: &'a ZoneConfig, brand: &Brand) -> Cow<'a, ZoneConfig> {
    if brand.mounts.is_empty() {
        return Cow::Borrowed(config);
    }
    let zonepath = config.zonepath.as_ref().map_or("", |path| path.as_str());
    let fill = |text: &str| {
        text.replace("%R", zonepath)
            .replace("%z", config.name.as_str())
    };
    let own = brand.mounts.iter().map(|mount| zones_config::Fs {
        dir: mount.directory.clone(),
        special: fill(&mount.special),
        fs_type: mount.fs_type.clone(),
        options: mount.options.clone(),
        ..zones_config::Fs::default()
    });
    let mut all = config.clone();
    all.filesystems = own.chain(config.filesystems.iter().cloned()).collect();
    Cow::Owned(all)
}

/// Patterns of device nodes: those of the brand for this kind of network, then those of the zone;
/// who may mount fuse needs its node, too, and whoever has datasets that of ZFS.
fn devices(config: &ZoneConfig, brand: &Brand, mapped: bool) -> Vec<String> {
    let fits = |ip_type: Option<IpType>| ip_type.is_none_or(|wanted| wanted == config.ip_type);
    let brand = brand.devices.iter().filter(|device| fits(device.ip_type));
    let own = config.devices.iter().map(|device| device.matches.clone());
    let (allowed, _) = kernel::allowed_filesystems(&config.fs_allowed, mapped);
    let fuse = allowed.iter().any(|kind| kind.starts_with("fuse"));
    let zfs = mapped && !config.datasets.is_empty();
    brand
        .map(|device| device.matches.clone())
        .chain(own)
        .chain(fuse.then(|| "fuse".to_owned()))
        .chain(zfs.then(|| "zfs".to_owned()))
        .collect()
}

fn interfaces(config: &ZoneConfig) -> Result<Vec<Interface>, PlanError> {
    let mut interfaces = Vec::new();
    for net in &config.nets {
        let wrong = |why: String| PlanError::Net {
            physical: net.physical.clone(),
            why,
        };
        interfaces.push(network::interface(config, net).map_err(wrong)?);
    }
    for anet in &config.anets {
        let wrong = |why: String| PlanError::Net {
            physical: anet.linkname.clone(),
            why,
        };
        interfaces.push(network::automatic(config, anet).map_err(wrong)?);
    }
    Ok(interfaces)
}

impl fmt::Display for BootPlan {
    /// One step a line, for `-n`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "root {}", self.root.display())?;
        match self.range {
            Some(range) => writeln!(f, "user ids 0-{} are {}+", IdRange::COUNT - 1, range.base)?,
            None => writeln!(f, "user ids are those of the host (privileged)")?,
        }
        if let Some(immutable) = &self.immutable {
            let writable = match immutable.writable {
                [] => "nothing".to_owned(),
                some => some.join(" "),
            };
            writeln!(
                f,
                "root is read-only ({}) but for {writable}",
                immutable.profile
            )?;
        }
        writeln!(f, "control group {:?}", self.limits)?;
        for interface in &self.interfaces {
            writeln!(f, "net {interface:?}")?;
        }
        for mount in self.inherited.iter().chain(&self.filesystems) {
            writeln!(
                f,
                "mount {} on {} type {}",
                mount.special, mount.dir, mount.kind
            )?;
        }
        for derived in &self.derived {
            let (file, from) = (&derived.file, &derived.from);
            writeln!(
                f,
                "{} when {from} is newer than {file}",
                derived.command.join(" ")
            )?;
        }
        if let Some(emulation) = &self.emulation {
            let whose = if emulation.is_own { "zone" } else { "host" };
            let (path, machine) = (&emulation.emulator.path, emulation.emulator.cpu.machine);
            let path = path.display();
            writeln!(f, "programs of {machine} by {path}, known to the {whose}")?;
        }
        writeln!(f, "clock {}", self.clock)?;
        writeln!(f, "init {}", self.init.join(" or "))?;
        for missing in &self.not_enforced {
            writeln!(f, "not enforced: {}: {}", missing.what, missing.why)?;
        }
        Ok(())
    }
}
