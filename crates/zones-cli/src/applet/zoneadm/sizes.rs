//! What a zone takes on the disk and what it shows, with what a sparse zone shows of its base.

use std::path::Path;

use zones_brand::sparse::{self, Bases};
use zones_engine::chain;
use zones_storage::{Driver, Usage, choose};
use zones_store::{IndexEntry, Layout};
use zones_types::ZonePath;

/// The files of a zone.
pub(super) struct Sizes {
    pub(super) driver: Box<dyn Driver>,
    pub(super) zonepath: ZonePath,
    /// Bytes of the folders of a base that every root of the zone shows and none has.
    shared: u64,
}

impl Sizes {
    /// Of a zone that has files. Of a base that is missing, nothing is shown.
    pub(super) fn open(layout: &Layout, entry: &IndexEntry) -> Result<Self, String> {
        let zonepath = entry.zonepath().ok_or("zonepath not specified")?;
        let driver = choose(zonepath.as_path()).map_err(|error| chain(&error))?;
        Ok(Self {
            driver,
            zonepath,
            shared: shared(layout, entry),
        })
    }

    /// Of the whole zone.
    pub(super) fn zone(&self) -> Result<Usage, String> {
        self.with_shared(self.driver.usage_of_zone(self.zonepath.as_path()))
    }

    /// Of one root: a boot environment or a snapshot.
    pub(super) fn root(&self, root: &Path) -> Result<Usage, String> {
        self.with_shared(self.driver.usage(root))
    }

    fn with_shared(
        &self,
        usage: Result<Usage, zones_storage::StorageError>,
    ) -> Result<Usage, String> {
        let usage = usage.map_err(|error| chain(&error))?;
        Ok(Usage {
            refers: usage.refers + self.shared,
            ..usage
        })
    }
}

fn shared(layout: &Layout, entry: &IndexEntry) -> u64 {
    let config = zones_engine::load(layout, &entry.name);
    let Some(config) = config.ok().filter(sparse::is_sparse) else {
        return 0;
    };
    let Ok(shared) = sparse::shared(&config, &Bases::open(layout.bases())) else {
        return 0;
    };
    let sizes = shared.folders.iter().filter_map(|folder| {
        let folder = shared.root.join(folder.trim_start_matches('/'));
        zones_storage::bytes_below(&folder).ok()
    });
    sizes.sum()
}
