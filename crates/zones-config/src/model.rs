//! The values of a configuration, as they stand in the XML document of a zone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zones_types::{BrandName, Bytes, ZoneName, ZonePath};

mod access;

pub use access::{DEFAULT_BRAND, TEMPLATE_BLANK, TEMPLATE_DEFAULT, parse_hostid};

/// One zone. Empty text and `None` mean "not set"; lists keep the order in which they were typed.
///
/// Resource controls with a short name (`cpu-shares`, `capped-cpu`, `swap` ...) are stored as
/// [`Rctl`], as Zones do; the accessors below read them back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ZoneConfig {
    pub name: ZoneName,
    pub zonepath: Option<ZonePath>,
    pub brand: Option<BrandName>,
    pub autoboot: bool,
    pub bootargs: String,
    pub pool: String,
    pub limitpriv: String,
    pub scheduling_class: String,
    pub ip_type: IpType,
    pub hostid: String,
    pub fs_allowed: String,
    /// Identity in the index; empty until the zone has one.
    pub uuid: String,
    /// `high`, `default`, `low`; empty is `default`.
    pub boot_priority: String,
    /// `shutdown`, `halt`; empty is `shutdown`.
    pub autoshutdown: String,
    /// `none`, `strict`, `fixed-configuration`, `flexible-configuration`; empty is `none`.
    pub file_mac_profile: String,
    pub filesystems: Vec<Fs>,
    pub inherit_pkg_dirs: Vec<InheritPkgDir>,
    pub nets: Vec<Net>,
    pub anets: Vec<Anet>,
    pub devices: Vec<Device>,
    pub rctls: Vec<Rctl>,
    pub attrs: Vec<Attr>,
    pub datasets: Vec<Dataset>,
    pub dedicated_cpu: Option<DedicatedCpu>,
    /// `capped-memory: physical` (the `mcap` element).
    pub physical_memory: Option<Bytes>,
    pub admins: Vec<Admin>,
    pub security_flags: Option<SecurityFlags>,
}

/// Whose IP stack the zone uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpType {
    /// Addressed, routed and guarded by the host.
    #[default]
    Shared,
    /// The zone owns its links, addresses and routes.
    Exclusive,
}

/// A file system mounted into the zone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fs {
    /// Mount point in the zone.
    pub dir: String,
    /// What is mounted: host path for `lofs`, device, dataset.
    pub special: String,
    /// Node for fsck; unused on Linux, kept.
    pub raw: String,
    /// `lofs`, or a file system type of the kernel.
    pub fs_type: String,
    /// Mount options, in order.
    pub options: Vec<String>,
}

/// A folder of a sparse zone, shared read-only from the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InheritPkgDir {
    /// Absolute path, same in host and zone.
    pub dir: String,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Net {
    /// Shared: the host's interface. Exclusive: name of the link in the zone.
    pub physical: String,
    /// Shared only: `a.b.c.d[/n]`, `v6/n` or a host name.
    pub address: String,
    /// Exclusive only, same syntax.
    pub allowed_address: String,
    pub defrouter: String,
    /// Bridge or link of the host below an exclusive link.
    pub global_nic: String,
    /// Two-digit lower-case hex, colons; empty: chosen.
    pub mac_addr: String,
    /// 1 to 4094; empty: untagged.
    pub vlan_id: String,
    pub properties: Vec<NetAttr>,
}

/// A network interface that is made at boot and gone at halt; exclusive-IP zones only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anet {
    /// Name of the link in the zone.
    pub linkname: String,
    /// Bridge or link of the host below it, or `auto`.
    pub lower_link: String,
    /// Comma list of addresses; empty: any.
    pub allowed_address: String,
    /// Whether the addresses are set at boot.
    pub configure_allowed_address: bool,
    /// Default router.
    pub defrouter: String,
    /// Comma list of kinds of protection.
    pub link_protection: String,
    /// `auto`, `random`, `factory` or an address.
    pub mac_address: String,
    /// 1 to 4094; empty: untagged.
    pub vlan_id: String,
    /// Bytes; empty: the kernel's choice.
    pub mtu: String,
    /// Bits a second with a scale; empty: no limit.
    pub maxbw: String,
    /// 1 to 100; empty: none.
    pub bwshare: String,
}

/// `property (name=,value="")` of a net or device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct NetAttr {
    pub name: String,
    pub value: String,
}

/// Device nodes of the host that the zone may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Device {
    /// fnmatch pattern below `/dev`.
    pub matches: String,
    /// Free properties.
    pub properties: Vec<NetAttr>,
}

/// A resource control, `zone.*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Rctl {
    pub name: String,
    pub values: Vec<RctlValue>,
}

/// One value of a resource control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RctlValue {
    /// Always `privileged` in a valid configuration.
    pub privilege: String,
    /// Limit in the unit of the control.
    pub limit: u64,
    /// What happens at the limit.
    pub action: RctlAction,
}

/// What happens at the limit of a resource control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum RctlAction {
    None,
    Deny,
    /// `signal=NAME`
    Signal(String),
}

/// A free attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Attr {
    pub name: String,
    pub attr_type: AttrType,
    pub value: String,
}

/// Type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum AttrType {
    Int,
    Uint,
    Boolean,
    String,
}

/// A dataset delegated to the zone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Dataset {
    pub name: String,
}

/// CPUs of the zone's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DedicatedCpu {
    pub ncpus_min: u32,
    pub ncpus_max: u32,
    pub importance: Option<u32>,
}

/// A user of the host who may manage the zone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Admin {
    pub user: String,
    /// Comma list of `login`, `manage`, `clonefrom`.
    pub auths: String,
}

/// Process security flags, comma lists.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SecurityFlags {
    pub default: String,
    pub lower: String,
    pub upper: String,
}

impl ZoneConfig {
    /// A configuration in which nothing is set.
    #[must_use]
    pub fn blank(name: ZoneName) -> Self {
        Self {
            name,
            zonepath: None,
            brand: None,
            autoboot: false,
            bootargs: String::new(),
            pool: String::new(),
            limitpriv: String::new(),
            scheduling_class: String::new(),
            ip_type: IpType::Shared,
            hostid: String::new(),
            fs_allowed: String::new(),
            uuid: String::new(),
            boot_priority: String::new(),
            autoshutdown: String::new(),
            file_mac_profile: String::new(),
            filesystems: Vec::new(),
            inherit_pkg_dirs: Vec::new(),
            nets: Vec::new(),
            anets: Vec::new(),
            devices: Vec::new(),
            rctls: Vec::new(),
            attrs: Vec::new(),
            datasets: Vec::new(),
            dedicated_cpu: None,
            physical_memory: None,
            admins: Vec::new(),
            security_flags: None,
        }
    }
}

/// The values that `add anet` begins with, but for the name.
impl Default for Anet {
    fn default() -> Self {
        Self {
            linkname: String::new(),
            lower_link: "auto".to_owned(),
            allowed_address: String::new(),
            configure_allowed_address: true,
            defrouter: String::new(),
            link_protection: String::new(),
            mac_address: "auto".to_owned(),
            vlan_id: String::new(),
            mtu: String::new(),
            maxbw: String::new(),
            bwshare: String::new(),
        }
    }
}

impl IpType {
    /// The word of `ip-type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
        }
    }

    /// The short word of listings: `shared`, `excl`.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "excl",
        }
    }
}

impl AttrType {
    /// The word of `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Boolean => "boolean",
            Self::String => "string",
        }
    }
}

impl FromStr for AttrType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Int, Self::Uint, Self::Boolean, Self::String]
            .into_iter()
            .find(|attr_type| attr_type.as_str() == text)
            .ok_or(())
    }
}

impl fmt::Display for RctlAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Deny => f.write_str("deny"),
            Self::Signal(name) => write!(f, "signal={name}"),
        }
    }
}

impl FromStr for RctlAction {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "none" => Ok(Self::None),
            "deny" => Ok(Self::Deny),
            _ => match text.strip_prefix("signal=") {
                Some(name) if !name.is_empty() => Ok(Self::Signal(name.to_owned())),
                _ => Err(()),
            },
        }
    }
}
