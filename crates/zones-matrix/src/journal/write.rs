//! Writing a journal.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::record::{Line, Record};
use super::{JournalError, MARK, sum};

/// How long a record that is not final may wait for the disk.
const LAZY: Duration = Duration::from_millis(50);

/// Where lines go.
pub trait Sink {
    /// Adds bytes at the end, all or an error.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all that was added is on disk.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn sync(&mut self) -> io::Result<()>;

    /// Another way to [`sync`](Self::sync), for a thread that others need not wait for; `None` when
    /// there is none.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn twin(&self) -> io::Result<Option<Syncer>> {
        Ok(None)
    }
}

/// Returns when all that was added to a sink before is on disk.
pub type Syncer = Box<dyn Fn() -> io::Result<()> + Send>;

/// A journal in a file.
#[derive(Debug)]
pub struct File {
    file: std::fs::File,
    path: PathBuf,
}

impl File {
    /// Makes a new journal, and its name durable.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`], also when the file is there already: a journal is never written over.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let fault = |source| JournalError::Io {
            path: path.to_owned(),
            source,
        };
        let mut options = std::fs::OpenOptions::new();
        let file = options
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(fault)?;
        if let Some(folder) = path.parent() {
            let folder = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            };
            std::fs::File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(fault)?;
        }
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    /// Its name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Sink for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn twin(&self) -> io::Result<Option<Syncer>> {
        let file = self.file.try_clone()?;
        Ok(Some(Box::new(move || file.sync_data())))
    }
}

/// Adds records to a journal.
#[derive(Debug)]
pub struct Writer<S> {
    sink: S,
    before: String,
    /// When the last record that is not on disk yet was written.
    waiting: Option<Duration>,
}

impl<S: Sink> Writer<S> {
    /// A journal without a record yet.
    #[must_use]
    pub fn new(sink: S) -> Self {
        let (before, waiting) = (String::new(), None);
        Self {
            sink,
            before,
            waiting,
        }
    }

    /// Adds a record; `at` is the time since the run began. A final record is on disk when this
    /// returns, others at the latest 50 ms later, if [`Writer::tick`] is called.
    ///
    /// # Errors
    ///
    /// What the sink says. The run must stop then: what it does would not be known afterwards.
    pub fn add(&mut self, at: Duration, record: Record) -> io::Result<()> {
        let is_final = record.is_final();
        self.append(at, record)?;
        if is_final {
            return self.sync();
        }
        self.tick(at)
    }

    /// As [`add`](Self::add); whoever calls has it brought to disk.
    ///
    /// # Errors
    ///
    /// What the sink says.
    pub fn append(&mut self, at: Duration, record: Record) -> io::Result<()> {
        let micros = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        let line = Line { at: micros, record };
        let mut text = serde_json::to_string(&line).map_err(io::Error::other)?;
        let sum = sum(&self.before, text.as_bytes());
        text.pop();
        text.push_str(MARK);
        text.push_str(&sum);
        text.push_str("\"}\n");
        self.sink.append(text.as_bytes())?;
        self.before = sum;
        self.waiting.get_or_insert(at);
        Ok(())
    }

    /// Brings to disk what has waited long enough.
    ///
    /// # Errors
    ///
    /// What the sink says.
    pub fn tick(&mut self, at: Duration) -> io::Result<()> {
        match self.waiting {
            Some(since) if at.saturating_sub(since) >= LAZY => self.sync(),
            _ => Ok(()),
        }
    }

    /// Brings everything to disk.
    ///
    /// # Errors
    ///
    /// What the sink says.
    pub fn sync(&mut self) -> io::Result<()> {
        self.sink.sync()?;
        self.waiting = None;
        Ok(())
    }

    /// The sink, with all on disk.
    ///
    /// # Errors
    ///
    /// What the sink says.
    pub fn finish(mut self) -> io::Result<S> {
        self.sync()?;
        Ok(self.sink)
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (**self).append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        (**self).sync()
    }

    fn twin(&self) -> io::Result<Option<Syncer>> {
        (**self).twin()
    }
}
