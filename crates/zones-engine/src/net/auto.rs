//! `global-nic=auto`.

use zones_net::{HostView, IfName, Interface, Mode, Netlink};

use super::network;
use crate::error::EngineError;

const AUTO: &str = "auto";

/// The interface with `global-nic=auto` settled: the link of the host that has the network of its
/// first address, else the link of the default route. Source: the OmniOS extension of zonecfg(8).
pub(super) fn settle(
    interface: &Interface,
    host: &mut Netlink,
    view: &HostView,
) -> Result<Interface, EngineError> {
    let Mode::Exclusive {
        physical,
        lower: Some(lower),
    } = &interface.mode
    else {
        return Ok(interface.clone());
    };
    if lower.as_str() != AUTO || view.links.iter().any(|link| link.name == AUTO) {
        return Ok(interface.clone());
    }
    let wanted = interface.addresses.first().map(|net| net.address);
    let direct = wanted.and_then(|wanted| {
        let has = view.addresses.iter();
        let has = has.filter(|one| one.net.contains(wanted));
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
    let name = view.links.iter().find(|link| Some(link.index) == found);
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
