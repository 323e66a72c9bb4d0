//! Whether the two files that speak of a zone say the same. Neither is believed when they do not:
//! what would be removed or booted is then not known.

use std::path::PathBuf;

use crate::{Store, StoreError};
use zones_types::ZoneName;

/// What index and document of a zone do not agree on. Prints the difference with its remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Disagreement {
    /// Source of the words: zoneadm(8), "verify".
    #[error(
        "The XML repository has zonepath '{document}',\nbut the index file has zonepath '{index}'.\n\
         These must match, so fix the incorrect entry."
    )]
    Zonepath { document: String, index: String },
    /// The index of SmartOS names the brand, too.
    #[error(
        "The XML repository has brand '{document}',\nbut the index file has brand '{index}'.\n\
         These must match, so fix the incorrect entry."
    )]
    Brand { document: String, index: String },
    /// Two zones cannot be told apart by their uuid.
    #[error(
        "Zone '{other}' has the same uuid in the index file.\n\
         Give one of them a uuid of its own there."
    )]
    Uuid { other: ZoneName },
    /// The index names a zone that has no document.
    #[error(
        "The index file names the zone, but `{}` is missing.\n\
         Restore that file, or remove the line of the zone from the index file.",
        path.display()
    )]
    NoDocument { path: PathBuf },
}

impl Store {
    /// Everything that index and document of a zone do not agree on; nothing for an unknown zone.
    ///
    /// # Errors
    /// When one of the files cannot be read or understood.
    pub fn disagreements(&self, name: &ZoneName) -> Result<Vec<Disagreement>, StoreError> {
        let entries = self.list()?;
        let Some(entry) = entries.iter().find(|entry| entry.name == *name) else {
            return Ok(Vec::new());
        };
        let path = self.document(name);
        if !path.exists() {
            return Ok(vec![Disagreement::NoDocument { path }]);
        }
        let config = self.load(name)?;
        let mut found = Vec::new();
        // What a zone without a zonepath has in the index.
        let zonepath = config.zonepath.as_ref().map_or("/", |path| path.as_str());
        if zonepath != entry.path {
            found.push(Disagreement::Zonepath {
                document: zonepath.to_owned(),
                index: entry.path.clone(),
            });
        }
        let brand = config.brand_or_default();
        if let Some(index) = entry.brand().filter(|index| *index != brand.as_str()) {
            found.push(Disagreement::Brand {
                document: brand.to_string(),
                index: index.to_owned(),
            });
        }
        let twin = entries.iter().find(|other| {
            other.name != *name && !entry.uuid.is_empty() && other.uuid == entry.uuid
        });
        found.extend(twin.map(|other| Disagreement::Uuid {
            other: other.name.clone(),
        }));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Layout;

    fn with(index: &str) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        fs::create_dir_all(layout.etc()).unwrap();
        fs::write(layout.etc().join("index"), index).unwrap();
        let document = "<zone name=\"z1\" zonepath=\"/zones/z1\" autoboot=\"false\" brand=\"lx\"/>";
        fs::write(layout.etc().join("z1.xml"), document).unwrap();
        (folder, Store::open(layout))
    }

    #[test]
    fn each_difference_is_named() {
        let name = "z1".parse().unwrap();
        for (index, want) in [
            ("z1:installed:/zones/z1:u1\nz2:configured:/z2:\n", ""),
            ("z1:installed:/zones/z1:u1:lx:excl:1\n", ""),
            ("z1:installed:/zones/z9:u1\n", "zonepath '/zones/z9'"),
            ("z1:installed:/zones/z1:u1:debian\n", "brand 'debian'"),
            (
                "z1:installed:/zones/z1:u1\nz2:installed:/z2:u1\n",
                "Zone 'z2' has the same uuid",
            ),
            ("z2:installed:/z2:u1\n", ""),
        ] {
            let (_folder, store) = with(index);
            let found = store.disagreements(&name).unwrap();
            let text: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(
                text.len(),
                usize::from(!want.is_empty()),
                "{index}: {text:?}"
            );
            assert!(text.concat().contains(want), "{index}: {text:?}");
        }
        let (_folder, store) = with("z1:installed:/zones/z1:\nz3:installed:/z3:\n");
        let found = store.disagreements(&"z3".parse().unwrap()).unwrap();
        assert!(matches!(
            found.as_slice(),
            [Disagreement::NoDocument { .. }]
        ));
    }
}
