//! Manifests and licences of packages, kept in the image or fetched.

use std::sync::Arc;

use zones_ips::manifest::Unknown;
use zones_ips::quote::quote;
use zones_ips::{Action, Algorithm, Digest, Fmri, Manifest};

use super::Image;
use crate::catalogs::Offered;
use crate::error::Result;
use crate::plan::Package;
use crate::progress::{Event, Tell};
use crate::state::Installed;
use crate::transport::each;

impl Image {
    /// The text of a licence of a package; None when it is neither here nor at an origin.
    ///
    /// # Errors
    /// The image cannot be read.
    pub fn license(&self, fmri: &Fmri, license: &Action) -> Result<Option<String>> {
        let name = license.key().unwrap_or_default();
        let file = format!("license/{}/license.{}", fmri.stem().quoted(), quote(name));
        if let Some(text) = self.folder.read(file)? {
            return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
        }
        let Some(digest) = license.payload_digest() else {
            return Ok(None);
        };
        let bytes = self.origins()?.payload(fmri, &digest, license)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn manifest_file(fmri: &Fmri) -> Option<String> {
        let (stem, version) = fmri.quoted()?;
        Some(format!(
            "publisher/{}/pkg/{stem}/{version}",
            fmri.publisher()?
        ))
    }

    /// The manifest of an installed package, proved by the digest in the state.
    pub(crate) fn own_manifest(&self, fmri: &Fmri, digest: Option<&Digest>) -> Option<Manifest> {
        let bytes = self.folder.read(Self::manifest_file(fmri)?).ok()??;
        let is_right = digest.is_none_or(|it| Digest::of(it.algorithm(), &bytes) == *it);
        let manifest = is_right.then(|| Manifest::from_bytes(&bytes, Unknown::Kept));
        manifest?.ok()
    }

    /// The digest of the manifest that the image keeps.
    pub(crate) fn manifest_digest(&self, fmri: &Fmri) -> Result<Option<Digest>> {
        let Some(file) = Self::manifest_file(fmri) else {
            return Ok(None);
        };
        let bytes = self.folder.read(file)?;
        Ok(bytes.map(|it| Digest::of(Algorithm::Sha1, &it)))
    }

    /// The manifests of packages, from the image or from their origins; those that are fetched are
    /// kept.
    ///
    /// # Errors
    /// No origin gives one that is right.
    pub fn manifests(&self, fmris: &[Fmri], tell: Tell<'_>) -> Result<Vec<Package>> {
        self.manifests_of(fmris, &self.installed()?, &self.offered()?, tell)
    }

    /// As [`Image::manifests`], with what is installed and offered.
    pub(crate) fn manifests_of(
        &self,
        fmris: &[Fmri],
        installed: &Installed,
        offered: &Offered,
        tell: Tell<'_>,
    ) -> Result<Vec<Package>> {
        let digest = |fmri: &Fmri| {
            let own = || installed.entry(fmri).and_then(|it| it.manifest_digest());
            let known = || offered.manifest_digest(fmri);
            // What a stranger wrote proves nothing where the host knows better.
            match self.held {
                Some(_) => known().or_else(own),
                None => own().or_else(known),
            }
        };
        let slots: Vec<_> = fmris.iter().map(|_| std::sync::OnceLock::new()).collect();
        let all: Vec<_> = fmris.iter().zip(&slots).collect();
        each(&all, processors(), |(fmri, slot)| {
            if let Some(manifest) = self.own_manifest(fmri, digest(fmri).as_ref()) {
                let _ = slot.set(manifest);
            }
            Ok(())
        })?;
        let missing: Vec<_> = all.into_iter().filter(|it| it.1.get().is_none()).collect();
        if !missing.is_empty() {
            let origins = self.origins()?;
            let count = std::sync::atomic::AtomicUsize::new(0);
            each(&missing, self.client.access.connections, |(fmri, slot)| {
                let (manifest, bytes) = origins.manifest(fmri, digest(fmri).as_ref())?;
                if let Some(file) = Self::manifest_file(fmri) {
                    self.folder.write_soon(file, &bytes)?;
                }
                let _ = slot.set(manifest);
                let done = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                tell(Event::Manifests(done, missing.len()));
                Ok(())
            })?;
        }
        let packages = fmris.iter().zip(slots).filter_map(|(fmri, slot)| {
            Some(Package {
                fmri: fmri.clone(),
                manifest: Arc::new(slot.into_inner()?),
            })
        });
        Ok(packages.collect())
    }

    /// All packages that are installed, with their manifests.
    ///
    /// # Errors
    /// As [`Image::manifests`].
    pub fn packages(&self, tell: Tell<'_>) -> Result<Vec<Package>> {
        let installed = self.installed()?;
        let fmris: Vec<Fmri> = installed.iter().cloned().collect();
        self.manifests_of(&fmris, &installed, &self.offered()?, tell)
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
