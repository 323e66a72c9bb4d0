//! `net` resources as the network layer wants them.

use std::net::{IpAddr, ToSocketAddrs};

use zones_config::Net;
use zones_net::{IfName, Interface, IpNet, Mac, Mode};

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
