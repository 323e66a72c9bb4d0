//! Certificates, and the way from one to another that is trusted.

use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{CERTIFICATE_LEN_MAX, Trust};

/// Certificates between a signature's and a trusted one.
const DEPTH_MAX: usize = 8;

/// A certificate (X.509).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
}

/// Why a certificate is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes are none.
    #[error("not a certificate: {0}")]
    Form(String),
    /// No way leads to a trusted certificate.
    #[error(
        "The certificate which issued this certificate: {subject} could not be found. The issuer \
         is: {issuer}"
    )]
    NoIssuer {
        /// Whose certificate.
        subject: String,
        /// Who should have issued it.
        issuer: String,
    },
    /// It is not what its place in the chain asks for.
    #[error("the certificate {subject} cannot be used: {why}")]
    Unfit {
        /// Whose certificate.
        subject: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl Certificate {
    /// Reads a certificate, PEM or DER; of several in a file the first.
    ///
    /// # Errors
    ///
    /// The bytes are none.
    pub fn read(bytes: &[u8]) -> Result<Self, CertificateError> {
        let all = Self::read_all(bytes)?;
        let first = all.into_iter().next();
        first.ok_or_else(|| CertificateError::Form("the file is empty".to_owned()))
    }

    /// Reads all certificates of a file, PEM or DER.
    ///
    /// # Errors
    ///
    /// One of them is none.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let form = |error: &dyn std::fmt::Display| CertificateError::Form(error.to_string());
        let is_pem = bytes.windows(11).any(|window| window == b"-----BEGIN ");
        let mut found = Vec::new();
        if is_pem {
            for block in x509_parser::pem::Pem::iter_from_buffer(bytes) {
                let block = block.map_err(|error| form(&error))?;
                if block.label == "CERTIFICATE" {
                    found.push(Self {
                        der: block.contents,
                    });
                }
            }
        } else {
            found.push(Self {
                der: bytes.to_vec(),
            });
        }
        for certificate in &found {
            if certificate.der.len() as u64 > CERTIFICATE_LEN_MAX {
                return Err(CertificateError::Form("too long".to_owned()));
            }
            certificate.parsed()?;
        }
        Ok(found)
    }

    fn parsed(&self) -> Result<X509Certificate<'_>, CertificateError> {
        let parsed = X509Certificate::from_der(&self.der);
        let (rest, parsed) = parsed.map_err(|error| CertificateError::Form(error.to_string()))?;
        if !rest.is_empty() {
            return Err(CertificateError::Form("bytes behind its end".to_owned()));
        }
        Ok(parsed)
    }

    /// Its public key, as RSA keys are written.
    pub(super) fn key(&self) -> Result<Vec<u8>, CertificateError> {
        let parsed = self.parsed()?;
        Ok(parsed.public_key().subject_public_key.data.to_vec())
    }

    /// The name of its owner.
    ///
    /// # Errors
    ///
    /// None for one that was read.
    pub fn subject(&self) -> Result<String, CertificateError> {
        Ok(self.parsed()?.subject().to_string())
    }

    fn common_names(&self) -> Result<Vec<String>, CertificateError> {
        let parsed = self.parsed()?;
        let names = parsed.subject().iter_common_name();
        Ok(names
            .filter_map(|it| Some(it.as_str().ok()?.to_owned()))
            .collect())
    }

    fn unfit(&self, why: &'static str) -> CertificateError {
        let subject = self.subject().unwrap_or_default();
        CertificateError::Unfit { subject, why }
    }

    /// Dates, and no rule that is not understood.
    fn check(&self, now: i64) -> Result<(), CertificateError> {
        let parsed = self.parsed()?;
        let validity = parsed.validity();
        if now < validity.not_before.timestamp() {
            return Err(self.unfit("it is not valid yet"));
        }
        if now > validity.not_after.timestamp() {
            return Err(self.unfit("it has expired"));
        }
        for extension in parsed.extensions() {
            let is_known = matches!(
                extension.parsed_extension(),
                ParsedExtension::BasicConstraints(_)
                    | ParsedExtension::KeyUsage(_)
                    | ParsedExtension::ExtendedKeyUsage(_)
            );
            if extension.critical && !is_known {
                return Err(self.unfit("it has a critical extension that is not known"));
            }
        }
        Ok(())
    }

    /// Whether it may sign packages.
    fn check_leaf(&self) -> Result<(), CertificateError> {
        let parsed = self.parsed()?;
        let usage = parsed.key_usage();
        let usage = usage.map_err(|_| self.unfit("it has two key usages"))?;
        match usage {
            Some(usage) if !usage.value.digital_signature() => {
                Err(self.unfit("its key may not sign (digitalSignature)"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it may issue certificates above `below` others.
    fn check_issuer(&self, below: usize) -> Result<(), CertificateError> {
        let parsed = self.parsed()?;
        let usage = parsed.key_usage();
        let usage = usage.map_err(|_| self.unfit("it has two key usages"))?;
        if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(self.unfit("its key may not sign certificates (keyCertSign)"));
        }
        let basic = parsed.basic_constraints();
        let basic = basic.map_err(|_| self.unfit("it has two basic constraints"))?;
        let Some(basic) = basic.filter(|basic| basic.value.ca) else {
            return Err(self.unfit("it is none of an authority (basicConstraints)"));
        };
        let limit = basic.value.path_len_constraint;
        if limit.is_some_and(|limit| below > limit as usize) {
            return Err(self.unfit("the chain below it is longer than it allows"));
        }
        Ok(())
    }

    fn is_issued_by(&self, issuer: &Self) -> Result<bool, CertificateError> {
        let (own, other) = (self.parsed()?, issuer.parsed()?);
        Ok(own.issuer().as_raw() == other.subject().as_raw()
            && own.verify_signature(Some(other.public_key())).is_ok())
    }
}

/// Walks from `leaf` over `between` to a trusted certificate; the common names on the way.
pub(super) fn verify(
    leaf: &Certificate,
    between: &[Certificate],
    trust: &Trust,
) -> Result<Vec<String>, CertificateError> {
    leaf.check(trust.now)?;
    leaf.check_leaf()?;
    let mut names = leaf.common_names()?;
    let mut at = leaf;
    for depth in 0..DEPTH_MAX {
        if trust.anchors.contains(at) {
            return Ok(names);
        }
        let mut issuer = None;
        for candidate in trust.anchors.iter().chain(between) {
            if candidate != at && at.is_issued_by(candidate)? {
                issuer = Some(candidate);
                break;
            }
        }
        let Some(issuer) = issuer else {
            break;
        };
        issuer.check(trust.now)?;
        // Certificates that are no end of a chain, below this one.
        issuer.check_issuer(depth)?;
        names.extend(issuer.common_names()?);
        at = issuer;
    }
    let parsed = at.parsed()?;
    Err(CertificateError::NoIssuer {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
    })
}
