//! Puts right what a verify finds.

use std::collections::BTreeSet;
use std::path::PathBuf;

use zones_ips::{Digest, Fmri};

use super::remove::Removed;
use super::{Finding, FindingKind, Store};
use crate::disk;
use crate::error::Result;

/// What a fix did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fixed {
    /// Packages that were removed because their manifest or payloads are lost; publish or receive
    /// them again.
    pub packages: Vec<Fmri>,
    /// Payloads that were removed: damaged ones, and those nobody needs.
    pub payloads: Vec<Digest>,
    /// Whether the catalog was made anew.
    pub is_rebuilt: bool,
    /// Files and folders that everybody can read again.
    pub modes: Vec<PathBuf>,
}

impl Store {
    /// Puts right what a verify finds: damaged payloads go, and with them the packages that cannot
    /// be without; modes and the catalog are made right. Nothing is fetched. Source: pkgrepo(1),
    /// "fix".
    ///
    /// # Errors
    ///
    /// The repository cannot be written.
    pub fn fix(&self, findings: &[Finding]) -> Result<Fixed> {
        use FindingKind as K;
        let mut fixed = Fixed::default();
        let mut lost = BTreeSet::new();
        let mut relist = false;
        for finding in findings {
            match (&finding.package, &finding.kind) {
                (
                    Some(fmri),
                    K::Manifest(_)
                    | K::ManifestDigest { .. }
                    | K::Missing { .. }
                    | K::Payload { .. },
                ) => {
                    lost.insert(fmri.clone());
                }
                (_, K::Unlisted | K::Phantom | K::Catalog(_)) => relist = true,
                (
                    _,
                    K::Mode {
                        path,
                        found,
                        expected,
                    },
                ) => {
                    self.disk.chmod(path, found | expected)?;
                    fixed.modes.push(path.clone());
                }
                _ => {}
            }
        }
        let lock = self.lock()?;
        lost.retain(|fmri| self.has_manifest(fmri));
        fixed.packages = lost.into_iter().collect();
        for path in fixed
            .packages
            .iter()
            .filter_map(|it| self.manifest_path(it))
        {
            self.disk.remove(&path)?;
            self.disk.remove_empty(disk::parent(&path));
        }
        if relist || !fixed.packages.is_empty() {
            self.rebuild_locked(&lock)?;
            fixed.is_rebuilt = true;
        }
        let needed = self.payloads_needed(&self.packages()?)?;
        // A payload that is sound for one package and not what another says stays.
        let names = self.payload_names()?.into_iter();
        let useless = names.filter(|name| !needed.contains(name));
        let mut removed = Removed::default();
        self.remove_payloads(&lock, useless, &mut removed)?;
        fixed.payloads = removed.payloads;
        Ok(fixed)
    }
}
