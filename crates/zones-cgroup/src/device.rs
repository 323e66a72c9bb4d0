//! Which devices a zone may use.

use crate::NotEnforced;
use crate::device_program::device_program;
use crate::group::ZoneGroup;
use crate::hierarchy::{Controller, Version};

/// What sort of device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A character device.
    Char,
    /// A block device.
    Block,
}

/// What may be done with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Open for reading.
    pub read: bool,
    /// Open for writing.
    pub write: bool,
    /// Make a node.
    pub mknod: bool,
}

impl Access {
    /// All three.
    pub const ALL: Self = Self {
        read: true,
        write: true,
        mknod: true,
    };
    /// Only making a node, which by itself opens nothing.
    pub const MKNOD: Self = Self {
        read: false,
        write: false,
        mknod: true,
    };
}

/// One allowed device or family of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRule {
    /// Character or block.
    pub kind: DeviceKind,
    /// Major number; `None` is any.
    pub major: Option<u32>,
    /// Minor number; `None` is any.
    pub minor: Option<u32>,
    /// What is allowed.
    pub access: Access,
}

const fn chr(major: u32, minor: Option<u32>) -> DeviceRule {
    DeviceRule {
        kind: DeviceKind::Char,
        major: Some(major),
        minor,
        access: Access::ALL,
    }
}

const fn any_node(kind: DeviceKind) -> DeviceRule {
    DeviceRule {
        kind,
        major: None,
        minor: None,
        access: Access::MKNOD,
    }
}

/// What every zone gets: nodes may be made (archives unpack), and only harmless devices open.
pub const DEFAULT_DEVICES: [DeviceRule; 11] = [
    any_node(DeviceKind::Char),
    any_node(DeviceKind::Block),
    chr(1, Some(3)), // null
    chr(1, Some(5)), // zero
    chr(1, Some(7)), // full
    chr(1, Some(8)), // random
    chr(1, Some(9)), // urandom
    chr(5, Some(0)), // tty
    chr(5, Some(1)), // console
    chr(5, Some(2)), // ptmx
    chr(136, None),  // pts/*
];

impl DeviceRule {
    /// The line for `devices.allow`, such as `c 1:3 rwm`.
    #[must_use]
    pub fn v1_line(&self) -> String {
        let kind = match self.kind {
            DeviceKind::Char => 'c',
            DeviceKind::Block => 'b',
        };
        let number = |n: Option<u32>| n.map_or_else(|| "*".into(), |n| n.to_string());
        let letters = [
            (self.access.read, 'r'),
            (self.access.write, 'w'),
            (self.access.mknod, 'm'),
        ];
        let access: String = letters
            .iter()
            .filter_map(|(on, letter)| on.then_some(*letter))
            .collect();
        let (major, minor) = (number(self.major), number(self.minor));
        format!("{kind} {major}:{minor} {access}")
    }
}

impl ZoneGroup {
    /// Refuses all devices but those of the rules; replaces earlier rules.
    ///
    /// Returns why it does not hold, when it does not: no controller, or the kernel has no BPF for
    /// groups.
    pub fn restrict_devices(&self, rules: &[DeviceRule]) -> Vec<NotEnforced> {
        let mut missing = Vec::new();
        let mut report = |why: String| {
            missing.push(NotEnforced {
                what: "device",
                why,
            });
        };
        if let Some(member) = self.member(Controller::Devices) {
            if let Err(errno) = member.dir.write("devices.deny", "a") {
                report(format!("cannot write `devices.deny`: {errno}"));
            }
            for rule in rules {
                let line = rule.v1_line();
                if let Err(errno) = member.dir.write("devices.allow", &line) {
                    report(format!("cannot write `{line}` to `devices.allow`: {errno}"));
                }
            }
        } else if let Some(member) = self.members.iter().find(|m| m.version == Version::V2) {
            let loaded = zones_sys::bpf::load_cgroup_device(&device_program(rules));
            let held = loaded.and_then(|program| {
                zones_sys::bpf::attach_cgroup_device(member.dir.fd(), &program)
            });
            if let Err(errno) = held {
                report(format!(
                    "the kernel takes no device program for a group: {errno}"
                ));
            }
        } else {
            report("this host has no `devices` controller".into());
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_lines_of_the_v1_file() {
        let lines: Vec<_> = DEFAULT_DEVICES.iter().map(DeviceRule::v1_line).collect();
        assert_eq!(lines[0], "c *:* m");
        assert_eq!(lines[2], "c 1:3 rwm");
        assert_eq!(lines[10], "c 136:* rwm");
    }
}
