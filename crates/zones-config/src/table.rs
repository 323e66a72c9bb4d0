//! The one table of resources and properties: parser, help, completion, `info`, `export`, `verify`
//! and JSON all read it.
//!
//! Source: zonecfg(8), "Resource types", "Properties".

mod globals;
mod resources;

use crate::check::Check;

pub use globals::{Alias, GLOBALS, Global};
pub use resources::{EXPORT_ORDER, INFO_ORDER, RESOURCES};

/// Names the properties once; the enum, its names and the way back come from here.
macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum $type { $($variant,)* }

        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it is typed.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The one with this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

names! {
    /// A kind of resource: what `add` and `select` open.
    Resource {
        Fs = "fs",
        InheritPkgDir = "inherit-pkg-dir",
        Net = "net",
        Anet = "anet",
        Device = "device",
        Rctl = "rctl",
        Attr = "attr",
        Dataset = "dataset",
        DedicatedCpu = "dedicated-cpu",
        CappedCpu = "capped-cpu",
        CappedMemory = "capped-memory",
        Admin = "admin",
        SecurityFlags = "security-flags",
    }
}

names! {
    /// The name of a property; several resources share some of them.
    Prop {
        Zonename = "zonename",
        Zonepath = "zonepath",
        Brand = "brand",
        Autoboot = "autoboot",
        Bootargs = "bootargs",
        Pool = "pool",
        Limitpriv = "limitpriv",
        SchedulingClass = "scheduling-class",
        IpType = "ip-type",
        Hostid = "hostid",
        FsAllowed = "fs-allowed",
        Uuid = "uuid",
        BootPriority = "boot-priority",
        Autoshutdown = "autoshutdown",
        FileMacProfile = "file-mac-profile",
        MaxLwps = "max-lwps",
        MaxProcesses = "max-processes",
        MaxShmMemory = "max-shm-memory",
        MaxShmIds = "max-shm-ids",
        MaxMsgIds = "max-msg-ids",
        MaxSemIds = "max-sem-ids",
        CpuShares = "cpu-shares",
        ZfsIoPriority = "zfs-io-priority",
        Dir = "dir",
        Special = "special",
        Raw = "raw",
        Type = "type",
        Options = "options",
        Address = "address",
        AllowedAddress = "allowed-address",
        Defrouter = "defrouter",
        GlobalNic = "global-nic",
        MacAddr = "mac-addr",
        Physical = "physical",
        VlanId = "vlan-id",
        Property = "property",
        Linkname = "linkname",
        LowerLink = "lower-link",
        ConfigureAllowedAddress = "configure-allowed-address",
        MacAddress = "mac-address",
        Mtu = "mtu",
        Maxbw = "maxbw",
        Bwshare = "bwshare",
        LinkProtection = "link-protection",
        Match = "match",
        Name = "name",
        Value = "value",
        Ncpus = "ncpus",
        Importance = "importance",
        Swap = "swap",
        Locked = "locked",
        User = "user",
        Auths = "auths",
        Default = "default",
        Lower = "lower",
        Upper = "upper",
    }
}

/// What a property of a resource holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One text.
    Text,
    /// Bytes: typed with a scale, shown in the nearest unit.
    Size,
    /// A list of texts.
    Texts,
    /// A list of `(key=value,...)` with exactly these keys.
    Pairs(&'static [&'static str]),
}

impl Shape {
    /// Whether `add PROPERTY VALUE` makes sense.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Texts | Self::Pairs(_))
    }
}

/// Whether a property must be there at `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Must be set.
    Required,
    /// May be missing, but `clear` refuses it.
    Optional,
    /// May be missing and may be cleared.
    Clearable,
}

/// One property of one kind of resource.
#[derive(Debug)]
pub struct PropSpec {
    /// Its name.
    pub prop: Prop,
    /// Whether it must be set.
    pub need: Need,
    /// What it holds.
    pub shape: Shape,
    /// Brings a text into its canonical form or says what is wrong with it.
    pub check: Check,
    /// One line for `help`.
    pub help: &'static str,
}

/// One kind of resource.
#[derive(Debug)]
pub struct ResourceSpec {
    /// Its name.
    pub resource: Resource,
    /// At most one in a zone.
    pub unique: bool,
    /// Properties that tell two of a kind apart.
    pub key: &'static [Prop],
    /// Whether the host (`zonecfg -z global`) may have it.
    pub for_host: bool,
    /// Whether it may change while the zone runs; else a change waits for the next boot.
    pub live: bool,
    /// In the order of `info`.
    pub props: &'static [PropSpec],
    /// In the order of `export`, where it is another one; else empty.
    pub export: &'static [Prop],
    /// One line for `help`.
    pub help: &'static str,
}

impl Resource {
    /// Its row.
    #[must_use]
    pub fn spec(self) -> &'static ResourceSpec {
        &RESOURCES[self as usize]
    }
}

impl ResourceSpec {
    /// The row of one property.
    #[must_use]
    pub fn prop(&self, prop: Prop) -> Option<&'static PropSpec> {
        self.props.iter().find(|spec| spec.prop == prop)
    }

    /// The list property, if there is one; no kind has two.
    #[must_use]
    pub fn list(&self) -> Option<&'static PropSpec> {
        self.props.iter().find(|spec| spec.shape.is_list())
    }
}

impl Prop {
    /// Its row, when it is a property of the zone itself.
    #[must_use]
    pub fn global(self) -> Option<&'static Global> {
        GLOBALS.iter().find(|global| global.prop == self)
    }

    /// Whether some resource has it.
    #[must_use]
    pub fn in_resource(self) -> bool {
        RESOURCES.iter().any(|spec| spec.prop(self).is_some())
    }

    /// Whether it is a list in some resource.
    #[must_use]
    pub fn is_list(self) -> bool {
        let list = |spec: &ResourceSpec| spec.prop(self).is_some_and(|prop| prop.shape.is_list());
        RESOURCES.iter().any(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_stand_where_their_resource_says() {
        for resource in Resource::ALL {
            assert_eq!(resource.spec().resource, *resource);
            assert_eq!(Resource::named(resource.name()), Some(*resource));
            assert_eq!(Prop::named(resource.name()), None, "a word means one thing");
            let spec = resource.spec();
            assert!(spec.key.iter().all(|key| spec.prop(*key).is_some()));
            assert!(
                spec.props
                    .iter()
                    .filter(|prop| prop.shape.is_list())
                    .count()
                    <= 1
            );
            for prop in spec.export {
                assert!(spec.prop(*prop).is_some(), "{resource} {prop}");
            }
            assert!(spec.export.is_empty() || spec.export.len() == spec.props.len());
        }
        assert_eq!(INFO_ORDER.len(), RESOURCES.len());
    }

    #[test]
    fn every_property_belongs_somewhere() {
        for prop in Prop::ALL {
            assert!(prop.global().is_some() || prop.in_resource(), "{prop}");
        }
    }
}
