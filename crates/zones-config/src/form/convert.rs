//! Between forms and the configuration.

use zones_types::Bytes;

use crate::check::{cpu_cap_text, number, parse_cpu_cap, parse_cpu_range};
use crate::table::{Prop, Resource};
use crate::{
    Admin, Anet, Attr, AttrType, Dataset, DedicatedCpu, Device, Fs, InheritPkgDir, Net, NetAttr,
    Rctl, RctlAction, RctlValue, SecurityFlags, ZoneConfig,
};

use super::{Form, Item};

/// A form whose values do not fit together; the text is the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormError(pub(crate) String);

/// How many resources of a kind there are.
pub(crate) fn count(config: &ZoneConfig, resource: Resource) -> usize {
    match resource {
        Resource::Fs => config.filesystems.len(),
        Resource::InheritPkgDir => config.inherit_pkg_dirs.len(),
        Resource::Net => config.nets.len(),
        Resource::Anet => config.anets.len(),
        Resource::Device => config.devices.len(),
        Resource::Rctl => config.rctls.len(),
        Resource::Attr => config.attrs.len(),
        Resource::Dataset => config.datasets.len(),
        Resource::DedicatedCpu => usize::from(config.dedicated_cpu.is_some()),
        Resource::CappedCpu => usize::from(config.cpu_cap().is_some()),
        Resource::CappedMemory => usize::from(
            config.physical_memory.is_some()
                || config.swap().is_some()
                || config.locked().is_some(),
        ),
        Resource::Admin => config.admins.len(),
        Resource::SecurityFlags => usize::from(config.security_flags.is_some()),
    }
}

/// Resource number `at` of a kind.
pub(crate) fn read(config: &ZoneConfig, resource: Resource, at: usize) -> Option<Form<'_>> {
    if at >= count(config, resource) {
        return None;
    }
    let mut form = Form::new(resource);
    let mut items = Vec::new();
    match resource {
        Resource::Fs => {
            let fs = config.filesystems.get(at)?;
            form.set(Prop::Dir, fs.dir.as_str());
            form.set(Prop::Special, fs.special.as_str());
            form.set(Prop::Raw, fs.raw.as_str());
            form.set(Prop::Type, fs.fs_type.as_str());
            items = fs
                .options
                .iter()
                .map(|text| Item::Text(text.into()))
                .collect();
        }
        Resource::InheritPkgDir => {
            form.set(Prop::Dir, config.inherit_pkg_dirs.get(at)?.dir.as_str())
        }
        Resource::Net => {
            let net = config.nets.get(at)?;
            form.set(Prop::Address, net.address.as_str());
            form.set(Prop::AllowedAddress, net.allowed_address.as_str());
            form.set(Prop::Defrouter, net.defrouter.as_str());
            form.set(Prop::GlobalNic, net.global_nic.as_str());
            form.set(Prop::MacAddr, net.mac_addr.as_str());
            form.set(Prop::Physical, net.physical.as_str());
            form.set(Prop::VlanId, net.vlan_id.as_str());
            items = net.properties.iter().map(free_item).collect();
        }
        Resource::Anet => {
            let anet = config.anets.get(at)?;
            let configure = match anet.configure_allowed_address {
                true => "true",
                false => "false",
            };
            form.set(Prop::Linkname, anet.linkname.as_str());
            form.set(Prop::LowerLink, anet.lower_link.as_str());
            form.set(Prop::AllowedAddress, anet.allowed_address.as_str());
            form.set(Prop::ConfigureAllowedAddress, configure);
            form.set(Prop::Defrouter, anet.defrouter.as_str());
            form.set(Prop::LinkProtection, anet.link_protection.as_str());
            form.set(Prop::MacAddress, anet.mac_address.as_str());
            form.set(Prop::VlanId, anet.vlan_id.as_str());
            form.set(Prop::Mtu, anet.mtu.as_str());
            form.set(Prop::Maxbw, anet.maxbw.as_str());
            form.set(Prop::Bwshare, anet.bwshare.as_str());
        }
        Resource::Device => {
            let device = config.devices.get(at)?;
            form.set(Prop::Match, device.matches.as_str());
            items = device.properties.iter().map(free_item).collect();
        }
        Resource::Rctl => {
            let rctl = config.rctls.get(at)?;
            form.set(Prop::Name, rctl.name.as_str());
            items = rctl.values.iter().map(rctl_item).collect();
        }
        Resource::Attr => {
            let attr = config.attrs.get(at)?;
            form.set(Prop::Name, attr.name.as_str());
            form.set(Prop::Type, attr.attr_type.as_str());
            form.set(Prop::Value, attr.value.as_str());
        }
        Resource::Dataset => form.set(Prop::Name, config.datasets.get(at)?.name.as_str()),
        Resource::DedicatedCpu => {
            let cpu = config.dedicated_cpu.as_ref()?;
            let (low, high) = (cpu.ncpus_min, cpu.ncpus_max);
            if low == high {
                form.set(Prop::Ncpus, low.to_string());
            } else {
                form.set(Prop::Ncpus, format!("{low}-{high}"));
            }
            if let Some(importance) = cpu.importance {
                form.set(Prop::Importance, importance.to_string());
            }
        }
        Resource::CappedCpu => form.set(Prop::Ncpus, cpu_cap_text(config.cpu_cap()?)),
        Resource::CappedMemory => {
            let caps = [
                (Prop::Physical, config.physical_memory),
                (Prop::Swap, config.swap()),
                (Prop::Locked, config.locked()),
            ];
            for (prop, cap) in caps {
                if let Some(bytes) = cap {
                    form.set(prop, bytes.0.to_string());
                }
            }
        }
        Resource::Admin => {
            let admin = config.admins.get(at)?;
            form.set(Prop::User, admin.user.as_str());
            form.set(Prop::Auths, admin.auths.as_str());
        }
        Resource::SecurityFlags => {
            let flags = config.security_flags.as_ref()?;
            form.set(Prop::Default, flags.default.as_str());
            form.set(Prop::Lower, flags.lower.as_str());
            form.set(Prop::Upper, flags.upper.as_str());
        }
    }
    form.items = items;
    Some(form)
}

/// Puts a form into the configuration: in place of number `at`, or as a new one.
pub(crate) fn write(
    config: &mut ZoneConfig,
    mut form: Form<'_>,
    at: Option<usize>,
) -> Result<(), FormError> {
    let broken = |what: &str| FormError(what.to_owned());
    let items = std::mem::take(&mut form.items);
    match form.resource {
        Resource::Fs => {
            let fs = Fs {
                dir: form.take(Prop::Dir),
                special: form.take(Prop::Special),
                raw: form.take(Prop::Raw),
                fs_type: form.take(Prop::Type),
                options: items.into_iter().filter_map(text_of).collect(),
            };
            put(&mut config.filesystems, fs, at);
        }
        Resource::InheritPkgDir => {
            let dir = form.take(Prop::Dir);
            put(&mut config.inherit_pkg_dirs, InheritPkgDir { dir }, at);
        }
        Resource::Net => {
            let net = Net {
                physical: form.take(Prop::Physical),
                address: form.take(Prop::Address),
                allowed_address: form.take(Prop::AllowedAddress),
                defrouter: form.take(Prop::Defrouter),
                global_nic: form.take(Prop::GlobalNic),
                mac_addr: form.take(Prop::MacAddr),
                vlan_id: form.take(Prop::VlanId),
                properties: items.iter().filter_map(free_of).collect(),
            };
            put(&mut config.nets, net, at);
        }
        Resource::Anet => {
            let anet = Anet {
                linkname: form.take(Prop::Linkname),
                lower_link: form.take(Prop::LowerLink),
                allowed_address: form.take(Prop::AllowedAddress),
                configure_allowed_address: form.take(Prop::ConfigureAllowedAddress) == "true",
                defrouter: form.take(Prop::Defrouter),
                link_protection: form.take(Prop::LinkProtection),
                mac_address: form.take(Prop::MacAddress),
                vlan_id: form.take(Prop::VlanId),
                mtu: form.take(Prop::Mtu),
                maxbw: form.take(Prop::Maxbw),
                bwshare: form.take(Prop::Bwshare),
            };
            put(&mut config.anets, anet, at);
        }
        Resource::Device => {
            let device = Device {
                matches: form.take(Prop::Match),
                properties: items.iter().filter_map(free_of).collect(),
            };
            put(&mut config.devices, device, at);
        }
        Resource::Rctl => {
            let name = form.take(Prop::Name);
            let values: Result<_, _> = items.iter().map(rctl_of).collect();
            let values = values.map_err(FormError)?;
            put(&mut config.rctls, Rctl { name, values }, at);
        }
        Resource::Attr => {
            let attr_type: AttrType = form
                .take(Prop::Type)
                .parse()
                .map_err(|()| broken("type not specified"))?;
            let attr = Attr {
                name: form.take(Prop::Name),
                attr_type,
                value: form.take(Prop::Value),
            };
            put(&mut config.attrs, attr, at);
        }
        Resource::Dataset => {
            let name = form.take(Prop::Name);
            put(&mut config.datasets, Dataset { name }, at);
        }
        Resource::DedicatedCpu => {
            let range = parse_cpu_range(&form.take(Prop::Ncpus));
            let (ncpus_min, ncpus_max) = range.ok_or_else(|| broken("ncpus not specified"))?;
            config.dedicated_cpu = Some(DedicatedCpu {
                ncpus_min,
                ncpus_max,
                importance: number(&form.take(Prop::Importance)),
            });
        }
        Resource::CappedCpu => {
            let percent = parse_cpu_cap(&form.take(Prop::Ncpus));
            let percent = percent.ok_or_else(|| broken("ncpus not specified"))?;
            config.set_rctl("zone.cpu-cap", percent, RctlAction::Deny);
        }
        Resource::CappedMemory => {
            config.physical_memory = number(&form.take(Prop::Physical)).map(Bytes);
            for (prop, rctl) in MEMORY_RCTLS {
                match number(&form.take(prop)) {
                    Some(bytes) => config.set_rctl(rctl, bytes, RctlAction::Deny),
                    None => {
                        config.remove_rctl(rctl);
                    }
                }
            }
        }
        Resource::Admin => {
            let admin = Admin {
                user: form.take(Prop::User),
                auths: form.take(Prop::Auths),
            };
            put(&mut config.admins, admin, at);
        }
        Resource::SecurityFlags => {
            config.security_flags = Some(SecurityFlags {
                default: form.take(Prop::Default),
                lower: form.take(Prop::Lower),
                upper: form.take(Prop::Upper),
            });
        }
    }
    Ok(())
}

/// Controls behind `capped-memory`.
const MEMORY_RCTLS: [(Prop, &str); 2] = [
    (Prop::Swap, "zone.max-swap"),
    (Prop::Locked, "zone.max-locked-memory"),
];

/// Takes resources of a kind out: number `at`, or all of them.
pub(crate) fn remove(config: &mut ZoneConfig, resource: Resource, at: Option<usize>) {
    match resource {
        Resource::Fs => cut(&mut config.filesystems, at),
        Resource::InheritPkgDir => cut(&mut config.inherit_pkg_dirs, at),
        Resource::Net => cut(&mut config.nets, at),
        Resource::Anet => cut(&mut config.anets, at),
        Resource::Device => cut(&mut config.devices, at),
        Resource::Rctl => cut(&mut config.rctls, at),
        Resource::Attr => cut(&mut config.attrs, at),
        Resource::Dataset => cut(&mut config.datasets, at),
        Resource::DedicatedCpu => config.dedicated_cpu = None,
        Resource::CappedCpu => {
            config.remove_rctl("zone.cpu-cap");
        }
        Resource::CappedMemory => {
            config.physical_memory = None;
            for (_, rctl) in MEMORY_RCTLS {
                config.remove_rctl(rctl);
            }
        }
        Resource::Admin => cut(&mut config.admins, at),
        Resource::SecurityFlags => config.security_flags = None,
    }
}

/// The first of `net0`, `net1` ... that no interface of the zone has.
pub(super) fn free_linkname(config: &ZoneConfig) -> String {
    // Nobody waits for a nice name in a list that long.
    let count = config.anets.len() + config.nets.len();
    if count > 256 {
        return format!("net{count}");
    }
    let automatic = config.anets.iter().map(|anet| anet.linkname.as_str());
    let all = automatic.chain(config.nets.iter().map(|net| net.physical.as_str()));
    let taken: std::collections::HashSet<&str> = all.collect();
    let mut names = (0..=taken.len()).map(|at| format!("net{at}"));
    let free = names.find(|name| !taken.contains(name.as_str()));
    free.unwrap_or_default()
}

fn put<T>(list: &mut Vec<T>, value: T, at: Option<usize>) {
    match at.and_then(|at| list.get_mut(at)) {
        Some(place) => *place = value,
        None => list.push(value),
    }
}

fn cut<T>(list: &mut Vec<T>, at: Option<usize>) {
    match at {
        Some(at) if at < list.len() => {
            list.remove(at);
        }
        Some(_) => {}
        None => list.clear(),
    }
}

fn free_item(attr: &NetAttr) -> Item<'_> {
    Item::Pairs(vec![
        ("name", attr.name.as_str().into()),
        ("value", attr.value.as_str().into()),
    ])
}

fn free_of(item: &Item<'_>) -> Option<NetAttr> {
    Some(NetAttr {
        name: item.pair("name")?.to_owned(),
        value: item.pair("value")?.to_owned(),
    })
}

fn rctl_item(value: &RctlValue) -> Item<'_> {
    Item::Pairs(vec![
        ("priv", value.privilege.as_str().into()),
        ("limit", value.limit.to_string().into()),
        ("action", value.action.to_string().into()),
    ])
}

/// Reads `(priv=,limit=,action=)`; the error is the message.
pub(crate) fn rctl_of(item: &Item<'_>) -> Result<RctlValue, String> {
    let field = |key: &str| item.pair(key).unwrap_or_default();
    let invalid = || "Invalid rctl value specification".to_owned();
    if field("priv") != "privileged" {
        return Err(invalid());
    }
    Ok(RctlValue {
        privilege: field("priv").to_owned(),
        limit: number(field("limit")).ok_or_else(invalid)?,
        action: field("action").parse().map_err(|()| invalid())?,
    })
}

fn text_of(item: Item<'_>) -> Option<String> {
    match item {
        Item::Text(text) => Some(text.into_owned()),
        Item::Pairs(_) => None,
    }
}
