//! The host of zones of a matrix, and who uses it just now.
//!
//! ```text
//! LIB/matrix/  host/   the `-R` root: golden images and cells are zones there
//!              cells/  what each cell's zone finds below /run/matrix
//!              runs/   one file for each run, locked while its runner lives
//!              history/  one file for each product
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use zones_matrix::Key;
use zones_store::Layout;
use zones_types::{IdRange, ZoneId};

/// What the names of zones of runs begin with.
pub const PREFIX: &str = "mx";

/// The folder of the matrix on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    folder: PathBuf,
}

/// The note on a run; as long as it is there, the run is on its way.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    _lock: File,
}

impl Site {
    /// That of a host of zones.
    #[must_use]
    pub fn of(layout: &Layout) -> Self {
        Self {
            folder: layout.lib().join("matrix"),
        }
    }

    /// Makes its folders.
    ///
    /// # Errors
    /// What the system says.
    pub fn prepare(&self) -> io::Result<()> {
        for (path, mode) in [
            (self.folder.clone(), 0o755),
            (self.host(), 0o755),
            (self.cells(), 0o711),
            (self.runs(), 0o700),
            (self.folder.join("history"), 0o755),
        ] {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(mode).create(path)?;
        }
        apart(&self.layout())
    }

    /// Whether the `disk` of a cell is kept by the storage, so that a cell is never above it.
    ///
    /// # Errors
    /// It is not: the text says why, and what would help.
    pub fn limits_disk(&self) -> Result<(), String> {
        let zones = self.host().join("zones");
        let there = zones.ancestors().find(|folder| folder.exists());
        zones_storage::can_limit(there.unwrap_or_else(|| Path::new("/")))
    }

    /// Golden images and cells are zones of this host.
    #[must_use]
    pub fn host(&self) -> PathBuf {
        self.folder.join("host")
    }

    /// The layout of that host.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::below(&self.host())
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What zones find below `/run/matrix`, by the names of the zones.
    #[must_use]
    pub fn cells(&self) -> PathBuf {
        self.folder.join("cells")
    }

    /// Where the history of a product is.
    #[must_use]
    pub fn history(&self, product: &str) -> PathBuf {
        self.folder.join("history").join(format!("{product}.json"))
    }

    fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// What the names of the zones of a run begin with.
    #[must_use]
    pub fn tag(run: &str) -> String {
        let key = Key::of_bytes(run.as_bytes()).to_string();
        format!("{PREFIX}{}", &key[..8])
    }

    /// Says that a run is on its way, until the claim is dropped or its process dies.
    ///
    /// # Errors
    /// What the system says; a run of that name is on its way.
    pub fn claim(&self, run: &str, reports: &Path) -> io::Result<Claim> {
        let path = self.runs().join(Self::tag(run));
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let text = format!("{run}\n{}\n", reports.display());
        fs::write(&path, text)?;
        Ok(Claim { path, _lock: lock })
    }

    /// Tags of the runs that are on their way.
    ///
    /// # Errors
    /// What the system says.
    pub fn alive(&self) -> io::Result<BTreeSet<String>> {
        let entries = match fs::read_dir(self.runs()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries?,
        };
        let mut alive = BTreeSet::new();
        for entry in entries {
            let entry = entry?;
            let Ok(file) = File::open(entry.path()) else {
                continue;
            };
            let lock = rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared);
            if lock == Err(rustix::io::Errno::WOULDBLOCK) {
                alive.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(alive)
    }
}

/// Has the zones of a matrix have other users than those of the host they are on: as many ranges as
/// a host can have zones lie between.
///
/// # Errors
/// What the system says.
pub(crate) fn apart(layout: &Layout) -> io::Result<()> {
    let between = u32::from(ZoneId::MAX.0) + 1;
    let base = IdRange::FIRST.base + between * IdRange::COUNT;
    let path = layout.lib().join("idbase");
    fs::create_dir_all(layout.lib())?;
    if path.exists() {
        return Ok(());
    }
    let text = format!("{base}\n");
    zones_store::atomic::write(&path, text.as_bytes(), 0o644).map_err(io::Error::other)
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A note that stays is not locked, and says nothing.
        let _ = fs::remove_file(&self.path);
    }
}
