//! Signatures of manifests: who vouches for a package.
//!
//! A `signature` action signs all other actions of its manifest but signatures. Its payload is the
//! certificate of the key, `chain` names the certificates between that and one which the image
//! trusts. Source: pkgsign(1), pkg(7), "Signature Actions".

mod chain;
mod message;
mod sign;
#[cfg(test)]
mod tests;

use std::io::Read;

use ring::signature::{self as rsa, UnparsedPublicKey, VerificationAlgorithm};
use zones_ips::{Action, ActionKind, Algorithm, Digest, Manifest};

use crate::payload::{Expected, PayloadError, unpack};

pub use chain::{Certificate, CertificateError};
pub use sign::{Signer, SignerError};

/// Bytes a certificate may have.
pub const CERTIFICATE_LEN_MAX: u64 = 64 * 1024;

/// The one version of the rules by which a message is made.
const VERSION: &str = "0";

/// What is asked of signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Policy {
    /// Nothing: they are not looked at.
    Ignore,
    /// Those that are there must hold.
    #[default]
    Verify,
    /// There must be one that holds.
    RequireSignatures,
    /// As above, and certain names must stand in its chain.
    RequireNames,
}

/// Word and policy.
const POLICIES: [(&str, Policy); 4] = [
    ("ignore", Policy::Ignore),
    ("verify", Policy::Verify),
    ("require-signatures", Policy::RequireSignatures),
    ("require-names", Policy::RequireNames),
];

impl Policy {
    /// The word of the property `signature-policy`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        POLICIES[self as usize].0
    }

    /// The policy with this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let row = POLICIES.iter().find(|(known, _)| *known == word);
        row.map(|(_, policy)| *policy)
    }
}

/// What is trusted, and how much must be proved.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// What is asked of signatures. Of an image's and a publisher's policy the greater counts.
    pub policy: Policy,
    /// Common names that must stand in the chain, for [`Policy::RequireNames`].
    pub names: Vec<String>,
    /// Certificates that are trusted as they are.
    pub anchors: Vec<Certificate>,
    /// Digests (SHA-1) of the files of certificates that count no more.
    pub revoked: Vec<String>,
    /// The time for which certificates must be valid, seconds since 1970 began.
    pub now: i64,
}

impl Trust {
    /// Looks at no signature.
    #[must_use]
    pub fn ignoring() -> Self {
        Self {
            policy: Policy::Ignore,
            ..Self::default()
        }
    }
}

/// What was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: there is no signature, or none that is understood, or none was looked at.
    Unsigned,
    /// All signatures that are understood hold, and there is one by a trusted key.
    Signed,
}

/// Why a signature is refused.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The value is not that of the manifest.
    #[error("The signature value did not match the expected value. action: {0}")]
    Wrong(Box<Action>),
    /// A signature needs a certificate that is not there.
    #[error("the certificate {0} of the signature is missing")]
    NoCertificate(Digest),
    /// A certificate of the chain counts no more.
    #[error("the certificate {0} was revoked for this publisher")]
    Revoked(Digest),
    /// The chain of certificates does not hold.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The policy asks for a signature.
    #[error("The policy requires signatures to be present but no signature was found.")]
    Unsigned,
    /// The policy asks for a name.
    #[error("The policy requires certain names to be in the chain of trust. Missing: {0}")]
    NoName(String),
}

/// An algorithm that is known: its word in the action, whether a key signs, how it is checked.
struct Row {
    word: &'static str,
    key: Option<&'static dyn VerificationAlgorithm>,
    digest: &'static ring::digest::Algorithm,
}

static ALGORITHMS: [Row; 6] = [
    Row {
        word: "rsa-sha256",
        key: Some(&rsa::RSA_PKCS1_2048_8192_SHA256),
        digest: &ring::digest::SHA256,
    },
    Row {
        word: "rsa-sha384",
        key: Some(&rsa::RSA_PKCS1_2048_8192_SHA384),
        digest: &ring::digest::SHA384,
    },
    Row {
        word: "rsa-sha512",
        key: Some(&rsa::RSA_PKCS1_2048_8192_SHA512),
        digest: &ring::digest::SHA512,
    },
    Row {
        word: "sha256",
        key: None,
        digest: &ring::digest::SHA256,
    },
    Row {
        word: "sha384",
        key: None,
        digest: &ring::digest::SHA384,
    },
    Row {
        word: "sha512",
        key: None,
        digest: &ring::digest::SHA512,
    },
];

/// Unpacks a certificate that is stored as a payload: no more bytes than one may have.
///
/// # Errors
///
/// It is larger, or its digest is another.
pub fn certificate(name: &Digest, packed: impl Read) -> Result<Vec<u8>, PayloadError> {
    let mut expected = Expected::named(*name);
    expected.size = None;
    expected.packed_size = Some(CERTIFICATE_LEN_MAX);
    let mut bytes = Vec::new();
    unpack(packed, &expected, &mut Bounded(&mut bytes))?;
    Ok(bytes)
}

/// Takes what a certificate can have, no more.
struct Bounded<'a>(&'a mut Vec<u8>);

impl std::io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > CERTIFICATE_LEN_MAX as usize {
            return Err(std::io::Error::other("too long for a certificate"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Proves the signatures of a manifest as the policy asks. `certificate` gives the bytes of a
/// certificate by the SHA-1 of its file, which this proves again.
///
/// # Errors
///
/// A signature does not hold, or one that the policy asks for is missing.
pub fn verify(
    manifest: &Manifest,
    trust: &Trust,
    certificate: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<Verdict, SignatureError> {
    if trust.policy == Policy::Ignore {
        return Ok(Verdict::Unsigned);
    }
    let mut names: Vec<String> = Vec::new();
    let mut verdict = Verdict::Unsigned;
    for signature in manifest.of_kind(ActionKind::Signature) {
        if let Some(found) = verify_one(manifest, signature, trust, certificate)? {
            verdict = Verdict::Signed;
            names.extend(found);
        }
    }
    if trust.policy >= Policy::RequireSignatures && verdict == Verdict::Unsigned {
        return Err(SignatureError::Unsigned);
    }
    if trust.policy == Policy::RequireNames {
        let mut missing = trust.names.iter().filter(|name| !names.contains(name));
        if let Some(name) = missing.next() {
            return Err(SignatureError::NoName(name.clone()));
        }
    }
    Ok(verdict)
}

/// The common names of the chain of a signature that holds; None for one that proves nothing: a
/// plain digest, or one that is not understood.
fn verify_one(
    manifest: &Manifest,
    signature: &Action,
    trust: &Trust,
    certificate: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<Option<Vec<String>>, SignatureError> {
    let word = signature.get("algorithm").unwrap_or_default();
    let is_known = signature.get("version") == Some(VERSION);
    let row = ALGORITHMS.iter().find(|row| row.word == word);
    let has_variants = signature.variants().next().is_some();
    let Some(row) = row.filter(|_| is_known && !has_variants) else {
        return Ok(None);
    };
    let wrong = || SignatureError::Wrong(Box::new(signature.clone()));
    let value = signature.get("value").unwrap_or_default();
    let value = message::from_hex(value).ok_or_else(wrong)?;
    let message = message::of(manifest, signature);
    let Some(algorithm) = row.key else {
        let digest = ring::digest::digest(row.digest, message.as_bytes());
        return match digest.as_ref() == value {
            true => Ok(None),
            false => Err(wrong()),
        };
    };
    let own = signature.payload_digest().ok_or_else(wrong)?;
    let fetch = |name: Digest| {
        if trust.revoked.contains(&name.to_string()) {
            return Err(SignatureError::Revoked(name));
        }
        let bytes = certificate(&name);
        let bytes = bytes.filter(|it| Digest::of(Algorithm::Sha1, it) == name);
        Certificate::read(&bytes.ok_or(SignatureError::NoCertificate(name))?).map_err(Into::into)
    };
    let leaf: Certificate = fetch(own)?;
    let chain = signature
        .get("chain")
        .unwrap_or_default()
        .split_whitespace();
    let chain = chain.filter_map(|text| Digest::parse(Algorithm::Sha1, text).ok());
    let chain: Result<Vec<Certificate>, SignatureError> = chain.map(fetch).collect();
    let found = chain::verify(&leaf, &chain?, trust)?;
    let key = UnparsedPublicKey::new(algorithm, leaf.key()?);
    key.verify(message.as_bytes(), &value)
        .map_err(|_| wrong())?;
    Ok(Some(found))
}
