use super::*;

fn link(name: &str, kind: LinkKind) -> Link {
    Link {
        index: 1,
        name: name.into(),
        kind,
        up: true,
        mac: None,
        mtu: 1500,
        master: None,
        alias: None,
        permanent: None,
        queue: 1000,
        alternatives: Vec::new(),
    }
}

const MAC: Mac = Mac([2, 0, 0, 0, 0, 7]);

fn host() -> HostView {
    let mut eth0 = link("eth0", LinkKind::Physical);
    eth0.index = 2;
    HostView {
        links: vec![
            link("lo", LinkKind::Loopback),
            eth0,
            link("br0", LinkKind::Bridge),
        ],
        addresses: vec![Address {
            link: 2,
            net: "192.168.1.2/24".parse().unwrap(),
        }],
    }
}

fn exclusive_on(physical: &str, lower: Option<&str>, vlan: Option<u16>) -> Interface {
    Interface {
        name: physical.parse().unwrap(),
        mode: Mode::Exclusive {
            physical: physical.parse().unwrap(),
            lower: lower.map(|name| name.parse().unwrap()),
        },
        addresses: vec!["10.0.0.5/24".parse().unwrap()],
        configure: true,
        defrouter: Some("10.0.0.1".parse().unwrap()),
        mac: None,
        own_mac: Some(MAC),
        vlan,
        mtu: None,
        protection: None,
        uplink: true,
    }
}

fn shared_on(physical: &str, address: &str) -> Interface {
    Interface {
        name: "net0".parse().unwrap(),
        mode: Mode::Shared {
            physical: physical.parse().unwrap(),
        },
        addresses: vec![address.parse().unwrap()],
        configure: true,
        defrouter: None,
        mac: None,
        own_mac: Some(MAC),
        vlan: None,
        mtu: None,
        protection: None,
        uplink: true,
    }
}

fn lines(interface: &Interface) -> Vec<String> {
    let plan = plan(&host(), ZoneId(7), std::slice::from_ref(interface)).unwrap();
    plan.steps.iter().map(ToString::to_string).collect()
}

#[test]
fn exclusive_interfaces_follow_the_table() {
    let tail = |name: &str| {
        [
            format!("zone: {name} up"),
            format!("zone: address 10.0.0.5/24 on {name}"),
            format!("zone: default route by 10.0.0.1 on {name}"),
        ]
    };
    type Case = (
        &'static str,
        Option<&'static str>,
        Option<u16>,
        &'static [&'static str],
    );
    const GUARD: &str =
        "guard zv7.0 (mac-nospoof,restricted,ip-nospoof): 02:00:00:00:00:07 10.0.0.5";
    let cases: [Case; 6] = [
        (
            "web0",
            Some("br0"),
            None,
            &[
                "veth zv7.0, web0 in the zone",
                GUARD,
                "zv7.0 up, on bridge br0",
            ],
        ),
        (
            "br0",
            None,
            None,
            &[
                "veth zv7.0, br0 in the zone",
                GUARD,
                "zv7.0 up, on bridge br0",
            ],
        ),
        (
            "web0",
            Some("eth0"),
            None,
            &["macvlan on eth0, web0 in the zone"],
        ),
        (
            "web0",
            Some("eth0"),
            Some(9),
            &["vlan 9 of eth0, web0 in the zone"],
        ),
        ("eth0", None, None, &["move eth0 into the zone as eth0"]),
        (
            "web0",
            None,
            None,
            &[
                "bridge zbr0",
                "veth zv7.0, web0 in the zone",
                GUARD,
                "zv7.0 up, on bridge zbr0",
                "forward IPv4",
                "set net/ipv4/conf/zbr0/forwarding = 1",
                "address 10.0.0.1/32 on zbr0",
                "route 10.0.0.5/32 to zbr0",
                "uplink for 10.0.0.5",
            ],
        ),
    ];
    for (physical, lower, vlan, head) in cases {
        let got = lines(&exclusive_on(physical, lower, vlan));
        let mut want: Vec<_> = head.iter().map(ToString::to_string).collect();
        want.extend(tail(physical));
        assert_eq!(got, want);
    }
}

#[test]
fn a_shared_interface_on_a_nic_is_routed() {
    const USUAL: &str = "mac-nospoof,restricted,ip-nospoof,dhcp-nospoof";
    assert_eq!(
        lines(&shared_on("eth0", "10.0.0.5/24")),
        [
            "veth zv7.0, net0 in the zone",
            &format!("guard zv7.0 ({USUAL}): {MAC} 10.0.0.5"),
            "zv7.0 up",
            "set net/ipv4/conf/zv7.0/forwarding = 1",
            "set net/ipv4/conf/zv7.0/rp_filter = 1",
            "set net/ipv4/conf/eth0/forwarding = 1",
            "address 169.254.1.1/32 on zv7.0",
            "route 10.0.0.5/32 to zv7.0",
            "answer for 10.0.0.5 on eth0",
            "zone: net0 up",
            "zone: address 10.0.0.5/32 on net0",
            "zone: default route by 169.254.1.1 on net0",
        ]
    );
    let on_lo = lines(&shared_on("lo", "127.1.1.1/32"));
    assert!(
        !on_lo
            .iter()
            .any(|line| line.contains("on lo") || line.contains("/lo/"))
    );
    let on_bridge = lines(&shared_on("br0", "fd00::5/64"));
    assert_eq!(on_bridge[2], "zv7.0 up, on bridge br0");
    assert_eq!(on_bridge[4], "zone: address fd00::5/64 on net0");
}

#[test]
fn an_uplink_needs_a_network_that_the_host_has_not() {
    let plan_of = |address: &str, uplink| {
        let mut wanted = exclusive_on("net0", None, None);
        wanted.addresses = vec![address.parse().unwrap()];
        wanted.defrouter = None;
        wanted.uplink = uplink;
        plan(&host(), ZoneId(7), &[wanted]).unwrap()
    };
    let has_uplink = |plan: &Plan| {
        let mut steps = plan.steps.iter();
        steps.any(|step| matches!(step, Step::Uplink { .. }))
    };
    let good = plan_of("10.0.0.5/24", true);
    assert!(has_uplink(&good) && good.not_enforced.is_empty());
    let last = good.steps.last().unwrap().to_string();
    assert_eq!(last, "zone: default route by 169.254.1.1 on net0");
    assert_eq!(
        good.leftovers()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [
            "bridge zbr0",
            "port zv7.0 net0",
            "route zbr0 10.0.0.5/32",
            "uplink 10.0.0.5",
            "settings"
        ]
    );
    let off = plan_of("10.0.0.5/24", false);
    assert!(!has_uplink(&off) && off.not_enforced.is_empty());
    let clash = plan_of("192.168.1.9/24", true);
    assert!(!has_uplink(&clash));
    assert!(
        clash.not_enforced[0].1.contains("192.168.1.2/24"),
        "{clash:?}"
    );
    // A bridge of that name that is not ours is not ours to route for.
    let mut host = host();
    host.links.push(link(DEFAULT_BRIDGE, LinkKind::Bridge));
    let steps = plan(&host, ZoneId(7), &[exclusive_on("net0", None, None)]).unwrap();
    assert!(!has_uplink(&steps));
}

#[test]
fn no_guard_is_a_choice() {
    let mut open = exclusive_on("web0", Some("br0"), None);
    open.protection = Some(Protection::NONE);
    assert!(!lines(&open).iter().any(|line| line.starts_with("guard")));
    let lent = plan(&host(), ZoneId(7), &[exclusive_on("eth0", None, None)]).unwrap();
    assert_eq!(lent.not_enforced[0].0, "link-protection");
}

#[test]
fn what_cannot_be_made_is_refused() {
    let refuse = |interfaces: &[Interface]| {
        plan(&host(), ZoneId(7), interfaces)
            .unwrap_err()
            .to_string()
    };
    for (interface, why) in [
        (exclusive_on("a", Some("eth9"), None), "no link `eth9`"),
        (exclusive_on("a", Some("br0"), Some(5)), "vlan-id needs"),
        (exclusive_on("a", None, Some(5)), "vlan-id needs"),
        (exclusive_on("eth0", None, Some(5)), "vlan-id needs"),
        (
            exclusive_on("a", Some("eth0"), Some(4095)),
            "not between 1 and 4094",
        ),
        (exclusive_on("lo", None, None), "loopback"),
        (shared_on("eth9", "10.0.0.1"), "no link `eth9`"),
    ] {
        let got = refuse(&[interface]);
        assert!(got.contains(why), "{got}");
    }
    let twice = exclusive_on("a", None, None);
    assert!(refuse(&[twice.clone(), twice]).contains("two interfaces"));
}

#[test]
fn who_sets_the_addresses_is_guarded_all_the_same() {
    let mut interface = exclusive_on("net0", None, None);
    let all = lines(&interface);
    interface.configure = false;
    let own = lines(&interface);
    let guards = |lines: &[String]| {
        let guards = lines.iter().filter(|line| line.starts_with("guard "));
        guards.cloned().collect::<Vec<_>>()
    };
    assert_eq!(guards(&all), guards(&own));
    assert!(guards(&own)[0].ends_with(" 10.0.0.5"), "{own:?}");
    let inside = |lines: &[String]| {
        let lines = lines.iter().filter(|line| line.starts_with("zone: "));
        lines.count()
    };
    assert!(inside(&all) > 1);
    assert_eq!(inside(&own), 1, "it is up, and no more: {own:?}");
    interface.own_mac = None;
    assert_ne!(guards(&lines(&interface)), guards(&lines(&interface)));
}
