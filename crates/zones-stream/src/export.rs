//! Writes the stream of a zone.

use std::io::Write;
use std::path::{Path, PathBuf};

use zones_archive::{Phase, Progress};
use zones_storage::{Environments, Snapshot, Snapshots};
use zones_sys::RootFd;

use crate::error::StreamError;
use crate::frame::{FrameWriter, Kind, Token};
use crate::header::{Base, Header, Root, RootKind, Shared};
use crate::record::Record;
use crate::tree::{self, RecordWriter};

/// What goes into a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only this snapshot, which is the root at the receiver, too. Nothing: all that the zone has.
    pub snapshot: Option<String>,
    /// Only what came after this snapshot, which the receiver must have.
    pub base: Option<String>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Roots in the stream.
    pub roots: usize,
    /// Bytes of the stream.
    pub bytes: u64,
}

/// What is said of a zone beside its files.
#[derive(Debug, Clone, Default)]
pub struct Described<'a> {
    /// Its name.
    pub zone: &'a str,
    /// Its configuration, as an XML document.
    pub configuration: &'a str,
    /// The base of a sparse zone.
    pub shared: Option<Shared>,
}

/// A root of the zone that goes into the stream.
struct Source {
    root: Root,
    path: PathBuf,
}

/// Writes the zone at `zonepath` to `out`. Nobody writes to what goes into the stream meanwhile:
/// the zone is down, or only a snapshot is asked for. With a token, what the receiver has is left
/// out.
///
/// # Errors
/// A snapshot that is not there; what cannot be read; [`StreamError::Changed`] when the token does
/// not fit any more.
pub fn export(
    zonepath: &Path,
    described: &Described<'_>,
    selection: &Selection,
    resume: Option<Token>,
    out: impl Write,
    progress: &dyn Progress,
) -> Result<Exported, StreamError> {
    let (sources, base) = sources(zonepath, selection)?;
    let environments = Environments::open(zonepath)?;
    let header = Header {
        zone: described.zone.to_owned(),
        configuration: described.configuration.to_owned(),
        active: environments.active().to_owned(),
        shared: described.shared.clone(),
        roots: sources.iter().map(|it| it.root.clone()).collect(),
    };
    let mut frames = FrameWriter::new(out, resume)?;
    frames.frame(Kind::Header, &header.encode()?)?;
    let mut records = RecordWriter::new(frames, progress);
    progress.begin(Phase::Stream, 0);
    let done = write_roots(&mut records, &sources, base.as_deref());
    let done = done.and_then(|()| records.end());
    progress.end(Phase::Stream);
    Ok(Exported {
        roots: sources.len(),
        bytes: done?,
    })
}

fn write_roots<W: Write>(
    records: &mut RecordWriter<'_, W>,
    sources: &[Source],
    base: Option<&Path>,
) -> Result<(), StreamError> {
    let mut before = base.map(open).transpose()?;
    for (number, source) in sources.iter().enumerate() {
        let root = u32::try_from(number).unwrap_or(u32::MAX);
        records.put(&Record::Begin { root })?;
        let tree = open(&source.path)?;
        tree::write(records, before.as_ref(), &tree)?;
        records.put(&Record::Finish { root })?;
        before = Some(tree);
    }
    Ok(())
}

/// The files of a root, to read.
pub(crate) fn open(root: &Path) -> Result<RootFd, StreamError> {
    Ok(zones_storage::look(root)?)
}

/// The roots for the stream, in order, and the one that the first is the difference to.
fn sources(
    zonepath: &Path,
    selection: &Selection,
) -> Result<(Vec<Source>, Option<PathBuf>), StreamError> {
    let snapshots = Snapshots::open(zonepath)?;
    let environments = Environments::open(zonepath)?;
    let base = match &selection.base {
        Some(name) => Some(snapshots.find(name)?.clone()),
        None => None,
    };
    let mut all: Vec<Source> = Vec::new();
    let known = snapshots.all();
    let first = match &base {
        Some(base) => known
            .iter()
            .position(|it| it.uuid == base.uuid)
            .map_or(0, |it| it + 1),
        None => 0,
    };
    for snapshot in &known[first..] {
        if selection
            .snapshot
            .as_ref()
            .is_none_or(|it| *it == snapshot.name)
        {
            all.push(of_snapshot(&snapshots, snapshot));
        }
    }
    let path = match &selection.snapshot {
        Some(name) => {
            snapshots.find(name)?;
            snapshots.path(name)
        }
        None => {
            if base.is_none() {
                all.extend(of_environments(&environments));
            }
            environments.path(environments.active())
        }
    };
    all.push(Source {
        root: plain(RootKind::Root, environments.active(), ""),
        path,
    });
    for source in all.iter_mut().skip(1) {
        source.root.base = Base::Before;
    }
    let path = base.as_ref().map(|it| snapshots.path(&it.name));
    if let (Some(base), Some(source)) = (base, all.first_mut()) {
        source.root.base = Base::Snapshot {
            name: base.name,
            uuid: base.uuid,
        };
    }
    Ok((all, path))
}

fn plain(kind: RootKind, name: &str, uuid: &str) -> Root {
    Root {
        kind,
        base: Base::Nothing,
        name: name.to_owned(),
        uuid: uuid.to_owned(),
        created: 0,
        environment: String::new(),
        origin: String::new(),
    }
}

fn of_snapshot(snapshots: &Snapshots, snapshot: &Snapshot) -> Source {
    let mut root = plain(RootKind::Snapshot, &snapshot.name, &snapshot.uuid);
    root.created = snapshot.created;
    root.environment.clone_from(&snapshot.environment);
    root.origin.clone_from(&snapshot.origin);
    Source {
        root,
        path: snapshots.path(&snapshot.name),
    }
}

/// The boot environments that are not active.
fn of_environments(environments: &Environments) -> impl Iterator<Item = Source> {
    let others = environments.all().iter();
    let others = others.filter(|it| it.name != environments.active());
    others.map(|it| {
        let mut root = plain(RootKind::Environment, &it.name, &it.uuid);
        root.created = it.created;
        Source {
            root,
            path: environments.path(&it.name),
        }
    })
}
