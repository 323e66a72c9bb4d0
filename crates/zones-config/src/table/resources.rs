//! Kinds of resources and their properties.

use crate::check::{self, Check};

use super::{Need, Prop, PropSpec, Resource, ResourceSpec, Shape};

use Need::{Clearable, Optional, Required};
use Shape::{Pairs, Size, Text, Texts};

const fn p(prop: Prop, need: Need, shape: Shape, check: Check, help: &'static str) -> PropSpec {
    PropSpec {
        prop,
        need,
        shape,
        check,
        help,
    }
}

const FREE_PAIRS: Shape = Pairs(&["name", "value"]);

/// Kinds in the order of `info`.
pub const INFO_ORDER: &[Resource] = &[
    Resource::InheritPkgDir,
    Resource::Fs,
    Resource::Net,
    Resource::Device,
    Resource::DedicatedCpu,
    Resource::CappedCpu,
    Resource::CappedMemory,
    Resource::Attr,
    Resource::Dataset,
    Resource::Admin,
    Resource::Rctl,
    Resource::SecurityFlags,
];

/// Kinds in the order of `export`; the capped CPU is among the controls there.
pub const EXPORT_ORDER: &[Resource] = &[
    Resource::InheritPkgDir,
    Resource::Fs,
    Resource::Net,
    Resource::Device,
    Resource::Rctl,
    Resource::Attr,
    Resource::Dataset,
    Resource::DedicatedCpu,
    Resource::CappedMemory,
    Resource::Admin,
    Resource::SecurityFlags,
];

/// All kinds, in the order of [`Resource`].
pub const RESOURCES: &[ResourceSpec] = &[
    ResourceSpec {
        resource: Resource::Fs,
        unique: false,
        key: &[Prop::Dir],
        for_host: false,
        props: &[
            p(
                Prop::Dir,
                Required,
                Text,
                check::dir,
                "mount point in the zone, absolute",
            ),
            p(
                Prop::Special,
                Required,
                Text,
                check::filled,
                "what is mounted: path, device, dataset",
            ),
            p(
                Prop::Raw,
                Clearable,
                Text,
                check::raw,
                "device for fsck, absolute",
            ),
            p(
                Prop::Type,
                Required,
                Text,
                check::fs_type,
                "type of the file system; lofs: a folder",
            ),
            p(
                Prop::Options,
                Optional,
                Texts,
                check::filled,
                "mount options",
            ),
        ],
        export: &[],
        help: "a file system mounted into the zone",
    },
    ResourceSpec {
        resource: Resource::InheritPkgDir,
        unique: false,
        key: &[Prop::Dir],
        for_host: false,
        props: &[p(
            Prop::Dir,
            Required,
            Text,
            check::dir,
            "folder of the host, absolute",
        )],
        export: &[],
        help: "a folder shared read-only with the host (sparse zones)",
    },
    ResourceSpec {
        resource: Resource::Net,
        unique: false,
        key: &[Prop::Physical, Prop::Address],
        for_host: false,
        props: &[
            p(
                Prop::Address,
                Optional,
                Text,
                check::address,
                "address of a shared-IP zone",
            ),
            p(
                Prop::AllowedAddress,
                Clearable,
                Text,
                check::address,
                "address that an exclusive-IP zone must use",
            ),
            p(
                Prop::Defrouter,
                Clearable,
                Text,
                check::router,
                "default router",
            ),
            p(
                Prop::GlobalNic,
                Clearable,
                Text,
                check::global_nic,
                "bridge or link of the host, or auto",
            ),
            p(Prop::MacAddr, Clearable, Text, check::mac, "MAC address"),
            p(
                Prop::Physical,
                Required,
                Text,
                check::physical,
                "link: of the host (shared), in the zone (exclusive)",
            ),
            p(
                Prop::VlanId,
                Clearable,
                Text,
                check::vlan,
                "VLAN, 1 to 4094",
            ),
            p(
                Prop::Property,
                Optional,
                FREE_PAIRS,
                check::free,
                "property of the link: (name=,value=)",
            ),
        ],
        export: &[
            Prop::Address,
            Prop::AllowedAddress,
            Prop::Physical,
            Prop::Defrouter,
            Prop::GlobalNic,
            Prop::MacAddr,
            Prop::VlanId,
            Prop::Property,
        ],
        help: "a network interface",
    },
    ResourceSpec {
        resource: Resource::Device,
        unique: false,
        key: &[Prop::Match],
        for_host: false,
        props: &[
            p(
                Prop::Match,
                Required,
                Text,
                check::filled,
                "device path or pattern; quote [ and ]",
            ),
            p(
                Prop::Property,
                Optional,
                FREE_PAIRS,
                check::free,
                "property of the device",
            ),
        ],
        export: &[],
        help: "devices of the host that the zone may use",
    },
    ResourceSpec {
        resource: Resource::Rctl,
        unique: false,
        key: &[Prop::Name],
        for_host: true,
        props: &[
            p(
                Prop::Name,
                Required,
                Text,
                check::rctl_name,
                "name of the control, zone.*",
            ),
            p(
                Prop::Value,
                Required,
                Pairs(&["priv", "limit", "action"]),
                check::free,
                "(priv=privileged,limit=N,action=none|deny)",
            ),
        ],
        export: &[],
        help: "a resource control",
    },
    ResourceSpec {
        resource: Resource::Attr,
        unique: false,
        key: &[Prop::Name],
        for_host: false,
        props: &[
            p(
                Prop::Name,
                Required,
                Text,
                check::attr_name,
                "name: letters, digits, - and .",
            ),
            p(
                Prop::Type,
                Required,
                Text,
                check::attr_type,
                "int, uint, boolean or string",
            ),
            p(
                Prop::Value,
                Required,
                Text,
                check::free,
                "value of that type",
            ),
        ],
        export: &[],
        help: "a free attribute of the zone",
    },
    ResourceSpec {
        resource: Resource::Dataset,
        unique: false,
        key: &[Prop::Name],
        for_host: false,
        props: &[p(
            Prop::Name,
            Required,
            Text,
            check::dataset,
            "name of the dataset",
        )],
        export: &[],
        help: "a dataset that the zone administers",
    },
    ResourceSpec {
        resource: Resource::DedicatedCpu,
        unique: true,
        key: &[],
        for_host: true,
        props: &[
            p(
                Prop::Ncpus,
                Required,
                Text,
                check::cpu_range,
                "number of CPUs, or LOW-HIGH",
            ),
            p(
                Prop::Importance,
                Clearable,
                Text,
                check::importance,
                "who keeps CPUs when they are few",
            ),
        ],
        export: &[],
        help: "CPUs of the zone's own",
    },
    ResourceSpec {
        resource: Resource::CappedCpu,
        unique: true,
        key: &[],
        for_host: true,
        props: &[p(
            Prop::Ncpus,
            Required,
            Text,
            check::cpu_cap,
            "CPUs at most, decimal, from 0.01",
        )],
        export: &[],
        help: "limit on CPU time",
    },
    ResourceSpec {
        resource: Resource::CappedMemory,
        unique: true,
        key: &[],
        for_host: true,
        props: &[
            p(
                Prop::Physical,
                Clearable,
                Size,
                check::size,
                "resident memory, with a scale",
            ),
            p(
                Prop::Swap,
                Clearable,
                Size,
                check::swap,
                "memory and swap together, from 50M",
            ),
            p(Prop::Locked, Clearable, Size, check::size, "locked memory"),
        ],
        export: &[],
        help: "limits on memory",
    },
    ResourceSpec {
        resource: Resource::Admin,
        unique: false,
        key: &[Prop::User],
        for_host: true,
        props: &[
            p(Prop::User, Required, Text, check::user, "user of the host"),
            p(
                Prop::Auths,
                Required,
                Text,
                check::auths,
                "login,manage,clonefrom",
            ),
        ],
        export: &[],
        help: "a user who may manage the zone",
    },
    ResourceSpec {
        resource: Resource::SecurityFlags,
        unique: true,
        key: &[],
        for_host: true,
        props: &[
            p(
                Prop::Default,
                Clearable,
                Text,
                check::flags,
                "flags of the zone's processes",
            ),
            p(
                Prop::Lower,
                Clearable,
                Text,
                check::flags,
                "flags that cannot be taken away",
            ),
            p(
                Prop::Upper,
                Clearable,
                Text,
                check::flags,
                "flags that may be set",
            ),
        ],
        export: &[],
        help: "process security flags: aslr, forbidnullmap, noexecstack",
    },
];
