//! What manifests say of payloads.

use std::io::{self, Read, Write};

use zones_ips::action::ActionError;
use zones_ips::hash::{Extract, Hasher};
use zones_ips::{Action, Algorithm, Digest};

use super::{Expected, Opened, PAYLOAD_LEN_MAX, PayloadError, unpack};
use crate::elf::{self, Elf};

/// What a manifest says of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) plain: PlainFacts,
    pub(crate) packed: PackedFacts,
}

/// What a manifest says of content, however it is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainFacts {
    /// The name of the payload.
    pub(crate) name: Digest,
    pub(crate) size: u64,
    content: Digest,
    elf: Option<Elf>,
}

/// What a manifest says of the stored form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackedFacts {
    pub(crate) sha1: Digest,
    sha512t: Digest,
    pub(crate) size: u64,
}

impl PlainFacts {
    /// Reads content through.
    pub(crate) fn of(from: &Opened) -> io::Result<Self> {
        let mut hashing = Hashing::new(from.reader());
        io::copy(&mut hashing, &mut io::sink())?;
        let PackedFacts {
            sha1,
            sha512t,
            size,
        } = hashing.finish();
        Ok(Self {
            name: sha1,
            size,
            content: sha512t,
            elf: elf::read(from, size),
        })
    }
}

impl Facts {
    /// Writes the facts into an action; those of an earlier publication go.
    pub(crate) fn stamp(&self, action: &mut Action) -> Result<(), ActionError> {
        for stale in ["pkg.content-hash", "elfarch", "elfbits", "elfhash"] {
            action.remove(stale)?;
        }
        let plain = &self.plain;
        action.set_payload(&plain.name.to_string())?;
        action.set("pkg.size", &plain.size.to_string())?;
        if let Some(elf) = &plain.elf {
            action.set("elfarch", elf.arch)?;
            action.set("elfbits", &elf.bits.to_string())?;
            if let Some((old, new)) = &elf.digests {
                action.set("elfhash", &old.to_string())?;
                for extract in ["gelf", "gelf.unsigned"] {
                    action.push("pkg.content-hash", &format!("{extract}:sha512t_256:{new}"))?;
                }
            }
        }
        let content = format!("file:sha512t_256:{}", plain.content);
        action.push("pkg.content-hash", &content)?;
        self.packed.stamp(action)
    }
}

impl PackedFacts {
    pub(crate) fn of(packed: &[u8]) -> Self {
        Self {
            sha1: Digest::of(Algorithm::Sha1, packed),
            sha512t: Digest::of(Algorithm::Sha512t256, packed),
            size: packed.len() as u64,
        }
    }

    /// Reads a stored form through.
    pub(crate) fn read(from: impl Read) -> io::Result<Self> {
        let mut hashing = Hashing::new(from);
        io::copy(&mut hashing, &mut io::sink())?;
        Ok(hashing.finish())
    }

    /// Writes the facts into an action, in place of those of another stored form.
    pub(crate) fn stamp(&self, action: &mut Action) -> Result<(), ActionError> {
        action.set("chash", &self.sha1.to_string())?;
        action.set("pkg.csize", &self.size.to_string())?;
        let kept = action.values("pkg.content-hash");
        let kept: Vec<_> = kept.filter(|value| !value.starts_with("gzip:")).collect();
        let kept: Vec<_> = kept.into_iter().map(str::to_owned).collect();
        action.remove("pkg.content-hash")?;
        for value in kept {
            action.push("pkg.content-hash", &value)?;
        }
        let packed = format!("gzip:sha512t_256:{}", self.sha512t);
        action.push("pkg.content-hash", &packed)
    }

    /// Whether an action says just this of the stored form, as far as it says anything.
    pub(crate) fn is_said_by(&self, action: &Action) -> bool {
        let digests = action.digests(Extract::Gzip);
        digests.iter().all(|digest| match digest.algorithm() {
            Algorithm::Sha1 => *digest == self.sha1,
            Algorithm::Sha512t256 => *digest == self.sha512t,
            Algorithm::Sha256 => true,
        }) && action
            .compressed_size()
            .is_none_or(|size| size == self.size)
    }
}

/// Takes the digests of what is read from or written to something.
#[derive(Debug)]
pub(crate) struct Hashing<T> {
    inner: T,
    sha1: Hasher,
    sha512t: Hasher,
    size: u64,
}

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            sha1: Hasher::new(Algorithm::Sha1),
            sha512t: Hasher::new(Algorithm::Sha512t256),
            size: 0,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.sha1.update(bytes);
        self.sha512t.update(bytes);
        self.size += bytes.len() as u64;
    }

    pub(crate) fn finish(self) -> PackedFacts {
        PackedFacts {
            sha1: self.sha1.finish(),
            sha512t: self.sha512t.finish(),
            size: self.size,
        }
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(to)?;
        self.update(&to[..read]);
        Ok(read)
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(from)?;
        self.update(&from[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A stored payload that was read through.
#[derive(Debug, Clone)]
pub(crate) struct Examined {
    name: Digest,
    content: Digest,
    size: u64,
    pub(crate) packed: PackedFacts,
}

/// Reads a stored payload through; it unpacks to what its name says.
pub(crate) fn examine(file: impl Read, name: Digest) -> Result<Examined, PayloadError> {
    let mut packed = Hashing::new(file.take(PAYLOAD_LEN_MAX));
    let mut hasher = Hasher::new(Algorithm::Sha512t256);
    let size = unpack(&mut packed, &Expected::named(name), &mut hasher)?;
    // What follows the gzip stream belongs to the stored form too.
    io::copy(&mut packed, &mut io::sink()).map_err(PayloadError::Damaged)?;
    Ok(Examined {
        name,
        content: hasher.finish(),
        size,
        packed: packed.finish(),
    })
}

impl Examined {
    /// In what the action says something else.
    pub(crate) fn contradicts(&self, action: &Action) -> Option<String> {
        if let Some(size) = action.size().filter(|size| *size != self.size) {
            return Some(format!("Size: {} bytes should be {size}", self.size));
        }
        for said in action.digests(Extract::File) {
            let found = match said.algorithm() {
                Algorithm::Sha1 => self.name,
                Algorithm::Sha512t256 => self.content,
                Algorithm::Sha256 => continue,
            };
            if found != said {
                return Some(format!("Hash: {found} should be {said}"));
            }
        }
        let is_said = self.packed.is_said_by(action);
        (!is_said).then(|| "its stored form is not the one of the manifest".to_owned())
    }
}
