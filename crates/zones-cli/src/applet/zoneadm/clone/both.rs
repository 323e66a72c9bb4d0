//! What a clone and its source cannot have at the same time while both run.

use zones_config::ZoneConfig;

/// One line for each thing that is configured in both zones.
pub(in crate::applet::zoneadm) fn warnings(one: &ZoneConfig, other: &ZoneConfig) -> Vec<String> {
    let mut found = Vec::new();
    let mut warn = |what: String| {
        found.push(format!("WARNING: {what} is configured in both zones."));
    };
    for address in addresses(one).filter(|it| addresses(other).any(|other| other == *it)) {
        warn(format!("network address '{address}'"));
    }
    for fs in &one.filesystems {
        let is_same = |it: &zones_config::Fs| it.special == fs.special && it.fs_type == fs.fs_type;
        let mut both = other.filesystems.iter().filter(|it| is_same(it));
        if fs.fs_type == "lofs" {
            let is_writable = |it: &zones_config::Fs| !it.options.iter().any(|it| it == "ro");
            if is_writable(fs) && both.any(is_writable) {
                warn(format!("read-write lofs file system on '{}'", fs.special));
            }
        } else if both.next().is_some() {
            warn(format!("{} file system on '{}'", fs.fs_type, fs.special));
        }
    }
    for device in &one.devices {
        if other.devices.iter().any(|it| it.matches == device.matches) {
            warn(format!("device '{}'", device.matches));
        }
    }
    for dataset in &one.datasets {
        if other.datasets.iter().any(|it| it.name == dataset.name) {
            warn(format!("dataset '{}'", dataset.name));
        }
    }
    found
}

/// Without lengths of prefixes: 192.0.2.1/24 is 192.0.2.1.
fn addresses(config: &ZoneConfig) -> impl Iterator<Item = &str> {
    let nets = config.nets.iter();
    let nets = nets.flat_map(|net| [net.address.as_str(), net.allowed_address.as_str()]);
    let anets = config
        .anets
        .iter()
        .map(|anet| anet.allowed_address.as_str());
    let lists = nets.chain(anets).flat_map(|list| list.split(','));
    let bare = lists.map(|address| address.trim().split('/').next().unwrap_or_default());
    bare.filter(|address| !address.is_empty())
}

#[cfg(test)]
mod tests {
    use zones_config::{Dataset, Device, Fs, Net};

    use super::*;

    #[test]
    fn what_both_zones_have_is_named() {
        let mut one = ZoneConfig::blank("one".parse().unwrap());
        let fs = |special: &str, fs_type: &str, options: &[&str]| Fs {
            dir: "/data".to_owned(),
            special: special.to_owned(),
            fs_type: fs_type.to_owned(),
            options: options.iter().map(|it| (*it).to_owned()).collect(),
            ..Fs::default()
        };
        one.filesystems = vec![
            fs("/srv/a", "lofs", &[]),
            fs("/srv/b", "lofs", &["ro"]),
            fs("/dev/vg/lv", "ext4", &[]),
        ];
        one.nets = vec![Net {
            address: "192.0.2.1/24".to_owned(),
            ..Net::default()
        }];
        one.devices = vec![Device {
            matches: "fuse".to_owned(),
            ..Device::default()
        }];
        one.datasets = vec![Dataset {
            name: "tank/data".to_owned(),
        }];
        let mut other = one.clone();
        other.nets[0].address = "192.0.2.1/32".to_owned();
        let found = warnings(&one, &other);
        let expected = [
            "network address '192.0.2.1'",
            "read-write lofs file system on '/srv/a'",
            "ext4 file system on '/dev/vg/lv'",
            "device 'fuse'",
            "dataset 'tank/data'",
        ];
        let expected = expected.map(|it| format!("WARNING: {it} is configured in both zones."));
        assert_eq!(found, expected);
        other.nets[0].address = "192.0.2.2".to_owned();
        assert_eq!(warnings(&one, &other).len(), 4);
    }
}
