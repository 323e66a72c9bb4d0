//! Who may vouch for the packages of an image: which signatures are asked for, and by whom they may
//! be. Source: pkg(1), `signature-policy`, `trust-anchor-directory`, `--approve-ca-cert`.

use std::cell::OnceCell;
use std::path::Path;

use zones_ips::{Algorithm, Digest, Fmri, Publisher};
use zones_repository::config::words;
use zones_repository::signature::{
    self, CERTIFICATE_LEN_MAX, Certificate, Policy, SignatureError, Trust,
};
use zones_sys::RootFd;

use crate::error::{ImageError, Result};
use crate::folder::Folder;
use crate::image::Image;
use crate::plan::Package;
use crate::settings::PublisherSettings;
use crate::transport::Origins;

/// Property of an image and of a publisher: what is asked of signatures.
pub(crate) const POLICY: &str = "signature-policy";
/// As above: names that must stand in the chain of certificates.
pub(crate) const NAMES: &str = "signature-required-names";
/// Property of an image: the folder with certificates that are trusted.
const ANCHORS: &str = "trust-anchor-directory";
/// Property of an image: whether lists of revoked certificates are asked.
pub(crate) const REVOCATION: &str = "check-certificate-revocation";

/// Files of a folder with certificates that are looked at.
const ANCHORS_MAX: usize = 4096;

/// The file of a certificate, by the digest of its bytes.
fn file(publisher: &Publisher, name: &str) -> String {
    format!("publisher/{publisher}/certs/{name}")
}

/// What is asked for signatures, by whatever names the policy.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// What is asked.
    pub policy: Policy,
    /// Names that must be there, for [`Policy::RequireNames`].
    pub names: Vec<String>,
}

impl Asked {
    /// By the words of properties; a policy that is not known asks for all there is.
    fn of(policy: &str, names: &str) -> Self {
        let policy = match policy {
            "" => Policy::Ignore,
            word => Policy::named(word).unwrap_or(Policy::RequireNames),
        };
        let names = words(names);
        Self { policy, names }
    }

    /// The stricter of both.
    fn and(mut self, other: Self) -> Self {
        self.policy = self.policy.max(other.policy);
        if other.policy == Policy::RequireNames {
            self.names.extend(other.names);
        }
        self
    }
}

/// The certificates of a folder below a root, but those with these digests. What is none is left
/// out: it vouches for nobody.
fn anchors(root: &RootFd, below: &Path, revoked: &[String]) -> Vec<Certificate> {
    let Ok(items) = root.read_dir(below) else {
        return Vec::new();
    };
    let read = |name: &std::ffi::OsStr| root.read(&below.join(name), CERTIFICATE_LEN_MAX).ok();
    let files = items.iter().take(ANCHORS_MAX);
    let files = files.filter_map(|item| read(&item.name));
    let files = files.filter(|it| !revoked.contains(&digest(it)));
    let read = files.filter_map(|it| Certificate::read_all(&it).ok());
    read.flatten().collect()
}

fn digest(bytes: &[u8]) -> String {
    Digest::of(Algorithm::Sha1, bytes).to_string()
}

impl Image {
    /// What the image as a whole asks of signatures.
    #[must_use]
    pub fn asked(&self) -> Asked {
        let settings = &self.settings;
        let own = Asked::of(settings.property(POLICY), settings.property(NAMES));
        let own = match own.policy {
            Policy::RequireNames => own,
            policy => Asked {
                policy,
                names: Vec::new(),
            },
        };
        match &self.held {
            Some(held) => own.and(held.guard.asked.clone()),
            None => own,
        }
    }

    /// What must be proved for the packages of a publisher, and by whom.
    fn trust(&self, publisher: &PublisherSettings) -> Result<Trust> {
        let property = |name: &str| publisher.properties.get(name).map_or("", String::as_str);
        let asked = self.asked();
        let asked = asked.and(Asked::of(property(POLICY), property(NAMES)));
        if self.settings.is(REVOCATION) {
            return Err(ImageError::Refused(format!(
                "property '{REVOCATION}' is True, and lists of revoked certificates are not asked \
                 here; revoke a certificate with: pkg set-publisher --revoke-ca-cert DIGEST"
            )));
        }
        if asked.policy == Policy::RequireNames && asked.names.is_empty() {
            return Err(ImageError::Refused(format!(
                "signature-policy is require-names and no name is required; add one with: pkg \
                 add-property-value {NAMES} NAME"
            )));
        }
        let revoked = &publisher.revoked_ca_certs;
        let mut trusted = self.anchors(revoked);
        for name in &publisher.approved_ca_certs {
            if let Some(bytes) = self.approved(&publisher.prefix, name)? {
                trusted.extend(Certificate::read_all(&bytes).unwrap_or_default());
            }
        }
        Ok(Trust {
            policy: asked.policy,
            names: asked.names,
            anchors: trusted,
            revoked: revoked.clone(),
            now: self.seconds(),
        })
    }

    /// Certificates that are trusted for all publishers: those of the host, and those of the image
    /// unless a stranger may have put them there.
    fn anchors(&self, revoked: &[String]) -> Vec<Certificate> {
        let host = self.client.anchors.as_deref();
        let host = host.and_then(|it| RootFd::open(it).ok());
        let mut all = host.map_or_else(Vec::new, |it| anchors(&it, Path::new(""), revoked));
        if self.held.is_none() {
            let below = Path::new(self.settings.property(ANCHORS));
            all.extend(anchors(&self.root, below, revoked));
        }
        all
    }

    /// A certificate that was approved for a publisher; None when it is revoked or lost.
    fn approved(&self, publisher: &Publisher, name: &str) -> Result<Option<Vec<u8>>> {
        let settings = self.settings.publisher(publisher.as_str());
        if settings.is_some_and(|it| it.revoked_ca_certs.iter().any(|it| it == name)) {
            return Ok(None);
        }
        let proved = |bytes: Vec<u8>| (digest(&bytes) == name).then_some(bytes);
        if let Some(held) = &self.held {
            let mut known = held.guard.certificates.iter();
            if let Some(bytes) = known.find(|it| digest(it) == name) {
                return Ok(Some(bytes.clone()));
            }
        }
        let bytes = self.catalogs().read(file(publisher, name))?;
        Ok(bytes.and_then(proved))
    }

    /// The certificates that were approved for the publishers of this image.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn all_approved(&self) -> Result<Vec<(Publisher, Vec<u8>)>> {
        let mut all = Vec::new();
        for publisher in &self.settings.publishers {
            for name in &publisher.approved_ca_certs {
                let bytes = self.approved(&publisher.prefix, name)?;
                all.extend(bytes.map(|it| (publisher.prefix.clone(), it)));
            }
        }
        Ok(all)
    }

    /// Keeps a certificate for a publisher. Gives the digest by which it is approved or revoked.
    ///
    /// # Errors
    /// The bytes are no certificate, or cannot be written.
    pub fn keep_certificate(&self, publisher: &Publisher, bytes: &[u8]) -> Result<String> {
        let refused = |error: &dyn ToString| ImageError::Refused(error.to_string());
        Certificate::read(bytes).map_err(|error| refused(&error))?;
        let name = digest(bytes);
        self.catalogs().write(file(publisher, &name), bytes)?;
        Ok(name)
    }

    /// Proves the signatures of packages as image and publishers ask, before anything of them is
    /// laid down.
    ///
    /// # Errors
    /// A signature does not hold, or one that is asked for is missing.
    pub(crate) fn prove(&self, packages: &[Package]) -> Result<()> {
        match self.unproved(packages)?.into_iter().next() {
            None => Ok(()),
            Some((fmri, source)) => Err(ImageError::Signature {
                fmri: Box::new(fmri),
                source: Box::new(source),
            }),
        }
    }

    /// The packages whose signatures are not what image and publishers ask for, and why.
    ///
    /// # Errors
    /// What they ask for cannot be met by anybody.
    pub fn unproved(&self, packages: &[Package]) -> Result<Vec<(Fmri, SignatureError)>> {
        let mut found = Vec::new();
        let origins = OnceCell::new();
        for publisher in &self.settings.publishers {
            let is_own = |it: &&Package| it.fmri.publisher() == Some(&publisher.prefix);
            let own: Vec<&Package> = packages.iter().filter(is_own).collect();
            if own.is_empty() {
                continue;
            }
            let trust = self.trust(publisher)?;
            if trust.policy == Policy::Ignore {
                continue;
            }
            for package in own {
                if let Err(error) = self.prove_one(package, &trust, &origins) {
                    found.push((package.fmri.clone(), error));
                }
            }
        }
        Ok(found)
    }

    fn prove_one(
        &self,
        package: &Package,
        trust: &Trust,
        origins: &OnceCell<Option<Origins>>,
    ) -> Result<(), SignatureError> {
        let fmri = &package.fmri;
        let certificate = |name: &Digest| {
            let folder = self.catalogs();
            let known = kept(folder, fmri, name);
            known.or_else(|| {
                // Only for a certificate that is not here: nobody need be reached for the others.
                let origins = origins.get_or_init(|| self.origins().ok()).as_ref();
                let bytes = origins?.certificate(fmri, name).ok()?;
                if digest(&bytes) == name.to_string()
                    && let Some(publisher) = fmri.publisher()
                {
                    // Without a copy it is fetched again.
                    let _ = folder.write_soon(file(publisher, &name.to_string()), &bytes);
                }
                Some(bytes)
            })
        };
        signature::verify(&package.manifest, trust, &certificate).map(drop)
    }
}

fn kept(folder: &Folder, fmri: &Fmri, name: &Digest) -> Option<Vec<u8>> {
    let name = name.to_string();
    let bytes = folder.read(file(fmri.publisher()?, &name)).ok()??;
    (digest(&bytes) == name).then_some(bytes)
}
