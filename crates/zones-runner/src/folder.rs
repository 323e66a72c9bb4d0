//! The folder of a run: journal, logs, reports.
//!
//! ```text
//! REPORT/RUN/  journal.jsonl  run.json  junit.xml  results.tap  index.html
//!   cells/PLATFORM/OPTION/SCENARIO/  cell.json  leftovers.json  steps/01-install.log.zst
//! ```

mod history;
mod reports;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use zones_matrix::journal::{self, Journal};
use zones_matrix::{MergeError, Run};

pub use history::{read as history, write as note_history};
pub use reports::{Phases, phases, write as write_reports, write_merged};

/// How hard logs are packed: they are read once, if ever.
const PACK_LEVEL: i32 = 3;
/// A run goes on with another at most this often.
const PARENTS_MAX: usize = 100;

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// Why a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is no such run, or it cannot be read.
    #[error("cannot read the run `{}`", path.display())]
    Io {
        /// Its journal.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its journal is no journal.
    #[error("run `{}`", path.display())]
    Journal {
        /// Its journal.
        path: PathBuf,
        /// Why.
        #[source]
        source: journal::JournalError,
    },
    /// There is no run at all.
    #[error("there is no run in `{}`; `zones matrix run` makes one", path.display())]
    Nothing {
        /// The folder of the reports.
        path: PathBuf,
    },
    /// It goes on with runs that do not fit.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

impl RunFolder {
    /// The folder of a run below the folder of the reports.
    #[must_use]
    pub fn new(reports: &Path, run: &str) -> Self {
        Self {
            path: reports.join(run),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// The log of a step of an attempt, while it is not packed.
    #[must_use]
    pub fn log(&self, cell: &str, step: usize, name: &str, attempt: u32) -> PathBuf {
        // `install:new` is a fine name for a person and for every file system.
        let name: String = name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let again = match attempt {
            1 => String::new(),
            more => format!(".{more}"),
        };
        let name = format!("{:02}-{name}{again}.log", step + 1);
        self.cell(cell).join("steps").join(name)
    }

    /// The folder of a cell.
    #[must_use]
    pub fn cell(&self, cell: &str) -> PathBuf {
        self.path.join("cells").join(cell)
    }

    /// A path as reports name it.
    #[must_use]
    pub fn relative(&self, path: &Path) -> String {
        let own = path.strip_prefix(&self.path).unwrap_or(path);
        own.to_string_lossy().into_owned()
    }

    /// Packs the logs of a cell; those that are packed stay.
    ///
    /// # Errors
    /// What the system says. A log is there, packed or not, whatever happens.
    pub fn pack(&self, cell: &str) -> io::Result<()> {
        let folder = self.cell(cell).join("steps");
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "log") {
                let packed = path.with_extension("log.zst");
                let new = path.with_extension("log.zst.new");
                let input = File::open(&path)?;
                zstd::stream::copy_encode(input, File::create(&new)?, PACK_LEVEL)?;
                std::fs::rename(&new, &packed)?;
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// A log, packed or not.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn read_log(&self, path: &Path) -> io::Result<Vec<u8>> {
        match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                zstd::stream::decode_all(File::open(path.with_extension("log.zst"))?)
            }
            read => read,
        }
    }

    /// Its journal, read.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn read(&self) -> Result<Journal, FolderError> {
        let path = self.journal();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(FolderError::Io { path, source }),
        };
        journal::read(&bytes).map_err(|source| FolderError::Journal { path, source })
    }

    /// The run, with those that it goes on with.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn run(&self) -> Result<Run, FolderError> {
        let mut runs = Vec::new();
        let mut folder = self.clone();
        for _ in 0..PARENTS_MAX {
            let Some(run) = Run::from_journal(&folder.read()?) else {
                break;
            };
            let parent = run.head.parent.clone();
            runs.push(run);
            let (Some(parent), Some(reports)) = (parent, self.path.parent()) else {
                break;
            };
            folder = Self::new(reports, &parent);
        }
        chain(runs)
    }
}

/// Runs, the last one first, as one that bears the name of the last one.
fn chain(runs: Vec<Run>) -> Result<Run, FolderError> {
    let mut runs = runs.into_iter().rev();
    let mut all = runs.next().ok_or(MergeError::Nothing)?;
    for run in runs {
        let (head, notes) = (run.head.clone(), std::mem::take(&mut all.notes));
        all = Run::merge(vec![all, run])?;
        all.head = head;
        all.notes.splice(0..0, notes);
    }
    Ok(all)
}

/// The runs below a folder of reports, the oldest first: their names begin with their time.
///
/// # Errors
/// The folder is there and cannot be read.
pub fn runs(reports: &Path) -> Result<Vec<String>, FolderError> {
    let fault = |source| FolderError::Io {
        path: reports.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(reports) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fault)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(fault)?;
        if entry.path().join("journal.jsonl").is_file() {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}
