//! Takes a stream: lays its roots down where nothing sees them, and verifies them while they come.

use std::fs;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zones_archive::{Phase, Progress};
use zones_storage::{Driver, choose};
use zones_store::atomic;
use zones_sys::RootFd;

use crate::apply::{Counts, Tree};
use crate::error::StreamError;
use crate::frame::{FrameReader, Kind, Token};
use crate::header::{Base, Header};
use crate::record::Record;

/// Where roots are laid down, beside the root of the zone.
const FOLDER: &str = ".import";
/// How far a stream came that is to be gone on with.
const STATE: &str = "state";
/// Frames after which that is written down.
const CHECKPOINT: u64 = 64;

/// What stays of a stream that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// What was verified, to be gone on with.
    Verified,
}

/// Where a stream goes.
#[derive(Debug)]
pub struct Place<'a> {
    /// The zonepath; it exists.
    pub zonepath: &'a Path,
    /// What stays of a stream that is cut. With [`Keep::Verified`] what an earlier one left is gone
    /// on with, if the stream is made for that.
    pub keep: Keep,
}

/// A stream that is here and verified, not yet in place. Dropped, its files stay; see
/// [`Received::discard`].
#[derive(Debug)]
pub struct Received {
    /// What it holds.
    pub header: Header,
    pub(crate) zonepath: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    frames: u64,
    hash: String,
    header: Header,
}

impl State {
    fn token(&self) -> Option<Token> {
        format!("{}-{}", self.frames, self.hash).parse().ok()
    }
}

fn read_state(folder: &Path) -> Result<Option<State>, StreamError> {
    let text = atomic::read(&folder.join(STATE))?;
    // One that cannot be understood is none: then the stream is sent from its start.
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// How far the stream came that was cut at this zonepath; nothing when none was.
///
/// # Errors
/// The record cannot be read.
pub fn kept(zonepath: &Path) -> Result<Option<Token>, StreamError> {
    let state = read_state(&zonepath.join(FOLDER))?;
    Ok(state.and_then(|it| it.token()))
}

/// Whether something is there of a stream that nobody can go on with: its receiver was killed.
#[must_use]
pub fn is_forgotten(zonepath: &Path) -> bool {
    let folder = zonepath.join(FOLDER);
    folder.is_dir() && !folder.join(STATE).exists()
}

/// Removes it.
///
/// # Errors
/// It cannot be removed.
pub fn forget(zonepath: &Path) -> Result<(), StreamError> {
    match is_forgotten(zonepath) {
        true => discard(&*choose(zonepath)?, &zonepath.join(FOLDER)),
        false => Ok(()),
    }
}

/// Takes a stream. `accept` sees what it holds before anything is laid down, and says where the
/// snapshot is that the first root is the difference to, if it is one.
///
/// # Errors
/// See [`StreamError`]. Nothing of it stays, unless it was cut and `place` says to keep what came.
pub fn receive(
    from: impl Read,
    place: &Place<'_>,
    accept: impl FnOnce(&Header) -> Result<Option<PathBuf>, StreamError>,
    progress: &dyn Progress,
) -> Result<Received, StreamError> {
    let frames = FrameReader::new(from)?;
    let folder = place.zonepath.join(FOLDER);
    let mut job = Job {
        zonepath: place.zonepath,
        folder,
        frames,
        progress,
        counts: Counts::default(),
        tree: None,
        next: 0,
        base: None,
        header: None,
    };
    progress.begin(Phase::Stream, 0);
    let done = job.run(place, accept);
    progress.end(Phase::Stream);
    let header = job.header.take();
    match (done, header) {
        (Ok(()), Some(header)) => Ok(Received {
            header,
            zonepath: place.zonepath.to_owned(),
        }),
        (Ok(()), None) => Err(StreamError::Malformed("it has no header".to_owned())),
        (Err(error), header) => {
            job.tree = None;
            let kept = match header {
                Some(header) if place.keep == Keep::Verified && error.is_resumable() => {
                    job.checkpoint(&header).is_ok()
                }
                // What was kept before is none the worse for a stream that does not fit.
                None => place.keep == Keep::Verified,
                Some(_) => false,
            };
            if !kept {
                discard(&*job.driver()?, &job.folder)?;
            }
            Err(error)
        }
    }
}

/// Removes what a stream left that was never put in place.
pub(crate) fn discard(driver: &dyn Driver, folder: &Path) -> Result<(), StreamError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(_) => return Ok(()),
    };
    // First: roots without a record are swept, a record without roots would be believed.
    atomic::remove(&folder.join(STATE))?;
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            driver.destroy(&entry.path())?;
        }
    }
    fs::remove_dir_all(folder).map_err(StreamError::folder("remove", folder))
}

/// Where the root of this number is laid down.
pub(crate) fn root_of(folder: &Path, number: usize) -> PathBuf {
    folder.join(number.to_string())
}

impl Received {
    pub(crate) fn folder(&self) -> PathBuf {
        self.zonepath.join(FOLDER)
    }

    /// Removes the files again.
    ///
    /// # Errors
    /// They cannot be removed.
    pub fn discard(self) -> Result<(), StreamError> {
        discard(&*choose(&self.zonepath)?, &self.folder())
    }
}

struct Job<'a, R> {
    zonepath: &'a Path,
    folder: PathBuf,
    frames: FrameReader<R>,
    progress: &'a dyn Progress,
    counts: Counts,
    tree: Option<(u32, Tree)>,
    /// Roots that began.
    next: u32,
    base: Option<PathBuf>,
    /// What the stream holds, once that was accepted.
    header: Option<Header>,
}

impl<R: Read> Job<'_, R> {
    /// That of the zone, which whoever accepts the stream may write down.
    fn driver(&self) -> Result<Box<dyn Driver>, StreamError> {
        Ok(choose(self.zonepath)?)
    }

    fn run(
        &mut self,
        place: &Place<'_>,
        accept: impl FnOnce(&Header) -> Result<Option<PathBuf>, StreamError>,
    ) -> Result<(), StreamError> {
        let header = self.start(place, accept)?;
        self.header = Some(header.clone());
        self.records(place, &header)
    }

    /// The header, of this stream or of the one that it goes on with.
    fn start(
        &mut self,
        place: &Place<'_>,
        accept: impl FnOnce(&Header) -> Result<Option<PathBuf>, StreamError>,
    ) -> Result<Header, StreamError> {
        let (kind, content) = self.frames.next()?;
        let header = match kind {
            Kind::Header => {
                let header = Header::decode(&content)?;
                self.base = accept(&header)?;
                discard(&*self.driver()?, &self.folder)?;
                let mut builder = fs::DirBuilder::new();
                let made = builder.mode(0o700).create(&self.folder);
                made.map_err(StreamError::folder("make", &self.folder))?;
                return Ok(header);
            }
            Kind::Resume => {
                let text = String::from_utf8_lossy(&content).into_owned();
                let theirs: Token = text.parse()?;
                let state = match place.keep {
                    Keep::Verified => read_state(&self.folder)?,
                    Keep::Nothing => None,
                };
                let ours = state.as_ref().and_then(State::token);
                match state {
                    Some(state) if ours == Some(theirs) => {
                        self.frames.go_on(theirs);
                        state.header
                    }
                    _ => {
                        let (theirs, ours) = (theirs.frames, ours.map_or(0, |it| it.frames));
                        return Err(StreamError::NoResume { theirs, ours });
                    }
                }
            }
            Kind::Records | Kind::End => {
                return Err(StreamError::Malformed("it has no header".to_owned()));
            }
        };
        self.base = accept(&header)?;
        let begun = (0..header.roots.len()).take_while(|it| root_of(&self.folder, *it).exists());
        self.next = u32::try_from(begun.count()).unwrap_or(u32::MAX);
        Ok(header)
    }

    fn records(&mut self, place: &Place<'_>, header: &Header) -> Result<(), StreamError> {
        let mut finished = None;
        loop {
            if self.progress.cancelled() {
                return Err(StreamError::Cancelled);
            }
            let (before, read) = (self.frames.at(), self.frames.read());
            let (kind, content) = self.frames.next()?;
            match kind {
                Kind::Records => {}
                Kind::End => {
                    self.frames.end()?;
                    break;
                }
                Kind::Header | Kind::Resume => {
                    return Err(StreamError::Malformed("a second header".to_owned()));
                }
            }
            let applied = self.frame(header, &content, &mut finished);
            if let Err(error) = applied {
                // The frame was right, but is not done: it must come again.
                self.frames.go_on(before);
                return Err(error);
            }
            self.progress
                .advance(Phase::Stream, self.frames.read() - read);
            let is_due = self.frames.at().frames.is_multiple_of(CHECKPOINT);
            if is_due && place.keep == Keep::Verified {
                self.checkpoint(header)?;
            }
        }
        self.tree = None;
        // A stream that went on may have nothing left but its end.
        let is_whole = self.next as usize == header.roots.len() && finished != Some(false);
        if !is_whole {
            return Err(StreamError::Malformed("a root is missing".to_owned()));
        }
        let folder = RootFd::open(&self.folder).and_then(|it| it.sync());
        folder.map_err(|errno| StreamError::folder("sync", &self.folder)(errno.into()))
    }

    fn frame(
        &mut self,
        header: &Header,
        content: &[u8],
        finished: &mut Option<bool>,
    ) -> Result<(), StreamError> {
        for record in Record::decode_all(content)? {
            match record {
                Record::Begin { root } => {
                    self.begin(header, root)?;
                    *finished = Some(false);
                }
                Record::Finish { root } => {
                    let Some((_, tree)) = self.tree.take().filter(|(at, _)| *at == root) else {
                        let text = "a root ends that did not begin".to_owned();
                        return Err(StreamError::Malformed(text));
                    };
                    self.sync(&tree)?;
                    *finished = Some(true);
                }
                Record::Context { root, .. } => {
                    self.context(header, root)?;
                    self.apply(record)?;
                }
                record => self.apply(record)?,
            }
        }
        Ok(())
    }

    fn apply(&mut self, record: Record) -> Result<(), StreamError> {
        match (&mut self.tree, &record) {
            (Some((_, tree)), _) => tree.apply(record, &mut self.counts),
            // Between two roots, and before the first.
            (None, Record::Context { file: None, .. }) => Ok(()),
            (None, _) => Err(StreamError::Malformed("records of no root".to_owned())),
        }
    }

    /// A frame begins: after a stream was cut the root at hand is opened again.
    fn context(&mut self, header: &Header, root: u32) -> Result<(), StreamError> {
        let is_open = self.tree.as_ref().is_some_and(|(at, _)| *at == root);
        if is_open || self.tree.is_some() || root >= self.next {
            return Ok(());
        }
        if root as usize >= header.roots.len() {
            return Err(StreamError::Malformed("a root too many".to_owned()));
        }
        let path = root_of(&self.folder, root as usize);
        self.tree = Some((root, self.open(&path)?));
        Ok(())
    }

    fn open(&self, path: &Path) -> Result<Tree, StreamError> {
        Ok(Tree::new(zones_storage::open(path)?))
    }

    fn begin(&mut self, header: &Header, number: u32) -> Result<(), StreamError> {
        let index = number as usize;
        let Some(root) = header.roots.get(index) else {
            return Err(StreamError::Malformed("a root too many".to_owned()));
        };
        // From an earlier try it may be there already.
        if number > self.next {
            return Err(StreamError::Malformed("a root is left out".to_owned()));
        }
        self.tree = None;
        let driver = self.driver()?;
        let path = root_of(&self.folder, index);
        driver.destroy(&path)?;
        let new = self.folder.join("new");
        driver.destroy(&new)?;
        let base = match (&root.base, index.checked_sub(1), &self.base) {
            (Base::Nothing, ..) => None,
            (Base::Before, Some(before), _) => Some(root_of(&self.folder, before)),
            (Base::Snapshot { .. }, None, Some(base)) => Some(base.clone()),
            _ => return Err(StreamError::Malformed("a base is missing".to_owned())),
        };
        match base {
            None => driver.create(&new)?,
            Some(base) => {
                driver.copy(&base, &new, false, self.progress)?;
            }
        }
        driver.rename(&new, &path)?;
        self.next = self.next.max(number + 1);
        self.tree = Some((number, self.open(&path)?));
        Ok(())
    }

    /// A root that is a file system of its own is written to the disk by itself.
    fn sync(&self, tree: &Tree) -> Result<(), StreamError> {
        let failed = StreamError::folder("sync", &self.folder);
        tree.sync_beside(&self.folder).map_err(failed)
    }

    /// Writes down how far it is, once that is on the disk.
    fn checkpoint(&self, header: &Header) -> Result<(), StreamError> {
        if let Some((_, tree)) = &self.tree {
            self.sync(tree)?;
        }
        let folder = RootFd::open(&self.folder).and_then(|it| it.sync());
        folder.map_err(|errno| StreamError::folder("sync", &self.folder)(errno.into()))?;
        let token = self.frames.at();
        let text = token.to_string();
        let hash = text.split_once('-').map_or("", |it| it.1).to_owned();
        let state = State {
            frames: token.frames,
            hash,
            header: header.clone(),
        };
        let text = serde_json::to_vec(&state)
            .map_err(|error| StreamError::Malformed(error.to_string()))?;
        Ok(atomic::write(&self.folder.join(STATE), &text, 0o600)?)
    }
}
