//! What a shift does to one number, and to the attributes that hold numbers.

use crate::IdRange;

/// From the ids of a zone to those on disk: `target` more than in the zone, whatever the number
/// bears now. Numbers of nobody's stay. Doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// 0: the disk holds the zone's own numbers.
    pub target: u32,
    /// Bases that numbers may bear from an earlier shift.
    pub known: Vec<u32>,
}

impl Shift {
    /// The attribute that holds the capabilities of a file. Source: capabilities(7).
    pub const CAPABILITY: &str = "security.capability";
    /// The attributes that hold access lists. Source: acl(5).
    pub const ACLS: [&str; 2] = ["system.posix_acl_access", "system.posix_acl_default"];

    /// The start of the range that an id lies in; 0 for one that is not shifted. The owner of its
    /// root folder tells that of a tree.
    #[must_use]
    pub const fn base_of(id: u32) -> u32 {
        let base = id - id % IdRange::COUNT;
        if base >= IdRange::FIRST.base { base } else { 0 }
    }

    /// Back to the numbers of the zone, of a tree whose root folder belongs to `owner`; `None`
    /// where they are that already.
    #[must_use]
    pub fn off(owner: u32) -> Option<Self> {
        let base = Self::base_of(owner);
        let shift = Self {
            target: 0,
            known: vec![base],
        };
        (base != 0).then_some(shift)
    }

    /// From the numbers of the zone to those of a tree whose root folder belongs to `owner`;
    /// `None` where these are the same.
    #[must_use]
    pub fn onto(owner: u32) -> Option<Self> {
        let target = Self::base_of(owner);
        let shift = Self {
            target,
            known: Vec::new(),
        };
        (target != 0).then_some(shift)
    }

    /// One number.
    #[must_use]
    pub fn id(&self, id: u32) -> u32 {
        let base = Self::base_of(id);
        if base == 0 {
            return if id < IdRange::COUNT {
                self.target + id
            } else {
                id
            };
        }
        if base == self.target || self.known.contains(&base) {
            self.target + id % IdRange::COUNT
        } else {
            id
        }
    }

    /// The value of an extended attribute; `None` for one that holds no numbers of users.
    #[must_use]
    pub fn attribute(&self, name: &str, value: &[u8]) -> Option<Vec<u8>> {
        match name {
            Self::CAPABILITY => self.capability(value),
            name if Self::ACLS.contains(&name) => self.acl(value),
            _ => None,
        }
    }

    /// `security.capability`: for the root of the zone, and of nobody else. `None` for what is no
    /// such attribute. Source: `struct vfs_ns_cap_data` in linux/capability.h; capabilities(7),
    /// "File capability extended attribute versioning".
    #[must_use]
    pub fn capability(&self, value: &[u8]) -> Option<Vec<u8>> {
        const REVISION: u32 = 0xff00_0000;
        const V2: u32 = 0x0200_0000;
        const V3: u32 = 0x0300_0000;
        let head = word(value, 0)?;
        let root = match (head & REVISION, value.len()) {
            (V2, 20) => 0,
            (V3, 24) => word(value, 20)?,
            _ => return None,
        };
        let root = self.id(root);
        let revision = if root == 0 { V2 } else { V3 };
        let mut new = (head & !REVISION | revision).to_le_bytes().to_vec();
        new.extend_from_slice(&value[4..20]);
        if root != 0 {
            new.extend_from_slice(&root.to_le_bytes());
        }
        Some(new)
    }

    /// `system.posix_acl_access` and `_default`. `None` for what is no such attribute.
    /// Source: linux/posix_acl_xattr.h.
    #[must_use]
    pub fn acl(&self, value: &[u8]) -> Option<Vec<u8>> {
        const VERSION: u32 = 2;
        const NAMED: [u16; 2] = [0x02, 0x08];
        if word(value, 0)? != VERSION || value.len() % 8 != 4 {
            return None;
        }
        let mut new = value[..4].to_vec();
        for entry in value[4..].chunks_exact(8) {
            let tag = u16::from_le_bytes([entry[0], entry[1]]);
            new.extend_from_slice(&entry[..4]);
            let id = word(entry, 4)?;
            let id = if NAMED.contains(&tag) {
                self.id(id)
            } else {
                id
            };
            new.extend_from_slice(&id.to_le_bytes());
        }
        Some(new)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u32 = IdRange::FIRST.base;
    const B: u32 = A + 5 * IdRange::COUNT;

    fn to(target: u32) -> Shift {
        Shift {
            target,
            known: vec![A, B],
        }
    }

    #[test]
    fn numbers_are_shifted_once() {
        for (target, id, expected) in [
            (A, 0, A),
            (A, 1000, A + 1000),
            (A, A + 1000, A + 1000),
            (B, A + 1000, B + 1000),
            (0, B + 65_535, 65_535),
            (0, 7, 7),
            // Nobody's: above 16 bits, and of a zone that has nothing to do with this one.
            (A, 100_000, 100_000),
            (A, A + IdRange::COUNT, A + IdRange::COUNT),
        ] {
            assert_eq!(to(target).id(id), expected, "{id} to {target}");
            assert_eq!(to(target).id(expected), expected, "{id} to {target} again");
        }
    }

    #[test]
    fn there_and_back() {
        assert_eq!(Shift::off(0), None);
        assert_eq!(Shift::off(IdRange::COUNT), None);
        let (off, onto) = (Shift::off(B + 3).unwrap(), Shift::onto(B).unwrap());
        for id in [0, 1, 65_535] {
            assert_eq!(onto.id(id), B + id);
            assert_eq!(off.id(B + id), id);
            assert_eq!(off.id(id), id);
        }
        let plain = [&0x0200_0001_u32.to_le_bytes()[..], &[7; 16]].concat();
        let there = onto.attribute(Shift::CAPABILITY, &plain).unwrap();
        assert_ne!(there, plain);
        assert_eq!(off.attribute(Shift::CAPABILITY, &there).unwrap(), plain);
        assert_eq!(off.attribute("user.x", &there), None);
    }

    #[test]
    fn capabilities_belong_to_the_zones_root() {
        let mut plain = 0x0200_0001_u32.to_le_bytes().to_vec();
        plain.extend_from_slice(&[7; 16]);
        let shifted = to(A).capability(&plain).unwrap();
        assert_eq!(shifted.len(), 24);
        assert_eq!(word(&shifted, 0), Some(0x0300_0001));
        assert_eq!(word(&shifted, 20), Some(A));
        assert_eq!(to(A).capability(&shifted).unwrap(), shifted);
        assert_eq!(to(0).capability(&shifted).unwrap(), plain);
        assert_eq!(to(0).capability(b"junk"), None);
    }

    #[test]
    fn named_entries_of_an_acl_are_shifted() {
        let acl = |user: u32| {
            let mut bytes = 2u32.to_le_bytes().to_vec();
            for (tag, id) in [(0x01u16, u32::MAX), (0x02, user), (0x20, u32::MAX)] {
                bytes.extend_from_slice(&tag.to_le_bytes());
                bytes.extend_from_slice(&6u16.to_le_bytes());
                bytes.extend_from_slice(&id.to_le_bytes());
            }
            bytes
        };
        assert_eq!(to(A).acl(&acl(33)).unwrap(), acl(A + 33));
        assert_eq!(to(0).acl(&acl(A + 33)).unwrap(), acl(33));
        assert_eq!(to(A).acl(&[0; 12]), None);
    }
}
