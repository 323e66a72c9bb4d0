//! One package laid down in the root.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use tar::{Archive, EntryType};
use zones_archive::{Layer, PaxReader, member_meta, member_path};

use crate::deb::{Control, Deb};
use crate::error::DebianError;
use crate::hash::hex;
use crate::plan::PlannedPackage;

/// More members than any package has.
const MEMBERS: u64 = 2_000_000;

/// A package that is in place, and what the package database has to know.
#[derive(Debug)]
pub(crate) struct Laid {
    /// Its number in the plan.
    pub(crate) number: usize,
    pub(crate) control: Control,
    /// Paths below the root in the order of the archive; folders too.
    pub(crate) list: Vec<PathBuf>,
    /// Paths that are no folders.
    pub(crate) files: Vec<PathBuf>,
    /// MD5 of files: of configuration files, and of all if the package brings no list.
    pub(crate) md5: HashMap<PathBuf, String>,
    /// Unpacked by dpkg later on: its script moves files of others away first.
    pub(crate) late: bool,
}

/// Lays a verified package file down. `only` restricts it to some paths, for repairs.
pub(crate) fn lay<R: Read + Seek + Send>(
    number: usize,
    package: &PlannedPackage,
    file: R,
    layer: &mut Layer<'_>,
    only: Option<&[PathBuf]>,
) -> Result<Laid, DebianError> {
    let bad = |why: String| DebianError::BadPackage {
        package: package.name.clone(),
        why,
    };
    let mut deb = Deb::open(file).map_err(bad)?;
    let control = deb.control().map_err(bad)?;
    for (field, want) in [
        ("Package", &package.name),
        ("Version", &package.version),
        ("Architecture", &package.arch),
    ] {
        let have = control.field(field);
        if have != want {
            return Err(bad(format!(
                "its {field} is `{have}`, the index says `{want}`"
            )));
        }
    }
    let late = control.file("preinst").is_some_and(moves_files);
    let mut laid = Laid {
        number,
        control,
        list: Vec::new(),
        files: Vec::new(),
        md5: HashMap::new(),
        late,
    };
    if !late {
        members(package, deb.data().map_err(bad)?, layer, only, &mut laid)?;
    }
    Ok(laid)
}

/// Whether a script moves files of other packages away before its own are unpacked. Diversions
/// without a move (those that guard the links of a merged `/usr`) can also come afterwards.
fn moves_files(script: &str) -> bool {
    let code: Vec<&str> = script
        .lines()
        .filter(|l| !l.trim_start().starts_with('#'))
        .collect();
    code.iter().any(|line| line.contains("dpkg-divert"))
        && code
            .iter()
            .any(|line| line.split_whitespace().any(|word| word == "--rename"))
}

fn members(
    package: &PlannedPackage,
    data: impl Read,
    layer: &mut Layer<'_>,
    only: Option<&[PathBuf]>,
    laid: &mut Laid,
) -> Result<(), DebianError> {
    let bad = |why: String| DebianError::BadPackage {
        package: package.name.clone(),
        why,
    };
    let refused = |source| DebianError::Lay {
        package: package.name.clone(),
        source,
    };
    let cut = |e: std::io::Error| bad(format!("data part: {e}"));
    let conffiles: Vec<PathBuf> = laid
        .control
        .conffiles()
        .map(|p| PathBuf::from(p.trim_start_matches('/')))
        .collect();
    let all_md5 = laid.control.file("md5sums").is_none();
    let mut room = package.limit;
    let (data, records) = PaxReader::new(data);
    let mut archive = Archive::new(data);
    for entry in archive.entries().map_err(cut)? {
        let mut entry = entry.map_err(cut)?;
        let raw = entry.path_bytes().into_owned();
        let name = String::from_utf8_lossy(&raw).into_owned();
        let path = member_path(&raw)
            .ok_or_else(|| bad(format!("member `{name}` leads out of the root")))?;
        if laid.list.len() as u64 >= MEMBERS {
            return Err(bad(format!("it has more than {MEMBERS} members")));
        }
        let kind = entry.header().entry_type();
        if kind != EntryType::Directory {
            if only.is_some_and(|only| !only.contains(&path)) {
                continue;
            }
            laid.files.push(path.clone());
        }
        laid.list.push(path.clone());
        let (meta, _) = member_meta(entry.header(), &records).map_err(cut)?;
        let link = |entry: &tar::Entry<'_, _>| entry.link_name_bytes().map(|l| l.into_owned());
        match kind {
            EntryType::Directory => layer.folder(&path, meta).map_err(refused)?,
            EntryType::Regular | EntryType::Continuous => {
                let size = entry.size();
                room = room.checked_sub(size).ok_or_else(|| {
                    bad(format!("it unpacks to more than {} bytes", package.limit))
                })?;
                if all_md5 || conffiles.contains(&path) {
                    let mut md5 = Md5::new();
                    let mut see = |bytes: &[u8]| md5.update(bytes);
                    layer
                        .file(&path, &meta, size, &mut entry, &mut see)
                        .map_err(refused)?;
                    laid.md5.insert(path, hex(&md5.finalize()));
                } else {
                    layer
                        .file(&path, &meta, size, &mut entry, &mut |_| ())
                        .map_err(refused)?;
                }
            }
            EntryType::Symlink => {
                let target = link(&entry).unwrap_or_default();
                let target = Path::new(OsStr::from_bytes(&target));
                layer.symlink(&path, target, &meta).map_err(refused)?;
            }
            EntryType::Link => {
                let target = link(&entry).unwrap_or_default();
                let target = member_path(&target)
                    .ok_or_else(|| bad(format!("link `{name}` leads out of the root")))?;
                layer.hard_link(&path, &target).map_err(refused)?;
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                return Err(bad(format!("it brings a device node or fifo `{name}`")));
            }
            _ => return Err(bad(format!("member `{name}` is of an unknown kind"))),
        }
    }
    Ok(())
}
