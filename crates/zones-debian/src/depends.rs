//! Dependency fields. Source: Debian policy 7.1.

use crate::version::Relation;

/// One package that may satisfy a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// Name, without its architecture qualifier.
    pub name: &'a str,
    /// Version relation and version.
    pub version: Option<(Relation, &'a str)>,
}

impl<'a> Target<'a> {
    /// Reads `name[:arch] [(op version)]`; nothing if it is malformed.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let end = text
            .find([' ', '(', '[', '<', '\t', '\n'])
            .unwrap_or(text.len());
        let name = text[..end].split(':').next().unwrap_or_default();
        if name.is_empty() {
            return None;
        }
        let version = match text[end..].trim().strip_prefix('(') {
            None => None,
            Some(rest) => {
                let inner = rest.split(')').next()?.trim();
                let sign = inner.find(|c| !"<=>".contains(c))?;
                Some((Relation::parse(&inner[..sign])?, inner[sign..].trim()))
            }
        };
        Some(Self { name, version })
    }

    /// Whether a package of this name with version `have` will do.
    #[must_use]
    pub fn accepts(&self, have: &str) -> bool {
        self.version
            .is_none_or(|(relation, want)| relation.holds(have, want))
    }

    /// Whether something that provides the name, at `have` if versioned, will do.
    #[must_use]
    pub fn accepts_provided(&self, have: Option<&str>) -> bool {
        match (self.version, have) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(have)) => self.accepts(have),
        }
    }
}

/// The groups of a field: all groups must hold, of each group one alternative.
pub fn groups(field: &str) -> impl Iterator<Item = &str> {
    field.split(',').map(str::trim).filter(|g| !g.is_empty())
}

/// The alternatives of a group, in order of preference.
pub fn alternatives(group: &str) -> impl Iterator<Item = Target<'_>> {
    group.split('|').filter_map(Target::parse)
}

#[cfg(test)]
mod tests {
    use super::{Target, alternatives, groups};
    use crate::version::Relation;

    #[test]
    fn a_field_with_everything() {
        let field = "libc6 (>= 2.36), perl:any,\n debconf (>= 0.5) | debconf-2.0, a(<<1:2~)";
        let all: Vec<_> = groups(field).collect();
        assert_eq!(all.len(), 4);
        let target = |name, version| Target { name, version };
        let want = target("libc6", Some((Relation::AtLeast, "2.36")));
        assert_eq!(Target::parse(all[0]), Some(want));
        assert_eq!(Target::parse(all[1]), Some(target("perl", None)));
        assert_eq!(alternatives(all[2]).count(), 2);
        let want = target("a", Some((Relation::Earlier, "1:2~")));
        assert_eq!(Target::parse(all[3]), Some(want));
        assert_eq!(Target::parse("a (== 1)"), None);
    }

    #[test]
    fn a_version_needs_a_versioned_provides() {
        let plain = Target::parse("mta").expect("target");
        let versioned = Target::parse("mta (>= 2)").expect("target");
        assert!(plain.accepts_provided(None));
        assert!(!versioned.accepts_provided(None));
        assert!(versioned.accepts_provided(Some("2")));
    }
}
