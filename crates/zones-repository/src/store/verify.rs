//! Looks whether a repository is what its manifests say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use zones_ips::catalog::BASE;
use zones_ips::{Action, Algorithm, Digest, Fmri, Manifest};

use super::catalog::digest;
use super::{Finding, FindingKind, Store, payloads_of};
use crate::error::{RepositoryError, Result};
use crate::payload;
use crate::signature::{self, Trust};

/// The mode a folder and a file should at least have.
const FOLDER_MODE: u32 = 0o555;
const FILE_MODE: u32 = 0o444;

impl Store {
    /// Looks at every manifest, payload and signature, at the catalog, and at modes. Findings come
    /// by package; what belongs to none comes last. Source: pkgrepo(1), "verify".
    ///
    /// # Errors
    ///
    /// A folder cannot be read.
    pub fn verify(&self, trust: &Trust) -> Result<Vec<Finding>> {
        let catalog = self.read_catalog();
        let packages = self.packages()?;
        let listed = catalog.as_ref().ok().and_then(Option::as_ref);
        let look = |fmri: &Fmri| -> Result<(Vec<Finding>, Option<Manifest>)> {
            let entry = listed.map(|catalog| catalog.find(fmri));
            Ok(match entry {
                Some(None) => (
                    vec![Finding::of(fmri, FindingKind::Unlisted)],
                    self.manifest(fmri).ok(),
                ),
                Some(Some(entry)) => self.verify_manifest(fmri, entry.manifest_digest(), trust),
                None => self.verify_manifest(fmri, None, trust),
            })
        };
        let looked = crate::transaction::parallel(packages.iter().collect(), &look)?;
        let mut findings = Vec::new();
        let mut users: BTreeMap<Digest, Vec<(Fmri, Action)>> = BTreeMap::new();
        let mut needed = BTreeSet::new();
        for (fmri, (found, manifest)) in packages.iter().zip(looked) {
            findings.extend(found);
            let Some(manifest) = manifest else {
                continue;
            };
            needed.extend(payloads_of(&manifest));
            for action in manifest.into_actions() {
                if let Some(name) = action.payload_digest() {
                    users.entry(name).or_default().push((fmri.clone(), action));
                }
            }
        }
        findings.extend(self.verify_payloads(users)?);
        findings.sort_by(|left, right| left.package.cmp(&right.package));
        match &catalog {
            Ok(Some(catalog)) => {
                let base = catalog.part(BASE).into_iter().flat_map(|part| part.iter());
                let names = base.map(|(fmri, _)| fmri);
                let phantoms = names.filter(|fmri| !self.has_manifest(fmri));
                findings.extend(phantoms.map(|it| Finding::of(&it, FindingKind::Phantom)));
            }
            Ok(None) => {}
            Err(error) => findings.push(Finding {
                package: None,
                kind: FindingKind::Catalog(error.to_string()),
            }),
        }
        self.verify_rest(&needed, &mut findings)?;
        Ok(findings)
    }

    fn verify_manifest(
        &self,
        fmri: &Fmri,
        expected: Option<Digest>,
        trust: &Trust,
    ) -> (Vec<Finding>, Option<Manifest>) {
        let failed = |why| (vec![Finding::of(fmri, why)], None);
        let bytes = match self.manifest_bytes(fmri) {
            Ok(bytes) => bytes,
            Err(error) => return failed(FindingKind::Manifest(error.to_string())),
        };
        let found = digest(&bytes);
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return failed(FindingKind::ManifestDigest { found, expected });
        }
        let manifest = match super::parse(fmri, &bytes) {
            Ok(manifest) => manifest,
            Err(error) => return failed(FindingKind::Manifest(error.to_string())),
        };
        let certificate = |name: &Digest| self.certificate(name);
        let mut findings = Vec::new();
        if let Err(error) = signature::verify(&manifest, trust, &certificate) {
            findings.push(Finding::of(fmri, FindingKind::Signature(error.to_string())));
        }
        (findings, Some(manifest))
    }

    /// A certificate of a signature, unpacked and proved by its name.
    pub(crate) fn certificate(&self, name: &Digest) -> Option<Vec<u8>> {
        signature::certificate(name, self.payload(name).ok()?).ok()
    }

    /// Looks at each payload once, whoever needs it.
    fn verify_payloads(
        &self,
        users: BTreeMap<Digest, Vec<(Fmri, Action)>>,
    ) -> Result<Vec<Finding>> {
        let look = |(name, users): (Digest, Vec<(Fmri, Action)>)| {
            let finding = |(fmri, action): &(Fmri, Action), why: &Option<String>| {
                let used_by = action.key().unwrap_or_default().to_owned();
                Finding::of(
                    fmri,
                    match why.clone() {
                        Some(why) => FindingKind::Payload { name, used_by, why },
                        None => FindingKind::Missing { name, used_by },
                    },
                )
            };
            let file = match self.payload(&name) {
                Ok(file) => file,
                Err(RepositoryError::NoPayload(_)) => {
                    return Ok(users.iter().map(|it| finding(it, &None)).collect());
                }
                Err(error) => {
                    let why = Some(error.to_string());
                    return Ok(users.iter().map(|it| finding(it, &why)).collect());
                }
            };
            let facts = payload::examine(file, name);
            let wrong = |it: &(Fmri, Action)| {
                let wrong = facts.as_ref().map(|facts| facts.contradicts(&it.1));
                let why = wrong.unwrap_or_else(|error| Some(error.to_string()));
                why.is_some().then(|| finding(it, &why))
            };
            Ok(users.iter().filter_map(wrong).collect::<Vec<_>>())
        };
        let found = crate::transaction::parallel(users.into_iter().collect(), &look)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Orphans and modes.
    fn verify_rest(&self, needed: &BTreeSet<Digest>, findings: &mut Vec<Finding>) -> Result<()> {
        for name in self.payload_names()? {
            if !needed.contains(&name) {
                findings.push(Finding {
                    package: None,
                    kind: FindingKind::Orphan(name),
                });
            }
        }
        for top in ["catalog", "file", "pkg"] {
            self.verify_modes(&self.below(top), findings)?;
        }
        Ok(())
    }

    fn verify_modes(&self, path: &Path, findings: &mut Vec<Finding>) -> Result<()> {
        let Some(stat) = self.disk.stat(path)? else {
            return Ok(());
        };
        let is_folder =
            rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory;
        let expected = if is_folder { FOLDER_MODE } else { FILE_MODE };
        let found = stat.st_mode & 0o7777;
        if found & expected != expected {
            findings.push(Finding {
                package: None,
                kind: FindingKind::Mode {
                    path: path.to_owned(),
                    found,
                    expected,
                },
            });
        }
        if is_folder {
            for (name, _) in self.disk.names(path)? {
                self.verify_modes(&path.join(name), findings)?;
            }
        }
        Ok(())
    }

    /// The payloads of the publisher's own area.
    pub(crate) fn payload_names(&self) -> Result<Vec<Digest>> {
        let top = self.below("file");
        let mut found = Vec::new();
        let mut folders = vec![(top, 0)];
        while let Some((folder, depth)) = folders.pop() {
            for (name, _) in self.disk.names(&folder)? {
                match Digest::parse(Algorithm::Sha1, &name) {
                    Ok(digest) => found.push(digest),
                    Err(_) if depth < 2 => folders.push((folder.join(name), depth + 1)),
                    Err(_) => {}
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
