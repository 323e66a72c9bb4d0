//! `net` resources as the network layer wants them.

use std::net::{IpAddr, ToSocketAddrs};

use zones_config::{Anet, IpType, Net, ZoneConfig};
use zones_net::{DEFAULT_BRIDGE, IfName, Interface, IpNet, Mac, Mode, Protection, mac_for};

use crate::error::chain;

/// One `net` resource as the network layer wants it.
///
/// Properties of the link are `mtu`, `link-protection` and `uplink`; the two last may be attributes
/// of the zone as well, for all its links.
pub(crate) fn interface(config: &ZoneConfig, net: &Net) -> Result<Interface, String> {
    let physical = name(&net.physical)?;
    let shared = config.ip_type == IpType::Shared;
    let (address, mode) = if shared {
        let physical = physical.clone();
        (&net.address, Mode::Shared { physical })
    } else {
        let mode = Mode::Exclusive {
            physical: physical.clone(),
            lower: given(&net.global_nic).map(name).transpose()?,
        };
        (&net.allowed_address, mode)
    };
    // The zone has a loopback of its own.
    let inside = if physical.as_str() == "lo" {
        name("net0")?
    } else {
        physical
    };
    let property = |name: &str| {
        let mut all = net.properties.iter();
        let found = all.find(|property| property.name == name);
        found.map(|property| property.value.as_str())
    };
    Ok(Interface {
        own_mac: Some(mac_for(config.name.as_str(), &inside)),
        name: inside,
        mode,
        addresses: addresses(address)?,
        configure: true,
        defrouter: router(&net.defrouter)?,
        mac: given(&net.mac_addr).map(mac).transpose()?,
        vlan: number(given(&net.vlan_id), "vlan-id")?,
        mtu: number(property("mtu"), "mtu")?,
        protection: protection(config, property("link-protection"))?,
        uplink: uplink(config, property("uplink"))?,
    })
}

/// One `anet` resource: a link made for the zone, on the bridge of all zones or on a link of the
/// host. Source: the `anet` resource of zonecfg(8) in Solaris 11.
pub(crate) fn automatic(config: &ZoneConfig, anet: &Anet) -> Result<Interface, String> {
    let linkname = name(&anet.linkname)?;
    let mode = match anet.lower_link.as_str() {
        // By its own name, so that a link of the host called as the zone's is never taken.
        "auto" => Mode::Exclusive {
            physical: name(DEFAULT_BRIDGE)?,
            lower: None,
        },
        lower => Mode::Exclusive {
            physical: linkname.clone(),
            lower: Some(name(lower)?),
        },
    };
    let own_mac = mac_for(config.name.as_str(), &linkname);
    let (mac, own_mac) = match anet.mac_address.as_str() {
        "random" => (None, None),
        "auto" | "factory" => (None, Some(own_mac)),
        text => (Some(mac(text)?), Some(own_mac)),
    };
    Ok(Interface {
        name: linkname,
        mode,
        addresses: addresses(&anet.allowed_address)?,
        configure: anet.configure_allowed_address,
        defrouter: router(&anet.defrouter)?,
        mac,
        own_mac,
        vlan: number(given(&anet.vlan_id), "vlan-id")?,
        mtu: number(given(&anet.mtu), "mtu")?,
        protection: protection(config, given(&anet.link_protection))?,
        uplink: uplink(config, None)?,
    })
}

fn name(text: &str) -> Result<IfName, String> {
    text.parse().map_err(|error| chain(&error))
}

fn mac(text: &str) -> Result<Mac, String> {
    text.parse().map_err(|error| chain(&error))
}

/// An empty property is one that is not set.
fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn number<T: std::str::FromStr>(text: Option<&str>, what: &str) -> Result<Option<T>, String> {
    let read = |text: &str| text.parse().map_err(|_| format!("`{text}` is no {what}"));
    text.map(read).transpose()
}

fn addresses(list: &str) -> Result<Vec<IpNet>, String> {
    let each = list.split(',').map(str::trim).filter(|one| !one.is_empty());
    each.map(resolve).collect()
}

/// Some write the network with the router; it has no use for it.
fn router(text: &str) -> Result<Option<IpAddr>, String> {
    let address = text.split('/').next().and_then(given);
    let found = address.map(resolve).transpose()?;
    Ok(found.map(|net| net.address))
}

fn protection(config: &ZoneConfig, own: Option<&str>) -> Result<Option<Protection>, String> {
    let words = own.or_else(|| config.attr("link-protection"));
    let read = words.map(str::parse::<Protection>).transpose();
    read.map_err(|error| chain(&error))
}

fn uplink(config: &ZoneConfig, own: Option<&str>) -> Result<bool, String> {
    match own.or_else(|| config.attr("uplink")) {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(format!("uplink is true or false, not `{other}`")),
    }
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
    fn automatic_links_never_take_one_of_the_host() {
        let config = ZoneConfig::blank("z".parse().unwrap());
        let mut anet = Anet {
            linkname: "eth0".to_owned(),
            allowed_address: "192.0.2.7/24, 192.0.2.8/24".to_owned(),
            defrouter: "192.0.2.1".to_owned(),
            link_protection: "ip-nospoof".to_owned(),
            ..Anet::default()
        };
        let made = automatic(&config, &anet).unwrap();
        let bridge: IfName = DEFAULT_BRIDGE.parse().unwrap();
        let (physical, lower) = (bridge, None);
        assert_eq!(made.mode, Mode::Exclusive { physical, lower });
        assert_eq!((made.addresses.len(), made.configure), (2, true));
        assert_eq!(
            (made.mac, made.own_mac),
            (None, Some(mac_for("z", &made.name)))
        );
        assert_eq!(
            made.protection.map(|one| (one.ip, one.mac)),
            Some((true, false))
        );
        assert_eq!(made, automatic(&config, &anet).unwrap());
        anet.configure_allowed_address = false;
        anet.mac_address = "random".to_owned();
        anet.lower_link = "eth1".to_owned();
        let made = automatic(&config, &anet).unwrap();
        assert_eq!((made.addresses.len(), made.configure), (2, false));
        assert_eq!((made.mac, made.own_mac), (None, None));
        anet.mac_address = "2:8:20:0:0:1".to_owned();
        let made = automatic(&config, &anet).unwrap();
        assert_eq!(made.mac, Some(Mac([2, 8, 0x20, 0, 0, 1])));
    }

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
