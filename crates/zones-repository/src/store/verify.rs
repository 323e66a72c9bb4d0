//! Looks whether a repository is what its manifests say, and puts right what can be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use zones_ips::catalog::BASE;
use zones_ips::{Action, Algorithm, Digest, Fmri, Manifest};

use super::catalog::digest;
use super::remove::Removed;
use super::{Store, disk, payloads_of};
use crate::error::{RepositoryError, Result};
use crate::payload::{self, Expected};
use crate::signature::{self, Trust};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whose; None for what belongs to no package.
    pub package: Option<Fmri>,
    /// What it is.
    pub kind: FindingKind,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// The manifest cannot be read or is another than its name says.
    Manifest(String),
    /// The catalog names another manifest.
    ManifestDigest {
        /// What the manifest has.
        found: Digest,
        /// What the catalog says.
        expected: Digest,
    },
    /// A payload is not there.
    Missing {
        /// Its name.
        name: Digest,
        /// The path or name of what needs it.
        used_by: String,
    },
    /// A payload is not what the manifest says.
    Payload {
        /// Its name.
        name: Digest,
        /// The path or name of what needs it.
        used_by: String,
        /// What is wrong.
        why: String,
    },
    /// A signature does not hold.
    Signature(String),
    /// A manifest is not listed.
    Unlisted,
    /// The catalog lists what has no manifest.
    Phantom,
    /// The catalog cannot be read.
    Catalog(String),
    /// A payload that no package needs: no error.
    Orphan(Digest),
    /// A file or folder cannot be read by everybody, so a depot may not see it.
    Mode {
        /// Below the repository.
        path: PathBuf,
        /// What it has.
        found: u32,
        /// What it should have at least.
        expected: u32,
    },
}

impl Finding {
    fn of(package: &Fmri, kind: FindingKind) -> Self {
        Self {
            package: Some(package.clone()),
            kind,
        }
    }

    /// Whether something is wrong; an orphan only wastes room.
    #[must_use]
    pub fn is_error(&self) -> bool {
        !matches!(self.kind, FindingKind::Orphan(_))
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(why) => write!(f, "corrupt manifest: {why}"),
            Self::ManifestDigest { found, expected } => {
                write!(f, "manifest hash: {found} should be {expected}")
            }
            Self::Missing { name, used_by } => write!(f, "missing file: {name} ({used_by})"),
            Self::Payload { name, used_by, why } => {
                write!(f, "corrupt file: {name} ({used_by}): {why}")
            }
            Self::Signature(why) => write!(f, "signature: {why}"),
            Self::Unlisted => f.write_str("not in the catalog; run: pkgrepo refresh"),
            Self::Phantom => f.write_str("in the catalog, but has no manifest"),
            Self::Catalog(why) => f.write_str(why),
            Self::Orphan(name) => write!(f, "no package needs file {name}"),
            Self::Mode {
                path,
                found,
                expected,
            } => {
                let path = path.display();
                write!(
                    f,
                    "`{path}`: mode {found:04o} should be at least {expected:04o}"
                )
            }
        }
    }
}

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
        let mut expected = Expected::named(*name);
        expected.size = None;
        expected.packed_size = Some(signature::CERTIFICATE_LEN_MAX);
        let mut bytes = Vec::new();
        let from = self.payload(name).ok()?;
        let mut sink = Bounded(&mut bytes);
        payload::unpack(from, &expected, &mut sink).ok()?;
        Some(bytes)
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

/// Takes what a certificate can have, no more.
struct Bounded<'a>(&'a mut Vec<u8>);

impl std::io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > signature::CERTIFICATE_LEN_MAX as usize {
            return Err(std::io::Error::other("too long for a certificate"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
