//! `net` resources as the network layer wants them.

use std::net::{IpAddr, ToSocketAddrs};

use zones_config::{IpType, Net, ZoneConfig};
use zones_net::{IfName, Interface, IpNet, Mac, Mode, Protection, mac_for};

use crate::error::chain;

/// One `net` resource as the network layer wants it.
///
/// Properties of the link are `mtu`, `link-protection` and `uplink`; the two last may be attributes
/// of the zone as well, for all its links.
pub(crate) fn interface(config: &ZoneConfig, net: &Net) -> Result<Interface, String> {
    let name = |text: &str| text.parse::<IfName>().map_err(|error| chain(&error));
    let physical = name(&net.physical)?;
    let shared = config.ip_type == IpType::Shared;
    let (address, mode) = if shared {
        let physical = physical.clone();
        (&net.address, Mode::Shared { physical })
    } else {
        let lower = Some(net.global_nic.as_str()).filter(|nic| !nic.is_empty());
        let mode = Mode::Exclusive {
            physical: physical.clone(),
            lower: lower.map(name).transpose()?,
        };
        (&net.allowed_address, mode)
    };
    // The zone has a loopback of its own.
    let inside = if physical.as_str() == "lo" {
        name("net0")?
    } else {
        physical
    };
    let addresses = address
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty());
    let router = match net.defrouter.split('/').next() {
        None | Some("") => None,
        Some(text) => Some(resolve(text)?.address),
    };
    let mac = Some(net.mac_addr.as_str()).filter(|mac| !mac.is_empty());
    let mac = mac.map(str::parse::<Mac>).transpose();
    let property = |name: &str| {
        let mut all = net.properties.iter();
        let found = all.find(|property| property.name == name);
        found.map(|property| property.value.as_str())
    };
    let number = |text: &str, what| text.parse().map_err(|_| format!("`{text}` is no {what}"));
    let vlan = Some(net.vlan_id.as_str()).filter(|vlan| !vlan.is_empty());
    let mtu = property("mtu").map(|mtu| number(mtu, "mtu")).transpose()?;
    let protection = property("link-protection").or_else(|| config.attr("link-protection"));
    let protection = protection.map(str::parse::<Protection>).transpose();
    let uplink = property("uplink").or_else(|| config.attr("uplink"));
    Ok(Interface {
        own_mac: mac_for(config.name.as_str(), &inside),
        name: inside,
        mode,
        addresses: addresses.map(resolve).collect::<Result<_, _>>()?,
        defrouter: router,
        mac: mac.map_err(|error| chain(&error))?,
        vlan: vlan
            .map(|vlan| vlan.parse().map_err(|_| format!("`{vlan}` is no vlan-id")))
            .transpose()?,
        mtu,
        protection: protection.map_err(|error| chain(&error))?,
        uplink: match uplink {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => return Err(format!("uplink is true or false, not `{other}`")),
        },
    })
}

/// An address, or a host name that stands for an IPv4 one.
fn resolve(text: &str) -> Result<IpNet, String> {
    if let Ok(net) = text.parse() {
        return Ok(net);
    }
    let (host, prefix) = text
        .split_once('/')
        .map_or((text, None), |(host, prefix)| (host, Some(prefix)));
    let found = (host, 0u16)
        .to_socket_addrs()
        .map_err(|error| format!("cannot resolve `{host}`: {error}"))?;
    let address = found.map(|address| address.ip()).find(IpAddr::is_ipv4);
    let address = address.ok_or_else(|| format!("`{host}` has no IPv4 address"))?;
    let text = prefix.map_or_else(
        || address.to_string(),
        |prefix| format!("{address}/{prefix}"),
    );
    text.parse().map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_become_interfaces() {
        let property = |name: &str, value: &str| zones_config::NetAttr {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let config = ZoneConfig::blank("z".parse().unwrap());
        let mut net = Net {
            physical: "lo".to_owned(),
            address: "192.0.2.7/24, 2001:db8::7/64".to_owned(),
            mac_addr: "2:8:20:0:0:1".to_owned(),
            properties: vec![property("uplink", "false"), property("mtu", "1400")],
            ..Net::default()
        };
        let shared = interface(&config, &net).unwrap();
        assert_eq!(shared.name.as_str(), "net0");
        assert_eq!(shared.mac, Some(Mac([2, 8, 0x20, 0, 0, 1])));
        assert_eq!(shared.addresses.len(), 2);
        assert_eq!((shared.uplink, shared.mtu), (false, Some(1400)));
        net.properties = vec![property("link-protection", "ip-nospof")];
        let error = interface(&config, &net).unwrap_err();
        assert!(
            error.contains("`ip-nospof` is no link protection"),
            "{error}"
        );
        net.mac_addr = "xx".to_owned();
        net.properties.clear();
        let error = interface(&config, &net).unwrap_err();
        assert!(error.contains("`xx` is no hardware address"), "{error}");
    }
}
