//! The way out of the default bridge: zones that have an address on it reach the networks of the
//! host behind the host's own address.
//!
//! Everything is in one table of ours, made for the first address and removed with the last; what
//! the administrator's firewall says about forwarded packets holds for zones as for everybody.

use std::net::IpAddr;

use rustix::io::Errno;

use crate::nft::{Batch, Family, Hook, Rule, field};
use crate::{DEFAULT_BRIDGE, NetError, Netlink};

const FORWARD: &str = "forward";
const LEAVE: &str = "leave";
const SETS: [(&str, bool); 2] = [("uplink4", true), ("uplink6", false)];

const fn set_of(address: IpAddr) -> &'static str {
    if address.is_ipv4() {
        SETS[0].0
    } else {
        SETS[1].0
    }
}

fn table() -> Batch {
    let batch = Batch::new(Family::Inet).table(true);
    let batch = SETS.iter().fold(batch, |b, (name, v4)| b.set(name, *v4));
    let batch = batch.chain(FORWARD, Hook::Forward);
    let batch = batch.chain(LEAVE, Hook::SourceNat);
    let rules = |batch: Batch, (set, v4): &(&'static str, bool)| {
        let source = if *v4 {
            field::IP_SOURCE
        } else {
            field::IP6_SOURCE
        };
        // Who is on the bridge without an uplink stays there.
        let out = Rule::default().comes_from(DEFAULT_BRIDGE);
        let out = out.leaves_not_by(DEFAULT_BRIDGE).of_version(*v4);
        let batch = batch.rule(FORWARD, &out.not_in_set(source, set).drop());
        let out = Rule::default().of_version(*v4).in_set(source, set);
        let out = out.leaves_not_by(DEFAULT_BRIDGE).masquerade();
        batch.rule(LEAVE, &out)
    };
    SETS.iter().fold(batch, rules)
}

/// Lets an address out.
pub(crate) fn add(filter: &mut Netlink, address: IpAddr) -> Result<(), NetError> {
    let mut add = || {
        if !filter.has_table(Family::Inet)? {
            match filter.commit(table()) {
                // Somebody who does not share our lock was faster.
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        let batch = Batch::new(Family::Inet);
        filter.commit(batch.element(set_of(address), address))
    };
    add().map_err(NetError::new("make an uplink for", address.to_string()))
}

/// Keeps addresses in; those that are gone are fine. Removes the table with the last one.
pub(crate) fn remove(filter: &mut Netlink, addresses: &[IpAddr]) -> Result<(), NetError> {
    let mut remove = || {
        for address in addresses {
            let batch = Batch::new(Family::Inet);
            match filter.commit(batch.delete_element(set_of(*address), *address)) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        for (set, _) in SETS {
            if filter.elements(Family::Inet, set)? > 0 {
                return Ok(());
            }
        }
        match filter.commit(Batch::new(Family::Inet).delete_table()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    };
    if addresses.is_empty() {
        return Ok(());
    }
    remove().map_err(NetError::new("remove the uplinks of", DEFAULT_BRIDGE))
}
