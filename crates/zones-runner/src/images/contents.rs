//! What an image holds, for its manifest: packages with versions, and how much there is.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::fs::FileType;
use zones_debian::deb822;
use zones_sys::{Dir, RootFd};

/// More of a package database is not read.
const DATABASE_BYTES: u64 = 256 << 20;

/// Bytes on disk and number of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Size {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

/// Installed packages and their versions; of a root without a database that is known here, none.
pub(super) fn packages(root: &RootFd) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let status = root.read(Path::new("/var/lib/dpkg/status"), DATABASE_BYTES);
    let status = String::from_utf8_lossy(&status.unwrap_or_default()).into_owned();
    for paragraph in deb822::paragraphs(&status) {
        let field = |name| paragraph.field(name).unwrap_or_default();
        if field("Status").ends_with(" installed") {
            found.insert(field("Package").to_owned(), field("Version").to_owned());
        }
    }
    let database = root.read(Path::new("/lib/apk/db/installed"), DATABASE_BYTES);
    let database = String::from_utf8_lossy(&database.unwrap_or_default()).into_owned();
    let mut name = "";
    for line in database.lines() {
        match line.split_once(':') {
            Some(("P", value)) => name = value,
            Some(("V", value)) => {
                found.insert(name.to_owned(), value.to_owned());
            }
            _ => {}
        }
    }
    found
}

/// All of a root, hard links counted once for each name.
pub(super) fn size(root: &RootFd) -> rustix::io::Result<Size> {
    let mut size = Size::default();
    add(&root.dir(Path::new("/"))?, &mut size)?;
    Ok(size)
}

fn add(folder: &Dir, size: &mut Size) -> rustix::io::Result<()> {
    for item in folder.items()? {
        let stat = folder.lstat(&item.name)?;
        size.files += 1;
        size.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            add(&folder.dir(&item.name)?, size)?;
        }
    }
    Ok(())
}
