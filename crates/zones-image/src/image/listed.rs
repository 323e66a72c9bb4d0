//! What is known and what is installed, for lists.

use std::collections::{BTreeMap, BTreeSet};

use zones_ips::catalog::{DEPENDENCY, SUMMARY};
use zones_ips::{Action, Fmri, Publisher, Stem};

use super::Image;
use crate::error::Result;
use crate::state;

/// What the lists of a command show of a version.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The version.
    pub fmri: Fmri,
    /// Whether it is installed.
    pub is_installed: bool,
    /// Whether a newer one is known.
    pub is_upgradable: bool,
    /// Whether the package may not move.
    pub is_frozen: bool,
    /// `pkg.obsolete`.
    pub is_obsolete: bool,
    /// `pkg.renamed`.
    pub is_renamed: bool,
    /// `pkg.summary`.
    pub summary: String,
}

impl Image {
    /// All versions that are known, installed ones included; by publisher rank, name, and version
    /// from new to old.
    ///
    /// # Errors
    /// A catalog or the state cannot be read.
    pub fn listed(&self) -> Result<Vec<Listed>> {
        let offered = self.offered()?;
        let installed = self.installed()?;
        let frozen = self.frozen()?;
        let mut fmris: BTreeSet<Fmri> = offered.all().collect();
        fmris.extend(installed.iter().cloned());
        let mut newest: BTreeMap<&Stem, &Fmri> = BTreeMap::new();
        for fmri in &fmris {
            let best = newest.entry(fmri.stem()).or_insert(fmri);
            if fmri.version() > best.version() {
                *best = fmri;
            }
        }
        let row = |fmri: &Fmri| {
            let actions = |part: &str| -> Vec<Action> {
                let publisher = fmri.publisher().map(Publisher::as_str).unwrap_or_default();
                let catalog = offered.catalogs.get(publisher);
                let from = catalog.filter(|it| it.find(fmri).is_some());
                match from {
                    Some(catalog) => state::actions(catalog, fmri, part),
                    None => installed.actions(fmri, part),
                }
            };
            let is = |actions: &[Action], name: &str| {
                actions
                    .iter()
                    .any(|it| it.get("name") == Some(name) && it.get("value") == Some("true"))
            };
            let (depends, texts) = (actions(DEPENDENCY), actions(SUMMARY));
            let summary = texts
                .iter()
                .find(|it| matches!(it.get("name"), Some("pkg.summary" | "description")));
            let is_newest = newest
                .get(fmri.stem())
                .is_none_or(|it| it.version() <= fmri.version());
            Listed {
                is_installed: installed.has(fmri),
                is_upgradable: !is_newest,
                is_frozen: frozen.contains_key(fmri.stem()),
                is_obsolete: is(&depends, "pkg.obsolete"),
                is_renamed: is(&depends, "pkg.renamed"),
                summary: summary
                    .and_then(|it| it.get("value"))
                    .unwrap_or_default()
                    .to_owned(),
                fmri: fmri.clone(),
            }
        };
        let mut rows: Vec<Listed> = fmris.iter().map(row).collect();
        let rank = |fmri: &Fmri| {
            let own = fmri.publisher();
            let mut all = self.settings.publishers.iter();
            all.position(|it| Some(&it.prefix) == own)
                .unwrap_or(usize::MAX)
        };
        rows.sort_by(|left, right| {
            let stems = left.fmri.stem().cmp(right.fmri.stem());
            let ranks = rank(&left.fmri).cmp(&rank(&right.fmri));
            stems
                .then(ranks)
                .then_with(|| right.fmri.version().cmp(&left.fmri.version()))
        });
        Ok(rows)
    }
}
