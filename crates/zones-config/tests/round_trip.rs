//! Laws: what is exported makes the same configuration again.
#![allow(clippy::unwrap_used)]

mod harness;

use harness::Host;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use zones_config::session::{Input, Mode, Next, Session};
use zones_config::{
    Admin, Anet, Attr, AttrType, Dataset, DedicatedCpu, Device, Fs, InheritPkgDir, IpType, Net,
    NetAttr, RctlAction, SecurityFlags, ZoneConfig, export, info, parse,
};
use zones_types::Bytes;

/// Texts that need every kind of quoting.
fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[ -~äöü]{1,20}").unwrap()
}

fn word() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-z][a-z0-9]{0,9}").unwrap()
}

prop_compose! {
    fn global()(
        autoboot in any::<bool>(),
        bootargs in prop_oneof![Just(String::new()), text()],
        exclusive in any::<bool>(),
        hostid in prop_oneof![Just(String::new()), Just("8323b8b5".to_owned())],
        physical in prop::option::of(1u64..1 << 50),
        locked in prop::option::of(0u64..1 << 40),
        swap in prop::option::of((50u64 << 20)..1 << 45),
        shares in prop::option::of(any::<u64>()),
        cap in prop::option::of(1u64..10_000),
    ) -> ZoneConfig {
        let mut config = ZoneConfig::blank("z1".parse().unwrap());
        config.zonepath = "/zones/z1".parse().ok();
        config.brand = "lx".parse().ok();
        config.autoboot = autoboot;
        config.bootargs = bootargs;
        config.ip_type = if exclusive { IpType::Exclusive } else { IpType::Shared };
        config.hostid = hostid;
        config.physical_memory = physical.map(Bytes);
        let rctls = [
            ("zone.max-locked-memory", locked.map(|l| l.min(physical.unwrap_or(l)))),
            ("zone.max-swap", swap),
            ("zone.cpu-cap", cap),
        ];
        for (name, limit) in rctls {
            if let Some(limit) = limit {
                config.set_rctl(name, limit, RctlAction::Deny);
            }
        }
        if let Some(shares) = shares {
            config.set_rctl("zone.cpu-shares", shares, RctlAction::None);
        }
        config
    }
}

fn list<T: std::fmt::Debug>(item: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(item, 0..4)
}

fn pairs() -> impl Strategy<Value = Vec<NetAttr>> {
    prop::collection::btree_map(word(), text(), 0..3).prop_map(|pairs| {
        let attr = |(name, value)| NetAttr { name, value };
        pairs.into_iter().map(attr).collect()
    })
}

fn file_systems() -> impl Strategy<Value = BTreeMap<String, (String, BTreeSet<String>)>> {
    let options = prop::collection::btree_set(text(), 0..4);
    prop::collection::btree_map(word(), (text(), options), 0..4)
}

prop_compose! {
    fn config()(
        mut config in global(),
        fs in file_systems(),
        dirs in prop::collection::btree_set(word(), 0..3),
        nets in prop::collection::btree_map(word(), pairs(), 0..3),
        links in prop::collection::btree_map(word(), any::<bool>(), 0..3),
        devices in prop::collection::btree_map(text(), pairs(), 0..3),
        attrs in prop::collection::btree_map(word(), text(), 0..4),
        datasets in list(word()),
        cpus in prop::option::of((1u32..8, 0u32..8, prop::option::of(any::<u32>()))),
        flags in any::<bool>(),
        admin in prop::option::of(word()),
    ) -> ZoneConfig {
        for (dir, (special, options)) in fs {
            config.filesystems.push(Fs {
                dir: format!("/{dir} x"),
                special,
                raw: String::new(),
                fs_type: "lofs".into(),
                options: options.into_iter().collect(),
            });
        }
        let dir = |dir| InheritPkgDir { dir: format!("/{dir}") };
        config.inherit_pkg_dirs = dirs.into_iter().map(dir).collect();
        for (physical, properties) in nets {
            let vlan_id = "12".to_owned();
            let address = if config.ip_type == IpType::Shared { "192.0.2.1/24" } else { "" };
            let address = address.to_owned();
            config.nets.push(Net { physical, address, vlan_id, properties, ..Net::default() });
        }
        if config.ip_type == IpType::Exclusive {
            config.anets = links
                .into_iter()
                .map(|(name, auto)| Anet {
                    linkname: format!("a{name}"),
                    configure_allowed_address: auto,
                    allowed_address: if auto { "192.0.2.7,fe80::1/64" } else { "" }.to_owned(),
                    mac_address: if auto { "random" } else { "02:08:20:00:00:01" }.to_owned(),
                    mtu: "9000".to_owned(),
                    ..Anet::default()
                })
                .collect();
        }
        for (matches, properties) in devices {
            // A pattern that leads out of /dev is refused, so it cannot be replayed.
            if matches.split('/').any(|part| part == "..") {
                continue;
            }
            config.devices.push(Device { matches, properties });
        }
        for (name, value) in attrs.into_iter().filter(|(name, _)| !name.starts_with("zone")) {
            config.attrs.push(Attr { name, attr_type: AttrType::String, value });
        }
        let datasets: std::collections::BTreeSet<_> = datasets.into_iter().collect();
        config.datasets = datasets.into_iter().map(|name| Dataset { name }).collect();
        let dedicated = |(low, more, importance)| DedicatedCpu {
            ncpus_min: low,
            ncpus_max: low + more,
            importance,
        };
        if config.cpu_cap().is_none() {
            config.dedicated_cpu = cpus.map(dedicated);
        }
        if flags {
            let default = "aslr".to_owned();
            config.security_flags = Some(SecurityFlags { default, ..SecurityFlags::default() });
        }
        if let Some(user) = admin {
            config.admins.push(Admin { user, auths: "login,manage".into() });
        }
        config
    }
}

/// Runs commands in a session of `z1`; fails on the first error line.
fn replay(text: &str) -> ZoneConfig {
    let host = Host::default();
    let mode = Mode {
        input: Input::Arguments,
        can_ask: false,
        read_only: false,
        alternate_root: false,
        live: false,
    };
    let (mut session, _) = Session::begin("z1".parse().unwrap(), mode, &host);
    for statement in parse(text) {
        let statement = statement.unwrap_or_else(|diag| panic!("{diag:?}\n{text}"));
        let reply = session.run(&statement);
        assert_eq!((reply.lines, reply.next), (vec![], Next::Command), "{text}");
    }
    session.config().unwrap().clone()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_exported_makes_the_same_again(config in config()) {
        let again = replay(&export(&config));
        prop_assert_eq!(&again, &config);
        prop_assert_eq!(info(&again), info(&config));
    }
}

#[test]
fn many_repeated_properties_take_linear_time() {
    let mut config = ZoneConfig::blank("z1".parse().unwrap());
    config.zonepath = "/zones/z1".parse().ok();
    config.brand = "lx".parse().ok();
    let count = 1 << 13;
    config.attrs = (0..count)
        .map(|at| Attr {
            name: format!("a{at}"),
            attr_type: AttrType::Uint,
            value: at.to_string(),
        })
        .collect();
    let options = (0..count).map(|at| format!("o{at}")).collect();
    config.filesystems.push(Fs {
        dir: "/x".into(),
        special: "/x".into(),
        fs_type: "lofs".into(),
        options,
        raw: String::new(),
    });
    // With a list scan for each, this would be 2^27 comparisons of texts.
    assert_eq!(replay(&export(&config)), config);
}
