//! Which packages a root needs.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use crate::depends::{Target, alternatives, groups};
use crate::index::{Index, Offer};

/// How much is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Essential and required packages and apt, as `mmdebstrap --variant=minbase`.
    Minbase,
    /// Also those of priority important and standard.
    Standard,
}

/// Why no set of packages can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// An asked package does not exist.
    #[error("no package `{name}` in the chosen suite and components{hint}")]
    Unknown {
        /// The name.
        name: String,
        /// A close name, as `; did you mean ...`, or empty.
        hint: String,
    },
    /// A dependency cannot be met.
    #[error("package `{package}` needs `{dependency}`, but {why}")]
    Unsatisfiable {
        /// Who needs it.
        package: String,
        /// The field's group.
        dependency: String,
        /// What there is instead.
        why: String,
    },
    /// Two chosen packages exclude each other.
    #[error("package `{package}` conflicts with `{other}` (`{relation}`); leave one of them out")]
    Conflict {
        /// The package with the field.
        package: String,
        /// The one it excludes.
        other: String,
        /// The relation of the field.
        relation: String,
    },
}

/// The chosen packages by name.
pub(crate) type Chosen<'t> = BTreeMap<&'t str, Offer<'t>>;

/// Chooses what `variant` and `include` need.
pub(crate) fn resolve<'t>(
    index: &Index<'t>,
    variant: Variant,
    include: &[String],
) -> Result<Chosen<'t>, ResolveError> {
    let mut work = Work {
        index,
        chosen: BTreeMap::new(),
        ties: Vec::new(),
        simple: VecDeque::new(),
        choice: Vec::new(),
    };
    let mut seeds: Vec<&Offer<'t>> = index.all().filter(|o| is_base(o, variant)).collect();
    seeds.sort_by_key(|o| o.name);
    for name in std::iter::once("apt").chain(include.iter().map(String::as_str)) {
        // Asked by name; a virtual name counts if one package provides it.
        let offer = index.get(name).or_else(|| match index.providers(name) {
            [(one, _)] => index.get(one),
            _ => None,
        });
        match offer {
            Some(offer) => seeds.push(offer),
            // A repository of one's own may do without apt.
            None if name == "apt" => {}
            None => return Err(unknown(index, name)),
        }
    }
    for seed in seeds {
        work.choose(seed);
    }
    work.run()?;
    check_conflicts(&work.ties)?;
    Ok(work.chosen)
}

/// Whether a package belongs to a variant by itself.
pub(crate) fn is_base(offer: &Offer<'_>, variant: Variant) -> bool {
    offer.essential
        || offer.priority == "required"
        || (variant == Variant::Standard && matches!(offer.priority, "important" | "standard"))
}

fn unknown(index: &Index<'_>, name: &str) -> ResolveError {
    let near = zones_types::nearest(name, index.all().map(|offer| offer.name));
    let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    ResolveError::Unknown {
        name: name.to_owned(),
        hint,
    }
}

struct Work<'a, 't> {
    index: &'a Index<'t>,
    chosen: Chosen<'t>,
    /// Of the chosen packages.
    ties: Vec<Ties<'t>>,
    /// Groups with one way to satisfy them.
    simple: VecDeque<(&'t str, &'t str)>,
    /// Groups with a choice wait until all others are done: then more is already there.
    choice: Vec<(&'t str, &'t str)>,
}

impl<'t> Work<'_, 't> {
    fn choose(&mut self, offer: &Offer<'t>) {
        if self.chosen.insert(offer.name, *offer).is_some() {
            return;
        }
        self.ties.push(Ties::of(offer));
        for field in ["Pre-Depends", "Depends"] {
            for group in groups(offer.field(field)) {
                let real = alternatives(group).filter(|t| self.index.get(t.name).is_some());
                if group.contains('|') || real.count() != 1 {
                    self.choice.push((offer.name, group));
                } else {
                    self.simple.push_back((offer.name, group));
                }
            }
        }
    }

    fn run(&mut self) -> Result<(), ResolveError> {
        loop {
            let (package, group) = match self.simple.pop_front() {
                Some(one) => one,
                None if self.choice.is_empty() => return Ok(()),
                None => self.choice.remove(0),
            };
            if alternatives(group).any(|t| self.is_met(&t)) {
                continue;
            }
            let found = alternatives(group).find_map(|t| self.best(&t));
            match found {
                Some(offer) => self.choose(&offer),
                None => return Err(self.unsatisfiable(package, group)),
            }
        }
    }

    /// Whether a chosen package satisfies the target.
    fn is_met(&self, target: &Target<'_>) -> bool {
        self.chosen
            .get(target.name)
            .is_some_and(|o| target.accepts(o.version))
            || self
                .index
                .providers(target.name)
                .iter()
                .any(|(name, version)| {
                    self.chosen.contains_key(name) && target.accepts_provided(*version)
                })
    }

    /// The best package for a target: the real one, else the provider of the best priority.
    fn best(&self, target: &Target<'_>) -> Option<Offer<'t>> {
        if let Some(real) = self.index.get(target.name)
            && target.accepts(real.version)
            && !self.clashes(real)
        {
            return Some(*real);
        }
        let providers = self.index.providers(target.name).iter();
        let fit = providers.filter(|(_, version)| target.accepts_provided(*version));
        let offers = fit.filter_map(|(name, _)| self.index.get(name));
        offers
            .filter(|o| !self.clashes(o))
            .min_by_key(|o| (rank(o.priority), o.name))
            .copied()
    }

    /// Whether a candidate and a chosen package exclude each other.
    fn clashes(&self, offer: &Offer<'t>) -> bool {
        self.clash(offer).is_some()
    }

    /// The chosen package that a candidate cannot stand beside.
    fn clash(&self, offer: &Offer<'t>) -> Option<&'t str> {
        let new = Ties::of(offer);
        let hit = |t: &&Ties<'t>| new.excludes(t).is_some() || t.excludes(&new).is_some();
        self.ties.iter().find(hit).map(|t| t.name)
    }

    fn unsatisfiable(&self, package: &str, group: &str) -> ResolveError {
        let mut why = Vec::new();
        for target in alternatives(group) {
            match self.index.get(target.name) {
                Some(offer) if target.accepts(offer.version) => {
                    let other = self.clash(offer).unwrap_or("another chosen package");
                    why.push(format!(
                        "`{}` and `{other}` exclude each other",
                        target.name
                    ));
                }
                Some(offer) => {
                    why.push(format!("`{}` has version {}", target.name, offer.version));
                }
                None => why.push(format!("there is no `{}`", target.name)),
            }
        }
        ResolveError::Unsatisfiable {
            package: package.to_owned(),
            dependency: group.to_owned(),
            why: why.join(" and "),
        }
    }
}

fn rank(priority: &str) -> usize {
    let order = ["required", "important", "standard", "optional"];
    order
        .iter()
        .position(|p| *p == priority)
        .unwrap_or(order.len())
}

/// What decides whether two packages exclude each other.
struct Ties<'t> {
    name: &'t str,
    version: &'t str,
    /// Conflicts and Breaks.
    against: [&'t str; 2],
    provides: &'t str,
}

impl<'t> Ties<'t> {
    fn of(offer: &Offer<'t>) -> Self {
        Self {
            name: offer.name,
            version: offer.version,
            against: [offer.field("Conflicts"), offer.field("Breaks")],
            provides: offer.field("Provides"),
        }
    }

    /// The relation of this package that excludes `other`.
    fn excludes(&self, other: &Self) -> Option<&'t str> {
        // A package may conflict with a name that it provides itself: it replaces the others.
        if self.name == other.name {
            return None;
        }
        let hit = |target: Target<'_>| {
            (target.name == other.name && target.accepts(other.version))
                || groups(other.provides).filter_map(Target::parse).any(|p| {
                    p.name == target.name && target.accepts_provided(p.version.map(|v| v.1))
                })
        };
        let all = self.against.into_iter().flat_map(groups);
        all.into_iter()
            .find(|group| Target::parse(group).is_some_and(hit))
    }
}

fn check_conflicts(ties: &[Ties<'_>]) -> Result<(), ResolveError> {
    for package in ties {
        for other in ties {
            if let Some(relation) = package.excludes(other) {
                return Err(ResolveError::Conflict {
                    package: package.name.to_owned(),
                    other: other.name.to_owned(),
                    relation: relation.to_owned(),
                });
            }
        }
    }
    Ok(())
}
