//! All zones of one layout: the index and the documents together.

use std::path::PathBuf;

use zones_config::ZoneConfig;
use zones_types::{ZoneName, ZoneState};

use crate::index::{Index, is_persistent};
use crate::lock::Lock;
use crate::template::builtin_template;
use crate::xml::{read_document, write_document};
use crate::{IndexEntry, Layout, StoreError, atomic, random_uuid};

/// Mode of the index and the documents: there is no secret in them.
const MODE: u32 = 0o644;

/// The zones of one layout. Reading takes no lock; each change takes the lock on the index.
#[derive(Debug, Clone)]
pub struct Store {
    layout: Layout,
}

impl Store {
    /// A store over the files of `layout`; nothing is touched yet.
    #[must_use]
    pub fn open(layout: Layout) -> Self {
        Self { layout }
    }

    /// Where its files are.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The zones in the order of the index, without the host.
    pub fn list(&self) -> Result<Vec<IndexEntry>, StoreError> {
        let entries = self.index()?.into_entries();
        Ok(entries.filter(|entry| !entry.name.is_global()).collect())
    }

    /// The entry of a zone; `None` when there is no such zone.
    pub fn get(&self, name: &ZoneName) -> Result<Option<IndexEntry>, StoreError> {
        Ok(self.index()?.get(name).cloned())
    }

    /// The entry with this uuid.
    pub fn find_uuid(&self, uuid: &str) -> Result<Option<IndexEntry>, StoreError> {
        let mut entries = self.index()?.into_entries();
        Ok(entries.find(|entry| !uuid.is_empty() && entry.uuid.eq_ignore_ascii_case(uuid)))
    }

    /// The configuration of a zone.
    ///
    /// Errors: [`StoreError::NoSuchZone`] when the index or the document is missing, and
    /// [`StoreError::Document`] when it cannot be understood.
    pub fn load(&self, name: &ZoneName) -> Result<ZoneConfig, StoreError> {
        let entry = self.get(name)?;
        let known = entry.is_some() || name.is_global();
        let found = if known { self.read(name)? } else { None };
        let mut config = found.ok_or_else(|| StoreError::NoSuchZone(name.clone()))?;
        config.uuid = entry.map(|entry| entry.uuid).unwrap_or_default();
        Ok(config)
    }

    /// The document of a zone that does not stand in the index; `None` when there is none, or the
    /// zone is registered.
    pub fn unregistered(&self, name: &ZoneName) -> Result<Option<ZoneConfig>, StoreError> {
        match self.get(name)? {
            Some(_) => Ok(None),
            None => self.read(name),
        }
    }

    /// What the first element of a zone's document says: name, zonepath, brand, IP type. `None`
    /// when there is no document or it is not understood. For lists: the index is not asked again.
    #[must_use]
    pub fn head(&self, name: &ZoneName) -> Option<ZoneConfig> {
        let text = std::fs::read(self.document(name)).ok()?;
        crate::xml::read_head(std::str::from_utf8(&text).ok()?)
    }

    /// A template for `create -t`: a file below `templates`, one beside the documents, a built-in,
    /// or any configured zone; `None` when nothing has that name.
    pub fn template(&self, name: &ZoneName) -> Result<Option<ZoneConfig>, StoreError> {
        let own = self
            .layout
            .etc()
            .join("templates")
            .join(format!("{name}.xml"));
        if let Some(found) = read_file(own, None)? {
            return Ok(Some(found));
        }
        let configured = name.is_reserved() || self.get(name)?.is_some();
        if configured && let Some(found) = self.read(name)? {
            return Ok(Some(found));
        }
        Ok(builtin_template(name.as_str()))
    }

    /// Writes the document, then the index line; a new zone becomes `configured`.
    pub fn save(&self, config: &ZoneConfig) -> Result<IndexEntry, StoreError> {
        self.save_as(&config.name, config)
    }

    /// As [`Store::save`] for a zone that stood in the index as `old`: renames it in passing.
    pub fn save_as(&self, old: &ZoneName, config: &ZoneConfig) -> Result<IndexEntry, StoreError> {
        refuse_reserved(&config.name)?;
        let path = match &config.zonepath {
            Some(path) => path.as_str(),
            None => "/",
        };
        self.change(|index| {
            if *old != config.name && index.get(&config.name).is_some() {
                return Err(StoreError::NameInUse(config.name.clone()));
            }
            let taken = |entry: &&IndexEntry| {
                !config.uuid.is_empty() && entry.uuid == config.uuid && entry.name != *old
            };
            if let Some(other) = index.entries().find(taken) {
                let (uuid, owner) = (config.uuid.clone(), other.name.clone());
                return Err(StoreError::UuidInUse { uuid, owner });
            }
            let document = write_document(config);
            atomic::write(&self.document(&config.name), document.as_bytes(), MODE)?;
            if index.get(old).is_none() {
                index.push(IndexEntry {
                    name: config.name.clone(),
                    state: ZoneState::Configured,
                    path: String::new(),
                    uuid: String::new(),
                    extra: Vec::new(),
                });
            }
            let present = if index.get(old).is_some() {
                old
            } else {
                &config.name
            };
            let entry = index
                .get_mut(present)
                .ok_or_else(|| StoreError::NoSuchZone(present.clone()))?;
            entry.name = config.name.clone();
            path.clone_into(&mut entry.path);
            if !config.uuid.is_empty() {
                config.uuid.clone_into(&mut entry.uuid);
            }
            if let Some(field) = entry.extra.first_mut() {
                *field = config.brand_or_default().to_string();
            }
            if let Some(field) = entry.extra.get_mut(1) {
                *field = config.ip_type.short().to_owned();
            }
            Ok(entry.clone())
        })
        .and_then(|entry| {
            if *old != config.name {
                atomic::remove(&self.document(old))?;
            }
            Ok(entry)
        })
    }

    /// Removes the index line, then the document. The files of the zone stay.
    pub fn delete(&self, name: &ZoneName) -> Result<(), StoreError> {
        refuse_reserved(name)?;
        self.change(|index| {
            if index.remove(name) {
                Ok(())
            } else {
                Err(StoreError::NoSuchZone(name.clone()))
            }
        })?;
        atomic::remove(&self.document(name))
    }

    /// Gives a zone another name, in the document and in the index.
    pub fn rename(&self, from: &ZoneName, to: &ZoneName) -> Result<IndexEntry, StoreError> {
        let mut config = self.load(from)?;
        config.name = to.clone();
        self.save_as(from, &config)
    }

    /// Writes the state of a zone; one that leaves `configured` for the first time gets a uuid.
    pub fn set_state(&self, name: &ZoneName, state: ZoneState) -> Result<IndexEntry, StoreError> {
        self.edit(name, state, None)
    }

    /// As [`Store::set_state`], with the uuid that an attached zone brings along.
    pub fn set_state_uuid(
        &self,
        name: &ZoneName,
        state: ZoneState,
        uuid: &str,
    ) -> Result<IndexEntry, StoreError> {
        self.edit(name, state, Some(uuid))
    }

    fn edit(
        &self,
        name: &ZoneName,
        state: ZoneState,
        uuid: Option<&str>,
    ) -> Result<IndexEntry, StoreError> {
        if !is_persistent(state) {
            let name = name.clone();
            return Err(StoreError::NotPersistent { name, state });
        }
        self.change(|index| {
            let entry = index
                .get_mut(name)
                .ok_or_else(|| StoreError::NoSuchZone(name.clone()))?;
            entry.state = state;
            if let Some(uuid) = uuid {
                uuid.clone_into(&mut entry.uuid);
            } else if entry.uuid.is_empty() && state != ZoneState::Configured {
                entry.uuid = random_uuid()?;
            }
            Ok(entry.clone())
        })
    }

    /// Where the document of a zone is.
    #[must_use]
    pub fn document(&self, name: &ZoneName) -> PathBuf {
        self.layout.etc().join(format!("{name}.xml"))
    }

    fn index(&self) -> Result<Index, StoreError> {
        let text = atomic::read(&self.index_path())?;
        Ok(text.map_or_else(Index::fresh, |text| Index::parse(&text)))
    }

    fn index_path(&self) -> PathBuf {
        self.layout.etc().join("index")
    }

    /// One change to the index, under its lock. When `act` fails the index stays as it is.
    fn change<T>(
        &self,
        act: impl FnOnce(&mut Index) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _lock = Lock::index(&self.layout)?;
        atomic::sweep(&self.layout.etc());
        let mut index = self.index()?;
        let done = act(&mut index)?;
        atomic::write(&self.index_path(), index.text().as_bytes(), MODE)?;
        Ok(done)
    }

    fn read(&self, name: &ZoneName) -> Result<Option<ZoneConfig>, StoreError> {
        read_file(self.document(name), Some(name))
    }
}

fn refuse_reserved(name: &ZoneName) -> Result<(), StoreError> {
    if name.is_reserved() {
        return Err(StoreError::Reserved(name.clone()));
    }
    Ok(())
}

/// Reads a document; the name of the file wins over the name in it, as on Solaris.
fn read_file(path: PathBuf, name: Option<&ZoneName>) -> Result<Option<ZoneConfig>, StoreError> {
    let Some(text) = atomic::read(&path)? else {
        return Ok(None);
    };
    match read_document(&text) {
        Ok(mut config) => {
            if let Some(name) = name {
                config.name = name.clone();
            }
            Ok(Some(config))
        }
        Err(source) => {
            let source = Box::new(source);
            Err(StoreError::Document { path, source })
        }
    }
}

#[cfg(test)]
mod tests;
