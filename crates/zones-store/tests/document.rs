//! Law: what is written as a document is read as the same configuration.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use zones_config::{
    Attr, AttrType, Device, Fs, IpType, Net, NetAttr, Rctl, RctlAction, RctlValue, ZoneConfig,
};
use zones_store::{read_document, write_document};
use zones_types::Bytes;

fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[ -~\t\u{e4}\u{20ac}\u{1f980}]{0,20}").unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn documents_read_back(
        texts in prop::collection::vec(text(), 9),
        options in prop::collection::vec(text(), 0..4),
        pairs in prop::collection::vec((text(), text()), 0..4),
        limit in any::<u64>(),
        exclusive in any::<bool>(),
    ) {
        let mut config = ZoneConfig::blank("z1".parse().unwrap());
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        config.zonepath = "/zones/a b".parse().ok();
        config.ip_type = if exclusive { IpType::Exclusive } else { IpType::Shared };
        config.autoboot = exclusive;
        config.bootargs = next();
        config.pool = next();
        config.fs_allowed = next();
        config.file_mac_profile = next();
        config.physical_memory = Some(Bytes(limit));
        config.filesystems.push(Fs {
            dir: next(),
            special: next(),
            raw: next(),
            fs_type: next(),
            options,
        });
        let attr = |(name, value)| NetAttr { name, value };
        let properties: Vec<_> = pairs.into_iter().map(attr).collect();
        let physical = next();
        config.nets.push(Net { physical, properties: properties.clone(), ..Net::default() });
        config.devices.push(Device { matches: next(), properties });
        config.rctls.push(Rctl {
            name: "zone.max-lwps".into(),
            values: vec![RctlValue {
                privilege: "privileged".into(),
                limit,
                action: RctlAction::Signal("TERM".into()),
            }],
        });
        config.attrs.push(Attr {
            name: "a".into(),
            attr_type: AttrType::Uint,
            value: limit.to_string(),
        });
        prop_assert_eq!(read_document(&write_document(&config)).unwrap(), config);
    }
}
