//! Puts what came and was verified in place.

use std::path::{Path, PathBuf};

use zones_archive::{ChangeKind, DiffOptions, Progress, differ};
use zones_storage::{Driver, Environments, Snapshot, Snapshots, choose};

use crate::error::StreamError;
use crate::export::open;
use crate::header::{Header, Root, RootKind};
use crate::receive::{Received, discard, root_of};

impl Header {
    /// Where the snapshot is in the zone at `zonepath` that the stream goes on from; nothing for a
    /// stream that holds all of its zone.
    ///
    /// # Errors
    /// The zone has no such snapshot.
    pub fn find_base(&self, zonepath: &Path) -> Result<Option<PathBuf>, StreamError> {
        let Some((name, uuid)) = self.base() else {
            return Ok(None);
        };
        let snapshots = Snapshots::open(zonepath)?;
        let mut all = snapshots.all().iter();
        match all.find(|it| it.uuid == uuid) {
            Some(snapshot) => Ok(Some(snapshots.path(&snapshot.name))),
            None => Err(StreamError::NoBase {
                name: name.to_owned(),
                uuid: uuid.to_owned(),
            }),
        }
    }
}

/// The first path of the root at `zonepath` that is other than it was in `base`.
///
/// # Errors
/// A tree cannot be read.
pub(crate) fn first_change(
    zonepath: &Path,
    base: &Path,
    progress: &dyn Progress,
) -> Result<Option<PathBuf>, StreamError> {
    let options = DiffOptions {
        trust_stamps: true,
        ..DiffOptions::default()
    };
    let environments = Environments::open(zonepath)?;
    let root = environments.path(environments.active());
    let changes = differ(Some(&open(base)?), &open(&root)?, options, progress)?;
    // A socket of a program that is gone is no change that anybody would miss.
    let is_socket = |kind: &ChangeKind| {
        let socket = rustix::fs::FileType::Socket;
        *kind == ChangeKind::Added(socket) || *kind == ChangeKind::Removed(socket)
    };
    let mut changes = changes.into_iter();
    Ok(changes.find(|it| !is_socket(&it.kind)).map(|it| it.path))
}

impl Received {
    /// The first path of the zone's root that is other than in the snapshot `base` that the stream
    /// goes on from: it would be lost.
    ///
    /// # Errors
    /// A tree cannot be read.
    pub fn first_change(
        &self,
        base: &Path,
        progress: &dyn Progress,
    ) -> Result<Option<PathBuf>, StreamError> {
        first_change(&self.zonepath, base, progress)
    }

    /// Puts everything in place: of a whole zone all of it, where nothing is; else the snapshots,
    /// and the root instead of the one that is there.
    ///
    /// # Errors
    /// A step fails; what is in place then is whole, each for itself.
    pub fn install(self, progress: &dyn Progress) -> Result<(), StreamError> {
        let folder = self.folder();
        let driver = choose(&self.zonepath)?;
        let is_whole = self.header.base().is_none();
        let last = self.header.roots.len() - 1;
        if is_whole {
            // The root first: what else there is lies around it.
            driver.rename(&root_of(&folder, last), &self.zonepath.join("root"))?;
            self.name_environment()?;
        }
        for (number, root) in self.header.roots.iter().enumerate() {
            let from = root_of(&folder, number);
            match root.kind {
                RootKind::Snapshot => self.snapshot(root, &from, progress)?,
                RootKind::Environment => {
                    let mut all = Environments::open(&self.zonepath)?;
                    all.adopt(&root.name, &root.uuid, root.created, &from)?;
                }
                RootKind::Root if is_whole => {}
                RootKind::Root => self.exchange(&*driver, &from)?,
            }
        }
        discard(&*driver, &folder)
    }

    fn name_environment(&self) -> Result<(), StreamError> {
        let mut all = Environments::open(&self.zonepath)?;
        let active = all.active().to_owned();
        if active != self.header.active {
            all.rename(&active, &self.header.active)?;
        }
        Ok(())
    }

    fn snapshot(
        &self,
        root: &Root,
        from: &Path,
        progress: &dyn Progress,
    ) -> Result<(), StreamError> {
        let mut all = Snapshots::open(&self.zonepath)?;
        if all.all().iter().any(|it| it.uuid == root.uuid) {
            return Ok(());
        }
        let name = match all.find(&root.name) {
            Ok(_) => all.free_name(&root.name),
            Err(_) => root.name.clone(),
        };
        let snapshot = Snapshot {
            name,
            uuid: root.uuid.clone(),
            created: root.created,
            environment: root.environment.clone(),
            origin: root.origin.clone(),
        };
        Ok(all.adopt(snapshot, from, progress)?)
    }

    fn exchange(&self, driver: &dyn Driver, from: &Path) -> Result<(), StreamError> {
        driver.exchange(from, &self.zonepath.join("root"))?;
        Ok(driver.destroy(from)?)
    }
}
