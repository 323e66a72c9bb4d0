//! The configuration that a zone runs with: `/run/zones/ZONE/live.xml`, written at boot.
//!
//! A change to the running zone is announced in `apply.xml` before its first step and becomes
//! `live.xml` by a rename after its last one. So whoever finds `apply.xml` and no daemon in between
//! knows that a change was cut short, and from what to what it led.

use std::io::{self, Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use zones_config::ZoneConfig;
use zones_store::{Layout, read_document, write_document};
use zones_types::ZoneName;

use crate::error::EngineError;

const LIVE: &str = "live.xml";
const ANNOUNCED: &str = "apply.xml";

/// The configuration that `zone` runs with; `None` when nothing was written at its boot.
///
/// # Errors
/// A file that cannot be read or is no document.
pub fn live_config(layout: &Layout, zone: &ZoneName) -> Result<Option<ZoneConfig>, EngineError> {
    read(layout, zone, LIVE)
}

/// Where a change that is under way, or was cut short, wants to go.
pub(crate) fn announced(
    layout: &Layout,
    zone: &ZoneName,
) -> Result<Option<ZoneConfig>, EngineError> {
    read(layout, zone, ANNOUNCED)
}

/// The zone boots with this.
pub(crate) fn begin(layout: &Layout, config: &ZoneConfig) -> Result<(), EngineError> {
    withdraw(layout, &config.name);
    write(layout, config, LIVE)
}

/// The zone is about to be changed into this.
pub(crate) fn announce(layout: &Layout, config: &ZoneConfig) -> Result<(), EngineError> {
    write(layout, config, ANNOUNCED)
}

/// The change is done: the point from which it counts.
pub(crate) fn settle(layout: &Layout, zone: &ZoneName) -> Result<(), EngineError> {
    let (from, to) = (path(layout, zone, ANNOUNCED), path(layout, zone, LIVE));
    std::fs::rename(&from, &to).map_err(EngineError::file("replace", &to))
}

/// The change was undone, or there is none.
pub(crate) fn withdraw(layout: &Layout, zone: &ZoneName) {
    let _ = std::fs::remove_file(path(layout, zone, ANNOUNCED));
}

/// The zone does not run any more.
pub(crate) fn end(layout: &Layout, zone: &ZoneName) {
    withdraw(layout, zone);
    let _ = std::fs::remove_file(path(layout, zone, LIVE));
}

fn path(layout: &Layout, zone: &ZoneName, file: &str) -> PathBuf {
    layout.run_zone(zone).join(file)
}

fn read(layout: &Layout, zone: &ZoneName, file: &str) -> Result<Option<ZoneConfig>, EngineError> {
    let path = path(layout, zone, file);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(EngineError::file("read", &path)(error)),
    };
    parse(&text, zone).map(Some)
}

/// The document behind a descriptor, from its beginning wherever its offset stands.
pub(crate) fn read_from(fd: OwnedFd, zone: &ZoneName) -> Result<ZoneConfig, EngineError> {
    let mut file = std::fs::File::from(fd);
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    read.map_err(EngineError::file("read", Path::new("memfd:zone")))?;
    parse(&text, zone)
}

fn parse(text: &str, zone: &ZoneName) -> Result<ZoneConfig, EngineError> {
    let mut config =
        read_document(text).map_err(|error| EngineError::Store(format!("{zone}: {error}")))?;
    config.name = zone.clone();
    Ok(config)
}

/// A reader sees the old file or the new one. The folder is on a tmpfs: nothing is flushed.
fn write(layout: &Layout, config: &ZoneConfig, file: &str) -> Result<(), EngineError> {
    let path = path(layout, &config.name, file);
    let temporary = path.with_extension("new");
    let written = std::fs::write(&temporary, write_document(config))
        .and_then(|()| std::fs::rename(&temporary, &path));
    written.map_err(EngineError::file("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_from_its_rename_on() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        let mut config = ZoneConfig::blank("z".parse().unwrap());
        let zone = config.name.clone();
        std::fs::create_dir_all(layout.run_zone(&zone)).unwrap();
        assert_eq!(live_config(&layout, &zone).unwrap(), None);
        begin(&layout, &config).unwrap();
        let before = config.clone();
        config.autoboot = true;
        announce(&layout, &config).unwrap();
        assert_eq!(live_config(&layout, &zone).unwrap(), Some(before.clone()));
        assert_eq!(announced(&layout, &zone).unwrap(), Some(config.clone()));
        settle(&layout, &zone).unwrap();
        assert_eq!(live_config(&layout, &zone).unwrap(), Some(config.clone()));
        assert_eq!(announced(&layout, &zone).unwrap(), None);
        std::fs::write(path(&layout, &zone, ANNOUNCED), "half a docu").unwrap();
        assert!(announced(&layout, &zone).is_err());
        end(&layout, &zone);
        assert_eq!(live_config(&layout, &zone).unwrap(), None);
    }
}
