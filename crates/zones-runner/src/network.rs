//! The network of zones that a runner makes: addresses of their own on the bridge of the host.

use zones_matrix::Network;

/// The bridge that the host makes when a zone asks for it.
const BRIDGE: &str = "zbr0";
/// The host's address on it. Nobody outside sees it.
const ROUTER: &str = "10.213.255.254";

/// The commands of zonecfg that give a zone a network, with an address chosen by `number`; empty
/// where it gets none. The zone then has the host's name servers.
#[must_use]
pub fn words(network: Network, number: u64) -> String {
    let uplink = match network {
        Network::None => return String::new(),
        Network::Local => false,
        Network::Full => true,
    };
    let (high, low) = (number % 255, number / 255 % 254 + 1);
    format!(
        "add net; set physical={BRIDGE}; set address=10.213.{high}.{low}/16; \
         set defrouter={ROUTER}; add property (name=uplink,value={uplink}); end; "
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_none_local_or_full() {
        assert_eq!(words(Network::None, 7), "");
        let local = words(Network::Local, 255 * 254);
        assert!(local.contains("address=10.213.0.1/16") && local.contains("value=false"));
        let full = words(Network::Full, 255 * 254 - 1);
        assert!(full.contains("address=10.213.254.254/16") && full.contains("value=true"));
    }
}
