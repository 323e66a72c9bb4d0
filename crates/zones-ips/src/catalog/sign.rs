//! Signatures of catalog files: a digest of the bytes, put at the end of the object.

use crate::hash::{Algorithm, Digest};

const HEAD: &[u8] = br#""_SIGNATURE":{"sha-1":""#;
const TAIL: &[u8] = b"\"}}";

/// Why a signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The file does not end with one.
    #[error("the catalog file has no signature; fetch the whole catalog again")]
    Missing,
    /// The bytes before it are others.
    #[error("catalog signature {found} should be {expected}; fetch the whole catalog again")]
    Wrong {
        /// The digest of the bytes.
        found: Digest,
        /// The digest that the file claims.
        expected: Digest,
    },
}

/// Signs the text of an object, which ends with `}`. Gives the whole file and the signature.
#[must_use]
pub fn seal(object: &str) -> (Vec<u8>, Digest) {
    let mut bytes = object.trim_ascii_end().as_bytes().to_vec();
    bytes.push(b'\n');
    let digest = Digest::of(Algorithm::Sha1, &bytes);
    bytes.truncate(bytes.len() - 2);
    if bytes.len() > 1 {
        bytes.push(b',');
    }
    bytes.extend_from_slice(HEAD);
    bytes.extend_from_slice(digest.to_string().as_bytes());
    bytes.extend_from_slice(TAIL);
    bytes.push(b'\n');
    (bytes, digest)
}

/// Checks the signature at the end of a file, and gives it.
///
/// # Errors
///
/// There is none, or it belongs to other bytes.
pub fn unseal(bytes: &[u8]) -> Result<Digest, SignatureError> {
    let (body, expected) = cut(bytes).ok_or(SignatureError::Missing)?;
    let mut hasher = crate::hash::Hasher::new(Algorithm::Sha1);
    hasher.update(body);
    hasher.update(b"}\n");
    let found = hasher.finish();
    if found == expected {
        Ok(found)
    } else {
        Err(SignatureError::Wrong { found, expected })
    }
}

/// The bytes before the signature, and its digest.
fn cut(bytes: &[u8]) -> Option<(&[u8], Digest)> {
    let bytes = bytes.trim_ascii_end().strip_suffix(TAIL)?;
    let (bytes, hex) = bytes.split_at_checked(bytes.len().checked_sub(40)?)?;
    let digest = Digest::parse(Algorithm::Sha1, std::str::from_utf8(hex).ok()?).ok()?;
    let body = bytes.strip_suffix(HEAD)?;
    Some((body.strip_suffix(b",").unwrap_or(body), digest))
}
