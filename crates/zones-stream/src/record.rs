//! Records: one step each in laying down a tree.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use zones_types::Shift;

use crate::error::StreamError;

/// Bytes of a path, as the kernel takes it (`PATH_MAX`).
const PATH_LEN_MAX: usize = 4095;

/// One step. Paths are relative to the root, without `.` and `..`; the empty one is the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// Begins every frame: the root at hand and, if its data goes on, the file.
    Context { root: u32, file: Option<PathBuf> },
    /// A root begins, as a copy of its base.
    Begin { root: u32 },
    /// A root is complete.
    Finish { root: u32 },
    /// A name goes, with all below it.
    Remove { path: PathBuf },
    /// A new folder.
    Folder { path: PathBuf },
    /// A new file, all of it a hole.
    File { path: PathBuf, size: u64 },
    /// A file whose content changes; it is cut or made longer first.
    Patch { path: PathBuf, size: u64 },
    /// Bytes of the file at hand.
    Data { offset: u64, bytes: Vec<u8> },
    /// A hole of the file at hand.
    Hole { offset: u64, length: u64 },
    /// A new symbolic link.
    Symlink { path: PathBuf, target: PathBuf },
    /// A new name for a file.
    Link { path: PathBuf, target: PathBuf },
    /// A new device, fifo or socket: its mode as in `st_mode`.
    Node {
        path: PathBuf,
        mode: u32,
        device: u64,
    },
    /// What a name is beside its content. Comes after the content.
    Meta(Meta),
}

/// Mode, owner, time and attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) path: PathBuf,
    /// The twelve mode bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: i64,
    pub(crate) mtime_nanos: u32,
    /// Attributes that the name has and the list has not go.
    pub(crate) is_old: bool,
    pub(crate) xattrs: Vec<(OsString, Vec<u8>)>,
}

impl Meta {
    /// With other numbers for its users.
    pub(crate) fn shifted(mut self, shift: &Shift) -> Self {
        (self.uid, self.gid) = (shift.id(self.uid), shift.id(self.gid));
        for (key, value) in &mut self.xattrs {
            let name = key.to_str().unwrap_or_default();
            if let Some(new) = shift.attribute(name, value) {
                *value = new;
            }
        }
        self
    }
}

impl Record {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut put = Put(out);
        match self {
            Self::Context { root, file } => {
                put.tag(1).u32(*root);
                match file {
                    None => put.tag(0),
                    Some(path) => put.tag(1).path(path),
                };
            }
            Self::Begin { root } => drop(put.tag(2).u32(*root)),
            Self::Finish { root } => drop(put.tag(3).u32(*root)),
            Self::Remove { path } => drop(put.tag(4).path(path)),
            Self::Folder { path } => drop(put.tag(5).path(path)),
            Self::File { path, size } => drop(put.tag(6).path(path).u64(*size)),
            Self::Patch { path, size } => drop(put.tag(7).path(path).u64(*size)),
            Self::Data { offset, bytes } => drop(put.tag(8).u64(*offset).bytes(bytes)),
            Self::Hole { offset, length } => drop(put.tag(9).u64(*offset).u64(*length)),
            Self::Symlink { path, target } => drop(put.tag(10).path(path).path(target)),
            Self::Link { path, target } => drop(put.tag(11).path(path).path(target)),
            Self::Node { path, mode, device } => {
                put.tag(12).path(path).u32(*mode).u64(*device);
            }
            Self::Meta(meta) => meta.encode(put.tag(13)),
        }
    }

    /// All records of a frame, from the bytes of a stranger.
    pub(crate) fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, StreamError> {
        let mut take = Take(bytes);
        let mut records = Vec::new();
        while !take.0.is_empty() {
            records.push(Self::decode(&mut take)?);
        }
        Ok(records)
    }

    fn decode(take: &mut Take<'_>) -> Result<Self, StreamError> {
        Ok(match take.tag()? {
            1 => Self::Context {
                root: take.u32()?,
                file: match take.tag()? {
                    0 => None,
                    _ => Some(take.name()?),
                },
            },
            2 => Self::Begin { root: take.u32()? },
            3 => Self::Finish { root: take.u32()? },
            4 => Self::Remove { path: take.name()? },
            5 => Self::Folder { path: take.name()? },
            6 => Self::File {
                path: take.name()?,
                size: take.u64()?,
            },
            7 => Self::Patch {
                path: take.name()?,
                size: take.u64()?,
            },
            8 => Self::Data {
                offset: take.u64()?,
                bytes: take.bytes()?.to_vec(),
            },
            9 => Self::Hole {
                offset: take.u64()?,
                length: take.u64()?,
            },
            10 => Self::Symlink {
                path: take.name()?,
                target: take.target()?,
            },
            11 => Self::Link {
                path: take.name()?,
                target: take.name()?,
            },
            12 => Self::Node {
                path: take.name()?,
                mode: take.u32()?,
                device: take.u64()?,
            },
            13 => Self::Meta(Meta::decode(take)?),
            other => return Err(StreamError::Malformed(format!("record of kind {other}"))),
        })
    }
}

impl Meta {
    fn encode(&self, put: &mut Put<'_>) {
        put.path(&self.path)
            .u32(self.mode)
            .u32(self.uid)
            .u32(self.gid);
        put.u64(self.mtime.cast_unsigned()).u32(self.mtime_nanos);
        put.tag(u8::from(self.is_old));
        put.u32(u32::try_from(self.xattrs.len()).unwrap_or(u32::MAX));
        for (key, value) in &self.xattrs {
            put.bytes(key.as_bytes()).bytes(value);
        }
    }

    fn decode(take: &mut Take<'_>) -> Result<Self, StreamError> {
        let path = take.path()?;
        let mut meta = Self {
            path,
            mode: take.u32()? & 0o7777,
            uid: take.u32()?,
            gid: take.u32()?,
            mtime: take.u64()?.cast_signed(),
            mtime_nanos: take.u32()?,
            is_old: take.tag()? != 0,
            xattrs: Vec::new(),
        };
        for _ in 0..take.u32()? {
            let key = take.bytes()?;
            let kept = std::str::from_utf8(key).is_ok_and(zones_archive::is_kept_xattr);
            if !kept || key.contains(&0) {
                let why = "an attribute that is not the file's own";
                let path = meta.path;
                return Err(StreamError::Hostile { path, why });
            }
            let key = OsString::from_vec(key.to_vec());
            meta.xattrs.push((key, take.bytes()?.to_vec()));
        }
        Ok(meta)
    }
}

struct Put<'a>(&'a mut Vec<u8>);

impl Put<'_> {
    fn tag(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend(value);
        self
    }

    fn path(&mut self, value: &Path) -> &mut Self {
        self.bytes(value.as_os_str().as_bytes())
    }
}

struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    fn some(&mut self, count: usize) -> Result<&'a [u8], StreamError> {
        let Some((head, rest)) = self.0.split_at_checked(count) else {
            return Err(StreamError::Malformed("a record is cut short".to_owned()));
        };
        self.0 = rest;
        Ok(head)
    }

    fn tag(&mut self) -> Result<u8, StreamError> {
        Ok(self.some(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, StreamError> {
        let bytes = self.some(4)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, it| sum << 8 | u32::from(*it)))
    }

    fn u64(&mut self) -> Result<u64, StreamError> {
        let bytes = self.some(8)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, it| sum << 8 | u64::from(*it)))
    }

    fn bytes(&mut self) -> Result<&'a [u8], StreamError> {
        let count = self.u32()? as usize;
        self.some(count)
    }

    /// The text of a symbolic link.
    fn target(&mut self) -> Result<PathBuf, StreamError> {
        let bytes = self.bytes()?;
        let path = PathBuf::from(OsStr::from_bytes(bytes));
        match bytes.is_empty() || bytes.contains(&0) || bytes.len() > PATH_LEN_MAX {
            true => {
                let why = "no text of a link";
                Err(StreamError::Hostile { path, why })
            }
            false => Ok(path),
        }
    }

    /// A path below the root, or the root.
    fn path(&mut self) -> Result<PathBuf, StreamError> {
        let bytes = self.bytes()?;
        let path = Path::new(OsStr::from_bytes(bytes));
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        // Rebuilt from its parts it must be the same: no `//`, no `.`, nothing at the ends.
        let whole: PathBuf = path.components().collect();
        let is_fine = path.components().all(is_plain)
            && whole.as_os_str() == path.as_os_str()
            && !bytes.contains(&0)
            && bytes.len() <= PATH_LEN_MAX;
        match is_fine {
            true => Ok(whole),
            false => Err(StreamError::Hostile {
                path: path.to_owned(),
                why: "a path that is not one below the root",
            }),
        }
    }

    /// A path below the root.
    fn name(&mut self) -> Result<PathBuf, StreamError> {
        let path = self.path()?;
        match path.as_os_str().is_empty() {
            false => Ok(path),
            true => Err(StreamError::Hostile {
                path,
                why: "the root itself is no file of the zone",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(record: &Record) -> Result<Vec<Record>, StreamError> {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        for cut in 0..bytes.len() {
            // A part of a record is none, or nothing at all.
            assert!(cut == 0 || Record::decode_all(&bytes[..cut]).is_err());
        }
        Record::decode_all(&bytes)
    }

    #[test]
    fn records_come_back_as_they_went() {
        let path = || PathBuf::from("a/b");
        let meta = Meta {
            path: PathBuf::new(),
            mode: 0o4755,
            mtime: -3,
            xattrs: vec![("user.x".into(), vec![1, 2])],
            ..Meta::default()
        };
        let all = [
            Record::Context {
                root: 7,
                file: Some(path()),
            },
            Record::Begin { root: u32::MAX },
            Record::Remove { path: path() },
            Record::File {
                path: path(),
                size: u64::MAX,
            },
            Record::Data {
                offset: 1 << 40,
                bytes: vec![0; 1000],
            },
            Record::Symlink {
                path: path(),
                target: PathBuf::from("../../etc/passwd"),
            },
            Record::Node {
                path: path(),
                mode: 0o20666,
                device: 0x105,
            },
            Record::Meta(meta),
        ];
        for record in all {
            assert_eq!(again(&record).unwrap(), [record]);
        }
    }

    #[test]
    fn hostile_paths_are_refused() {
        let long = "x/".repeat(4000) + "x";
        for bad in [
            "", "/", "/etc", "..", "a/../b", "a//b", "a/", "./a", "a/.", "a\0", &long,
        ] {
            let path = PathBuf::from(bad);
            let refused = again(&Record::Folder { path: path.clone() });
            assert!(matches!(refused, Err(StreamError::Hostile { .. })), "{bad}");
            let target = PathBuf::from("fine");
            let refused = again(&Record::Link {
                path: target,
                target: path,
            });
            assert!(matches!(refused, Err(StreamError::Hostile { .. })), "{bad}");
        }
        for key in ["trusted.overlay.opaque", "security.selinux", "user.a\0b"] {
            let xattrs = vec![(key.into(), Vec::new())];
            let meta = Meta {
                xattrs,
                ..Meta::default()
            };
            let refused = again(&Record::Meta(meta));
            assert!(matches!(refused, Err(StreamError::Hostile { .. })), "{key}");
        }
    }
}
