//! Search: asked of origins, which have indexes, or in manifests.

use std::collections::BTreeMap;

use zones_ips::{Fmri, Publisher};
use zones_repository::search::{Hit, Query};

use super::Image;
use crate::error::Result;

/// Where is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In what is installed.
    Installed,
    /// In what publishers offer: of each package the newest version, and the installed one.
    Offered,
    /// In all versions that publishers offer.
    Versions,
}

impl Image {
    /// What a query finds, in the order of [`Image::listed`].
    ///
    /// An origin that has no search, or none at the moment, costs the manifests of all packages of
    /// its publisher.
    ///
    /// # Errors
    /// The image cannot be read, or neither a search nor a manifest can be had.
    pub fn search(&self, query: &Query, scope: Scope) -> Result<Vec<Hit>> {
        let wanted = self.searched(scope)?;
        let mut answers: BTreeMap<&Publisher, Vec<Hit>> = BTreeMap::new();
        if scope != Scope::Installed {
            let origins = self.origins()?;
            for publisher in self.enabled() {
                let mirrors = publisher.mirrors.len();
                if let Some(hits) = origins.search(&publisher.prefix, mirrors, query) {
                    answers.insert(&publisher.prefix, hits);
                }
            }
        }
        let is_answered = |fmri: &Fmri| fmri.publisher().is_some_and(|it| answers.contains_key(it));
        let unasked: Vec<Fmri> = wanted
            .iter()
            .filter(|it| !is_answered(it))
            .cloned()
            .collect();
        let mut found: BTreeMap<Fmri, Vec<Hit>> = BTreeMap::new();
        for package in self.manifests(&unasked, &|_| {})? {
            let hits = query.find(&package.fmri, &package.manifest);
            found.insert(package.fmri, hits);
        }
        for hit in answers.into_values().flatten() {
            found.entry(hit.fmri.clone()).or_default().push(hit);
        }
        // What an origin names and the catalog does not have is nothing.
        let hits = wanted.iter().filter_map(|fmri| found.remove(fmri));
        Ok(hits.flatten().collect())
    }

    /// The packages that are searched in.
    fn searched(&self, scope: Scope) -> Result<Vec<Fmri>> {
        let mut seen = None;
        let mut found = Vec::new();
        for row in self.listed()? {
            let is_newest = seen.as_ref() != Some(row.fmri.stem());
            seen = Some(row.fmri.stem().clone());
            let is_wanted = match scope {
                Scope::Installed => row.is_installed,
                Scope::Offered => row.is_installed || is_newest,
                Scope::Versions => true,
            };
            if is_wanted {
                found.push(row.fmri);
            }
        }
        Ok(found)
    }
}
