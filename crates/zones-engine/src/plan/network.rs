//! `net` resources as the network layer wants them.

use std::net::{IpAddr, ToSocketAddrs};

use zones_config::{Anet, Net};
use zones_net::{DEFAULT_BRIDGE, IfName, Interface, IpNet, Mac, Mode, mac_for};
use zones_types::ZoneName;

use crate::error::chain;

/// One `net` resource as the network layer wants it.
pub(super) fn interface(net: &Net, shared: bool, address: &str) -> Result<Interface, String> {
    let name = |text: &str| text.parse::<IfName>().map_err(|error| chain(&error));
    let physical = name(&net.physical)?;
    let mode = if shared {
        Mode::Shared {
            physical: physical.clone(),
        }
    } else {
        let lower = if net.global_nic.is_empty() {
            None
        } else {
            Some(name(&net.global_nic)?)
        };
        Mode::Exclusive {
            physical: physical.clone(),
            lower,
        }
    };
    // The zone has a loopback of its own.
    let inside = if physical.as_str() == "lo" {
        name("net0")?
    } else {
        physical
    };
    let addresses = if address.is_empty() {
        Vec::new()
    } else {
        vec![resolve(address)?]
    };
    let router = match net.defrouter.split('/').next() {
        None | Some("") => None,
        Some(text) => Some(resolve(text)?.address),
    };
    let mac = if net.mac_addr.is_empty() {
        None
    } else {
        Some(parse_mac(&net.mac_addr)?)
    };
    let vlan = match net.vlan_id.as_str() {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| format!("`{text}` is no vlan-id"))?,
        ),
    };
    let mtu = net
        .properties
        .iter()
        .find(|property| property.name == "mtu");
    let mtu = mtu.map(|mtu| {
        mtu.value
            .parse()
            .map_err(|_| format!("`{}` is no mtu", mtu.value))
    });
    Ok(Interface {
        name: inside,
        mode,
        addresses,
        defrouter: router,
        mac,
        vlan,
        mtu: mtu.transpose()?,
    })
}

/// One `anet` resource: a link made for the zone, on the bridge of all zones or on a link of the
/// host. Source: the `anet` resource of zonecfg(8) in Solaris 11.
pub(super) fn automatic(zone: &ZoneName, anet: &Anet) -> Result<Interface, String> {
    let name = |text: &str| text.parse::<IfName>().map_err(|error| chain(&error));
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
    let set = !anet.allowed_address.is_empty() && anet.configure_allowed_address;
    let addresses = match set {
        true => anet
            .allowed_address
            .split(',')
            .map(resolve)
            .collect::<Result<_, _>>()?,
        false => Vec::new(),
    };
    let router = anet
        .defrouter
        .split('/')
        .next()
        .filter(|text| !text.is_empty());
    let router = router.filter(|_| set).map(resolve).transpose()?;
    let mac = match anet.mac_address.as_str() {
        "random" => None,
        "auto" | "factory" => Some(mac_for(zone, &linkname)),
        text => Some(parse_mac(text)?),
    };
    let number = |text: &str, what: &str| match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| format!("`{text}` is no {what}")),
    };
    let vlan = number(&anet.vlan_id, "vlan-id")?;
    let vlan = vlan
        .map(u16::try_from)
        .transpose()
        .map_err(|error| chain(&error))?;
    Ok(Interface {
        name: linkname,
        mode,
        addresses,
        defrouter: router.map(|net| net.address),
        mac,
        vlan,
        mtu: number(&anet.mtu, "mtu")?,
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

fn parse_mac(text: &str) -> Result<Mac, String> {
    let wrong = || format!("`{text}` is no hardware address");
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts.next().ok_or_else(wrong)?;
        *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
    }
    if parts.next().is_some() {
        Err(wrong())
    } else {
        Ok(Mac(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automatic_links_never_take_one_of_the_host() {
        let zone = "z".parse().unwrap();
        let mut anet = Anet {
            linkname: "eth0".to_owned(),
            allowed_address: "192.0.2.7/24,192.0.2.8/24".to_owned(),
            defrouter: "192.0.2.1".to_owned(),
            ..Anet::default()
        };
        let made = automatic(&zone, &anet).unwrap();
        let bridge: IfName = DEFAULT_BRIDGE.parse().unwrap();
        assert_eq!(
            made.mode,
            Mode::Exclusive {
                physical: bridge,
                lower: None
            }
        );
        assert_eq!(made.addresses.len(), 2);
        assert_eq!(made.mac, Some(mac_for(&zone, &made.name)));
        assert_eq!(made, automatic(&zone, &anet).unwrap());
        anet.configure_allowed_address = false;
        anet.mac_address = "random".to_owned();
        anet.lower_link = "eth1".to_owned();
        let made = automatic(&zone, &anet).unwrap();
        assert_eq!(
            (made.addresses.len(), made.defrouter, made.mac),
            (0, None, None)
        );
    }

    #[test]
    fn resources_become_interfaces() {
        let mut net = Net {
            physical: "lo".to_owned(),
            mac_addr: "2:8:20:0:0:1".to_owned(),
            ..Net::default()
        };
        let shared = interface(&net, true, "192.0.2.7/24").unwrap();
        assert_eq!(shared.name.as_str(), "net0");
        assert_eq!(shared.mac, Some(Mac([2, 8, 0x20, 0, 0, 1])));
        net.mac_addr = "xx".to_owned();
        assert_eq!(
            interface(&net, true, "").unwrap_err(),
            "`xx` is no hardware address"
        );
    }
}
