//! Signing what is published.

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use zones_ips::{Action, ActionKind, Algorithm, Digest, Fmri, Manifest};

use super::{CERTIFICATE_LEN_MAX, Certificate, CertificateError, certificate, message};
use crate::error::{RepositoryError, Result};
use crate::payload::{self, Content, Facts, Opened, PackedFacts, PlainFacts};
use crate::remote::Target;
use crate::source::{HttpSource, Source as _, bounded};
use crate::store::Store;
use crate::transaction::Listing;

/// A key with its certificate and those up to one that others trust.
#[derive(Debug)]
pub struct Signer {
    key: RsaKeyPair,
    certificate: Vec<u8>,
    chain: Vec<Vec<u8>>,
}

/// Why a key or certificate cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The key is none.
    #[error("not an RSA key of 2048 bits or more, PEM or DER: {0}")]
    Key(String),
    /// A certificate is none.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// They do not belong together.
    #[error("the key is not that of the certificate")]
    Strangers,
}

impl Signer {
    /// A signer with this key (PKCS #1 or #8) and these certificates, the files as they are.
    ///
    /// # Errors
    ///
    /// A file is not what it should be, or key and certificate do not belong together.
    pub fn new(key: &[u8], certificate: Vec<u8>, chain: Vec<Vec<u8>>) -> Result<Self, SignerError> {
        let key = read_key(key)?;
        let own = Certificate::read(&certificate)?;
        for between in &chain {
            Certificate::read(between)?;
        }
        if own.key()? != key.public().as_ref() {
            return Err(SignerError::Strangers);
        }
        Ok(Self {
            key,
            certificate,
            chain,
        })
    }

    fn sign(&self, message: &str) -> Option<Vec<u8>> {
        let mut value = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        let signed = self
            .key
            .sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut value);
        signed.ok().map(|()| value)
    }
}

fn read_key(bytes: &[u8]) -> Result<RsaKeyPair, SignerError> {
    let bad = |why: &dyn std::fmt::Display| SignerError::Key(why.to_string());
    let is_pem = bytes.starts_with(b"-----") || bytes.windows(11).any(|it| it == b"-----BEGIN ");
    if !is_pem {
        let read = RsaKeyPair::from_pkcs8(bytes).or_else(|_| RsaKeyPair::from_der(bytes));
        return read.map_err(|error| bad(&error));
    }
    for block in x509_parser::pem::Pem::iter_from_buffer(bytes) {
        let block = block.map_err(|error| bad(&error))?;
        let read = match block.label.as_str() {
            "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&block.contents),
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&block.contents),
            _ => continue,
        };
        return read.map_err(|error| bad(&error));
    }
    Err(bad(&"the file has no private key"))
}

impl Store {
    /// Signs a published package in place: with a key, or without one by a plain digest, which
    /// proves that nothing was damaged but not who published it. A signature that is there already
    /// is not made again. Gives whether one came. Source: pkgsign(1).
    ///
    /// # Errors
    ///
    /// The package is not there, or the repository cannot be written.
    pub fn sign(&self, fmri: &Fmri, signer: Option<&Signer>) -> Result<bool> {
        let transaction = self.begin_append_tied(fmri)?;
        let done = sign(&transaction, signer);
        match done {
            Ok(true) => transaction.close(Listing::Now).map(|_| true),
            Ok(false) => transaction.abandon().map(|()| false),
            Err(error) => {
                // The first error is the one to report.
                let _ = transaction.abandon();
                Err(error)
            }
        }
    }
}

impl Target {
    /// As [`Store::sign`], in a folder or by a depot: there the manifest with its new signature
    /// takes the place of the old one, in a transaction that may add nothing else.
    ///
    /// # Errors
    ///
    /// The package is not there, or the depot does not take what is sent.
    pub fn sign(&self, fmri: &Fmri, signer: Option<&Signer>) -> Result<bool> {
        let depot = match self {
            Self::Folder(repository) => {
                let store = repository.publisher_or_default(fmri.publisher())?;
                return store.sign(fmri, signer);
            }
            Self::Depot(depot) => depot,
        };
        let (manifest, _) = depot.manifest(fmri, None)?;
        let mut payloads: Vec<(Digest, Vec<u8>)> = Vec::new();
        let mut keep = |content: &[u8]| -> Result<PackedFacts> {
            let name = Digest::of(Algorithm::Sha1, content);
            let packed = packed_at(depot, fmri, &name, content)?;
            let facts = PackedFacts::of(&packed);
            payloads.push((name, packed));
            Ok(facts)
        };
        let mut action = unsigned(signer, &mut keep)?;
        if let Some(signer) = signer {
            let packed = keep(&signer.certificate)?;
            let content = Opened::Bytes(signer.certificate.as_slice().into());
            let plain = PlainFacts::of(&content).map_err(|error| {
                RepositoryError::Refused(format!("cannot read a certificate: {error}"))
            })?;
            Facts { plain, packed }.stamp(&mut action)?;
        }
        let Some(action) = signed(&manifest, action, signer)? else {
            return Ok(false);
        };
        let sending = self.begin_append(fmri)?;
        let mut payloads = payloads.iter();
        let sent = payloads.try_for_each(|(name, packed)| sending.add_packed(*name, packed));
        let text = format!("{manifest}{action}\n");
        match sent.and_then(|()| sending.set_manifest(text.as_bytes())) {
            Ok(()) => sending.close(Listing::Now).map(|_| true),
            Err(error) => {
                // The first error is the one to report.
                let _ = sending.abandon();
                Err(error)
            }
        }
    }
}

/// A certificate as the depot has it packed: the signature speaks of that form; else packed here.
fn packed_at(depot: &HttpSource, fmri: &Fmri, name: &Digest, content: &[u8]) -> Result<Vec<u8>> {
    let publisher = fmri.publisher().ok_or(RepositoryError::NoPublisher)?;
    let limit = usize::try_from(CERTIFICATE_LEN_MAX).unwrap_or(usize::MAX);
    match depot.payload(publisher, name) {
        Ok(packed) => {
            let packed = bounded(packed, limit, &depot.location())?;
            let is_right = certificate(name, &*packed).is_ok_and(|it| it == content);
            is_right
                .then_some(packed)
                .ok_or(RepositoryError::NoPayload(*name))
        }
        Err(RepositoryError::NoPayload(_)) => payload::pack_bytes(content).map_err(|error| {
            RepositoryError::Refused(format!("cannot pack a certificate: {error}"))
        }),
        Err(error) => Err(error),
    }
}

fn sign(transaction: &crate::Transaction, signer: Option<&Signer>) -> Result<bool> {
    let manifest = transaction.manifest()?;
    let mut keep = |content: &[u8]| -> Result<PackedFacts> {
        Ok(PackedFacts::of(&transaction.store_content(content)?))
    };
    let mut action = unsigned(signer, &mut keep)?;
    if let Some(signer) = signer {
        let content = Content::from(signer.certificate.clone());
        action = transaction.completed(action, Some(&content))?;
    }
    match signed(&manifest, action, signer)? {
        Some(action) => transaction.add_complete(&action).map(|()| true),
        None => Ok(false),
    }
}

/// The action with its value; None when the manifest has it already.
fn signed(
    manifest: &Manifest,
    mut action: Action,
    signer: Option<&Signer>,
) -> Result<Option<Action>> {
    let message = message::of(manifest, &action);
    let value = match signer {
        Some(signer) => signer.sign(&message),
        None => {
            let digest = ring::digest::digest(&ring::digest::SHA256, message.as_bytes());
            Some(digest.as_ref().to_vec())
        }
    };
    let failed = || RepositoryError::Refused("the key cannot sign this".to_owned());
    action.set("value", &message::to_hex(&value.ok_or_else(failed)?))?;
    let mut signatures = manifest.of_kind(ActionKind::Signature);
    let is_known = signatures.any(|known| known.is_same(&action));
    Ok((!is_known).then_some(action))
}

/// Keeps a certificate, and tells of its packed form.
type Keep<'a> = &'a mut dyn FnMut(&[u8]) -> Result<PackedFacts>;

/// The action with all but its own certificate and its value; the certificates between are kept.
fn unsigned(signer: Option<&Signer>, keep: Keep<'_>) -> Result<Action> {
    let algorithm = if signer.is_some() {
        "rsa-sha256"
    } else {
        "sha256"
    };
    let pairs = [("algorithm", algorithm), ("value", ""), ("version", "0")];
    let mut action = Action::new(ActionKind::Signature, None, pairs)?;
    let Some(signer) = signer else {
        return Ok(action);
    };
    let mut lists: [Vec<String>; 4] = Default::default();
    for between in &signer.chain {
        let facts = keep(between)?;
        let name = Digest::of(Algorithm::Sha1, between);
        let row = [
            name.to_string(),
            between.len().to_string(),
            facts.size.to_string(),
            facts.sha1.to_string(),
        ];
        for (list, value) in lists.iter_mut().zip(row) {
            list.push(value);
        }
    }
    let keys = ["chain", "chain.sizes", "chain.csizes", "chain.chashes"];
    for (key, list) in keys.into_iter().zip(&lists) {
        if !list.is_empty() {
            action.set(key, &list.join(" "))?;
        }
    }
    Ok(action)
}
