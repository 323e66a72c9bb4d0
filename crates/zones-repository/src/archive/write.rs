//! Writing an archive: members are spooled, then laid behind their index.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};
use zones_ips::{Digest, Fmri, Publisher};

use super::{BLOCK, COMMENT, CONFIGURATION, INDEX, padded};
use crate::config::Configuration;
use crate::error::{RepositoryError, Result};

/// Names longer than this stand in a pax header of their own.
const NAME_LEN: usize = 100;

/// A member: folders have no size.
#[derive(Debug)]
struct Member {
    name: String,
    is_folder: bool,
    size: u64,
}

/// An archive that is being written. It comes into being at [`Self::finish`]; dropped before, it
/// leaves nothing.
#[derive(Debug)]
pub struct ArchiveWriter {
    path: PathBuf,
    /// Contents of all members, one after the other.
    spool: File,
    members: Vec<Member>,
    names: BTreeSet<String>,
}

impl ArchiveWriter {
    /// Begins an archive at `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// Something is there, or the folder cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(RepositoryError::Source {
                location: path.display().to_string(),
                why: "the archive exists already; name another or remove it".to_owned(),
            });
        }
        let spool = beside(path, "spool");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let file = options
            .open(&spool)
            .map_err(RepositoryError::io("create", &spool))?;
        // The file lives as long as it is open, and no longer.
        std::fs::remove_file(&spool).map_err(RepositoryError::io("remove", &spool))?;
        Ok(Self {
            path: path.to_owned(),
            spool: file,
            members: Vec::new(),
            names: BTreeSet::new(),
        })
    }

    /// Adds the manifest of a package.
    ///
    /// # Errors
    ///
    /// The name is not complete, or the disk is full.
    pub fn add_manifest(&mut self, fmri: &Fmri, bytes: &[u8]) -> Result<()> {
        let incomplete = || RepositoryError::NoPackage(fmri.clone());
        let publisher = fmri.publisher().ok_or_else(incomplete)?;
        let (stem, version) = fmri.quoted().ok_or_else(incomplete)?;
        self.add(
            &format!("publisher/{publisher}/pkg/{stem}/{version}"),
            bytes,
        )
    }

    /// Whether the payload is there already.
    #[must_use]
    pub fn has_payload(&self, publisher: &Publisher, name: &Digest) -> bool {
        self.names.contains(&payload(publisher, name))
    }

    /// Adds a payload as it is stored, if it is not there already.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn add_payload(
        &mut self,
        publisher: &Publisher,
        name: &Digest,
        bytes: &[u8],
    ) -> Result<()> {
        self.add(&payload(publisher, name), bytes)
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        if self.names.contains(name) {
            return Ok(());
        }
        let ends = name.match_indices('/').map(|(at, _)| at);
        for folder in ends.map(|at| &name[..at]) {
            if self.names.insert(folder.to_owned()) {
                self.members.push(Member {
                    name: folder.to_owned(),
                    is_folder: true,
                    size: 0,
                });
            }
        }
        self.names.insert(name.to_owned());
        self.members.push(Member {
            name: name.to_owned(),
            is_folder: false,
            size: bytes.len() as u64,
        });
        let written = self.spool.write_all(bytes);
        written.map_err(RepositoryError::io("write", &self.path))
    }

    /// Writes the archive: under a temporary name, then renamed.
    ///
    /// # Errors
    ///
    /// The disk is full; nothing is left then.
    pub fn finish(mut self) -> Result<()> {
        let mut configuration = Configuration::default();
        let mut publishers = self.names.iter().filter_map(|name| {
            let publisher = name.strip_prefix("publisher/")?;
            (!publisher.contains('/')).then(|| publisher.to_owned())
        });
        if let (Some(only), None) = (publishers.next(), publishers.next()) {
            configuration.put("publisher", "prefix", &only);
        }
        self.add(CONFIGURATION, configuration.text().as_bytes())?;
        let temp = beside(&self.path, "new");
        let written = self.write(&temp);
        let written = written.and_then(|()| std::fs::rename(&temp, &self.path));
        if written.is_err() {
            // The first error is the one to report.
            let _ = std::fs::remove_file(&temp);
        }
        written.map_err(RepositoryError::io("write", &self.path))
    }

    fn write(&mut self, temp: &Path) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(temp)?;
        let mut out = tar::Builder::new(io::BufWriter::with_capacity(1 << 20, file));
        let index = self.index()?;
        out.append_pax_extensions([("comment", COMMENT.as_bytes())])?;
        out.append(&header(INDEX, false, index.len() as u64)?, &index[..])?;
        self.spool.rewind()?;
        for member in &self.members {
            if is_long(&member.name) {
                out.append_pax_extensions([("path", member.name.as_bytes())])?;
            }
            let header = header(&member.name, member.is_folder, member.size)?;
            out.append(&header, (&self.spool).take(member.size))?;
        }
        let file = out.into_inner()?.into_inner().map_err(io::Error::other)?;
        file.sync_all()
    }

    /// One line for each member: name, offset behind the index, size with headers and padding, size
    /// of the content, type.
    fn index(&self) -> io::Result<Vec<u8>> {
        let packing = flate2::Compression::new(6);
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), packing);
        let mut offset = 0;
        for member in &self.members {
            let size = extra(&member.name) + BLOCK + padded(member.size);
            let kind = if member.is_folder { '5' } else { '0' };
            let (name, content) = (&member.name, member.size);
            writeln!(packer, "{name}\0{offset}\0{size}\0{content}\0{kind}\0")?;
            offset += size;
        }
        packer.finish()
    }
}

fn payload(publisher: &Publisher, name: &Digest) -> String {
    let text = name.to_string();
    format!("publisher/{publisher}/file/{}/{text}", &text[..2])
}

/// A hidden file beside the archive.
fn beside(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.{what}", std::process::id()))
}

fn is_long(name: &str) -> bool {
    name.len() > NAME_LEN
}

/// Bytes that the pax header of a long name takes.
fn extra(name: &str) -> u64 {
    if !is_long(name) {
        return 0;
    }
    // A record is `LENGTH path=NAME` and a line break; its length counts its own digits.
    let rest = " path=".len() + name.len() + 1;
    let mut size = rest + 1;
    while size != rest + size.to_string().len() {
        size = rest + size.to_string().len();
    }
    BLOCK + padded(size as u64)
}

fn header(name: &str, is_folder: bool, size: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    let mut short = name;
    if is_long(name) {
        // The pax header has it whole; names are ASCII.
        short = name.get(..NAME_LEN).unwrap_or_default();
    }
    let bytes = &mut header.as_old_mut().name;
    bytes[..short.len()].copy_from_slice(short.as_bytes());
    header.set_entry_type(if is_folder {
        EntryType::Directory
    } else {
        EntryType::Regular
    });
    header.set_mode(if is_folder { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    Ok(header)
}
