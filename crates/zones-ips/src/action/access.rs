//! What single attributes mean.

use std::str::FromStr;

use super::{Action, ActionError, ImagePath, ImagePathRef};
use crate::fmri::Stem;
use crate::hash::{Algorithm, ContentHash, Digest, Extract};
use crate::mediator::Mediation;
use crate::preserve::Preserve;
use crate::version::{DotSequence, Timestamp};

/// What a dependency asks for. Source: pkg(7), "Depend Actions".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DependKind {
    /// It must be there, this new or newer.
    Require,
    /// If it is there, it must be this new or newer.
    Optional,
    /// It must be absent or older.
    Exclude,
    /// If it is there, its version must refine this one.
    Incorporate,
    /// One of several must be there.
    RequireAny,
    /// Required once the predicate is there.
    Conditional,
    /// If it was there before the operation, it must be this new or newer.
    Origin,
    /// Required unless the administrator avoids it.
    Group,
    /// One of several, unless avoided.
    GroupAny,
    /// The parent image must have it, at a version that ours refines.
    Parent,
}

/// Word and kind.
const DEPENDS: [(&str, DependKind); 10] = [
    ("require", DependKind::Require),
    ("optional", DependKind::Optional),
    ("exclude", DependKind::Exclude),
    ("incorporate", DependKind::Incorporate),
    ("require-any", DependKind::RequireAny),
    ("conditional", DependKind::Conditional),
    ("origin", DependKind::Origin),
    ("group", DependKind::Group),
    ("group-any", DependKind::GroupAny),
    ("parent", DependKind::Parent),
];

impl DependKind {
    /// The word in `type=`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let row = DEPENDS.iter().find(|(_, kind)| *kind == self);
        row.map_or("", |(word, _)| word)
    }

    /// The kind with this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let row = DEPENDS.iter().find(|(known, _)| *known == word);
        row.map(|(_, kind)| *kind)
    }
}

/// How two packages share one path. Source: pkg(7), "overlay".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    /// Another package may deliver the path too (`allow`).
    Allowed,
    /// The file lies over that of another package (`true`).
    Overlays,
}

/// Where an editable file lived before: `stem:path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalName {
    /// The package that delivered it.
    pub stem: Stem,
    /// Its path there.
    pub path: ImagePath,
}

/// What an action wants done to the running system. Source: pkg(7), "Actuators".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named as the attributes are")]
pub enum Actuator<'a> {
    DisableFmri(&'a str),
    RefreshFmri(&'a str),
    RestartFmri(&'a str),
    SuspendFmri(&'a str),
    RebootNeeded,
}

type Make<'a> = fn(&'a str) -> Actuator<'a>;

impl Action {
    fn bad<'a, E: ToString>(&'a self, key: &'a str) -> impl FnOnce(E) -> ActionError + 'a {
        move |error| self.invalid(format!("invalid {key}: {}", error.to_string()))
    }

    fn parsed<T: FromStr>(&self, key: &str) -> Result<Option<T>, ActionError>
    where
        T::Err: ToString,
    {
        let value = self.get(key).map(str::parse).transpose();
        value.map_err(self.bad(key))
    }

    fn needed(&self, key: &str) -> Result<&str, ActionError> {
        let missing = || self.invalid(format!("missing required attribute '{key}'"));
        self.get(key).ok_or_else(missing)
    }

    /// The path, safe to walk below the root of an image.
    ///
    /// # Errors
    ///
    /// There is none, or it could leave the image.
    pub fn path(&self) -> Result<ImagePathRef<'_>, ActionError> {
        ImagePathRef::new(self.needed("path")?).map_err(self.bad("path"))
    }

    /// The permission bits: three or four octal digits.
    ///
    /// # Errors
    ///
    /// There are none, or they are no such digits.
    pub fn mode(&self) -> Result<u32, ActionError> {
        let mode = self.needed("mode")?;
        let digits = mode.strip_prefix("0o").unwrap_or(mode);
        let is_octal = digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let bits = u32::from_str_radix(digits, 8).ok();
        // A fifth digit is a leading zero, as `0o` is.
        let bits =
            bits.filter(|bits| is_octal && *bits <= 0o7777 && (3..=5).contains(&digits.len()));
        bits.ok_or_else(|| self.invalid(format!("invalid mode: '{mode}'")))
    }

    /// The name of the owner.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.get("owner")
    }

    /// The name of the group.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.get("group")
    }

    /// Where a link points, as written.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.get("target")
    }

    /// How an edited file is kept. A file with `elfhash` is never editable.
    ///
    /// # Errors
    ///
    /// The word is none of the known.
    pub fn preserve(&self) -> Result<Option<Preserve>, ActionError> {
        if self.attributes.contains("elfhash") {
            return Ok(None);
        }
        self.parsed("preserve")
    }

    /// Which generation of an editable file's format this is.
    ///
    /// # Errors
    ///
    /// It is no dot sequence.
    pub fn preserve_version(&self) -> Result<Option<DotSequence>, ActionError> {
        self.parsed("preserve-version")
    }

    /// How the path is shared with another package.
    ///
    /// # Errors
    ///
    /// The word is neither `allow` nor `true`.
    pub fn overlay(&self) -> Result<Option<Overlay>, ActionError> {
        match self.get("overlay") {
            None => Ok(None),
            Some("allow") => Ok(Some(Overlay::Allowed)),
            Some("true") => Ok(Some(Overlay::Overlays)),
            Some(other) => Err(self.invalid(format!("invalid overlay: '{other}'"))),
        }
    }

    /// Where an editable file lived before.
    ///
    /// # Errors
    ///
    /// It is not `stem:path`.
    pub fn original_name(&self) -> Result<Option<OriginalName>, ActionError> {
        let Some(text) = self.get("original_name") else {
            return Ok(None);
        };
        let bad = || self.invalid(format!("invalid original_name: '{text}'"));
        let (stem, path) = text.rsplit_once(':').ok_or_else(bad)?;
        Ok(Some(OriginalName {
            stem: stem.parse().map_err(|_| bad())?,
            path: path.trim_start_matches('/').parse().map_err(|_| bad())?,
        }))
    }

    /// The time of the file, UTC.
    ///
    /// # Errors
    ///
    /// It is no timestamp.
    pub fn timestamp(&self) -> Result<Option<Timestamp>, ActionError> {
        self.parsed("timestamp")
    }

    /// What a dependency asks for.
    ///
    /// # Errors
    ///
    /// The type is missing or not known.
    pub fn depend_kind(&self) -> Result<DependKind, ActionError> {
        let word = self.needed("type")?;
        let unknown = || self.invalid(format!("Unknown type ({word}) in depend action"));
        DependKind::named(word).ok_or_else(unknown)
    }

    /// The mediator that chooses between the links at one path.
    ///
    /// # Errors
    ///
    /// Its version, implementation or priority has no right form.
    pub fn mediation(&self) -> Result<Option<Mediation>, ActionError> {
        let read = Mediation::of(&self.attributes);
        read.map_err(self.bad("mediator"))
    }

    /// The bytes of the payload, unpacked.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.get("pkg.size")?.parse().ok()
    }

    /// The bytes of the payload as a repository stores it.
    #[must_use]
    pub fn compressed_size(&self) -> Option<u64> {
        self.get("pkg.csize")?.parse().ok()
    }

    /// The payload's name in a repository: the SHA-1 of its content. None before publication.
    #[must_use]
    pub fn payload_digest(&self) -> Option<Digest> {
        Digest::parse(Algorithm::Sha1, self.payload()?).ok()
    }

    /// All digests that are known of what `extract` takes from the payload, most preferred first.
    #[must_use]
    pub fn digests(&self, extract: Extract) -> Vec<Digest> {
        let found = self.hashes(|known| known == extract).into_iter();
        let mut digests: Vec<_> = found.map(|hash| hash.digest).collect();
        digests.sort_by_key(|digest| std::cmp::Reverse(digest.algorithm()));
        digests
    }

    /// All digests of the payload: word, `chash`, `pkg.content-hash` and the attributes of older
    /// times. What is not understood is left out.
    #[must_use]
    pub fn content_hashes(&self) -> Vec<ContentHash> {
        self.hashes(|_| true)
    }

    /// Those of the extracts that are wanted; no others are read.
    fn hashes(&self, is_wanted: impl Fn(Extract) -> bool) -> Vec<ContentHash> {
        use Algorithm::{Sha1, Sha256, Sha512t256};
        use Extract::{File, Gzip};
        let entries = self.values("pkg.content-hash");
        let entries = entries.filter(|text| Extract::of(text).is_some_and(&is_wanted));
        let mut found: Vec<_> = entries.flat_map(str::parse).collect();
        let older = [
            (File, Sha1, self.payload()),
            (Gzip, Sha1, self.get("chash")),
            (File, Sha256, self.get("pkg.hash.sha256")),
            (Gzip, Sha256, self.get("pkg.chash.sha256")),
            (File, Sha512t256, self.get("pkg.hash.sha512t_256")),
            (Gzip, Sha512t256, self.get("pkg.chash.sha512t_256")),
        ];
        for (extract, algorithm, text) in older {
            if !is_wanted(extract) {
                continue;
            }
            let digest = text.and_then(|text| Digest::parse(algorithm, text).ok());
            found.extend(digest.map(|digest| ContentHash { extract, digest }));
        }
        found
    }

    /// Whether the licence must be accepted before its package is installed.
    #[must_use]
    pub fn must_accept(&self) -> bool {
        self.get("must-accept") == Some("true")
    }

    /// Whether the licence must be shown before its package is installed.
    #[must_use]
    pub fn must_display(&self) -> bool {
        self.get("must-display") == Some("true")
    }

    /// The tags `variant.NAME`: full key and value.
    pub fn variants(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.beginning("variant.")
    }

    /// The tags `facet.NAME`: full key and value.
    pub fn facets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.beginning("facet.")
    }

    /// What the action wants done to the running system.
    #[must_use]
    pub fn actuators<'a>(&'a self) -> Vec<Actuator<'a>> {
        let lists: [(&str, Make<'a>); 4] = [
            ("disable_fmri", Actuator::DisableFmri),
            ("refresh_fmri", Actuator::RefreshFmri),
            ("restart_fmri", Actuator::RestartFmri),
            ("suspend_fmri", Actuator::SuspendFmri),
        ];
        let mut found = Vec::new();
        for (key, make) in lists {
            found.extend(self.values(key).map(make));
        }
        if self.get("reboot-needed") == Some("true") {
            found.push(Actuator::RebootNeeded);
        }
        found
    }
}
