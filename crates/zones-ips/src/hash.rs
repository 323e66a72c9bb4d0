//! Digests of content: names of payloads, proofs of downloads.

use std::fmt;
use std::io;
use std::str::FromStr;

use sha2::Digest as _;

/// An algorithm, the least preferred first: what is verified takes the greatest that is known, what
/// is asked for by name takes the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// The names of payloads, and catalogs.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512 with its own start values, cut to 256 bits.
    Sha512t256,
}

/// Algorithm, its name, and the bytes of a digest.
const ALGORITHMS: [(Algorithm, &str, usize); 3] = [
    (Algorithm::Sha1, "sha1", 20),
    (Algorithm::Sha256, "sha256", 32),
    (Algorithm::Sha512t256, "sha512t_256", 32),
];

impl Algorithm {
    /// The name in attributes.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALGORITHMS[self as usize].1
    }

    /// The algorithm with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let row = ALGORITHMS.iter().find(|(_, known, _)| *known == name);
        row.map(|(algorithm, ..)| *algorithm)
    }

    /// How many bytes a digest has.
    #[must_use]
    pub fn bytes(self) -> usize {
        ALGORITHMS[self as usize].2
    }
}

/// A digest. Prints in lower-case hexadecimal; safe as the name of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    /// The first [`Algorithm::bytes`] count, the others are zero.
    bytes: [u8; 32],
}

/// The text is no digest of this algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {} digest", algorithm.name())]
pub struct DigestError {
    /// What was given.
    pub text: String,
    /// What it should be.
    pub algorithm: Algorithm,
}

impl Digest {
    /// The digest of `content`.
    #[must_use]
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(content);
        hasher.finish()
    }

    /// Reads lower-case hexadecimal.
    ///
    /// # Errors
    ///
    /// Wrong length, or other characters.
    pub fn parse(algorithm: Algorithm, text: &str) -> Result<Self, DigestError> {
        let bad = || DigestError {
            text: text.chars().take(128).collect(),
            algorithm,
        };
        if text.len() != 2 * algorithm.bytes() {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (high, low) = (digit(pair[0]), digit(pair[1]));
            *byte = high
                .zip(low)
                .map(|(high, low)| high * 16 + low)
                .ok_or_else(bad)?;
        }
        Ok(Self { algorithm, bytes })
    }

    /// How it was made.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.bytes()]
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.algorithm.name())
    }
}

/// Makes a digest of what streams through it.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512t256(sha2::Sha512_256),
}

impl Hasher {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha1 => State::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512t256 => State::Sha512t256(sha2::Sha512_256::new()),
        })
    }

    /// Takes more content.
    pub fn update(&mut self, content: &[u8]) {
        match &mut self.0 {
            State::Sha1(state) => state.update(content),
            State::Sha256(state) => state.update(content),
            State::Sha512t256(state) => state.update(content),
        }
    }

    /// The digest of all that was taken.
    #[must_use]
    pub fn finish(self) -> Digest {
        let mut bytes = [0; 32];
        let algorithm = match self.0 {
            State::Sha1(state) => {
                bytes[..20].copy_from_slice(&state.finalize());
                Algorithm::Sha1
            }
            State::Sha256(state) => {
                bytes.copy_from_slice(&state.finalize());
                Algorithm::Sha256
            }
            State::Sha512t256(state) => {
                bytes.copy_from_slice(&state.finalize());
                Algorithm::Sha512t256
            }
        };
        Digest { algorithm, bytes }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl io::Write for Hasher {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.update(content);
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says at the end of a stream whether it was the expected content.
#[derive(Debug, Clone)]
pub struct Verifier {
    expected: Digest,
    hasher: Hasher,
}

/// The content is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Hash: {found} should be {expected}")]
pub struct Mismatch {
    /// The digest of what came.
    pub found: Digest,
    /// The digest of what should have come.
    pub expected: Digest,
}

impl Verifier {
    /// Expects content of this digest.
    #[must_use]
    pub fn new(expected: Digest) -> Self {
        let hasher = Hasher::new(expected.algorithm);
        Self { expected, hasher }
    }

    /// Takes more content.
    pub fn update(&mut self, content: &[u8]) {
        self.hasher.update(content);
    }

    /// Compares.
    ///
    /// # Errors
    ///
    /// The digests differ.
    pub fn finish(self) -> Result<(), Mismatch> {
        let found = self.hasher.finish();
        let expected = self.expected;
        if found == expected {
            Ok(())
        } else {
            Err(Mismatch { found, expected })
        }
    }
}

/// What of a payload a digest covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extract {
    /// The plain content.
    File,
    /// The compressed file as a repository stores it.
    Gzip,
    /// The loadable sections of an ELF file.
    Gelf,
    /// The same without a signature.
    GelfUnsigned,
}

const EXTRACTS: [(&str, Extract); 4] = [
    ("file", Extract::File),
    ("gzip", Extract::Gzip),
    ("gelf", Extract::Gelf),
    ("gelf.unsigned", Extract::GelfUnsigned),
];

impl Extract {
    /// What a value of `pkg.content-hash` is of.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let (word, _) = text.split_once(':')?;
        let row = EXTRACTS.iter().find(|(known, _)| *known == word);
        row.map(|(_, extract)| *extract)
    }
}

/// A value of `pkg.content-hash`: `extract:algorithm:digest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash {
    /// What it covers.
    pub extract: Extract,
    /// The digest.
    pub digest: Digest,
}

/// The text is no content hash that is known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no content hash; write extract:algorithm:digest")]
pub struct ContentHashError(pub String);

impl FromStr for ContentHash {
    type Err = ContentHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let extract = Extract::of(text)?;
            let (_, rest) = text.split_once(':')?;
            let (algorithm, hex) = rest.split_once(':')?;
            let digest = Digest::parse(Algorithm::named(algorithm)?, hex).ok()?;
            Some(Self { extract, digest })
        };
        read().ok_or_else(|| ContentHashError(text.chars().take(256).collect()))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = EXTRACTS.iter().find(|(_, known)| *known == self.extract);
        let extract = row.map_or("", |(word, _)| word);
        let algorithm = self.digest.algorithm.name();
        write!(f, "{extract}:{algorithm}:{}", self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_nothing_are_the_known_ones() {
        let known = [
            (Algorithm::Sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (
                Algorithm::Sha256,
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                Algorithm::Sha512t256,
                "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a",
            ),
        ];
        for (algorithm, hex) in known {
            let digest = Digest::of(algorithm, b"");
            assert_eq!(digest.to_string(), hex);
            assert_eq!(Digest::parse(algorithm, hex), Ok(digest));
            assert_eq!(Algorithm::named(algorithm.name()), Some(algorithm));
            assert_eq!(ALGORITHMS[algorithm as usize].0, algorithm);
        }
    }

    #[test]
    fn names_that_could_be_paths_are_no_digests() {
        let dots = "../".repeat(14);
        for bad in ["", "abc", &dots[..40], &"A".repeat(40), &"é".repeat(20)] {
            assert!(Digest::parse(Algorithm::Sha1, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_verifier_tells_the_content() {
        let mut verifier = Verifier::new(Digest::of(Algorithm::Sha256, b"abc"));
        verifier.update(b"a");
        let right = {
            let mut verifier = verifier.clone();
            verifier.update(b"bc");
            verifier.finish()
        };
        assert_eq!(right, Ok(()));
        let wrong = verifier.finish().unwrap_err();
        assert_eq!(wrong.found, Digest::of(Algorithm::Sha256, b"a"));
    }

    #[test]
    fn content_hashes_parse_and_print() {
        let digest = Digest::of(Algorithm::Sha512t256, b"");
        for (word, extract) in EXTRACTS {
            let text = format!("{word}:sha512t_256:{digest}");
            let hash: ContentHash = text.parse().unwrap();
            assert_eq!(hash, ContentHash { extract, digest });
            assert_eq!(hash.to_string(), text);
        }
        for bad in ["file:md5:00", "file:sha1", "elf:sha1:00", ""] {
            assert!(bad.parse::<ContentHash>().is_err(), "{bad}");
        }
    }
}
