//! OpenPGP: whose signature is good. Source: RFC 9580.

#[cfg(test)]
mod tests;

use std::io::Cursor;

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, VerifyingKey};

/// Seconds a foreign clock may be ahead.
pub(crate) const CLOCK_SKEW: i64 = 24 * 3600;

/// Why a signed text is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is no signed text, or more than that.
    #[error("it is not exactly one signed text ({0})")]
    Form(String),
    /// No signature is by a known key.
    #[error("it is signed by {0}, which the keyring does not hold")]
    NoKey(String),
    /// A signature does not fit the text.
    #[error("the signature by key {0} does not fit its text")]
    Bad(String),
    /// The key may not sign any more, or not this.
    #[error("it is signed by key {key}, which {why}")]
    Key {
        /// Identity of the key.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Keys that may sign.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<SignedPublicKey>);

impl Keys {
    /// Adds all keys of a file, armored or binary; says how many. Keys of kinds that are not
    /// known are left out: keyrings hold very old ones.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> usize {
        let before = self.0.len();
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        if text.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
            const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
            for block in text.split_inclusive(END) {
                if let Ok((keys, _)) = SignedPublicKey::from_string_many(block.trim_start()) {
                    self.0.extend(keys.flatten());
                }
            }
        } else if let Ok(keys) = SignedPublicKey::from_bytes_many(Cursor::new(bytes)) {
            self.0.extend(keys.flatten());
        }
        self.0.len() - before
    }

    /// The signed text alone, once one signature is good and none is bad. `now` in seconds.
    pub(crate) fn verify(&self, message: &str, now: i64) -> Result<String, SignatureError> {
        check_form(message)?;
        let form = |e: pgp::errors::Error| SignatureError::Form(e.to_string());
        let (message, _) = CleartextSignedMessage::from_string(message).map_err(form)?;
        let text = message.signed_text();
        let mut good = false;
        let mut refused = None;
        let mut unknown = Vec::new();
        for signature in message.signatures() {
            match self.check(signature, text.as_bytes(), now) {
                Ok(true) => good = true,
                Ok(false) => unknown.push(issuer(signature)),
                Err(e @ SignatureError::Bad(_)) => return Err(e),
                Err(e) => refused = Some(e),
            }
        }
        match refused {
            _ if good => Ok(text.replace("\r\n", "\n")),
            Some(e) => Err(e),
            None if unknown.is_empty() => Err(SignatureError::Form(String::from("no signature"))),
            None => Err(SignatureError::NoKey(unknown.join(", "))),
        }
    }

    /// Whether a signature is good; `false` if no key here made it.
    fn check(&self, signature: &Signature, text: &[u8], now: i64) -> Result<bool, SignatureError> {
        let Some((cert, subkey)) = self.0.iter().find_map(|cert| signer(cert, signature)) else {
            return Ok(false);
        };
        let fits = match subkey {
            Some(subkey) => signature.verify(&subkey.key, text),
            None => signature.verify(&cert.primary_key, text),
        };
        if fits.is_err() {
            return Err(SignatureError::Bad(issuer(signature)));
        }
        let why = signature_fault(signature, now)
            .or_else(|| cert_fault(cert, subkey.is_none(), now))
            .or_else(|| subkey.and_then(|s| subkey_fault(cert, s, now)));
        match why {
            Some(why) => Err(SignatureError::Key {
                key: issuer(signature),
                why,
            }),
            None => Ok(true),
        }
    }
}

/// The framework allows text around and headers within; here nothing but the text is allowed,
/// so that nobody reads lines that nobody signed.
fn check_form(message: &str) -> Result<(), SignatureError> {
    let wrong = |why: &str| Err(SignatureError::Form(why.to_owned()));
    let Some(rest) = message.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----\n") else {
        return wrong("it does not start with a signed text");
    };
    let Some((head, rest)) = rest.split_once("\n\n") else {
        return wrong("no empty line after its head");
    };
    if !head.lines().all(|l| l.starts_with("Hash: ")) {
        return wrong("its head has other lines than Hash");
    }
    let Some((text, tail)) = rest.split_once("\n-----BEGIN PGP SIGNATURE-----\n") else {
        return wrong("no signature");
    };
    if text
        .lines()
        .any(|l| l.starts_with('-') && !l.starts_with("- "))
    {
        return wrong("a line is not escaped");
    }
    if message.contains(['\0', '\r']) {
        return wrong("control characters");
    }
    let end = "-----END PGP SIGNATURE-----";
    if tail.matches("-----").count() != 2 || !tail.trim_end().ends_with(end) {
        return wrong("text after the signature");
    }
    Ok(())
}

/// The certificate, and its subkey if that one signed.
fn signer<'k>(
    cert: &'k SignedPublicKey,
    signature: &Signature,
) -> Option<(&'k SignedPublicKey, Option<&'k SignedPublicSubKey>)> {
    if made_by(signature, &cert.primary_key) {
        return Some((cert, None));
    }
    cert.public_subkeys
        .iter()
        .find(|s| made_by(signature, &s.key))
        .map(|s| (cert, Some(s)))
}

fn made_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let prints = signature.issuer_fingerprint();
    if !prints.is_empty() {
        return prints.into_iter().any(|p| *p == key.fingerprint());
    }
    signature
        .issuer_key_id()
        .into_iter()
        .any(|id| *id == key.legacy_key_id())
}

fn issuer(signature: &Signature) -> String {
    if let Some(print) = signature.issuer_fingerprint().first() {
        return format!("{print:X}");
    }
    let id = signature.issuer_key_id();
    id.first().map_or_else(
        || String::from("(unnamed)"),
        |id| format!("{id}").to_uppercase(),
    )
}

fn signature_fault(signature: &Signature, now: i64) -> Option<&'static str> {
    if !matches!(
        signature.typ(),
        Some(SignatureType::Text | SignatureType::Binary)
    ) {
        return Some("made a signature of a kind that is not for texts");
    }
    let weak = [
        HashAlgorithm::Md5,
        HashAlgorithm::Sha1,
        HashAlgorithm::Ripemd160,
    ];
    if signature.hash_alg().is_none_or(|h| weak.contains(&h)) {
        return Some("used a hash algorithm that is too weak");
    }
    let Some(created) = signature.created() else {
        return Some("did not date its signature");
    };
    let created = i64::from(created.as_secs());
    if created > now + CLOCK_SKEW {
        return Some("dated its signature into the future; is the clock of this host right?");
    }
    let expires = signature
        .signature_expiration_time()
        .map_or(0, |d| i64::from(d.as_secs()));
    (expires != 0 && created + expires < now).then_some("made a signature that has expired")
}

/// Self-signatures of a certificate that are valid, newest last.
fn self_signatures(cert: &SignedPublicKey) -> Vec<&Signature> {
    let key = &cert.primary_key;
    let mut all: Vec<&Signature> = cert
        .details
        .direct_signatures
        .iter()
        .filter(|s| s.verify_key(key).is_ok())
        .collect();
    for user in &cert.details.users {
        let own = user
            .signatures
            .iter()
            .filter(|s| s.typ() != Some(SignatureType::CertRevocation));
        // Signatures by others cannot verify here, and most are: look at the issuer first.
        all.extend(own.filter(|s| {
            made_by(s, key) && s.verify_certification(key, Tag::UserId, &user.id).is_ok()
        }));
    }
    all.sort_by_key(|s| s.created().map_or(0, |t| t.as_secs()));
    all
}

fn cert_fault(cert: &SignedPublicKey, signs: bool, now: i64) -> Option<&'static str> {
    let key = &cert.primary_key;
    if cert
        .details
        .revocation_signatures
        .iter()
        .any(|s| s.verify_key(key).is_ok())
    {
        return Some("has been revoked");
    }
    let own = self_signatures(cert);
    let Some(newest) = own.last() else {
        return Some("has no valid self-signature");
    };
    if has_expired(key, newest, now) {
        return Some("has expired; a newer keyring package may have its new date");
    }
    let flags = newest.key_flags();
    (signs && flags.certify() && !flags.sign()).then_some("is not meant for signing")
}

fn subkey_fault(
    cert: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: i64,
) -> Option<&'static str> {
    let (key, sub) = (&cert.primary_key, &subkey.key);
    let valid = subkey
        .signatures
        .iter()
        .filter(|s| s.verify_subkey_binding(key, sub).is_ok());
    let (revoked, mut bindings): (Vec<_>, Vec<_>) =
        valid.partition(|s| s.typ() == Some(SignatureType::SubkeyRevocation));
    if !revoked.is_empty() {
        return Some("has been revoked");
    }
    bindings.sort_by_key(|s| s.created().map_or(0, |t| t.as_secs()));
    let Some(newest) = bindings.last() else {
        return Some("is not bound to its main key");
    };
    if !newest.key_flags().sign() {
        return Some("is not meant for signing");
    }
    // The subkey must agree, or anybody could claim a foreign key as his own.
    let agrees = newest.embedded_signature();
    if agrees.is_none_or(|s| s.verify_primary_key_binding(sub, key).is_err()) {
        return Some("is not bound to its main key");
    }
    has_expired(sub, newest, now)
        .then_some("has expired; a newer keyring package may have its new date")
}

fn has_expired(key: &impl VerifyingKey, signature: &Signature, now: i64) -> bool {
    let life = signature
        .key_expiration_time()
        .map_or(0, |d| i64::from(d.as_secs()));
    life != 0 && i64::from(key.created_at().as_secs()) + life < now
}
