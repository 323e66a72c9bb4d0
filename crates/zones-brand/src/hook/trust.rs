//! Who may have written what root runs.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a file of a brand is not used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Distrust {
    /// Not there, or not to be looked at.
    #[error("cannot look at `{}`", path.display())]
    Look { path: PathBuf, source: io::Error },
    /// Somebody else's.
    #[error("`{}` belongs to user {uid}: it must belong to root (chown root)", path.display())]
    Owner { path: PathBuf, uid: u32 },
    /// Others could change it.
    #[error("`{}` is writable by others than its owner (chmod go-w)", path.display())]
    Writable { path: PathBuf },
}

/// Checks a file and the folders above it up to `top`, that one included: each is root's (or the
/// caller's, who then runs nothing that he could not run anyway), and nobody else may write there.
pub(crate) fn check(file: &Path, top: &Path) -> Result<(), Distrust> {
    for path in file.ancestors() {
        one(path)?;
        if path == top || !path.starts_with(top) {
            break;
        }
    }
    Ok(())
}

fn one(path: &Path) -> Result<(), Distrust> {
    let meta = std::fs::metadata(path).map_err(|source| Distrust::Look {
        path: path.to_owned(),
        source,
    })?;
    if meta.uid() != 0 && meta.uid() != rustix::process::geteuid().as_raw() {
        let (path, uid) = (path.to_owned(), meta.uid());
        return Err(Distrust::Owner { path, uid });
    }
    if meta.mode() & 0o022 != 0 {
        let path = path.to_owned();
        return Err(Distrust::Writable { path });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_others_can_write_is_not_trusted() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("b");
        let file = folder.join("hook");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&file, "").unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&file, 0o755);
        mode(&folder, 0o755);
        check(&file, top.path()).unwrap();
        mode(&folder, 0o777);
        let error = check(&file, top.path()).unwrap_err().to_string();
        assert!(error.contains("b` is writable by others"), "{error}");
        mode(&folder, 0o755);
        mode(&file, 0o775);
        let error = check(&file, top.path()).unwrap_err().to_string();
        assert!(error.contains("hook` is writable by others"), "{error}");
        let gone = check(&folder.join("none"), top.path()).unwrap_err();
        assert!(matches!(gone, Distrust::Look { .. }));
    }
}
