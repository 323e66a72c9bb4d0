//! What manifests say of payloads.

use std::io::Read;

use zones_ips::action::ActionError;
use zones_ips::hash::{Extract, Hasher};
use zones_ips::{Action, Algorithm, Digest};

use super::{Expected, PAYLOAD_LEN_MAX, PayloadError, unpack};
use crate::elf::{self, Elf};

/// What a manifest says of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Of the content; the name of the payload.
    pub(crate) name: Digest,
    pub(crate) size: u64,
    content: Digest,
    pub(crate) packed: PackedFacts,
    elf: Option<Elf>,
}

/// What a manifest says of the stored form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackedFacts {
    pub(crate) sha1: Digest,
    sha512t: Digest,
    pub(crate) size: u64,
}

impl Facts {
    /// Of content that is stored as `packed`.
    pub(crate) fn of(content: &[u8], packed: PackedFacts) -> Self {
        Self {
            name: Digest::of(Algorithm::Sha1, content),
            size: content.len() as u64,
            content: Digest::of(Algorithm::Sha512t256, content),
            packed,
            elf: elf::read(content),
        }
    }

    /// Writes the facts into an action; those of an earlier publication go.
    pub(crate) fn stamp(&self, action: &mut Action) -> Result<(), ActionError> {
        for stale in ["pkg.content-hash", "elfarch", "elfbits", "elfhash"] {
            action.remove(stale)?;
        }
        action.set_payload(&self.name.to_string())?;
        action.set("pkg.size", &self.size.to_string())?;
        if let Some(elf) = &self.elf {
            action.set("elfarch", elf.arch)?;
            action.set("elfbits", &elf.bits.to_string())?;
            if let Some((old, new)) = &elf.digests {
                action.set("elfhash", &old.to_string())?;
                for extract in ["gelf", "gelf.unsigned"] {
                    action.push("pkg.content-hash", &format!("{extract}:sha512t_256:{new}"))?;
                }
            }
        }
        let content = format!("file:sha512t_256:{}", self.content);
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

/// A stored payload that was read through.
#[derive(Debug, Clone)]
pub(crate) struct Examined {
    name: Digest,
    content: Digest,
    size: u64,
    packed: PackedFacts,
}

/// Reads a stored payload through; it unpacks to what its name says.
pub(crate) fn examine(file: impl Read, name: Digest) -> Result<Examined, PayloadError> {
    let mut packed = Vec::new();
    let mut from = file.take(PAYLOAD_LEN_MAX);
    from.read_to_end(&mut packed)
        .map_err(PayloadError::Damaged)?;
    let mut hasher = Hasher::new(Algorithm::Sha512t256);
    let size = unpack(&packed[..], &Expected::named(name), &mut hasher)?;
    Ok(Examined {
        name,
        content: hasher.finish(),
        size,
        packed: PackedFacts::of(&packed),
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
