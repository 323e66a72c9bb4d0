//! The links of a zone: made from its plan, and what of them must be given back.

pub(crate) mod hot;

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode as FileMode, OFlags};
use rustix::process::Pid;
use zones_net::{IfName, Interface, IpNet, Link, Mode, Netlink, Step};
use zones_types::ZoneId;

use crate::error::{EngineError, chain};
use crate::plan::BootPlan;

/// The steps for this host, as it is now.
pub(crate) fn plan(plan: &BootPlan, id: ZoneId) -> Result<zones_net::Plan, EngineError> {
    let network = |error: &dyn std::error::Error| EngineError::Network(chain(error));
    if plan.interfaces.is_empty() {
        return Ok(zones_net::Plan::default());
    }
    let mut host = Netlink::open().map_err(|error| network(&error))?;
    let links = host.links().map_err(|error| network(&error))?;
    let interfaces = plan.interfaces.iter();
    let interfaces: Vec<Interface> = interfaces
        .map(|interface| settle(interface, &mut host, &links))
        .collect::<Result<_, _>>()?;
    zones_net::plan(&links, id, &interfaces).map_err(|error| network(&error))
}

/// The interface with `global-nic=auto` settled: the link of the host that has the network of its
/// first address, else the link of the default route. Source: the OmniOS extension of zonecfg(8).
fn settle(
    interface: &Interface,
    host: &mut Netlink,
    links: &[Link],
) -> Result<Interface, EngineError> {
    let Mode::Exclusive {
        physical,
        lower: Some(lower),
    } = &interface.mode
    else {
        return Ok(interface.clone());
    };
    if lower.as_str() != AUTO || links.iter().any(|link| link.name == AUTO) {
        return Ok(interface.clone());
    }
    let network = |error: zones_net::NetError| EngineError::Network(chain(&error));
    let wanted = interface.addresses.first().map(|net| net.address);
    let addresses = host.addresses().map_err(network)?;
    let direct = wanted.and_then(|wanted| {
        let has = addresses.iter().filter(|one| holds(&one.net, wanted));
        has.max_by_key(|one| one.net.prefix).map(|one| one.link)
    });
    let found = match direct {
        Some(link) => Some(link),
        None => {
            let routes = host.routes().map_err(network)?;
            let default = routes.iter().find(|route| {
                let v4 = wanted.is_none_or(|wanted| wanted.is_ipv4());
                route.to.prefix == 0 && route.to.address.is_ipv4() == v4
            });
            default.map(|route| route.link)
        }
    };
    let name = links.iter().find(|link| Some(link.index) == found);
    let name = name.and_then(|link| link.name.parse::<IfName>().ok());
    let lower = name.ok_or_else(|| {
        let why = "no link of the host leads to its address; name one by global-nic";
        EngineError::Network(format!("net physical={physical}: {why}"))
    })?;
    Ok(Interface {
        mode: Mode::Exclusive {
            physical: physical.clone(),
            lower: Some(lower),
        },
        ..interface.clone()
    })
}

/// `global-nic=auto`
const AUTO: &str = "auto";

/// Whether the address is one of the network.
fn holds(net: &IpNet, address: IpAddr) -> bool {
    match (net.address, address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let bits = 32 - u32::from(net.prefix.min(32));
            (u64::from(one.to_bits()) >> bits) == (u64::from(other.to_bits()) >> bits)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let bits = 128 - u32::from(net.prefix.min(128));
            let shifted = |address: u128| address.checked_shr(bits).unwrap_or(0);
            shifted(one.to_bits()) == shifted(other.to_bits())
        }
        _ => false,
    }
}

/// Makes the links in the network namespace of process 1; loopback, too.
pub(crate) fn plumb(steps: &zones_net::Plan, init: Pid) -> Result<(), EngineError> {
    let netns = namespace(init).map_err(EngineError::kernel("open the network of the zone"))?;
    let network = |error: zones_net::NetError| EngineError::Network(chain(&error));
    if steps.steps.is_empty() {
        return Netlink::open_in(netns.as_fd())
            .and_then(|mut zone| zone.loopback_up())
            .map_err(network);
    }
    zones_net::apply(steps, netns.as_fd()).map_err(network)
}

fn namespace(pid: Pid) -> Result<OwnedFd, rustix::io::Errno> {
    let path = format!("/proc/{}/ns/net", pid.as_raw_nonzero());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, FileMode::empty())
}

/// What outlives the zone's network namespace, as lines for the state file: a crash must not lose
/// it.
pub(crate) fn leftovers(steps: &zones_net::Plan) -> Vec<String> {
    let line = |step: &Step| match step {
        Step::EnsureBridge { bridge } => Some(format!("bridge {bridge}")),
        Step::MoveLink { link, zone, was_up } => Some(format!("link {link} {zone} {was_up}")),
        Step::HostProxy { link, address } => Some(format!("proxy {link} {address}")),
        _ => None,
    };
    steps.steps.iter().filter_map(line).collect()
}

/// The network of process 1, when it holds links of the host: a link that is no hardware would die
/// with it, so whoever watches the zone keeps it until they are back.
pub(crate) fn hold(lines: &[String], init: Pid) -> Option<OwnedFd> {
    let lends = lines.iter().any(|line| line.starts_with("link "));
    lends.then(|| namespace(init).ok()).flatten()
}

/// Gives back what [`leftovers`] named; what is gone already is fine. `netns` is what stands of the
/// zone's network.
pub(crate) fn release(lines: &[String], zone: ZoneId, netns: Option<BorrowedFd<'_>>) {
    let steps: Vec<Step> = lines.iter().filter_map(|line| parse(line)).collect();
    if steps.is_empty() {
        return;
    }
    let bridges: Vec<IfName> = steps
        .iter()
        .filter_map(|step| match step {
            Step::EnsureBridge { bridge } => Some(bridge.clone()),
            _ => None,
        })
        .collect();
    let plan = zones_net::Plan {
        steps,
        not_enforced: Vec::new(),
    };
    let _ = zones_net::release(&plan, netns);
    if let Ok(mut host) = Netlink::open() {
        for bridge in bridges {
            let _ = zones_net::remove_bridge_without(&mut host, &bridge, zone);
        }
    }
}

fn parse(line: &str) -> Option<Step> {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["bridge", bridge] => Some(Step::EnsureBridge {
            bridge: bridge.parse().ok()?,
        }),
        ["link", link, zone, was_up] => Some(Step::MoveLink {
            link: link.parse().ok()?,
            zone: zone.parse().ok()?,
            was_up: *was_up == "true",
        }),
        ["proxy", link, address] => Some(Step::HostProxy {
            link: link.parse().ok()?,
            address: address.parse().ok()?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let holds =
            |net: &str, address: &str| holds(&net.parse().unwrap(), address.parse().unwrap());
        assert!(holds("10.9.0.2/24", "10.9.0.200"));
        assert!(!holds("10.9.0.2/24", "10.9.1.2"));
        assert!(holds("0.0.0.0/0", "192.0.2.1"));
        assert!(!holds("0.0.0.0/0", "fe80::1"));
        assert!(holds("fd00::1/64", "fd00::2") && !holds("fd00::1/64", "fd01::2"));
        assert!(holds("::/0", "fd01::2"));
    }

    #[test]
    fn leftovers_read_back() {
        for line in ["bridge zbr0", "link eth1 eth1 true", "proxy eth0 192.0.2.7"] {
            let plan = zones_net::Plan {
                steps: vec![parse(line).unwrap()],
                ..Default::default()
            };
            assert_eq!(leftovers(&plan), [line]);
        }
        assert!(parse("rm -rf /").is_none());
    }
}
