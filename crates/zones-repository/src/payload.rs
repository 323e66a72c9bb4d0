//! Payloads: packed for a repository, unpacked and proved for an image.

mod facts;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use zones_ips::hash::{Extract, Hasher, Mismatch};
use zones_ips::{Action, Algorithm, Digest};

pub(crate) use facts::{Facts, Hashing, PackedFacts, PlainFacts, examine};

/// Bytes that an unpacked payload may have when its action does not say how many.
pub const PAYLOAD_LEN_MAX: u64 = 16 << 30;

/// Bytes that are handled at once.
const CHUNK: usize = 128 * 1024;

/// Where the content of a file comes from at publication.
#[derive(Debug, Clone)]
pub enum Content {
    /// A file. It is read when the payload is packed.
    Path(PathBuf),
    /// An open file, read from its beginning to its end.
    File(Arc<File>),
    /// These bytes.
    Bytes(Arc<[u8]>),
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<PathBuf> for Content {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl Content {
    /// All of it.
    ///
    /// # Errors
    ///
    /// Whatever reading says.
    pub fn read(&self) -> io::Result<Arc<[u8]>> {
        let mut bytes = Vec::new();
        self.open()?.reader().read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// Whatever open(2) says.
    pub(crate) fn open(&self) -> io::Result<Opened> {
        Ok(match self {
            Self::Path(path) => Opened::File(Arc::new(File::open(path)?)),
            Self::File(file) => Opened::File(Arc::clone(file)),
            Self::Bytes(bytes) => Opened::Bytes(Arc::clone(bytes)),
        })
    }
}

/// Content that can be read at any place, and is never held whole.
#[derive(Debug)]
pub(crate) enum Opened {
    File(Arc<File>),
    Bytes(Arc<[u8]>),
}

impl Opened {
    /// Reads at a place; 0 behind the end.
    pub(crate) fn read_at(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => std::os::unix::fs::FileExt::read_at(&**file, to, at),
            Self::Bytes(bytes) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                let mut rest = &bytes[start..];
                rest.read(to)
            }
        }
    }

    /// From its beginning.
    pub(crate) fn reader(&self) -> Reading<'_> {
        Reading { from: self, at: 0 }
    }
}

/// Reads content from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    from: &'a Opened,
    at: u64,
}

impl Read for Reading<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read_at(to, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Packs content: gzip without a name or time, so that equal content gives equal bytes. Gives the
/// digest of the content by which a change since it was looked at is told.
/// Source: RFC 1952.
///
/// # Errors
///
/// The content cannot be read, or what takes it fails.
pub(crate) fn pack(from: impl Read, to: &mut dyn Write) -> Result<Digest, PayloadError> {
    let mut packer = GzEncoder::new(to, Compression::new(6));
    let mut hasher = Hasher::new(Algorithm::Sha1);
    chunks(from, PAYLOAD_LEN_MAX, &mut |chunk| {
        hasher.update(chunk);
        packer.write_all(chunk).map_err(PayloadError::Write)
    })?;
    packer.finish().map_err(PayloadError::Write)?;
    Ok(hasher.finish())
}

/// As [`pack`], into memory: for what is small.
pub(crate) fn pack_bytes(content: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let mut packed = Vec::with_capacity(content.len() / 2 + 64);
    pack(content, &mut packed)?;
    Ok(packed)
}

/// Why a payload is not what its action says.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The stream cannot be read or is no whole gzip stream.
    #[error("damaged or cut short: {0}")]
    Damaged(#[source] io::Error),
    /// It goes on behind its size: damaged, or made to fill the disk.
    #[error("larger than its {0} bytes")]
    Large(u64),
    /// It ends before its size.
    #[error("Size: {found} bytes should be {expected}")]
    Size {
        /// What came.
        found: u64,
        /// What should have come.
        expected: u64,
    },
    /// It has another digest.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The action says nothing by which the content could be proved.
    #[error("the action names no digest of its content")]
    Unproved,
    /// What takes the content fails.
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
}

/// What is expected of a payload, from its action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Bytes, unpacked.
    pub size: Option<u64>,
    /// Bytes as stored.
    pub packed_size: Option<u64>,
    /// Of the content: the most preferred that is known.
    pub content: Option<Digest>,
    /// Of the stored form: the most preferred that is known.
    pub packed: Option<Digest>,
    /// Of the stored form: the least preferred, which is quick, for what is proved by its content
    /// before it is used.
    pub transport: Option<Digest>,
}

impl Expected {
    /// What the action says of its payload.
    #[must_use]
    pub fn of(action: &Action) -> Self {
        let packed = action.digests(Extract::Gzip);
        Self {
            size: action.size(),
            packed_size: action.compressed_size(),
            content: action.digests(Extract::File).first().copied(),
            packed: packed.first().copied(),
            transport: packed.last().copied(),
        }
    }

    /// A payload of which only the name is known, which is the SHA-1 of its content.
    #[must_use]
    pub fn named(name: Digest) -> Self {
        Self {
            content: Some(name),
            ..Self::default()
        }
    }
}

/// Unpacks a payload into `to` and proves it: size and the most preferred digest of the content.
/// Not more than the expected size is ever written. Gives the bytes written.
///
/// # Errors
///
/// The payload is not what was expected; `to` then holds part of it, to be thrown away.
pub fn unpack(
    from: impl Read,
    expected: &Expected,
    to: &mut dyn Write,
) -> Result<u64, PayloadError> {
    let wanted = expected.content.ok_or(PayloadError::Unproved)?;
    let limit = expected.size.unwrap_or(PAYLOAD_LEN_MAX);
    let room = room(expected.packed_size.unwrap_or(PAYLOAD_LEN_MAX));
    let from = GzDecoder::new(io::BufReader::with_capacity(room, from));
    let mut hasher = Hasher::new(wanted.algorithm());
    let size = chunks(from, limit, &mut |chunk| {
        hasher.update(chunk);
        to.write_all(chunk).map_err(PayloadError::Write)
    })?;
    prove(size, expected.size, hasher, wanted)?;
    Ok(size)
}

/// Bytes of a buffer for so many: most payloads are small.
fn room(bytes: u64) -> usize {
    let bytes = usize::try_from(bytes).unwrap_or(CHUNK);
    bytes.saturating_add(1).min(CHUNK)
}

/// Reads to the end and hands on what comes, in full chunks; gives the bytes.
///
/// # Errors
///
/// More than `limit` bytes come, reading fails, or `each` does.
fn chunks(
    mut from: impl Read,
    limit: u64,
    each: &mut dyn FnMut(&[u8]) -> Result<(), PayloadError>,
) -> Result<u64, PayloadError> {
    let mut buffer = vec![0; room(limit)];
    let (mut size, mut filled) = (0, 0);
    loop {
        let read = match from.read(&mut buffer[filled..]) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PayloadError::Damaged(error)),
        };
        (size, filled) = (size + read as u64, filled + read);
        if size > limit {
            return Err(PayloadError::Large(limit));
        }
        if read == 0 || filled == buffer.len() {
            each(&buffer[..filled])?;
            filled = 0;
        }
        if read == 0 {
            return Ok(size);
        }
    }
}

/// Copies a payload as it is stored, proved by the digest of that form alone: what was damaged on
/// the way is found, the content is not looked at. Gives the bytes written.
///
/// # Errors
///
/// As [`unpack`]; [`PayloadError::Unproved`] when no digest of that form is known.
pub fn copy_packed(
    from: impl Read,
    expected: &Expected,
    to: &mut dyn Write,
) -> Result<u64, PayloadError> {
    let wanted = expected.transport.ok_or(PayloadError::Unproved)?;
    let limit = expected.packed_size.unwrap_or(PAYLOAD_LEN_MAX);
    let mut hasher = Hasher::new(wanted.algorithm());
    let size = chunks(from, limit, &mut |chunk| {
        hasher.update(chunk);
        to.write_all(chunk).map_err(PayloadError::Write)
    })?;
    prove(size, expected.packed_size, hasher, wanted)?;
    Ok(size)
}

/// Copies a payload as it is stored and proves it both ways: its stored form by size and digest,
/// when they are known, and its content by unpacking it aside. Gives the bytes written.
///
/// # Errors
///
/// As [`unpack`].
pub fn copy(from: impl Read, expected: &Expected, to: &mut dyn Write) -> Result<u64, PayloadError> {
    let limit = expected.packed_size.unwrap_or(PAYLOAD_LEN_MAX);
    let algorithm = expected.packed.map_or(Algorithm::Sha1, |it| it.algorithm());
    let mut tee = Tee {
        from,
        to,
        hasher: Hasher::new(algorithm),
        size: 0,
        limit,
        failed: None,
    };
    let unpacked = unpack(&mut tee, expected, &mut io::sink());
    if let Some(failed) = tee.failed {
        return Err(failed);
    }
    unpacked?;
    // What follows the gzip stream belongs to the stored form too.
    let rest = io::copy(&mut tee, &mut io::sink());
    if let Some(failed) = tee.failed {
        return Err(failed);
    }
    rest.map_err(PayloadError::Damaged)?;
    let size = tee.size;
    match expected.packed {
        Some(wanted) => prove(size, expected.packed_size, tee.hasher, wanted)?,
        None => sizes(size, expected.packed_size)?,
    }
    Ok(size)
}

fn sizes(found: u64, expected: Option<u64>) -> Result<(), PayloadError> {
    match expected.filter(|expected| *expected != found) {
        Some(expected) => Err(PayloadError::Size { found, expected }),
        None => Ok(()),
    }
}

fn prove(
    found: u64,
    expected: Option<u64>,
    hasher: Hasher,
    wanted: Digest,
) -> Result<(), PayloadError> {
    sizes(found, expected)?;
    let found = hasher.finish();
    if found == wanted {
        return Ok(());
    }
    Err(Mismatch {
        found,
        expected: wanted,
    }
    .into())
}

/// Reads, and writes down what was read.
struct Tee<'a, R> {
    from: R,
    to: &'a mut dyn Write,
    hasher: Hasher,
    size: u64,
    limit: u64,
    /// What the reader of this cannot be told through an error of reading.
    failed: Option<PayloadError>,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(chunk)?;
        self.size += read as u64;
        let fault = if self.size > self.limit {
            Some(PayloadError::Large(self.limit))
        } else {
            self.hasher.update(&chunk[..read]);
            let written = self.to.write_all(&chunk[..read]);
            written.err().map(PayloadError::Write)
        };
        if fault.is_some() {
            self.failed = fault;
            return Err(io::Error::other("given up"));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
