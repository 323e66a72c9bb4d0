//! What roots take on the disk.

use std::collections::HashSet;
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::driver::{Driver, StorageError, roots};
use crate::project;
use crate::survey::walk;

/// What a root takes on the disk, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// What would be free if it went.
    pub own: u64,
    /// What it shows, whoever else needs that.
    pub refers: u64,
    /// What its zone may take.
    pub limit: Option<u64>,
    /// What is kept free for its zone.
    pub reserved: Option<u64>,
    /// Whether sharing is known to the block. If not, blocks that files share by reflinks count as
    /// if they were not shared.
    pub is_exact: bool,
}

/// File systems whose files share no blocks. Source: statfs(2).
const WITHOUT_REFLINKS: [i64; 2] = [0xef53, 0x0102_1994];

/// A plain root, of which nothing is shared as far as anybody knows.
pub(crate) fn walked(root: &Path) -> Result<Usage, Errno> {
    let own = bytes(root)?;
    Ok(Usage {
        own,
        refers: own,
        limit: project::limit_of(root),
        reserved: None,
        is_exact: is_exact(root)?,
    })
}

/// Root after root.
pub(crate) fn of_roots<D: Driver + ?Sized>(
    driver: &D,
    zonepath: &Path,
) -> Result<Usage, StorageError> {
    let root = zonepath.join("root");
    let mut all = driver.usage(&root)?;
    for other in roots(zonepath).iter().filter(|it| **it != root) {
        let more = driver.usage(other)?;
        all.own += more.own;
        all.is_exact &= more.is_exact;
    }
    Ok(all)
}

pub(crate) fn is_exact(folder: &Path) -> Result<bool, Errno> {
    let magic = rustix::fs::statfs(folder)?.f_type;
    Ok(WITHOUT_REFLINKS.contains(&magic))
}

/// Bytes of the blocks of all files below a folder, and of the folder. A file with several names
/// counts once.
///
/// # Errors
/// What the kernel says when it looks.
pub fn bytes(folder: &Path) -> Result<u64, Errno> {
    let mut known = HashSet::new();
    let mut total = 0;
    walk(folder, &mut |seen| {
        let stat = seen.stat;
        let is_folder = FileType::from_raw_mode(stat.st_mode).is_dir();
        if is_folder || stat.st_nlink < 2 || known.insert((stat.st_dev, stat.st_ino)) {
            // Blocks of stat(2) have 512 bytes, whatever the file system thinks.
            total += u64::try_from(stat.st_blocks).unwrap_or_default() * 512;
        }
        Ok(())
    })?;
    Ok(total)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_of_one_file_count_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir(path.join("a")).unwrap();
        let empty = bytes(path).unwrap();
        fs::write(path.join("a/big"), vec![7; 1 << 20]).unwrap();
        rustix::fs::syncfs(fs::File::open(path).unwrap()).unwrap();
        let one = bytes(path).unwrap();
        assert!(one - empty >= 1 << 20, "{empty} {one}");
        fs::hard_link(path.join("a/big"), path.join("other")).unwrap();
        std::os::unix::fs::symlink("a/big", path.join("link")).unwrap();
        let hole = fs::File::create(path.join("hole")).unwrap();
        hole.set_len(1 << 30).unwrap();
        let more = bytes(path).unwrap();
        assert!(more - one < 1 << 18, "{one} {more}");
        assert_eq!(walked(path).unwrap().refers, more);
    }
}
