//! The packages that the sources offer.

use std::collections::HashMap;

use crate::deb822::Paragraph;
use crate::depends::{Target, groups};
use crate::version;

/// One offered package; details are read from its paragraph when it is chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer<'t> {
    pub(crate) name: &'t str,
    pub(crate) version: &'t str,
    pub(crate) priority: &'t str,
    pub(crate) essential: bool,
    pub(crate) text: Paragraph<'t>,
    /// Which source it is from.
    pub(crate) source: usize,
}

impl<'t> Offer<'t> {
    /// A field of the paragraph, empty if absent.
    pub(crate) fn field(&self, name: &str) -> &'t str {
        self.text.field(name).unwrap_or_default()
    }
}

/// The newest version of each package, and who provides what.
#[derive(Debug, Default)]
pub(crate) struct Index<'t> {
    newest: HashMap<&'t str, Offer<'t>>,
    /// Virtual name to provider and its versioned provides.
    provides: HashMap<&'t str, Vec<(&'t str, Option<&'t str>)>>,
}

/// The fields that are looked at for every package.
#[derive(Default)]
struct Glance<'t> {
    name: &'t str,
    version: &'t str,
    arch: &'t str,
    priority: &'t str,
    provides: &'t str,
    essential: bool,
}

impl<'t> Index<'t> {
    /// Adds the packages of one `Packages` file that fit `arch`.
    pub(crate) fn add(&mut self, text: &'t str, source: usize, arch: &str) {
        let mut start = 0;
        let mut at = 0;
        let mut glance = Glance::default();
        while at < text.len() {
            let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
            let line = &text[at..end];
            if line.is_empty() {
                self.offer(&glance, Paragraph(&text[start..at]), source, arch);
                glance = Glance::default();
                start = end + 1;
            } else {
                glance.see(line);
            }
            at = end + 1;
        }
        self.offer(
            &glance,
            Paragraph(&text[start.min(text.len())..]),
            source,
            arch,
        );
    }

    fn offer(&mut self, seen: &Glance<'t>, text: Paragraph<'t>, source: usize, arch: &str) {
        if seen.name.is_empty() || (seen.arch != arch && seen.arch != "all") {
            return;
        }
        let offer = Offer {
            name: seen.name,
            version: seen.version,
            priority: seen.priority,
            essential: seen.essential,
            text,
            source,
        };
        match self.newest.get_mut(seen.name) {
            Some(old) if version::compare(old.version, seen.version).is_ge() => return,
            Some(old) => *old = offer,
            None => {
                self.newest.insert(seen.name, offer);
            }
        }
        for target in groups(seen.provides).filter_map(Target::parse) {
            let entry = (seen.name, target.version.map(|v| v.1));
            let all = self.provides.entry(target.name).or_default();
            all.retain(|(name, _)| *name != seen.name);
            all.push(entry);
        }
    }

    /// The newest package of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Offer<'t>> {
        self.newest.get(name)
    }

    /// Every package, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Offer<'t>> {
        self.newest.values()
    }

    /// The packages that provide a virtual name, and at which version.
    pub(crate) fn providers(&self, name: &str) -> &[(&'t str, Option<&'t str>)] {
        self.provides.get(name).map_or(&[], Vec::as_slice)
    }
}

impl<'t> Glance<'t> {
    fn see(&mut self, line: &'t str) {
        // The first letter decides for nearly all of the million lines.
        let slot = match line.as_bytes()[0] {
            b'P' => {
                if let Some(v) = line.strip_prefix("Package:") {
                    self.name = v.trim();
                } else if let Some(v) = line.strip_prefix("Priority:") {
                    self.priority = v.trim();
                } else if let Some(v) = line.strip_prefix("Provides:") {
                    self.provides = v.trim();
                }
                return;
            }
            b'V' => ("Version:", &mut self.version),
            b'A' => ("Architecture:", &mut self.arch),
            b'E' => {
                if let Some(v) = line.strip_prefix("Essential:") {
                    self.essential = v.trim() == "yes";
                }
                return;
            }
            _ => return,
        };
        if let Some(value) = line.strip_prefix(slot.0) {
            *slot.1 = value.trim();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Index;

    #[test]
    fn the_newest_version_of_all_sources_wins() {
        let main = "Package: a\nVersion: 1\nArchitecture: amd64\nProvides: v (= 1)\n\n\
                    Package: b\nVersion: 1\nArchitecture: all\nEssential: yes\n\n\
                    Package: c\nVersion: 1\nArchitecture: arm64\n";
        let security = "Package: a\nVersion: 1+deb1\nArchitecture: amd64\nProvides: v (= 2)\n\n\
                        Package: b\nVersion: 0\nArchitecture: all\n\n";
        let mut index = Index::default();
        index.add(main, 0, "amd64");
        index.add(security, 1, "amd64");
        let a = index.get("a").expect("a");
        assert_eq!(
            (a.version, a.source, a.field("Provides")),
            ("1+deb1", 1, "v (= 2)")
        );
        let b = index.get("b").expect("b");
        assert_eq!((b.version, b.source, b.essential), ("1", 0, true));
        assert!(index.get("c").is_none(), "another architecture");
        assert_eq!(index.providers("v"), [("a", Some("2"))]);
        assert_eq!(index.all().count(), 2);
    }
}
