//! What a hook is told of its zone, in variables. Source: brands(7), illumos zoneadmd
//! (`_ZONECFG_*`).

use std::collections::BTreeMap;

use zones_config::{Net, ZoneConfig};

/// `_ZONECFG_uuid`, `_ZONECFG_did`, and one variable for each property of nets, devices and
/// attributes. `did` is the debug id that SmartOS keeps in its index.
#[must_use]
pub fn environment(config: &ZoneConfig, uuid: &str, did: Option<&str>) -> Vec<(String, String)> {
    let mut all = BTreeMap::new();
    all.insert("_ZONECFG_uuid".to_owned(), uuid.to_owned());
    if let Some(did) = did {
        all.insert("_ZONECFG_did".to_owned(), did.to_owned());
    }
    let names = |names: Vec<&str>| names.join(" ");
    let nets = config
        .nets
        .iter()
        .map(|net| net.physical.as_str())
        .collect();
    all.insert("_ZONECFG_net_resources".to_owned(), names(nets));
    for net in &config.nets {
        for (property, value) in properties(net) {
            if !value.is_empty() {
                all.insert(variable("net", &net.physical, property), value.to_owned());
            }
        }
    }
    let devices = config.devices.iter().map(|d| d.matches.as_str()).collect();
    all.insert("_ZONECFG_device_resources".to_owned(), names(devices));
    for device in &config.devices {
        let path = format!("/dev/{}", device.matches.trim_start_matches("/dev/"));
        all.insert(variable("device", &device.matches, "path"), path);
        for property in &device.properties {
            let name = variable("device", &device.matches, &property.name);
            all.insert(name, property.value.clone());
        }
    }
    for attr in &config.attrs {
        all.insert(
            legal(&format!("_ZONECFG_attr_{}", attr.name)),
            attr.value.clone(),
        );
    }
    all.into_iter().collect()
}

fn properties(net: &Net) -> impl Iterator<Item = (&str, &str)> {
    let own = [
        ("physical", net.physical.as_str()),
        ("address", &net.address),
        ("allowed-address", &net.allowed_address),
        ("defrouter", &net.defrouter),
        ("global-nic", &net.global_nic),
        ("mac-addr", &net.mac_addr),
        ("vlan-id", &net.vlan_id),
    ];
    let free = net.properties.iter();
    own.into_iter()
        .chain(free.map(|attr| (attr.name.as_str(), attr.value.as_str())))
}

fn variable(resource: &str, instance: &str, property: &str) -> String {
    legal(&format!("_ZONECFG_{resource}_{instance}_{property}"))
}

/// What a shell could not name becomes `_`.
fn legal(name: &str) -> String {
    let char = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.chars().map(char).collect()
}

#[cfg(test)]
mod tests {
    use zones_config::{Attr, AttrType, Device, NetAttr};

    use super::*;

    #[test]
    fn properties_become_variables() {
        let mut config = ZoneConfig::blank("z1".parse().unwrap());
        config.nets = vec![
            Net {
                physical: "web-0".to_owned(),
                allowed_address: "192.0.2.1/24".to_owned(),
                vlan_id: "7".to_owned(),
                properties: vec![NetAttr {
                    name: "primary".to_owned(),
                    value: "true".to_owned(),
                }],
                ..Net::default()
            },
            Net {
                physical: "db0".to_owned(),
                ..Net::default()
            },
        ];
        config.devices = vec![Device {
            matches: "net/tun".to_owned(),
            properties: Vec::new(),
        }];
        config.attrs = vec![Attr {
            name: "kernel-version".to_owned(),
            attr_type: AttrType::String,
            value: "5.10 a".to_owned(),
        }];
        let all = environment(&config, "u-1", Some("12"));
        let all: Vec<String> = all.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(
            all,
            [
                "_ZONECFG_attr_kernel_version=5.10 a",
                "_ZONECFG_device_net_tun_path=/dev/net/tun",
                "_ZONECFG_device_resources=net/tun",
                "_ZONECFG_did=12",
                "_ZONECFG_net_db0_physical=db0",
                "_ZONECFG_net_resources=web-0 db0",
                "_ZONECFG_net_web_0_allowed_address=192.0.2.1/24",
                "_ZONECFG_net_web_0_physical=web-0",
                "_ZONECFG_net_web_0_primary=true",
                "_ZONECFG_net_web_0_vlan_id=7",
                "_ZONECFG_uuid=u-1",
            ]
        );
    }
}
