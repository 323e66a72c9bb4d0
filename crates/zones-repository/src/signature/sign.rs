//! Signing what is published.

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use zones_ips::{Action, ActionKind, Algorithm, Digest, Fmri};

use super::{Certificate, CertificateError, message};
use crate::error::{RepositoryError, Result};
use crate::payload::{Content, PackedFacts};
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

fn sign(transaction: &crate::Transaction, signer: Option<&Signer>) -> Result<bool> {
    let manifest = transaction.manifest()?;
    let mut action = unsigned(transaction, signer)?;
    let message = message::of(&manifest, &action);
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
    if signatures.any(|known| known.is_same(&action)) {
        return Ok(false);
    }
    transaction.add_complete(&action)?;
    Ok(true)
}

/// The action with all but its value; its certificates are stored.
fn unsigned(transaction: &crate::Transaction, signer: Option<&Signer>) -> Result<Action> {
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
        let packed = transaction.store_content(between)?;
        let facts = PackedFacts::of(&packed);
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
    let content = Content::from(signer.certificate.clone());
    transaction.completed(action, Some(&content))
}
